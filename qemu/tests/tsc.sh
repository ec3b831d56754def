#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kselftest of /dev/retroconv with the TSC, if this machine's is good enough for
# the kernel to keep time by.
current=/sys/devices/system/clocksource/clocksource0/current_clocksource
# It is called so when it has been compared with another timer for a second, and
# this machine is emulated
for _ in $(seq 60); do
	clocksource=$(cat $current)
	[ "$clocksource" = tsc-early ] || break
	sleep 1
done
[ "$clocksource" = tsc ] || {
	echo 'KTAP version 1'
	echo 1..1
	echo "ok 1 tsc # SKIP the clocksource is $clocksource: $(dmesg |
		grep -m 1 -ioE 'tsc: .*(unstable|fail|not ).*' || echo 'the TSC was not taken')"
	exit
}
exec /selftests/retroconv
