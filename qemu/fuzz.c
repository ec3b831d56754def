// SPDX-License-Identifier: GPL-2.0
/*
 * Random and hostile use of /dev/retroconv
 *
 * Processes call it with whatever is right and wrong, while the clock is slewed
 * and set, auxiliary clocks come and go, and threads beside them change the
 * arguments, the memory and the file descriptors. For each call it is known
 * which errors it may return, what the answers must be near to, and what memory
 * must not change. Where the kernel has fault injection, each user access and
 * allocation fails in turn.
 *
 * On the kernel's command line, fuzz.seconds is for how long (30), and fuzz.seed
 * repeats the choices of an earlier run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/retroconv.h>

#include "guest.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME		0x00000080
#endif

#define DEVICE			"/dev/retroconv"
#define AUX_ENABLE		"/sys/kernel/time/aux_clocks/%d/aux_clock_enable"
#define FAIL_NTH		"/proc/thread-self/fail-nth"
#define FAILSLAB		"/sys/kernel/debug/failslab/"
#define FAIL_USERCOPY		"/sys/kernel/debug/fail_usercopy/"
#define FAIL_PAGES		"/sys/kernel/debug/fail_page_alloc/"
#define MAKE_IT_FAIL		"/proc/self/make-it-fail"

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define BIT(n)			(1ULL << (n))
#define ERR(e)			BIT(e)
#define OK			BIT(0)
#define NR_ERR			64

#define CONVERT_SIZE		40
#define INFO_SIZE		40
/* What the oldest times are known within */
#define MAX_ERROR_NS		BIT(21)
#define NR_REACHES		16
#define FULL_INFO_SIZE		(56 + 16 * NR_REACHES)
/* Of kernel/time/retroconv.c: values which are copied at a time */
#define CHUNK			32
#define CONVERT_ERRORS		(ERR(EINVAL) | ERR(E2BIG) | ERR(ENODEV) | ERR(EFAULT))

#define CLOCK_AUX		16
#define AUX_STEADY		(CLOCK_AUX + 0)		/* Enabled all the time */
#define AUX_FLICKER		(CLOCK_AUX + 1)		/* Comes and goes */
#define AUX_OFF			(CLOCK_AUX + 7)

/* What user space reads between two times. The clock may slow down by 1000 ppm then */
#define TOLERANCE		(NSEC_PER_SEC / 1000)
#define PATTERN			0xa5
#define MARGIN			256
#define NR_STAMPS		256
#define RACES			50
#define FORK_VALUES		64

enum kind {
	CONVERT, TIMES, HOSTILE_CONVERT, INFO, HOSTILE_INFO, UNKNOWN, OTHER, SIGNAL, RACE_FD,
	RACE_STRUCT, RACE_MEMORY, FORK, FAULT, NR_KINDS,
};

/* What each kind of call must have returned at least once, whatever the seed */
static const struct {
	const char	*name;
	uint64_t	seen;
} kinds[NR_KINDS] = {
	[CONVERT]		= { "RETROCONV_CONVERT", OK },
	[TIMES]			= { "times of a clock", OK },
	[HOSTILE_CONVERT]	= { "hostile RETROCONV_CONVERT", OK | CONVERT_ERRORS },
	[INFO]			= { "RETROCONV_INFO", OK },
	[HOSTILE_INFO]		= { "hostile RETROCONV_INFO", ERR(EINVAL) | ERR(EFAULT) },
	[UNKNOWN]		= { "unknown ioctl", ERR(ENOTTY) },
	[OTHER]			= { "other system call", OK | ERR(EINVAL) | ERR(EBADF) |
							 ERR(ENODEV) | ERR(EPERM) },
	[SIGNAL]		= { "RETROCONV_CONVERT and a signal", OK | ERR(EINTR) },
	[RACE_FD]		= { "file closed meanwhile", OK | ERR(EBADF) | ERR(ENOTTY) },
	[RACE_STRUCT]		= { "struct changed meanwhile", OK | ERR(EINVAL) },
	[RACE_MEMORY]		= { "memory changed meanwhile", OK | ERR(EFAULT) },
	[FORK]			= { "RETROCONV_CONVERT in a forked process", OK },
	[FAULT]			= { "with a fault injected", ERR(EFAULT) | ERR(ENOMEM) },
};

/* Shared by all processes */
static struct shared {
	uint64_t	calls[NR_KINDS][NR_ERR];
	uint64_t	told;		/* Answers which were compared with the clock */
	uint64_t	in_namespace;	/* Of those, in a time namespace */
	uint64_t	exact;
	uint64_t	bounded;
	uint64_t	repeated;
	uint64_t	unexpected;	/* Errors */
	uint64_t	wrong;		/* Answers */
	uint64_t	stray;		/* Writes */
	uint64_t	changes;	/* Of the clock */
	bool		aux_memory;	/* None for an auxiliary clock is an error */
} *shared;

/* A counter value and what the clocks said before and after it */
struct stamp {
	uint64_t	cycles;
	int64_t		before[3];
	int64_t		after[3];
};

static const clockid_t stamped[3] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME };

/* Memory between two pages which cannot be accessed */
struct area {
	char	*base;
	size_t	len;
};

static size_t page_size;
static uint64_t seed, deadline;
static bool have_aux, have_faults;

/* Of this process */
static struct stamp stamps[NR_STAMPS];
static struct area structs, cycles_area, times_area, readonly;
static int origin[RETROCONV_MAX_NR];	/* Of a value: its stamp, or -1 */
static __u64 sent[RETROCONV_MAX_NR];	/* What the cycles were before the call */
static bool in_namespace;
static int device, null, worker;
static __thread uint64_t state;

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *check_map(void *map)
{
	if (map == MAP_FAILED)
		die("mmap");
	return map;
}

/* splitmix64 */
static uint64_t rnd(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
	return rnd() % n;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static void complain(uint64_t *counter, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void complain(uint64_t *counter, const char *format, ...)
{
	char line[256];
	va_list args;
	int n;

	if (__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED) >= 10)
		return;
	n = snprintf(line, sizeof(line), "# process %d: ", worker);
	va_start(args, format);
	n += vsnprintf(line + n, sizeof(line) - n - 1, format, args);
	va_end(args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	/* In one go, since all processes write there */
	if (write(STDOUT_FILENO, line, n) != n)
		exit(1);
}

static uint64_t frequency(void)
{
	uint64_t freq;

	asm volatile("mrs %0, cntfrq_el0" : "=r" (freq));
	return freq;
}

/* Count a call that returned @ret, and complain if that is none of @allowed */
static int judge(enum kind kind, long ret, uint64_t allowed, const char *detail)
{
	int err = ret < 0 ? errno : 0;

	add(&shared->calls[kind][err < NR_ERR ? err : NR_ERR - 1], 1);
	if (err >= NR_ERR || !(allowed & ERR(err)))
		complain(&shared->unexpected, "%s (%s): %s, allowed 0x%llx", kinds[kind].name,
			 detail, err ? strerror(err) : "no error", (unsigned long long)allowed);
	return err;
}

/*
 * Memory
 */

static struct area new_area(size_t len)
{
	struct area area = { .len = (len + page_size - 1) / page_size * page_size };
	char *map = check_map(mmap(NULL, area.len + 2 * page_size, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	area.base = map + page_size;
	if (mprotect(area.base, area.len, PROT_READ | PROT_WRITE))
		die("mprotect");
	return area;
}

/* Room for @size bytes: as often as not up to the very end, and aligned */
static void *place(const struct area *area, size_t size)
{
	size_t room = area->len - size;
	char *at = area->base + room;

	if (one_in(2)) {
		room = below((room < MARGIN ? room : MARGIN) + 1);
		at -= one_in(4) ? room : room & ~7ULL;
	}
	return at;
}

/* From where up to where is the neighbourhood of a block? */
static char *around(const struct area *area, const void *at, size_t size, char **end)
{
	char *from = (char *)at - MARGIN, *to = (char *)at + size + MARGIN;

	*end = to > area->base + area->len ? area->base + area->len : to;
	return from < area->base ? area->base : from;
}

static void paint(const struct area *area, const void *at, size_t size)
{
	char *end, *from = around(area, at, size, &end);

	memset(from, PATTERN, end - from);
}

static bool is_painted(const char *from, const char *to)
{
	for (; from < to; from++) {
		if ((unsigned char)*from != PATTERN)
			return false;
	}
	return true;
}

static void check_around(const struct area *area, const void *at, size_t size, const char *what)
{
	char *end, *from = around(area, at, size, &end);

	if (!is_painted(from, at) || !is_painted((char *)at + size, end))
		complain(&shared->stray, "memory beside the %s was written", what);
}

/* An address that is none. The upper half of the address space is the kernel's. */
static uint64_t bad_address(void)
{
	switch (below(7)) {
	case 0: return 0;
	case 1: return below(4096);
	case 2: return -(1 + below(4096));
	case 3: return 0xffff000000000000ULL + (rnd() >> below(64));
	case 4: return (uintptr_t)structs.base - page_size;
	case 5: return (uintptr_t)structs.base + structs.len;
	default: return BIT(48) + below(1 << 20) * 8;
	}
}

/*
 * Good requests
 */

static void take_stamp(struct stamp *stamp)
{
	for (int i = 0; i < 3; i++)
		stamp->before[i] = now(stamped[i]);
	stamp->cycles = counter();
	for (int i = 0; i < 3; i++)
		stamp->after[i] = now(stamped[i]);
}

static clockid_t good_clock(void)
{
	static const clockid_t clocks[] = {
		CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI,
		AUX_STEADY,
	};

	return clocks[below(ARRAY_SIZE(clocks) - !have_aux)];
}

static unsigned int good_nr(void)
{
	switch (below(32)) {
	case 0: return RETROCONV_MAX_NR;
	case 1: return below(RETROCONV_MAX_NR);
	case 2: return 0;
	default: return below(100);
	}
}

static void choose_cycles(__u64 *cycles, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		__u64 value;

		origin[i] = -1;
		switch (below(8)) {
		case 0:
			value = rnd() >> below(64);
			break;
		case 1:
			value = -(rnd() >> below(64));
			break;
		case 2:
			value = counter() + (rnd() >> (32 + below(32)));
			break;
		case 3:
			value = counter() - (rnd() >> below(64));
			break;
		default:
			origin[i] = below(NR_STAMPS);
			value = stamps[origin[i]].cycles;
		}
		/* It may be at any address */
		memcpy(&cycles[i], &value, sizeof(value));
		sent[i] = value;
	}
}

static struct retroconv_convert good_convert(unsigned int nr)
{
	struct retroconv_convert arg = {
		.size		= sizeof(arg),
		.counter	= RETROCONV_COUNTER_ARM_ARCH,
		.clock_id	= good_clock(),
		.nr		= nr,
		.cycles		= (uintptr_t)place(&cycles_area, nr * sizeof(__u64)),
		.times		= (uintptr_t)place(&times_area, nr * sizeof(struct retroconv_time)),
	};

	paint(&cycles_area, (void *)(uintptr_t)arg.cycles, nr * sizeof(__u64));
	paint(&times_area, (void *)(uintptr_t)arg.times, nr * sizeof(struct retroconv_time));
	choose_cycles((void *)(uintptr_t)arg.cycles, nr);
	return arg;
}

static bool check_time(const struct retroconv_time *time, clockid_t clock, uint64_t cycles,
		       const struct stamp *stamp)
{
	uint64_t allowed = ERR(EAGAIN) | ERR(ERANGE) | ERR(ENODATA) | ERR(ENODEV);

	/* It was read in the past, and the only clocksource's */
	if (stamp)
		allowed = ERR(ERANGE);
	/* What random values may be */
	if (!stamp && time->status == RETROCONV_EARLY && time->error_ns &&
	    (clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_MONOTONIC_RAW))
		return true;
	if (time->status) {
		/* There is no suspend, and the counter never starts anew */
		if (time->status > 0 || -time->status >= NR_ERR ||
		    !(allowed & ERR(-time->status)) || time->ns || time->error_ns) {
			complain(&shared->wrong, "clock %d at 0x%llx: status %d, %lld ns, error %u",
				 clock, (unsigned long long)cycles, time->status,
				 (long long)time->ns, time->error_ns);
			return false;
		}
		return true;
	}
	if (time->error_ns > (clock != CLOCK_MONOTONIC_RAW ? MAX_ERROR_NS : 0)) {
		complain(&shared->wrong, "clock %d: error %u", clock, time->error_ns);
		return false;
	}
	for (int i = 0; stamp && i < 3; i++) {
		if (clock != stamped[i])
			continue;
		if (time->ns < stamp->before[i] - TOLERANCE ||
		    time->ns > stamp->after[i] + TOLERANCE + time->error_ns) {
			complain(&shared->wrong, "clock %d at 0x%llx: %lld ns is not from %lld to %lld",
				 clock, (unsigned long long)cycles, (long long)time->ns,
				 (long long)stamp->before[i], (long long)stamp->after[i]);
			return false;
		}
		add(&shared->told, 1);
		if (in_namespace)
			add(&shared->in_namespace, 1);
	}
	return true;
}

/*
 * The second of two answers for a value: it is known less well when it gets older, and one
 * that is not exact may be later then. Both are not early, and late within their bounds.
 */
static bool is_same(const struct retroconv_time *first, const struct retroconv_time *second)
{
	if (!first->status && !second->status)
		return first->error_ns <= second->error_ns &&
		       second->ns + first->error_ns >= first->ns &&
		       first->ns + second->error_ns >= second->ns;
	switch (first->status) {
	case -EAGAIN:
		return true;
	case -ERANGE:
		return second->status == -ERANGE;
	default:
		return second->status == first->status || second->status == -ERANGE;
	}
}

/* One value in a plain call gives the same */
static void check_again(clockid_t clock, uint64_t cycles, const struct retroconv_time *first)
{
	struct retroconv_time time = { };
	struct retroconv_convert arg = {
		.size		= sizeof(arg),
		.counter	= RETROCONV_COUNTER_ARM_ARCH,
		.clock_id	= clock,
		.nr		= 1,
		.cycles		= (uintptr_t)&cycles,
		.times		= (uintptr_t)&time,
	};

	if (judge(CONVERT, ioctl(device, RETROCONV_CONVERT, &arg), OK, "a value once more"))
		return;
	add(&shared->repeated, 1);
	if (!is_same(first, &time))
		complain(&shared->wrong,
			 "clock %d at 0x%llx: first %d, %lld ns, error %u, then %d, %lld ns, error %u",
			 clock, (unsigned long long)cycles, first->status, (long long)first->ns,
			 first->error_ns, time.status, (long long)time.ns, time.error_ns);
}

/* What a request did that returned no error. @after is the counter after it. */
static void check_answers(const struct retroconv_convert *arg, uint64_t after)
{
	const char *times = (char *)(uintptr_t)arg->times;
	bool comparable = arg->clock_id != AUX_FLICKER;
	uint64_t exact = 0, bounded = 0;

	for (unsigned int i = 0; i < arg->nr; i++) {
		const struct stamp *stamp = NULL;
		struct retroconv_time time;

		if (origin[i] >= 0 && comparable)
			stamp = &stamps[origin[i]];
		memcpy(&time, times + i * sizeof(time), sizeof(time));
		if (!check_time(&time, arg->clock_id, sent[i], stamp))
			return;
		if (sent[i] > after && sent[i] < after + BIT(32) && comparable &&
		    time.status != -EAGAIN)
			complain(&shared->wrong, "a value of the future: status %d", time.status);
		exact += !time.status && !time.error_ns;
		bounded += !time.status && time.error_ns;
		if (comparable && below(arg->nr) < 4)
			check_again(arg->clock_id, sent[i], &time);
	}
	add(&shared->exact, exact);
	add(&shared->bounded, bounded);
}

static void check_memory(const struct retroconv_convert *arg, int err)
{
	char *cycles = (char *)(uintptr_t)arg->cycles, *times = (char *)(uintptr_t)arg->times;
	size_t size = arg->nr * sizeof(struct retroconv_time);

	if (memcmp(cycles, sent, arg->nr * sizeof(__u64)))
		complain(&shared->stray, "the cycles were written");
	check_around(&cycles_area, cycles, arg->nr * sizeof(__u64), "cycles");
	check_around(&times_area, times, size, "times");
	if (err && err != EFAULT && err != EINTR && !is_painted(times, times + size))
		complain(&shared->stray, "there are times in spite of %s", strerror(err));
}

static void fuzz_convert(void)
{
	struct retroconv_convert arg = good_convert(good_nr());
	int err = judge(CONVERT, ioctl(device, RETROCONV_CONVERT, &arg), OK, "good");

	check_memory(&arg, err);
	if (!err)
		check_answers(&arg, counter());
}

/* Times of clocks: random ones, and those that were read around a stamp's counter value */
static void fuzz_times(void)
{
	static const __u32 froms[] = {
		RETROCONV_FROM_MONOTONIC, RETROCONV_FROM_BOOTTIME, RETROCONV_FROM_REALTIME,
		RETROCONV_FROM_TAI, RETROCONV_FROM_MONOTONIC_RAW, RETROCONV_FROM_LOCAL,
	};
	struct retroconv_convert arg = good_convert(good_nr());
	const char *times = (char *)(uintptr_t)arg.times;
	char *values = (char *)(uintptr_t)arg.cycles;
	unsigned int from = below(ARRAY_SIZE(froms));
	int err, clock = -1;

	arg.counter = froms[from];
	if (arg.counter != RETROCONV_FROM_LOCAL && one_in(5))
		arg.clock_id = RETROCONV_TO_COUNTER;
	for (int i = 0; i < 3; i++) {
		if (froms[from] == RETROCONV_FROM(stamped[i]))
			clock = i;
	}
	for (unsigned int i = 0; i < arg.nr; i++) {
		if (origin[i] >= 0 && clock >= 0)
			sent[i] = stamps[origin[i]].before[clock];
		memcpy(values + i * sizeof(__u64), &sent[i], sizeof(__u64));
	}
	err = judge(TIMES, ioctl(device, RETROCONV_CONVERT, &arg), OK, "times");
	check_memory(&arg, err);
	for (unsigned int i = 0; !err && i < arg.nr; i++) {
		struct retroconv_time time;

		memcpy(&time, times + i * sizeof(time), sizeof(time));
		if (time.status < 0 ? time.status == -EINVAL || time.ns || time.error_ns :
				      time.status & ~(RETROCONV_REPEATED | RETROCONV_EARLY))
			complain(&shared->wrong, "from 0x%x to %d: %lld: status %d, %lld ns, error %u",
				 arg.counter, arg.clock_id, (long long)sent[i], time.status,
				 (long long)time.ns, time.error_ns);
		/* The clock had that time, and gets to the counter value a little later */
		if (origin[i] < 0 || clock < 0 || arg.clock_id != RETROCONV_TO_COUNTER ||
		    in_namespace || time.status == -ERANGE || time.status == RETROCONV_REPEATED)
			continue;
		if (time.status || (uint64_t)time.ns > stamps[origin[i]].cycles)
			complain(&shared->wrong, "from 0x%x: %lld, status %d: 0x%llx is after 0x%llx",
				 arg.counter, (long long)sent[i], time.status,
				 (unsigned long long)time.ns,
				 (unsigned long long)stamps[origin[i]].cycles);
		add(&shared->told, 1);
	}
}

/*
 * Hostile requests: some things are wrong, each has its error
 */

static size_t bad_size(size_t min)
{
	switch (below(4)) {
	case 0: return page_size + 1;
	case 1: return page_size + 1 + (rnd() >> below(64)) % (UINT32_MAX - page_size);
	default: return below(min);
	}
}

/* A larger struct than the kernel's, in its place. What is beyond is 0 or not. */
static char *larger_struct(size_t size, bool junk)
{
	char *at = place(&structs, size);

	paint(&structs, at, size);
	memset(at, 0, size);
	if (junk)
		at[CONVERT_SIZE + below(size - CONVERT_SIZE)] = 1 + below(255);
	return at;
}

static clockid_t bad_clock(void)
{
	switch (below(5)) {
	case 0: return CLOCK_MONOTONIC_COARSE;
	case 1: return CLOCK_PROCESS_CPUTIME_ID;
	/* The clock of a file, or of another process */
	case 2: return ~(clockid_t)below(100) << 3 | (clockid_t)below(8);
	case 3: return CLOCK_AUX + 8 + below(1 << 20);
	default: return 8 + below(3);
	}
}

/* An array that is not there, ends too early, or cannot be written */
static uint64_t bad_array(const struct area *area, size_t size, bool written)
{
	if (written && one_in(3))
		return (uintptr_t)readonly.base + readonly.len - 1 -
			below(size < readonly.len ? size : readonly.len);
	if (one_in(2))
		return (uintptr_t)area->base + area->len - below(size);
	return bad_address();
}

static void fuzz_hostile_convert(void)
{
	struct retroconv_convert arg = good_convert(good_nr()), sane = arg;
	uint64_t errors = 0, access = 0, done = 0;
	char *at = place(&structs, sizeof(arg));
	size_t size = sizeof(arg), cmd_size;
	bool no_struct = false;
	int err;

	paint(&structs, at, sizeof(arg));
	for (int n = below(4); n >= 0; n--) {
		unsigned int what = below(9);

		if (done & BIT(what))
			continue;
		done |= BIT(what);
		switch (what) {
		case 0:
			/* Of this and the next one, and of the third, only one is possible */
			done |= BIT(1) | BIT(2);
			arg.size = bad_size(CONVERT_SIZE);
			errors |= ERR(EINVAL);
			break;
		case 1:
			done |= BIT(0) | BIT(2);
			size = CONVERT_SIZE + 1 + below(page_size - CONVERT_SIZE);
			arg.size = size;
			if (one_in(2)) {
				at = larger_struct(size, true);
				errors |= ERR(E2BIG);
			} else {
				at = larger_struct(size, false);
			}
			break;
		case 2:
			done |= BIT(0) | BIT(1);
			no_struct = true;
			errors |= ERR(EFAULT);
			break;
		case 3:
			arg.flags = 1 + below(UINT32_MAX);
			errors |= ERR(EINVAL);
			break;
		case 4:
			arg.nr = RETROCONV_MAX_NR + 1 + (rnd() >> below(64));
			if (arg.nr > RETROCONV_MAX_NR)
				errors |= ERR(EINVAL);
			break;
		case 5:
			arg.clock_id = bad_clock();
			if (one_in(3)) {
				arg.clock_id = AUX_OFF;
				errors |= ERR(ENODEV);
			} else {
				errors |= ERR(EINVAL);
			}
			break;
		case 6:
			arg.counter = RETROCONV_COUNTER_X86_TSC;
			if (one_in(3)) {
				errors |= ERR(ENODEV);
			} else {
				arg.counter = one_in(2) ? 0 : 3 + below(0x100 - 3);
				if (one_in(3))
					arg.counter = 0x300 + below(UINT32_MAX - 0x300);
				errors |= ERR(EINVAL);
			}
			break;
		case 7:
			if (!sane.nr)
				break;
			arg.cycles = bad_array(&cycles_area, sane.nr * sizeof(__u64), false);
			access |= ERR(EFAULT);
			break;
		case 8:
			if (!sane.nr)
				break;
			arg.times = bad_array(&times_area, sane.nr * sizeof(struct retroconv_time),
					      true);
			access |= ERR(EFAULT);
			break;
		}
	}
	/* A 0 that came out of the shift above asks for nothing, from nowhere */
	if (!arg.nr)
		access = 0;
	memcpy(at, &arg, sizeof(arg));
	/* A struct that ends too early */
	if (no_struct && one_in(2)) {
		at = structs.base + structs.len - below(sizeof(arg));
		memcpy(at, &arg, structs.base + structs.len - at);
	} else if (no_struct) {
		at = (char *)bad_address();
	}

	cmd_size = one_in(2) ? sizeof(arg) : below(BIT(_IOC_SIZEBITS));
	err = judge(HOSTILE_CONVERT,
		    ioctl(device, _IOC(_IOC_WRITE, 0xBC, 1, cmd_size), at),
		    (errors | access) ?: OK, "");
	/* An array in a bad place may have left some times there, up to its end */
	if (!(done & (BIT(7) | BIT(8)) && access)) {
		check_memory(&sane, err);
		if (!err && arg.nr == sane.nr)
			check_answers(&arg, counter());
	}
	if (!no_struct) {
		if (memcmp(at, &arg, sizeof(arg)))
			complain(&shared->stray, "the struct was written");
		check_around(&structs, at, size, "struct");
	}
}

static bool check_info(const struct retroconv_info *info, uint64_t from)
{
	return info->counter == RETROCONV_COUNTER_ARM_ARCH &&
	       info->frequency_hz == frequency() / 1000 * 1000 &&
	       info->oldest <= info->oldest_exact && info->oldest_exact <= info->newest &&
	       info->newest >= from && info->newest <= counter();
}

/* What a program that is older does not know */
static bool check_reaches(const struct retroconv_info *info)
{
	unsigned int nr = info->nr_reaches;

	if (info->newest > info->mask || info->mask & (info->mask + 1) || !nr ||
	    nr > NR_REACHES || info->last_counter != RETROCONV_COUNTER_ARM_ARCH || info->reach[0].error_ns ||
	    info->reach[0].oldest != info->oldest_exact ||
	    info->reach[nr - 1].oldest != info->oldest)
		return false;
	for (unsigned int i = 0; i < NR_REACHES; i++) {
		const struct retroconv_reach *reach = &info->reach[i];

		if (reach->reserved || (i >= nr && (reach->oldest || reach->error_ns)))
			return false;
		if (i && i < nr && (reach->oldest > reach[-1].oldest ||
				    reach->error_ns <= reach[-1].error_ns ||
				    reach->error_ns > MAX_ERROR_NS))
			return false;
	}
	return true;
}

static void fuzz_info(void)
{
	bool hostile = one_in(2);
	uint64_t from = counter();
	struct retroconv_info info = { };
	uint64_t allowed = OK;
	size_t size = INFO_SIZE, room;
	char *at;
	int err;

	/* Of an older, of the same, or of a newer program */
	switch (below(4)) {
	case 0: size += below(FULL_INFO_SIZE - INFO_SIZE); break;
	case 1: size = FULL_INFO_SIZE; break;
	case 2: size += below(page_size - INFO_SIZE + 1); break;
	}
	room = size;
	if (hostile && one_in(2)) {
		size = bad_size(INFO_SIZE);
		room = size < page_size ? (size < 4 ? 4 : size) : page_size;
		allowed = ERR(EINVAL);
	}
	at = place(&structs, room);
	paint(&structs, at, room);
	memcpy(at, &(__u32){ size }, 4);
	if (hostile && allowed == OK) {
		allowed = ERR(EFAULT);
		switch (below(3)) {
		case 0:
			at = (char *)bad_address();
			break;
		case 1:
			at = structs.base + structs.len - (size - 1 - below(size - 4));
			memcpy(at, &(__u32){ size }, 4);
			break;
		default:
			/* Its size is there, it is large enough, and cannot be written */
			at = readonly.base;
		}
	}
	err = judge(hostile ? HOSTILE_INFO : INFO,
		    ioctl(device, _IOC(_IOC_READ | _IOC_WRITE, 0xBC, 2,
				       one_in(2) ? INFO_SIZE : below(BIT(_IOC_SIZEBITS))), at),
		    allowed, "");
	if (allowed == ERR(EFAULT))
		return;
	check_around(&structs, at, room, "struct");
	if (err) {
		if (!is_painted(at + 4, at + room))
			complain(&shared->stray, "there is an info in spite of %s", strerror(err));
		return;
	}
	memcpy(&info, at, size < sizeof(info) ? size : sizeof(info));
	if (info.size != size || !check_info(&info, from) ||
	    (size >= sizeof(info) && !check_reaches(&info)))
		complain(&shared->wrong, "info: counter %u, %llu Hz, 0x%llx, 0x%llx, 0x%llx",
			 info.counter, (unsigned long long)info.frequency_hz,
			 (unsigned long long)info.oldest, (unsigned long long)info.oldest_exact,
			 (unsigned long long)info.newest);
	for (size_t i = FULL_INFO_SIZE; i < size; i++) {
		if (at[i]) {
			complain(&shared->wrong, "info of %zu bytes: byte %zu is not 0", size, i);
			break;
		}
	}
}

/* Others of this type, and of types which the virtual file system does not know */
static void fuzz_unknown(void)
{
	unsigned int cmd = rnd();
	char detail[32];

	cmd = (cmd & ~0xff00U) | (one_in(2) ? 0xBC : 0xA0 + below(0x60)) << 8;
	switch (cmd & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT)) {
	case RETROCONV_CONVERT & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT):
	case RETROCONV_INFO & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT):
		return;
	}
	snprintf(detail, sizeof(detail), "0x%x", cmd);
	judge(UNKNOWN, ioctl(device, cmd, one_in(2) ? (uint64_t)structs.base : bad_address()),
	      ERR(ENOTTY), detail);
}

/* It cannot do anything else. What the caller gets is the VFS's business. */
static void fuzz_other(void)
{
	struct pollfd poll_fd = { .events = POLLIN };
	struct epoll_event event = { .events = EPOLLIN };
	static const int flags[] = {
		O_RDONLY, O_RDWR, O_WRONLY, O_RDONLY | O_NONBLOCK, O_RDWR | O_APPEND | O_CLOEXEC,
	};
	int fd = open(DEVICE, flags[below(ARRAY_SIZE(flags))]), pipes[2], other;
	size_t len = below(times_area.len);
	char *buf = times_area.base;
	void *map;

	if (judge(OTHER, fd, OK, "open"))
		return;
	switch (below(12)) {
	case 0:
		judge(OTHER, read(fd, buf, len), ERR(EINVAL) | ERR(EBADF), "read");
		break;
	case 1:
		judge(OTHER, write(fd, buf, len), ERR(EINVAL) | ERR(EBADF), "write");
		break;
	case 2:
		judge(OTHER, pread(fd, buf, len, rnd() >> 1), ERR(EINVAL) | ERR(EBADF), "pread");
		break;
	case 3:
		judge(OTHER, readv(fd, &(struct iovec){ buf, len }, 1), ERR(EINVAL) | ERR(EBADF),
		      "readv");
		break;
	case 4:
		map = mmap(NULL, page_size, one_in(2) ? PROT_READ : PROT_READ | PROT_WRITE,
			   one_in(2) ? MAP_SHARED : MAP_PRIVATE, fd, below(2) * page_size);
		judge(OTHER, map == MAP_FAILED ? -1 : 0, ERR(ENODEV) | ERR(EACCES), "mmap");
		break;
	case 5:
		poll_fd.fd = fd;
		judge(OTHER, poll(&poll_fd, 1, below(2)), OK, "poll");
		break;
	case 6:
		other = epoll_create1(0);
		judge(OTHER, epoll_ctl(other, EPOLL_CTL_ADD, fd, &event), ERR(EPERM), "epoll_ctl");
		close(other);
		break;
	case 7:
		if (pipe(pipes))
			die("pipe");
		judge(OTHER, splice(fd, NULL, pipes[1], NULL, 1 + below(4096), SPLICE_F_NONBLOCK),
		      ERR(EINVAL) | ERR(EBADF), "splice");
		close(pipes[0]);
		close(pipes[1]);
		break;
	case 8:
		judge(OTHER, sendfile(null, fd, NULL, 1 + below(4096)), ERR(EINVAL) | ERR(EBADF),
		      "sendfile");
		break;
	case 9:
		judge(OTHER, lseek(fd, rnd(), below(3)), ERR(ESPIPE) | ERR(EINVAL), "lseek");
		break;
	case 10:
		judge(OTHER, ftruncate(fd, below(2)), ERR(EINVAL) | ERR(EBADF), "ftruncate");
		break;
	case 11:
		judge(OTHER, fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC | O_DIRECT), OK | ERR(EINVAL),
		      "F_SETFL");
		judge(OTHER, fsync(fd), ERR(EINVAL), "fsync");
		break;
	}
	close(fd);
}

/*
 * Signals
 */

static void on_signal(int unused)
{
	(void)unused;
}

static void fuzz_signal(void)
{
	struct retroconv_convert arg = good_convert(one_in(4) ? below(17) : good_nr());
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = one_in(2) * SA_RESTART };
	struct itimerval timer = {
		.it_value.tv_usec	= 1 + below(2000),
		.it_interval.tv_usec	= one_in(2) * 100,
	};
	int err;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	/* Some are pending when the call begins */
	if (one_in(4))
		raise(SIGALRM);
	err = judge(SIGNAL, ioctl(device, RETROCONV_CONVERT, &arg),
		    arg.nr > 16 ? OK | ERR(EINTR) : OK, "");
	setitimer(ITIMER_REAL, &(struct itimerval){ }, NULL);
	check_memory(&arg, err);
	if (!err)
		check_answers(&arg, counter());
}

/*
 * A thread that changes something during the call
 */

static struct {
	pthread_barrier_t	start;
	pthread_barrier_t	end;
	enum kind		kind;
	uint64_t		seed;
	int			stop;
	int			fd;
	struct retroconv_convert *arg;
	struct retroconv_convert good;
} race;

static void race_fd(void)
{
	switch (below(3)) {
	case 0:
		dup2(device, race.fd);
		break;
	case 1:
		dup2(null, race.fd);
		break;
	default:
		close(race.fd);
	}
}

static void race_struct(void)
{
	volatile struct retroconv_convert *arg = race.arg;
	/* One of six that is wrong is enough */
	bool good = !one_in(8);

	switch (below(6)) {
	case 0:
		arg->size = good ? CONVERT_SIZE : bad_size(CONVERT_SIZE);
		break;
	case 1:
		/* Up to the end of the memory that can be accessed, and far beyond */
		arg->nr = good ? race.good.nr : one_in(2) ? below(race.good.nr + 1) : rnd();
		break;
	case 2:
		arg->flags = !good;
		break;
	case 3:
		arg->clock_id = good ? good_clock() : bad_clock();
		break;
	case 4:
		arg->cycles = good ? race.good.cycles : bad_address();
		break;
	default:
		arg->times = good ? race.good.times : bad_address();
	}
}

static void race_memory(void)
{
	const struct area *area = one_in(2) ? &cycles_area : &times_area;
	size_t page = below(area->len / page_size) * page_size;

	switch (below(4)) {
	case 0:
		madvise(area->base + page, page_size, MADV_DONTNEED);
		break;
	case 1:
		mprotect(area->base, area->len, one_in(2) ? PROT_READ : PROT_NONE);
		break;
	default:
		mprotect(area->base, area->len, PROT_READ | PROT_WRITE);
	}
}

static void *race_thread(void *unused)
{
	(void)unused;
	for (;;) {
		pthread_barrier_wait(&race.start);
		state = race.seed;
		while (!__atomic_load_n(&race.stop, __ATOMIC_ACQUIRE)) {
			switch (race.kind) {
			case RACE_FD:
				race_fd();
				break;
			case RACE_STRUCT:
				race_struct();
				break;
			default:
				race_memory();
			}
			if (one_in(4))
				sched_yield();
		}
		pthread_barrier_wait(&race.end);
	}
	return NULL;
}

static void fuzz_race(void)
{
	static const uint64_t allowed[NR_KINDS] = {
		[RACE_FD]	= OK | ERR(EBADF) | ERR(ENOTTY),
		[RACE_STRUCT]	= OK | CONVERT_ERRORS,
		[RACE_MEMORY]	= OK | ERR(EFAULT),
	};
	enum kind kind = RACE_FD + below(3);
	struct retroconv_convert arg = good_convert(1 + below(1000)), *at = &arg;
	int err;

	if (kind == RACE_STRUCT) {
		/* At the very end: whatever nr becomes, more than that cannot be accessed */
		arg.cycles = (uintptr_t)cycles_area.base + cycles_area.len - arg.nr * sizeof(__u64);
		arg.times = (uintptr_t)times_area.base + times_area.len -
			arg.nr * sizeof(struct retroconv_time);
		paint(&cycles_area, (void *)(uintptr_t)arg.cycles, arg.nr * sizeof(__u64));
		memcpy((void *)(uintptr_t)arg.cycles, sent, arg.nr * sizeof(__u64));
		paint(&times_area, (void *)(uintptr_t)arg.times,
		      arg.nr * sizeof(struct retroconv_time));
		at = place(&structs, sizeof(arg));
		paint(&structs, at, sizeof(arg));
		memcpy(at, &arg, sizeof(arg));
		if ((uintptr_t)at % 8) {
			/* Its fields are written as such */
			at = (void *)((uintptr_t)at & ~7UL);
			paint(&structs, at, sizeof(arg));
			memcpy(at, &arg, sizeof(arg));
		}
	}
	race.kind = kind;
	race.seed = rnd();
	race.stop = 0;
	race.fd = dup(device);
	if (race.fd < 0)
		die("dup");
	race.arg = at;
	race.good = arg;
	pthread_barrier_wait(&race.start);
	for (int i = 0; i < RACES; i++) {
		err = judge(kind, ioctl(kind == RACE_FD ? race.fd : device, RETROCONV_CONVERT, at),
			    allowed[kind], "");
		if (kind == RACE_FD) {
			check_memory(&arg, err == EBADF || err == ENOTTY ? EFAULT : err);
			if (!err)
				check_answers(&arg, counter());
		}
		if (one_in(4))
			sched_yield();
	}
	__atomic_store_n(&race.stop, 1, __ATOMIC_RELEASE);
	pthread_barrier_wait(&race.end);

	/* It may be closed already */
	close(race.fd);
	switch (kind) {
	case RACE_FD:
		break;
	case RACE_STRUCT:
		check_memory(&arg, EFAULT);
		check_around(&structs, at, sizeof(arg), "struct");
		break;
	default:
		/* The next one paints it anew */
		mprotect(cycles_area.base, cycles_area.len, PROT_READ | PROT_WRITE);
		mprotect(times_area.base, times_area.len, PROT_READ | PROT_WRITE);
	}
}

/*
 * Processes that have the file, too: the child's memory is copied when it is
 * written, and the child may be killed at any time
 */
static void fuzz_fork(void)
{
	bool killed = one_in(2);
	struct retroconv_convert arg = good_convert(killed ? RETROCONV_MAX_NR : FORK_VALUES);
	pid_t pid = fork();
	int status, err;

	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		do {
			err = judge(FORK, ioctl(device, RETROCONV_CONVERT, &arg), OK, "child");
			check_memory(&arg, err);
			if (!err && !killed)
				check_answers(&arg, counter());
		} while (killed);
		_exit(0);
	}
	/* The parent's file is the same one, its memory is not */
	err = judge(FORK, ioctl(device, RETROCONV_CONVERT, &arg), OK, "parent");
	check_memory(&arg, err);
	if (!err)
		check_answers(&arg, counter());
	if (killed)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	if (killed ? !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL : status)
		complain(&shared->wrong, "the child ended with status 0x%x", status);
}

/*
 * Fault injection: the n-th user access or allocation of this thread fails
 */

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(name);
	close(fd);
}

static void fail_nth(int fd, int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	/* The fault to be called off may hit this */
	while (pwrite(fd, text, len, 0) != len) {
		if (errno != EFAULT)
			die(FAIL_NTH);
	}
}

/* Has the fault happened? To tell that it has not is a user access itself. */
static bool has_failed(int fd)
{
	char text[16] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	return n > 0 && !atoi(text);
}

static void fuzz_fault(void)
{
	struct retroconv_convert arg = good_convert(1 + below(4 * CHUNK));
	int fd = open(FAIL_NTH, O_RDWR), what = below(3), n;
	int chunks = (arg.nr + CHUNK - 1) / CHUNK;
	struct retroconv_info info = { .size = sizeof(info) };
	bool failed = true;
	long ret;
	int err;

	if (fd < 0)
		die(FAIL_NTH);
	for (n = 1; failed && n < 1000; n++) {
		fail_nth(fd, n);
		switch (what) {
		case 0:
			ret = ioctl(device, RETROCONV_CONVERT, &arg);
			break;
		case 1:
			ret = ioctl(device, RETROCONV_INFO, &info);
			break;
		default:
			ret = open(DEVICE, O_RDONLY);
		}
		err = errno;
		failed = has_failed(fd);
		fail_nth(fd, 0);
		errno = err;
		if (what < 2) {
			err = judge(FAULT, ret, failed ? ERR(EFAULT) : OK, "ioctl");
			if (!what)
				check_memory(&arg, err);
			continue;
		}
		/* Not everything that can fail is needed */
		judge(FAULT, ret, failed ? OK | ERR(EFAULT) | ERR(ENOMEM) : OK, "open");
		if (ret >= 0)
			close(ret);
	}
	close(fd);
	/* The struct, and the cycles and the times of each chunk */
	if (!what && n - 2 != 1 + 2 * chunks)
		complain(&shared->unexpected, "%d user accesses failed for %d chunks", n - 2,
			 chunks);
	if (!what && !failed)
		check_answers(&arg, counter());
}

/*
 * Processes
 */

static void work(int nr)
{
	pthread_t thread;
	sigset_t set;

	worker = nr;
	state = seed + nr;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	structs = new_area(2 * page_size);
	cycles_area = new_area(RETROCONV_MAX_NR * sizeof(__u64) + page_size);
	times_area = new_area(RETROCONV_MAX_NR * sizeof(struct retroconv_time) + page_size);
	/* Its first bytes are a good struct retroconv_info */
	readonly = new_area(page_size);
	memcpy(readonly.base, &(__u32){ INFO_SIZE }, 4);
	if (mprotect(readonly.base, readonly.len, PROT_READ))
		die("mprotect");
	for (int i = 0; i < NR_STAMPS; i++)
		take_stamp(&stamps[i]);

	pthread_barrier_init(&race.start, NULL, 2);
	pthread_barrier_init(&race.end, NULL, 2);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&thread, NULL, race_thread, NULL))
		die("pthread_create");
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);

	while (counter() < deadline) {
		take_stamp(&stamps[below(NR_STAMPS)]);
		switch (below(16)) {
		case 0 ... 1:
			fuzz_convert();
			break;
		case 2:
			fuzz_times();
			break;
		case 3 ... 8:
			fuzz_hostile_convert();
			break;
		case 9 ... 10:
			fuzz_info();
			break;
		case 11:
			fuzz_unknown();
			break;
		case 12:
			fuzz_other();
			break;
		case 13:
			fuzz_signal();
			break;
		case 14:
			if (one_in(4))
				fuzz_race();
			else if (one_in(4))
				fuzz_fork();
			break;
		case 15:
			if (have_faults)
				fuzz_fault();
			break;
		}
	}
	_exit(0);
}

static bool enable_aux(int nr, bool enable)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), AUX_ENABLE, nr);
	fd = open(name, O_WRONLY);
	if (fd < 0)
		return false;
	if (write(fd, enable ? "1" : "0", 1) != 1)
		die(name);
	close(fd);
	return true;
}

/* Of klogctl() */
#define CONSOLE_LEVEL	8

/*
 * The history of an auxiliary clock takes many pages. When there are none, the
 * clock cannot be enabled, and can as soon as there are. The kernel tells of a
 * page which it could not get, with a call trace. That is for its log only, and
 * not for the console, whose thread writes some time later.
 */
static bool check_aux_memory(void)
{
	int fail = open(MAKE_IT_FAIL, O_WRONLY), fd, err;
	struct retroconv_time time = { };
	__u64 cycles;
	char name[64];
	bool ok;

	snprintf(name, sizeof(name), AUX_ENABLE, AUX_OFF - CLOCK_AUX);
	fd = open(name, O_WRONLY);
	/* What the call itself needs is there then */
	if (fail < 0 || fd < 0 || mlockall(MCL_CURRENT) || pwrite(fd, "0", 1, 0) != 1)
		die(name);
	write_file(FAIL_PAGES "ignore-gfp-wait", "N");
	write_file(FAIL_PAGES "ignore-gfp-highmem", "N");
	write_file(FAIL_PAGES "min-order", "0");
	write_file(FAIL_PAGES "task-filter", "Y");
	write_file(FAIL_PAGES "verbose", "0");
	write_file(FAIL_PAGES "times", "-1");
	write_file(FAIL_PAGES "probability", "100");
	klogctl(CONSOLE_LEVEL, NULL, 4);

	if (pwrite(fail, "1", 1, 0) != 1)
		die(MAKE_IT_FAIL);
	err = pwrite(fd, "1", 1, 0) < 0 ? errno : 0;
	if (pwrite(fail, "0", 1, 0) != 1)
		die(MAKE_IT_FAIL);

	write_file(FAIL_PAGES "probability", "0");
	sleep(3);
	klogctl(CONSOLE_LEVEL, NULL, 7);
	munlockall();
	printf("# an auxiliary clock without memory: %s\n", err ? strerrorname_np(err) : "enabled");

	cycles = counter();
	ok = err == ENOMEM && convert_cycles(device, AUX_OFF, 1, &cycles, &time) &&
	     errno == ENODEV && pwrite(fd, "1", 1, 0) == 1;
	cycles = counter();
	ok = ok && !convert_cycles(device, AUX_OFF, 1, &cycles, &time) && !time.status &&
	     pwrite(fd, "0", 1, 0) == 1;
	close(fd);
	close(fail);
	return ok;
}

/* The clock is slewed and set, and an auxiliary clock comes and goes */
static void disturb(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	state = ~seed;
	for (int i = 0; ; i++) {
		struct timex slew = { .modes = ADJ_FREQUENCY, .freq = (long)below(1000 << 16) -
								      (500L << 16) };
		struct timex step = { .modes = ADJ_SETOFFSET, .time.tv_sec = i % 2 ? 7 : -7,
				      .time.tv_usec = below(1000000) };

		if (adjtimex(one_in(16) ? &step : &slew) < 0)
			die("adjtimex");
		if (have_aux && one_in(16))
			enable_aux(AUX_FLICKER - CLOCK_AUX, one_in(2));
		add(&shared->changes, 1);
		usleep(below(20000));
	}
}

/* In a time namespace, for which this process has no other use */
static pid_t start_in_namespace(int nr)
{
	char text[128];
	pid_t pid;

	if (unshare(CLONE_NEWTIME))
		die("unshare");
	snprintf(text, sizeof(text), "monotonic %lld 123456789\nboottime %lld 987654321\n",
		 (long long)below(1 << 20), (long long)below(1 << 20));
	write_file("/proc/self/timens_offsets", text);
	pid = fork();
	if (pid)
		return pid;
	in_namespace = true;
	work(nr);
	return 0;
}

static int tests;

static void result(bool ok, const char *what)
{
	printf("%s %d %s\n", ok ? "ok" : "not ok", ++tests, what);
}

static void report(int failed)
{
	printf("# %llu exact, %llu within a bound, %llu repeated, %llu changes of the clock\n",
	       (unsigned long long)shared->exact, (unsigned long long)shared->bounded,
	       (unsigned long long)shared->repeated, (unsigned long long)shared->changes);
	printf("# %llu compared with the clock, %llu of them in a time namespace\n",
	       (unsigned long long)shared->told, (unsigned long long)shared->in_namespace);
	printf("# %llu wrong answers, %llu unexpected errors, %llu stray writes\n",
	       (unsigned long long)shared->wrong, (unsigned long long)shared->unexpected,
	       (unsigned long long)shared->stray);
	result(!failed, "every process has come to its end");
	result(!shared->wrong && shared->told, "no answer is wrong");
	result(!shared->unexpected, "no error is unexpected");
	result(!shared->stray, "nothing but the results was written");
	result(shared->in_namespace, "answers in a time namespace");
	if (have_aux && have_faults)
		result(shared->aux_memory, "an auxiliary clock needs memory");
	else
		printf("ok %d # SKIP no auxiliary clocks or no fault injection in this kernel\n",
		       ++tests);

	for (int i = 0; i < NR_KINDS; i++) {
		uint64_t missing = kinds[i].seen;
		char what[128];

		printf("# %s:", kinds[i].name);
		for (int err = 0; err < NR_ERR; err++) {
			if (!shared->calls[i][err])
				continue;
			missing &= ~ERR(err);
			printf(" %llu %s,", (unsigned long long)shared->calls[i][err],
			       err ? strerrorname_np(err) : "succeeded");
		}
		printf(" missing 0x%llx\n", (unsigned long long)missing);
		snprintf(what, sizeof(what), "%s: all kinds of results", kinds[i].name);
		if (i == FAULT && !have_faults)
			printf("ok %d %s # SKIP no fault injection in this kernel\n", ++tests,
			       what);
		else
			result(!missing, what);
	}
}

int main(void)
{
	int nr_workers = 2 * sysconf(_SC_NPROCESSORS_ONLN), failed = 0, status;
	uint64_t seconds = parameter("fuzz.seconds=", 30);
	pid_t disturber, pids[nr_workers];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		die("getrandom");
	seed = parameter("fuzz.seed=", seed >> 1);
	page_size = sysconf(_SC_PAGESIZE);
	shared = check_map(mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	device = open(DEVICE, O_RDONLY);
	if (device < 0)
		die(DEVICE);
	null = open("/dev/null", O_RDWR);

	have_aux = enable_aux(AUX_STEADY - CLOCK_AUX, true);
	have_faults = !access(FAIL_NTH, W_OK) && !access(FAIL_USERCOPY, F_OK) &&
		      !access(FAILSLAB, F_OK) && !access(FAIL_PAGES, F_OK);
	if (have_faults) {
		write_file(FAILSLAB "ignore-gfp-wait", "N");
		write_file(FAILSLAB "verbose", "0");
		write_file(FAIL_USERCOPY "verbose", "0");
	}
	printf("KTAP version 1\n1..%d\n", 6 + NR_KINDS);
	printf("# fuzz.seed=%llu, %llu s, %d processes\n", (unsigned long long)seed,
	       (unsigned long long)seconds, nr_workers);

	if (have_aux && have_faults)
		shared->aux_memory = check_aux_memory();

	/* Far enough from zero to step back */
	if (clock_settime(CLOCK_REALTIME, &(struct timespec){ .tv_sec = 1600000000 }))
		die("clock_settime");
	/* Time namespaces do not change that */
	deadline = counter() + seconds * frequency();
	disturber = fork();
	if (!disturber)
		disturb();
	/* The second half in namespaces */
	for (int i = 0; i < nr_workers; i++) {
		if (i < nr_workers / 2) {
			pids[i] = fork();
			if (!pids[i])
				work(i);
		} else {
			pids[i] = start_in_namespace(i);
		}
		if (pids[i] < 0)
			die("fork");
	}
	for (int i = 0; i < nr_workers; i++) {
		if (waitpid(pids[i], &status, 0) != pids[i])
			die("waitpid");
		if (status)
			printf("# process %d ended with status 0x%x\n", i, status);
		failed += !!status;
	}
	if (waitpid(disturber, &status, WNOHANG)) {
		printf("# the disturber ended with status 0x%x\n", status);
		failed++;
	} else {
		kill(disturber, SIGKILL);
		waitpid(disturber, NULL, 0);
	}
	report(failed);
	return 0;
}
