/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Run a function of a KUnit test in all contexts
 */
#ifndef _KUNIT_RUN_IN_IRQ_CONTEXT_H
#define _KUNIT_RUN_IN_IRQ_CONTEXT_H

#include <kunit/test.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

/* The contexts: a task, the timer's hard interrupt, the work's soft interrupt */
enum { KUNIT_IN_TASK, KUNIT_IN_HARDIRQ, KUNIT_IN_SOFTIRQ, KUNIT_NR_CONTEXTS };

struct kunit_irq_test {
	bool			(*func)(void *data);
	void			*data;
	struct hrtimer		timer;
	struct work_struct	work;
	int			calls[KUNIT_NR_CONTEXTS];
	bool			failed[KUNIT_NR_CONTEXTS];
};

static inline void kunit_irq_test_call(struct kunit_irq_test *irq, int context)
{
	if (!irq->func(irq->data))
		WRITE_ONCE(irq->failed[context], true);
	WRITE_ONCE(irq->calls[context], irq->calls[context] + 1);
}

static enum hrtimer_restart kunit_irq_test_timer(struct hrtimer *timer)
{
	struct kunit_irq_test *irq = container_of(timer, struct kunit_irq_test, timer);
	ktime_t start = ktime_get_raw(), took;

	kunit_irq_test_call(irq, KUNIT_IN_HARDIRQ);
	queue_work(system_bh_wq, &irq->work);
	/* Leave most of the time to the other contexts and to the rest of the system */
	took = ktime_get_raw() - start;
	hrtimer_forward_now(timer, max(8 * took, 20 * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

static void kunit_irq_test_work(struct work_struct *work)
{
	struct kunit_irq_test *irq = container_of(work, struct kunit_irq_test, work);

	kunit_irq_test_call(irq, KUNIT_IN_SOFTIRQ);
}

/*
 * Call @func with @data in a task, a soft and a hard interrupt, @max_iterations
 * times in each of them or for a second. It must return true.
 */
static void kunit_run_irq_test(struct kunit *test, bool (*func)(void *data),
			       int max_iterations, void *data)
{
	struct kunit_irq_test irq = { .func = func, .data = data };
	unsigned long end = jiffies + HZ;
	bool more;

	hrtimer_init_on_stack(&irq.timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	irq.timer.function = kunit_irq_test_timer;
	INIT_WORK_ONSTACK(&irq.work, kunit_irq_test_work);
	hrtimer_start(&irq.timer, 20 * NSEC_PER_USEC, HRTIMER_MODE_REL_HARD);
	do {
		kunit_irq_test_call(&irq, KUNIT_IN_TASK);
		more = false;
		for (int i = 0; i < KUNIT_NR_CONTEXTS; i++)
			more |= READ_ONCE(irq.calls[i]) < max_iterations;
	} while (more && time_before(jiffies, end));
	hrtimer_cancel(&irq.timer);
	flush_work(&irq.work);
	destroy_hrtimer_on_stack(&irq.timer);
	destroy_work_on_stack(&irq.work);

	for (int i = 0; i < KUNIT_NR_CONTEXTS; i++) {
		KUNIT_EXPECT_GT_MSG(test, irq.calls[i], 0, "context %d", i);
		KUNIT_EXPECT_FALSE_MSG(test, irq.failed[i], "context %d", i);
	}
}

#endif
