// SPDX-License-Identifier: GPL-2.0
/*
 * Counter values from before, from within and from after a suspend
 *
 * The suspend is real for timekeeping: hibernation with pm_test=core runs
 * timekeeping_suspend(), waits, and runs timekeeping_resume(). The counter goes
 * on, and what it counted is the time that the kernel adds to CLOCK_BOOTTIME. Nobody
 * reads a clock in the gap, and each time from there says so.
 *
 * Stamps of each clock, and lines of the kernel's log, from before, between and after two
 * suspends become the times that the other clocks had in the same moment.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/retroconv.h>

#include "guest.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME	0x00000080
#endif

#define TOOL		"/guest/retroconv"

#define NR		1000
#define NR_CLOCKS	5
#define IN_NAMESPACE	1000000

static const clockid_t clocks[NR_CLOCKS] = {
	CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI,
};

/* Those of @clocks that stand still in a suspend */
#define NR_STILL	2

static int device, tests;

static void convert(clockid_t clock, const __u64 *cycles, struct retroconv_time *times)
{
	if (convert_cycles(device, clock, NR, cycles, times)) {
		printf("Bail out! RETROCONV_CONVERT: %s\n", strerror(errno));
		exit(1);
	}
	for (int i = 0; i < NR; i++) {
		if ((times[i].status && times[i].status != RETROCONV_SUSPENDED) ||
		    (!times[i].status && times[i].error_ns)) {
			printf("Bail out! value %d of clock %d: status %d, error %u ns\n", i,
			       clock, times[i].status, times[i].error_ns);
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

/* The first value of the gap, and the one behind the last. -1 if there are two gaps. */
static int find_gap(const struct retroconv_time *times, int *end)
{
	int first;

	for (first = 0; first < NR && !times[first].status; first++)
		;
	for (*end = first; *end < NR && times[*end].status; (*end)++)
		;
	for (int i = *end; i < NR; i++) {
		if (times[i].status)
			return -1;
	}
	return first;
}

/*
 * The true time of a value from the gap is that of any value from there. How much it may
 * be off is not known better than that, and not told worse. @step is between two values.
 */
static int is_bounded(const struct retroconv_time *times, int first, int end, int64_t step)
{
	int64_t from = times[first].ns, to = times[end - 1].ns;

	for (int i = first; i < end; i++) {
		int64_t before = times[i].ns - from, after = to - times[i].ns;
		int64_t error = before > after ? before : after;

		if (error > UINT32_MAX)
			error = UINT32_MAX;
		if (times[i].error_ns < error || times[i].error_ns > error + 2 * step) {
			printf("# value %d of %d to %d: error %u, from %lld to %lld ns\n", i,
			       first, end, times[i].error_ns, (long long)-before,
			       (long long)after);
			return 0;
		}
	}
	return 1;
}

/* A value from the gap, as the tool shows it, with a mark unless it shall be plain */
static int check_tool(__u64 cycles, const struct retroconv_time *time)
{
	char command[128], line[128], expected[128], plain[128];
	FILE *f;

	snprintf(plain, sizeof(plain), "%llu %lld.%09lld\n", cycles, time->ns / NSEC_PER_SEC,
		 time->ns % NSEC_PER_SEC);
	for (int i = 0; i < 2; i++) {
		snprintf(command, sizeof(command), TOOL " convert --clock realtime %s%llu",
			 i ? "--plain " : "", cycles);
		f = popen(command, "r");
		if (!f || !fgets(line, sizeof(line), f) || pclose(f))
			return 0;
		printf("# %s", line);
		if (i)
			return !strcmp(line, plain);
		plain[strlen(plain) - 1] = 0;
		snprintf(expected, sizeof(expected), "%s+-", plain);
		strcat(plain, "\n");
		if (strncmp(line, expected, strlen(expected)) || !strstr(line, "s(suspended)\n"))
			return 0;
	}
	return 1;
}

/* What a process converts whose clocks have an offset */
static int check_namespace(const __u64 *cycles, struct retroconv_time (*times)[NR])
{
	static const char offsets[] = "monotonic 1000000 0\nboottime 1000000 0\n";
	size_t size = NR_CLOCKS * sizeof(times[0]);
	struct retroconv_time (*inside)[NR];
	int bad = 0, status;

	inside = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (inside == MAP_FAILED || unshare(CLONE_NEWTIME))
		return 0;
	write_file("/proc/self/timens_offsets", offsets);
	fflush(stdout);
	if (!fork()) {
		for (int i = 0; i < NR_CLOCKS; i++)
			convert(clocks[i], cycles, inside[i]);
		_exit(0);
	}
	if (wait(&status) < 0 || status)
		return 0;
	for (int i = 0; i < NR_CLOCKS; i++) {
		int64_t offset = i < NR_STILL || clocks[i] == CLOCK_BOOTTIME ?
				 IN_NAMESPACE * NSEC_PER_SEC : 0;

		for (int j = 0; j < NR; j++) {
			bad += inside[i][j].status != times[i][j].status ||
			       inside[i][j].error_ns != times[i][j].error_ns ||
			       inside[i][j].ns != times[i][j].ns + offset;
		}
	}
	return !bad;
}

static void suspend(void)
{
	/* Older kernels wait for 5 seconds always */
	if (!access("/sys/module/hibernate/parameters/pm_test_delay", F_OK))
		write_file("/sys/module/hibernate/parameters/pm_test_delay", "2");
	write_file("/sys/power/pm_test", "core");
	write_file("/sys/power/state", "disk");
}

/* A moment: all clocks between two values of the counter, and a line of the log */
struct moment {
	__u64	c1;
	int64_t	times[NR_CLOCKS];
	__u64	c2;
};

#define NR_MOMENTS	3

static struct moment moments[NR_MOMENTS];

static void take_moment(int i)
{
	char line[64];

	moments[i].c1 = counter();
	snprintf(line, sizeof(line), "retroconv: moment %d\n", i);
	write_file("/dev/kmsg", line);
	for (int j = 0; j < NR_CLOCKS; j++)
		moments[i].times[j] = now(clocks[j]);
	moments[i].c2 = counter();
}

static struct retroconv_time convert_one(__u32 from, clockid_t to, __u64 value)
{
	struct retroconv_time time = { .status = -EIO };
	struct retroconv_convert arg = {
		.size		= sizeof(arg),
		.counter	= from,
		.clock_id	= to,
		.nr		= 1,
		.cycles		= (uintptr_t)&value,
		.times		= (uintptr_t)&time,
	};

	if (ioctl(device, RETROCONV_CONVERT, &arg))
		time.status = -errno;
	return time;
}

/* @time, of a stamp taken in the moment, is what @to was in it. Stamps are cut to @unit. */
static int is_in_moment(const struct moment *moment, clockid_t to, struct retroconv_time time,
			int64_t unit, const char *what)
{
	int64_t from = convert_one(RETROCONV_COUNTER_ARM_ARCH, to, moment->c1).ns;
	int64_t until = convert_one(RETROCONV_COUNTER_ARM_ARCH, to, moment->c2).ns;

	if (!time.status && !time.error_ns && time.ns + unit > from && time.ns <= until)
		return 1;
	printf("# %s, moment %d, clock %d: %lld +-%u, status %d, not from %lld to %lld\n", what,
	       (int)(moment - moments), to, (long long)time.ns, time.error_ns, time.status,
	       (long long)from, (long long)until);
	return 0;
}

static void check_moments(void)
{
	int bad = 0, lines = 0;
	char line[512];
	FILE *f;

	for (int i = 0; i < NR_MOMENTS; i++) {
		for (int j = 0; j < NR_CLOCKS; j++) {
			for (int k = 0; k < NR_CLOCKS; k++) {
				bad += !is_in_moment(&moments[i], clocks[k],
						     convert_one(RETROCONV_FROM(clocks[j]),
								 clocks[k], moments[i].times[j]),
						     1, "from a clock");
			}
		}
	}
	result(!bad, "stamps of clocks from before, between and after two suspends");

	bad = 0;
	f = popen("dmesg", "r");
	while (f && fgets(line, sizeof(line), f)) {
		unsigned long long sec, us;
		int moment;

		if (sscanf(line, "[%llu.%6llu] retroconv: moment %d", &sec, &us, &moment) != 3 ||
		    moment < 0 || moment >= NR_MOMENTS)
			continue;
		lines++;
		for (int k = 0; k < NR_CLOCKS; k++) {
			bad += !is_in_moment(&moments[moment], clocks[k],
					     convert_one(RETROCONV_FROM_LOCAL, clocks[k],
							 sec * NSEC_PER_SEC + us * 1000),
					     1000, "from the log");
		}
	}
	if (f)
		pclose(f);
	result(lines == NR_MOMENTS && !bad, "and lines of the kernel's log");

	/* In the midst of the second sleep */
	bad = 0;
	for (int j = NR_STILL; j < NR_CLOCKS; j++) {
		int64_t t1 = moments[1].times[j], t2 = moments[2].times[j];
		__u32 from = RETROCONV_FROM(clocks[j]);

		for (int k = 0; k < NR_CLOCKS; k++) {
			int64_t t0 = moments[1].times[k], t3 = moments[2].times[k];
			struct retroconv_time time = convert_one(from, clocks[k], (t1 + t2) / 2);

			/* Those which go on do so alike */
			if (time.status == RETROCONV_SUSPENDED && time.ns >= t0 && time.ns <= t3 &&
			    (k < NR_STILL || time.error_ns < 1000000))
				continue;
			printf("# from clock %d to %d: %lld +-%u, status %d\n", clocks[j],
			       clocks[k], (long long)time.ns, time.error_ns, time.status);
			bad++;
		}
	}
	result(!bad, "and times when the system was suspended, which are marked");
}

int main(void)
{
	static struct retroconv_time times[NR_CLOCKS][NR];
	int64_t before[NR_CLOCKS], after[NR_CLOCKS], mono, boot, step;
	int bad, still, slept, first, end;
	static __u64 cycles[NR];
	uint64_t c1, c2;

	device = open("/dev/retroconv", O_RDONLY);
	if (device < 0) {
		printf("Bail out! /dev/retroconv: %s\n", strerror(errno));
		return 1;
	}
	printf("KTAP version 1\n1..26\n");

	take_moment(0);
	c1 = counter();
	for (int i = 0; i < NR_CLOCKS; i++)
		before[i] = now(clocks[i]);
	suspend();
	for (int i = 0; i < NR_CLOCKS; i++)
		after[i] = now(clocks[i]);
	c2 = counter();
	take_moment(1);

	mono = after[0] - before[0];
	boot = after[2] - before[2];
	printf("# MONOTONIC went on by %lld ns, BOOTTIME by %lld ns\n", (long long)mono,
	       (long long)boot);
	result(boot - mono > NSEC_PER_SEC, "the system was suspended for more than a second");

	for (int i = 0; i < NR; i++)
		cycles[i] = c1 + (c2 - c1) * i / (NR - 1);
	for (int i = 0; i < NR_CLOCKS; i++)
		convert(clocks[i], cycles, times[i]);

	for (int i = 0; i < NR_CLOCKS; i++) {
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
	first = find_gap(times[0], &end);
	if (first < 0)
		first = end = 0;
	still = end - first;
	printf("# of %d values, %d are from the gap\n", NR, still);
	result(still > NR * 0.9 * (boot - mono) / boot && still < NR,
	       "the values of the gap are marked");
	bad = 0;
	for (int i = 1; i < NR_CLOCKS; i++) {
		for (int j = 0; j < NR; j++)
			bad += times[i][j].status != times[0][j].status;
	}
	result(!bad, "with each clock the same ones");

	slept = 0;
	bad = 0;
	for (int j = first + 1; j < end; j++) {
		double share = (double)(cycles[j] - cycles[j - 1]) / (c2 - c1);

		slept += times[2][j].ns - times[2][j - 1].ns > share * boot * 0.9;
		for (int i = 0; i < NR_STILL; i++)
			bad += times[i][j].ns != times[i][j - 1].ns;
	}
	result(still && !bad, "MONOTONIC and RAW stand still in the gap");
	result(still && slept == still - 1, "BOOTTIME goes on in the gap");
	bad = 0;
	for (int j = 1; j < NR; j++) {
		if (j < first || j > end)
			bad += times[0][j].ns == times[0][j - 1].ns;
	}
	result(!bad, "MONOTONIC goes on before and after");

	step = boot / (NR - 1) + 1;
	for (int i = 0; i < NR_CLOCKS; i++) {
		result(still && is_bounded(times[i], first, end, i < NR_STILL ? 0 : step),
		       "the bound of the error in the gap is what is known");
	}
	if (access(TOOL, X_OK))
		printf("ok %d # SKIP there is no " TOOL "\n", ++tests);
	else
		result(still && check_tool(cycles[(first + end) / 2], &times[3][(first + end) / 2]),
		       "the tool marks the time");
	result(check_namespace(cycles, times), "a time namespace has its offset there, too");

	suspend();
	take_moment(2);
	check_moments();
	return 0;
}
