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
echo 1..4
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
