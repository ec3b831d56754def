#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The KUnit suite tk_history on the running kernel.
suite=/sys/kernel/debug/kunit/tk_history
[ -d $suite ] || {
	echo "no $suite: CONFIG_TK_HISTORY_KUNIT_TEST is off" >&2
	exit 1
}
echo run >$suite/run
cat $suite/results
