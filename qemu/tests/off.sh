#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A kernel that was booted with tk_history=off has no history, and says so.
n=0
result()
{
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n $2"; else echo "not ok $n $2"; fi
}

echo 'KTAP version 1'
echo 1..6
[ "$(cat /sys/kernel/debug/timekeeping/history)" = off ]
result $? 'debugfs says that the history is off'
[ -c /dev/retroconv ]
result $? 'the device exists'
status=0
/selftests/retroconv >/tmp/retroconv.log 2>&1 || status=$?
# 4 is the status of a selftest that was skipped
[ "$status" -eq 0 ] || [ "$status" -eq 4 ]
result $? "the selftest does not fail, its status is $status"
grep -q 'SKIP.*no history' /tmp/retroconv.log && ! grep -q '^not ok' /tmp/retroconv.log
result $? 'the selftest is skipped for want of a history'

# Cross timestamps do without. A tick between the stamp and its conversion is rare.
echo '1 1' >/sys/bus/netdevsim/new_device
ptp=$(grep -l '^Mock-up' /sys/class/ptp/ptp*/clock_name | cut -d/ -f5)
again=0
: >/tmp/ptp.log
before=$(date +%s)
until grep -q okay /tmp/ptp.log || [ $again -eq 5 ]; do
	/selftests/testptp -d "/dev/$ptp" -X >/tmp/ptp.log 2>&1
	again=$((again + 1))
done
after=$(date +%s)
system=$(sed -n 's/^system time: *\([0-9]*\)[.].*/\1/p' /tmp/ptp.log)
[ -n "$system" ] && [ "$before" -le "$system" ] && [ "$system" -le "$after" ]
result $? "a cross timestamp of $system s between $before and $after s"
echo 1000 >"/sys/kernel/debug/$ptp/crosststamp_delay_ms"
/selftests/testptp -d "/dev/$ptp" -X >/tmp/ptp.log 2>&1
grep -qi busy /tmp/ptp.log
result $? 'one that is a second late is refused, and may be tried again'
