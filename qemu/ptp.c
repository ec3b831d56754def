// SPDX-License-Identifier: GPL-2.0
/*
 * Cross timestamps of a PTP clock which delivers them late
 *
 * A simulated network device brings a mock-up PTP clock, and the kernel's own
 * testptp asks it for cross timestamps. The clock runs on CLOCK_MONOTONIC_RAW
 * from the moment of its creation, so these two differ by a constant, to the
 * nanosecond. The system time must be what CLOCK_REALTIME was at this value of
 * CLOCK_MONOTONIC_RAW, although CLOCK_REALTIME is slewed and set before testptp
 * gets the answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define NSEC_PER_MSEC	1000000LL
#define NR		5

static int tests;

struct stamp {
	int64_t device;
	int64_t real;
	int64_t raw;
};

static void bail(const char *what, const char *name)
{
	printf("Bail out! %s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		bail("writing", name);
	close(fd);
}

static void result(int ok, const char *what, int ms)
{
	printf("%s %d %s, %d ms late\n", ok ? "ok" : "not ok", ++tests, what, ms);
}

/* The number of the mock-up PTP clock */
static int find_clock(void)
{
	char line[64] = "";
	int nr = -1;
	glob_t names;

	if (glob("/sys/class/ptp/ptp*/clock_name", 0, NULL, &names))
		return -1;
	for (size_t i = 0; i < names.gl_pathc; i++) {
		FILE *f = fopen(names.gl_pathv[i], "r");

		if (f && fgets(line, sizeof(line), f) && !strncmp(line, "Mock-up", 7))
			sscanf(names.gl_pathv[i], "/sys/class/ptp/ptp%d", &nr);
		if (f)
			fclose(f);
	}
	globfree(&names);
	return nr;
}

static void set_frequency(int ppm)
{
	struct timex txc = { .modes = ADJ_FREQUENCY, .freq = ppm * 65536L };

	if (adjtimex(&txc) < 0)
		bail("adjtimex", "");
}

static void step(int64_t ns)
{
	struct timex txc = { .modes = ADJ_SETOFFSET | ADJ_NANO };

	txc.time.tv_sec = ns / NSEC_PER_SEC;
	if (adjtimex(&txc) < 0)
		bail("adjtimex", "");
}

static int64_t get_line(FILE *f, const char *what)
{
	char line[128], name[32];
	long long sec;
	unsigned int nsec;

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%31s time: %lld.%u", name, &sec, &nsec) == 3 &&
		    !strcmp(name, what))
			return sec * NSEC_PER_SEC + nsec;
	}
	printf("Bail out! testptp has printed no %s time\n", what);
	exit(1);
}

/* testptp -X, while another process slews and, halfway through, sets the clock */
static struct stamp get_stamp(int nr, int ms)
{
	char command[64];
	struct stamp stamp;
	int status;
	pid_t pid;
	FILE *f;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		bail("fork", "");
	if (!pid) {
		usleep(ms * 500);
		step(-60 * NSEC_PER_SEC);
		for (int i = 0; i < 5; i++) {
			set_frequency(i % 2 ? -500 : 500);
			usleep(ms * 100);
		}
		step(60 * NSEC_PER_SEC);
		_exit(0);
	}

	snprintf(command, sizeof(command), "/selftests/testptp -d /dev/ptp%d -X", nr);
	f = popen(command, "r");
	if (!f)
		bail("popen", command);
	stamp.device = get_line(f, "device");
	stamp.real = get_line(f, "system");
	stamp.raw = get_line(f, "monoraw");
	if (pclose(f))
		bail("status of", command);
	if (waitpid(pid, &status, 0) != pid || status)
		bail("the clock was not set", "");
	return stamp;
}

int main(void)
{
	static const int delays[] = { 0, 1000, 3000 };
	int64_t offset = 0;
	char name[64];
	int nr;

	printf("KTAP version 1\n1..9\n");
	/* Far from the epoch, so that no step back fails */
	if (clock_settime(CLOCK_REALTIME, &(struct timespec) { .tv_sec = 1600000000 }))
		bail("clock_settime", "");
	write_file("/sys/bus/netdevsim/new_device", "1 1");
	for (int i = 0; i < 100; i++) {
		nr = find_clock();
		if (nr >= 0)
			break;
		usleep(10000);
	}
	if (nr < 0) {
		printf("Bail out! no mock-up PTP clock\n");
		return 1;
	}
	snprintf(name, sizeof(name), "/sys/kernel/debug/ptp%d/crosststamp_delay_ms", nr);

	for (unsigned int d = 0; d < sizeof(delays) / sizeof(delays[0]); d++) {
		int constant = 1, past = 1, right = 1, ms = delays[d];
		int64_t worst = 0;
		char text[16];

		snprintf(text, sizeof(text), "%d", ms);
		write_file(name, text);
		for (int i = 0; i < NR; i++) {
			int64_t raw[2], real, error, limit;
			struct stamp stamp;

			set_frequency(0);
			raw[0] = now(CLOCK_MONOTONIC_RAW);
			real = now(CLOCK_REALTIME);
			limit = now(CLOCK_MONOTONIC_RAW) - raw[0];
			stamp = get_stamp(nr, ms);
			raw[1] = now(CLOCK_MONOTONIC_RAW);

			if (!offset)
				offset = stamp.raw - stamp.device;
			constant &= stamp.raw - stamp.device == offset;
			/* The delay is in jiffies, which may have some ticks to catch up */
			past &= stamp.raw >= raw[0] &&
				stamp.raw + ms * NSEC_PER_MSEC * 8 / 10 <= raw[1];
			/* NTP may still slew some ppm, and the raw clock is off, too */
			limit += (stamp.raw - raw[0]) / 1000;
			error = (stamp.real - real) - (stamp.raw - raw[0]);
			/* The other process sets the clock at once */
			if (!ms && error < -30 * NSEC_PER_SEC)
				error += 60 * NSEC_PER_SEC;
			if (llabs(error) > limit)
				right = 0;
			if (llabs(error) > worst)
				worst = llabs(error);
		}
		printf("# %d ms late: system time within %lld ns of what is expected\n", ms,
		       (long long)worst);
		result(constant, "the device runs on the raw clock", ms);
		result(past, "the stamp is from before the delay", ms);
		result(right, "the system time is the one of the stamp", ms);
	}
	set_frequency(0);
	write_file("/sys/bus/netdevsim/del_device", "1");
	return 0;
}
