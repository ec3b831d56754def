#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What "make run" shows.
exec /selftests/retroconv show
