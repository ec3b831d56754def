/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __LINUX_MUTEX_H
#define __LINUX_MUTEX_H

/* What is included with it in the kernel */
#include <linux/kernel.h>

#endif
