/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs for the guest have in common */
#ifndef _GUEST_H
#define _GUEST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* The value of a kernel parameter, whose name ends with "=" */
static inline uint64_t parameter(const char *name, uint64_t missing)
{
	char cmdline[4096] = "", *at, *end;
	uint64_t value;
	FILE *f;

	f = fopen("/proc/cmdline", "r");
	if (!f || !fgets(cmdline, sizeof(cmdline), f)) {
		printf("Bail out! /proc/cmdline cannot be read\n");
		exit(1);
	}
	fclose(f);
	at = strstr(cmdline, name);
	if (!at)
		return missing;
	at += strlen(name);
	value = strtoull(at, &end, 0);
	if (end == at || (*end && *end != ' ' && *end != '\n')) {
		printf("Bail out! %snumber expected\n", name);
		exit(1);
	}
	return value;
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
