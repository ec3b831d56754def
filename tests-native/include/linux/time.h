/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NATIVE_LINUX_TIME_H
#define _NATIVE_LINUX_TIME_H

#include <time.h>

#define NSEC_PER_MSEC		1000000L
#define NSEC_PER_SEC		1000000000L

#ifndef CLOCK_TAI
#define CLOCK_TAI		11
#endif
#define CLOCK_AUX		16
#define MAX_AUX_CLOCKS		8
#define CLOCK_AUX_LAST		(CLOCK_AUX + MAX_AUX_CLOCKS - 1)

#endif
