/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NATIVE_LINUX_KERNEL_H
#define _NATIVE_LINUX_KERNEL_H

#include <linux/bitops.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/types.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define container_of(ptr, type, member)	\
	((type *)((char *)(ptr) - offsetof(type, member)))

#endif
