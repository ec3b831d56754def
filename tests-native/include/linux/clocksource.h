/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_CLOCKSOURCE_H
#define _LINUX_CLOCKSOURCE_H

#include <linux/bits.h>
#include <linux/clocksource_ids.h>
#include <linux/types.h>

#define CLOCKSOURCE_MASK(bits)	GENMASK_ULL((bits) - 1, 0)

struct clocksource_base {
	enum clocksource_ids	id;
	u32			freq_khz;
	u64			offset;
	u32			numerator;
	u32			denominator;
};

struct clocksource {
	u64			(*read)(struct clocksource *cs);
	u64			mask;
	u32			mult;
	u32			shift;
	u64			max_cycles;
	u64			max_raw_delta;
	const char		*name;
	u32			freq_khz;
	enum clocksource_ids	id;
	struct clocksource_base	*base;
};

#endif
