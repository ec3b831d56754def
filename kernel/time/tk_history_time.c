// SPDX-License-Identifier: GPL-2.0
/*
 * The time of past times of another clock
 */
#include <linux/clocksource.h>
#include <linux/export.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/sched_clock.h>
#include <linux/seqlock.h>
#include <linux/time.h>
#include <linux/timekeeper_internal.h>

#include "timekeeping_internal.h"
#include "tk_history_internal.h"

/**
 * DOC: From the time of a clock
 *
 * CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI and auxiliary clocks are CLOCK_MONOTONIC, of
 * their timekeeper, and an offset. The offsets change where an installation or a wall
 * begins. So these divide the history into *parts*, and both have the time of
 * CLOCK_MONOTONIC at which they begin. A part is where a clock had a time if the time less
 * the clock's offset is in there. Then the other clocks are known by their own offsets,
 * exactly, however old it is. No entry is needed for that::
 *
 *   CLOCK_MONOTONIC  0         10         20         30         40 now
 *   parts            |    P1    |    P2    |    P3    |    P4    |
 *   CLOCK_REALTIME   100    109 | 150  159 | 155  164 | 165  175
 *
 * The parts are asked one after the other, the newest one first. CLOCK_REALTIME had 156
 * twice: in P3, which is told, and in P2, so that it is flagged. It never had 120. If P2
 * began when the system resumed from a suspend, it had 120 while nobody read a clock.
 *
 * Readers on both sides may have got the time with which a part begins, or some later ones
 * if CLOCK_MONOTONIC stepped back there. The part knows how many. In that zone both parts are
 * found.
 *
 * CLOCK_MONOTONIC_RAW and counters have lines of their own, and so have auxiliary clocks
 * and those of the core timekeeper, seen from each other. To get from one to the other
 * takes the position. Usually it is not known to the cycle, as several counter values have
 * the same nanosecond, and as CLOCK_MONOTONIC is not known exactly in the long history. So it
 * is a range of positions, and the bound of the error is what the clock that is asked for
 * gained in it.
 */

/**
 * struct tkh_part - A part of the history in which no offset changes
 * @inst:	Number of the installation
 * @wall:	Number of the wall
 * @insts:	Number of older installations
 * @walls:	Number of older walls
 * @mono:	CLOCK_MONOTONIC where the part begins
 * @zone:	So many nanoseconds from there on may be of the part before as well
 */
struct tkh_part {
	unsigned int	inst;
	unsigned int	wall;
	unsigned int	insts;
	unsigned int	walls;
	ktime_t		mono;
	ktime_t		zone;
};

/**
 * struct tkh_stamp - Where a clock had a time
 * @part:	The part. That after the suspend, if @flags has KTIME_CONVERSION_SUSPENDED.
 * @before:	The part before the suspend then
 * @last:	CLOCK_MONOTONIC up to here is known to belong to @part, and to no newer one
 * @mono:	CLOCK_MONOTONIC
 * @ahead:	How far before the end of the suspend the time was
 * @flags:	KTIME_CONVERSION_*
 */
struct tkh_stamp {
	struct tkh_part	part;
	struct tkh_part	before;
	ktime_t		last;
	ktime_t		mono;
	ktime_t		ahead;
	u32		flags;
};

/**
 * struct tkh_range - The positions at which a clock may have had a time
 * @first:	The first one
 * @last:	The last one
 * @until:	The last one at which it is not known to have been later
 * @error:	Bound of the error of CLOCK_MONOTONIC there, in nanoseconds
 */
struct tkh_range {
	u64	first;
	u64	last;
	u64	until;
	u32	error;
};

/**
 * struct tkh_stretch - Times of a clock which another clock follows at a distance
 * @first:	The first one in nanoseconds
 * @last:	The last one. What is past does not change, so this stays true.
 * @offs:	What to add
 */
struct tkh_stretch {
	ktime_t	first;
	ktime_t	last;
	ktime_t	offs;
};

/* Entries that are shorter than a nanosecond, or that the clock stepped back in, in a row */
#define TKH_MAX_STEPS	64

/* A counter value */
struct tkh_count {
	enum clocksource_ids	cs_id;
	u64			cycles;
};

static u32 tkh_bound(ktime_t error)
{
	return min_t(u64, abs(error), U32_MAX);
}

static bool tkh_is_settable(clockid_t clock)
{
	return clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME;
}

static __always_inline const struct tkh_installation *tkh_part_inst(const struct tk_history *h,
								    const struct tkh_part *part)
{
	return tkh_inst(h, part->inst);
}

static __always_inline ktime_t tkh_part_offset(const struct tk_history *h,
					       const struct tkh_part *part, clockid_t clock)
{
	return tkh_offset(tkh_part_inst(h, part), tkh_wall(h, part->wall), clock);
}

/* So many nanoseconds are on both sides, see tkh_wall::overlap */
static __always_inline ktime_t tkh_zone(u8 overlap)
{
	return BIT_ULL(overlap) - 1;
}

/* Find out where the part begins. Without @walls, only installations divide it. */
static __always_inline void tkh_begin_part(const struct tk_history *h, struct tkh_part *part,
					   bool walls)
{
	const struct tkh_installation *inst = tkh_part_inst(h, part);
	const struct tkh_wall *wall = tkh_wall(h, part->wall);

	u8 overlap = inst->overlap;

	part->mono = inst->mono;
	if (walls && wall->first >= inst->first && wall->mono >= inst->mono) {
		part->mono = wall->mono;
		overlap = wall->overlap;
	}
	part->zone = tkh_zone(overlap);
}

static __always_inline bool tkh_newest_part(const struct tk_history *h, struct tkh_part *part,
					    bool walls)
{
	unsigned int inst_head = READ_ONCE(h->inst_head), wall_head = READ_ONCE(h->wall_head);
	unsigned int insts = min(inst_head - READ_ONCE(h->inst_tail), h->nr_installations);
	unsigned int nr_walls = min(wall_head - READ_ONCE(h->wall_tail), h->nr_walls);

	if (!insts || !nr_walls)
		return false;

	*part = (struct tkh_part) {
		.inst	= inst_head - 1,
		.wall	= wall_head - 1,
		.insts	= insts - 1,
		.walls	= nr_walls - 1,
	};
	tkh_begin_part(h, part, walls);
	return true;
}

/* Go to the part before @part. Return 0, -ENODATA if there was none or -ERANGE if it is lost. */
static int tkh_older_part(const struct tk_history *h, struct tkh_part *part, bool walls)
{
	const struct tkh_installation *inst = tkh_part_inst(h, part);
	const struct tkh_wall *wall = tkh_wall(h, part->wall);
	bool by_inst = !walls || inst->first >= wall->first;
	bool by_wall = walls && wall->first >= inst->first;

	if (by_inst && !part->insts)
		return part->inst == TKH_FIRST ? -ENODATA : -ERANGE;
	if (by_wall && !part->walls)
		return part->wall == TKH_FIRST ? -ENODATA : -ERANGE;

	part->inst -= by_inst;
	part->insts -= by_inst;
	part->wall -= by_wall;
	part->walls -= by_wall;
	tkh_begin_part(h, part, walls);
	return 0;
}

/* CLOCK_MONOTONIC now, or since when it stands still */
static noinline ktime_t tkh_mono_now(const struct tk_history *h)
{
	const struct tkh_installation *inst = tkh_newest_inst(h);
	const struct tkh_entry *entry = tkh_newest_entry(h);

	/* Nobody knows, and whatever is later than its beginning belongs to it */
	if (unlikely(inst->cs_id == CSID_GENERIC))
		return KTIME_MAX;

	return tkh_entry_time(entry, max(tkh_now(h, inst, tkh_mask(inst)), entry->first));
}

/* @time less @offs. What is beyond the range is neither reached nor known. */
static __always_inline ktime_t tkh_less(ktime_t time, ktime_t offs)
{
	ktime_t mono;

	if (unlikely(check_sub_overflow(time, offs, &mono)))
		return time < 0 ? S64_MIN : S64_MAX;
	return mono;
}

/* True if @newer began when the system resumed from a suspend in @part */
static bool tkh_is_resume(const struct tk_history *h, const struct tkh_part *part,
			  const struct tkh_part *newer)
{
	const struct tkh_installation *inst = tkh_part_inst(h, newer);

	return newer->inst != part->inst && inst->flags & TKH_RESUMED &&
	       inst->cs_id != CSID_GENERIC;
}

/*
 * The older part @part, before @newer, also had the time of @stamp, where @mono is
 * CLOCK_MONOTONIC. Return true if that makes a difference for the clock @to.
 */
static bool tkh_is_repeated(const struct tk_history *h, const struct tkh_part *part,
			    const struct tkh_part *newer, ktime_t mono, clockid_t to,
			    struct tkh_stamp *stamp)
{
	if (mono + tkh_part_offset(h, part, to) ==
	    stamp->mono + tkh_part_offset(h, &stamp->part, to))
		return false;

	/* CLOCK_MONOTONIC stood still between the two */
	if (mono == stamp->mono && tkh_is_resume(h, part, newer) &&
	    newer->inst == stamp->part.inst) {
		stamp->flags |= KTIME_CONVERSION_SUSPENDED;
		stamp->before = *part;
		return false;
	}
	stamp->flags |= KTIME_CONVERSION_REPEATED;
	return true;
}

/*
 * Find out where the clock @from had @time. @to is a clock of the same history whose
 * offset matters, and with @walls settings of the clock do.
 */
static __always_inline int tkh_find_stamp(const struct tk_history *h, clockid_t from, ktime_t time,
					  clockid_t to, bool walls, struct tkh_stamp *stamp)
{
	bool found = false, early = false, unknown = false;
	const bool settable = tkh_is_settable(from);
	struct tkh_part part, newer = { };
	int ret = 0, none = 0;
	ktime_t end;

	if (!tkh_newest_part(h, &part, walls))
		return -ENODEV;

	/* The newest part ends now */
	end = tkh_mono_now(h);
	if (tkh_less(time, tkh_part_offset(h, &part, from)) > end) {
		/* The counter may have been read before @time was loaded, see tkh_locate() */
		end = tkh_mono_now(h);
		none = -EAGAIN;
	}

	do {
		const struct tkh_installation *inst = tkh_part_inst(h, &part);
		ktime_t mono = tkh_less(time, tkh_part_offset(h, &part, from));
		bool was_early = early, recorded = inst->cs_id != CSID_GENERIC;

		unknown |= !recorded && !found;
		early = mono < part.mono;
		if (!early && mono <= end) {
			/* Settings of the clock and suspends may be missing */
			if (!recorded && !found) {
				if (mono >= part.mono + part.zone)
					return -ENODATA;
				none = none ?: -ENODATA;
			}
			if (recorded && found && tkh_is_repeated(h, &part, &newer, mono, to, stamp))
				break;
			if (recorded && !found) {
				*stamp = (struct tkh_stamp) {
					.part	= part,
					.last	= end - newer.zone,
					.mono	= mono,
				};
				found = true;
			}
		} else if (!early && !found && was_early) {
			/* Between the two parts: in a suspend, or the clock was set ahead */
			if (recorded && tkh_is_resume(h, &part, &newer)) {
				*stamp = (struct tkh_stamp) {
					.part	= newer,
					.before	= part,
					.mono	= newer.mono,
					.ahead	= newer.mono + tkh_part_offset(h, &newer, from) -
						  time,
					.flags	= KTIME_CONVERSION_SUSPENDED,
				};
				found = true;
			} else {
				none = none ?: -ENODATA;
			}
		}

		/* Clocks that are not set only go forward */
		if (!settable && !early && mono >= part.mono + part.zone)
			break;
		newer = part;
		end = part.mono + part.zone - 1;
		ret = tkh_older_part(h, &part, walls);
	} while (!ret);

	if (found) {
		/* Settings which nobody recorded may have repeated it */
		if (settable && unknown)
			stamp->flags |= KTIME_CONVERSION_REPEATED;
		return 0;
	}
	/* Who knows what was before */
	return none != -EAGAIN && ret == -ERANGE ? ret : none ?: ret;
}

/* The time of @to, whose history is that of @from, at the stamp */
static __always_inline void tkh_stamp_time(const struct tk_history *h, clockid_t from,
					   clockid_t to, const struct tkh_stamp *stamp,
					   struct ktime_cycles_time *time)
{
	ktime_t offs = tkh_part_offset(h, &stamp->part, to), gain = 0;

	*time = (struct ktime_cycles_time) {
		.time	= stamp->mono + offs,
		.status	= stamp->flags,
	};
	if (likely(!(stamp->flags & KTIME_CONVERSION_SUSPENDED)) || to == CLOCK_MONOTONIC)
		return;

	gain = offs - tkh_part_offset(h, &stamp->before, to);
	if (stamp->ahead) {
		/* Both went on in the suspend, and one may have gained on the other */
		time->time -= stamp->ahead;
		gain -= tkh_part_offset(h, &stamp->part, from) -
			tkh_part_offset(h, &stamp->before, from);
	}
	time->error_ns = tkh_bound(gain);
}

/* The last position from the beginning of @line to @end at which it is not later than @time */
static u64 tkh_last_not_later(const struct tkh_entry *line, u64 end, ktime_t time)
{
	u64 pos = line->first, len = end - pos;

	if (end <= pos)
		return pos;

	/* At most 64 steps: what is left is halved */
	while (len) {
		u64 half = len - len / 2;

		if (tkh_entry_time(line, pos + half) <= time)
			pos += half;
		len -= half;
	}
	return pos;
}

/* The first position at which it is not earlier than @time, which it gets to before @end */
static u64 tkh_first_not_earlier(const struct tkh_entry *line, u64 end, ktime_t time)
{
	return line->base >= time ? line->first : tkh_last_not_later(line, end, time - 1) + 1;
}

/*
 * Find the last position at which CLOCK_MONOTONIC is not later than @time, or the @first one at
 * which it is not earlier
 */
static int tkh_mono_pos(const struct tk_history *h, ktime_t time, bool first, u64 now, u64 *pos,
			u8 *error)
{
	const struct tkh_entry *entry, *next = NULL;
	struct tkh_entry line;
	u64 end;

	entry = tkh_entries_find_time(&h->entries, time, &next, error);
	if (!entry)
		return -ERANGE;
	line = *entry;
	end = next ? READ_ONCE(next->first) - 1 : now;
	if (!first) {
		*pos = tkh_last_not_later(&line, end, time);
		return 0;
	}
	*pos = tkh_first_not_earlier(&line, end, time);

	/* Where it begins, and where the clock stepped back, the one before may get there, too */
	for (unsigned int i = 0; i < TKH_MAX_STEPS; i++) {
		if (time - line.base > h->entries.back + tkh_error_ns(*error))
			break;
		end = line.first - 1;
		entry = tkh_entries_find(&h->entries, end, &next);
		if (!entry || tkh_entry_time(entry, end) < time)
			break;
		line = *entry;
		*pos = tkh_first_not_earlier(&line, end, time);
	}
	return 0;
}

/* The same of CLOCK_MONOTONIC_RAW, which has no bound of the error */
static int tkh_raw_pos(const struct tk_history *h, ktime_t time, bool first, u64 now, u64 *pos)
{
	unsigned int head = READ_ONCE(h->inst_head), nr = head - READ_ONCE(h->inst_tail);
	bool found = false, stood = false;
	u64 end = now;

	nr = min(nr, h->nr_installations);
	for (unsigned int i = 1; i <= nr; i++) {
		const struct tkh_installation *inst = tkh_inst(h, head - i);
		struct tkh_entry line = tkh_raw_line(inst);

		if (inst->cs_id == CSID_GENERIC) {
			if (found)
				return 0;
			/* Its beginning may belong to what was before */
			if (time >= line.base + tkh_zone(inst->overlap))
				return -ENODATA;
		} else if (end >= line.first) {
			if (found && (stood || tkh_entry_time(&line, end) < time))
				return 0;
			if (!first && time >= line.base) {
				*pos = tkh_last_not_later(&line, end, time);
				return 0;
			}
			if (found || time >= line.base) {
				*pos = tkh_first_not_earlier(&line, end, time);
				found = true;
			}
		}
		end = line.first - 1;
		/* In the suspend before it stood still, but the line does not */
		stood = inst->flags & TKH_RESUMED && time > line.base;
	}
	if (found)
		return 0;
	return head - nr == TKH_FIRST ? -ENODATA : -ERANGE;
}

/* Last position that the newest line is known for. A CPU whose counter lags has not got there. */
static u64 tkh_last_pos(const struct tk_history *h)
{
	const struct tkh_installation *inst = tkh_newest_inst(h);

	return max(tkh_now(h, inst, tkh_mask(inst)), tkh_newest_entry(h)->first);
}

/* True if CLOCK_MONOTONIC_RAW has not got to @time at the position @now */
static bool tkh_is_raw_ahead(const struct tk_history *h, ktime_t time, u64 now)
{
	const struct tkh_installation *inst = tkh_newest_inst(h);
	struct tkh_entry line = tkh_raw_line(inst);

	return inst->cs_id != CSID_GENERIC && time > tkh_entry_time(&line, now);
}

/* The positions at which CLOCK_MONOTONIC or CLOCK_MONOTONIC_RAW may have been @time */
static int tkh_find_range(const struct tk_history *h, clockid_t clock, ktime_t time,
			  struct tkh_range *range)
{
	u64 now = tkh_last_pos(h);
	u8 error = 0, newer;
	int ret;

	if (clock == CLOCK_MONOTONIC_RAW) {
		/* The counter may have been read before @time was loaded, see tkh_locate() */
		if (tkh_is_raw_ahead(h, time, now))
			now = tkh_last_pos(h);
		if (tkh_is_raw_ahead(h, time, now))
			return -EAGAIN;
		range->error = 0;
		ret = tkh_raw_pos(h, time, true, now, &range->first) ?:
		      tkh_raw_pos(h, time, false, now, &range->until);
		range->last = range->until;
	} else {
		ktime_t disorder = h->entries.disorder;

		/* What is told is late by up to the bound, and what is older has the largest one */
		ret = tkh_mono_pos(h, time - disorder, true, now, &range->first, &error);
		range->error = tkh_bound(tkh_error_ns(error) + disorder);
		ret = ret ?: tkh_mono_pos(h, time, false, now, &range->until, &newer) ?:
		      tkh_mono_pos(h, time + range->error, false, now, &range->last, &newer);
	}
	if (ret)
		return ret;

	/* No counter value has it: it was between two of them */
	if (range->first > range->until) {
		range->last = max(range->last, min(range->first, now));
		range->first = range->until;
	}
	return 0;
}

static const struct tkh_installation *tkh_recorded_at(const struct tk_history *h, u64 pos)
{
	const struct tkh_installation *inst = tkh_inst_at(h, pos);

	return inst && inst->cs_id != CSID_GENERIC ? inst : NULL;
}

/* True if the range goes over a suspend */
static bool tkh_is_over_suspend(const struct tk_history *h, const struct tkh_range *range)
{
	const struct tkh_installation *inst = tkh_inst_at(h, range->last);

	return inst && inst->flags & TKH_RESUMED && range->first < inst->first;
}

/*
 * The counter value at a position. Another history looks for the last time that the counter had
 * it, so if it had it again since then, that is no way to get there.
 */
static int tkh_count_at(const struct tk_history *h, u64 pos, bool unique, struct tkh_count *count)
{
	const struct tkh_installation *inst = tkh_recorded_at(h, pos);

	if (!inst)
		return -ENODATA;
	*count = (struct tkh_count) { .cs_id = inst->cs_id, .cycles = tkh_cycles(inst, pos) };
	return unique && !tkh_is_last(h, inst->cs_id, count->cycles, pos) ? -ENODATA : 0;
}

/* The time of a range of which the clock has the times @first and @last at both ends */
static void tkh_range_time(const struct ktime_cycles_time *first,
			   const struct ktime_cycles_time *last, struct ktime_cycles_time *time)
{
	*time = *last;
	time->status |= first->status;
	time->error_ns = tkh_bound(abs(last->time - first->time) +
				   max(first->error_ns, last->error_ns));
}

/*
 * Most often nothing has been set since then. True if a clock that only goes forward had
 * @time in the newest part, and neither before it nor in the future. If it was before the
 * newest entry, that takes no counter read. @end is CLOCK_MONOTONIC up to which that is known.
 */
static __always_inline bool tkh_is_newest(const struct tk_history *h,
					  const struct tkh_installation *inst,
					  const struct tkh_wall *wall, clockid_t from, ktime_t time,
					  ktime_t *end)
{
	ktime_t mono = time - tkh_offset(inst, wall, from);

	if (tkh_is_settable(from) || inst->cs_id == CSID_GENERIC || time < 0 ||
	    mono - inst->mono < tkh_zone(inst->overlap) ||
	    mono - wall->mono < tkh_zone(wall->overlap))
		return false;
	*end = tkh_newest_entry(h)->base - 1;
	if (mono > *end)
		*end = tkh_mono_now(h);
	return mono <= *end;
}

/*
 * Convert @time of the clock @from, whose history this is. Either to the clock @to, if it is
 * of the @same history, or to the counter values which it may have been: from @counts[0] to
 * @counts[1], and as far as is known not after @counts[2]. Then @result has the bound of that
 * one and the flags. They have to be the last that the counter had these values if @unique.
 * @stretch need not be set.
 */
static __always_inline int tkh_try_convert_time(const struct tk_history *h, clockid_t from,
						ktime_t time, clockid_t to, bool same,
						bool unique,
						struct ktime_cycles_time *result,
						struct tkh_count *counts,
						struct tkh_stretch *stretch)
{
	bool by_offset = same && to != CLOCK_MONOTONIC_RAW && from != CLOCK_MONOTONIC_RAW;
	struct tkh_stamp stamp __uninitialized;
	struct tkh_range range __uninitialized;
	struct ktime_cycles_time first, last;
	clockid_t line = from;
	u32 flags = 0;
	int ret;

	if (by_offset) {
		const struct tkh_installation *inst = tkh_newest_inst(h);
		const struct tkh_wall *wall = tkh_newest_wall(h);
		ktime_t end;

		if (likely(tkh_is_newest(h, inst, wall, from, time, &end))) {
			ktime_t offs = tkh_offset(inst, wall, from);

			*result = (struct ktime_cycles_time) {
				.time = time - offs + tkh_offset(inst, wall, to),
			};
			*stretch = (struct tkh_stretch) {
				.first	= offs + max(inst->mono + tkh_zone(inst->overlap),
						     wall->mono + tkh_zone(wall->overlap)),
				.last	= offs + end,
				.offs	= result->time - time,
			};
			return 0;
		}
	}
	if (from != CLOCK_MONOTONIC_RAW) {
		ret = tkh_find_stamp(h, from, time, by_offset ? to : CLOCK_MONOTONIC,
				     tkh_is_settable(from) || (by_offset && tkh_is_settable(to)),
				     &stamp);
		if (ret)
			return ret;
		if (by_offset) {
			tkh_stamp_time(h, from, to, &stamp, result);
			if (!stamp.flags && !tkh_is_settable(from)) {
				*stretch = (struct tkh_stretch) {
					.first	= time - stamp.mono + stamp.part.mono +
						  stamp.part.zone,
					.last	= time - stamp.mono + stamp.last,
					.offs	= result->time - time,
				};
			}
			return 0;
		}
		line = CLOCK_MONOTONIC;
		time = stamp.mono;
		flags = stamp.flags;
	}

	ret = tkh_find_range(h, line, time, &range);
	if (ret)
		return ret;
	if (tkh_is_over_suspend(h, &range))
		flags |= KTIME_CONVERSION_SUSPENDED;

	if (same) {
		ret = tkh_time_at(h, range.first, to, &first) ?:
		      tkh_time_at(h, range.last, to, &last);
		if (!ret)
			tkh_range_time(&first, &last, result);
	} else {
		ret = tkh_count_at(h, range.first, unique, &counts[0]) ?:
		      tkh_count_at(h, range.last, unique, &counts[1]) ?:
		      tkh_count_at(h, range.until, false, &counts[2]);
		*result = (struct ktime_cycles_time) { .error_ns = range.error };
		if (from != CLOCK_MONOTONIC_RAW)
			result->error_ns = tkh_bound(stamp.ahead + range.error);
	}
	result->status |= flags;
	return ret;
}

/* The time of @to, whose history is @h, from the counter value @counts[0] to @counts[1] */
static int tkh_convert_counts(const struct tk_history *h, const struct tkh_count *counts,
			      clockid_t to, struct ktime_cycles_time *result)
{
	struct ktime_cycles_time ends[2];

	for (unsigned int i = 0; i < 2; i++) {
		int ret = tkh_convert(h, counts[i].cs_id, counts[i].cycles, to, &ends[i].time,
				      &ends[i].error_ns);

		if (ret < 0)
			return ret;
		ends[i].status = ret & ~KTIME_CONVERSION_LONG;
	}
	tkh_range_time(&ends[0], &ends[1], result);
	return 0;
}

/*
 * Convert one time. @to_h is the history of the clock @to, or NULL to convert to a value
 * of the counter @cs_id.
 */
static int tkh_convert_one(const struct tk_history *h, clockid_t from, ktime_t time,
			   const struct tk_history *to_h, clockid_t to, enum clocksource_ids cs_id,
			   struct ktime_cycles_time *result, struct tkh_stretch *stretch)
{
	struct tkh_stretch known;
	struct tkh_count counts[3];
	unsigned int seq;
	u32 flags;
	int ret;

	do {
		if (!tkh_read_begin(h, &seq))
			return -EAGAIN;
		known.first = KTIME_MAX;
		known.last = KTIME_MIN;
		ret = tkh_try_convert_time(h, from, time, to, h == to_h, to_h, result, counts,
					   &known);
	} while (tkh_read_retry(h, seq));

	if (!ret && stretch && known.first <= known.last)
		*stretch = known;
	if (ret || h == to_h)
		return ret;

	if (!to_h) {
		/* Where two clocksources meet, it may have been either */
		const struct tkh_count *count = &counts[counts[2].cs_id == cs_id ? 2 : 0];

		result->time = count->cycles;
		return count->cs_id == cs_id ? 0 : -ENODATA;
	}

	flags = result->status;
	ret = tkh_convert_counts(to_h, counts, to, result);
	result->status |= flags;
	return ret;
}

/**
 * tkh_convert_time - Convert times of a clock
 * @h:		The history of the clock @from
 * @from:	The clock
 * @times:	Times in nanoseconds
 * @nr:		Number of times
 * @to_h:	The history of the clock @to, or NULL
 * @to:		The clock that is asked for, if there is @to_h
 * @cs_id:	ID of the counter that is asked for otherwise
 * @results:	Where to store the @nr results
 */
void tkh_convert_time(const struct tk_history *h, clockid_t from, const ktime_t *times,
		      unsigned int nr, const struct tk_history *to_h, clockid_t to,
		      enum clocksource_ids cs_id, struct ktime_cycles_time *results)
{
	struct tkh_stretch stretch = { .first = KTIME_MAX };
	int ret;

	for (unsigned int i = 0; i < nr; i++) {
		struct ktime_cycles_time *result = &results[i];

		/* Most times belong to the part of the one before */
		if (times[i] >= stretch.first && times[i] <= stretch.last) {
			*result = (struct ktime_cycles_time) { .time = times[i] + stretch.offs };
			continue;
		}
		ret = tkh_convert_one(h, from, times[i], to_h, to, cs_id, result, &stretch);
		if (ret)
			*result = (struct ktime_cycles_time) { .status = ret };
	}
}

/**
 * ktime_convert_time - Get the time of a clock when another one had some time
 * @from:	The clock that had the time: CLOCK_MONOTONIC, CLOCK_BOOTTIME,
 *		CLOCK_REALTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW or CLOCK_AUX to
 *		CLOCK_AUX_LAST
 * @time:	The time in nanoseconds
 * @to:		The clock that is asked for, one of the same
 * @result:	Where to store its time in nanoseconds, untouched on failure
 *
 * Between CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME and CLOCK_TAI the result is
 * exact however old @time is, as long as the history has the settings of the clock and
 * the suspends since then. These four differ by offsets, which are those of that time.
 *
 * If the clock @from had @time more than once, because it was set back or by a leap
 * second, the result belongs to the last time that it had it. If it had @time while the
 * system was suspended, @result is by the line on which it went on after that.
 *
 * Context: As ktime_convert_cycles().
 * Return:
 * * 0 - @result is exact: readers of both clocks in one moment got @time and @result.
 * * A positive number - @result is valid, KTIME_CONVERSION_* flags say why it may differ.
 *   Callers who want to know by how much use ktime_convert_time_batch().
 * * -EINVAL - @from or @to is none of the above.
 * * -ENODEV - One of them is an auxiliary clock which is not enabled, or there is no
 *   history because of "tk_history=off", or no update has been recorded yet.
 * * -ERANGE - @time is older than the history.
 * * -ENODATA - The clock @from never had @time, as it was set ahead. Or the counter had no
 *   ID then, or it was before the first update.
 * * -EAGAIN - The clock has not reached @time yet or, in NMI only, an update is in flight.
 * * -EOPNOTSUPP - The kernel was built without TK_HISTORY.
 */
int ktime_convert_time(clockid_t from, ktime_t time, clockid_t to, ktime_t *result)
{
	struct ktime_cycles_time converted __uninitialized;
	const struct tk_history *h, *to_h;
	int ret;

	ret = tkh_check_clock(from) ?: tkh_check_clock(to);
	if (ret)
		return ret;

	guard(rcu)();
	h = tkh_get(from);
	to_h = tkh_get(to);
	if (!h || !to_h)
		return -ENODEV;

	ret = tkh_convert_one(h, from, time, to_h, to, CSID_GENERIC, &converted, NULL);
	if (ret)
		return ret;

	*result = converted.time;
	if (converted.error_ns && !converted.status)
		return KTIME_CONVERSION_LONG;
	return converted.status;
}
EXPORT_SYMBOL_GPL(ktime_convert_time);

/**
 * ktime_convert_time_batch - Get the times of a clock when another one had some times
 * @from:	The clock that had the times, see ktime_convert_time()
 * @times:	The times in nanoseconds, in any order
 * @nr:		Number of times
 * @to:		The clock that is asked for
 * @results:	Where to store the @nr results
 *
 * Each time has a status of its own. Sorted times of CLOCK_MONOTONIC and CLOCK_BOOTTIME
 * are the cheapest ones.
 *
 * Context: As ktime_convert_cycles_batch().
 * Return: 0 when @results has been filled in. Otherwise the error of ktime_convert_time()
 *	   which would be the same for all of them, -EINVAL or -ENODEV. @results is untouched
 *	   then.
 */
int ktime_convert_time_batch(clockid_t from, const ktime_t *times, unsigned int nr,
			     clockid_t to, struct ktime_cycles_time *results)
{
	const struct tk_history *h, *to_h;
	int ret;

	ret = tkh_check_clock(from) ?: tkh_check_clock(to);
	if (ret)
		return ret;

	guard(rcu)();
	h = tkh_get(from);
	to_h = tkh_get(to);
	if (!h || !to_h)
		return -ENODEV;

	tkh_convert_time(h, from, times, nr, to_h, to, CSID_GENERIC, results);
	return 0;
}
EXPORT_SYMBOL_GPL(ktime_convert_time_batch);

/**
 * ktime_convert_time_to_cycles_batch - Get the counter values when a clock had some times
 * @from:	The clock that had the times, see ktime_convert_time()
 * @times:	The times in nanoseconds, in any order
 * @nr:		Number of times
 * @cs_id:	ID of the clocksource
 * @results:	Where to store the @nr results. ktime_cycles_time::time is a counter value,
 *		ktime_cycles_time::error_ns says how far off that may be.
 *
 * The result is the last counter value at which the clock had not passed the time, so
 * that ktime_convert_cycles() of it is the time again if a reader got that.
 *
 * Context: As ktime_convert_cycles_batch().
 * Return: As ktime_convert_time_batch(), and -ENODEV for CSID_GENERIC. The status is
 *	   -ENODATA for times when another clocksource was in use.
 */
int ktime_convert_time_to_cycles_batch(clockid_t from, const ktime_t *times, unsigned int nr,
				       enum clocksource_ids cs_id,
				       struct ktime_cycles_time *results)
{
	const struct tk_history *h;
	int ret;

	ret = tkh_check_clock(from);
	if (ret)
		return ret;

	guard(rcu)();
	h = tkh_get(from);
	if (!h || cs_id == CSID_GENERIC)
		return -ENODEV;

	tkh_convert_time(h, from, times, nr, NULL, CLOCK_MONOTONIC, cs_id, results);
	return 0;
}
EXPORT_SYMBOL_GPL(ktime_convert_time_to_cycles_batch);

/*
 * The local clock
 */

#ifdef CONFIG_GENERIC_SCHED_CLOCK

#define TKH_NR_EPOCHS		128

/* How long the local clock may go on after what it stands still at in a suspend */
#define TKH_FREEZE_NS		(100 * NSEC_PER_USEC)

/**
 * struct tkh_epoch - Where the line of the local clock begins anew
 * @ns:		local_clock() in nanoseconds
 * @cycles:	Counter value in cycles
 */
struct tkh_epoch {
	u64	ns;
	u64	cycles;
};

/**
 * struct tkh_local - The history of the local clock
 * @seq:	Odd while it is being written
 * @cs_id:	ID of the clocksource whose counter it is, CSID_GENERIC if it is not known
 * @mult:	Multiplier
 * @shift:	Shift of the multiplication
 * @mask:	Mask of the counter
 * @head:	Number of the next epoch
 * @tail:	Number of the oldest epoch
 * @epochs:	Ring of epochs
 *
 * sched_clock() counts from an epoch, which is renewed before the counter or the
 * multiplication gets beyond its range, and in each suspend. With one or two per hour, and
 * two per suspend, this is good for days. The one writer is sched_clock.c.
 */
struct tkh_local {
	seqcount_t		seq;
	enum clocksource_ids	cs_id;
	u32			mult;
	u32			shift;
	u64			mask;
	unsigned int		head;
	unsigned int		tail;
	struct tkh_epoch	epochs[TKH_NR_EPOCHS];
};

static struct tkh_local tkh_local = {
	.seq	= SEQCNT_ZERO(tkh_local.seq),
	.head	= TKH_FIRST,
	.tail	= TKH_FIRST,
};

static struct tkh_epoch *tkh_epoch_at(struct tkh_local *local, unsigned int nr)
{
	return &local->epochs[nr % TKH_NR_EPOCHS];
}

/**
 * tk_history_local_epoch - Record an epoch of the local clock
 * @rd:		What sched_clock() uses from now on
 * @cs_id:	ID of the clocksource whose counter it reads
 *
 * A clock with another counter begins a new history.
 *
 * Context: Interrupts disabled. Calls are serialized by those who change @rd.
 */
void tk_history_local_epoch(const struct clock_read_data *rd, enum clocksource_ids cs_id)
{
	struct tkh_local *local = &tkh_local;

	write_seqcount_begin(&local->seq);
	if (local->cs_id != cs_id || local->mult != rd->mult || local->shift != rd->shift) {
		local->cs_id = cs_id;
		local->mult = rd->mult;
		local->shift = rd->shift;
		local->mask = rd->sched_clock_mask;
		local->head = TKH_FIRST;
		local->tail = TKH_FIRST;
	}
	if (local->head - local->tail == TKH_NR_EPOCHS)
		local->tail++;
	*tkh_epoch_at(local, local->head++) = (struct tkh_epoch) {
		.ns	= rd->epoch_ns,
		.cycles	= rd->epoch_cyc,
	};
	write_seqcount_end(&local->seq);
}

/* The counter values at which the local clock may have been @time */
static int tkh_try_local_to_counts(struct tkh_local *local, u64 time, struct tkh_count *counts)
{
	unsigned int head = READ_ONCE(local->head), nr = head - READ_ONCE(local->tail);
	u32 mult = READ_ONCE(local->mult), shift = local->shift & 63;
	struct tkh_epoch newer = { .cycles = U64_MAX };
	bool found = false;

	if (local->cs_id == CSID_GENERIC || !mult)
		return -ENODEV;

	nr = min(nr, TKH_NR_EPOCHS);
	for (unsigned int i = 1; i <= nr; i++) {
		struct tkh_epoch epoch = *tkh_epoch_at(local, head - i);
		u64 ns = time - epoch.ns, first, last;

		/* The counter has started anew since then, and may have had the value again */
		if (epoch.cycles > newer.cycles)
			return found ? 0 : -ENODATA;
		newer = epoch;
		if (time < epoch.ns)
			continue;
		/* As far as the multiplication goes, beyond which there is another epoch */
		if (ns >= (U64_MAX - mult) >> shift)
			return i == 1 ? -EAGAIN : -ENODATA;

		first = DIV64_U64_ROUND_UP(ns << shift, mult);
		last = div_u64(((ns + 1) << shift) - 1, mult);
		counts[0].cycles = (epoch.cycles + min(first, last)) & local->mask;
		counts[0].cs_id = local->cs_id;
		if (found)
			return 0;
		counts[1].cycles = (epoch.cycles + last) & local->mask;
		counts[1].cs_id = local->cs_id;
		found = true;
		/*
		 * On the way into a suspend, the clock goes on for a moment with the epoch before,
		 * from where it stands still in the suspend. A renewed epoch drops a fraction.
		 */
		if (ns > TKH_FREEZE_NS ||
		    (ns > 1 && i < nr && tkh_epoch_at(local, head - i - 1)->ns != epoch.ns))
			return 0;
	}
	if (found)
		return 0;
	return head - nr == TKH_FIRST ? -ENODATA : -ERANGE;
}

static int tkh_local_to_counts(u64 time, struct tkh_count *counts)
{
	unsigned int seq;
	int ret;

	do {
		seq = raw_read_seqcount(&tkh_local.seq);
		if (seq & 1) {
			if (in_nmi())
				return -EAGAIN;
			seq = read_seqcount_begin(&tkh_local.seq);
		}
		kcsan_nestable_atomic_begin();
		ret = tkh_try_local_to_counts(&tkh_local, time, counts);
		kcsan_nestable_atomic_end();
	} while (read_seqcount_retry(&tkh_local.seq, seq));

	return ret;
}

#else

static int tkh_local_to_counts(u64 time, struct tkh_count *counts)
{
	return -ENODEV;
}

#endif

/**
 * ktime_convert_local_batch - Get the times of a clock when the local clock had some times
 * @times:	Times of local_clock() in nanoseconds, which the kernel's log, ftrace and perf
 *		have by default
 * @nr:		Number of times
 * @to:		The clock that is asked for, see ktime_convert_time()
 * @results:	Where to store the @nr results
 *
 * The local clock has to be a line of the clocksource's counter, as on arm64. If it had a time
 * before a suspend and after it, the bound of the error is the length of the suspend.
 *
 * Context: As ktime_convert_cycles_batch().
 * Return: As ktime_convert_time_batch(), and -ENODEV if the local clock is something else. The
 *	   status is -ENODATA for times of the early boot, when it had another counter.
 */
int ktime_convert_local_batch(const u64 *times, unsigned int nr, clockid_t to,
			      struct ktime_cycles_time *results)
{
	struct tkh_count counts[2];
	const struct tk_history *h;
	int ret;

	ret = tkh_check_clock(to);
	if (ret)
		return ret;

	guard(rcu)();
	h = tkh_get(to);
	if (!h || tkh_local_to_counts(0, counts) == -ENODEV)
		return -ENODEV;

	for (unsigned int i = 0; i < nr; i++) {
		ret = tkh_local_to_counts(times[i], counts) ?:
		      tkh_convert_counts(h, counts, to, &results[i]);
		if (ret)
			results[i] = (struct ktime_cycles_time) { .status = ret };
	}
	return 0;
}
EXPORT_SYMBOL_GPL(ktime_convert_local_batch);
