/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __LINUX_PREEMPT_H
#define __LINUX_PREEMPT_H

#include <linux/types.h>

/* True in a signal handler that plays an NMI */
extern bool native_in_nmi;

#define in_nmi()		READ_ONCE(native_in_nmi)
#define preempt_disable()	barrier()
#define preempt_enable()	barrier()
#define lockdep_assert_preemption_disabled() do { } while (0)

#endif
