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
#include <linux/irqflags.h>
#include <linux/jhash.h>
#include <linux/kcsan-checks.h>
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
	/* How often it was read, and after how many reads it moves by itself, 0 for never */
	unsigned int		reads;
	unsigned int		still;
	/* How often it has started anew, from what value, and the highest one before */
	unsigned int		life;
	u64			born;
	u64			peak;
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
	/* sim_counter::life and sim_counter::peak at that time */
	unsigned int		life;
	u64			peak;
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
	/* A wall may begin with it, an installation may */
	bool			wall;
	bool			installation;
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
#define SIM_LEVELS	4

/* How much a history keeps */
struct sim_size {
	unsigned int	entries[SIM_LEVELS];
	unsigned int	walls;
	unsigned int	installations;
};

/* tkh_level_size::error of each level */
static const u8 sim_errors[SIM_LEVELS] = { 0, 1, 4, 7 };

struct sim {
	struct tk_history	h;
	struct sim_size		size;
	/* So many entries are kept at least, and none has a larger bound in ns */
	unsigned int		nr_entries;
	u32			bound;
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
	/* The last value that was converted */
	u64			value;
	/* The next update begins an installation, whatever else it is */
	bool			installs;
	bool			suspended;
};

static u64 sim_read(struct clocksource *cs)
{
	struct sim_counter *counter = container_of(cs, struct sim_counter, cs);
	u64 now = counter->now & cs->mask;

	counter->reads++;
	if (counter->still && !--counter->still)
		counter->now++;
	return now;
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
	counter->born = start;
}

static void sim_init_history(struct kunit *test, struct tk_history *h, const struct sim_size *size)
{
	struct tkh_level_size sizes[SIM_LEVELS];
	struct tkh_memory memory = {
		.sizes			= sizes,
		.nr_walls		= size->walls,
		.nr_installations	= size->installations,
	};
	unsigned int nr = 0;

	for (int i = 0; i < SIM_LEVELS && size->entries[i]; i++) {
		sizes[i].size = size->entries[i];
		sizes[i].error = sim_errors[i];
		nr += size->entries[i];
		memory.nr_levels++;
	}
	memory.rings = kunit_kcalloc(test, nr, sizeof(*memory.rings), GFP_KERNEL);
	memory.walls = kunit_kcalloc(test, size->walls, sizeof(*memory.walls), GFP_KERNEL);
	memory.installations = kunit_kcalloc(test, size->installations,
					     sizeof(*memory.installations), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, memory.rings);
	KUNIT_ASSERT_NOT_NULL(test, memory.walls);
	KUNIT_ASSERT_NOT_NULL(test, memory.installations);
	memset(h, 0, sizeof(*h));
	tkh_init(h, &memory);
}

/* Begin an update, of the core timekeeper or of one that is like it */
static bool prepare(struct tk_history *h, const struct timekeeper *tk, bool suspended)
{
	return tkh_prepare(h, tk, suspended, h->resumes + (h->suspended && !suspended));
}

/* An update of which nobody reads anything until it is recorded */
static void record(struct tk_history *h, const struct timekeeper *tk, bool suspended)
{
	/* As under the lock of the timekeeper */
	guard(irqsave)();

	if (prepare(h, tk, suspended)) {
		tkh_switch(h);
		tkh_record(h, tk);
	}
}

/* After a gap, the history cannot tell that from a start anew */
static bool sim_wrapped(const struct sim_counter *counter)
{
	return counter->now < counter->born || counter->now > counter->cs.mask;
}

static bool ref_begins_installation(const struct ref *ref, const struct ref *last)
{
	return !last || last->counter != ref->counter || last->life != ref->life ||
	       (last->suspended && !ref->suspended) || last->offs_boot != ref->offs_boot ||
	       last->cs_was_changed_seq != ref->cs_was_changed_seq ||
	       memcmp(&last->base, &ref->base, sizeof(ref->base));
}

static bool ref_begins_wall(const struct ref *ref, const struct ref *last)
{
	return !last || last->offs_real != ref->offs_real || last->offs_tai != ref->offs_tai ||
	       last->clock_was_set_seq != ref->clock_was_set_seq;
}

/* Hand the update to the history and append it to the reference */
static void sim_update(struct sim *sim)
{
	struct ref *last = sim->nr_refs ? &sim->refs[sim->nr_refs - 1] : NULL;
	struct timekeeper *tk = &sim->tk;
	struct sim_counter *counter = container_of(tk->tkr_mono.clock, struct sim_counter, cs);
	struct sim_counter *old = last ? last->counter : counter;
	/* tkr_mono.cycle_last is never ahead of the counter */
	u64 cycle_last = counter->now - ((counter->now - tk->tkr_mono.cycle_last) &
					 counter->cs.mask);
	struct ref *ref = &sim->refs[sim->nr_refs++];
	u64 from;

	/* The update takes its time, before and after the switch */
	counter->now += below(sim, sim->delay);
	if (old != counter)
		old->now += below(sim, sim->delay);
	scoped_guard(irqsave) {
		bool news = tkh_prepare(&sim->h, tk, sim->suspended, sim->suspends);

		from = counter->now;
		if (last && !last->suspended)
			last->to = old->now;
		/* The counter may move while it is read, and may stand still */
		old->still = below(sim, sim->delay) & 3;
		if (news)
			tkh_switch(&sim->h);
		old->still = 0;
		counter->now += below(sim, sim->delay);
		if (news)
			tkh_record(&sim->h, tk);
	}

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
		.life			= counter->life,
		.peak			= sim_wrapped(counter) ? U64_MAX : counter->peak,
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
	};
	ref->wall = ref_begins_wall(ref, last);
	ref->installation = sim->installs || ref_begins_installation(ref, last);
	sim->installs = false;
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

/* Move CLOCK_REALTIME, and CLOCK_TAI with it, or CLOCK_TAI alone */
static void sim_move(struct sim *sim, s64 real, s32 tai)
{
	sim->tk.offs_real += real;
	sim->tk.tai_offset += tai;
	sim->tk.offs_tai += real + tai * (s64)NSEC_PER_SEC;
}

static void sim_set(struct sim *sim, s64 real)
{
	struct tk_read_base *tkr = &sim->tk.tkr_mono;

	sim_forward_now(sim);
	/* do_settimeofday64() drops the fraction of the nanosecond */
	tkr->xtime_nsec = tkr->xtime_nsec >> tkr->shift << tkr->shift;
	sim_move(sim, real, 0);
	sim->tk.clock_was_set_seq++;
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
	sim_move(sim, slept, 0);
	sim->tk.clock_was_set_seq++;
	sim->suspended = false;
	sim->suspends++;
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

/* @counter starts anew */
static void sim_start_anew(struct sim_counter *counter, u64 now)
{
	counter->peak = max(counter->peak, sim_wrapped(counter) ? U64_MAX : counter->now);
	counter->now = now;
	counter->born = now;
	counter->life++;
}

/* A counter is suspended, and starts anew before the resume, at @now */
static void sim_restart(struct sim *sim, u64 now)
{
	sim_suspend(sim);
	sim_start_anew(sim->counter, now);
	sim_resume(sim, NSEC_PER_SEC);
}

KUNIT_DEFINE_ACTION_WRAPPER(kvfree_action, kvfree, const void *);

static struct sim *sim_create(struct kunit *test, unsigned int bits, struct sim_size size,
			      u64 start)
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
	sim_init_history(test, &sim->h, &size);
	sim->size = size;
	for (int i = 0; i < SIM_LEVELS && size.entries[i]; i++) {
		/* A level may have made room already */
		sim->nr_entries += size.entries[i] - 1;
		sim->bound = 1 << sim_errors[i] >> 1;
	}
	sim->delay = 40;
	prandom_seed_state(&sim->rnd, 0x7e57ab1e + bits * 1000 + size.entries[0]);

	sim_init_counter(&sim->counters[0], CSID_ARM_ARCH_COUNTER, bits, 62500, start);
	sim_init_counter(&sim->counters[1], CSID_S390_TOD, 64, 1000000, 5000);
	sim_init_counter(&sim->counters[2], CSID_GENERIC, 32, 1000, 7);

	sim_move(sim, 1700000000LL * NSEC_PER_SEC, 37);
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

/* All times are exact, but for ktime_conversion::error_ns in a suspend */
static void ref_times(struct ref *ref, u64 cycles, struct ktime_conversion *conv)
{
	u64 part = cycles - ref->from, all = ref->to + 1 - ref->from, error = 0;
	struct ref *next = ref + 1;
	ktime_t boot = ref->offs_boot, real = ref->offs_real, tai = ref->offs_tai;

	if (ref->suspended) {
		s64 slept = next->offs_boot - boot, share = ref_share(slept, part, all);

		/* As far as the true time may be from the two ends */
		error = max(abs(share), abs(slept - share));
		cycles = ref->from;
		boot += share;
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
	conv->error_ns = min(error, U32_MAX);
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

static bool ref_contains(const struct ref *ref, u64 value)
{
	return (s64)(value - ref->from) > 0 && (s64)(ref->to - value) >= 0;
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
		if (ref_contains(ref, c)) {
			*value = c;
			return ref;
		}
	}
	return NULL;
}

/* True if the counter had @value before @ref as well, and the history still knows */
static bool ref_repeated(struct sim *sim, struct ref *ref, u64 value)
{
	unsigned int installations = 1;

	for (struct ref *r = &sim->refs[sim->nr_refs - 1]; r >= sim->refs; r--) {
		if (r < ref && r->counter == ref->counter && ref_contains(r, value))
			return installations <= sim->size.installations;
		installations += r->installation;
	}
	return false;
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

/* Could it have, as far as the history can know? @value is what @cycles is in @ref. */
static bool ref_doubtful(struct sim *sim, struct ref *ref, enum clocksource_ids id, u64 cycles,
			 u64 value)
{
	struct ref *newest = &sim->refs[sim->nr_refs - 1];
	struct sim_counter *counter = ref->counter;
	u64 second = counter->cs.freq_khz * 1000ULL, mask = counter->cs.mask;

	for (struct ref *r = newest; r > ref; r--) {
		u64 c = cycles;

		/* A base clock is not recorded either where its ratio is not known */
		if (counter->cs.id != id && !ref_scale(r, id, &c))
			return true;
		/* Between the beginning of a later life and the resume */
		if (r->counter == counter && r->life > ref->life &&
		    ((r->from - value) & mask) <= mask >> 1)
			return true;
	}
	/* It goes on now */
	if (newest->counter != counter &&
	    (counter->suspends != sim->suspends || ((value - counter->now) & mask) <= mask >> 1))
		return true;

	for (unsigned int i = 0; i < sim->nr_gaps; i++) {
		struct sim_gap *gap = &sim->gaps[i];

		if (gap->counter != counter || gap->nr_refs <= ref - sim->refs)
			continue;
		if (counter->cs.id != id || gap->kind == GAP_LOST ||
		    (gap->kind == GAP_TAIL && cycles - gap->first <= second + second / 1000))
			return true;
	}
	return ref_outdated(sim, ref, id, cycles);
}

static const clockid_t clocks[] = {
	CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW,
};

static bool is_wall_clock(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_TAI;
}

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

/* What tkh_convert() has returned */
struct answer {
	int	ret;
	ktime_t	time;
	u32	error;
};

static struct answer ask(const struct tk_history *h, enum clocksource_ids id, u64 cycles,
			 clockid_t clock)
{
	struct answer answer = { .time = 42, .error = 42 };

	answer.ret = tkh_convert(h, id, cycles, clock, &answer.time, &answer.error);
	return answer;
}

/* Both leave time and bound alone when they fail, and a batch sets them to 0 */
static void check_batch(struct kunit *test, struct sim *sim, enum clocksource_ids id, u64 cycles,
			clockid_t clock, struct answer answer)
{
	/*
	 * Behind another value, whose entry a batch uses again if it can, and
	 * once more behind itself
	 */
	u32 hash = hash_64(cycles, 32);
	u64 batch[] = {
		hash & 1 ? sim->value : cycles + 1 + (hash >> 8 >> (hash >> 1) % 24),
		cycles, cycles,
	};
	struct ktime_cycles_time times[ARRAY_SIZE(batch)];
	bool failed = answer.ret < 0;

	if (failed) {
		KUNIT_ASSERT_EQ(test, answer.time, 42);
		KUNIT_ASSERT_EQ(test, answer.error, 42);
	}
	tkh_convert_batch(&sim->h, id, batch, ARRAY_SIZE(batch), clock, times);
	for (int i = 1; i < ARRAY_SIZE(batch); i++) {
		KUNIT_ASSERT_EQ(test, times[i].status,
				failed ? answer.ret : answer.ret & ~KTIME_CONVERSION_LONG);
		KUNIT_ASSERT_EQ(test, times[i].time, failed ? 0 : answer.time);
		KUNIT_ASSERT_EQ(test, times[i].error_ns, failed ? 0 : answer.error);
	}
	sim->value = cycles;
}

/* What has happened since an update, itself included */
struct since {
	unsigned int	updates;
	unsigned int	walls;
	unsigned int	installations;
};

static struct since ref_since(struct sim *sim, struct ref *ref)
{
	struct since since = { .updates = 1, .walls = 1, .installations = 1 };

	for (struct ref *r = ref + 1; r < &sim->refs[sim->nr_refs]; r++) {
		since.updates++;
		since.walls += r->wall;
		since.installations += r->installation;
	}
	return since;
}

struct tally {
	/* Of all answers, those which are exact, and those which need not be */
	unsigned int	exact;
	unsigned int	merged;
	unsigned int	suspended;
	unsigned int	repeated;
	unsigned int	early;
	unsigned int	wide;
	/* The wall was evicted, and all of it was */
	unsigned int	unset;
	unsigned int	refused;
	/* From the time of a clock: exact, in a suspend, more than once, never, and by positions */
	unsigned int	times;
	unsigned int	asleep;
	unsigned int	twice;
	unsigned int	never;
	unsigned int	lines;
	unsigned int	sharp;
};

static ktime_t ref_mono(struct ref *ref, u64 cycles)
{
	struct ktime_conversion conv;

	ref_times(ref, cycles, &conv);
	return conv.mono;
}

/* A value before the first update whose counter has an ID, on the line of that one */
static void check_early(struct kunit *test, struct sim *sim, enum clocksource_ids id, u64 cycles,
			struct answer mono, int all)
{
	struct ref *ref = sim->refs;
	u64 first, ns;

	while (ref->counter->cs.id == CSID_GENERIC)
		ref++;
	first = ref->from + 1;
	KUNIT_ASSERT_EQ_MSG(test, mono.ret, KTIME_CONVERSION_EARLY, "0x%llx was never counted",
			    cycles);
	KUNIT_ASSERT_TRUE(test, ref_scale(ref, id, &cycles));
	KUNIT_ASSERT_LT(test, cycles, first);
	KUNIT_ASSERT_EQ(test, all, -ENODATA);
	ns = mul_u64_u32_shr(first - cycles, ref->raw.mult, ref->raw.shift);
	KUNIT_ASSERT_EQ(test, mono.time, ref_mono(ref, first) - ns);
	KUNIT_ASSERT_GE(test, mono.error, min(ns, U32_MAX));
}

/* Convert @cycles of the counter @id and compare with the reference */
static void check_value(struct kunit *test, struct sim *sim, enum clocksource_ids id, u64 cycles,
			struct tally *tally)
{
	clockid_t clock = clocks[below(sim, ARRAY_SIZE(clocks))];
	struct ktime_conversion got = { .mono = 42 }, want;
	struct answer mono, one;
	struct since since;
	struct ref *ref;
	u64 value = 0;
	s64 late;
	int all;

	ref = ref_find(sim, id, cycles, &value);
	all = tkh_convert_all(&sim->h, id, cycles, &got);
	mono = ask(&sim->h, id, cycles, CLOCK_MONOTONIC);
	one = ask(&sim->h, id, cycles, clock);
	check_batch(test, sim, id, cycles, clock, one);
	if (all)
		KUNIT_ASSERT_EQ(test, got.mono, 42);

	if (mono.ret < 0) {
		tally->refused++;
		KUNIT_ASSERT_EQ(test, mono.ret, all);
		KUNIT_ASSERT_EQ(test, mono.ret, one.ret);
		KUNIT_ASSERT_TRUE(test, all == -ERANGE || all == -ENODATA || all == -EAGAIN ||
				  all == -ENODEV);
		if (!ref || (all == -EAGAIN && ref_soon(sim, id, cycles)) ||
		    ((all == -ENODATA || all == -EAGAIN) &&
		     ref_doubtful(sim, ref, id, cycles, value)))
			return;
		/* Only what may be evicted can be refused */
		since = ref_since(sim, ref);
		KUNIT_ASSERT_TRUE_MSG(test, since.updates > sim->nr_entries ||
				      since.installations > sim->size.installations,
				      "%d: 0x%llx, %u updates and %u installations ago", all,
				      cycles, since.updates, since.installations);
		return;
	}

	if (!ref) {
		check_early(test, sim, id, cycles, mono, all);
		tally->early++;
		return;
	}
	KUNIT_ASSERT_FALSE_MSG(test, ref_outdated(sim, ref, id, cycles),
			       "0x%llx was counted again", cycles);
	since = ref_since(sim, ref);
	ref_times(ref, value, &want);

	/* Never early, and not later than was told */
	late = mono.time - want.mono;
	KUNIT_ASSERT_TRUE_MSG(test, late >= 0 && late <= mono.error,
			      "%lld ns late, told to be %u, update %td of %u, switch %+lld", late,
			      mono.error, ref - sim->refs, sim->nr_refs, (s64)(value - ref->from));
	if (mono.error) {
		/* Only what may be evicted is not exact */
		KUNIT_ASSERT_GE(test, since.updates, sim->size.entries[0]);
		KUNIT_ASSERT_LE(test, mono.error, sim->bound);
		want.flags |= KTIME_CONVERSION_LONG;
		tally->merged++;
	} else {
		tally->exact++;
	}
	want.mono += late;
	want.boot += late;
	want.real += late;
	want.tai += late;
	want.error_ns = min((u64)want.error_ns + mono.error, U32_MAX);

	/* Flagged if it is known to have been counted more than once, and only if it may have */
	if (mono.ret & KTIME_CONVERSION_REPEATED) {
		KUNIT_ASSERT_TRUE_MSG(test, value <= ref->peak || ref_repeated(sim, ref, value),
				      "0x%llx was not counted before", cycles);
		want.flags |= KTIME_CONVERSION_REPEATED;
		tally->repeated++;
	} else {
		KUNIT_ASSERT_FALSE_MSG(test, ref_repeated(sim, ref, value),
				       "0x%llx was counted before", cycles);
	}
	tally->suspended += ref->suspended;
	tally->wide += value - ref->cycle_last > ref->mono.clock->max_cycles;

	KUNIT_ASSERT_EQ(test, mono.ret, want.flags);
	if (all) {
		/* Without its wall, the other clocks go on */
		KUNIT_ASSERT_EQ(test, all, -ERANGE);
		KUNIT_ASSERT_GT(test, since.walls, sim->size.walls);
		tally->unset++;
	} else {
		KUNIT_ASSERT_EQ(test, got.mono, want.mono);
		KUNIT_ASSERT_EQ(test, got.raw, want.raw);
		KUNIT_ASSERT_EQ(test, got.boot, want.boot);
		KUNIT_ASSERT_EQ(test, got.real, want.real);
		KUNIT_ASSERT_EQ(test, got.tai, want.tai);
		KUNIT_ASSERT_EQ(test, got.flags, want.flags);
		KUNIT_ASSERT_EQ(test, got.error_ns, want.error_ns);
		KUNIT_ASSERT_EQ(test, got.clock_was_set_seq, want.clock_was_set_seq);
		KUNIT_ASSERT_EQ(test, got.cs_was_changed_seq, want.cs_was_changed_seq);
	}

	if (all && is_wall_clock(clock)) {
		KUNIT_ASSERT_EQ(test, one.ret, all);
		return;
	}
	KUNIT_ASSERT_EQ(test, one.time, conversion_get(&want, clock));
	if (clock == CLOCK_MONOTONIC_RAW) {
		KUNIT_ASSERT_EQ(test, one.ret, want.flags & ~KTIME_CONVERSION_LONG);
		KUNIT_ASSERT_EQ(test, one.error, 0);
	} else {
		KUNIT_ASSERT_EQ(test, one.ret, want.flags);
		KUNIT_ASSERT_EQ(test, one.error,
				clock == CLOCK_MONOTONIC ? mono.error : want.error_ns);
	}
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

/* Offset from CLOCK_MONOTONIC */
static ktime_t ref_offset(const struct ref *ref, clockid_t clock)
{
	switch (clock) {
	case CLOCK_BOOTTIME:
		return ref->offs_boot;
	case CLOCK_REALTIME:
		return ref->offs_real;
	case CLOCK_TAI:
		return ref->offs_tai;
	default:
		return 0;
	}
}

/* A clock of a timekeeper's history to another one of it */
static struct ktime_cycles_time ask_time(struct sim *sim, clockid_t from, ktime_t time,
					 clockid_t to)
{
	struct ktime_cycles_time got;

	tkh_convert_time(&sim->h, from, &time, 1, &sim->h, to, CSID_GENERIC, &got);
	return got;
}

static bool ref_is_kept(struct sim *sim, struct ref *ref, bool walls)
{
	struct since since = ref_since(sim, ref);

	return since.installations <= sim->size.installations &&
	       (!walls || since.walls <= sim->size.walls);
}

/* Convert @time of @from to @to, which differ by an offset, and compare with all updates */
static void check_offset(struct kunit *test, struct sim *sim, clockid_t from, ktime_t time,
			 clockid_t to, struct tally *tally)
{
	struct ktime_cycles_time got = ask_time(sim, from, time, to);
	bool walls = is_wall_clock(from) || is_wall_clock(to);
	struct ref *newest = &sim->refs[sim->nr_refs - 1], *found = NULL;
	ktime_t zone = 0, want = 0;
	bool asleep = false, twice = false, may_twice = false, near = false, ahead, unknown = false;
	u32 bound = 0;

	newest->to = newest->counter->now;
	for (struct ref *ref = newest; ref >= sim->refs; ref--) {
		ktime_t mono = time - ref_offset(ref, from);
		ktime_t begin = ref_mono(ref, ref->from + 1);
		ktime_t end = ref_mono(ref, max(ref->to, ref->from + 1)), answer;

		/* It lasts until the next one begins */
		if (ref != newest)
			end = max(end, ref_mono(ref + 1, (ref + 1)->from + 1) - 1);
		answer = mono + ref_offset(ref, to);
		/* The clock may have been set there */
		unknown |= !found && ref->counter->cs.id == CSID_GENERIC && is_wall_clock(from);
		if (mono >= begin && mono <= end + zone) {
			bool in = mono <= end;

			if (!found && in) {
				found = ref;
				want = answer;
			} else if (!found) {
				near = true;
			} else if (answer != want || asleep) {
				may_twice |= ref->counter->cs.id != CSID_GENERIC;
				twice |= in && ref->counter->cs.id != CSID_GENERIC &&
					 ref_is_kept(sim, ref, true);
			}
		} else if (ref->suspended && !found && mono > begin &&
			   time < begin + ref_offset(ref + 1, from)) {
			ktime_t before = ref_offset(ref, to) - ref_offset(ref, from);

			found = ref;
			asleep = true;
			want = to == CLOCK_MONOTONIC ? begin :
			       time + ref_offset(ref + 1, to) - ref_offset(ref + 1, from);
			if (to != CLOCK_MONOTONIC)
				bound = min_t(u64, abs(want - time - before), U32_MAX);
		}
		/* How far both sides reach is kept as a power of two */
		if (ref > sim->refs) {
			struct ref *last = ref - 1;

			end = ref_mono(last, max(last->to, last->from + 1));
			zone = max(0, 2 * (end - begin) + 2);
		}
	}
	ahead = time > ref_mono(newest, newest->to) + ref_offset(newest, from);

	if (!found) {
		/* Just after the last time that it had before it was set ahead */
		if (near && got.status >= 0)
			return;
		/* The counter need not have moved since the switch */
		KUNIT_ASSERT_TRUE_MSG(test, got.status == (ahead ? -EAGAIN : -ENODATA) ||
				      (ahead && newest->to == newest->from) ||
				      newest->counter->cs.id == CSID_GENERIC ||
				      (unknown && got.status == -ENODATA) ||
				      (got.status == -ERANGE && !ahead &&
				       !ref_is_kept(sim, sim->refs, walls)),
				      "%d: %lld of %d never was", got.status, time, from);
		tally->never++;
		return;
	}
	if (got.status < 0) {
		KUNIT_ASSERT_EQ(test, got.time, 0);
		if (found->counter->cs.id == CSID_GENERIC ||
		    (asleep && (found + 1)->counter->cs.id == CSID_GENERIC)) {
			KUNIT_ASSERT_TRUE(test, got.status == -ENODATA || got.status == -ERANGE ||
					  (ahead && got.status == -EAGAIN));
			return;
		}
		if ((unknown && got.status == -ENODATA) || (ahead && got.status == -EAGAIN))
			return;
		/* Nobody may say that it never was */
		KUNIT_ASSERT_EQ_MSG(test, got.status, -ERANGE, "%lld of %d to %d", time, from, to);
		KUNIT_ASSERT_FALSE_MSG(test, ref_is_kept(sim, found, walls) && !near,
				       "%d: %lld of %d to %d, update %td of %u", got.status, time,
				       from, to, found - sim->refs, sim->nr_refs);
		return;
	}
	if (unknown && got.status)
		return;
	KUNIT_ASSERT_TRUE_MSG(test, got.time == want || near,
			      "%lld of %d to %d: %lld ns off, update %td of %u, counter %d, status %d",
			      time, from, to, got.time - want, found - sim->refs, sim->nr_refs,
			      found->counter->cs.id, got.status);
	if (near)
		return;
	if (asleep) {
		KUNIT_ASSERT_TRUE(test, got.status & KTIME_CONVERSION_SUSPENDED);
		KUNIT_ASSERT_EQ(test, got.error_ns, bound);
		tally->asleep++;
		return;
	}
	if (twice)
		KUNIT_ASSERT_TRUE_MSG(test, got.status, "%lld of %d to %d, update %td of %u", time,
				      from, to, found - sim->refs, sim->nr_refs);
	if (got.status) {
		KUNIT_ASSERT_TRUE_MSG(test, may_twice, "%d: %lld of %d to %d, update %td of %u",
				      got.status, time, from, to, found - sim->refs, sim->nr_refs);
		tally->twice++;
	} else {
		KUNIT_ASSERT_EQ(test, got.error_ns, 0);
		tally->times++;
	}
}

/* Convert what a reader of @from got with @value, by the lines of clock and counter */
static void check_line(struct kunit *test, struct sim *sim, struct ref *ref, u64 value,
		       clockid_t from, clockid_t to, struct tally *tally)
{
	/* What the update before had in the end may be the same time, with a suspend between */
	struct since since = ref_since(sim, max(ref - 2, sim->refs));
	u32 tick = ref->mono.mult >> ref->mono.shift;
	struct ktime_cycles_time got;
	struct ktime_conversion want;
	struct answer again;
	bool unknown = false;
	ktime_t time, late;

	ref_times(ref, value, &want);
	time = conversion_get(&want, from);
	got = ask_time(sim, from, time, to);
	for (struct ref *r = ref; r < &sim->refs[sim->nr_refs] && is_wall_clock(from); r++)
		unknown |= r->counter->cs.id == CSID_GENERIC;
	/* It stepped back when the clocksource changed, and is not there yet */
	if (got.status == -EAGAIN && from == CLOCK_MONOTONIC_RAW) {
		struct ref *newest = &sim->refs[sim->nr_refs - 1];

		ref_times(newest, newest->counter->now, &want);
		KUNIT_ASSERT_GT(test, time, want.raw);
		return;
	}
	/* The clock may have had the time while nobody recorded it */
	if (unknown && got.status == -ENODATA)
		return;
	if (got.status < 0) {
		KUNIT_ASSERT_TRUE_MSG(test, since.updates > sim->nr_entries ||
				      since.installations > sim->size.installations ||
				      since.walls > sim->size.walls,
				      "%d: %d to %d, update %td of %u, %d", got.status, from, to,
				      ref - sim->refs, sim->nr_refs, sim->counter->cs.id);
		return;
	}
	/* The clock that was set may have had it later, and before what is known */
	if (got.status & KTIME_CONVERSION_REPEATED || !ref_is_kept(sim, ref, is_wall_clock(from)))
		return;
	late = abs(got.time - conversion_get(&want, to));
	KUNIT_ASSERT_TRUE_MSG(test, late <= got.error_ns,
			      "%d to %d: %lld ns off, told to be %u, update %td of %u, status %d",
			      from, to, late, got.error_ns, ref - sim->refs, sim->nr_refs,
			      got.status);
	/* In the exact history, a nanosecond has few counter values */
	tally->sharp += !got.status && got.error_ns <= (tick ? 0 : 1);
	tally->lines++;

	if (from != CLOCK_MONOTONIC)
		return;
	tkh_convert_time(&sim->h, from, &time, 1, NULL, 0, CSID_X86_KVM_CLK, &got);
	KUNIT_ASSERT_EQ(test, got.status, -ENODATA);
	KUNIT_ASSERT_EQ(test, got.time, 0);
	tkh_convert_time(&sim->h, from, &time, 1, NULL, 0, ref->counter->cs.id, &got);
	if (got.status < 0) {
		bool changes = false;

		/* Just before or after a change of the clocksource */
		for (int i = -2; i <= 2; i++)
			changes |= ref + i >= sim->refs && ref + i < &sim->refs[sim->nr_refs] &&
				   ref[i].counter != ref->counter;
		KUNIT_ASSERT_EQ(test, got.status, -ENODATA);
		KUNIT_ASSERT_TRUE(test, changes);
		return;
	}
	again = ask(&sim->h, ref->counter->cs.id, got.time, from);
	if (got.status || (again.ret > 0 && again.ret & KTIME_CONVERSION_REPEATED))
		return;
	if (again.ret < 0) {
		KUNIT_ASSERT_TRUE(test, ref_doubtful(sim, ref, ref->counter->cs.id,
						     value & ref->counter->cs.mask, value));
		return;
	}
	if (!got.error_ns)
		KUNIT_ASSERT_EQ(test, again.time, time);
	late = abs(again.time - time);
	/* sim_step() lets the clock jump ahead */
	KUNIT_ASSERT_LE(test, late, got.error_ns + tick + 1 + (1000000 >> ref->mono.shift));
}

/* Times of clocks at and beside both ends of @ref, and somewhere in it */
static void check_times(struct kunit *test, struct sim *sim, struct ref *ref, struct tally *tally)
{
	u64 values[] = { ref->from + 1, ref->to, ref->from + 1 + (ref->to - ref->from) / 3 };
	struct ktime_conversion conv;

	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		clockid_t from = clocks[below(sim, 4)], to = clocks[below(sim, 4)];

		if (ref->suspended || ref->to <= ref->from)
			continue;
		ref_times(ref, values[i], &conv);
		for (int beside = -1; beside <= 1; beside++) {
			check_offset(test, sim, from, conversion_get(&conv, from) + beside, to,
				     tally);
		}
		if (ref->counter->cs.id == CSID_GENERIC)
			continue;
		check_line(test, sim, ref, values[i], from, CLOCK_MONOTONIC_RAW, tally);
		check_line(test, sim, ref, values[i], CLOCK_MONOTONIC_RAW, from, tally);
	}
	if (ref->suspended && ref + 1 < &sim->refs[sim->nr_refs]) {
		clockid_t from = clocks[1 + below(sim, 3)], to = clocks[below(sim, 4)];
		ktime_t slept = ref_offset(ref + 1, from) - ref_offset(ref, from);

		check_offset(test, sim, from, ref_mono(ref, ref->from) + ref_offset(ref, from) +
			     div_s64(slept, 3), to, tally);
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
		sim_move(sim, 0, 1);
		tk->clock_was_set_seq++;
		sim_update(sim);
		break;
	case 4:
		/* Leap second */
		sim_move(sim, -(s64)NSEC_PER_SEC, 1);
		tk->clock_was_set_seq++;
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
			sim_start_anew(counter, 0);
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
			sim_start_anew(counter, 0);
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
			sim->installs = true;
			break;
		case 1:
			sim_move(sim, 1000, 0);
			break;
		case 2:
			tk->offs_boot += 1000;
			break;
		default:
			sim_move(sim, 0, 5);
		}
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
	struct sim_size	size;
	u64		start;
};

static const struct random_param random_params[] = {
	{ 64, { { 4, 4 }, 2, 2 }, 1000 },
	{ 64, { { 8, 8 }, 4, 4 }, 1000 },
	{ 64, { { 8, 64, 16 }, 4, 16 }, 1000 },
	{ 64, { { 64, 16, 16, 16 }, 64, 64 }, ~0ULL - 30000000 },
	{ 64, { { 512, 256, 64, 16 }, 512, 512 }, 1000 },
	{ 64, { { 8, 512, 64, 64 }, 256, 256 }, 1000 },
	{ 64, { { 16, 128, 64, 16 }, 16, 256 }, 1000 },
	{ 56, { { 8, 8, 8, 8 }, 8, 8 }, BIT_ULL(56) - 30000000 },
	{ 56, { { 256, 256, 256 }, 256, 256 }, BIT_ULL(56) - 30000000 },
	{ 60, { { 16, 16, 16 }, 2, 64 }, BIT_ULL(60) - 30000000 },
};

static void random_desc(const struct random_param *p, char *desc)
{
	const unsigned int *nr = p->size.entries;

	snprintf(desc, KUNIT_PARAM_DESC_SIZE,
		 "%u bits from 0x%llx, %u, %u, %u, %u entries, %u walls, %u installations",
		 p->bits, p->start, nr[0], nr[1], nr[2], nr[3], p->size.walls,
		 p->size.installations);
}

KUNIT_ARRAY_PARAM(random, random_params, random_desc);

static void tkh_test_random(struct kunit *test)
{
	const struct random_param *p = test->param_value;
	struct sim *sim = sim_create(test, p->bits, p->size, p->start);
	struct tally tally = { };

	sim->calm = p->size.entries[0] / 16;
	/* There is one task, so that KCSAN would only make it slow: by more than KUnit waits */
	kcsan_disable_current();
	/* A step appends two updates at most */
	while (sim->nr_refs < MAX_REFS - 2) {
		unsigned int nr = sim->nr_refs, age = 0;

		sim_step(sim);
		for (int i = 0; i < 3 && i < sim->nr_refs; i++)
			check_ref(test, sim, &sim->refs[sim->nr_refs - 1 - i], &tally);
		/* Where a level ends, as long as it has merged nothing, and anywhere */
		for (int i = 0; i < SIM_LEVELS; i++) {
			age += p->size.entries[i];
			if (p->size.entries[i] && nr > age)
				check_ref(test, sim, &sim->refs[nr - age], &tally);
		}
		check_ref(test, sim, &sim->refs[below(sim, nr)], &tally);

		if (below(sim, 8))
			continue;
		for (int i = 0; i < 3 && i < sim->nr_refs; i++)
			check_times(test, sim, &sim->refs[sim->nr_refs - 1 - i], &tally);
		check_times(test, sim, &sim->refs[below(sim, nr)], &tally);
	}
	kcsan_enable_current();

	kunit_info(test, "%u exact, %u merged, %u without wall, %u refused, %u wide, %u in suspend, %u repeated\n",
		   tally.exact, tally.merged, tally.unset, tally.refused, tally.wide,
		   tally.suspended, tally.repeated);
	kunit_info(test, "of times: %u exact, %u in suspend, %u repeated, %u never, %u by lines, %u of them exact\n",
		   tally.times, tally.asleep, tally.twice, tally.never, tally.lines, tally.sharp);
	KUNIT_EXPECT_GT(test, tally.times, 1000);
	KUNIT_EXPECT_GT(test, tally.asleep, 10);
	KUNIT_EXPECT_GT(test, tally.twice, 10);
	KUNIT_EXPECT_GT(test, tally.never, 10);
	KUNIT_EXPECT_GT(test, tally.lines, 500);
	KUNIT_EXPECT_GT(test, tally.sharp, tally.lines / 4);
	KUNIT_EXPECT_GT(test, tally.exact, 20000);
	/* Nothing is merged until there are enough entries in a row */
	if (p->size.entries[0] > TKH_MERGE)
		KUNIT_EXPECT_GT(test, tally.merged, 100);
	KUNIT_EXPECT_GT(test, tally.refused, 400);
	KUNIT_EXPECT_GT(test, tally.early, 0);
	KUNIT_EXPECT_GT(test, tally.suspended, 100);
	if (p->size.walls < p->size.installations)
		KUNIT_EXPECT_GT(test, tally.unset, 400);
	if (p->bits == 64) {
		KUNIT_EXPECT_GT(test, tally.wide, 100);
		KUNIT_EXPECT_GT(test, tally.repeated, 100);
	}
}

/* A quiet system needs one entry for ever, and all of it can be converted */
static void tkh_test_steady(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 4, 4 }, 2, 2 }, 1000);
	const struct tkh_level *level = &sim->h.entries.level[0];
	unsigned int nr = 0, sequence = sim->h.seq.sequence;
	struct ktime_cycles_time times[2];
	u64 start = sim->counter->now, values[2];
	struct tally tally = { };
	struct answer answer;

	sim->counter->reads = 0;
	while (sim->counter->now < start + 1000000ULL * 62500000) {
		sim->counter->now += sim->tk.cycle_interval * (1 + below(sim, 1000000));
		/* The reference keeps the newest update of the same line only */
		sim->nr_refs = 1;
		sim_advance(sim, true, 0);
		sim->refs[0].to = sim->counter->now;
		nr++;
	}
	KUNIT_EXPECT_GT(test, nr, 100);
	KUNIT_EXPECT_EQ(test, level->head - level->tail, 1);
	/* Such an update does not disturb anybody, nor does it read the counter */
	KUNIT_EXPECT_EQ(test, sim->h.seq.sequence, sequence);
	KUNIT_EXPECT_EQ(test, sim->counter->reads, 0);

	sim->nr_refs = 1;
	for (int i = 0; i < 1000; i++) {
		u64 ago = (u64)below(sim, U32_MAX) * below(sim, 10000);

		check_value(test, sim, CSID_ARM_ARCH_COUNTER, sim->counter->now - ago, &tally);
	}
	check_value(test, sim, CSID_ARM_ARCH_COUNTER, start, &tally);
	KUNIT_EXPECT_GT(test, tally.wide, 900);
	KUNIT_EXPECT_EQ(test, tally.refused, 0);

	/* Since an older state began the counter has wrapped: the newest value counts */
	sim = sim_create(test, 56, (struct sim_size) { { 8, 4 }, 2, 2 }, 1000);
	start = sim->counter->now;
	for (int i = 0; i < 3; i++) {
		sim->counter->now += BIT_ULL(56) / 10 * 4;
		sim_advance(sim, true, 1);
	}
	values[0] = start + BIT_ULL(56) / 10 * 3;
	values[1] = start + BIT_ULL(56) / 10;
	tkh_convert_batch(&sim->h, CSID_ARM_ARCH_COUNTER, values, 2, CLOCK_MONOTONIC, times);
	for (int i = 0; i < 2; i++) {
		answer = ask(&sim->h, CSID_ARM_ARCH_COUNTER, values[i], CLOCK_MONOTONIC);
		KUNIT_EXPECT_EQ(test, answer.ret, 0);
		KUNIT_EXPECT_EQ(test, times[i].time, answer.time);
	}
	KUNIT_EXPECT_GT(test, times[1].time, times[0].time);
}

/* Two lines which meet where the counter is 0, so that only the slope tells them apart */
static void tkh_test_slope(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 8, 4 }, 2, 2 }, 1000);
	struct tk_read_base *tkr = &sim->tk.tkr_mono;
	struct tally tally = { };

	sim->counter->now += 10 * sim->tk.cycle_interval;
	sim_advance(sim, true, 0);
	tkr->mult += 1000;
	tkr->xtime_nsec += 1000 * tkr->cycle_last;
	sim_update(sim);
	sim->counter->now += sim->tk.cycle_interval;
	for (u64 c = 1000; c <= sim->counter->now; c += sim->tk.cycle_interval / 10)
		check_value(test, sim, CSID_ARM_ARCH_COUNTER, c, &tally);
	KUNIT_EXPECT_GT(test, tally.exact, 100);
	KUNIT_EXPECT_EQ(test, tally.refused, 0);
}

/* No time from a merged entry is above the base of the entry after it */
static void tkh_test_cap(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 8, 16, 16 }, 4, 4 }, 1000);
	const struct tkh_entry *entry, *next;
	unsigned int capped = 0;
	ktime_t time;
	u64 pos;
	u32 error;

	/* 1 GHz, so that the bound of a level is more than a cycle */
	sim_forward_now(sim);
	sim_install(sim, &sim->counters[1]);
	sim_update(sim);
	for (int i = 0; i < 1000; i++) {
		sim->counter->now += sim->tk.cycle_interval + below(sim, 500);
		sim_advance(sim, true, (int)below(sim, 3) - 1);
		/* The reference is not asked */
		sim->nr_refs = min(sim->nr_refs, 10);
	}

	KUNIT_ASSERT_TRUE(test, tkh_entries_oldest(&sim->h.entries,
						   sim->h.entries.nr_levels - 1, &pos));
	for (;; pos = next->first) {
		entry = tkh_entries_find(&sim->h.entries, pos, &next);
		KUNIT_ASSERT_NOT_NULL(test, entry);
		if (!next)
			break;
		KUNIT_ASSERT_GE(test, tkh_convert(&sim->h, CSID_S390_TOD,
						  next->first - 1 - sim->h.inst->bias,
						  CLOCK_MONOTONIC, &time, &error), 0);
		if (next->flags & TKH_BROKEN)
			continue;
		KUNIT_ASSERT_LE(test, time, next->base);
		capped += tkh_entry_time(entry, next->first - 1) > next->base;
	}
	KUNIT_EXPECT_GT(test, capped, 0);
}

/* A suspend with figures that can be checked by hand: 1 cycle is 1 ns */
static void tkh_test_suspend(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 8, 4 }, 8, 8 }, 1000);
	const enum clocksource_ids id = CSID_S390_TOD;
	struct ktime_conversion conv = { };
	struct tk_history *h = &sim->h;
	struct ktime_cycles_time times[3];
	struct answer answer;
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
	/* The suspend has no end yet, and the counter may not be accessible */
	c->reads = 0;
	KUNIT_EXPECT_EQ(test, tkh_convert_all(h, id, suspend + 1, &conv), -EAGAIN);
	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, id, suspend, &conv), 0);
	KUNIT_EXPECT_EQ(test, c->reads, 0);
	KUNIT_EXPECT_EQ(test, conv.flags, 0);
	KUNIT_EXPECT_EQ(test, conv.error_ns, 0);
	/* What has failed leaves nothing behind for the value after it */
	tkh_convert_batch(h, id, (u64 []){ suspend - 10, suspend + 1, suspend - 9 }, 3,
			  CLOCK_BOOTTIME, times);
	KUNIT_EXPECT_EQ(test, times[0].status, 0);
	KUNIT_EXPECT_EQ(test, times[1].status, -EAGAIN);
	KUNIT_EXPECT_EQ(test, times[2].status, 0);
	KUNIT_EXPECT_EQ(test, times[2].time, times[0].time + 1);
	mono = conv.mono;
	raw = conv.raw;

	c->now = suspend + 4000;
	/* The clock source of the sleep time saw twice of it */
	sim_resume(sim, 8000);
	resume = suspend + 4000;

	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, id, suspend, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.flags, 0);
	KUNIT_EXPECT_EQ(test, conv.boot, mono);
	KUNIT_EXPECT_EQ(test, conv.error_ns, 0);

	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, id, suspend + 1, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.flags, KTIME_CONVERSION_SUSPENDED);
	KUNIT_EXPECT_EQ(test, conv.mono, mono);
	KUNIT_EXPECT_EQ(test, conv.raw, raw);
	KUNIT_EXPECT_EQ(test, conv.boot, mono + 2);
	/* The true time may be that of the resume already */
	KUNIT_EXPECT_EQ(test, conv.error_ns, 7998);

	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, id, suspend + 1000, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.mono, mono);
	KUNIT_EXPECT_EQ(test, conv.boot, mono + 2000);
	KUNIT_EXPECT_EQ(test, conv.real, mono + 1700000000LL * NSEC_PER_SEC + 2000);
	KUNIT_EXPECT_EQ(test, conv.tai, mono + 1700000037LL * NSEC_PER_SEC + 2000);
	KUNIT_EXPECT_EQ(test, conv.error_ns, 6000);

	/* One by one, each clock has its own bound, and all are flagged */
	for (int i = 0; i < ARRAY_SIZE(clocks); i++) {
		bool still = clocks[i] == CLOCK_MONOTONIC || clocks[i] == CLOCK_MONOTONIC_RAW;

		answer = ask(h, id, suspend + 1000, clocks[i]);
		KUNIT_EXPECT_EQ(test, answer.ret, KTIME_CONVERSION_SUSPENDED);
		KUNIT_EXPECT_EQ(test, answer.time, conversion_get(&conv, clocks[i]));
		KUNIT_EXPECT_EQ(test, answer.error, still ? 0 : 6000);
	}

	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, id, resume - 1, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.flags, KTIME_CONVERSION_SUSPENDED);
	KUNIT_EXPECT_EQ(test, conv.boot, mono + 7998);
	/* And it may still be that of the suspend */
	KUNIT_EXPECT_EQ(test, conv.error_ns, 7998);

	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, id, resume, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.flags, 0);
	KUNIT_EXPECT_EQ(test, conv.mono, mono);
	KUNIT_EXPECT_EQ(test, conv.boot, mono + 8000);
	KUNIT_EXPECT_EQ(test, conv.error_ns, 0);

	c->now = resume + 10;
	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, id, resume + 10, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.mono, mono + 10);
	KUNIT_EXPECT_EQ(test, conv.raw, raw + 10);
	KUNIT_EXPECT_EQ(test, conv.boot, mono + 8010);

	/* A clock which is set back meanwhile goes back evenly */
	c->now += 1000;
	sim_suspend(sim);
	suspend = sim->refs[sim->nr_refs - 1].from;
	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, id, suspend, &conv), 0);
	mono = conv.real;
	c->now = suspend + 4000;
	sim_resume(sim, -4000);
	KUNIT_ASSERT_EQ(test, tkh_convert_all(h, id, suspend + 1000, &conv), 0);
	KUNIT_EXPECT_EQ(test, conv.flags, KTIME_CONVERSION_SUSPENDED);
	KUNIT_EXPECT_EQ(test, conv.real, mono - 1000);
	KUNIT_EXPECT_EQ(test, conv.error_ns, 3000);

	/* An hour does not fit in the bound, 8 s do not nearly, and of 6 s one end is too far */
	for (int i = 0; i < 3; i++) {
		static const u32 seconds[] = { 3600, 8, 6 };
		s64 slept = seconds[i] * (s64)NSEC_PER_SEC;

		c->now += 1000;
		sim_suspend(sim);
		suspend = sim->refs[sim->nr_refs - 1].from;
		KUNIT_ASSERT_EQ(test, tkh_convert_all(h, id, suspend, &conv), 0);
		mono = conv.mono;
		raw = conv.boot;
		c->now = suspend + 4000;
		sim_resume(sim, slept);
		answer = ask(h, id, suspend + 1, CLOCK_BOOTTIME);
		KUNIT_EXPECT_EQ(test, answer.ret, KTIME_CONVERSION_SUSPENDED);
		KUNIT_EXPECT_EQ(test, answer.time, raw + div_u64(slept, 4000));
		KUNIT_EXPECT_EQ(test, answer.error, U32_MAX);
		answer = ask(h, id, suspend + 2000, CLOCK_BOOTTIME);
		KUNIT_EXPECT_EQ(test, answer.time, raw + slept / 2);
		KUNIT_EXPECT_EQ(test, answer.error, min(slept / 2, U32_MAX));
		answer = ask(h, id, suspend + 2000, CLOCK_MONOTONIC);
		KUNIT_EXPECT_EQ(test, answer.time, mono);
		KUNIT_EXPECT_EQ(test, answer.error, 0);
	}
}

/*
 * The counter of 56 bits has wrapped, and the suspend is the first update that masks
 * cycle_last: an installation begins with it
 */
static void tkh_test_suspend_first(struct kunit *test)
{
	struct sim *sim = sim_create(test, 56, (struct sim_size) { { 8, 4 }, 8, 8 },
				     CLOCKSOURCE_MASK(56) - 1000);
	struct tk_read_base *raw = &sim->tk.tkr_raw;
	struct sim_counter *c = sim->counter;
	ktime_t time, expected;
	unsigned int nr;
	u64 suspend;
	u32 error;

	/* No whole nanoseconds per cycle, which would hide what is wrong by 2^56 cycles */
	raw->mult |= 1;
	sim_advance(sim, true, 0);
	c->now += 5000;
	sim_forward_now(sim);
	sim->tk.tkr_mono.cycle_last &= c->cs.mask;
	raw->cycle_last &= c->cs.mask;
	nr = sim->h.inst_head;
	sim->suspended = true;
	sim_update(sim);
	KUNIT_ASSERT_EQ(test, sim->h.inst_head, nr + 1);
	expected = raw->base + (raw->xtime_nsec >> raw->shift);
	suspend = sim->refs[sim->nr_refs - 1].from;

	c->now = suspend + 1000000;
	sim_resume(sim, 1 << 20);
	KUNIT_ASSERT_EQ(test, KTIME_CONVERSION_SUSPENDED,
			tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER,
				    (suspend + 500) & c->cs.mask, CLOCK_MONOTONIC_RAW, &time,
				    &error));
	KUNIT_EXPECT_EQ(test, time, expected);
	KUNIT_EXPECT_EQ(test, error, 0);
}

#define EXPECT(_ret, _id, _cycles, _clock) \
	KUNIT_EXPECT_EQ(test, _ret, tkh_convert(h, _id, _cycles, _clock, &time, &error))

/* The oldest values which convert exactly, and at all */
/* Times of clocks from the suspend, and the one at which CLOCK_MONOTONIC stands still */
static void tkh_test_times(struct kunit *test)
{
	struct sim *sim = sim_create(test, 56, (struct sim_size) { { 16, 4 }, 16, 16 }, 1000);
	const s64 slept = 3000000, gained = 5000;
	struct timekeeper *tk = &sim->tk;
	ktime_t still, boot, real, mono;
	struct ktime_cycles_time got;

	sim->counter->now += 100000;
	sim_set(sim, 0);
	sim->counter->now += 100000;
	sim_suspend(sim);
	still = tk->tkr_mono.base + (tk->tkr_mono.xtime_nsec >> tk->tkr_mono.shift);
	boot = still + tk->offs_boot;
	real = still + tk->offs_real;

	/* Nobody knows what comes */
	got = ask_time(sim, CLOCK_BOOTTIME, boot + 1, CLOCK_MONOTONIC);
	KUNIT_EXPECT_EQ(test, got.status, -EAGAIN);

	/* CLOCK_REALTIME gains more, as its time comes from elsewhere */
	sim->counter->now += 10000;
	sim_move(sim, gained, 0);
	sim_resume(sim, slept);
	sim->counter->now += 100000;

	got = ask_time(sim, CLOCK_BOOTTIME, boot + slept / 3, CLOCK_MONOTONIC);
	KUNIT_EXPECT_EQ(test, got.status, KTIME_CONVERSION_SUSPENDED);
	KUNIT_EXPECT_EQ(test, got.time, still);
	KUNIT_EXPECT_EQ(test, got.error_ns, 0);
	got = ask_time(sim, CLOCK_BOOTTIME, boot + slept / 3, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, got.status, KTIME_CONVERSION_SUSPENDED);
	KUNIT_EXPECT_EQ(test, got.time, real + slept / 3 + gained);
	KUNIT_EXPECT_EQ(test, got.error_ns, gained);

	/* After the suspend, if it was not before it */
	got = ask_time(sim, CLOCK_MONOTONIC, still, CLOCK_BOOTTIME);
	KUNIT_EXPECT_EQ(test, got.status, KTIME_CONVERSION_SUSPENDED);
	KUNIT_EXPECT_EQ(test, got.time, boot + slept);
	KUNIT_EXPECT_EQ(test, got.error_ns, slept);
	for (int beside = -100; beside <= 100; beside += 200) {
		mono = still + beside;
		got = ask_time(sim, CLOCK_MONOTONIC, mono, CLOCK_BOOTTIME);
		KUNIT_EXPECT_EQ(test, got.status, 0);
		KUNIT_EXPECT_EQ(test, got.time, boot + beside + (beside > 0 ? slept : 0));
		KUNIT_EXPECT_EQ(test, got.error_ns, 0);
	}
}

/* Another history is asked for a counter value, of which there must be one only */
static void tkh_test_times_repeated(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 64, 8 }, 64, 64 }, 1000);
	struct sim *other = sim_create(test, 64, (struct sim_size) { { 64, 8 }, 64, 64 }, 1000);
	u64 second = 1000ULL * sim->counter->cs.freq_khz;
	ktime_t early, late, end;
	struct ktime_cycles_time got;
	u32 error;

	/* At 5 s and at 50 s of the first life, which the second one gets to, or does not */
	sim->counter->now = 100 * second;
	sim_set(sim, 0);
	KUNIT_ASSERT_EQ(test, 0, tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, 5 * second,
					     CLOCK_MONOTONIC, &early, &error));
	KUNIT_ASSERT_EQ(test, 0, tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, 50 * second,
					     CLOCK_MONOTONIC, &late, &error));
	sim_restart(sim, second);
	sim->counter->now = 10 * second;
	sim_set(sim, 0);
	other->counter->now = 100 * second;
	sim_set(other, 0);

	tkh_convert_time(&sim->h, CLOCK_MONOTONIC, &early, 1, &other->h, CLOCK_MONOTONIC,
			 CSID_GENERIC, &got);
	KUNIT_EXPECT_EQ(test, got.status, -ENODATA);
	tkh_convert_time(&sim->h, CLOCK_MONOTONIC, &late, 1, &other->h, CLOCK_MONOTONIC,
			 CSID_GENERIC, &got);
	KUNIT_EXPECT_EQ(test, got.status, 0);
	KUNIT_ASSERT_EQ(test, 0, tkh_convert(&other->h, CSID_ARM_ARCH_COUNTER, 50 * second,
					     CLOCK_MONOTONIC, &end, &error));
	KUNIT_EXPECT_EQ(test, got.time, end);
	/* In its own history the position is known */
	got = ask_time(sim, CLOCK_MONOTONIC, early, CLOCK_MONOTONIC_RAW);
	KUNIT_EXPECT_EQ(test, got.status, 0);
}

static u64 oldest_exact(const struct ktime_history_info *info)
{
	return info->reach[0].oldest;
}

static u64 oldest(const struct ktime_history_info *info)
{
	return info->reach[info->nr_reaches - 1].oldest;
}

/* Each error where it belongs, before anything is evicted and after */
static void tkh_test_errors(struct kunit *test)
{
	static const struct sim_size tiny = { { 4, 4 }, 2, 2 };
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 8, 8 }, 8, 8 }, 1000);
	struct ktime_history_info info = { };
	struct tk_history *h = &sim->h;
	struct ktime_conversion conv;
	struct tk_history empty;
	ktime_t time = 42, base;
	u64 gap, back;
	u32 error;

	sim_init_history(test, &empty, &tiny);
	KUNIT_EXPECT_EQ(test, tkh_get_info(&empty, &info), -ENODEV);
	KUNIT_EXPECT_EQ(test, -ENODEV,
			tkh_convert(&empty, CSID_ARM_ARCH_COUNTER, 1, CLOCK_REALTIME, &time,
				    &error));

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
	/* Half of the range is ahead, the other half is before */
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, sim->counter->now + S64_MAX, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, sim->counter->now + S64_MAX + 1, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, ~0ULL, CLOCK_REALTIME);
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
	EXPECT(-ENODEV, CSID_GENERIC, sim->counter->now, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, sim->counters[0].now, CLOCK_REALTIME);
	memset(&info, 0xff, sizeof(info));
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	KUNIT_EXPECT_EQ(test, info.cs_id, CSID_GENERIC);
	KUNIT_EXPECT_EQ(test, info.freq_khz, 0);
	/* The oldest value is still told, and the last one */
	KUNIT_EXPECT_EQ(test, info.last_cs_id, CSID_ARM_ARCH_COUNTER);
	KUNIT_EXPECT_EQ(test, oldest(&info), 1000);
	KUNIT_EXPECT_EQ(test, info.newest, gap - 1);

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
	KUNIT_EXPECT_EQ(test, info.mask, U64_MAX);
	KUNIT_EXPECT_EQ(test, info.newest, sim->counter->now);
	KUNIT_ASSERT_EQ(test, info.nr_reaches, 2);
	KUNIT_EXPECT_EQ(test, info.reach[0].error_ns, 0);
	KUNIT_EXPECT_EQ(test, info.reach[0].oldest, 1000);
	KUNIT_EXPECT_EQ(test, info.reach[1].error_ns, 1);
	KUNIT_EXPECT_EQ(test, info.reach[1].oldest, 1000);

	/* Evict states, which are within a nanosecond of one line but for the first ones */
	for (int i = 0; i < 20; i++) {
		sim->counter->now += sim->tk.cycle_interval;
		sim_advance(sim, true, i & 1 ? 1 : -1);
	}
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	KUNIT_EXPECT_EQ(test, oldest(&info), 1000);
	KUNIT_EXPECT_GT(test, oldest_exact(&info), back);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, error, 0);
	EXPECT(KTIME_CONVERSION_LONG, CSID_ARM_ARCH_COUNTER, back, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, error, 1);
	EXPECT(KTIME_CONVERSION_LONG, CSID_ARM_ARCH_COUNTER, oldest_exact(&info) - 1,
	       CLOCK_BOOTTIME);
	KUNIT_EXPECT_EQ(test, error, 1);
	/* RAW is exact at every age */
	EXPECT(0, CSID_ARM_ARCH_COUNTER, back, CLOCK_MONOTONIC_RAW);
	KUNIT_EXPECT_EQ(test, error, 0);
	KUNIT_ASSERT_EQ(test, 0, tkh_convert_all(h, CSID_ARM_ARCH_COUNTER, back, &conv));
	KUNIT_EXPECT_EQ(test, conv.flags, KTIME_CONVERSION_LONG);
	KUNIT_EXPECT_EQ(test, conv.error_ns, 1);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, oldest_exact(&info), CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, error, 0);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, gap, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, 999, CLOCK_REALTIME);

	/* Evict all, by states which have no line in common */
	for (int i = 0; i < 40; i++) {
		sim->counter->now += sim->tk.cycle_interval;
		sim_advance(sim, true, i & 1 ? 1000 : -1000);
	}
	time = 42;
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	/* Before the first installation, which is still known */
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, 999, CLOCK_REALTIME);
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, back, CLOCK_REALTIME);
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, back, CLOCK_MONOTONIC_RAW);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, sim->counter->now + 1, CLOCK_REALTIME);
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	KUNIT_EXPECT_LT(test, oldest(&info), oldest_exact(&info));
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, oldest(&info) - 1, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, gap, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, time, 42);
	/* They have moved on as they were */
	EXPECT(0, CSID_ARM_ARCH_COUNTER, oldest(&info), CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, error, 0);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, info.newest, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, error, 0);

	/* The base clock of a clocksource */
	sim = sim_create(test, 64, (struct sim_size) { { 8, 4 }, 8, 8 }, 1000);
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

	/* Evict installations only: the entries of an evicted one cannot be used */
	sim = sim_create(test, 64, (struct sim_size) { { 64, 4 }, 8, 2 }, 1000);
	h = &sim->h;
	for (int i = 0; i < 2; i++) {
		EXPECT(0, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
		EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, 999, CLOCK_REALTIME);
		sim->counter->now += 1000;
		sim_suspend(sim);
		sim->counter->now += 1000;
		sim_resume(sim, 1000);
	}
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_MONOTONIC);
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_MONOTONIC_RAW);
	/* Nobody knows any more what was before the first one */
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, 999, CLOCK_REALTIME);
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	KUNIT_EXPECT_EQ(test, oldest(&info), oldest_exact(&info));
	EXPECT(-ERANGE, CSID_ARM_ARCH_COUNTER, oldest(&info) - 1, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, oldest(&info), CLOCK_REALTIME);

	/* The installation before is evicted */
	sim = sim_create(test, 64, (struct sim_size) { { 64, 4 }, 16, 4 }, 1000);
	h = &sim->h;
	sim_forward_now(sim);
	sim_install(sim, &sim->counters[1]);
	sim_update(sim);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	for (int i = 0; i < 10; i++) {
		sim->counter->now += 1000;
		sim_suspend(sim);
		sim->counter->now += 1000;
		sim_resume(sim, 1000);
	}
	KUNIT_EXPECT_EQ(test, h->inst_head - h->inst_tail, 4);
	EXPECT(-ENODEV, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
	EXPECT(-ERANGE, CSID_S390_TOD, 1, CLOCK_REALTIME);
	EXPECT(0, CSID_S390_TOD, sim->counter->now, CLOCK_REALTIME);
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	EXPECT(-ERANGE, CSID_S390_TOD, oldest(&info) - 1, CLOCK_REALTIME);
	EXPECT(0, CSID_S390_TOD, oldest(&info), CLOCK_REALTIME);
}

/* A program that sets CLOCK_REALTIME all the time costs nobody the other clocks */
static void tkh_test_walls(struct kunit *test)
{
	static const struct {
		struct sim_size	size;
		unsigned int	nr;
	} cases[] = {
		{ { { 512, 64 }, 64, 4 }, 70 },
		{ { { 512, 64 }, 256, 4 }, 255 },
		{ { { 512, 64 }, 256, 4 }, 300 },
		{ { { 16, 64, 64, 64 }, 64, 4 }, 150 },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sim *sim = sim_create(test, 64, cases[i].size, 1000);
		unsigned int walls = cases[i].size.walls, nr = cases[i].nr;
		struct tk_history *h = &sim->h;
		struct ktime_conversion first, conv;
		struct tally tally = { };
		const struct ref *ref;
		struct answer answer;
		int ret;

		KUNIT_ASSERT_EQ(test, 0, tkh_convert_all(h, CSID_ARM_ARCH_COUNTER, 1000, &first));
		for (unsigned int set = 1; set <= nr; set++) {
			sim->counter->now += 1000;
			/* CLOCK_TAI alone every other time */
			if (set & 1) {
				sim_set(sim, 1000000);
			} else {
				sim_move(sim, 0, 1);
				sim->tk.clock_was_set_seq++;
				sim_update(sim);
			}
			/* So many walls are in force, the last one included */
			ret = tkh_convert_all(h, CSID_ARM_ARCH_COUNTER, 1000, &conv);
			KUNIT_ASSERT_EQ(test, ret, set < walls ? 0 : -ERANGE);
			KUNIT_ASSERT_LE(test, h->wall_head - h->wall_tail, walls);
		}
		for (int c = 0; c < ARRAY_SIZE(clocks); c++) {
			answer = ask(h, CSID_ARM_ARCH_COUNTER, 1000, clocks[c]);
			if (nr >= walls && is_wall_clock(clocks[c])) {
				KUNIT_EXPECT_EQ(test, answer.ret, -ERANGE);
				continue;
			}
			KUNIT_ASSERT_GE(test, answer.ret, 0);
			KUNIT_EXPECT_GE(test, answer.time, conversion_get(&first, clocks[c]));
			KUNIT_EXPECT_LE(test, answer.time,
					conversion_get(&first, clocks[c]) + answer.error);
		}
		/* The first value of the oldest wall, and the one before it */
		if (nr >= walls) {
			ref = &sim->refs[sim->nr_refs - walls];
			answer = ask(h, CSID_ARM_ARCH_COUNTER, ref->from + 1, CLOCK_TAI);
			KUNIT_EXPECT_GE(test, answer.ret, 0);
			answer = ask(h, CSID_ARM_ARCH_COUNTER, ref->from, CLOCK_TAI);
			KUNIT_EXPECT_EQ(test, answer.ret, -ERANGE);
		}
		for (unsigned int r = 0; r < sim->nr_refs; r++)
			check_ref(test, sim, &sim->refs[r], &tally);
		KUNIT_EXPECT_GT(test, tally.exact + tally.merged, 9 * nr - 20);
		KUNIT_EXPECT_EQ(test, !tally.unset, nr < walls);
		KUNIT_EXPECT_LE(test, tally.refused, 3);
	}
}

/* What was in force for no counter value leaves no trace */
static void tkh_test_replace(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 8, 4 }, 4, 4 }, 1000);
	struct tk_history *h = &sim->h;
	struct ktime_conversion first, conv;
	struct tk_read_base *tkr = &sim->tk.tkr_mono;
	struct tally tally = { };
	u64 last;

	/* No counter moves, unless it is told to */
	sim->delay = 1;
	KUNIT_ASSERT_EQ(test, 0, tkh_convert_all(h, CSID_ARM_ARCH_COUNTER, 1000, &first));
	sim->counter->now += 1000;
	last = sim->counter->now;
	for (int i = 0; i < 100; i++) {
		tkr->mult++;
		sim_set(sim, 1000);
	}
	sim->counter->now += 1000;
	KUNIT_ASSERT_EQ(test, 0, tkh_convert_all(h, CSID_ARM_ARCH_COUNTER, 1000, &conv));
	KUNIT_EXPECT_EQ(test, 0, memcmp(&first, &conv, sizeof(conv)));
	/* All of the changes are between these two */
	KUNIT_ASSERT_EQ(test, 0, tkh_convert_all(h, CSID_ARM_ARCH_COUNTER, last, &first));
	KUNIT_ASSERT_EQ(test, 0, tkh_convert_all(h, CSID_ARM_ARCH_COUNTER, last + 1, &conv));
	KUNIT_EXPECT_LE(test, conv.mono - first.mono, 17);
	KUNIT_EXPECT_EQ(test, conv.real - conv.mono, first.real - first.mono + 100 * 1000);
	KUNIT_EXPECT_EQ(test, conv.clock_was_set_seq, first.clock_was_set_seq + 100);
	for (unsigned int r = 0; r < sim->nr_refs; r++)
		check_ref(test, sim, &sim->refs[r], &tally);
	KUNIT_EXPECT_EQ(test, h->wall_head - h->wall_tail, 2);
	KUNIT_EXPECT_EQ(test, h->entries.level[0].head - h->entries.level[0].tail, 2);
	KUNIT_EXPECT_GT(test, tally.exact, 500);
	KUNIT_EXPECT_EQ(test, tally.unset, 0);

	/* A suspend without any counter value, that neither starts anew */
	sim_suspend(sim);
	sim_resume(sim, 1 << 20);
	last = sim->counter->now;
	sim->counter->now += 1000;
	for (u64 c = last - 3; c <= last + 3; c++)
		check_value(test, sim, CSID_ARM_ARCH_COUNTER, c, &tally);
	KUNIT_ASSERT_EQ(test, 0, tkh_convert_all(h, CSID_ARM_ARCH_COUNTER, last, &first));
	KUNIT_ASSERT_EQ(test, 0, tkh_convert_all(h, CSID_ARM_ARCH_COUNTER, last + 1, &conv));
	KUNIT_EXPECT_EQ(test, first.flags, 0);
	KUNIT_EXPECT_EQ(test, conv.flags, 0);
	KUNIT_EXPECT_EQ(test, conv.boot - conv.mono, first.boot - first.mono + (1 << 20));
	KUNIT_EXPECT_EQ(test, tally.suspended, 0);
}

/* Switch and record an update, and return how often that has read @counter */
static unsigned int count_reads(struct kunit *test, struct sim *sim, enum tkh_news news)
{
	struct sim_counter *counter = container_of(sim->h.clock, struct sim_counter, cs);

	counter->reads = 0;
	scoped_guard(irqsave) {
		prepare(&sim->h, &sim->tk, false);
		tkh_switch(&sim->h);
		tkh_record(&sim->h, &sim->tk);
	}
	KUNIT_EXPECT_EQ(test, sim->h.news, news);
	return counter->reads;
}

/*
 * Where a clock is set, the counter has to move on before readers get to know of
 * that. None of its values has two times then.
 */
static void tkh_test_switch(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 64, 4 }, 16, 16 }, 1000);
	struct sim_counter *counter = sim->counter;
	struct timekeeper *tk = &sim->tk;
	struct tk_history *h = &sim->h;
	const struct tkh_entry *entry;
	ktime_t time, before;
	unsigned int reads, head;
	u64 last;
	u32 error;

	for (unsigned int still = 1; still < 20; still++) {
		/* A state: once, as the two lines hardly differ */
		counter->now += 1000;
		counter->still = still;
		tk->tkr_mono.mult++;
		KUNIT_EXPECT_EQ(test, 1, count_reads(test, sim, TKH_NEW_STATE));
		counter->still = 0;

		/* Nothing: not at all */
		KUNIT_EXPECT_EQ(test, 0, count_reads(test, sim, TKH_NOTHING));

		/* A wall, a new BOOTTIME, a new RAW: until it has moved */
		for (int i = 0; i < 3; i++) {
			counter->now += 1000;
			last = counter->now;
			EXPECT(0, CSID_ARM_ARCH_COUNTER, last, CLOCK_REALTIME);
			before = time;
			counter->still = still;
			if (i == 0)
				tk->clock_was_set_seq++;
			else if (i == 1)
				tk->offs_boot += NSEC_PER_SEC;
			else
				tk->tkr_raw.base += NSEC_PER_SEC;
			tk->offs_real += NSEC_PER_SEC;
			head = h->entries.level[0].head;
			reads = count_reads(test, sim,
					    i ? TKH_NEW_INSTALLATION : TKH_NEW_WALL);
			/* A wall costs no entry, an installation begins one */
			KUNIT_EXPECT_EQ(test, h->entries.level[0].head, head + !!i);
			entry = tkh_entry_at(&h->entries.level[0], head);
			if (i)
				KUNIT_EXPECT_EQ(test, entry->flags & TKH_INSTALLED, TKH_INSTALLED);
			KUNIT_EXPECT_EQ(test, reads, still + 1);
			KUNIT_EXPECT_EQ(test, counter->now, last + 1);
			EXPECT(0, CSID_ARM_ARCH_COUNTER, last, CLOCK_REALTIME);
			KUNIT_EXPECT_EQ(test, time, before);
			EXPECT(0, CSID_ARM_ARCH_COUNTER, last + 1, CLOCK_REALTIME);
			KUNIT_EXPECT_GE(test, time, before + NSEC_PER_SEC);
			KUNIT_EXPECT_LE(test, time, before + NSEC_PER_SEC + 17);
		}
	}

	/* A counter which has come to a halt does not stop the machine */
	counter->still = 0;
	tk->clock_was_set_seq++;
	reads = count_reads(test, sim, TKH_NEW_WALL);
	KUNIT_EXPECT_GT(test, reads, 20);
	KUNIT_EXPECT_LT(test, reads, 1000);

	/* Another clocksource: it is the old one that readers have used */
	counter->now += 1000;
	last = counter->now;
	counter->still = 3;
	sim_forward_now(sim);
	sim_install(sim, &sim->counters[1]);
	sim->counters[1].reads = 0;
	KUNIT_EXPECT_EQ(test, 4, count_reads(test, sim, TKH_NEW_COUNTER));
	KUNIT_EXPECT_EQ(test, 0, sim->counters[1].reads);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, last, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, last + 1, CLOCK_REALTIME);

	/* What is not recorded is not read either */
	counter = &sim->counters[2];
	sim->counter = &sim->counters[1];
	sim_forward_now(sim);
	sim_install(sim, counter);
	count_reads(test, sim, TKH_NEW_COUNTER);
	tk->clock_was_set_seq++;
	tk->tkr_mono.mult++;
	KUNIT_EXPECT_EQ(test, 0, count_reads(test, sim, TKH_NOTHING));
	sim->counter = counter;
	sim_forward_now(sim);
	sim_install(sim, &sim->counters[1]);
	KUNIT_EXPECT_EQ(test, 0, count_reads(test, sim, TKH_NEW_COUNTER));
}

/* A lookup reads the counter once, and once more when the value seems to be ahead */
static void tkh_test_reads(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 8, 8 }, 16, 16 }, 1000);
	struct sim_counter *counter = sim->counter;
	struct tk_history *h = &sim->h;
	struct ktime_history_info info;
	struct ktime_cycles_time times[70];
	u64 cycles[ARRAY_SIZE(times)];
	ktime_t time;
	u32 error;

	for (int i = 0; i < 10; i++) {
		counter->now += sim->tk.cycle_interval;
		sim_advance(sim, true, 1000);
	}
	for (u64 c = 500; c < counter->now; c += sim->tk.cycle_interval / 10) {
		counter->reads = 0;
		EXPECT(c < 1000 ? -ENODATA : 0, CSID_ARM_ARCH_COUNTER, c, CLOCK_TAI);
		KUNIT_ASSERT_EQ(test, counter->reads, 1);
	}
	counter->reads = 0;
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, counter->now + 10, CLOCK_TAI);
	KUNIT_EXPECT_EQ(test, counter->reads, 2);
	/* Which it has reached meanwhile */
	counter->reads = 0;
	counter->still = 1;
	EXPECT(0, CSID_ARM_ARCH_COUNTER, counter->now + 1, CLOCK_TAI);
	KUNIT_EXPECT_EQ(test, counter->reads, 2);
	counter->reads = 0;
	KUNIT_EXPECT_EQ(test, 0, tkh_get_info(h, &info));
	KUNIT_EXPECT_EQ(test, counter->reads, 1);

	/* A batch need not read it for more values of the same state */
	counter->now += 1000;
	for (int i = 0; i < ARRAY_SIZE(cycles); i++)
		cycles[i] = counter->now - ARRAY_SIZE(cycles) + i;
	counter->reads = 0;
	tkh_convert_batch(h, CSID_ARM_ARCH_COUNTER, cycles, ARRAY_SIZE(cycles), CLOCK_BOOTTIME,
			  times);
	KUNIT_EXPECT_EQ(test, counter->reads, 3);
	for (int i = 0; i < ARRAY_SIZE(cycles); i++) {
		EXPECT(0, CSID_ARM_ARCH_COUNTER, cycles[i], CLOCK_BOOTTIME);
		KUNIT_EXPECT_EQ(test, times[i].status, 0);
		KUNIT_EXPECT_EQ(test, times[i].time, time);
	}
}

/* No clocksource of less than 56 bits is recorded, whatever its ID */
static void tkh_test_narrow(struct kunit *test)
{
	static const unsigned int widths[] = { 24, 32, 48, 55, 56, 60, 64 };

	for (int w = 0; w < ARRAY_SIZE(widths); w++) {
		struct sim *sim = sim_create(test, widths[w],
					     (struct sim_size) { { 8, 8 }, 16, 16 }, 1000);
		struct tk_history *h = &sim->h;
		bool narrow = widths[w] < 56;
		struct ktime_history_info info;
		ktime_t time = 42;
		u64 recorded;
		u32 error;

		for (int i = 0; i < 20; i++) {
			EXPECT(narrow ? -ENODEV : 0, CSID_ARM_ARCH_COUNTER, sim->counter->now,
			       CLOCK_REALTIME);
			EXPECT(narrow ? -ENODEV : -EAGAIN, CSID_ARM_ARCH_COUNTER,
			       sim->counter->now + 1, CLOCK_MONOTONIC);
			KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
			KUNIT_EXPECT_EQ(test, info.cs_id,
					narrow ? CSID_GENERIC : CSID_ARM_ARCH_COUNTER);
			KUNIT_EXPECT_EQ(test, info.mask, narrow ? 0 : CLOCKSOURCE_MASK(widths[w]));
			sim->counter->now += sim->tk.cycle_interval;
			if (i % 4 == 3)
				sim_set(sim, 1000);
			else
				sim_advance(sim, true, i & 1 ? 1 : -1);
		}
		KUNIT_EXPECT_EQ(test, h->inst_head - h->inst_tail, 1);

		/* The next clocksource is, and remains so when the narrow one comes back */
		sim_change(sim, &sim->counters[1]);
		recorded = sim->counter->now;
		sim->counter->now += 1000;
		EXPECT(0, CSID_S390_TOD, recorded, CLOCK_REALTIME);
		if (narrow)
			EXPECT(-ENODEV, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_REALTIME);
		else
			EXPECT(0, CSID_ARM_ARCH_COUNTER, 1000, CLOCK_MONOTONIC_RAW);
		/* Nor do positions run away where nothing is recorded, be it wide */
		for (int i = 0; i < 4; i++) {
			sim->counters[2].cs.mask = ~0ULL;
			sim_change(sim, &sim->counters[2]);
			sim->counter->now += 1000;
			sim_change(sim, &sim->counters[1]);
			EXPECT(0, CSID_S390_TOD, sim->counter->now, CLOCK_REALTIME);
			EXPECT(0, CSID_S390_TOD, recorded, CLOCK_REALTIME);
		}
		sim_change(sim, &sim->counters[0]);
		EXPECT(0, CSID_S390_TOD, recorded, CLOCK_REALTIME);
		EXPECT(narrow ? -ENODEV : 0, CSID_ARM_ARCH_COUNTER, sim->counter->now,
		       CLOCK_REALTIME);
	}
}

/* Firmware has preloaded the counter, which wraps soon after */
static void tkh_test_wrap(struct kunit *test)
{
	static const unsigned int widths[] = { 56, 57, 60, 63, 64 };
	const u64 second = 62500000;

	for (int w = 0; w < ARRAY_SIZE(widths); w++) {
		u64 mask = CLOCKSOURCE_MASK(widths[w]);
		struct sim *sim = sim_create(test, widths[w],
					     (struct sim_size) { { 64, 16, 16 }, 64, 16 },
					     mask - 5 * second);
		struct tk_history *h = &sim->h;
		struct tally tally = { };
		ktime_t time = 42;
		u32 error;

		for (int i = 0; i < 40; i++) {
			u64 now;

			sim->counter->now += second / 4;
			if (i % 8 == 7) {
				sim_suspend(sim);
				sim->counter->now += second / 4;
				sim_resume(sim, 1 << 20);
			} else {
				sim_advance(sim, true, i & 1 ? 1 : -1);
			}
			/* Ahead: in a moment, later, and behind the wrap in any case */
			now = sim->counter->now;
			EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, (now + 1) & mask, CLOCK_REALTIME);
			EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, (now + second) & mask,
			       CLOCK_REALTIME);
			EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, (now + 100 * second) & mask,
			       CLOCK_REALTIME);
			EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, (now + (mask >> 1)) & mask,
			       CLOCK_REALTIME);
			KUNIT_ASSERT_EQ(test, time, 42);
			check_value(test, sim, CSID_ARM_ARCH_COUNTER, now & mask, &tally);
		}
		KUNIT_EXPECT_LT(test, sim->counter->now & mask, 20 * second);
		for (unsigned int r = 0; r < sim->nr_refs; r++)
			check_ref(test, sim, &sim->refs[r], &tally);
		/* Both ends of the whole are out of reach */
		KUNIT_EXPECT_GT(test, tally.exact, 300);
		KUNIT_EXPECT_GT(test, tally.suspended, 20);
		KUNIT_EXPECT_EQ(test, tally.repeated, 0);
		KUNIT_EXPECT_LE(test, tally.refused, 3);
		EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, mask - 5 * second - 1, CLOCK_REALTIME);
	}
}

/* The counter starts anew: what it has had more than once is told so */
static void tkh_test_repeated(struct kunit *test)
{
	const int again = KTIME_CONVERSION_REPEATED, asleep = KTIME_CONVERSION_SUSPENDED;
	const int merged = KTIME_CONVERSION_LONG;
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 16, 64 }, 16, 16 }, 1000);
	struct sim_counter *counter = sim->counter;
	struct tk_history *h = &sim->h;
	struct ktime_conversion conv;
	struct ktime_cycles_time times[4];
	u64 ms = counter->cs.freq_khz, top, cycles[4];
	ktime_t time, first;
	u32 error;

	/* The first life, up to a second */
	counter->now = 1000 * ms;
	sim_set(sim, 0);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 200 * ms, CLOCK_BOOTTIME);
	first = time;

	/* The second one, from 100 ms to 400 ms, and asleep from 200 ms to 300 ms */
	sim_restart(sim, 100 * ms);
	top = sim->refs[sim->nr_refs - 2].from;
	counter->now = 200 * ms;
	sim_suspend(sim);
	counter->now = 300 * ms;
	sim_resume(sim, 1 << 20);
	counter->now = 400 * ms;
	sim_set(sim, 0);

	/* Only the newest time is told, and that there was another one */
	EXPECT(again, CSID_ARM_ARCH_COUNTER, 100 * ms, CLOCK_BOOTTIME);
	EXPECT(again, CSID_ARM_ARCH_COUNTER, 200 * ms, CLOCK_BOOTTIME);
	KUNIT_EXPECT_GT(test, time, first);
	EXPECT(again | asleep, CSID_ARM_ARCH_COUNTER, 250 * ms, CLOCK_BOOTTIME);
	KUNIT_EXPECT_GE(test, error, 1 << 19);
	EXPECT(again | asleep, CSID_ARM_ARCH_COUNTER, 250 * ms, CLOCK_MONOTONIC_RAW);
	KUNIT_EXPECT_EQ(test, error, 0);
	EXPECT(again, CSID_ARM_ARCH_COUNTER, 350 * ms, CLOCK_MONOTONIC_RAW);
	KUNIT_ASSERT_EQ(test, 0, tkh_convert_all(h, CSID_ARM_ARCH_COUNTER, 350 * ms, &conv));
	KUNIT_EXPECT_EQ(test, conv.flags, again);
	KUNIT_EXPECT_EQ(test, conv.error_ns, 0);
	cycles[0] = 350 * ms;
	cycles[1] = 250 * ms;
	cycles[2] = 500 * ms;
	cycles[3] = 399 * ms;
	tkh_convert_batch(h, CSID_ARM_ARCH_COUNTER, cycles, 4, CLOCK_TAI, times);
	KUNIT_EXPECT_EQ(test, times[0].status, again);
	KUNIT_EXPECT_EQ(test, times[1].status, again | asleep);
	KUNIT_EXPECT_EQ(test, times[2].status, 0);
	KUNIT_EXPECT_EQ(test, times[3].status, again);

	/* What the second life has not come to yet is the first one's alone */
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 500 * ms, CLOCK_BOOTTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, top, CLOCK_BOOTTIME);
	counter->now = 600 * ms;
	EXPECT(again, CSID_ARM_ARCH_COUNTER, 500 * ms, CLOCK_BOOTTIME);

	/* A third life knows of both, of which the first one was the longer one */
	sim_restart(sim, 50 * ms);
	counter->now = 1100 * ms;
	EXPECT(again, CSID_ARM_ARCH_COUNTER, 50 * ms, CLOCK_BOOTTIME);
	EXPECT(again, CSID_ARM_ARCH_COUNTER, 900 * ms, CLOCK_BOOTTIME);
	EXPECT(again, CSID_ARM_ARCH_COUNTER, top, CLOCK_BOOTTIME);
	/* And what goes beyond that is new */
	EXPECT(0, CSID_ARM_ARCH_COUNTER, top + 1, CLOCK_BOOTTIME);

	/* It is the same in the long history */
	sim_restart(sim, 1000 * ms);
	for (int i = 0; i < 40; i++) {
		counter->now += ms;
		sim_advance(sim, true, i & 1 ? 1 : -1);
	}
	EXPECT(again | merged, CSID_ARM_ARCH_COUNTER, 1010 * ms, CLOCK_BOOTTIME);
	KUNIT_EXPECT_EQ(test, error, 1);
	EXPECT(again, CSID_ARM_ARCH_COUNTER, 1010 * ms, CLOCK_MONOTONIC_RAW);
	EXPECT(again, CSID_ARM_ARCH_COUNTER, 1039 * ms, CLOCK_BOOTTIME);
}

/*
 * A counter which has started anew goes on while another clocksource is in use, and
 * may come to values that its first life had. They do not tell the first life's time.
 */
static void tkh_test_gap(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 16, 8 }, 16, 16 }, 1000);
	struct sim_counter *counter = sim->counter;
	const int again = KTIME_CONVERSION_REPEATED;
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
	EXPECT(again, CSID_ARM_ARCH_COUNTER, counter->now - 1, CLOCK_REALTIME);
	EXPECT(again, CSID_ARM_ARCH_COUNTER, 6000, CLOCK_REALTIME);

	/* And back: it had those which it has passed, and none that it has not reached */
	counter->now = gap + 1000;
	later = counter->now;
	sim_change(sim, counter);
	EXPECT(again, CSID_ARM_ARCH_COUNTER, later, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, later - 1, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, gap, CLOCK_REALTIME);
	EXPECT(again, CSID_ARM_ARCH_COUNTER, 6000, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, twice, CLOCK_REALTIME);
	KUNIT_EXPECT_EQ(test, time, first);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, counter->now + 1000, CLOCK_REALTIME);

	counter->now = twice + 1000;
	EXPECT(again, CSID_ARM_ARCH_COUNTER, twice, CLOCK_REALTIME);
	KUNIT_EXPECT_GT(test, time, first + 10LL * NSEC_PER_SEC);

	/* One of 56 bits may have wrapped before the gap */
	sim = sim_create(test, 56, (struct sim_size) { { 16, 8 }, 16, 16 }, BIT_ULL(56) - 500);
	h = &sim->h;
	sim->counter->now += 1000;
	sim_change(sim, &sim->counters[1]);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, BIT_ULL(56) - 400, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 400, CLOCK_REALTIME);
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
	if (ret >= 0)
		KUNIT_EXPECT_EQ(test, time, base_time);
	return ret;
}

/*
 * A counter may start anew in a suspend which it is not the clocksource in, and with
 * it the base clock
 */
static void tkh_test_gap_suspend(struct kunit *test)
{
	const int again = KTIME_CONVERSION_REPEATED;
	struct ktime_history_info info;
	struct tk_history *h;
	unsigned int head;

	/* In a time without history, and in one of another counter */
	for (int other = 1; other <= 2; other++) {
		struct sim *sim = sim_create(test, 64, (struct sim_size) { { 64, 8 }, 64, 64 },
					     1000);
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
		/* More of them cost nothing where there is no history */
		head = h->inst_head;
		for (int i = 0; other == 2 && i < 3; i++) {
			sim_suspend(sim);
			sim_resume(sim, NSEC_PER_SEC);
			KUNIT_EXPECT_EQ(test, h->inst_head, head);
		}
		sim_set(sim, 1000);
		KUNIT_EXPECT_EQ(test, -ENODATA, gap_convert(test, h, 6000));

		/* Above what it has now, below where it is recorded again, or above all */
		sim_start_anew(counter, 50000);
		sim_change(sim, counter);
		counter->now += 1000;
		sim_set(sim, 1000);
		/* The history only knows that it has started anew as it goes back */
		KUNIT_EXPECT_EQ(test, again, gap_convert(test, h, 50500));
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
			KUNIT_EXPECT_EQ(test, again, gap_convert(test, h, 50500));
			KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
			KUNIT_EXPECT_EQ(test, oldest(&info), 50000);
		}

		/* Of two others in the gap, one was in use in a suspend, the first or the last */
		for (int i = 0; i < 2; i++) {
			/* The base clock counts every second one */
			u64 last = counter->now & ~1ULL;

			sim_change(sim, &sim->counters[other]);
			if (i) {
				KUNIT_EXPECT_EQ(test, again, gap_convert(test, h, last));
				sim_change(sim, &sim->counters[3 - other]);
			}
			sim_suspend(sim);
			sim_resume(sim, NSEC_PER_SEC);
			if (!i)
				sim_change(sim, &sim->counters[3 - other]);
			KUNIT_EXPECT_EQ(test, -ENODATA, gap_convert(test, h, last));
			sim_change(sim, counter);
		}
	}
}

/* Nobody records a counter from the suspend in which it starts anew to the resume */
static void tkh_test_anew(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 64, 8 }, 64, 64 }, 1000);
	struct sim_counter *counter = sim->counter;
	const int again = KTIME_CONVERSION_REPEATED;
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
	EXPECT(again, CSID_ARM_ARCH_COUNTER, second, CLOCK_REALTIME);
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, second - 1, CLOCK_REALTIME);
	/* In a suspend it goes on, to values which the first life had as well */
	sim_suspend(sim);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, end + 1000, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, 50 * second, CLOCK_REALTIME);
	EXPECT(again, CSID_ARM_ARCH_COUNTER, end - 1000, CLOCK_REALTIME);
	counter->now = end + 1000;
	sim_resume(sim, NSEC_PER_SEC);
	EXPECT(again | KTIME_CONVERSION_SUSPENDED, CSID_ARM_ARCH_COUNTER, end + 500,
	       CLOCK_REALTIME);
	end = counter->now;
	/* The third one, for a second */
	sim_restart(sim, second / 2);
	counter->now = 3 * second / 2;
	sim_set(sim, 0);

	/* Before the resume, or in one of the other lives, or at the end of the second one */
	EXPECT(-ENODATA, CSID_ARM_ARCH_COUNTER, second / 2 - 1, CLOCK_REALTIME);
	EXPECT(again, CSID_ARM_ARCH_COUNTER, second / 2, CLOCK_REALTIME);
	EXPECT(again, CSID_ARM_ARCH_COUNTER, end, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, end + 1000, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, end + 999 * ms, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, end + 1001 * ms, CLOCK_REALTIME);
	EXPECT(0, CSID_ARM_ARCH_COUNTER, 100 * second - 1000, CLOCK_REALTIME);
	EXPECT(-EAGAIN, CSID_ARM_ARCH_COUNTER, 100 * second + 1000, CLOCK_REALTIME);
	KUNIT_ASSERT_EQ(test, 0, tkh_get_info(h, &info));
	KUNIT_EXPECT_EQ(test, oldest(&info), second / 2);
	KUNIT_EXPECT_EQ(test, oldest_exact(&info), second / 2);
}

/* An auxiliary clock is not suspended, but learns of a resume with its next update */
static void tkh_test_anew_aux(struct kunit *test)
{
	struct sim *sim = sim_create(test, 64, (struct sim_size) { { 64, 8 }, 64, 64 }, 1000);
	struct sim_counter *counter = sim->counter;
	struct tk_history *h = &sim->h;
	u64 value;

	counter->base = (struct clocksource_base) {
		.id = CSID_X86_ART, .numerator = 2, .denominator = 1, .offset = 100,
	};
	counter->cs.base = &counter->base;
	sim_set(sim, 0);
	counter->now += 10000;
	sim_set(sim, 0);

	/* The counter goes on, and the clock with it */
	sim->suspends++;
	counter->now += 100;
	sim_set(sim, 0);
	KUNIT_EXPECT_EQ(test, h->news, TKH_NEW_INSTALLATION);
	KUNIT_EXPECT_EQ(test, 0, gap_convert(test, h, 6000));

	/* Another one is in use when the system resumes: this one may have started anew */
	sim_change(sim, &sim->counters[1]);
	KUNIT_EXPECT_EQ(test, 0, gap_convert(test, h, 6000));
	sim->suspends++;
	sim_set(sim, 0);
	KUNIT_EXPECT_EQ(test, -ENODATA, gap_convert(test, h, 6000));
	sim_change(sim, counter);
	KUNIT_EXPECT_EQ(test, -ENODATA, gap_convert(test, h, 6000));

	/* The next update exchanges the counter: the resume was before that */
	value = counter->now & ~1ULL;
	counter->now += 100;
	sim->suspends++;
	sim_change(sim, &sim->counters[1]);
	KUNIT_EXPECT_EQ(test, 0, gap_convert(test, h, value));
	sim->suspends++;
	sim_change(sim, counter);
	KUNIT_EXPECT_EQ(test, -ENODATA, gap_convert(test, h, value));

	/* No CPU's counter lags behind in the first update after a resume */
	for (int resumes = 0; resumes <= 1; resumes++) {
		guard(irqsave)();

		sim->tk.tkr_mono.cycle_last -= 5;
		sim->tk.tkr_raw.cycle_last -= 5;
		sim->tk.clock_was_set_seq++;
		KUNIT_EXPECT_TRUE(test, tkh_prepare(h, &sim->tk, false, h->resumes + resumes));
		KUNIT_EXPECT_EQ(test, h->news,
				resumes ? TKH_NEW_COUNTER : TKH_NEW_INSTALLATION);
		tkh_switch(h);
		tkh_record(h, &sim->tk);
	}
}

/*
 * A CPU whose counter lags behind sets the clock: timekeeping_forward_now()
 * takes cycle_last back without taking the time back
 */
static void tkh_test_backwards(struct kunit *test)
{
	struct sim *sim = sim_create(test, 56, (struct sim_size) { { 16, 4 }, 16, 16 }, 1000);
	struct timekeeper *tk = &sim->tk;
	ktime_t time, before, after;
	const struct tkh_level *level = &sim->h.entries.level[0];
	unsigned int head;
	unsigned long flags;
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
		record(&sim->h, tk, false);
		KUNIT_ASSERT_EQ(test, sim->h.news, TKH_NEW_INSTALLATION);

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
	head = level->head;
	for (int i = 0; i < 10; i++) {
		sim->counter->now += tk->cycle_interval;
		sim_advance(sim, true, 0);
	}
	KUNIT_ASSERT_EQ(test, level->head, head);
	old = tk->tkr_mono.cycle_last;
	/* Which the first life had before its newest state */
	start = old - 15 * tk->cycle_interval;
	sim->counter->now = start;
	tk->tkr_mono.cycle_last = start;
	tk->tkr_raw.cycle_last = start;
	before = tk->tkr_mono.base + (tk->tkr_mono.xtime_nsec >> tk->tkr_mono.shift);

	/* A reader of the vDSO may have got this value in the second life already */
	local_irq_save(flags);
	prepare(&sim->h, tk, false);
	tkh_switch(&sim->h);
	sim->counter->now += 1000;
	nmi_enter();
	ret = tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, start + 500, CLOCK_MONOTONIC, &time,
			  &error);
	nmi_exit();
	tkh_record(&sim->h, tk);
	local_irq_restore(flags);
	KUNIT_EXPECT_EQ(test, sim->h.news, TKH_NEW_COUNTER);
	KUNIT_EXPECT_EQ(test, ret, -EAGAIN);

	KUNIT_ASSERT_EQ(test, KTIME_CONVERSION_REPEATED,
			tkh_convert(&sim->h, CSID_ARM_ARCH_COUNTER, start + 500,
				    CLOCK_MONOTONIC, &time, &error));
	KUNIT_EXPECT_LE(test, abs(time - before - 16 * 500), 1);
	/* About to be reached, and what the first life had */
	for (int i = 1; i < 10; i++) {
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
	struct sim *sim = sim_create(test, 56, (struct sim_size) { { 16, 4 }, 16, 16 }, 1000);
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
	struct sim *sim = sim_create(test, 56, (struct sim_size) { { 16, 4 }, 16, 16 }, 1000);
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
 * differ by a fraction of a nanosecond only, so that they become one entry.
 */
#define RACE_SHIFT	10
#define RACE_STATES	4
/* States for which a wall and an installation last */
#define RACE_WALL	8

struct race {
	struct tk_history	h;
	struct clocksource	cs;
	struct clocksource_base	base;
	struct timekeeper	tk;
	/* The counter, the writer advances it */
	atomic64_t		now;
	/* Spread the readers' requests over so many states */
	unsigned int		range;
	/* Instead of threads: what comes after each of the next reads of the counter */
	void			(*interrupt)(struct race *race);
	unsigned int		interrupts;
	unsigned int		reads;
	u64			state;
	atomic_t		exact;
	atomic_t		merged;
	atomic_t		unset;
	atomic_t		evicted;
	atomic_t		waited;
	atomic_t		met;
	atomic_t		again;
	atomic_t		wrong;
};

static u64 race_read(struct clocksource *cs)
{
	struct race *race = container_of(cs, struct race, cs);
	void (*interrupt)(struct race *race) = race->interrupt;
	u64 now = atomic64_read(&race->now) & cs->mask;

	if (interrupt) {
		race->reads++;
		/* Not when the update itself reads the counter */
		race->interrupt = NULL;
		interrupt(race);
		if (--race->interrupts)
			race->interrupt = interrupt;
	}
	return now;
}

/* Let @interrupt come after each of the next @nr reads of the counter */
static void race_interrupt(struct race *race, void (*interrupt)(struct race *race),
			   unsigned int nr)
{
	race->interrupts = nr;
	race->reads = 0;
	race->interrupt = interrupt;
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

static bool race_is_right(u64 cycles, ktime_t mono, u32 error)
{
	return mono >= race_mono(cycles) && mono - race_mono(cycles) <= error;
}

/* Convert and return the error, or 1 if the result is wrong */
static int race_check(struct race *race, u64 cycles)
{
	enum clocksource_ids id = any_below(2) ? race->cs.id : race->base.id;
	u64 set = ((cycles - 1) >> RACE_SHIFT) / RACE_WALL;
	struct ktime_conversion conv = { };
	struct answer mono;
	int ret;

	ret = tkh_convert_all(&race->h, id, cycles, &conv);
	if (ret == -ERANGE) {
		/* Without a wall there may be CLOCK_MONOTONIC */
		mono = ask(&race->h, id, cycles, CLOCK_MONOTONIC);
		if (mono.ret == -ERANGE) {
			atomic_inc(&race->evicted);
			return ret;
		}
		/* In NMI there may be an update in flight that was not there before */
		if (mono.ret < 0)
			return mono.ret;
		if (race_is_right(cycles, mono.time, mono.error)) {
			atomic_inc(&race->unset);
			return ret;
		}
		pr_err_once("0x%llx is %lld, not %lld\n", cycles, mono.time, race_mono(cycles));
		return 1;
	}
	if (ret)
		return ret;

	if (race_is_right(cycles, conv.mono, conv.error_ns) && conv.raw == cycles &&
	    conv.clock_was_set_seq == set && conv.boot == conv.mono + (set << 20) &&
	    conv.real == conv.mono + (set << 21) && conv.tai == conv.real + set * NSEC_PER_SEC &&
	    conv.flags == (conv.error_ns ? KTIME_CONVERSION_LONG : 0)) {
		atomic_inc(conv.error_ns ? &race->merged : &race->exact);
		return 0;
	}
	pr_err_once("0x%llx is %lld of set %u, not %lld\n", cycles, conv.mono,
		    conv.clock_was_set_seq, race_mono(cycles));
	return 1;
}

/* What an NMI gets that has hit the writer between tkh_prepare() and tkh_record() */
static void race_nmi(struct race *race)
{
	u64 cycles = race_pick(race, atomic64_read(&race->now));
	int ret;

	nmi_enter();
	ret = race_check(race, cycles);
	nmi_exit();

	atomic_inc(ret == -EAGAIN ? &race->again : &race->wrong);
}

/* Make state @k the next one to be published */
static void race_prepare(struct race *race, u64 k)
{
	struct tk_read_base *tkr = &race->tk.tkr_mono;
	u64 set = k / RACE_WALL;

	tkr->cycle_last = (k & -RACE_STATES) << RACE_SHIFT;
	tkr->base = (k & -RACE_STATES) << 32;
	tkr->xtime_nsec = 1 + (k & 1);
	race->tk.tkr_raw.cycle_last = tkr->cycle_last;
	race->tk.tkr_raw.base = tkr->cycle_last;
	race->tk.clock_was_set_seq = set;
	race->tk.offs_boot = set << 20;
	race->tk.offs_real = set << 21;
	race->tk.tai_offset = set;
	race->tk.offs_tai = race->tk.offs_real + set * NSEC_PER_SEC;
}

static void race_update(struct race *race, u64 k)
{
	race_prepare(race, k);

	/* As under the lock of the timekeeper: readers wait, so be quick */
	guard(irqsave)();

	atomic64_set(&race->now, k << RACE_SHIFT);
	WARN_ON(!prepare(&race->h, &race->tk, false));
	if ((k & 7) == 5)
		race_nmi(race);
	tkh_switch(&race->h);
	/* Readers find a counter beyond the switch while it is in flight */
	atomic64_set(&race->now, (k << RACE_SHIFT) + 1);
	if (!(k & 7))
		udelay(2);
	if ((k & 7) == 3)
		race_nmi(race);
	tkh_record(&race->h, &race->tk);
	race->state = k;
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
	unsigned int before = READ_ONCE(race->h.seq.sequence), after;
	int ret = race_check(race, cycles);

	/* Not reached in time, maybe */
	if (ret == -EAGAIN && cycles > now)
		return true;
	if (ret && ret != -ERANGE) {
		atomic_inc(&race->wrong);
		return false;
	}
	/* There was an answer although an update was in flight, or has come meanwhile */
	after = READ_ONCE(race->h.seq.sequence);
	if (before & 1)
		atomic_inc(&race->waited);
	else if (before != after)
		atomic_inc(&race->met);
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

static struct race *race_create(struct kunit *test, struct sim_size size)
{
	struct race *race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	struct tk_read_base *tkr;

	KUNIT_ASSERT_NOT_NULL(test, race);
	sim_init_history(test, &race->h, &size);
	race->range = 3 * (size.entries[0] + RACE_STATES * size.entries[1]);
	race->cs.name = "race";
	race->cs.id = CSID_ARM_ARCH_COUNTER;
	race->cs.mask = U64_MAX;
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
	return atomic_read(&race->exact) > 10000 && atomic_read(&race->merged) > 10000 &&
	       atomic_read(&race->unset) > 1000 && atomic_read(&race->evicted) > 1000 &&
	       atomic_read(&race->waited) > 10 && atomic_read(&race->met) > 10 &&
	       atomic_read(&race->again) > 100;
}

static void tkh_test_race(struct kunit *test)
{
	/* So few walls and installations that they are evicted before the entries are */
	struct race *race = race_create(test, (struct sim_size) { { 8, 8 }, 2, 4 });
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

	kunit_info(test, "%d exact, %d merged, %d without wall, %d evicted, %d waited, %d met an update, %d in NMI did not, %d wrong\n",
		   atomic_read(&race->exact), atomic_read(&race->merged),
		   atomic_read(&race->unset), atomic_read(&race->evicted),
		   atomic_read(&race->waited), atomic_read(&race->met),
		   atomic_read(&race->again), atomic_read(&race->wrong));
	KUNIT_EXPECT_EQ(test, atomic_read(&race->wrong), 0);
	KUNIT_EXPECT_TRUE(test, race_enough(race));
}

#define NMI_VALUES	4

/* What an NMI gets for each of @cycles, and of all else that can be asked */
static void nmi_ask(struct race *race, const u64 *cycles, struct answer *answers,
		    struct ktime_cycles_time *times, int *all, int *info)
{
	static struct ktime_history_info any_info;
	static struct ktime_conversion any_conv;

	nmi_enter();
	for (int i = 0; i < NMI_VALUES; i++)
		answers[i] = ask(&race->h, CSID_ARM_ARCH_COUNTER, cycles[i], CLOCK_MONOTONIC);
	tkh_convert_batch(&race->h, CSID_ARM_ARCH_COUNTER, cycles, NMI_VALUES, CLOCK_MONOTONIC,
			  times);
	*all = tkh_convert_all(&race->h, CSID_ARM_ARCH_COUNTER, cycles[0], &any_conv);
	*info = tkh_get_info(&race->h, &any_info);
	nmi_exit();
}

/* An NMI does not wait for the update that it has hit, whatever it asks for */
static void tkh_test_nmi(struct kunit *test)
{
	struct race *race = race_create(test, (struct sim_size) { { 8, 4 }, 4, 4 });
	/* Before the update, in its prologue, in flight, and after it */
	static struct ktime_cycles_time times[3][NMI_VALUES];
	static struct answer answers[3][NMI_VALUES];
	/* Of each state, and one that only the next one has */
	u64 cycles[NMI_VALUES] = {
		(1 << RACE_SHIFT) + 5, (2 << RACE_SHIFT) + 5, (3 << RACE_SHIFT) + 1,
		(3 << RACE_SHIFT) + 2,
	};
	int all[3], info[3];
	unsigned long flags;

	race_update(race, 2);
	race_update(race, 3);

	local_irq_save(flags);
	atomic64_set(&race->now, (3 << RACE_SHIFT) + 100);
	nmi_ask(race, cycles, answers[0], times[0], &all[0], &info[0]);
	race_prepare(race, 4);
	WARN_ON(!prepare(&race->h, &race->tk, false));
	nmi_ask(race, cycles, answers[1], times[1], &all[1], &info[1]);
	tkh_switch(&race->h);
	nmi_ask(race, cycles, answers[2], times[2], &all[2], &info[2]);
	tkh_record(&race->h, &race->tk);
	local_irq_restore(flags);

	for (int i = 0; i < NMI_VALUES; i++) {
		KUNIT_EXPECT_EQ(test, answers[0][i].ret, 0);
		KUNIT_EXPECT_EQ(test, answers[0][i].time, race_mono(cycles[i]));
		KUNIT_EXPECT_EQ(test, times[0][i].status, 0);
		KUNIT_EXPECT_EQ(test, times[0][i].time, race_mono(cycles[i]));
		for (int j = 1; j <= 2; j++) {
			KUNIT_EXPECT_EQ(test, answers[j][i].ret, -EAGAIN);
			KUNIT_EXPECT_EQ(test, answers[j][i].time, 42);
			KUNIT_EXPECT_EQ(test, times[j][i].status, -EAGAIN);
		}
		/* Not in NMI, and not in flight */
		KUNIT_EXPECT_EQ(test, 0, race_check(race, cycles[i]));
	}
	KUNIT_EXPECT_EQ(test, all[0], 0);
	KUNIT_EXPECT_EQ(test, info[0], 0);
	for (int j = 1; j <= 2; j++) {
		KUNIT_EXPECT_EQ(test, all[j], -EAGAIN);
		KUNIT_EXPECT_EQ(test, info[j], -EAGAIN);
	}
}

/* Time passes, to a value which was just out of reach */
static void interrupt_wait(struct race *race)
{
	atomic64_add(10, &race->now);
}

/* The next state begins */
static void interrupt_update(struct race *race)
{
	race_update(race, race->state + 1);
	atomic64_add(10, &race->now);
}

/*
 * A lookup which is interrupted just after it has read the counter: what it has
 * found until then can be outdated.
 */
static void tkh_test_interrupt(struct kunit *test)
{
	struct race *race = race_create(test, (struct sim_size) { { 16, 4 }, 8, 8 });
	enum clocksource_ids ids[] = { CSID_ARM_ARCH_COUNTER, CSID_X86_ART };

	race_update(race, 2);
	race_update(race, 3);

	for (int i = 0; i < ARRAY_SIZE(ids); i++) {
		u64 cycles = (race->state << RACE_SHIFT) + 500;
		struct ktime_conversion conv;
		struct answer answer;

		/*
		 * Another CPU has read @cycles already, and this one has read its
		 * counter before it got to know of that
		 */
		atomic64_set(&race->now, cycles - 1);
		race_interrupt(race, interrupt_wait, 1);
		answer = ask(&race->h, ids[i], cycles, CLOCK_MONOTONIC);
		KUNIT_EXPECT_EQ(test, answer.ret, 0);
		KUNIT_EXPECT_EQ(test, answer.time, race_mono(cycles));
		KUNIT_EXPECT_NULL(test, race->interrupt);

		/* A value ahead of now, which an update turns into one of the next state */
		cycles = ((race->state + 1) << RACE_SHIFT) + 5;
		race_interrupt(race, interrupt_update, 1);
		answer = ask(&race->h, ids[i], cycles, CLOCK_MONOTONIC);
		KUNIT_EXPECT_EQ(test, answer.ret, 0);
		KUNIT_EXPECT_EQ(test, answer.time, race_mono(cycles));
		KUNIT_EXPECT_EQ(test, answer.error, 0);
		KUNIT_EXPECT_NULL(test, race->interrupt);

		/* Values of the state which ends, and of one before, three times in a row */
		for (int back = 0; back < 2; back++) {
			cycles = ((race->state - back) << RACE_SHIFT) + 7;
			race_interrupt(race, interrupt_update, 3);
			answer = ask(&race->h, ids[i], cycles, CLOCK_MONOTONIC);
			KUNIT_EXPECT_EQ(test, answer.ret, 0);
			KUNIT_EXPECT_EQ(test, answer.time, race_mono(cycles));
			KUNIT_EXPECT_EQ(test, race->reads, 3);

			cycles = ((race->state - back) << RACE_SHIFT) + 7;
			race_interrupt(race, interrupt_update, 3);
			KUNIT_EXPECT_EQ(test, 0,
					tkh_convert_all(&race->h, ids[i], cycles, &conv));
			KUNIT_EXPECT_EQ(test, conv.mono, race_mono(cycles));
			KUNIT_EXPECT_EQ(test, conv.raw, cycles);
			KUNIT_EXPECT_EQ(test, race->reads, 3);
		}
	}
	KUNIT_EXPECT_EQ(test, race->state, 3 + 2 * (1 + 2 * 6));
}

/* All entries of level 0 move on */
static void interrupt_evict(struct race *race)
{
	for (int i = 0; i < 9; i++)
		race_update(race, race->state + 1);
}

/* Everything goes */
static void interrupt_evict_all(struct race *race)
{
	for (int i = 0; i < 200; i++)
		race_update(race, race->state + 1);
}

/*
 * What a lookup, a batch and tkh_get_info() have found is evicted before they have all:
 * they look once more
 */
static void tkh_test_evict(struct kunit *test)
{
	struct race *race = race_create(test, (struct sim_size) { { 8, 16 }, 8, 16 });
	struct ktime_history_info info, after;
	struct ktime_cycles_time times[32];
	unsigned int merged = 0, lost = 0, refused = 0;
	u64 cycles[ARRAY_SIZE(times)];
	struct answer answer;

	for (u64 nr = 2; nr <= 20; nr++)
		race_update(race, nr);

	for (int i = 0; i < 64; i++) {
		u64 value = ((race->state - i % 40) << RACE_SHIFT) + 9;
		bool all = i >= 32;

		/* So that the value of the newest state has been reached */
		atomic64_add(20, &race->now);
		race_interrupt(race, all ? interrupt_evict_all : interrupt_evict, 1);
		answer = ask(&race->h, CSID_ARM_ARCH_COUNTER, value, CLOCK_MONOTONIC);
		KUNIT_ASSERT_NULL(test, race->interrupt);
		if (answer.ret == -ERANGE) {
			lost++;
			KUNIT_EXPECT_EQ(test, answer.time, 42);
			continue;
		}
		KUNIT_EXPECT_FALSE(test, all);
		KUNIT_EXPECT_EQ(test, answer.ret, answer.error ? KTIME_CONVERSION_LONG : 0);
		KUNIT_EXPECT_TRUE(test, race_is_right(value, answer.time, answer.error));
		merged += !!answer.error;
	}
	KUNIT_EXPECT_GE(test, lost, 32);
	KUNIT_EXPECT_GT(test, merged, 10);

	/* A batch, before and after */
	for (int i = 0; i < ARRAY_SIZE(cycles); i++)
		cycles[i] = ((race->state - i) << RACE_SHIFT) + 1;
	race_interrupt(race, interrupt_evict, 1);
	tkh_convert_batch(&race->h, CSID_ARM_ARCH_COUNTER, cycles, ARRAY_SIZE(cycles),
			  CLOCK_MONOTONIC, times);
	KUNIT_EXPECT_NULL(test, race->interrupt);
	merged = 0;
	for (int i = 0; i < ARRAY_SIZE(cycles); i++) {
		KUNIT_EXPECT_EQ(test, times[i].status, 0);
		KUNIT_EXPECT_TRUE(test, race_is_right(cycles[i], times[i].time,
						      times[i].error_ns));
		merged += !!times[i].error_ns;
	}
	KUNIT_EXPECT_GT(test, merged, 10);

	race_interrupt(race, interrupt_evict_all, 1);
	tkh_convert_batch(&race->h, CSID_ARM_ARCH_COUNTER, cycles, ARRAY_SIZE(cycles),
			  CLOCK_MONOTONIC, times);
	for (int i = 0; i < ARRAY_SIZE(cycles); i++)
		refused += times[i].status == -ERANGE;
	KUNIT_EXPECT_EQ(test, refused, ARRAY_SIZE(cycles));

	race_interrupt(race, interrupt_evict, 1);
	KUNIT_EXPECT_EQ(test, 0, tkh_get_info(&race->h, &info));
	KUNIT_EXPECT_NULL(test, race->interrupt);
	KUNIT_EXPECT_EQ(test, 0, tkh_get_info(&race->h, &after));
	/* The oldest one of eight is in force from the value after its switch on */
	KUNIT_EXPECT_EQ(test, oldest_exact(&info), ((race->state - 7) << RACE_SHIFT) + 1);
	KUNIT_EXPECT_EQ(test, 0, memcmp(&info, &after, sizeof(info)));
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
	atomic_long_t		merged;
	atomic_long_t		evicted;
	/* Those of CLOCK_REALTIME, of an auxiliary clock and of all clocks, which was set since */
	atomic_long_t		unset;
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

/*
 * All clocks at @snap, or as much of that as is known of @clock. Return what
 * ktime_convert_cycles() has to return besides.
 */
static int live_convert(struct live *live, const struct live_slot *slot,
			struct ktime_conversion *conv, ktime_t *again)
{
	const struct system_time_snapshot *snap = &slot->snap;
	struct ktime_cycles_time cycles;
	int ret;

	if (!live->aux) {
		ret = ktime_convert_cycles_all(snap->cs_id, snap->cycles, conv);
		*again = conversion_get(conv, slot->clock);
		if (ret != -ERANGE || slot->clock == CLOCK_REALTIME)
			return ret;
		/* The clock was set so often since that CLOCK_REALTIME is not known any more */
		atomic_long_inc(&live->unset);
	}

	ret = ktime_convert_cycles_batch(snap->cs_id, &snap->cycles, 1, slot->clock, &cycles);
	if (ret || cycles.status < 0)
		return ret ?: cycles.status;

	/* There is nothing else to compare with */
	*again = cycles.time;
	*conv = (struct ktime_conversion) {
		.raw			= snap->monoraw,
		.error_ns		= cycles.error_ns,
		.flags			= cycles.status |
					  (cycles.error_ns ? KTIME_CONVERSION_LONG : 0),
		.clock_was_set_seq	= snap->clock_was_set_seq,
		.cs_was_changed_seq	= snap->cs_was_changed_seq,
	};
	return 0;
}

static void live_check(struct live *live, const struct live_slot *slot)
{
	const struct system_time_snapshot *snap = &slot->snap;
	struct ktime_conversion conv = { };
	ktime_t time, again = 0;
	int flags, ret;

	if (!snap->valid || snap->cs_id == CSID_GENERIC)
		return;

	flags = ktime_convert_cycles(snap->cs_id, snap->cycles, slot->clock, &time);
	ret = flags < 0 ? flags : live_convert(live, slot, &conv, &again);
	if (ret == -ERANGE) {
		atomic_long_inc(&live->evicted);
		return;
	}
	if (ret == -ENODATA && READ_ONCE(live->suspending) != slot->suspended) {
		atomic_long_inc(&live->lost);
		return;
	}
	if (ret == -EAGAIN && in_nmi()) {
		atomic_inc(&live->again);
		return;
	}

	/*
	 * The answer never decreases, and once it is not exact it remains so. No
	 * counter starts anew here, and no snapshot is from a suspend.
	 */
	if (ret || time < snap->systime || again < time ||
	    again - snap->systime > conv.error_ns || conv.raw != snap->monoraw ||
	    conv.flags != (conv.error_ns ? KTIME_CONVERSION_LONG : 0) ||
	    flags & ~conv.flags || (!flags && time != snap->systime) ||
	    conv.clock_was_set_seq != snap->clock_was_set_seq ||
	    conv.cs_was_changed_seq != snap->cs_was_changed_seq) {
		if (atomic_inc_return(&live->wrong) <= 10) {
			pr_err("%d: clock %d at 0x%llx is off by %lld ns, raw by %lld ns, flags %x, %x, set %u %u\n",
			       ret, slot->clock, snap->cycles, time - snap->systime,
			       conv.raw - snap->monoraw, flags, conv.flags,
			       conv.clock_was_set_seq, snap->clock_was_set_seq);
		}
		return;
	}
	atomic_long_inc(conv.error_ns ? &live->merged : &live->exact);
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

		/* Rates alone and fast, so that states are merged, and walls last */
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
	ktime_t mono = 0;
	int ret;

	if (!gap->before.valid || !gap->after.valid || gap->before.cs_id == CSID_GENERIC ||
	    gap->before.cs_id != gap->after.cs_id ||
	    gap->cycles <= gap->before.cycles || gap->cycles >= gap->after.cycles)
		return;

	ret = ktime_convert_cycles_all(gap->before.cs_id, gap->cycles, &conv);
	if (ret == -ERANGE)
		return;
	live->gaps++;
	/* Between the two ends, at least one of which is no nearer than half of the way */
	if (!ret && conv.flags == KTIME_CONVERSION_SUSPENDED &&
	    conv.boot > gap->before.systime && conv.boot < gap->after.systime &&
	    conv.error_ns > 0 &&
	    ktime_convert_cycles(gap->before.cs_id, gap->cycles, CLOCK_MONOTONIC, &mono) ==
	    KTIME_CONVERSION_SUSPENDED && mono == conv.mono)
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

	kunit_info(test, "%ld exact, %ld merged, %ld evicted, %ld without wall, %ld lost, %d wrong, %u changes of the clock, %u suspends, %u gaps, %d refused in NMIs\n",
		   atomic_long_read(&live->exact), atomic_long_read(&live->merged),
		   atomic_long_read(&live->evicted), atomic_long_read(&live->unset),
		   atomic_long_read(&live->lost),
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
	ktime_t time = 42, stamp;
	enum clocksource_ids id;
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
	cycles[3] = oldest(&info) - 1;
	cycles[4] = info.newest;
	memset(times, 0xff, sizeof(times));
	KUNIT_ASSERT_EQ(test, 0, ktime_convert_cycles_batch(id, cycles, 5, CLOCK_BOOTTIME, times));
	for (int i = 0; i < 5; i++) {
		ret = ktime_convert_cycles(id, cycles[i], CLOCK_BOOTTIME, &time);
		KUNIT_EXPECT_EQ(test, times[i].status, ret);
		KUNIT_EXPECT_EQ(test, !times[i].error_ns, ret <= 0);
		KUNIT_EXPECT_EQ(test, times[i].time, ret < 0 ? 0 : time);
	}
	KUNIT_EXPECT_EQ(test, times[0].status, 0);
	KUNIT_EXPECT_EQ(test, times[1].status, -EAGAIN);
	KUNIT_EXPECT_EQ(test, times[2].status, 0);
	KUNIT_EXPECT_TRUE(test, times[3].status == -ERANGE || times[3].status == -ENODATA ||
			  times[3].status == KTIME_CONVERSION_EARLY);
	KUNIT_EXPECT_EQ(test, times[4].time, times[0].time);

	/* And from the time of a clock */
	stamp = times[0].time;
	time = 42;
	KUNIT_EXPECT_EQ(test, -EINVAL, ktime_convert_time(1234, stamp, CLOCK_TAI, &time));
	KUNIT_EXPECT_EQ(test, -EINVAL, ktime_convert_time(CLOCK_TAI, stamp, -1, &time));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			ktime_convert_time(CLOCK_AUX_LAST, stamp, CLOCK_TAI, &time));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			ktime_convert_time(CLOCK_TAI, stamp, CLOCK_AUX_LAST, &time));
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			ktime_convert_time(CLOCK_BOOTTIME, KTIME_MAX, CLOCK_TAI, &time));
	KUNIT_EXPECT_EQ(test, time, 42);
	ret = ktime_convert_time(CLOCK_BOOTTIME, stamp, CLOCK_BOOTTIME, &time);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, time, stamp);
	KUNIT_EXPECT_EQ(test, -ENODEV,
			ktime_convert_time_to_cycles_batch(CLOCK_BOOTTIME, &stamp, 1,
							   CSID_GENERIC, times));
	KUNIT_ASSERT_EQ(test, 0,
			ktime_convert_time_to_cycles_batch(CLOCK_BOOTTIME, &stamp, 1, id, times));
	KUNIT_EXPECT_EQ(test, times[0].status, 0);
	ret = ktime_convert_cycles(id, times[0].time, CLOCK_BOOTTIME, &time);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, time, stamp);

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

/* Move CLOCK_REALTIME by @ns */
static int inject(long ns)
{
	struct __kernel_timex txc = {
		.modes		= ADJ_SETOFFSET | ADJ_NANO,
		.time.tv_sec	= ns < 0 ? -1 : 0,
		.time.tv_usec	= ns < 0 ? ns + NSEC_PER_SEC : ns,
	};

	return do_adjtimex(&txc);
}

/* The live history keeps 256 walls, and is not shortened by more than these */
static void tkh_test_settings(struct kunit *test)
{
	static const clockid_t ids[] = { CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_MONOTONIC };
	struct system_time_snapshot snap[ARRAY_SIZE(ids)];
	struct ktime_cycles_time got;
	struct ktime_conversion conv;
	int ret;

	live_require_counter(test);
	for (int i = 0; i < ARRAY_SIZE(ids); i++)
		ktime_get_snapshot_id(ids[i], &snap[i]);
	if (!snap[0].valid || snap[0].cs_id == CSID_GENERIC)
		kunit_skip(test, "the clocksource has no ID");

	/* There and back again: one after the other has an offset of its own */
	for (int nr = 1; nr <= 600; nr++) {
		KUNIT_ASSERT_GE(test, inject(nr & 1 ? 1000000 : -1000000), 0);
		if (nr != 255 && nr != 600)
			continue;
		for (int i = 0; i < ARRAY_SIZE(ids); i++) {
			KUNIT_ASSERT_EQ(test, 0,
					ktime_convert_cycles_batch(snap[i].cs_id, &snap[i].cycles,
								   1, ids[i], &got));
			if (nr == 600 && ids[i] == CLOCK_REALTIME) {
				KUNIT_EXPECT_EQ(test, got.status, -ERANGE);
				continue;
			}
			KUNIT_ASSERT_EQ_MSG(test, got.status, 0, "clock %d after %d", ids[i], nr);
			KUNIT_EXPECT_GE(test, got.time, snap[i].systime);
			KUNIT_EXPECT_LE(test, got.time, snap[i].systime + got.error_ns);
		}
		ret = ktime_convert_cycles_all(snap[0].cs_id, snap[0].cycles, &conv);
		KUNIT_EXPECT_EQ(test, ret, nr == 600 ? -ERANGE : 0);
	}
}

static struct kunit_case tkh_test_cases[] = {
	KUNIT_CASE_PARAM(tkh_test_random, random_gen_params),
	KUNIT_CASE(tkh_test_steady),
	KUNIT_CASE(tkh_test_slope),
	KUNIT_CASE(tkh_test_cap),
	KUNIT_CASE(tkh_test_suspend),
	KUNIT_CASE(tkh_test_suspend_first),
	KUNIT_CASE(tkh_test_times),
	KUNIT_CASE(tkh_test_times_repeated),
	KUNIT_CASE(tkh_test_errors),
	KUNIT_CASE(tkh_test_walls),
	KUNIT_CASE(tkh_test_replace),
	KUNIT_CASE(tkh_test_switch),
	KUNIT_CASE(tkh_test_reads),
	KUNIT_CASE(tkh_test_narrow),
	KUNIT_CASE(tkh_test_wrap),
	KUNIT_CASE(tkh_test_repeated),
	KUNIT_CASE(tkh_test_gap),
	KUNIT_CASE(tkh_test_gap_suspend),
	KUNIT_CASE(tkh_test_anew),
	KUNIT_CASE(tkh_test_anew_aux),
	KUNIT_CASE(tkh_test_backwards),
	KUNIT_CASE(tkh_test_lagging),
	KUNIT_CASE(tkh_test_nmi),
	KUNIT_CASE(tkh_test_interrupt),
	KUNIT_CASE(tkh_test_evict),
	KUNIT_CASE_SLOW(tkh_test_race),
	KUNIT_CASE(tkh_test_interface),
	KUNIT_CASE(tkh_test_settings),
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
