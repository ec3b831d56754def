// SPDX-License-Identifier: GPL-2.0
/*
 * An NMI at every instruction of an update
 *
 * nmi [UPDATES]. Prints KTAP.
 *
 * The update is single-stepped. After each instruction, the signal handler plays an
 * NMI. It reads the clocks if their readers' sequence count allows for that, and looks
 * up what it was told, now and before. It must get the same, or -EAGAIN while the
 * history's sequence count is odd.
 *
 * The counter counts instructions, one by one or 64 at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/preempt.h>

#include "native.h"

#define NR_PAIRS	BIT(15)
/* Until the history begins anew, so that it is also seen while it fills up */
#define NR_UPDATES	150

static struct machine machine;

/* What readers were told, and answers to values that belong to no reader */
static struct ring {
	struct pair	pairs[NR_PAIRS];
	unsigned int	nr;
} told, values;
/* The last pair before the update */
static struct pair before;

static struct counts counts;
static unsigned long nr_steps, nr_odd, nr_readable, nr_same, nr_bad;
static bool nobody_reads;
static enum kind kind;
static u64 rnd;

static void bad(const char *what)
{
	if (nr_bad++ < 10)
		note("%s, in an update of kind %s", what, kinds[kind]);
}

static void ask(const struct pair *pair, enum way way, unsigned int time)
{
	bool odd = machine.h.seq.sequence & 1;
	struct answer answer = { .way = way, .time = time };
	enum verdict verdict;

	look_up(&machine.h, pair->id, pair->cycles, &answer);
	verdict = judge(&machine, pair, &answer);
	counts.nr[verdict]++;
	if ((verdict == V_WAIT) != odd)
		bad(odd ? "an answer while the count is odd" : "no answer while the count is even");
}

static void ask_any(const struct pair *pair)
{
	ask(pair, random_below(&rnd, NR_WAYS), random_below(&rnd, NR_TIMES));
}

/* One of the newest as likely as one of all that are old */
static const struct pair *any_of(const struct ring *ring)
{
	unsigned int most = min(ring->nr, NR_PAIRS);
	unsigned int age = random_below(&rnd, 1UL << random_below(&rnd, 16));

	return &ring->pairs[(ring->nr - 1 - min(age, most - 1)) % NR_PAIRS];
}

static void add(struct ring *ring, const struct pair *pair)
{
	ring->pairs[ring->nr++ % NR_PAIRS] = *pair;
}

static void pair_now(struct pair *pair)
{
	struct clocksource *clock = machine.tk.tkr_mono.clock;

	pair->updates = machine.updates;
	pair->settings = machine.settings;
	pair_fill(pair, &machine.tk, clock->read(clock));
}

/*
 * With a slow counter, a reader can get the value of the switch after it. Where the
 * clock is slewed only, that is the anomaly which is documented.
 */
static bool is_ambiguous(u64 cycles)
{
	return kind < K_SET && machine.h.switch_cycles == cycles;
}

/* The value of the counter has to be told the same from now on */
static void ask_value(void)
{
	unsigned int time = random_below(&rnd, NR_TIMES);
	struct answer answer = { .way = W_CONVERT, .time = time };
	struct pair value;

	pair_now(&value);
	look_up(&machine.h, value.id, value.cycles, &answer);
	if (answer.ret) {
		if ((answer.ret == -EAGAIN) != (machine.h.seq.sequence & 1) || answer.ret > 0)
			bad("no time at the present");
		return;
	}
	for (unsigned int i = 0; i < NR_TIMES; i++)
		value.time[i] = answer.one.time;
	/* Which one of the clocks that is */
	value.clock_was_set_seq = time;
	if (!is_ambiguous(value.cycles))
		add(&values, &value);
}

static void ask_info(void)
{
	bool odd = machine.h.seq.sequence & 1;
	struct ktime_history_info info;
	int ret = tkh_get_info(&machine.h, &info);

	if (ret != (odd ? -EAGAIN : 0))
		bad("ktime_history_get_info() failed");
	if (!ret && info.cs_id != machine.shadow.cs_id && info.cs_id != machine.tk.cs_id)
		bad("an information about another clocksource");
}

static bool nmi(void)
{
	bool readable = !nobody_reads && !(machine.seq.sequence & 1);
	struct pair pair;

	sim_now++;
	nr_steps++;
	nr_odd += machine.h.seq.sequence & 1;
	native_in_nmi = true;

	if (readable) {
		nr_readable++;
		pair_now(&pair);
		if (!is_ambiguous(pair.cycles)) {
			ask_any(&pair);
			if (random_below(&rnd, 16) == 0)
				add(&told, &pair);
		}
	}
	if (!nobody_reads)
		ask_value();
	ask_any(&before);
	ask_any(any_of(&told));
	ask_any(any_of(&told));
	if (values.nr) {
		const struct pair *value = any_of(&values);

		nr_same++;
		ask(value, W_CONVERT, value->clock_was_set_seq);
	}
	ask_info();

	native_in_nmi = false;
	return true;
}

/* The first NMI that can read after a suspend */
static bool nmi_of_resume(void)
{
	if (nobody_reads && !(machine.seq.sequence & 1) &&
	    machine.tk.clock_was_set_seq == machine.shadow.clock_was_set_seq)
		nobody_reads = false;
	return nmi();
}

static void publish(void *arg)
{
	machine_publish(arg);
}

struct moves {
	unsigned int	heads[TKH_MAX_LEVELS];
};

static struct moves moves(void)
{
	struct moves moves;

	for (unsigned int i = 0; i < TKH_MAX_LEVELS; i++)
		moves.heads[i] = machine.h.entries.level[i].head;
	return moves;
}

static void run(unsigned int nr_updates, const char *name)
{
	unsigned long nr_kinds[NR_KINDS] = {}, steps[NR_KINDS] = {}, odd[NR_KINDS] = {};
	/* Updates which stored an entry in so many levels */
	unsigned long nr_levels[TKH_MAX_LEVELS + 1] = {};
	bool all = true;

	counts = (struct counts) {};
	nr_steps = nr_odd = nr_readable = nr_same = nr_bad = 0;
	for (unsigned int i = 0; i < nr_updates; i++) {
		unsigned long steps_before, odd_before;
		struct moves old, new;
		unsigned int nr = 0;
		struct pair pair;

		time_limit(5);
		if (i % NR_UPDATES == 0) {
			sim_now += 1000000;
			nobody_reads = false;
			told.nr = values.nr = 0;
			kind = K_RESUME;
			machine_init(&machine, &small_shape, &sim_first, &sim_second);
			sim_now += 1 << sim_slow;
			pair_now(&pair);
			add(&told, &pair);
		}
		sim_now += random_below(&rnd, 4) ? random_below(&rnd, 10000 << sim_slow) :
					       random_below(&rnd, 10);
		if (!nobody_reads && !is_ambiguous(sim_now >> sim_slow)) {
			pair_now(&before);
			add(&told, &before);
		}

		kind = machine_any_kind(&machine, i & 64);
		if (kind == K_SUSPEND)
			nobody_reads = true;
		machine_prepare(&machine, kind);
		steps_before = nr_steps;
		odd_before = nr_odd;
		old = moves();
		single_step(publish, &machine, kind == K_RESUME ? nmi_of_resume : nmi);
		new = moves();
		for (unsigned int l = 0; l < small_shape.nr_levels; l++)
			nr += new.heads[l] != old.heads[l];

		nr_levels[nr]++;
		nr_kinds[kind]++;
		steps[kind] += nr_steps - steps_before;
		odd[kind] += nr_odd - odd_before;
		if (kind == K_RESUME && nobody_reads)
			bad("readers do not go on");
		if (counts.nr[V_WRONG] + nr_bad >= 20)
			break;
	}

	for (unsigned int i = 0; i < NR_KINDS; i++) {
		note("%s, %s: %lu updates of %lu instructions, the count is odd in %lu of them",
		     name, kinds[i], nr_kinds[i], steps[i] / max(nr_kinds[i], 1UL),
		     odd[i] / max(nr_kinds[i], 1UL));
		all &= nr_kinds[i] && (odd[i] || i == K_TICK);
	}
	note("%s: levels that got an entry: none %lu, 1 %lu, 2 %lu, 3 %lu, all %lu", name,
	     nr_levels[0], nr_levels[1], nr_levels[2], nr_levels[3], nr_levels[4]);
	for (unsigned int i = 0; i <= small_shape.nr_levels; i++)
		all &= !!nr_levels[i];
	note("%s: %lu instructions, %lu with the count odd, readers can read in %lu", name,
	     nr_steps, nr_odd, nr_readable);
	note("%s: %lu lookups exact, %lu in the long history, %lu too old, %lu lost, %lu of an update in flight, %lu wrong, and %lu otherwise; %lu of values of nobody",
	     name, counts.nr[V_EXACT], counts.nr[V_LONG], counts.nr[V_EVICTED],
	     counts.nr[V_LOST], counts.nr[V_WAIT], counts.nr[V_WRONG], nr_bad, nr_same);
	result(all && !counts.nr[V_WRONG] && !nr_bad && counts.nr[V_EXACT] && counts.nr[V_LONG] &&
	       counts.nr[V_EVICTED] && counts.nr[V_WAIT] && nr_same, "nmi: %s", name);
}

int main(int argc, char **argv)
{
	unsigned int nr_updates = argc > 1 ? atoi(argv[1]) : 300;

	plan(2);
	run(nr_updates, "a fast counter");
	sim_slow = 6;
	run(nr_updates, "a slow counter");
	return finish();
}
