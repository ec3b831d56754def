/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/retroconv: the time of past counter values
 *
 * See Documentation/timers/retro-conversion.rst.
 */
#ifndef _UAPI_LINUX_RETROCONV_H
#define _UAPI_LINUX_RETROCONV_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: ioctls of /dev/retroconv
 *
 * RETROCONV_CONVERT
 *	Convert up to RETROCONV_MAX_NR values, each of which gets a status of its
 *	own. They are values of a counter, or times of a clock. Takes struct
 *	retroconv_convert. Fails with EINVAL, E2BIG, ENODEV, EFAULT or EINTR.
 *
 * RETROCONV_INFO
 *	Tell the counter and how far back conversions reach. Fills in struct
 *	retroconv_info. Fails with EINVAL, EFAULT or ENODEV.
 *
 * The counters are RETROCONV_COUNTER_ARM_ARCH, which is CNTVCT_EL0, and
 * RETROCONV_COUNTER_X86_TSC, which RDTSC reads.
 */

/* Counters which user space can read */
#define RETROCONV_COUNTER_NONE		0
#define RETROCONV_COUNTER_ARM_ARCH	1	/* CNTVCT_EL0 */
#define RETROCONV_COUNTER_X86_TSC	2	/* RDTSC */

/*
 * In place of a counter: the values are nanoseconds of a clock, as __s64. A process in a
 * time namespace gives and gets those of its own clocks.
 */
#define RETROCONV_FROM(clock_id)	(0x100U + (clock_id))
#define RETROCONV_FROM_REALTIME		0x100
#define RETROCONV_FROM_MONOTONIC	0x101
#define RETROCONV_FROM_MONOTONIC_RAW	0x104
#define RETROCONV_FROM_BOOTTIME		0x107
#define RETROCONV_FROM_TAI		0x10b
#define RETROCONV_FROM_AUX(n)		(0x110U + (n))
/* The clock of the kernel's log, and of ftrace and perf by default. ENODEV on x86. */
#define RETROCONV_FROM_LOCAL		0x200

/*
 * In place of the clock that is asked for: the value of the counter which user space can
 * read, when the clock of RETROCONV_FROM_* had the time
 */
#define RETROCONV_TO_COUNTER		0x100

/* Largest number of values in one RETROCONV_CONVERT */
#define RETROCONV_MAX_NR		65536

/* Flags of a valid time. There may be others one day. */
#define RETROCONV_SUSPENDED		1	/* The system was suspended */
#define RETROCONV_REPEATED		2	/* The value occurred more than once */
#define RETROCONV_EARLY			8	/* Before the kernel used the counter */

/**
 * struct retroconv_time - The time at one value
 * @ns:		Time in nanoseconds, valid unless @status is negative. The counter value
 *		for RETROCONV_TO_COUNTER, as __u64.
 * @error_ns:	Guaranteed bound of the error in nanoseconds, 0 is exact. Without
 *		RETROCONV_SUSPENDED and RETROCONV_EARLY the true time is not later than
 *		@ns, and not earlier than @ns - @error_ns. With them, the true time may be
 *		that much earlier or later, and UINT32_MAX stands for that much or more.
 * @status:	0 if @ns is what readers of the clock were told, within @error_ns.
 *		RETROCONV_SUSPENDED, RETROCONV_REPEATED and RETROCONV_EARLY if these apply.
 *		A negative errno, for this value alone: -EAGAIN if the counter or clock
 *		has not reached it, -ERANGE if it is older than the history, -ENODATA if
 *		the counter was not the clocksource then, or may have had the value while
 *		nobody recorded it, or if the clock never had the time, as it was set
 *		ahead, -ENODEV if the counter is not known to have been the clocksource
 *		at all. @ns and @error_ns are 0 then.
 *
 * RETROCONV_SUSPENDED tells that nobody read a clock: CLOCK_MONOTONIC and
 * CLOCK_MONOTONIC_RAW stood still, the others are interpolated. RETROCONV_REPEATED tells
 * that the value occurred more than once: @ns belongs to the last time. A counter has
 * started anew since boot then, a clock was set back or had a leap second. RETROCONV_EARLY
 * tells that the kernel did not use the counter yet: CLOCK_MONOTONIC, CLOCK_BOOTTIME and
 * CLOCK_MONOTONIC_RAW are continued backwards with its nominal rate.
 */
struct retroconv_time {
	__s64	ns;
	__u32	error_ns;
	__s32	status;
};

/**
 * struct retroconv_convert - Argument of RETROCONV_CONVERT
 * @size:	sizeof(struct retroconv_convert)
 * @counter:	What the values are: RETROCONV_COUNTER_* or RETROCONV_FROM_*
 * @clock_id:	CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
 *		CLOCK_REALTIME, CLOCK_TAI or CLOCK_AUX to CLOCK_AUX_LAST. With
 *		RETROCONV_FROM_* also RETROCONV_TO_COUNTER.
 * @flags:	Must be 0
 * @nr:		Number of values, at most RETROCONV_MAX_NR
 * @cycles:	User pointer to __u64[nr], the counter values, or to __s64[nr], the
 *		nanoseconds of a clock
 * @times:	User pointer to struct retroconv_time[nr], the results
 */
struct retroconv_convert {
	__u32	size;
	__u32	counter;
	__s32	clock_id;
	__u32	flags;
	__u64	nr;
	__u64	cycles;
	__u64	times;
};

/* Size of retroconv_info::reach */
#define RETROCONV_MAX_REACHES		16

/**
 * struct retroconv_reach - How far back times have a bound of the error
 * @oldest:	Oldest counter value which converts within @error_ns, in cycles
 * @error_ns:	Bound of the error in nanoseconds, 0 is exact
 * @reserved:	0
 */
struct retroconv_reach {
	__u64	oldest;
	__u32	error_ns;
	__u32	reserved;
};

/**
 * struct retroconv_info - Argument of RETROCONV_INFO
 * @size:		sizeof(struct retroconv_info), set by the caller
 * @counter:		The counter behind the present clock source,
 *			RETROCONV_COUNTER_NONE if user space cannot read it
 * @frequency_hz:	Nominal frequency of the counter in Hz, rounded down to
 *			kHz, for display
 * @oldest_exact:	Oldest counter value which converts exactly, in cycles
 * @oldest:		Oldest counter value which converts at all, in cycles
 * @newest:		Present counter value, in cycles. The last one that converts, if
 *			another clock source is in use now.
 * @mask:		Mask of the counter. Its values are from 0 to @mask.
 * @nr_reaches:		Number of elements of @reach that are in use
 * @last_counter:	The counter which all these values belong to: @counter, or the last
 *			one before the present clock source, which user space cannot read
 * @reach:		The oldest counter value for each bound of the error, with
 *			growing bounds. The first one is @oldest_exact, the last one
 *			@oldest. Times of a suspend have bounds of their own.
 *
 * The oldest values are since the counter started anew, or may have. Where another
 * clock source was in use after them, values do not convert. From @mask on, the struct
 * is 0 if the kernel is older than these members.
 */
struct retroconv_info {
	__u32	size;
	__u32	counter;
	__u64	frequency_hz;
	__u64	oldest_exact;
	__u64	oldest;
	__u64	newest;
	__u64	mask;
	__u32	nr_reaches;
	__u32	last_counter;
	struct retroconv_reach	reach[RETROCONV_MAX_REACHES];
};

#define RETROCONV_CONVERT	_IOW(0xBC, 0x01, struct retroconv_convert)
#define RETROCONV_INFO		_IOWR(0xBC, 0x02, struct retroconv_info)

#endif /* _UAPI_LINUX_RETROCONV_H */
