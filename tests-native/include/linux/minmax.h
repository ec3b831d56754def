/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_MINMAX_H
#define _LINUX_MINMAX_H

#define min_t(type, a, b) ({ type __a = (a); type __b = (b); __a < __b ? __a : __b; })
#define max_t(type, a, b) ({ type __a = (a); type __b = (b); __a > __b ? __a : __b; })
#define min(a, b)		min_t(__auto_type, a, b)
#define max(a, b)		max_t(__auto_type, a, b)
#define min3(a, b, c)		min(min(a, b), c)
#define max3(a, b, c)		max(max(a, b), c)
#define clamp(x, low, high)	min(max(x, low), high)
#define clamp_t(type, x, low, high) min_t(type, max_t(type, x, low), high)

#define swap(a, b) do {			\
	__typeof__(a) __tmp = (a);	\
	(a) = (b);			\
	(b) = __tmp;			\
} while (0)

#endif
