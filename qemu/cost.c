// SPDX-License-Identifier: GPL-2.0
/*
 * What /dev/retroconv costs user space in instructions
 *
 * The counterpart of module/bench_cost.c, on the same machine, and in the same
 * form. What interrupts it is part of the cost of what it interrupts: a tick is
 * a thousandth of the 4 million instructions between two.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/retroconv.h>

#include "guest.h"

#define LOOPS	2000

static struct retroconv_time times[RETROCONV_MAX_NR];
static __u64 cycles[RETROCONV_MAX_NR];

static void report(const char *name, double instructions)
{
	printf("%s: %.2f\n", name, instructions);
}

static int compare(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Per value, of values which are spread over most of the exact history */
static int measure(int device, unsigned int nr, int sorted)
{
	struct retroconv_info info = { .size = sizeof(info) };
	unsigned int rounds = nr < 4096 ? 4096 / nr : 1;
	uint64_t start, sum = 0;
	char name[64];

	srand48(nr);
	for (unsigned int round = 0; round < rounds; round++) {
		if (ioctl(device, RETROCONV_INFO, &info))
			return -1;
		for (unsigned int i = 0; i < nr; i++)
			cycles[i] = info.newest -
				    drand48() * 0.75 * (info.newest - info.oldest_exact);
		if (sorted)
			qsort(cycles, nr, sizeof(*cycles), compare);
		start = counter();
		if (convert_cycles(device, CLOCK_REALTIME, nr, cycles, times))
			return -1;
		sum += counter() - start;
		for (unsigned int i = 0; i < nr; i++) {
			if (times[i].status || times[i].error_ns)
				return -1;
		}
	}
	snprintf(name, sizeof(name), "ioctl, batch of %u, %s", nr, sorted ? "sorted" : "random");
	report(name, (double)sum / (rounds * nr));
	return 0;
}

/* Per value, of stamps of CLOCK_MONOTONIC that become CLOCK_REALTIME */
static int measure_times(int device, unsigned int nr)
{
	struct retroconv_convert arg = {
		.size		= sizeof(arg),
		.counter	= RETROCONV_FROM_MONOTONIC,
		.clock_id	= CLOCK_REALTIME,
		.nr		= nr,
		.cycles		= (uintptr_t)cycles,
		.times		= (uintptr_t)times,
	};
	unsigned int rounds = nr < 4096 ? 4096 / nr : 1;
	uint64_t start, sum = 0;
	struct timespec ts;
	char name[64];

	for (unsigned int round = 0; round < rounds; round++) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		for (unsigned int i = 0; i < nr; i++)
			cycles[i] = ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec - (nr - i) * 10000;
		start = counter();
		if (ioctl(device, RETROCONV_CONVERT, &arg))
			return -1;
		sum += counter() - start;
		for (unsigned int i = 0; i < nr; i++) {
			if (times[i].status || times[i].error_ns)
				return -1;
		}
	}
	snprintf(name, sizeof(name), "ioctl, MONOTONIC to REALTIME, batch of %u, sorted", nr);
	report(name, (double)sum / (rounds * nr));
	return 0;
}

int main(void)
{
	static const unsigned int sizes[] = { 1, 64, 4096, RETROCONV_MAX_NR };
	int device = open("/dev/retroconv", O_RDONLY);
	uint64_t start, empty;
	struct timespec ts;

	start = counter();
	for (int i = 0; i < LOOPS; i++)
		asm volatile("" : : "r" (i));
	empty = counter() - start;
	start = counter();
	for (int i = 0; i < LOOPS; i++)
		clock_gettime(CLOCK_REALTIME, &ts);
	report("clock_gettime() of the vDSO", (double)(counter() - start - empty) / LOOPS);

	/* Without a history there is nothing else to measure */
	if (device < 0)
		return 0;
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		if (measure(device, sizes[i], 1) || measure(device, sizes[i], 0)) {
			printf("no exact time\n");
			return 1;
		}
	}
	for (unsigned int i = 0; i < 3; i++) {
		if (measure_times(device, sizes[i])) {
			printf("no exact time of a clock\n");
			return 1;
		}
	}
	return 0;
}
