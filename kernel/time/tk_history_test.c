// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for the conversion of past counter values to time
 *
 * Three kinds: a simulated timekeeper against a naive reference, private
 * instances with one writer and readers in all contexts, and the live
 * timekeeper while its clocks are slewed and set.
 */
#include <kunit/run-in-irq-context.h>
#include <kunit/test.h>
#include <linux/clocksource.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hardirq.h>
#include <linux/hash.h>
#include <linux/jhash.h>
#include <linux/kthread.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <linux/prandom.h>
#include <linux/sched/clock.h>
#include <linux/stop_machine.h>
#include <linux/suspend.h>
#include <linux/syscore_ops.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>
#include <linux/timex.h>

#include "posix-timers.h"
#include "timekeeping_internal.h"
#include "tk_history_internal.h"

/*
 * The simulated timekeeper
 */

/* A counter which advances only when told to. @now never wraps. */
struct sim_counter {
	struct clocksource	cs;
	struct clocksource_base	base;
	u64			now;
	/* sim::suspends when another one took over */
	unsigned int		suspends;
};

/*
 * One update as the reference sees it: readers which got a counter value above
 * @from, up to and including @to, used @mono, @raw and the offsets. All cycles
 * are values of sim_counter::now.
 */
struct ref {
	struct sim_counter	*counter;
	u64			from;
	u64			to;
	u64			cycle_last;
	struct tk_read_base	mono;
	struct tk_read_base	raw;
	struct clocksource_base	base;
	ktime_t			offs_real;
	ktime_t			offs_boot;
	ktime_t			offs_tai;
	u32			clock_was_set_seq;
	u8			cs_was_changed_seq;
	bool			suspended;
	bool			rare;
};

/*
 * Values of @counter from @first to @last which it had while nobody recorded it,
 * after @nr_refs updates
 */
struct sim_gap {
	struct sim_counter	*counter;
	u64			first;
	u64			last;
	unsigned int		nr_refs;
	/* The counter may have started anew meanwhile, is about to, or neither */
	enum { GAP_LOST = 1, GAP_TAIL } kind;
};

#define NR_COUNTERS	3
#define MAX_REFS	3000

struct sim {
	struct tk_history	h;
	struct sim_counter	counters[NR_COUNTERS];
	struct sim_counter	*counter;
	struct timekeeper	tk;
	struct rnd_state	rnd;
	/* An update takes less than so many cycles, before and after the switch */
	u32			delay;
	struct ref		*refs;
	unsigned int		nr_refs;
	struct sim_gap		*gaps;
	unsigned int		nr_gaps;
	unsigned int		suspends;
	/* How seldom something happens that makes what is older doubtful */
	unsigned int		calm;
	/* The long history's tests: frequency and offset in 2^-16 ppb and ns */
	unsigned int		hz;
	s64			freq;
	s64			offset;
	u64			next_change;
	u64			tick_length;
	/* The last value that was converted */
	u64			value;
	/* What the next update will be besides a change of rate */
	bool			rare;
	bool			suspended;
};

static u64 sim_read(struct clocksource *cs)
{
	return container_of(cs, struct sim_counter, cs)->now & cs->mask;
}

/* For every context: get_random_u32_below() takes a lock which may sleep with PREEMPT_RT */
static u32 any_below(u32 ceil)
{
	static atomic_t nr;

	return reciprocal_scale(jhash_1word(atomic_inc_return(&nr), 0), ceil);
}

static u32 below(struct sim *sim, u32 ceil)
{
	return prandom_u32_state(&sim->rnd) % ceil;
}

static void sim_init_counter(struct sim_counter *counter, enum clocksource_ids id,
			     unsigned int bits, u32 freq_khz, u64 start)
{
	struct clocksource *cs = &counter->cs;

	cs->name = "simulated";
	cs->id = id;
	cs->mask = CLOCKSOURCE_MASK(bits);
	cs->read = sim_read;
	cs->freq_khz = freq_khz;
	/* As __clocksource_update_freq_scale() does it */
	clocks_calc_mult_shift(&cs->mult, &cs->shift, freq_khz, NSEC_PER_MSEC,
			       clamp(div_u64(cs->mask, freq_khz * 1000ULL), 1, 600) * 1000);
	cs->maxadj = cs->mult / 10;
	cs->max_cycles = min(cs->mask, div_u64(U64_MAX, cs->mult + cs->maxadj)) / 2;
	cs->max_raw_delta = (cs->mask >> 1) + (cs->mask >> 2) + (cs->mask >> 3);
	counter->now = start;
}

static void sim_init_history(struct kunit *test, struct tk_history *h, unsigned int nr_states,
			     unsigned int nr_spans, unsigned int nr_eras)
{
	struct tkh_state *states = kunit_kcalloc(test, nr_states, sizeof(*states), GFP_KERNEL);
	struct tkh_span *spans = kunit_kcalloc(test, nr_spans, sizeof(*spans), GFP_KERNEL);
	struct tkh_era *eras = kunit_kcalloc(test, nr_eras, sizeof(*eras), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, states);
	KUNIT_ASSERT_NOT_NULL(test, spans);
	KUNIT_ASSERT_NOT_NULL(test, eras);
	*h = (struct tk_history)TK_HISTORY_INIT(states, nr_states, spans, nr_spans, eras,
						nr_eras);
}

/* An update of which nobody reads anything until it is recorded */
static void record(struct tk_history *h, const struct timekeeper *tk, bool suspended)
{
	if (tkh_prepare(h, tk, suspended, false)) {
		tkh_begin(h);
		tkh_end(h, tk);
	}
}

/* Hand the update to the history and append it to the reference */
static void sim_update(struct sim *sim)
{
	struct ref *last = sim->nr_refs ? &sim->refs[sim->nr_refs - 1] : NULL;
	struct timekeeper *tk = &sim->tk;
	struct sim_counter *counter = container_of(tk->tkr_mono.clock, struct sim_counter, cs);
	/* tkr_mono.cycle_last is never ahead of the counter */
	u64 cycle_last = counter->now - ((counter->now - tk->tkr_mono.cycle_last) &
					 counter->cs.mask);
	struct ref *ref = &sim->refs[sim->nr_refs++];
	bool news;
	u64 from;

	/* The update takes its time, before and after the switch */
	counter->now += below(sim, sim->delay);
	if (last && last->counter != counter)
		last->counter->now += below(sim, sim->delay);
	news = tkh_prepare(&sim->h, tk, sim->suspended, false);
	if (news)
		tkh_begin(&sim->h);
	from = counter->now;
	if (last && !last->suspended)
		last->to = last->counter->now;
	counter->now += below(sim, sim->delay);
	if (news)
		tkh_end(&sim->h, tk);

	if (sim->suspended) {
		/* Nobody reads between cycle_last and the switch */
		from = cycle_last;
		last->to = from;
	} else if (last && last->suspended) {
		from = max(last->from, cycle_last - 1);
		last->to = from;
		/* The counter has started anew */
		if (counter->now < last->from) {
			from = cycle_last - 1;
			last->to = last->from;
		}
	} else if (!last || last->counter != counter) {
		from = cycle_last - 1;
	}

	*ref = (struct ref) {
		.counter		= counter,
		.from			= from,
		.to			= from,
		.cycle_last		= cycle_last,
		.mono			= tk->tkr_mono,
		.raw			= tk->tkr_raw,
		.base			= counter->base,
		.offs_real		= tk->offs_real,
		.offs_boot		= tk->offs_boot,
		.offs_tai		= tk->offs_tai,
		.clock_was_set_seq	= tk->clock_was_set_seq,
		.cs_was_changed_seq	= tk->cs_was_changed_seq,
		.suspended		= sim->suspended,
		.rare			= sim->rare,
	};
	sim->rare = false;
	sim->counter = counter;
}

static void sim_normalize(struct tk_read_base *tkr)
{
	u64 second = (u64)NSEC_PER_SEC << tkr->shift;

	while (tkr->xtime_nsec >= second) {
		tkr->xtime_nsec -= second;
		tkr->base += NSEC_PER_SEC;
	}
}

static void sim_accumulate(struct timekeeper *tk, u64 cycles)
{
	u64 max = tk->tkr_mono.clock->max_cycles;

	tk->tkr_mono.cycle_last += cycles;
	tk->tkr_raw.cycle_last += cycles;
	while (cycles) {
		u64 part = min(cycles, max);

		tk->tkr_mono.xtime_nsec += part * tk->tkr_mono.mult;
		tk->tkr_raw.xtime_nsec += part * tk->tkr_raw.mult;
		sim_normalize(&tk->tkr_mono);
		sim_normalize(&tk->tkr_raw);
		cycles -= part;
	}
}

static u64 sim_offset(struct sim *sim)
{
	return (sim->counter->now - sim->tk.tkr_mono.cycle_last) & sim->counter->cs.mask;
}

/* What timekeeping_forward_now() does */
static void sim_forward_now(struct sim *sim)
{
	sim_accumulate(&sim->tk, sim_offset(sim));
}

/* What tk_setup_internals() does */
static void sim_install(struct sim *sim, struct sim_counter *counter)
{
	struct timekeeper *tk = &sim->tk;
	struct clocksource *cs = &counter->cs;
	int change = cs->shift - tk->tkr_mono.shift;

	tk->tkr_mono.clock = cs;
	tk->tkr_mono.mask = cs->mask;
	tk->tkr_mono.cycle_last = sim_read(cs);
	if (change < 0) {
		tk->tkr_mono.xtime_nsec >>= -change;
		tk->tkr_raw.xtime_nsec >>= -change;
	} else {
		tk->tkr_mono.xtime_nsec <<= change;
		tk->tkr_raw.xtime_nsec <<= change;
	}
	tk->tkr_mono.mult = cs->mult;
	tk->tkr_mono.shift = cs->shift;
	tk->tkr_raw.clock = cs;
	tk->tkr_raw.mask = cs->mask;
	tk->tkr_raw.cycle_last = tk->tkr_mono.cycle_last;
	tk->tkr_raw.mult = cs->mult;
	tk->tkr_raw.shift = cs->shift;
	tk->cycle_interval = max(1, cs->freq_khz * 4);
	tk->cs_was_changed_seq++;
	tk->clock_was_set_seq++;
	sim->rare = true;
}

/* What timekeeping_advance() does, with a new rate of mult + adj */
static void sim_advance(struct sim *sim, bool tick, int adj)
{
	struct timekeeper *tk = &sim->tk;
	u64 offset = sim_offset(sim);

	if (tick) {
		u64 rest = do_div(offset, (u32)tk->cycle_interval);

		sim_accumulate(tk, offset * tk->cycle_interval);
		offset = rest;
	}

	tk->tkr_mono.mult += adj;
	tk->tkr_mono.xtime_nsec -= offset * adj;
	if ((s64)tk->tkr_mono.xtime_nsec < 0) {
		tk->tkr_mono.xtime_nsec += (u64)NSEC_PER_SEC << tk->tkr_mono.shift;
		tk->tkr_mono.base -= NSEC_PER_SEC;
	}
	sim_update(sim);
}

static void sim_set(struct sim *sim, s64 real)
{
	struct tk_read_base *tkr = &sim->tk.tkr_mono;

	sim_forward_now(sim);
	/* do_settimeofday64() drops the fraction of the nanosecond */
	tkr->xtime_nsec = tkr->xtime_nsec >> tkr->shift << tkr->shift;
	sim->tk.offs_real += real;
	sim->tk.offs_tai += real;
	sim->tk.clock_was_set_seq++;
	sim->rare = true;
	sim_update(sim);
}

static void sim_suspend(struct sim *sim)
{
	sim_forward_now(sim);
	sim->suspended = true;
	sim_update(sim);
}

static void sim_resume(struct sim *sim, s64 slept)
{
	sim->tk.tkr_mono.cycle_last = sim_read(&sim->counter->cs);
	sim->tk.tkr_raw.cycle_last = sim->tk.tkr_mono.cycle_last;
	sim->tk.offs_boot += slept;
	sim->tk.offs_real += slept;
	sim->tk.offs_tai += slept;
	sim->tk.clock_was_set_seq++;
	sim->suspended = false;
	sim->suspends++;
	sim->rare = true;
	sim_update(sim);
}

/* What change_clocksource() does */
static void sim_change(struct sim *sim, struct sim_counter *counter)
{
	sim->counter->suspends = sim->suspends;
	sim_forward_now(sim);
	sim_install(sim, counter);
	sim_update(sim);
}

/* @counter goes on to @now while nobody records it */
static void sim_pass(struct sim *sim, struct sim_counter *counter, u64 now, int kind)
{
	sim->gaps[sim->nr_gaps++] = (struct sim_gap) {
		.counter	= counter,
		.first		= counter->now + 1,
		.last		= now - 1,
		.nr_refs	= sim->nr_refs,
		.kind		= kind,
	};
	counter->now = now;
}

KUNIT_DEFINE_ACTION_WRAPPER(kvfree_action, kvfree, const void *);

static struct sim *sim_create(struct kunit *test, unsigned int bits, unsigned int nr_states,
			      unsigned int nr_spans, unsigned int nr_eras, u64 start)
{
	struct sim *sim = kunit_kzalloc(test, sizeof(*sim), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, sim);
	sim->refs = kvcalloc(MAX_REFS, sizeof(*sim->refs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sim->refs);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, kvfree_action, sim->refs));
	/* A step leaves two gaps at most */
	sim->gaps = kvcalloc(2 * MAX_REFS, sizeof(*sim->gaps), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sim->gaps);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, kvfree_action, sim->gaps));
	sim_init_history(test, &sim->h, nr_states, nr_spans, nr_eras);
	sim->delay = 40;
	prandom_seed_state(&sim->rnd, 0x7e57ab1e + bits * 1000 + nr_states);

	sim_init_counter(&sim->counters[0], CSID_ARM_ARCH_COUNTER, bits, 62500, start);
	sim_init_counter(&sim->counters[1], CSID_S390_TOD, 64, 1000000, 5000);
	sim_init_counter(&sim->counters[2], CSID_GENERIC, 32, 1000, 7);

	sim->tk.offs_real = 1700000000LL * NSEC_PER_SEC;
	sim->tk.offs_tai = sim->tk.offs_real + 37LL * NSEC_PER_SEC;
	sim->tk.tkr_mono.base = 3LL * NSEC_PER_SEC;
	sim->tk.tkr_raw.base = 2LL * NSEC_PER_SEC;
	sim->counter = &sim->counters[0];
	sim_install(sim, sim->counter);
	sim_update(sim);
	return sim;
}

/*
 * The naive reference
 */

/* (cycles * mult + nsec) >> shift in 96 bits, by hand */
static u64 ref_shifted(u64 cycles, u32 mult, u64 nsec, u32 shift)
{
	u64 low = (cycles & U32_MAX) * mult, high = (cycles >> 32) * mult, sum;

	sum = low + (high << 32);
	high = (high >> 32) + (sum < low);
	low = sum + nsec;
	high += low < sum;
	return shift ? low >> shift | high << (64 - shift) : low;
}

static s64 ref_share(s64 sleep, u64 part, u64 all)
{
	/* The sleep times of the tests are multiples of 2^10 ns */
	return sleep < 0 ? -(s64)mul_u64_u64_div_u64(-sleep, part, all) :
			   (s64)mul_u64_u64_div_u64(sleep, part, all);
}

static void ref_times(struct sim *sim, struct ref *ref, u64 cycles, struct ktime_conversion *conv)
{
	u64 part = cycles - ref->from, all = ref->to + 1 - ref->from;
	struct ref *next = ref + 1;
	ktime_t boot = ref->offs_boot, real = ref->offs_real, tai = ref->offs_tai;

	if (ref->suspended) {
		cycles = ref->from;
		boot += ref_share(next->offs_boot - boot, part, all);
		real += ref_share(next->offs_real - real, part, all);
		tai += ref_share(next->offs_tai - tai, part, all);
	}

	memset(conv, 0, sizeof(*conv));
	conv->mono = ref->mono.base + ref_shifted(cycles - ref->cycle_last, ref->mono.mult,
						  ref->mono.xtime_nsec, ref->mono.shift);
	conv->raw = ref->raw.base + ref_shifted(cycles - ref->cycle_last, ref->raw.mult,
						ref->raw.xtime_nsec, ref->raw.shift);
	conv->boot = conv->mono + boot;
	conv->real = conv->mono + real;
	conv->tai = conv->mono + tai;
	conv->flags = ref->suspended ? KTIME_CONVERSION_SUSPENDED : 0;
	conv->clock_was_set_seq = ref->clock_was_set_seq;
	conv->cs_was_changed_seq = ref->cs_was_changed_seq;
}

/* Convert to a value of the counter of @ref, if @id is its or that of its base clock */
static bool ref_scale(struct ref *ref, enum clocksource_ids id, u64 *cycles)
{
	enum clocksource_ids own = ref->counter->cs.id;
	u32 rest;

	if (own == CSID_GENERIC)
		return false;
	if (ref->base.id == id) {
		*cycles = div_u64_rem(*cycles, ref->base.denominator, &rest);
		*cycles = *cycles * ref->base.numerator + ref->base.offset +
			  rest * ref->base.numerator / ref->base.denominator;
		return true;
	}
	return own == id;
}

/* Will the counter of the newest update have this value within a millisecond? */
static bool ref_soon(struct sim *sim, enum clocksource_ids id, u64 cycles)
{
	struct ref *newest = &sim->refs[sim->nr_refs - 1];
	struct clocksource *cs = &newest->counter->cs;

	return ref_scale(newest, id, &cycles) &&
	       ((cycles - newest->to) & cs->mask) - 1 < cs->freq_khz;
}

/*
 * Search all updates from the newest to the oldest for the one during which
 * the counter had this value last.
 */
static struct ref *ref_find(struct sim *sim, enum clocksource_ids id, u64 cycles, u64 *value)
{
	struct ref *newest = &sim->refs[sim->nr_refs - 1], *ref;

	if (!newest->suspended)
		newest->to = newest->counter->now;

	for (ref = newest; ref >= sim->refs; ref--) {
		u64 c = cycles;

		if (!ref_scale(ref, id, &c))
			continue;

		c = ref->to - ((ref->to - c) & ref->counter->cs.mask);
		if ((s64)(c - ref->from) > 0 && (s64)(ref->to - c) >= 0) {
			*value = c;
			return ref;
		}
	}
	return NULL;
}

/* Has the counter had the value once more since @ref, while nobody recorded it? */
static bool ref_outdated(struct sim *sim, struct ref *ref, enum clocksource_ids id, u64 cycles)
{
	struct sim_counter *counter = ref->counter;

	if (counter->cs.id != id)
		return false;

	for (unsigned int i = 0; i < sim->nr_gaps; i++) {
		struct sim_gap *gap = &sim->gaps[i];

		if (gap->counter == counter && gap->nr_refs > ref - sim->refs &&
		    gap->first <= gap->last &&
		    ((cycles - gap->first) & counter->cs.mask) <= gap->last - gap->first)
			return true;
	}
	return false;
}

/* Could it have, as far as the history can know? */
static bool ref_doubtful(struct sim *sim, struct ref *ref, enum clocksource_ids id, u64 cycles)
{
	struct ref *newest = &sim->refs[sim->nr_refs - 1];
	struct sim_counter *counter = ref->counter;
	bool narrow = counter->cs.mask < CLOCKSOURCE_MASK(56);
	u64 second = counter->cs.freq_khz * 1000ULL;

	/* A base clock is not recorded either where its ratio is not known */
	if (counter->cs.id != id) {
		for (struct ref *r = newest; r > ref; r--) {
			u64 c = cycles;

			if (!ref_scale(r, id, &c))
				return true;
		}
	}
	/* It goes on now */
	if (newest->counter != counter &&
	    (narrow || counter->suspends != sim->suspends ||
	     cycles > (counter->now & counter->cs.mask)))
		return true;

	for (unsigned int i = 0; i < sim->nr_gaps; i++) {
		struct sim_gap *gap = &sim->gaps[i];

		if (gap->counter != counter || gap->nr_refs <= ref - sim->refs)
			continue;
		if (counter->cs.id != id || gap->kind == GAP_LOST || (!gap->kind && narrow) ||
		    (gap->kind == GAP_TAIL && cycles - gap->first <= second + second / 1000))
			return true;
	}
	return ref_outdated(sim, ref, id, cycles);
}

static const clockid_t clocks[] = {
	CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW,
};

static ktime_t conversion_get(const struct ktime_conversion *conv, clockid_t clock)
{
	switch (clock) {
	case CLOCK_BOOTTIME:
		return conv->boot;
	case CLOCK_REALTIME:
		return conv->real;
	case CLOCK_TAI:
		return conv->tai;
	case CLOCK_MONOTONIC_RAW:
		return conv->raw;
	default:
		return conv->mono;
	}
}

struct tally {
	unsigned int	exact;
	unsigned int	spans;
	unsigned int	refused;
	unsigned int	wide;
	unsigned int	suspended;
};

/* Convert @cycles of the counter @id and compare with the reference */
static void check_value(struct kunit *test, struct sim *sim, enum clocksource_ids id, u64 cycles,
			struct tally *tally)
{
	struct ktime_conversion got, want = { };
	clockid_t clock = clocks[below(sim, ARRAY_SIZE(clocks))];
	/*
	 * Behind another value, whose state a batch uses again if it can. A
	 * larger one that the counter has not reached yet is from a lap ago.
	 */
	u32 hash = hash_64(cycles, 32);
	u64 batch[] = {
		hash & 1 ? sim->value : cycles + 1 + (hash >> 8 >> (hash >> 1) % 24), cycles,
	};
	struct ktime_cycles_time times[2];
	unsigned int states = 0, eras = 1;
	u32 error = 42, is_raw;
	struct ref *ref, *r;
	ktime_t time = 42;
	u64 value = 0;
	int ret, one;

	ref = ref_find(sim, id, cycles, &value);
	memset(&got, 0, sizeof(got));
	ret = tkh_convert_all(&sim->h, id, cycles, &got);
	one = tkh_convert(&sim->h, id, cycles, clock, &time, &error);
	KUNIT_ASSERT_EQ(test, ret, one);
	tkh_convert_batch(&sim->h, id, batch, 2, clock, times);
	KUNIT_ASSERT_EQ(test, ret, times[1].status);
	KUNIT_ASSERT_EQ(test, ret ? 0 : time, times[1].time);
	KUNIT_ASSERT_EQ(test, ret ? 0 : error, times[1].error_ns);
	sim->value = cycles;

	/* Updates since then, and how many of them have begun an era */
	for (r = ref; r && r < &sim->refs[sim->nr_refs]; r++) {
		states++;
		eras += r > ref && r->rare;
	}

	if (ret) {
		tally->refused++;
		KUNIT_ASSERT_EQ(test, time, 42);
		KUNIT_ASSERT_EQ(test, error, 42);
		KUNIT_ASSERT_TRUE(test, ret == -ERANGE || ret == -ENODATA || ret == -EAGAIN ||
				  ret == -ENODEV);
		if (!ref || (ret == -EAGAIN && ref_soon(sim, id, cycles)) ||
		    ((ret == -ENODATA || ret == -EAGAIN) && ref_doubtful(sim, ref, id, cycles)))
			return;
		/* Only what may be evicted can be refused */
		KUNIT_ASSERT_TRUE_MSG(test, states > sim->h.nr_states + sim->h.nr_spans ||
				      eras > sim->h.nr_eras,
				      "%u states and %u eras ago", states, eras);
		return;
	}

	KUNIT_ASSERT_NOT_NULL_MSG(test, ref, "0x%llx was never counted", cycles);
	KUNIT_ASSERT_FALSE_MSG(test, ref_outdated(sim, ref, id, cycles),
			       "0x%llx was counted again", cycles);
	ref_times(sim, ref, value, &want);
	if (got.flags & KTIME_CONVERSION_LONG) {
		/* Only what may be evicted is not exact, and never too early */
		KUNIT_ASSERT_GT(test, states, sim->h.nr_states);
		KUNIT_ASSERT_EQ(test, got.error_ns, 1);
		want.error_ns = 1;
		want.flags |= KTIME_CONVERSION_LONG;
		if (got.mono == want.mono + 1) {
			want.mono++;
			want.boot++;
			want.real++;
			want.tai++;
		}
		tally->spans++;
	} else {
		tally->exact++;
	}
	tally->suspended += ref->suspended;
	tally->wide += value - ref->cycle_last > ref->mono.clock->max_cycles;

	KUNIT_ASSERT_EQ_MSG(test, got.mono, want.mono, "update %td of %u, switch %+lld",
			    ref - sim->refs, sim->nr_refs, (s64)(value - ref->from));
	KUNIT_ASSERT_EQ(test, got.raw, want.raw);
	KUNIT_ASSERT_EQ(test, got.boot, want.boot);
	KUNIT_ASSERT_EQ(test, got.real, want.real);
	KUNIT_ASSERT_EQ(test, got.tai, want.tai);
	KUNIT_ASSERT_EQ(test, got.flags, want.flags);
	KUNIT_ASSERT_EQ(test, got.error_ns, want.error_ns);
	KUNIT_ASSERT_EQ(test, got.clock_was_set_seq, want.clock_was_set_seq);
	KUNIT_ASSERT_EQ(test, got.cs_was_changed_seq, want.cs_was_changed_seq);
	KUNIT_ASSERT_EQ(test, time, conversion_get(&want, clock));
	is_raw = clock == CLOCK_MONOTONIC_RAW;
	KUNIT_ASSERT_EQ(test, error, is_raw ? 0 : want.error_ns);
}

/* All the edges of the interval in which @ref was in force */
static void check_ref(struct kunit *test, struct sim *sim, struct ref *ref, struct tally *tally)
{
	struct clocksource *cs = &ref->counter->cs;
	u64 values[] = {
		ref->from - 1, ref->from, ref->from + 1, ref->cycle_last, ref->cycle_last + 1,
		ref->from + (ref->to - ref->from) / 2, ref->to - 1, ref->to, ref->to + 1,
	};

	if (cs->id == CSID_GENERIC)
		return;

	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		check_value(test, sim, cs->id, values[i] & cs->mask, tally);
		if (ref->base.id && values[i] > ref->base.offset) {
			u64 base = div_u64(values[i] - ref->base.offset, ref->base.numerator) *
				   ref->base.denominator;

			check_value(test, sim, ref->base.id, base, tally);
		}
	}
}

/* One random step in the life of a timekeeper */
static void sim_step(struct sim *sim)
{
	struct timekeeper *tk = &sim->tk;
	struct sim_counter *counter = sim->counter;
	u64 interval = tk->cycle_interval, most;
	int kind;
	s32 ppm500 = tk->tkr_mono.clock->mult / 2000;

	/* Time passes */
	counter->now += interval + below(sim, 500);

	switch (below(sim, 24)) {
	case 0:
		/* NO_HZ, longer than max_cycles if the counter allows */
		most = counter->cs.mask >> 2;
		if (most > 4 * counter->cs.max_cycles)
			most = 4 * counter->cs.max_cycles;
		counter->now += below(sim, 1000) * div_u64(most, 1000);
		sim_advance(sim, true, 0);
		break;
	case 1:
		sim_set(sim, (s64)below(sim, 2000000) * 1000003 - NSEC_PER_SEC);
		break;
	case 2:
		/* Set to the same time */
		sim_set(sim, 0);
		break;
	case 3:
		/* A change of TAI does not forward the timekeeper */
		tk->offs_tai += NSEC_PER_SEC;
		tk->clock_was_set_seq++;
		sim->rare = true;
		sim_update(sim);
		break;
	case 4:
		/* Leap second */
		tk->offs_real -= NSEC_PER_SEC;
		tk->clock_was_set_seq++;
		sim->rare = true;
		sim_advance(sim, true, 1);
		break;
	case 5:
		sim_suspend(sim);
		if (counter->cs.mask != ~0ULL || below(sim, 3 + sim->calm)) {
			u64 slept = (u64)(1 + below(sim, 1000)) << 10;

			counter->now += below(sim, 1000000);
			sim_resume(sim, slept * 977);
		} else {
			/* It goes on for a moment, and starts anew long before the resume */
			most = sim->refs[sim->nr_refs - 1].from;
			counter->now = most;
			sim_pass(sim, counter, most + below(sim, 1000000), GAP_TAIL);
			counter->now = 0;
			sim_pass(sim, counter, 1 + below(sim, min(most - 1, 2000000)), 0);
			sim_resume(sim, 1 << 20);
		}
		break;
	case 6:
		counter = &sim->counters[below(sim, NR_COUNTERS)];
		if (counter == sim->counter || below(sim, 1 + sim->calm))
			break;
		/* It has gone on, and may have started anew in a suspend */
		most = min(counter->cs.mask, BIT(30)) >> 9;
		kind = counter->suspends != sim->suspends ? GAP_LOST : 0;
		sim_pass(sim, counter, counter->now + below(sim, 1000) * most, kind);
		if (kind && counter->cs.mask == ~0ULL && below(sim, 2)) {
			counter->now = 0;
			sim_pass(sim, counter, 1 + below(sim, 1000) * most, kind);
		}
		sim_change(sim, counter);
		break;
	case 7:
		sim_advance(sim, true, ppm500);
		break;
	case 8:
		sim_advance(sim, true, -ppm500);
		break;
	case 9:
		/* A direct change of frequency does not move cycle_last */
		sim_advance(sim, false, (int)below(sim, 2000) - 1000);
		break;
	case 10:
		if (counter != &sim->counters[1])
			break;
		/* A base clock becomes known, or changes its ratio */
		counter->base.id = CSID_X86_ART;
		counter->base.numerator = 2 + below(sim, 3);
		counter->base.denominator = 1 + below(sim, 2);
		counter->base.offset = below(sim, 1000);
		counter->cs.base = &counter->base;
		sim->rare = true;
		sim_advance(sim, true, 0);
		break;
	case 11:
		/* Another line of the same slope. Nothing does that, see if it is noticed. */
		tk->tkr_mono.xtime_nsec += 1 + below(sim, 1000000);
		sim_advance(sim, true, 0);
		break;
	case 12:
		/* Nor does anything change these without a trace in a sequence number */
		switch (below(sim, 4)) {
		case 0:
			tk->tkr_raw.xtime_nsec += 1 + below(sim, 1000000);
			break;
		case 1:
			tk->offs_real += 1000;
			break;
		case 2:
			tk->offs_boot += 1000;
			break;
		default:
			tk->offs_tai += 1000;
		}
		sim->rare = true;
		sim_advance(sim, true, 0);
		break;
	case 13 ... 17:
		/* NTP dithers mult by one */
		sim_advance(sim, true, tk->tkr_mono.mult & 1 ? -1 : 1);
		break;
	default:
		sim_advance(sim, true, 0);
	}
}

struct random_param {
	unsigned int	bits;
	unsigned int	nr_states;
	unsigned int	nr_spans;
	unsigned int	nr_eras;
	u64		start;
};

static const struct random_param random_params[] = {
	{ 64,   2,   2,   2, 1000 },
	{ 64,   4,  64,   4, 1000 },
	{ 64,  64,  16,  64, ~0ULL - 30000000 },
	{ 64, 512, 512, 512, 1000 },
	{ 64,   8, 512, 256, 1000 },
	{ 56,   8,   8,   8, BIT_ULL(56) - 30000000 },
	{ 56, 256, 512, 256, BIT_ULL(56) - 30000000 },
	{ 32,   2,   2,   2, 0 },
	{ 32,  64, 512, 256, U32_MAX - 1000 },
	{ 24,   4, 256,  64, 0 },
	{ 24, 128,  16,  64, BIT(24) - 2 },
};

static void random_desc(const struct random_param *p, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u bits from 0x%llx, %u states, %u spans, %u eras",
		 p->bits, p->start, p->nr_states, p->nr_spans, p->nr_eras);
}

KUNIT_ARRAY_PARAM(random, random_params, random_desc);

static void tkh_test_random(struct kunit *test)
{
	const struct random_param *p = test->param_value;
	struct sim *sim = sim_create(test, p->bits, p->nr_states, p->nr_spans, p->nr_eras,
				     p->start);
	struct tally tally = { };

	sim->calm = p->nr_states / 16;
	/* A step appends two updates at most */
	while (sim->nr_refs < MAX_REFS - 2) {
		unsigned int nr = sim->nr_refs;

		sim_step(sim);
		for (int i = 0; i < 3 && i < sim->nr_refs; i++)
			check_ref(test, sim, &sim->refs[sim->nr_refs - 1 - i], &tally);
		/* Around the eviction, and anywhere */
		if (nr > p->nr_states)
			check_ref(test, sim, &sim->refs[nr - p->nr_states], &tally);
		check_ref(test, sim, &sim->refs[below(sim, nr)], &tally);
	}

	kunit_info(test, "%u exact, %u from spans, %u refused, %u wide, %u in suspend\n",
		   tally.exact, tally.spans, tally.refused, tally.wide, tally.suspended);
	KUNIT_EXPECT_GT(test, tally.exact, 20000);
	KUNIT_EXPECT_GT(test, tally.spans, 100);
	KUNIT_EXPECT_GT(test, tally.refused, 400);
	KUNIT_EXPECT_GT(test, tally.suspended, 100);
	if (p->bits == 64)
		KUNIT_EXPECT_GT(test, tally.wide, 100);
}

/* A quiet system needs one state for ever, and all of it can be converted */
static void tkh_test_steady(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, 2, 2, 2, 1000);
	struct tally tally = { };
	u64 start = sim->counter->now;
	unsigned int nr = 0;

	while (sim->counter->now < start + 1000000ULL * 62500000) {
		sim->counter->now += sim->tk.cycle_interval * (1 + below(sim, 1000000));
		/* The reference keeps the newest update of the same line only */
		sim->nr_refs = 1;
		sim_advance(sim, true, 0);
		sim->refs[0].to = sim->counter->now;
		nr++;
	}
	KUNIT_EXPECT_GT(test, nr, 100);
	KUNIT_EXPECT_EQ(test, sim->h.head - sim->h.tail, TKH_STEP);

	sim->nr_refs = 1;
	for (int i = 0; i < 1000; i++) {
		u64 ago = (u64)below(sim, U32_MAX) * below(sim, 10000);

		check_value(test, sim, CSID_ARM_ARCH_COUNTER, sim->counter->now - ago, &tally);
	}
	check_value(test, sim, CSID_ARM_ARCH_COUNTER, start, &tally);
	KUNIT_EXPECT_GT(test, tally.wide, 900);
	KUNIT_EXPECT_EQ(test, tally.refused, 0);
}

/* A quiet system with a counter that wraps */
static void tkh_test_steady_narrow(struct kunit *test)
{
	struct sim *sim = sim_create(test, 24, 64, 2, 2, 1000);
	struct tally tally = { };

	while (sim->nr_refs < 1000) {
		sim->counter->now += sim->tk.cycle_interval;
		sim_advance(sim, true, 0);
		check_value(test, sim, CSID_ARM_ARCH_COUNTER, sim->counter->now, &tally);
		check_value(test, sim, CSID_ARM_ARCH_COUNTER,
			    sim->counter->now - below(sim, min(BIT(24), sim->counter->now - 1000)),
			    &tally);
	}
	KUNIT_EXPECT_GT(test, sim->counter->now, 10ULL << 24);
	KUNIT_EXPECT_EQ(test, tally.refused, 0);
	/* One state per quarter of the range */
	KUNIT_EXPECT_LE(test, sim->h.head - TKH_FIRST, TKH_STEP * ((sim->counter->now >> 22) + 2));
	KUNIT_EXPECT_EQ(test, sim->h.era_tail, TKH_FIRST_ERA);
}

/* Two lines which meet where the positions begin, so that only the slope tells them apart */
static void tkh_test_slope(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, 8, 2, 2, 1000);
	struct tk_read_base *tkr = &sim->tk.tkr_mono;
	struct tally tally = { };

	sim->counter->now += 10 * sim->tk.cycle_interval;
	sim_advance(sim, true, 0);
	tkr->mult += 1000;
	tkr->xtime_nsec += 1000 * sim->h.cycle_last;
	sim_update(sim);
	sim->counter->now += sim->tk.cycle_interval;
	for (u64 c = 1000; c <= sim->counter->now; c += sim->tk.cycle_interval / 10)
		check_value(test, sim, CSID_ARM_ARCH_COUNTER, c, &tally);
	KUNIT_EXPECT_GT(test, tally.exact, 100);
	KUNIT_EXPECT_EQ(test, tally.refused, 0);
}

/* A state that lasts nearly a lap of the counter, which no update of a real clock allows */
static void tkh_test_batch_lap(struct kunit *test)
{
	struct sim *sim = sim_create(test, 24, 64, 2, 2, 1000);
	u64 percent = BIT(24) / 100, cycles[2];
	struct ktime_cycles_time times[2];

	/* The second value belongs to the next state, and lies a lap after the first state */
	cycles[0] = sim->counter->now + 65 * percent;
	cycles[1] = sim->counter->now + 105 * percent;
	sim->counter->now += 70 * percent;
	sim_advance(sim, true, 1);
	sim->counter->now += 40 * percent;
	tkh_convert_batch(&sim->h, CSID_ARM_ARCH_COUNTER, cycles, 2, CLOCK_MONOTONIC, times);

	for (int i = 0; i < 2; i++) {
		ktime_t time;
		u32 error;

		KUNIT_ASSERT_EQ(test, 0, times[i].status);
		KUNIT_ASSERT_EQ(test, 0, tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, cycles[i],
						     CLOCK_MONOTONIC, &time, &error));
		KUNIT_EXPECT_EQ(test, times[i].time, time);
	}
	KUNIT_EXPECT_GT(test, times[1].time, times[0].time);
}

/*
 * The long history
 *
 * A timekeeper which is disciplined in the ways that NTP clients do it, hours
 * of it. What a tick does to it is timekeeping.c's arithmetic. Events are
 * stamped all the time, and converted when they are up to a day old.
 */

static unsigned int hours;
module_param(hours, uint, 0);
MODULE_PARM_DESC(hours, "Length of the simulated time of the long history's tests, or 10 minutes");

#define NR_EVENTS	4096

struct event {
	u64	cycles;
	ktime_t	mono;
	ktime_t	told;
};

struct long_param {
	const char	*name;
	unsigned int	hz;
	unsigned int	khz;
	/* Set the frequency at tick number @tick, in 2^-16 ppb */
	void		(*discipline)(struct sim *sim, u32 tick);
	/* At most so many spans for 10 minutes, 0 if they need not last */
	unsigned int	spans;
	/* All CPUs are idle: so many ticks to an update on average, not every one */
	unsigned int	idle;
};

static s64 spread(struct sim *sim, u32 ppb)
{
	return (s64)below(sim, (2 * ppb + 1) << 10) * 64 - ((s64)ppb << 16);
}

static void free_running(struct sim *sim, u32 tick)
{
}

static void constant_offset(struct sim *sim, u32 tick)
{
	sim->freq = 12345LL << 16;
}

/* A new estimate of the frequency every 16 to 64 s */
static void chrony_like(struct sim *sim, u32 tick)
{
	if (tick < sim->next_change)
		return;
	sim->freq = (12345LL << 16) + spread(sim, 5);
	sim->next_change = tick + (16 + below(sim, 49)) * sim->hz;
}

/* An offset of up to 50 us every 64 s, 1/64 of which is slewed each second */
static void ntpd_like(struct sim *sim, u32 tick)
{
	if (tick % (64 * sim->hz) == 0)
		sim->offset += spread(sim, 50000);
	if (tick % sim->hz == 0) {
		sim->freq = (12345LL << 16) + sim->offset / 64;
		sim->offset -= sim->offset / 64;
	}
}

/* A servo which follows a hardware clock */
static void phc2sys_like(struct sim *sim, u32 tick)
{
	if (tick % sim->hz == 0)
		sim->freq = (12345LL << 16) + spread(sim, 20);
}

static void square_wave(struct sim *sim, u32 tick)
{
	sim->freq = tick / (sim->hz / 2) & 1 ? 500000LL << 16 : -(500000LL << 16);
}

static void random_walk(struct sim *sim, u32 tick)
{
	if (tick % sim->hz == 0)
		sim->freq += spread(sim, 1);
}

static void every_tick(struct sim *sim, u32 tick)
{
	sim->freq = spread(sim, 1000);
}

static const struct long_param long_params[] = {
	{ "free_running", 100, 62500, free_running, 1 },
	{ "free_running", 250, 62500, free_running, 1 },
	{ "free_running", 1000, 62500, free_running, 1 },
	{ "constant_offset", 100, 62500, constant_offset, 3 },
	{ "constant_offset", 250, 62500, constant_offset, 3 },
	{ "constant_offset", 1000, 62500, constant_offset, 3 },
	{ "chrony_like", 100, 62500, chrony_like, 40 },
	{ "chrony_like", 250, 62500, chrony_like, 40 },
	{ "chrony_like", 1000, 62500, chrony_like, 40 },
	{ "ntpd_like", 100, 62500, ntpd_like, 700 },
	{ "ntpd_like", 250, 62500, ntpd_like, 700 },
	{ "ntpd_like", 1000, 62500, ntpd_like, 700 },
	{ "phc2sys_like", 100, 62500, phc2sys_like, 900 },
	{ "phc2sys_like", 250, 62500, phc2sys_like, 900 },
	{ "phc2sys_like", 1000, 62500, phc2sys_like, 900 },
	{ "square_wave", 100, 62500, square_wave, 1800 },
	{ "square_wave", 250, 62500, square_wave, 1800 },
	{ "square_wave", 1000, 62500, square_wave, 1800 },
	{ "random_walk", 100, 62500, random_walk, 350 },
	{ "random_walk", 250, 62500, random_walk, 350 },
	{ "random_walk", 1000, 62500, random_walk, 350 },
	{ "every_tick", 100, 62500, every_tick },
	{ "every_tick", 250, 62500, every_tick },
	{ "every_tick", 1000, 62500, every_tick },
	{ "chrony_like", 250, 1000, chrony_like, 40 },
	{ "chrony_like", 250, 24000, chrony_like, 40 },
	{ "chrony_like", 1000, 1000000, chrony_like, 40 },
	{ "chrony_like", 1000, 4000000, chrony_like, 40 },
	{ "chrony_like", 250, 1000000, chrony_like, 40 },
	{ "chrony_like", 250, 4000000, chrony_like },
	{ "square_wave", 250, 1000, square_wave, 1800 },
	{ "square_wave", 250, 4000000, square_wave },
	{ "chrony_like", 250, 62500, chrony_like, .spans = 900, .idle = 10 },
	{ "chrony_like", 250, 62500, chrony_like, .spans = 300, .idle = 250 },
	{ "chrony_like", 250, 1000000, chrony_like, .idle = 10 },
	{ "chrony_like", 250, 1000000, chrony_like, .spans = 1800, .idle = 250 },
};

static void long_desc(const struct long_param *p, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s at %u Hz, counter of %u kHz, idle %u", p->name,
		 p->hz, p->khz, p->idle);
}

KUNIT_ARRAY_PARAM(long, long_params, long_desc);

/* What tk_setup_internals() does, for a timekeeper with NTP */
static void sim_setup_ntp(struct sim *sim, unsigned int hz)
{
	struct timekeeper *tk = &sim->tk;
	struct clocksource *cs = tk->tkr_mono.clock;
	u64 interval = (u64)(NSEC_PER_SEC / hz) << cs->shift;

	sim->hz = hz;
	tk->cycle_interval = div_u64(interval + cs->mult / 2, cs->mult);
	tk->xtime_interval = tk->cycle_interval * cs->mult;
	tk->raw_interval = tk->xtime_interval;
	tk->ntp_error_shift = 32 - cs->shift;
	tk->ntp_tick = tk->xtime_interval << tk->ntp_error_shift;
	sim->tick_length = tk->ntp_tick;
}

/* What timekeeping_advance() does when one tick is due */
static void sim_tick(struct sim *sim)
{
	struct tk_read_base *tkr = &sim->tk.tkr_mono;
	struct timekeeper *tk = &sim->tk;
	u64 offset = sim_offset(sim);
	s32 adj;

	/* 2^-16 ppb of a tick; 2^-46 * 2^30 / 10^9 would overflow */
	sim->tick_length = tk->raw_interval << tk->ntp_error_shift;
	sim->tick_length += mul_s64_u64_shr(sim->freq, div_u64(sim->tick_length, 1000000000), 16);

	while (offset >= tk->cycle_interval) {
		offset -= tk->cycle_interval;
		tkr->cycle_last += tk->cycle_interval;
		tk->tkr_raw.cycle_last += tk->cycle_interval;
		tkr->xtime_nsec += tk->xtime_interval;
		tk->tkr_raw.xtime_nsec += tk->raw_interval;
		tk->ntp_error += tk->ntp_tick - (tk->xtime_interval << tk->ntp_error_shift);
	}
	sim_normalize(tkr);
	sim_normalize(&tk->tkr_raw);

	adj = -tk->ntp_err_mult;
	if (tk->ntp_tick != sim->tick_length) {
		tk->ntp_tick = sim->tick_length;
		adj = (u32)div64_u64(tk->ntp_tick >> tk->ntp_error_shift, tk->cycle_interval) -
		      tkr->mult;
	}
	tk->ntp_err_mult = tk->ntp_error > 0;
	adj += tk->ntp_err_mult;

	tkr->mult += adj;
	tk->xtime_interval += (s64)tk->cycle_interval * adj;
	tkr->xtime_nsec -= offset * adj;
	tk->ntp_error += (s64)offset * adj << tk->ntp_error_shift;
	if ((s64)tkr->xtime_nsec < 0) {
		tkr->xtime_nsec += (u64)NSEC_PER_SEC << tkr->shift;
		tkr->base -= NSEC_PER_SEC;
	}
}

static ktime_t sim_mono(struct sim *sim)
{
	struct tk_read_base *tkr = &sim->tk.tkr_mono;

	return tkr->base + ref_shifted(sim_offset(sim), tkr->mult, tkr->xtime_nsec, tkr->shift);
}

struct long_result {
	unsigned int	exact;
	unsigned int	spans;
	unsigned int	refused;
	unsigned int	late;
	s64		worst;
};

static void long_check(struct kunit *test, struct sim *sim, struct event *event,
		       struct long_result *result)
{
	struct ktime_history_info info;
	ktime_t time;
	u32 error;
	int ret;

	ret = tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, event->cycles, CLOCK_MONOTONIC, &time,
			  &error);
	if (ret) {
		tkh_get_info(&sim->h, &info);
		KUNIT_ASSERT_EQ(test, ret, -ERANGE);
		KUNIT_ASSERT_LT(test, event->cycles, info.oldest);
		result->refused++;
		return;
	}
	result->worst = max(result->worst, time - event->mono);
	/* Never early, late by as much as was told, and never less than last time */
	KUNIT_ASSERT_GE(test, time, event->mono);
	KUNIT_ASSERT_LE(test, time, event->mono + error);
	KUNIT_ASSERT_GE(test, time, event->told);
	event->told = time;
	result->late += time != event->mono;
	if (error)
		result->spans++;
	else
		result->exact++;
}

/*
 * Convert growing values next to the border between the two histories, which
 * moves on all the time. The answers never decrease.
 */
static void long_walk(struct kunit *test, struct sim *sim, struct event *walk)
{
	struct ktime_history_info info;
	ktime_t time;
	u32 error;

	tkh_get_info(&sim->h, &info);
	if (info.oldest_exact == info.oldest)
		return;
	if (walk->cycles < info.oldest_exact - 3)
		walk->cycles = info.oldest_exact - 3;
	for (int i = 0; i < 6; i++) {
		KUNIT_ASSERT_EQ(test, 0, tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, walk->cycles,
						     CLOCK_MONOTONIC, &time, &error));
		KUNIT_ASSERT_GE(test, time, walk->told);
		walk->told = time;
		walk->cycles += below(sim, 3);
	}
}

static void tkh_test_long(struct kunit *test)
{
	const struct long_param *p = test->param_value;
	struct event *events = kunit_kcalloc(test, NR_EVENTS, sizeof(*events), GFP_KERNEL);
	struct sim *sim = sim_create(test, 64, 1 << CONFIG_TK_HISTORY_SHIFT,
				     1 << CONFIG_TK_HISTORY_SPAN_SHIFT, TKH_NR_ERAS, 1000);
	/* Enough updates for the short history to overflow */
	u32 khz = p->khz, nr = (hours ? hours * 3600 : 600) * p->hz * (1 + p->idle / 100);
	struct long_result result = { };
	struct ktime_history_info info;
	struct event walk = { };
	struct tkh_open *open;
	unsigned long first;
	u64 start, next, horizon = U64_MAX;
	u32 update = 0;

	KUNIT_ASSERT_NOT_NULL(test, events);
	/* Begin anew, with this counter */
	sim_init_counter(sim->counter, CSID_ARM_ARCH_COUNTER, 64, khz, 1000);
	sim_init_history(test, &sim->h, sim->h.nr_states, sim->h.nr_spans, sim->h.nr_eras);
	sim_install(sim, sim->counter);
	sim_setup_ntp(sim, p->hz);
	record(&sim->h, &sim->tk, false);
	first = sim->h.open[sim->h.tail / TKH_STEP & 1].nr;
	start = sim->counter->now;
	for (int i = 0; i < NR_EVENTS; i++)
		events[i] = (struct event) { .cycles = start, .mono = sim_mono(sim) };

	for (u32 tick = 1; tick <= nr; tick++) {
		u64 due = start + tick * sim->tk.cycle_interval;

		p->discipline(sim, tick);
		if (p->idle && below(sim, p->idle))
			continue;
		update++;

		/* The interrupt is up to 20 us late, the switch some cycles later */
		next = due + below(sim, khz / 50 + 1);
		/* An event somewhere in between */
		sim->counter->now += below(sim, min(next - sim->counter->now, U32_MAX));
		if (p->idle || update % sim->hz == 0 || update % 64 == 0) {
			events[below(sim, NR_EVENTS)] = (struct event) {
				.cycles	= sim->counter->now,
				.mono	= sim_mono(sim),
			};
		}
		sim->counter->now = next;
		sim_tick(sim);
		sim->counter->now += below(sim, khz / 2000 + 1);
		record(&sim->h, &sim->tk, false);

		if (update % 32 == 0)
			long_check(test, sim, &events[below(sim, NR_EVENTS)], &result);
		/* The clock itself decreases by a fraction of a ns at 500 ppm */
		if (update % 32 == 1 && p->discipline != square_wave)
			long_walk(test, sim, &walk);
		/* The last quarter tells the horizon */
		if (tick > nr / 4 * 3 && update % 32 == 0) {
			tkh_get_info(&sim->h, &info);
			horizon = min(horizon, info.newest - info.oldest);
		}
		if (update % 100000 == 0)
			cond_resched();
	}
	for (int i = 0; i < NR_EVENTS; i++)
		long_check(test, sim, &events[i], &result);
	KUNIT_EXPECT_GT(test, result.exact, 0);
	if (p->discipline != free_running)
		KUNIT_EXPECT_GT(test, result.spans, 100);
	if (p->discipline != free_running && p->discipline != square_wave)
		KUNIT_EXPECT_GT(test, walk.told, 0);
	KUNIT_EXPECT_LE(test, result.worst, 1);
	open = &sim->h.open[sim->h.tail / TKH_STEP & 1];
	if (p->spans)
		KUNIT_EXPECT_LE(test, (open->nr - first) / TKH_STEP,
				p->spans * (hours ? 6 * hours : 1) * (1 + p->idle / 100));

	tkh_get_info(&sim->h, &info);
	kunit_info(test, "%s, HZ %u, %u kHz, idle %u: %llu s of %llu s, exact %llu s, %lu spans, %u exact, %u spans, %u refused, %u late, worst %lld ns\n",
		   p->name, p->hz, khz, p->idle, div_u64(horizon, khz * 1000ULL),
		   div_u64(info.newest - start, khz * 1000ULL),
		   div_u64(info.newest - info.oldest_exact, khz * 1000ULL),
		   (open->nr - sim->h.span_tail) / TKH_STEP,
		   result.exact, result.spans, result.refused, result.late, result.worst);
}

/*
 * The long history, position by position
 *
 * A counter of 200 MHz with so few bits of fraction that each of them counts,
 * and states of a few cycles. What each counter value was told when it was
 * last converted is kept, and never decreases.
 */
#define SPAN_CYCLES	20000

struct spans {
	struct tk_history	h;
	struct sim_counter	counter;
	struct timekeeper	tk;
	struct rnd_state	rnd;
	bool			suspended;
	/* How often the counter has started anew, from what it may do on */
	u64			restarts;
	/* By index: counter value, shifted time, time that was told last, suspended then */
	u64			*value;
	u64			*time;
	ktime_t			*told;
	bool			*sleep;
	unsigned int		exact;
	unsigned int		spans;
	unsigned int		refused;
	unsigned int		late;
};

/*
 * What is noted by counter value has this value as its index. Where the counter
 * starts anew, it goes back by 2^40, and the index goes on.
 */
static u64 spans_index(u64 cycles)
{
	return cycles & GENMASK_ULL(39, 0);
}

static u64 spans_value(struct spans *s, u64 index)
{
	return index - (s->restarts << 40);
}

static u64 spans_time(struct spans *s, u64 index)
{
	struct tk_read_base *tkr = &s->tk.tkr_mono;
	u64 cycles = s->suspended ? 0 : index - spans_index(tkr->cycle_last);

	return ((u64)tkr->base << tkr->shift) + tkr->xtime_nsec + cycles * tkr->mult;
}

/* An update at the present counter value, by @jump shifted nanoseconds */
static void spans_update(struct spans *s, u64 *from, s64 jump, u32 mult, bool suspended)
{
	struct tk_read_base *tkr = &s->tk.tkr_mono;
	u64 now = spans_index(s->counter.now), time = spans_time(s, now) + jump;

	for (u64 c = *from + 1; c <= now; c++) {
		s->value[c] = spans_value(s, c);
		s->time[c] = spans_time(s, c);
		s->sleep[c] = s->suspended;
	}
	/* On the way out of a suspend, the new state is used for cycle_last, too */
	if (s->suspended && now > *from) {
		s->time[now] = time;
		s->sleep[now] = false;
	}

	tkr->cycle_last = s->counter.now;
	tkr->base = time >> tkr->shift;
	tkr->xtime_nsec = time & (BIT_ULL(tkr->shift) - 1);
	tkr->mult = mult;
	s->tk.tkr_raw = *tkr;
	s->tk.tkr_raw.base = 4 * now;
	s->tk.tkr_raw.xtime_nsec = 0;
	s->tk.tkr_raw.mult = 4 << tkr->shift;
	record(&s->h, &s->tk, suspended);
	s->suspended = suspended;
	*from = now;
}

static void spans_check(struct kunit *test, struct spans *s, u64 index)
{
	struct ktime_conversion conv;
	ktime_t time;
	int ret;

	ret = tkh_convert_all(&s->h, CSID_ARM_ARCH_COUNTER, s->value[index], &conv);
	/* In a suspend the counter may come to what it had before it started anew */
	if (ret == -EAGAIN && s->suspended && s->value[index] > s->counter.now)
		return;
	if (ret) {
		KUNIT_ASSERT_EQ(test, ret, -ERANGE);
		s->refused++;
		return;
	}
	time = s->time[index] >> s->tk.tkr_mono.shift;
	KUNIT_ASSERT_GE_MSG(test, conv.mono, time, "at %llu", index);
	KUNIT_ASSERT_LE_MSG(test, conv.mono, time + conv.error_ns, "at %llu", index);
	KUNIT_ASSERT_GE_MSG(test, conv.mono, s->told[index], "at %llu", index);
	KUNIT_ASSERT_EQ(test, !!(conv.flags & KTIME_CONVERSION_SUSPENDED), s->sleep[index]);
	s->told[index] = conv.mono;
	s->late += conv.mono != time;
	if (conv.error_ns)
		s->spans++;
	else
		s->exact++;
}

struct spans_param {
	u32	shift;
	u32	jump;
	bool	suspend;
	bool	fast;
	/* The counter starts anew in each suspend */
	bool	restart;
};

static const struct spans_param spans_params[] = {
	{ 1, 0 }, { 2, 0 }, { 4, 0 }, { 8, 0 }, { 2, 0, true }, { 4, 0, true }, { 8, 0, true },
	{ 1, 1 }, { 2, 2 }, { 4, 12 }, { 8, 255 }, { 4, 100 }, { 4, 100, true },
	{ 4, 1, true, true }, { 4, 0, false, true }, { 8, 0, false, true },
	{ 4, 12, false, true }, { 2, 0, true, .restart = true }, { 8, 0, true, .restart = true },
	{ 4, 0, true, true, true },
};

static void spans_desc(const struct spans_param *p, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "shift %u, jumps of up to %u/%u ns%s%s%s",
		 p->shift, p->jump, 1 << p->shift, p->suspend ? ", suspend" : "",
		 p->fast ? ", 4 GHz" : "", p->restart ? ", counter starts anew" : "");
}

KUNIT_ARRAY_PARAM(spans, spans_params, spans_desc);

static struct spans *spans_create(struct kunit *test, u32 shift, u32 nr_states, u64 from, u32 mult,
				  u32 restarts)
{
	struct spans *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct tk_read_base *tkr = &s->tk.tkr_mono;

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->value = kunit_kcalloc(test, SPAN_CYCLES, sizeof(*s->value), GFP_KERNEL);
	s->time = kunit_kcalloc(test, SPAN_CYCLES, sizeof(*s->time), GFP_KERNEL);
	s->told = kunit_kcalloc(test, SPAN_CYCLES, sizeof(*s->told), GFP_KERNEL);
	s->sleep = kunit_kcalloc(test, SPAN_CYCLES, sizeof(*s->sleep), GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, s->value && s->time && s->told && s->sleep);
	prandom_seed_state(&s->rnd, 0x5fa4 + shift);
	sim_init_history(test, &s->h, nr_states, 512, 256);
	s->restarts = -(u64)restarts;
	sim_init_counter(&s->counter, CSID_ARM_ARCH_COUNTER, 64, 200000, spans_value(s, from));
	tkr->clock = &s->counter.cs;
	tkr->mask = s->counter.cs.mask;
	tkr->shift = shift;
	tkr->cycle_last = s->counter.now;
	spans_update(s, &from, 0, mult, false);
	return s;
}

static void tkh_test_spans(struct kunit *test)
{
	const struct spans_param *p = test->param_value;
	u32 mult = p->fast ? 1 << (p->shift - 2) : 5 << p->shift;
	u64 from = 100;
	struct spans *s = spans_create(test, p->shift, 4, from, mult, p->restart ? 10000 : 0);

	while (from < SPAN_CYCLES - 100) {
		u32 rnd = prandom_u32_state(&s->rnd);
		bool suspend = p->suspend && !s->suspended && (rnd >> 9 & 15) == 0;
		s64 jump = 0;

		/* Even the shortest update takes more than a nanosecond */
		s->counter.now += rnd % 30 + (p->fast && !p->jump ? 8 : 0);
		/* No counter value is from within this suspend */
		if (p->restart && s->suspended) {
			s->restarts++;
			s->counter.now = spans_value(s, from + 1);
		}
		/* No clock jumps on its way into or out of a suspend */
		if (p->jump && rnd >> 30 == 0 && !suspend && !s->suspended)
			jump = (s64)(prandom_u32_state(&s->rnd) % (2 * p->jump + 1)) - p->jump;
		/* Dither, and change the frequency now and then */
		if (rnd >> 24 == 7)
			mult = max(1, mult + (rnd >> 16 & 7) - 3);
		spans_update(s, &from, jump, mult + (rnd >> 8 & 1), suspend);

		/* A value close to each border, and any */
		for (int i = 0; i < 20; i++) {
			rnd = prandom_u32_state(&s->rnd);
			rnd %= i & 1 ? 200 : (u32)from;
			if (rnd + 100 < from)
				spans_check(test, s, from - rnd);
		}
		/* What grows is told to grow */
		for (u64 c = max(101, from - 150); c < from; c++) {
			spans_check(test, s, c);
			if (!p->jump && c > 101)
				KUNIT_ASSERT_GE_MSG(test, s->told[c], s->told[c - 1],
						    "at %llu", c);
		}
	}
	for (u64 c = 101; c <= from; c++) {
		spans_check(test, s, c);
		if (!p->jump && c > 101)
			KUNIT_ASSERT_GE_MSG(test, s->told[c], s->told[c - 1], "at %llu", c);
	}

	kunit_info(test, "shift %u: %u exact, %u from spans, %u of them late, %u refused, %lu spans\n",
		   p->shift, s->exact, s->spans, s->late, s->refused,
		   (s->h.open[s->h.tail / TKH_STEP & 1].nr - s->h.span_tail) / TKH_STEP);
	KUNIT_EXPECT_GT(test, s->exact, 5000);
	KUNIT_EXPECT_GT(test, s->spans, 10000);
	KUNIT_EXPECT_GT(test, s->late, 100);
}

/*
 * A state which is so short that it does not gain what the clock has lost at its
 * switch, while the low line of the span touches the one before
 */
static void tkh_test_lost(struct kunit *test)
{
	u64 from = 100;
	struct spans *s = spans_create(test, 4, 2, from, 4, 0);

	s->counter.now = 200;
	spans_update(s, &from, -10, 4, false);
	s->counter.now = 202;
	spans_update(s, &from, 0, 5, false);
	s->counter.now = 300;
	spans_update(s, &from, 0, 4, false);

	for (u64 c = 101; c <= from; c++)
		spans_check(test, s, c);
	KUNIT_EXPECT_EQ(test, s->spans, 102);
	/* The first two states are one span */
	KUNIT_EXPECT_EQ(test, s->h.open[s->h.tail / TKH_STEP & 1].nr, s->h.span_tail);
}

/* Short states and very long ones, whose differences would overflow 64 bits */
static void tkh_test_range(struct kunit *test)
{
	static const struct {
		u64	len[2];
		s32	adj;
	} cases[] = {
		{ { 1, 1ULL << 41 }, 0 },
		{ { 1, (1ULL << 41) + (1ULL << 39) }, 0 },
		{ { 1, (1ULL << 42) + (1ULL << 40) }, 0 },
		{ { 3, 1ULL << 45 }, 1 },
		{ { 1 << 20, 1ULL << 44 }, 1 << 20 },
		{ { 1 << 20, 1ULL << 45 }, -(1 << 20) },
		{ { 1ULL << 40, 1ULL << 50 }, 1 << 14 },
		{ { 1ULL << 45, 1 }, 1 << 20 },
		{ { 1ULL << 50, 1ULL << 20 }, 1 },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sim *sim = sim_create(test, 64, 2, 16, 4, 1000);
		struct tk_read_base *tkr = &sim->tk.tkr_mono;
		unsigned int nr = sim->nr_refs;
		struct tally tally = { };

		/* 1 GHz, and lengths as they are above */
		sim->delay = 1;
		sim_install(sim, &sim->counters[1]);
		tkr->mult = 1 << 24;
		tkr->shift = 24;
		tkr->base = 5;
		sim->tk.tkr_raw = *tkr;
		sim_update(sim);
		for (int j = 0; j < 8; j++) {
			/* Begin a new line, by a fraction of a nanosecond at least */
			sim->counter->now += cases[i].len[j & 1];
			tkr->base += ref_shifted(sim_offset(sim), tkr->mult, 0, 24);
			sim->tk.tkr_raw.base += sim_offset(sim);
			tkr->cycle_last += sim_offset(sim);
			sim->tk.tkr_raw.cycle_last = tkr->cycle_last;
			tkr->xtime_nsec ^= 1;
			tkr->mult = (1 << 24) + (j & 1 ? 0 : cases[i].adj);
			sim_update(sim);
		}
		for (; nr < sim->nr_refs; nr++)
			check_ref(test, sim, &sim->refs[nr], &tally);
		KUNIT_EXPECT_GT_MSG(test, tally.spans, 30, "case %d", i);
		/* What is before the first and beyond the last value */
		KUNIT_EXPECT_EQ(test, tally.refused, 6);
	}
}

/* A suspend with figures that can be checked by hand: 1 cycle is 1 ns */
static void tkh_test_suspend(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, 8, 4, 8, 1000);
	struct ktime_conversion conv = { };
	struct tk_history *h = &sim->h;
	struct sim_counter *c;
	u64 suspend, resume;
	ktime_t mono, raw;

	c = &sim->counters[1];
	sim_forward_now(sim);
	sim_install(sim, c);
	sim_update(sim);

	c->now += 1000000;
	sim_suspend(sim);
	suspend = sim->refs[sim->nr_refs - 1].from;
	/* The suspend has no end yet */
	KUNIT_EXPECT_EQ(test, tkh_convert_all(h, CSID_S390_TOD, suspend + 1, &conv), -EAGAIN);
	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, CSID_S390_TOD, suspend, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.flags, 0);
	mono = conv.mono;
	raw = conv.raw;

	c->now = suspend + 4000;
	/* The clock source of the sleep time saw twice of it */
	sim_resume(sim, 8000);
	resume = suspend + 4000;

	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, CSID_S390_TOD, suspend, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.flags, 0);
	KUNIT_EXPECT_EQ(test, conv.boot, mono);

	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, CSID_S390_TOD, suspend + 1, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.flags, KTIME_CONVERSION_SUSPENDED);
	KUNIT_EXPECT_EQ(test, conv.mono, mono);
	KUNIT_EXPECT_EQ(test, conv.raw, raw);
	KUNIT_EXPECT_EQ(test, conv.boot, mono + 2);

	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, CSID_S390_TOD, suspend + 1000, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.mono, mono);
	KUNIT_EXPECT_EQ(test, conv.boot, mono + 2000);
	KUNIT_EXPECT_EQ(test, conv.real, mono + 1700000000LL * NSEC_PER_SEC + 2000);
	KUNIT_EXPECT_EQ(test, conv.tai, mono + 1700000037LL * NSEC_PER_SEC + 2000);

	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, CSID_S390_TOD, resume - 1, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.flags, KTIME_CONVERSION_SUSPENDED);
	KUNIT_EXPECT_EQ(test, conv.boot, mono + 7998);

	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, CSID_S390_TOD, resume, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.flags, 0);
	KUNIT_EXPECT_EQ(test, conv.mono, mono);
	KUNIT_EXPECT_EQ(test, conv.boot, mono + 8000);

	c->now = resume + 10;
	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, CSID_S390_TOD, resume + 10, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.mono, mono + 10);
	KUNIT_EXPECT_EQ(test, conv.raw, raw + 10);
	KUNIT_EXPECT_EQ(test, conv.boot, mono + 8010);

	/* A clock which is set back meanwhile goes back evenly */
	c->now += 1000;
	sim_suspend(sim);
	suspend = sim->refs[sim->nr_refs - 1].from;
	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, CSID_S390_TOD, suspend, &conv), 0);
	mono = conv.real;
	c->now = suspend + 4000;
	sim_resume(sim, -4000);
	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, CSID_S390_TOD, suspend + 1000, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.flags, KTIME_CONVERSION_SUSPENDED);
	KUNIT_EXPECT_EQ(test, conv.real, mono - 1000);
}

/* Each error where it belongs, before anything is evicted and after */
static void tkh_test_errors(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, 8, 4, 8, 1000);
	struct ktime_history_info info = { };
	struct tk_history *h = &sim->h;
	struct tk_history empty;
	ktime_t time = 42, base;
	u64 gap, back;
	u32 error;

	sim_init_history(test, &empty, 2, 2, 2);
	KUNIT_EXPECT_EQ(test, tkh_get_info(&empty, &info), -ENODEV);
	KUNIT_EXPECT_EQ(test, -ENODEV,
			tkh_convert(&empty, CSID_ARM_ARCH_COUNTER, 1, CLOCK_REALTIME, &time,
				    &error));

#define EXPECT(_ret, _id, _cycles, _clock) \
	KUNIT_EXPECT_EQ(test, _ret, tkh_convert(h, _id, _cycles, _clock, &time, &error))

	EXPECT(-EINVAL, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_PROCESS_CPUTIME_ID);
	EXPECT(-EINVAL, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME_COARSE);
	EXPECT(-EINVAL, CSID_ARM_ARCH_COUNTER, 1000, -1);
	EXPECT(-EINVAL, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_AUX_LAST + 1);
	EXPECT(-ENODEV, CSID_GENERIC, 1000, CLOCK_REALTIME);
	EXPECT(-ENODEV, CSID_MAX, 1000, CLOCK_REALTIME);
	EXPECT(-ENODEV, -1, 1000, CLOCK_REALTIME);
	EXPECT(-ENODEV, CSID_X86_TSC, 1000, CLOCK_REALTIME);
	EXPECT(-ENODEV, CSID_S390_TOD, 1000, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, 999, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, 0, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, sim->counter->now + 1, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, ~0ULL, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, time, 42);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);

	/* Away from the counter ... */
	sim_forward_now(sim);
	sim_install(sim, &sim->counters[2]);
	sim_update(sim);
	gap = sim->counters[0].now + 1;
	sim->counters[0].now += 1000;
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, gap, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, sim->counters[0].now, CLOCK_REALTIME);
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	KUNIT_EXPECT_EQ(test, info.cs_id, CSID_GENERIC);

	/* ... for a time without history ... */
	for (int i = 0; i < 100; i++) {
		sim->counter->now += 10000;
		sim_advance(sim, true, i & 1 ? 1 : -1);
	}
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);

	/* ... and back */
	sim->counters[0].now += 1000;
	back = sim->counters[0].now;
	sim_forward_now(sim);
	sim_install(sim, &sim->counters[0]);
	sim_update(sim);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, gap, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, back - 1, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, back, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, 999, CLOCK_REALTIME);
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	KUNIT_EXPECT_EQ(test, info.cs_id, CSID_ARM_ARCH_COUNTER);
	KUNIT_EXPECT_EQ(test, info.freq_khz, 62500);
	KUNIT_EXPECT_EQ(test, info.oldest_exact, 1000);
	KUNIT_EXPECT_EQ(test, info.oldest, 1000);
	KUNIT_EXPECT_EQ(test, info.newest, sim->counter->now);

	/* Evict states, which are within a nanosecond of one line */
	for (int i = 0; i < 8; i++) {
		sim->counter->now += sim->tk.cycle_interval;
		sim_advance(sim, true, i & 1 ? 1 : -1);
	}
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	KUNIT_EXPECT_EQ(test, info.oldest, 1000);
	KUNIT_EXPECT_GT(test, info.oldest_exact, back);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, error, 1);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, info.oldest_exact - 1, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, error, 1);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, info.oldest_exact, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, error, 0);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, gap, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, 999, CLOCK_REALTIME);

	/* Evict spans */
	for (int i = 0; i < 16; i++) {
		sim->counter->now += sim->tk.cycle_interval;
		sim_advance(sim, true, i & 1 ? 1000 : -1000);
	}
	time = 42;
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	/* Before the first installation, which is still known */
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, 999, CLOCK_REALTIME);
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, back, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, sim->counter->now + 1, CLOCK_REALTIME);
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, info.oldest - 1, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, gap, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, time, 42);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, info.oldest, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, error, 1);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, info.newest, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, error, 0);

	/* The base clock of a clocksource */
	sim = sim_create(test, 64, 8, 4, 8, 1000);
	h = &sim->h;
	sim->counter->now = 100000;
	sim->counter->base = (struct clocksource_base) {
		.id = CSID_X86_ART, .numerator = 7, .denominator = 3, .offset = 100,
	};
	EXPECT(-ENODEV, CSID_X86_ART, 50000, CLOCK_REALTIME);
	sim->counter->cs.base = &sim->counter->base;
	sim_advance(sim, true, 0);
	EXPECT(-ENODATA, CSID_X86_ART, 20000, CLOCK_REALTIME);
	sim->counter->now = 200000;
	EXPECT(0, CSID_X86_ART, 50000, CLOCK_MONOTONIC);
	KUNIT_EXPECT_EQ(test, tkh_convert(h, CSID_ARM_ARCH_COUNTER, 50000 * 7 / 3 + 100,
					  CLOCK_MONOTONIC, &base, &error), 0);
	KUNIT_EXPECT_EQ(test, time, base);
	EXPECT(-EAGAIN, CSID_X86_ART, 100000, CLOCK_REALTIME);
	/* In 64 bits, 7/3 of this is 70005 */
	EXPECT(-EAGAIN, CSID_X86_ART, (U64_MAX / 7 + 10001) * 3, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_X86_ART, U64_MAX, CLOCK_REALTIME);
	/* 7/3 of it is 2^64 - 2: the offset is too much, then the rest as well */
	EXPECT(-EAGAIN, CSID_X86_ART, U64_MAX / 7 * 3, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_X86_ART, U64_MAX / 7 * 3 + 1, CLOCK_REALTIME);

	sim->counter->base.offset = -100;
	sim_advance(sim, true, 0);
	sim->counter->now = 400000;
	EXPECT(0, CSID_X86_ART, 120000, CLOCK_MONOTONIC);
	KUNIT_EXPECT_EQ(test, tkh_convert(h, CSID_ARM_ARCH_COUNTER, 120000 * 7 / 3 - 100,
					  CLOCK_MONOTONIC, &base, &error), 0);
	KUNIT_EXPECT_EQ(test, time, base);

	/* Evict eras only: the states of an evicted era cannot be used */
	sim = sim_create(test, 64, 64, 2, 2, 1000);
	h = &sim->h;
	for (int i = 0; i < 2; i++) {
		EXPECT(0, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
		sim->counter->now += 1000;
		sim_set(sim, 1000);
	}
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_MONOTONIC);
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, info.oldest - 1, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, info.oldest, CLOCK_REALTIME);

	/* The eras of all spans are evicted */
	sim = sim_create(test, 64, 4, 4, 2, 1000);
	h = &sim->h;
	for (int i = 0; i < 8; i++) {
		sim->counter->now += 1000;
		sim_set(sim, 1000);
	}
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	KUNIT_EXPECT_EQ(test, info.oldest, info.oldest_exact);
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, info.oldest - 1, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, info.oldest, CLOCK_REALTIME);

	/* A gap between two installations, the first of which is only partly evicted */
	sim = sim_create(test, 64, 64, 2, 8, 1000);
	h = &sim->h;
	for (int i = 0; i < 4; i++) {
		sim->counter->now += 1000;
		sim_set(sim, 1000);
	}
	sim_forward_now(sim);
	sim_install(sim, &sim->counters[1]);
	sim_update(sim);
	gap = sim->counters[0].now + 1;
	sim->counters[0].now += 1000;
	sim_forward_now(sim);
	sim_install(sim, &sim->counters[0]);
	sim_update(sim);
	for (int i = 0; i < 3; i++) {
		sim->counter->now += 1000;
		sim_set(sim, 1000);
	}
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, gap, CLOCK_REALTIME);

	/* The installation before is evicted */
	sim = sim_create(test, 64, 64, 2, 4, 1000);
	h = &sim->h;
	sim_forward_now(sim);
	sim_install(sim, &sim->counters[1]);
	sim_update(sim);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	for (int i = 0; i < 10; i++) {
		sim->counter->now += 1000;
		sim_set(sim, 1000);
	}
	EXPECT(-ENODEV, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	EXPECT(-ERANGE, CSID_S390_TOD, 1, CLOCK_REALTIME);
	EXPECT(0, CSID_S390_TOD, sim->counter->now, CLOCK_REALTIME);
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	EXPECT(-ERANGE, CSID_S390_TOD, info.oldest - 1, CLOCK_REALTIME);
	EXPECT(0, CSID_S390_TOD, info.oldest, CLOCK_REALTIME);
}

/* A counter is suspended, and starts anew before the resume, at @now */
static void sim_restart(struct sim *sim, u64 now)
{
	sim_suspend(sim);
	sim->counter->now = now;
	sim_resume(sim, NSEC_PER_SEC);
}

/*
 * A counter which has started anew goes on while another clocksource is in use, and
 * may come to values that its first life had. They do not tell the first life's time.
 */
static void tkh_test_gap(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, 16, 8, 16, 1000);
	struct sim_counter *counter = sim->counter;
	struct tk_history *h = &sim->h;
	u64 twice, gap, later;
	ktime_t time, first;
	u32 error;

	counter->now += NSEC_PER_SEC;
	sim_set(sim, 0);
	twice = counter->now - 1000;
	sim_restart(sim, 5000);
	counter->now += NSEC_PER_MSEC;
	sim_advance(sim, true, 0);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, twice, CLOCK_REALTIME);
	first = time;

	/* Away from the counter: it may have any value above its last one */
	sim_change(sim, &sim->counters[2]);
	gap = counter->now + 1000;
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, gap, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, twice, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, counter->now - 1, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 6000, CLOCK_REALTIME);

	/* And back: it had those which it has passed, and none that it has not reached */
	counter->now = gap + 1000;
	later = counter->now;
	sim_change(sim, counter);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, later, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, later - 1, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, gap, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 6000, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, twice, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, time, first);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, counter->now + 1000, CLOCK_REALTIME);

	counter->now = twice + 1000;
	EXPECT(0, CSID_ARM_ARCH_COUNTER, twice, CLOCK_REALTIME);
	KUNIT_EXPECT_GT(test, time, first + 10LL * NSEC_PER_SEC);

	/* One of 56 bits may have wrapped before the gap */
	sim = sim_create(test, 56, 16, 8, 16, BIT_ULL(56) - 500);
	h = &sim->h;
	sim->counter->now += 1000;
	sim_change(sim, &sim->counters[1]);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, BIT_ULL(56) - 400, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 400, CLOCK_REALTIME);

	/* One of 32 bits may have wrapped any number of times in it */
	sim = sim_create(test, 32, 16, 8, 16, 1000);
	h = &sim->h;
	sim->counter->now += 1000;
	sim_advance(sim, true, 1);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 1500, CLOCK_REALTIME);
	sim_change(sim, &sim->counters[1]);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, 1500, CLOCK_REALTIME);
	sim_change(sim, &sim->counters[0]);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, 1500, CLOCK_REALTIME);
}

/* Convert a value of the counter, and one of its base clock, which has to end the same way */
static int gap_convert(struct kunit *test, struct tk_history *h, u64 cycles)
{
	ktime_t time, base_time;
	u32 error;
	int ret;

	ret = tkh_convert(h, CSID_ARM_ARCH_COUNTER, cycles, CLOCK_REALTIME, &time, &error);
	KUNIT_EXPECT_EQ(test, ret, tkh_convert(h, CSID_X86_ART, (cycles - 100) / 2,
					       CLOCK_REALTIME, &base_time, &error));
	if (!ret)
		KUNIT_EXPECT_EQ(test, time, base_time);
	return ret;
}

/*
 * A counter may start anew in a suspend which it is not the clocksource in, and with
 * it the base clock
 */
static void tkh_test_gap_suspend(struct kunit *test)
{
	struct ktime_history_info info;
	struct tk_history *h;

	/* In a time without history, and in one of another counter */
	for (int other = 1; other <= 2; other++) {
		struct sim *sim = sim_create(test, 64, 64, 8, 64, 1000);
		struct sim_counter *counter = sim->counter;

		h = &sim->h;
		counter->base = (struct clocksource_base) {
			.id = CSID_X86_ART, .numerator = 2, .denominator = 1, .offset = 100,
		};
		counter->cs.base = &counter->base;
		sim_advance(sim, true, 0);
		counter->now += NSEC_PER_SEC;
		sim_set(sim, 0);
		sim_change(sim, &sim->counters[other]);
		sim_suspend(sim);
		KUNIT_EXPECT_EQ(test, 0, gap_convert(test, h, 6000));
		sim->counter->now += 1000;
		sim_resume(sim, NSEC_PER_SEC);
		KUNIT_EXPECT_EQ(test, -ENODATA, gap_convert(test, h, 6000));
		sim_set(sim, 1000);
		KUNIT_EXPECT_EQ(test, -ENODATA, gap_convert(test, h, 6000));

		/* Above what it has now, below where it is recorded again, or above all */
		counter->now = 50000;
		sim_change(sim, counter);
		counter->now += 1000;
		sim_set(sim, 1000);
		KUNIT_EXPECT_EQ(test, 0, gap_convert(test, h, 50500));
		KUNIT_EXPECT_EQ(test, -ENODATA, gap_convert(test, h, 6000));
		KUNIT_EXPECT_EQ(test, -EAGAIN, gap_convert(test, h, NSEC_PER_SEC - 1000));
		KUNIT_EXPECT_EQ(test, -EAGAIN, gap_convert(test, h, 2 * NSEC_PER_SEC));

		/* A gap without a suspend does not matter, whatever was before and after */
		for (int i = 0; i < 2; i++) {
			sim_suspend(sim);
			counter->now += 1000;
			sim_resume(sim, NSEC_PER_SEC);
			sim_change(sim, &sim->counters[other]);
			sim_change(sim, counter);
			KUNIT_EXPECT_EQ(test, 0, gap_convert(test, h, 50500));
			KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
			KUNIT_EXPECT_EQ(test, info.oldest, 50000);
		}

		/* Of two others in the gap, one was in use in a suspend, the first or the last */
		for (int i = 0; i < 2; i++) {
			sim_change(sim, &sim->counters[other]);
			if (i) {
				KUNIT_EXPECT_EQ(test, 0, gap_convert(test, h, counter->now));
				sim_change(sim, &sim->counters[3 - other]);
			}
			sim_suspend(sim);
			sim_resume(sim, NSEC_PER_SEC);
			if (!i)
				sim_change(sim, &sim->counters[3 - other]);
			KUNIT_EXPECT_EQ(test, -ENODATA, gap_convert(test, h, counter->now));
			sim_change(sim, counter);
		}
	}
}

/* Nobody records a counter from the suspend in which it starts anew to the resume */
static void tkh_test_anew(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, 64, 8, 64, 1000);
	struct sim_counter *counter = sim->counter;
	struct tk_history *h = &sim->h;
	u64 ms = counter->cs.freq_khz, second = 1000 * ms, end;
	struct ktime_history_info info;
	ktime_t time;
	u32 error;

	/* The first life, for 100 s */
	counter->now = 100 * second;
	sim_set(sim, 0);
	/* The second one, for 10 s */
	sim_restart(sim, second);
	counter->now = 10 * second;
	sim_set(sim, 0);
	end = counter->now;
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 50 * second, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, second, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, second - 1, CLOCK_REALTIME);
	/* In a suspend it goes on, to values which the first life had as well */
	sim_suspend(sim);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, end + 1000, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, 50 * second, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, end - 1000, CLOCK_REALTIME);
	counter->now = end + 1000;
	sim_resume(sim, NSEC_PER_SEC);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, end + 500, CLOCK_REALTIME);
	end = counter->now;
	/* The third one, for a second */
	sim_restart(sim, second / 2);
	counter->now = 3 * second / 2;
	sim_set(sim, 0);

	/* Before the resume, or in one of the other lives, or at the end of the second one */
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, second / 2 - 1, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, second / 2, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, end - 1000, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, end + 1000, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, end + 999 * ms, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, end + 1001 * ms, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 100 * second - 1000, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, 100 * second + 1000, CLOCK_REALTIME);
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	KUNIT_EXPECT_EQ(test, info.oldest, second / 2);
	KUNIT_EXPECT_EQ(test, info.oldest_exact, second / 2);
#undef EXPECT
}

/*
 * A CPU whose counter lags behind sets the clock: timekeeping_forward_now()
 * takes cycle_last back without taking the time back
 */
static void tkh_test_backwards(struct kunit *test)
{
	struct sim *sim = sim_create(test, 56, 16, 2, 16, 1000);
	struct timekeeper *tk = &sim->tk;
	ktime_t time, before, after;
	unsigned long head, flags;
	u64 old, start;
	u32 error;
	int ret;

	sim->counter->now += 100000;
	sim_set(sim, 0);
	before = tk->tkr_mono.base + (tk->tkr_mono.xtime_nsec >> tk->tkr_mono.shift);
	for (int i = 1; i <= 300; i++) {
		sim->counter->now += 3;
		tk->tkr_mono.cycle_last -= 5;
		tk->tkr_raw.cycle_last -= 5;
		tk->clock_was_set_seq++;
		KUNIT_ASSERT_TRUE(test, tkh_prepare(&sim->h, tk, false, false));
		KUNIT_ASSERT_EQ(test, sim->h.news, TKH_NEW_ERA);
		tkh_begin(&sim->h);
		tkh_end(&sim->h, tk);

		sim->counter->now += 10;
		after = before + 16 * (sim->counter->now - tk->tkr_mono.cycle_last);
		KUNIT_ASSERT_EQ(test, 0, tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER,
						     sim->counter->now, CLOCK_MONOTONIC, &time,
						     &error));
		KUNIT_ASSERT_LE(test, abs(time - after), 1);
		KUNIT_ASSERT_EQ(test, -EAGAIN,
				tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER,
					    sim->counter->now + 1, CLOCK_MONOTONIC, &time,
					    &error));
	}
	/*
	 * Far back: the counter has started anew, which this clock was not told. Up
	 * to then it had some quiet ticks.
	 */
	sim->counter->now += 10 * tk->cycle_interval;
	sim_set(sim, 0);
	head = sim->h.head;
	for (int i = 0; i < 10; i++) {
		sim->counter->now += tk->cycle_interval;
		sim_advance(sim, true, 0);
	}
	KUNIT_ASSERT_EQ(test, sim->h.head, head);
	old = tk->tkr_mono.cycle_last;
	/* Which the first life had before its newest state */
	start = old - 15 * tk->cycle_interval;
	sim->counter->now = start;
	tk->tkr_mono.cycle_last = start;
	tk->tkr_raw.cycle_last = start;
	KUNIT_ASSERT_TRUE(test, tkh_prepare(&sim->h, tk, false, false));
	before = tk->tkr_mono.base + (tk->tkr_mono.xtime_nsec >> tk->tkr_mono.shift);

	/* A reader of the vDSO may have got this value in the second life already */
	local_irq_save(flags);
	nmi_enter();
	tkh_begin(&sim->h);
	sim->counter->now += 1000;
	ret = tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, start + 500, CLOCK_MONOTONIC, &time,
			  &error);
	tkh_end(&sim->h, tk);
	nmi_exit();
	local_irq_restore(flags);
	KUNIT_EXPECT_EQ(test, ret, -EAGAIN);

	KUNIT_ASSERT_EQ(test, 0, tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, start + 500,
					     CLOCK_MONOTONIC, &time, &error));
	KUNIT_EXPECT_LE(test, abs(time - before - 16 * 500), 1);
	/* About to be reached, and what the first life had */
	for (int i = 1; i <= 10; i++) {
		KUNIT_EXPECT_EQ(test, -EAGAIN,
				tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER,
					    sim->counter->now + i * sim->counter->cs.freq_khz / 10,
					    CLOCK_MONOTONIC, &time, &error));
	}
	/* From the counter's first life */
	for (int i = 0; i < 4; i++) {
		after = before - 16 * i * (s64)tk->cycle_interval;
		KUNIT_ASSERT_EQ(test, 0, tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER,
						     old - i * tk->cycle_interval,
						     CLOCK_MONOTONIC, &time, &error));
		KUNIT_EXPECT_LE(test, abs(time - after), 1);
	}
}

static void lagging_check(struct kunit *test, struct sim *sim, u64 now, const ktime_t *times,
			  unsigned int nr)
{
	ktime_t time;
	u32 error;

	for (int i = 0; i < nr; i++) {
		KUNIT_ASSERT_EQ(test, 0, tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, now - i,
						     CLOCK_MONOTONIC, &time, &error));
		KUNIT_EXPECT_EQ_MSG(test, time, times[i], "%d cycles before the switch", i);
	}
}

/*
 * A reader and then the switch are on a CPU whose counter lags behind the one of
 * the switch before, or behind cycle_last as well: what readers have got until
 * then stays what it was
 */
static void lagging(struct kunit *test, bool accumulated)
{
	struct sim *sim = sim_create(test, 56, 16, 2, 16, 1000);
	struct timekeeper *tk = &sim->tk;
	ktime_t times[8], time;
	u64 now;
	u32 error;

	sim->delay = 1;
	now = sim->counter->now += 100000;
	if (accumulated)
		sim_forward_now(sim);
	sim_advance(sim, false, 1);
	for (int i = 0; i < ARRAY_SIZE(times); i++) {
		KUNIT_ASSERT_EQ(test, 0, tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, now - i,
						     CLOCK_MONOTONIC, &times[i], &error));
	}

	sim->counter->now = now - 5;
	if (accumulated)
		lagging_check(test, sim, now, times, ARRAY_SIZE(times));
	tk->tkr_mono.base += NSEC_PER_MSEC;
	record(&sim->h, tk, false);
	sim->counter->now = now + 5;
	lagging_check(test, sim, now, times, ARRAY_SIZE(times));
	KUNIT_ASSERT_EQ(test, 0, tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, now + 1,
					     CLOCK_MONOTONIC, &time, &error));
	KUNIT_EXPECT_GT(test, time, times[0] + NSEC_PER_MSEC);
}

/* The second update is on a CPU whose counter is behind the beginning of the history */
static void lagging_first(struct kunit *test)
{
	struct sim *sim = sim_create(test, 56, 16, 2, 16, 1000);
	struct timekeeper *tk = &sim->tk;
	struct tk_read_base old;
	ktime_t time;
	u32 error;

	tk->tkr_mono.cycle_last -= 8;
	tk->tkr_raw.cycle_last -= 8;
	tk->tkr_mono.base += NSEC_PER_MSEC;
	sim->counter->now = 994;
	record(&sim->h, tk, false);
	old = tk->tkr_mono;
	KUNIT_EXPECT_EQ(test, old.cycle_last, 992);

	sim->counter->now = 2000;
	tk->tkr_mono.base += NSEC_PER_MSEC;
	record(&sim->h, tk, false);

	sim->counter->now = 3000;
	for (u64 c = 1000; c <= 3000; c += 500) {
		const struct tk_read_base *tkr = c <= 2000 ? &old : &tk->tkr_mono;

		KUNIT_ASSERT_EQ(test, 0, tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, c,
						     CLOCK_MONOTONIC, &time, &error));
		KUNIT_EXPECT_EQ(test, time,
				tkr->base + (ktime_t)(((c - 992) * tkr->mult +
						       tkr->xtime_nsec) >> tkr->shift));
	}
}

static void tkh_test_lagging(struct kunit *test)
{
	lagging(test, false);
	lagging(test, true);
	lagging_first(test);
}

/*
 * One writer, readers in all contexts
 *
 * State number k is in force for counter values above k << 10, up to and
 * including (k + 1) << 10, and its times tell k / 4. So each value has one
 * right answer, which a reader knows without asking the writer. Four states
 * differ by a fraction of a nanosecond only, so that they make one span.
 */
#define RACE_SHIFT	10
#define RACE_STATES	4

struct race {
	struct tk_history	h;
	struct clocksource	cs;
	struct clocksource_base	base;
	struct timekeeper	tk;
	/* The counter, the writer advances it */
	atomic64_t		now;
	/* Spread the readers' requests over so many states */
	unsigned int		range;
	/* Instead of threads: what comes after the next read of the counter */
	void			(*interrupt)(struct race *race);
	bool			stop;
	atomic_t		exact;
	atomic_t		spans;
	atomic_t		evicted;
	atomic_t		waited;
	atomic_t		again;
	atomic_t		wrong;
};

static u64 race_read(struct clocksource *cs)
{
	struct race *race = container_of(cs, struct race, cs);
	void (*interrupt)(struct race *race) = race->interrupt;
	u64 now = atomic64_read(&race->now) & cs->mask;

	if (interrupt) {
		race->interrupt = NULL;
		interrupt(race);
	}
	return now;
}

static ktime_t race_mono(u64 cycles)
{
	u64 k = (cycles - 1) >> RACE_SHIFT & -RACE_STATES;

	return (k << 32) + cycles - (k << RACE_SHIFT);
}

/* A counter value from the past, the present one, or one that is about to come */
static u64 race_pick(struct race *race, u64 now)
{
	u64 cycles = now - any_below(race->range << RACE_SHIFT);

	switch (any_below(4)) {
	case 0:
		return now;
	case 1:
		return now + any_below(2 << RACE_SHIFT);
	default:
		/* The first value of the first state is one too many, see race_mono() */
		return (s64)cycles <= 1 << RACE_SHIFT ? now : cycles;
	}
}

/* Convert and return the error, or 1 if the result is wrong */
static int race_check(struct race *race, u64 cycles)
{
	/* What is exact is looked for in place first, unless it is of the base clock */
	enum clocksource_ids id = any_below(2) ? race->cs.id : race->base.id;
	struct ktime_conversion conv;
	u64 k = (cycles - 1) >> RACE_SHIFT;
	int ret;

	ret = tkh_convert_all(&race->h, id, cycles, &conv);
	if (ret == -ERANGE) {
		atomic_inc(&race->evicted);
	} else if (!ret && conv.mono - race_mono(cycles) <= conv.error_ns &&
		   conv.mono >= race_mono(cycles) && conv.raw == cycles &&
		   conv.clock_was_set_seq == k / 8 && conv.boot == conv.mono + ((k / 8) << 20)) {
		atomic_inc(conv.error_ns ? &race->spans : &race->exact);
	} else if (!ret) {
		pr_err_once("0x%llx is %lld of set %u, not %lld\n", cycles, conv.mono,
			    conv.clock_was_set_seq, race_mono(cycles));
		return 1;
	}
	return ret;
}

/* What an NMI gets that has hit the writer between tkh_begin() and tkh_end() */
static void race_nmi(struct race *race)
{
	u64 now = atomic64_read(&race->now), cycles = race_pick(race, now);
	/* The newest state is the one which the update is about to end */
	bool newest = cycles > ((now >> RACE_SHIFT) - 1) << RACE_SHIFT;
	int ret;

	nmi_enter();
	ret = race_check(race, cycles);
	nmi_exit();

	if (newest && ret == -EAGAIN)
		atomic_inc(&race->again);
	else if (newest || (ret && ret != -ERANGE))
		atomic_inc(&race->wrong);
}

/* Make state @k the next one to be published */
static void race_prepare(struct race *race, u64 k)
{
	struct tk_read_base *tkr = &race->tk.tkr_mono;

	tkr->cycle_last = (k & -RACE_STATES) << RACE_SHIFT;
	tkr->base = (k & -RACE_STATES) << 32;
	tkr->xtime_nsec = 1 + (k & 1);
	race->tk.tkr_raw.cycle_last = tkr->cycle_last;
	race->tk.tkr_raw.base = tkr->cycle_last;
	/* An era lasts for eight states */
	race->tk.clock_was_set_seq = k / 8;
	race->tk.offs_boot = (k / 8) << 20;
}

static void race_update(struct race *race, u64 k)
{
	race_prepare(race, k);

	/* As under the lock of the timekeeper: readers wait, so be quick */
	guard(irqsave)();

	atomic64_set(&race->now, k << RACE_SHIFT);
	WARN_ON(!tkh_prepare(&race->h, &race->tk, false, false));
	tkh_begin(&race->h);
	/* Readers find a counter beyond the switch while it is in flight */
	atomic64_set(&race->now, (k << RACE_SHIFT) + 1);
	if (!(k & 7))
		udelay(2);
	if ((k & 7) == 3)
		race_nmi(race);
	tkh_end(&race->h, &race->tk);
}

static int race_writer(void *data)
{
	struct race *race = data;

	for (u64 k = 2; !kthread_should_stop(); k++) {
		race_update(race, k);
		atomic64_add(1 << (RACE_SHIFT - 1), &race->now);
		if (!(k & 1023))
			cond_resched();
	}
	return 0;
}

static bool race_reader(void *data)
{
	struct race *race = data;
	u64 now = atomic64_read(&race->now), cycles = race_pick(race, now);
	unsigned long head = READ_ONCE(race->h.head);
	int ret = race_check(race, cycles);

	/* Not reached in time, maybe */
	if (ret == -EAGAIN && cycles > now)
		return true;
	if (ret && ret != -ERANGE) {
		atomic_inc(&race->wrong);
		return false;
	}
	/* There was an answer although an update of that interval was in flight */
	if (!ret && head & TKH_BUSY && cycles == now && (now & (BIT(RACE_SHIFT) - 1)) == 1)
		atomic_inc(&race->waited);
	/* The writer may be on the same CPU, and there may be no preemption */
	if (in_task())
		cond_resched();
	return true;
}

static int race_task(void *data)
{
	while (!kthread_should_stop())
		race_reader(data);
	return 0;
}

static struct race *race_create(struct kunit *test, unsigned int bits, unsigned int nr_states,
				unsigned int nr_spans, unsigned int nr_eras)
{
	struct race *race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	struct tk_read_base *tkr;

	KUNIT_ASSERT_NOT_NULL(test, race);
	sim_init_history(test, &race->h, nr_states, nr_spans, nr_eras);
	race->range = 3 * (nr_states + nr_spans);
	race->cs.name = "race";
	race->cs.id = CSID_ARM_ARCH_COUNTER;
	race->cs.mask = CLOCKSOURCE_MASK(bits);
	race->cs.max_raw_delta = race->cs.mask >> 1;
	race->cs.read = race_read;
	race->base.id = CSID_X86_ART;
	race->base.numerator = 1;
	race->base.denominator = 1;
	race->cs.base = &race->base;

	tkr = &race->tk.tkr_mono;
	tkr->clock = &race->cs;
	tkr->mask = race->cs.mask;
	tkr->mult = 1 << RACE_SHIFT;
	tkr->shift = RACE_SHIFT;
	race->tk.tkr_raw = *tkr;
	atomic64_set(&race->now, 1 << RACE_SHIFT);
	race_update(race, 1);
	return race;
}

/* Has each way to meet an update been taken? That takes two CPUs which run at once. */
static bool race_enough(struct race *race)
{
	return atomic_read(&race->exact) > 10000 && atomic_read(&race->spans) > 10000 &&
	       atomic_read(&race->evicted) > 1000 && atomic_read(&race->waited) > 10 &&
	       atomic_read(&race->again) > 100;
}

static void tkh_test_race(struct kunit *test)
{
	/* So few eras that they are evicted before the spans are */
	struct race *race = race_create(test, 64, 8, 4, 2);
	struct task_struct *writer, *reader;
	unsigned int cpu = 0;

	/* The test's own task is a reader, too, and needs a CPU */
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");

	writer = kthread_run_on_cpu(race_writer, race, cpumask_last(cpu_online_mask), "race/%u");
	KUNIT_ASSERT_FALSE(test, IS_ERR(writer));
	cpu = cpumask_first(cpu_online_mask);
	reader = kthread_run_on_cpu(race_task, race, cpu, "reader/%u");
	if (IS_ERR(reader)) {
		kthread_stop(writer);
		KUNIT_FAIL(test, "no reader");
		return;
	}
	/*
	 * Task, soft interrupt and hard interrupt, for up to one second each. The CPUs
	 * of a virtual machine may rarely run at once.
	 */
	for (int i = 0; i < 4 || (i < 40 && !race_enough(race)); i++)
		kunit_run_irq_test(test, race_reader, 200000, race);
	kthread_stop(reader);
	kthread_stop(writer);

	kunit_info(test, "%d exact, %d from spans, %d evicted, %d waited, %d in NMI did not, %d wrong\n",
		   atomic_read(&race->exact), atomic_read(&race->spans),
		   atomic_read(&race->evicted), atomic_read(&race->waited),
		   atomic_read(&race->again), atomic_read(&race->wrong));
	KUNIT_EXPECT_EQ(test, atomic_read(&race->wrong), 0);
	KUNIT_EXPECT_TRUE(test, race_enough(race));
}

/* An NMI does not wait for the update that it has hit, others can be answered */
static void tkh_test_nmi(struct kunit *test)
{
	struct race *race = race_create(test, 64, 8, 2, 4);
	u64 older = (2 << RACE_SHIFT) + 5, newest = (3 << RACE_SHIFT) + 1;
	ktime_t times[3] = { 42, 42, 42 };
	unsigned long flags;
	u32 error;
	int ret[3];

	race_update(race, 2);
	race_update(race, 3);

	local_irq_save(flags);
	nmi_enter();
	atomic64_set(&race->now, newest);
	ret[0] = tkh_convert(&race->h, CSID_ARM_ARCH_COUNTER, newest, CLOCK_MONOTONIC, &times[0],
			     &error);
	race_prepare(race, 4);
	WARN_ON(!tkh_prepare(&race->h, &race->tk, false, false));
	tkh_begin(&race->h);
	ret[1] = tkh_convert(&race->h, CSID_ARM_ARCH_COUNTER, newest, CLOCK_MONOTONIC, &times[1],
			     &error);
	ret[2] = tkh_convert(&race->h, CSID_ARM_ARCH_COUNTER, older, CLOCK_MONOTONIC, &times[2],
			     &error);
	tkh_end(&race->h, &race->tk);
	nmi_exit();
	local_irq_restore(flags);

	KUNIT_EXPECT_EQ(test, ret[0], 0);
	KUNIT_EXPECT_EQ(test, times[0], race_mono(newest));
	KUNIT_EXPECT_EQ(test, ret[1], -EAGAIN);
	KUNIT_EXPECT_EQ(test, times[1], 42);
	KUNIT_EXPECT_EQ(test, ret[2], 0);
	KUNIT_EXPECT_EQ(test, times[2], race_mono(older));
}

/* Time passes, to a value which was just out of reach */
static void interrupt_wait(struct race *race)
{
	atomic64_add(10, &race->now);
}

/* State number 4 begins */
static void interrupt_update(struct race *race)
{
	race_update(race, 4);
	atomic64_add(10, &race->now);
}

/*
 * A lookup which is interrupted just after it has read the counter: what it has
 * found until then can be outdated. A base clock has no short cut.
 */
static void tkh_test_interrupt(struct kunit *test)
{
	static struct clocksource_base base = {
		.id		= CSID_X86_ART,
		.numerator	= 1,
		.denominator	= 1,
	};
	struct race *race = race_create(test, 64, 8, 2, 4);
	u64 cycles = (3 << RACE_SHIFT) + 5;
	ktime_t time = 42;
	u32 error;

	race->cs.base = &base;
	race_update(race, 2);
	race_update(race, 3);

	/*
	 * Another CPU has read @cycles already, and this one has read its
	 * counter before it got to know of that
	 */
	atomic64_set(&race->now, cycles - 1);
	race->interrupt = interrupt_wait;
	KUNIT_EXPECT_EQ(test, 0, tkh_convert(&race->h, CSID_X86_ART, cycles,
					     CLOCK_MONOTONIC, &time, &error));
	KUNIT_EXPECT_EQ(test, time, race_mono(cycles));

	/* A value ahead of now, which an update turns into one of the next state */
	cycles = (4 << RACE_SHIFT) + 5;
	race->interrupt = interrupt_update;
	KUNIT_EXPECT_EQ(test, 0, tkh_convert(&race->h, CSID_X86_ART, cycles,
					     CLOCK_MONOTONIC, &time, &error));
	KUNIT_EXPECT_EQ(test, time, race_mono(cycles));
	KUNIT_EXPECT_EQ(test, error, 0);
}

/* A quarter of what a counter of 24 bits can count, in states */
#define LAP_STATES	(1 << (24 - 2 - RACE_SHIFT))

/* Updates go on until the counter has been through nearly all of its values */
static void interrupt_lap(struct race *race)
{
	for (u64 nr = 6; nr <= 9; nr++)
		race_update(race, nr * LAP_STATES);
	atomic64_add(10, &race->now);
}

/*
 * A lookup which is interrupted for nearly as long as a narrow counter takes to
 * wrap does not take the value for that of the lap before
 */
static void tkh_test_lap(struct kunit *test)
{
	struct race *race = race_create(test, 24, 16, 2, 16);
	u64 into = 3 * LAP_STATES << (RACE_SHIFT - 2);
	u64 cycles = (5 * LAP_STATES << RACE_SHIFT) + into;
	ktime_t time = 42;
	u32 error;

	for (u64 nr = 1; nr <= 5; nr++)
		race_update(race, nr * LAP_STATES);

	/* As in tkh_test_interrupt(), this CPU's counter is behind, and so is read twice */
	atomic64_set(&race->now, cycles - 1);
	race->interrupt = interrupt_lap;
	/* A base clock has no short cut */
	KUNIT_EXPECT_EQ(test, 0, tkh_convert(&race->h, CSID_X86_ART, cycles & race->cs.mask,
					     CLOCK_MONOTONIC, &time, &error));
	KUNIT_EXPECT_EQ(test, time, (5LL * LAP_STATES << 32) + into);
	KUNIT_EXPECT_EQ(test, error, 0);
}

/* All states but the newest one go */
static void interrupt_evict(struct race *race)
{
	for (u64 nr = 21; nr <= 27; nr++)
		race_update(race, nr);
}

/* What tkh_get_info() has found is evicted before it has all: it looks once more */
static void tkh_test_evict(struct kunit *test)
{
	struct race *race = race_create(test, 64, 8, 64, 64);
	struct ktime_history_info info, after;

	for (u64 nr = 2; nr <= 20; nr++)
		race_update(race, nr);
	race->interrupt = interrupt_evict;
	KUNIT_EXPECT_EQ(test, 0, tkh_get_info(&race->h, &info));
	KUNIT_EXPECT_NULL(test, race->interrupt);
	KUNIT_EXPECT_EQ(test, 0, tkh_get_info(&race->h, &after));
	KUNIT_EXPECT_EQ(test, info.oldest_exact, (20 << RACE_SHIFT) + 1);
	KUNIT_EXPECT_EQ(test, info.oldest_exact, after.oldest_exact);
	KUNIT_EXPECT_EQ(test, info.oldest, after.oldest);
	KUNIT_EXPECT_EQ(test, info.newest, after.newest);
}

/*
 * The live timekeeper
 */

#define LIVE_PAIRS	1000000
#define LIVE_ACTIONS	400
#define LIVE_SLOTS_SHIFT	17
#define LIVE_SECONDS	120

static unsigned int torture;
module_param(torture, uint, 0644);
MODULE_PARM_DESC(torture, "Seconds for each of the live tests, which suspend then, and provide a clocksource to change to");

/* A pair which was read and is converted when its slot is used the next time */
struct live_slot {
	atomic_t			busy;
	clockid_t			clock;
	/* live::suspended at that time, or before */
	unsigned int			suspended;
	struct system_time_snapshot	snap;
};

enum live_context { LIVE_TASK, LIVE_SOFTIRQ, LIVE_HARDIRQ, LIVE_NMI, NR_LIVE_CONTEXTS };

/* The answers on a CPU which were right, by the context which asked */
struct live_cpu {
	atomic_long_t	right[NR_LIVE_CONTEXTS];
};

struct live {
	/* The auxiliary clock to be used instead of the system's, or 0 */
	clockid_t		aux;
	struct live_slot	*slots;
	struct live_cpu		*cpus;
	atomic_long_t		exact;
	atomic_long_t		spans;
	atomic_long_t		evicted;
	/* There was a suspend while another clocksource was in use */
	atomic_long_t		lost;
	atomic_t		wrong;
	/* NMIs, and what they could not convert for an update in flight */
	atomic_t		nmis;
	atomic_t		again;
	/* The slot which was used last */
	unsigned int		last;
	unsigned int		actions;
	unsigned int		failed;
	unsigned int		suspends;
	/* How many attempts have begun, and ended */
	unsigned int		suspending;
	unsigned int		suspended;
	/* Of those, of which a value has been converted */
	unsigned int		gaps;
};

static enum live_context live_context(void)
{
	if (in_nmi())
		return LIVE_NMI;
	if (in_hardirq())
		return LIVE_HARDIRQ;
	return in_serving_softirq() ? LIVE_SOFTIRQ : LIVE_TASK;
}

static void live_check(struct live *live, const struct live_slot *slot)
{
	const struct system_time_snapshot *snap = &slot->snap;
	struct ktime_conversion conv = { };
	struct ktime_cycles_time cycles;
	ktime_t time, again;
	int ret;

	if (!snap->valid || snap->cs_id == CSID_GENERIC)
		return;

	ret = ktime_convert_cycles(snap->cs_id, snap->cycles, slot->clock, &time);
	if (!ret && live->aux)
		ret = ktime_convert_cycles_batch(snap->cs_id, &snap->cycles, 1, slot->clock,
						 &cycles) ?: cycles.status;
	else if (!ret)
		ret = ktime_convert_cycles_all(snap->cs_id, snap->cycles, &conv);
	if (ret == -ERANGE) {
		atomic_long_inc(&live->evicted);
		return;
	}
	if (ret == -ENODATA && !live->aux && READ_ONCE(live->suspending) != slot->suspended) {
		atomic_long_inc(&live->lost);
		return;
	}
	if (ret == -EAGAIN && in_nmi()) {
		atomic_inc(&live->again);
		return;
	}

	/* The answer never decreases */
	again = conversion_get(&conv, slot->clock);
	if (!ret && live->aux) {
		again = cycles.time;
		/* There is nothing else to compare with */
		conv.error_ns = cycles.error_ns;
		conv.raw = snap->monoraw;
		conv.clock_was_set_seq = snap->clock_was_set_seq;
		conv.cs_was_changed_seq = snap->cs_was_changed_seq;
	}
	if (ret || time < snap->systime || again < time ||
	    again - snap->systime > conv.error_ns || conv.raw != snap->monoraw ||
	    conv.flags & KTIME_CONVERSION_SUSPENDED ||
	    conv.clock_was_set_seq != snap->clock_was_set_seq ||
	    conv.cs_was_changed_seq != snap->cs_was_changed_seq) {
		if (atomic_inc_return(&live->wrong) <= 10) {
			pr_err("%d: clock %d at 0x%llx is off by %lld ns, raw by %lld ns, set %u %u\n",
			       ret, slot->clock, snap->cycles, time - snap->systime,
			       conv.raw - snap->monoraw, conv.clock_was_set_seq,
			       snap->clock_was_set_seq);
		}
		return;
	}
	atomic_long_inc(conv.error_ns ? &live->spans : &live->exact);
	/* A task may be on another CPU by now: no matter, it is one which converts */
	atomic_long_inc(&live->cpus[raw_smp_processor_id()].right[live_context()]);
}

static bool live_reader(void *data)
{
	static const clockid_t clocks[] = {
		CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW,
	};
	/* The first ones often, the last ones seldom: pairs of all ages */
	unsigned int nr = any_below(1 << any_below(LIVE_SLOTS_SHIFT + 1));
	struct live *live = data;
	struct live_slot *slot = &live->slots[nr];

	if (atomic_cmpxchg_acquire(&slot->busy, 0, 1))
		return true;
	live_check(live, slot);
	slot->clock = live->aux ?: clocks[any_below(ARRAY_SIZE(clocks))];
	slot->suspended = READ_ONCE(live->suspended);
	ktime_get_snapshot_id(slot->clock, &slot->snap);
	/* And once more at once, in the newest state */
	live_check(live, slot);
	atomic_set_release(&slot->busy, 0);
	WRITE_ONCE(live->last, nr);
	/* Without preemption nobody else would get this CPU for a second each time */
	if (in_task())
		cond_resched();
	return true;
}

#ifdef CONFIG_PERF_EVENTS
/*
 * An NMI cannot read the clock, but it can convert what others have read: every
 * other time the newest value, or else any.
 */
static void live_nmi(struct live *live)
{
	unsigned int nr = atomic_inc_return(&live->nmis);
	struct live_slot *slot;

	nr = nr & 1 ? READ_ONCE(live->last) : (nr * 509) % BIT(LIVE_SLOTS_SHIFT);
	slot = &live->slots[nr];
	if (atomic_cmpxchg_acquire(&slot->busy, 0, 1))
		return;
	live_check(live, slot);
	atomic_set_release(&slot->busy, 0);
}

static void live_overflow(struct perf_event *event, struct perf_sample_data *data,
			  struct pt_regs *regs)
{
	if (in_nmi())
		live_nmi(event->overflow_handler_context);
}

/* A cycle counter whose overflows are NMIs, where there is such a thing */
static struct perf_event *live_start_nmi(struct live *live, unsigned int cpu)
{
	struct perf_event_attr attr = {
		.type		= PERF_TYPE_HARDWARE,
		.config		= PERF_COUNT_HW_CPU_CYCLES,
		.size		= sizeof(attr),
		.pinned		= 1,
		.sample_period	= 500000,
	};

	return perf_event_create_kernel_counter(&attr, cpu, NULL, live_overflow, live);
}
#else
static struct perf_event *live_start_nmi(struct live *live, unsigned int cpu)
{
	return ERR_PTR(-ENODEV);
}
#endif

static int live_task(void *data)
{
	while (!kthread_should_stop())
		live_reader(data);
	return 0;
}

/* There is no clock_aux without POSIX_AUX_CLOCKS */
static bool live_is_aux(const struct live *live)
{
	return IS_ENABLED(CONFIG_POSIX_AUX_CLOCKS) && live->aux;
}

static int live_adjtimex(struct live *live, struct __kernel_timex txc)
{
	return live_is_aux(live) ? clock_aux.clock_adj(live->aux, &txc) : do_adjtimex(&txc);
}

static int live_settime(struct live *live, const struct timespec64 *ts)
{
	return live_is_aux(live) ? clock_aux.clock_set(live->aux, ts) : do_settimeofday64(ts);
}

/* Everything that can be done to a clock */
static int live_disturb(void *data)
{
	struct live *live = data;
	struct timespec64 ts;
	bool slew;

	while (!kthread_should_stop()) {
		unsigned int action = live->actions % 16;
		int ret = 0;

		/* Rates alone and fast, so that states are folded before their era is lost */
		slew = live->actions % 2048 >= 256;
		if (slew)
			action = live->actions % 3;
		switch (action) {
		case 0:
		case 6:
			ret = live_adjtimex(live, (struct __kernel_timex) {
				.modes = ADJ_FREQUENCY, .freq = 500LL << 16 });
			break;
		case 3:
		case 9:
			ret = live_adjtimex(live, (struct __kernel_timex) {
				.modes = ADJ_FREQUENCY, .freq = -(500LL << 16) });
			break;
		case 1:
			ret = live_adjtimex(live, (struct __kernel_timex) {
				.modes = ADJ_FREQUENCY, .freq = any_below(1 << 16) });
			break;
		case 2:
			ret = any_below(1000) - 500;
			ret = live_adjtimex(live, (struct __kernel_timex) {
				.modes = ADJ_TICK, .tick = USEC_PER_SEC / USER_HZ + ret });
			break;
		case 4:
			ret = live_adjtimex(live, (struct __kernel_timex) {
				.modes = ADJ_SETOFFSET | ADJ_NANO,
				.time.tv_sec = any_below(2) ? 5 : -6,
				.time.tv_usec = any_below(NSEC_PER_SEC) });
			break;
		case 5:
			/* Auxiliary clocks have neither TAI nor leap seconds */
			if (live->aux)
				break;
			ret = live_adjtimex(live, (struct __kernel_timex) {
				.modes = ADJ_TAI, .constant = any_below(100) });
			break;
		case 7:
			ret = live_adjtimex(live, (struct __kernel_timex) {
				.modes = ADJ_OFFSET | ADJ_STATUS | ADJ_NANO,
				.status = STA_PLL | STA_NANO,
				.offset = (s32)any_below(1000000) - 500000 });
			break;
		case 8:
			if (live->aux)
				break;
			/* A leap second is inserted, deleted, or neither comes up */
			ktime_get_real_ts64(&ts);
			ts.tv_sec = roundup_u64(ts.tv_sec, 86400) - 1;
			ts.tv_nsec = NSEC_PER_SEC - 20 * NSEC_PER_MSEC;
			ret = live_settime(live, &ts);
			if (ret)
				break;
			ret = live_adjtimex(live, (struct __kernel_timex) {
				.modes = ADJ_STATUS,
				.status = any_below(2) ? STA_INS : STA_DEL });
			msleep(30);
			break;
		case 10:
			ktime_get_real_ts64(&ts);
			ret = live_settime(live, &ts);
			break;
		case 12:
			ts.tv_sec = 1600000000 + any_below(100000000);
			ts.tv_nsec = any_below(NSEC_PER_SEC);
			ret = live_settime(live, &ts);
			break;
		default:
			msleep(1 + any_below(10));
		}
		WRITE_ONCE(live->actions, live->actions + 1);
		if (ret < 0) {
			pr_err("action %u: %d\n", live->actions, ret);
			live->failed++;
		}
		if (!slew || !(live->actions % 16))
			usleep_range(50, 500);
	}
	return 0;
}

/*
 * A second clocksource to change to, which has an ID. Nobody changes to it but
 * who asks for it: its rating is the lowest.
 */
static u64 live_cs_read(struct clocksource *cs)
{
	return sched_clock();
}

static struct clocksource live_cs = {
	.name	= "tk_history_test",
	.rating	= 1,
	.read	= live_cs_read,
	.mask	= CLOCKSOURCE_MASK(56),
	.flags	= CLOCK_SOURCE_IS_CONTINUOUS,
	/* Any one that this machine does not have */
	.id	= IS_ENABLED(CONFIG_S390) ? CSID_X86_TSC_EARLY : CSID_S390_TOD,
};

#ifdef CONFIG_PM_SLEEP
struct live_gap {
	u64				cycles;
	struct system_time_snapshot	before;
	struct system_time_snapshot	after;
};

/*
 * The part of a suspend that timekeeping takes part in, on the CPU and with the
 * interrupts off as in a real one. The other CPUs still take NMIs.
 */
static int live_suspend_cpu(void *data)
{
	struct live_gap *gap = data;
	int ret;

	ktime_get_snapshot_id(CLOCK_BOOTTIME, &gap->before);
	ret = syscore_suspend();
	if (ret)
		return ret;
	mdelay(1 + any_below(20));
	gap->cycles = get_cycles();
	syscore_resume();
	ktime_get_snapshot_id(CLOCK_BOOTTIME, &gap->after);
	return 0;
}

/* If the clocksource is what get_cycles() reads, then that value is from the suspend */
static void live_check_gap(struct live *live, const struct live_gap *gap)
{
	struct ktime_conversion conv = { };
	int ret;

	if (!gap->before.valid || !gap->after.valid || gap->before.cs_id == CSID_GENERIC ||
	    gap->before.cs_id != gap->after.cs_id ||
	    gap->cycles <= gap->before.cycles || gap->cycles >= gap->after.cycles)
		return;

	ret = ktime_convert_cycles_all(gap->before.cs_id, gap->cycles, &conv);
	if (ret == -ERANGE)
		return;
	live->gaps++;
	if (!ret && conv.flags & KTIME_CONVERSION_SUSPENDED &&
	    conv.boot > gap->before.systime && conv.boot < gap->after.systime)
		return;
	if (atomic_inc_return(&live->wrong) <= 10) {
		pr_err("%d: boot time %lld in a suspend, from %lld to %lld, flags %u\n", ret,
		       conv.boot, gap->before.systime, gap->after.systime, conv.flags);
	}
}

/*
 * Not the whole of it: that would freeze the readers, and the task which waits
 * for the end of the test cannot be frozen.
 */
static int live_suspend(void *data)
{
	struct live *live = data;
	struct live_gap gap;
	unsigned int flags;

	while (!kthread_should_stop()) {
		flags = lock_system_sleep();
		WRITE_ONCE(live->suspending, live->suspending + 1);
		if (!stop_machine(live_suspend_cpu, &gap, cpumask_of(0))) {
			live->suspends++;
			live_check_gap(live, &gap);
		}
		WRITE_ONCE(live->suspended, live->suspending);
		unlock_system_sleep(flags);
		msleep(any_below(500));
	}
	return 0;
}
#else
static int live_suspend(void *data)
{
	return 0;
}
#endif

static void live_restore(struct live *live, const struct __kernel_timex *txc,
			 ktime_t real_minus_raw)
{
	struct timespec64 ts;

	live_adjtimex(live, (struct __kernel_timex) {
		.modes = ADJ_FREQUENCY | ADJ_TICK | ADJ_STATUS | ADJ_TAI | ADJ_OFFSET,
		.freq = txc->freq, .tick = txc->tick, .constant = txc->tai,
		.status = STA_PLL });
	live_adjtimex(live, (struct __kernel_timex) {
		.modes = ADJ_STATUS | ADJ_TIMECONST |
			 (txc->status & STA_NANO ? ADJ_NANO : ADJ_MICRO),
		.status = txc->status & ~STA_RONLY, .constant = txc->constant });
	/* RAW stands still in a suspend */
	ts = ktime_to_timespec64(ktime_get_raw() + real_minus_raw +
				 ktime_mono_to_any(0, TK_OFFS_BOOT));
	live_settime(live, &ts);
}

/* Is the live timekeeper's counter one that can be converted? */
static void live_require_counter(struct kunit *test)
{
	struct ktime_history_info info;

	/* It may change all the time: give it a second */
	for (int i = 0; i < 100; i++) {
		if (ktime_history_get_info(&info))
			kunit_skip(test, "tk_history is off");
		if (info.cs_id != CSID_GENERIC)
			return;
		fsleep(10 * USEC_PER_MSEC);
	}
	kunit_skip(test, "the clocksource has no ID");
}

/* Tell what each CPU has converted. In a torture none is without, NMIs apart. */
static void live_report_cpus(struct kunit *test, struct live *live, bool all)
{
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		long right[NR_LIVE_CONTEXTS];

		for (int i = 0; i < NR_LIVE_CONTEXTS; i++)
			right[i] = atomic_long_read(&live->cpus[cpu].right[i]);
		kunit_info(test, "CPU %u: %ld in tasks, %ld in softirqs, %ld in interrupts, %ld in NMIs\n",
			   cpu, right[LIVE_TASK], right[LIVE_SOFTIRQ], right[LIVE_HARDIRQ],
			   right[LIVE_NMI]);
		for (int i = LIVE_TASK; all && i <= LIVE_HARDIRQ; i++)
			KUNIT_EXPECT_GT(test, right[i], 0);
	}
}

/* Run until there are enough pairs and actions, and tell what was found */
static void live_run(struct kunit *test, struct live *live)
{
	unsigned int cpu, nr = 0, seconds = READ_ONCE(torture);
	struct task_struct *disturber, *suspender, **readers;
	struct perf_event **nmis;
	unsigned long end;

	readers = kunit_kcalloc(test, nr_cpu_ids, sizeof(*readers), GFP_KERNEL);
	nmis = kunit_kcalloc(test, nr_cpu_ids, sizeof(*nmis), GFP_KERNEL);
	live->cpus = kunit_kcalloc(test, nr_cpu_ids, sizeof(*live->cpus), GFP_KERNEL);
	live->slots = kvcalloc(BIT(LIVE_SLOTS_SHIFT), sizeof(*live->slots), GFP_KERNEL);
	if (!readers || !nmis || !live->cpus || !live->slots) {
		KUNIT_FAIL(test, "no memory");
		return;
	}

	if (seconds)
		KUNIT_EXPECT_EQ(test, 0, clocksource_register_hz(&live_cs, NSEC_PER_SEC));
	disturber = kthread_run(live_disturb, live, "disturber");
	suspender = ERR_PTR(-ENODEV);
	if (seconds)
		suspender = kthread_run(live_suspend, live, "suspender");
	for_each_online_cpu(cpu) {
		nmis[nr] = live_start_nmi(live, cpu);
		readers[nr] = kthread_run_on_cpu(live_task, live, cpu, "reader/%u");
		nr++;
	}
	if (!IS_ERR(disturber)) {
		/* The kthreads, and this task, soft and hard interrupt on each CPU in turn */
		end = jiffies + (seconds ?: LIVE_SECONDS) * HZ;
		cpu = cpumask_first(cpu_online_mask);
		while ((seconds || atomic_long_read(&live->exact) < LIVE_PAIRS ||
			READ_ONCE(live->actions) < LIVE_ACTIONS) && time_before(jiffies, end)) {
			KUNIT_EXPECT_EQ(test, 0, set_cpus_allowed_ptr(current, cpumask_of(cpu)));
			kunit_run_irq_test(test, live_reader, 100000, live);
			cpu = cpumask_next(cpu, cpu_online_mask);
			if (cpu >= nr_cpu_ids)
				cpu = cpumask_first(cpu_online_mask);
		}
		set_cpus_allowed_ptr(current, cpu_possible_mask);
		kthread_stop(disturber);
	}
	if (!IS_ERR(suspender))
		kthread_stop(suspender);
	while (nr--) {
		if (!IS_ERR(readers[nr]))
			kthread_stop(readers[nr]);
		if (!IS_ERR(nmis[nr]))
			perf_event_release_kernel(nmis[nr]);
	}
	if (seconds)
		KUNIT_EXPECT_EQ(test, 0, clocksource_unregister(&live_cs));
	kvfree(live->slots);

	kunit_info(test, "%ld exact, %ld from spans, %ld evicted, %ld lost, %d wrong, %u changes of the clock, %u suspends, %u gaps, %d refused in NMIs\n",
		   atomic_long_read(&live->exact), atomic_long_read(&live->spans),
		   atomic_long_read(&live->evicted), atomic_long_read(&live->lost),
		   atomic_read(&live->wrong), live->actions, live->suspends, live->gaps,
		   atomic_read(&live->again));
	/* Each CPU has a second at most before it is the next one's turn */
	live_report_cpus(test, live, seconds >= 2 * num_online_cpus());
	KUNIT_EXPECT_EQ(test, atomic_read(&live->wrong), 0);
	/* Half of the exact ones were in the newest state, for sure */
	KUNIT_EXPECT_LT(test, atomic_long_read(&live->lost), atomic_long_read(&live->exact) / 2);
	KUNIT_EXPECT_EQ(test, live->failed, 0);
	/* What an emulated machine with every checker manages, in a torture by far */
	KUNIT_EXPECT_GE(test, atomic_long_read(&live->exact),
			seconds ? seconds * 100 : LIVE_PAIRS);
	KUNIT_EXPECT_GE(test, live->actions, seconds ?: LIVE_ACTIONS);
	if (IS_ENABLED(CONFIG_PM_SLEEP))
		KUNIT_EXPECT_GE(test, live->suspends, seconds / 4);
}

static void tkh_test_live(struct kunit *test)
{
	struct __kernel_timex txc = { };
	struct live live = { };
	ktime_t diff;

	live_require_counter(test);
	do_adjtimex(&txc);
	diff = ktime_get_real() - ktime_get_raw() - ktime_mono_to_any(0, TK_OFFS_BOOT);
	/* Far from the epoch, so that no step back fails */
	KUNIT_ASSERT_EQ(test, 0, do_settimeofday64(&(struct timespec64) { .tv_sec = 1600000000 }));
	live_run(test, &live);
	live_restore(&live, &txc, diff);
}

KUNIT_DEFINE_ACTION_WRAPPER(fput_action, fput, struct file *);

/* What "echo 1 > aux_clock_enable" opens. It needs no mounted sysfs here. */
static struct file *aux_open(struct kunit *test, unsigned int id)
{
	struct file_system_type *type = get_fs_type("sysfs");
	struct vfsmount *mnt;
	struct file *file;
	char path[48];

	KUNIT_ASSERT_NOT_NULL(test, type);
	mnt = kern_mount(type);
	put_filesystem(type);
	KUNIT_ASSERT_FALSE(test, IS_ERR(mnt));

	snprintf(path, sizeof(path), "kernel/time/aux_clocks/%u/aux_clock_enable", id);
	file = file_open_root_mnt(mnt, path, O_WRONLY, 0);
	/* The file keeps what it needs */
	kern_unmount(mnt);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, fput_action, file));
	return file;
}

static int aux_enable(struct file *file, bool enable)
{
	loff_t pos = 0;

	return min(kernel_write(file, enable ? "1" : "0", 1, &pos), 0);
}

#define AUX_ID	7

/* The kernel's NTP code, steps and slews, without touching the system's time */
static void tkh_test_live_aux(struct kunit *test)
{
	struct live live = { .aux = CLOCK_AUX + AUX_ID };
	struct ktime_cycles_time times;
	struct ktime_history_info info;
	struct timespec64 ts;
	struct file *file;
	ktime_t time = 42;
	int ret;

	if (!IS_ENABLED(CONFIG_POSIX_AUX_CLOCKS))
		kunit_skip(test, "needs POSIX_AUX_CLOCKS");
	if (ktime_get_aux_ts64(live.aux, &ts))
		kunit_skip(test, "auxiliary clock %u is in use", AUX_ID);
	live_require_counter(test);
	file = aux_open(test, AUX_ID);
	KUNIT_ASSERT_EQ(test, 0, ktime_history_get_info(&info));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			ktime_convert_cycles(info.cs_id, info.newest, live.aux, &time));

	KUNIT_ASSERT_EQ(test, 0, aux_enable(file, true));
	/* It was not there yet at that value. A torture changes the clocksource meanwhile. */
	ret = ktime_convert_cycles(info.cs_id, info.newest, live.aux, &time);
	if (!READ_ONCE(torture) || ret != -ENODEV)
		KUNIT_EXPECT_EQ(test, -ENODATA, ret);
	/* Another clock's state is its own */
	KUNIT_EXPECT_EQ(test, -ENODEV,
			ktime_convert_cycles(info.cs_id, info.newest, live.aux - 1, &time));
	KUNIT_EXPECT_EQ(test, time, 42);
	/* Far from the epoch, so that no step back fails */
	KUNIT_EXPECT_EQ(test, 0, live_settime(&live,
					      &(struct timespec64) { .tv_sec = 1600000000 }));
	live_run(test, &live);

	KUNIT_ASSERT_EQ(test, 0, aux_enable(file, false));
	KUNIT_ASSERT_EQ(test, 0, ktime_history_get_info(&info));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			ktime_convert_cycles(info.cs_id, info.newest, live.aux, &time));
	KUNIT_EXPECT_EQ(test, -ENODEV, ktime_convert_cycles_batch(info.cs_id, &info.newest, 1,
								  live.aux, &times));
}

/*
 * Converts while the clock is enabled and disabled: memory comes and goes. Each
 * second value of a batch is from before the history, so that all are looked up.
 */
static int aux_reader(void *data)
{
	struct system_time_snapshot snap, last = { };
	struct ktime_cycles_time times[16];
	u64 cycles[ARRAY_SIZE(times)] = { };
	struct live *live = data;

	while (!kthread_should_stop()) {
		int ret;

		ktime_get_snapshot_id(live->aux, &snap);
		if (snap.valid && snap.cs_id != CSID_GENERIC)
			last = snap;
		else
			cond_resched();
		if (!last.valid)
			continue;
		/* While the clock is disabled it is a value from before */
		for (int i = 0; i < ARRAY_SIZE(cycles); i += 2)
			cycles[i] = last.cycles;
		ret = ktime_convert_cycles_batch(last.cs_id, cycles, ARRAY_SIZE(cycles),
						 live->aux, times) ?: times[0].status;
		if (!ret && times[0].time == last.systime)
			atomic_long_inc(&live->exact);
		else if (ret == -ENODEV || ret == -ENODATA)
			atomic_long_inc(&live->evicted);
		else
			atomic_inc(&live->wrong);
	}
	return 0;
}

static void tkh_test_aux_enable(struct kunit *test)
{
	struct live live = { .aux = CLOCK_AUX + AUX_ID };
	struct system_time_snapshot snap;
	struct task_struct *reader;
	struct timespec64 ts;
	struct file *file;
	ktime_t time;

	if (!IS_ENABLED(CONFIG_POSIX_AUX_CLOCKS))
		kunit_skip(test, "needs POSIX_AUX_CLOCKS");
	if (ktime_get_aux_ts64(live.aux, &ts))
		kunit_skip(test, "auxiliary clock %u is in use", AUX_ID);
	live_require_counter(test);
	file = aux_open(test, AUX_ID);

	reader = kthread_run(aux_reader, &live, "reader");
	KUNIT_ASSERT_FALSE(test, IS_ERR(reader));
	for (int i = 0; i < 50; i++) {
		KUNIT_EXPECT_EQ(test, 0, aux_enable(file, true));
		/* There is a history from the first value on, no tick has to come first */
		ktime_get_snapshot_id(live.aux, &snap);
		KUNIT_EXPECT_EQ(test, 0, ktime_convert_cycles(snap.cs_id, snap.cycles, live.aux,
							      &time));
		KUNIT_EXPECT_EQ(test, time, snap.systime);
		usleep_range(5000, 6000);
		KUNIT_EXPECT_EQ(test, 0, aux_enable(file, false));
		usleep_range(500, 1000);
	}
	kthread_stop(reader);

	kunit_info(test, "%ld exact, %ld while disabled, %d wrong\n",
		   atomic_long_read(&live.exact), atomic_long_read(&live.evicted),
		   atomic_read(&live.wrong));
	KUNIT_EXPECT_EQ(test, atomic_read(&live.wrong), 0);
	KUNIT_EXPECT_GT(test, atomic_long_read(&live.exact), 1000);
	KUNIT_EXPECT_GT(test, atomic_long_read(&live.evicted), 0);
}

/* The exported functions' errors, and that a batch is not all or nothing */
static void tkh_test_interface(struct kunit *test)
{
	struct ktime_cycles_time times[5];
	struct ktime_history_info info;
	struct ktime_conversion conv = { .mono = 42 };
	enum clocksource_ids id;
	ktime_t time = 42;
	u64 cycles[5];
	int ret;

	live_require_counter(test);
	KUNIT_ASSERT_EQ(test, 0, ktime_history_get_info(&info));
	id = info.cs_id;

	KUNIT_EXPECT_EQ(test, -EINVAL, ktime_convert_cycles(id, info.newest, 1234, &time));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			ktime_convert_cycles(id, info.newest, CLOCK_MONOTONIC_COARSE, &time));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			ktime_convert_cycles(id, info.newest, CLOCK_AUX_LAST, &time));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			ktime_convert_cycles(CSID_GENERIC, info.newest, CLOCK_REALTIME, &time));
	KUNIT_EXPECT_EQ(test, -ENODEV, ktime_convert_cycles_all(CSID_GENERIC, 1, &conv));
	KUNIT_EXPECT_EQ(test, time, 42);
	KUNIT_EXPECT_EQ(test, conv.mono, 42);

	cycles[0] = info.newest;
	cycles[1] = info.newest + 3600ULL * 1000 * max(info.freq_khz, 1);
	cycles[2] = info.newest - 1;
	cycles[3] = info.oldest - 1;
	cycles[4] = info.newest;
	memset(times, 0xff, sizeof(times));
	KUNIT_ASSERT_EQ(test, 0, ktime_convert_cycles_batch(id, cycles, 5, CLOCK_BOOTTIME, times));
	for (int i = 0; i < 5; i++) {
		ret = ktime_convert_cycles(id, cycles[i], CLOCK_BOOTTIME, &time);
		KUNIT_EXPECT_EQ(test, times[i].status, ret);
		KUNIT_EXPECT_EQ(test, times[i].error_ns, 0);
		KUNIT_EXPECT_EQ(test, times[i].time, ret ? 0 : time);
	}
	KUNIT_EXPECT_EQ(test, times[0].status, 0);
	KUNIT_EXPECT_EQ(test, times[1].status, -EAGAIN);
	KUNIT_EXPECT_EQ(test, times[2].status, 0);
	KUNIT_EXPECT_TRUE(test, times[3].status == -ERANGE || times[3].status == -ENODATA);
	KUNIT_EXPECT_EQ(test, times[4].time, times[0].time);

	memset(times, 0xff, sizeof(times));
	KUNIT_EXPECT_EQ(test, -EINVAL, ktime_convert_cycles_batch(id, cycles, 5, -3, times));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			ktime_convert_cycles_batch(id, cycles, 5, CLOCK_AUX_LAST, times));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			ktime_convert_cycles_batch(CSID_GENERIC, cycles, 5, CLOCK_TAI, times));
	KUNIT_EXPECT_EQ(test, times[0].status, -1);
	KUNIT_EXPECT_EQ(test, 0, ktime_convert_cycles_batch(id, cycles, 0, CLOCK_TAI, times));
	KUNIT_EXPECT_EQ(test, times[0].status, -1);
}

static struct kunit_case tkh_test_cases[] = {
	KUNIT_CASE_PARAM(tkh_test_random, random_gen_params),
	KUNIT_CASE_PARAM(tkh_test_spans, spans_gen_params),
	KUNIT_CASE(tkh_test_lost),
	KUNIT_CASE(tkh_test_range),
	KUNIT_CASE_PARAM(tkh_test_long, long_gen_params),
	KUNIT_CASE(tkh_test_steady),
	KUNIT_CASE(tkh_test_steady_narrow),
	KUNIT_CASE(tkh_test_slope),
	KUNIT_CASE(tkh_test_batch_lap),
	KUNIT_CASE(tkh_test_suspend),
	KUNIT_CASE(tkh_test_errors),
	KUNIT_CASE(tkh_test_gap),
	KUNIT_CASE(tkh_test_gap_suspend),
	KUNIT_CASE(tkh_test_anew),
	KUNIT_CASE(tkh_test_backwards),
	KUNIT_CASE(tkh_test_lagging),
	KUNIT_CASE(tkh_test_nmi),
	KUNIT_CASE(tkh_test_interrupt),
	KUNIT_CASE(tkh_test_lap),
	KUNIT_CASE(tkh_test_evict),
	KUNIT_CASE_SLOW(tkh_test_race),
	KUNIT_CASE(tkh_test_interface),
	KUNIT_CASE_SLOW(tkh_test_live),
	KUNIT_CASE_SLOW(tkh_test_live_aux),
	KUNIT_CASE(tkh_test_aux_enable),
	{ }
};

static struct kunit_suite tkh_test_suite = {
	.name		= "tk_history",
	.test_cases	= tkh_test_cases,
};

kunit_test_suite(tkh_test_suite);

MODULE_DESCRIPTION("KUnit tests for the conversion of past counter values");
MODULE_LICENSE("GPL");
