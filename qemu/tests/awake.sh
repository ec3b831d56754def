#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Is the checker there, and on? /guest has the fragment of its options.
n=0
result()
{
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n $2"; else echo "not ok $n $2"; fi
}

zcat /proc/config.gz >/tmp/config
# The interrupts of the timer of CPU 1
timer() { awk '/arch_timer$/ { n += $3 } END { print n + 0 }' /proc/interrupts; }
option() { grep -qx "CONFIG_$1=y" /tmp/config; }

tests()
{
	lines=$(cat /guest/*.config | grep '^CONFIG_')
	for line in $lines; do
		case $line in
		*=n) ! grep -q "^${line%n}" /tmp/config ;;
		*) grep -qxF "$line" /tmp/config ;;
		esac
		result $? "$line"
	done

	dmesg >/tmp/dmesg
	if option KASAN; then
		grep -q 'KernelAddressSanitizer initialized' /tmp/dmesg
		result $? 'KASAN is on'
	fi
	if option DEBUG_KMEMLEAK; then
		sh -c 'echo scan >/sys/kernel/debug/kmemleak'
		result $? 'kmemleak is on'
	fi
	if option KCSAN; then
		grep -qx 'enabled: 1' /sys/kernel/debug/kcsan &&
			grep -qE '^setup_watchpoints: [1-9]' /sys/kernel/debug/kcsan
		result $? 'KCSAN is on and watches'
	fi
	if option PROVE_LOCKING; then
		grep -qE '^ debug_locks: *1$' /proc/lockdep_stats
		result $? 'lockdep is on'
	fi
	if option PREEMPT_RT; then
		uname -v | grep -qw PREEMPT_RT && grep -q '^irq/' /proc/[0-9]*/comm
		result $? 'the kernel is a real-time kernel, and interrupt handlers are threads'
	fi
	if option NO_HZ_FULL; then
		grep -qx 1 /sys/devices/system/cpu/nohz_full
		result $? 'CPU 1 may go without a tick'
		before=$(timer)
		taskset 2 timeout 5 sh -c 'while :; do :; done'
		ran=$?
		ticks=$(($(timer) - before))
		echo "# $ticks ticks of CPU 1 in 5 s of one task"
		# There would be 1250. 143: SIGTERM has ended it.
		[ $ran -eq 143 ] && [ "$before" -gt 0 ] && [ "$ticks" -lt 300 ]
		result $? 'CPU 1 goes without a tick while it runs one task'
	fi
	if option CC_IS_CLANG; then
		grep -q clang /proc/version
		result $? 'clang has built the kernel'
	fi
}

tests >/tmp/results
echo 'KTAP version 1'
echo "1..$n"
cat /tmp/results
