// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/retroconv: conversion of past counter values and times for user space
 *
 * The time at a counter value is what clock_gettime() of the calling process
 * would have returned then, and the present value of the counter is hardly more
 * than the present time. Hence everybody may open the device.
 *
 * See Documentation/timers/retro-conversion.rst.
 */
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/ioctl.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/stddef.h>
#include <linux/time_namespace.h>
#include <linux/time64.h>
#include <linux/tk_history.h>
#include <linux/uaccess.h>

#include <uapi/linux/retroconv.h>

/* Sizes of the structs when they became ABI */
#define RETROCONV_CONVERT_SIZE_VER0	offsetofend(struct retroconv_convert, times)
#define RETROCONV_INFO_SIZE_VER0	offsetofend(struct retroconv_info, newest)

/*
 * Values converted at a time: few enough for the stack, and yet user access,
 * preemption point and signal check do not matter beside the conversions.
 */
#define RETROCONV_CHUNK			32

/*
 * The structs carry their size themselves, so that programs built against an
 * older or newer header reach the same ioctl.
 */
#define RETROCONV_CMD(cmd)		((cmd) & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT))

/* Each struct begins with its size. The pointer to it may be misaligned. */
static int retroconv_get_size(const void __user *uarg, size_t min_size, u32 *size)
{
	if (get_user(*size, (const __u32 __user *)uarg))
		return -EFAULT;
	if (*size < min_size || *size > PAGE_SIZE)
		return -EINVAL;
	return 0;
}

/*
 * Is the clocksource what user space reads as CNTVCT? On 32-bit arm the kernel may
 * use CNTPCT, and firmware need not have set the offset of CNTVCT.
 */
static bool retroconv_has_cntvct(void)
{
	return IS_ENABLED(CONFIG_ARM64);
}

static int retroconv_get_cs_id(u32 counter, enum clocksource_ids *cs_id)
{
	switch (counter) {
	case RETROCONV_COUNTER_ARM_ARCH:
		*cs_id = CSID_ARM_ARCH_COUNTER;
		return retroconv_has_cntvct() ? 0 : -ENODEV;
	case RETROCONV_COUNTER_X86_TSC:
		*cs_id = CSID_X86_TSC;
		return IS_ENABLED(CONFIG_X86_TSC) ? 0 : -ENODEV;
	default:
		return -EINVAL;
	}
}

/* The counter that user space can read on this architecture */
static enum clocksource_ids retroconv_readable(void)
{
	if (IS_ENABLED(CONFIG_X86_TSC))
		return CSID_X86_TSC;
	return retroconv_has_cntvct() ? CSID_ARM_ARCH_COUNTER : CSID_GENERIC;
}

static u32 retroconv_get_counter(enum clocksource_ids cs_id)
{
	switch (cs_id) {
	case CSID_ARM_ARCH_COUNTER:
		return retroconv_has_cntvct() ? RETROCONV_COUNTER_ARM_ARCH :
						RETROCONV_COUNTER_NONE;
	case CSID_X86_TSC:
		return RETROCONV_COUNTER_X86_TSC;
	default:
		return RETROCONV_COUNTER_NONE;
	}
}

/*
 * The offset from the clock of the system to that of the time namespace of
 * current, the same as clock_gettime() adds
 */
static int retroconv_get_offset(clockid_t clock, ktime_t *offset)
{
	struct timespec64 ts = { };

	switch (clock) {
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
		timens_add_monotonic(&ts);
		break;
	case CLOCK_BOOTTIME:
		timens_add_boottime(&ts);
		break;
	case CLOCK_REALTIME:
	case CLOCK_TAI:
	case CLOCK_AUX ... CLOCK_AUX_LAST:
		break;
	default:
		return -EINVAL;
	}

	*offset = timespec64_to_ktime(ts);
	return 0;
}

/**
 * struct retroconv_job - What to convert, and to what
 * @cs_id:		The counter, CSID_GENERIC if values are times
 * @local:		Values are times of the local clock
 * @from:		The clock if values are times of another one
 * @from_offset:	What the time namespace adds to @from
 * @to:			The clock that is asked for, or RETROCONV_TO_COUNTER
 * @to_offset:		What the time namespace adds to @to
 */
struct retroconv_job {
	enum clocksource_ids	cs_id;
	bool			local;
	clockid_t		from;
	ktime_t			from_offset;
	clockid_t		to;
	ktime_t			to_offset;
};

static int retroconv_get_job(const struct retroconv_convert *arg, struct retroconv_job *job)
{
	int ret;

	*job = (struct retroconv_job) {
		.to	= arg->clock_id,
		.local	= arg->counter == RETROCONV_FROM_LOCAL,
	};
	if (job->local)
		return retroconv_get_offset(job->to, &job->to_offset);
	if (arg->counter < RETROCONV_FROM(0)) {
		return retroconv_get_offset(job->to, &job->to_offset) ?:
		       retroconv_get_cs_id(arg->counter, &job->cs_id);
	}

	job->from = arg->counter - RETROCONV_FROM(0);
	ret = retroconv_get_offset(job->from, &job->from_offset);
	if (ret || job->to == RETROCONV_TO_COUNTER)
		return ret;
	return retroconv_get_offset(job->to, &job->to_offset);
}

static int retroconv_convert_values(const struct retroconv_job *job, u64 *values, unsigned int nr,
				    struct ktime_cycles_time *times)
{
	if (job->cs_id != CSID_GENERIC)
		return ktime_convert_cycles_batch(job->cs_id, values, nr, job->to, times);

	if (job->local)
		return ktime_convert_local_batch(values, nr, job->to, times);

	for (unsigned int i = 0; job->from_offset && i < nr; i++)
		values[i] -= job->from_offset;

	if (job->to != RETROCONV_TO_COUNTER)
		return ktime_convert_time_batch(job->from, (ktime_t *)values, nr, job->to, times);
	return ktime_convert_time_to_cycles_batch(job->from, (ktime_t *)values, nr,
						  retroconv_readable(), times);
}

/*
 * Convert up to RETROCONV_CHUNK values. With @nr 0 this only finds out whether
 * there is something to convert with.
 */
static int retroconv_convert_chunk(const struct retroconv_job *job, const u64 __user *uvalues,
				   struct retroconv_time __user *utimes, unsigned int nr)
{
	struct ktime_cycles_time times[RETROCONV_CHUNK] __uninitialized;
	u64 values[RETROCONV_CHUNK] __uninitialized;
	int ret;

	/* Times are handed out as they are */
	static_assert(sizeof(struct ktime_cycles_time) == sizeof(struct retroconv_time));
	static_assert(offsetof(struct ktime_cycles_time, time) ==
		      offsetof(struct retroconv_time, ns));
	static_assert(offsetof(struct ktime_cycles_time, error_ns) ==
		      offsetof(struct retroconv_time, error_ns));
	static_assert(offsetof(struct ktime_cycles_time, status) ==
		      offsetof(struct retroconv_time, status));
	static_assert(RETROCONV_SUSPENDED == KTIME_CONVERSION_SUSPENDED);
	static_assert(RETROCONV_REPEATED == KTIME_CONVERSION_REPEATED);
	static_assert(RETROCONV_EARLY == KTIME_CONVERSION_EARLY);

	if (copy_from_user(values, uvalues, nr * sizeof(*values)))
		return -EFAULT;

	ret = retroconv_convert_values(job, values, nr, times);
	if (ret)
		return ret;

	for (unsigned int i = 0; job->to_offset && i < nr; i++) {
		if (times[i].status >= 0)
			times[i].time = ktime_add(times[i].time, job->to_offset);
	}

	return copy_to_user(utimes, times, nr * sizeof(*times)) ? -EFAULT : 0;
}

static long retroconv_convert(struct retroconv_convert __user *uarg)
{
	struct retroconv_time __user *utimes;
	struct retroconv_convert arg;
	const u64 __user *uvalues;
	struct retroconv_job job;
	unsigned int nr, done;
	u32 usize;
	int ret;

	ret = retroconv_get_size(uarg, RETROCONV_CONVERT_SIZE_VER0, &usize);
	if (ret)
		return ret;

	ret = copy_struct_from_user(&arg, sizeof(arg), uarg, usize);
	if (ret)
		return ret;

	if (arg.flags || arg.nr > RETROCONV_MAX_NR)
		return -EINVAL;

	ret = retroconv_get_job(&arg, &job);
	if (ret)
		return ret;

	/* No address on 32-bit may lose its upper half silently */
	if (arg.cycles != (uintptr_t)arg.cycles || arg.times != (uintptr_t)arg.times)
		return -EFAULT;

	uvalues = u64_to_user_ptr(arg.cycles);
	utimes = u64_to_user_ptr(arg.times);

	/* Runs once for an empty batch too, for the sake of its errors */
	for (done = 0; ; done += nr) {
		nr = min_t(u64, arg.nr - done, RETROCONV_CHUNK);
		ret = retroconv_convert_chunk(&job, uvalues + done, utimes + done, nr);
		if (ret)
			return ret;
		if (done + nr == arg.nr)
			return 0;

		cond_resched();
		/*
		 * The results so far stay. A handler's program has to start over, as
		 * frequent signals would never let it finish. All others restart
		 * unnoticed, when they were stopped or frozen for a suspend. Task
		 * work of io_uring has to wait, it may come as often as signals.
		 */
		if (task_sigpending(current))
			return -ERESTARTNOHAND;
	}
}

static long retroconv_get_info(struct retroconv_info __user *uinfo)
{
	struct ktime_history_info hist;
	struct retroconv_info info = { };
	u32 usize;
	int ret;

	/* No byte of the stack is handed out */
	static_assert(sizeof(info.reach[0]) == sizeof(u64) + 2 * sizeof(u32));
	static_assert(sizeof(info) ==
		      RETROCONV_INFO_SIZE_VER0 + 2 * sizeof(u64) + sizeof(info.reach));
	static_assert(KTIME_HISTORY_LEVELS <= RETROCONV_MAX_REACHES);

	ret = retroconv_get_size(uinfo, RETROCONV_INFO_SIZE_VER0, &usize);
	if (ret)
		return ret;

	ret = ktime_history_get_info(&hist);
	if (ret)
		return ret;

	info.size = usize;
	info.counter = retroconv_get_counter(hist.cs_id);
	info.last_counter = retroconv_get_counter(hist.last_cs_id);
	if (info.last_counter != RETROCONV_COUNTER_NONE) {
		info.frequency_hz = hist.freq_khz * 1000ULL;
		info.newest = hist.newest;
		info.mask = hist.mask;
		info.oldest_exact = hist.reach[0].oldest;
		info.oldest = hist.reach[hist.nr_reaches - 1].oldest;
		info.nr_reaches = hist.nr_reaches;
		for (unsigned int i = 0; i < hist.nr_reaches; i++) {
			info.reach[i].oldest = hist.reach[i].oldest;
			info.reach[i].error_ns = hist.reach[i].error_ns;
		}
	}

	return copy_struct_to_user(uinfo, usize, &info, sizeof(info), NULL);
}

static long retroconv_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	switch (RETROCONV_CMD(cmd)) {
	case RETROCONV_CMD(RETROCONV_CONVERT):
		return retroconv_convert(uarg);
	case RETROCONV_CMD(RETROCONV_INFO):
		return retroconv_get_info(uarg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations retroconv_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= retroconv_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice retroconv_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "retroconv",
	.fops	= &retroconv_fops,
	.mode	= 0444,
};

builtin_misc_device(retroconv_misc);
