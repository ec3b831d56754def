// SPDX-License-Identifier: GPL-2.0
/*
 * The time of past counter values
 */
#include <linux/clocksource.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/math64.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/time.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>

#include <asm/barrier.h>

#include "timekeeping_internal.h"
#include "tk_history_internal.h"

/**
 * DOC: Overview
 *
 * Every update of the timekeeper appends what its readers use from then on to a
 * history. A counter value which was read in the past is converted to time with the
 * state that was in force when the counter had that value. The result is, to the last
 * bit, the time which a reader would have got then.
 *
 * Structure
 * ---------
 *
 * Counters stop during suspend, start anew and are exchanged for other counters. The
 * history orders everything by its *position* on an axis of its own, which only moves
 * forward. Three things are kept by position, each in rings of a fixed size::
 *
 *   installations  |            I1            |           I2            |     I3
 *   walls          |   A1   |        A2               | A3 |          A4
 *   entries        | E1 |  E2   |  E3  | E4 | E5 | E6 |  E7  |   E8     |  E9
 *   position       ------------------------------------------------------------> now
 *
 * An *installation* is the time in which one clocksource counts without a break.
 * Positions and counter values differ by a constant in it. It also has what does not
 * change meanwhile: CLOCK_MONOTONIC_RAW, the offset of CLOCK_BOOTTIME and the ratio to a
 * base clock. A *wall* has the offsets of CLOCK_REALTIME and CLOCK_TAI, or that of an
 * auxiliary clock. They change when the clock is set, which costs nobody the other
 * clocks. An *entry* is a straight piece of CLOCK_MONOTONIC. A state is an exact entry,
 * anchored at its first position. Older entries are merged, see kernel/time/tk_history_long.c.
 *
 * Each of them lasts until the next one begins. A lookup finds the newest installation
 * which contains the counter value, and with it the position, then the entry and the wall
 * at that position. It gives up where the counter may have had the value later than that,
 * while nobody recorded it.
 *
 * An update which neither changes the line of CLOCK_MONOTONIC nor anything else continues
 * what is in force already. The recorder checks for that first. If so, it neither writes to
 * the history nor reads the counter. A clock that nobody adjusts needs a single entry.
 *
 * Axis: the positions start at TKH_ORIGIN, as a CPU whose counter lags behind may take
 * cycle_last back to before the first position.
 *
 * The switch
 * ----------
 *
 * timekeeper::cycle_last is not where a state begins. An update reads the counter,
 * accumulates whole intervals and leaves cycle_last behind. Readers go on with the old
 * state until they see a sequence count change. So the counter is read again while the
 * sequence counts of the kernel's readers and of the vDSO are both odd::
 *
 *   reader of the old state     update                 reader of the new state
 *
 *                               tkh_prepare()
 *                                 history's seq odd
 *   seq is even
 *   reads counter: c1           seq becomes odd
 *   seq has not changed,        tkh_switch()
 *   returns old(c1)               reads counter: W
 *                               seq becomes even
 *                                                      seq is even
 *                               tkh_record()           reads counter: c2
 *                                 history's seq even   returns new(c2)
 *
 * Hence c1 <= W <= c2. The new state's first position is the one after W. A reader of the
 * new state may have got W as well, if the counter does not advance between the switch and
 * the end of the write section. When a clock is set or an installation begins, the two
 * lines differ by a lot, and tkh_switch() waits for the counter to move. When the clock is
 * slewed, they differ at W by what the change of the rate makes in the time since the update
 * has read the counter, which is below a nanosecond as a rule.
 *
 * Readers which do not follow these sequence counts are not part of the promise: those of
 * the NMI safe fast timekeepers, see ktime_get_mono_fast_ns(), and copies of the timekeeper
 * that are made by pvclock_gtod notifiers. Nor are readers on a CPU whose counter is behind
 * the switch to the state which they use, or so far ahead that it is beyond the switch to
 * the next one.
 *
 * Concurrency
 * -----------
 *
 * The one writer holds the lock of the timekeeper. The history has a sequence count. The
 * writer makes it odd in tkh_prepare(), before readers of the present are blocked, and even
 * in tkh_record(), after that. A lookup reads everything in place and starts over if the
 * count has changed. If it finds the count odd it waits, as ktime_get() does, or gives up in
 * NMI. Until the count is checked, what has been read may be anything. So what is called,
 * divides or bounds a loop is read once, with READ_ONCE().
 *
 * Ordering
 * --------
 *
 * Accesses whose order matters have labels. "LMM" is the Linux kernel memory
 * model, see tools/memory-model. Documentation/litmus-tests/tk_history has
 * tests of the three arguments, with the barriers and without.
 *
 * In place: If anything that a lookup reads between LMM(tkh_read_begin:A) and
 * LMM(tkh_read_retry:A) is from an update which is recorded after the one
 * that tkh_read_begin:A sees, then tkh_read_retry:A reads from
 * LMM(tkh_prepare:A) of that update or from a later store, and the lookup
 * starts over. Relies on write_seqcount_begin() at tkh_prepare:A matching
 * read_seqcount_retry() at tkh_read_retry:A. If tkh_read_begin:A reads from
 * LMM(tkh_record:A), then the lookup sees all that the update has stored.
 * Relies on write_seqcount_end() at tkh_record:A matching
 * raw_read_seqcount() at tkh_read_begin:A.
 *
 * The switch: If tkh_read_retry:A does not read from tkh_prepare:A of an
 * update or from a later store, then the counter value that LMM(tkh_now:A)
 * has read is not above W, which LMM(tkh_switch:A) reads in that update. So
 * the lookup has seen the entry of every value that the counter had reached
 * when it read the counter. Relies on mb() from tkh_prepare:A to tkh_switch:A
 * matching read_seqcount_retry() at tkh_read_retry:A.
 *
 * Readers of the present: If the retry of a reader does not read from the
 * store that makes its sequence count odd, then the reader has used the old
 * state, and its counter value is not above W. If the reader begins with the
 * even count that follows, then it uses the new state, its counter value is
 * not below W, and a lookup that it makes then begins after tkh_prepare:A.
 * Relies on mb() from that odd count to tkh_switch:A matching
 * read_seqcount_retry(), and on write_seqcount_end() after tkh_switch:A
 * matching read_seqcount_begin().
 *
 * These barriers order memory accesses, and reading a counter is none. But mb()
 * also waits until earlier stores have completed: it is DSB on arm64, MFENCE on
 * x86 and BCR on s390. LFENCE, RDTSCP and STCKE wait for it, and so does a read of
 * CNTVCT_EL0 after an ISB. Linux has no ISB before CNTVCTSS_EL0, so tkh_switch()
 * has its own. To order the counter read before later loads, arm64 makes a load
 * depend on the counter value. Nothing does so for RDTSC and on 32-bit arm: there
 * a late reader can return a value which is some cycles above W.
 */

/* A counter which starts anew in a suspend has stopped this soon after the suspend began */
#define TKH_TAIL_NS	NSEC_PER_SEC

/* Counter reads until a counter has moved on. A counter of 1 MHz needs no more. */
#define TKH_MOVE_READS	64

static void tkh_set_newest(struct tk_history *h)
{
	const struct tkh_level *level = &h->entries.level[0];

	WRITE_ONCE(h->inst, tkh_inst(h, h->inst_head - 1));
	WRITE_ONCE(h->wall, tkh_wall(h, h->wall_head - 1));
	WRITE_ONCE(h->entry, tkh_entry_at(level, level->head - 1));
}

/*
 * Recording
 */

/* No counter below 56 bits has an ID in the tree, but nothing enforces that */
static bool tkh_is_recorded(const struct clocksource *clock)
{
	return clock->id != CSID_GENERIC && clock->mask >= CLOCKSOURCE_MASK(56);
}

static __always_inline struct tkh_line tkh_line_of(const struct tk_read_base *tkr)
{
	return (struct tkh_line) {
		.offset	= ((u64)tkr->base << tkr->shift) + tkr->xtime_nsec -
			  tkr->cycle_last * tkr->mult,
		.mult	= tkr->mult,
		.shift	= tkr->shift,
	};
}

static __always_inline bool tkh_same_line(const struct tkh_line *a, const struct tkh_line *b)
{
	return a->offset == b->offset && a->mult == b->mult && a->shift == b->shift;
}

/* Offset which a setting of the clock changes. Auxiliary clocks have no CLOCK_REALTIME. */
static __always_inline ktime_t tkh_offs_of(const struct timekeeper *tk)
{
#ifdef CONFIG_POSIX_AUX_CLOCKS
	if (unlikely(tk->id != TIMEKEEPER_CORE))
		return tk->offs_aux;
#endif
	return tk->offs_real;
}

static __always_inline bool tkh_same_wall(const struct tk_history *h, const struct timekeeper *tk)
{
	const struct tkh_wall *wall = tkh_newest_wall(h);

	return wall->offs == tkh_offs_of(tk) && wall->tai == tk->tai_offset &&
	       wall->clock_was_set_seq == tk->clock_was_set_seq;
}

/* True if the base clock kept its ratio */
static __always_inline bool tkh_same_base(const struct tkh_installation *inst,
					  const struct clocksource_base *base)
{
	if (likely(!base))
		return inst->base_id == CSID_GENERIC;

	return inst->base_id == base->id && inst->base_offset == base->offset &&
	       inst->base_num == base->numerator && inst->base_den == base->denominator;
}

static __always_inline bool tkh_same_inst(const struct tk_history *h,
					  const struct tkh_installation *inst,
					  const struct timekeeper *tk, const struct tkh_line *raw)
{
	return tkh_same_line(&h->raw, raw) && inst->offs_boot == tk->offs_boot &&
	       inst->cs_was_changed_seq == tk->cs_was_changed_seq &&
	       tkh_same_base(inst, tk->tkr_mono.clock->base);
}

/* Find out what is new in @tk, and where its cycle_last is */
static enum tkh_news tkh_compare(struct tk_history *h, const struct timekeeper *tk, bool suspended)
{
	struct tkh_line mono = tkh_line_of(&tk->tkr_mono), raw = tkh_line_of(&tk->tkr_raw);
	u64 mask = tk->tkr_mono.mask, cycles = (tk->tkr_mono.cycle_last - h->cycles) & mask;
	const struct tkh_installation *inst = tkh_newest_inst(h);

	if (tk->tkr_mono.clock != h->clock)
		return TKH_NEW_COUNTER;

	/* What is not recorded is one installation, or two when there is a suspend in it */
	if (unlikely(inst->cs_id == CSID_GENERIC)) {
		return h->resumed && !(inst->flags & TKH_RESUMED) ? TKH_NEW_INSTALLATION :
								    TKH_NOTHING;
	}

	if (unlikely(cycles > mask >> 1)) {
		/*
		 * A CPU whose counter lags behind may take cycle_last back, a
		 * little. Otherwise the counter has started anew in a suspend.
		 */
		cycles |= ~mask;
		if (h->resumed || -cycles >= tk->cycle_interval)
			return TKH_NEW_COUNTER;
	}
	h->cycles = tk->tkr_mono.cycle_last;
	h->pos += cycles;

	if (h->resumed || !tkh_same_inst(h, inst, tk, &raw))
		return TKH_NEW_INSTALLATION;
	if (!tkh_same_wall(h, tk))
		return TKH_NEW_WALL;
	if (suspended != h->suspended || !tkh_same_line(&h->mono, &mono))
		return TKH_NEW_STATE;
	return TKH_NOTHING;
}

/**
 * tkh_prepare - Begin an update if there is something to record
 * @h:		The history
 * @tk:		The timekeeper, as it is about to be published
 * @suspended:	The time stands still from timekeeper::cycle_last on
 * @resumes:	How often the system has resumed from a suspend so far
 *
 * An update which only continues what is in force leaves the history alone. This check is
 * all that it costs. While no NTP daemon adjusts the clock, nearly all updates are like that.
 *
 * To be called before readers of @tk are blocked, with the lock of the timekeeper held.
 * Nothing that readers use may change in @tk from here to tkh_record().
 *
 * Return: true if tkh_switch() and tkh_record() have to follow
 */
bool tkh_prepare(struct tk_history *h, const struct timekeeper *tk, bool suspended,
		 unsigned int resumes)
{
	h->resumed = resumes != h->resumes;
	h->resumes = resumes;
	h->news = tkh_compare(h, tk, suspended);
	h->was_suspended = h->suspended;
	h->suspended = suspended;
	if (h->news == TKH_NOTHING)
		return false;

	write_seqcount_begin(&h->seq);				/* LMM(tkh_prepare:A) */
	tkh_entries_make_room(&h->entries);
	return true;
}

/**
 * tkh_switch - Read the counter where readers are switched to the new state
 * @h:	The history
 *
 * To be called with all sequence counts of the readers odd and with the lock of the
 * timekeeper held. Does nothing if there is nothing to record.
 */
void tkh_switch(struct tk_history *h)
{
	struct clocksource *clock = h->clock;

	/* No value of what ends here can be converted, so that the switch does not matter */
	if (h->news == TKH_NOTHING || !clock || !tkh_is_recorded(clock))
		return;

	/*
	 * Make tkh_prepare:A and the stores to the readers' sequence counts visible
	 * before tkh_switch:A, pairs with tkh_read_retry:A. smp_mb() is not enough, as
	 * it does not order the counter, see the end of "Ordering" above.
	 */
	mb();
#ifdef isb
	isb();
#endif
	h->switch_cycles = clock->read(clock);			/* LMM(tkh_switch:A) */

	/*
	 * Where a clock is set, its times before and after differ by a lot. Let no
	 * counter value belong to both.
	 */
	if (h->news == TKH_NEW_STATE)
		return;
	for (unsigned int i = 0; i < TKH_MOVE_READS; i++) {
		if (clock->read(clock) != h->switch_cycles)
			return;
	}
}

/* First position of the new state */
static u64 tkh_first_pos(const struct tk_history *h)
{
	const struct tkh_installation *inst = tkh_newest_inst(h);
	u64 newest, pos = h->pos, cycles;

	if (!h->clock)
		return TKH_ORIGIN;

	/* No counter value belongs to what ends here */
	newest = tkh_newest_entry(h)->first;
	if (inst->cs_id == CSID_GENERIC)
		return newest;

	/*
	 * Nobody reads between cycle_last and the switch on the way into suspend and
	 * out of it. The time stands still between the two values of cycle_last.
	 */
	if (h->was_suspended)
		return max(newest, pos);
	if (h->news == TKH_NEW_COUNTER || !h->suspended) {
		cycles = (h->switch_cycles - tkh_cycles(inst, pos)) & tkh_mask(inst);
		/* This CPU's counter may lag behind */
		pos += cycles > tkh_mask(inst) >> 1 ? 0 : cycles;
	}
	return max(newest, pos + 1);
}

/*
 * The highest value which the counter of @clock, which is installed with the value
 * @cycles, is known to have had before it started anew
 */
static u64 tkh_had_before(const struct tk_history *h, const struct clocksource *clock, u64 first,
			  u64 cycles)
{
	for (unsigned int nr = h->inst_head; nr != h->inst_tail; nr--) {
		const struct tkh_installation *inst = tkh_inst(h, nr - 1);

		if (inst->cs_id == clock->id) {
			u64 last = tkh_cycles(inst, first - 1);

			return first != inst->first && cycles <= last ? max(inst->again, last) :
									 inst->again;
		}
		first = inst->first;
	}
	return 0;
}

/* Time of @tkr @cycles after its cycle_last. The shifted nanoseconds on top go to @frac. */
static ktime_t tkh_anchor(const struct tk_read_base *tkr, u64 cycles, u32 *frac)
{
	*frac = (tkr->xtime_nsec + cycles * tkr->mult) & (BIT_ULL(tkr->shift) - 1);
	return tkr->base + mul_u64_u32_add_u64_shr(cycles, tkr->mult, tkr->xtime_nsec,
						   tkr->shift);
}

static void tkh_push_installation(struct tk_history *h, const struct timekeeper *tk, u64 first)
{
	const struct tk_read_base *raw = &tk->tkr_raw;
	struct clocksource *clock = tk->tkr_mono.clock;
	const struct clocksource_base *base = clock->base;
	struct tkh_installation inst = { .first = first };

	/* Auxiliary clocks learn of it later: here it was before the clocksource changed */
	if (h->resumed && h->clock && clock != h->clock)
		tkh_newest_inst(h)->flags |= TKH_RESUMED;
	else if (h->resumed)
		inst.flags = TKH_RESUMED;

	if (h->news == TKH_NEW_COUNTER) {
		if (tkh_is_recorded(clock))
			inst.again = tkh_had_before(h, clock, first, tk->tkr_mono.cycle_last);
		if (clock == h->clock)
			inst.flags |= TKH_ANEW;
		h->cycles = tk->tkr_mono.cycle_last;
		h->pos = first;
		inst.bias = first - h->cycles;
		WRITE_ONCE(h->clock, clock);
	} else {
		inst.bias = tkh_newest_inst(h)->bias;
		inst.again = tkh_newest_inst(h)->again;
	}
	inst.cs_id = tkh_is_recorded(clock) ? clock->id : CSID_GENERIC;
	inst.lacks = 64 - fls64(clock->mask);
	inst.shift = raw->shift;
	inst.raw_mult = raw->mult;
	/* In a suspend, it stands still from cycle_last on */
	inst.raw_base = tkh_anchor(raw, h->suspended ? 0 : first - h->pos, &inst.raw_frac);
	inst.offs_boot = tk->offs_boot;
	inst.cs_was_changed_seq = tk->cs_was_changed_seq;
	if (base) {
		inst.base_id = base->id;
		inst.base_num = base->numerator;
		inst.base_den = base->denominator;
		inst.base_offset = base->offset;
	}

	if (h->inst_head - h->inst_tail == h->nr_installations)
		h->inst_tail++;
	*tkh_inst(h, h->inst_head++) = inst;
	h->raw = tkh_line_of(raw);
}

static void tkh_push_wall(struct tk_history *h, const struct timekeeper *tk, u64 first,
			  ktime_t mono, u8 overlap)
{
	/* What was in force for no position is replaced */
	if (h->wall_head != h->wall_tail && tkh_newest_wall(h)->first == first)
		h->wall_head--;
	if (h->wall_head - h->wall_tail == h->nr_walls)
		h->wall_tail++;
	*tkh_wall(h, h->wall_head++) = (struct tkh_wall) {
		.first			= first,
		.mono			= mono,
		.offs			= tkh_offs_of(tk),
		.tai			= tk->tai_offset,
		.overlap		= overlap,
		.clock_was_set_seq	= tk->clock_was_set_seq,
	};
}

static struct tkh_entry tkh_get_entry(const struct tk_history *h, const struct timekeeper *tk,
				      u64 first)
{
	const struct tk_read_base *mono = &tk->tkr_mono;
	struct tkh_entry entry = {
		.first	= first,
		.slope	= h->suspended ? 0 : (u64)mono->mult << 32,
		.shift	= mono->shift,
		.flags	= h->news >= TKH_NEW_INSTALLATION ? TKH_INSTALLED : 0,
	};

	/* In a suspend, it stands still from cycle_last on */
	entry.base = tkh_anchor(mono, h->suspended ? 0 : first - h->pos, &entry.frac);
	return entry;
}

/* tkh_wall::overlap where CLOCK_MONOTONIC was that much ahead of the first time */
static u8 tkh_overlap(ktime_t ahead)
{
	return ahead < 0 ? 0 : fls64(ahead + 1);
}

/**
 * tkh_record - Record what readers use from now on, and end the update
 * @h:		The history
 * @tk:		The timekeeper as it has been published
 *
 * To be called when readers of @tk are not blocked any more, with the lock of the
 * timekeeper held. Does nothing if there is nothing to record. The cost does not depend
 * on the size of the history, except that a new counter is searched for in the older
 * installations.
 */
void tkh_record(struct tk_history *h, const struct timekeeper *tk)
{
	struct tkh_line mono = tkh_line_of(&tk->tkr_mono);
	const struct tkh_entry *last = tkh_newest_entry(h);
	struct tkh_entry entry;
	u64 first;
	u8 overlap;

	if (h->news == TKH_NOTHING)
		return;

	first = tkh_first_pos(h);
	if (h->news >= TKH_NEW_INSTALLATION)
		tkh_push_installation(h, tk, first);
	/* Relies on the position of cycle_last, which a new counter changes */
	entry = tkh_get_entry(h, tk, first);
	overlap = tkh_overlap(tkh_entry_time(last, max(first - 1, last->first)) - entry.base);
	if (h->news >= TKH_NEW_INSTALLATION) {
		tkh_inst(h, h->inst_head - 1)->mono = entry.base;
		tkh_inst(h, h->inst_head - 1)->overlap = overlap;
	}
	if (h->news >= TKH_NEW_WALL && (h->wall_head == h->wall_tail || !tkh_same_wall(h, tk)))
		tkh_push_wall(h, tk, first, entry.base, overlap);
	if (h->news >= TKH_NEW_INSTALLATION || h->suspended != h->was_suspended ||
	    !tkh_same_line(&h->mono, &mono)) {
		tkh_entries_push(&h->entries, entry);
		h->mono = mono;
	}
	tkh_set_newest(h);

	write_seqcount_end(&h->seq);				/* LMM(tkh_record:A) */
}

/*
 * Lookup
 */

/**
 * struct tkh_piece - A straight piece of the clock that is asked for
 * @line:	The clock as an entry
 * @most:	The time is not later than this
 * @error_ns:	Bound of the error in nanoseconds
 * @flags:	KTIME_CONVERSION_*
 */
struct tkh_piece {
	struct tkh_entry	line;
	ktime_t			most;
	u32			error_ns;
	u32			flags;
};

/* Clocks of struct ktime_conversion */
#define TKH_ALL_CLOCKS	5

/**
 * struct tkh_times - The times of some clocks at one counter value
 * @time:		The times in nanoseconds
 * @error_ns:		The largest bound of an error of them
 * @flags:		KTIME_CONVERSION_*
 * @clock_was_set_seq:	As in struct ktime_conversion, for TKH_ALL_CLOCKS only
 * @cs_was_changed_seq:	As in struct ktime_conversion, for TKH_ALL_CLOCKS only
 */
struct tkh_times {
	ktime_t	time[TKH_ALL_CLOCKS];
	u32	error_ns;
	u32	flags;
	u32	clock_was_set_seq;
	u8	cs_was_changed_seq;
};

/*
 * Convert @cycles to a value of the counter of @inst, if @cs_id can be related to it. The
 * result is that of convert_clock(), plus the offset. A value whose conversion overflows
 * becomes one far ahead of the counter, as the base clock cannot have reached it yet.
 */
static noinline bool tkh_base_to_counter(const struct tkh_installation *inst,
					 enum clocksource_ids cs_id, u64 *cycles)
{
	u64 offset = inst->base_offset, value;
	u32 den = READ_ONCE(inst->base_den), rest;
	bool beyond;

	if (inst->cs_id == CSID_GENERIC || inst->base_id != cs_id || !inst->base_num || !den)
		return false;

	value = div_u64_rem(*cycles, den, &rest);
	beyond = check_mul_overflow(value, inst->base_num, &value);
	beyond |= check_add_overflow(value, div_u64((u64)rest * inst->base_num, den), &value);
	/* An offset below 0 is a large one with which the sum wraps */
	beyond |= check_add_overflow(value, offset, &value) && (s64)offset > 0;
	if (beyond)
		value = tkh_cycles(inst, inst->first) + (tkh_mask(inst) >> 1);
	*cycles = value;
	return true;
}

static __always_inline bool tkh_to_counter(const struct tkh_installation *inst,
					   enum clocksource_ids cs_id, u64 *cycles)
{
	u64 value = *cycles;

	if (unlikely(inst->cs_id != cs_id || cs_id == CSID_GENERIC)) {
		if (!tkh_base_to_counter(inst, cs_id, &value))
			return false;
	}
	*cycles = value & tkh_mask(inst);
	return true;
}

/* True if the counter of @inst takes less than @ns for @cycles */
static bool tkh_is_within(const struct tkh_installation *inst, u64 cycles, u32 ns)
{
	/* Below, nothing overflows */
	return cycles < BIT_ULL(40) &&
	       mul_u64_u32_shr(cycles, inst->raw_mult, inst->shift) < ns;
}

/*
 * Before the first installation nobody read the counter, but it counted. Find the position if
 * nothing suggests that it started anew meanwhile. It is below inst->first then.
 */
static int tkh_locate_early(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles,
			    struct tkh_found *found)
{
	for (unsigned int nr = TKH_FIRST; nr != READ_ONCE(h->inst_head); nr++) {
		const struct tkh_installation *inst = tkh_inst(h, nr);
		u64 first = tkh_cycles(inst, inst->first);

		if (inst->flags & TKH_RESUMED || nr - TKH_FIRST == h->nr_installations)
			break;
		if (inst->cs_id == CSID_GENERIC)
			continue;
		if (!tkh_to_counter(inst, cs_id, &cycles) || cycles >= first)
			break;
		*found = (struct tkh_found) {
			.inst	= inst,
			.pos	= inst->first - (first - cycles),
			.end	= inst->first,
		};
		/* The axis does not reach below 0 */
		return found->pos < inst->first ? 0 : -ENODATA;
	}
	return -ENODATA;
}

/*
 * Find the newest of the older installations which contains the counter value, and
 * its position there. Start with the newest one, which does not contain it, to find out
 * whether the value is ahead of it.
 *
 * A counter is not recorded while another clocksource is in use, nor while the system
 * is suspended if it starts anew in there. No older installation is asked for a value
 * which the counter may have had meanwhile.
 */
static noinline int tkh_locate_older(const struct tk_history *h, enum clocksource_ids cs_id,
				     u64 cycles, u64 end, struct tkh_found *found)
{
	unsigned int head = READ_ONCE(h->inst_head), nr = head - READ_ONCE(h->inst_tail), i;
	bool ahead = false, anew = false, gap = false, resumed = false;
	int ret = -ENODEV;
	u64 first = 0;

	nr = min(nr, h->nr_installations);
	for (i = 1; i <= nr; i++, end = first - 1) {
		const struct tkh_installation *inst = tkh_inst(h, head - i);
		u64 value = cycles, beyond, age, mask = tkh_mask(inst);
		bool was_gap = gap, was_ahead = ahead, was_anew = anew;

		first = inst->first;
		anew = inst->flags & TKH_ANEW;
		if (!tkh_to_counter(inst, cs_id, &value)) {
			gap = true;
			resumed |= inst->flags & (TKH_RESUMED | TKH_ANEW);
			continue;
		}
		gap = false;

		/* The counter may have started anew in the suspend of another one */
		if (resumed)
			return ret == -EAGAIN ? ret : -ENODATA;

		age = (tkh_cycles(inst, end) - value) & mask;
		if (age < end + 1 - first) {
			*found = (struct tkh_found) {
				.inst	= inst,
				.pos	= end - age,
				.end	= end,
			};
			return 0;
		}

		/* The end of an installation of no length is the end of the one before */
		beyond = -age & mask;
		ahead = beyond && beyond <= mask >> 1;
		if (ahead) {
			if (ret != -EAGAIN)
				ret = i == 1 ? -EAGAIN : -ENODATA;
			/*
			 * About to be reached, or being so in the present suspend,
			 * or counted in the gap, or between the beginning of a
			 * suspend and the start anew in there
			 */
			if ((i == 1 && (!tkh_newest_entry(h)->slope ||
					tkh_is_within(inst, beyond, NSEC_PER_MSEC))) ||
			    (was_gap && !was_ahead) ||
			    (was_anew && tkh_is_within(inst, beyond, TKH_TAIL_NS)))
				return ret;
		} else {
			if (ret == -ENODEV)
				ret = -ERANGE;
			/* Counted before the resume, perhaps */
			if (anew)
				return ret == -EAGAIN ? ret : -ENODATA;
		}
	}

	/* Before the oldest installation, which is the first one unless some were evicted */
	if (ret == -ERANGE && head - nr == TKH_FIRST)
		return tkh_locate_early(h, cs_id, cycles, found);
	return ret;
}

/* Find the newest installation which contains the counter value, and the position */
static __always_inline int tkh_locate(const struct tk_history *h, enum clocksource_ids cs_id,
				      u64 cycles, struct tkh_found *found)
{
	const struct tkh_installation *inst = tkh_newest_inst(h);
	u64 value = cycles, mask = tkh_mask(inst), end = 0, age;
	struct tkh_found older __uninitialized;
	int ret;

	if (likely(tkh_to_counter(inst, cs_id, &value))) {
		end = tkh_now(h, inst, mask);
		age = (end - inst->bias - value) & mask;
		/*
		 * The counter may have been read before @cycles was loaded. The
		 * branch prevents that for a second read.
		 */
		if (unlikely(age > mask >> 1)) {
			end = tkh_now(h, inst, mask);
			age = (end - inst->bias - value) & mask;
		}
		found->inst = inst;
		found->pos = end - age;
		found->end = end;
		if (likely(age < end + 1 - inst->first))
			return 0;
	}

	ret = tkh_locate_older(h, cs_id, cycles, end, &older);
	if (!ret)
		*found = older;
	return ret;
}

/* Find the entry in force when the counter @cs_id had the value @cycles */
static __always_inline int tkh_find(const struct tk_history *h, enum clocksource_ids cs_id,
				    u64 cycles, struct tkh_found *found)
{
	const struct tkh_entry *entry = tkh_newest_entry(h), *next = NULL;
	int ret = tkh_locate(h, cs_id, cycles, found);

	if (ret)
		return ret;

	if (found->pos < entry->first) {
		const struct tkh_entry *after = NULL;

		entry = tkh_entries_find(&h->entries, found->pos, &after);
		if (!entry && found->pos >= found->inst->first)
			return -ERANGE;
		next = after;
	}
	found->entry = entry;
	found->next = next;
	return 0;
}

static noinline const struct tkh_wall *tkh_older_wall_at(const struct tk_history *h, u64 pos)
{
	unsigned int head = READ_ONCE(h->wall_head), nr = head - READ_ONCE(h->wall_tail);
	unsigned int low = head - min(nr, h->nr_walls);

	if (low == head || pos < tkh_wall(h, low)->first)
		return NULL;

	/* The wall is number @low or later, and before number @head */
	while (head - low > 1) {
		unsigned int middle = low + (head - low) / 2;

		if (pos >= tkh_wall(h, middle)->first)
			low = middle;
		else
			head = middle;
	}
	return tkh_wall(h, low);
}

/* The wall at @pos, NULL if it is older than all */
static __always_inline const struct tkh_wall *tkh_wall_at(const struct tk_history *h, u64 pos)
{
	const struct tkh_wall *wall = tkh_newest_wall(h);

	return likely(pos >= wall->first) ? wall : tkh_older_wall_at(h, pos);
}

/* Offset from CLOCK_MONOTONIC to @clock at @pos, which is in the installation @inst */
static __always_inline int tkh_offset_at(const struct tk_history *h,
					 const struct tkh_installation *inst, u64 pos,
					 clockid_t clock, ktime_t *offs)
{
	const struct tkh_wall *wall = NULL;

	if (clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME) {
		wall = tkh_wall_at(h, pos);
		if (!wall)
			return -ERANGE;
	}
	*offs = tkh_offset(inst, wall, clock);
	return 0;
}

/*
 * Interpolate the offset from CLOCK_MONOTONIC to @clock in the suspend that was found, and
 * bound its error: the true offset is between the offsets at both ends
 */
static noinline int tkh_interpolate(const struct tk_history *h, struct tkh_found found,
				    clockid_t clock, ktime_t *offs, u32 *error_ns)
{
	const struct tkh_installation *next_inst;
	u64 first, part, all, share, sleep;
	ktime_t before, after;
	int ret;

	/* The suspend has no end yet */
	if (!found.next)
		return -EAGAIN;

	next_inst = tkh_inst(h, found.inst - h->installations + 1);
	first = READ_ONCE(found.entry->first);
	all = READ_ONCE(found.next->first) - first + 1;
	part = found.pos - first + 1;
	ret = tkh_offset_at(h, found.inst, found.pos, clock, &before) ?:
	      tkh_offset_at(h, next_inst, first + all - 1, clock, &after);
	if (ret)
		return ret;

	/* Whatever was read in a race, the quotient must not overflow: x86 traps */
	if (part > all || !all)
		return -ERANGE;
	sleep = abs(after - before);
	share = mul_u64_u64_div_u64(sleep, part, all);
	*offs = before + (after < before ? -share : share);
	*error_ns = min(max(share, sleep - share), U32_MAX);
	return 0;
}

/*
 * The time of a position before the first installation, on its line as it would be without
 * corrections of the rate. What readers were told is between 0 and the beginning of the line.
 */
static noinline int tkh_get_early(const struct tkh_found *found, clockid_t clock,
				  struct tkh_piece *piece)
{
	const struct tkh_installation *inst = found->inst;
	ktime_t ns, base;

	ns = mul_u64_u32_shr(inst->first - found->pos, inst->raw_mult, inst->shift);
	switch (clock) {
	case CLOCK_MONOTONIC_RAW:
		base = inst->raw_base;
		break;
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		base = inst->mono + tkh_offset(inst, NULL, clock);
		break;
	default:
		return -ENODATA;
	}

	*piece = (struct tkh_piece) {
		.line.base	= base - ns,
		.most		= KTIME_MAX,
		.error_ns	= min_t(u64, max(ns, base - ns), U32_MAX),
		.flags		= KTIME_CONVERSION_EARLY,
	};
	return 0;
}

/* Get the piece of @clock around the position that was found */
static __always_inline int tkh_get_piece(const struct tk_history *h, const struct tkh_found *found,
					 clockid_t clock, struct tkh_piece *piece)
{
	const struct tkh_entry *entry = found->entry, *next = found->next;
	const struct tkh_installation *inst = found->inst;
	ktime_t offs = 0;
	u32 error_ns = 0;
	bool suspended;
	int ret;

	if (unlikely(!entry))
		return tkh_get_early(found, clock, piece);

	suspended = !entry->slope;
	piece->most = KTIME_MAX;
	piece->flags = suspended ? KTIME_CONVERSION_SUSPENDED : 0;
	if (unlikely(inst->again) && tkh_cycles(inst, found->pos) <= inst->again)
		piece->flags |= KTIME_CONVERSION_REPEATED;

	if (clock == CLOCK_MONOTONIC_RAW) {
		piece->error_ns = 0;
		piece->line = tkh_raw_line(inst);
		/* It stands still where the suspend begins */
		if (unlikely(suspended)) {
			piece->line.base = tkh_entry_time(&piece->line,
							  max(entry->first - 1, inst->first));
			piece->line.slope = 0;
			piece->line.frac = 0;
		}
		return 0;
	}

	ret = tkh_offset_at(h, inst, found->pos, clock, &offs);
	if (unlikely(suspended)) {
		ktime_t between = 0;
		u32 bound = 0;

		ret = tkh_interpolate(h, *found, clock, &between, &bound);
		offs = between;
		error_ns = bound;
	}
	if (ret)
		return ret;

	piece->line = *entry;
	piece->line.base += offs;
	if (piece->line.error) {
		piece->flags |= KTIME_CONVERSION_LONG;
		error_ns = tkh_error_ns(piece->line.error);
		if (next && !(next->flags & TKH_BROKEN))
			piece->most = next->base + offs;
	}
	piece->error_ns = error_ns;
	return 0;
}

static __always_inline ktime_t tkh_piece_time(const struct tkh_piece *piece, u64 pos)
{
	return min(tkh_entry_time(&piece->line, pos), piece->most);
}

/* True if @pos is where the counter had the value @cycles for the last time */
bool tkh_is_last(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles, u64 pos)
{
	struct tkh_found found;

	return !tkh_locate(h, cs_id, cycles, &found) && found.pos == pos;
}

/* The time of @clock at a position, whose counter value may be one of several */
int tkh_time_at(const struct tk_history *h, u64 pos, clockid_t clock,
		struct ktime_cycles_time *time)
{
	struct tkh_found found = { .pos = pos, .inst = tkh_inst_at(h, pos) };
	struct tkh_piece piece __uninitialized;
	int ret;

	found.entry = tkh_entries_find(&h->entries, pos, &found.next);
	if (!found.inst || !found.entry)
		return -ERANGE;
	ret = tkh_get_piece(h, &found, clock, &piece);
	if (ret)
		return ret;

	*time = (struct ktime_cycles_time) {
		.time		= tkh_piece_time(&piece, pos),
		.error_ns	= piece.error_ns,
		.status		= piece.flags & KTIME_CONVERSION_SUSPENDED,
	};
	return 0;
}

static int tkh_get_seqs(const struct tk_history *h, const struct tkh_found *found,
			struct tkh_times *result)
{
	const struct tkh_wall *wall = tkh_wall_at(h, found->pos);

	if (!wall)
		return -ERANGE;
	result->clock_was_set_seq = wall->clock_was_set_seq;
	result->cs_was_changed_seq = found->inst->cs_was_changed_seq;
	return 0;
}

/* Return 0 if this is a clock of a history, -EINVAL if not */
int tkh_check_clock(clockid_t clock)
{
	switch (clock) {
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_REALTIME:
	case CLOCK_TAI:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_AUX ... CLOCK_AUX_LAST:
		return 0;
	default:
		return -EINVAL;
	}
}

/* The lookup: get the times of @nr clocks at one counter value, flags and bound of all of them */
static __always_inline int tkh_lookup(const struct tk_history *h, enum clocksource_ids cs_id,
				      u64 cycles, const clockid_t *clocks, unsigned int nr,
				      struct tkh_times *result)
{
	struct tkh_piece piece __uninitialized;
	struct tkh_found found __uninitialized;
	unsigned int seq;
	int ret;

	do {
		if (!tkh_read_begin(h, &seq))
			return -EAGAIN;

		ret = tkh_find(h, cs_id, cycles, &found);
		result->flags = 0;
		result->error_ns = 0;
		for (unsigned int i = 0; !ret && i < nr; i++) {
			ret = tkh_get_piece(h, &found, clocks[i], &piece);
			if (ret)
				break;
			result->time[i] = tkh_piece_time(&piece, found.pos);
			result->flags |= piece.flags;
			result->error_ns = max(result->error_ns, piece.error_ns);
		}
		if (!ret && nr == TKH_ALL_CLOCKS)
			ret = tkh_get_seqs(h, &found, result);
	} while (tkh_read_retry(h, seq));

	return ret;
}

static __always_inline int __tkh_convert(const struct tk_history *h, enum clocksource_ids cs_id,
					 u64 cycles, clockid_t clock, ktime_t *time, u32 *error_ns)
{
	struct tkh_times result __uninitialized;
	int ret;

	ret = tkh_check_clock(clock) ?: tkh_lookup(h, cs_id, cycles, &clock, 1, &result);
	if (ret)
		return ret;

	*time = result.time[0];
	*error_ns = result.error_ns;
	return result.flags;
}

int tkh_convert(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles,
		clockid_t clock, ktime_t *time, u32 *error_ns)
{
	return __tkh_convert(h, cs_id, cycles, clock, time, error_ns);
}

int tkh_convert_all(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles,
		    struct ktime_conversion *conv)
{
	static const clockid_t clocks[TKH_ALL_CLOCKS] = {
		CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW,
	};
	struct tkh_times result __uninitialized;
	int ret;

	ret = tkh_lookup(h, cs_id, cycles, clocks, TKH_ALL_CLOCKS, &result);
	if (ret)
		return ret;

	*conv = (struct ktime_conversion) {
		.mono			= result.time[0],
		.boot			= result.time[1],
		.real			= result.time[2],
		.tai			= result.time[3],
		.raw			= result.time[4],
		.error_ns		= result.error_ns,
		.flags			= result.flags,
		.clock_was_set_seq	= result.clock_was_set_seq,
		.cs_was_changed_seq	= result.cs_was_changed_seq,
	};
	return 0;
}

/* Values converted in one read section */
#define TKH_BATCH	32

/*
 * How many positions from @first on have the same piece of @clock as the one that was
 * found, 0 if its values may also be in a newer one, or may be repeated
 */
static u64 tkh_piece_len(const struct tk_history *h, const struct tkh_found *found,
			 clockid_t clock, u64 *first)
{
	const struct tkh_installation *inst = found->inst;
	u64 end = found->next ? found->next->first : found->end + 1;
	const struct tkh_wall *wall = tkh_wall_at(h, found->pos);

	if (!found->entry)
		return 0;
	*first = found->entry->first;
	if (inst != tkh_newest_inst(h) || inst->again || !wall ||
	    found->end - *first > tkh_mask(inst))
		return 0;

	*first = max(*first, wall->first);
	if (wall != tkh_newest_wall(h))
		end = min(end, tkh_wall(h, wall - h->walls + 1)->first);
	return end - *first;
}

/* Convert @nr values in one read section */
static void tkh_try_convert_batch(const struct tk_history *h, enum clocksource_ids cs_id,
				  const u64 *cycles, unsigned int nr, clockid_t clock,
				  struct ktime_cycles_time *times)
{
	u64 mask = 0, first = 0, first_cycles = 0, len = 0;
	struct tkh_piece piece __uninitialized;
	struct tkh_found found __uninitialized;

	for (unsigned int i = 0; i < nr; i++) {
		u64 pos = first + ((cycles[i] - first_cycles) & mask);

		/* Most values belong to the piece of the one before */
		if (pos - first >= len) {
			const struct tkh_installation *inst;
			int ret;

			len = 0;
			ret = tkh_find(h, cs_id, cycles[i], &found) ?:
			      tkh_get_piece(h, &found, clock, &piece);
			if (ret) {
				times[i] = (struct ktime_cycles_time) { .status = ret };
				continue;
			}
			pos = found.pos;
			inst = found.inst;
			if (inst->cs_id == cs_id && i + 1 < nr) {
				len = tkh_piece_len(h, &found, clock, &first);
				mask = tkh_mask(inst);
				first_cycles = tkh_cycles(inst, first);
			}
		}
		times[i] = (struct ktime_cycles_time) {
			.time		= tkh_piece_time(&piece, pos),
			.error_ns	= piece.error_ns,
			.status		= piece.flags & ~KTIME_CONVERSION_LONG,
		};
	}
}

void tkh_convert_batch(const struct tk_history *h, enum clocksource_ids cs_id, const u64 *cycles,
		       unsigned int nr, clockid_t clock, struct ktime_cycles_time *times)
{
	unsigned int part, seq;

	for (; nr; nr -= part, cycles += part, times += part) {
		part = min(nr, TKH_BATCH);
		for (;;) {
			if (!tkh_read_begin(h, &seq)) {
				while (nr--)
					*times++ = (struct ktime_cycles_time) { .status = -EAGAIN };
				return;
			}
			tkh_try_convert_batch(h, cs_id, cycles, part, clock, times);
			if (!tkh_read_retry(h, seq))
				break;
			/* Updates must not make it start over for ever */
			part = max(part / 2, 1);
		}
	}
}

/*
 * The oldest counter value, at @pos or later, of the clocksource of the installation
 * number @head - 1. What is from before the counter started anew, or may have started
 * anew, does not count.
 */
static u64 tkh_oldest_cycles(const struct tk_history *h, unsigned int head, u64 pos)
{
	unsigned int nr = head - READ_ONCE(h->inst_tail);
	unsigned int cs_id = tkh_inst(h, head - 1)->cs_id;
	bool resumed = false;
	u64 oldest = 0;

	nr = min(nr, h->nr_installations);
	for (unsigned int i = 1; i <= nr; i++) {
		const struct tkh_installation *inst = tkh_inst(h, head - i);

		if (inst->cs_id != cs_id) {
			resumed |= inst->flags & (TKH_RESUMED | TKH_ANEW);
		} else {
			if (resumed)
				break;
			oldest = tkh_cycles(inst, max(pos, inst->first));
			if (inst->flags & TKH_ANEW)
				break;
		}
		if (inst->first <= pos)
			break;
	}
	return oldest;
}

/* Find the last installation that was recorded. It is number @head - 1, and ends at @end. */
static bool tkh_last_recorded(const struct tk_history *h, unsigned int *head, u64 *end)
{
	unsigned int nr = min(*head - READ_ONCE(h->inst_tail), h->nr_installations);

	for (; nr; nr--, --*head) {
		const struct tkh_installation *inst = tkh_inst(h, *head - 1);

		if (inst->cs_id != CSID_GENERIC)
			return true;
		*end = inst->first - 1;
	}
	return false;
}

int tkh_get_info(const struct tk_history *h, struct ktime_history_info *info)
{
	struct ktime_history_info result;
	struct clocksource *clock;
	unsigned int seq;

	do {
		const struct tkh_installation *inst;
		unsigned int head;
		u64 pos = 0, end;

		if (!tkh_read_begin(h, &seq))
			return -EAGAIN;

		clock = READ_ONCE(h->clock);
		inst = tkh_newest_inst(h);
		result = (struct ktime_history_info) { .cs_id = inst->cs_id };
		if (!clock)
			continue;

		head = READ_ONCE(h->inst_head);
		if (inst->cs_id != CSID_GENERIC) {
			result.freq_khz = clock->freq_khz;
			end = tkh_now(h, inst, tkh_mask(inst));
		} else if (!tkh_last_recorded(h, &head, &end)) {
			continue;
		}
		inst = tkh_inst(h, head - 1);
		result.last_cs_id = inst->cs_id;
		result.mask = tkh_mask(inst);
		result.newest = tkh_cycles(inst, end);
		result.nr_reaches = h->entries.nr_levels;
		for (unsigned int i = 0; i < result.nr_reaches; i++) {
			tkh_entries_oldest(&h->entries, i, &pos);
			result.reach[i].error_ns = tkh_error_ns(h->entries.level[i].error);
			result.reach[i].oldest = tkh_oldest_cycles(h, head, min(pos, end));
		}
	} while (tkh_read_retry(h, seq));

	if (!clock)
		return -ENODEV;
	*info = result;
	return 0;
}

/*
 * The timekeepers' histories
 */

#define TKH_NR_ENTRIES		(5 << CONFIG_TK_HISTORY_SHIFT)
#define TKH_NR_WALLS		256
#define TKH_NR_INSTALLATIONS	128

/* Under NTP level 0 lasts for seconds, and each further level several times as long */
static const struct tkh_level_size tkh_sizes[] = {
	{ 1 << CONFIG_TK_HISTORY_SHIFT,		0 },
	{ 1 << CONFIG_TK_HISTORY_SHIFT,		1 },	/* 1 ns */
	{ 1 << CONFIG_TK_HISTORY_SHIFT,		4 },	/* 8 ns */
	{ 1 << CONFIG_TK_HISTORY_SHIFT,		7 },	/* 64 ns */
	{ 1 << (CONFIG_TK_HISTORY_SHIFT - 1),	10 },	/* 512 ns */
	{ 1 << (CONFIG_TK_HISTORY_SHIFT - 2),	13 },	/* 4 us */
	{ 1 << (CONFIG_TK_HISTORY_SHIFT - 3),	16 },	/* 33 us */
	{ 1 << (CONFIG_TK_HISTORY_SHIFT - 4),	19 },	/* 262 us */
	{ 1 << (CONFIG_TK_HISTORY_SHIFT - 4),	22 },	/* 2.1 ms */
};

/* A history with its memory. That of the core timekeeper is static. */
struct tkh_instance {
	struct tk_history		h;
	struct rcu_head			rcu;
	struct tkh_entry		rings[TKH_NR_ENTRIES];
	struct tkh_wall			walls[TKH_NR_WALLS];
	struct tkh_installation		installations[TKH_NR_INSTALLATIONS];
};

static struct tkh_instance tkh_core;

/* Those of the auxiliary clocks come and go with them, NULL while disabled */
static struct tkh_instance __rcu *tkh_aux[MAX_AUX_CLOCKS];

/* How often the system has resumed. Written with the lock of the core timekeeper held. */
static unsigned int tkh_resumes;

static bool tkh_wanted __initdata = true;
static bool tkh_enabled __ro_after_init;

static int __init tkh_setup(char *str)
{
	return kstrtobool(str, &tkh_wanted);
}
early_param("tk_history", tkh_setup);

/**
 * tkh_init - Set up a history without anything in it
 * @h:		The history
 * @memory:	Where it has its rings, which have to be zeroes
 */
void tkh_init(struct tk_history *h, const struct tkh_memory *memory)
{
	*h = (struct tk_history) {
		.walls			= memory->walls,
		.nr_walls		= memory->nr_walls,
		.wall_head		= TKH_FIRST,
		.wall_tail		= TKH_FIRST,
		.installations		= memory->installations,
		.nr_installations	= memory->nr_installations,
		.inst_head		= TKH_FIRST,
		.inst_tail		= TKH_FIRST,
	};
	seqcount_init(&h->seq);
	tkh_entries_init(&h->entries, memory->sizes, memory->nr_levels, memory->rings);
	tkh_set_newest(h);
}

static void tkh_init_instance(struct tkh_instance *instance)
{
	tkh_init(&instance->h, &(struct tkh_memory) {
		.sizes			= tkh_sizes,
		.nr_levels		= ARRAY_SIZE(tkh_sizes),
		.rings			= instance->rings,
		.walls			= instance->walls,
		.nr_walls		= ARRAY_SIZE(instance->walls),
		.installations		= instance->installations,
		.nr_installations	= ARRAY_SIZE(instance->installations),
	});
}

/**
 * tk_history_init - Begin the history of the core timekeeper
 *
 * To be called before its first update.
 */
void __init tk_history_init(void)
{
	if (!tkh_wanted)
		return;

	tkh_init_instance(&tkh_core);
	tkh_enabled = true;
}

#ifdef CONFIG_POSIX_AUX_CLOCKS
/**
 * tk_history_enable_aux - Begin the history of an auxiliary clock
 * @id:	Number of the clock, starting at 0
 *
 * To be called before the clock is enabled, with aux_clock_mutex held.
 *
 * Context: Process context, may sleep
 * Return: 0 or -ENOMEM
 */
int tk_history_enable_aux(unsigned int id)
{
	struct tkh_instance *instance;

	if (!tkh_enabled)
		return 0;

	instance = kvzalloc_obj(*instance);
	if (!instance)
		return -ENOMEM;

	tkh_init_instance(instance);
	rcu_assign_pointer(tkh_aux[id], instance);
	return 0;
}

/**
 * tk_history_disable_aux - End the history of an auxiliary clock
 * @id:	Number of the clock, starting at 0
 *
 * To be called after the clock was disabled, with aux_clock_mutex held.
 *
 * Context: Process context
 */
void tk_history_disable_aux(unsigned int id)
{
	struct tkh_instance *instance;

	instance = rcu_replace_pointer(tkh_aux[id], NULL, lockdep_is_held(&aux_clock_mutex));
	if (instance)
		kvfree_rcu(instance, rcu);
}

#endif

/* The history of the timekeeper @tk, whose lock is held */
static __always_inline struct tk_history *tkh_of(const struct timekeeper *tk)
{
	struct tkh_instance *instance = &tkh_core;

#ifdef CONFIG_POSIX_AUX_CLOCKS
	/* The pointer of an auxiliary clock only changes while the clock is not valid */
	if (unlikely(tk->id != TIMEKEEPER_CORE)) {
		if (!tk->clock_valid)
			return NULL;
		instance = rcu_dereference_protected(tkh_aux[tk->id - TIMEKEEPER_AUX_FIRST],
						     tk->clock_valid);
	}
#endif
	return likely(tkh_enabled && instance) ? &instance->h : NULL;
}

/**
 * tk_history_prepare - Begin to record an update of a timekeeper
 * @tk:	The timekeeper, as it is about to be published
 *
 * See tkh_prepare().
 */
void tk_history_prepare(const struct timekeeper *tk)
{
	struct tk_history *h = tkh_of(tk);
	bool suspended;

	if (!h)
		return;

	/* Auxiliary clocks go on with the counter in a suspend, but it may start anew */
	suspended = timekeeping_suspended && h == &tkh_core.h;
	if (h->suspended && !suspended)
		WRITE_ONCE(tkh_resumes, tkh_resumes + 1);
	tkh_prepare(h, tk, suspended, READ_ONCE(tkh_resumes));
}

/**
 * tk_history_switch - Read the counter where readers are switched
 * @tk:	The timekeeper, as it is about to be published
 *
 * See tkh_switch().
 */
void tk_history_switch(const struct timekeeper *tk)
{
	struct tk_history *h = tkh_of(tk);

	if (h)
		tkh_switch(h);
}

/**
 * tk_history_record - Record an update of a timekeeper
 * @tk:	The timekeeper as it has been published
 *
 * See tkh_record().
 */
void tk_history_record(const struct timekeeper *tk)
{
	struct tk_history *h = tkh_of(tk);

	if (h)
		tkh_record(h, tk);
}

/**
 * tkh_get - Get the history of a clock
 * @clock:	The clock
 *
 * Context: RCU read section
 * Return: The history, NULL if there is none at this moment
 */
const struct tk_history *tkh_get(clockid_t clock)
{
	struct tkh_instance *instance = &tkh_core;

	if (clock >= CLOCK_AUX && clock <= CLOCK_AUX_LAST)
		instance = rcu_dereference(tkh_aux[array_index_nospec(clock - CLOCK_AUX,
								      MAX_AUX_CLOCKS)]);

	return instance && tkh_enabled ? &instance->h : NULL;
}

/* tkh_convert() with the history of an auxiliary clock */
static noinline int tkh_convert_aux(enum clocksource_ids cs_id, u64 cycles, clockid_t clock,
				    ktime_t *time)
{
	const struct tk_history *h;
	u32 error_ns;

	guard(rcu)();
	h = tkh_get(clock);
	return h ? tkh_convert(h, cs_id, cycles, clock, time, &error_ns) : -ENODEV;
}

/**
 * tk_history_convert - Get a clock and its raw monotonic clock
 * @cs_id:	ID of the clocksource or base clock which @cycles was read from
 * @cycles:	Counter value in cycles
 * @clock:	The clock, see ktime_convert_cycles()
 * @systime:	Where to store the time of @clock in nanoseconds
 * @monoraw:	Where to store the raw monotonic time in nanoseconds, of the
 *		timekeeper that @clock belongs to
 *
 * Both come from one lookup, as they do in ktime_get_snapshot_id().
 *
 * Context: As ktime_convert_cycles().
 * Return: 0 or the error of ktime_convert_cycles(). -ENODATA for what nobody read, as
 *	   the system was suspended or the kernel did not use the counter yet. -EOPNOTSUPP
 *	   with "tk_history=off".
 */
int tk_history_convert(enum clocksource_ids cs_id, u64 cycles, clockid_t clock,
		       ktime_t *systime, ktime_t *monoraw)
{
	const clockid_t clocks[] = { clock, CLOCK_MONOTONIC_RAW };
	const struct tk_history *h;
	struct tkh_times result __uninitialized;
	int ret;

	ret = tkh_check_clock(clock);
	if (ret)
		return ret;
	if (!tkh_enabled)
		return -EOPNOTSUPP;

	guard(rcu)();
	h = tkh_get(clock);
	if (!h)
		return -ENODEV;

	ret = tkh_lookup(h, cs_id, cycles, clocks, 2, &result);
	if (ret)
		return ret;
	if (result.flags & (KTIME_CONVERSION_SUSPENDED | KTIME_CONVERSION_EARLY))
		return -ENODATA;

	*systime = result.time[0];
	*monoraw = result.time[1];
	return 0;
}

/**
 * ktime_convert_cycles - Get the time of a past counter value
 * @cs_id:	ID of the clocksource or base clock which @cycles was read from
 * @cycles:	Counter value in cycles
 * @clock:	CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI,
 *		CLOCK_MONOTONIC_RAW or CLOCK_AUX to CLOCK_AUX_LAST
 * @time:	Where to store the time in nanoseconds, untouched on failure
 *
 * If the result is 0, the time is bit for bit the one that a reader of @clock was told
 * when it got @cycles from the counter, no matter how often the clock has been slewed
 * or set since then. "Anomalies" in Documentation/timers/retro-conversion.rst has the
 * exceptions: a reader whose RDTSC was late by some cycles, a CPU whose counter lags
 * behind, and a counter which went backwards without a suspend.
 *
 * A positive result tells why the time may differ from that. Callers who want to know
 * by how much use ktime_convert_cycles_all() or ktime_convert_cycles_batch().
 *
 * Context: Any, NMI included. Takes no lock. Waits while an update of the timekeeper is
 *	    recorded on another CPU, and like ktime_get() must not be called from within
 *	    an update, by a kprobe for example. In NMI it does not wait, but fails with
 *	    -EAGAIN. The cost is a counter read, or two when the value is ahead of the
 *	    counter, and searches in O(log n) of the history's size. If the value is not
 *	    of the newest installation, the older ones are gone through, 128 at most.
 *
 * Return:
 * * 0 - @time has been stored, and is exact.
 * * Positive - @time has been stored. The KTIME_CONVERSION_* flags say why it may differ.
 * * -EINVAL - @clock is none of the above.
 * * -ENODEV - @cs_id is CSID_GENERIC or a counter which the kernel cannot relate to a
 *   clocksource in its history, @clock is an auxiliary clock which is not enabled, or
 *   there is no history because of "tk_history=off".
 * * -ERANGE - @cycles is older than the history or, for clocks that can be set, than its
 *   oldest wall. Trying again is of no use.
 * * -ENODATA - The clocksource was not the timekeeper's at that counter value, or may
 *   have had it once more since then while nobody recorded it.
 * * -EAGAIN - @cycles has not been reached yet or, in NMI only, an update is in flight.
 * * -EOPNOTSUPP - The kernel was built without TK_HISTORY.
 */
int ktime_convert_cycles(enum clocksource_ids cs_id, u64 cycles, clockid_t clock, ktime_t *time)
{
	u32 error_ns;

	if (unlikely(!tkh_enabled))
		return tkh_check_clock(clock) ?: -ENODEV;

	/* Most often it is a clock of the core timekeeper, which needs no RCU */
	if (clock < CLOCK_AUX || clock > CLOCK_AUX_LAST)
		return __tkh_convert(&tkh_core.h, cs_id, cycles, clock, time, &error_ns);
	return tkh_convert_aux(cs_id, cycles, clock, time);
}
EXPORT_SYMBOL_GPL(ktime_convert_cycles);

/**
 * ktime_convert_cycles_all - Get all clocks at a past counter value
 * @cs_id:	ID of the clocksource or base clock which @cycles was read from
 * @cycles:	Counter value in cycles
 * @conv:	Where to store the times, untouched on failure
 *
 * All times, flags and sequence numbers come from one lookup and belong
 * together. See ktime_convert_cycles() for what they are.
 *
 * Context: As ktime_convert_cycles().
 * Return: 0 if @conv has been stored, whose flags and bound tell whether it is exact.
 *	   Otherwise the error of ktime_convert_cycles(), which is -ERANGE also if only
 *	   CLOCK_REALTIME and CLOCK_TAI are not known any more.
 */
int ktime_convert_cycles_all(enum clocksource_ids cs_id, u64 cycles,
			     struct ktime_conversion *conv)
{
	return tkh_enabled ? tkh_convert_all(&tkh_core.h, cs_id, cycles, conv) : -ENODEV;
}
EXPORT_SYMBOL_GPL(ktime_convert_cycles_all);

/**
 * ktime_convert_cycles_batch - Get the times of many past counter values
 * @cs_id:	ID of the clocksource or base clock which @cycles were read from
 * @cycles:	Counter values in cycles, in any order
 * @nr:		Number of counter values
 * @clock:	The clock, see ktime_convert_cycles()
 * @times:	Where to store the @nr results
 *
 * Each value has a status of its own. Values which follow one with the same
 * state in force are the cheapest ones, so it pays to have them sorted.
 *
 * Context: As ktime_convert_cycles(). The caller is in charge of not
 *	    converting for too long at a stretch.
 * Return: 0 when @times has been filled in. Otherwise the error of
 *	   ktime_convert_cycles() which would be the same for all values:
 *	   -EINVAL for @clock, or -ENODEV for @clock, for CSID_GENERIC, or when
 *	   there is no history. @times is untouched then.
 */
int ktime_convert_cycles_batch(enum clocksource_ids cs_id, const u64 *cycles, unsigned int nr,
			       clockid_t clock, struct ktime_cycles_time *times)
{
	const struct tk_history *h;
	int ret;

	ret = tkh_check_clock(clock);
	if (ret)
		return ret;

	guard(rcu)();
	h = tkh_get(clock);
	if (!h || cs_id == CSID_GENERIC)
		return -ENODEV;

	tkh_convert_batch(h, cs_id, cycles, nr, clock, times);
	return 0;
}
EXPORT_SYMBOL_GPL(ktime_convert_cycles_batch);

/**
 * ktime_history_get_info - Get the reach of the history
 * @info:	Where to store the result, untouched on failure
 *
 * The result may be outdated by the time that the caller looks at it. The oldest values
 * are not from before the counter started anew, or may have started anew. CLOCK_REALTIME
 * and CLOCK_TAI may reach less far, as only their last 256 walls are kept.
 *
 * Context: Any, NMI included. Takes no lock.
 * Return:
 * * 0 - @info has been stored.
 * * -ENODEV - There is no history because of "tk_history=off", or no update has
 *   been recorded yet.
 * * -EAGAIN - In NMI only, an update is in flight.
 * * -EOPNOTSUPP - The kernel was built without TK_HISTORY.
 */
int ktime_history_get_info(struct ktime_history_info *info)
{
	return tkh_enabled ? tkh_get_info(&tkh_core.h, info) : -ENODEV;
}
EXPORT_SYMBOL_GPL(ktime_history_get_info);
