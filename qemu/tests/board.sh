#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The archive of selftests for a board, which is beside this script: unpacked in a
# plain directory and run as its README says. Then it has to notice what fails.
top='/tmp/a board'
n=0

result()
{
	status=$?
	n=$((n + 1))
	if [ $status -eq 0 ]; then echo "ok $n $1"; else echo "not ok $n $1"; fi
}

# is STATUS COMMAND...: the output, in a file, ends with this status
is()
{
	expected=$1
	shift
	status=0
	"$@" >/tmp/out 2>/tmp/err </dev/null || status=$?
	[ $status -eq "$expected" ] && [ ! -s /tmp/err ] && return
	echo "# $*: status $status instead of $expected: $(cat /tmp/err)"
	sed 's/^/# /' /tmp/out
	return 1
}

# has LINE...: the output has lines which match these
has()
{
	for line; do
		grep -qx "$line" /tmp/out || {
			echo "# no line '$line'"
			sed 's/^/# /' /tmp/out
			return 1
		}
	done
}

# In place of a test of the archive
fake()
{
	printf '#!/bin/sh\n%s\n' "$1" >tests/tool
}

echo 'KTAP version 1'
echo 1..14

mkdir -p "$top"
cd "$top" && tar -xzf /guest/retroconv-selftests-*.tar.gz && set -- * && [ $# -eq 1 ] && cd "$1" && [ -f README ] && [ -x run ]
result 'it unpacks into one directory'

# Without a program in reach: a shell is enough
kunit='ok 3 kunit' totals='pass:3 fail:0 skip:0'
[ -d /sys/kernel/debug/kunit/tk_history ] ||
	kunit='ok 3 kunit # SKIP .*' totals='pass:2 fail:0 skip:1'
is 0 env -i PATH=/nowhere /bin/sh ./run && has 'KTAP version 1' 1..3 'ok 1 retroconv' 'ok 2 tool' \
	"$kunit" '# clocksource arch_sys_counter' "# Totals: $totals" &&
	! grep -q 'not ok' /tmp/out && [ "$(grep -c '^    ok ' /tmp/out)" -ge 70 ]
result 'all tests pass'
grep '^# [a-z]*: ' /tmp/out

here=$PWD
cd / && is 0 "$here/run" tool && has 'ok 1 tool' 1..1 && is 0 sh "$here/run" tool && cd "$here" &&
	is 0 sh run tool
result 'from another directory'

# Without privileges, what changes the clock is skipped, and the rest is not
chmod 755 /tmp "$top"
is 0 su -s /bin/sh nobody -c ./run && has 'ok 1 retroconv' 'ok 2 tool' 'ok 3 kunit # SKIP .*root' \
	'# retroconv: [1-9][0-9]* passed, 0 failed, [1-9][0-9]* skipped' &&
	has '.*SKIP no permission to change the clock'
result 'as another user'

# As from a terminal, to the whole process group
frequency() { adjtimex | sed -n 's/.*freq.adjust: *//p'; }
before=$(frequency)
setsid ./run retroconv tool >/tmp/out 2>&1 </dev/null &
tries=0
until grep -q 'RUN .* changing.*frequency' /tmp/out || [ $tries -eq 300 ]; do
	usleep 100000
	tries=$((tries + 1))
done
kill -TERM -$!
wait $!
status=$?
echo "# status $status, frequency $before, then $(frequency), running: $(pidof retroconv)"
[ $status -eq 1 ] && [ "$before" ] && [ "$(frequency)" = "$before" ] && ! pidof retroconv >/dev/null &&
	has 'not ok 1 retroconv' '# retroconv: its status is 143; .*' '# stopped by a signal' \
		'# Totals: pass:0 fail:1 skip:0'
result 'a signal ends it when the clock is as it was before'

# A device which does not do what it should
mount --bind /dev/null /dev/retroconv
is 1 ./run retroconv tool && has 'not ok 1 retroconv' 'not ok 2 tool' '# Totals: pass:0 fail:2 skip:0'
result 'a kernel that fails'
umount /dev/retroconv

mv /dev/retroconv /tmp/dev
is 4 ./run retroconv tool && has 'ok 1 retroconv # SKIP cannot open /dev/retroconv: No such file or directory' \
	'ok 2 tool # SKIP .*cannot open /dev/retroconv: .*CONFIG_RETROCONV' '# Totals: pass:0 fail:0 skip:2'
result 'a kernel without the device'
mv /tmp/dev /dev/retroconv

cp tests/tool /tmp/tool
fake 'echo 1..2; echo ok 1 a; echo not ok 2 b'
is 1 ./run tool && has 'not ok 1 tool' '    not ok 2 b' '# tool: 1 passed, 1 failed, 0 skipped'
result 'a test that fails with status 0'

# shellcheck disable=SC2016 # that shell's variable
fake 'echo 1..2; echo ok 1 a; printf "ok 2 b"; kill -SEGV $$'
is 1 ./run tool && has 'not ok 1 tool' '# tool: its status is 139; 2 passed, 0 failed, 0 skipped'
result 'a test that crashes after its results'

fake 'echo 1..3; echo ok 1 a; echo "ok 2 b # SKIP because"'
is 1 ./run tool && has 'not ok 1 tool' '# tool: of 3 results there are 2'
result 'a test that ends before its results'

fake ''
is 1 ./run tool && has 'not ok 1 tool' '# tool: of an unknown number of results there are 0'
result 'a test that does nothing'

fake 'echo "1..0 # SKIP no such board"; exit 4'
is 4 ./run tool && has 'ok 1 tool # SKIP no such board'
result 'a test that is skipped'

chmod -x tests/tool
is 1 ./run tool && has 'not ok 1 tool' '# tool: its status is 126.*'
result 'a test that cannot be executed'
cp /tmp/tool tests/tool

is_usage() { "$@" 2>/tmp/err >/tmp/out; [ $? -eq 2 ] && [ "$(wc -l </tmp/err)" -eq 1 ] && [ ! -s /tmp/out ]; }
is_usage ./run nothing && is_usage ./run ../run && is_usage ./run '' && is_usage ./run -h
result 'wrong arguments'
