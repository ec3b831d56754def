#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# retroconv while another clocksource is in use, which takes highres=off nohz=off
tool=/guest/retroconv
dir=/sys/devices/system/clocksource/clocksource0
field() { sed -n "s/^$1  *//p" /tmp/info; }

echo 'KTAP version 1'
echo 1..2
value=$($tool now | sed -n 's/^counter  *//p')
time=$($tool convert --plain --clock monotonic "$value")
echo jiffies >$dir/current_clocksource
[ "$(cat $dir/current_clocksource)" = jiffies ] && $tool info >/tmp/info && [ "$(field counter)" = CNTVCT_EL0 ] &&
	! grep -q '^frequency\|^now' /tmp/info && until=$(field 'in use until') && oldest=$(field 'oldest ') &&
	[ $((oldest)) -ge 1 ] && [ $((oldest)) -le $((value)) ] && [ $((value)) -le $((until)) ] && result=ok || result='not ok'
echo "$result 1 info tells what was before"
[ "$($tool convert --plain --clock monotonic "$value")" = "$time" ] && ! $tool now >/dev/null 2>&1 && result=ok || result='not ok'
echo "$result 2 and it still converts"
