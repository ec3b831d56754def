// SPDX-License-Identifier: GPL-2.0
/*
 * A timekeeper in user space, with the history of the kernel
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include <linux/preempt.h>
#include <linux/timekeeping.h>

#include "native.h"

bool native_in_nmi;
int timekeeping_suspended;

const char *const kinds[NR_KINDS] = {
	[K_TICK]	= "tick",
	[K_ADJUST]	= "adjust",
	[K_STEP]	= "step",
	[K_SET]		= "set",
	[K_TAI]		= "tai",
	[K_WAS_SET]	= "was-set",
	[K_BOOT]	= "boottime",
	[K_CHANGE]	= "clocksource",
	[K_SUSPEND]	= "suspend",
	[K_RESUME]	= "resume",
};

const clockid_t clocks[NR_TIMES] = {
	[T_MONO]	= CLOCK_MONOTONIC,
	[T_BOOT]	= CLOCK_BOOTTIME,
	[T_REAL]	= CLOCK_REALTIME,
	[T_TAI]		= CLOCK_TAI,
	[T_RAW]		= CLOCK_MONOTONIC_RAW,
};

const char *const ways[NR_WAYS] = {
	[W_CONVERT]	= "convert",
	[W_ALL]		= "convert all",
	[W_BATCH]	= "batch",
};

/* splitmix64 */
u64 random_u64(u64 *rnd)
{
	u64 x = *rnd += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

u64 random_below(u64 *rnd, u64 ceil)
{
	return (unsigned __int128)random_u64(rnd) * ceil >> 64;
}

/*
 * The timekeeper
 */

static void normalize(struct tk_read_base *tkr)
{
	s64 second = (u64)NSEC_PER_SEC << tkr->shift;

	while ((s64)tkr->xtime_nsec >= second) {
		tkr->xtime_nsec -= second;
		tkr->base += NSEC_PER_SEC;
	}
	while ((s64)tkr->xtime_nsec < 0) {
		tkr->xtime_nsec += second;
		tkr->base -= NSEC_PER_SEC;
	}
}

static void accumulate(struct tk_read_base *tkr, u64 cycles)
{
	tkr->cycle_last += cycles;
	while (cycles) {
		u64 part = min(cycles, tkr->clock->max_cycles);

		tkr->xtime_nsec += part * tkr->mult;
		normalize(tkr);
		cycles -= part;
	}
}

/* As timekeeping_advance() does it: a rest is left. Returns the rest. */
static u64 advance(struct machine *m, bool all)
{
	struct timekeeper *tk = &m->shadow;
	struct clocksource *cs = tk->tkr_mono.clock;
	u64 offset = (cs->read(cs) - tk->tkr_mono.cycle_last) & cs->mask;
	u64 rest = all ? 0 : offset % 64;

	accumulate(&tk->tkr_mono, offset - rest);
	accumulate(&tk->tkr_raw, offset - rest);
	return rest;
}

static void install(struct timekeeper *tk, struct clocksource *cs)
{
	struct tk_read_base *tkrs[] = { &tk->tkr_mono, &tk->tkr_raw };

	for (unsigned int i = 0; i < ARRAY_SIZE(tkrs); i++) {
		struct tk_read_base *tkr = tkrs[i];

		tkr->xtime_nsec = tkr->xtime_nsec >> tkr->shift << cs->shift;
		tkr->clock = cs;
		tkr->mask = cs->mask;
		tkr->mult = cs->mult;
		tkr->shift = cs->shift;
	}
	tk->tkr_mono.cycle_last = cs->read(cs);
	tk->tkr_raw.cycle_last = tk->tkr_mono.cycle_last;
	tk->cs_id = cs->id;
	tk->cs_was_changed_seq++;
}

static void set(struct timekeeper *tk, s64 ns)
{
	tk->offs_real += ns;
	tk->offs_tai = tk->offs_real + tk->tai_offset * NSEC_PER_SEC;
	tk->clock_was_set_seq++;
}

void machine_prepare(struct machine *m, enum kind kind)
{
	struct timekeeper *tk = &m->shadow;
	struct tk_read_base *tkr = &tk->tkr_mono;
	u64 rest;
	s64 ns;
	s32 adj;

	switch (kind) {
	case K_TICK:
		advance(m, false);
		break;
	case K_ADJUST:
		rest = advance(m, false);
		adj = random_below(&m->rnd, 4) ? (s32)random_below(&m->rnd, 3) - 1 :
			(s32)random_below(&m->rnd, tkr->clock->mult / 8) - (s32)tkr->clock->mult / 16;
		adj += (s32)(tkr->clock->mult - tkr->mult) / 4;
		tkr->mult += adj;
		tkr->xtime_nsec -= rest * adj;
		normalize(tkr);
		break;
	case K_STEP:
		advance(m, random_below(&m->rnd, 2));
		ns = 1 + random_below(&m->rnd, random_below(&m->rnd, 8) ? 10 : 3000);
		tkr->base += random_below(&m->rnd, 4) ? ns : -ns;
		break;
	case K_SET:
		advance(m, true);
		tkr->xtime_nsec = tkr->xtime_nsec >> tkr->shift << tkr->shift;
		set(tk, (s64)random_below(&m->rnd, 4 * NSEC_PER_SEC) - 2 * NSEC_PER_SEC);
		break;
	case K_TAI:
		advance(m, true);
		tk->tai_offset += 1 - (s32)random_below(&m->rnd, 3);
		set(tk, 0);
		break;
	case K_WAS_SET:
		tk->clock_was_set_seq++;
		break;
	case K_BOOT:
		advance(m, true);
		ns = random_below(&m->rnd, NSEC_PER_SEC);
		tk->offs_boot += ns;
		set(tk, ns);
		break;
	case K_CHANGE:
		advance(m, true);
		install(tk, tkr->clock == m->counters[0] ? m->counters[1] : m->counters[0]);
		tk->clock_was_set_seq++;
		break;
	case K_SUSPEND:
		advance(m, true);
		m->suspended = true;
		timekeeping_suspended = 1;
		break;
	case K_RESUME:
		ns = random_below(&m->rnd, NSEC_PER_SEC);
		tk->offs_boot += ns;
		set(tk, ns);
		tkr->cycle_last = tkr->clock->read(tkr->clock);
		tk->tkr_raw.cycle_last = tkr->cycle_last;
		m->suspended = false;
		timekeeping_suspended = 0;
		for (unsigned int i = 0; i < NR_COUNTERS; i++) {
			if (m->counters[i] != tkr->clock)
				m->lost[m->counters[i]->id] = m->updates + 1;
		}
		break;
	default:
		abort();
	}
	WRITE_ONCE(m->updates, m->updates + (kind != K_TICK));
	WRITE_ONCE(m->settings, m->settings + (kind >= K_SET));
}

/* As timekeeping_update_from_shadow() does it */
void machine_begin(struct machine *m)
{
	tkh_prepare(&m->h, &m->shadow, m->suspended,
		    m->h.resumes + (m->h.suspended && !m->suspended));
}

void machine_end(struct machine *m)
{
	write_seqcount_begin(&m->seq);
	tkh_switch(&m->h);
	memcpy(&m->tk, &m->shadow, sizeof(m->tk));
	write_seqcount_end(&m->seq);

	tkh_record(&m->h, &m->shadow);
}

void machine_publish(struct machine *m)
{
	machine_begin(m);
	machine_end(m);
}

void machine_update(struct machine *m, enum kind kind)
{
	machine_prepare(m, kind);
	machine_publish(m);
}

void machine_init(struct machine *m, const struct shape *shape, struct clocksource *first,
		  struct clocksource *second)
{
	struct tkh_memory memory = {
		.sizes			= m->shape.levels,
		.nr_levels		= shape->nr_levels,
		.nr_walls		= shape->nr_walls,
		.nr_installations	= shape->nr_installations,
	};
	unsigned int nr = 0;

	*m = (struct machine) {
		.rnd		= m->rnd ?: 0x7e57ab1e,
		.counters	= { first, second },
		.shape		= *shape,
	};
	for (unsigned int i = 0; i < NR_COUNTERS; i++) {
		struct clocksource *cs = m->counters[i];

		cs->mask = CLOCKSOURCE_MASK(64);
		cs->max_cycles = U64_MAX / (cs->mult + cs->mult / 10) / 2;
		cs->max_raw_delta = (cs->mask >> 1) + (cs->mask >> 2) + (cs->mask >> 3);
		cs->freq_khz = (1000000ULL << cs->shift) / cs->mult;
	}
	for (unsigned int i = 0; i < shape->nr_levels; i++)
		nr += shape->levels[i].size;
	memory.rings = calloc(nr, sizeof(*memory.rings));
	memory.walls = calloc(shape->nr_walls, sizeof(*memory.walls));
	memory.installations = calloc(shape->nr_installations, sizeof(*memory.installations));
	if (!memory.rings || !memory.walls || !memory.installations)
		abort();
	tkh_init(&m->h, &memory);

	m->shadow.id = TIMEKEEPER_CORE;
	m->shadow.cycle_interval = 1000;
	m->shadow.clock_valid = 1;
	m->shadow.tai_offset = 37;
	m->shadow.tkr_mono.base = 100 * NSEC_PER_SEC;
	m->shadow.tkr_raw.base = 90 * NSEC_PER_SEC;
	m->shadow.offs_boot = 5 * NSEC_PER_SEC;
	install(&m->shadow, first);
	set(&m->shadow, 1700000000 * NSEC_PER_SEC);
	machine_publish(m);
}

enum kind machine_any_kind(struct machine *m, bool calm)
{
	if (m->suspended)
		return K_RESUME;
	if (random_below(&m->rnd, calm ? 64 : 4))
		return random_below(&m->rnd, K_STEP + 1);
	return K_SET + random_below(&m->rnd, K_SUSPEND - K_SET + 1);
}

/*
 * Counters which the test moves
 */

u64 sim_now;
unsigned int sim_slow;

static u64 read_sim_first(struct clocksource *cs)
{
	(void)cs;
	return sim_now >> sim_slow;
}

static u64 read_sim_second(struct clocksource *cs)
{
	(void)cs;
	return (sim_now >> sim_slow) * 3 + 12345;
}

struct clocksource sim_first = {
	.read	= read_sim_first,
	.name	= "first",
	.id	= CSID_X86_TSC,
	.mult	= 8 << 24,
	.shift	= 24,
};

struct clocksource sim_second = {
	.read	= read_sim_second,
	.name	= "second",
	.id	= CSID_ARM_ARCH_COUNTER,
	.mult	= (8 << 26) / 3,
	.shift	= 26,
};

const struct shape small_shape = {
	.levels = {
		{ 8, 0 }, { 8, 1 }, { 8, 4 }, { 8, 11 },
	},
	.nr_levels		= 4,
	.nr_walls		= 8,
	.nr_installations	= 8,
};

/*
 * What a reader was told
 */

static ktime_t read_base(const struct tk_read_base *tkr, u64 cycles)
{
	u64 delta = (cycles - tkr->cycle_last) & tkr->mask;

	/* The counter of this CPU lags behind */
	if (delta & ~(tkr->mask >> 1))
		delta = 0;
	return tkr->base + (u64)(((unsigned __int128)delta * tkr->mult + tkr->xtime_nsec) >>
				 tkr->shift);
}

void pair_fill(struct pair *pair, const struct timekeeper *tk, u64 cycles)
{
	ktime_t mono = read_base(&tk->tkr_mono, cycles);

	pair->cycles = cycles;
	pair->id = tk->cs_id;
	pair->time[T_MONO] = mono;
	pair->time[T_BOOT] = mono + tk->offs_boot;
	pair->time[T_REAL] = mono + tk->offs_real;
	pair->time[T_TAI] = mono + tk->offs_tai;
	pair->time[T_RAW] = read_base(&tk->tkr_raw, cycles);
	pair->clock_was_set_seq = tk->clock_was_set_seq;
	pair->cs_was_changed_seq = tk->cs_was_changed_seq;
}

void look_up(const struct tk_history *h, enum clocksource_ids id, u64 cycles,
	     struct answer *answer)
{
	clockid_t clock = clocks[answer->time];
	u64 distance = cycles % 2 ? 1 : 1000;
	u64 values[] = { cycles - distance, cycles, cycles + distance };
	struct ktime_cycles_time results[ARRAY_SIZE(values)];

	switch (answer->way) {
	case W_ALL:
		answer->ret = tkh_convert_all(h, id, cycles, &answer->conv);
		break;
	case W_BATCH:
		tkh_convert_batch(h, id, values, ARRAY_SIZE(values), clock, results);
		answer->one = results[1];
		answer->ret = answer->one.status;
		break;
	default:
		answer->ret = tkh_convert(h, id, cycles, clock, &answer->one.time,
					  &answer->one.error_ns);
	}
}

/* Largest bound of what is told of an entry that @updates others have followed, -1 for any */
static s64 bound(const struct shape *shape, unsigned int updates)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < shape->nr_levels; i++) {
		nr += shape->levels[i].size;
		if (updates < nr)
			return tkh_error_ns(shape->levels[i].error);
	}
	return -1;
}

/* @told is late by at most @error */
static bool is_right(ktime_t told, ktime_t time, u32 error)
{
	return told >= time && told - time <= error;
}

static void complain(const struct machine *m, const struct pair *pair, const struct answer *answer,
		     const char *why)
{
	static unsigned int nr;

	if (__atomic_fetch_add(&nr, 1, __ATOMIC_RELAXED) >= 10)
		return;
	note("%s, clock %d, counter %d, value %llu: %s", ways[answer->way], clocks[answer->time],
	     pair->id, pair->cycles, why);
	note("  returned %d, time %lld, error %u, all: mono %lld boot %lld real %lld tai %lld raw %lld error %u flags %u",
	     answer->ret, answer->one.time, answer->one.error_ns, answer->conv.mono,
	     answer->conv.boot, answer->conv.real, answer->conv.tai, answer->conv.raw,
	     answer->conv.error_ns, answer->conv.flags);
	note("  readers: mono %lld boot %lld real %lld tai %lld raw %lld, %u updates and %u settings later, history's count %u, switch %llu, from the switch %lld",
	     pair->time[T_MONO], pair->time[T_BOOT], pair->time[T_REAL], pair->time[T_TAI],
	     pair->time[T_RAW], m->updates - pair->updates, m->settings - pair->settings,
	     m->h.seq.sequence, m->h.switch_cycles, pair->cycles - m->h.switch_cycles);
}

enum verdict judge(const struct machine *m, const struct pair *pair, const struct answer *answer)
{
	/* One may be in flight which was counted before */
	unsigned int updates = READ_ONCE(m->updates) - pair->updates + 1;
	unsigned int settings = READ_ONCE(m->settings) - pair->settings + 1;
	bool is_wall = answer->way == W_ALL || answer->time == T_REAL || answer->time == T_TAI;
	s64 limit = bound(&m->shape, updates);
	ktime_t told[NR_TIMES] = {
		[T_MONO]	= answer->conv.mono,
		[T_BOOT]	= answer->conv.boot,
		[T_REAL]	= answer->conv.real,
		[T_TAI]		= answer->conv.tai,
		[T_RAW]		= answer->conv.raw,
	};
	u32 error = answer->one.error_ns;
	unsigned int flags = answer->ret;
	const char *why = NULL;

	if (answer->ret == -EAGAIN)
		return V_WAIT;
	if (answer->ret == -ERANGE) {
		if (limit < 0 || settings + 1 >= m->shape.nr_installations ||
		    (is_wall && settings + 1 >= m->shape.nr_walls))
			return V_EVICTED;
		complain(m, pair, answer, "it is not that old");
		return V_WRONG;
	}
	/* Nothing is known of the counter any more */
	if (answer->ret == -ENODEV && settings + 1 >= m->shape.nr_installations)
		return V_EVICTED;
	if (answer->ret == -ENODATA && pair->updates < m->lost[pair->id])
		return V_LOST;
	if (answer->ret < 0) {
		complain(m, pair, answer, "an error");
		return V_WRONG;
	}

	switch (answer->way) {
	case W_ALL:
		error = answer->conv.error_ns;
		flags = answer->conv.flags;
		for (unsigned int i = 0; i < NR_TIMES; i++) {
			if (!is_right(told[i], pair->time[i], i == T_RAW ? 0 : error))
				why = "a wrong time";
		}
		if (answer->ret)
			why = "positive";
		if (answer->conv.clock_was_set_seq != pair->clock_was_set_seq ||
		    answer->conv.cs_was_changed_seq != pair->cs_was_changed_seq)
			why = "a wrong number of events";
		break;
	case W_BATCH:
		flags |= error ? KTIME_CONVERSION_LONG : 0;
		fallthrough;
	default:
		if (!is_right(answer->one.time, pair->time[answer->time], error))
			why = "a wrong time";
		if (answer->time == T_RAW && error)
			why = "an error of CLOCK_MONOTONIC_RAW";
	}
	if (flags != (error ? KTIME_CONVERSION_LONG : 0))
		why = "wrong flags";
	if (limit >= 0 && error > limit)
		why = "more of an error than its level has";
	if (why) {
		complain(m, pair, answer, why);
		return V_WRONG;
	}
	return error ? V_LONG : V_EXACT;
}

/*
 * Single-stepping. A breakpoint begins and ends it.
 */

#define EFLAGS_TF	BIT(8)

static bool (*step_each)(void);
static bool stepping;

static void step_trap(int sig, siginfo_t *info, void *context)
{
	greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];

	(void)sig;
	if (info->si_code == SI_KERNEL) {
		stepping = !stepping;
		*flags = stepping ? *flags | EFLAGS_TF : *flags & ~EFLAGS_TF;
	} else if (!step_each()) {
		*flags &= ~EFLAGS_TF;
	}
}

static __always_inline void breakpoint(void)
{
	__asm__ __volatile__("int3" : : : "memory");
}

void single_step(void (*function)(void *), void *arg, bool (*each)(void))
{
	struct sigaction action = {
		.sa_sigaction	= step_trap,
		.sa_flags	= SA_SIGINFO,
	};

	step_each = each;
	sigaction(SIGTRAP, &action, NULL);
	breakpoint();
	function(arg);
	breakpoint();
}

/*
 * Results
 */

static unsigned int nr_results, nr_failed;

void plan(unsigned int nr)
{
	printf("KTAP version 1\n1..%u\n", nr);
	fflush(stdout);
}

bool result(bool ok, const char *format, ...)
{
	va_list args;

	nr_failed += !ok;
	printf("%sok %u ", ok ? "" : "not ", ++nr_results);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	return ok;
}

void note(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("# %s\n", text);
	fflush(stdout);
}

int finish(void)
{
	return nr_failed ? 1 : 0;
}

static void time_is_over(int sig)
{
	static const char text[] = "# time limit\n";

	(void)sig;
	if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(2);
}

void time_limit(unsigned int seconds)
{
	const struct itimerval limit = { .it_value.tv_sec = seconds };

	signal(SIGVTALRM, time_is_over);
	setitimer(ITIMER_VIRTUAL, &limit, NULL);
}
