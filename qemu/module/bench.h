/* SPDX-License-Identifier: GPL-2.0 */
/* What the modules that count instructions have in common */
#ifndef _BENCH_H
#define _BENCH_H

#include <linux/module.h>
#include <linux/printk.h>
#include <linux/timex.h>

#define UPDATES		200
#define TICK_CYCLES	(NSEC_PER_SEC / HZ)
/* A frequency right between two multipliers of a counter of 1 GHz: it dithers */
#define HALF_A_STEP	1238300

static unsigned long update_wall_time_addr, do_adjtimex_addr;
module_param_named(update_wall_time, update_wall_time_addr, ulong, 0);
module_param_named(do_adjtimex, do_adjtimex_addr, ulong, 0);

/* The number of instructions up to here, and some */
static noinline u64 count(void)
{
	u64 cycles;

	asm volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r" (cycles) : : "memory");
	return cycles;
}

/* Nothing but instructions: quick to emulate */
static void spin(u64 instructions)
{
	u64 rounds = instructions / 2;

	asm volatile("1:\tsubs %0, %0, #1\n\tb.ne 1b" : "+r" (rounds) : : "cc");
}

static void adjust(long scaled_ppm)
{
	int (*adjtimex)(struct __kernel_timex *txc) = (void *)do_adjtimex_addr;
	struct __kernel_timex txc = {
		.modes	= ADJ_FREQUENCY,
		.freq	= scaled_ppm,
	};

	if (adjtimex(&txc) < 0)
		pr_err("cost: the clock was not adjusted\n");
}

#endif
