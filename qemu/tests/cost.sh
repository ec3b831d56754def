#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What things cost in instructions, a line each: the module bench_cost.ko with the
# functions that it wants to call, and the program cost where it is beside this.
set -eu
wanted='update_wall_time do_adjtimex'
grep -q ' tkh_convert$' /proc/kallsyms &&
	wanted="$wanted tkh_prepare tkh_begin tkh_end tkh_convert"
parameters=
for name in $wanted; do
	parameters="$parameters $name=0x$(awk -v name="$name" '$3 == name { print $1; exit }' /proc/kallsyms)"
done
# shellcheck disable=SC2086 # a list
insmod bench_cost.ko $parameters
dmesg | sed -n 's/.*cost: //p'
dmesg | grep -q 'cost: end$'
[ ! -x cost ] || grep -qw tk_history=off /proc/cmdline || ./cost
