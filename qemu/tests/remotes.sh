#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own selftests of the hypervisor's tracing remote. unloading.tc kills a
# reader and expects it to be gone at once: one time in twelve it is not, more often
# on a busy machine. Here it waits for the reader.
cd /selftests/ftrace || exit
# shellcheck disable=SC2016 # its own variable
sed -i 's/^    kill \$pid$/&; wait $pid || :/' test.d/remotes/unloading.tc
grep -q 'pid; wait' test.d/remotes/unloading.tc || {
	echo 'unloading.tc does not kill its reader any more: see whether it waits' >&2
	exit 1
}
exec ./ftracetest -K -l /tmp/log test.d/remotes/hypervisor
