// SPDX-License-Identifier: GPL-2.0
/*
 * Torture by suspends: threads read their clocks and convert what they have read
 * some time ago, while the clock is slewed and set, and the system is suspended
 * again and again
 *
 * The suspend is hibernation with pm_test=core, as in suspend.c: tasks are frozen,
 * devices suspended and all CPUs but one taken down, then timekeeping sleeps. Each
 * time has to be what some counter value from the interval in which it was read
 * converts to.
 *
 * On the kernel's command line, torture.seconds is for how long (60).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <linux/retroconv.h>

#include "guest.h"

#define NR_READERS	4
#define SLOTS_SHIFT	12
/* A reader was interrupted if its interval is longer than so many cycles */
#define MAX_WIDTH	2000
/* Values that are looked at after each suspend, evenly spread over it */
#define NR_GAP		500

static const clockid_t clocks[] = {
	CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI,
};

struct sample {
	clockid_t	clock;
	unsigned int	suspends;
	uint64_t	c1;
	uint64_t	c2;
	int64_t		time;
};

/* What became of the samples */
struct counts {
	unsigned long	exact;
	unsigned long	bounded;
	unsigned long	old;
	unsigned long	wide;
	unsigned long	wrong;
	/* Of the first two, those which were read before a suspend and converted after */
	unsigned long	across;
};

struct reader {
	pthread_t	thread;
	unsigned int	seed;
	struct sample	samples[1 << SLOTS_SHIFT];
	struct counts	counts;
};

static struct reader readers[NR_READERS];
static atomic_uint suspends;
static atomic_bool stop;
static unsigned long changes, failed_changes;
static int device, tests;

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void result(int ok, const char *what)
{
	printf("%s %d %s\n", ok ? "ok" : "not ok", ++tests, what);
}

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(name);
	close(fd);
}

static void check(struct counts *counts, const struct sample *s)
{
	struct retroconv_time times[MAX_WIDTH];
	__u64 cycles[MAX_WIDTH];
	unsigned int nr;

	/* Not used yet */
	if (!s->c1)
		return;
	if (s->c2 - s->c1 >= MAX_WIDTH) {
		counts->wide++;
		return;
	}
	nr = s->c2 - s->c1 + 1;
	for (unsigned int i = 0; i < nr; i++)
		cycles[i] = s->c1 + i;
	if (convert_cycles(device, s->clock, nr, cycles, times))
		die("RETROCONV_CONVERT");

	for (unsigned int i = 0; i < nr; i++) {
		if (times[i].status == -ERANGE) {
			counts->old++;
			return;
		}
		/* Never early, and nobody read a clock in a suspend */
		if (!times[i].status && times[i].ns >= s->time &&
		    times[i].ns - s->time <= times[i].error_ns) {
			counts->exact += !times[i].error_ns;
			counts->bounded += !!times[i].error_ns;
			counts->across += s->suspends != suspends;
			return;
		}
	}
	if (counts->wrong++ < 3) {
		printf("# clock %d, %llu to %llu: read %lld, converted %lld (%d) to %lld (%d)\n",
		       s->clock, (unsigned long long)s->c1, (unsigned long long)s->c2,
		       (long long)s->time, (long long)times[0].ns, times[0].status,
		       (long long)times[nr - 1].ns, times[nr - 1].status);
	}
}

static void *read_clocks(void *data)
{
	struct reader *r = data;

	while (!stop) {
		/* The first ones often, the last ones seldom: samples of all ages */
		unsigned int nr = rand_r(&r->seed) % (1 << rand_r(&r->seed) % (SLOTS_SHIFT + 1));
		struct sample *s = &r->samples[nr];

		check(&r->counts, s);
		s->clock = clocks[rand_r(&r->seed) % (sizeof(clocks) / sizeof(clocks[0]))];
		s->suspends = suspends;
		s->c1 = counter();
		s->time = now(s->clock);
		s->c2 = counter();
	}
	return NULL;
}

static int disturb(unsigned int *seed)
{
	struct timespec ts = { .tv_sec = 1600000000 + rand_r(seed) % 100000000 };
	struct timex tx = { };

	/* The history keeps some hundred settings of the clock */
	switch (rand_r(seed) % 32) {
	case 0:
		return clock_settime(CLOCK_REALTIME, &ts);
	case 1:
		tx.modes = ADJ_SETOFFSET | ADJ_NANO;
		tx.time.tv_sec = rand_r(seed) % 2 ? 5 : -6;
		tx.time.tv_usec = rand_r(seed) % NSEC_PER_SEC;
		break;
	case 2:
		tx.modes = ADJ_TAI;
		tx.constant = rand_r(seed) % 100;
		break;
	case 3:
		tx.modes = ADJ_TICK;
		tx.tick = 9500 + rand_r(seed) % 1000;
		break;
	case 4:
		tx.modes = ADJ_OFFSET | ADJ_STATUS | ADJ_NANO;
		tx.status = STA_PLL | STA_NANO;
		tx.offset = rand_r(seed) % 1000000 - 500000;
		break;
	default:
		tx.modes = ADJ_FREQUENCY;
		tx.freq = (long)(rand_r(seed) % 1001 - 500) << 16;
	}
	return adjtimex(&tx) < 0;
}

static void *set_clock(void *data)
{
	unsigned int *seed = data;

	while (!stop) {
		failed_changes += !!disturb(seed);
		changes++;
		usleep(1000 + rand_r(seed) % 20000);
	}
	return NULL;
}

static void convert(clockid_t clock, const __u64 *cycles, struct retroconv_time *times)
{
	if (convert_cycles(device, clock, NR_GAP, cycles, times))
		die("RETROCONV_CONVERT");
}

/*
 * From before to after a suspend: values from there are marked, with each clock.
 * MONOTONIC and RAW stand still and BOOTTIME goes on, by as much as it got ahead, and
 * with a bound that reaches to both ends. None of them ever decreases. Returns -1 if that
 * is not so, 0 if the history has forgotten already, or else 1.
 */
static int check_suspend(uint64_t c1, uint64_t c2, int64_t slept)
{
	static struct retroconv_time mono[NR_GAP], raw[NR_GAP], boot[NR_GAP];
	int64_t from, sum, error;
	static __u64 cycles[NR_GAP];
	int first = -1, last = -1;

	for (int i = 0; i < NR_GAP; i++)
		cycles[i] = c1 + (c2 - c1) * i / (NR_GAP - 1);
	convert(CLOCK_MONOTONIC, cycles, mono);
	convert(CLOCK_MONOTONIC_RAW, cycles, raw);
	convert(CLOCK_BOOTTIME, cycles, boot);
	for (int i = 0; i < NR_GAP; i++) {
		if (mono[i].status == -ERANGE || raw[i].status == -ERANGE ||
		    boot[i].status == -ERANGE)
			return 0;
		if ((mono[i].status && mono[i].status != RETROCONV_SUSPENDED) ||
		    raw[i].status != mono[i].status || boot[i].status != mono[i].status ||
		    raw[i].error_ns)
			return -1;
		if (i && (mono[i].ns < mono[i - 1].ns || raw[i].ns < raw[i - 1].ns ||
			  boot[i].ns < boot[i - 1].ns))
			return -1;
		if (!mono[i].status)
			continue;

		if (first < 0)
			first = i;
		else if (last != i - 1)
			return -1;
		last = i;
		if (mono[i].ns != mono[first].ns || raw[i].ns != raw[first].ns ||
		    (i > first && boot[i].ns == boot[i - 1].ns))
			return -1;
	}
	if (first < 0)
		return -1;

	from = boot[first].ns;
	sum = boot[last].ns - from;
	for (int i = first; i <= last; i++) {
		error = boot[i].ns - from;
		if (error < sum - error)
			error = sum - error;
		if (error > UINT32_MAX)
			error = UINT32_MAX;
		if (boot[i].error_ns < error)
			return -1;
	}
	/* Both ends of the suspend lie between two of the values */
	return sum <= slept && sum > slept / 2 ? 1 : -1;
}

int main(void)
{
	unsigned int seconds = parameter("torture.seconds=", 60);
	unsigned int seed = 1, gaps = 0, bad_gaps = 0, forgotten = 0;
	struct counts sum = { };
	pthread_t disturber;
	int64_t end;

	device = open("/dev/retroconv", O_RDONLY);
	if (device < 0)
		die("/dev/retroconv");
	printf("KTAP version 1\n1..5\n");

	/* Older kernels wait for 5 seconds always */
	if (!access("/sys/module/hibernate/parameters/pm_test_delay", F_OK))
		write_file("/sys/module/hibernate/parameters/pm_test_delay", "1");
	write_file("/sys/power/pm_test", "core");
	errno = pthread_create(&disturber, NULL, set_clock, &seed);
	if (errno)
		die("pthread_create");
	for (int i = 0; i < NR_READERS; i++) {
		readers[i].seed = i;
		errno = pthread_create(&readers[i].thread, NULL, read_clocks, &readers[i]);
		if (errno)
			die("pthread_create");
	}

	end = now(CLOCK_BOOTTIME) + seconds * NSEC_PER_SEC;
	while (now(CLOCK_BOOTTIME) < end) {
		int64_t slept = now(CLOCK_MONOTONIC) - now(CLOCK_BOOTTIME);
		uint64_t c1 = counter();
		int ret;

		write_file("/sys/power/state", "disk");
		suspends++;
		slept += now(CLOCK_BOOTTIME) - now(CLOCK_MONOTONIC);
		ret = check_suspend(c1, counter(), slept);
		gaps += ret > 0;
		forgotten += !ret;
		if (ret < 0 && bad_gaps++ < 3)
			printf("# suspend %u of %lld ns from %llu on is wrong\n", suspends,
			       (long long)slept, (unsigned long long)c1);
		/* Some time for new samples */
		usleep(rand() % 1000000);
	}
	stop = true;
	pthread_join(disturber, NULL);
	for (int i = 0; i < NR_READERS; i++) {
		const struct counts *counts = &readers[i].counts;

		pthread_join(readers[i].thread, NULL);
		sum.exact += counts->exact;
		sum.bounded += counts->bounded;
		sum.old += counts->old;
		sum.wide += counts->wide;
		sum.wrong += counts->wrong;
		sum.across += counts->across;
	}

	printf("# torture: %lu answers checked, %lu wrong, in %u s\n",
	       sum.exact + sum.bounded + sum.wrong, sum.wrong, seconds);
	printf("# torture: %lu the same number, %lu within their bound; %lu values were too old, %lu not checked as their reader was interrupted\n",
	       sum.exact, sum.bounded, sum.old, sum.wide);
	printf("# torture: meanwhile %lu changes of the clock, %u suspends, of which %u were looked at and %u forgotten; %lu values from before one were converted after it\n",
	       changes, suspends, gaps, forgotten, sum.across);
	result(!sum.wrong && sum.exact > 100 * seconds, "what was read is what it converts to");
	result(suspends >= seconds / 20 + 1, "there was a suspend every 20 seconds at least");
	result(!bad_gaps && gaps > suspends / 2, "MONOTONIC and RAW stood still in it, BOOTTIME went on, and all say so");
	result(sum.across >= 10 * suspends, "values from before a suspend were converted after it");
	result(!failed_changes && changes >= seconds, "the clock was changed each second at least");
	return 0;
}
