/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the KUnit tests of the history and of cross timestamps use of later
 * kernels. The Makefile includes it ahead of them, so that they are the same
 * everywhere.
 */
#ifndef _TK_HISTORY_TEST_COMPAT_H
#define _TK_HISTORY_TEST_COMPAT_H

#include <linux/bug.h>
#include <linux/clocksource_ids.h>
#include <linux/timekeeping.h>

#include "tk_history_compat.h"

struct k_clock;

/* No machine has this ID at the time of the tests, which is all they need */
#define CSID_S390_TOD	CSID_X86_TSC_EARLY

/* Nobody gets to use an auxiliary clock without POSIX_AUX_CLOCKS */
extern const struct k_clock clock_aux;

static inline bool ktime_get_aux_ts64(clockid_t clock, struct timespec64 *ts)
{
	return false;
}

/*
 * A snapshot of any clock. There is one of CLOCK_REALTIME and
 * CLOCK_MONOTONIC_RAW, from which the other clocks differ by offsets.
 */
struct tkh_snapshot {
	u64			cycles;
	ktime_t			systime;
	ktime_t			monoraw;
	enum clocksource_ids	cs_id;
	u32			clock_was_set_seq;
	u8			cs_was_changed_seq;
	u8			valid;
};

static inline void ktime_get_snapshot_id(clockid_t clock, struct tkh_snapshot *snap)
{
	struct system_time_snapshot now, after;
	ktime_t real, boot;

	/* The offsets change along with the sequence number and not otherwise */
	do {
		ktime_get_snapshot(&now);
		real = ktime_mono_to_any(0, TK_OFFS_REAL);
		boot = ktime_mono_to_any(0, TK_OFFS_BOOT);
		ktime_get_snapshot(&after);
	} while (now.clock_was_set_seq != after.clock_was_set_seq);

	*snap = (struct tkh_snapshot) {
		.cycles			= now.cycles,
		.monoraw		= now.raw,
		.cs_id			= now.cs_id,
		.clock_was_set_seq	= now.clock_was_set_seq,
		.cs_was_changed_seq	= now.cs_was_changed_seq,
		.valid			= true,
	};
	switch (clock) {
	case CLOCK_REALTIME:
		snap->systime = now.real;
		break;
	case CLOCK_MONOTONIC:
		snap->systime = now.real - real;
		break;
	case CLOCK_BOOTTIME:
		snap->systime = now.real - real + boot;
		break;
	case CLOCK_MONOTONIC_RAW:
		snap->systime = now.raw;
		break;
	default:
		snap->valid = false;
	}
}

/* A cross timestamp is always one of CLOCK_REALTIME and CLOCK_MONOTONIC_RAW */
#define CROSSTSTAMP_REALTIME_ONLY	1

struct tkh_crosststamp {
	clockid_t			clock_id;
	ktime_t				device;
	struct system_counterval_t	sys_counter;
	ktime_t				sys_systime;
	ktime_t				sys_monoraw;
};

static inline int tkh_get_crosststamp(int (*get_time_fn)(ktime_t *device_time,
							 struct system_counterval_t *scv,
							 void *ctx),
				      void *ctx, struct tkh_crosststamp *xtstamp)
{
	struct system_device_crosststamp got = {
		.device		= xtstamp->device,
		.sys_realtime	= xtstamp->sys_systime,
		.sys_monoraw	= xtstamp->sys_monoraw,
	};
	int ret;

	if (WARN_ON_ONCE(xtstamp->clock_id != CLOCK_REALTIME))
		return -EINVAL;

	ret = get_device_system_crosststamp(get_time_fn, ctx, &got);
	xtstamp->device = got.device;
	xtstamp->sys_systime = got.sys_realtime;
	xtstamp->sys_monoraw = got.sys_monoraw;
	return ret;
}

#define system_time_snapshot		tkh_snapshot
#define system_device_crosststamp	tkh_crosststamp
#define get_device_system_crosststamp	tkh_get_crosststamp

#endif
