// SPDX-License-Identifier: GPL-2.0
/*
 * What "make run" shows second: the users of the history in the kernel
 *
 * Events of the hypervisor beside the intervals in which they happened, with
 * the time which an estimator like mainline's would have told. And a cross
 * timestamp of a PTP clock, which is delivered when the clock has been set.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/ptp_clock.h>

#include "guest.h"

#define REMOTE		"/sys/kernel/tracing/remotes/hypervisor/"
#define NR_EVENTS	12

struct snapshot {
	uint64_t	cycles;
	int64_t		boot;
};

/* An event, and what the estimator knew when it happened */
struct event {
	int64_t		from;
	int64_t		to;
	struct snapshot	old;
	struct snapshot	new;
	double		told;		/* in seconds */
	uint64_t	cycles;
};

static struct event events[NR_EVENTS];

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(name);
	close(fd);
}

static struct snapshot take_snapshot(void)
{
	uint64_t c1 = counter();
	int64_t boot = now(CLOCK_BOOTTIME);

	return (struct snapshot) { (c1 + counter()) / 2, boot };
}

static void slew(int ppm)
{
	struct timex tx = { .modes = ADJ_FREQUENCY, .freq = (long)ppm << 16 };

	if (adjtimex(&tx) < 0)
		die("adjtimex");
}

static void step(int seconds)
{
	struct timex tx = { .modes = ADJ_SETOFFSET | ADJ_NANO, .time.tv_sec = seconds };

	if (adjtimex(&tx) < 0)
		die("adjtimex");
}

/* Read the trace with this clock, and return the number of events in it */
static int read_trace(const char *clock)
{
	char line[256];
	int nr = 0, cpu;
	FILE *f;

	write_file(REMOTE "trace_clock", clock);
	f = fopen(REMOTE "trace", "r");
	if (!f)
		die(REMOTE "trace");
	while (nr < NR_EVENTS && fgets(line, sizeof(line), f)) {
		unsigned long long cycles;

		if (!strcmp(clock, "counter")) {
			if (sscanf(line, "[%d] %llu:", &cpu, &cycles) != 2)
				continue;
			events[nr++].cycles = cycles;
		} else if (sscanf(line, "[%d] %lf:", &cpu, &events[nr].told) == 2) {
			nr++;
		}
	}
	fclose(f);
	return nr;
}

/* In seconds, as the trace has it, from the rate between the last two snapshots */
static double estimate(const struct event *e)
{
	double rate = (double)(e->new.boot - e->old.boot) / (e->new.cycles - e->old.cycles);

	return (e->new.boot + (double)(int64_t)(e->cycles - e->new.cycles) * rate) / NSEC_PER_SEC;
}

static double outside(const struct event *e, double told)
{
	/* The trace has microseconds, rounded down */
	double from = e->from / 1000 / 1e6, to = e->to / 1e9;

	return told < from ? told - from : told > to ? told - to : 0;
}

static int show_hypervisor(void)
{
	struct snapshot old, new;
	int wrong = 0;

	if (access(REMOTE "write_event", W_OK)) {
		printf("There is no hypervisor that could be traced.\n");
		return 0;
	}
	write_file(REMOTE "tracing_on", "0");
	write_file(REMOTE "trace", "");
	write_file(REMOTE "buffer_size_kb", "7");
	write_file(REMOTE "events/enable", "0");
	write_file(REMOTE "events/hypervisor/selftest/enable", "1");
	write_file(REMOTE "tracing_on", "1");

	old = take_snapshot();
	usleep(100000);
	new = take_snapshot();
	for (int i = 0; i < NR_EVENTS; i++) {
		struct event *e = &events[i];

		if (i % 4 == 0)
			slew(i % 8 ? -500 : 500);
		usleep(125000);
		/* Every 500 ms, as mainline does it */
		if (i % 4 == 3) {
			old = new;
			new = take_snapshot();
		}
		e->old = old;
		e->new = new;
		e->from = now(CLOCK_BOOTTIME);
		write_file(REMOTE "write_event", "1");
		e->to = now(CLOCK_BOOTTIME);
	}
	slew(0);
	write_file(REMOTE "tracing_on", "0");

	if (read_trace("boot") != NR_EVENTS || read_trace("counter") != NR_EVENTS) {
		printf("The trace does not have the %d events that were written.\n", NR_EVENTS);
		return 1;
	}
	write_file(REMOTE "trace_clock", "boot");

	printf("\nEvents of the hypervisor, while the clock is slewed by +-500 ppm, in seconds of\n"
	       "boot time, and what an estimate from two snapshots, 500 ms apart, makes of them:\n\n"
	       "%-14s %-14s %-14s %-14s %s\n", "not before", "told", "not after", "estimated",
	       "off by");
	for (int i = 0; i < NR_EVENTS; i++) {
		struct event *e = &events[i];
		double estimated = estimate(e);

		printf("%-14.6f %-14.6f %-14.6f %-14.6f %.0f us%s\n", e->from / 1e9, e->told,
		       e->to / 1e9, estimated, outside(e, estimated) * 1e6,
		       outside(e, e->told) ? " WRONG" : "");
		wrong += !!outside(e, e->told);
	}
	printf("\n%d events, %d outside of their interval\n", NR_EVENTS, wrong);
	return wrong;
}

/* The number of the mock-up PTP clock */
static int find_ptp(void)
{
	char name[64], line[64];

	for (int nr = 0; nr < 8; nr++) {
		FILE *f;
		int found;

		snprintf(name, sizeof(name), "/sys/class/ptp/ptp%d/clock_name", nr);
		f = fopen(name, "r");
		if (!f)
			continue;
		found = fgets(line, sizeof(line), f) && !strncmp(line, "Mock-up", 7);
		fclose(f);
		if (found)
			return nr;
	}
	return -1;
}

static int show_ptp(void)
{
	struct ptp_sys_offset_precise offset = { };
	int64_t before, real, after;
	char name[64];
	int nr = -1, fd;
	pid_t pid;

	if (access("/sys/bus/netdevsim/new_device", W_OK)) {
		printf("There is no PTP clock with cross timestamps.\n");
		return 0;
	}
	write_file("/sys/bus/netdevsim/new_device", "1 1");
	for (int i = 0; i < 100 && nr < 0; i++) {
		usleep(10000);
		nr = find_ptp();
	}
	if (nr < 0)
		die("no mock-up PTP clock");
	snprintf(name, sizeof(name), "/sys/kernel/debug/ptp%d/crosststamp_delay_ms", nr);
	write_file(name, "100");
	snprintf(name, sizeof(name), "/dev/ptp%d", nr);
	fd = open(name, O_RDWR);
	if (fd < 0)
		die(name);

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		usleep(50000);
		step(3600);
		_exit(0);
	}
	before = now(CLOCK_REALTIME);
	if (ioctl(fd, PTP_SYS_OFFSET_PRECISE, &offset))
		die("PTP_SYS_OFFSET_PRECISE");
	after = now(CLOCK_REALTIME);
	waitpid(pid, NULL, 0);
	step(-3600);
	real = offset.sys_realtime.sec * NSEC_PER_SEC + offset.sys_realtime.nsec;

	printf("\nA PTP clock stamps its time together with the counter, and delivers that 100 ms\n"
	       "later. Meanwhile the clock is set ahead by an hour:\n\n"
	       "before the stamp   %.6f\n"
	       "told for the stamp %.6f, device %lld.%09u\n"
	       "after its delivery %.6f\n\n", before / 1e9, real / 1e9,
	       (long long)offset.device.sec, offset.device.nsec, after / 1e9);
	close(fd);
	write_file("/sys/bus/netdevsim/del_device", "1");
	return real < before || real - before > NSEC_PER_SEC / 20;
}

int main(void)
{
	struct timespec start = { .tv_sec = 1600000000 };
	int wrong;

	if (clock_settime(CLOCK_REALTIME, &start))
		die("clock_settime");
	wrong = show_hypervisor();
	wrong += show_ptp();
	return !!wrong;
}
