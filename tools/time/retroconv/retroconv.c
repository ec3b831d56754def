// SPDX-License-Identifier: GPL-2.0
/*
 * retroconv: tell the time of counter values, and of times of other clocks
 *
 * What it does for its user is told in retroconv.rst.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <regex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/retroconv.h>

#define DEVICE		"/dev/retroconv"
#define NSEC_PER_SEC	1000000000LL

#ifndef CLOCK_AUX
#define CLOCK_AUX	16
#endif

/* Exit status */
enum { OK, NOT_CONVERTED, TROUBLE };

/* Values which are converted at a time, and the longest line */
#define BATCH		4096
#define MAX_LINE	(1024 * 1024)

static const char help[] =
#include "help.h"
;

static const struct {
	const char	*name;
	clockid_t	id;
} clocks[] = {
	{ "monotonic",	CLOCK_MONOTONIC },
	{ "boottime",	CLOCK_BOOTTIME },
	{ "realtime",	CLOCK_REALTIME },
	{ "tai",	CLOCK_TAI },
	{ "raw",	CLOCK_MONOTONIC_RAW },
	/* Those which "now" does not show by default: other names, and the rest */
	{ "mono",	CLOCK_MONOTONIC },
	{ "boot",	CLOCK_BOOTTIME },
	{ "real",	CLOCK_REALTIME },
	{ "mono_raw",	CLOCK_MONOTONIC_RAW },
	{ "monotonic_raw", CLOCK_MONOTONIC_RAW },
	{ "aux0",	CLOCK_AUX },
	{ "aux1",	CLOCK_AUX + 1 },
	{ "aux2",	CLOCK_AUX + 2 },
	{ "aux3",	CLOCK_AUX + 3 },
	{ "aux4",	CLOCK_AUX + 4 },
	{ "aux5",	CLOCK_AUX + 5 },
	{ "aux6",	CLOCK_AUX + 6 },
	{ "aux7",	CLOCK_AUX + 7 },
};

#define MONOTONIC		0
#define BOOTTIME		1
#define NR_SYSTEM_CLOCKS	5

/* Why a value has no time. The last one is for every other status. */
static const struct {
	int		status;
	const char	*text;
} reasons[] = {
	{ -ERANGE,	"too old" },
	{ -EAGAIN,	"future" },
	{ -EOVERFLOW,	"too large" },
	{ 0,		"unknown" },
};

/* What may be remarkable about a time */
static const struct {
	int		flag;
	const char	*text;
} marks[] = {
	{ RETROCONV_SUSPENDED,	"suspended" },
	{ RETROCONV_REPEATED,	"repeated" },
	{ RETROCONV_EARLY,	"early" },
};

/* Units of a time, in nanoseconds */
static const struct {
	const char	*name;
	unsigned int	ns;
} units[] = {
	{ "ns",	1 },
	{ "us",	1000 },
	{ "ms",	1000000 },
	{ "s",	1000000000 },
};

/**
 * struct options - The command line
 * @clock:	Index into clocks[], -1 if there is none given
 * @from:	What the values are, RETROCONV_FROM_*, 0 for values of the counter
 * @counter:	Show the value of the counter in place of a time
 * @iso:	Show dates
 * @scale:	Show times on the present scale of @clock
 * @hex:	Numbers are hexadecimal
 * @plain:	Show times without bounds and marks
 * @null:	Shown in place of a value which has no time, NULL for the value itself
 * @unit:	The values are the time for which the counter has counted, or times of
 *		@from, in this unit in nanoseconds. 0 for cycles, and for seconds of @from.
 * @bits:	The values are only the low bits of the counter, so many of them
 * @delimiter:	Separates fields, 0 for blanks
 * @field:	Number of the field that is the value, 0 for none
 * @regex:	The value is what this matches, NULL for none
 * @re:		@regex compiled
 */
static struct options {
	int		clock;
	__u32		from;
	bool		counter;
	bool		iso;
	bool		scale;
	bool		hex;
	bool		plain;
	const char	*null;
	unsigned int	unit;
	unsigned long	bits;
	char		delimiter;
	unsigned long	field;
	const char	*regex;
	regex_t		re;
} options = {
	.clock	= -1,
	.bits	= 64,
};

static int device;
static struct retroconv_info info;

__printf(1, 2) __noreturn
static void die(const char *format, ...)
{
	va_list args;

	/* In front of the complaint, where both go to the same place */
	fflush(stdout);
	fprintf(stderr, "retroconv: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(TROUBLE);
}

static void flush(void)
{
	if (fflush(stdout) || ferror(stdout))
		die("cannot write: %s", strerror(errno));
}

/* The device */

static void get_info(void)
{
	info.size = sizeof(info);
	if (ioctl(device, RETROCONV_INFO, &info)) {
		die(DEVICE ": %s%s", strerror(errno),
		    errno == ENODEV ? ": the kernel keeps no history" : "");
	}
}

static void open_device(void)
{
	device = open(DEVICE, O_RDONLY | O_CLOEXEC);
	if (device < 0) {
		die("cannot open " DEVICE ": %s%s", strerror(errno),
		    errno == ENOENT ? ": the kernel needs CONFIG_RETROCONV" : "");
	}

	get_info();
	if (options.unit && !options.from && !info.frequency_hz)
		die("--unit: the frequency of the counter is not known");
}

/*
 * The counter whose values are converted. Values of the time before the
 * clocksource was changed are those of the machine's usual counter.
 */
static __u32 get_counter(void)
{
	if (info.counter != RETROCONV_COUNTER_NONE)
		return info.counter;
#if defined(__x86_64__)
	return RETROCONV_COUNTER_X86_TSC;
#elif defined(__aarch64__) || defined(__arm__)
	return RETROCONV_COUNTER_ARM_ARCH;
#else
	die("user space cannot read the counter of the clocksource");
#endif
}

static int default_clock(int clock)
{
	return options.clock < 0 ? clock : options.clock;
}

/* What the errno of a conversion means with this clock */
static const char *why(int clock)
{
	if (clocks[clock].id < CLOCK_AUX)
		return "";
	return errno == ENODEV ? ": the clock is not enabled" : "";
}

/* The clock that is asked for */
static int target(void)
{
	return default_clock(options.from == RETROCONV_FROM_BOOTTIME ? MONOTONIC : BOOTTIME);
}

static void need_counter(void)
{
	if (info.counter == RETROCONV_COUNTER_NONE)
		die("user space cannot read the counter of the present clocksource");
}

/* An old kernel does not tell it */
static __u64 mask(void)
{
	return info.mask ?: UINT64_MAX;
}

/* Narrow values are the last ones with these low bits that the counter has had */
static void widen(__u64 *cycles, size_t nr)
{
	__u64 low = UINT64_MAX >> (64 - options.bits);

	get_info();
	need_counter();
	for (size_t i = 0; i < nr; i++)
		cycles[i] = (info.newest - ((info.newest - cycles[i]) & low)) & mask();
}

static void do_ioctl(__u32 from, int clock, const __u64 *values, struct retroconv_time *times,
		     size_t nr)
{
	struct retroconv_convert arg = {
		.size		= sizeof(arg),
		.counter	= from,
		.clock_id	= options.counter ? RETROCONV_TO_COUNTER : clocks[clock].id,
		.nr		= nr,
		.cycles		= (unsigned long)values,
		.times		= (unsigned long)times,
	};

	if (!ioctl(device, RETROCONV_CONVERT, &arg))
		return;
	if (from == RETROCONV_FROM_LOCAL && errno == ENODEV)
		die("--from local: this machine's local clock is not the counter");
	if (from && errno == EINVAL)
		die("--from: %s: the kernel is too old", strerror(errno));
	die("no conversion to %s: %s%s", clocks[clock].name, strerror(errno), why(clock));
}

static void convert_to(int clock, const __u64 *cycles, struct retroconv_time *times, size_t nr)
{
	do_ioctl(get_counter(), clock, cycles, times, nr);
}

/* From the clock of the system that nobody sets to @clock, as it is now */
static void rescale(int clock, struct retroconv_time *times, size_t nr)
{
	struct retroconv_time boot, now;

	get_info();
	need_counter();
	convert_to(BOOTTIME, &info.newest, &boot, 1);
	convert_to(clock, &info.newest, &now, 1);
	if (boot.status < 0 || now.status < 0)
		die("--scale: the present time is not known");
	for (size_t i = 0; i < nr; i++)
		times[i].ns += now.ns - boot.ns;
}

static void convert(int clock, __u64 *cycles, struct retroconv_time *times, size_t nr)
{
	if (options.bits < 64)
		widen(cycles, nr);
	do_ioctl(options.from ?: get_counter(), options.scale ? BOOTTIME : clock, cycles, times,
		 nr);
	if (options.scale)
		rescale(clock, times, nr);
}

static unsigned int reason(int status)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reasons) - 1; i++) {
		if (reasons[i].status == status)
			break;
	}
	return i;
}

/* A bound of the error in a readable unit, rounded up */
static const char *bound_text(__u32 error_ns)
{
	unsigned int unit = 1;
	unsigned long long tenths;
	static char text[16];

	/* A larger one has no room in it */
	if (error_ns == UINT32_MAX)
		return ">4.2s";
	if (error_ns < 1000) {
		snprintf(text, sizeof(text), "%uns", error_ns);
		return text;
	}

	tenths = DIV_ROUND_UP(error_ns, 100ULL);
	for (; tenths >= 10000 && unit < ARRAY_SIZE(units) - 1; unit++)
		tenths = DIV_ROUND_UP(tenths, 1000);
	snprintf(text, sizeof(text), "%llu.%llu%s", tenths / 10, tenths % 10,
		 units[unit].name);
	return text;
}

static void print_marks(const struct retroconv_time *time)
{
	int flags = time->status;

	if (time->error_ns)
		printf("+-%s", bound_text(time->error_ns));
	for (unsigned int i = 0; i < ARRAY_SIZE(marks); i++) {
		if (flags & marks[i].flag)
			printf("(%s)", marks[i].text);
		flags &= ~marks[i].flag;
	}
	/* Of a newer kernel */
	if (flags)
		printf("(0x%x)", flags);
}

static void print_time(const struct retroconv_time *time)
{
	long long sec = time->ns / NSEC_PER_SEC, ns = time->ns % NSEC_PER_SEC;

	if (options.counter) {
		printf("0x%llx", (unsigned long long)time->ns);
	} else if (options.iso) {
		char date[64];
		struct tm tm;
		time_t t;

		if (ns < 0) {
			ns += NSEC_PER_SEC;
			sec--;
		}
		t = sec;
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", gmtime_r(&t, &tm));
		printf("%s.%09lldZ", date, ns);
	} else {
		printf("%s%lld.%09lld", time->ns < 0 ? "-" : "",
		       sec < 0 ? -sec : sec, ns < 0 ? -ns : ns);
	}
	if (!options.plain)
		print_marks(time);
}

/* Numbers */

enum number { NUMBER, TOO_LARGE, NO_NUMBER };

static enum number parse_integer(const char *s, size_t len, __u64 *value)
{
	unsigned int base = options.hex ? 16 : 10;
	enum number ret = NUMBER;

	if (len > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
		len -= 2;
	}
	if (!len)
		return NO_NUMBER;

	*value = 0;
	for (; len; s++, len--) {
		unsigned int digit;

		if (base == 10 ? !isdigit((unsigned char)*s) : !isxdigit((unsigned char)*s))
			return NO_NUMBER;
		digit = isdigit((unsigned char)*s) ? *s - '0' :
			tolower((unsigned char)*s) - 'a' + 10;
		if (__builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, digit, value))
			ret = TOO_LARGE;
	}
	return ret;
}

/*
 * A time with or without a fraction: of a clock, or the counter value at which the counter
 * had counted for so long. A device which has rounded the time down had at least that value.
 */
static enum number parse_time(const char *s, size_t len, __u64 *value)
{
	const char *point = memchr(s, '.', len), *end = s + len;
	unsigned int digit = options.unit ?: NSEC_PER_SEC;
	enum number ret;
	__u64 ns;

	ret = parse_integer(s, (point ?: end) - s, &ns);
	if (ret == NO_NUMBER || (point && point + 1 == end))
		return NO_NUMBER;
	if (__builtin_mul_overflow(ns, digit, &ns))
		ret = TOO_LARGE;
	for (const char *p = point ? point + 1 : end; p < end; p++) {
		if (!isdigit((unsigned char)*p))
			return NO_NUMBER;
		digit /= 10;
		if (__builtin_add_overflow(ns, (*p - '0') * digit, &ns))
			ret = TOO_LARGE;
	}

	if (options.from) {
		*value = ns;
		return ns > INT64_MAX ? TOO_LARGE : ret;
	}
	if (__builtin_mul_overflow(ns / NSEC_PER_SEC, info.frequency_hz, value) ||
	    __builtin_add_overflow(*value, DIV_ROUND_UP(ns % NSEC_PER_SEC * info.frequency_hz,
							(__u64)NSEC_PER_SEC), value))
		ret = TOO_LARGE;
	return ret;
}

static enum number parse(const char *s, size_t len, __u64 *value)
{
	enum number ret = options.unit || options.from ? parse_time(s, len, value) :
							 parse_integer(s, len, value);

	return ret == NUMBER && *value > UINT64_MAX >> (64 - options.bits) ? TOO_LARGE : ret;
}

/* The filter */

/**
 * struct place - Where a value stands
 * @from:	First character
 * @to:		The one behind the last character
 * @large:	The number is too large for a counter
 */
struct place {
	const char	*from;
	const char	*to;
	bool		large;
};

static struct {
	struct place		places[BATCH];
	__u64			cycles[BATCH];
	struct retroconv_time	times[BATCH];
	size_t			nr;
	unsigned long long	total;
	unsigned long long	failed[ARRAY_SIZE(reasons)];
	unsigned long long	long_lines;
	bool			text;
} filter;

/* Without a field or an expression, a value is nothing but a guess */
static bool guess(void)
{
	return !options.field && !options.regex;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static bool is_delimiter(char c)
{
	return options.delimiter ? c == options.delimiter : c == ' ' || c == '\t';
}

/*
 * The ways to find the next text in a line, from begin to end, that may be a value. Each
 * begins at *from and moves it behind what has been looked at.
 */

/*
 * The stamp at the beginning of a line of the kernel's log, "[    1.234567] text", with a
 * priority in front or not. In other lines, the first number like it that a colon follows,
 * as in ftrace and perf.
 */
static bool next_stamp(const char *begin, const char *end, const char **from, struct place *place)
{
	const char *p = begin;

	/* There is one per line */
	if (*from != begin)
		return false;
	*from = end;

	for (; p < end; p++) {
		const char *number = p;
		bool point = false;

		if (!isdigit((unsigned char)*p) || (p > begin && is_word(p[-1])))
			continue;
		for (; p < end && (isdigit((unsigned char)*p) || (*p == '.' && !point)); p++)
			point |= *p == '.';
		if (point && p < end && (*p == ']' || *p == ':')) {
			place->from = number;
			place->to = p;
			return true;
		}
	}
	return false;
}

static bool next_guess(const char *begin, const char *end, const char **from, struct place *place)
{
	const char *p = *from;

	if (options.from)
		return next_stamp(begin, end, from, place);
	while ((p = memmem(p, end - p, "0x", 2))) {
		place->from = p;
		for (p += 2; p < end && isxdigit((unsigned char)*p); p++)
			;
		place->to = p;
		if ((place->from == begin || !is_word(place->from[-1])) &&
		    (p == end || !is_word(*p))) {
			*from = p;
			return true;
		}
	}
	return false;
}

static bool next_field(const char *begin, const char *end, const char **from, struct place *place)
{
	const char *p = begin;

	/* There is one per line */
	if (*from != begin)
		return false;
	*from = end;

	for (unsigned long n = 0; n < options.field; n++) {
		if (n && place->to == end)
			return false;
		/* Between two that are given there may be an empty field */
		if (options.delimiter) {
			p += n > 0;
		} else {
			while (p < end && is_delimiter(*p))
				p++;
		}
		place->from = p;
		while (p < end && !is_delimiter(*p))
			p++;
		place->to = p;
	}
	while (place->from < place->to && !isalnum((unsigned char)*place->from))
		place->from++;
	while (place->from < place->to && !isalnum((unsigned char)place->to[-1]))
		place->to--;
	return place->from < place->to;
}

static bool next_match(const char *begin, const char *end, const char **from, struct place *place)
{
	while (*from <= end) {
		regmatch_t match[options.re.re_nsub + 1];
		const regmatch_t *value = &match[options.re.re_nsub];
		const char *next;

		/* A line may contain anything, also a NUL */
		match[0].rm_so = *from - begin;
		match[0].rm_eo = end - begin;
		if (regexec(&options.re, begin, options.re.re_nsub + 1, match, REG_STARTEND))
			return false;

		/* What follows the value may belong to the next match as well */
		next = begin + (value->rm_so < 0 ? match[0].rm_eo : value->rm_eo);
		*from = next > *from ? next : *from + 1;
		if (value->rm_so >= 0) {
			place->from = begin + value->rm_so;
			place->to = begin + value->rm_eo;
			return true;
		}
	}
	return false;
}

/* Write what is before *done, with the times in place of the values */
static void write_batch(const char **done)
{
	if (filter.nr)
		convert(target(), filter.cycles, filter.times, filter.nr);

	for (size_t i = 0; i < filter.nr; i++) {
		const struct place *place = &filter.places[i];
		struct retroconv_time *time = &filter.times[i];

		if (place->large)
			time->status = -EOVERFLOW;
		fwrite(*done, 1, place->from - *done, stdout);
		if (time->status >= 0) {
			print_time(time);
		} else {
			unsigned int r = reason(time->status);

			filter.failed[r]++;
			if (options.null)
				fputs(options.null, stdout);
			else
				fwrite(place->from, 1, place->to - place->from, stdout);
			if (!guess() && !options.plain && !options.null)
				printf("(%s)", reasons[r].text);
		}
		*done = place->to;
	}
	filter.total += filter.nr;
	filter.nr = 0;
}

static void filter_lines(const char *text, const char *end)
{
	const char *done = text;

	filter.text |= text < end;
	while (text < end) {
		const char *eol = memchr(text, '\n', end - text), *from = text;
		struct place place = { };

		if (!eol)
			eol = end;
		while (guess() ? next_guess(text, eol, &from, &place) :
		       options.field ? next_field(text, eol, &from, &place) :
		       next_match(text, eol, &from, &place)) {
			__u64 value;

			switch (parse(place.from, place.to - place.from, &value)) {
			case NO_NUMBER:
				continue;
			case TOO_LARGE:
				place.large = true;
				value = 0;
				break;
			case NUMBER:
				place.large = false;
				break;
			}
			filter.cycles[filter.nr] = value;
			filter.places[filter.nr++] = place;
			if (filter.nr == BATCH)
				write_batch(&done);
		}
		text = eol + 1;
	}
	write_batch(&done);
	fwrite(done, 1, end - done, stdout);
}

/*
 * What one read returns is written before the next one: there is nothing left to
 * wait for when the input pauses, but a line that has not ended.
 */
static void filter_file(int fd, const char *name)
{
	static char buf[MAX_LINE + 1];
	bool skip = false;
	size_t used = 0;
	ssize_t n;

	while ((n = read(fd, buf + used, sizeof(buf) - used)) > 0) {
		char *rest = buf, *end = buf + used + n, *p;

		if (skip) {
			p = memchr(buf, '\n', n);
			rest = p ? p + 1 : end;
			skip = !p;
			fwrite(buf, 1, rest - buf, stdout);
		}
		p = memrchr(rest, '\n', end - rest);
		if (p) {
			filter_lines(rest, p + 1);
			rest = p + 1;
		}
		if (end - rest == sizeof(buf)) {
			fwrite(rest, 1, end - rest, stdout);
			filter.long_lines++;
			skip = true;
			rest = end;
		}
		used = end - rest;
		memmove(buf, rest, used);
		flush();
	}
	if (n < 0)
		die("cannot read %s: %s", name, strerror(errno));

	filter_lines(buf, buf + used);
	flush();
}

static int do_filter(int argc, char **argv)
{
	unsigned long long failed = 0;
	const char *comma = ": ";

	if (options.regex) {
		char error[256];
		int ret;

		ret = regcomp(&options.re, options.regex, REG_EXTENDED);
		if (ret) {
			regerror(ret, &options.re, error, sizeof(error));
			die("--regex '%s': %s", options.regex, error);
		}
	}

	open_device();
	if (!argc)
		filter_file(STDIN_FILENO, "the standard input");
	for (; argc; argc--, argv++) {
		int fd = strcmp(*argv, "-") ? open(*argv, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;

		if (fd < 0)
			die("cannot open %s: %s", *argv, strerror(errno));
		filter_file(fd, *argv);
		close(fd);
	}

	for (unsigned int r = 0; r < ARRAY_SIZE(reasons); r++)
		failed += filter.failed[r];
	/* Something else than a counter value, unless all of them failed */
	if (guess() && failed < filter.total)
		failed = 0;

	if (failed) {
		fprintf(stderr, "retroconv: %llu of %llu values not converted",
			failed, filter.total);
		for (unsigned int r = 0; r < ARRAY_SIZE(reasons); r++) {
			if (!filter.failed[r])
				continue;
			fprintf(stderr, "%s%llu %s", comma, filter.failed[r], reasons[r].text);
			comma = ", ";
		}
		fputc('\n', stderr);
	}
	if (filter.long_lines) {
		fprintf(stderr, "retroconv: %llu lines above %d bytes not converted\n",
			filter.long_lines, MAX_LINE);
	}
	if (filter.text && !filter.total && !guess()) {
		fprintf(stderr, "retroconv: no value in what --%s names\n",
			options.field ? "field" : "regex");
		return NOT_CONVERTED;
	}
	return failed || filter.long_lines ? NOT_CONVERTED : OK;
}

/* The other commands */

static int do_convert(int argc, char **argv)
{
	int ret = OK;

	if (!argc)
		die("convert: no VALUE: see 'retroconv --help'");

	open_device();
	for (; argc; argc--, argv++) {
		struct retroconv_time time;
		__u64 value;

		switch (parse(*argv, strlen(*argv), &value)) {
		case NO_NUMBER:
			options.hex = true;
			die("'%s' is not a number%s", *argv,
			    parse(*argv, strlen(*argv), &value) == NO_NUMBER ? "" :
			    ": if it is hexadecimal, use 0x or --hex");
		case TOO_LARGE:
			time.status = -EOVERFLOW;
			break;
		case NUMBER:
			convert(target(), &value, &time, 1);
			break;
		}
		if (time.status < 0) {
			flush();
			fprintf(stderr, "retroconv: %s: %s\n", *argv,
				reasons[reason(time.status)].text);
			if (options.null)
				printf("%s %s\n", *argv, options.null);
			ret = NOT_CONVERTED;
			continue;
		}
		printf("%s ", *argv);
		print_time(&time);
		putchar('\n');
	}
	return ret;
}

static int do_now(int argc, char **argv)
{
	int first = default_clock(0), last = default_clock(NR_SYSTEM_CLOCKS - 1);
	struct retroconv_time time;

	if (argc)
		die("now: what is '%s'?", *argv);

	open_device();
	need_counter();
	printf("%-10s 0x%llx\n", "counter", info.newest);
	for (int clock = first; clock <= last; clock++) {
		convert(clock, &info.newest, &time, 1);
		if (time.status < 0) {
			die("0x%llx, which is now, has no time on %s: %s", info.newest,
			    clocks[clock].name, reasons[reason(time.status)].text);
		}
		printf("%-10s ", clocks[clock].name);
		print_time(&time);
		putchar('\n');
	}
	return OK;
}

static void print_reach(const char *what, __u64 cycles)
{
	printf("%-14s 0x%llx", what, cycles);
	if (info.frequency_hz) {
		printf(", %.3f s ago",
		       (double)((info.newest - cycles) & mask()) / info.frequency_hz);
	}
	putchar('\n');
}

static int do_info(int argc, char **argv)
{
	unsigned int nr_reaches;
	__u32 counter;

	if (argc)
		die("info: what is '%s'?", *argv);

	open_device();
	counter = info.counter;
	if (info.last_counter != RETROCONV_COUNTER_NONE)
		counter = info.last_counter;
	if (counter == RETROCONV_COUNTER_NONE)
		need_counter();
	printf("%-14s %s\n", "counter",
	       counter == RETROCONV_COUNTER_ARM_ARCH ? "CNTVCT_EL0" :
	       counter == RETROCONV_COUNTER_X86_TSC ? "TSC" : "new to this program");
	if (info.mask)
		printf("%-14s %d bits\n", "width", 64 - __builtin_clzll(info.mask));
	if (counter == info.counter)
		printf("%-14s %llu Hz\n", "frequency", info.frequency_hz);
	/* Something else is the clocksource, and this was the last value that converts */
	printf("%-14s 0x%llx\n", counter == info.counter ? "now" : "in use until", info.newest);
	print_reach("oldest exact", info.oldest_exact);
	/* An old kernel has none of them. The first one is the line before. */
	nr_reaches = info.nr_reaches < ARRAY_SIZE(info.reach) ? info.nr_reaches :
								ARRAY_SIZE(info.reach);
	for (unsigned int i = 1; i < nr_reaches; i++) {
		char what[32];

		snprintf(what, sizeof(what), "within %s", bound_text(info.reach[i].error_ns));
		print_reach(what, info.reach[i].oldest);
	}
	print_reach("oldest", info.oldest);
	return OK;
}

enum {
	CLOCK = 1, ISO = 2, HEX = 4, FIELD = 8, REGEX = 16, HELP = 32, PLAIN = 64, NUL = 128,
	UNIT = 256, BITS = 512, DELIMITER = 1024, SCALE = 2048, FROM = 4096,
};

/* How values are to be read, and how their times are to be shown */
#define VALUES		(HELP | CLOCK | ISO | PLAIN | HEX | NUL | UNIT | BITS | SCALE | FROM)

static const struct command {
	const char	*name;
	int		(*run)(int argc, char **argv);
	unsigned int	options;
} commands[] = {
	{ "info",	do_info,	HELP },
	{ "now",	do_now,		HELP | CLOCK | ISO | PLAIN },
	{ "convert",	do_convert,	VALUES },
	{ "filter",	do_filter,	VALUES | FIELD | REGEX | DELIMITER },
};

static int parse_clock(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(clocks); i++) {
		if (!strcmp(name, clocks[i].name))
			return i;
	}
	die("no clock '%s': there are monotonic, boottime, realtime, tai, raw and aux0 to aux7",
	    name);
}

static unsigned int parse_unit(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(units); i++) {
		if (!strcmp(name, units[i].name))
			return units[i].ns;
	}
	die("no unit '%s': there are ns, us, ms and s", name);
}

/* A number above 0, or 0 for what is none */
static unsigned long parse_count(const char *s)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(s, &end, 10);
	return !isdigit((unsigned char)*s) || *end || errno ? 0 : value;
}

static void show_help(void)
{
	fputs(help, stdout);
	flush();
	exit(OK);
}

static void parse_options(const struct command *command, int argc, char **argv)
{
	static const struct option all[] = {
		{ "clock",	required_argument,	NULL,	CLOCK },
		{ "from",	required_argument,	NULL,	FROM },
		{ "iso",	no_argument,		NULL,	ISO },
		{ "plain",	no_argument,		NULL,	PLAIN },
		{ "hex",	no_argument,		NULL,	HEX },
		{ "null",	required_argument,	NULL,	NUL },
		{ "scale",	required_argument,	NULL,	SCALE },
		{ "unit",	required_argument,	NULL,	UNIT },
		{ "bits",	required_argument,	NULL,	BITS },
		{ "delimiter",	required_argument,	NULL,	DELIMITER },
		{ "field",	required_argument,	NULL,	FIELD },
		{ "regex",	required_argument,	NULL,	REGEX },
		{ "help",	no_argument,		NULL,	HELP },
	};
	struct option allowed[ARRAY_SIZE(all) + 1] = { };
	unsigned int nr = 0;
	int c;

	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		if (command->options & all[i].val)
			allowed[nr++] = all[i];
	}

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", allowed, NULL)) != -1) {
		switch (c) {
		case CLOCK:
			options.counter = !strcmp(optarg, "counter");
			if (!options.counter)
				options.clock = parse_clock(optarg);
			break;
		case FROM:
			if (!strcmp(optarg, "counter"))
				options.from = 0;
			else if (!strcmp(optarg, "local"))
				options.from = RETROCONV_FROM_LOCAL;
			else
				options.from = RETROCONV_FROM(clocks[parse_clock(optarg)].id);
			break;
		case ISO:
			options.iso = true;
			break;
		case PLAIN:
			options.plain = true;
			break;
		case HEX:
			options.hex = true;
			break;
		case SCALE:
			if (strcmp(optarg, "now"))
				die("no scale '%s': there is now", optarg);
			options.scale = true;
			break;
		case NUL:
			options.null = optarg;
			break;
		case UNIT:
			options.unit = parse_unit(optarg);
			break;
		case BITS:
			options.bits = parse_count(optarg);
			if (!options.bits || options.bits > 64)
				die("--bits '%s' is not a number from 1 to 64", optarg);
			break;
		case DELIMITER:
			if (strlen(optarg) != 1)
				die("--delimiter '%s' is not a character", optarg);
			options.delimiter = *optarg;
			break;
		case FIELD:
			options.field = parse_count(optarg);
			if (!options.field)
				die("--field '%s' is not a number from 1 on", optarg);
			break;
		case REGEX:
			options.regex = optarg;
			break;
		case HELP:
		case 'h':
			show_help();
			break;
		case ':':
			die("%s: %s needs an argument", command->name, argv[optind - 1]);
		default:
			/* A letter may be one of several in a word */
			if (optopt)
				die("%s: no option '-%c': see 'retroconv --help'", command->name,
				    optopt);
			die("%s: no option '%s': see 'retroconv --help'", command->name,
			    argv[optind - 1]);
		}
	}
	if (options.field && options.regex)
		die("either --field or --regex");
	if (options.counter && (!options.from || options.from == RETROCONV_FROM_LOCAL))
		die("--clock counter needs --from with a clock that the system can set or slew");
	if (options.counter && options.scale)
		die("either --clock counter or --scale");
	if (options.from && (options.hex || options.bits < 64))
		die("--from has no --hex and no --bits: its values are times");
	if (command->run == do_filter && guess() && !options.from) {
		if (options.hex || options.unit || options.null || options.bits < 64)
			die("filter: --hex, --unit, --bits and --null need --field or --regex");
	}
	if (options.scale && (options.clock < 0 || (clocks[options.clock].id != CLOCK_REALTIME &&
						    clocks[options.clock].id != CLOCK_TAI)))
		die("--scale needs --clock realtime or --clock tai");
	if (options.delimiter && !options.field)
		die("--delimiter needs --field");
	if (options.unit && options.bits < 64)
		die("either --unit or --bits");
	if (options.iso && (options.clock < 0 || clocks[options.clock].id != CLOCK_REALTIME))
		die("--iso needs --clock realtime");
}

int main(int argc, char **argv)
{
	const struct command *command;
	int ret;

	if (argc < 2)
		die("no command: see 'retroconv --help'");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		show_help();

	for (command = commands; command < commands + ARRAY_SIZE(commands); command++) {
		if (!strcmp(argv[1], command->name)) {
			parse_options(command, argc - 1, argv + 1);
			ret = command->run(argc - 1 - optind, argv + 1 + optind);
			flush();
			return ret;
		}
	}
	die("no command '%s': see 'retroconv --help'", argv[1]);
}
