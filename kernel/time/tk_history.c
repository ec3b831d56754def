// SPDX-License-Identifier: GPL-2.0
/*
 * The time of past counter values
 */
#include <linux/clocksource.h>
#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/math64.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
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
 * Every update of the timekeeper appends what its readers use from then on to
 * a history. A counter value which was read in the past is converted to time
 * with the state that was in force when the counter had that value. The
 * result is, to the last bit, the time which a reader would have got then.
 *
 * Structure
 * ---------
 *
 * A *state* is a line from counter value to CLOCK_MONOTONIC. An *era* holds
 * what many consecutive states have in common: the counter, the line of
 * CLOCK_MONOTONIC_RAW and the offsets to the other clocks. States and eras
 * live in a ring each::
 *
 *   states  ... | S4 | S5 | S6 | S7 | S8 | S9 |
 *                  |    |    |    |    |    |
 *   eras    ...    E1   E1   E2   E2   E2   E3
 *
 *   counter ------4----5-------6----7------8------9--------> now
 *
 * S6 is in force from the counter value at which readers were switched from
 * S5 to S6, excluded, to the one at which they were switched to S7, included.
 *
 * Positions
 * ---------
 *
 * Counters wrap, stop during suspend, start anew and are exchanged for other
 * counters. The history therefore orders its states on an axis of its own,
 * which only moves forward. It starts far from 0, as a CPU whose counter lags
 * behind may take cycle_last back to before the first position. Within one
 * *installation* of a clocksource, positions and counter values differ by a
 * constant. Where one installation ends, the next begins with the following
 * position. A lookup finds the newest installation which contains the counter
 * value first, and bisects the states by position then. It gives up where the
 * counter may have had the value later than that, while nobody recorded it.
 *
 * The switch
 * ----------
 *
 * timekeeper::cycle_last is not where a state begins. An update reads the
 * counter, accumulates whole intervals and leaves cycle_last behind. Readers
 * go on with the old state until they see a sequence count change, so the
 * counter is read again after the sequence counts were made odd, those of the
 * vDSO included, and before one of them becomes even::
 *
 *   reader of the old state     update                 reader of the new state
 *
 *   seq is even
 *   reads counter: c1           seq becomes odd
 *   seq has not changed,        tk_history_begin()
 *   returns old(c1)               reads counter: W
 *                               tk_history_end()
 *                               seq becomes even
 *                                                      seq is even
 *                                                      reads counter: c2
 *                                                      returns new(c2)
 *
 * Hence c1 <= W <= c2. A counter value of W itself is converted with the old
 * state. A reader of the new state can have got it, too, when the counter does
 * not advance between the switch and the end of the write section. That takes
 * a slow counter, and only makes a difference when the two lines do.
 *
 * What this relies on, beyond the memory model:
 *
 * - The stores to the sequence counts are visible before the counter is read.
 *   A barrier for memory accesses does not order the read of a system
 *   register. mb() is used because it waits for the stores to complete: it is
 *   a DSB on arm64, MFENCE on x86 and BCR on s390. The counter's read function
 *   must not be executed ahead of it. It begins with ISB or LFENCE, or reads the
 *   counter in program order by itself (CNTVCTSS_EL0, RDTSCP, STCKE).
 * - c1 is read before the reader checks the sequence count again. arm64 makes
 *   the counter value a fake dependency of later loads. RDTSC and the counter
 *   of 32-bit arm are not ordered against later loads, and a late reader can
 *   return a c1 which is some cycles beyond W.
 * - c2 is read after the sequence count was seen to be even, which the read
 *   function's ISB or LFENCE after the branch on it provides, or the instruction
 *   that reads the counter by itself. W is read before the sequence count becomes
 *   even, as it is stored.
 *
 * Readers which do not follow these sequence counts are not part of the
 * promise: those of the NMI safe fast timekeepers, see
 * ktime_get_mono_fast_ns(), and copies of the timekeeper that are made by
 * pvclock_gtod notifiers. Nor are readers on a CPU whose counter is behind the
 * switch to the state which they use, or so far ahead that it is beyond the
 * switch to the next one.
 *
 * Same line, no new state
 * -----------------------
 *
 * An update which neither changes mult nor an offset continues the line that
 * is in force already. The recorder checks that first, and leaves the history
 * alone then, counter and all. A quiet system needs one state for ever, or one
 * per quarter of the counter's range where that wraps.
 *
 * The long history
 * ----------------
 *
 * States which leave the ring are folded into *spans*: straight pieces of
 * CLOCK_MONOTONIC which are never early, and late by less than a nanosecond::
 *
 *   time of a clock       high line  .'   _- low line
 *   which gets slower              .'  _-
 *                                .' _-  ..+--  + 1 ns
 *                              .'_-..+`      |    the corridor
 *                            .:-+`    ...---  the states
 *                           o`....---`
 *                           |<- the span ->|
 *
 * All slopes between that of the low line and that of the high line keep the
 * line in the corridor. A state narrows this cone, so that its two ends fit as
 * well, until too little is left of it. Then the span is closed, and the next
 * one begins where it ends. Until then the low line is what readers use.
 *
 * Exact: All of it is in integers, modulo 2^64 shifted nanoseconds. Let T be
 * the shifted time of a state, a line, and R that of the span before it is
 * rounded down to V. At both ends of the state the writer has checked
 * T <= V and V < T + w, where w is one nanosecond. As T is an integer,
 * T <= R and R < T + w follow there, then everywhere in between because both
 * lines are straight, and then 0 <= V - T < w. Rounded down to nanoseconds,
 * the difference is 0 or 1.
 *
 * Monotonic: The slope which is told for a span only ever grows, because the
 * low line only ever rises and the slope of a closed span is not below it. As
 * long as a span is open, no time is told that is later than the latest end of
 * a state in it, nor later than a suspend which ends the span. So the
 * answer for a counter value never decreases in the course of time, neither do
 * those for growing values, be they from spans or states, as long as the clock
 * itself did not. It does at a switch that slows it down, by what it was too
 * fast between the counter value which the update has read and there, and by
 * the fraction of a nanosecond when it is set. Where that is more than the
 * corridor is wide, the next span begins anew.
 *
 * Range: Where a span is extended, the differences between T and V are less
 * than 2^62 in reality, so that they are known from their value modulo 2^64.
 * The cone of a span's first state is w wide at its end, hence less than 2^60
 * until 2^28 times as far, which is as long as a span gets. Beside that a state
 * is only folded into a span if it gains less than 2^60 on the first one's
 * multiplier.
 *
 * Offsets and CLOCK_MONOTONIC_RAW belong to eras, and are exact.
 *
 * Concurrency
 * -----------
 *
 * The one writer holds the lock of the timekeeper. States, eras and closed
 * spans do not change between publication and eviction. Readers take no lock and
 * run in any context. They copy what they have found, look at the tails again,
 * and start over when the copy was evicted in the meantime. Evictions happen
 * in order of age. If the oldest state that a lookup has used is intact at
 * the end, then all that it has used were intact all the time.
 *
 * The open span does change, whenever a state is folded into it. There are two
 * copies of it, of which tk_history::tail tells which one is valid: the parity
 * of its number is a latch. The other copy is written, then the tail moves.
 *
 * A counter value beyond the newest switch is converted with the newest state
 * unless an update is in flight, because W is not known then. Everything else
 * can be answered while an update is in flight, unless that begins a new
 * installation: a counter which starts anew has the same values once more. If an
 * update begins or ends during a lookup, then the lookup starts over.
 *
 * Updates which continue what is in force leave all of that alone.
 *
 * Most lookups do not need any of it: as nothing is written between updates,
 * tk_history::head is a sequence count, and as long as it does not change, a
 * reader may use what is in the rings in place.
 *
 * The memory accesses which the ordering is about have labels. "LMM" is
 * the Linux kernel memory model, see tools/memory-model. There are six
 * arguments. They speak of states, and for eras the same is true.
 *
 * Publication: If LMM(tkh_lookup:A) reads from LMM(tkh_end:A), then
 * LMM(tkh_copy_state:A) reads from LMM(tkh_push_state:B) of that update or
 * from a later one. Relies on RELEASE from tkh_push_state:B to tkh_end:A
 * matching ACQUIRE from tkh_lookup:A to tkh_copy_state:A. The same is true of
 * LMM(tkh_look:C), and relies on RELEASE from tkh_push_state:B to tkh_end:A
 * matching ACQUIRE from tkh_look:A to tkh_look:C. LMM(tkh_lookup:A) may read
 * from LMM(tkh_begin:A) of the next update instead, which the lock of the
 * timekeeper orders after tkh_end:A.
 *
 * In place: If LMM(tkh_look:C) reads from LMM(tkh_push_state:B) of a later
 * update than the one that LMM(tkh_look:A) has read from, then LMM(tkh_valid:A)
 * reads from LMM(tkh_begin:A) of that update or from a later store. Relies on
 * smp_wmb() from tkh_push_state:A to tkh_push_state:B, which tkh_begin:A
 * precedes, matching smp_rmb() from tkh_look:C to tkh_valid:A. For eras it relies
 * on smp_wmb() from tkh_push_era:A to tkh_push_era:B matching smp_rmb() from
 * tkh_look:D to tkh_valid:A.
 *
 * Eviction: If LMM(tkh_copy_state:A) reads from LMM(tkh_push_state:B) of a
 * state that has replaced the one looked for, then LMM(tkh_intact:A) reads
 * from LMM(tkh_push_state:A) of that replacement or from a later one. Relies
 * on smp_wmb() from tkh_push_state:A to tkh_push_state:B matching smp_rmb()
 * from tkh_copy_state:A to tkh_intact:A. For eras it relies on smp_wmb() from
 * tkh_push_era:A to tkh_push_era:B matching smp_rmb() from tkh_copy_era:A to
 * tkh_intact:A. For spans it relies on smp_wmb() from tkh_push_span:A to
 * tkh_push_span:B matching smp_rmb() from tkh_copy_span:A to tkh_intact:A.
 *
 * Folding: If LMM(tkh_try_lookup:A) reads from LMM(tkh_push_state:A), then
 * LMM(tkh_copy_open:A) reads from LMM(tkh_fold:A) of that eviction or from a
 * later one, and LMM(tkh_copy_span:A) from LMM(tkh_push_span:B). What is not in
 * the states any more is in the spans. Relies on RELEASE from tkh_fold:A to
 * tkh_push_state:A matching ACQUIRE from tkh_try_lookup:A to tkh_copy_open:A.
 *
 * Latch: If LMM(tkh_copy_open:A) reads from LMM(tkh_fold:A) of the second
 * eviction after the one that LMM(tkh_try_lookup:A) has read from, then
 * LMM(tkh_intact:A) reads from LMM(tkh_push_state:A) of the eviction between
 * the two or from a later one. Relies on smp_wmb() from tkh_push_state:A to
 * tkh_push_state:B, which the next fold follows, matching smp_rmb() from
 * tkh_copy_open:A to tkh_intact:A.
 *
 * Switch: If LMM(tkh_lookup:B) does not read from LMM(tkh_begin:A) of an
 * update or from a later store, then the counter value that LMM(tkh_now:A) has
 * read is not above the one that LMM(tkh_begin:B) reads in that update. Relies
 * on mb() from tkh_begin:A to tkh_begin:B matching smp_rmb() and the order of
 * the counter against later loads from tkh_now:A to tkh_intact:A, which
 * tkh_lookup:B follows, within the limits that "The switch" tells. The same is
 * true of LMM(tkh_valid:A) and LMM(tkh_look:B), within the same limits, and
 * relies on mb() from tkh_begin:A to tkh_begin:B matching smp_rmb() and the order
 * of the counter against later loads from tkh_look:B to tkh_valid:A.
 */

static inline struct tkh_state *tkh_state(const struct tk_history *h, unsigned long nr)
{
	return &h->states[(nr / TKH_STEP) & (h->nr_states - 1)];
}

static inline struct tkh_era *tkh_era(const struct tk_history *h, u32 nr)
{
	return &h->eras[nr & (h->nr_eras - 1)];
}

static inline u64 tkh_pos_to_cycles(const struct tkh_era *era, u64 pos)
{
	return (pos - era->bias) & era->mask;
}

static inline struct tkh_span *tkh_span(const struct tk_history *h, unsigned long nr)
{
	return &h->spans[(nr / TKH_STEP) & (h->nr_spans - 1)];
}

/* Has no update been recorded yet? */
static inline bool tkh_none(unsigned long head)
{
	return (head | TKH_BUSY) == (TKH_FIRST | TKH_EMPTY | TKH_BUSY);
}

/* Which copy of the open span is valid while state @tail is the oldest one? */
static inline unsigned int tkh_latch(unsigned long tail)
{
	return (tail / TKH_STEP) & 1;
}

/*
 * CLOCK_MONOTONIC at @pos, in nanoseconds. A line can be hours long, far beyond
 * clocksource::max_cycles: take the wide multiplication. Up to max_cycles it has
 * the same result as the short one of timekeeping_cycles_to_ns().
 */
static __always_inline ktime_t tkh_line(const struct tkh_state *state, u64 pos)
{
	return state->base + mul_u64_u32_add_u64_shr(pos - state->cycle_last, state->mult,
						     state->xtime_nsec, state->shift);
}

static ktime_t tkh_state_mono(const struct tkh_state *state, u64 pos)
{
	/* Time stands still during suspend */
	return tkh_line(state, state->flags & TKH_SUSPENDED ? state->from : pos);
}

static __always_inline ktime_t tkh_offset(const struct tkh_offsets *offs, clockid_t clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
		return offs->real;
	case CLOCK_BOOTTIME:
		return offs->boot;
	case CLOCK_TAI:
	/* offs_tai and offs_aux of struct timekeeper are one */
	case CLOCK_AUX ... CLOCK_AUX_LAST:
		return offs->tai;
	default:
		return 0;
	}
}

/* CLOCK_MONOTONIC_RAW at @pos, in nanoseconds */
static __always_inline ktime_t tkh_raw(const struct tkh_era *era, u64 pos)
{
	return era->raw_base + mul_u64_u32_add_u64_shr(pos - era->raw_cycle_last, era->raw_mult,
						       era->raw_xtime_nsec, era->raw_shift);
}

/*
 * The long history: states are folded into spans when they are evicted
 */

/* Shifted nanoseconds which @slope gains in @cycles, modulo 2^64 */
static u64 tkh_gain(u64 slope, u64 cycles)
{
	return cycles * (slope >> 32) + mul_u64_u32_shr(cycles, slope & U32_MAX, 32);
}

/* The slope which gains @time shifted nanoseconds in @cycles, rounded down */
static u64 tkh_slope(u64 time, u64 cycles)
{
	if (time >> 32 >= cycles)
		return U64_MAX;
	return mul_u64_u64_div_u64(time, BIT_ULL(32), cycles);
}

/* Shifted nanoseconds at @pos, modulo 2^64 */
static u64 tkh_span_time(const struct tkh_span *span, u64 slope, u32 shift, u64 pos)
{
	return ((u64)span->base << shift) + span->frac + tkh_gain(slope, pos - span->from);
}

static u64 tkh_state_time(const struct tkh_state *state, u64 pos)
{
	/* Time stands still during suspend */
	if (state->flags & TKH_SUSPENDED)
		pos = state->from;

	return ((u64)state->base << state->shift) + state->xtime_nsec +
	       (pos - state->cycle_last) * state->mult;
}

/*
 * Narrow the cone from @low to @high so that all lines in it are in the
 * corridor at @pos: not below @time, and less than TKH_ERROR_NS above it.
 *
 * Give up when no line passes through the middle half of the corridor any
 * more. A span which ends at one edge makes the next one run to the other edge
 * at once, and so on, so that a dithering clock would need ten times as many.
 */
static bool tkh_narrow(const struct tkh_span *span, u32 shift, u64 pos, u64 time,
		       u64 *low, u64 *high)
{
	s64 width = (u64)TKH_ERROR_NS << shift, edge = width / 4;
	u64 cycles = pos - span->from;
	s64 gap_low = tkh_span_time(span, *low, shift, pos) - time;
	s64 gap_high = tkh_span_time(span, *high, shift, pos) - time;

	if (gap_low >= width - edge || gap_high < edge)
		return false;
	if (gap_low < 0)
		*low += tkh_slope(-gap_low, cycles) + 1;
	if (gap_high >= width)
		*high -= tkh_slope(gap_high - width + 1, cycles) + 1;
	return *low <= *high;
}

/* Extend @span by @state up to position @to, if there is a line for both */
static bool tkh_extend_span(struct tk_history *h, struct tkh_span *span,
			    const struct tkh_state *state, u64 to)
{
	u64 low = span->slope, high = h->fit.high, drift;
	u32 shift = state->shift;

	if (state->era != span->era || (state->flags | h->fit.flags) & TKH_SUSPENDED)
		return false;

	/* See "Range" above */
	if ((to - span->from) >> 28 >= h->fit.len ||
	    check_mul_overflow(to - state->from, abs_diff(state->mult, h->fit.mult), &drift) ||
	    drift >> 60)
		return false;

	if (!tkh_narrow(span, shift, state->from, tkh_state_time(state, state->from),
			&low, &high) ||
	    !tkh_narrow(span, shift, to, tkh_state_time(state, to), &low, &high))
		return false;

	span->slope = low;
	h->fit.high = high;
	return true;
}

/* Begin a span with @state up to position @to, which starts @offset too late */
static void tkh_begin_span(struct tk_history *h, struct tkh_span *span,
			   const struct tkh_state *state, u64 to, u64 offset)
{
	bool suspended = state->flags & TKH_SUSPENDED;
	u64 slope = (u64)state->mult << 32, width = (u64)TKH_ERROR_NS << state->shift;
	u64 len = to - state->from;
	s64 frac;

	/* The line of a state must not be used below its first position */
	frac = (tkh_state_time(state, state->from + 1) & (BIT_ULL(state->shift) - 1)) + offset;
	if (!suspended)
		frac -= state->mult;

	span->from = state->from;
	span->base = tkh_state_mono(state, state->from + 1) + (frac >> state->shift);
	span->frac = frac & (BIT_ULL(state->shift) - 1);
	span->era = state->era;
	/* All lines which are in the corridor at @to, 0 has a meaning of its own */
	span->slope = slope - min(slope - 1, tkh_slope(offset, len));
	if (check_add_overflow(slope, tkh_slope(width - 1 - offset, len), &h->fit.high))
		h->fit.high = U64_MAX;
	if (suspended)
		span->slope = 0;

	h->fit.len = len;
	h->fit.mult = state->mult;
	h->fit.shift = state->shift;
	h->fit.flags = state->flags;
}

static void tkh_push_span(struct tk_history *h, unsigned long nr, const struct tkh_span *span)
{
	if (nr - h->span_tail == TKH_STEP * h->nr_spans) {
		WRITE_ONCE(h->span_tail, h->span_tail + TKH_STEP);	/* LMM(tkh_push_span:A) */
		/* Order tkh_push_span:A before tkh_push_span:B, pairs with tkh_intact:A */
		smp_wmb();
	}
	*tkh_span(h, nr) = *span;				/* LMM(tkh_push_span:B) */
}

/*
 * Close @span at the position where @state begins. Of the slopes which it can
 * get, take the one that ends in the middle of the corridor or next to it,
 * which leaves most room for the next span. Return how many shifted
 * nanoseconds that is above @state, or -1 if there is no connection.
 */
static s64 tkh_close_span(struct tk_history *h, struct tkh_span *span,
			  const struct tkh_state *state)
{
	s64 middle = (u64)TKH_ERROR_NS << state->shift >> 1, gap;
	u64 time = tkh_state_time(state, state->from);

	if (state->shift != h->fit.shift || h->fit.flags & TKH_SUSPENDED)
		return -1;

	gap = tkh_span_time(span, span->slope, state->shift, state->from) - time;
	if (gap < middle) {
		span->slope += min(tkh_slope(middle - gap, state->from - span->from),
				   h->fit.high - span->slope);
	}
	return tkh_span_time(span, span->slope, state->shift, state->from) - time;
}

/* Fold state @tail, which is about to be evicted, into the long history */
static void tkh_fold(struct tk_history *h, unsigned long tail)
{
	const struct tkh_state *state = tkh_state(h, tail);
	u64 to = tkh_state(h, tail + TKH_STEP)->from;
	struct tkh_open *open = &h->open[tkh_latch(tail + TKH_STEP)];
	ktime_t end = tkh_state_mono(state, to);

	/* Nobody reads this copy before the tail has moved */
	*open = h->open[tkh_latch(tail)];			/* LMM(tkh_fold:A) */

	/*
	 * A state may have been in force for no counter value at all. A suspend
	 * without any still bounds what is told of the time before.
	 */
	if (to == state->from && !(state->flags & TKH_SUSPENDED))
		return;

	if (open->to && tkh_extend_span(h, &open->span, state, to)) {
		/* The clock may have lost more at the switch than it has gained since */
		end = max(end, open->end);
	} else {
		s64 width = (u64)TKH_ERROR_NS << state->shift, offset = -1;

		if (open->to) {
			offset = tkh_close_span(h, &open->span, state);
			tkh_push_span(h, open->nr, &open->span);
			open->nr += TKH_STEP;
		}
		/* A suspend is exact. The clock may have jumped, or be a new one. */
		if (state->flags & TKH_SUSPENDED)
			offset = 0;
		else if (offset < 0 || offset >= width)
			offset = width / 2;
		tkh_begin_span(h, &open->span, state, to, offset);
	}
	open->to = to;
	open->end = end;
}

/*
 * Recording
 */

static const struct tkh_era *tkh_newest_era(const struct tk_history *h)
{
	return tkh_era(h, tkh_state(h, (h->head & ~TKH_MARKS) - TKH_STEP)->era);
}

/* Did the base clock of @era's clocksource keep its ratio? */
static bool tkh_same_base(const struct tkh_era *era, const struct clocksource_base *base)
{
	if (!base)
		return era->base_id == CSID_GENERIC;

	return era->base_id == base->id && era->base_offset == base->offset &&
	       era->base_num == base->numerator && era->base_den == base->denominator;
}

/*
 * The line of @tkr, whose cycle_last has position @pos. All of it is modulo 2^64
 * shifted nanoseconds, which does not matter as only MONOTONIC and RAW are
 * compared: nobody sets them.
 */
static __always_inline struct tkh_line tkh_line_of(const struct tk_read_base *tkr, u64 pos)
{
	return (struct tkh_line) {
		.offset	= ((u64)tkr->base << tkr->shift) + tkr->xtime_nsec - pos * tkr->mult,
		.mult	= tkr->mult,
		.shift	= tkr->shift,
	};
}

static __always_inline bool tkh_same_line(struct tkh_line a, struct tkh_line b)
{
	return a.offset == b.offset && a.mult == b.mult && a.shift == b.shift;
}

static __always_inline bool tkh_same_offsets(const struct tkh_offsets *offs,
					     const struct timekeeper *tk)
{
	return offs->real == tk->offs_real && offs->boot == tk->offs_boot &&
	       offs->tai == tk->offs_tai;
}

static void tkh_push_era(struct tk_history *h, u32 nr, const struct tkh_era *era)
{
	if (nr - h->era_tail == h->nr_eras) {
		WRITE_ONCE(h->era_tail, h->era_tail + 1);	/* LMM(tkh_push_era:A) */
		/*
		 * Order tkh_push_era:A and tkh_begin:A before tkh_push_era:B, pairs
		 * with tkh_intact:A and tkh_valid:A
		 */
		smp_wmb();
	}
	*tkh_era(h, nr) = *era;					/* LMM(tkh_push_era:B) */
}

static void tkh_push_state(struct tk_history *h, unsigned long nr, const struct tkh_state *state)
{
	if (nr - h->tail == TKH_STEP * h->nr_states) {
		tkh_fold(h, h->tail);
		/* Order tkh_fold:A before, pairs with tkh_try_lookup:A and tkh_get_ends() */
		smp_store_release(&h->tail, h->tail + TKH_STEP); /* LMM(tkh_push_state:A) */
		/*
		 * Order tkh_push_state:A and tkh_begin:A before tkh_push_state:B,
		 * pairs with tkh_intact:A and tkh_valid:A
		 */
		smp_wmb();
	}
	*tkh_state(h, nr) = *state;				/* LMM(tkh_push_state:B) */
}

/* Does @tk, whose cycle_last has position @pos, go on with what the newest era holds? */
static __always_inline bool tkh_same_era(const struct tk_history *h, const struct timekeeper *tk,
					 u64 pos)
{
	return tkh_same_line(h->raw, tkh_line_of(&tk->tkr_raw, pos)) &&
	       tkh_same_offsets(&h->offs, tk) &&
	       tk->clock_was_set_seq == h->clock_was_set_seq &&
	       tk->cs_was_changed_seq == h->cs_was_changed_seq;
}

/* A base clock converts with one ratio per installation */
static __always_inline bool tkh_is_new_base(const struct tk_history *h,
					    const struct clocksource_base *base)
{
	return unlikely(base || h->has_base) && !tkh_same_base(tkh_newest_era(h), base);
}

/*
 * Is all that readers use of @tk in force already? That is how most updates are,
 * and all that they cost.
 *
 * Lookups relate the present counter value to cycle_last of the newest state,
 * which has to be renewed long before the counter wraps.
 */
static __always_inline bool tkh_continues(struct tk_history *h, const struct timekeeper *tk,
					  u32 flags)
{
	const struct tk_read_base *mono = &tk->tkr_mono;
	struct clocksource *clock = mono->clock;
	u64 pos = h->cycle_last + ((mono->cycle_last - h->cycles) & mono->mask);

	if (clock != h->clock || flags != h->flags || pos - h->renewed > mono->mask >> 2 ||
	    !tkh_same_line(h->mono, tkh_line_of(mono, pos)) || !tkh_same_era(h, tk, pos) ||
	    tkh_is_new_base(h, clock->base))
		return false;

	h->cycles = mono->cycle_last;
	h->cycle_last = pos;
	return true;
}

/* What is new in @tk, and where is its cycle_last? */
static noinline enum tkh_news tkh_compare(struct tk_history *h, const struct timekeeper *tk,
					  u32 flags, bool was_set)
{
	const struct tk_read_base *mono = &tk->tkr_mono;
	struct clocksource *clock = mono->clock;
	u64 cycles;

	if (clock != h->clock)
		return TKH_NEW_CLOCK;

	/* A time without history is one state, but for suspends, however long it lasts */
	if (clock->id == CSID_GENERIC)
		return h->resumed ? TKH_NEW_ERA : TKH_NO_NEWS;

	cycles = (mono->cycle_last - h->cycles) & mono->mask;
	if (cycles > clock->max_raw_delta) {
		/*
		 * A CPU whose counter lags behind may take cycle_last back, a
		 * little. Otherwise the counter has started anew in a suspend,
		 * which auxiliary clocks do not know about.
		 */
		cycles |= ~mono->mask;
		if (h->flags & TKH_SUSPENDED || -cycles >= tk->cycle_interval)
			return TKH_NEW_CLOCK;
	}
	h->cycles = mono->cycle_last;
	h->cycle_last += cycles;

	if (tkh_is_new_base(h, clock->base))
		return TKH_NEW_BASE;
	if (was_set || !tkh_same_era(h, tk, h->cycle_last))
		return TKH_NEW_ERA;
	return TKH_NEW_STATE;
}

static __always_inline bool __tkh_prepare(struct tk_history *h, const struct timekeeper *tk,
					  bool suspended, bool was_set)
{
	u32 flags = suspended ? TKH_SUSPENDED : 0;

	if (likely(!was_set && tkh_continues(h, tk, flags)))
		return false;

	h->resumed = h->flags & ~flags & TKH_SUSPENDED;
	h->news = tkh_compare(h, tk, flags, was_set);
	h->flags = flags;
	return h->news != TKH_NO_NEWS;
}

#if IS_ENABLED(CONFIG_TK_HISTORY_KUNIT_TEST)
/**
 * tkh_prepare - Find out whether an update is one for the history
 * @h:		The history
 * @tk:		The timekeeper, as it is about to be published
 * @suspended:	The time stands still from timekeeper::cycle_last on
 * @was_set:	timekeeper::clock_was_set_seq is about to change
 *
 * To be called with the lock of the timekeeper held.
 *
 * Return: true if the update is one, then tkh_begin() and tkh_end() have to
 *	   follow. false when it only continues what is in force already.
 */
bool tkh_prepare(struct tk_history *h, const struct timekeeper *tk, bool suspended, bool was_set)
{
	return __tkh_prepare(h, tk, suspended, was_set);
}
#endif

/**
 * tkh_begin - Begin an update and read the counter at the switch
 * @h:	The history
 *
 * To be called with all sequence counts of the readers odd and with the lock
 * of the timekeeper held.
 */
void tkh_begin(struct tk_history *h)
{
	struct clocksource *clock = h->clock;
	unsigned long marks = TKH_BUSY;

	/* The same counter values may belong to both installations */
	if (h->news >= TKH_NEW_BASE)
		marks |= TKH_EMPTY;
	WRITE_ONCE(h->head, h->head | marks);			/* LMM(tkh_begin:A) */

	/* Nothing to switch from that could be converted */
	if (!clock || clock->id == CSID_GENERIC)
		return;

	/*
	 * Make tkh_begin:A and the stores to the sequence counts visible
	 * before tkh_begin:B, pairs with tkh_intact:A and tkh_valid:A. smp_mb()
	 * is not enough, see "The switch" above.
	 */
	mb();
	h->switch_cycles = clock->read(clock);			/* LMM(tkh_begin:B) */
}

/* Position of the switch from state @last */
static u64 tkh_switch_pos(const struct tk_history *h, const struct tkh_state *last)
{
	const struct tkh_era *era = tkh_era(h, last->era);
	bool suspended = h->flags & TKH_SUSPENDED, anew = h->news == TKH_NEW_CLOCK;
	u64 pos = h->cycle_last;

	if (era->cs_id == CSID_GENERIC || (anew && last->flags & TKH_SUSPENDED))
		return last->from;

	/*
	 * Nobody reads between cycle_last and the switch on the way into
	 * suspend and out of it. The time stands still between the two values
	 * of cycle_last.
	 */
	if (last->flags & TKH_SUSPENDED && !suspended)
		pos--;
	else if (anew || !suspended)
		pos += clocksource_delta(h->switch_cycles, tkh_pos_to_cycles(era, pos), era->mask,
					 h->clock->max_raw_delta);
	return max(last->from, pos);
}

/*
 * Begin the era of @tk, which follows number @nr after position @from.
 * cycle_last is the same for CLOCK_MONOTONIC and CLOCK_MONOTONIC_RAW.
 */
static void tkh_begin_era(struct tk_history *h, const struct timekeeper *tk, u32 nr, u64 from)
{
	struct clocksource *clock = tk->tkr_mono.clock;
	const struct clocksource_base *base = clock->base;
	struct tkh_era era = *tkh_era(h, nr);

	if (h->news != TKH_NEW_ERA) {
		era.first = from + 1;
		era.prev = nr;
		era.flags = h->news == TKH_NEW_CLOCK && clock == h->clock ? TKH_ANEW : 0;
	}
	if (h->resumed)
		era.flags |= TKH_RESUMED;
	if (h->news == TKH_NEW_CLOCK) {
		h->clock = clock;
		h->cycles = tk->tkr_mono.cycle_last;
		h->cycle_last = from + 1;
		era.bias = h->cycle_last - h->cycles;
	}
	h->raw = tkh_line_of(&tk->tkr_raw, h->cycle_last);
	h->offs = (struct tkh_offsets) {
		.real	= tk->offs_real,
		.boot	= tk->offs_boot,
		.tai	= tk->offs_tai,
	};
	h->has_base = base;
	h->clock_was_set_seq = tk->clock_was_set_seq;
	h->cs_was_changed_seq = tk->cs_was_changed_seq;

	/* Do not let an installation refer to one that is long gone */
	if ((s32)(era.prev - h->era_tail) < 0)
		era.prev = h->era_tail - 1;

	era.clock = clock;
	era.cs_id = clock->id;
	era.mask = tk->tkr_mono.mask;
	era.raw_cycle_last = h->cycle_last;
	era.raw_xtime_nsec = tk->tkr_raw.xtime_nsec;
	era.raw_base = tk->tkr_raw.base;
	era.raw_mult = tk->tkr_raw.mult;
	era.raw_shift = tk->tkr_raw.shift;
	era.offs = h->offs;
	era.clock_was_set_seq = tk->clock_was_set_seq;
	era.cs_was_changed_seq = tk->cs_was_changed_seq;
	era.base_id = base ? base->id : CSID_GENERIC;
	era.base_num = base ? base->numerator : 0;
	era.base_den = base ? base->denominator : 0;
	era.base_offset = base ? base->offset : 0;

	tkh_push_era(h, nr + 1, &era);
}

/**
 * tkh_end - End an update and record what readers use from now on
 * @h:		The history
 * @tk:		The timekeeper, as it is about to be published
 *
 * To be called inside the write section of the timekeeper. Readers of the vDSO
 * may use the new state already: until here, TKH_BUSY makes lookups wait.
 * The cost does not depend on the size of the history.
 */
void tkh_end(struct tk_history *h, const struct timekeeper *tk)
{
	unsigned long nr = h->head & ~TKH_MARKS;
	u32 era_nr = h->era_tail - 1;
	struct tkh_state state;
	u64 from = TKH_ORIGIN;

	if (h->clock) {
		const struct tkh_state *last = tkh_state(h, nr - TKH_STEP);

		era_nr = last->era;
		from = tkh_switch_pos(h, last);
	}
	if (h->news != TKH_NEW_STATE)
		tkh_begin_era(h, tk, era_nr++, from);

	state = (struct tkh_state) {
		.from		= from,
		.cycle_last	= h->cycle_last,
		.xtime_nsec	= tk->tkr_mono.xtime_nsec,
		.base		= tk->tkr_mono.base,
		.mult		= tk->tkr_mono.mult,
		.shift		= tk->tkr_mono.shift,
		.era		= era_nr,
		.flags		= h->flags,
	};
	h->mono = tkh_line_of(&tk->tkr_mono, h->cycle_last);
	h->renewed = h->cycle_last;
	tkh_push_state(h, nr, &state);

	/*
	 * Order tkh_push_state:B and tkh_push_era:B before, pairs with tkh_lookup:A
	 * and tkh_look:A
	 */
	smp_store_release(&h->head, nr + TKH_STEP);		/* LMM(tkh_end:A) */
}

/*
 * Lookup
 */

/* What a lookup returns internally when it has to wait for an update */
#define TKH_IN_FLIGHT	1

/**
 * struct tkh_hit - Private copy of what a lookup has found
 * @state:	The state in force, or a piece of the long history in its form
 * @era:	The era of @state
 * @pos:	Position of the counter value
 * @end:	CLOCK_MONOTONIC is not later than this, in nanoseconds
 * @to:		Last position of the suspend, when @state is TKH_SUSPENDED
 * @next:	The offsets after the suspend, when @state is TKH_SUSPENDED
 * @error_ns:	Bound of the error of CLOCK_MONOTONIC in nanoseconds
 * @oldest:	Number of the oldest state that the lookup relies on
 * @oldest_span: Number of the oldest span that the lookup relies on
 * @oldest_era:	Number of the oldest era that the lookup relies on
 * @closed:	The lookup relies on @oldest_span
 *
 * Lookups fill in only what their callers read. Where speed matters it is
 * __uninitialized.
 */
struct tkh_hit {
	struct tkh_state	state;
	struct tkh_era		era;
	u64			pos;
	ktime_t			end;
	u64			to;
	struct tkh_offsets	next;
	u32			error_ns;
	unsigned long		oldest;
	unsigned long		oldest_span;
	u32			oldest_era;
	bool			closed;
};

/*
 * What these copy may be evicted meanwhile, tkh_lookup() starts over then. They
 * are inlined so that only the members which are used get copied.
 */

static __always_inline struct tkh_era tkh_copy_era(const struct tk_history *h, u32 nr)
{
	struct tkh_era era = data_race(*tkh_era(h, nr));	/* LMM(tkh_copy_era:A) */

	/* This is used before tkh_intact(): any clocksource will do, but no half of one */
	era.clock = data_race(READ_ONCE(tkh_era(h, nr)->clock));
	return era;
}

static __always_inline struct tkh_state tkh_copy_state(const struct tk_history *h,
						       unsigned long nr)
{
	return data_race(*tkh_state(h, nr));			/* LMM(tkh_copy_state:A) */
}

static __always_inline struct tkh_span tkh_copy_span(const struct tk_history *h, unsigned long nr)
{
	return data_race(*tkh_span(h, nr));			/* LMM(tkh_copy_span:A) */
}

/* This one is written again by the next fold but one */
static __always_inline struct tkh_open tkh_copy_open(const struct tk_history *h,
						     unsigned long tail)
{
	return data_race(h->open[tkh_latch(tail)]);		/* LMM(tkh_copy_open:A) */
}

/* Was all intact that the lookup relies on when it was copied? */
static bool tkh_intact(const struct tk_history *h, const struct tkh_hit *hit)
{
	/*
	 * Order tkh_copy_state:A, tkh_copy_era:A, tkh_copy_span:A,
	 * tkh_copy_open:A and tkh_now:A before tkh_intact:A. Pairs with
	 * tkh_push_state:A, tkh_push_era:A, tkh_push_span:A and tkh_begin:A.
	 */
	smp_rmb();
	return (long)(hit->oldest - READ_ONCE(h->tail)) >= 0 &&	/* LMM(tkh_intact:A) */
	       (s32)(hit->oldest_era - READ_ONCE(h->era_tail)) >= 0 &&
	       (!hit->closed || (long)(hit->oldest_span - READ_ONCE(h->span_tail)) >= 0);
}

/* Present position, provided that @state is the newest one */
static u64 tkh_now(const struct tkh_state *state, const struct tkh_era *era)
{
	struct clocksource *clock = era->clock;
	u64 pos = state->cycle_last;

	/* The counter may not be accessible while timekeeping is suspended */
	if (state->flags & TKH_SUSPENDED)
		return state->from;

	return pos + clocksource_delta(clock->read(clock), tkh_pos_to_cycles(era, pos),
				       era->mask, clock->max_raw_delta); /* LMM(tkh_now:A) */
}

/*
 * Convert to a value of the counter of @era, if @cs_id can be related to it.
 * The result is that of convert_clock(), plus the offset. What a base clock
 * cannot have counted yet stays ahead of all that its clocksource has.
 */
static bool tkh_to_counter(const struct tkh_era *era, enum clocksource_ids cs_id, u64 *cycles)
{
	u32 den = era->base_den, rest;
	bool beyond;
	u64 value;

	if (era->cs_id == CSID_GENERIC)
		return false;

	if (era->cs_id == cs_id) {
		*cycles &= era->mask;
		return true;
	}

	/* What is checked is what divides, even if the copy was not made as a whole */
	OPTIMIZER_HIDE_VAR(den);
	if (era->base_id != cs_id || !era->base_num || !den)
		return false;

	value = div_u64_rem(*cycles, den, &rest);
	beyond = check_mul_overflow(value, era->base_num, &value);
	beyond |= check_add_overflow(value, div_u64((u64)rest * era->base_num, den), &value);
	/* An offset below 0 is a large one with which the sum wraps */
	beyond |= check_add_overflow(value, era->base_offset, &value) &&
		  (s64)era->base_offset > 0;
	*cycles = (beyond ? U64_MAX : value) & era->mask;
	return true;
}

/*
 * Is @cycles ahead of position @end? When the counter has wrapped since the
 * installation, values are taken as the nearest ones at or before @end.
 */
static bool tkh_is_ahead(const struct tkh_era *era, u64 cycles, u64 end)
{
	u64 first = tkh_pos_to_cycles(era, era->first);

	return end >= era->first && end - era->first <= era->mask - first &&
	       cycles > tkh_pos_to_cycles(era, end);
}

/* Does the counter of @era take less than @ns for @cycles? */
static bool tkh_is_within(const struct tkh_era *era, u64 cycles, u32 ns)
{
	/* Below, nothing overflows */
	return cycles < BIT_ULL(40) &&
	       mul_u64_u32_shr(cycles, era->raw_mult, era->raw_shift) < ns;
}

/*
 * May a counter have had any value between two installations? If not @gap, then the
 * second one has followed at once, and if @resumed, there was a suspend in between,
 * or the counter has started anew that was in use there.
 */
static bool tkh_is_lost(const struct tkh_era *era, bool gap, bool resumed)
{
	return gap && (resumed || era->mask < CLOCKSOURCE_MASK(56));
}

/*
 * Find the newest installation which contains the counter value and set
 * tkh_hit::pos and what depends on it. Expects the newest state and its era in
 * @hit.
 *
 * A counter is not recorded while another clocksource is in use, nor while the
 * system is suspended if it starts anew in there. No older installation is
 * asked for a value which it may have had meanwhile.
 */
static int tkh_locate(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles,
		      struct tkh_hit *hit)
{
	bool newest = true, ahead = false, anew = false, gap = false, resumed = false;
	u64 end = hit->state.from, value, age;
	struct tkh_era *era = &hit->era;
	int ret = -ENODEV;
	u32 nr;

	for (;; newest = false) {
		value = cycles;
		if (!tkh_to_counter(era, cs_id, &value)) {
			gap = true;
			resumed |= era->flags & (TKH_RESUMED | TKH_ANEW);
			goto prev;
		}

		if (tkh_is_lost(era, gap, resumed))
			return ret == -EAGAIN ? ret : -ENODATA;

		if (newest)
			end = tkh_now(&hit->state, era);
		age = (tkh_pos_to_cycles(era, end) - value) & era->mask;
		/*
		 * The counter may have been read before @cycles was loaded. The
		 * branch prevents that for a second read.
		 */
		if (newest && age > era->mask >> 1) {
			end = tkh_now(&hit->state, era);
			age = (tkh_pos_to_cycles(era, end) - value) & era->mask;
		}
		if (end >= era->first && age <= end - era->first) {
			hit->pos = end - age;
			return 0;
		}

		if (tkh_is_ahead(era, value, end)) {
			u64 beyond = era->mask - age;

			if (ret != -EAGAIN)
				ret = newest ? -EAGAIN : -ENODATA;
			/*
			 * About to be reached, or being so in the present
			 * suspend, or counted in the gap, or between the
			 * beginning of a suspend and the start anew in there
			 */
			if ((newest && (hit->state.flags & TKH_SUSPENDED ||
					tkh_is_within(era, beyond, NSEC_PER_MSEC))) ||
			    (gap && !ahead) ||
			    (anew && tkh_is_within(era, beyond, TKH_TAIL_NS)))
				return ret;
			ahead = true;
		} else {
			if (ret == -ENODEV)
				ret = -ERANGE;
			/* Counted before the resume, perhaps */
			if (era->flags & TKH_ANEW)
				return ret == -EAGAIN ? ret : -ENODATA;
			ahead = false;
		}
		gap = false;
prev:
		/* What was there before the installation? */
		if ((s32)(era->prev - READ_ONCE(h->era_tail)) < 0)
			break;
		anew = era->flags & TKH_ANEW;
		nr = era->prev;
		if ((s32)(nr - hit->oldest_era) < 0)
			hit->oldest_era = nr;
		end = era->first - 1;
		*era = tkh_copy_era(h, nr);
	}

	/* Before the oldest installation, which is the first one unless eras were evicted */
	if (ret == -ERANGE && READ_ONCE(h->era_tail) == TKH_FIRST_ERA)
		return -ENODATA;
	return ret;
}

static u64 tkh_state_from(const struct tk_history *h, unsigned long nr)
{
	return tkh_copy_state(h, nr).from;
}

static u64 tkh_span_from(const struct tk_history *h, unsigned long nr)
{
	return tkh_copy_span(h, nr).from;
}

static u32 tkh_state_era(const struct tk_history *h, unsigned long nr)
{
	return tkh_copy_state(h, nr).era;
}

static u32 tkh_span_era(const struct tk_history *h, unsigned long nr)
{
	return tkh_copy_span(h, nr).era;
}

/*
 * Find the newest state or span, not older than number @tail, whose switch is
 * below @pos. Number @nr begins at @begin, which is @pos or later.
 *
 * States come at intervals which are about the same. Guess where to look,
 * gallop from there, and bisect what is left.
 */
static __always_inline bool tkh_search(const struct tk_history *h, unsigned long tail, u64 pos,
				       u64 (*from)(const struct tk_history *h, unsigned long nr),
				       u64 begin, unsigned long *nr)
{
	unsigned long low = tail, high = *nr, mid, step = TKH_STEP;
	u64 oldest, steps;

	/* The tail may even have passed, tkh_lookup() starts over then */
	if ((long)(high - low) <= 0)
		return false;
	oldest = from(h, low);
	if (oldest >= pos)
		return false;

	/* from(low) < pos <= from(high). The result of a race may be anything. */
	steps = (high - low) / TKH_STEP;
	steps = min(steps, div64_u64(begin - pos, div64_u64(begin - oldest, steps) ?: 1) + 1);
	mid = high - steps * TKH_STEP;
	if (from(h, mid) < pos) {
		low = mid;
		while (high - low > step && from(h, low + step) < pos) {
			low += step;
			step *= 2;
		}
		high = low + min(step, high - low);
	} else {
		high = mid;
		while (high - low > step && from(h, high - step) >= pos) {
			high -= step;
			step *= 2;
		}
		low = high - min(step, high - low);
	}
	while (high - low > TKH_STEP) {
		mid = low + (high - low) / (2 * TKH_STEP) * TKH_STEP;
		if (from(h, mid) < pos)
			low = mid;
		else
			high = mid;
	}

	*nr = low;
	return true;
}

/*
 * Copy the era of tkh_hit::state, and if that is a suspend the era in which it
 * ended, @next.
 */
static int tkh_copy_eras(const struct tk_history *h, u32 next, struct tkh_hit *hit)
{
	if ((s32)(hit->state.era - READ_ONCE(h->era_tail)) < 0)
		return -ERANGE;

	/* Do not forget about the eras which have led to this one */
	if ((s32)(hit->state.era - hit->oldest_era) < 0)
		hit->oldest_era = hit->state.era;
	hit->era = tkh_copy_era(h, hit->state.era);
	if (hit->state.flags & TKH_SUSPENDED)
		hit->next = tkh_copy_era(h, next).offs;
	return 0;
}

/* Find tkh_hit::pos in the long history, which reaches up to state @tail */
static int tkh_lookup_span(const struct tk_history *h, unsigned long tail, struct tkh_hit *hit)
{
	struct tkh_span span, next;
	struct tkh_open open;
	unsigned long nr;
	u32 next_era;
	int ret;

	/* The newest state is evicted already, tkh_lookup() starts over */
	if ((long)(hit->oldest - tail) < 0)
		return -ERANGE;

	/* The open span is only good as long as the tail stays */
	hit->oldest = tail;
	open = tkh_copy_open(h, tail);
	if (hit->pos > open.to)
		return -ERANGE;

	if (hit->pos > open.span.from) {
		struct tkh_state state;

		state = tkh_copy_state(h, tail);
		span = open.span;
		hit->to = open.to;
		hit->end = open.end;
		next_era = state.era;
	} else {
		nr = open.nr;
		hit->closed = true;
		hit->oldest_span = READ_ONCE(h->span_tail);
		if (!tkh_search(h, hit->oldest_span, hit->pos, tkh_span_from, open.span.from, &nr))
			return -ERANGE;

		hit->oldest_span = nr;
		span = tkh_copy_span(h, nr);
		if (nr + TKH_STEP == open.nr)
			next = open.span;
		else
			next = tkh_copy_span(h, nr + TKH_STEP);
		hit->to = next.from;
		next_era = next.era;
		/* Not later than a suspend that follows, which is exact */
		if (!next.slope)
			hit->end = next.base;
	}

	hit->state = (struct tkh_state) {
		.from		= span.from,
		.cycle_last	= span.from,
		.xtime_nsec	= span.frac + mul_u64_u32_shr(hit->pos - span.from,
							      span.slope & U32_MAX, 32),
		.base		= span.base,
		.mult		= span.slope >> 32,
		.era		= span.era,
		.flags		= span.slope ? 0 : TKH_SUSPENDED,
	};
	ret = tkh_copy_eras(h, next_era, hit);
	hit->state.shift = hit->era.raw_shift;
	hit->error_ns = TKH_ERROR_NS;
	return ret;
}

/* One attempt of tkh_lookup() */
static int tkh_try_lookup(const struct tk_history *h, unsigned long head,
			  enum clocksource_ids cs_id, u64 cycles, struct tkh_hit *hit)
{
	unsigned long nr = (head & ~TKH_MARKS) - TKH_STEP, tail;
	struct tkh_state next = { };
	int ret;

	hit->closed = false;
	hit->end = KTIME_MAX;
	hit->error_ns = 0;
	hit->oldest = nr;
	hit->state = tkh_copy_state(h, nr);
	hit->oldest_era = hit->state.era;
	hit->era = tkh_copy_era(h, hit->oldest_era);

	ret = tkh_locate(h, cs_id, cycles, hit);
	if (ret)
		return ret;

	if (hit->pos > hit->state.from)
		return head & TKH_BUSY ? TKH_IN_FLIGHT : 0;

	/* Order tkh_copy_open:A and tkh_copy_span:A after, pairs with tkh_push_state:A */
	tail = smp_load_acquire(&h->tail);			/* LMM(tkh_try_lookup:A) */
	if (!tkh_search(h, tail, hit->pos, tkh_state_from, hit->state.from, &nr))
		return tkh_lookup_span(h, tail, hit);

	hit->oldest = nr;
	hit->state = tkh_copy_state(h, nr);
	if (hit->state.flags & TKH_SUSPENDED) {
		next = tkh_copy_state(h, nr + TKH_STEP);
		hit->to = next.from;
	}
	return tkh_copy_eras(h, next.era, hit);
}

/* What is read in place may be evicted meanwhile, tkh_valid() tells */
#define tkh_peek(expr)	data_race(expr)

/**
 * struct tkh_view - The exact history at one moment
 * @head:	Number after the newest state
 * @state:	The newest state
 * @era:	The era of @state
 * @from:	Position of the switch to @state
 * @mask:	Mask of the counter
 * @now:	Value of the counter
 * @since:	Cycles from the switch to @now
 */
struct tkh_view {
	unsigned long		head;
	const struct tkh_state	*state;
	const struct tkh_era	*era;
	u64			from;
	u64			mask;
	u64			now;
	u64			since;
};

/**
 * struct tkh_spot - Where the exact history has an answer
 * @pos:	Position of the counter value
 * @to:		Last position for which @state is known to be in force
 * @nr:		Number of @state
 * @state:	The state in force
 * @era:	The era of @state
 */
struct tkh_spot {
	u64			pos;
	u64			to;
	unsigned long		nr;
	const struct tkh_state	*state;
	const struct tkh_era	*era;
};

/*
 * The short way for what is asked for most often: values of the clocksource's
 * own counter since its installation for which there is an exact state, while
 * no update is in flight. Leave all else to tkh_lookup().
 *
 * This is the reader of a sequence count, which tk_history::head is, too.
 * Nothing is copied: look once, find as many values as you like, compute with
 * what the spots point to, and ask tkh_valid().
 */
static __always_inline bool tkh_look(const struct tk_history *h, enum clocksource_ids cs_id,
				     struct tkh_view *view)
{
	/* Order what follows after, pairs with tkh_end:A */
	unsigned long head = smp_load_acquire(&h->head);	/* LMM(tkh_look:A) */
	const struct tkh_state *state = tkh_state(h, head - TKH_STEP);
	const struct tkh_era *era = tkh_era(h, tkh_peek(state->era));
	struct clocksource *clock;
	u64 now, from, mask;

	if (head & TKH_MARKS || cs_id == CSID_GENERIC || tkh_peek(era->cs_id) != cs_id ||
	    tkh_peek(state->flags) & TKH_SUSPENDED)
		return false;

	clock = tkh_peek(READ_ONCE(era->clock));
	now = clock->read(clock);				/* LMM(tkh_look:B) */

	from = tkh_peek(state->from);				/* LMM(tkh_look:C) */
	mask = tkh_peek(era->mask);				/* LMM(tkh_look:D) */
	*view = (struct tkh_view) {
		.head	= head,
		.state	= state,
		.era	= era,
		.from	= from,
		.mask	= mask,
		.now	= now,
		.since	= (now - (from - tkh_peek(era->bias))) & mask,
	};
	/* The counter may lag behind */
	return view->since <= mask >> 1;
}

/* Number @near is where the state is likely to be found, 0 if that is not known */
static __always_inline bool tkh_find(const struct tk_history *h, const struct tkh_view *view,
				     u64 cycles, unsigned long near, struct tkh_spot *spot)
{
	u64 age = (view->now - cycles) & view->mask, since = view->since;
	unsigned long nr = view->head - TKH_STEP, tail;

	spot->pos = view->from + since - age;
	if (age < since) {
		spot->to = view->from + since;
		spot->nr = nr;
		spot->state = view->state;
		spot->era = view->era;
		return true;
	}

	/* Ahead of the counter, or from before the installation */
	if (age > view->mask >> 1 || age - since >= view->from + 1 - tkh_peek(view->era->first))
		return false;

	tail = READ_ONCE(h->tail);
	if (near && (long)(near - tail) >= 0 && (long)(nr - near) > 0 &&
	    tkh_state_from(h, near) < spot->pos && tkh_state_from(h, near + TKH_STEP) >= spot->pos)
		nr = near;
	else if (!tkh_search(h, tail, spot->pos, tkh_state_from, view->from, &nr))
		return false;

	spot->to = tkh_state_from(h, nr + TKH_STEP);
	spot->nr = nr;
	spot->state = tkh_state(h, nr);
	spot->era = tkh_era(h, tkh_peek(spot->state->era));
	return !(tkh_peek(spot->state->flags) & TKH_SUSPENDED) &&
	       (s32)(tkh_peek(spot->state->era) - READ_ONCE(h->era_tail)) >= 0;
}

static __always_inline ktime_t tkh_spot_time(const struct tkh_spot *spot, clockid_t clock)
{
	if (clock == CLOCK_MONOTONIC_RAW)
		return tkh_peek(tkh_raw(spot->era, spot->pos));

	return tkh_peek(tkh_line(spot->state, spot->pos) + tkh_offset(&spot->era->offs, clock));
}

/* Nothing is evicted as long as there is no update */
static __always_inline bool tkh_valid(const struct tk_history *h, const struct tkh_view *view)
{
	/*
	 * Order tkh_look:B, tkh_look:C, tkh_look:D and what was read with spots
	 * before tkh_valid:A. Pairs with tkh_push_state:A, tkh_push_era:A and
	 * tkh_begin:A.
	 */
	smp_rmb();
	return READ_ONCE(h->head) == view->head;		/* LMM(tkh_valid:A) */
}

/* Find the state in force when counter @cs_id had the value @cycles */
static int tkh_lookup(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles,
		      struct tkh_hit *hit)
{
	unsigned long head;
	int ret;

	if (cs_id <= CSID_GENERIC || cs_id >= CSID_MAX)
		return -ENODEV;

	for (;;) {
		/* Order tkh_copy_state:A and tkh_copy_era:A after, pairs with tkh_end:A */
		head = smp_load_acquire(&h->head);		/* LMM(tkh_lookup:A) */
		if (head == (TKH_FIRST | TKH_EMPTY))
			return -ENODEV;

		/* There is no state yet, or nothing is certain while an installation begins */
		ret = head & TKH_EMPTY ? TKH_IN_FLIGHT :
		      tkh_try_lookup(h, head, cs_id, cycles, hit);

		if (ret == TKH_IN_FLIGHT) {
			/* The NMI might have hit the very update */
			if (in_nmi())
				return -EAGAIN;
			cpu_relax();
			continue;
		}

		if (!tkh_intact(h, hit))
			continue;
		/*
		 * Ordered as tkh_intact:A is. An update meanwhile may have ended
		 * the newest state, or have taken so long to come that a counter
		 * which wraps has been through all of its values.
		 */
		if (READ_ONCE(h->head) == head)			/* LMM(tkh_lookup:B) */
			return ret;
	}
}

/*
 * Conversion
 */

/* Share of a suspend's @sleep time at the position of @hit, in nanoseconds */
static s64 tkh_slept(const struct tkh_hit *hit, s64 sleep)
{
	u64 part = hit->pos - hit->state.from, all = hit->to + 1 - hit->state.from;

	if (sleep < 0)
		return -mul_u64_u64_div_u64(-sleep, part, all);
	return mul_u64_u64_div_u64(sleep, part, all);
}

static noinline ktime_t tkh_time_in_suspend(const struct tkh_hit *hit, clockid_t clock)
{
	const struct tkh_state *state = &hit->state;
	ktime_t offs = tkh_offset(&hit->era.offs, clock);

	/* The lines stand still */
	if (clock == CLOCK_MONOTONIC_RAW)
		return tkh_raw(&hit->era, state->from);

	offs += tkh_slept(hit, tkh_offset(&hit->next, clock) - offs);
	return min(tkh_line(state, state->from), hit->end) + offs;
}

static ktime_t tkh_time(const struct tkh_hit *hit, clockid_t clock)
{
	if (unlikely(hit->state.flags & TKH_SUSPENDED))
		return tkh_time_in_suspend(hit, clock);

	if (clock == CLOCK_MONOTONIC_RAW)
		return tkh_raw(&hit->era, hit->pos);
	return min(tkh_line(&hit->state, hit->pos), hit->end) + tkh_offset(&hit->era.offs, clock);
}

static u32 tkh_error(const struct tkh_hit *hit, clockid_t clock)
{
	/* Eras are exact in the long history, too */
	return clock == CLOCK_MONOTONIC_RAW ? 0 : hit->error_ns;
}

static int tkh_check_clock(clockid_t clock)
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

static noinline int tkh_convert_any(const struct tk_history *h, enum clocksource_ids cs_id,
				    u64 cycles, clockid_t clock, ktime_t *time, u32 *error_ns)
{
	struct tkh_hit hit __uninitialized;
	int ret;

	ret = tkh_check_clock(clock) ?: tkh_lookup(h, cs_id, cycles, &hit);
	if (ret)
		return ret;

	*time = tkh_time(&hit, clock);
	*error_ns = tkh_error(&hit, clock);
	return 0;
}

static __always_inline int __tkh_convert(const struct tk_history *h, enum clocksource_ids cs_id,
					 u64 cycles, clockid_t clock, ktime_t *time, u32 *error_ns)
{
	struct tkh_view view __uninitialized;
	struct tkh_spot spot __uninitialized;

	if (!tkh_check_clock(clock) && tkh_look(h, cs_id, &view) &&
	    tkh_find(h, &view, cycles, 0, &spot)) {
		ktime_t result = tkh_spot_time(&spot, clock);

		if (tkh_valid(h, &view)) {
			*time = result;
			*error_ns = 0;
			return 0;
		}
	}
	return tkh_convert_any(h, cs_id, cycles, clock, time, error_ns);
}

int tkh_convert(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles,
		clockid_t clock, ktime_t *time, u32 *error_ns)
{
	return __tkh_convert(h, cs_id, cycles, clock, time, error_ns);
}

int tkh_convert_all(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles,
		    struct ktime_conversion *conv)
{
	struct tkh_view view __uninitialized;
	struct tkh_spot spot __uninitialized;
	struct tkh_hit hit __uninitialized;
	int ret;

	if (tkh_look(h, cs_id, &view) && tkh_find(h, &view, cycles, 0, &spot)) {
		struct ktime_conversion got = {
			.mono			= tkh_spot_time(&spot, CLOCK_MONOTONIC),
			.boot			= tkh_spot_time(&spot, CLOCK_BOOTTIME),
			.real			= tkh_spot_time(&spot, CLOCK_REALTIME),
			.tai			= tkh_spot_time(&spot, CLOCK_TAI),
			.raw			= tkh_spot_time(&spot, CLOCK_MONOTONIC_RAW),
			.clock_was_set_seq	= tkh_peek(spot.era->clock_was_set_seq),
			.cs_was_changed_seq	= tkh_peek(spot.era->cs_was_changed_seq),
		};

		if (tkh_valid(h, &view)) {
			*conv = got;
			return 0;
		}
	}

	ret = tkh_lookup(h, cs_id, cycles, &hit);
	if (ret)
		return ret;

	*conv = (struct ktime_conversion) {
		.mono			= tkh_time(&hit, CLOCK_MONOTONIC),
		.boot			= tkh_time(&hit, CLOCK_BOOTTIME),
		.real			= tkh_time(&hit, CLOCK_REALTIME),
		.tai			= tkh_time(&hit, CLOCK_TAI),
		.raw			= tkh_time(&hit, CLOCK_MONOTONIC_RAW),
		.error_ns		= hit.error_ns,
		.clock_was_set_seq	= hit.era.clock_was_set_seq,
		.cs_was_changed_seq	= hit.era.cs_was_changed_seq,
	};
	if (hit.state.flags & TKH_SUSPENDED)
		conv->flags |= KTIME_CONVERSION_SUSPENDED;
	if (hit.error_ns)
		conv->flags |= KTIME_CONVERSION_LONG;
	return 0;
}

/**
 * struct tkh_piece - One clock, as long as a state is in force
 * @first:	First counter value
 * @len:	Number of counter values
 * @mask:	Mask of the counter
 * @cycles:	Cycles from the one that @nsec belongs to up to @first
 * @nsec:	Shifted nanoseconds
 * @base:	Time in nanoseconds on top of them
 * @mult:	Multiplier
 * @shift:	Shift of the multiplication
 */
struct tkh_piece {
	u64	first;
	u64	len;
	u64	mask;
	u64	cycles;
	u64	nsec;
	ktime_t	base;
	u32	mult;
	u32	shift;
};

static __always_inline bool tkh_in_piece(const struct tkh_piece *piece, u64 cycles)
{
	return ((cycles - piece->first) & piece->mask) < piece->len;
}

static __always_inline ktime_t tkh_piece_time(const struct tkh_piece *piece, u64 cycles)
{
	u64 delta = piece->cycles + ((cycles - piece->first) & piece->mask);

	return piece->base + mul_u64_u32_add_u64_shr(delta, piece->mult, piece->nsec,
						     piece->shift);
}

/* Copy what all values need that were read while the state of @spot was in force */
static void tkh_copy_piece(const struct tkh_view *view, const struct tkh_spot *spot,
			   clockid_t clock, struct tkh_piece *piece)
{
	const struct tkh_state *state = spot->state;
	const struct tkh_era *era = spot->era;
	u64 from = tkh_peek(state->from);

	/* After a whole lap of the counter its values are those of another state */
	piece->len = view->from + view->since - from > view->mask ? 0 : spot->to - from;
	piece->mask = view->mask;
	piece->first = from + 1 - tkh_peek(era->bias);
	if (clock == CLOCK_MONOTONIC_RAW) {
		piece->cycles = from + 1 - tkh_peek(era->raw_cycle_last);
		piece->nsec = tkh_peek(era->raw_xtime_nsec);
		piece->base = tkh_peek(era->raw_base);
		piece->mult = tkh_peek(era->raw_mult);
		piece->shift = tkh_peek(era->raw_shift);
	} else {
		piece->cycles = from + 1 - tkh_peek(state->cycle_last);
		piece->nsec = tkh_peek(state->xtime_nsec);
		piece->base = tkh_peek(state->base + tkh_offset(&era->offs, clock));
		piece->mult = tkh_peek(state->mult);
		piece->shift = tkh_peek(state->shift);
	}
}

/*
 * Each status is that of tkh_convert(). Values which the counter had before the
 * history was looked at do not need another look, until there is an update.
 */
void tkh_convert_batch(const struct tk_history *h, enum clocksource_ids cs_id, const u64 *cycles,
		       unsigned int nr, clockid_t clock, struct ktime_cycles_time *times)
{
	struct tkh_view view __uninitialized;
	struct tkh_spot spot __uninitialized;
	struct tkh_piece piece = { };
	unsigned long near = 0;
	bool valid = false;

	for (unsigned int i = 0; i < nr; i++) {
		struct ktime_cycles_time *out = &times[i];

		*out = (struct ktime_cycles_time) { };
		if (!tkh_in_piece(&piece, cycles[i])) {
			piece.len = 0;
			if (!valid)
				valid = tkh_look(h, cs_id, &view);
			if (valid && tkh_find(h, &view, cycles[i], near, &spot)) {
				tkh_copy_piece(&view, &spot, clock, &piece);
				near = spot.nr + TKH_STEP;
			}
			valid = valid && tkh_valid(h, &view);
			if (!valid)
				piece.len = 0;
		}
		if (piece.len) {
			out->time = tkh_piece_time(&piece, cycles[i]);
		} else {
			out->status = tkh_convert(h, cs_id, cycles[i], clock, &out->time,
						  &out->error_ns);
		}
	}
}

/* Find the oldest state or span from @low on whose era may be read, or @high */
static __always_inline unsigned long tkh_oldest(const struct tk_history *h,
						unsigned long low, unsigned long high,
						u32 (*era)(const struct tk_history *h,
							   unsigned long nr))
{
	u32 era_tail = READ_ONCE(h->era_tail);
	unsigned long mid;

	while ((long)(high - low) > 0) {
		mid = low + (high - low) / (2 * TKH_STEP) * TKH_STEP;
		if ((s32)(era(h, mid) - era_tail) < 0)
			low = mid + TKH_STEP;
		else
			high = mid;
	}
	return high;
}

/*
 * The oldest counter value of the clocksource that @era belongs to, above
 * position @from and not before era number @oldest, since the counter started
 * anew, or may have.
 */
static u64 tkh_oldest_cycles(const struct tk_history *h, struct tkh_era era, u64 from,
			     u32 oldest)
{
	u64 cycles = tkh_pos_to_cycles(&era, max(from + 1, era.first));
	enum clocksource_ids cs_id = era.cs_id;
	bool gap = false, resumed = false;

	/* The clocksource may have been installed more than once */
	while (!(era.flags & TKH_ANEW) && (s32)(era.prev - oldest) >= 0 &&
	       (s32)(era.prev - READ_ONCE(h->era_tail)) >= 0) {
		era = tkh_copy_era(h, era.prev);
		if (era.cs_id != cs_id) {
			gap = true;
			resumed |= era.flags & (TKH_RESUMED | TKH_ANEW);
			continue;
		}
		if (tkh_is_lost(&era, gap, resumed))
			break;
		cycles = tkh_pos_to_cycles(&era, max(from + 1, era.first));
	}
	return cycles;
}

/* Where the history begins, see tkh_get_ends() */
struct tkh_ends {
	unsigned long	state;
	unsigned long	span;
	struct tkh_open	open;
};

/*
 * Find the oldest state and the oldest span which may be read and check later
 * with tkh_intact() that they still may be. If there is no such span, then
 * tkh_open::to is 0. @head is the number after the newest state.
 */
static void tkh_get_ends(const struct tk_history *h, unsigned long head, struct tkh_hit *hit,
			 struct tkh_ends *ends)
{
	/* Pairs with tkh_push_state:A as tkh_try_lookup:A does */
	unsigned long tail = smp_load_acquire(&h->tail);
	u32 era;

	ends->state = tkh_oldest(h, tail, head - TKH_STEP, tkh_state_era);
	era = tkh_state_era(h, ends->state);

	ends->open = tkh_copy_open(h, tail);
	if ((s32)(ends->open.span.era - READ_ONCE(h->era_tail)) < 0)
		ends->open.to = 0;
	ends->span = ends->open.nr;
	if (ends->open.to) {
		ends->span = tkh_oldest(h, READ_ONCE(h->span_tail), ends->open.nr, tkh_span_era);
		era = ends->span == ends->open.nr ? ends->open.span.era :
						    tkh_span_era(h, ends->span);
	}
	/* If the newest state is evicted already, then let tkh_intact() fail */
	hit->oldest = (long)(head - TKH_STEP - tail) < 0 ? head - TKH_STEP : tail;
	hit->oldest_era = era;
	hit->oldest_span = ends->span;
	hit->closed = ends->span != ends->open.nr;
}

int tkh_get_info(const struct tk_history *h, struct ktime_history_info *info)
{
	struct ktime_history_info got;
	struct tkh_ends ends;
	struct tkh_hit hit;
	unsigned long head;

	do {
		/* Pairs with tkh_end:A as tkh_lookup:A does */
		head = smp_load_acquire(&h->head);
		if (tkh_none(head))
			return -ENODEV;

		head &= ~TKH_MARKS;
		tkh_get_ends(h, head, &hit, &ends);
		hit.state = tkh_copy_state(h, head - TKH_STEP);
		hit.era = tkh_copy_era(h, hit.state.era);

		got = (struct ktime_history_info) { .cs_id = hit.era.cs_id };
		if (got.cs_id == CSID_GENERIC)
			continue;

		got.freq_khz = hit.era.clock->freq_khz;
		got.newest = tkh_pos_to_cycles(&hit.era, tkh_now(&hit.state, &hit.era));
		got.oldest_exact = tkh_oldest_cycles(h, hit.era, tkh_state_from(h, ends.state),
						     tkh_state_era(h, ends.state));
		got.oldest = got.oldest_exact;
		if (ends.open.to) {
			got.oldest = tkh_oldest_cycles(h, hit.era, hit.closed ?
						       tkh_span_from(h, ends.span) :
						       ends.open.span.from, hit.oldest_era);
		}
	} while (!tkh_intact(h, &hit));

	*info = got;
	return 0;
}

/*
 * The core timekeeper
 */

/* A history with its memory. That of the core timekeeper is static. */
struct tkh_instance {
	struct tk_history	h;
	struct rcu_head		rcu;
	struct tkh_state	states[1 << CONFIG_TK_HISTORY_SHIFT];
	struct tkh_span		spans[1 << CONFIG_TK_HISTORY_SPAN_SHIFT];
	struct tkh_era		eras[TKH_NR_ERAS];
};

static struct tkh_instance tkh_core = {
	.h = TK_HISTORY_INIT(tkh_core.states, ARRAY_SIZE(tkh_core.states),
			     tkh_core.spans, ARRAY_SIZE(tkh_core.spans),
			     tkh_core.eras, ARRAY_SIZE(tkh_core.eras)),
};

/* Those of the auxiliary clocks come and go with them, NULL while disabled */
static struct tkh_instance __rcu *tkh_aux[MAX_AUX_CLOCKS];

static bool tkh_enabled __ro_after_init = true;

static int __init tkh_setup(char *str)
{
	return kstrtobool(str, &tkh_enabled);
}
early_param("tk_history", tkh_setup);

#ifdef CONFIG_POSIX_AUX_CLOCKS
/**
 * tk_history_enable_aux - Begin the history of an auxiliary clock
 * @id:	Number of the clock, starting at 0
 *
 * To be called before the clock is enabled, which is serialized by the caller.
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

	instance->h = (struct tk_history)
		TK_HISTORY_INIT(instance->states, ARRAY_SIZE(instance->states),
				instance->spans, ARRAY_SIZE(instance->spans),
				instance->eras, ARRAY_SIZE(instance->eras));
	rcu_assign_pointer(tkh_aux[id], instance);
	return 0;
}

/**
 * tk_history_disable_aux - End the history of an auxiliary clock
 * @id:	Number of the clock, starting at 0
 *
 * To be called after the clock was disabled, when there are no more updates.
 *
 * Context: Process context
 */
void tk_history_disable_aux(unsigned int id)
{
	struct tkh_instance *instance = rcu_replace_pointer(tkh_aux[id], NULL, true);

	if (instance)
		kvfree_rcu(instance, rcu);
}

/* The history of the timekeeper @tk, whose lock is held */
static struct tk_history *tkh_of(const struct timekeeper *tk)
{
	struct tkh_instance *instance = &tkh_core;

	if (unlikely(tk->id != TIMEKEEPER_CORE)) {
		/* That of an auxiliary clock neither comes nor goes while the clock is valid */
		if (!tk->clock_valid)
			return NULL;
		instance = rcu_dereference_protected(tkh_aux[tk->id - TIMEKEEPER_AUX_FIRST], true);
	}
	return instance && tkh_enabled ? &instance->h : NULL;
}
#else
/* There is one timekeeper, which is always valid */
static struct tk_history *tkh_of(const struct timekeeper *tk)
{
	return tkh_enabled ? &tkh_core.h : NULL;
}
#endif

/**
 * tk_history_prepare - Prepare to record an update of a timekeeper
 * @tk:		The timekeeper which is about to be published
 * @was_set:	timekeeper::clock_was_set_seq is about to change
 *
 * To be called before tk_history_begin() with the lock of @tk held. Nothing that
 * readers use may change in @tk from here on, but for that number.
 *
 * Sets timekeeper::history to the history which has to record the update, if it
 * does not only continue what is in force already.
 */
void tk_history_prepare(struct timekeeper *tk, bool was_set)
{
	struct tk_history *h = tkh_of(tk);
	/* Auxiliary clocks do not know about suspend, and go on with the counter */
	bool suspended = timekeeping_suspended && h == &tkh_core.h;

	tk->history = h && __tkh_prepare(h, tk, suspended, was_set) ? h : NULL;
}

/* The history of @clock, if there is one at this moment. For RCU readers. */
static const struct tk_history *tkh_get(clockid_t clock)
{
	struct tkh_instance *instance = &tkh_core;

	if (clock >= CLOCK_AUX && clock <= CLOCK_AUX_LAST)
		instance = rcu_dereference(tkh_aux[array_index_nospec(clock - CLOCK_AUX,
								      MAX_AUX_CLOCKS)]);

	return instance && tkh_enabled ? &instance->h : NULL;
}

/* tkh_convert() with the history of @clock */
static int tkh_convert_clock(enum clocksource_ids cs_id, u64 cycles, clockid_t clock,
			     ktime_t *time, u32 *error_ns)
{
	const struct tk_history *h;

	guard(rcu)();
	h = tkh_get(clock);
	return h ? tkh_convert(h, cs_id, cycles, clock, time, error_ns) : -ENODEV;
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
 * Return: 0 or the error of ktime_convert_cycles()
 */
int tk_history_convert(enum clocksource_ids cs_id, u64 cycles, clockid_t clock,
		       ktime_t *systime, ktime_t *monoraw)
{
	struct tkh_view view __uninitialized;
	struct tkh_spot spot __uninitialized;
	struct tkh_hit hit __uninitialized;
	const struct tk_history *h;
	int ret;

	ret = tkh_check_clock(clock);
	if (ret)
		return ret;

	guard(rcu)();
	h = tkh_get(clock);
	if (!h)
		return -ENODEV;

	if (tkh_look(h, cs_id, &view) && tkh_find(h, &view, cycles, 0, &spot)) {
		ktime_t time = tkh_spot_time(&spot, clock);
		ktime_t raw = tkh_spot_time(&spot, CLOCK_MONOTONIC_RAW);

		if (tkh_valid(h, &view)) {
			*systime = time;
			*monoraw = raw;
			return 0;
		}
	}

	ret = tkh_lookup(h, cs_id, cycles, &hit);
	if (ret)
		return ret;

	*systime = tkh_time(&hit, clock);
	*monoraw = tkh_time(&hit, CLOCK_MONOTONIC_RAW);
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
 * The time is bit for bit the one that a reader of @clock was told when it got
 * @cycles from the counter, no matter how often the clock has been slewed or
 * set since then. What has left the exact history is up to 1 ns later than that.
 * While the system was suspended CLOCK_MONOTONIC and CLOCK_MONOTONIC_RAW stood
 * still and the other clocks are interpolated. ktime_convert_cycles_all() tells
 * whether one of that is so.
 *
 * A counter of less than 64 bits wraps. Then @cycles is taken as the nearest
 * such value at or before now.
 *
 * Context: Any, NMI included. Takes no lock. Waits while an update of the
 *	    timekeeper is in flight on another CPU and @cycles is in the
 *	    interval which it is about to end, or the clocksource is about to
 *	    change, as ktime_get() does for every update. Like ktime_get(), not
 *	    to be called from within the update.
 *	    In NMI it does not wait, but fails with -EAGAIN. The cost is a
 *	    counter read, or two when the value is not in the exact history and
 *	    three when it is ahead of the counter, and a search in O(log n) of
 *	    the history's size which mostly takes one step. At most 64
 *	    clocksources of earlier times are gone through before.
 *
 * Return:
 * * 0 - @time has been stored.
 * * -EINVAL - @clock is none of the above.
 * * -ENODEV - @cs_id is CSID_GENERIC or a counter which the kernel cannot
 *   relate to a clocksource in its history, @clock is an auxiliary clock which
 *   is not enabled, or there is no history because of "tk_history=off".
 * * -ERANGE - @cycles is older than the history. Asking again is no use.
 * * -ENODATA - The clocksource was not the timekeeper's at that counter value,
 *   or may have had it once more since then while nobody recorded it.
 * * -EAGAIN - @cycles has not been reached yet or, in NMI only, an update of
 *   just this interval is in flight, or one that changes the clocksource.
 * * -EOPNOTSUPP - The kernel was built without TK_HISTORY.
 */
int ktime_convert_cycles(enum clocksource_ids cs_id, u64 cycles, clockid_t clock, ktime_t *time)
{
	u32 error_ns;

	/* Most often it is a clock of the core timekeeper, which needs no RCU */
	if (clock < CLOCK_AUX || clock > CLOCK_AUX_LAST)
		return __tkh_convert(&tkh_core.h, cs_id, cycles, clock, time, &error_ns);
	return tkh_convert_clock(cs_id, cycles, clock, time, &error_ns);
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
 * Return: 0 or the error of ktime_convert_cycles()
 */
int ktime_convert_cycles_all(enum clocksource_ids cs_id, u64 cycles,
			     struct ktime_conversion *conv)
{
	return tkh_convert_all(&tkh_core.h, cs_id, cycles, conv);
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
 * state in force are the cheapest ones, so it pays to have them sorted. Where
 * the result depends on the present time, as that of a counter which wraps, it
 * is the one of some moment during the call.
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
 * By the time that the caller looks at the result it may be outdated. What is told
 * to be oldest is not from before the counter started anew, or may have.
 *
 * Context: Any, NMI included. Takes no lock.
 * Return:
 * * 0 - @info has been stored. All of it is 0 if the clocksource is one with
 *   CSID_GENERIC.
 * * -ENODEV - There is no history because of "tk_history=off", or no update has
 *   been recorded yet.
 * * -EOPNOTSUPP - The kernel was built without TK_HISTORY.
 */
int ktime_history_get_info(struct ktime_history_info *info)
{
	return tkh_get_info(&tkh_core.h, info);
}
EXPORT_SYMBOL_GPL(ktime_history_get_info);

#ifdef CONFIG_DEBUG_FS

static void tkh_show_era(struct seq_file *m, u32 nr, const struct tkh_era *era)
{
	/* An old era's clocksource may be gone, and its name with it */
	seq_printf(m, "era %u: counter %d%s, mask 0x%llx, installed at 0x%llx\n", nr,
		   era->cs_id, era->cs_id == CSID_GENERIC ? ", not recorded" : "",
		   era->mask, tkh_pos_to_cycles(era, era->first));
	seq_printf(m, "  raw mult %u shift %u\n", era->raw_mult, era->raw_shift);
	if (era->base_id != CSID_GENERIC) {
		seq_printf(m, "  base clock %d times %u/%u plus %llu cycles\n", era->base_id,
			   era->base_num, era->base_den, era->base_offset);
	}
	seq_printf(m, "  offsets in ns: real %lld boot %lld tai %lld, clock was set %u\n",
		   era->offs.real, era->offs.boot, era->offs.tai, era->clock_was_set_seq);
}

/* One line of the history, below the era that it belongs to */
static void tkh_show_piece(struct seq_file *m, const struct tkh_era *era, u32 nr, u32 *shown,
			   u64 from, ktime_t mono, u64 slope, bool suspended)
{
	if (nr != *shown)
		tkh_show_era(m, nr, era);
	*shown = nr;

	seq_printf(m, "  from 0x%llx: mono %lld ns, mult %llu", tkh_pos_to_cycles(era, from + 1),
		   mono, slope >> 32);
	if (slope & U32_MAX)
		seq_printf(m, " + 0x%llx / 2^32", slope & U32_MAX);
	seq_printf(m, " shift %u%s\n", era->raw_shift, suspended ? ", suspended" : "");
}

static void tkh_show_spans(struct seq_file *m, const struct tk_history *h,
			   const struct tkh_ends *ends, u32 *shown)
{
	unsigned long nr;

	seq_printf(m, "long history, %u ns: %lu of %u spans\n", TKH_ERROR_NS,
		   (ends->open.nr - ends->span) / TKH_STEP, h->nr_spans);

	for (nr = ends->span; (long)(ends->open.nr - nr) >= 0; nr += TKH_STEP) {
		struct tkh_hit hit = { .closed = nr != ends->open.nr, .oldest_span = nr };
		struct tkh_span span = ends->open.span;

		if (hit.closed)
			span = tkh_copy_span(h, nr);
		hit.era = tkh_copy_era(h, span.era);
		/* The open span is a copy already */
		hit.oldest = READ_ONCE(h->tail);
		hit.oldest_era = span.era;
		if (!tkh_intact(h, &hit))
			continue;

		tkh_show_piece(m, &hit.era, span.era, shown, span.from, span.base, span.slope,
			       !span.slope);
	}
}

static void tkh_show_states(struct seq_file *m, const struct tk_history *h,
			    const struct tkh_ends *ends, unsigned long head, u32 *shown)
{
	unsigned long nr;

	seq_printf(m, "exact history: %lu of %u states\n", (head - ends->state) / TKH_STEP,
		   h->nr_states);

	for (nr = ends->state; (long)(head - nr) > 0; nr += TKH_STEP) {
		struct tkh_hit hit = { .oldest = nr };
		struct tkh_state state;

		state = tkh_copy_state(h, nr);
		hit.era = tkh_copy_era(h, state.era);
		hit.oldest_era = state.era;
		if (!tkh_intact(h, &hit))
			continue;

		tkh_show_piece(m, &hit.era, state.era, shown, state.from,
			       tkh_state_mono(&state, state.from + 1),
			       (u64)state.mult << 32, state.flags & TKH_SUSPENDED);
	}
}

/* The history as a person would read it, oldest first */
static void tkh_show(struct seq_file *m, const struct tk_history *h)
{
	struct tkh_ends ends;
	struct tkh_hit hit;
	unsigned long head;
	u32 shown;

	do {
		/* Pairs with tkh_end:A as tkh_lookup:A does */
		head = smp_load_acquire(&h->head);
		if (tkh_none(head)) {
			seq_puts(m, "off\n");
			return;
		}

		head &= ~TKH_MARKS;
		tkh_get_ends(h, head, &hit, &ends);
	} while (!tkh_intact(h, &hit));

	/* No era which is shown has this number */
	shown = hit.oldest_era - 1;
	if (ends.open.to)
		tkh_show_spans(m, h, &ends, &shown);
	tkh_show_states(m, h, &ends, head, &shown);
}

static int tkh_debug_show(struct seq_file *m, void *v)
{
	tkh_show(m, &tkh_core.h);

	guard(rcu)();
	for (unsigned int id = 0; id < MAX_AUX_CLOCKS; id++) {
		struct tkh_instance *instance = rcu_dereference(tkh_aux[id]);

		if (instance) {
			seq_printf(m, "\nauxiliary clock %u\n", id);
			tkh_show(m, &instance->h);
		}
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(tkh_debug);

static int __init tkh_debug_init(void)
{
	debugfs_create_file("history", 0400, debugfs_create_dir("timekeeping", NULL), NULL,
			    &tkh_debug_fops);
	return 0;
}
late_initcall(tkh_debug_init);

#endif /* CONFIG_DEBUG_FS */
