#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What things cost in instructions, a line each: the module bench_cost.ko with the
# functions that it wants to call, and the program cost where it is beside this.
set -eu
# NAME=ADDRESS of each
addresses()
{
	for name; do
		echo "$name=0x$(awk -v name="$name" '$3 == name { print $1; exit }' /proc/kallsyms)"
	done
}

wanted='update_wall_time do_adjtimex'
grep -q ' tkh_convert$' /proc/kallsyms &&
	wanted="$wanted tkh_init tkh_prepare tkh_switch tkh_record tkh_convert"
# shellcheck disable=SC2046,SC2086 # lists
insmod bench_cost.ko $(addresses $wanted)
# shellcheck disable=SC2046
[ ! -f bench_latency.ko ] || insmod bench_latency.ko $(addresses update_wall_time do_adjtimex \
	timekeeper_data vdso_k_time_data)
dmesg | sed -n 's/.*cost: //p'
dmesg | grep -q 'cost: end$'
[ ! -x cost ] || grep -qw tk_history=off /proc/cmdline || ./cost
