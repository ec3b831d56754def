// SPDX-License-Identifier: GPL-2.0
/*
 * For how many instructions an update of the timekeeper keeps readers waiting
 *
 * For a machine like that of bench_cost.c. Watchpoints on the sequence counts of the
 * kernel's readers and of the vDSO tell when these become odd and even. What a
 * watchpoint itself takes is measured with a count of our own, and subtracted. Results
 * go to the kernel's log, one line each: "cost: NAME: INSTRUCTIONS".
 *
 * The functions and variables which are not exported are parameters, whose values
 * /proc/kallsyms has.
 */
#include <linux/hw_breakpoint.h>
#include <linux/irqflags.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <linux/timekeeping.h>
#include <linux/timex.h>
#include <vdso/datapage.h>

#include "bench.h"

/* Instructions between the two stores of calibrate() */
#define KNOWN		16

static unsigned long timekeeper_data, vdso_data_addr;
module_param(timekeeper_data, ulong, 0);
module_param_named(vdso_k_time_data, vdso_data_addr, ulong, 0);

static u64 odd_since, odd_sum, overhead;
static unsigned int odd_times;

/* The store of a sequence count is about to be executed: do it in its place */
static void hit(struct perf_event *event, struct perf_sample_data *data, struct pt_regs *regs)
{
	u64 now = count();
	u32 *seq = (u32 *)(unsigned long)event->attr.bp_addr;

	if (++*seq & 1) {
		odd_since = now;
	} else {
		odd_sum += now - odd_since;
		odd_times++;
	}
	instruction_pointer_set(regs, instruction_pointer(regs) + AARCH64_INSN_SIZE);
}

static struct perf_event * __percpu *watch(unsigned long address)
{
	struct perf_event_attr attr;
	struct perf_event * __percpu *event;

	hw_breakpoint_init(&attr);
	attr.bp_addr = address;
	attr.bp_len = HW_BREAKPOINT_LEN_4;
	attr.bp_type = HW_BREAKPOINT_W;
	event = register_wide_hw_breakpoint(&attr, hit, NULL);
	if (IS_ERR(event))
		pr_err("cost: no watchpoint: %pe\n", event);
	odd_sum = 0;
	odd_times = 0;
	return event;
}

static void report(const char *name)
{
	s64 hundredths;

	if (!odd_times) {
		pr_err("cost: no update was seen by %s\n", name);
		return;
	}
	hundredths = div_s64(((s64)odd_sum - (s64)(overhead * odd_times)) * 100, odd_times);
	pr_info("cost: %s: %lld.%02lld\n", name, div_s64(hundredths, 100), hundredths % 100);
}

static u32 own_seq;

/* What the two watchpoints take beside the instructions between the stores */
static void calibrate(void)
{
	struct perf_event * __percpu *event = watch((unsigned long)&own_seq);
	unsigned long flags;
	u32 value;

	if (IS_ERR(event))
		return;
	local_irq_save(flags);
	for (int i = 0; i < 10; i++) {
		asm volatile("ldr %w0, [%1]\n\t"
			     "add %w0, %w0, #1\n\t"
			     "str %w0, [%1]\n\t"
			     ".rept 14\n\tnop\n\t.endr\n\t"
			     "ldr %w0, [%1]\n\t"
			     "add %w0, %w0, #1\n\t"
			     "str %w0, [%1]" : "=&r" (value) : "r" (&own_seq) : "memory");
	}
	local_irq_restore(flags);
	unregister_wide_hw_breakpoint(event);
	if (odd_times == 10)
		overhead = div_u64(odd_sum, odd_times) - KNOWN;
	else
		pr_err("cost: not calibrated: %u\n", odd_times);
}

static void updates(unsigned int nr)
{
	void (*update)(void) = (void *)update_wall_time_addr;

	while (nr--) {
		unsigned long flags;

		local_irq_save(flags);
		spin(TICK_CYCLES);
		update();
		local_irq_restore(flags);
		cond_resched();
	}
}

/* Readers of the count at @address, while updates are of each kind */
static void measure(unsigned long address, const char *steady, const char *dithering,
		    const char *set)
{
	struct perf_event * __percpu *event;
	struct timespec64 ts = { .tv_sec = 1600000000 };

	adjust(0);
	updates(UPDATES);
	event = watch(address);
	if (IS_ERR(event))
		return;
	updates(UPDATES);
	report(steady);

	adjust(HALF_A_STEP);
	/* More than the states of the exact history, so that each update folds one */
	updates(1100);
	odd_sum = 0;
	odd_times = 0;
	updates(UPDATES);
	report(dithering);

	odd_sum = 0;
	odd_times = 0;
	for (int i = 0; i < 20; i++, ts.tv_sec++) {
		if (do_settimeofday64(&ts))
			pr_err("cost: the clock was not set\n");
	}
	report(set);
	adjust(0);
	unregister_wide_hw_breakpoint(event);
}

static int __init bench_latency_init(void)
{
	struct vdso_time_data *vdso = *(struct vdso_time_data **)vdso_data_addr;

	calibrate();
	/* struct tk_data begins with the sequence count */
	measure(timekeeper_data, "readers wait, steady update",
		"readers wait, dithering update", "readers wait, clock set");
	measure((unsigned long)&vdso->clock_data[CS_HRES_COARSE].seq, "vDSO readers wait, steady update",
		"vDSO readers wait, dithering update", "vDSO readers wait, clock set");
	pr_info("cost: end\n");
	return 0;
}
module_init(bench_latency_init);

MODULE_DESCRIPTION("For how long an update of the timekeeper keeps readers waiting");
MODULE_LICENSE("GPL");
