// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/retroconv: does a counter value of the past convert to what
 * clock_gettime() said then?
 *
 * A sample is counter, clock, counter: c1, t, c2. The kernel read the same
 * counter for t, so t has to be exactly the conversion of some value from c1
 * to c2. That holds whatever happens to the clock in between. While nobody
 * changes the clock, t lies between the conversions of c1 and c2 as well. Not
 * so otherwise, since a clock may go backwards.
 *
 * A daemon which sets the clock as well should not run meanwhile.
 *
 * Without argument all tests run, with "bench" the cost of a conversion is
 * printed. The options are those of the harness, see -h.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#include <linux/io_uring.h>
#include <linux/retroconv.h>

#include "kselftest_harness.h"

#define DEVICE		"/dev/retroconv"

#ifndef NSEC_PER_SEC
#define NSEC_PER_SEC	1000000000LL
#endif
#define NSEC_PER_MSEC	1000000LL
#define SEC_PER_DAY	86400LL

#ifndef CLOCK_TAI
#define CLOCK_TAI	11
#endif
#ifndef CLOCK_AUX
#define CLOCK_AUX	16
#define CLOCK_AUX_LAST	23
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME	0x00000080
#endif

/* The kernel's limit of adjtimex(): 500 ppm in units of 2^-16 ppm */
#define FREQ_MAX	(500L << 16)

/* A test reads for so long, and longer when it has checked too little by then */
#define READ_NS		(250 * NSEC_PER_MSEC)
#define READ_NS_MAX	(20 * NSEC_PER_SEC)
#define MIN_CHECKED	1000
#define MIN_CHANGES	10

/*
 * The history holds some hundred states, and fewer when the clock is set. So
 * samples must not age for long before they are converted, and changes must
 * not come too fast.
 */
#define ROUND_NS	(20 * NSEC_PER_MSEC)
#define LATE_NS		(400 * NSEC_PER_MSEC)
#define CHANGE_US	4000

#define NR_SAMPLES	4096
#define NR_VALUES	8192
#define NR_CHECK	256
#define MAX_REACH	8
#define MAX_WIDTH	65536
#define MAX_READERS	64

enum access { VDSO, SYSCALL };

struct source {
	clockid_t	clock;
	enum access	access;
};

static const struct source all_sources[] = {
	{ CLOCK_MONOTONIC,	VDSO },
	{ CLOCK_MONOTONIC,	SYSCALL },
	{ CLOCK_BOOTTIME,	VDSO },
	{ CLOCK_BOOTTIME,	SYSCALL },
	{ CLOCK_REALTIME,	VDSO },
	{ CLOCK_REALTIME,	SYSCALL },
	{ CLOCK_TAI,		VDSO },
	{ CLOCK_TAI,		SYSCALL },
	{ CLOCK_MONOTONIC_RAW,	VDSO },
	{ CLOCK_MONOTONIC_RAW,	SYSCALL },
};

static const clockid_t all_clocks[] = {
	CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW,
};

struct sample {
	uint64_t	c1;
	uint64_t	c2;
	int64_t		t;
};

/**
 * struct stats - What became of the samples
 * @samples:	Taken
 * @exact:	The time is the conversion of a value from c1 to c2
 * @old:	Not checked, as the history had forgotten it when it was converted
 * @wide:	Not checked, as the reader was preempted between c1 and c2
 * @times:	Times that were converted to other clocks and to the counter, and what
 *		they became is what it was in the interval from c1 to c2
 * @repeated:	Times that the clock has had once more, or that were read where it was set
 * @wrong:	All others
 * @complaint:	The first wrong one
 */
struct stats {
	unsigned long	samples;
	unsigned long	exact;
	unsigned long	old;
	unsigned long	wide;
	unsigned long	times;
	unsigned long	repeated;
	unsigned long	wrong;
	char		complaint[256];
};

/**
 * struct reader - Takes samples and checks them
 * @fd:		The device
 * @frequency:	Frequency of the counter in Hz
 * @sources:	Clocks to read, in turns
 * @nr_sources:	Number of @sources
 * @steady:	Nobody changes the clock
 * @pause_us:	Time between two samples in microseconds
 * @stats:	Result
 * @nr:		Number of @samples
 * @samples:	Samples to be checked, @sources in turns
 * @cycles:	Values to be converted
 * @times:	What they convert to
 */
struct reader {
	int			fd;
	uint64_t		frequency;
	const struct source	*sources;
	unsigned int		nr_sources;
	bool			steady;
	unsigned int		pause_us;
	struct stats		stats;
	unsigned int		nr;
	struct sample		samples[NR_SAMPLES];
	__u64			cycles[NR_VALUES];
	struct retroconv_time	times[NR_VALUES];
};

#if defined(__aarch64__)

#define COUNTER		RETROCONV_COUNTER_ARM_ARCH
#define FOREIGN_COUNTER	RETROCONV_COUNTER_X86_TSC

static inline uint64_t read_counter(void)
{
	uint64_t cycles;

	asm volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r" (cycles) : : "memory");
	return cycles;
}

#elif defined(__x86_64__)

#define COUNTER		RETROCONV_COUNTER_X86_TSC
#define FOREIGN_COUNTER	RETROCONV_COUNTER_ARM_ARCH

static inline uint64_t read_counter(void)
{
	uint32_t low, high;

	asm volatile("lfence\n\trdtsc\n\tlfence" : "=a" (low), "=d" (high) : : "memory");
	return (uint64_t)high << 32 | low;
}

#else

#define COUNTER		RETROCONV_COUNTER_NONE
#define FOREIGN_COUNTER	RETROCONV_COUNTER_X86_TSC

static inline uint64_t read_counter(void)
{
	return 0;
}

#endif

static inline int64_t to_ns(const struct timespec *ts)
{
	return ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;
}

static inline int64_t clock_ns(clockid_t clock, enum access access)
{
	struct timespec ts = { };

	if (access == VDSO)
		clock_gettime(clock, &ts);
	else
		syscall(SYS_clock_gettime, clock, &ts);
	return to_ns(&ts);
}

static inline int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC_RAW, VDSO);
}

/* The same numbers in every run */
static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* The device */

static int get_info(int fd, struct retroconv_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return ioctl(fd, RETROCONV_INFO, info) ? -errno : 0;
}

static int convert_from(int fd, __u32 from, clockid_t clock, const __u64 *values, uint64_t nr,
			struct retroconv_time *times)
{
	struct retroconv_convert arg = {
		.size		= sizeof(arg),
		.counter	= from,
		.clock_id	= clock,
		.nr		= nr,
		.cycles		= (uintptr_t)values,
		.times		= (uintptr_t)times,
	};

	return ioctl(fd, RETROCONV_CONVERT, &arg) ? -errno : 0;
}

static int convert(int fd, clockid_t clock, const __u64 *cycles, uint64_t nr,
		   struct retroconv_time *times)
{
	return convert_from(fd, COUNTER, clock, cycles, nr, times);
}

/* Does the kernel say elsewhere that its clocksource is the counter that we read? */
static bool is_our_counter(void)
{
	static const char * const names[] = {
		[RETROCONV_COUNTER_ARM_ARCH]	= "arch_sys_counter\n",
		[RETROCONV_COUNTER_X86_TSC]	= "tsc\n",
	};
	char name[64] = "";
	ssize_t len;
	int fd;

	fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY);
	if (fd < 0)
		return false;
	len = read(fd, name, sizeof(name) - 1);
	close(fd);
	return len > 0 && COUNTER != RETROCONV_COUNTER_NONE && !strcmp(name, names[COUNTER]);
}

/* Returns the reason why there is nothing to be tested, otherwise NULL */
static const char *open_device(int *fd, struct retroconv_info *info)
{
	static char reason[80];
	int ret;

	*fd = open(DEVICE, O_RDONLY | O_CLOEXEC);
	if (*fd < 0) {
		snprintf(reason, sizeof(reason), "cannot open " DEVICE ": %s", strerror(errno));
		return reason;
	}

	ret = get_info(*fd, info);
	if (ret == -ENODEV)
		return "the kernel records no history";
	if (ret)
		return NULL;
	if (info->counter == RETROCONV_COUNTER_NONE && !is_our_counter())
		return "user space cannot read the counter of the clocksource";
	if (info->counter != COUNTER && !is_our_counter())
		return "this program does not know the counter of the clocksource";
	return NULL;
}

static struct reader *alloc_reader(int fd, const struct retroconv_info *info,
				   const struct source *sources, unsigned int nr_sources)
{
	struct reader *r;

	/* Shared, because a child in a time namespace is a reader as well */
	r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r == MAP_FAILED)
		return NULL;

	r->fd = fd;
	r->frequency = info->frequency_hz;
	r->sources = sources;
	r->nr_sources = nr_sources;
	return r;
}

/* The clock before the tests, and how it gets back to that */

static struct {
	bool		valid;
	struct timex	tx;
	int64_t		real_offset;
} saved;

/* Nothing but setting the clock changes this one */
static int64_t real_offset(void)
{
	int64_t b1, r, b2, width, offset = 0, best = LLONG_MAX;

	for (int i = 0; i < 20; i++) {
		b1 = clock_ns(CLOCK_BOOTTIME, VDSO);
		r = clock_ns(CLOCK_REALTIME, VDSO);
		b2 = clock_ns(CLOCK_BOOTTIME, VDSO);
		width = b2 - b1;
		if (width < best) {
			best = width;
			offset = r - b1 - width / 2;
		}
	}
	return offset;
}

static int step_clock(int64_t ns)
{
	struct timex tx = {
		.modes	= ADJ_SETOFFSET | ADJ_NANO,
	};

	/* tv_usec holds nanoseconds and must not be negative */
	tx.time.tv_sec = ns / NSEC_PER_SEC;
	tx.time.tv_usec = ns % NSEC_PER_SEC;
	if (tx.time.tv_usec < 0) {
		tx.time.tv_sec--;
		tx.time.tv_usec += NSEC_PER_SEC;
	}
	return adjtimex(&tx) < 0 ? -errno : 0;
}

static int set_status(int status)
{
	struct timex tx = {
		.modes	= ADJ_STATUS,
		.status	= status,
	};

	return adjtimex(&tx) < 0 ? -errno : 0;
}

/* Switching the PLL off is what resets the state machine of leap seconds */
static int clear_leap_state(void)
{
	int ret = set_status(STA_PLL);

	return ret ?: set_status(0);
}

static void save_clock(void)
{
	saved.tx.modes = 0;
	saved.real_offset = real_offset();
	saved.valid = adjtimex(&saved.tx) >= 0;
}

static int restore_clock(void)
{
	struct timex tx;
	int64_t step;
	int ret;

	if (!saved.valid)
		return -EINVAL;

	ret = clear_leap_state();
	if (ret)
		return ret;

	step = saved.real_offset - real_offset();
	ret = step_clock(step);
	/* Without an RTC the clock starts at 0 and must not get behind uptime */
	if (ret == -EINVAL)
		ret = step_clock(step + NSEC_PER_MSEC);
	if (ret)
		return ret;

	/* The offset of TAI goes in by the field of the time constant */
	tx = saved.tx;
	tx.modes = ADJ_TAI;
	tx.constant = saved.tx.tai;
	if (adjtimex(&tx) < 0)
		return -errno;

	tx = saved.tx;
	tx.modes = ADJ_FREQUENCY | ADJ_TICK | ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR;
	tx.modes |= tx.status & STA_NANO ? ADJ_NANO : ADJ_MICRO;
	tx.status &= ~STA_RONLY;
	return adjtimex(&tx) < 0 ? -errno : 0;
}

static bool clock_differs(void)
{
	struct timex tx = { };

	if (adjtimex(&tx) < 0)
		return false;
	return tx.freq != saved.tx.freq || tx.tick != saved.tx.tick ||
	       tx.tai != saved.tx.tai ||
	       (tx.status ^ saved.tx.status) & (STA_INS | STA_DEL) ||
	       llabs(real_offset() - saved.real_offset) > 2 * NSEC_PER_MSEC;
}

/* A test which hit its time limit is killed together with its teardown */
static void restore_clock_at_exit(void)
{
	if (saved.valid && clock_differs())
		restore_clock();
}

/* Returns the reason why the clock cannot be changed, otherwise NULL */
static const char *may_change_clock(void)
{
	struct timex tx = { };

	if (!saved.valid || adjtimex(&tx) < 0)
		return "cannot save the state of the clock";

	tx.modes = ADJ_FREQUENCY;
	if (adjtimex(&tx) < 0)
		return "no permission to change the clock";
	return NULL;
}

/* Readers */

static unsigned int get_cpus(unsigned int *cpus, unsigned int max)
{
	unsigned int nr = 0;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 0;
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE && nr < max; cpu++) {
		if (CPU_ISSET(cpu, &set))
			cpus[nr++] = cpu;
	}
	return nr;
}

/* Best effort, the tests do not depend on it */
static void pin_to(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void take_samples(struct reader *r)
{
	uint64_t ticks = r->frequency / (NSEC_PER_SEC / (r->pause_us ? LATE_NS : ROUND_NS));
	uint64_t start = read_counter();

	for (r->nr = 0; r->nr < NR_SAMPLES; r->nr++) {
		const struct source *source = &r->sources[r->nr % r->nr_sources];
		struct sample *s = &r->samples[r->nr];
		struct timespec ts = { };

		if (source->access == VDSO) {
			s->c1 = read_counter();
			clock_gettime(source->clock, &ts);
			s->c2 = read_counter();
		} else {
			s->c1 = read_counter();
			syscall(SYS_clock_gettime, source->clock, &ts);
			s->c2 = read_counter();
		}
		s->t = to_ns(&ts);

		if (s->c2 - start > ticks) {
			r->nr++;
			break;
		}
		if (r->pause_us)
			usleep(r->pause_us);
	}
	r->stats.samples += r->nr;
}

static void complain(struct reader *r, clockid_t clock, const struct sample *s,
		     const struct retroconv_time *t1, const struct retroconv_time *t2,
		     const char *what)
{
	if (r->stats.wrong++)
		return;

	snprintf(r->stats.complaint, sizeof(r->stats.complaint),
		 "clock %d was %lld from %llu to %llu: %s (%lld, status %d; %lld, status %d)",
		 clock, (long long)s->t, (unsigned long long)s->c1, (unsigned long long)s->c2,
		 what, (long long)t1->ns, t1->status, (long long)t2->ns, t2->status);
}

/* A reader was told the time, within its bound. Another one may have been before. */
static bool is_told(const struct retroconv_time *time)
{
	return !(time->status & ~RETROCONV_REPEATED);
}

static bool is_exact(const struct retroconv_time *time)
{
	return is_told(time) && !time->error_ns;
}

/* The history has forgotten the value, or all but an approximation */
static bool is_old(const struct retroconv_time *time)
{
	return time->status == -ERANGE || (is_told(time) && time->error_ns);
}

/* Find the time among the conversions of every single value from c1 to c2 */
static void scan_sample(struct reader *r, clockid_t clock, const struct sample *s)
{
	uint64_t width = s->c2 - s->c1;
	struct retroconv_time first;
	bool old = false;
	uint64_t n;

	if (width > MAX_WIDTH) {
		r->stats.wide++;
		return;
	}

	for (uint64_t done = 0; done <= width; done += n) {
		n = width + 1 - done;
		if (n > NR_VALUES)
			n = NR_VALUES;
		for (uint64_t i = 0; i < n; i++)
			r->cycles[i] = s->c1 + done + i;

		if (convert(r->fd, clock, r->cycles, n, r->times)) {
			memset(r->times, 0, sizeof(r->times[0]));
			complain(r, clock, s, r->times, r->times, strerror(errno));
			return;
		}
		if (!done)
			first = r->times[0];

		for (uint64_t i = 0; i < n; i++) {
			old |= is_old(&r->times[i]);
			if (is_exact(&r->times[i]) && r->times[i].ns == s->t) {
				r->stats.exact++;
				return;
			}
		}
	}

	if (old)
		r->stats.old++;
	else
		complain(r, clock, s, &first, &r->times[n - 1], "converts to none of these");
}

/*
 * Scanning every interval would take too long. On a straight line the value
 * which was read for the time is known up to rounding. What is not found there
 * is searched for by scan_sample().
 */
static unsigned int guess_values(const struct sample *s, const struct retroconv_time *t1,
				 const struct retroconv_time *t2, __u64 *cycles)
{
	uint64_t width = s->c2 - s->c1;
	uint64_t guess, reach, from, to;
	int64_t ns = t2->ns - t1->ns;

	if (width > MAX_WIDTH || ns <= 0 || ns > NSEC_PER_SEC ||
	    s->t < t1->ns || s->t > t2->ns)
		return 0;

	guess = (s->t - t1->ns) * width / ns;
	reach = width / ns + 2;
	if (reach > MAX_REACH)
		reach = MAX_REACH;

	from = guess > reach ? guess - reach : 0;
	to = guess + reach;
	if (to > width)
		to = width;
	for (uint64_t i = from; i <= to; i++)
		*cycles++ = s->c1 + i;
	return to - from + 1;
}

static void check_some(struct reader *r, clockid_t clock, const struct sample **some,
		       unsigned int nr)
{
	const struct sample *guessed[NR_CHECK], *missed[NR_CHECK];
	unsigned int nr_guessed = 0, nr_missed = 0, nr_values = 0;
	struct retroconv_time ends[2 * NR_CHECK];
	unsigned int end[NR_CHECK];
	unsigned int i, v;

	for (i = 0; i < nr; i++) {
		r->cycles[2 * i] = some[i]->c1;
		r->cycles[2 * i + 1] = some[i]->c2;
	}
	memset(ends, 0, sizeof(ends));
	if (convert(r->fd, clock, r->cycles, 2 * nr, ends)) {
		complain(r, clock, some[0], ends, ends, strerror(errno));
		return;
	}

	for (i = 0; i < nr; i++) {
		const struct retroconv_time *t1 = &ends[2 * i], *t2 = &ends[2 * i + 1];
		unsigned int n;

		if (is_old(t1) || is_old(t2)) {
			r->stats.old++;
			continue;
		}
		if (!is_told(t1) || !is_told(t2)) {
			complain(r, clock, some[i], t1, t2, "does not convert");
			continue;
		}
		if (r->steady && (some[i]->t < t1->ns || some[i]->t > t2->ns)) {
			complain(r, clock, some[i], t1, t2, "not between");
			continue;
		}

		n = guess_values(some[i], t1, t2, &r->cycles[nr_values]);
		if (n) {
			nr_values += n;
			end[nr_guessed] = nr_values;
			guessed[nr_guessed++] = some[i];
		} else {
			missed[nr_missed++] = some[i];
		}
	}

	if (nr_values && convert(r->fd, clock, r->cycles, nr_values, r->times)) {
		complain(r, clock, some[0], ends, ends, strerror(errno));
		return;
	}

	for (i = 0, v = 0; i < nr_guessed; i++) {
		bool found = false;

		for (; v < end[i]; v++) {
			if (is_exact(&r->times[v]) && r->times[v].ns == guessed[i]->t)
				found = true;
		}
		if (found)
			r->stats.exact++;
		else
			missed[nr_missed++] = guessed[i];
	}

	for (i = 0; i < nr_missed; i++)
		scan_sample(r, clock, missed[i]);
}

/*
 * Convert the times to another clock, or to the counter. What comes out was between what
 * that clock was at c1 and at c2.
 */
static void check_times(struct reader *r, clockid_t clock, const struct sample **some,
			unsigned int nr)
{
	static const clockid_t targets[] = {
		CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW,
		RETROCONV_TO_COUNTER,
	};
	clockid_t to = targets[r->stats.times % ARRAY_SIZE(targets)];
	__u64 values[NR_CHECK], cycles[2 * NR_CHECK];
	struct retroconv_time times[NR_CHECK], ends[2 * NR_CHECK];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		values[i] = some[i]->t;
		cycles[2 * i] = some[i]->c1;
		cycles[2 * i + 1] = some[i]->c2;
	}
	memset(times, 0, sizeof(times));
	memset(ends, 0, sizeof(ends));
	if (convert_from(r->fd, RETROCONV_FROM(clock), to, values, nr, times) ||
	    (to != RETROCONV_TO_COUNTER && convert(r->fd, to, cycles, 2 * nr, ends))) {
		complain(r, clock, some[0], ends, ends, strerror(errno));
		return;
	}

	for (i = 0; i < nr; i++) {
		const struct retroconv_time *t1 = &ends[2 * i], *t2 = &ends[2 * i + 1];
		uint64_t width = some[i]->c2 - some[i]->c1;
		int64_t from = some[i]->c1, until = some[i]->c2, bound = times[i].error_ns;

		if (times[i].status == -ERANGE || t1->status == -ERANGE) {
			r->stats.old++;
			continue;
		}
		if (times[i].status < 0 || !is_told(t1) || !is_told(t2)) {
			complain(r, clock, some[i], &times[i], t1, "time does not convert");
			continue;
		}
		if (times[i].status & RETROCONV_REPEATED) {
			r->stats.repeated++;
			continue;
		}
		if (to == RETROCONV_TO_COUNTER) {
			/* As far as a nanosecond is exact */
			bound = (bound + 1) * r->frequency / NSEC_PER_SEC + 1;
		} else {
			from = t1->ns - t1->error_ns;
			until = t2->ns;
		}
		/* It was set between c1 and c2, after the time or before it */
		if (from > until) {
			r->stats.repeated++;
			continue;
		}
		if (times[i].ns < from - bound || times[i].ns > until + bound) {
			char what[64];

			snprintf(what, sizeof(what), "%lld of clock %d +-%u, %llu cycles",
				 (long long)times[i].ns, to, times[i].error_ns,
				 (unsigned long long)width);
			complain(r, clock, some[i], t1, t2, what);
			continue;
		}
		r->stats.times++;
	}
}

static void check_samples(struct reader *r)
{
	const struct sample *some[NR_CHECK];
	unsigned int n, i;

	for (unsigned int source = 0; source < r->nr_sources; source++) {
		for (i = source; i < r->nr; ) {
			for (n = 0; n < NR_CHECK && i < r->nr; n++, i += r->nr_sources)
				some[n] = &r->samples[i];
			check_some(r, r->sources[source].clock, some, n);
			check_times(r, r->sources[source].clock, some, n);
		}
	}
}

/**
 * struct changer - A thread which changes the clock
 * @change:	Makes the change number i, returns 0 or a negative errno
 * @cpu:	Where it runs
 * @thread:	The thread
 * @stop:	Set to end it
 * @changes:	Number of changes
 * @error:	Of the first change which failed
 */
struct changer {
	int		(*change)(unsigned int i);
	unsigned int	cpu;
	pthread_t	thread;
	atomic_bool	stop;
	atomic_uint	changes;
	int		error;
};

/* Until there is enough of everything, on a machine of any speed and load */
static void read_for_a_while(struct reader *r, struct changer *c)
{
	int64_t start = now_ns(), passed;
	bool enough;

	do {
		take_samples(r);
		check_samples(r);
		passed = now_ns() - start;
		enough = passed >= READ_NS && r->stats.exact >= MIN_CHECKED &&
			 (!c || atomic_load(&c->changes) >= MIN_CHANGES);
	} while (!enough && passed < READ_NS_MAX);
}

static void print_stats(const char *who, const struct stats *stats, unsigned long changes)
{
	ksft_print_msg("%s: %lu samples, %lu exact, %lu too old, %lu too wide, %lu wrong\n",
		       who, stats->samples, stats->exact, stats->old, stats->wide, stats->wrong);
	ksft_print_msg("%s: %lu times, %lu repeated\n", who, stats->times, stats->repeated);
	if (changes)
		ksft_print_msg("%s: %lu changes of the clock\n", who, changes);
	if (stats->wrong)
		ksft_print_msg("%s: %s\n", who, stats->complaint);
}

/* Changes of the clock */

static int change_frequency(unsigned int i)
{
	static const long freq[] = {
		FREQ_MAX, -FREQ_MAX, FREQ_MAX, FREQ_MAX - 1, -FREQ_MAX, -FREQ_MAX + 1, 0, 1,
	};
	struct timex tx = {
		.modes	= ADJ_FREQUENCY,
		.freq	= freq[i % ARRAY_SIZE(freq)],
	};

	return adjtimex(&tx) < 0 ? -errno : 0;
}

/* Never behind where it was in the beginning, which might be 0 */
static int change_offset(unsigned int i)
{
	static const int64_t step[] = {
		1234567890, -1234567890, 1, -1, 1000, -1000, 9 * NSEC_PER_MSEC, -9 * NSEC_PER_MSEC,
	};

	return step_clock(step[i % ARRAY_SIZE(step)]);
}

/* Setting it back to where it just was fails for the same reason */
static int change_time(unsigned int i)
{
	struct timespec ts;
	struct timeval tv;
	int ret;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += i & 1 ? -1 : 2;
	if (i & 2) {
		ret = clock_settime(CLOCK_REALTIME, &ts);
	} else {
		tv.tv_sec = ts.tv_sec;
		tv.tv_usec = ts.tv_nsec / 1000;
		ret = settimeofday(&tv, NULL);
	}
	return ret ? -errno : 0;
}

static int change_tai(unsigned int i)
{
	static const int tai[] = { 37, 38, 0, 36 };
	struct timex tx = {
		.modes		= ADJ_TAI,
		.constant	= tai[i % ARRAY_SIZE(tai)],
	};

	return adjtimex(&tx) < 0 ? -errno : 0;
}

static int change_all(unsigned int i)
{
	switch (i % 4) {
	case 0:
		return change_frequency(i / 4);
	case 1:
		return change_offset(i / 4);
	case 2:
		return change_time(i / 4);
	default:
		return change_tai(i / 4);
	}
}

static void *changer_thread(void *data)
{
	struct changer *c = data;

	pin_to(c->cpu);
	for (unsigned int i = 0; !atomic_load(&c->stop); i++) {
		int ret = c->change(i);

		if (!ret)
			atomic_fetch_add(&c->changes, 1);
		else if (!c->error)
			c->error = ret;
		usleep(CHANGE_US);
	}
	return NULL;
}

/* Reader and changer on different CPUs if there are two */
static int read_while_changing(struct reader *r, struct changer *c)
{
	unsigned int cpus[2];
	unsigned int nr = get_cpus(cpus, 2);
	int ret;

	if (!nr)
		return -ENODEV;
	c->cpu = cpus[nr - 1];
	pin_to(cpus[0]);

	ret = pthread_create(&c->thread, NULL, changer_thread, c);
	if (ret)
		return -ret;

	read_for_a_while(r, c);

	atomic_store(&c->stop, true);
	pthread_join(c->thread, NULL);
	return 0;
}

/* Every clock, with nobody touching it */

FIXTURE(untouched) {
	int			fd;
	struct retroconv_info	info;
	struct source		source;
	struct reader		*reader;
};

FIXTURE_VARIANT(untouched) {
	struct source		source;
};

FIXTURE_VARIANT_ADD(untouched, monotonic_vdso) { .source = { CLOCK_MONOTONIC, VDSO }, };

FIXTURE_VARIANT_ADD(untouched, monotonic_syscall) { .source = { CLOCK_MONOTONIC, SYSCALL }, };

FIXTURE_VARIANT_ADD(untouched, boottime_vdso) { .source = { CLOCK_BOOTTIME, VDSO }, };

FIXTURE_VARIANT_ADD(untouched, boottime_syscall) { .source = { CLOCK_BOOTTIME, SYSCALL }, };

FIXTURE_VARIANT_ADD(untouched, realtime_vdso) { .source = { CLOCK_REALTIME, VDSO }, };

FIXTURE_VARIANT_ADD(untouched, realtime_syscall) { .source = { CLOCK_REALTIME, SYSCALL }, };

FIXTURE_VARIANT_ADD(untouched, tai_vdso) { .source = { CLOCK_TAI, VDSO }, };

FIXTURE_VARIANT_ADD(untouched, tai_syscall) { .source = { CLOCK_TAI, SYSCALL }, };

FIXTURE_VARIANT_ADD(untouched, raw_vdso) { .source = { CLOCK_MONOTONIC_RAW, VDSO }, };

FIXTURE_VARIANT_ADD(untouched, raw_syscall) { .source = { CLOCK_MONOTONIC_RAW, SYSCALL }, };

FIXTURE_SETUP(untouched)
{
	const char *reason = open_device(&self->fd, &self->info);

	if (reason)
		SKIP(return, "%s", reason);

	ASSERT_EQ(COUNTER, self->info.counter);

	self->source = variant->source;
	self->reader = alloc_reader(self->fd, &self->info, &self->source, 1);
	ASSERT_NE(NULL, self->reader);
}

FIXTURE_TEARDOWN(untouched)
{
	munmap(self->reader, sizeof(*self->reader));
	close(self->fd);
}

TEST_F(untouched, read)
{
	struct stats *stats = &self->reader->stats;

	self->reader->steady = true;
	read_for_a_while(self->reader, NULL);

	print_stats(_metadata->name, stats, 0);
	EXPECT_EQ(0, stats->wrong);
	EXPECT_GE(stats->exact, MIN_CHECKED);
	EXPECT_GE(stats->times, MIN_CHECKED);
}

/* Every clock, while it is changed in every way */

FIXTURE(changing) {
	int			fd;
	struct retroconv_info	info;
	struct source		source;
	struct reader		*reader;
};

FIXTURE_VARIANT(changing) {
	struct source		source;
};

FIXTURE_VARIANT_ADD(changing, monotonic_vdso) { .source = { CLOCK_MONOTONIC, VDSO }, };

FIXTURE_VARIANT_ADD(changing, monotonic_syscall) { .source = { CLOCK_MONOTONIC, SYSCALL }, };

FIXTURE_VARIANT_ADD(changing, boottime_vdso) { .source = { CLOCK_BOOTTIME, VDSO }, };

FIXTURE_VARIANT_ADD(changing, boottime_syscall) { .source = { CLOCK_BOOTTIME, SYSCALL }, };

FIXTURE_VARIANT_ADD(changing, realtime_vdso) { .source = { CLOCK_REALTIME, VDSO }, };

FIXTURE_VARIANT_ADD(changing, realtime_syscall) { .source = { CLOCK_REALTIME, SYSCALL }, };

FIXTURE_VARIANT_ADD(changing, tai_vdso) { .source = { CLOCK_TAI, VDSO }, };

FIXTURE_VARIANT_ADD(changing, tai_syscall) { .source = { CLOCK_TAI, SYSCALL }, };

FIXTURE_VARIANT_ADD(changing, raw_vdso) { .source = { CLOCK_MONOTONIC_RAW, VDSO }, };

FIXTURE_VARIANT_ADD(changing, raw_syscall) { .source = { CLOCK_MONOTONIC_RAW, SYSCALL }, };

FIXTURE_SETUP(changing)
{
	const char *reason = open_device(&self->fd, &self->info);

	if (!reason)
		reason = may_change_clock();
	if (reason)
		SKIP(return, "%s", reason);

	ASSERT_EQ(COUNTER, self->info.counter);

	self->source = variant->source;
	self->reader = alloc_reader(self->fd, &self->info, &self->source, 1);
	ASSERT_NE(NULL, self->reader);
}

/* In the parent, so that it runs when the test has crashed, too */
FIXTURE_TEARDOWN_PARENT(changing)
{
	EXPECT_EQ(0, restore_clock());
	EXPECT_FALSE(clock_differs());
}

static void check_changing(struct __test_metadata *_metadata, struct reader *r,
			   int (*change)(unsigned int i))
{
	struct changer changer = { .change = change, };

	ASSERT_EQ(0, read_while_changing(r, &changer));
	print_stats(_metadata->name, &r->stats, atomic_load(&changer.changes));
	EXPECT_EQ(0, changer.error);
	EXPECT_GE(atomic_load(&changer.changes), MIN_CHANGES);
	EXPECT_EQ(0, r->stats.wrong);
	EXPECT_GE(r->stats.exact, MIN_CHECKED);
	EXPECT_GE(r->stats.times, MIN_CHECKED);
}

TEST_F(changing, frequency)
{
	check_changing(_metadata, self->reader, change_frequency);
}

TEST_F(changing, offset)
{
	check_changing(_metadata, self->reader, change_offset);
}

TEST_F(changing, time)
{
	check_changing(_metadata, self->reader, change_time);
}

TEST_F(changing, tai)
{
	check_changing(_metadata, self->reader, change_tai);
}

/* All clocks at once */

FIXTURE(together) {
	int			fd;
	struct retroconv_info	info;
	struct reader		*reader;
};

FIXTURE_SETUP(together)
{
	const char *reason = open_device(&self->fd, &self->info);

	if (!reason)
		reason = may_change_clock();
	if (reason)
		SKIP(return, "%s", reason);

	ASSERT_EQ(COUNTER, self->info.counter);

	self->reader = alloc_reader(self->fd, &self->info, all_sources, ARRAY_SIZE(all_sources));
	ASSERT_NE(NULL, self->reader);
}

FIXTURE_TEARDOWN_PARENT(together)
{
	EXPECT_EQ(0, restore_clock());
	EXPECT_FALSE(clock_differs());
}

/* The samples are some hundred states old when they are converted */
TEST_F(together, late)
{
	self->reader->pause_us = 50;
	check_changing(_metadata, self->reader, change_frequency);
}

struct smp_reader {
	struct reader	*reader;
	struct changer	*changer;
	unsigned int	cpu;
	pthread_t	thread;
};

static void *smp_reader_thread(void *data)
{
	struct smp_reader *smp = data;

	pin_to(smp->cpu);
	read_for_a_while(smp->reader, smp->changer);
	return NULL;
}

TEST_F(together, smp)
{
	struct changer changer = { .change = change_all };
	struct smp_reader smp[MAX_READERS];
	unsigned int cpus[MAX_READERS];
	unsigned int nr, i;
	char who[32];

	nr = get_cpus(cpus, MAX_READERS);
	ASSERT_NE(0, nr);
	if (nr == 1)
		ksft_print_msg("only one CPU\n");

	changer.cpu = cpus[nr - 1];
	ASSERT_EQ(0, pthread_create(&changer.thread, NULL, changer_thread, &changer));
	for (i = 0; i < nr; i++) {
		smp[i].cpu = cpus[i];
		smp[i].changer = &changer;
		smp[i].reader = alloc_reader(self->fd, &self->info, all_sources,
					     ARRAY_SIZE(all_sources));
		ASSERT_NE(NULL, smp[i].reader);
		ASSERT_EQ(0, pthread_create(&smp[i].thread, NULL, smp_reader_thread, &smp[i]));
	}

	for (i = 0; i < nr; i++)
		pthread_join(smp[i].thread, NULL);
	atomic_store(&changer.stop, true);
	pthread_join(changer.thread, NULL);

	EXPECT_EQ(0, changer.error);
	EXPECT_GE(atomic_load(&changer.changes), MIN_CHANGES);
	for (i = 0; i < nr; i++) {
		snprintf(who, sizeof(who), "CPU %u", smp[i].cpu);
		print_stats(who, &smp[i].reader->stats, atomic_load(&changer.changes));
		EXPECT_EQ(0, smp[i].reader->stats.wrong);
		EXPECT_GE(smp[i].reader->stats.exact, MIN_CHECKED);
	}
}

/* Returns 0 after a leap second of @seconds, which @status asks for */
static int read_over_leap(struct reader *r, int status, int seconds)
{
	struct timespec ts;
	int64_t before, changed, start;
	int ret;

	/*
	 * A deletion has to be requested in the second before 23:59:58, the
	 * beginning of which decides on it.
	 */
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += SEC_PER_DAY - ts.tv_sec % SEC_PER_DAY - 3;
	if (ts.tv_sec % SEC_PER_DAY < 3)
		ts.tv_sec += SEC_PER_DAY;
	ts.tv_nsec = 700 * NSEC_PER_MSEC;
	if (clock_settime(CLOCK_REALTIME, &ts))
		return -errno;

	ret = clear_leap_state();
	if (!ret)
		ret = set_status(status);
	if (ret)
		return ret;

	before = real_offset();
	start = now_ns();
	do {
		take_samples(r);
		check_samples(r);
		if (now_ns() - start > READ_NS_MAX)
			return -ETIME;
		changed = real_offset() - before;
	} while (llabs(changed) < NSEC_PER_SEC / 2);

	read_for_a_while(r, NULL);
	return llabs(changed - seconds * NSEC_PER_SEC) < NSEC_PER_SEC / 2 ? 0 : -ERANGE;
}

TEST_F_TIMEOUT(together, leap_insert, 60)
{
	struct stats *stats = &self->reader->stats;

	EXPECT_EQ(0, read_over_leap(self->reader, STA_INS, -1));
	print_stats(_metadata->name, stats, 1);
	EXPECT_EQ(0, stats->wrong);
	EXPECT_GE(stats->exact, MIN_CHECKED);
	EXPECT_GE(stats->times, MIN_CHECKED);
}

TEST_F_TIMEOUT(together, leap_delete, 60)
{
	struct stats *stats = &self->reader->stats;

	EXPECT_EQ(0, read_over_leap(self->reader, STA_DEL, 1));
	print_stats(_metadata->name, stats, 1);
	EXPECT_EQ(0, stats->wrong);
	EXPECT_GE(stats->exact, MIN_CHECKED);
	EXPECT_GE(stats->times, MIN_CHECKED);
}

#define TIMENS_MONOTONIC	(3 * SEC_PER_DAY * NSEC_PER_SEC + 123456789)
#define TIMENS_BOOTTIME		(7 * SEC_PER_DAY * NSEC_PER_SEC + 987654321)

static int64_t timens_offset(clockid_t clock)
{
	switch (clock) {
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
		return TIMENS_MONOTONIC;
	case CLOCK_BOOTTIME:
		return TIMENS_BOOTTIME;
	default:
		return 0;
	}
}

static int enter_timens(void)
{
	char text[128];
	int fd, len;
	int ret = 0;

	if (unshare(CLONE_NEWTIME))
		return -errno;

	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	len = snprintf(text, sizeof(text), "monotonic %lld %lld\nboottime %lld %lld\n",
		       TIMENS_MONOTONIC / NSEC_PER_SEC, TIMENS_MONOTONIC % NSEC_PER_SEC,
		       TIMENS_BOOTTIME / NSEC_PER_SEC, TIMENS_BOOTTIME % NSEC_PER_SEC);
	if (write(fd, text, len) != len)
		ret = -errno;
	close(fd);
	return ret;
}

/* The offsets hold for the children, the test itself stays outside */
TEST_F(together, time_namespace)
{
	struct retroconv_time outside[ARRAY_SIZE(all_clocks)];
	struct retroconv_time *inside;
	struct reader *r = self->reader;
	__u64 cycles;
	int status;
	pid_t pid;
	int ret;

	ret = enter_timens();
	if (ret)
		SKIP(return, "no time namespace: %s", strerror(-ret));

	inside = mmap(NULL, sizeof(outside), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, inside);

	cycles = read_counter();
	for (unsigned int i = 0; i < ARRAY_SIZE(all_clocks); i++)
		ASSERT_EQ(0, convert(self->fd, all_clocks[i], &cycles, 1, &outside[i]));

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		for (unsigned int i = 0; i < ARRAY_SIZE(all_clocks); i++) {
			if (convert(self->fd, all_clocks[i], &cycles, 1, &inside[i]))
				_exit(1);
		}
		r->steady = true;
		read_for_a_while(r, NULL);
		_exit(0);
	}

	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(0, WEXITSTATUS(status));

	for (unsigned int i = 0; i < ARRAY_SIZE(all_clocks); i++) {
		EXPECT_TRUE(is_told(&outside[i]));
		EXPECT_EQ(outside[i].status, inside[i].status);
		EXPECT_EQ(outside[i].ns + timens_offset(all_clocks[i]), inside[i].ns);
	}
	print_stats(_metadata->name, &r->stats, 0);
	EXPECT_EQ(0, r->stats.wrong);
	EXPECT_GE(r->stats.exact, MIN_CHECKED);
	EXPECT_GE(r->stats.times, MIN_CHECKED);
}

/* The device */

#define UNWRITTEN	0x5a5a5a5a

FIXTURE(device) {
	int				fd;
	struct retroconv_info		info;
	struct retroconv_convert	good;
	__u64				*cycles;
	struct retroconv_time		*times;
};

FIXTURE_SETUP(device)
{
	const char *reason = open_device(&self->fd, &self->info);
	uint64_t from, to;

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(COUNTER, self->info.counter);

	self->cycles = calloc(RETROCONV_MAX_NR, sizeof(*self->cycles));
	self->times = calloc(RETROCONV_MAX_NR, sizeof(*self->times));
	ASSERT_NE(NULL, self->cycles);
	ASSERT_NE(NULL, self->times);

	/* Not older than a few updates of the clock */
	from = read_counter();
	usleep(20000);
	to = read_counter();
	for (unsigned int i = 0; i < RETROCONV_MAX_NR; i++)
		self->cycles[i] = from + random_u64() % (to - from);

	self->good = (struct retroconv_convert) {
		.size		= sizeof(self->good),
		.counter	= COUNTER,
		.clock_id	= CLOCK_BOOTTIME,
		.nr		= 1,
		.cycles		= (uintptr_t)self->cycles,
		.times		= (uintptr_t)self->times,
	};
}

FIXTURE_TEARDOWN(device)
{
	free(self->times);
	free(self->cycles);
	close(self->fd);
}

/* Returns the errno, 0 for success */
static int call(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? errno : 0;
}

static int call_convert(int fd, const struct retroconv_convert *arg)
{
	struct retroconv_convert copy = *arg;

	return call(fd, RETROCONV_CONVERT, &copy);
}

/* Size of struct retroconv_info when it became ABI */
#define INFO_SIZE_VER0	40

static_assert(offsetof(struct retroconv_info, mask) == INFO_SIZE_VER0);
static_assert(offsetof(struct retroconv_info, reach) == 56);
static_assert(sizeof(struct retroconv_info) == 56 + RETROCONV_MAX_REACHES * 16);

static uint64_t age(const struct retroconv_info *info, uint64_t cycles)
{
	return (info->newest - cycles) & info->mask;
}

/* Is the time that of a value as old as this? Of CLOCK_MONOTONIC, also in a suspend. */
static bool is_in_reach(const struct retroconv_info *info, uint64_t cycles,
			const struct retroconv_time *time)
{
	for (unsigned int i = 0; i < info->nr_reaches; i++) {
		if (age(info, cycles) > age(info, info->reach[i].oldest))
			continue;
		/* Another clocksource may have been in use then */
		return time->status == -ENODATA ||
		       (time->status >= 0 && time->error_ns <= info->reach[i].error_ns);
	}
	return true;
}

TEST_F(device, info)
{
	struct retroconv_info info;
	struct retroconv_time time;
	uint64_t c1, c2;
	__u64 cycles;
	__s64 raw;

	c1 = read_counter();
	ASSERT_EQ(0, get_info(self->fd, &info));
	c2 = read_counter();

	EXPECT_EQ(sizeof(info), info.size);
	EXPECT_EQ(COUNTER, info.counter);
	EXPECT_NE(0, info.frequency_hz);
	EXPECT_LE(info.oldest, info.oldest_exact);
	EXPECT_LE(info.oldest_exact, info.newest);
	EXPECT_GE(info.newest, c1);
	EXPECT_LE(info.newest, c2);

	/* A narrower counter is not recorded */
	EXPECT_GE(info.mask, (1ULL << 56) - 1);
	EXPECT_EQ(0, info.mask & (info.mask + 1));
	EXPECT_LE(info.newest, info.mask);

	cycles = info.newest;
	ASSERT_EQ(0, convert(self->fd, CLOCK_MONOTONIC, &cycles, 1, &time));
	EXPECT_TRUE(is_exact(&time));

	/* The frequency is the counter's, but for less than a kHz */
	ASSERT_EQ(0, convert(self->fd, CLOCK_MONOTONIC_RAW, &cycles, 1, &time));
	EXPECT_TRUE(is_exact(&time));
	raw = time.ns;
	cycles -= info.frequency_hz / 1000;
	ASSERT_EQ(0, convert(self->fd, CLOCK_MONOTONIC_RAW, &cycles, 1, &time));
	EXPECT_TRUE(is_exact(&time));
	EXPECT_LT(llabs(raw - time.ns - NSEC_PER_MSEC), 1000);

	/* The tail of the history may have moved on meanwhile */
	cycles = info.oldest_exact;
	ASSERT_EQ(0, convert(self->fd, CLOCK_MONOTONIC, &cycles, 1, &time));
	if (!is_old(&time))
		EXPECT_TRUE(time.status >= 0 && !time.error_ns);

	/* What is older may be exact, and is of this clock in any case */
	if (info.oldest < info.oldest_exact) {
		cycles = info.oldest_exact - 1;
		ASSERT_EQ(0, convert(self->fd, CLOCK_MONOTONIC_RAW, &cycles, 1, &time));
		EXPECT_TRUE(time.status == -ERANGE || (time.status >= 0 && !time.error_ns));
	}

	/* Older values are from before the clocksource at best, and have no date */
	cycles = info.oldest - 1;
	ASSERT_EQ(0, convert(self->fd, CLOCK_MONOTONIC, &cycles, 1, &time));
	EXPECT_TRUE(time.status == -ERANGE || time.status == -ENODATA ||
		    (time.status == RETROCONV_EARLY && time.error_ns));
	ASSERT_EQ(0, convert(self->fd, CLOCK_REALTIME, &cycles, 1, &time));
	EXPECT_TRUE(time.status == -ERANGE || time.status == -ENODATA);
}

/* Times that no clock has had */
TEST_F(device, no_times)
{
	static const __u32 froms[] = {
		RETROCONV_FROM_MONOTONIC, RETROCONV_FROM_BOOTTIME, RETROCONV_FROM_REALTIME,
		RETROCONV_FROM_TAI, RETROCONV_FROM_MONOTONIC_RAW,
	};
	struct retroconv_time times[5];

	for (unsigned int i = 0; i < ARRAY_SIZE(froms); i++) {
		__u64 values[] = { -1, (__u64)INT64_MIN, INT64_MAX, 0, INT64_MAX - 1 };

		ASSERT_EQ(0, convert_from(self->fd, froms[i], CLOCK_MONOTONIC, values, 5, times));
		EXPECT_LT(times[0].status, 0);
		EXPECT_LT(times[1].status, 0);
		EXPECT_EQ(-EAGAIN, times[2].status);
		EXPECT_LT(times[3].status, 0);
		EXPECT_EQ(-EAGAIN, times[4].status);
		for (unsigned int k = 0; k < ARRAY_SIZE(times); k++) {
			EXPECT_EQ(0, times[k].ns);
			EXPECT_EQ(0, times[k].error_ns);
		}
	}
}

/* The local clock, by a line in the kernel's log */
TEST_F(device, local)
{
	char text[64], line[1024], *found = NULL;
	int64_t before, after;
	struct retroconv_time time;
	__u64 value;
	ssize_t len;
	int kmsg;

	if (geteuid())
		SKIP(return, "needs root");

	kmsg = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0)
		SKIP(return, "cannot open /dev/kmsg: %s", strerror(errno));
	lseek(kmsg, 0, SEEK_END);
	before = clock_ns(CLOCK_BOOTTIME, VDSO);
	/* Without the end of the line, more could follow, and nobody would get it yet */
	len = snprintf(text, sizeof(text), "retroconv %llx\n", (unsigned long long)read_counter());
	ASSERT_EQ(len, write(kmsg, text, len));
	after = clock_ns(CLOCK_BOOTTIME, VDSO);

	/* Priority, number, time in microseconds, flags; text */
	while (!found && (len = read(kmsg, line, sizeof(line) - 1)) > 0) {
		line[len] = 0;
		if (strstr(line, text))
			found = strchr(line, ',');
	}
	close(kmsg);
	ASSERT_NE(NULL, found);
	found = strchr(found + 1, ',');
	ASSERT_NE(NULL, found);
	value = strtoull(found + 1, NULL, 10) * 1000;
	ASSERT_NE(0, value);

	if (COUNTER != RETROCONV_COUNTER_ARM_ARCH) {
		EXPECT_EQ(-ENODEV, convert_from(self->fd, RETROCONV_FROM_LOCAL, CLOCK_BOOTTIME,
						&value, 1, &time));
		return;
	}
	ASSERT_EQ(0, convert_from(self->fd, RETROCONV_FROM_LOCAL, CLOCK_BOOTTIME, &value, 1,
				  &time));
	EXPECT_EQ(0, time.status);
	/* The log tells microseconds */
	EXPECT_GE(time.ns + 1000, before);
	EXPECT_LE(time.ns - time.error_ns, after);

	value = INT64_MAX;
	ASSERT_EQ(0, convert_from(self->fd, RETROCONV_FROM_LOCAL, CLOCK_BOOTTIME, &value, 1,
				  &time));
	EXPECT_EQ(-EAGAIN, time.status);
}

TEST_F(device, reaches)
{
	struct retroconv_info info;

	/* Nothing is left of what was there before */
	memset(&info, 0xff, sizeof(info));
	info.size = sizeof(info);
	ASSERT_EQ(0, call(self->fd, RETROCONV_INFO, &info));

	ASSERT_GE(info.nr_reaches, 1);
	ASSERT_LE(info.nr_reaches, RETROCONV_MAX_REACHES);
	EXPECT_EQ(info.counter, info.last_counter);
	EXPECT_EQ(0, info.reach[0].error_ns);
	EXPECT_EQ(info.oldest_exact, info.reach[0].oldest);
	EXPECT_EQ(info.oldest, info.reach[info.nr_reaches - 1].oldest);
	for (unsigned int i = 0; i < info.nr_reaches; i++) {
		ksft_print_msg("%s: within %u ns: %.3f s\n", _metadata->name,
			       info.reach[i].error_ns,
			       (double)age(&info, info.reach[i].oldest) / info.frequency_hz);
		EXPECT_EQ(0, info.reach[i].reserved);
		if (!i)
			continue;
		EXPECT_GT(info.reach[i].error_ns, info.reach[i - 1].error_ns);
		EXPECT_GE(age(&info, info.reach[i].oldest), age(&info, info.reach[i - 1].oldest));
	}
	for (unsigned int i = info.nr_reaches; i < RETROCONV_MAX_REACHES; i++) {
		EXPECT_EQ(0, info.reach[i].oldest);
		EXPECT_EQ(0, info.reach[i].error_ns);
		EXPECT_EQ(0, info.reach[i].reserved);
	}
}

/* A clock whose frequency changes a little all the time soon has times that are not exact */
TEST_F_TIMEOUT(device, in_reach, 60)
{
	int64_t end = now_ns() + 20 * NSEC_PER_SEC;
	const char *reason = may_change_clock();
	const unsigned int nr = 1000;
	struct retroconv_info info;
	unsigned int changes = 0;
	bool inexact = false;

	if (reason)
		SKIP(return, "%s", reason);
	do {
		struct timex tx = {
			.modes	= ADJ_FREQUENCY,
			.freq	= (changes++ & 1 ? 1L : -1L) << 16,
		};
		uint64_t oldest;

		ASSERT_LE(0, adjtimex(&tx));
		ASSERT_EQ(0, get_info(self->fd, &info));
		/* In turns, all of what is exact, and all that there is */
		oldest = changes & 1 ? info.oldest_exact : info.oldest;
		for (unsigned int i = 0; i < nr; i++)
			self->cycles[i] = oldest + (info.newest - oldest) / nr * i;
		ASSERT_EQ(0, convert(self->fd, CLOCK_MONOTONIC, self->cycles, nr, self->times));

		/* Within the bound in which they still have to be afterwards */
		ASSERT_EQ(0, get_info(self->fd, &info));
		for (unsigned int i = 0; i < nr; i++) {
			const struct retroconv_time *time = &self->times[i];

			inexact |= time->status >= 0 && time->error_ns;
			ASSERT_TRUE(is_in_reach(&info, self->cycles[i], time))
				TH_LOG("0x%llx: status %d, error %u", self->cycles[i],
				       time->status, time->error_ns);
		}
	} while (!inexact && now_ns() < end);
	EXPECT_EQ(0, restore_clock());
	EXPECT_GE(info.nr_reaches, 1);
	if (!inexact)
		SKIP(return, "all of the history is exact");
	EXPECT_LT(info.oldest, info.oldest_exact);
}

struct stamp {
	clockid_t	clock;
	__u64		cycles;
	int64_t		time;
};

/* A counter value and the time that was read with it, if that is known */
static bool take_stamp(int fd, struct stamp *s, __u64 *cycles, struct retroconv_time *times)
{
	uint64_t c1, c2;

	c1 = read_counter();
	s->time = clock_ns(s->clock, VDSO);
	c2 = read_counter();
	if (c2 - c1 >= RETROCONV_MAX_NR)
		return false;

	for (unsigned int i = 0; i <= c2 - c1; i++)
		cycles[i] = c1 + i;
	if (convert(fd, s->clock, cycles, c2 - c1 + 1, times))
		return false;
	for (unsigned int i = 0; i <= c2 - c1; i++) {
		if (is_exact(&times[i]) && times[i].ns == s->time) {
			s->cycles = cycles[i];
			return true;
		}
	}
	return false;
}

/* From 500 ppm down to 0.1 ppm, to and fro */
static int bend(unsigned int i)
{
	long freq = FREQ_MAX >> i / 64 % 13;
	struct timex tx = {
		.modes	= ADJ_FREQUENCY,
		.freq	= i & 1 ? freq : -freq,
	};

	return adjtimex(&tx) < 0 ? -errno : 0;
}

/*
 * A clock which is bent every few milliseconds, more or less: the older a time, the less
 * well it is known, but it is never early, and late within its bound.
 */
TEST_F_TIMEOUT(device, bounds, 120)
{
	unsigned int nr = 0, changes = 0, exact = 0, within = 0, old = 0, worst = 0;
	int64_t end = now_ns() + 40 * NSEC_PER_SEC;
	const char *reason = may_change_clock();
	static struct stamp stamps[4000];
	struct retroconv_info info;
	struct retroconv_time time;

	if (reason)
		SKIP(return, "%s", reason);
	while (nr < ARRAY_SIZE(stamps) && now_ns() < end) {
		ASSERT_EQ(0, bend(changes++));
		usleep(CHANGE_US);
		stamps[nr].clock = all_clocks[changes % ARRAY_SIZE(all_clocks)];
		if (take_stamp(self->fd, &stamps[nr], self->cycles, self->times))
			nr++;
	}
	EXPECT_EQ(0, restore_clock());
	EXPECT_GT(nr, changes / 2);

	for (unsigned int i = 0; i < nr; i++) {
		const struct stamp *s = &stamps[i];
		int64_t error;

		ASSERT_EQ(0, convert(self->fd, s->clock, &s->cycles, 1, &time));
		ASSERT_EQ(0, get_info(self->fd, &info));
		ASSERT_TRUE(is_in_reach(&info, s->cycles, &time))
			TH_LOG("clock %d: status %d, error %u", s->clock, time.status,
			       time.error_ns);
		if (time.status == -ERANGE) {
			old++;
			continue;
		}
		ASSERT_TRUE(is_told(&time))
			TH_LOG("clock %d: status %d", s->clock, time.status);

		error = time.ns - s->time;
		EXPECT_GE(error, 0);
		EXPECT_LE(error, time.error_ns);
		if (s->clock == CLOCK_MONOTONIC_RAW)
			EXPECT_EQ(0, time.error_ns);
		if (time.error_ns)
			within++;
		else
			exact++;
		if (time.error_ns > worst)
			worst = time.error_ns;
	}
	ksft_print_msg("%s: %u changes, %u exact, %u within up to %u ns, %u too old\n",
		       _metadata->name, changes, exact, within, worst, old);
	EXPECT_GT(exact, 0);
	if (!within && !old)
		SKIP(return, "all of the history is exact");
	EXPECT_GT(within, 0);
}

TEST_F(device, info_sizes)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct retroconv_info *info;
	uint8_t *bytes;

	bytes = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, bytes);
	info = (void *)bytes;

	info->size = 0;
	EXPECT_EQ(EINVAL, call(self->fd, RETROCONV_INFO, info));
	info->size = INFO_SIZE_VER0 - 1;
	EXPECT_EQ(EINVAL, call(self->fd, RETROCONV_INFO, info));
	info->size = page + 1;
	EXPECT_EQ(EINVAL, call(self->fd, RETROCONV_INFO, info));

	/* A newer program: what the kernel does not know is 0 */
	memset(bytes, 0xff, 2 * page);
	info->size = page;
	EXPECT_EQ(0, call(self->fd, RETROCONV_INFO, info));
	EXPECT_EQ(page, info->size);
	EXPECT_EQ(COUNTER, info->counter);
	for (size_t i = sizeof(*info); i < page; i++)
		ASSERT_EQ(0, bytes[i]);
	EXPECT_EQ(0xff, bytes[page]);

	/* An older one: it gets what it knows */
	for (size_t size = INFO_SIZE_VER0; size <= sizeof(*info); size++) {
		memset(bytes, 0xff, page);
		info->size = size;
		ASSERT_EQ(0, call(self->fd, RETROCONV_INFO, info));
		ASSERT_EQ(size, info->size);
		ASSERT_EQ(COUNTER, info->counter);
		ASSERT_EQ(self->info.frequency_hz, info->frequency_hz);
		ASSERT_GE(info->oldest_exact, self->info.oldest_exact);
		ASSERT_GE(info->oldest, self->info.oldest);
		ASSERT_GT(info->newest, self->info.newest);
		if (size >= offsetof(struct retroconv_info, nr_reaches))
			ASSERT_EQ(self->info.mask, info->mask);
		for (size_t i = size; i < sizeof(*info) + 64; i++)
			ASSERT_EQ(0xff, bytes[i]);
	}

	EXPECT_EQ(EFAULT, call(self->fd, RETROCONV_INFO, NULL));
	info->size = sizeof(*info);
	ASSERT_EQ(0, mprotect(bytes, page, PROT_READ));
	EXPECT_EQ(EFAULT, call(self->fd, RETROCONV_INFO, info));

	/* The size can be read, the rest not be written */
	ASSERT_EQ(0, mprotect(bytes + page, page, PROT_NONE));
	ASSERT_EQ(0, mprotect(bytes, page, PROT_READ | PROT_WRITE));
	info = (void *)(bytes + page - sizeof(*info) / 2);
	info->size = sizeof(*info);
	EXPECT_EQ(EFAULT, call(self->fd, RETROCONV_INFO, info));

	munmap(bytes, 2 * page);
}

TEST_F(device, convert_sizes)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct retroconv_convert *arg;
	uint8_t *bytes;

	bytes = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, bytes);
	arg = (void *)bytes;
	*arg = self->good;

	arg->size = 0;
	EXPECT_EQ(EINVAL, call(self->fd, RETROCONV_CONVERT, arg));
	arg->size = sizeof(*arg) - 1;
	EXPECT_EQ(EINVAL, call(self->fd, RETROCONV_CONVERT, arg));
	arg->size = page + 1;
	EXPECT_EQ(EINVAL, call(self->fd, RETROCONV_CONVERT, arg));
	arg->size = UINT32_MAX;
	EXPECT_EQ(EINVAL, call(self->fd, RETROCONV_CONVERT, arg));

	/* A newer program which does not use what the kernel does not know */
	arg->size = page;
	EXPECT_EQ(0, call(self->fd, RETROCONV_CONVERT, arg));
	arg->size = sizeof(*arg) + 8;
	bytes[sizeof(*arg) + 8] = 1;
	EXPECT_EQ(0, call(self->fd, RETROCONV_CONVERT, arg));

	/* And one which does */
	arg->size++;
	EXPECT_EQ(E2BIG, call(self->fd, RETROCONV_CONVERT, arg));

	EXPECT_EQ(EFAULT, call(self->fd, RETROCONV_CONVERT, NULL));
	ASSERT_EQ(0, mprotect(bytes + page, page, PROT_NONE));
	arg = (void *)(bytes + page - sizeof(*arg) / 2);
	arg->size = sizeof(*arg);
	EXPECT_EQ(EFAULT, call(self->fd, RETROCONV_CONVERT, arg));

	munmap(bytes, 2 * page);
}

TEST_F(device, commands)
{
	struct retroconv_convert arg = self->good;
	struct retroconv_info info = { .size = sizeof(info), };

	/* Only the size in the struct counts */
	EXPECT_EQ(0, call(self->fd, _IOC(_IOC_WRITE, 0xBC, 1, 0), &arg));
	EXPECT_EQ(0, call(self->fd, _IOC(_IOC_WRITE, 0xBC, 1, 128), &arg));
	EXPECT_EQ(0, call(self->fd, _IOC(_IOC_READ | _IOC_WRITE, 0xBC, 2, 128), &info));

	EXPECT_EQ(ENOTTY, call(self->fd, _IOR(0xBC, 1, struct retroconv_convert), &arg));
	EXPECT_EQ(ENOTTY, call(self->fd, _IOW(0xBC, 2, struct retroconv_info), &info));
	EXPECT_EQ(ENOTTY, call(self->fd, _IOW(0xBC, 0, struct retroconv_convert), &arg));
	EXPECT_EQ(ENOTTY, call(self->fd, _IOW(0xBC, 3, struct retroconv_convert), &arg));
	EXPECT_EQ(ENOTTY, call(self->fd, _IOW(0xBD, 1, struct retroconv_convert), &arg));
	EXPECT_EQ(ENOTTY, call(self->fd, 0, &arg));
}

TEST_F(device, bad_values)
{
	static const clockid_t no_clocks[] = {
		CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_REALTIME_COARSE,
		CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM,
		10, 12, CLOCK_AUX - 1, CLOCK_AUX_LAST + 1, 64, -1, INT_MAX, INT_MIN,
	};
	struct retroconv_convert arg = self->good;
	struct timespec ts;

	arg.flags = 1;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));
	arg.flags = 1U << 31;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));

	arg = self->good;
	arg.nr = RETROCONV_MAX_NR + 1;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));
	arg.nr = 1ULL << 32;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));
	arg.nr = UINT64_MAX;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));

	arg = self->good;
	arg.counter = RETROCONV_COUNTER_NONE;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));
	arg.counter = RETROCONV_COUNTER_X86_TSC + 1;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));
	arg.counter = UINT32_MAX;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));
	arg.counter = FOREIGN_COUNTER;
	EXPECT_EQ(ENODEV, call_convert(self->fd, &arg));

	/* A counter has no counter value, and no clock is one */
	arg = self->good;
	arg.clock_id = RETROCONV_TO_COUNTER;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));
	arg.counter = RETROCONV_FROM_MONOTONIC;
	EXPECT_EQ(0, call_convert(self->fd, &arg));
	arg.clock_id = RETROCONV_TO_COUNTER + 1;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));
	arg = self->good;
	for (unsigned int i = 0; i < ARRAY_SIZE(no_clocks); i++) {
		arg.counter = RETROCONV_FROM(no_clocks[i]);
		/* Below it there are counters */
		if (arg.counter >= RETROCONV_FROM(0) && arg.counter != RETROCONV_FROM_LOCAL)
			EXPECT_EQ(EINVAL, call_convert(self->fd, &arg))
				TH_LOG("clock %d", no_clocks[i]);
	}
	arg.counter = RETROCONV_FROM_LOCAL + 1;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));

	arg = self->good;
	for (unsigned int i = 0; i < ARRAY_SIZE(no_clocks); i++) {
		arg.clock_id = no_clocks[i];
		EXPECT_EQ(EINVAL, call_convert(self->fd, &arg))
			TH_LOG("clock %d", no_clocks[i]);
	}
	for (clockid_t clock = CLOCK_AUX; clock <= CLOCK_AUX_LAST; clock++) {
		/* Somebody has enabled this one */
		if (!clock_gettime(clock, &ts))
			continue;
		arg.clock_id = clock;
		EXPECT_EQ(ENODEV, call_convert(self->fd, &arg))
			TH_LOG("clock %d", clock);
	}
}

/* Enable or disable an auxiliary clock, as root */
static int enable_aux(unsigned int id, const char *enable)
{
	char name[64];
	int fd, ret;

	snprintf(name, sizeof(name), "/sys/kernel/time/aux_clocks/%u/aux_clock_enable", id);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, enable, 1) == 1 ? 0 : -errno;
	close(fd);
	return ret;
}

/* An auxiliary clock has a history of its own while it is enabled */
TEST_F(device, aux)
{
	const unsigned int id = CLOCK_AUX_LAST - CLOCK_AUX;
	const clockid_t clock = CLOCK_AUX_LAST;
	struct retroconv_convert arg = self->good;
	struct timespec ts = { .tv_sec = 1000 };
	unsigned int found = 0, looked = 0;
	int64_t time;
	uint64_t c1;

	if (!clock_gettime(clock, &ts))
		SKIP(return, "auxiliary clock %u is in use", id);
	if (enable_aux(id, "1"))
		SKIP(return, "cannot enable an auxiliary clock");

	for (unsigned int i = 0; i < 1000; i++) {
		struct timex tx = {
			.modes	= ADJ_FREQUENCY,
			.freq	= (i & 1 ? 500L : -500L) << 16,
		};

		if (i % 100 == 50) {
			ts.tv_sec = 1000 + i;
			ASSERT_EQ(0, clock_settime(clock, &ts));
		} else if (i % 10 == 0) {
			ASSERT_LE(0, syscall(SYS_clock_adjtime, clock, &tx));
		}

		c1 = read_counter();
		time = clock_ns(clock, i / 2 % 2 ? VDSO : SYSCALL);
		arg.nr = read_counter() - c1 + 1;
		arg.clock_id = clock;
		if (arg.nr > RETROCONV_MAX_NR)
			continue;
		for (unsigned int j = 0; j < arg.nr; j++)
			self->cycles[j] = c1 + j;
		ASSERT_EQ(0, call_convert(self->fd, &arg));
		looked++;
		for (unsigned int j = 0; j < arg.nr; j++) {
			EXPECT_EQ(0, self->times[j].error_ns);
			if (is_exact(&self->times[j]) && self->times[j].ns == time) {
				found++;
				break;
			}
		}
	}
	EXPECT_EQ(0, enable_aux(id, "0"));
	TH_LOG("%u of %u times found among the conversions", found, looked);
	EXPECT_LT(500, looked);
	EXPECT_EQ(found, looked);
	EXPECT_EQ(ENODEV, call_convert(self->fd, &arg));
	arg.nr = 0;
	EXPECT_EQ(ENODEV, call_convert(self->fd, &arg));
}

TEST_F(device, nothing)
{
	struct retroconv_convert arg = self->good;

	self->times->status = UNWRITTEN;
	arg.nr = 0;
	EXPECT_EQ(0, call_convert(self->fd, &arg));
	EXPECT_EQ(UNWRITTEN, self->times->status);

	arg.cycles = 0;
	arg.times = 0;
	EXPECT_EQ(0, call_convert(self->fd, &arg));

	arg.clock_id = CLOCK_MONOTONIC_COARSE;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));
	arg.clock_id = CLOCK_MONOTONIC;
	arg.counter = RETROCONV_COUNTER_NONE;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));
	arg.counter = FOREIGN_COUNTER;
	EXPECT_EQ(ENODEV, call_convert(self->fd, &arg));
	arg.counter = COUNTER;
	arg.flags = 1;
	EXPECT_EQ(EINVAL, call_convert(self->fd, &arg));
}

TEST_F(device, bad_pointers)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct retroconv_convert arg = self->good;
	struct retroconv_time *times;
	unsigned int nr, i;
	uint8_t *bytes;

	bytes = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, bytes);
	ASSERT_EQ(0, mprotect(bytes + page, page, PROT_NONE));

	arg.cycles = 0;
	EXPECT_EQ(EFAULT, call_convert(self->fd, &arg));
	arg.cycles = UINT64_MAX - 7;
	EXPECT_EQ(EFAULT, call_convert(self->fd, &arg));
	arg.cycles = (uintptr_t)bytes + page;
	EXPECT_EQ(EFAULT, call_convert(self->fd, &arg));
	arg.cycles = (uintptr_t)bytes + page - 4;
	EXPECT_EQ(EFAULT, call_convert(self->fd, &arg));

	arg = self->good;
	arg.times = 0;
	EXPECT_EQ(EFAULT, call_convert(self->fd, &arg));
	arg.times = UINT64_MAX - 15;
	EXPECT_EQ(EFAULT, call_convert(self->fd, &arg));
	arg.times = (uintptr_t)bytes + page - 8;
	EXPECT_EQ(EFAULT, call_convert(self->fd, &arg));
	ASSERT_EQ(0, mprotect(bytes, page, PROT_READ));
	arg.times = (uintptr_t)bytes;
	EXPECT_EQ(EFAULT, call_convert(self->fd, &arg));
	ASSERT_EQ(0, mprotect(bytes, page, PROT_READ | PROT_WRITE));

	/* No alignment is needed */
	memcpy(bytes + 1, self->cycles, sizeof(*self->cycles));
	arg.cycles = (uintptr_t)bytes + 1;
	arg.times = (uintptr_t)bytes + 17;
	EXPECT_EQ(0, call_convert(self->fd, &arg));

	/* The results end before the batch does, those in reach are whole */
	nr = page / sizeof(*times);
	times = (void *)bytes;
	for (i = 0; i < nr; i++)
		times[i].status = UNWRITTEN;
	arg = self->good;
	arg.times = (uintptr_t)times;
	arg.nr = nr + 1000;
	EXPECT_EQ(EFAULT, call_convert(self->fd, &arg));
	EXPECT_TRUE(is_told(&times[0]));

	munmap(bytes, 2 * page);
}

/* Mode 0444: it tells no more than clock_gettime() did */
TEST_F(device, unprivileged)
{
	struct retroconv_info info;
	struct retroconv_time time;
	const char *reason;
	int fd;

	if (geteuid())
		SKIP(return, "the other tests are unprivileged already");

	ASSERT_EQ(0, setresgid(65534, 65534, 65534));
	ASSERT_EQ(0, setresuid(65534, 65534, 65534));

	reason = open_device(&fd, &info);
	ASSERT_EQ(NULL, reason) TH_LOG("%s", reason);
	EXPECT_EQ(0, convert(fd, CLOCK_REALTIME, self->cycles, 1, &time));
	EXPECT_TRUE(is_told(&time));
	close(fd);
}

/*
 * Unsorted values and bad ones among them: every value is on its own, and the
 * same as if it had been converted alone.
 */
TEST_F_TIMEOUT(device, batch, 60)
{
	static const unsigned int sizes[] = { 1, 2, 63, 64, 65, 1000, RETROCONV_MAX_NR, };
	unsigned int forgotten = 0, compared = 0, bad = 0;
	__u64 *cycles = self->cycles;

	for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++) {
		clockid_t clock = all_clocks[s % ARRAY_SIZE(all_clocks)];
		uint64_t from = read_counter(), to;
		struct retroconv_time single;
		unsigned int i, n = sizes[s];

		usleep(20000);
		to = read_counter();
		for (i = 0; i < n; i++) {
			cycles[i] = from + random_u64() % (to - from);
			if (i % 7 == 3)
				cycles[i] = to + 3600 * self->info.frequency_hz;
			else if (i % 7 == 5)
				cycles[i] = self->info.oldest - 1 - i;
		}
		memset(self->times, 0xff, n * sizeof(*self->times));
		ASSERT_EQ(0, convert(self->fd, clock, cycles, n, self->times));

		for (i = 0; i < n; i++) {
			struct retroconv_time *time = &self->times[i];

			if (time->status < 0) {
				ASSERT_EQ(0, time->ns);
				ASSERT_EQ(0, time->error_ns);
			}
			if (i % 7 == 3) {
				bad++;
				ASSERT_EQ(-EAGAIN, time->status);
			} else if (i % 7 == 5) {
				bad++;
				ASSERT_TRUE(time->status == -ERANGE || time->status == -ENODATA ||
					    time->status == RETROCONV_EARLY);
			} else if (is_old(time)) {
				forgotten++;
				continue;
			} else {
				ASSERT_TRUE(is_told(time));
			}

			ASSERT_EQ(0, convert(self->fd, clock, &cycles[i], 1, &single));
			if (time->status >= 0 && is_old(&single)) {
				forgotten++;
				continue;
			}
			compared++;
			ASSERT_EQ(time->status, single.status);
			ASSERT_EQ(time->ns, single.ns);
			ASSERT_EQ(time->error_ns, single.error_ns);
		}
	}
	ksft_print_msg("%s: %u compared, %u of them bad, %u forgotten meanwhile\n",
		       _metadata->name, compared, bad, forgotten);
	EXPECT_GE(compared, RETROCONV_MAX_NR / 2);
}

/* Without a handler nobody notices that he was stopped */
TEST_F_TIMEOUT(device, stopped, 60)
{
	int status = 0, ret = 0;
	unsigned int i;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		while (!ret)
			ret = convert(self->fd, CLOCK_REALTIME, self->cycles, RETROCONV_MAX_NR,
				      self->times);
		_exit(-ret);
	}

	for (i = 0; i < 20; i++) {
		usleep(10000);
		EXPECT_EQ(0, kill(pid, SIGSTOP));
		EXPECT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		if (!WIFSTOPPED(status))
			break;
		EXPECT_EQ(0, kill(pid, SIGCONT));
	}
	if (WIFEXITED(status))
		ksft_print_msg("%s: after %u stops: %s\n", _metadata->name, i,
			       strerror(WEXITSTATUS(status)));
	EXPECT_EQ(20, i);
	if (i == 20) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
}

static atomic_uint signals;

static void count_signal(int sig)
{
	(void)sig;
	atomic_fetch_add(&signals, 1);
}

TEST_F_TIMEOUT(device, interrupted, 60)
{
	struct itimerval timer = {
		.it_interval	= { .tv_usec = 300, },
		.it_value	= { .tv_usec = 300, },
	};
	struct sigaction action = { .sa_handler = count_signal, };
	unsigned int calls, written, rest, i;
	int ret = 0;

	/* Without SA_RESTART */
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));

	for (calls = 1; calls <= 1000; calls++) {
		for (i = 0; i < RETROCONV_MAX_NR; i++)
			self->times[i].status = UNWRITTEN;
		ret = convert(self->fd, CLOCK_REALTIME, self->cycles, RETROCONV_MAX_NR,
			      self->times);
		if (ret)
			break;
	}
	memset(&timer, 0, sizeof(timer));
	setitimer(ITIMER_REAL, &timer, NULL);

	ASSERT_EQ(-EINTR, ret);
	EXPECT_GE(atomic_load(&signals), 1);

	/* The first results are there, the others untouched */
	for (written = 0; written < RETROCONV_MAX_NR; written++) {
		if (self->times[written].status == UNWRITTEN)
			break;
	}
	for (rest = written; rest < RETROCONV_MAX_NR; rest++) {
		if (self->times[rest].status != UNWRITTEN)
			break;
	}
	ksft_print_msg("%s: in call %u, after %u values\n", _metadata->name, calls, written);
	EXPECT_GE(written, 1);
	EXPECT_LT(written, RETROCONV_MAX_NR);
	EXPECT_EQ(RETROCONV_MAX_NR, rest);

	/* And once more without being disturbed */
	EXPECT_EQ(0, convert(self->fd, CLOCK_REALTIME, self->cycles, RETROCONV_MAX_NR,
			     self->times));
}

struct watch {
	struct retroconv_time	*time;
	atomic_uint		writes;
	atomic_bool		stop;
};

/* Take each result away, to see how often it is written */
static void *count_writes(void *arg)
{
	struct watch *w = arg;

	while (!atomic_load(&w->stop)) {
		if (__atomic_load_n(&w->time->status, __ATOMIC_RELAXED) != UNWRITTEN) {
			atomic_fetch_add(&w->writes, 1);
			__atomic_store_n(&w->time->status, UNWRITTEN, __ATOMIC_RELEASE);
		}
	}
	return NULL;
}

/*
 * Completions of io_uring every millisecond, which are task work of this thread. No
 * call starts over for them: each writes its first result once.
 */
TEST_F_TIMEOUT(device, task_work, 60)
{
	struct __kernel_timespec ts = { .tv_nsec = NSEC_PER_MSEC, };
	struct io_uring_params p = {
		.flags		= IORING_SETUP_CQSIZE | IORING_SETUP_NO_SQARRAY,
		.cq_entries	= 32768,
	};
	struct watch watch = { .time = self->times, };
	unsigned int calls = 0, during = 0;
	atomic_uint *sq_tail, *cq_tail;
	struct io_uring_sqe *sqe;
	pthread_t thread;
	size_t size;
	char *ring;
	int fd;

	fd = syscall(__NR_io_uring_setup, 1, &p);
	if (fd < 0)
		SKIP(return, "no io_uring: %s", strerror(errno));
	size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	sqe = mmap(NULL, p.sq_entries * sizeof(*sqe), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   IORING_OFF_SQES);
	ASSERT_NE(MAP_FAILED, ring);
	ASSERT_NE(MAP_FAILED, sqe);
	sq_tail = (atomic_uint *)(ring + p.sq_off.tail);
	cq_tail = (atomic_uint *)(ring + p.cq_off.tail);

	*sqe = (struct io_uring_sqe) {
		.opcode		= IORING_OP_TIMEOUT,
		.addr		= (uintptr_t)&ts,
		.len		= 1,
		.timeout_flags	= IORING_TIMEOUT_MULTISHOT,
	};
	atomic_store(sq_tail, 1);
	ASSERT_EQ(1, syscall(__NR_io_uring_enter, fd, 1, 0, 0, NULL, 0));
	while (!atomic_load(cq_tail))
		usleep(1000);

	watch.time->status = UNWRITTEN;
	ASSERT_EQ(0, pthread_create(&thread, NULL, count_writes, &watch));
	while (during < 10 && calls < 1000) {
		unsigned int before = atomic_load(cq_tail);

		calls++;
		EXPECT_EQ(0, convert(self->fd, CLOCK_REALTIME, self->cycles, RETROCONV_MAX_NR,
				     self->times));
		during += atomic_load(cq_tail) - before;
		while (__atomic_load_n(&watch.time->status, __ATOMIC_ACQUIRE) != UNWRITTEN)
			sched_yield();
	}
	atomic_store(&watch.stop, true);
	pthread_join(thread, NULL);

	ksft_print_msg("%s: %u calls, %u completions during these\n", _metadata->name, calls,
		       during);
	EXPECT_GE(during, 10);
	EXPECT_LT(atomic_load(cq_tail), p.cq_entries);
	EXPECT_EQ(calls, atomic_load(&watch.writes));

	munmap(sqe, p.sq_entries * sizeof(*sqe));
	munmap(ring, size);
	close(fd);
}

/* How long a conversion takes */

static int bench(void)
{
	static const unsigned int sizes[] = { 1, 2, 4, 16, 64, 256, 1024, 65536, };
	static struct retroconv_time times[RETROCONV_MAX_NR];
	static __u64 cycles[RETROCONV_MAX_NR];
	struct retroconv_info info;
	const char *reason;
	int fd;

	reason = open_device(&fd, &info);
	if (reason) {
		fprintf(stderr, "%s\n", reason);
		return KSFT_SKIP;
	}

	printf("%8s %12s %12s\n", "batch", "ns/value", "ticks/value");
	for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++) {
		unsigned int n = sizes[s], rounds = 4 * RETROCONV_MAX_NR / n;
		uint64_t c1, c2;
		int64_t ns;

		if (rounds > 50000)
			rounds = 50000;
		c1 = read_counter();
		for (unsigned int i = 0; i < n; i++)
			cycles[i] = c1 - i;

		ns = now_ns();
		c1 = read_counter();
		for (unsigned int i = 0; i < rounds; i++) {
			if (convert(fd, CLOCK_BOOTTIME, cycles, n, times)) {
				perror(DEVICE);
				return KSFT_FAIL;
			}
		}
		c2 = read_counter();
		ns = now_ns() - ns;
		printf("%8u %12.1f %12.2f\n", n, (double)ns / rounds / n,
		       (double)(c2 - c1) / rounds / n);
	}
	close(fd);
	return KSFT_PASS;
}

/* The test which runs at that moment is in another process group, and goes on */
static void wait_and_exit(int sig)
{
	while (wait(NULL) > 0 || errno == EINTR)
		;
	restore_clock_at_exit();
	_exit(128 + sig);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = wait_and_exit, };

	if (argc == 2 && !strcmp(argv[1], "bench"))
		return bench();

	save_clock();
	atexit(restore_clock_at_exit);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return test_harness_run(argc, argv);
}
