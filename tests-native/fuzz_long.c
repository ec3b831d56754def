// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz of kernel/time/tk_history_long.c in user space
 *
 * fuzz_long [LOOKUPS [SEED]]: so many lookups at the least, 10^7 by default. Prints KTAP.
 *
 * A clock is made of random pieces, each of which is pushed as an entry. The reference
 * keeps all pieces and computes in 128 bits. What is checked:
 *
 * bound:	a line of an entry is never below the clock, and above it by the bound at
 *		most, as real numbers. An exact one is the clock. What is told is the same
 *		in nanoseconds.
 * growing:	growing positions are told growing times, unless the clock stepped back.
 * course:	what a position is told never decreases in the course of time.
 * chain:	entries are in order, do not go across the beginning of an installation or
 *		of a suspend, and have the bounds of their levels. The newest are exact.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bits.h>
#include <linux/kernel.h>

#include "tk_history_internal.h"

typedef __int128 s128;
typedef unsigned __int128 u128;

/* Whoever looks back further has no reference */
#define MAX_PIECES	2000
#define NR_PROBES	64
#define MAX_RING	64
/* Nanoseconds in a piece, as a power of two, so that all of them stay below 2^62 */
#define PIECE_BITS	46

/* The clock is @time shifted nanoseconds at @first, and @mult more with each cycle */
struct piece {
	u64		first;
	u128		time;
	u32		mult;
	u8		shift;
	bool		suspended;
	/* First position of the installation, how often the clock has stepped back */
	u64		installation;
	unsigned int	steps;
};

struct probe {
	u64	pos;
	s64	told;
	bool	was_told;
};

struct style {
	const char	*name;
	/* Range of the shift */
	u8		shift[2];
	/* Lengths have so many bits at most, or are 1 to 4 in so many of 16 cases */
	u8		length_bits;
	u8		short_of_16;
	/* Lengths are all of the same magnitude */
	bool		regular;
	/* One in so many is the beginning of a suspend, of an installation, 0 for none */
	u8		suspend;
	u8		install;
	/* The clock steps by what it gains or loses in up to so many cycles, as a power of two */
	u8		latency_bits;
	/* One in so many is a step of any size */
	u8		step;
	/* Answers which have to be seen, of 100: from merged entries, of these later than 0 */
	u8		merged;
	u8		late;
};

static const struct style styles[] = {
	{ "tiny",	{ 32, 32 }, 10, 15, .latency_bits = 9, .step = 20, .merged = 30, .late = 5 },
	{ "coarse",	{ 0, 8 },   5,  4,  .latency_bits = 5, .merged = 20, .late = 2 },
	{ "clock",	{ 18, 32 }, 26, 1,  .regular = true, .latency_bits = 9, .merged = 30, .late = 5 },
	{ "steps",	{ 0, 32 },  20, 6,  .latency_bits = 14, .step = 12, .merged = 5, .late = 1 },
	{ "suspends",	{ 0, 32 },  20, 6,  .suspend = 12, .install = 30, .latency_bits = 12,
	  .merged = 5, .late = 1 },
	{ "slow-down at a suspend", { 0, 4 }, 6, 4, .suspend = 12, .latency_bits = 5, .step = 40,
	  .merged = 5, .late = 1 },
	{ "range",	{ 0, 32 },  44, 5,  .suspend = 100, .install = 200, .latency_bits = 9,
	  .merged = 5, .late = 1 },
};

static struct tkh_entries entries;
static struct tkh_level_size sizes[TKH_MAX_LEVELS];
static struct tkh_entry rings[TKH_MAX_LEVELS * MAX_RING];
static unsigned int nr_levels;

static struct piece pieces[MAX_PIECES];
static unsigned int nr_pieces;
static struct probe probes[NR_PROBES];

static const struct style *style;
static u64 seed, state, round_nr;
static u64 lookups, merged, late, lost, failures, broken, suspends, installations;

static u64 any(void)
{
	u64 x = state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static u64 below(u64 limit)
{
	return (u128)any() * limit >> 64;
}

static bool one_in(unsigned int n)
{
	return n && !below(n);
}

/* Any number of up to @bits bits, each length as likely as another */
static u64 any_bits(unsigned int bits)
{
	return bits ? any() >> (63 - below(bits)) : 0;
}

static void fail(const char *what, u64 pos, s64 told, s64 expected)
{
	if (failures++ < 10) {
		printf("# %s: %s, seed %llu, clock %llu, %u pieces, position 2^62 + %lld: %lld, %lld\n",
		       style->name, what, seed, round_nr, nr_pieces, (s64)(pos - TKH_ORIGIN), told,
		       expected);
	}
}

static void check(bool good, const char *what, u64 pos, s64 told, s64 expected)
{
	if (!good)
		fail(what, pos, told, expected);
}

/* The piece at @pos */
static unsigned int piece_at(u64 pos)
{
	unsigned int low = 0, high = nr_pieces;

	while (high - low > 1) {
		unsigned int middle = (low + high) / 2;

		if (pieces[middle].first <= pos)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static s128 clock_shifted(const struct piece *piece, u64 pos)
{
	return piece->time + (u128)(pos - piece->first) * piece->mult;
}

/* 2^-32 shifted nanoseconds */
static s128 entry_line(const struct tkh_entry *entry, u64 pos)
{
	s128 shifted = ((s128)entry->base << entry->shift) + entry->frac;

	return (shifted << 32) + (u128)entry->slope * (pos - entry->first);
}

/* What is told at @pos. False if nothing is. */
static bool look_up(u64 pos, s64 *told)
{
	unsigned int nr = piece_at(pos), level = below(nr_levels), i;
	const struct piece *piece = &pieces[nr];
	const struct tkh_entry *entry, *next = NULL;
	s128 clock, line, width;
	u64 oldest = 0;
	s64 time;

	entry = tkh_entries_find(&entries, pos, &next);
	lookups++;
	if (!entry) {
		lost++;
		check(tkh_entries_oldest(&entries, nr_levels - 1, &oldest) && pos < oldest,
		      "not found", pos, oldest, 0);
		return false;
	}

	/* The chain */
	check(entry->first <= pos, "entry is after the position", pos, entry->first, pos);
	check(next ? next->first > pos : entry->first == pieces[nr_pieces - 1].first,
	      "entry is over", pos, next ? next->first : 0, pos);
	check(entry->first >= piece->installation && entry->shift == piece->shift,
	      "entry is of another installation", pos, entry->first, piece->installation);
	check(!entry->slope == piece->suspended, "entry stands still, or not", pos, entry->slope,
	      piece->suspended);
	if (piece->suspended) {
		check(entry->first == piece->first && !entry->error, "suspend begins", pos,
		      entry->first, piece->first);
		check(nr + 1 == nr_pieces || (next && next->first == piece[1].first),
		      "suspend ends", pos, next ? next->first : 0, piece[1].first);
	}
	for (i = 0; i < nr_levels && sizes[i].error != entry->error; i++)
		;
	check(i < nr_levels, "no level has this bound", pos, entry->error, 0);
	if (tkh_entries_oldest(&entries, level, &oldest) && pos >= oldest) {
		check(entry->error <= sizes[level].error, "bound of a higher level", pos,
		      entry->error, sizes[level].error);
	}
	if (nr + sizes[0].size > nr_pieces)
		check(!entry->error, "not exact", pos, entry->error, nr);

	/* The bound */
	clock = clock_shifted(piece, pos);
	line = entry_line(entry, pos);
	width = (s128)tkh_error_ns(entry->error) << (32 + entry->shift);
	check(line >= clock << 32, "line is below the clock", pos, line >> 32, clock);
	check(line <= (clock << 32) + width, "line is above the bound", pos, line >> 32, clock);
	*told = tkh_entry_time(entry, pos);
	check(*told == line >> (32 + entry->shift), "time is not the line's", pos, *told,
	      line >> (32 + entry->shift));
	if (entry->error && next && !(next->flags & TKH_BROKEN))
		*told = min(*told, next->base);
	time = clock >> piece->shift;
	check(*told >= time, "told early", pos, *told, time);
	check(*told <= time + tkh_error_ns(entry->error), "told late", pos, *told, time);

	merged += entry->error != 0;
	late += *told != time;
	return true;
}

/* Growing positions */
static void check_growing(u64 end)
{
	unsigned int nr;
	s64 told, later;
	u64 pos, next;

	/* The first or last position of a piece, or the one beside it, or anywhere */
	if (one_in(3)) {
		pos = pieces[0].first + below(end - pieces[0].first);
	} else {
		nr = one_in(2) ? below(nr_pieces) : nr_pieces - 1 - below(min(nr_pieces, 200U));
		pos = max(pieces[nr].first + below(3) - 1, pieces[0].first);
	}
	if (pos >= end)
		return;

	nr = piece_at(pos);
	if (one_in(4) && nr + 3 < nr_pieces)
		next = pieces[nr + 1 + below(3)].first + below(2);
	else
		next = pos + 1 + (one_in(2) ? any_bits(one_in(2) ? 40 : 10) : 0);
	if (!look_up(pos, &told) || next >= end || next <= pos || !look_up(next, &later))
		return;
	if (pieces[nr].steps == pieces[piece_at(next)].steps)
		check(later >= told, "growing values are told less", pos, told, later);
}

/* The same position, later on */
static void check_course(u64 end)
{
	struct probe *probe = &probes[below(NR_PROBES)];
	s64 told;

	if (probe->pos >= end)
		return;
	if (!probe->pos || !look_up(probe->pos, &told)) {
		probe->pos = end + (one_in(2) ? below(3) : any_bits(style->length_bits + 3));
		probe->was_told = false;
		return;
	}
	if (probe->was_told)
		check(told >= probe->told, "told less than before", probe->pos, told, probe->told);
	probe->was_told = true;
	probe->told = told;
}

/* From the oldest entry to the newest one: in order, and bases only go back where BROKEN */
static void check_chain(void)
{
	const struct tkh_entry *last = NULL;

	for (int i = nr_levels - 1; i >= 0; i--) {
		const struct tkh_level *level = &entries.level[i];
		unsigned int nr = level->tail;

		check(level->head - level->tail <= level->size, "ring is too full",
		      pieces[0].first, level->head - level->tail, level->size);
		for (bool opened = false; nr != level->head || (i && level->has_open && !opened);) {
			const struct tkh_entry *entry;

			if (nr != level->head) {
				entry = tkh_entry_at(level, nr++);
			} else {
				entry = &level->open;
				opened = true;
			}
			/* The ring comes first, then the open entry */
			if (last) {
				check(entry->first > last->first, "chain goes back", entry->first,
				      entry->first, last->first);
				check(entry->base >= last->base || entry->flags & TKH_BROKEN,
				      "base goes back", entry->first, entry->base, last->base);
			}
			last = entry;
		}
	}
	check(last && last->first == pieces[nr_pieces - 1].first, "chain has another end",
	      pieces[nr_pieces - 1].first, last ? last->first : 0, 0);
}

static void init_levels(void)
{
	nr_levels = 1 + below(TKH_MAX_LEVELS);
	for (unsigned int i = 0; i < nr_levels; i++) {
		/* A level of 4 takes part, but has not enough to merge */
		sizes[i].size = 4 << (one_in(4) ? below(5) : below(2));
		sizes[i].error = i ? sizes[i - 1].error + 1 + below(i == 1 ? 3 : 4) : 0;
		/* Not beyond what the kernel's last level has */
		sizes[i].error = min(sizes[i].error, 22 - (int)(nr_levels - 1 - i));
	}
	tkh_entries_init(&entries, sizes, nr_levels, rings);
}

/* So that the clock does not get too far, nor @mult overflow by adjustments */
static u32 limited(u64 mult)
{
	return max(1ULL, min(mult, (9ULL << 32) / 10));
}

static unsigned int limited_bits(u32 mult, u8 shift, unsigned int bits)
{
	while (bits > 3 && (u128)mult << bits >> shift >> PIECE_BITS)
		bits--;
	return bits;
}

static void push_piece(u64 pos, u128 time, u32 mult, u8 shift, bool suspended, bool installs)
{
	struct piece *piece = &pieces[nr_pieces], *last = nr_pieces ? piece - 1 : NULL;
	struct tkh_entry entry = {
		.first	= pos,
		.base	= time >> shift,
		.slope	= suspended ? 0 : (u64)mult << 32,
		.frac	= time & ((1ULL << shift) - 1),
		.shift	= shift,
		.flags	= installs ? TKH_INSTALLED : 0,
	};

	tkh_entries_make_room(&entries);
	tkh_entries_push(&entries, entry);

	/* What was in force for no position is forgotten */
	if (last && last->first == pos) {
		installs |= last->installation == pos;
		piece = last;
		last = --nr_pieces ? piece - 1 : NULL;
	}
	*piece = (struct piece) {
		.first		= pos,
		.time		= time,
		.mult		= suspended ? 0 : mult,
		.shift		= shift,
		.suspended	= suspended,
		.installation	= installs || !last ? pos : last->installation,
	};
	if (last) {
		bool steps = clock_shifted(last, pos - 1) >> last->shift > time >> shift;

		piece->steps = last->steps + steps;
		broken += steps;
	}
	suspends += suspended;
	installations += installs;
	nr_pieces++;
}

/* There is nothing before the first piece */
static void check_nothing(u64 pos)
{
	const struct tkh_entry *next = NULL;
	u64 oldest = 0;

	check(!tkh_entries_find(&entries, pos, &next), "found before the first one", pos, 0, 0);
	for (unsigned int i = 0; !nr_pieces && i < nr_levels; i++) {
		check(!tkh_entries_oldest(&entries, i, &oldest), "oldest of none", oldest, oldest,
		      i);
	}
}

/* One clock from its first piece to its last one */
static void run_clock(void)
{
	unsigned int nr = 100 + below(MAX_PIECES - 101), bits;
	u8 shift = style->shift[0] + below(style->shift[1] - style->shift[0] + 1);
	bool suspended = false, was_suspended = false, installs = true;
	u64 pos = TKH_ORIGIN + below(2), length;
	unsigned int regular_bits;
	u32 base_mult, mult, old;
	u128 time;

	/* From very slow counters up to 10 GHz, and any at all */
	if (style->regular)
		base_mult = limited(((1 + below(one_in(2) ? 100 : 500)) << shift) / 10);
	else
		base_mult = limited(any_bits(one_in(2) ? 32 : shift + 1));
	mult = base_mult;
	bits = limited_bits(base_mult, shift, style->length_bits);
	regular_bits = bits / 2 + below(bits / 2);
	/* At the last position of the piece before */
	time = ((u128)below(1ULL << 50) << shift) + below(1ULL << shift);

	nr_pieces = 0;
	memset(probes, 0, sizeof(probes));
	memset(rings, 0, sizeof(rings));
	init_levels();
	check_nothing(pos);

	while (nr_pieces < nr) {
		push_piece(pos, suspended ? time : time + (was_suspended ? 0 : mult), mult, shift,
			   suspended, installs);

		/* How long it lasts. Some are in force for no position. */
		if (one_in(30))
			length = 0;
		else if (below(16) < style->short_of_16)
			length = 1 + below(4);
		else if (style->regular)
			length = (1ULL << regular_bits) + below(1ULL << regular_bits / 2);
		else
			length = 1 + any_bits(bits);
		if (!suspended)
			time += (u128)mult * (length - (was_suspended && length));
		/* The update which ends a suspend is in force where it has ended */
		was_suspended = suspended;
		pos += length;
		check_growing(pos > pieces[0].first ? pos : pieces[0].first + 1);
		for (int i = 0; i < 2 && pos > pieces[0].first; i++)
			check_growing(pos);
		check_course(pos);
		check_course(pos);
		if (one_in(16)) {
			check_chain();
			check_nothing(pieces[0].first - 1 - any_bits(60));
		}

		/* What comes next */
		installs = was_suspended || one_in(style->install);
		suspended = !was_suspended && one_in(style->suspend);
		old = mult;
		switch (below(16)) {
		case 0 ... 8:
			mult = limited(base_mult + below(2));
			break;
		case 9 ... 13:
			mult = base_mult;
			break;
		case 14:
			base_mult = limited(base_mult + below(base_mult / 1000 + 3) -
					    base_mult / 2000 - 1);
			mult = base_mult;
			break;
		case 15:
			if (one_in(30))
				base_mult = limited(base_mult / 2 + below(base_mult) + 1);
			mult = base_mult;
			break;
		}
		/* Another counter */
		if (installs && style->install && one_in(3)) {
			u8 to = style->shift[0] + below(style->shift[1] - style->shift[0] + 1);

			base_mult = limited(to > shift ? (u64)base_mult << (to - shift) :
							 (u64)base_mult >> (shift - to));
			time = to > shift ? time << (to - shift) : time >> (shift - to);
			old = mult = base_mult;
			shift = to;
		}
		bits = limited_bits(max(mult, base_mult), shift, style->length_bits);

		/* The new line and the old one meet at cycle_last, before the switch */
		if (one_in(2) && style->latency_bits) {
			s128 step = ((s128)mult - old) * any_bits(style->latency_bits);

			if (one_in(style->step))
				step = ((s128)1 << shift) * any_bits(12) / 16 * (one_in(2) ? 1 : -1);
			if ((s128)time + step > 0)
				time += step;
		}
		/* It slows down, and is suspended at the same position, or just after */
		if (suspended && one_in(2) && mult > 1) {
			s128 back = ((s128)1 << shift) * below(64) / 8;

			if ((s128)time > back)
				time -= back;
			push_piece(pos, time + mult - 1, mult - 1, shift, false, installs);
			installs = false;
			length = below(3);
			time += (u128)(mult - 1) * length;
			pos += length;
		}
	}
	check_chain();
}

int main(int argc, char **argv)
{
	u64 least = argc > 1 ? strtoull(argv[1], NULL, 0) : 10000000, sum = 0;
	unsigned int bad = 0;

	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	printf("KTAP version 1\n1..%zu\n", ARRAY_SIZE(styles));
	for (unsigned int i = 0; i < ARRAY_SIZE(styles); i++) {
		bool good;

		style = &styles[i];
		lookups = merged = late = lost = failures = broken = suspends = 0;
		installations = 0;
		for (round_nr = 0; lookups < least / ARRAY_SIZE(styles); round_nr++) {
			state = seed << 40 ^ (u64)i << 32 ^ round_nr;
			run_clock();
		}

		good = !failures;
		if (merged * 100 < lookups * style->merged || late * 100 < merged * style->late ||
		    !lost || (style->latency_bits && !broken) || (style->suspend && !suspends)) {
			printf("# %s: not all has been seen\n", style->name);
			good = false;
		}
		printf("# %s: %llu clocks, %llu lookups: %llu in merged entries, %llu told late, %llu too old; %llu steps back, %llu suspends, %llu installations; %llu failures\n",
		       style->name, round_nr, lookups, merged, late, lost, broken,
		       suspends, installations, failures);
		printf("%s %u fuzz_long: %s\n", good ? "ok" : "not ok", i + 1, style->name);
		bad += !good;
		sum += lookups;
	}
	printf("# %llu lookups\n", sum);
	return bad != 0;
}
