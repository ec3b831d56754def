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
 *	Convert up to RETROCONV_MAX_NR counter values, each of which gets a status
 *	of its own. Takes struct retroconv_convert. Fails with EINVAL, E2BIG,
 *	ENODEV, EFAULT or EINTR.
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

/* Largest number of values in one RETROCONV_CONVERT */
#define RETROCONV_MAX_NR		65536

/* Flags of a valid time. There may be others one day. */
#define RETROCONV_SUSPENDED		1	/* The system was suspended */
#define RETROCONV_REPEATED		2	/* The counter had the value before, too */

/**
 * struct retroconv_time - The time at one counter value
 * @ns:		Time in nanoseconds, valid unless @status is negative
 * @error_ns:	Guaranteed bound of the error in nanoseconds, 0 is exact. Without
 *		RETROCONV_SUSPENDED the true time is not later than @ns, and not
 *		earlier than @ns - @error_ns. With it, the true time may be that much
 *		earlier or later, and UINT32_MAX stands for that much or more.
 * @status:	0 if @ns is what readers of the clock were told, within @error_ns.
 *		RETROCONV_SUSPENDED and RETROCONV_REPEATED, or both, if these apply.
 *		A negative errno, for this value alone: -EAGAIN if the counter has not
 *		reached it, -ERANGE if it is older than the history, -ENODATA if the
 *		counter was not the clocksource then, or may have had the value while
 *		nobody recorded it, -ENODEV if it is not known to have been the
 *		clocksource at all. @ns and @error_ns are 0 then.
 *
 * RETROCONV_SUSPENDED tells that nobody read a clock: CLOCK_MONOTONIC and
 * CLOCK_MONOTONIC_RAW stood still, the others are interpolated. RETROCONV_REPEATED tells
 * that the counter has started anew since boot, and has had the value more than once: @ns
 * belongs to the last time.
 */
struct retroconv_time {
	__s64	ns;
	__u32	error_ns;
	__s32	status;
};

/**
 * struct retroconv_convert - Argument of RETROCONV_CONVERT
 * @size:	sizeof(struct retroconv_convert)
 * @counter:	RETROCONV_COUNTER_*
 * @clock_id:	CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
 *		CLOCK_REALTIME, CLOCK_TAI or CLOCK_AUX to CLOCK_AUX_LAST
 * @flags:	Must be 0
 * @nr:		Number of values, at most RETROCONV_MAX_NR
 * @cycles:	User pointer to __u64[nr], the counter values
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
 * @newest:		Present counter value, in cycles
 * @mask:		Mask of the counter. Its values are from 0 to @mask.
 * @nr_reaches:		Number of elements of @reach that are in use
 * @reserved:		0
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
	__u32	reserved;
	struct retroconv_reach	reach[RETROCONV_MAX_REACHES];
};

#define RETROCONV_CONVERT	_IOW(0xBC, 0x01, struct retroconv_convert)
#define RETROCONV_INFO		_IOWR(0xBC, 0x02, struct retroconv_info)

#endif /* _UAPI_LINUX_RETROCONV_H */
