/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs for the guest have in common */
#ifndef _GUEST_H
#define _GUEST_H

#include <stdint.h>
#include <sys/ioctl.h>
#include <time.h>

#include <linux/retroconv.h>

#define NSEC_PER_SEC	1000000000LL

/* Ordered against what comes before and after it */
static inline uint64_t counter(void)
{
	uint64_t cycles;

	asm volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r" (cycles) : : "memory");
	return cycles;
}

/* The time of a clock in nanoseconds */
static inline int64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* Convert values of the counter, returns what ioctl() does */
static inline int convert_cycles(int device, clockid_t clock, unsigned int nr,
				 const __u64 *cycles, struct retroconv_time *times)
{
	struct retroconv_convert arg = {
		.size		= sizeof(arg),
		.counter	= RETROCONV_COUNTER_ARM_ARCH,
		.clock_id	= clock,
		.nr		= nr,
		.cycles		= (uintptr_t)cycles,
		.times		= (uintptr_t)times,
	};

	return ioctl(device, RETROCONV_CONVERT, &arg);
}

#endif
