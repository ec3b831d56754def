#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# tools/time/retroconv, which is beside this script.
tool=/guest/retroconv
tmp=/tmp/tool
mkdir -p $tmp
cd $tmp || exit
n=0

result()
{
	status=$?
	n=$((n + 1))
	if [ $status -eq 0 ]; then echo "ok $n $1"; else echo "not ok $n $1"; fi
}

# is STATUS COMMAND...: the status is this one, output and complaint are in files
is()
{
	expected=$1
	shift
	status=0
	"$@" >out 2>err || status=$?
	[ $status -eq "$expected" ] || {
		echo "# $*: status $status instead of $expected: $(head -n 1 err)"
		return 1
	}
}

# The usage is wrong, which is told in one line that matches $1
complains()
{
	match=$1
	shift
	is 2 "$@" </dev/null && [ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] && grep -q "$match" err && return
	echo "# $*: $(cat err)"
	return 1
}

field() { sed -n "s/^$1  *//p" "$2"; }
# A bound of the error in nanoseconds
limit() { echo "$1" | awk '/us$/ { f = 1e3 } /ms$/ { f = 1e6 } { printf "%d\n", $1 * (f ? f : 1) }'; }
# In nanoseconds: the clock, rounded down to microseconds, and a time that the
# tool has told, without the leading zeros that would make it octal
now() { adjtimex | awk '/tv_sec/ { s = $2 } /tv_usec/ { printf "%d%06d000\n", s, $2 }'; }
ns() { echo "$1" | sed 's/+-.*//; s/[.]//; s/^0*\([0-9]\)/\1/'; }
# between A B C: A <= B <= C
between()
{
	[ "$1" -le "$2" ] && [ "$2" -le "$3" ] && return
	echo "# not $1 <= $2 <= $3"
	return 1
}
# The time $2 with its bound is that of a value which was $1: not early, and not too late
within()
{
	case $2 in
	*+-*) between "$(ns "$1")" "$(ns "$2")" $(($(ns "$1") + $(limit "${2#*+-}"))) ;;
	*) [ "$1" = "$2" ] ;;
	esac
}
counter() { $tool now | sed -n 's/^counter  *//p'; }
# The time of $1, or nothing
time_of() { $tool convert --clock realtime "$1" | cut -d' ' -f2; }

# No two clocks are the same. The machine begins in 1970.
date -s @1600000000 >/dev/null

echo 'KTAP version 1'
echo 1..55

is 0 $tool --help && grep -qx 'EXIT STATUS' out && ! grep -q '::' out && [ ! -s err ] && cp out help &&
	is 0 $tool -h && cmp out help && is 0 $tool convert -h && cmp out help
result 'help is a manual page'

is 0 $tool info && [ "$(field counter out)" = CNTVCT_EL0 ] && [ -z "$(tr -d '\n -~' <out)" ] &&
	oldest=$(field 'oldest ' out) exact=$(field 'oldest exact' out) && grep -q ', [0-9.]* s ago$' out &&
	between 1 $((${oldest%%,*})) $((${exact%%,*})) && between 0 $((${exact%%,*})) $(($(field now out)))
result 'info knows the counter and how far back'

width=$(field width out)
between 56 "${width% bits}" 64 && grep -q '^within 1ns  ' out && grep -q '^within 4.1us  ' out &&
	[ "$(grep -c '^within [0-9.]*[mun]s  *0x[0-9a-f]*, [0-9.]* s ago$' out)" -eq 8 ] &&
	awk '/ s ago$/ { if ($(NF - 2) < last) bad = 1; last = $(NF - 2) } END { exit bad }' out
result 'info knows how far back each bound reaches'

before=$(now)
is 0 $tool now
after=$(now)
value=$(field counter out)
told=$(field realtime out)
between "$before" "$(ns "$told")" $((after + 999))
result 'now lies between two readings of the clock'

read -r up _ </proc/uptime
boot=$(field boottime out)
between $(($(ns "$boot") / 1000000000)) "${up%.*}" $(($(ns "$boot") / 1000000000 + 5))
result 'boottime is the uptime'

[ "$(field monotonic out)" = "$boot" ] && [ "$(field tai out)" = "$told" ] &&
	between $(($(ns "$boot") - 1000000000)) "$(ns "$(field raw out)")" $(($(ns "$boot") + 1000000000))
result 'now shows all clocks'

[ "$(time_of "$value")" = "$told" ]
result 'convert tells what now has told'

# The clock is set and slewed, the time of the value stays
adjtimex -f 20000000 >/dev/null
date -s "@$(($(date +%s) + 3600))" >/dev/null
[ "$(time_of "$value")" = "$told" ] && between $((after + 3500000000000)) "$(now)" $((after + 3700000000000))
result 'convert tells the old time after a step of an hour'

# On today's scale it is an hour later. Both the frequency and the step are in it.
scaled=$($tool convert --clock realtime --scale now "$value" | cut -d' ' -f2)
between $(($(ns "$told") + 3599000000000)) "$(ns "$scaled")" $(($(ns "$told") + 3601000000000)) &&
	[ "$(ns "$($tool convert --clock tai --scale now "$value" | cut -d' ' -f2)")" -eq "$(ns "$scaled")" ] &&
	echo "at $value" >in && is 0 $tool filter --clock realtime --scale now in && [ "$(cat out)" = "at $scaled" ] &&
	complains "no scale 'old'" $tool convert --scale old 1 && complains 'scale needs' $tool convert --scale now 1 &&
	complains 'scale needs' $tool filter --scale now --clock raw
result "the time on today's scale"

same=0
for pair in mono:monotonic boot:boottime real:realtime tai:tai raw:monotonic_raw raw:mono_raw; do
	a=$($tool convert --clock ${pair%:*} "$value") && b=$($tool convert --clock ${pair#*:} "$value") &&
		[ "$a" ] && [ "$a" = "$b" ] || same=1
done
[ "$($tool convert "$value")" = "$($tool convert --clock boottime "$value")" ] && [ $same -eq 0 ]
result 'the short names of the clocks, and the default'

if zcat /proc/config.gz | grep -qx CONFIG_POSIX_AUX_CLOCKS=y; then
	complains 'no conversion to aux3: .*not enabled' $tool convert --clock aux3 "$value" &&
		echo 1 >/sys/kernel/time/aux_clocks/3/aux_clock_enable &&
		is 0 $tool now --clock aux3 && [ "$(field aux3 out)" ]
	result 'an auxiliary clock, once it is enabled'
else
	complains 'no conversion to aux3: .*not enabled' $tool convert --clock aux3 "$value"
	result 'there is no auxiliary clock'
fi

iso=$($tool convert --clock realtime --iso "$value" | cut -d' ' -f2)
[ "$iso" = "$(date -u -d "@${told%.*}" +%Y-%m-%dT%H:%M:%S).${told#*.}Z" ]
result 'a date'

dec=$((value))
[ "$(time_of $dec)" = "$told" ] &&
	[ "$($tool convert --clock realtime --hex "$(printf %x $dec)" | cut -d' ' -f2)" = "$told" ] &&
	[ "$(time_of "0X$(printf %016X $dec)")" = "$told" ]
result 'decimal and hexadecimal numbers'

# Days ahead, and before boot
future=$((dec + (1 << 50)))
is 1 $tool convert $future 0xffffffffffffffff 0x10000000000000000 "$value" &&
	[ "$(cat err)" = "retroconv: $future: future
retroconv: 0xffffffffffffffff: unknown
retroconv: 0x10000000000000000: too large" ] && [ "$(wc -l <out)" -eq 1 ]
result 'convert says why there is no time, and goes on'

complains 'no command' $tool && complains "no command 'tell'" $tool tell &&
	complains 'no VALUE' $tool convert && complains "'abc' is not a number: .*--hex" $tool convert abc &&
	complains "'0x' is not a number" $tool convert 0x && complains "'' is not a number" $tool convert '' &&
	complains "'-1' is not a number" $tool convert -- -1 &&
	complains "no option '-1'" $tool convert -1 &&
	complains "no option '-x'" $tool convert 1 -xy &&
	complains "no option '--y'" $tool convert --y 1 &&
	complains "no clock 'cpu'" $tool convert --clock cpu 1 &&
	complains 'needs an argument' $tool convert --clock &&
	complains "no option '--field" $tool convert --field 1 1 &&
	complains "no option '--plain" $tool info --plain &&
	complains "what is 'x'" $tool info x && complains "what is 'x'" $tool now x
result 'wrong arguments'

complains 'either' $tool filter --field 1 --regex 1 &&
	complains 'from 1 on' $tool filter --field 0 && complains 'from 1 on' $tool filter --field -1 &&
	complains 'from 1 on' $tool filter --field 2x &&
	complains 'from 1 on' $tool filter --field 99999999999999999999 &&
	complains 'hex.* need --field' $tool filter --hex && complains 'null need --field' $tool filter --null x &&
	complains 'need --field' $tool filter --bits 32 && complains 'need --field' $tool filter --unit ns &&
	complains '1 to 64' $tool filter --bits 0 && complains '1 to 64' $tool filter --bits 65 &&
	complains "no unit 'h'" $tool convert --unit h 1 && complains 'either' $tool convert --unit s --bits 9 1 &&
	complains 'not a character' $tool filter --field 1 --delimiter '' &&
	complains 'not a character' $tool filter --field 1 --delimiter ,, &&
	complains 'needs --field' $tool filter --regex 1 --delimiter , &&
	complains 'regex.*(' $tool filter --regex '(' &&
	complains 'cannot open /no' $tool filter /no &&
	complains 'cannot read /tmp' $tool filter /tmp &&
	complains 'iso needs' $tool filter --iso && complains 'iso needs' $tool filter --iso --clock tai
result 'wrong arguments of the filter'

$tool now >/dev/full 2>err
[ $? -eq 2 ] && [ "$(wc -l <err)" -eq 1 ] && echo "$value" >in && { $tool filter in >/dev/full 2>err; [ $? -eq 2 ]; }
result 'a full disk is noticed'

mv /dev/retroconv $tmp/dev
complains 'cannot open /dev/retroconv.*CONFIG_RETROCONV' $tool info &&
	complains 'cannot open /dev/retroconv' $tool filter
result 'no device'
mv $tmp/dev /dev/retroconv

# The filter. T is what the value converts to.
T=$(time_of "$value")
filter() { filtered=$1; shift; is "$filtered" $tool filter --clock realtime "$@"; }

printf 'a %s b\n%s\n[%s]: (%s,%s) x%s %sg 0x\n\n' "$value" "$value" "$value" "$value" "$value" \
	"$value" "$value" >in
printf 'a %s b\n%s\n[%s]: (%s,%s) x%s %sg 0x\n\n' "$T" "$T" "$T" "$T" "$T" "$value" "$value" >expected
filter 0 in && cmp out expected && [ ! -s err ]
result 'hexadecimal words are found'

cp in in1
filter 0 <in && cmp out expected && filter 0 in - <in1 && cat expected expected | cmp - out
result 'from the standard input and from two files'

printf '%s 0xffff800012345678 %d\n' "$value" $dec >in
printf '%s 0xffff800012345678 %d\n' "$T" $dec >expected
filter 0 in && cmp out expected && [ ! -s err ]
result 'a word out of the history is left alone'

echo 'ip 0xffff800012345678, 0xffff80001234567a' >in
filter 1 in && cmp out in && grep -q '2 of 2 values not converted: 2 unknown' err
result 'unless there is no other'

printf '# head line of a log\n  1 a [%d]:\t0x1\n2\tb %d\n3 c\n' $dec $dec >in
printf '# head line of a log\n  1 a [%s]:\t0x1\n2\tb %s\n3 c\n' "$T" "$T" >expected
filter 0 --field 3 in && cmp out expected && filter 1 --field 18446744073709551615 in && cmp out in
result 'a field'

printf 'sh-7 [000] d..1. %d: switch: 100 %d: x\n[001]\t%d: step 7: x\n[001]\t18446744073709551615: x\n' \
	$dec $dec $dec >in
printf 'sh-7 [000] d..1. %s: switch: 100 %s: x\n[001]\t%s: step 7: x\n[001]\t18446744073709551615(unknown): x\n' \
	"$T" "$T" "$T" >expected
# As the manual page has it
expression=$($tool --help | sed -n "s/.*--regex '\([^']*\)' trace$/\1/p")
filter 1 --regex "$expression" in && cmp out expected &&
	[ "$(cat err)" = 'retroconv: 1 of 4 values not converted: 1 unknown' ]
result 'an expression with a subexpression'

printf 't=%d%d\n%d\n' $dec $dec $dec >in
printf 't=%s%s\n%s\n' "$T" "$T" "$T" >expected
filter 0 --regex "$dec" in && cmp out expected &&
	echo "$dec $dec" >in && echo "$T $dec" >expected && filter 0 --regex '^[0-9]+' in && cmp out expected &&
	filter 0 --regex '^(x|([0-9]+))' in && cmp out expected &&
	filter 1 --regex '(x)*' in && cmp out in &&
	echo " $dec $dec " >in && echo " $T $T " >expected && filter 0 --regex ' ([0-9]+) ' in && cmp out expected
result 'an expression without, with an anchor, that matches nothing or overlaps'

printf 'tsc=%x,\n' $dec >in
printf 'tsc=%s,\n' "$T" >expected
filter 0 --hex --regex 'tsc=([0-9a-f]+)' in && cmp out expected
result 'hexadecimal numbers without 0x'

printf '%s 0x10000000000000000\n' "$value" >in
printf '%s 0x10000000000000000(too large)\n' "$T" >expected
filter 1 --regex '0x[0-9a-f]+' in && cmp out expected && grep -q '1 too large' err
result 'a number of more than 64 bits'

{ head -c 100000 /dev/urandom | tr -d x; printf ' %s \0\377 %s\r\n\0%s' "$value" "$value" "$value"; } >in
{ head -c $(($(wc -c <in) - 2 - 3 * ${#value} - 5)) in; printf '%s \0\377 %s\r\n\0%s' "$T" "$T" "$T"; } >expected
filter 0 in && cmp out expected && filter 0 --regex '0x[0-9a-f]+' in && cmp out expected
result 'binary bytes, and a last line that does not end'

# Batches: thousands of values in lines of several formats. Each time is told by
# convert as well, which takes the values one by one.
for i in 0 1 2 3 4 5 6 7 8 9; do
	for j in 0 1 2 3 4 5 6 7 8 9; do
		echo $((dec - 1000000 + i * 100000 + j * 1234))
	done
done >values
xargs $tool convert --clock realtime <values >converted
cut -d' ' -f2 converted >values.times
for i in 0 1 2 3 4 5 6 7 8 9; do cat values values values values values; done >many
for i in 0 1 2 3 4 5 6 7 8 9; do cat values.times values.times values.times values.times values.times; done >many.times
awk 'NR % 3 == 1 { print "line " NR ": at " $1 ", x"; next }
     NR % 3 == 2 { print NR "\t[" $1 "]" ; next } { print "# " NR; print "- at " $1 }' many >in
awk 'NR % 3 == 1 { print "line " NR ": at " $1 ", x"; next }
     NR % 3 == 2 { print NR "\t[" $1 "]" ; next } { print "# " NR; print "- at " $1 }' many.times >expected
[ "$(wc -l <many)" -eq 5000 ] && [ "$(wc -l <many.times)" -eq 5000 ] && ! grep -qv '^[0-9]*[.][0-9]\{9\}$' values.times &&
	filter 0 --regex '(at |\[)([0-9]+)' in && cmp out expected
result 'thousands of lines in several formats'

# In one line, which takes several batches
tr '\n' ' ' <in >in1
tr '\n' ' ' <expected >expected1
filter 0 --regex '(at |\[)([0-9]+)' in1 && cmp out expected1
result 'thousands of values in one line'

# A line of more than 1 MiB stays, those around it do not
printf 'at %d\nat %d ' $dec $dec >in
printf 'at %s\nat %d ' "$T" $dec >expected
for f in in expected; do
	head -c 1200000 /dev/zero >>$f
done
printf 'at %d\nat %d\n' $dec $dec >>in
printf 'at %d\nat %s\n' $dec "$T" >>expected
filter 1 --regex 'at ([0-9]+)' in && cmp out expected && grep -q '1 lines above 1048576 bytes' err
result 'a line that is too long'

# A pause in the input: what has come before is written in it
rm out
mkfifo pipe
$tool filter --clock realtime <pipe >out 2>err &
pid=$!
exec 3>pipe
printf '%s\nhalf %s' "$value" "$value" >&3
tries=0
until [ -s out ] || [ $tries -eq 100 ]; do
	usleep 100000
	tries=$((tries + 1))
done
[ "$(cat out)" = "$T" ]
result 'a line is written while the input pauses'
echo " whole" >&3
exec 3>&-
wait $pid && [ "$(cat out)" = "$T
half $T whole" ]
result 'and the next one when it is complete'

# A value of a clock that dithers between two frequencies, and then so many changes of the
# frequency that its time leaves the exact history
sleep 1
bent=$(counter)
fresh=$(time_of "$bent")
sleep 1
i=0
bound=
until [ "$bound" != "${bound%+-*}" ] || [ $i -eq 4000 ]; do
	# Ever another one, whichever of them a tick sees
	adjtimex -f $((20000000 + i * 7919 % 10007 * 1000)) >/dev/null
	i=$((i + 1))
	[ $((i % 50)) -ne 0 ] || bound=$(time_of "$bent")
done
# Without an offset there is nothing to be adjusted, and all stays where it is
adjtimex -f 0 >/dev/null
sleep 2
bound=$(time_of "$bent")
later=$(time_of "$value")
echo "# $fresh is $bound after $i changes, and $T is $later"
[ "$fresh" = "${fresh%+-*}" ] && echo "$bound" | grep -q '^[0-9]*[.][0-9]\{9\}+-[0-9.]*[num]s$' && within "$fresh" "$bound" &&
	within "$T" "$later"
result 'a bound of the error'
echo "at $bent" >in
filter 0 in && [ "$(cat out)" = "at $bound" ]
result 'in the filter, too'
[ "$($tool convert --clock raw "$bent" | grep -c '+-')" -eq 0 ]
result 'but not where the time is exact'
# The first bound that reaches back to the value, or a smaller one
is 0 $tool info && sed -n 's/^within \([^ ]*\)  *\(0x[0-9a-f]*\),.*/\1 \2/p' out | {
	while read -r name reach; do
		[ $((reach)) -gt $((bent)) ] || break
	done
	between 1 "$(limit "${bound#*+-}")" "$(limit "$name")"
} && exact=$(field 'oldest exact' out) && between $((bent)) $((${exact%%,*})) $(($(field now out)))
result 'and as info tells'

plain=${bound%+-*}
dec=$((bent))
[ "$($tool convert --plain --clock realtime "$bent")" = "$bent $plain" ] && is 0 $tool now --plain && ! grep -q '[+(]' out &&
	[ "$($tool convert --plain --iso --clock realtime "$bent")" = "$bent $(date -u -d "@${plain%.*}" +%Y-%m-%dT%H:%M:%S).${plain#*.}Z" ]
result 'no bound with --plain'
printf '{"cycles": %d, "cpu": 1}\n{"cycles": %d, "cpu": 2}\n' $dec $future >in
printf '{"cycles": %s, "cpu": 1}\n{"cycles": %d(future), "cpu": 2}\n' "$bound" $future >expected
filter 1 --regex '"cycles": *([0-9]+)' in && cmp out expected &&
	printf '{"cycles": %s, "cpu": 1}\n{"cycles": %d, "cpu": 2}\n' "$plain" $future >expected &&
	filter 1 --plain --regex '"cycles": *([0-9]+)' in && cmp out expected &&
	[ "$(cat err)" = 'retroconv: 1 of 2 values not converted: 1 future' ]
result 'JSON stays JSON with --plain'
printf 'cpu,cycles\n1,%d\n2,%s\n' $dec "$bent" >in
printf 'cpu,cycles\n1,%s\n2,%s\n' "$bound" "$bound" >expected
filter 0 --regex ',([0-9a-fx]+)$' in && cmp out expected &&
	printf 'cpu,cycles\n1,%s\n2,%s\n' "$plain" "$plain" >expected &&
	filter 0 --plain --regex ',([0-9a-fx]+)$' in && cmp out expected
result 'and CSV'


printf '%d,,"%d",9\n,,%d,9\n,,,9\n' $dec $dec $future >in
printf '%d,,"%s",9\n,,,9\n,,,9\n' $dec "$plain" >expected
filter 1 --plain --null '' --delimiter , --field 3 in && cmp out expected &&
	printf '%d,,"%s",9\n,,none,9\n,,,9\n' $dec "$bound" >expected &&
	filter 1 --null none --delimiter , --field 3 in && cmp out expected &&
	is 1 $tool convert --null null $future && [ "$(cat out)" = "$future null" ] && grep -q 'future$' err
result 'a text for what has no time, and fields with a delimiter'

echo 'no number' >in
filter 1 --field 2 in && cmp out in && [ "$(cat err)" = 'retroconv: no value in what --field names' ] &&
	filter 1 --regex '([0-9]+)' in && cmp out in && grep -q 'no value in what --regex names' err &&
	filter 0 in && [ ! -s err ] && filter 0 --field 2 </dev/null && [ ! -s err ]
result 'a field or an expression without any value'

fresh=$(counter)
dec=$((fresh))
low=$((dec & 0xfffffff))
[ $low -lt $dec ] && is 0 $tool convert --clock raw --bits 28 $low && [ "$(cut -d' ' -f2 out)" = "$($tool convert --clock raw "$fresh" | cut -d' ' -f2)" ] &&
	[ "$($tool convert --clock raw --hex --bits 40 "$(printf %x $((dec & 0xffffffffff)))" | cut -d' ' -f2)" = "$(cut -d' ' -f2 out)" ] &&
	is 1 $tool convert --bits 31 4294967295 && grep -q 'too large' err
result 'the low bits of the counter'
# Whatever the low bits are, they are of the last few cycles
before=$(now)
is 0 $tool convert --clock realtime --bits 8 0x00 0x80 0xff
after=$(now)
[ "$(wc -l <out)" -eq 3 ] && cut -d' ' -f2 out | while read -r t; do
	between $((before - 1000000)) "$(ns "$t")" $((after + 999)) || exit
done
result 'which it has had just now'

is 0 $tool info && hz=$(field frequency out) && hz=${hz% Hz}
sec=$((dec / hz)) nsec=$((dec % hz * 1000000000 / hz))
T=$($tool convert --clock raw "$fresh" | cut -d' ' -f2)
for pair in "ns $sec$(printf %09d $nsec)" "us $sec$(printf %06d $((nsec / 1000))).$(printf %03d $((nsec % 1000)))" "s $sec.$(printf %09d $nsec)"; do
	$tool convert --clock raw --unit "${pair% *}" "${pair#* }" | cut -d' ' -f2
done >told
[ "$T" ] && [ "$(cat told)" = "$(printf '%s\n%s\n%s' "$T" "$T" "$T")" ] &&
	echo "t=$sec.$(printf %09d $nsec)," >in && is 0 $tool filter --clock raw --unit s --regex '([0-9.]+)' in && [ "$(cat out)" = "t=$T," ] &&
	odd=$(((dec * 2 / (hz / 500000) - 1000) | 1)) && cycles=$(((odd * hz + 999999) / 1000000)) &&
	[ "$($tool convert --clock raw --unit us "$odd" | cut -d' ' -f2)" = "$($tool convert --clock raw "$cycles" | cut -d' ' -f2)" ] &&
	is 1 $tool convert --unit s 18446744073709551615 && grep -q 'too large' err &&
	complains 'is not a number' $tool convert --unit s 1. && complains 'is not a number' $tool convert --unit s 1.2.3
result 'the time for which the counter has counted'

# Times of clocks. All are told of one counter value, which is the truth.
told() { $tool convert --clock "$1" "$fresh" | cut -d' ' -f2; }
# from CLOCK TIME CLOCK: the time on the second clock
from() { $tool convert --from "$1" --clock "$3" "$2" | cut -d' ' -f2; }
fresh=$(counter)
for clock in monotonic boottime realtime tai; do
	for to in monotonic boottime realtime tai raw; do
		[ "$(from $clock "$(told $clock)" $to)" = "$(told $to)" ] || echo "# $clock to $to"
	done
done >differ
cat differ
[ ! -s differ ] && [ "$(from mono "$(told mono)" counter)" = "$fresh" ] &&
	[ "$(from raw "$(told raw)" boottime)" = "$(told boottime)" ]
result 'from each clock to each other one'

mono=$(told monotonic) real=$(told realtime) stamp=$(told boottime)
date -s @1700000000 >/dev/null
[ "$(from monotonic "$mono" realtime)" = "$real" ] && [ "$(from realtime "$real" monotonic)" = "$mono" ] &&
	is 1 $tool convert --from realtime --clock monotonic 1690000000 && grep -q '1690000000: unknown$' err &&
	is 1 $tool convert --from monotonic 1690000000 && grep -q 'future$' err
result 'what the clock was before it was set ahead, and never was'
scale=$(from boottime "$stamp" realtime) now=$($tool convert --from boottime --clock realtime --scale now "$stamp" | cut -d' ' -f2)
[ "$scale" = "$real" ] && between 1699999900 "${now%.*}" 1700000100 &&
	date -s @1600000000 >/dev/null && echo "$mono" >in && is 0 $tool filter --from mono --field 1 --clock real in &&
	[ "$(cat out)" = "$real" ] && ms=${mono%.*}$(echo "${mono#*.}" | cut -c1-3) &&
	[ "$($tool convert --from monotonic --clock monotonic --unit ms "$ms.$(echo "${mono#*.}" | cut -c4-)" | cut -d' ' -f2)" = "$mono" ]
result 'on the scale of now, in fields, and in other units'
sleep 1
repeated=$($tool now --clock realtime --plain | sed -n 's/^realtime  *//p')
date -s "@$((${repeated%.*} - 100))" >/dev/null
[ "$($tool convert --from realtime --clock monotonic "$((${repeated%.*} - 99)).5" | cut -d' ' -f2)" != "$mono" ] || false
is 0 $tool convert --from realtime --clock boottime "${repeated%.*}"
result 'a time that was set back is still known'
sleep 2
is 0 $tool convert --from realtime --clock boottime "$((${repeated%.*} - 99))" && ! grep -q repeated out
again=$?
date -s "@$((${repeated%.*} - 100))" >/dev/null
sleep 2
is 0 $tool convert --from realtime --clock boottime "$((${repeated%.*} - 99))" && grep -q '(repeated)$' out && [ $again -eq 0 ]
result 'and one that the clock has had twice is marked'

# The kernel's log
before=$(now)
echo "retroconv was here, at 0x5f3a: 1.5" >/dev/kmsg
after=$(now)
dmesg | grep 'retroconv was here' >in
is 0 $tool filter --from local --clock realtime --plain in && grep -q '^\[ *[0-9.]*\] retroconv was here, at 0x5f3a: 1.5$' out &&
	t=$(sed 's/^\[ *\([0-9.]*\)\].*/\1/' out) && between "$before" "$(($(ns "$t") + 1000))" $((after + 1000)) &&
	is 0 $tool filter --from local --clock realtime --iso in && grep -q '^\[ *20[0-9-]*T[0-9:.]*Z\] retroconv was here' out
result "a line of the kernel's log"
printf '          sh-1  [000] d.h1. %s: func <-caller\n' "$mono" >in
is 0 $tool filter --from mono --clock boottime in && [ "$(cat out)" = "          sh-1  [000] d.h1. $stamp: func <-caller" ]
result 'and of a trace'

complains 'no clock .cpu' $tool convert --from cpu 1 && complains 'no --hex' $tool convert --from mono --hex 1 &&
	complains 'needs --from' $tool convert --clock counter 1 && complains 'either --clock counter' $tool convert --from mono --clock counter --scale now 1 &&
	complains 'is not a number' $tool convert --from mono x && is 1 $tool convert --from mono 18446744073.709551615 && grep -q 'too large' err
result 'wrong arguments of --from'

# More settings of the clock than the history keeps, and the real time is forgotten
i=0
while [ $i -lt 300 ]; do
	date -s "@$(date +%s)" >/dev/null
	i=$((i + 1))
done
echo "at $value, $($tool now | sed -n 's/^counter  *//p')" >in
is 1 $tool convert --clock realtime "$value" && [ "$(cat err)" = "retroconv: $value: too old" ] &&
	filter 0 in && grep -q "^at $value, [0-9]*[.][0-9]*$" out &&
	filter 1 --regex '0x[0-9a-f]+' in && grep -q "^at $value(too old), [0-9]*[.][0-9]*$" out &&
	grep -qx 'retroconv: 1 of 2 values not converted: 1 too old' err
result 'too old'
is 1 $tool convert --clock tai "$value" && is 0 $tool convert --clock boottime "$value" &&
	is 0 $tool convert --clock monotonic "$value" && is 0 $tool convert --clock raw "$value"
result 'for the clocks that were set, and for no other'
