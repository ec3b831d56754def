#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own selftests of the hypervisor's tracing remote. They kill readers and
# expect them to be gone at once: in unloading.tc, one time in twelve it is not, more
# often on a busy machine. Here they wait for it.
cd /selftests/ftrace || exit
for f in functions trace.tc trace_pipe.tc unloading.tc; do
	# shellcheck disable=SC2016 # its own variable
	sed -i 's/^    kill .*\$pid$/&; wait $pid || :/' test.d/remotes/$f
	grep -q 'pid; wait' test.d/remotes/$f || {
		echo "$f does not kill its reader any more: see whether it waits" >&2
		exit 1
	}
done
exec ./ftracetest -K -l /tmp/log test.d/remotes/hypervisor
