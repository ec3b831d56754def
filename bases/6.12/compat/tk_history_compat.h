/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kernel/time/tk_history*.c and retroconv.c use of later kernels. The
 * Makefile includes it ahead of them, so that they are the same everywhere.
 */
#ifndef _TK_HISTORY_COMPAT_H
#define _TK_HISTORY_COMPAT_H

#include <linux/minmax.h>
#include <linux/time.h>
#include <linux/types.h>
#include <linux/uaccess.h>

/* There are no auxiliary clocks: those with these numbers are not enabled */
#define MAX_AUX_CLOCKS		8
#define CLOCK_AUX		MAX_CLOCKS
#define CLOCK_AUX_LAST		(CLOCK_AUX + MAX_AUX_CLOCKS - 1)

/*
 * The counterpart of copy_struct_from_user(): the @usize bytes at @dst get what
 * they have room for of the @ksize bytes at @src, and zeros after it. Here, the
 * caller does not care for what did not fit in, and @ignored_trailing is NULL.
 */
static inline int copy_struct_to_user(void __user *dst, size_t usize, const void *src,
				      size_t ksize, bool *ignored_trailing)
{
	size_t size = min(usize, ksize);

	if (copy_to_user(dst, src, size) || clear_user(dst + size, usize - size))
		return -EFAULT;
	return 0;
}

#endif
