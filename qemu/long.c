// SPDX-License-Identifier: GPL-2.0
/*
 * Hours of events under what disciplines clocks in the field, each of which is
 * converted again and again, at ages from a second to the end of the run
 *
 * Half of the events are read by this program: as soon as it has read a clock, the
 * counter value behind the time is found, which is the one between two reads of the
 * counter that converts to the time, exactly. The other half come from a device, as it
 * were, which stamps while the machine sleeps: what was told to readers at such a
 * counter value is the conversion in the exact history, soon after that.
 *
 * Kernel parameters: long.minutes=N for N minutes with each discipline, long.NAME=N for
 * N minutes with this one, 0 for none; long.sleep=N to wake every N ms on average.
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

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_MSEC	1000000LL

/* Frequencies are in 2^-16 ppm, as those of adjtimex() */
#define PPB(ppb)	((ppb) * 65536LL / 1000)
/* How fast the counter is */
#define DRIFT		PPB(12345)

/* How often all events are converted while a discipline lasts */
#define NR_CHECKS	10
/* At least so many conversions are a test */
#define MIN_READ	100
/* What is wrong is told so often at the most */
#define MAX_MESSAGES	20

enum kind { FREE, FREQUENCY, PLL };

/* Ages up to which a bound is held to, the last one has no limit */
#define NR_AGES		5

static const struct {
	const char	*name;
	const char	*text;
	int64_t		ns;
} ages[NR_AGES] = {
	{ "1 s",	"up to an age of 1 s",		NSEC_PER_SEC },
	{ "1 min",	"up to an age of 1 min",	60 * NSEC_PER_SEC },
	{ "10 min",	"up to an age of 10 min",	600 * NSEC_PER_SEC },
	{ "1 h",	"up to an age of 1 h",		3600 * NSEC_PER_SEC },
	{ "any age",	"at any age",			INT64_MAX },
};

/*
 * The timekeeper is updated with each jiffy, or when something wakes the machine, with
 * a slow counter or a fast one. Between two updates of an idle machine, a fast counter
 * is dithered by so many nanoseconds that little can be merged within 64 of them.
 */
enum machine { BUSY, IDLE, IDLE_FAST, NR_MACHINES };

#define FAST_HZ		500000000

/**
 * struct discipline - What disciplines the clock
 * @name:	Its name
 * @kind:	Nothing, ADJ_FREQUENCY, or ADJ_OFFSET
 * @minutes:	How long it lasts by default
 * @poll:	Time between two actions in nanoseconds
 * @jitter:	What is added to that at most
 * @noise:	How far the frequency is off at most
 * @square:	Plus and minus so much in turns
 * @bound:	Bound up to an age which is held to, 0 for none
 */
static const struct discipline {
	const char	*name;
	enum kind	kind;
	unsigned int	minutes;
	int64_t		poll;
	int64_t		jitter;
	long		noise;
	long		square;
	uint32_t	bound[NR_MACHINES][NR_AGES];
} disciplines[] = {
	{
		.name		= "free",
		.kind		= FREE,
		.minutes	= 12,
	}, {
		.name		= "chrony",
		.kind		= FREQUENCY,
		.minutes	= 66,
		.poll		= 16 * NSEC_PER_SEC,
		.jitter		= 48 * NSEC_PER_SEC,
		.noise		= PPB(5),
		.bound		= {
			[BUSY]		= { 0, 8, 0, 64, 512 },
			[IDLE]		= { 0, 8, 0, 64, 4096 },
			[IDLE_FAST]	= { 0, 8, 0, 512, 4096 },
		},
	}, {
		.name		= "phc2sys-1",
		.kind		= FREQUENCY,
		.minutes	= 66,
		.poll		= NSEC_PER_SEC,
		.jitter		= NSEC_PER_MSEC,
		.noise		= PPB(20),
		.bound		= {
			[BUSY]		= { 0, 8, 0, 512, 512 },
			[IDLE]		= { 0, 8, 0, 512, 512 },
			[IDLE_FAST]	= { 0, 8, 0, 512, 512 },
		},
	}, {
		.name		= "phc2sys-16",
		.kind		= FREQUENCY,
		.minutes	= 66,
		.poll		= NSEC_PER_SEC / 16,
		.jitter		= NSEC_PER_MSEC / 10,
		.noise		= PPB(20),
		.bound		= {
			[BUSY]		= { 0, 8, 0, 512, 512 },
			[IDLE]		= { 0, 8, 0, 512, 512 },
			[IDLE_FAST]	= { 0, 8, 0, 512, 512 },
		},
	}, {
		.name		= "ntpd",
		.kind		= PLL,
		.minutes	= 66,
		.poll		= 64 * NSEC_PER_SEC,
		.bound		= {
			[BUSY]		= { 0, 8, 0, 64, 1 << 15 },
			[IDLE]		= { 0, 8, 0, 64, 1 << 15 },
			[IDLE_FAST]	= { 0, 8, 0, 512, 1 << 15 },
		},
	}, {
		.name		= "square",
		.kind		= FREQUENCY,
		.minutes	= 12,
		.poll		= NSEC_PER_SEC / 4,
		.square		= PPB(500000),
	},
};

#define NR_DISCIPLINES	ARRAY_SIZE(disciplines)

static const clockid_t clocks[] = {
	CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW,
};

/**
 * struct event - A counter value and a time
 * @cycles:	The counter value
 * @time:	What the clock showed
 * @told:	What was told of it last
 * @clock:	Index into clocks[]
 */
struct event {
	__u64		cycles;
	int64_t		time;
	int64_t		told;
	unsigned int	clock;
};

/**
 * struct tally - What has been seen of conversions
 * @read:	Their number
 * @bad:	Number of those which failed
 * @worst:	Largest bound
 */
struct tally {
	unsigned long	read;
	unsigned long	bad;
	uint32_t	worst;
};

/**
 * struct run - What has been seen of a discipline
 * @ns:		How long it lasts in nanoseconds
 * @begin:	Its first event
 * @end:	The one after its last event
 * @oldest:	The oldest event that is not older than each of the ages
 * @tally:	Conversions between an age and the one before it
 * @late:	Number of conversions to a later time
 * @missed:	Events which had no exact time
 * @exact:	How far back the exact history reaches, at the least, in seconds, 0
 *		if it is not known
 * @horizon:	How far back any conversion succeeds, the same way
 */
static struct run {
	int64_t		ns;
	unsigned int	begin;
	unsigned int	end;
	unsigned int	oldest[NR_AGES];
	struct tally	tally[NR_AGES];
	unsigned long	late;
	unsigned int	missed;
	double		exact;
	double		horizon;
} runs[NR_DISCIPLINES];

static struct event *events;
static unsigned int nr_events, max_events;
static __u64 cycles[RETROCONV_MAX_NR];
static struct retroconv_time times[RETROCONV_MAX_NR];
static __u64 frequency, first_oldest;
static int64_t most_sleep;
static enum machine machine;
static int device, tests, messages;

static void bail_out(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void convert(unsigned int clock, unsigned int nr)
{
	if (convert_cycles(device, clocks[clock], nr, cycles, times))
		bail_out("RETROCONV_CONVERT");
}

/* Anything from 0 to @limit - 1, the same in each run */
static uint64_t below(uint64_t limit)
{
	static uint64_t state = 1;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return limit ? (unsigned __int128)limit * state >> 64 : 0;
}

static int64_t noise(int64_t most)
{
	return (int64_t)below(2 * most + 1) - most;
}

/* Of so many cycles */
static double seconds(__u64 n)
{
	return (double)n / frequency;
}

/* The clock's discipline */

static void set_frequency(long freq)
{
	struct timex tx = { .modes = ADJ_FREQUENCY, .freq = freq };

	if (adjtimex(&tx) < 0)
		bail_out("ADJ_FREQUENCY");
}

static void set_status(int status)
{
	struct timex tx = { .modes = ADJ_STATUS, .status = status };

	if (adjtimex(&tx) < 0)
		bail_out("ADJ_STATUS");
}

/*
 * What the time is when a server is asked: the counter wanders, and 20 us are lost on
 * the network, one way or the other. NULL for the beginning.
 */
static void set_offset(int begin)
{
	/* Nanoseconds, and how fast the counter is in 10^-12 */
	static int64_t reference, fast;
	static uint64_t then;
	struct timex tx = {
		.modes		= ADJ_OFFSET | ADJ_STATUS | ADJ_TIMECONST | ADJ_NANO,
		.status		= STA_PLL,
		.constant	= 6,
	};
	uint64_t cycles = counter();
	int64_t time = now(CLOCK_MONOTONIC), nominal;

	if (begin) {
		reference = time;
		fast = 12345000;
		then = cycles;
		return;
	}
	nominal = (unsigned __int128)(cycles - then) * NSEC_PER_SEC / frequency;
	then = cycles;
	fast += noise(800);
	reference += nominal + (__int128)nominal * fast / 1000000000000LL;
	tx.offset = reference - time + noise(20000);
	if (adjtimex(&tx) < 0)
		bail_out("ADJ_OFFSET");
}

static void begin_discipline(const struct discipline *d)
{
	set_status(STA_UNSYNC);
	/* As from a drift file */
	set_frequency(d->kind == FREE ? 0 : DRIFT);
	if (d->kind == PLL)
		set_offset(1);
}

static void act(const struct discipline *d)
{
	static int up;

	switch (d->kind) {
	case FREE:
		break;
	case FREQUENCY:
		up = !up;
		if (d->square)
			set_frequency(up ? d->square : -d->square);
		else
			set_frequency(DRIFT + noise(d->noise));
		break;
	case PLL:
		set_offset(0);
		break;
	}
}

/* Events */

static void add_event(unsigned int clock, __u64 value, int64_t time)
{
	if (nr_events == max_events) {
		max_events = max_events * 2 + 1024;
		events = realloc(events, max_events * sizeof(*events));
		if (!events)
			bail_out("memory");
	}
	events[nr_events++] = (struct event) {
		.cycles	= value,
		.time	= time,
		.told	= time,
		.clock	= clock,
	};
}

/* Returns 0 if the program was interrupted, or no counter value has the time */
static int stamp_read(unsigned int clock)
{
	uint64_t c1, c2;
	int64_t time;

	c1 = counter();
	time = now(clocks[clock]);
	c2 = counter();
	if (c2 - c1 >= 10000)
		return 0;

	for (unsigned int i = 0; i <= c2 - c1; i++)
		cycles[i] = c1 + i;
	convert(clock, c2 - c1 + 1);
	for (unsigned int i = 0; i <= c2 - c1; i++) {
		if (!times[i].status && !times[i].error_ns && times[i].ns == time) {
			add_event(clock, cycles[i], time);
			return 1;
		}
	}
	return 0;
}

/* Since @begin. Returns 0 if it is not in the exact history. */
static int stamp_device(unsigned int clock, uint64_t begin)
{
	cycles[0] = begin + below(counter() - begin);
	convert(clock, 1);
	if (times[0].status || times[0].error_ns)
		return 0;
	add_event(clock, cycles[0], times[0].ns);
	return 1;
}

/* Conversions */

static unsigned int age_of(uint64_t present, const struct event *e)
{
	int64_t ns = (unsigned __int128)(present - e->cycles) * NSEC_PER_SEC / frequency;
	unsigned int age = 0;

	while (ns > ages[age].ns)
		age++;
	return age;
}

/* Not early, late by no more than the bound, and ever later in the course of time */
static void check(struct run *run, struct tally *tally, struct event *e,
		  const struct retroconv_time *time)
{
	int64_t error = time->ns - e->time;

	tally->read++;
	if (time->status || error < 0 || error > time->error_ns || time->ns < e->told) {
		tally->bad++;
		if (messages++ < MAX_MESSAGES) {
			printf("# %s: clock %d at 0x%llx: %lld, told %lld before, now %lld +-%u ns, status %d\n",
			       disciplines[run - runs].name, clocks[e->clock],
			       (unsigned long long)e->cycles, (long long)e->time, (long long)e->told,
			       (long long)time->ns, time->error_ns, time->status);
		}
		return;
	}
	run->late += error > 0;
	e->told = time->ns;
	if (time->error_ns > tally->worst)
		tally->worst = time->error_ns;
}

static void check_event(struct run *run, unsigned int nr)
{
	struct event *e = &events[nr];

	cycles[0] = e->cycles;
	convert(e->clock, 1);
	check(run, &run->tally[age_of(counter(), e)], e, times);
}

/* All events of a discipline, many at once. By their age, or all of them in @tally. */
static void check_all(struct run *run, struct tally *tally)
{
	static unsigned int index[RETROCONV_MAX_NR];

	for (unsigned int clock = 0; clock < ARRAY_SIZE(clocks); clock++) {
		for (unsigned int i = run->begin; i < run->end;) {
			unsigned int nr = 0;
			uint64_t present;

			for (; i < run->end && nr < RETROCONV_MAX_NR; i++) {
				if (events[i].clock == clock) {
					cycles[nr] = events[i].cycles;
					index[nr++] = i;
				}
			}
			convert(clock, nr);
			present = counter();
			for (unsigned int j = 0; j < nr; j++) {
				struct event *e = &events[index[j]];

				check(run, tally ?: &run->tally[age_of(present, e)], e, &times[j]);
			}
		}
	}
}

/* The oldest event of each age, and any one */
static void check_some(struct run *run)
{
	uint64_t present = counter();

	for (unsigned int age = 0; age < NR_AGES; age++) {
		unsigned int *nr = &run->oldest[age];

		while (*nr < run->end && age_of(present, &events[*nr]) > age)
			++*nr;
		if (*nr < run->end)
			check_event(run, *nr);
	}
	if (run->end > run->begin)
		check_event(run, run->begin + below(run->end - run->begin));
}

static void measure(struct run *run)
{
	struct retroconv_info info = { .size = sizeof(info) };
	double exact, horizon;

	if (ioctl(device, RETROCONV_INFO, &info))
		bail_out("RETROCONV_INFO");
	if (!first_oldest)
		first_oldest = info.oldest;

	exact = seconds(info.newest - info.oldest_exact);
	if (info.oldest_exact > events[run->begin].cycles && (!run->exact || exact < run->exact))
		run->exact = exact;
	horizon = seconds(info.newest - info.oldest);
	if (info.oldest != first_oldest && (!run->horizon || horizon < run->horizon))
		run->horizon = horizon;
}

static void sleep_until(int64_t time)
{
	struct timespec ts = { time / NSEC_PER_SEC, time % NSEC_PER_SEC };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void discipline(const struct discipline *d, struct run *run)
{
	int64_t time = now(CLOCK_MONOTONIC), action, event = time;
	int64_t end = time + run->ns, all = time + run->ns / NR_CHECKS;
	uint64_t before = counter();
	unsigned int nr = 0;

	action = d->kind == FREE ? end : time + NSEC_PER_SEC;
	run->begin = nr_events;
	for (int i = 0; i < NR_AGES; i++)
		run->oldest[i] = nr_events;

	begin_discipline(d);
	while (time < end) {
		sleep_until(action < event ? action : event);
		time = now(CLOCK_MONOTONIC);
		if (time >= action) {
			act(d);
			action += d->poll + below(d->jitter);
		}
		if (time < event)
			continue;

		event += below(most_sleep);
		run->missed += !stamp_read(nr++ % ARRAY_SIZE(clocks));
		run->missed += !stamp_device(nr++ % ARRAY_SIZE(clocks), before);
		run->end = nr_events;
		check_some(run);
		measure(run);
		if (time >= all) {
			check_all(run, NULL);
			all += run->ns / NR_CHECKS;
		}
		before = counter();
	}
	check_all(run, NULL);
}

/* Results */

static void result(int ok, const char *name, const char *bound, const char *when)
{
	printf("%s %d %s: %s, %s\n", ok ? "ok" : "not ok", ++tests, name, bound, when);
	fflush(stdout);
}

/* How many entries there are in each level */
static void tell_entries(void)
{
	FILE *f = fopen("/sys/kernel/debug/timekeeping/history", "r");
	unsigned int used, nr = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f) && *line != '\n') {
		const char *last = strrchr(line, ',');

		if (!strncmp(line, "level ", 6) && last && sscanf(last, ", %u of", &used) == 1)
			printf("%c%u", nr++ ? '+' : ' ', used);
	}
	if (f)
		fclose(f);
}

static void tell_seconds(const char *what, double seconds)
{
	if (seconds)
		printf(" | %s %.1f s", what, seconds);
	else
		printf(" | %s all", what);
}

/* Did it last for longer than that? */
static int has_age(const struct run *run, unsigned int age)
{
	return age == NR_AGES - 1 || run->ns > ages[age].ns;
}

/* All ages that are not above this one */
static struct tally sum(const struct run *run, unsigned int age)
{
	struct tally total = { };

	for (unsigned int i = 0; i <= age; i++) {
		total.read += run->tally[i].read;
		total.bad += run->tally[i].bad;
		if (run->tally[i].worst > total.worst)
			total.worst = run->tally[i].worst;
	}
	return total;
}

static void tell(const struct discipline *d, const struct run *run)
{
	printf("# %-10s %4.1f h", d->name, run->ns / 3600e9);
	for (unsigned int age = 0; age < NR_AGES; age++) {
		if (has_age(run, age))
			printf(" | %s %u ns", ages[age].name, sum(run, age).worst);
		else
			printf(" | %s -", ages[age].name);
	}
	tell_seconds("exact", run->exact);
	tell_seconds("horizon", run->horizon);
	printf(" | entries");
	tell_entries();
	printf(" | %u events, %u missed, read %lu times, %lu late\n", run->end - run->begin,
	       run->missed, sum(run, NR_AGES - 1).read, run->late);
}

static void judge(const struct discipline *d, const struct run *run)
{
	unsigned int nr = run->end - run->begin;

	result(nr > MIN_READ && run->missed < nr / 100, d->name,
	       "exact", "just stamped");
	for (unsigned int age = 0; age < NR_AGES; age++) {
		struct tally total = sum(run, age);
		uint32_t bound = d->bound[machine][age];
		char what[32] = "within what is told";

		if (!has_age(run, age))
			continue;
		if (bound)
			snprintf(what, sizeof(what), "within %u ns", bound);
		result(!total.bad && total.read > MIN_READ && (!bound || total.worst <= bound),
		       d->name, what, ages[age].text);
	}
}

/* Once more, after the other disciplines */
static void judge_end(const struct discipline *d, struct run *run)
{
	struct tally total = { };

	check_all(run, &total);
	printf("# %s: %lu events, within %u ns at the end of the run\n", d->name, total.read,
	       total.worst);
	result(total.read > MIN_READ && !total.bad, d->name, "within what is told",
	       "at the end of the run");
}

static enum machine get_machine(void)
{
	char cmdline[4096] = "";
	FILE *f;

	f = fopen("/proc/cmdline", "r");
	if (!f || !fgets(cmdline, sizeof(cmdline), f))
		bail_out("/proc/cmdline");
	fclose(f);
	if (strstr(cmdline, "nohz=off"))
		return BUSY;
	return frequency < FAST_HZ ? IDLE : IDLE_FAST;
}

int main(void)
{
	uint64_t minutes = parameter("long.minutes=", ~0ULL);
	int nr = 0;

	device = open("/dev/retroconv", O_RDONLY);
	if (device < 0)
		bail_out("/dev/retroconv");
	asm("mrs %0, cntfrq_el0" : "=r" (frequency));
	most_sleep = 2 * parameter("long.sleep=", 1000) * NSEC_PER_MSEC;
	machine = get_machine();

	for (unsigned int i = 0; i < NR_DISCIPLINES; i++) {
		uint64_t own = minutes == ~0ULL ? disciplines[i].minutes : minutes;
		char name[32];

		snprintf(name, sizeof(name), "long.%s=", disciplines[i].name);
		runs[i].ns = parameter(name, own) * 60 * NSEC_PER_SEC;
		for (unsigned int age = 0; runs[i].ns && age < NR_AGES; age++)
			nr += has_age(&runs[i], age);
		nr += runs[i].ns ? 2 : 0;
	}
	printf("KTAP version 1\n1..%d\n", nr);
	printf("# counter: %llu Hz, %s, an event every %lld ms\n", (unsigned long long)frequency,
	       machine == BUSY ? "a tick with each jiffy" : "idle",
	       (long long)(most_sleep / (2 * NSEC_PER_MSEC)));

	for (unsigned int i = 0; i < NR_DISCIPLINES; i++) {
		if (!runs[i].ns)
			continue;
		discipline(&disciplines[i], &runs[i]);
		tell(&disciplines[i], &runs[i]);
		judge(&disciplines[i], &runs[i]);
	}
	for (unsigned int i = 0; i < NR_DISCIPLINES; i++) {
		if (runs[i].ns)
			judge_end(&disciplines[i], &runs[i]);
	}
	return 0;
}
