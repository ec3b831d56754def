// SPDX-License-Identifier: GPL-2.0
/*
 * Ten minutes of events while the clock is slewed, converted at the end
 *
 * As soon as an event has been stamped, the counter value behind its time is
 * found: the one between two reads of the counter that converts to the time,
 * exactly. At the end most of the events are in the long history.
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

#define SECONDS		600
#define NR_EVENTS	(10 * SECONDS)
#define NR_CLOCKS	5

static const clockid_t clocks[NR_CLOCKS] = {
	CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW,
};

static struct event {
	clockid_t	clock;
	__u64		cycles;
	int64_t		time;
} events[NR_EVENTS];

static struct retroconv_time times[RETROCONV_MAX_NR];
static __u64 cycles[RETROCONV_MAX_NR];
static int device, tests;

static void bail_out(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void convert(clockid_t clock, unsigned int nr)
{
	if (convert_cycles(device, clock, nr, cycles, times))
		bail_out("RETROCONV_CONVERT");
}

static int stamp(struct event *e, clockid_t clock)
{
	uint64_t c1, c2;

	e->clock = clock;
	c1 = counter();
	e->time = now(clock);
	c2 = counter();
	/* Interrupted for long */
	if (c2 - c1 >= RETROCONV_MAX_NR)
		return 0;

	for (unsigned int i = 0; i <= c2 - c1; i++)
		cycles[i] = c1 + i;
	convert(clock, c2 - c1 + 1);
	for (unsigned int i = 0; i <= c2 - c1; i++) {
		if (!times[i].status && !times[i].error_ns && times[i].ns == e->time) {
			e->cycles = cycles[i];
			return 1;
		}
	}
	return 0;
}

/* Set the frequency in units of 2^-16 ppm */
static void slew(long freq)
{
	struct timex tx = { .modes = ADJ_FREQUENCY, .freq = freq };

	if (adjtimex(&tx) < 0)
		bail_out("adjtimex");
}

static void result(int ok, const char *what)
{
	printf("%s %d %s\n", ok ? "ok" : "not ok", ++tests, what);
}

int main(void)
{
	int nr = 0, lost = 0, refused = 0, exact = 0, within = 0, late = 0, wrong = 0, raw = 0;
	struct retroconv_info info = { .size = sizeof(info) };
	double age, reach;

	device = open("/dev/retroconv", O_RDONLY);
	if (device < 0)
		bail_out("/dev/retroconv");
	printf("KTAP version 1\n1..6\n");

	for (int i = 0; i < NR_EVENTS; i++) {
		/*
		 * +-0.3 ppm, and +-500 ppm in the last minute. A large change
		 * keeps the kernel from dithering for minutes.
		 */
		if (i % 10 == 0)
			slew((i < NR_EVENTS - 600 ? 20000 : 500 << 16) * (i % 20 ? 1L : -1L) + i);
		usleep(100000);
		if (stamp(&events[nr], clocks[i % NR_CLOCKS]))
			nr++;
		else
			lost++;
	}
	slew(0);
	printf("# %d events, %d more were interrupted or have no counter value\n", nr, lost);
	result(nr > NR_EVENTS * 9 / 10, "events are exact when they have just been stamped");

	if (ioctl(device, RETROCONV_INFO, &info))
		bail_out("RETROCONV_INFO");
	age = (double)(info.newest - events[0].cycles) / info.frequency_hz;
	reach = (double)(info.newest - info.oldest_exact) / info.frequency_hz;
	printf("# the first event is %.1f s old, the exact history is %.1f s long\n", age, reach);
	result(age >= SECONDS, "ten minutes have passed");
	result(info.oldest < info.oldest_exact && info.oldest <= events[0].cycles,
	       "the long history reaches further back than the exact one");

	for (int i = 0; i < nr; i++) {
		struct event *e = &events[i];
		int64_t error;

		cycles[0] = e->cycles;
		convert(e->clock, 1);
		error = times[0].ns - e->time;
		if (times[0].status)
			refused++;
		else if (error < 0 || error > times[0].error_ns || times[0].error_ns > 1)
			wrong++;
		else if (e->clock == CLOCK_MONOTONIC_RAW)
			raw++;
		else if (times[0].error_ns)
			within++;
		else
			exact++;
		late += !times[0].status && error > 0;
	}
	printf("# %d exact, %d of RAW, %d within 1 ns, %d of them late, %d wrong, %d refused\n",
	       exact, raw, within, late, wrong, refused);
	result(!wrong, "no error is above its bound");
	result(!refused, "all events can be converted");
	result(within > nr / 2 && exact && raw, "both histories were asked");
	return 0;
}
