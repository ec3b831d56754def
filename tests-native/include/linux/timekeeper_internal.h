/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_TIMEKEEPER_INTERNAL_H
#define _LINUX_TIMEKEEPER_INTERNAL_H

#include <linux/clocksource.h>
#include <linux/ktime.h>

enum timekeeper_ids {
	TIMEKEEPER_CORE,
	TIMEKEEPERS_MAX,
};

struct tk_read_base {
	struct clocksource	*clock;
	u64			mask;
	u64			cycle_last;
	u32			mult;
	u32			shift;
	u64			xtime_nsec;
	ktime_t			base;
	u64			base_real;
};

struct timekeeper {
	struct tk_read_base	tkr_mono;
	ktime_t			offs_real;
	ktime_t			offs_boot;
	union {
		ktime_t		offs_tai;
		ktime_t		offs_aux;
	};
	enum timekeeper_ids	id;
	struct tk_read_base	tkr_raw;
	enum clocksource_ids	cs_id;
	u32			clock_was_set_seq;
	u8			cs_was_changed_seq;
	u8			clock_valid;
	u64			cycle_interval;
	s32			tai_offset;
};

#endif
