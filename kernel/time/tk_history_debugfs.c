// SPDX-License-Identifier: GPL-2.0
/*
 * The timekeeping history: what people may look at
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/seqlock.h>
#include <linux/time.h>

#include "tk_history_internal.h"

/* How far back each level reaches, and how much of it is in use */
static void tkh_show_levels(struct seq_file *m, const struct tk_history *h)
{
	struct ktime_history_info info;

	if (tkh_get_info(h, &info) || !info.nr_reaches)
		return;

	seq_printf(m, "now 0x%llx, %u kHz\n", info.newest, info.freq_khz);
	for (unsigned int i = 0; i < info.nr_reaches; i++) {
		const struct tkh_level *level = &h->entries.level[i];
		u64 kcycles = div_u64((info.newest - info.reach[i].oldest) & info.mask, 1000);

		seq_printf(m, "level %u: within %u ns from 0x%llx on, %llu ms ago, %u of %u entries\n",
			   i, info.reach[i].error_ns, info.reach[i].oldest,
			   info.freq_khz ? div_u64(kcycles * 1000, info.freq_khz) : 0,
			   READ_ONCE(level->head) - READ_ONCE(level->tail), level->size);
	}
}

/* The newest of them first, until there are no older ones */
static void tkh_show_installations(struct seq_file *m, const struct tk_history *h)
{
	unsigned int seq, i = 0, nr, walls;
	struct tkh_installation inst;

	for (;;) {
		do {
			seq = read_seqcount_begin(&h->seq);
			nr = h->inst_head - h->inst_tail;
			walls = h->wall_head - h->wall_tail;
			inst = h->installations[(h->inst_head - 1 - i) & (h->nr_installations - 1)];
		} while (read_seqcount_retry(&h->seq, seq));

		if (!i)
			seq_printf(m, "%u installations, %u walls, newest first:\n", nr, walls);
		if (i++ >= nr)
			return;
		seq_printf(m, "counter %u%s, %u bits, from 0x%llx%s, raw %lld ns mult %u shift %u, boot offset %lld ns, base clock %u times %u/%u plus %llu\n",
			   inst.cs_id, inst.cs_id == CSID_GENERIC ? " (not recorded)" : "",
			   64 - inst.lacks, inst.first - inst.bias,
			   inst.flags & TKH_ANEW ? " (anew)" : "", inst.raw_base, inst.raw_mult,
			   inst.shift, inst.offs_boot, inst.base_id, inst.base_num,
			   inst.base_den, inst.base_offset);
	}
}

static void tkh_show(struct seq_file *m, const struct tk_history *h)
{
	tkh_show_levels(m, h);
	tkh_show_installations(m, h);
}

static int tkh_debug_show(struct seq_file *m, void *v)
{
	const struct tk_history *h;

	guard(rcu)();
	h = tkh_get(CLOCK_MONOTONIC);
	if (!h) {
		seq_puts(m, "off\n");
		return 0;
	}
	tkh_show(m, h);

	for (clockid_t clock = CLOCK_AUX; clock <= CLOCK_AUX_LAST; clock++) {
		h = tkh_get(clock);
		if (h) {
			seq_printf(m, "\nauxiliary clock %d\n", clock - CLOCK_AUX);
			tkh_show(m, h);
		}
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(tkh_debug);

static int __init tkh_debug_init(void)
{
	debugfs_create_file("history", 0400, debugfs_create_dir("timekeeping", NULL), NULL,
			    &tkh_debug_fops);
	return 0;
}
late_initcall(tkh_debug_init);
