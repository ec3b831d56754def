// SPDX-License-Identifier: GPL-2.0
/*
 * What conversions and updates of the timekeeper cost in instructions
 *
 * For a machine whose counter counts the instructions: QEMU with
 * "-icount shift=0" and a counter of 1 GHz. Interrupts are off. What depends on
 * where the clock is at that moment differs by some instructions from run to run,
 * the rest is the same. Results go to the kernel's log, one line each:
 * "cost: NAME: INSTRUCTIONS". Calls are measured with the call and without the
 * loop around them.
 *
 * Builds for kernels without the history as well. The functions which are not
 * exported are parameters, whose values /proc/kallsyms has.
 */
#include <linux/clocksource.h>
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/prandom.h>
#include <linux/sort.h>
#include <linux/timecounter.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>

#include "bench.h"

#ifdef CONFIG_TK_HISTORY
#include <linux/tk_history.h>
#include "../../kernel/time/tk_history_internal.h"
#endif

#define LOOPS		1000

static void report(const char *name, s64 sum, unsigned int nr)
{
	s64 hundredths = div_s64(sum * 100, nr);

	pr_info("cost: %s: %lld.%02lld\n", name, div_s64(hundredths, 100), hundredths % 100);
}

/* Instructions of LOOPS empty rounds of the loop in COST() */
static u64 empty;

#define LOOP(stmt) ({						\
	unsigned long flags;					\
	u64 start;						\
								\
	local_irq_save(flags);					\
	start = count();					\
	for (unsigned int i = 0; i < LOOPS; i++) {		\
		stmt;						\
		/* Keep the compiler from moving the call */	\
		barrier();					\
	}							\
	start = count() - start;				\
	local_irq_restore(flags);				\
	start;							\
})

#define COST(name, stmt)	report(name, LOOP(stmt) - empty, LOOPS)

/* One update after @cycles since the last one, in which nobody else does it */
static void measure_updates(const char *name, unsigned int nr, u64 cycles)
{
	void (*update)(void) = (void *)update_wall_time_addr;
	u64 sum = 0, none = 0;

	for (unsigned int i = 0; i < nr; i++) {
		unsigned long flags;
		u64 start;

		local_irq_save(flags);
		update();
		spin(cycles);
		start = count();
		update();
		sum += count() - start;
		start = count();
		none += count() - start;
		local_irq_restore(flags);
		cond_resched();
	}
	report(name, sum - none, nr);
}

static void measure_timekeeper(void)
{
	u64 sum = 0, none = 0;

	/* Not before the time since boot, to which it cannot be set */
	if (do_settimeofday64(&(struct timespec64) { .tv_sec = 1600000000 }))
		pr_err("cost: the clock was not set\n");
	adjust(0);
	/* Several ticks until what NTP has left to correct is corrected */
	measure_updates("(warm up)", UPDATES, TICK_CYCLES);
	measure_updates("update, steady", UPDATES, TICK_CYCLES);
	adjust(HALF_A_STEP);
	/* More than the states of the history, so that each update evicts one */
	measure_updates("(warm up)", 1100, TICK_CYCLES);
	measure_updates("update, dithering", UPDATES, TICK_CYCLES);
	measure_updates("update, after 1 s without a tick", 20, NSEC_PER_SEC);

	for (unsigned int i = 0; i < UPDATES; i++) {
		unsigned long flags;
		struct timespec64 ts;
		u64 start;
		int ret;

		ktime_get_real_ts64(&ts);
		local_irq_save(flags);
		start = count();
		ret = do_settimeofday64(&ts);
		sum += count() - start;
		start = count();
		none += count() - start;
		local_irq_restore(flags);
		if (ret)
			pr_err("cost: the clock was not set\n");
	}
	report("update, clock set", sum - none, UPDATES);
}

static u64 sink;

static u64 read_counter(struct cyclecounter *cc)
{
	return __arch_counter_get_cntvct();
}

static struct cyclecounter cyclecounter = {
	.read	= read_counter,
	.mask	= CYCLECOUNTER_MASK(64),
	.mult	= 1U << 24,
	.shift	= 24,
};

static u64 snap_cycles;

static int get_time(ktime_t *device_time, struct system_counterval_t *system, void *ctx)
{
	*device_time = 0;
	system->cycles = snap_cycles;
	system->cs_id = CSID_ARM_ARCH_COUNTER;
#ifdef CONFIG_TK_HISTORY
	/* It was latched before the loop */
	system->late = true;
#endif
	return 0;
}

static int cross_timestamp(struct system_time_snapshot *before,
			   struct system_device_crosststamp *xtstamp)
{
#ifdef CONFIG_TK_HISTORY
	return get_device_system_crosststamp(get_time, NULL, xtstamp);
#else
	return get_device_system_crosststamp(get_time, NULL, before, xtstamp);
#endif
}

static void measure_present(void)
{
	static struct system_device_crosststamp xtstamp = { .clock_id = CLOCK_REALTIME };
	struct system_time_snapshot snap, now;
	struct timecounter tc;

	timecounter_init(&tc, &cyclecounter, 0);
	COST("ktime_get()", sink += ktime_get());
	COST("ktime_get_real()", sink += ktime_get_real());
	COST("ktime_get_snapshot_id()", ktime_get_snapshot_id(CLOCK_REALTIME, &snap));
	COST("timecounter_cyc2time()", sink += timecounter_cyc2time(&tc, tc.cycle_last + i));

	/* A device which latches the counter, after the driver's snapshot, and delivers late */
	ktime_get_snapshot_id(CLOCK_REALTIME, &snap);
	ndelay(1000);
	ktime_get_snapshot_id(CLOCK_REALTIME, &now);
	snap_cycles = now.cycles;
	sink = 0;
	COST("cross timestamp, now", sink |= cross_timestamp(&snap, &xtstamp));
	msleep(20);
	/* There are none with tk_history=off */
	if (!sink && cross_timestamp(&snap, &xtstamp) == -ERANGE)
		return;
	COST("cross timestamp, 20 ms later", sink |= cross_timestamp(&snap, &xtstamp));
	if (sink)
		pr_err("cost: no cross timestamp\n");
}

#ifdef CONFIG_TK_HISTORY

#define NR_BATCH	65536

static u64 *cycles;
static struct ktime_cycles_time *times;

static void convert(u64 cycles)
{
	ktime_t time;

	ktime_convert_cycles(CSID_ARM_ARCH_COUNTER, cycles, CLOCK_REALTIME, &time);
	sink += time;
}

static void check_convert(const char *name, u64 cycles)
{
	ktime_t time;

	/* There are flags where the time is not exact */
	if (ktime_convert_cycles(CSID_ARM_ARCH_COUNTER, cycles, CLOCK_REALTIME, &time) < 0)
		pr_err("cost: %s: no time\n", name);
}

/* @value depends on the round i */
#define COST_CONVERT(name, value) ({				\
	unsigned int i = 0;					\
								\
	check_convert(name, value);				\
	COST(name, convert(value));				\
	i = LOOPS - 1;						\
	check_convert(name, value);				\
})

static int compare(const void *a, const void *b)
{
	const u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Per value of a batch of @nr, which are spread over the exact history */
static void measure_batch(unsigned int nr, bool sorted)
{
	unsigned int rounds = max(1, 4096 / nr);
	struct ktime_history_info info;
	struct rnd_state random;
	unsigned long flags;
	char name[64];
	u64 sum = 0;

	prandom_seed_state(&random, nr);

	for (unsigned int round = 0; round < rounds; round++) {
		u64 start;

		ktime_history_get_info(&info);
		for (unsigned int i = 0; i < nr; i++) {
			cycles[i] = info.newest -
				    mul_u64_u32_shr((info.newest - info.reach[0].oldest) / 4 * 3,
						    prandom_u32_state(&random), 32);
		}
		if (sorted)
			sort(cycles, nr, sizeof(*cycles), compare, NULL);
		local_irq_save(flags);
		start = count();
		ktime_convert_cycles_batch(CSID_ARM_ARCH_COUNTER, cycles, nr, CLOCK_REALTIME,
					   times);
		sum += count() - start;
		local_irq_restore(flags);
		for (unsigned int i = 0; i < nr; i++) {
			if (times[i].status || times[i].error_ns)
				pr_err("cost: value %u of a batch has status %d\n", i, times[i].status);
		}
	}
	snprintf(name, sizeof(name), "batch of %u, %s", nr, sorted ? "sorted" : "random");
	report(name, sum, rounds * nr);
}

static void convert_time(clockid_t from, ktime_t time, clockid_t to)
{
	ktime_t result = 0;

	ktime_convert_time(from, time, to, &result);
	sink += result;
}

static void cost_time(const char *name, clockid_t from, ktime_t time, clockid_t to)
{
	ktime_t result;

	if (ktime_convert_time(from, time, to, &result) < 0)
		pr_err("cost: %s: no time\n", name);
	COST(name, convert_time(from, time - (i & 7), to));
}

static void measure_times(void)
{
	static ktime_t stamps[4096];
	struct ktime_cycles_time *results = times;
	unsigned long flags;
	struct timespec64 ts;
	ktime_t mono, real;
	u64 start;

	mono = ktime_get() - NSEC_PER_MSEC;
	real = ktime_get_real() - NSEC_PER_MSEC;
	cost_time("MONOTONIC to REALTIME", CLOCK_MONOTONIC, mono, CLOCK_REALTIME);
	cost_time("BOOTTIME to MONOTONIC", CLOCK_BOOTTIME, mono, CLOCK_MONOTONIC);
	cost_time("REALTIME to MONOTONIC", CLOCK_REALTIME, real, CLOCK_MONOTONIC);
	cost_time("MONOTONIC to RAW", CLOCK_MONOTONIC, mono, CLOCK_MONOTONIC_RAW);
	for (unsigned int i = 0; i < ARRAY_SIZE(stamps); i++)
		stamps[i] = mono - (ARRAY_SIZE(stamps) - i) * NSEC_PER_MSEC;
	local_irq_save(flags);
	start = count();
	ktime_convert_time_batch(CLOCK_MONOTONIC, stamps, ARRAY_SIZE(stamps), CLOCK_REALTIME,
				 results);
	start = count() - start;
	local_irq_restore(flags);
	report("MONOTONIC to REALTIME, batch of 4096, sorted", start, ARRAY_SIZE(stamps));

	for (int i = 0; i < 200; i++) {
		ktime_get_real_ts64(&ts);
		do_settimeofday64(&ts);
	}
	cost_time("MONOTONIC to REALTIME, 200 settings of the clock ago", CLOCK_MONOTONIC, mono,
		  CLOCK_REALTIME);
	cost_time("REALTIME to MONOTONIC, 200 settings of the clock ago", CLOCK_REALTIME, real,
		  CLOCK_MONOTONIC);
}

static void measure_conversions(void)
{
	struct ktime_history_info info;
	struct ktime_conversion conv;
	u64 start, middle;
	char name[64];

	/* As many entries as all levels can have, then a state per tick */
	for (int i = 0; i < (5 << CONFIG_TK_HISTORY_SHIFT) + 100; i++) {
		adjust(i & 1 ? HALF_A_STEP : -HALF_A_STEP);
		/* Of different lengths */
		msleep(1 + 10 * (i * 7 % 13));
	}
	for (int i = 0; i < 4; i++) {
		adjust(HALF_A_STEP + i * 1000003);
		msleep(3000);
	}
	ktime_history_get_info(&info);
	start = info.newest - 100;
	COST_CONVERT("convert, newest state", start + (i & 63));
	COST("convert all, newest state",
	     ktime_convert_cycles_all(CSID_ARM_ARCH_COUNTER, start + (i & 63), &conv));
	ktime_history_get_info(&info);
	start = info.newest;
	COST_CONVERT("convert, 10 ms ago", start - 10 * NSEC_PER_MSEC + i);
	COST_CONVERT("convert, 1 s ago", start - NSEC_PER_SEC + i);
	COST_CONVERT("convert, oldest exact state", info.reach[0].oldest + i);
	for (unsigned int level = 1; level < info.nr_reaches; level++) {
		middle = (info.reach[level - 1].oldest + info.reach[level].oldest) / 2;
		if (middle == info.reach[level].oldest)
			continue;
		snprintf(name, sizeof(name), "convert, within %u ns", info.reach[level].error_ns);
		COST_CONVERT(name, middle + i);
	}

	for (unsigned int nr = 1; nr <= NR_BATCH; nr = nr == 1 ? 64 : nr == 64 ? 4096 : nr * 16) {
		measure_batch(nr, true);
		measure_batch(nr, false);
	}
}

/* A history of its own, whose counter moves by updates only, and when it is read */
static struct timekeeper tk;
static u64 fake_cycles;

/* Where the clock is set, an update waits for the counter to move */
static u64 read_fake(struct clocksource *cs)
{
	return fake_cycles++;
}

static u64 read_real(struct clocksource *cs)
{
	return __arch_counter_get_cntvct();
}

static struct clocksource clock = {
	.id		= CSID_ARM_ARCH_COUNTER,
	.mask		= CLOCKSOURCE_MASK(64),
	.max_raw_delta	= U64_MAX >> 1,
};

static unsigned long init, prepare, do_switch, record, lookup;
module_param_named(tkh_init, init, ulong, 0);
module_param_named(tkh_prepare, prepare, ulong, 0);
module_param_named(tkh_switch, do_switch, ulong, 0);
module_param_named(tkh_record, record, ulong, 0);
module_param_named(tkh_convert, lookup, ulong, 0);

#define FAKE_TICK	2000

static void fake_update(struct tk_history *h, s32 adjust)
{
	bool (*tkh_prepare)(struct tk_history *h, const struct timekeeper *tk,
			    bool suspended, unsigned int resumes) = (void *)prepare;
	void (*tkh_switch)(struct tk_history *h) = (void *)do_switch;
	void (*tkh_record)(struct tk_history *h, const struct timekeeper *tk) = (void *)record;
	struct tk_read_base *tkr = &tk.tkr_mono, *raw = &tk.tkr_raw;

	tkr->cycle_last += FAKE_TICK;
	tkr->xtime_nsec += (u64)FAKE_TICK * tkr->mult;
	tkr->base += tkr->xtime_nsec >> tkr->shift;
	tkr->xtime_nsec &= BIT_ULL(tkr->shift) - 1;
	raw->cycle_last = tkr->cycle_last;
	raw->xtime_nsec += (u64)FAKE_TICK * raw->mult;
	raw->base += raw->xtime_nsec >> raw->shift;
	raw->xtime_nsec &= BIT_ULL(raw->shift) - 1;
	tkr->mult += adjust;
	fake_cycles = tkr->cycle_last + 10;
	if (tkh_prepare(h, &tk, false, 0)) {
		tkh_switch(h);
		tkh_record(h, &tk);
	}
}

/* Instructions of an update of a history, by what is new in it */
static void measure_update_kind(struct tk_history *h, const char *name, s32 adjust, bool set)
{
	s32 sign = 1;
	u64 none, sum;

	none = LOOP(({ tk.offs_real += set; sign = -sign; sink += sign; }));
	sum = LOOP(({ tk.offs_real += set; sign = -sign; fake_update(h, sign * adjust); }));
	report(name, sum - none, LOOPS);
}

#define NR_FAKE		64

struct fake {
	struct tk_history	h;
	struct tkh_wall		walls[NR_FAKE];
	struct tkh_installation	installations[NR_FAKE];
	struct tkh_entry	rings[];
};

static void measure_ring(unsigned int nr_states)
{
	int (*tkh_convert)(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles,
			   clockid_t clock, ktime_t *time, u32 *error_ns) = (void *)lookup;
	void (*tkh_init)(struct tk_history *h, const struct tkh_memory *memory) = (void *)init;
	static const unsigned int ages[] = { 0, 1, 16, 256 };
	/* The bounds are those of the system's history */
	const struct tkh_level_size sizes[] = {
		{ nr_states, 0 }, { nr_states, 1 }, { nr_states, 4 }, { nr_states, 7 },
		{ nr_states / 2, 10 }, { nr_states / 4, 13 },
	};
	struct fake *fake;
	struct tk_history *h;
	ktime_t time;
	char name[64];
	u32 error_ns;

	fake = vzalloc(struct_size(fake, rings, 5 * nr_states));
	if (!fake) {
		pr_err("cost: no memory for a ring of %u\n", nr_states);
		return;
	}

	h = &fake->h;
	tkh_init(h, &(struct tkh_memory) {
		.sizes			= sizes,
		.nr_levels		= ARRAY_SIZE(sizes),
		.rings			= fake->rings,
		.walls			= fake->walls,
		.nr_walls		= NR_FAKE,
		.installations		= fake->installations,
		.nr_installations	= NR_FAKE,
	});
	clock.read = read_fake;
	tk = (struct timekeeper) {
		.tkr_mono	= { .clock = &clock, .mask = clock.mask, .mult = 1U << 24, .shift = 24 },
		.tkr_raw	= { .clock = &clock, .mask = clock.mask, .mult = 1U << 24, .shift = 24 },
		.cycle_interval	= FAKE_TICK,
	};
	for (unsigned int i = 0; i < 2 * nr_states + 100; i++)
		fake_update(h, i & 1 ? 1 : -1);

	if (nr_states == 1U << CONFIG_TK_HISTORY_SHIFT) {
		u64 none;

		/* What fake_update() does itself */
		measure_update_kind(h, "record, same line", 0, false);
		none = LOOP(fake_update(h, 0));
		pr_info("cost: (of which the simulation's own is not subtracted: %llu)\n",
			div_u64(none, LOOPS));
		measure_update_kind(h, "record, new state", 1, false);
		measure_update_kind(h, "record, new state, nothing to merge", 100000, false);
		measure_update_kind(h, "record, new state and wall", 1, true);
		for (unsigned int i = 0; i < 2 * nr_states + 100; i++)
			fake_update(h, i & 1 ? 1 : -1);
	}

	clock.read = read_real;
	for (unsigned int i = 0; i <= ARRAY_SIZE(ages); i++) {
		unsigned int age = i < ARRAY_SIZE(ages) ? ages[i] : nr_states - 2;
		u64 from = fake_cycles - (u64)age * FAKE_TICK + 1;

		if (age >= nr_states)
			continue;
		snprintf(name, sizeof(name), "ring of %u, %u states back", nr_states, age);
		if (tkh_convert(h, clock.id, from, CLOCK_REALTIME, &time, &error_ns) || error_ns)
			pr_err("cost: %s: no exact time\n", name);
		COST(name, tkh_convert(h, clock.id, from + (i & 7), CLOCK_REALTIME, &time,
				       &error_ns));
	}
	vfree(fake);
}

static void measure_history(void)
{
	cycles = vmalloc_array(NR_BATCH, sizeof(*cycles));
	times = vmalloc_array(NR_BATCH, sizeof(*times));
	if (cycles && times) {
		measure_conversions();
		measure_times();
	} else {
		pr_err("cost: no memory for a batch\n");
	}
	vfree(cycles);
	vfree(times);
	for (unsigned int nr = 64; nr <= 65536; nr *= nr == 64 ? 8 : nr == 512 ? 8 : 16)
		measure_ring(nr);
}

#else
static void measure_history(void) { }
#endif

static int __init bench_cost_init(void)
{
	if (!update_wall_time_addr || !do_adjtimex_addr) {
		pr_err("cost: update_wall_time= and do_adjtimex= are missing\n");
		return -EINVAL;
	}
	empty = LOOP();
	measure_present();
	measure_timekeeper();
#ifdef CONFIG_TK_HISTORY
	struct ktime_history_info info;

	if (!ktime_history_get_info(&info))
		measure_history();
#else
	measure_history();
#endif
	pr_info("cost: end\n");
	return 0;
}
module_init(bench_cost_init);

MODULE_DESCRIPTION("Cost of the history of the timekeeper in instructions");
MODULE_LICENSE("GPL");
