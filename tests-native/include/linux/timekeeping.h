/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_TIMEKEEPING_H
#define _LINUX_TIMEKEEPING_H

#include <linux/clocksource_ids.h>
#include <linux/ktime.h>

extern int timekeeping_suspended;

#endif
