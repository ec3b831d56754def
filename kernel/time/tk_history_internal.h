/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _TK_HISTORY_INTERNAL_H
#define _TK_HISTORY_INTERNAL_H

#include <linux/bits.h>
#include <linux/clocksource.h>
#include <linux/kcsan-checks.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/preempt.h>
#include <linux/seqlock.h>
#include <linux/time.h>
#include <linux/tk_history.h>
#include <linux/types.h>

struct timekeeper;

/*
 * Entries of CLOCK_MONOTONIC: kernel/time/tk_history_long.c
 */

/* The clock was seen to step back where the entry begins */
#define TKH_BROKEN		BIT(0)
/* An installation begins with the entry, nothing merges across its beginning */
#define TKH_INSTALLED		BIT(1)

/* Minimum number of entries which are merged into one */
#define TKH_MERGE		4

#define TKH_MAX_LEVELS		KTIME_HISTORY_LEVELS

/**
 * struct tkh_entry - A straight piece of CLOCK_MONOTONIC
 * @first:	First position. The entry lasts until the next one begins.
 * @base:	Time at @first in nanoseconds
 * @slope:	Shifted nanoseconds per cycle, with 32 fractional bits. 0 in a suspend.
 * @frac:	Shifted nanoseconds on top of @base, less than a nanosecond
 * @shift:	Binary logarithm of the shifted nanoseconds in a nanosecond, at most 32
 * @error:	Bound of the error: 0 if the entry is exact, otherwise
 *		2^(@error - 1) nanoseconds
 * @flags:	TKH_BROKEN and TKH_INSTALLED
 */
struct tkh_entry {
	u64	first;
	ktime_t	base;
	u64	slope;
	u32	frac;
	u8	shift;
	u8	error;
	u8	flags;
};

/**
 * struct tkh_level - A ring of entries, and the entry on its way to there
 * @ring:	Entries, the oldest one is number @tail
 * @size:	Size of @ring, a power of two
 * @head:	Number of the next entry to be stored in @ring
 * @tail:	Number of the oldest entry in @ring
 * @open:	The entry which the next one to leave the level before may
 *		become part of, with the lowest slope that it can get. It lies
 *		between @ring and the level before.
 * @high:	The highest slope that @open can get
 * @error:	Bound of what is merged in this level, as tkh_entry::error
 * @has_open:	There is @open. Never true of level 0.
 * @merging:	@open is being merged. Otherwise it has moved here as it was.
 */
struct tkh_level {
	struct tkh_entry	*ring;
	unsigned int		size;
	unsigned int		head;
	unsigned int		tail;
	struct tkh_entry	open;
	u64			high;
	u8			error;
	bool			has_open;
	bool			merging;
};

/**
 * struct tkh_level_size - How large a level is
 * @size:	Number of entries in the ring, a power of two
 * @error:	Bound of what is merged in the level, as tkh_entry::error. 0 for
 *		the first level, and growing from level to level.
 */
struct tkh_level_size {
	unsigned int	size;
	u8		error;
};

/**
 * struct tkh_entries - All entries, from the newest level to the oldest one
 * @level:	The levels. The first one holds exact entries only.
 * @nr_levels:	Number of levels
 * @back:	The most that the clock stepped back where an entry begins, in nanoseconds
 * @latest:	The latest base of an exact entry so far
 * @disorder:	The most that an exact entry's base was below the latest before it, in
 *		nanoseconds. 0 unless the clock stepped back by more than it had gained
 *		since the update before.
 *
 * The chain of entries, from the oldest to the newest, is: the ring of the last
 * level, its open entry, ..., the ring of level 1, its open entry, the ring of
 * level 0. All entries have different first positions, which grow along the chain.
 */
struct tkh_entries {
	struct tkh_level	level[TKH_MAX_LEVELS];
	unsigned int		nr_levels;
	ktime_t			back;
	ktime_t			latest;
	ktime_t			disorder;
};

/* Numbers begin just before they overflow, so that each boot and each test gets there */
#define TKH_FIRST		(-16U)

static inline struct tkh_entry *tkh_entry_at(const struct tkh_level *level, unsigned int nr)
{
	return &level->ring[nr & (level->size - 1)];
}

static inline u32 tkh_error_ns(u8 error)
{
	return error ? BIT(error - 1) : 0;
}

/* Time of @entry at @pos in nanoseconds, rounded down */
static __always_inline ktime_t tkh_entry_time(const struct tkh_entry *entry, u64 pos)
{
	u64 cycles = pos - entry->first;

	return entry->base + mul_u64_u32_add_u64_shr(cycles, entry->slope >> 32,
			entry->frac + mul_u64_u32_shr(cycles, (u32)entry->slope, 32),
			entry->shift);
}

void tkh_entries_init(struct tkh_entries *entries, const struct tkh_level_size *sizes,
		      unsigned int nr_levels, struct tkh_entry *rings);
void tkh_entries_make_room(struct tkh_entries *entries);
void tkh_entries_push(struct tkh_entries *entries, struct tkh_entry entry);
const struct tkh_entry *tkh_entries_find(const struct tkh_entries *entries, u64 pos,
					 const struct tkh_entry **next);
const struct tkh_entry *tkh_entries_find_time(const struct tkh_entries *entries, ktime_t time,
					      const struct tkh_entry **next, u8 *error);
bool tkh_entries_oldest(const struct tkh_entries *entries, unsigned int level, u64 *pos);

/*
 * The history: kernel/time/tk_history.c
 */

/* The counter had started anew when the installation began */
#define TKH_ANEW		BIT(0)
/* A suspend ended where the installation began, or within it */
#define TKH_RESUMED		BIT(1)

/**
 * struct tkh_installation - The time in which one clocksource counts without a break
 * @first:		First position
 * @mono:		CLOCK_MONOTONIC at @first in nanoseconds
 * @bias:		Position minus counter value, modulo the counter's range
 * @again:		Highest counter value which the counter is known to have had
 *			before it started anew, 0 if it has not
 * @raw_base:		CLOCK_MONOTONIC_RAW at @first in nanoseconds
 * @raw_frac:		Shifted nanoseconds on top of @raw_base
 * @raw_mult:		Multiplier of CLOCK_MONOTONIC_RAW
 * @offs_boot:		Offset from CLOCK_MONOTONIC to CLOCK_BOOTTIME in nanoseconds
 * @base_offset:	Offset from base clock to clocksource in cycles of the latter
 * @base_num:		Numerator of the ratio from base clock to clocksource
 * @base_den:		Denominator of that ratio
 * @cs_id:		ID of the clocksource, CSID_GENERIC if it is not recorded
 * @base_id:		ID of its base clock, CSID_GENERIC for none
 * @lacks:		64 minus the width of the counter in bits
 * @shift:		Shift of CLOCK_MONOTONIC_RAW and of CLOCK_MONOTONIC
 * @cs_was_changed_seq:	Sequence number of clocksource change events
 * @flags:		TKH_ANEW and TKH_RESUMED
 * @overlap:		As tkh_wall::overlap
 */
struct tkh_installation {
	u64	first;
	ktime_t	mono;
	u64	bias;
	u64	again;
	ktime_t	raw_base;
	u32	raw_frac;
	u32	raw_mult;
	ktime_t	offs_boot;
	u64	base_offset;
	u32	base_num;
	u32	base_den;
	u8	cs_id;
	u8	base_id;
	u8	lacks;
	u8	shift;
	u8	cs_was_changed_seq;
	u8	flags;
	u8	overlap;
};

/**
 * struct tkh_wall - What a setting of the clock changes
 * @first:		First position
 * @mono:		CLOCK_MONOTONIC at @first in nanoseconds
 * @offs:		Offset from CLOCK_MONOTONIC to CLOCK_REALTIME, or to the
 *			auxiliary clock whose history this is, in nanoseconds
 * @tai:		Offset from CLOCK_REALTIME to CLOCK_TAI in seconds
 * @overlap:		CLOCK_MONOTONIC may have had the first 2^@overlap - 1 nanoseconds from
 *			@mono on before @first, too
 * @clock_was_set_seq:	Sequence number of clock was set events
 */
struct tkh_wall {
	u64	first;
	ktime_t	mono;
	ktime_t	offs;
	s32	tai : 24;
	u32	overlap : 8;
	u32	clock_was_set_seq;
};

/**
 * struct tkh_line - From counter value to time, whatever point it is given by
 * @offset:	Shifted nanoseconds at counter value 0, modulo 2^64
 * @mult:	Multiplier
 * @shift:	Shift of the multiplication
 */
struct tkh_line {
	u64	offset;
	u32	mult;
	u32	shift;
};

/**
 * enum tkh_news - What is new in an update of the timekeeper
 * @TKH_NOTHING:	Nothing, it continues what is in force
 * @TKH_NEW_STATE:	The line of CLOCK_MONOTONIC
 * @TKH_NEW_WALL:	An offset of a wall, and possibly the line
 * @TKH_NEW_INSTALLATION: Something else, or a suspend ends. Positions go on with the
 *			counter.
 * @TKH_NEW_COUNTER:	The clocksource, or its counter has started anew
 */
enum tkh_news {
	TKH_NOTHING,
	TKH_NEW_STATE,
	TKH_NEW_WALL,
	TKH_NEW_INSTALLATION,
	TKH_NEW_COUNTER,
};

/**
 * struct tk_history - The history of one timekeeper
 * @seq:		Odd while an update is being recorded. A lookup reads everything
 *			in place, and retries if it has changed.
 * @entries:		CLOCK_MONOTONIC
 * @walls:		Ring of walls
 * @installations:	Ring of installations
 * @nr_walls:		Size of @walls, a power of two
 * @nr_installations:	Size of @installations, a power of two
 * @wall_head:		Number of the next wall
 * @wall_tail:		Number of the oldest wall
 * @inst_head:		Number of the next installation
 * @inst_tail:		Number of the oldest installation
 * @inst:		The newest installation
 * @wall:		The newest wall
 * @entry:		The newest entry
 * @clock:		The clocksource of the newest installation, to read its counter.
 *			NULL as long as no update has been recorded.
 *
 * Of the last update, or the one in flight, and the writer's only:
 *
 * @news:		What is new in it
 * @suspended:		The time stands still from then on
 * @was_suspended:	It stood still until then
 * @resumed:		The system has resumed from a suspend since the update before
 * @resumes:		How often it has resumed until then
 * @mono:		Line of CLOCK_MONOTONIC
 * @raw:		Line of CLOCK_MONOTONIC_RAW
 * @cycles:		Counter value of cycle_last
 * @pos:		Position of cycle_last
 * @switch_cycles:	Counter value at the switch
 *
 * The writer is serialized by the lock of the timekeeper.
 */
struct tk_history {
	seqcount_t		seq;
	unsigned int		nr_walls;
	unsigned int		nr_installations;
	unsigned int		wall_head;
	unsigned int		wall_tail;
	unsigned int		inst_head;
	unsigned int		inst_tail;
	struct tkh_installation	*inst;
	struct tkh_wall		*wall;
	struct tkh_entry	*entry;
	struct clocksource	*clock;
	struct tkh_wall		*walls;
	struct tkh_installation	*installations;
	struct tkh_entries	entries;

	enum tkh_news		news;
	bool			suspended;
	bool			was_suspended;
	bool			resumed;
	unsigned int		resumes;
	struct tkh_line		mono;
	struct tkh_line		raw;
	u64			cycles;
	u64			pos;
	u64			switch_cycles;
};

/* The first position. A counter that lags behind does not take positions below 0. */
#define TKH_ORIGIN		BIT_ULL(62)

/**
 * struct tkh_memory - Where a history has its rings
 * @sizes:		Sizes of the levels
 * @nr_levels:		Number of levels
 * @rings:		Memory for the entries of all levels
 * @walls:		Memory for the walls
 * @nr_walls:		Number of walls, a power of two
 * @installations:	Memory for the installations
 * @nr_installations:	Number of installations, a power of two
 */
struct tkh_memory {
	const struct tkh_level_size	*sizes;
	unsigned int			nr_levels;
	struct tkh_entry		*rings;
	struct tkh_wall			*walls;
	unsigned int			nr_walls;
	struct tkh_installation		*installations;
	unsigned int			nr_installations;
};

static inline struct tkh_wall *tkh_wall(const struct tk_history *h, unsigned int nr)
{
	return &h->walls[nr & (h->nr_walls - 1)];
}

static inline struct tkh_installation *tkh_inst(const struct tk_history *h, unsigned int nr)
{
	return &h->installations[nr & (h->nr_installations - 1)];
}

/*
 * The newest of each. Readers take these pointers as they are until the sequence count is
 * checked: any of them points into its ring.
 */
static __always_inline struct tkh_installation *tkh_newest_inst(const struct tk_history *h)
{
	return READ_ONCE(h->inst);
}

static __always_inline struct tkh_wall *tkh_newest_wall(const struct tk_history *h)
{
	return READ_ONCE(h->wall);
}

static __always_inline struct tkh_entry *tkh_newest_entry(const struct tk_history *h)
{
	return READ_ONCE(h->entry);
}

static __always_inline u64 tkh_mask(const struct tkh_installation *inst)
{
	return U64_MAX >> inst->lacks;
}

/* Counter value at @pos */
static __always_inline u64 tkh_cycles(const struct tkh_installation *inst, u64 pos)
{
	return (pos - inst->bias) & tkh_mask(inst);
}

/**
 * struct tkh_found - Where a counter value was found
 * @inst:	The installation
 * @pos:	Position of the value
 * @end:	Last position which the counter is known to have reached
 * @entry:	The entry at @pos, NULL for a position before the first installation
 * @next:	The entry after it, NULL if @entry is the newest one
 */
struct tkh_found {
	const struct tkh_installation	*inst;
	u64				pos;
	u64				end;
	const struct tkh_entry		*entry;
	const struct tkh_entry		*next;
};

/* Begin to read the history. Return false in NMI when it is being written. */
static __always_inline bool tkh_read_begin(const struct tk_history *h, unsigned int *seq)
{
	*seq = raw_read_seqcount(&h->seq);			/* LMM(tkh_read_begin:A) */
	if (unlikely(*seq & 1)) {
		/* The NMI may have hit the very update */
		if (in_nmi())
			return false;
		*seq = read_seqcount_begin(&h->seq);
	}
	/* A walk through the installations is longer than the region that KCSAN knows */
	kcsan_nestable_atomic_begin();
	return true;
}

/* True if the history has been written meanwhile: all that was read may be anything */
static __always_inline bool tkh_read_retry(const struct tk_history *h, unsigned int seq)
{
	kcsan_nestable_atomic_end();
	return read_seqcount_retry(&h->seq, seq);		/* LMM(tkh_read_retry:A) */
}

/* Offset from CLOCK_MONOTONIC to @clock, with the @wall for those that are set */
static __always_inline ktime_t tkh_offset(const struct tkh_installation *inst,
					  const struct tkh_wall *wall, clockid_t clock)
{
	switch (clock) {
	case CLOCK_MONOTONIC:
		return 0;
	case CLOCK_BOOTTIME:
		return inst->offs_boot;
	case CLOCK_TAI:
		return wall->offs + ktime_set(wall->tai, 0);
	default:
		return wall->offs;
	}
}

/* CLOCK_MONOTONIC_RAW as an entry */
static __always_inline struct tkh_entry tkh_raw_line(const struct tkh_installation *inst)
{
	return (struct tkh_entry) {
		.first	= inst->first,
		.base	= inst->raw_base,
		.slope	= (u64)inst->raw_mult << 32,
		.frac	= inst->raw_frac,
		.shift	= inst->shift,
	};
}

/* Last position that the counter of the newest installation @inst has reached */
static __always_inline u64 tkh_now(const struct tk_history *h, const struct tkh_installation *inst,
				   u64 mask)
{
	const struct tkh_entry *newest = tkh_newest_entry(h);
	u64 pos = newest->first - 1, bias = inst->bias, cycles;
	struct clocksource *clock = READ_ONCE(h->clock);

	/* The counter may not be accessible while timekeeping is suspended */
	if (unlikely(!newest->slope || !clock))
		return pos;

	cycles = (clock->read(clock) + bias - pos) & mask;	/* LMM(tkh_now:A) */
	/* This CPU's counter may lag behind */
	return unlikely(cycles > mask >> 1) ? pos : pos + cycles;
}

/* The newest installation which begins at @pos or before, NULL if it is older than all */
static inline const struct tkh_installation *tkh_inst_at(const struct tk_history *h, u64 pos)
{
	unsigned int head = READ_ONCE(h->inst_head), nr = head - READ_ONCE(h->inst_tail);

	nr = min(nr, h->nr_installations);
	for (unsigned int i = 1; i <= nr; i++) {
		if (pos >= tkh_inst(h, head - i)->first)
			return tkh_inst(h, head - i);
	}
	return NULL;
}

void tkh_init(struct tk_history *h, const struct tkh_memory *memory);
bool tkh_prepare(struct tk_history *h, const struct timekeeper *tk, bool suspended,
		 unsigned int resumes);
void tkh_switch(struct tk_history *h);
void tkh_record(struct tk_history *h, const struct timekeeper *tk);
int tkh_convert(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles,
		clockid_t clock, ktime_t *time, u32 *error_ns);
void tkh_convert_batch(const struct tk_history *h, enum clocksource_ids cs_id, const u64 *cycles,
		       unsigned int nr, clockid_t clock, struct ktime_cycles_time *times);
int tkh_convert_all(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles,
		    struct ktime_conversion *conv);
int tkh_check_clock(clockid_t clock);
bool tkh_is_last(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles, u64 pos);
int tkh_time_at(const struct tk_history *h, u64 pos, clockid_t clock,
		struct ktime_cycles_time *time);
void tkh_convert_time(const struct tk_history *h, clockid_t from, const ktime_t *times,
		      unsigned int nr, const struct tk_history *to_h, clockid_t to,
		      enum clocksource_ids cs_id, struct ktime_cycles_time *results);
int tkh_get_info(const struct tk_history *h, struct ktime_history_info *info);
const struct tk_history *tkh_get(clockid_t clock);

#endif
