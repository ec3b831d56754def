// SPDX-License-Identifier: GPL-2.0
/*
 * Updates at every instruction of a lookup
 *
 * A lookup is single-stepped. After each instruction the process forks. In the child,
 * updates are made, then the lookup goes on. What it returns has to be what it would
 * have returned before the updates or after them. If a reader was told a time for the
 * value, it has to be that. Prints KTAP.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/preempt.h>

#include "native.h"

/* Updates before the lookups, of each of which the newest pairs are kept */
#define NR_UPDATES	120
#define NR_PAIRS	(2 * NR_UPDATES)

static struct machine machine;
static struct pair pairs[NR_PAIRS];
static unsigned int nr_pairs;
/* A value of the counter in use, while the system was suspended */
static struct pair asleep;

/*
 * What happens during the lookup: one update of a kind or
 */
enum {
	/* A suspend and its end */
	D_SLEEP = NR_KINDS,
	/* As many updates as the first level has entries, then many more */
	D_RING,
	D_MANY,
	/* An update begins, and does not end before the lookup */
	D_BEGUN,
	NR_DISTURBANCES,
};

static const char *disturbance_name(unsigned int nr)
{
	static const char *const names[] = {
		[D_SLEEP - NR_KINDS]	= "sleep",
		[D_RING - NR_KINDS]	= "ring",
		[D_MANY - NR_KINDS]	= "many",
		[D_BEGUN - NR_KINDS]	= "begun",
	};

	return nr < NR_KINDS ? kinds[nr] : names[nr - NR_KINDS];
}

enum { P_NEWEST, P_EXACT, P_LONG, P_OLDEST, P_OTHER, P_EVICTED, P_ASLEEP, P_AHEAD, NR_PROBES };

static const char *const probes[NR_PROBES] = {
	[P_NEWEST]	= "newest",
	[P_EXACT]	= "exact",
	[P_LONG]	= "long",
	[P_OLDEST]	= "oldest",
	[P_OTHER]	= "other",
	[P_EVICTED]	= "evicted",
	[P_ASLEEP]	= "asleep",
	[P_AHEAD]	= "ahead",
};

/* What is asked for. The last one is ktime_history_get_info(). */
#define NR_QUESTIONS	5

static const struct question {
	enum way	way;
	unsigned int	time;
} questions[NR_QUESTIONS - 1] = {
	{ W_CONVERT,	T_MONO },
	{ W_CONVERT,	T_TAI },
	{ W_BATCH,	T_RAW },
	{ W_ALL,	T_BOOT },
};

/* The lookup */
static struct lookup {
	unsigned int			disturbance;
	unsigned int			probe;
	unsigned int			question;
	bool				in_nmi;
	struct pair			pair;
	/* A reader was told the pair */
	bool				is_pair;
	struct answer			answer;
	struct ktime_history_info	info;
	int				ret;
} lookup;

static unsigned long nr_steps, nr_same_before, nr_same_after, nr_bad;
static unsigned long nr_verdicts[NR_VERDICTS];
static bool is_child;

/* How a child ends: 1 or 2 if it failed, or a verdict and what it is the same as */
#define STATUS_VERDICT		3
#define STATUS_BEFORE		16
#define STATUS_AFTER		32

static void add_pair(void)
{
	struct clocksource *clock = machine.tk.tkr_mono.clock;
	struct pair *pair = &pairs[nr_pairs++ % NR_PAIRS];

	pair->updates = machine.updates;
	pair->settings = machine.settings;
	pair_fill(pair, &machine.tk, clock->read(clock));
}

static void update(enum kind kind)
{
	sim_now += 2 + random_below(&machine.rnd, 4000);
	/* The value of a switch may belong to both states */
	if (!machine.suspended)
		add_pair();
	machine_update(&machine, kind);
	sim_now++;
	if (kind == K_SUSPEND) {
		/* The value is the one after the next */
		asleep = (struct pair) {
			.cycles	= machine.tk.tkr_mono.cycle_last + 1000,
			.id	= machine.tk.cs_id,
		};
		sim_now += 5000;
	}
	if (!machine.suspended)
		add_pair();
}

static void disturb(unsigned int disturbance)
{
	switch (disturbance) {
	case D_SLEEP:
		update(K_SUSPEND);
		update(K_RESUME);
		break;
	case D_RING:
		for (unsigned int i = 0; i < machine.shape.levels[0].size; i++)
			update(machine_any_kind(&machine, true));
		break;
	case D_MANY:
		for (unsigned int i = 0; i < 2 * NR_UPDATES; i++)
			update(machine_any_kind(&machine, false));
		break;
	case D_BEGUN:
		machine_prepare(&machine, K_SET);
		machine_begin(&machine);
		break;
	default:
		update(disturbance);
	}
}

static void run_lookup(struct lookup *l)
{
	l->answer = (struct answer) {};
	l->info = (struct ktime_history_info) {};
	if (l->question == NR_QUESTIONS - 1) {
		l->ret = tkh_get_info(&machine.h, &l->info);
		return;
	}
	l->answer.way = questions[l->question].way;
	l->answer.time = questions[l->question].time;
	look_up(&machine.h, l->pair.id, l->pair.cycles, &l->answer);
	l->ret = l->answer.ret;
}

static void stepped_lookup(void *arg)
{
	run_lookup(arg);
}

static bool same_info(const struct ktime_history_info *a, const struct ktime_history_info *b)
{
	bool same = a->cs_id == b->cs_id && a->freq_khz == b->freq_khz && a->mask == b->mask &&
		    a->nr_reaches == b->nr_reaches;

	for (unsigned int i = 0; same && i < a->nr_reaches; i++) {
		same = a->reach[i].error_ns == b->reach[i].error_ns &&
		       a->reach[i].oldest == b->reach[i].oldest;
	}
	return same;
}

static bool same(const struct lookup *a, const struct lookup *b)
{
	const struct ktime_conversion *x = &a->answer.conv, *y = &b->answer.conv;

	return a->ret == b->ret && a->answer.one.time == b->answer.one.time &&
	       a->answer.one.error_ns == b->answer.one.error_ns && x->mono == y->mono &&
	       x->boot == y->boot && x->real == y->real && x->tai == y->tai &&
	       x->raw == y->raw && x->error_ns == y->error_ns && x->flags == y->flags &&
	       x->clock_was_set_seq == y->clock_was_set_seq &&
	       x->cs_was_changed_seq == y->cs_was_changed_seq && same_info(&a->info, &b->info);
}

static const char *describe(const struct lookup *l)
{
	static char text[200];
	bool is_info = l->question == NR_QUESTIONS - 1;

	snprintf(text, sizeof(text), "%s during %s of value %s, clock %d%s",
		 disturbance_name(l->disturbance),
		 is_info ? "get info" : ways[questions[l->question].way], probes[l->probe],
		 is_info ? -1 : clocks[questions[l->question].time], l->in_nmi ? ", in NMI" : "");
	return text;
}

/* After each instruction. True to go on stepping. */
static bool step(void)
{
	pid_t pid;
	int status;

	nr_steps++;
	pid = fork();
	if (pid < 0) {
		nr_bad++;
		return false;
	}
	if (!pid) {
		is_child = true;
		time_limit(1);
		native_in_nmi = false;
		disturb(lookup.disturbance);
		native_in_nmi = lookup.in_nmi;
		return false;
	}

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) < STATUS_VERDICT) {
		if (nr_bad++ < 10) {
			note("%s, instruction %lu: status 0x%x", describe(&lookup), nr_steps,
			     status);
		}
		return nr_bad < 10;
	}
	status = WEXITSTATUS(status);
	nr_same_before += !!(status & STATUS_BEFORE);
	nr_same_after += !!(status & STATUS_AFTER);
	nr_verdicts[(status & (STATUS_BEFORE - 1)) - STATUS_VERDICT]++;
	return true;
}

/* The lookup has ended in a child, where it was disturbed */
static int child_status(const struct lookup *before)
{
	struct lookup after = *before;
	enum verdict verdict = V_EXACT;
	int status = 0;

	if (before->disturbance == D_BEGUN) {
		after.ret = -EAGAIN;
		after.answer = (struct answer) {};
		after.info = (struct ktime_history_info) {};
		/* The one of a batch */
		lookup.answer.one = lookup.ret == -EAGAIN ? (struct ktime_cycles_time) {} :
							    lookup.answer.one;
	} else {
		run_lookup(&after);
	}
	if (lookup.ret < 0)
		verdict = V_EVICTED;
	if (lookup.is_pair && lookup.question != NR_QUESTIONS - 1)
		verdict = judge(&machine, &lookup.pair, &lookup.answer);

	if (same(&lookup, before))
		status |= STATUS_BEFORE;
	if (same(&lookup, &after))
		status |= STATUS_AFTER;
	if (!status) {
		note("%s: returned %d, time %lld, before %d, %lld, after %d, %lld", describe(&lookup),
		     lookup.ret, lookup.answer.one.time, before->ret, before->answer.one.time,
		     after.ret, after.answer.one.time);
		return 1;
	}
	if (verdict == V_WRONG || (verdict == V_WAIT && before->disturbance != D_BEGUN))
		return 1;
	return status | (STATUS_VERDICT + verdict);
}

static void try_lookup(unsigned int disturbance, unsigned int probe, unsigned int question)
{
	struct lookup before;

	lookup.disturbance = disturbance;
	lookup.probe = probe;
	lookup.question = question;
	lookup.in_nmi = disturbance == D_BEGUN || nr_steps % 2;

	before = lookup;
	run_lookup(&before);
	native_in_nmi = lookup.in_nmi;
	single_step(stepped_lookup, &lookup, step);
	native_in_nmi = false;
	if (is_child)
		_exit(child_status(&before));

	if (!same(&before, &lookup)) {
		nr_bad++;
		note("%s: not the same without an update", describe(&lookup));
	}
}

/* Look for the value of a probe among the pairs, the newest ones first */
static bool find_probe(unsigned int probe)
{
	const struct pair *newest = &pairs[(nr_pairs - 1) % NR_PAIRS];
	bool found = false;

	lookup.is_pair = true;
	switch (probe) {
	case P_ASLEEP:
		lookup.is_pair = false;
		lookup.pair = asleep;
		return asleep.cycles;
	case P_AHEAD:
		lookup.is_pair = false;
		lookup.pair = *newest;
		lookup.pair.cycles += 3000;
		return true;
	case P_NEWEST:
		lookup.pair = *newest;
		return true;
	}

	for (unsigned int i = 1; i <= min(nr_pairs, NR_PAIRS); i++) {
		const struct pair *pair = &pairs[(nr_pairs - i) % NR_PAIRS];
		unsigned int age = machine.updates - pair->updates;
		struct answer answer = { .way = W_ALL };
		enum verdict verdict;

		look_up(&machine.h, pair->id, pair->cycles, &answer);
		verdict = judge(&machine, pair, &answer);
		if ((probe == P_EXACT && verdict == V_EXACT && age >= 2) ||
		    (probe == P_LONG && verdict == V_LONG) ||
		    (probe == P_OLDEST && verdict == V_LONG) ||
		    (probe == P_OTHER && verdict <= V_LONG && pair->id != machine.tk.cs_id) ||
		    (probe == P_EVICTED && verdict == V_EVICTED)) {
			lookup.pair = *pair;
			found = true;
			if (probe != P_OLDEST)
				break;
		}
	}
	return found;
}

static void prepare(u64 seed)
{
	machine.rnd = seed;
	sim_now += 1000000;
	nr_pairs = 0;
	asleep.cycles = 0;
	machine_init(&machine, &small_shape, &sim_first, &sim_second);
	for (unsigned int i = 0; i < NR_UPDATES || machine.suspended; i++)
		update(machine_any_kind(&machine, i > NR_UPDATES / 4));
}

int main(void)
{
	plan(NR_PROBES);

	for (unsigned int probe = 0; probe < NR_PROBES; probe++) {
		u64 seed = probe + 1;

		nr_steps = nr_same_before = nr_same_after = nr_bad = 0;
		memset(nr_verdicts, 0, sizeof(nr_verdicts));
		do {
			prepare(seed);
			seed += NR_PROBES;
		} while (!find_probe(probe) && seed < 1000);

		for (unsigned int d = K_STEP; d < NR_DISTURBANCES && nr_bad < 10; d++) {
			/* There is no resume without a suspend, two settings are like K_SET */
			if (d == K_RESUME || d == K_TAI || d == K_WAS_SET)
				continue;
			for (unsigned int q = 0; q < NR_QUESTIONS && nr_bad < 10; q++)
				try_lookup(d, probe, q);
		}
		note("%s: %lu instructions, result as before %lu, as after %lu; %lu exact, %lu in the long history, %lu too old, %lu lost, %lu not yet",
		     probes[probe], nr_steps, nr_same_before, nr_same_after, nr_verdicts[V_EXACT],
		     nr_verdicts[V_LONG], nr_verdicts[V_EVICTED], nr_verdicts[V_LOST],
		     nr_verdicts[V_WAIT]);
		result(!nr_bad && seed < 1000 && nr_same_before && nr_same_after, "step: %s",
		       probes[probe]);
	}
	return finish();
}
