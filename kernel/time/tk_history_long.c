// SPDX-License-Identifier: GPL-2.0
/*
 * Entries of the timekeeping history: exact ones, and merged ones with a bound
 *
 * Pure arithmetic. Callers serialize changes, and repeat a lookup that raced with one.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/overflow.h>

#include "tk_history_internal.h"

/**
 * DOC: Long history
 *
 * CLOCK_MONOTONIC is kept as a chain of straight pieces, the *entries*. What
 * readers used is an exact entry. The entries live in *levels*, a ring each. When
 * a ring is full, its oldest entry leaves it and becomes part of the next level::
 *
 *    level 2              level 1             level 0
 *    | ring | open | <--- | ring | open | <--- | ring | <--- tkh_entries_push()
 *    older                                      newer
 *
 * Level 0 is exact. Each further level has a bound, which grows from level to
 * level. The entries that enter a level are merged, as a rule at least TKH_MERGE of
 * them into one, if one straight line is within the bound of the level for all of
 * them. Otherwise an entry moves on as it is, with the bound that it has. The
 * *open* entry of a level is the one which the next entry may become part of.
 *
 * An entry ends where the next one in the chain begins, whatever level that is
 * in. What is told at a position of an entry with a bound is the entry's time
 * there, but not more than the base of the next entry, unless that one is
 * TKH_BROKEN.
 *
 * Let T be the line of the clock and R that of an entry, as real numbers in
 * shifted nanoseconds, and let E be the bound of the entry. Then
 *
 * (B)  T <= R <= T + E at all positions of the entry.
 *
 * Hence the time is never early, and late by at most the bound, also after both
 * have been rounded down to nanoseconds. An entry which moves on as it is keeps
 * (B). If a line is merged from entries P which have a bound of their own, then
 * R_P <= R <= R_P + (E - E_P) is required of each of them, and (B) follows from
 * that and from (B) for P. Both are lines, so it is enough to check the first and
 * the last position of P. tkh_narrow() does, with the lines rounded down, and one
 * unit of margin for what that loses.
 *
 * (S)  The bases of the entries do not decrease along the chain, but where an
 *      entry is TKH_BROKEN.
 *
 * An entry is TKH_BROKEN if the clock stepped back where it begins. That happens when
 * an update slows the clock down: readers followed the faster line from cycle_last to
 * the switch. Unless the clock stepped back, a larger position never gets an earlier
 * time: within an entry the time grows, and it is capped at the base of the next. The cap
 * keeps (B), as the base of the next entry is not below the time of the clock
 * before it. Two places have to care for (S). A merged entry begins above the first
 * one of its parts, but not by so much that its base gets above that of the second
 * one, as the first may be over before the clock gets there. And an entry goes on
 * over a step back only after the clock has made up for it.
 *
 * An entry that has gone on over a step back ends with a cap which might be below the
 * time of the clock before the step. tkh_extend() refuses that: the base of the next
 * entry is not below the time of the open one where the step is, hence not below the
 * clock there, nor below anything that was told before.
 *
 * What is told for a position never decreases in the course of time either. While
 * an entry is open, it has the lowest slope of all that are within the bounds. The
 * slope only ever rises, and whoever merges it goes above it. The cap is the base of the
 * next entry, which only ever rises as well, when that one is merged in its turn.
 *
 * A merged entry is begun in the middle of all lines which are parallel to the
 * chord over the next TKH_MERGE entries and within the bound, as these are known
 * already. That leaves most room for those that follow. From then on, all slopes
 * which keep within the bounds make a cone. Each entry narrows it, until nothing is
 * left.
 */

/* What is out of the range in which differences are known */
#define TKH_FAR		BIT_ULL(62)

static u64 tkh_entry_frac(const struct tkh_entry *entry, u64 pos)
{
	u64 cycles = pos - entry->first;

	return (entry->frac + mul_u64_u32_shr(cycles, (u32)entry->slope, 32) +
		cycles * (entry->slope >> 32)) & (BIT_ULL(entry->shift) - 1);
}

/*
 * Shifted nanoseconds of @entry with the slope @slope above @part at @pos, both
 * rounded down before. TKH_FAR if it is too far above, -TKH_FAR if below.
 */
static s64 tkh_height(const struct tkh_entry *entry, u64 slope, const struct tkh_entry *part,
		      u64 pos)
{
	struct tkh_entry line = *entry;
	s64 ns;

	line.slope = slope;
	if (fls64(pos - line.first) + fls64(slope >> 32) > 62 + line.shift)
		return TKH_FAR;

	ns = tkh_entry_time(&line, pos) - tkh_entry_time(part, pos);
	if (abs(ns) >> (60 - line.shift))
		return ns < 0 ? -TKH_FAR : TKH_FAR;
	return ns * (1LL << line.shift) + (s64)(tkh_entry_frac(&line, pos) -
						tkh_entry_frac(part, pos));
}

static bool tkh_is_far(s64 height)
{
	return abs(height) == TKH_FAR;
}

/*
 * The slope which gains @time shifted nanoseconds in @cycles: not less than that if @up,
 * otherwise not more, and off by about 2^-29 of it and two units at most. One division of
 * 64 by 32 bits. Saturates at U64_MAX, which is more than any slope can change by.
 */
static u64 tkh_slope(u64 time, u64 cycles, bool up)
{
	int time_shift = min(64 - fls64(time), 32), cycles_shift = max(fls64(cycles) - 31, 0);
	int left = 32 - time_shift - cycles_shift;
	u32 divisor = cycles >> cycles_shift;
	u64 slope;

	if (!up && cycles_shift)
		divisor++;
	slope = div_u64(time << time_shift, divisor) + up;
	if (left < 0)
		return (slope >> -left) + up;
	return fls64(slope) + left > 64 ? U64_MAX : slope << left;
}

/*
 * Narrow the cone from @low to @high so that at @pos its lines are not below @part, nor
 * more than @width above it. The height is rounded down, which takes one unit of margin.
 * Below, none is needed at the first position of @part, where @part is an integer.
 */
static bool tkh_narrow(const struct tkh_entry *open, const struct tkh_entry *part, u64 pos,
		       s64 width, u64 *low, u64 *high)
{
	s64 gap = tkh_height(open, *low, part, pos);
	s64 least = pos != part->first, most = width - 1;
	u64 cycles = pos - open->first, rise, room;

	if (tkh_is_far(gap) || gap > most)
		return false;

	rise = gap < least ? tkh_slope(least - gap, cycles, true) : 0;
	room = min(*high - *low, tkh_slope(most - gap, cycles, false));
	if (rise > room)
		return false;

	*high = *low + room;
	*low += rise;
	return true;
}

/* By how many shifted nanoseconds an entry with the bound @error may be above @part */
static s64 tkh_width(const struct tkh_entry *part, u8 error)
{
	return (s64)(tkh_error_ns(error) - tkh_error_ns(part->error)) << part->shift;
}

/* Extend the open entry of @level by @part, which lasts until @next begins */
static bool tkh_extend(struct tkh_level *level, const struct tkh_entry *part,
		       const struct tkh_entry *next)
{
	struct tkh_entry *open = &level->open;
	u64 low = open->slope, high = level->high, last = next->first - 1;
	s64 width;

	if (!part->slope || part->flags & TKH_INSTALLED)
		return false;

	/* The base of @next must not cap what the clock was before it stepped back */
	if (part->flags & TKH_BROKEN && !(next->flags & TKH_BROKEN) &&
	    tkh_entry_time(open, part->first - 1) > next->base)
		return false;

	width = tkh_width(part, open->error);
	if (!tkh_narrow(open, part, part->first, width, &low, &high) ||
	    (last != part->first && !tkh_narrow(open, part, last, width, &low, &high)))
		return false;

	open->slope = low;
	level->high = high;
	return true;
}

/* True if the TKH_MERGE oldest entries of @from may be parts of one */
static bool tkh_may_merge(const struct tkh_level *from)
{
	if (from->head - from->tail <= TKH_MERGE)
		return false;

	for (unsigned int i = 0; i < TKH_MERGE; i++) {
		const struct tkh_entry *part = tkh_entry_at(from, from->tail + i);

		if (!part->slope || (i && part->flags & TKH_INSTALLED))
			return false;
	}
	return true;
}

/*
 * Where to begin the line over the TKH_MERGE oldest entries of @from, in shifted
 * nanoseconds above the first one of them, or -1 if they do not fit in @width.
 *
 * Let C be the chord from the beginning of the first one to the end of the last one. No
 * corner is more than @above above C. @below is the height of the lowest one, 0 or less.
 * Lines which are parallel to C and within the bound begin between @above and
 * @width + @below above the first entry.
 *
 * This only finds a good line. tkh_extend() sees to it that lines are correct.
 */
static s64 tkh_lift(const struct tkh_level *from, s64 width)
{
	const struct tkh_entry *first = tkh_entry_at(from, from->tail);
	const struct tkh_entry *second = tkh_entry_at(from, from->tail + 1);
	const struct tkh_entry *last = tkh_entry_at(from, from->tail + TKH_MERGE - 1);
	u64 end = tkh_entry_at(from, from->tail + TKH_MERGE)->first - 1, len;
	s64 rise, above = 0, below = 0;

	/*
	 * Most often it is the first two already which do not fit. A line over two
	 * pieces of n cycles misses their corner by n / 2 times the change of slope.
	 */
	len = min(second->first - first->first,
		  tkh_entry_at(from, from->tail + 2)->first - second->first);
	if (mul_u64_u64_shr(abs_diff(first->slope, second->slope), len - 1, 33) > width)
		return -1;

	/* All heights are over the line of the first one, which makes them small */
	rise = -tkh_height(first, first->slope, last, end);
	if (tkh_is_far(rise))
		return -1;

	for (unsigned int i = 1; i < TKH_MERGE; i++) {
		const struct tkh_entry *part = tkh_entry_at(from, from->tail + i);
		s64 corner = -tkh_height(first, first->slope, part, part->first);
		u64 share = tkh_slope(part->first - first->first, end - first->first, false);
		s64 chord = mul_u64_u64_shr(abs(rise), share, 32);

		if (tkh_is_far(corner))
			return -1;
		corner -= rise < 0 ? -chord : chord;
		above = max(above, corner);
		below = min(below, corner);
	}
	return above - below > width ? -1 : (above + below + width) / 2;
}

/* Begin to merge the oldest entry of @from with those that follow it there */
static bool tkh_begin(struct tkh_level *level, const struct tkh_level *from)
{
	const struct tkh_entry *part = tkh_entry_at(from, from->tail);
	const struct tkh_entry *next = tkh_entry_at(from, from->tail + 1);
	u64 len = next->first - 1 - part->first, change;
	struct tkh_entry *open = &level->open;
	s64 width, lift, until_next;

	if (!tkh_may_merge(from))
		return false;

	width = tkh_width(part, level->error);
	lift = tkh_lift(from, width);
	if (lift < 0)
		return false;

	/* The base must not get above that of the next entry, see (S) */
	until_next = next->base - part->base;
	if (!(next->flags & TKH_BROKEN) && until_next >> (60 - part->shift) == 0)
		lift = min(lift, ((until_next + 1) << part->shift) - 1 - part->frac);

	*open = *part;
	open->error = level->error;
	open->base += (lift + part->frac) >> part->shift;
	open->frac = (lift + part->frac) & (BIT_ULL(part->shift) - 1);

	/* All slopes with which the line is within the bound at the end of the first part */
	open->slope = 1;
	level->high = U64_MAX;
	if (len) {
		change = tkh_slope(lift, len, false);
		if (change < part->slope)
			open->slope = part->slope - change;
		change = tkh_slope(width - lift, len, false);
		if (check_add_overflow(part->slope, change, &level->high))
			level->high = U64_MAX;
	}
	return true;
}

/*
 * Make the oldest entry of @from, which is about to leave its ring, part of @level.
 * Return true if @closed has to be stored in the ring of @level now.
 */
static bool tkh_fold(struct tkh_level *level, const struct tkh_level *from,
		     struct tkh_entry *closed)
{
	const struct tkh_entry *part = tkh_entry_at(from, from->tail);
	const struct tkh_entry *next = tkh_entry_at(from, from->tail + 1);
	bool had_open = level->has_open;

	if (had_open && level->merging && tkh_extend(level, part, next))
		return false;

	*closed = level->open;
	level->has_open = true;
	level->merging = tkh_begin(level, from);
	if (!level->merging)
		level->open = *part;
	return had_open;
}

/**
 * tkh_entries_init - Set up levels without entries
 * @entries:	The levels
 * @sizes:	Size and bound of each level. Level 0 has at least 4 entries.
 * @nr_levels:	Number of levels, at most TKH_MAX_LEVELS
 * @rings:	Memory for the entries of all levels
 */
void tkh_entries_init(struct tkh_entries *entries, const struct tkh_level_size *sizes,
		      unsigned int nr_levels, struct tkh_entry *rings)
{
	*entries = (struct tkh_entries) { .nr_levels = nr_levels };
	for (unsigned int i = 0; i < nr_levels; i++) {
		entries->level[i] = (struct tkh_level) {
			.ring	= rings,
			.size	= sizes[i].size,
			.head	= TKH_FIRST,
			.tail	= TKH_FIRST,
			.error	= sizes[i].error,
		};
		rings += sizes[i].size;
	}
}

/**
 * tkh_entries_make_room - Make room for one more exact entry
 * @entries:	The levels
 *
 * Each level takes over at most one entry, and stores at most one in its ring.
 * The last level drops its oldest entry when it is full.
 */
void tkh_entries_make_room(struct tkh_entries *entries)
{
	struct tkh_entry moving, closed;
	bool moves = false;

	for (unsigned int i = 0; i < entries->nr_levels; i++) {
		struct tkh_level *level = &entries->level[i];
		bool closes = false;

		if (level->head - level->tail == level->size) {
			if (i + 1 < entries->nr_levels)
				closes = tkh_fold(level + 1, level, &closed);
			level->tail++;
		}
		if (moves)
			*tkh_entry_at(level, level->head++) = moving;
		if (!closes)
			return;
		moving = closed;
		moves = true;
	}
}

/**
 * tkh_entries_push - Append an exact entry
 * @entries:	The levels, after tkh_entries_make_room()
 * @entry:	The entry. Its first position is not before that of the newest one.
 *
 * An entry that was in force for no position is replaced.
 */
void tkh_entries_push(struct tkh_entries *entries, struct tkh_entry entry)
{
	struct tkh_level *level = &entries->level[0];
	const struct tkh_entry *last;

	if (level->head != level->tail) {
		last = tkh_entry_at(level, level->head - 1);
		if (last->first == entry.first) {
			entry.flags |= last->flags & TKH_INSTALLED;
			level->head--;
		}
	}
	if (level->head != level->tail) {
		ktime_t back;

		last = tkh_entry_at(level, level->head - 1);
		back = tkh_entry_time(last, entry.first - 1) - entry.base;
		if (back > 0) {
			entry.flags |= TKH_BROKEN;
			entries->back = max(entries->back, back);
		}
		entries->disorder = max(entries->disorder, entries->latest - entry.base);
		entries->latest = max(entries->latest, entry.base);
	} else {
		entries->latest = entry.base;
	}
	*tkh_entry_at(level, level->head++) = entry;
}

static __always_inline bool tkh_has_begun(const struct tkh_entry *entry, u64 key, bool by_time)
{
	return by_time ? (s64)key >= entry->base : key >= entry->first;
}

/* Find the newest entry which has begun at a position, or by time. Store its level's number. */
static __always_inline const struct tkh_entry *tkh_search(const struct tkh_entries *entries,
							  u64 key, bool by_time,
							  const struct tkh_entry **next,
							  unsigned int *in)
{
	const struct tkh_entry *newer = NULL;

	for (unsigned int i = 0; i < entries->nr_levels; i++) {
		const struct tkh_level *level = &entries->level[i];
		unsigned int low = READ_ONCE(level->tail), nr = READ_ONCE(level->head) - low, last;

		*in = i;
		if (level->has_open) {
			if (tkh_has_begun(&level->open, key, by_time)) {
				*next = newer;
				return &level->open;
			}
			newer = &level->open;
		}
		if (!nr)
			continue;
		if (!tkh_has_begun(tkh_entry_at(level, low), key, by_time)) {
			newer = tkh_entry_at(level, low);
			continue;
		}

		/* The one to be found is one of @nr from number @low on */
		for (last = low + nr - 1; nr > 1; nr -= nr / 2) {
			if (tkh_has_begun(tkh_entry_at(level, low + nr / 2), key, by_time))
				low += nr / 2;
		}
		*next = low == last ? newer : tkh_entry_at(level, low + 1);
		return tkh_entry_at(level, low);
	}
	return NULL;
}

/**
 * tkh_entries_find - Find the entry at a position
 * @entries:	The levels
 * @pos:	The position
 * @next:	Where to store the entry after it, NULL if it is the newest one
 *
 * In a read section that is going to be retried, the result may be any entry, but it
 * always points into the levels, and the search takes 32 steps per level at most.
 *
 * Return: The entry, or NULL if @pos is before the oldest one
 */
const struct tkh_entry *tkh_entries_find(const struct tkh_entries *entries, u64 pos,
					 const struct tkh_entry **next)
{
	unsigned int in;

	return tkh_search(entries, pos, false, next, &in);
}

/**
 * tkh_entries_find_time - Find an entry which begins with a time or before it
 * @entries:	The levels
 * @time:	The time in nanoseconds
 * @next:	Where to store the entry after it, which begins later, NULL if it is the
 *		newest one
 * @error:	Where to store the largest bound that this entry and all newer ones may
 *		have, as tkh_entry::error
 *
 * All exact entries before this one begin at most tkh_entries::disorder later than @time,
 * and all after it begin later than @time minus that.
 *
 * Return: As tkh_entries_find()
 */
const struct tkh_entry *tkh_entries_find_time(const struct tkh_entries *entries, ktime_t time,
					      const struct tkh_entry **next, u8 *error)
{
	const struct tkh_entry *entry;
	unsigned int in = 0;

	entry = tkh_search(entries, time, true, next, &in);
	*error = entries->level[in].error;
	return entry;
}

/**
 * tkh_entries_oldest - Find where the oldest entry up to some level begins
 * @entries:	The levels
 * @level:	The number of the level
 * @pos:	Where to store the first position of the entry
 *
 * Return: false if there is no entry
 */
bool tkh_entries_oldest(const struct tkh_entries *entries, unsigned int level, u64 *pos)
{
	bool found = false;

	for (unsigned int i = 0; i <= level; i++) {
		const struct tkh_level *l = &entries->level[i];

		if (l->head != l->tail)
			*pos = tkh_entry_at(l, l->tail)->first;
		else if (l->has_open)
			*pos = l->open.first;
		else
			continue;
		found = true;
	}
	return found;
}
