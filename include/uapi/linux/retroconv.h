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

/**
 * struct retroconv_time - The time at one counter value
 * @ns:		Time in nanoseconds, valid if @status is 0
 * @error_ns:	Guaranteed bound of the error in nanoseconds, 0 is exact
 * @status:	0 or a negative errno, for this value alone: -EAGAIN if the counter
 *		has not reached it, -ERANGE if it is older than the history, -ENODATA
 *		if the counter was not the clocksource then, or may have had the value
 *		twice, -ENODEV if it is not known to have been the clocksource at all
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
 *
 * Both oldest values are since the counter started anew, or may have. Where another
 * clock source was in use after them, values do not convert.
 */
struct retroconv_info {
	__u32	size;
	__u32	counter;
	__u64	frequency_hz;
	__u64	oldest_exact;
	__u64	oldest;
	__u64	newest;
};

#define RETROCONV_CONVERT	_IOW(0xBC, 0x01, struct retroconv_convert)
#define RETROCONV_INFO		_IOWR(0xBC, 0x02, struct retroconv_info)

#endif /* _UAPI_LINUX_RETROCONV_H */
