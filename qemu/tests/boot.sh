#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A kernel boots, and its clock goes on.
read -r before _ </proc/uptime
sleep 1
read -r after _ </proc/uptime
echo "up for $before s, and for $after s a second later"
[ "${before%.*}" -lt "${after%.*}" ]
