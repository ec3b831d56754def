// SPDX-License-Identifier: GPL-2.0
/*
 * What "make run" shows: counter values from the past, the times which were
 * read with them, and the times to which they convert now.
 *
 * clock_gettime() does not tell which counter value it has used. It lies
 * between one read before and one read after. So all values between the two
 * are converted, and the time which was read must be among the results, to the
 * nanosecond.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <linux/retroconv.h>

#include "guest.h"

#define NR_EVENTS	16
#define NR_ROUNDS	2000
#define MAX_WIDTH	RETROCONV_MAX_NR

struct event {
	clockid_t	clock;
	uint64_t	c1;
	uint64_t	c2;
	int64_t		time;
	const char	*then;
};

static const struct {
	clockid_t	clock;
	const char	*name;
} clocks[] = {
	{ CLOCK_MONOTONIC,	"MONOTONIC" },
	{ CLOCK_BOOTTIME,	"BOOTTIME" },
	{ CLOCK_REALTIME,	"REALTIME" },
	{ CLOCK_TAI,		"TAI" },
	{ CLOCK_MONOTONIC_RAW,	"RAW" },
};

static int device;
static long exact, mismatches, unknown;
static struct retroconv_time times[MAX_WIDTH];
static __u64 cycles[MAX_WIDTH];

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void take(struct event *e, clockid_t clock)
{
	e->clock = clock;
	e->c1 = counter();
	e->time = now(clock);
	e->c2 = counter();
}

/* Where between c1 and c2 was the time read? -1 if nowhere, -2 if not known */
static long look(const struct event *e)
{
	__u64 nr = e->c2 - e->c1 + 1;

	if (nr > MAX_WIDTH)
		return -2;
	for (__u64 i = 0; i < nr; i++)
		cycles[i] = e->c1 + i;
	if (convert_cycles(device, e->clock, nr, cycles, times))
		die("RETROCONV_CONVERT");
	for (__u64 i = 0; i < nr; i++) {
		if (times[i].status == -ERANGE)
			return -2;
		if (!times[i].status && !times[i].error_ns && times[i].ns == e->time)
			return i;
	}
	return -1;
}

static long find(const struct event *e)
{
	long where = look(e);

	if (where >= 0)
		exact++;
	else if (where == -1)
		mismatches++;
	else
		unknown++;
	return where;
}

static const char *disturb(int i)
{
	struct timex tx = { };
	const char *what;

	switch (i % 4) {
	case 0:
		tx.modes = ADJ_FREQUENCY;
		tx.freq = 500L << 16;
		what = "sped up by 500 ppm";
		break;
	case 1:
		tx.modes = ADJ_SETOFFSET | ADJ_NANO;
		tx.time.tv_sec = 3600;
		what = "set an hour ahead";
		break;
	case 2:
		tx.modes = ADJ_FREQUENCY;
		tx.freq = -(500L << 16);
		what = "slowed by 500 ppm";
		break;
	default:
		tx.modes = ADJ_SETOFFSET | ADJ_NANO;
		tx.time.tv_sec = -3600;
		what = "set an hour back";
	}
	if (adjtimex(&tx) < 0)
		die("adjtimex");
	return what;
}

static const char *text(int64_t ns)
{
	static char buf[4][40];
	static int i;

	i = (i + 1) % 4;
	snprintf(buf[i], sizeof(buf[i]), "%lld.%09lld", (long long)(ns / NSEC_PER_SEC),
		 (long long)(ns % NSEC_PER_SEC));
	return buf[i];
}

int main(void)
{
	struct timespec start = { .tv_sec = 1600000000 };
	static struct event events[NR_EVENTS];
	long where;
	struct event e;

	device = open("/dev/retroconv", O_RDONLY);
	if (device < 0)
		die("/dev/retroconv");
	if (clock_settime(CLOCK_REALTIME, &start))
		die("clock_settime");

	printf("\nThe clock is slewed and set while events are stamped with CNTVCT_EL0.\n"
	       "Some time later each counter value is converted:\n\n"
	       "%-14s %-10s %-21s %-21s %s\n", "counter", "clock", "read then", "converted now",
	       "the clock had just been");
	for (int i = 0; i < NR_EVENTS; i++) {
		events[i].then = disturb(i);
		usleep(30000);
		take(&events[i], clocks[i % 5].clock);
	}
	for (int i = 0; i < NR_EVENTS; i++) {
		where = find(&events[i]);
		printf("0x%012llx %-10s %-21s %-21s %s\n",
		       (unsigned long long)events[i].c1 + (where > 0 ? where : 0),
		       clocks[i % 5].name, text(events[i].time),
		       where >= 0 ? text(times[where].ns) : where == -1 ? "WRONG" : "not known",
		       events[i].then);
	}

	for (int i = 0; i < NR_ROUNDS * 5; i++) {
		take(&e, clocks[i % 5].clock);
		if (i % 97 == 0)
			disturb(i / 97);
		find(&e);
	}
	printf("\n%ld times exact, %ld not known (interrupted while reading), %ld mismatches\n\n",
	       exact, unknown, mismatches);
	return mismatches || !exact;
}
