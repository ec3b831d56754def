/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_TK_HISTORY_H
#define _LINUX_TK_HISTORY_H

#include <linux/bits.h>
#include <linux/clocksource_ids.h>
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/types.h>

/**
 * DOC: Flags of a conversion
 *
 * They say why a valid time differs, or may differ, from what a reader of the clock
 * got.
 *
 * KTIME_CONVERSION_SUSPENDED
 *	The counter had this value while the system was suspended, and nobody read
 *	a clock. CLOCK_MONOTONIC and CLOCK_MONOTONIC_RAW stood still. The other
 *	clocks are interpolated between the last time before and the first time
 *	after the suspend. The true time is between these two, and at most the
 *	bound of the error earlier or later than what is told.
 *
 * KTIME_CONVERSION_REPEATED
 *	The counter has started anew since boot, and had this value before that as
 *	well. Or a clock had this time more than once, as it was set back or by a leap
 *	second. The result is that of the last time it had it.
 *
 * KTIME_CONVERSION_LONG
 *	The time comes from the long history. All clocks but CLOCK_MONOTONIC_RAW
 *	may be up to the bound of the error late.
 *
 * KTIME_CONVERSION_EARLY
 *	The counter had this value before it became the first clocksource that was
 *	recorded, as in early boot, or before the kernel ran. Nobody read a clock with
 *	it. CLOCK_MONOTONIC, CLOCK_BOOTTIME and CLOCK_MONOTONIC_RAW are continued
 *	backwards with the nominal rate, and may be negative. What readers of other
 *	counters were told meanwhile is within the bound of the error.
 */
#define KTIME_CONVERSION_SUSPENDED	BIT(0)
#define KTIME_CONVERSION_REPEATED	BIT(1)
#define KTIME_CONVERSION_LONG		BIT(2)
#define KTIME_CONVERSION_EARLY		BIT(3)

/**
 * struct ktime_conversion - All clocks at one counter value
 * @mono:		CLOCK_MONOTONIC in nanoseconds
 * @boot:		CLOCK_BOOTTIME in nanoseconds
 * @real:		CLOCK_REALTIME in nanoseconds
 * @tai:		CLOCK_TAI in nanoseconds
 * @raw:		CLOCK_MONOTONIC_RAW in nanoseconds
 * @error_ns:		Guaranteed bound of the error in nanoseconds of all
 *			clocks but @raw, which is exact. 0 when the times are
 *			exact. The true time is not later than the one told, unless
 *			@flags has KTIME_CONVERSION_SUSPENDED, when it may be earlier
 *			or later, and U32_MAX stands for that much or more.
 * @flags:		KTIME_CONVERSION_* flags
 * @clock_was_set_seq:	Value of the sequence number of clock was set events
 *			which belongs to the times. Comparable to the one in
 *			struct system_time_snapshot.
 * @cs_was_changed_seq:	Value of the sequence number of clocksource change
 *			events which belongs to the times. Comparable to the
 *			one in struct system_time_snapshot.
 */
struct ktime_conversion {
	ktime_t		mono;
	ktime_t		boot;
	ktime_t		real;
	ktime_t		tai;
	ktime_t		raw;
	u32		error_ns;
	u32		flags;
	u32		clock_was_set_seq;
	u8		cs_was_changed_seq;
};

/**
 * struct ktime_cycles_time - One result of a batch conversion
 * @time:	The time in nanoseconds, valid unless @status is negative. A counter value
 *		from ktime_convert_time_to_cycles_batch().
 * @error_ns:	Guaranteed bound of the error of @time in nanoseconds, 0 when
 *		@time is exact, see ktime_conversion::error_ns
 * @status:	0 if @time is what readers were told, within @error_ns.
 *		KTIME_CONVERSION_SUSPENDED, KTIME_CONVERSION_REPEATED and
 *		KTIME_CONVERSION_EARLY if these apply. The negative error code which
 *		ktime_convert_cycles() or ktime_convert_time() would have returned.
 */
struct ktime_cycles_time {
	ktime_t		time;
	u32		error_ns;
	int		status;
};

/* Number of levels. Each has a larger bound than the one before, and lies further back. */
#define KTIME_HISTORY_LEVELS		9

/**
 * struct ktime_history_reach - How far back the times have a bound
 * @error_ns:	Bound of the error in nanoseconds, 0 is exact
 * @oldest:	Oldest counter value which converts within @error_ns, in cycles
 */
struct ktime_history_reach {
	u32	error_ns;
	u64	oldest;
};

/**
 * struct ktime_history_info - The reach of the timekeeping history
 * @cs_id:		ID of the current clocksource, CSID_GENERIC if its counter is
 *			not recorded
 * @last_cs_id:		ID of the clocksource that all values belong to. If the current one
 *			is not recorded, the last one before it that was, CSID_GENERIC if
 *			there was none. All that follows is 0 then.
 * @freq_khz:		Nominal frequency of the current clocksource in kHz, 0
 *			if it is not known or not recorded
 * @mask:		Mask of the counter
 * @newest:		The present counter value in cycles, or the last one that converts
 * @nr_reaches:		Number of @reach, with growing bounds
 * @reach:		The oldest counter value for each bound. That of the last one
 *			is the oldest which converts at all.
 *
 * The oldest values are not from before the counter started anew, or may have started
 * anew. Newer values do not convert either if another clocksource was in use then.
 */
struct ktime_history_info {
	enum clocksource_ids		cs_id;
	enum clocksource_ids		last_cs_id;
	u32				freq_khz;
	u64				mask;
	u64				newest;
	unsigned int			nr_reaches;
	struct ktime_history_reach	reach[KTIME_HISTORY_LEVELS];
};

#ifdef CONFIG_TK_HISTORY

int ktime_convert_cycles(enum clocksource_ids cs_id, u64 cycles, clockid_t clock,
			 ktime_t *time);
int ktime_convert_cycles_all(enum clocksource_ids cs_id, u64 cycles,
			     struct ktime_conversion *conv);
int ktime_convert_cycles_batch(enum clocksource_ids cs_id, const u64 *cycles,
			       unsigned int nr, clockid_t clock,
			       struct ktime_cycles_time *times);
int ktime_convert_time(clockid_t from, ktime_t time, clockid_t to, ktime_t *result);
int ktime_convert_time_batch(clockid_t from, const ktime_t *times, unsigned int nr,
			     clockid_t to, struct ktime_cycles_time *results);
int ktime_convert_time_to_cycles_batch(clockid_t from, const ktime_t *times,
				       unsigned int nr, enum clocksource_ids cs_id,
				       struct ktime_cycles_time *results);
int ktime_convert_local_batch(const u64 *times, unsigned int nr, clockid_t to,
			      struct ktime_cycles_time *results);
int ktime_history_get_info(struct ktime_history_info *info);

#else /* CONFIG_TK_HISTORY */

static inline int ktime_convert_cycles(enum clocksource_ids cs_id, u64 cycles,
				       clockid_t clock, ktime_t *time)
{
	return -EOPNOTSUPP;
}

static inline int ktime_convert_cycles_all(enum clocksource_ids cs_id, u64 cycles,
					   struct ktime_conversion *conv)
{
	return -EOPNOTSUPP;
}

static inline int ktime_convert_cycles_batch(enum clocksource_ids cs_id,
					     const u64 *cycles, unsigned int nr,
					     clockid_t clock,
					     struct ktime_cycles_time *times)
{
	return -EOPNOTSUPP;
}

static inline int ktime_convert_time(clockid_t from, ktime_t time, clockid_t to,
				     ktime_t *result)
{
	return -EOPNOTSUPP;
}

static inline int ktime_convert_time_batch(clockid_t from, const ktime_t *times,
					   unsigned int nr, clockid_t to,
					   struct ktime_cycles_time *results)
{
	return -EOPNOTSUPP;
}

static inline int ktime_convert_time_to_cycles_batch(clockid_t from, const ktime_t *times,
						     unsigned int nr,
						     enum clocksource_ids cs_id,
						     struct ktime_cycles_time *results)
{
	return -EOPNOTSUPP;
}

static inline int ktime_convert_local_batch(const u64 *times, unsigned int nr,
					    clockid_t to,
					    struct ktime_cycles_time *results)
{
	return -EOPNOTSUPP;
}

static inline int ktime_history_get_info(struct ktime_history_info *info)
{
	return -EOPNOTSUPP;
}

#endif /* !CONFIG_TK_HISTORY */

#endif
