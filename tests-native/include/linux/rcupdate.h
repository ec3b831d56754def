/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __LINUX_RCUPDATE_H
#define __LINUX_RCUPDATE_H

#include <linux/types.h>

#include <asm/barrier.h>

/* Nothing is freed here while others may use it */
#define guard(name)		guard_##name
#define guard_rcu()		do { } while (0)
#define rcu_read_lock()		barrier()
#define rcu_read_unlock()	barrier()
#define rcu_dereference(p)	READ_ONCE(p)
#define rcu_dereference_protected(p, condition)	((void)(condition), (p))
#define rcu_access_pointer(p)	READ_ONCE(p)
#define rcu_assign_pointer(p, v)	smp_store_release(&(p), v)
#define rcu_replace_pointer(p, v, condition) ({	\
	__typeof__(p) __old = (p);		\
	(void)(condition);			\
	rcu_assign_pointer(p, v);		\
	__old;					\
})

#endif
