// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for the long history
 *
 * Two kinds: clocks of which every position is known, with so few bits of fraction
 * and states so short that each unit counts, and a model of the timekeeper under
 * what disciplines it in the field, which tells how far back each bound reaches.
 */
#include <kunit/test.h>
#include <linux/clocksource.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/time64.h>
#include <linux/timex.h>

#include "tk_history_internal.h"

static bool all;
module_param(all, bool, 0);
MODULE_PARM_DESC(all, "All frequencies and tick rates of the table, not only some");

static unsigned int hours;
module_param(hours, uint, 0);
MODULE_PARM_DESC(hours, "Hours which each line of the table simulates, 0 for what is short");

/*
 * What the document says of the default configuration
 */
static const struct tkh_level_size default_sizes[] = {
	{ 512, 0 }, { 512, 1 }, { 512, 4 }, { 512, 7 }, { 256, 10 }, { 128, 13 }, { 64, 16 },
	{ 32, 19 }, { 32, 22 },
};

static u32 below(struct rnd_state *rnd, u32 limit)
{
	return mul_u64_u32_shr(limit, prandom_u32_state(rnd), 32);
}

static void init_entries(struct kunit *test, struct tkh_entries *entries,
			 const struct tkh_level_size *sizes, unsigned int nr_levels)
{
	unsigned int nr = 0;
	struct tkh_entry *rings;

	for (unsigned int i = 0; i < nr_levels; i++)
		nr += sizes[i].size;
	rings = kunit_kcalloc(test, nr, sizeof(*rings), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, rings);
	tkh_entries_init(entries, sizes, nr_levels, rings);
}

static void push_entry(struct tkh_entries *entries, struct tkh_entry entry)
{
	tkh_entries_make_room(entries);
	tkh_entries_push(entries, entry);
}

/* The entry at @pos and the time that is told there, or NULL */
static const struct tkh_entry *look_up(const struct tkh_entries *entries, u64 pos, ktime_t *time)
{
	const struct tkh_entry *next = NULL, *entry = tkh_entries_find(entries, pos, &next);

	if (!entry)
		return NULL;
	*time = tkh_entry_time(entry, pos);
	if (entry->error && next && !(next->flags & TKH_BROKEN))
		*time = min(*time, next->base);
	return entry;
}

/* From the oldest entry to the newest one: in order, and the base only goes back if BROKEN */
static void check_chain(struct kunit *test, const struct tkh_entries *entries)
{
	const struct tkh_entry *entry, *next, *newer;
	u64 pos;

	KUNIT_ASSERT_TRUE(test, tkh_entries_oldest(entries, entries->nr_levels - 1, &pos));
	entry = tkh_entries_find(entries, pos, &next);
	KUNIT_ASSERT_NOT_NULL(test, entry);
	KUNIT_ASSERT_EQ(test, entry->first, pos);
	while (next) {
		newer = next;
		KUNIT_ASSERT_GT(test, newer->first, entry->first);
		if (!(newer->flags & TKH_BROKEN))
			KUNIT_ASSERT_GE(test, newer->base, entry->base);
		/* An entry lasts until the next one begins */
		pos = newer->first - 1;
		KUNIT_ASSERT_PTR_EQ(test, tkh_entries_find(entries, pos, &next), entry);
		KUNIT_ASSERT_PTR_EQ(test, next, newer);
		entry = tkh_entries_find(entries, newer->first, &next);
		KUNIT_ASSERT_PTR_EQ(test, entry, newer);
	}
}

/*
 * Position by position
 */

#define NR_POSITIONS	20000

/**
 * struct position - What is known of one position
 * @time:	The clock in nanoseconds
 * @shifted:	The same in shifted nanoseconds
 * @told:	What was told when it was looked up last
 * @steps:	How often the clock has stepped back up to here
 * @inst:	Number of the installation
 * @suspended:	The clock stands still
 */
struct position {
	ktime_t	time;
	u64	shifted;
	ktime_t	told;
	u16	steps;
	u16	inst;
	bool	suspended;
};

/**
 * struct walk - A clock which is made position by position
 * @entries:	The history under test
 * @rnd:	State of the random number generator
 * @positions:	What is known, by position from TKH_ORIGIN on
 * @nr:		Number of @positions
 * @last:	Shifted time at the last one of them by the line in force
 * @next:	Shifted time at the next one
 * @mult:	Multiplier, 0 in a suspend
 * @shift:	Shift
 * @inst:	Number of the installation
 * @suspended:	The clock stands still
 * @exact:	Number of lookups in exact entries
 * @merged:	Number of lookups in merged entries
 * @late:	Number of these which were told a later time
 * @lost:	Number of lookups before the oldest entry
 */
struct walk {
	struct tkh_entries	entries;
	struct rnd_state	rnd;
	struct position		*positions;
	unsigned int		nr;
	u64			last;
	u64			next;
	u32			mult;
	u32			shift;
	u16			inst;
	bool			suspended;
	unsigned int		exact;
	unsigned int		merged;
	unsigned int		late;
	unsigned int		lost;
};

static struct walk *walk_create(struct kunit *test, const struct tkh_level_size *sizes,
				unsigned int nr_levels, u32 shift, u64 seed)
{
	struct walk *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->positions = kunit_kcalloc(test, NR_POSITIONS, sizeof(*w->positions), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w->positions);
	init_entries(test, &w->entries, sizes, nr_levels);
	prandom_seed_state(&w->rnd, seed);
	w->shift = shift;
	w->last = 1000ULL << shift;
	return w;
}

#define WALK_SUSPEND	BIT(0)
#define WALK_INSTALL	BIT(1)

/* Another line is in force from the next position on, @jump shifted nanoseconds ahead */
static void walk_update(struct walk *w, s64 jump, u32 mult, unsigned int flags)
{
	bool resume = w->suspended, suspend = flags & WALK_SUSPEND;
	struct tkh_entry entry = {
		.first	= TKH_ORIGIN + w->nr,
		.shift	= w->shift,
		.flags	= resume || flags & WALK_INSTALL ? TKH_INSTALLED : 0,
	};

	w->last += jump;
	w->next = w->last + (suspend || resume ? 0 : mult);
	w->mult = suspend ? 0 : mult;
	w->suspended = suspend;
	w->inst += entry.flags != 0;

	entry.base = w->next >> w->shift;
	entry.frac = w->next & (BIT_ULL(w->shift) - 1);
	entry.slope = (u64)w->mult << 32;
	push_entry(&w->entries, entry);
}

/* Go on by so many positions */
static void walk_go(struct kunit *test, struct walk *w, unsigned int cycles)
{
	KUNIT_ASSERT_LE(test, w->nr + cycles, NR_POSITIONS);
	for (; cycles; cycles--) {
		struct position *position = &w->positions[w->nr];

		*position = (struct position) {
			.time		= w->next >> w->shift,
			.shifted	= w->next,
			.told		= KTIME_MIN,
			.inst		= w->inst,
			.suspended	= w->suspended,
		};
		if (w->nr) {
			position->steps = position[-1].steps +
					  (position[-1].time > position->time);
		}
		w->last = w->next;
		w->next += w->mult;
		w->nr++;
	}
}

/*
 * The line of an entry is never below the clock, nor above it by more than the bound:
 * as real numbers, of which all bits fit into 64 if there are few of a fraction
 */
static void walk_check_line(struct kunit *test, const struct tkh_entry *entry,
			    const struct position *position, u64 pos)
{
	s64 line = ((u64)entry->base << entry->shift) + entry->frac;

	if (entry->shift > 8)
		return;
	line = line * (1LL << 32) + entry->slope * (pos - entry->first);
	line -= position->shifted << 32;
	KUNIT_ASSERT_GE(test, line, 0);
	KUNIT_ASSERT_LE(test, line, (s64)tkh_error_ns(entry->error) << (32 + entry->shift));
}

/* Returns false if it is too old */
static bool walk_check(struct kunit *test, struct walk *w, unsigned int nr)
{
	struct position *position = &w->positions[nr];
	const struct tkh_entry *entry;
	ktime_t told = 0;
	u64 oldest = 0;

	entry = look_up(&w->entries, TKH_ORIGIN + nr, &told);
	if (!entry) {
		KUNIT_ASSERT_TRUE(test, tkh_entries_oldest(&w->entries, w->entries.nr_levels - 1,
							   &oldest));
		KUNIT_ASSERT_GT_MSG(test, oldest, TKH_ORIGIN + nr, "at %u", nr);
		w->lost++;
		return false;
	}

	KUNIT_ASSERT_GE_MSG(test, told, position->time, "at %u of %u", nr, w->nr);
	KUNIT_ASSERT_LE_MSG(test, told, position->time + tkh_error_ns(entry->error),
			    "at %u of %u", nr, w->nr);
	KUNIT_ASSERT_GE_MSG(test, told, position->told, "at %u of %u", nr, w->nr);
	KUNIT_ASSERT_EQ_MSG(test, !entry->slope, position->suspended, "at %u of %u", nr, w->nr);
	KUNIT_ASSERT_EQ_MSG(test, w->positions[entry->first - TKH_ORIGIN].inst, position->inst,
			    "at %u of %u", nr, w->nr);
	walk_check_line(test, entry, position, TKH_ORIGIN + nr);
	if (position->suspended)
		KUNIT_ASSERT_EQ_MSG(test, entry->error, 0, "at %u of %u", nr, w->nr);

	position->told = told;
	w->late += told != position->time;
	if (entry->error)
		w->merged++;
	else
		w->exact++;
	return true;
}

/* All positions from @nr on: growing ones are told growing times */
static void walk_check_from(struct kunit *test, struct walk *w, unsigned int nr)
{
	struct position *position, *last = NULL;

	for (; nr < w->nr; nr++) {
		if (!walk_check(test, w, nr))
			continue;
		position = &w->positions[nr];
		if (last && position->steps == last->steps) {
			KUNIT_ASSERT_GE_MSG(test, position->told, last->told, "at %u of %u", nr,
					    w->nr);
		}
		last = position;
	}
	check_chain(test, &w->entries);
}

struct walk_param {
	u32	shift;
	/* The clock jumps by so many 16th of a nanosecond at the most, ahead and back */
	u32	jump;
	/* One in so many updates begins a suspend, an installation with another shift */
	u32	suspend;
	u32	install;
	/* Less than a nanosecond per cycle */
	bool	fast;
};

static const struct walk_param walk_params[] = {
	{ 1 }, { 2 }, { 4 }, { 8 }, { 32 }, { 4, .fast = true }, { 8, .fast = true },
	{ 32, .fast = true }, { 1, 8 }, { 2, 8 }, { 4, 12 }, { 8, 16 }, { 4, 200 }, { 8, 200 },
	{ 32, 200 }, { 4, 12, .fast = true }, { 32, 40, .fast = true },
	{ 2, .suspend = 16 }, { 8, .suspend = 16 }, { 32, .suspend = 16 },
	{ 4, 200, .suspend = 16 }, { 4, 1, .suspend = 16, .fast = true },
	{ 32, 40, .suspend = 8, .fast = true },
	{ 2, .install = 16 }, { 8, 40, .install = 16 }, { 4, 12, .suspend = 24, .install = 24 },
	{ 31, 40, .suspend = 24, .install = 24, .fast = true },
};

static void walk_desc(const struct walk_param *p, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "shift %u%s, jumps %u/16 ns, suspends %u, shifts %u",
		 p->shift, p->fast ? ", 4 GHz" : "", p->jump, p->suspend, p->install);
}

KUNIT_ARRAY_PARAM(walk, walk_params, walk_desc);

static const struct tkh_level_size walk_sizes[] = {
	{ 8, 0 }, { 8, 1 }, { 16, 2 }, { 8, 4 },
};

static u32 walk_mult(u32 shift, bool fast)
{
	/* 0.25 ns or a bit less than a nanosecond, or 5 ns per cycle */
	if (fast)
		return shift > 16 ? (u32)(BIT_ULL(shift) / 4 + 12345) : 1U << (shift - 2);
	return shift > 16 ? (u32)(BIT_ULL(shift) - BIT_ULL(shift - 3)) : 5U << shift;
}

static bool one_in(struct rnd_state *rnd, u32 nr)
{
	return nr && !below(rnd, nr);
}

static void tkh_long_test_walk(struct kunit *test)
{
	const struct walk_param *p = test->param_value;
	struct walk *w = walk_create(test, walk_sizes, ARRAY_SIZE(walk_sizes), p->shift, p->shift);
	u32 mult = walk_mult(p->shift, p->fast);
	struct rnd_state *rnd = &w->rnd;

	walk_update(w, 0, mult, WALK_INSTALL);
	walk_go(test, w, 10);
	while (w->nr < NR_POSITIONS - 40) {
		unsigned int flags = 0;
		s64 jump = 0;

		for (int i = 0; i < 8; i++) {
			walk_check(test, w, below(rnd, w->nr));
			walk_check(test, w, w->nr - 1 - below(rnd, min(w->nr, 500)));
		}
		walk_check_from(test, w, max((int)w->nr - 100, 0));

		if (!w->suspended && one_in(rnd, p->suspend))
			flags |= WALK_SUSPEND;
		if (one_in(rnd, p->install)) {
			flags |= WALK_INSTALL;
			w->last = w->last >> w->shift << p->shift;
			w->shift = p->shift;
			/* A coarser counter, and back to the other one */
			if (one_in(rnd, 2)) {
				w->shift = p->shift - 1;
				w->last >>= 1;
			}
			mult = walk_mult(w->shift, p->fast);
		}
		if (p->jump && one_in(rnd, 4)) {
			jump = ((s64)below(rnd, p->jump + 1) - below(rnd, p->jump + 1)) *
			       (1LL << w->shift) >> 4;
		}
		/* Change the frequency now and then, and dither */
		if (w->shift > 4 && one_in(rnd, 16))
			mult = walk_mult(w->shift, p->fast) / 8 * (6 + below(rnd, 3));
		/* It slows down where it is suspended, for no position or a few */
		if (flags & WALK_SUSPEND && one_in(rnd, 2)) {
			walk_update(w, min(jump, 0), max(mult, 2) - 1, flags & WALK_INSTALL);
			walk_go(test, w, below(rnd, 3));
			flags &= ~WALK_INSTALL;
			jump = 0;
		}
		walk_update(w, jump, mult + below(rnd, mult / 32 + 2), flags);
		/* Some are in force for no position at all, and leave no trace but a new shift */
		if (!(flags & WALK_INSTALL) || one_in(rnd, 2))
			walk_go(test, w, below(rnd, 31));
	}
	walk_go(test, w, 1);
	walk_check_from(test, w, 0);

	kunit_info(test, "%u exact, %u merged, %u of them late, %u lost, %u steps back, %u installations\n",
		   w->exact, w->merged, w->late, w->lost, w->positions[w->nr - 1].steps, w->inst);
	KUNIT_EXPECT_GT(test, w->exact, 20000);
	KUNIT_EXPECT_GT(test, w->merged, 2000);
	KUNIT_EXPECT_GT(test, w->late, 100);
	KUNIT_EXPECT_GT(test, w->lost, 1000);
	/* What is more than a cycle or two */
	if (p->jump >= (p->fast ? 40 : 100))
		KUNIT_EXPECT_GT(test, w->positions[w->nr - 1].steps, 20);
	if (p->suspend || p->install)
		KUNIT_EXPECT_GT(test, w->inst, 30);
}

/*
 * States of a cycle of 0.147 ns: the base of a merged entry can get above that of the
 * state after its first one, which is over before the clock gets there
 */
static void tkh_long_test_short(struct kunit *test)
{
	static const struct tkh_level_size sizes[] = { { 16, 0 }, { 64, 1 }, { 64, 4 }, { 64, 7 } };
	struct walk *w = walk_create(test, sizes, ARRAY_SIZE(sizes), 32, 1);

	for (unsigned int i = 0; w->nr < 10000; i++) {
		u32 mult = 610003384;

		if (i / 10 % 2)
			mult = 630003384 + below(&w->rnd, 2);
		walk_update(w, 0, mult, i ? 0 : WALK_INSTALL);
		walk_go(test, w, i % 10 > 2 ? 1 : 1 + below(&w->rnd, 200));
		walk_check_from(test, w, max((int)w->nr - 800, 0));
	}
	KUNIT_EXPECT_GT(test, w->late, 1000);
	KUNIT_EXPECT_EQ(test, w->positions[w->nr - 1].steps, 0);
}

/*
 * The clock steps back by 3 ns where it slows down, and is suspended at the same
 * position, so that the state that was slower leaves no trace
 */
static void tkh_long_test_slow_down(struct kunit *test)
{
	static const struct tkh_level_size sizes[] = { { 16, 0 }, { 64, 1 }, { 64, 4 }, { 64, 7 } };
	struct walk *w = walk_create(test, sizes, ARRAY_SIZE(sizes), 24, 1);
	const u32 mult = 1 << 24;

	for (int i = 0; w->nr < 10000; i++) {
		walk_update(w, below(&w->rnd, 100), mult, i ? 0 : WALK_INSTALL);
		walk_go(test, w, 50);
		if (i % 30 == 10) {
			walk_update(w, -3LL << 24, mult - 1000, 0);
			walk_update(w, 0, mult, WALK_SUSPEND);
			walk_go(test, w, 40);
		}
		walk_check_from(test, w, max((int)w->nr - 2000, 0));
	}
	KUNIT_EXPECT_GT(test, w->merged, 10000);
	KUNIT_EXPECT_EQ(test, w->positions[w->nr - 1].steps, (w->nr - 1 - 40) / (30 * 50 + 40) + 1);
}

/*
 * Figures that can be checked by hand. A cycle is a nanosecond, and there are 16 units
 * of a fraction. Four states of 10 cycles, each of which begins two units ahead of the
 * one before: within 1 ns of one line. The fifth one begins 2 ns ahead of that.
 */
static void tkh_long_test_merge(struct kunit *test)
{
	static const struct tkh_level_size sizes[] = { { 8, 0 }, { 8, 1 } };
	const struct tkh_entry *entry[5];
	struct tkh_entries entries;
	ktime_t time;
	u64 oldest;

	init_entries(test, &entries, sizes, ARRAY_SIZE(sizes));
	KUNIT_EXPECT_NULL(test, look_up(&entries, TKH_ORIGIN, &time));
	KUNIT_EXPECT_FALSE(test, tkh_entries_oldest(&entries, 0, &oldest));
	KUNIT_EXPECT_FALSE(test, tkh_entries_oldest(&entries, 1, &oldest));

	for (int i = 0; i < 13; i++) {
		push_entry(&entries, (struct tkh_entry) {
			.first	= TKH_ORIGIN + 10 * i,
			.base	= 1000 + 10 * i + (i < 4 ? 0 : 2),
			.frac	= i < 4 ? 2 * i : 0,
			.slope	= 16ULL << 32,
			.shift	= 4,
		});
	}

	for (int i = 0; i < 5; i++) {
		entry[i] = look_up(&entries, TKH_ORIGIN + 10 * i + 9, &time);
		KUNIT_ASSERT_NOT_NULL(test, entry[i]);
		KUNIT_EXPECT_GE(test, time, 1009 + 10 * i);
	}
	for (int i = 0; i < 4; i++) {
		KUNIT_EXPECT_PTR_EQ(test, entry[i], entry[0]);
		KUNIT_EXPECT_EQ(test, tkh_error_ns(entry[i]->error), 1);
	}
	KUNIT_EXPECT_PTR_NE(test, entry[4], entry[0]);
	KUNIT_EXPECT_NULL(test, look_up(&entries, TKH_ORIGIN - 1, &time));

	/* The last 8 are exact, and told as they are */
	KUNIT_EXPECT_TRUE(test, tkh_entries_oldest(&entries, 0, &oldest));
	KUNIT_EXPECT_EQ(test, oldest, TKH_ORIGIN + 50);
	KUNIT_EXPECT_EQ(test, look_up(&entries, TKH_ORIGIN + 50, &time)->error, 0);
	KUNIT_EXPECT_EQ(test, time, 1052);
	KUNIT_EXPECT_EQ(test, look_up(&entries, TKH_ORIGIN + 1000, &time)->error, 0);
	KUNIT_EXPECT_EQ(test, time, 2002);
}

/*
 * Short states and very long ones, whose differences do not fit into 64 bits
 */

struct range_param {
	u64	len[2];
	/* What the odd ones gain, in 2^-24 of the time */
	s32	gain;
};

static const struct range_param range_params[] = {
	{ { 1, 1ULL << 41 }, 0 },
	{ { 1, (1ULL << 42) + (1ULL << 40) }, 0 },
	{ { 1, 1ULL << 50 }, 0 },
	{ { 1, 1ULL << 50 }, 1 },
	{ { 1ULL << 50, 1 }, -1 },
	{ { 3, 1ULL << 45 }, 1 },
	{ { 1 << 20, 1ULL << 44 }, 1 << 20 },
	{ { 1 << 20, 1ULL << 45 }, -(1 << 20) },
	{ { 1ULL << 40, 1ULL << 50 }, 1 << 14 },
	{ { 1ULL << 45, 1 }, 1 << 20 },
	{ { 1ULL << 50, 1 << 20 }, 1 },
	{ { 1ULL << 50, 1ULL << 50 }, 1 },
};

static void range_desc(const struct range_param *p, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%llu and %llu cycles, gain %d", p->len[0],
		 p->len[1], p->gain);
}

KUNIT_ARRAY_PARAM(range, range_params, range_desc);

/* Nanoseconds since @first, and units of 2^-24 ns: in two parts, as it exceeds 64 bits */
static ktime_t range_time(const struct tkh_entry *piece, u64 pos, u32 *frac)
{
	u64 cycles = pos - piece->first, high = cycles >> 24, low = cycles & GENMASK_ULL(23, 0);
	s64 gain = (s32)((piece->slope >> 32) - (1 << 24)), part;

	part = low * gain + piece->frac;
	*frac = part & GENMASK(23, 0);
	return piece->base + cycles + high * gain + (part >> 24);
}

static void tkh_long_test_range(struct kunit *test)
{
	static const struct tkh_level_size sizes[] = { { 4, 0 }, { 8, 1 }, { 8, 4 }, { 256, 22 } };
	const struct range_param *p = test->param_value;
	struct tkh_entry *pieces, piece = { };
	unsigned int merged = 0, exact = 0;
	struct tkh_entries entries;
	const int nr = 60;
	u32 frac;

	init_entries(test, &entries, sizes, ARRAY_SIZE(sizes));
	pieces = kunit_kcalloc(test, nr, sizeof(*pieces), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pieces);

	piece = (struct tkh_entry) { .first = TKH_ORIGIN, .base = 5, .shift = 24 };
	for (int i = 0; i < nr; i++) {
		/* By a fraction of a nanosecond at least, so that no two are one line */
		piece.frac ^= 1;
		piece.slope = (u64)((1 << 24) + (i & 1 ? p->gain : 0)) << 32;
		pieces[i] = piece;
		push_entry(&entries, piece);
		piece.base = range_time(&pieces[i], piece.first + p->len[i & 1], &frac);
		piece.first += p->len[i & 1];
		piece.frac = frac;

		check_chain(test, &entries);
		for (int j = 0; j <= i; j++) {
			u64 len = p->len[j & 1];
			u64 cycles[] = { 0, 1, len >> 2, len >> 1, len - 2, len - 1 };

			for (int k = 0; k < ARRAY_SIZE(cycles); k++) {
				u64 pos = pieces[j].first + min(cycles[k], len - 1);
				const struct tkh_entry *entry;
				ktime_t told, time;

				time = range_time(&pieces[j], pos, &frac);
				entry = look_up(&entries, pos, &told);
				KUNIT_ASSERT_NOT_NULL(test, entry);
				KUNIT_ASSERT_GE_MSG(test, told, time, "at %d of %d", j, i);
				KUNIT_ASSERT_LE_MSG(test, told, time + tkh_error_ns(entry->error),
						    "at %d of %d", j, i);
				if (entry->error)
					merged++;
				else
					exact++;
			}
		}
	}
	kunit_info(test, "%u exact, %u merged\n", exact, merged);
	KUNIT_EXPECT_GT(test, exact, 1000);
	/* What gains more than the last bound cannot be merged */
	if (abs(p->gain) <= 1 && p->len[0] < 1ULL << 40 && p->len[1] < 1ULL << 40)
		KUNIT_EXPECT_GT(test, merged, 1000);
}

/*
 * How long the history is, with the timekeeper of timekeeping.c and ntp.c as a model
 *
 * Ticks come at multiples of CLOCK_MONOTONIC's own tick, so that their phase sweeps
 * through the interval of the accumulation. An idle machine updates the timekeeper at
 * any phase. ADJ_FREQUENCY takes effect at once. HZ is a parameter of the model.
 */

/* What a reader of CLOCK_MONOTONIC uses, as in struct tk_read_base */
struct model_line {
	u64	cycle_last;
	u64	sec;
	u64	xtime_nsec;
	u32	mult;
	u32	shift;
};

/* As in struct timekeeper and struct ntp_data, cycles count from 0 */
struct model {
	struct model_line	line;
	u32			khz;
	u32			hz;
	u64			cycle_interval;
	u64			xtime_interval;
	u64			ntp_tick;
	s64			ntp_error;
	u32			ntp_error_shift;
	u32			ntp_err_mult;
	s64			skew_delta;
	bool			skip_second_overflow;
	u64			tick_length;
	s64			cs_tick_adj;
	s64			time_freq;
	s64			time_offset;
	s64			next_skew_delta;
	u64			time_reftime;
	u32			time_constant;
};

static ktime_t model_time(const struct model_line *line, u64 cycles)
{
	return line->sec * NSEC_PER_SEC +
	       (((cycles - line->cycle_last) * line->mult + line->xtime_nsec) >> line->shift);
}

/* When the clock will be @time, by the line in force */
static u64 model_cycles(const struct model_line *line, ktime_t time)
{
	s64 shifted = (s64)(time - line->sec * NSEC_PER_SEC) * (1LL << line->shift) -
		      (s64)line->xtime_nsec;

	return line->cycle_last + (shifted > 0 ? div_u64(shifted + line->mult - 1, line->mult) : 0);
}

/* ntp_update_frequency() */
static void model_update_frequency(struct model *m)
{
	m->tick_length = div_u64(((u64)NSEC_PER_SEC << NTP_SCALE_SHIFT) + m->cs_tick_adj +
				 m->time_freq, m->hz);
}

/* clocks_calc_mult_shift() as for a new clocksource, tk_setup_internals() */
static void model_init(struct model *m, u32 khz, u32 hz)
{
	struct model_line *line = &m->line;
	u32 tick = NSEC_PER_SEC / hz;

	*m = (struct model) { .khz = khz, .hz = hz, .time_constant = 2 };
	clocks_calc_mult_shift(&line->mult, &line->shift, khz, NSEC_PER_MSEC, 600 * MSEC_PER_SEC);
	while (line->mult + div_u64(line->mult * 11ULL, 100) > U32_MAX) {
		line->mult >>= 1;
		line->shift--;
	}
	line->sec = 1000;

	m->cycle_interval = div_u64(((u64)tick << line->shift) + line->mult / 2, line->mult);
	m->xtime_interval = m->cycle_interval * line->mult;
	m->ntp_error_shift = NTP_SCALE_SHIFT - line->shift;
	m->ntp_tick = m->xtime_interval << m->ntp_error_shift;
	m->cs_tick_adj = (s64)(m->ntp_tick - ((u64)tick << NTP_SCALE_SHIFT)) * hz;
	model_update_frequency(m);
}

static s64 model_abs_shift(s64 value, unsigned int shift)
{
	return value < 0 ? -(-value >> shift) : value >> shift;
}

/* second_overflow() */
static void model_second(struct model *m)
{
	s64 net = model_abs_shift(m->time_offset, SHIFT_PLL + m->time_constant);

	if (!net)
		net = m->time_offset;
	m->next_skew_delta = div_s64(net, m->hz);
	if (!m->next_skew_delta && net)
		m->next_skew_delta = net < 0 ? -1 : 1;
}

/* accumulate_nsecs_to_secs() */
static void model_seconds(struct model *m)
{
	u64 sec = (u64)NSEC_PER_SEC << m->line.shift;

	while (m->line.xtime_nsec >= sec) {
		m->line.xtime_nsec -= sec;
		m->line.sec++;
		if (!m->skip_second_overflow)
			model_second(m);
		m->skip_second_overflow = false;
	}
}

/* ntp_drain_skew() */
static s64 model_drain(struct model *m, s64 amount)
{
	if (amount < 0 ? m->time_offset >= 0 : m->time_offset <= 0)
		return 0;
	if (abs(amount) > abs(m->time_offset))
		amount = m->time_offset;
	m->time_offset -= amount;
	return amount;
}

/* logarithmic_accumulation() */
static u64 model_accumulate(struct model *m, u64 offset, unsigned int shift)
{
	if (offset < m->cycle_interval << shift)
		return offset;

	m->line.cycle_last += m->cycle_interval << shift;
	m->line.xtime_nsec += m->xtime_interval << shift;
	model_seconds(m);
	m->ntp_error += m->ntp_tick << shift;
	m->ntp_error -= m->xtime_interval << (m->ntp_error_shift + shift);
	m->ntp_error += model_drain(m, m->skew_delta * (1LL << shift)) * m->hz;
	return offset - (m->cycle_interval << shift);
}

/* timekeeping_adjust() and timekeeping_apply_adjustment() */
static void model_adjust(struct model *m, s64 offset)
{
	struct model_line *line = &m->line;
	u32 mult = line->mult - m->ntp_err_mult;
	s32 change;

	if (m->ntp_tick != m->tick_length || m->skew_delta != m->next_skew_delta) {
		m->ntp_tick = m->tick_length;
		m->skew_delta = m->next_skew_delta;
		mult = div64_u64((m->ntp_tick + m->skew_delta * m->hz) >> m->ntp_error_shift,
				 m->cycle_interval);
	}
	m->ntp_err_mult = m->ntp_error > 0;
	change = mult + m->ntp_err_mult - line->mult;

	line->mult += change;
	m->xtime_interval += (s64)m->cycle_interval * change;
	line->xtime_nsec -= offset * change;
	m->ntp_error += (offset * change) * (1LL << m->ntp_error_shift);
	if ((s64)line->xtime_nsec < 0) {
		line->xtime_nsec += (u64)NSEC_PER_SEC << line->shift;
		line->sec--;
		m->skip_second_overflow = true;
	}
}

/* __timekeeping_advance(). Returns false if it is too early. */
static bool model_advance(struct model *m, u64 now, bool adv_freq)
{
	u64 offset = now - m->line.cycle_last;
	int shift = 0;

	if (offset < m->cycle_interval && !adv_freq)
		return false;
	if (offset)
		shift = max(ilog2(offset) - ilog2(m->cycle_interval), 0);
	shift = min(shift, 62 - ilog2(m->tick_length));
	while (offset >= m->cycle_interval) {
		offset = model_accumulate(m, offset, shift);
		if (offset < m->cycle_interval << shift)
			shift--;
	}
	model_adjust(m, offset);
	model_seconds(m);
	return true;
}

/* adjtimex(ADJ_FREQUENCY), in 2^-16 ppm */
static void model_set_freq(struct model *m, s64 freq)
{
	m->time_freq = clamp(freq * PPM_SCALE, -MAXFREQ_SCALED, MAXFREQ_SCALED);
	model_update_frequency(m);
}

/* adjtimex(ADJ_OFFSET) of the PLL, in nanoseconds */
static void model_set_offset(struct model *m, s64 offset)
{
	u64 secs = min(m->line.sec - m->time_reftime, 1ULL << (SHIFT_PLL + 1 + m->time_constant));
	u32 shift = NTP_SCALE_SHIFT - 2 * (SHIFT_PLL + 2 + m->time_constant);
	s64 freq = offset * (s64)secs * (1LL << shift);

	m->time_reftime = m->line.sec;
	m->time_freq = clamp(freq + m->time_freq, -MAXFREQ_SCALED, MAXFREQ_SCALED);
	m->time_offset = div_s64(offset * (1LL << NTP_SCALE_SHIFT), m->hz);
	model_update_frequency(m);
}

#define NR_AGES		4
#define LOST		U32_MAX

static const u32 ages[NR_AGES] = { 60, 600, 3600, 24 * 3600 };

/* PPM is 2^16 */
#define PPB(ppb)	((ppb) * 65536LL / 1000)
/* How fast the counter is */
#define DRIFT		PPB(12345)

enum kind { FREE, FREQ, PLL };

/**
 * struct discipline - What disciplines the clock
 * @name:	Its name
 * @kind:	Nothing, ADJ_FREQUENCY, or ADJ_OFFSET
 * @poll:	Time between two actions in nanoseconds, 0 for once
 * @jitter:	What is added to that at most
 * @noise:	How far the frequency is off at most, in 2^-16 ppm
 * @walk:	By how much the frequency goes on from time to time
 * @square:	Plus and minus so much in turns
 * @tick:	With each tick
 * @bound:	Bound in ns at these ages which is held to, 0 for none
 * @busy_day:	Bound after a day if there is an update with each tick
 */
struct discipline {
	const char	*name;
	enum kind	kind;
	u64		poll;
	u64		jitter;
	u32		noise;
	u32		walk;
	u32		square;
	bool		tick;
	u32		bound[NR_AGES];
	u32		busy_day;
};

static const struct discipline disciplines[] = {
	{ "free", FREE },
	{ "constant", FREQ },
	{ "chrony", FREQ, 16ULL * NSEC_PER_SEC, 48ULL * NSEC_PER_SEC, .noise = PPB(5),
	  .bound = { 8, 0, 64, 4096 }, .busy_day = 512 },
	{ "chrony 1024 s", FREQ, 1024ULL * NSEC_PER_SEC, 64ULL * NSEC_PER_SEC, .noise = PPB(5),
	  .bound = { 8, 0, 64, 4096 }, .busy_day = 512 },
	{ "ntpd", PLL, 64ULL * NSEC_PER_SEC, .bound = { 8, 0, 64, 1 << 15 } },
	{ "phc2sys 1 Hz", FREQ, NSEC_PER_SEC, NSEC_PER_MSEC, .noise = PPB(20),
	  .bound = { 8, 0, 512, 512 } },
	{ "phc2sys 16 Hz", FREQ, NSEC_PER_SEC / 16, 100 * NSEC_PER_USEC, .noise = PPB(20),
	  .bound = { 8, 0, 512, 512 } },
	{ "+-500 ppm", FREQ, NSEC_PER_SEC / 4, .square = PPB(500000) },
	{ "random walk", FREQ, NSEC_PER_SEC, .walk = PPB(1) },
	{ "each tick", FREQ, .noise = PPB(500000), .tick = true },
};

/* Stamped by a reader of the clock, and what was told of it last */
struct event {
	u64	pos;
	ktime_t	time;
	ktime_t	told;
	u32	steps;
};

#define NR_EVENTS	12288

struct sim {
	struct tkh_entries	entries;
	struct model		model;
	struct rnd_state	rnd;
	const struct discipline	*discipline;
	struct event		*events;
	unsigned int		nr_events;
	/* Milliseconds between two updates of an idle machine, 0 for each tick */
	u32			idle;
	/* Counter value at the last update, and at its switch */
	u64			now;
	u64			switched;
	ktime_t			next_tick;
	ktime_t			next_action;
	s64			freq;
	/* Of the PLL: what the time is, when, and how fast the counter is in 10^-12 */
	s64			reference;
	u64			reference_cycles;
	s64			reference_freq;
	u32			steps;
	/* For the table */
	u32			worst[NR_AGES];
	bool			reached[NR_AGES];
	u64			exact;
	u64			horizon;
	u64			updates;
	u64			pushed;
	unsigned int		merged;
	unsigned int		late;
	unsigned int		lost;
};

static s64 sim_noise(struct sim *sim, u32 most)
{
	return (s64)below(&sim->rnd, 2 * most + 1) - most;
}

/* Anything below @limit ns */
static u64 sim_jitter(struct sim *sim, u64 limit)
{
	return mul_u64_u32_shr(limit, prandom_u32_state(&sim->rnd), 32);
}

/* Exponentially distributed: the logarithm by its bits, between them a straight line */
static s64 sim_wait(struct sim *sim, u64 mean)
{
	u32 any = prandom_u32_state(&sim->rnd) | 1, zeroes = 32 - fls(any);
	u64 log2 = ((u64)zeroes << 31) + (BIT_ULL(32) - (any << zeroes));

	/* ln(2) is 0.693 */
	return div_u64(mul_u64_u64_shr(mean * 693, log2, 31), 1000);
}

static u64 sim_cycles(struct sim *sim, u64 ns)
{
	return div_u64(ns * sim->model.khz, NSEC_PER_MSEC);
}

/* Returns true if the frequency is adjusted, which updates the timekeeper at once */
static bool sim_act(struct sim *sim)
{
	const struct discipline *d = sim->discipline;
	struct model *m = &sim->model;
	u64 poll = d->tick ? NSEC_PER_SEC / m->hz : d->poll;
	s64 nominal, error;

	sim->next_action = poll ? sim->next_action + poll + sim_jitter(sim, d->jitter) : KTIME_MAX;
	if (d->kind == FREQ) {
		if (d->square)
			sim->freq = sim->freq > 0 ? -(s64)d->square : d->square;
		else
			sim->freq += sim_noise(sim, d->walk);
		model_set_freq(m, sim->freq + sim_noise(sim, d->noise));
		return true;
	}

	/* The counter wanders, and 20 us are lost on the network, one way or the other */
	nominal = div_u64((sim->now - sim->reference_cycles) * NSEC_PER_MSEC, m->khz);
	sim->reference_cycles = sim->now;
	sim->reference_freq += sim_noise(sim, 800);
	sim->reference += nominal + div64_s64(nominal * sim->reference_freq, 1000000000000LL);
	error = sim->reference - model_time(&m->line, sim->now);
	model_set_offset(m, error + sim_noise(sim, 20000));
	return false;
}

static void sim_push(struct sim *sim)
{
	const struct model_line *line = &sim->model.line;
	u64 first = sim->switched + 1;
	u64 shifted = (first - line->cycle_last) * line->mult + line->xtime_nsec;

	push_entry(&sim->entries, (struct tkh_entry) {
		.first	= TKH_ORIGIN + first,
		.base	= line->sec * NSEC_PER_SEC + (shifted >> line->shift),
		.frac	= shifted & (BIT_ULL(line->shift) - 1),
		.slope	= (u64)line->mult << 32,
		.shift	= line->shift,
	});
	sim->pushed++;
}

static void sim_stamp(struct sim *sim, const struct model_line *line, u64 cycles)
{
	if (sim->nr_events < NR_EVENTS) {
		sim->events[sim->nr_events++] = (struct event) {
			.pos	= TKH_ORIGIN + cycles,
			.time	= model_time(line, cycles),
			.told	= KTIME_MIN,
			.steps	= sim->steps,
		};
	}
}

/* The shifted time at counter value 0, modulo 2^64 */
static u64 sim_offset(const struct model_line *line)
{
	return ((line->sec * NSEC_PER_SEC) << line->shift) + line->xtime_nsec -
		line->cycle_last * line->mult;
}

/* Go on to the next update. Readers are stamped around it if @stamp. */
static void sim_update(struct sim *sim, bool stamp)
{
	struct model *m = &sim->model;
	struct model_line old = m->line;
	u32 tick = NSEC_PER_SEC / m->hz, rest;
	u64 last = sim->switched;
	bool adv_freq = false;
	ktime_t time;

	time = sim->next_tick;
	if (sim->idle) {
		time = max(time, model_time(&old, sim->now) +
			   sim_wait(sim, sim->idle * (u64)NSEC_PER_MSEC));
	}
	if (sim->next_action <= time) {
		sim->now = max(sim->now, model_cycles(&old, sim->next_action));
		adv_freq = sim_act(sim);
		if (!adv_freq)
			return;
	} else {
		sim->now = max(sim->now, model_cycles(&old, time) +
			       sim_cycles(sim, sim_jitter(sim, 20 * NSEC_PER_USEC)));
		time = model_time(&old, sim->now);
		div_u64_rem(time, tick, &rest);
		sim->next_tick = time - rest + tick;
	}
	if (!model_advance(m, sim->now, adv_freq))
		return;
	sim->updates++;

	/* Readers go on with the old line up to the switch */
	sim->switched = max(last, sim->now + sim_cycles(sim, sim_jitter(sim, 500)));
	sim->now = sim->switched;
	if (stamp && sim->switched > last + 1) {
		sim_stamp(sim, &old, last + 1 + sim_jitter(sim, sim->switched - last - 1));
		sim_stamp(sim, &old, sim->switched);
	}
	sim->steps += model_time(&old, sim->switched) > model_time(&m->line, sim->switched + 1);
	if (stamp && sim->switched > last)
		sim_stamp(sim, &m->line, sim->switched + 1);
	if (old.mult != m->line.mult || sim_offset(&old) != sim_offset(&m->line))
		sim_push(sim);
}

/* What is told of an event: not early, late by no more than the bound, and ever later */
static void sim_check(struct kunit *test, struct sim *sim, struct event *event)
{
	const struct tkh_entry *entry;
	ktime_t told = 0;

	entry = look_up(&sim->entries, event->pos, &told);
	if (!entry) {
		sim->lost++;
		return;
	}
	KUNIT_ASSERT_GE(test, told, event->time);
	KUNIT_ASSERT_LE(test, told, event->time + tkh_error_ns(entry->error));
	KUNIT_ASSERT_GE(test, told, event->told);
	event->told = told;
	sim->merged += entry->error != 0;
	sim->late += told != event->time;
}

static void sim_check_all(struct kunit *test, struct sim *sim)
{
	for (unsigned int i = 0; i < sim->nr_events; i++) {
		struct event *event = &sim->events[i];

		sim_check(test, sim, event);
		if (i && event->steps == event[-1].steps)
			KUNIT_ASSERT_GE(test, event->told, event[-1].told);
	}
}

/* The bounds at all ages, and how far back it reaches */
static void sim_measure(struct sim *sim)
{
	struct tkh_entries *entries = &sim->entries;
	const struct tkh_entry *entry, *next;
	u64 now = TKH_ORIGIN + sim->now, oldest;

	for (int i = 0; i < NR_AGES; i++) {
		u64 age = (u64)ages[i] * sim->model.khz * 1000;

		if (sim->now <= age)
			continue;
		entry = tkh_entries_find(entries, now - age, &next);
		sim->worst[i] = max(sim->worst[i], entry ? tkh_error_ns(entry->error) : LOST);
		sim->reached[i] = true;
	}
	if (tkh_entries_oldest(entries, 0, &oldest) && oldest > TKH_ORIGIN)
		sim->exact = min(sim->exact, now - oldest);
	if (tkh_entries_oldest(entries, entries->nr_levels - 1, &oldest) && oldest > TKH_ORIGIN)
		sim->horizon = min(sim->horizon, now - oldest);
}

static void sim_seconds(char *buf, size_t size, struct sim *sim, u64 cycles)
{
	if (cycles == U64_MAX)
		snprintf(buf, size, "all");
	else
		snprintf(buf, size, "%llu s", div_u64(cycles, sim->model.khz * 1000ULL));
}

/**
 * struct table_param - What a line of the table simulates
 * @khz:	Frequency of the counter
 * @hz:		HZ
 * @idle:	Milliseconds between two updates, 0 for an update with each tick
 * @discipline:	Index into disciplines
 * @hours:	Length
 * @bound:	What merging reaches at these ages. More is a change for the worse. 0
 *		for what depends on the length or on the random numbers.
 */
struct table_param {
	u32	khz;
	u32	hz;
	u32	idle;
	u32	discipline;
	u32	hours;
	u32	bound[NR_AGES];
};

/* A line of the table */
static void sim_tell(struct kunit *test, struct sim *sim, const struct table_param *p)
{
	char bounds[NR_AGES][12], exact[24], horizon[24];

	for (int i = 0; i < NR_AGES; i++) {
		if (!sim->reached[i])
			snprintf(bounds[i], sizeof(bounds[i]), "-");
		else if (sim->worst[i] == LOST)
			snprintf(bounds[i], sizeof(bounds[i]), "lost");
		else
			snprintf(bounds[i], sizeof(bounds[i]), "%u", sim->worst[i]);
	}
	sim_seconds(exact, sizeof(exact), sim, sim->exact);
	sim_seconds(horizon, sizeof(horizon), sim, sim->horizon);
	kunit_info(test, "%4u.%u MHz, HZ %4u, idle %4u ms, %-13s: 1 min %s, 10 min %s, 1 h %s, 24 h %s ns; exact %s, horizon %s; %u h, %llu updates, %llu entries; events: %u merged, %u late, %u lost\n",
		   p->khz / 1000, p->khz / 100 % 10, p->hz, p->idle, sim->discipline->name,
		   bounds[0], bounds[1], bounds[2], bounds[3], exact, horizon, p->hours,
		   sim->updates, sim->pushed, sim->merged, sim->late, sim->lost);
}

static void sim_run(struct kunit *test, struct sim *sim, const struct table_param *p)
{
	const struct discipline *d = &disciplines[p->discipline];
	struct tkh_entry *rings = sim->entries.level[0].ring;
	struct event *events = sim->events;
	u64 limit = p->hours * 3600ULL * 1000 * p->khz, part = limit >> 14;
	u32 bound;

	*sim = (struct sim) {
		.discipline	= d,
		.events		= events,
		.idle		= p->idle,
		.next_action	= d->kind == FREE ? KTIME_MAX : 1001LL * NSEC_PER_SEC,
		.freq		= DRIFT,
		.reference	= 1000LL * NSEC_PER_SEC,
		.reference_freq	= 12345000,
		.exact		= U64_MAX,
		.horizon	= U64_MAX,
	};
	prandom_seed_state(&sim->rnd, p->khz ^ p->hz << 16 ^ p->idle ^ p->discipline << 8);
	tkh_entries_init(&sim->entries, default_sizes, ARRAY_SIZE(default_sizes), rings);
	model_init(&sim->model, p->khz, p->hz);
	sim->next_tick = 1000LL * NSEC_PER_SEC + NSEC_PER_SEC / p->hz;
	/* Known from the run before */
	if (d->kind != FREE)
		model_set_freq(&sim->model, DRIFT);
	if (d->kind == PLL)
		sim->model.time_constant = 6;
	sim->switched = -1ULL;
	sim_push(sim);
	sim->switched = 0;

	for (u64 next = part, nr = 0; sim->now < limit;) {
		bool due = sim->now >= next;

		sim_update(sim, due && nr % 4 == 0);
		if (!due)
			continue;
		next += part;
		nr++;
		sim_measure(sim);
		if (sim->nr_events)
			sim_check(test, sim, &sim->events[below(&sim->rnd, sim->nr_events)]);
		if (nr % 1024 == 0)
			sim_check_all(test, sim);
	}
	sim_check_all(test, sim);
	sim_tell(test, sim, p);

	/* An entry per tick reaches back for so short a time that few are left */
	KUNIT_EXPECT_GT(test, sim->nr_events, d->tick && !p->idle ? 10 : 1000);
	if (d->kind != FREE && p->hours > 1)
		KUNIT_EXPECT_GT(test, sim->merged, 1000);
	for (int i = 0; i < NR_AGES; i++) {
		bound = p->bound[i] ?: d->bound[i];
		if (ages[i] == 24 * 3600 && !p->idle && d->busy_day)
			bound = min(bound, d->busy_day);
		/*
		 * One unit of mult moves a fast counter's clock by 10 to 100 ns in such a
		 * time. That is too much for 64 ns, and too often for the rings before.
		 */
		if (ages[i] == 3600 && bound == 64 && p->idle >= 100 && p->idle < 1000)
			bound = 512;
		if (bound)
			KUNIT_EXPECT_LE_MSG(test, sim->worst[i], bound, "after %u s", ages[i]);
	}
	if (d->bound[0])
		KUNIT_EXPECT_EQ(test, sim->lost, 0);
}

/* Runs in seconds, the rest is for the parameters */
static const struct table_param table_params[] = {
	{ 2400000,  100,    0, 0, 2 },
	{   62500,  100,   10, 1, 2, { 1, 1, 1 } },
	{ 1000000,  250,    0, 2, 2, { 1, 1, 1 } },
	{   62500,  250,   40, 2, 26, { 1, 1, 8, 512 } },
	{ 1000000,  250,  400, 2, 26, { 1, 8, 512, 4096 } },
	{ 3600000,  250, 1000, 3, 26 },
	{ 2400000, 1000, 1000, 4, 26 },
	{ 2400000,  100,    0, 4, 2 },
	{   24000,  100,    0, 5, 2, { 1, 8, 64 } },
	{ 3600000,  250,   40, 5, 2 },
	{ 1000000, 1000, 1000, 6, 6, { 1, 64, 64 } },
	{ 1000000,  250, 1000, 7, 26, { 0, 0, 1 << 18, 1 << 18 } },
	{   24000,  250,   40, 8, 6, { 1, 1, 8 } },
	{ 3600000,  100, 1000, 9, 2, { 1 << 15, 1 << 18, 1 << 21 } },
};

static void discipline_desc(const struct discipline *d, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s", d->name);
}

KUNIT_ARRAY_PARAM(discipline, disciplines, discipline_desc);

static void tkh_long_test_table(struct kunit *test)
{
	static const u32 khz[] = { 24000, 62500, 1000000, 2400000, 3600000 };
	static const u32 hz[] = { 100, 250, 1000 }, idle[] = { 0, 10, 40, 100, 400, 1000 };
	const struct discipline *d = test->param_value;
	struct table_param p;
	struct sim *sim;

	sim = kunit_kzalloc(test, sizeof(*sim), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sim);
	sim->events = kunit_kcalloc(test, NR_EVENTS, sizeof(*sim->events), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sim->events);
	init_entries(test, &sim->entries, default_sizes, ARRAY_SIZE(default_sizes));

	if (!all) {
		for (int i = 0; i < ARRAY_SIZE(table_params); i++) {
			p = table_params[i];
			if (hours) {
				p.hours = hours;
				memset(p.bound, 0, sizeof(p.bound));
			}
			if (p.discipline == d - disciplines)
				sim_run(test, sim, &p);
		}
		return;
	}
	for (int i = 0; i < ARRAY_SIZE(khz) * ARRAY_SIZE(hz) * ARRAY_SIZE(idle); i++) {
		p = (struct table_param) {
			.khz		= khz[i / (ARRAY_SIZE(hz) * ARRAY_SIZE(idle))],
			.hz		= hz[i / ARRAY_SIZE(idle) % ARRAY_SIZE(hz)],
			.idle		= idle[i % ARRAY_SIZE(idle)],
			.discipline	= d - disciplines,
			.hours		= hours ?: 2,
		};
		sim_run(test, sim, &p);
		cond_resched();
	}
}

static struct kunit_case tkh_long_test_cases[] = {
	KUNIT_CASE(tkh_long_test_merge),
	KUNIT_CASE_PARAM(tkh_long_test_walk, walk_gen_params),
	KUNIT_CASE(tkh_long_test_short),
	KUNIT_CASE(tkh_long_test_slow_down),
	KUNIT_CASE_PARAM(tkh_long_test_range, range_gen_params),
	KUNIT_CASE_PARAM_ATTR(tkh_long_test_table, discipline_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	{ }
};

static struct kunit_suite tkh_long_test_suite = {
	.name		= "tk_history_long",
	.test_cases	= tkh_long_test_cases,
};

kunit_test_suite(tkh_long_test_suite);

MODULE_DESCRIPTION("KUnit tests for the long history of the timekeeper");
MODULE_LICENSE("GPL");
