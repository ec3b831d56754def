/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_MATH_H
#define _LINUX_MATH_H

/* It declares a function abs() */
#include <stdlib.h>

#undef abs
#define abs(x) ({ __auto_type __x = (x); __x < 0 ? -__x : __x; })
#define abs_diff(a, b) ({			\
	__auto_type __a = (a);			\
	__auto_type __b = (b);			\
	__a > __b ? __a - __b : __b - __a;	\
})
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))

#endif
