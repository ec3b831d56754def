// SPDX-License-Identifier: GPL-2.0
/*
 * Are the events of the hypervisor told at the time when they happened?
 *
 * Every event is written between two readings of each clock and of the counter,
 * while the clocks are slewed and set. Whatever trace_clock says, and whenever
 * the events are read, each one must lie in its interval.
 *
 * On the kernel's command line, hyptrace.wait is the time in seconds which
 * passes before the events are read again, and hyptrace.suspend runs the test
 * of events around and in a suspend instead. The latter writes events in the
 * suspend if it finds the module hypevent.ko beside it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "guest.h"

#define REMOTE		"/sys/kernel/tracing/remotes/hypervisor/"
#define SELFTEST	"/selftests/arch_timer"
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define NR_EVENTS	100
#define NR_RUNS		50

enum { BOOT, MONO, TAI, REAL, RAW, COUNTER, NR_CLOCKS };

static const char *const names[NR_CLOCKS] = {
	"boot", "mono", "tai", "real", "raw", "counter",
};

static const clockid_t clocks[COUNTER] = {
	CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_TAI, CLOCK_REALTIME, CLOCK_MONOTONIC_RAW,
};

/* In nanoseconds, and in cycles for the counter */
struct interval {
	uint64_t from[NR_CLOCKS];
	uint64_t to[NR_CLOCKS];
};

/* A line of the trace */
struct event {
	int		cpu;
	bool		marked;		/* Instead of a time, it has ... */
	char		mark[16];	/* ... this, and the counter value */
	uint64_t	time;		/* In microseconds, and in cycles for the counter */
	char		name[16];
	long		id;		/* The first number after the name */
	char		text[128];
};

static struct interval intervals[NR_EVENTS];
static struct event *events;
static int nr_events, tests, nr_cpus;
static bool stop;

static void bail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void result(bool ok, const char *what)
{
	printf("%s %d %s\n", ok ? "ok" : "not ok", ++tests, what);
	fflush(stdout);
}

static void skip(const char *what, const char *why)
{
	printf("ok %d %s # SKIP %s\n", ++tests, what, why);
}

static int try_write(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_TRUNC), ret = -1;

	if (fd >= 0) {
		ret = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
		close(fd);
	}
	return ret;
}

static void write_file(const char *name, const char *text)
{
	if (try_write(name, text))
		bail(name);
}

/* All that there is to be read, until the end or a signal. @before each read. */
static char *read_all(const char *name, void (*before)(void))
{
	size_t size = 1 << 16, len = 0;
	char *text = malloc(size);
	int fd = open(name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		bail(name);
	for (;;) {
		if (before)
			before();
		n = read(fd, text + len, size - len - 1);
		if (n <= 0)
			break;
		len += n;
		if (size - len < 1 << 15) {
			size *= 2;
			text = realloc(text, size);
		}
	}
	if (n < 0 && !(before && errno == EINTR))
		bail(name);
	close(fd);
	text[len] = 0;
	return text;
}

static char *read_file(const char *name)
{
	return read_all(name, NULL);
}

/* Boot time is the innermost one, and the strictest */
static void begin(struct interval *interval)
{
	interval->from[COUNTER] = counter();
	for (int i = COUNTER - 1; i >= 0; i--)
		interval->from[i] = now(clocks[i]);
}

static void end(struct interval *interval)
{
	for (int i = 0; i < COUNTER; i++)
		interval->to[i] = now(clocks[i]);
	interval->to[COUNTER] = counter();
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bail("sched_setaffinity");
}

static void set_freq(int ppm)
{
	struct timex tx = { .modes = ADJ_FREQUENCY, .freq = ppm * 65536L };

	if (adjtimex(&tx) < 0)
		bail("adjtimex");
}

static void step(int seconds)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += seconds;
	if (clock_settime(CLOCK_REALTIME, &ts))
		bail("clock_settime");
}

static void *slew(void *unused)
{
	(void)unused;
	for (int ppm = 500; !__atomic_load_n(&stop, __ATOMIC_RELAXED); ppm = -ppm) {
		set_freq(ppm);
		usleep(500000);
	}
	set_freq(0);
	return NULL;
}

/*
 * The trace
 */

static void trace_start(const char *kb, const char *const *enable)
{
	char name[128];

	write_file(REMOTE "tracing_on", "0");
	write_file(REMOTE "trace", "");
	write_file(REMOTE "buffer_size_kb", kb);
	write_file(REMOTE "events/enable", "0");
	for (; *enable; enable++) {
		snprintf(name, sizeof(name), REMOTE "events/hypervisor/%s/enable", *enable);
		write_file(name, "1");
	}
	write_file(REMOTE "tracing_on", "1");
}

static void write_event(int id)
{
	static int fd = -1;
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", id);

	if (fd < 0)
		fd = open(REMOTE "write_event", O_WRONLY);
	if (write(fd, text, len) != len)
		bail(REMOTE "write_event");
}

static bool set_clock(int clock)
{
	return !try_write(REMOTE "trace_clock", names[clock]);
}

static bool parse(char *line, struct event *event)
{
	unsigned long long a, b;
	char *at, *rest;
	int n = 0;

	memset(event, 0, sizeof(*event));
	snprintf(event->text, sizeof(event->text), "%s", line);
	if (sscanf(line, "[%d]\t%n", &event->cpu, &n) != 1 || !n)
		return false;
	at = line + n;
	rest = strstr(at, ": ");
	if (!rest)
		return false;
	*rest = 0;
	rest += 2;
	if (sscanf(at, "<%15[a-z ]%llu>", event->mark, &a) == 2) {
		event->marked = true;
		event->time = a;
		event->mark[strlen(event->mark) - 1] = 0;
	} else if (sscanf(at, "%llu.%6llu", &a, &b) == 2) {
		event->time = a * 1000000 + b;
	} else if (sscanf(at, "%llu", &a) == 1) {
		event->time = a;
	} else {
		return false;
	}
	sscanf(rest, "%15s", event->name);
	at = strstr(rest, "id=");
	if (!at)
		at = strstr(rest, "vcpu=");
	if (at)
		event->id = atol(strchr(at, '=') + 1);
	return true;
}

static void parse_trace(char *text)
{
	char *next;

	nr_events = 0;
	for (char *line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		events = realloc(events, (nr_events + 1) * sizeof(*events));
		if (parse(line, &events[nr_events]))
			nr_events++;
		else
			printf("# not an event: %s\n", line);
	}
	free(text);
}

static void read_trace(const char *name)
{
	parse_trace(read_file(name));
}

static void on_alarm(int unused)
{
	(void)unused;
}

static void set_alarm(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ .it_value.tv_usec = 500000 }, NULL);
}

/* A consuming file, which waits for more at the end */
static void read_trace_pipe(const char *name)
{
	struct sigaction action = { .sa_handler = on_alarm };
	char *text;

	sigaction(SIGALRM, &action, NULL);
	text = read_all(name, set_alarm);
	setitimer(ITIMER_REAL, &(struct itimerval){}, NULL);
	parse_trace(text);
}

/* How far the event is from the interval */
static uint64_t outside(const struct event *event, const struct interval *interval, int clock)
{
	uint64_t unit = clock == COUNTER ? 1 : 1000;
	uint64_t from = interval->from[clock] / unit, to = interval->to[clock] / unit;

	if (event->marked)
		return UINT64_MAX;
	if (event->time < from)
		return from - event->time;
	if (event->time > to)
		return event->time - to;
	return 0;
}

/* All of the selftest's events, each in its interval? */
static void check_events(int clock, const char *when)
{
	uint64_t error, worst = 0;
	int seen = 0, bad = 0, unexpected = 0;
	char what[128];

	for (int i = 0; i < nr_events; i++) {
		const struct event *event = &events[i];

		if (strcmp(event->name, "selftest") || event->id != seen || seen >= NR_EVENTS) {
			if (!unexpected++)
				printf("# unexpected event: %s\n", event->text);
			continue;
		}
		error = outside(event, &intervals[seen++], clock);
		if (!error)
			continue;
		if (!bad++)
			printf("# the first one outside: %s\n", event->text);
		if (error > worst)
			worst = error;
	}
	printf("# %s, %s: %d of %d events outside, worst error %llu %s\n", when, names[clock],
	       bad, seen, (unsigned long long)worst, clock == COUNTER ? "cycles" : "us");
	snprintf(what, sizeof(what), "%s, the %s times are in their intervals", when,
		 names[clock]);
	result(seen == NR_EVENTS && !unexpected && !bad, what);
}

/*
 * Virtual machines
 */

/*
 * Events in the buffers of each CPU: in order, entries and exits in turn, all
 * in the interval. Those of vCPU @pid are in one of its runs.
 */
static void check_hyp_events(const struct interval *interval, const struct interval *runs,
			     int nr_runs, int pid, int min, const char *what)
{
	int seen = 0, of_vcpu = 0, back = 0, turns = 0, out = 0, not_in_run = 0;
	uint64_t worst = 0, error;
	bool ok = true;

	for (int cpu = 0; cpu < nr_cpus; cpu++) {
		uint64_t last = 0;
		char name[128];
		int enter = -1;

		snprintf(name, sizeof(name), REMOTE "per_cpu/cpu%d/trace_pipe", cpu);
		read_trace_pipe(name);
		for (int i = 0; i < nr_events; i++) {
			const struct event *event = &events[i];
			bool is_enter = !strcmp(event->name, "hyp_enter");
			int j;

			seen++;
			turns += enter == is_enter;
			enter = is_enter;
			back += event->time < last;
			last = event->time;

			/* Tracing was enabled before, and disabled after */
			error = outside(event, interval, BOOT);
			if (error) {
				if (!out++)
					printf("# the first one outside: %s\n", event->text);
				if (error > worst)
					worst = error;
			}
			if (event->id <= 0)
				continue;
			of_vcpu++;
			if (event->id != pid)
				continue;
			for (j = 0; j < nr_runs; j++) {
				if (!outside(event, &runs[j], BOOT))
					break;
			}
			not_in_run += j == nr_runs;
		}
	}
	printf("# %d events, %d of a vCPU, %d back in time, %d twice in a row, %d outside by up to %llu us, %d outside a run\n",
	       seen, of_vcpu, back, turns, out, (unsigned long long)worst, not_in_run);
	ok = of_vcpu >= min && !back && !turns && !out && !not_in_run;
	result(ok, what);
}

static const char *const hyp_events[] = { "hyp_enter", "hyp_exit", NULL };

#define GUEST_CODE	0x80000000
#define GUEST_MMIO	0x09000000

static void set_reg(int vcpu, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = {
		.id	= KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | id,
		.addr	= (uintptr_t)&value,
	};

	if (ioctl(vcpu, KVM_SET_ONE_REG, &reg))
		bail("KVM_SET_ONE_REG");
}

/*
 * A guest which reads its counter and tells. It has got a CNTVOFF_EL2: the
 * counter's value when the VM was created.
 */
static void test_vcpu(void)
{
	static const uint32_t code[] = {
		0xd53be040,	/* mrs x0, cntvct_el0 */
		0xf9000020,	/* str x0, [x1] */
		0x17fffffe,	/* b . - 8 */
	};
	static struct interval runs[NR_RUNS];
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr	= GUEST_CODE,
		.memory_size		= 0x10000,
	};
	uint64_t host, guest, least = UINT64_MAX;
	struct interval interval;
	struct kvm_vcpu_init init;
	int kvm, vm, vcpu, size;
	struct kvm_run *run;
	void *memory;

	kvm = open("/dev/kvm", O_RDWR);
	if (kvm < 0)
		bail("/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		bail("KVM_CREATE_VM");
	memory = mmap(NULL, region.memory_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(memory, code, sizeof(code));
	__builtin___clear_cache(memory, (char *)memory + sizeof(code));
	region.userspace_addr = (uintptr_t)memory;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		bail("KVM_SET_USER_MEMORY_REGION");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		bail("KVM_CREATE_VCPU");
	if (ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init) || ioctl(vcpu, KVM_ARM_VCPU_INIT, &init))
		bail("KVM_ARM_VCPU_INIT");
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		bail("mmap of the vCPU");
	set_reg(vcpu, KVM_REG_ARM_CORE_REG(regs.pc), GUEST_CODE);
	set_reg(vcpu, KVM_REG_ARM_CORE_REG(regs.regs[1]), GUEST_MMIO);

	begin(&interval);
	trace_start("1024", hyp_events);
	for (int i = 0; i < NR_RUNS; i++) {
		pin(i % nr_cpus);
		begin(&runs[i]);
		if (ioctl(vcpu, KVM_RUN, 0))
			bail("KVM_RUN");
		end(&runs[i]);
		host = counter();
		if (run->exit_reason != KVM_EXIT_MMIO || run->mmio.len != 8)
			bail("the guest's exit");
		memcpy(&guest, run->mmio.data, 8);
		if (host - guest < least)
			least = host - guest;
	}
	write_file(REMOTE "tracing_on", "0");
	end(&interval);

	printf("# the guest's counter is %lld cycles behind at least\n", (long long)least);
	result((int64_t)least > 1000000, "the vCPU runs with a CNTVOFF_EL2 that is not zero");
	check_hyp_events(&interval, runs, NR_RUNS, gettid(), 2 * NR_RUNS,
			 "hyp_enter and hyp_exit around the vCPU are in order and in their intervals");
	close(vcpu);
	close(vm);
	close(kvm);
}

static void test_selftest(void)
{
	const char *what = "hyp_enter and hyp_exit of the selftest arch_timer are in order and in the interval";
	struct interval interval;
	cpu_set_t set;
	int status;
	pid_t pid;

	if (access(SELFTEST, X_OK)) {
		skip(what, "it is not there");
		return;
	}
	CPU_ZERO(&set);
	for (int i = 0; i < nr_cpus; i++)
		CPU_SET(i, &set);
	sched_setaffinity(0, sizeof(set), &set);

	begin(&interval);
	trace_start("4096", hyp_events);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 1);
		dup2(null, 2);
		/* It wants to migrate its vCPUs, but cannot on one CPU */
		execl(SELFTEST, SELFTEST, "-n", "2", "-i", "3", nr_cpus > 1 ? NULL : "-m", "0",
		      NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	write_file(REMOTE "tracing_on", "0");
	end(&interval);
	/* An emulated machine is not as punctual as the selftest expects */
	printf("# the status of arch_timer is 0x%x\n", status);
	check_hyp_events(&interval, NULL, 0, -1, 100, what);
}

/*
 * Slewing, stepping, reading at once and later
 */

static int option(const char *name, int missing)
{
	char *cmdline = read_file("/proc/cmdline"), *at = strstr(cmdline, name);
	int value = missing;

	if (at)
		value = at[strlen(name)] == '=' ? atoi(at + strlen(name) + 1) : 1;
	free(cmdline);
	return value;
}

static const char *const selftest_event[] = { "selftest", NULL };

static void test_clock_file(void)
{
	char *text = read_file(REMOTE "trace_clock");
	bool ok = true;
	char name[16];

	result(!strcmp(text, "[boot] mono tai real raw counter\n"),
	       "trace_clock shows the clocks, boot is the default");
	free(text);
	for (int i = NR_CLOCKS - 1; i >= 0; i--) {
		ok &= set_clock(i);
		text = read_file(REMOTE "trace_clock");
		snprintf(name, sizeof(name), "[%s]", names[i]);
		ok &= strstr(text, name) && strchr(text, '[') == strrchr(text, '[');
		free(text);
	}
	ok &= try_write(REMOTE "trace_clock", "global\n") && errno == EINVAL;
	ok &= !try_write(REMOTE "trace_clock", "boot\n");
	result(ok, "each clock can be selected, no other one");
}

/* What a line costs; with -icount, a nanosecond is an instruction */
static void show_cost(const char *when)
{
	printf("# reading %d events %s, ns each:", NR_EVENTS, when);
	for (int i = NR_CLOCKS - 1; i >= 0; i--) {
		uint64_t best = UINT64_MAX, t;

		if (!set_clock(i) && i != BOOT)
			continue;
		for (int j = 0; j < 20; j++) {
			t = now(CLOCK_MONOTONIC_RAW);
			free(read_file(REMOTE "trace"));
			t = now(CLOCK_MONOTONIC_RAW) - t;
			if (t < best)
				best = t;
		}
		printf(" %s %llu", names[i], (unsigned long long)best / NR_EVENTS);
	}
	printf("\n");
}

static void test_times(int wait)
{
	pthread_t thread;
	char when[64];

	/* Far enough from zero to step back */
	clock_settime(CLOCK_REALTIME, &(struct timespec){ .tv_sec = 1600000000 });
	pthread_create(&thread, NULL, slew, NULL);
	trace_start("7", selftest_event);
	for (int i = 0; i < NR_EVENTS; i++) {
		pin(i % nr_cpus);
		begin(&intervals[i]);
		write_event(i);
		end(&intervals[i]);
		usleep(70000);
	}

	show_cost("at once");
	read_trace(REMOTE "trace");
	check_events(BOOT, "at once");
	for (int i = MONO; i < NR_CLOCKS; i++) {
		nr_events = 0;
		if (set_clock(i))
			read_trace(REMOTE "trace");
		check_events(i, "at once");
	}
	set_clock(BOOT);

	step(3600);
	read_trace(REMOTE "trace");
	check_events(BOOT, "after a step");
	nr_events = 0;
	if (set_clock(REAL))
		read_trace(REMOTE "trace");
	check_events(REAL, "after a step");
	set_clock(BOOT);

	sleep(wait);
	step(-3600);
	snprintf(when, sizeof(when), "%d s later", wait);
	for (int i = BOOT; i < NR_CLOCKS; i++) {
		nr_events = 0;
		if (set_clock(i) || i == BOOT)
			read_trace(REMOTE "trace");
		check_events(i, when);
	}
	show_cost("later");
	set_clock(BOOT);
	read_trace_pipe(REMOTE "trace_pipe");
	check_events(BOOT, "in trace_pipe");

	stop = true;
	pthread_join(thread, NULL);
}

/* The clock is set more often than the history can keep, and the real time is forgotten */
static void test_too_old(void)
{
	struct interval interval;
	uint64_t cycles = 0;
	bool marked;

	trace_start("7", selftest_event);
	begin(&interval);
	write_event(1);
	end(&interval);
	for (int i = 0; i < 5000; i++)
		step(0);
	write_event(2);

	nr_events = 0;
	if (set_clock(REAL))
		read_trace(REMOTE "trace");
	marked = nr_events == 2 && events[0].marked && !strcmp(events[0].mark, "too old") &&
		 !events[1].marked;
	if (nr_events)
		printf("# %s\n", events[0].text);
	if (marked)
		cycles = events[0].time;
	result(marked, "an event which is too old is marked");
	nr_events = 0;
	if (set_clock(BOOT))
		read_trace(REMOTE "trace");
	result(nr_events == 2 && !outside(&events[0], &interval, BOOT),
	       "its boot time is known all the same");
	nr_events = 0;
	if (set_clock(COUNTER))
		read_trace(REMOTE "trace");
	result(nr_events == 2 && events[0].time == cycles && !outside(&events[0], &interval, COUNTER),
	       "its counter value is still right");
	set_clock(BOOT);
}

static void trace_end(void)
{
	write_file(REMOTE "tracing_on", "0");
	write_file(REMOTE "trace", "");
	write_file(REMOTE "events/enable", "0");
}

/*
 * Suspend
 */

static void test_suspend(void)
{
	uint64_t slept, asleep = 0, last = 0, first_in = 0, last_in = 0;
	bool ordered = true, inside = true;
	int before = 0, in = 0, after = 0;
	struct interval interval;
	int module;

	module = open("/guest/hypevent.ko", O_RDONLY);
	if (module >= 0 && syscall(SYS_finit_module, module, "", 0))
		bail("hypevent.ko");
	trace_start("1024", (const char *[]){ "selftest", "hyp_enter", "hyp_exit", NULL });

	begin(&interval);
	write_event(1);
	write_file("/sys/module/hibernate/parameters/pm_test_delay", "2");
	write_file("/sys/power/pm_test", "core");
	write_file("/sys/power/state", "disk");
	write_event(3);
	end(&interval);
	write_file(REMOTE "tracing_on", "0");

	slept = interval.to[BOOT] - interval.from[BOOT] -
		(interval.to[MONO] - interval.from[MONO]);
	printf("# suspended for %llu ns\n", (unsigned long long)slept);
	result(slept > NSEC_PER_SEC, "the system was suspended for more than a second");

	read_trace_pipe(REMOTE "trace_pipe");
	for (int i = 0; i < nr_events; i++) {
		ordered &= events[i].time >= last;
		last = events[i].time;
		if (strcmp(events[i].name, "selftest"))
			continue;
		printf("# %s\n", events[i].text);
		inside &= !outside(&events[i], &interval, BOOT);
		before += events[i].id == 1;
		if (events[i].id == 2 && before && !after) {
			if (!in++)
				first_in = last;
			last_in = last;
		}
		after += events[i].id == 3;
	}
	printf("# %d events, in boot time from %llu to %llu\n", nr_events,
	       (unsigned long long)interval.from[BOOT], (unsigned long long)interval.to[BOOT]);
	result(before == 1 && after == 1 && inside,
	       "the events before and after are in their interval");
	result(ordered, "all events are in order");

	/* The module's events are from the begin and the end of the suspend */
	asleep = (last_in - first_in) * 1000;
	printf("# %d events in the suspend, over %llu ns\n", in, (unsigned long long)asleep);
	if (module >= 0)
		result(in >= 2 && asleep > slept / 100 * 95 && asleep < slept,
		       "the events in the suspend are as far apart as it was long");
	else
		skip("the events in the suspend are as far apart as it was long",
		     "no hypevent.ko");
}

int main(void)
{
	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	printf("KTAP version 1\n");
	if (option("hyptrace.suspend", 0)) {
		printf("1..4\n");
		test_suspend();
		trace_end();
		return 0;
	}

	printf("1..23\n");
	test_clock_file();
	test_times(option("hyptrace.wait", 60));
	test_vcpu();
	test_selftest();
	test_too_old();
	trace_end();
	return 0;
}
