/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_BARRIER_H
#define _ASM_X86_BARRIER_H

#include <linux/compiler.h>

/* Of x86: it keeps the order of loads, and the order of stores. mb() can be taken away. */
#ifndef NATIVE_MB
#define NATIVE_MB		"mfence"
#endif
#define mb()			__asm__ __volatile__(NATIVE_MB : : : "memory")
#define rmb()			__asm__ __volatile__("lfence" : : : "memory")
#define smp_mb()		__asm__ __volatile__("lock; addl $0,-4(%%rsp)" : : : "memory", "cc")
#define smp_rmb()		barrier()
#define smp_wmb()		barrier()

#define smp_load_acquire(p) ({			\
	__typeof__(*(p)) __v = READ_ONCE(*(p));	\
	barrier();				\
	__v;					\
})
#define smp_store_release(p, v) do {		\
	barrier();				\
	WRITE_ONCE(*(p), v);			\
} while (0)

#endif
