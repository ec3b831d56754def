#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kselftest of /dev/retroconv.
exec /selftests/retroconv
