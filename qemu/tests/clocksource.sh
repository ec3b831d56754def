#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The KUnit tests while the clocksource changes to jiffies and back all the
# time. Needs highres=off nohz=off, or jiffies is not available. The kernel's
# parameters should leave only those tests which expect that.
sys=/sys/devices/system/clocksource/clocksource0
counter=$(cat $sys/current_clocksource)
changes=/tmp/changes

grep -qw jiffies $sys/available_clocksource || {
	echo "jiffies is not available: $(cat $sys/available_clocksource)" >&2
	exit 1
}
echo 0 >$changes
(
	n=0
	while [ ! -e /tmp/stop ]; do
		echo jiffies >$sys/current_clocksource
		usleep 30000
		echo "$counter" >$sys/current_clocksource
		usleep 50000
		n=$((n + 2))
		echo $n >$changes
	done
) &
suite=/sys/kernel/debug/kunit/tk_history
echo run >$suite/run
cat $suite/results
touch /tmp/stop
wait
n=$(cat $changes)
echo "# $n changes of the clocksource" >/dev/kmsg
[ "$n" -ge 20 ] || {
	echo "only $n changes of the clocksource" >&2
	exit 1
}
