// SPDX-License-Identifier: GPL-2.0
/*
 * Counter values from before, from within and from after a suspend
 *
 * The suspend is real for timekeeping: hibernation with pm_test=core runs
 * timekeeping_suspend(), waits, and runs timekeeping_resume(). The counter goes
 * on, and what it counted is the time that the kernel adds to CLOCK_BOOTTIME.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/retroconv.h>

#include "guest.h"

#define NR		1000

static int device, tests;

static void convert(clockid_t clock, const __u64 *cycles, struct retroconv_time *times)
{
	if (convert_cycles(device, clock, NR, cycles, times)) {
		printf("Bail out! RETROCONV_CONVERT: %s\n", strerror(errno));
		exit(1);
	}
	for (int i = 0; i < NR; i++) {
		if (times[i].status || times[i].error_ns) {
			printf("Bail out! value %d of clock %d: %s, error %u ns\n", i, clock,
			       strerror(-times[i].status), times[i].error_ns);
			exit(1);
		}
	}
}

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		printf("Bail out! writing %s to %s: %s\n", text, name, strerror(errno));
		exit(1);
	}
	close(fd);
}

static void result(int ok, const char *what)
{
	printf("%s %d %s\n", ok ? "ok" : "not ok", ++tests, what);
}

int main(void)
{
	static const clockid_t clocks[] = {
		CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI,
	};
	static struct retroconv_time times[5][NR];
	static __u64 cycles[NR];
	int64_t before[5], after[5], mono, boot;
	uint64_t c1, c2;
	int bad, still, slept;

	device = open("/dev/retroconv", O_RDONLY);
	if (device < 0) {
		printf("Bail out! /dev/retroconv: %s\n", strerror(errno));
		return 1;
	}
	printf("KTAP version 1\n1..14\n");

	c1 = counter();
	for (int i = 0; i < 5; i++)
		before[i] = now(clocks[i]);
	/* Older kernels wait for 5 seconds always */
	if (!access("/sys/module/hibernate/parameters/pm_test_delay", F_OK))
		write_file("/sys/module/hibernate/parameters/pm_test_delay", "2");
	write_file("/sys/power/pm_test", "core");
	write_file("/sys/power/state", "disk");
	for (int i = 0; i < 5; i++)
		after[i] = now(clocks[i]);
	c2 = counter();

	mono = after[0] - before[0];
	boot = after[2] - before[2];
	printf("# MONOTONIC went on by %lld ns, BOOTTIME by %lld ns\n", (long long)mono,
	       (long long)boot);
	result(boot - mono > NSEC_PER_SEC, "the system was suspended for more than a second");

	for (int i = 0; i < NR; i++)
		cycles[i] = c1 + (c2 - c1) * i / (NR - 1);
	for (int i = 0; i < 5; i++)
		convert(clocks[i], cycles, times[i]);

	for (int i = 0; i < 5; i++) {
		printf("# clock %d: %lld <= %lld, %lld <= %lld\n", clocks[i],
		       (long long)times[i][0].ns, (long long)before[i], (long long)after[i],
		       (long long)times[i][NR - 1].ns);
		result(times[i][0].ns <= before[i] &&
		       before[i] - times[i][0].ns < NSEC_PER_SEC / 10,
		       "the first value is from before the suspend");
		bad = 0;
		for (int j = 1; j < NR; j++)
			bad += times[i][j].ns < times[i][j - 1].ns;
		result(!bad && times[i][NR - 1].ns >= after[i] &&
		       times[i][NR - 1].ns - after[i] < NSEC_PER_SEC / 10,
		       "times never decrease, up to the present");
	}

	/* In the gap, MONOTONIC and RAW stand still and BOOTTIME runs with the counter */
	still = 0;
	slept = 0;
	bad = 0;
	for (int j = 1; j < NR; j++) {
		double share = (double)(cycles[j] - cycles[j - 1]) / (c2 - c1);

		if (times[0][j].ns != times[0][j - 1].ns)
			continue;
		still++;
		slept += times[2][j].ns - times[2][j - 1].ns > share * boot * 0.9;
		bad += times[1][j].ns != times[1][j - 1].ns;
	}
	printf("# of %d values, %d are from the gap\n", NR, still);
	result(still > NR * 0.9 * (boot - mono) / boot, "MONOTONIC stands still in the gap");
	result(!bad, "so does RAW");
	result(slept == still, "BOOTTIME goes on in the gap");
	return 0;
}
