#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own selftests of the hypervisor's tracing remote.
cd /selftests/ftrace || exit
./ftracetest -K -l /tmp/log test.d/remotes/hypervisor
