/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_KCSAN_CHECKS_H
#define _LINUX_KCSAN_CHECKS_H

#include <linux/compiler.h>

#define kcsan_nestable_atomic_begin()	barrier()
#define kcsan_nestable_atomic_end()	barrier()

#endif
