/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _TK_HISTORY_INTERNAL_H
#define _TK_HISTORY_INTERNAL_H

#include <linux/clocksource_ids.h>
#include <linux/ktime.h>
#include <linux/tk_history.h>
#include <linux/types.h>

struct clocksource;
struct timekeeper;

/*
 * The numbers of states and spans advance in steps of four. That leaves two
 * bits of tk_history::head for marks: an update is in flight, and there is no
 * state to be used, because there was none yet or a new installation begins.
 */
#define TKH_STEP	4UL
#define TKH_BUSY	1UL
#define TKH_EMPTY	2UL
#define TKH_MARKS	(TKH_BUSY | TKH_EMPTY)

/*
 * Eras of each timekeeper. One begins whenever a clock is set, so a clock
 * which is set very often shortens the history.
 */
#define TKH_NR_ERAS	64

/* Bound of the error of the long history in nanoseconds */
#define TKH_ERROR_NS	1

/* A counter which starts anew in a suspend stops within this time from its beginning */
#define TKH_TAIL_NS	NSEC_PER_SEC

/* The time stood still from the switch to this state on */
#define TKH_SUSPENDED	BIT(0)

/*
 * The installation began because its counter had started anew, and a suspend
 * ended within the installation or where it began
 */
#define TKH_ANEW	BIT(0)
#define TKH_RESUMED	BIT(1)

/**
 * struct tkh_state - What readers used between two switches
 * @from:	Position of the switch to this state. It is in force for the
 *		positions above this one, up to and including the next @from.
 * @cycle_last:	Position to which @xtime_nsec belongs
 * @xtime_nsec:	Shifted nanoseconds at @cycle_last
 * @base:	CLOCK_MONOTONIC base in nanoseconds
 * @mult:	NTP adjusted multiplier
 * @shift:	Shift of the multiplication
 * @era:	Number of the era to which the state belongs
 * @flags:	TKH_* flags
 */
struct tkh_state {
	u64		from;
	u64		cycle_last;
	u64		xtime_nsec;
	ktime_t		base;
	u32		mult;
	u32		shift;
	u32		era;
	u32		flags;
};

/**
 * struct tkh_span - One straight piece of the long history
 * @from:	Position of the switch to this span. It is valid for the
 *		positions above this one, up to and including the next @from.
 * @base:	CLOCK_MONOTONIC in nanoseconds at @from
 * @slope:	Multiplier with 32 fractional bits, 0 for a suspend
 * @frac:	Shifted nanoseconds on top of @base, less than a nanosecond
 * @era:	Number of the era to which the span belongs
 *
 * The shift is that of the era.
 */
struct tkh_span {
	u64		from;
	ktime_t		base;
	u64		slope;
	u32		frac;
	u32		era;
};

/**
 * struct tkh_open - The span which is still growing
 * @span:	The span, with the lowest slope that it can get
 * @nr:		Number of the span
 * @to:		Last position of the span, 0 if there is none
 * @end:	CLOCK_MONOTONIC in nanoseconds at @to
 */
struct tkh_open {
	struct tkh_span	span;
	unsigned long	nr;
	u64		to;
	ktime_t		end;
};

/**
 * struct tkh_fit - What only the writer knows about the span which is growing
 * @high:	The highest slope that the span can get
 * @len:	Length of the span's first state in cycles
 * @mult:	Multiplier of the span's first state
 * @shift:	Shift of the multiplication
 * @flags:	TKH_* flags
 */
struct tkh_fit {
	u64		high;
	u64		len;
	u32		mult;
	u32		shift;
	u32		flags;
};

/**
 * struct tkh_offsets - Offsets from CLOCK_MONOTONIC, in nanoseconds
 * @real:	To CLOCK_REALTIME
 * @boot:	To CLOCK_BOOTTIME
 * @tai:	To CLOCK_TAI, or to the auxiliary clock whose history this is
 */
struct tkh_offsets {
	ktime_t		real;
	ktime_t		boot;
	ktime_t		tai;
};

/**
 * struct tkh_era - What many consecutive states have in common
 * @clock:		The clocksource, which may be gone if the era is not the newest
 * @cs_id:		ID of @clock, CSID_GENERIC for a time without history
 * @prev:		Number of the last era of the previous installation
 * @first:		Position of the first counter value of the installation
 * @bias:		Position minus counter value, modulo the counter's mask
 * @mask:		Mask of the counter
 * @raw_cycle_last:	Position to which @raw_xtime_nsec belongs
 * @raw_xtime_nsec:	Shifted nanoseconds of CLOCK_MONOTONIC_RAW
 * @raw_base:		CLOCK_MONOTONIC_RAW base in nanoseconds
 * @raw_mult:		Multiplier of CLOCK_MONOTONIC_RAW
 * @raw_shift:		Shift of the multiplication
 * @offs:		Offsets to the other clocks
 * @clock_was_set_seq:	Sequence number of clock was set events
 * @cs_was_changed_seq:	Sequence number of clocksource change events
 * @flags:		TKH_ANEW and TKH_RESUMED
 * @base_id:		ID of the base clock of @clock, CSID_GENERIC for none
 * @base_num:		Numerator of the ratio from base clock to @clock
 * @base_den:		Denominator of the ratio from base clock to @clock
 * @base_offset:	Offset from base clock to @clock in cycles of @clock
 */
struct tkh_era {
	struct clocksource	*clock;
	enum clocksource_ids	cs_id;
	u32			prev;
	u64			first;
	u64			bias;
	u64			mask;
	u64			raw_cycle_last;
	u64			raw_xtime_nsec;
	ktime_t			raw_base;
	u32			raw_mult;
	u32			raw_shift;
	struct tkh_offsets	offs;
	u32			clock_was_set_seq;
	u8			cs_was_changed_seq;
	u8			flags;
	enum clocksource_ids	base_id;
	u32			base_num;
	u32			base_den;
	u64			base_offset;
};

/**
 * struct tkh_line - From position to time, whatever point it is given by
 * @offset:	Shifted nanoseconds at position 0, modulo 2^64
 * @mult:	Multiplier
 * @shift:	Shift of the multiplication
 */
struct tkh_line {
	u64		offset;
	u32		mult;
	u32		shift;
};

/**
 * enum tkh_news - What is new in an update of the timekeeper
 * @TKH_NO_NEWS:	Nothing, it continues the newest state
 * @TKH_NEW_STATE:	The line of CLOCK_MONOTONIC
 * @TKH_NEW_ERA:	Something else that readers use, and possibly the line
 * @TKH_NEW_BASE:	The ratio to the base clock, which is an installation
 * @TKH_NEW_CLOCK:	The clocksource, or its counter has started anew
 */
enum tkh_news {
	TKH_NO_NEWS,
	TKH_NEW_STATE,
	TKH_NEW_ERA,
	TKH_NEW_BASE,
	TKH_NEW_CLOCK,
};

/**
 * struct tk_history - The history of one timekeeper
 * @head:		Number of the next state to be recorded, and TKH_MARKS
 * @tail:		Number of the oldest state which may be read
 * @span_tail:		Number of the oldest span which may be read
 * @era_tail:		Number of the oldest era which may be read
 * @states:		Ring of states
 * @spans:		Ring of spans
 * @eras:		Ring of eras
 * @nr_states:		Size of @states, a power of two
 * @nr_spans:		Size of @spans, a power of two
 * @nr_eras:		Size of @eras, a power of two
 * @open:		The span which is growing, latched by @tail
 * @fit:		More about the span which is growing, writer only
 *
 * Of the last update, or the one in flight, and the writer's only:
 * @news:		What is new in it
 * @flags:		TKH_* flags
 * @mono:		Line of CLOCK_MONOTONIC
 * @raw:		Line of CLOCK_MONOTONIC_RAW
 * @offs:		Offsets to the other clocks
 * @clock_was_set_seq:	Sequence number of clock was set events
 * @cs_was_changed_seq:	Sequence number of clocksource change events
 * @has_base:		The clocksource has a base clock
 * @resumed:		A suspend ends with it
 * @clock:		The clocksource
 * @switch_cycles:	Counter value at the switch
 * @cycles:		Counter value of cycle_last
 * @cycle_last:		Position of cycle_last
 * @renewed:		Position of cycle_last in the newest state
 *
 * The writer is serialized by the lock of the timekeeper.
 */
struct tk_history {
	unsigned long		head;
	unsigned long		tail;
	unsigned long		span_tail;
	u32			era_tail;
	struct tkh_state	*states;
	struct tkh_span		*spans;
	struct tkh_era		*eras;
	unsigned int		nr_states;
	unsigned int		nr_spans;
	unsigned int		nr_eras;
	struct tkh_open		open[2];
	struct tkh_fit		fit;

	enum tkh_news		news;
	u32			flags;
	struct tkh_line		mono;
	struct tkh_line		raw;
	struct tkh_offsets	offs;
	u32			clock_was_set_seq;
	u8			cs_was_changed_seq;
	bool			has_base;
	bool			resumed;
	struct clocksource	*clock;
	u64			switch_cycles;
	u64			cycles;
	u64			cycle_last;
	u64			renewed;
};

/*
 * The numbers begin just before they overflow, so that every boot and every
 * test runs through the overflow instead of nobody ever.
 */
#define TKH_FIRST		(-TKH_STEP * 16)
#define TKH_FIRST_ERA		(-2U)

/* The position before the first one, from which all lags of a counter are far away */
#define TKH_ORIGIN		BIT_ULL(62)

#define TK_HISTORY_INIT(_states, _nr_states, _spans, _nr_spans, _eras, _nr_eras) {	\
	.head		= TKH_FIRST | TKH_EMPTY,	\
	.tail		= TKH_FIRST,			\
	.span_tail	= TKH_FIRST,			\
	.era_tail	= TKH_FIRST_ERA,		\
	.states		= _states,			\
	.spans		= _spans,			\
	.eras		= _eras,			\
	.nr_states	= _nr_states,			\
	.nr_spans	= _nr_spans,			\
	.nr_eras	= _nr_eras,			\
	.open		= { { .nr = TKH_FIRST } },	\
}

bool tkh_prepare(struct tk_history *h, const struct timekeeper *tk, bool suspended, bool was_set);
int tkh_convert(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles,
		clockid_t clock, ktime_t *time, u32 *error_ns);
void tkh_convert_batch(const struct tk_history *h, enum clocksource_ids cs_id, const u64 *cycles,
		       unsigned int nr, clockid_t clock, struct ktime_cycles_time *times);
int tkh_convert_all(const struct tk_history *h, enum clocksource_ids cs_id, u64 cycles,
		    struct ktime_conversion *conv);
int tkh_get_info(const struct tk_history *h, struct ktime_history_info *info);

#endif
