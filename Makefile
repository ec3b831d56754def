# SPDX-License-Identifier: GPL-2.0
#
# The only entry point; "make help" lists the targets. Scripts do the work, and
# kbuild decides what to compile.

# The kernel: bases/$(BASE) says where its source comes from, KSRC=dir uses an
# unpacked one instead
BASE ?= 7.3
KSRC ?=

# The guest
SMP ?= 2
TIMEOUT ?= 600
APPEND ?=
QEMU_ARGS ?=
RUN ?=
FILES ?=

# The checker whose kernel is used: a name in qemu/san
SAN ?=
ifeq ($(wildcard qemu/san/$(or $(SAN),kasan).config),)
$(error SAN=$(SAN): there is $(basename $(notdir $(wildcard qemu/san/*))))
endif

# The tests to run, all of them if empty
STEPS ?=
# The faults to put in, all of them if empty
FAULTS ?=
# Seconds that the torture and the fuzzer last
TORTURE ?= 60
FUZZ ?= 600
# The configuration for a board, that of the architecture if empty
BOARD_CONFIG ?=
# 1 shows the output of every phase as it comes
V ?= 0

export BASE SMP TIMEOUT APPEND QEMU_ARGS SAN STEPS TORTURE FUZZ V
# The architecture is a script's choice, not that of who calls make
unexport ARCH LLVM
export CCACHE_DIR := $(CURDIR)/build/ccache

# Of a relative path: below the directory where make was called, or this one
PWD ?= $(CURDIR)
path = $(foreach f,$(1),$(firstword $(wildcard $(if $(filter /%,$(f)),$(f),\
	$(PWD)/$(f) $(CURDIR)/$(f))) $(f)))

build := $(CURDIR)/build/$(BASE)
log := $(build)/log
pristine := $(if $(KSRC),$(call path,$(KSRC)),$(build)/pristine)
fetched := $(if $(KSRC),,$(pristine))
arm64 := $(build)/arm64$(SAN:%=-%)
busybox := $(CURDIR)/build/busybox-arm64/bin/busybox
phase := @scripts/phase $(log)
# Two makes at once must not write the same tree
locked := flock $(build)/lock

help:
	@echo 'make run        build the kernel, boot it under QEMU with pKVM, show it working'
	@echo 'make test       the tests; the last line is "N passed, M failed"'
	@echo 'make check      the checks that need no boot'
	@echo 'make native     the C files of the history on this machine: readers against updates,'
	@echo '                and both stopped at every instruction'
	@echo 'make litmus     the litmus tests of the history, with the memory model of the kernel'
	@echo 'make guest RUN=prog [FILES="a b"] [APPEND="..."] [QEMU_ARGS="..."]'
	@echo '                boot and run one static arm64 program or script, with FILES'
	@echo '                beside it; status 124 is the time limit, 125 a lost machine'
	@echo 'make test SAN=name'
	@echo '                the suites on the kernel of a checker or a variant:'
	@echo '                $(sort $(basename $(notdir $(wildcard qemu/san/*))))'
	@echo 'make test-arch  KUnit on other architectures, and coccinelle'
	@echo 'make test-all   all of these, and the kernel'\''s own timers tests with and'
	@echo '                without the series; results in dist/test-all.md'
	@echo 'make bench      cost and accuracy, side by side with what exists, in dist/'
	@echo 'make series     the patches as mails in dist/series-$(BASE), with a cover letter'
	@echo 'make bisect     build and boot after each patch of the series; takes hours'
	@echo 'make faults     which test catches each fault of scripts/faults.list; FAULTS="name name"'
	@echo 'make board      for a board, in dist/: a Debian package of an arm64 defconfig kernel,'
	@echo '                and an archive of the selftests; an hour or two, see BOARD.md'
	@echo 'make board-tests'
	@echo '                the archive alone'
	@echo 'make board-debian'
	@echo '                boot Debian with them under QEMU, as a board would'
	@echo 'make kernel     build the kernel and what the guest needs'
	@echo 'make clean      remove what was built and downloaded'
	@echo
	@echo 'BASE=$(BASE)       the kernel to use: $(notdir $(wildcard bases/*))'
	@echo 'KSRC=dir       a pristine kernel source that is already there'
	@echo 'SMP=$(SMP)          processors of the guest'
	@echo 'TIMEOUT=$(TIMEOUT)    seconds until a guest is ended'
	@echo 'BOARD_CONFIG=file'
	@echo '               a configuration of your own for make board, in place of defconfig'
	@echo 'STEPS="a b"    only these steps of make test'
	@echo 'TORTURE=$(TORTURE)     seconds that each torture of make test lasts'
	@echo 'V=1            show the output of every phase'

deps:
	@mkdir -p $(log)
	@scripts/deps $(log)/deps.log $(filter clang,$(SAN)) $(DEPS)

$(build)/pristine: | deps
	$(phase)/fetch.log 'fetch $(BASE)' scripts/fetch $(BASE) $@

tree: deps $(fetched)
	$(phase)/tree.log 'patch $(BASE)' $(locked) scripts/tree $(BASE) $(pristine) $(build)

image: tree
	@$(locked) scripts/build $(build)/linux $(arm64) $(log) $(if $(SAN),Image)

base-image: deps $(fetched)
	@$(locked) scripts/build $(pristine) $(arm64)-base $(log)

$(busybox): | deps
	$(phase)/busybox.log 'fetch busybox' \
		scripts/debget bookworm arm64 busybox-static build/busybox-arm64
	@touch $@

$(build)/guest/gen_init_cpio: | tree
	@mkdir -p $(@D)
	@gcc -O2 -o $@ $(build)/linux/usr/gen_init_cpio.c

selftests := $(build)/selftests/kselftest
$(build)/selftests/stamp: scripts/selftests $(wildcard \
			  tools/testing/selftests/timers/* include/uapi/linux/* \
			  bases/$(BASE)/patches bases/$(BASE)/patches/*.patch) | tree
	$(phase)/selftests.log 'build selftests' $(locked) \
		scripts/selftests $(build)/linux $(build)/headers $(@D)
	@touch $@

$(build)/guest/base.cpio: $(build)/guest/gen_init_cpio $(busybox) $(build)/selftests/stamp \
			  scripts/initramfs qemu/init qemu/passwd
	@scripts/initramfs $@ $(build)/guest/gen_init_cpio $(busybox) $(selftests) $(build)/linux

# Our own programs for the guest
$(build)/guest/%: qemu/%.c qemu/guest.h include/uapi/linux/retroconv.h $(build)/selftests/stamp
	@aarch64-linux-gnu-gcc -O2 -Wall -Wextra -static -I $(build)/headers/usr/include -o $@ $<

programs := $(patsubst qemu/%.c,$(build)/guest/%,$(wildcard qemu/*.c)) $(build)/guest/retroconv

# The tool of the series
$(build)/guest/retroconv: $(wildcard tools/time/retroconv/*) include/uapi/linux/retroconv.h | tree
	@mkdir -p $(@D) $(build)/tool
	$(phase)/tool.log 'build retroconv' $(locked) scripts/kmake \
		-C $(build)/linux/tools/time/retroconv OUTPUT=$(build)/tool/ LDFLAGS=-static
	@cp $(build)/tool/retroconv $@

# Our own module for the guest
module: image
	$(phase)/module-prepare.log 'prepare module' $(locked) \
		scripts/kmake -C $(build)/linux O=$(arm64) modules_prepare
	$(phase)/module.log 'build module' $(locked) scripts/kmake -C $(build)/linux O=$(arm64) \
		M=$(CURDIR)/qemu/module MO=$(build)/module modules

# A checker's kernel has no modules
kernel: image $(if $(SAN)$(shell scripts/lacks $(BASE) module qemu),,module) $(build)/guest/base.cpio $(programs)

guest: kernel
	@scripts/guest $(if $(RUN),$(call path,$(RUN)),'') $(call path,$(FILES))

run: kernel
	@NAME=show scripts/guest $(build)/guest/show
	@NAME=users scripts/guest $(build)/guest/users

series: tree
	@$(locked) scripts/series $(BASE) $(build) dist/series-$(BASE)
	$(phase)/checkpatch.log 'check patches' $(locked) scripts/checkpatch $(build)/linux \
		dist/series-$(BASE)/*.patch

bisect: DEPS = arch
bisect: kernel series
	@scripts/bisect $(BASE) $(build) dist/series-$(BASE)

# What these build is part of what they judge
test: deps
	@PRISTINE=$(pristine) scripts/test

test-arch: DEPS = arch
test-arch: deps
	@scripts/test arch

test-all:
	@PRISTINE=$(pristine) scripts/test-all

# For both: what is needed is looked for once
bench: DEPS = bench
bench: bench-cost bench-accuracy
	@cat dist/cost.md dist/accuracy.md >dist/bench.md
	@echo 'results: dist/bench.md'

# With a counter that counts the instructions, and time that flies while the
# guest sleeps: 80 minutes of it
raw := $(build)/run/accuracy/raw
bench-accuracy: override QEMU_ARGS += -icount shift=0,sleep=off \
	-device virtserialport,chardev=raw,name=raw -chardev file,id=raw,path=$(raw)
bench-accuracy: override APPEND += guest.late nohz=off
bench-accuracy: override SMP := 1
bench-accuracy: DEPS = bench
bench-accuracy: kernel
	@rm -f dist/accuracy*
	$(phase)/accuracy.log 'measure accuracy' env NAME=accuracy \
		scripts/guest $(build)/guest/accuracy $(build)/module/accuracy.ko
	@scripts/accuracy $(raw) $(build)/accuracy dist

# The same module for the kernel without the series
bench-cost: kernel base-image
	$(phase)/module-base.log 'build module for the base' $(locked) sh -c \
		'scripts/kmake -C $(pristine) O=$(arm64)-base modules_prepare && \
		 scripts/kmake -C $(pristine) O=$(arm64)-base M=$(CURDIR)/qemu/module \
			MO=$(build)/module-base modules'
	@scripts/cost $(build) dist

# The archive of the selftests for a board
archive := dist/retroconv-selftests-$(BASE)-arm64.tar.gz
board-tests: $(build)/selftests/stamp $(build)/guest/retroconv
	@scripts/board-tests $(selftests)/timers/retroconv $(build)/guest/retroconv $(archive)

# The kernel of a board. It takes long: others may use the tree meanwhile.
board: DEPS = board
board: board-tests
	@mkdir -p $(build)/board
	@BOARD_CONFIG=$(call path,$(BOARD_CONFIG)) flock $(build)/board/lock scripts/board $(build)/linux $(build)/board/arm64 $(log) dist \
		board/kernel.config $(wildcard bases/$(BASE)/board.config)

# Time for a whole Debian to be installed on an emulated machine
board-debian: TIMEOUT = 1800
board-debian: board
	@scripts/board-debian "$$(cat $(build)/board/package)" $(archive) \
		build/debian $(build)/run $(log)

check: deps
	@scripts/check

# Only Debian's sid has herd7. Its libc and libgmp may be newer than ours.
herd := $(CURDIR)/build/herd
herd_packages := $(addprefix $(herd)/,herdtools7 libc6 libgmp10)
$(herd_packages): | deps
	$(phase)/$(@F).log 'fetch $(@F)' \
		scripts/debget sid "$$(dpkg --print-architecture)" $(@F) $@

litmus: deps $(fetched) $(herd_packages)
	@scripts/litmus $(pristine)/tools/memory-model $(herd) \
		$(wildcard Documentation/litmus-tests/tk_history/*.litmus)

native: deps
	@scripts/native

faults: kernel
	@scripts/faults $(FAULTS)

clean:
	rm -rf build dist

.PHONY: board board-tests board-debian help deps tree image base-image module kernel guest run test test-arch test-all bench \
	bench-accuracy bench-cost check faults litmus native series bisect clean
.NOTPARALLEL:
