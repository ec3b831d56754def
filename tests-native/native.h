/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A timekeeper in user space, with the history of the kernel
 *
 * The test is the timekeeper's reader and tells what a reader was told. The history
 * has to tell the same.
 */
#ifndef _NATIVE_H
#define _NATIVE_H

#include <linux/clocksource.h>
#include <linux/kernel.h>
#include <linux/seqlock.h>
#include <linux/timekeeper_internal.h>

#include "tk_history_internal.h"

/*
 * The timekeeper
 */

enum kind {
	/* Nothing is new, time is accumulated */
	K_TICK,
	/* The line: another rate, or a step of CLOCK_MONOTONIC itself */
	K_ADJUST,
	K_STEP,
	/* A wall */
	K_SET,
	K_TAI,
	K_WAS_SET,
	/* An installation: an offset to CLOCK_BOOTTIME, the other clocksource, suspend */
	K_BOOT,
	K_CHANGE,
	K_SUSPEND,
	K_RESUME,
	NR_KINDS,
};

extern const char *const kinds[NR_KINDS];

#define NR_COUNTERS	2

/* Sizes of a history */
struct shape {
	struct tkh_level_size	levels[TKH_MAX_LEVELS];
	unsigned int		nr_levels;
	unsigned int		nr_walls;
	unsigned int		nr_installations;
};

struct machine {
	/* What readers use */
	seqcount_t		seq __attribute__((__aligned__(64)));
	struct timekeeper	tk;
	/* The writer's */
	struct timekeeper	shadow __attribute__((__aligned__(64)));
	bool			suspended;
	u64			rnd;
	struct clocksource	*counters[NR_COUNTERS];
	/* Updates which have begun, and those with a new wall or installation */
	unsigned int		updates __attribute__((__aligned__(64)));
	unsigned int		settings;
	/* The last of them that resumed from a suspend with another counter */
	unsigned int		lost[CSID_MAX];
	struct shape		shape;
	struct tk_history	h __attribute__((__aligned__(64)));
};

/* The counters have their read(), id, mult and shift. The first one is in use. */
void machine_init(struct machine *m, const struct shape *shape, struct clocksource *first,
		  struct clocksource *second);
/* Change the shadow timekeeper, then tell the history and the readers */
void machine_prepare(struct machine *m, enum kind kind);
void machine_publish(struct machine *m);
/* The same in two steps, the first of which makes the history's count odd */
void machine_begin(struct machine *m);
void machine_end(struct machine *m);
void machine_update(struct machine *m, enum kind kind);

/* A kind that may follow, mostly one without a new wall or installation if @calm */
enum kind machine_any_kind(struct machine *m, bool calm);

u64 random_u64(u64 *rnd);
u64 random_below(u64 *rnd, u64 ceil);

/*
 * Counters which the test moves, and the sizes of a history of which all is soon full
 */
extern u64 sim_now;
/* The counters are so many bits slower than sim_now */
extern unsigned int sim_slow;
extern struct clocksource sim_first, sim_second;
extern const struct shape small_shape;

/*
 * What a reader was told
 */

enum { T_MONO, T_BOOT, T_REAL, T_TAI, T_RAW, NR_TIMES };

extern const clockid_t clocks[NR_TIMES];

struct pair {
	u64			cycles;
	enum clocksource_ids	id;
	ktime_t			time[NR_TIMES];
	u32			clock_was_set_seq;
	u8			cs_was_changed_seq;
	/* Values of the counts of struct machine, from before */
	unsigned int		updates;
	unsigned int		settings;
};

/* What a reader of @tk is told that got @cycles from its counter */
void pair_fill(struct pair *pair, const struct timekeeper *tk, u64 cycles);

enum verdict {
	/* Exact, or late within the bound */
	V_EXACT,
	V_LONG,
	/* Too old */
	V_EVICTED,
	/* The counter may have had the value again in a suspend of the other clocksource */
	V_LOST,
	/* -EAGAIN, it is up to the caller whether that may be */
	V_WAIT,
	V_WRONG,
	NR_VERDICTS,
};

struct counts {
	unsigned long		nr[NR_VERDICTS];
};

enum way { W_CONVERT, W_ALL, W_BATCH, NR_WAYS };

struct answer {
	enum way		way;
	/* What is asked for: an index of clocks[], not for W_ALL */
	unsigned int		time;
	int			ret;
	struct ktime_conversion	conv;
	struct ktime_cycles_time one;
};

extern const char *const ways[NR_WAYS];

void look_up(const struct tk_history *h, enum clocksource_ids id, u64 cycles,
	     struct answer *answer);
/* To be called after look_up(), which it compares with what the reader was told */
enum verdict judge(const struct machine *m, const struct pair *pair, const struct answer *answer);

/*
 * Single-stepping: @each runs after each instruction of @function, like an NMI,
 * until it returns false
 */
void single_step(void (*function)(void *), void *arg, bool (*each)(void));

/*
 * Results
 */
void plan(unsigned int nr);
/* Returns @ok */
bool result(bool ok, const char *format, ...) __attribute__((__format__(__printf__, 2, 3)));
void note(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
/* The status of the program */
int finish(void);
/* A program which hangs fails. Seconds of the CPU in user space, so that others may be busy. */
void time_limit(unsigned int seconds);

#endif
