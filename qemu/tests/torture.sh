#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Torture: the live KUnit tests convert what they have read, in every context on
# every CPU, while their clock is slewed, set and suspended, and while the
# clocksource changes to each available one all the time. A suspend is that of
# timekeeping alone, by which nobody is frozen: suspends.c does the rest.
#
# Kernel parameters: torture.seconds (60), for both tests together: the system's
# clocks, and an auxiliary one. Needs
# kunit.filter_glob=tk_history.tkh_test_live*, or all tests of the suite run.
# irqchip.gicv3_pseudo_nmi=1 adds NMIs, and highres=off nohz=off adds jiffies to
# the clocksources.
suite=/sys/kernel/debug/kunit/tk_history
sys=/sys/devices/system/clocksource/clocksource0
parameters=/sys/module/tk_history_test/parameters
seconds=$(sed -n 's/^\(.* \)*torture\.seconds=\([^ ]*\).*/\2/p' /proc/cmdline)
: "${seconds:=60}"
[ "$seconds" -ge 2 ] 2>/dev/null || {
	echo "torture.seconds=$seconds: must be a number, 2 at least" >&2
	exit 1
}
for dir in $suite $parameters; do
	[ -d "$dir" ] || {
		echo "no $dir: its option is off" >&2
		exit 1
	}
done
# Where KUnit's time limit for each test cannot be set it is 300 seconds
timeout=/sys/module/kunit/parameters/timeout
[ -e $timeout ] || [ "$seconds" -le 560 ] || {
	echo "torture.seconds=$seconds: must be 560 at most on this kernel" >&2
	exit 1
}

n=1
result()
{
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n $2"; else echo "not ok $n $2"; fi
}

# How many changes to each clocksource, as far as they came about
change()
{
	while [ ! -e /tmp/stop ]; do
		read -r available <$sys/available_clocksource
		for cs in $available; do
			echo "$cs" >$sys/current_clocksource
			[ "$(cat $sys/current_clocksource)" != "$cs" ] || echo "$cs"
			usleep 30000
		done
	done >/tmp/changes
	echo "$counter" >$sys/current_clocksource
}

# The sum of what the tests have counted under this name, on CPU $2 or everywhere
count()
{
	sed -n "/tkh_test_live.*:.*${2:+ CPU $2:}/s/.* \([0-9][0-9]*\) $1.*/\1/p" $suite/results |
		awk '{ n += $1 } END { print n + 0 }'
}

counter=$(cat $sys/current_clocksource)
change &
each=$((seconds / 2))
echo $each >$parameters/torture
[ ! -e $timeout ] || echo $((seconds + 300)) >$timeout
# Who starts KUnit waits for it all the time, which is not to be taken for hung
hung=/proc/sys/kernel/hung_task_timeout_secs
[ ! -e $hung ] || echo $((seconds + 300)) >$hung
echo run >$suite/run
echo 0 >$parameters/torture
touch /tmp/stop
wait

echo 'KTAP version 1'
echo 1..5
sed 1,2d $suite/results
# Of a test that is skipped there is nothing to count
seconds=$((each * $(grep -c '^ *ok .* tkh_test_live[^#]*$' $suite/results)))
sort /tmp/changes | uniq -c | while read -r times cs; do
	echo "# $times changes to the clocksource $cs"
done
changes=$(wc -l </tmp/changes)
[ "$(sort -u /tmp/changes | wc -l)" -ge 2 ] && [ "$changes" -ge $((seconds / 2)) ]
result $? 'the clocksource changed every other second at least'
gaps=$(count gaps)
[ "$gaps" -ge $((seconds / 20)) ] && [ "$gaps" -gt 0 ]
result $? 'a value from within a suspend was converted every 20 seconds at least'
if grep -qw irqchip.gicv3_pseudo_nmi=1 /proc/cmdline; then
	least=$seconds
	for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
		nmi=$(count 'in NMIs' "${cpu##*/cpu}")
		[ "$nmi" -ge "$least" ] || least=$nmi
	done
	[ "$least" -eq "$seconds" ]
	result $? 'each CPU converted a value in NMI each second at least'
else
	echo "ok 4 each CPU converted values in NMI # SKIP without irqchip.gicv3_pseudo_nmi=1"
fi
# Half of the exact ones were in the newest state, for sure
exact=$(count exact) merged=$(count merged) wrong=$(count wrong)
[ "$merged" -gt 0 ] && [ "$(count evicted)" -lt $((exact / 4)) ]
result $? 'values were old enough for the long history, and most not too old'
{
	echo "$((exact + merged + gaps + wrong)) answers checked, $wrong wrong, in $seconds s"
	echo "$exact the same number, $merged within the bound of a merged entry, $gaps within a suspend; $(count evicted) values were too old, $(count lost) from before a suspend with another clocksource"
	echo "$(count 'in tasks') in tasks, $(count 'in softirqs') in softirqs, $(count 'in interrupts') in interrupts, $(count 'in NMIs') in NMIs; $(count refused) refused there for an update in flight"
	echo "meanwhile $(count 'changes of the clock') changes of the clock, $changes of the clocksource, $(count suspends) suspends"
} | while read -r line; do
	echo "# torture: $line"
	echo "torture: $line" >/dev/kmsg
done
