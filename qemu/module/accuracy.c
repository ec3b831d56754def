// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel reads now, and what others could know of its timekeeper
 *
 * Each read of the debugfs file "accuracy" from its start takes a sample, a
 * line of numbers:
 *
 *	cycles REALTIME RAW clock_was_set_seq
 *	cycles BOOTTIME
 *	cycle_last shift base_mono offs_real offs_boot mult xtime_nsec
 *	base_raw mult_raw xtime_nsec_raw
 *
 * The first two lines are the kernel's own reading at these counter values.
 * The others are the state in force, as pvclock_gtod hands it to anybody.
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/pvclock_gtod.h>
#include <linux/seq_file.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>

static struct timekeeper copy;
static struct dentry *file;

static int accuracy_notify(struct notifier_block *nb, unsigned long was_set, void *tk)
{
	copy = *(struct timekeeper *)tk;

	return NOTIFY_OK;
}

static struct notifier_block accuracy_nb = {
	.notifier_call	= accuracy_notify,
};

static int accuracy_show(struct seq_file *m, void *unused)
{
	struct system_time_snapshot real, boot;
	struct timekeeper tk;
	unsigned long flags;

	/* There is one CPU: nothing is updated between the three */
	local_irq_save(flags);
	ktime_get_snapshot_id(CLOCK_REALTIME, &real);
	ktime_get_snapshot_id(CLOCK_BOOTTIME, &boot);
	tk = copy;
	local_irq_restore(flags);
	if (!real.valid || !boot.valid || real.cs_id != tk.tkr_mono.clock->id)
		return -EIO;

	seq_printf(m, "%llu %lld %lld %u ", real.cycles, real.systime, real.monoraw,
		   real.clock_was_set_seq);
	seq_printf(m, "%llu %lld ", boot.cycles, boot.systime);
	seq_printf(m, "%llu %u %lld %lld %lld %u %llu ", tk.tkr_mono.cycle_last,
		   tk.tkr_mono.shift, tk.tkr_mono.base, tk.offs_real, tk.offs_boot,
		   tk.tkr_mono.mult, tk.tkr_mono.xtime_nsec);
	seq_printf(m, "%lld %u %llu\n", tk.tkr_raw.base, tk.tkr_raw.mult,
		   tk.tkr_raw.xtime_nsec);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(accuracy);

static int __init accuracy_init(void)
{
	int ret;

	if (num_possible_cpus() > 1)
		return -EINVAL;
	ret = pvclock_gtod_register_notifier(&accuracy_nb);
	if (!ret)
		file = debugfs_create_file("accuracy", 0400, NULL, NULL, &accuracy_fops);

	return ret;
}
module_init(accuracy_init);

static void __exit accuracy_exit(void)
{
	debugfs_remove(file);
	pvclock_gtod_unregister_notifier(&accuracy_nb);
}
module_exit(accuracy_exit);

MODULE_DESCRIPTION("Samples of the timekeeper");
MODULE_LICENSE("GPL");
