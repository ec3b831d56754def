// SPDX-License-Identifier: GPL-2.0
/*
 * Readers of a timekeeper against its updates
 *
 * race [SECONDS]. Prints KTAP.
 *
 * One CPU updates the timekeeper as often as it can, readers on the others read a
 * clock as ktime_get() does. What they were told for a counter value is what the
 * history has to tell, at once and later. The counter is the TSC of this machine.
 *
 * A counter value which belongs to no reader has to be told the same at all times.
 *
 * LFENCE, RDTSC and LFENCE read the TSC in the order of the program. The kernel's
 * read_tsc() has no LFENCE at its end, so the TSC may be read later than the
 * sequence count is checked. Readers who do it the kernel's way are counted apart.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"

#define MAX_READERS	64
#define NR_PAIRS	4096
/* More of it is the same */
#define MAX_WRONG	5

static struct machine machine;
static bool stop;
static __thread unsigned long nr_reads;

static inline u64 rdtsc_ordered(void)
{
	u32 low, high;

	__asm__ __volatile__("lfence; rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (u64)high << 32 | low;
}

static u64 read_tsc(struct clocksource *cs)
{
	(void)cs;
	nr_reads++;
	return rdtsc_ordered();
}

/* Another counter that never has the same value for two values of the TSC */
static u64 read_triple(struct clocksource *cs)
{
	(void)cs;
	nr_reads++;
	return 3 * rdtsc_ordered() + 12345;
}

static struct clocksource tsc = {
	.read	= read_tsc,
	.name	= "tsc",
	.id	= CSID_X86_TSC,
	.mult	= (1 << 24) * 0.4,
	.shift	= 24,
};

static struct clocksource triple = {
	.read	= read_triple,
	.name	= "triple",
	.id	= CSID_ARM_ARCH_COUNTER,
	.mult	= (1 << 25) * 0.4 / 3,
	.shift	= 25,
};

/* The kernel's sizes, but fewer installations and walls */
static const struct shape shape = {
	.levels = {
		{ 512, 0 }, { 512, 1 }, { 512, 4 }, { 512, 7 }, { 256, 10 }, { 128, 13 },
		{ 64, 16 }, { 32, 19 }, { 32, 22 },
	},
	.nr_levels		= 9,
	.nr_walls		= 64,
	.nr_installations	= 32,
};

struct reader {
	pthread_t	thread;
	int		cpu;
	u64		rnd;
	struct counts	pairs;
	struct counts	values;
	unsigned long	nr_pairs;
	unsigned long	nr_values;
	unsigned long	nr_late;
	unsigned long	nr_maybe_late;
	unsigned long	nr_retries;
	struct pair	told[NR_PAIRS];
	struct pair	own[NR_PAIRS];
};

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* As ktime_get() does it, with all clocks at once */
static void read_pair(const struct machine *m, struct pair *pair, bool ordered)
{
	struct clocksource *clock;
	struct timekeeper tk;
	unsigned int seq;
	u64 cycles;

	pair->updates = READ_ONCE(m->updates);
	pair->settings = READ_ONCE(m->settings);
	smp_rmb();
	do {
		seq = read_seqcount_begin(&m->seq);
		memcpy(&tk, &m->tk, sizeof(tk));
		clock = tk.tkr_mono.clock;
		cycles = clock->read(clock);
		if (ordered)
			rmb();
	} while (read_seqcount_retry(&m->seq, seq));
	pair_fill(pair, &tk, cycles);
}

static enum verdict ask(struct reader *r, const struct pair *pair, enum way way, unsigned int time)
{
	struct answer answer = { .way = way, .time = time };
	unsigned long reads = nr_reads;

	look_up(&machine.h, pair->id, pair->cycles, &answer);
	/* One, and another one if the value seems to be ahead */
	r->nr_retries += nr_reads - reads > 2;
	return judge(&machine, pair, &answer);
}

/* One of the last @nr, a new one as likely as one of all those that are old */
static unsigned int any_of(u64 *rnd, unsigned long nr)
{
	unsigned long most = min(nr, (unsigned long)NR_PAIRS);
	unsigned long age = random_below(rnd, 1UL << random_below(rnd, 13));

	return (nr - 1 - min(age, most - 1)) % NR_PAIRS;
}

static void check_pairs(struct reader *r)
{
	struct pair *pair = &r->told[r->nr_pairs++ % NR_PAIRS], late;

	read_pair(&machine, pair, true);
	r->pairs.nr[ask(r, pair, random_below(&r->rnd, NR_WAYS), random_below(&r->rnd, NR_TIMES))]++;

	pair = &r->told[any_of(&r->rnd, r->nr_pairs)];
	r->pairs.nr[ask(r, pair, random_below(&r->rnd, NR_WAYS), random_below(&r->rnd, NR_TIMES))]++;

	/* A difference tells that a reader was late, judge() would complain */
	if (random_below(&r->rnd, 4) == 0) {
		struct answer answer = { .way = W_CONVERT, .time = T_MONO };

		read_pair(&machine, &late, false);
		look_up(&machine.h, late.id, late.cycles, &answer);
		r->nr_maybe_late++;
		r->nr_late += answer.ret == 0 && answer.one.time != late.time[T_MONO];
	}
}

static void check_values(struct reader *r)
{
	struct pair value, *old;
	struct answer answer = { .way = W_CONVERT, .time = random_below(&r->rnd, NR_TIMES) };

	value.updates = READ_ONCE(machine.updates);
	value.settings = READ_ONCE(machine.settings);
	smp_rmb();
	value.id = tsc.id;
	value.cycles = read_tsc(&tsc);
	look_up(&machine.h, value.id, value.cycles, &answer);
	/* The clocksource may be the other one */
	if (answer.ret == 0) {
		for (unsigned int i = 0; i < NR_TIMES; i++)
			value.time[i] = answer.one.time;
		/* Which one of the clocks that is */
		value.clock_was_set_seq = answer.time;
		r->own[r->nr_values++ % NR_PAIRS] = value;
	} else if (answer.ret != -ENODATA && answer.ret != -EAGAIN && answer.ret != -ERANGE &&
		   answer.ret != KTIME_CONVERSION_LONG) {
		note("a value of the TSC: %d", answer.ret);
		r->values.nr[V_WRONG]++;
	}

	if (r->nr_values) {
		old = &r->own[any_of(&r->rnd, r->nr_values)];
		r->values.nr[ask(r, old, W_CONVERT, old->clock_was_set_seq)]++;
	}
}

static void *reader(void *arg)
{
	struct reader *r = arg;

	run_on(r->cpu);
	while (!READ_ONCE(stop)) {
		check_pairs(r);
		check_values(r);
		if (r->pairs.nr[V_WRONG] + r->values.nr[V_WRONG] >= MAX_WRONG)
			WRITE_ONCE(stop, true);
	}
	return NULL;
}

static unsigned long writer(unsigned int seconds)
{
	unsigned long nr = 0;
	time_t end = time(NULL) + seconds;

	while (!READ_ONCE(stop)) {
		enum kind kind;

		do {
			kind = machine_any_kind(&machine, true);
		} while (kind == K_SUSPEND);
		machine_update(&machine, kind);

		/* In turns mostly back to back, and with time for reads and lookups in between */
		if (random_below(&machine.rnd, nr & BIT(14) ? 32 : 2) == 0) {
			for (u64 i = random_below(&machine.rnd, 100); i; i--)
				cpu_relax();
		}
		if (++nr % 4096 == 0 && time(NULL) >= end)
			break;
	}
	WRITE_ONCE(stop, true);
	return nr;
}

/*
 * The TSC of a CPU must not be behind that of another one
 */

static struct {
	int		lock;
	u64		last;
	u64		nr_warps;
	bool		stop;
} warp;

static void watch(u64 rounds)
{
	while (rounds-- && !READ_ONCE(warp.stop)) {
		u64 now;

		while (__atomic_exchange_n(&warp.lock, 1, __ATOMIC_ACQUIRE))
			cpu_relax();
		now = rdtsc_ordered();
		rmb();
		if (now <= warp.last)
			warp.nr_warps++;
		warp.last = now;
		__atomic_store_n(&warp.lock, 0, __ATOMIC_RELEASE);
	}
}

static void *watcher(void *arg)
{
	run_on(*(int *)arg);
	watch(U64_MAX);
	return NULL;
}

static bool tscs_agree(const int *cpus, unsigned int nr)
{
	pthread_t threads[MAX_READERS];

	for (unsigned int i = 1; i < nr; i++)
		pthread_create(&threads[i - 1], NULL, watcher, (void *)&cpus[i]);
	watch(1000000);
	WRITE_ONCE(warp.stop, true);
	for (unsigned int i = 1; i < nr; i++)
		pthread_join(threads[i - 1], NULL);
	return !warp.nr_warps;
}

static int skip(const char *why)
{
	result(true, "race: pairs # SKIP %s", why);
	result(true, "race: values # SKIP %s", why);
	return finish();
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 10, nr = 0;
	int cpus[MAX_READERS + 1];
	struct reader *readers, sum = {};
	unsigned long nr_updates;
	cpu_set_t set;
	time_t start;

	plan(2);
	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (int cpu = 0; cpu < CPU_SETSIZE && nr <= MAX_READERS; cpu++) {
		if (CPU_ISSET(cpu, &set))
			cpus[nr++] = cpu;
	}
	if (nr < 2)
		return skip("there is one CPU");
	time_limit((nr + 1) * seconds + 60);
	run_on(cpus[0]);
	if (!tscs_agree(cpus, nr))
		return skip("the CPUs' TSCs differ");

	machine_init(&machine, &shape, &tsc, &triple);
	readers = calloc(nr - 1, sizeof(*readers));
	if (!readers)
		return 1;
	for (unsigned int i = 0; i < nr - 1; i++) {
		readers[i].cpu = cpus[i + 1];
		readers[i].rnd = i;
		pthread_create(&readers[i].thread, NULL, reader, &readers[i]);
	}
	start = time(NULL);
	nr_updates = writer(seconds);

	for (unsigned int i = 0; i < nr - 1; i++) {
		struct reader *r = &readers[i];

		pthread_join(r->thread, NULL);
		for (unsigned int v = 0; v < NR_VERDICTS; v++) {
			sum.pairs.nr[v] += r->pairs.nr[v];
			sum.values.nr[v] += r->values.nr[v];
		}
		sum.nr_pairs += r->nr_pairs;
		sum.nr_values += r->nr_values;
		sum.nr_late += r->nr_late;
		sum.nr_maybe_late += r->nr_maybe_late;
		sum.nr_retries += r->nr_retries;
	}

	note("%lu updates in %ld s, %lu lookups had to start over", nr_updates,
	     (long)(time(NULL) - start), sum.nr_retries);
	note("%lu pairs: %lu exact, %lu in the long history, %lu too old, %lu not yet, %lu wrong",
	     sum.nr_pairs, sum.pairs.nr[V_EXACT], sum.pairs.nr[V_LONG], sum.pairs.nr[V_EVICTED],
	     sum.pairs.nr[V_WAIT], sum.pairs.nr[V_WRONG]);
	note("%lu values: %lu the same, %lu in the long history, %lu too old, %lu not yet, %lu wrong",
	     sum.nr_values, sum.values.nr[V_EXACT], sum.values.nr[V_LONG],
	     sum.values.nr[V_EVICTED], sum.values.nr[V_WAIT], sum.values.nr[V_WRONG]);
	note("%lu of %lu readers without the second LFENCE were late", sum.nr_late,
	     sum.nr_maybe_late);
	result(!sum.pairs.nr[V_WRONG] && !sum.pairs.nr[V_WAIT] && sum.pairs.nr[V_EXACT] &&
	       sum.pairs.nr[V_LONG] && sum.pairs.nr[V_EVICTED] && sum.nr_retries, "race: pairs");
	result(!sum.values.nr[V_WRONG] && !sum.values.nr[V_WAIT] && sum.values.nr[V_EXACT],
	       "race: values");
	return finish();
}
