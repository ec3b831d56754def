/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __LINUX_SEQLOCK_H
#define __LINUX_SEQLOCK_H

#include <linux/compiler.h>
#include <linux/seqlock_types.h>
#include <linux/types.h>

#include <asm/barrier.h>
#include <asm/processor.h>

#define KCSAN_SEQLOCK_REGION_MAX	1000

#define SEQCNT_ZERO(name)	{ .sequence = 0 }
#define seqcount_init(s)	((s)->sequence = 0)

#define seqprop_sequence(s)	smp_load_acquire(&(s)->sequence)

static inline unsigned int raw_read_seqcount(const seqcount_t *s)
{
	return seqprop_sequence(s);
}

static inline unsigned int __read_seqcount_begin(const seqcount_t *s)
{
	unsigned int seq;

	while (unlikely((seq = seqprop_sequence(s)) & 1))
		cpu_relax();
	return seq;
}

#define raw_read_seqcount_begin(s) __read_seqcount_begin(s)
#define read_seqcount_begin(s)	__read_seqcount_begin(s)

static inline int __read_seqcount_retry(const seqcount_t *s, unsigned int start)
{
	return unlikely(READ_ONCE(s->sequence) != start);
}

static inline int read_seqcount_retry(const seqcount_t *s, unsigned int start)
{
	smp_rmb();
	return __read_seqcount_retry(s, start);
}

static inline void raw_write_seqcount_begin(seqcount_t *s)
{
	s->sequence++;
	smp_wmb();
}

static inline void raw_write_seqcount_end(seqcount_t *s)
{
	smp_wmb();
	s->sequence++;
}

#define write_seqcount_begin(s)	raw_write_seqcount_begin(s)
#define write_seqcount_end(s)	raw_write_seqcount_end(s)

#endif
