// SPDX-License-Identifier: GPL-2.0
/*
 * Events under clocks of every kind, converted 10 ms to 10 minutes later
 *
 * Takes samples with the module accuracy.ko, and asks /dev/retroconv for the
 * time of each event at several ages. The output is raw data: for whoever did
 * not have /dev/retroconv, scripts/accuracy computes what they would have told
 * from the samples that they could have taken. It goes to the file "raw", see
 * init.
 *
 *	frequency HZ			of the counter
 *	regime NAME CLOCK		begins; the clock whose times are compared
 *	snap SAMPLE			once per second
 *	poll SAMPLE			once per 512 ms, and once more at 100 ms
 *	begin NR SAMPLE			10 ms before event NR
 *	event NR SAMPLE			the event
 *	call NR AGE NS ERROR_NS STATUS SAMPLE
 *					what /dev/retroconv told, AGE in ms
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <linux/retroconv.h>

#include "guest.h"

#define NSEC_PER_MSEC	1000000LL
#define NR_AGES		6
/*
 * How long there are events, and when the disturbance is, in ms: not when there
 * is a snapshot
 */
#define WINDOW		200000
#define MIDDLE		100300
/* Events in the window at random, and around the disturbance */
#define NR_RANDOM	800
#define NR_BURST	40
#define BURST_STEP	2
#define NR_EVENTS	(NR_RANDOM + NR_BURST)
#define MAX_ACTIONS	32768

static const int ages[NR_AGES] = { 10, 100, 1000, 10000, 60000, 600000 };

/* Everything that happens in a regime is known at its start */
enum what { SNAP, POLL, BEGIN, EVENT, CALL, SLEW, SET, OFFSET, SUSPEND };

static struct action {
	int64_t		when;	/* In nanoseconds from the begin of the regime */
	enum what	what;
	int		event;
	long		arg;
} actions[MAX_ACTIONS];

static __u64 cycles[NR_EVENTS];
static int nr_actions, device, samples;

static void die(const char *what)
{
	fprintf(stderr, "accuracy: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The same in every run */
static uint32_t random_below(uint32_t limit)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % limit;
}

static void plan(int64_t when, enum what what, int event, long arg)
{
	if (nr_actions == MAX_ACTIONS) {
		errno = ENOSPC;
		die("planning");
	}
	actions[nr_actions++] = (struct action){ when, what, event, arg };
}

static int earlier(const void *a, const void *b)
{
	const struct action *x = a, *y = b;

	return (x->when > y->when) - (x->when < y->when);
}

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(name);
	close(fd);
}

static void adjust(struct timex *tx, const char *what)
{
	if (adjtimex(tx) < 0)
		die(what);
}

/* Set the frequency in ppb */
static void slew(long ppb)
{
	adjust(&(struct timex){ .modes = ADJ_FREQUENCY, .freq = ppb * 65536 / 1000 }, "slew");
}

static void set_time(int64_t ns)
{
	struct timespec ts = { .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };

	if (clock_settime(CLOCK_REALTIME, &ts))
		die("clock_settime");
}

/* Real for timekeeping, see suspend.c */
static void suspend(void)
{
	write_file("/sys/module/hibernate/parameters/pm_test_delay", "2");
	write_file("/sys/power/pm_test", "core");
	write_file("/sys/power/state", "disk");
}

static char *sample(void)
{
	static char line[512];
	ssize_t len;

	if (lseek(samples, 0, SEEK_SET))
		die("debugfs file accuracy");
	len = read(samples, line, sizeof(line) - 1);
	if (len <= 0)
		die("debugfs file accuracy");
	line[len] = 0;
	return line;
}

static void convert(clockid_t clock, int event, int age)
{
	struct retroconv_time time;

	if (convert_cycles(device, clock, 1, &cycles[event], &time))
		die("RETROCONV_CONVERT");
	printf("call %d %d %lld %u %d %s", event, age, (long long)time.ns, time.error_ns,
	       time.status, sample());
}

static void act(const struct action *a, clockid_t clock)
{
	unsigned long long real, boot;
	const char *line;

	switch (a->what) {
	case SNAP:
		printf("snap %s", sample());
		break;
	case POLL:
		printf("poll %s", sample());
		break;
	case BEGIN:
		printf("begin %d %s", a->event, sample());
		break;
	case EVENT:
		line = sample();
		if (sscanf(line, "%llu %*d %*d %*u %llu", &real, &boot) != 2)
			die("debugfs file accuracy");
		cycles[a->event] = clock == CLOCK_REALTIME ? real : boot;
		printf("event %d %s", a->event, line);
		break;
	case CALL:
		convert(clock, a->event, a->arg);
		break;
	case SLEW:
		slew(a->arg);
		break;
	case SET:
		set_time(now(CLOCK_REALTIME) + a->arg * NSEC_PER_MSEC);
		break;
	case OFFSET:
		adjust(&(struct timex){
			.modes = ADJ_SETOFFSET | ADJ_NANO,
			.time = { a->arg / 1000, a->arg % 1000 * NSEC_PER_MSEC },
		}, "ADJ_SETOFFSET");
		break;
	case SUSPEND:
		suspend();
		break;
	}
}

static void plan_event(int event, int64_t when)
{
	plan(when - 10 * NSEC_PER_MSEC, BEGIN, event, 0);
	plan(when, EVENT, event, 0);
	for (int i = 0; i < NR_AGES; i++)
		plan(when + ages[i] * NSEC_PER_MSEC, CALL, event, ages[i]);
}

static void plan_common(void)
{
	const int64_t end = WINDOW + ages[NR_AGES - 1];
	int event = 0;

	for (int64_t t = 0; t <= end; t += 1000)
		plan(t * NSEC_PER_MSEC, SNAP, 0, 0);
	/*
	 * What schedule_delayed_work() makes of 500 ms, again and again, on a
	 * timer wheel with 250 HZ
	 */
	plan(0, POLL, 0, 0);
	for (int64_t t = 100; t <= end; t += 512)
		plan(t * NSEC_PER_MSEC, POLL, 0, 0);

	for (int i = 0; i < NR_RANDOM; i++)
		plan_event(event++, (1000 + random_below(WINDOW - 1000)) * NSEC_PER_MSEC +
			   random_below(NSEC_PER_MSEC));
	/* Not in step with the tick */
	for (int i = 0; i < NR_BURST; i++)
		plan_event(event++, (MIDDLE + (i - NR_BURST / 2) * BURST_STEP) * NSEC_PER_MSEC +
			   random_below(BURST_STEP * NSEC_PER_MSEC));
}

static void plan_steady(void)
{
	slew(12345);
}

/* A daemon which follows a good reference: some ppb, each 16 to 64 s */
static void plan_chrony(void)
{
	long ppb = 12345;

	slew(ppb);
	for (int t = 10; t < (WINDOW + ages[NR_AGES - 1]) / 1000; t += 16 + random_below(49)) {
		ppb += (5 + random_below(96)) * (random_below(2) ? 1L : -1L);
		plan(t * NSEC_PER_SEC, SLEW, 0, ppb);
	}
}

/* As far and as often as the clock can be bent */
static void plan_slew(void)
{
	slew(500000);
	for (int t = 500; t < WINDOW + ages[NR_AGES - 1]; t += 500)
		plan(t * NSEC_PER_MSEC, SLEW, 0, t % 1000 ? -500000 : 500000);
}

static void plan_step(void)
{
	slew(12345);
	plan(MIDDLE * NSEC_PER_MSEC, SET, 0, 1000);
	plan((MIDDLE + WINDOW / 4) * NSEC_PER_MSEC, OFFSET, 0, 250);
}

/* The year ends in the middle, and run() waits a second before it begins */
static void plan_leap(void)
{
	slew(12345);
	set_time(1798761600 * NSEC_PER_SEC - (1000 + MIDDLE) * NSEC_PER_MSEC);
	adjust(&(struct timex){ .modes = ADJ_STATUS, .status = STA_INS }, "STA_INS");
}

static void plan_suspend(void)
{
	slew(12345);
	plan(MIDDLE * NSEC_PER_MSEC, SUSPEND, 0, 0);
}

static const struct regime {
	const char	*name;
	clockid_t	clock;
	void		(*plan)(void);
} regimes[] = {
	{ "steady", CLOCK_REALTIME, plan_steady },
	{ "chrony", CLOCK_REALTIME, plan_chrony },
	{ "slew", CLOCK_REALTIME, plan_slew },
	{ "step", CLOCK_REALTIME, plan_step },
	{ "leap", CLOCK_REALTIME, plan_leap },
	{ "suspend", CLOCK_BOOTTIME, plan_suspend },
};

static void run(const struct regime *regime)
{
	int64_t start;

	/* What the regime before has left */
	adjust(&(struct timex){ .modes = ADJ_STATUS }, "ADJ_STATUS");
	nr_actions = 0;
	regime->plan();
	plan_common();
	qsort(actions, nr_actions, sizeof(*actions), earlier);

	printf("regime %s %s\n", regime->name,
	       regime->clock == CLOCK_REALTIME ? "REALTIME" : "BOOTTIME");
	start = now(CLOCK_MONOTONIC) + NSEC_PER_SEC;
	for (int i = 0; i < nr_actions; i++) {
		int64_t when = start + actions[i].when;
		struct timespec ts = { when / NSEC_PER_SEC, when % NSEC_PER_SEC };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		act(&actions[i], regime->clock);
	}
}

int main(void)
{
	struct retroconv_info info = { .size = sizeof(info) };
	int module = open("/guest/accuracy.ko", O_RDONLY);

	if (module < 0 || syscall(SYS_finit_module, module, "", 0))
		die("accuracy.ko");
	if (!freopen("/run/raw", "w", stdout))
		die("/run/raw");
	samples = open("/sys/kernel/debug/accuracy", O_RDONLY);
	if (samples < 0)
		die("debugfs file accuracy");
	device = open("/dev/retroconv", O_RDONLY);
	if (device < 0 || ioctl(device, RETROCONV_INFO, &info))
		die("/dev/retroconv");

	printf("frequency %llu\n", (unsigned long long)info.frequency_hz);
	for (unsigned int i = 0; i < sizeof(regimes) / sizeof(*regimes); i++)
		run(&regimes[i]);
	if (fflush(stdout) || ferror(stdout))
		die("/run/raw");
	return 0;
}
