// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for cross timestamps of a device and the system
 *
 * The device is a fake one which knows the exact answer: it stamps the system
 * counter by reading a clock. Then it takes its time to deliver the stamp, and
 * meanwhile the clock is slewed or set, or the clocksource is changed.
 */
#include <kunit/test.h>
#include <linux/clocksource.h>
#include <linux/delay.h>
#include <linux/math64.h>
#include <linux/timekeeping.h>
#include <linux/timex.h>
#include <linux/tk_history.h>

#include "timekeeping_internal.h"

#define PPM(x)		((x) * 65536LL)

/**
 * struct fake_device - A device which stamps the system counter
 * @clock:	The clock to read with the counter
 * @lead_ms:	Time from the start of a capture to the stamp
 * @delay_ms:	Time from the stamp until it is delivered
 * @disturb:	Called every now and then meanwhile, or NULL
 * @convert:	What happens to the system counter on its way, or NULL
 * @error:	Error to return
 * @stamped:	The stamp has been taken
 * @disturbed:	Number of times that @disturb was called
 * @steps:	Number of times that the clock was set
 * @failed:	Number of times that the clock could not be changed
 * @calls:	Number of captures
 * @stamp:	The time when the counter was stamped
 */
struct fake_device {
	clockid_t			clock;
	unsigned int			lead_ms;
	unsigned int			delay_ms;
	void				(*disturb)(struct fake_device *dev);
	void				(*convert)(struct system_counterval_t *scv);
	int				error;
	bool				stamped;
	unsigned int			disturbed;
	unsigned int			steps;
	unsigned int			failed;
	unsigned int			calls;
	struct system_time_snapshot	stamp;
};

static void fake_wait(struct fake_device *dev, unsigned int ms)
{
	while (ms) {
		unsigned int slice = min(ms, 20);

		if (dev->disturb) {
			dev->disturb(dev);
			dev->disturbed++;
		}
		fsleep(slice * USEC_PER_MSEC);
		ms -= slice;
	}
}

static int fake_get_time(ktime_t *device_time, struct system_counterval_t *scv, void *ctx)
{
	struct fake_device *dev = ctx;

	dev->calls++;
	dev->stamped = false;
	fake_wait(dev, dev->lead_ms);

	ktime_get_snapshot_id(dev->clock, &dev->stamp);
	dev->stamped = true;
	fake_wait(dev, dev->delay_ms);

	*device_time = dev->calls;
	scv->cycles = dev->stamp.cycles;
	scv->cs_id = dev->stamp.cs_id;
	if (dev->convert)
		dev->convert(scv);
	return dev->error;
}

/* A kernel may have cross timestamps of CLOCK_REALTIME only, and say so */
static bool lacks_clock(clockid_t clock)
{
	return __is_defined(CROSSTSTAMP_REALTIME_ONLY) && clock != CLOCK_REALTIME;
}

/* To put the clock back, and the frequency of the system counter if it has an ID */
static struct {
	struct __kernel_timex	txc;
	ktime_t			real_minus_raw;
	u32			freq_khz;
} saved;

/* Not every clocksource knows its frequency */
static u32 measure_khz(void)
{
	struct system_time_snapshot before, after;

	ktime_get_snapshot_id(CLOCK_MONOTONIC_RAW, &before);
	fsleep(10 * USEC_PER_MSEC);
	ktime_get_snapshot_id(CLOCK_MONOTONIC_RAW, &after);
	return mul_u64_u64_div_u64(after.cycles - before.cycles, NSEC_PER_MSEC,
				   after.systime - before.systime);
}

static int crosststamp_test_init(struct kunit *test)
{
	struct ktime_history_info info;

	memset(&saved, 0, sizeof(saved));
	do_adjtimex(&saved.txc);
	saved.real_minus_raw = ktime_get_real() - ktime_get_raw();

	/* Others may be changing the clocksource: give it a second */
	for (int i = 0; i < 100; i++) {
		if (ktime_history_get_info(&info))
			kunit_skip(test, "tk_history is off");
		if (info.cs_id != CSID_GENERIC) {
			saved.freq_khz = info.freq_khz ?: measure_khz();
			/* Far from the epoch, so that no step back fails */
			return do_settimeofday64(&(struct timespec64) { .tv_sec = 1600000000 });
		}
		fsleep(10 * USEC_PER_MSEC);
	}
	kunit_skip(test, "the clocksource has no ID");
}

static void crosststamp_test_exit(struct kunit *test)
{
	struct timespec64 ts;

	if (!saved.freq_khz)
		return;
	do_adjtimex(&(struct __kernel_timex) { .modes = ADJ_FREQUENCY, .freq = saved.txc.freq });
	ts = ktime_to_timespec64(ktime_get_raw() + saved.real_minus_raw);
	do_settimeofday64(&ts);
}

/* Have the device stamped and compare the times. Return the stamp's error in ns. */
static s64 fake_capture(struct kunit *test, struct fake_device *dev)
{
	/* What is left from a stamp before must not matter */
	struct system_device_crosststamp xtstamp = {
		.clock_id	= dev->clock,
		.sys_counter	= { .cycles = 42, .use_nsecs = true },
	};
	struct ktime_conversion conv;
	unsigned int calls = dev->calls;
	s64 error;
	int ret;

	ret = get_device_system_crosststamp(fake_get_time, dev, &xtstamp);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_ASSERT_TRUE(test, dev->stamp.valid);
	KUNIT_EXPECT_EQ(test, dev->calls, calls + 1);
	KUNIT_EXPECT_EQ(test, xtstamp.device, dev->calls);
	KUNIT_EXPECT_EQ(test, xtstamp.sys_monoraw, dev->stamp.monoraw);

	/* The long history is late by less than a nanosecond, rounded down */
	KUNIT_ASSERT_EQ(test, 0, ktime_convert_cycles_all(dev->stamp.cs_id, dev->stamp.cycles,
							  &conv));
	error = xtstamp.sys_systime - dev->stamp.systime;
	KUNIT_EXPECT_GE(test, error, 0);
	KUNIT_EXPECT_LE(test, error, dev->clock == CLOCK_MONOTONIC_RAW ? 0 : conv.error_ns);

	return error;
}

struct crosststamp_param {
	const char	*name;
	unsigned int	lead_ms;
	unsigned int	delay_ms;
	unsigned int	rounds;
};

/* The stamp is nearer to the end, as it is with a driver that polls for it */
static const struct crosststamp_param crosststamp_params[] = {
	{ .name = "1 ms",   .lead_ms = 2,    .delay_ms = 1,    .rounds = 20 },
	{ .name = "100 ms", .lead_ms = 120,  .delay_ms = 100,  .rounds = 2 },
	{ .name = "5 s",    .lead_ms = 5500, .delay_ms = 5000, .rounds = 1 },
};

KUNIT_ARRAY_PARAM_DESC(crosststamp, crosststamp_params, name);

static void crosststamp_test_param(struct kunit *test, void (*disturb)(struct fake_device *dev))
{
	static const clockid_t clocks[] = {
		CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW,
	};
	const struct crosststamp_param *param = test->param_value;
	s64 worst = 0, error;
	unsigned int stamps = 0;

	for (unsigned int i = 0; i < param->rounds * ARRAY_SIZE(clocks); i++) {
		struct fake_device dev = {
			.clock		= clocks[i % ARRAY_SIZE(clocks)],
			.lead_ms	= param->lead_ms,
			.delay_ms	= param->delay_ms,
			.disturb	= disturb,
		};

		/* It takes too long for each clock */
		if (param->rounds == 1 && dev.clock != CLOCK_REALTIME)
			break;
		if (lacks_clock(dev.clock))
			continue;

		error = fake_capture(test, &dev);
		worst = max(worst, abs(error));
		KUNIT_EXPECT_GE(test, dev.disturbed, 2);
		KUNIT_EXPECT_EQ(test, dev.failed, 0);
		stamps++;
	}
	kunit_info(test, "%s, %u stamps: off by up to %lld ns\n", param->name, stamps, worst);
}

/* Slow before the stamp and fast after it, more or less so by turns */
static void slew(struct fake_device *dev)
{
	s64 freq = dev->disturbed % 2 ? PPM(400) : PPM(500);

	dev->failed += do_adjtimex(&(struct __kernel_timex) {
		.modes = ADJ_FREQUENCY, .freq = dev->stamped ? freq : -freq }) < 0;
}

static void crosststamp_test_slew(struct kunit *test)
{
	crosststamp_test_param(test, slew);
}

/*
 * As slew(), and set the clock by a minute once before and once after the stamp.
 * Each time that the clock is set shortens the history.
 */
static void step(struct fake_device *dev)
{
	struct timespec64 ts;

	slew(dev);
	if (dev->steps > dev->stamped)
		return;
	dev->steps++;
	ktime_get_real_ts64(&ts);
	ts.tv_sec += dev->stamped ? -60 : 60;
	dev->failed += do_settimeofday64(&ts) < 0;
}

static void crosststamp_test_step(struct kunit *test)
{
	crosststamp_test_param(test, step);
}

/* A device which delivers at once has to be answered from the present state */
static void crosststamp_test_prompt(struct kunit *test)
{
	struct fake_device dev = { .clock = CLOCK_REALTIME };

	for (int i = 0; i < 10000; i++)
		KUNIT_ASSERT_EQ(test, 0, fake_capture(test, &dev));
}

static void crosststamp_test_aux(struct kunit *test)
{
	struct fake_device dev = { .delay_ms = 100, .disturb = slew };
	struct system_device_crosststamp xtstamp = { };
	clockid_t clock;
	ktime_t time;
	int ret;

	for (clock = CLOCK_AUX; clock <= CLOCK_AUX_LAST; clock++) {
		ktime_get_snapshot_id(clock, &dev.stamp);
		if (dev.stamp.valid)
			break;
	}
	if (clock > CLOCK_AUX_LAST)
		kunit_skip(test, "no AUX clock is enabled");
	if (ktime_convert_cycles(dev.stamp.cs_id, dev.stamp.cycles, clock, &time) == -ENODEV)
		kunit_skip(test, "AUX clocks have no history");

	dev.clock = clock;
	xtstamp.clock_id = clock;
	ret = get_device_system_crosststamp(fake_get_time, &dev, &xtstamp);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, xtstamp.sys_systime, dev.stamp.systime);
	KUNIT_EXPECT_LE(test, abs(xtstamp.sys_monoraw - dev.stamp.monoraw), 1);
}

static void ahead_some(struct system_counterval_t *scv)
{
	/* 3 us */
	scv->cycles += div_u64(3ULL * saved.freq_khz, 1000);
}

static void ahead_far(struct system_counterval_t *scv)
{
	scv->cycles += 1000ULL * saved.freq_khz;
}

static void generic(struct system_counterval_t *scv)
{
	scv->cs_id = CSID_GENERIC;
}

static void generic_nsecs(struct system_counterval_t *scv)
{
	scv->cs_id = CSID_GENERIC;
	scv->use_nsecs = true;
}

static void unrelated(struct system_counterval_t *scv)
{
	scv->cs_id = scv->cs_id == CSID_S390_TOD ? CSID_X86_TSC : CSID_S390_TOD;
}

static void unrelated_nsecs(struct system_counterval_t *scv)
{
	unrelated(scv);
	scv->use_nsecs = true;
}

/* What is read from a device which is gone */
static void all_ones(struct system_counterval_t *scv)
{
	scv->cycles = U64_MAX;
	scv->use_nsecs = true;
}

/* A millisecond before the stamp, and so before the call */
static void stale(struct system_counterval_t *scv)
{
	scv->cycles -= saved.freq_khz;
}

static void stale_but_late(struct system_counterval_t *scv)
{
	stale(scv);
	scv->late = true;
}

/* What firmware had, before any clock was read */
static void early(struct system_counterval_t *scv)
{
	scv->cycles = 1;
}

static void crosststamp_test_errors(struct kunit *test)
{
	static const struct {
		clockid_t	clock;
		void		(*convert)(struct system_counterval_t *scv);
		int		error;
		int		ret;
	} cases[] = {
		{ CLOCK_TAI,		NULL,			0,	0 },
		{ CLOCK_REALTIME,	ahead_some,		0,	0 },
		{ CLOCK_REALTIME,	ahead_far,		0,	-EAGAIN },
		{ CLOCK_REALTIME,	all_ones,		0,	-ENODATA },
		{ CLOCK_REALTIME,	stale,			0,	-ERANGE },
		{ CLOCK_MONOTONIC,	stale,			0,	-ERANGE },
		{ CLOCK_REALTIME,	stale_but_late,		0,	0 },
		{ CLOCK_REALTIME,	early,			0,	-ENODATA },
		{ CLOCK_MONOTONIC,	early,			0,	-ENODATA },
		{ CLOCK_REALTIME,	generic,		0,	-ENODEV },
		{ CLOCK_REALTIME,	generic_nsecs,		0,	-ENODEV },
		{ CLOCK_REALTIME,	unrelated,		0,	-ENODEV },
		{ CLOCK_REALTIME,	unrelated_nsecs,	0,	-ENODEV },
		{ CLOCK_REALTIME,	NULL,			-EIO,	-EIO },
		{ CLOCK_MONOTONIC_COARSE, NULL,			0,	-EINVAL },
		{ CLOCK_AUX_LAST,	NULL,			0,	-ENODEV },
	};
	struct ktime_history_info info;

	KUNIT_ASSERT_EQ(test, 0, ktime_history_get_info(&info));
	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_device dev = {
			.clock		= CLOCK_REALTIME,
			.convert	= cases[i].convert,
			.error		= cases[i].error,
		};
		struct system_device_crosststamp xtstamp = {
			.clock_id	= cases[i].clock,
			.sys_systime	= 42,
			.sys_monoraw	= 43,
		};
		int expected = cases[i].ret, ret;

		if (lacks_clock(xtstamp.clock_id))
			continue;

		/* Nanoseconds of a counter whose frequency is not known */
		if (cases[i].convert == all_ones && !info.freq_khz)
			expected = -ENODEV;
		ret = get_device_system_crosststamp(fake_get_time, &dev, &xtstamp);
		KUNIT_EXPECT_EQ_MSG(test, ret, expected, "case %d", i);
		KUNIT_EXPECT_EQ(test, dev.calls, 1);
		if (ret) {
			KUNIT_EXPECT_EQ(test, xtstamp.sys_systime, 42);
			KUNIT_EXPECT_EQ(test, xtstamp.sys_monoraw, 43);
		}
	}
}

/*
 * Another clocksource
 *
 * It counts what the present one counts, but from a different start, and is
 * derived from a base clock. Its frequency is off by some ppm, as it is after a
 * measurement.
 */

#define OTHER_BIAS	0x123456789abcULL

/* So many reads are those of a CPU whose counter is a second behind */
static atomic_t other_lags;

static u64 other_read(struct clocksource *cs)
{
	u64 cycles = get_cycles() + OTHER_BIAS;

	if (atomic_dec_if_positive(&other_lags) >= 0)
		cycles -= saved.freq_khz * 1000ULL;
	return cycles;
}

static struct clocksource_base other_base = {
	.numerator	= 5,
	.denominator	= 2,
	.offset		= 987654321,
};

static struct clocksource other = {
	.name	= "crosststamp_test",
	.rating	= 10000,
	.read	= other_read,
	.mask	= CLOCKSOURCE_MASK(64),
	.base	= &other_base,
	.flags	= CLOCK_SOURCE_IS_CONTINUOUS | CLOCK_SOURCE_VALID_FOR_HRES,
};

static bool other_is_registered;

static void other_register(void)
{
	if (!other_is_registered)
		other_is_registered = !clocksource_register_khz(&other, saved.freq_khz + 1);
}

static void other_unregister(void *unused)
{
	if (other_is_registered)
		clocksource_unregister(&other);
	other_is_registered = false;
}

/* Prepare the other clocksource, and make sure that it goes in the end */
static void other_init(struct kunit *test)
{
	struct system_time_snapshot snap;

	if (!IS_ENABLED(CONFIG_ARM64) && !IS_ENABLED(CONFIG_X86))
		kunit_skip(test, "get_cycles() may be another counter");

	ktime_get_snapshot_id(CLOCK_MONOTONIC_RAW, &snap);
	KUNIT_ASSERT_TRUE(test, snap.valid);
	/* IDs which nobody else uses on this machine */
	other.id = IS_ENABLED(CONFIG_ARM64) ? CSID_X86_TSC : CSID_ARM_ARCH_COUNTER;
	other_base.id = CSID_S390_TOD;
	other_base.freq_khz = saved.freq_khz * other_base.denominator / other_base.numerator;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, other_unregister, NULL));
}

/* Change to the other clocksource and back, again and again */
static void change(struct fake_device *dev)
{
	if (dev->disturbed % 3 == 0)
		other_unregister(NULL);
	else
		other_register();
}

static void crosststamp_test_clocksource(struct kunit *test)
{
	struct fake_device dev = {
		.clock		= CLOCK_REALTIME,
		.lead_ms	= 20,
		.delay_ms	= 100,
		.disturb	= change,
	};
	struct system_time_snapshot now;
	unsigned int stamps[2] = { }, changed = 0;

	other_init(test);
	for (int i = 0; i < 12; i++) {
		fake_capture(test, &dev);
		stamps[dev.stamp.cs_id == other.id]++;
		ktime_get_snapshot_id(CLOCK_REALTIME, &now);
		changed += now.cs_id != dev.stamp.cs_id;
		/* Where the device begins in the sequence of changes */
		dev.disturbed++;
	}
	kunit_info(test, "%u and %u stamps, %u of them with the clocksource of before\n",
		   stamps[0], stamps[1], changed);
	KUNIT_EXPECT_GE(test, stamps[0], 1);
	KUNIT_EXPECT_GE(test, stamps[1], 1);
	KUNIT_EXPECT_GE(test, changed, 1);
}

/* The base clock's value for one of the other clocksource, rounded down */
static void to_base(struct system_counterval_t *scv)
{
	scv->cycles = mul_u64_u64_div_u64(scv->cycles - other_base.offset, other_base.denominator,
					  other_base.numerator);
	scv->cs_id = other_base.id;
}

static void to_base_nsecs(struct system_counterval_t *scv)
{
	scv->cycles = mul_u64_u64_div_u64(scv->cycles - other_base.offset,
					  USEC_PER_SEC * other_base.denominator,
					  (u64)other_base.freq_khz * other_base.numerator);
	scv->cs_id = other_base.id;
	scv->use_nsecs = true;
}

/* Only a counter that is read in nanoseconds itself does that */
static void to_nsecs(struct system_counterval_t *scv)
{
	scv->cycles = mul_u64_u64_div_u64(scv->cycles, USEC_PER_SEC, other.freq_khz);
	scv->use_nsecs = true;
}

static void foreign_nsecs(struct system_counterval_t *scv)
{
	scv->cs_id = CSID_X86_KVM_CLK;
	scv->use_nsecs = true;
}

/* A conversion reads the counter up to twice: the first one finds a value ahead */
static void lag(struct system_counterval_t *scv)
{
	atomic_set(&other_lags, 3);
}

static void come(struct fake_device *dev)
{
	if (!dev->stamped)
		other_register();
}

static void go_back(struct fake_device *dev)
{
	if (dev->stamped)
		other_unregister(NULL);
}

static void crosststamp_test_base(struct kunit *test)
{
	static const struct {
		const char	*name;
		void		(*convert)(struct system_counterval_t *scv);
		void		(*disturb)(struct fake_device *dev);
	} cases[] = {
		{ "base cycles",			to_base },
		{ "base nanoseconds",			to_base_nsecs },
		{ "nanoseconds",			to_nsecs },
		{ "base cycles, changed",		to_base,	go_back },
		{ "base nanoseconds, changed",		to_base_nsecs,	go_back },
		{ "nanoseconds, changed",		to_nsecs,	go_back },
		{ "base nanoseconds, changed before",	to_base_nsecs,	come },
		{ "nanoseconds, changed before",	to_nsecs,	come },
		{ "ahead of this CPU",			lag },
	};
	struct fake_device foreign = { .clock = CLOCK_REALTIME, .convert = foreign_nsecs };
	struct system_device_crosststamp xtstamp = { .clock_id = CLOCK_REALTIME };

	other_init(test);
	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_device dev = {
			.clock		= CLOCK_REALTIME,
			.lead_ms	= 20,
			/* A value which is ahead is one of just now */
			.delay_ms	= 20 * (cases[i].convert != lag),
			.convert	= cases[i].convert,
			.disturb	= cases[i].disturb,
		};
		s64 early, max_early;
		int ret;

		if (cases[i].disturb == come)
			other_unregister(NULL);
		else
			other_register();
		ret = get_device_system_crosststamp(fake_get_time, &dev, &xtstamp);
		atomic_set(&other_lags, 0);
		KUNIT_ASSERT_EQ_MSG(test, ret, 0, "%s", cases[i].name);
		KUNIT_EXPECT_EQ(test, dev.stamp.cs_id, other.id);
		KUNIT_EXPECT_EQ(test, other_is_registered, cases[i].disturb != go_back);

		/* One cycle of the base clock or one nanosecond was lost, and rounding */
		max_early = USEC_PER_SEC / saved.freq_khz + 2;
		if (cases[i].convert == to_base)
			max_early += USEC_PER_SEC / other_base.freq_khz;
		else
			max_early++;
		early = dev.stamp.systime - xtstamp.sys_systime;
		KUNIT_EXPECT_GE_MSG(test, early, 0, "%s", cases[i].name);
		KUNIT_EXPECT_LE_MSG(test, early, max_early, "%s", cases[i].name);
		early = dev.stamp.monoraw - xtstamp.sys_monoraw;
		KUNIT_EXPECT_GE_MSG(test, early, 0, "%s", cases[i].name);
		KUNIT_EXPECT_LE_MSG(test, early, max_early, "%s", cases[i].name);
	}

	/* Neither the clocksource's counter nor that of its base clock */
	other_register();
	KUNIT_EXPECT_EQ(test, -ENODEV,
			get_device_system_crosststamp(fake_get_time, &foreign, &xtstamp));
	KUNIT_EXPECT_EQ(test, foreign.stamp.cs_id, other.id);
}

#define slow ((struct kunit_attributes) { .speed = KUNIT_SPEED_SLOW })

static struct kunit_case crosststamp_test_cases[] = {
	KUNIT_CASE_PARAM_ATTR(crosststamp_test_slew, crosststamp_gen_params, slow),
	KUNIT_CASE_PARAM_ATTR(crosststamp_test_step, crosststamp_gen_params, slow),
	KUNIT_CASE(crosststamp_test_prompt),
	KUNIT_CASE(crosststamp_test_aux),
	KUNIT_CASE(crosststamp_test_errors),
	KUNIT_CASE_SLOW(crosststamp_test_clocksource),
	KUNIT_CASE(crosststamp_test_base),
	{ }
};

static struct kunit_suite crosststamp_test_suite = {
	.name		= "crosststamp",
	.init		= crosststamp_test_init,
	.exit		= crosststamp_test_exit,
	.test_cases	= crosststamp_test_cases,
};

kunit_test_suite(crosststamp_test_suite);

MODULE_DESCRIPTION("KUnit tests for cross timestamps of a device and the system");
MODULE_LICENSE("GPL");
