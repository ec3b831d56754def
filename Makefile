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

# The tests to run, all of them if empty
STEPS ?=
# 1 shows the output of every phase as it comes
V ?= 0

export BASE SMP TIMEOUT APPEND QEMU_ARGS STEPS V
export CCACHE_DIR := $(CURDIR)/build/ccache

# Of a relative path: below the directory where make was called, or this one
PWD ?= $(CURDIR)
path = $(foreach f,$(1),$(firstword $(wildcard $(if $(filter /%,$(f)),$(f),\
	$(PWD)/$(f) $(CURDIR)/$(f))) $(f)))

build := $(CURDIR)/build/$(BASE)
log := $(build)/log
pristine := $(if $(KSRC),$(call path,$(KSRC)),$(build)/pristine)
fetched := $(if $(KSRC),,$(pristine))
arm64 := $(build)/arm64
busybox := $(CURDIR)/build/busybox-arm64/bin/busybox
phase := @scripts/phase $(log)
# Two makes at once must not write the same tree
locked := flock $(build)/lock

help:
	@echo 'make run        build the kernel, boot it under QEMU with pKVM, show it working'
	@echo 'make test       the tests; the last line is "N passed, M failed"'
	@echo 'make check      the checks that need no boot'
	@echo 'make guest RUN=prog [FILES="a b"] [APPEND="..."] [QEMU_ARGS="..."]'
	@echo '                boot and run one static arm64 program or script, with FILES'
	@echo '                beside it; status 124 is the time limit, 125 a lost machine'
	@echo 'make test-all   test, and the kernel'\''s own timers tests with and without the series'
	@echo 'make kernel     build the kernel and what the guest needs'
	@echo 'make clean      remove what was built and downloaded'
	@echo
	@echo 'BASE=$(BASE)       the kernel to use: $(notdir $(wildcard bases/*))'
	@echo 'KSRC=dir       a pristine kernel source that is already there'
	@echo 'SMP=$(SMP)          processors of the guest'
	@echo 'TIMEOUT=$(TIMEOUT)    seconds until a guest is ended'
	@echo 'STEPS="a b"    only these steps of make test'
	@echo 'V=1            show the output of every phase'

deps:
	@mkdir -p $(log)
	@scripts/deps $(log)/deps.log

$(build)/pristine: | deps
	$(phase)/fetch.log 'fetch $(BASE)' scripts/fetch $(BASE) $@

tree: deps $(fetched)
	$(phase)/tree.log 'patch $(BASE)' $(locked) scripts/tree $(BASE) $(pristine) $(build)

image: tree
	@$(locked) scripts/build $(build)/linux $(arm64) $(log)

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
$(build)/guest/%: qemu/%.c include/uapi/linux/retroconv.h $(build)/selftests/stamp
	@aarch64-linux-gnu-gcc -O2 -Wall -Wextra -static -I $(build)/headers/usr/include -o $@ $<

programs := $(patsubst qemu/%.c,$(build)/guest/%,$(wildcard qemu/*.c))

# Our own module for the guest
module: image
	$(phase)/module-prepare.log 'prepare module' $(locked) \
		scripts/kmake -C $(build)/linux O=$(arm64) modules_prepare
	$(phase)/module.log 'build module' $(locked) scripts/kmake -C $(build)/linux O=$(arm64) \
		M=$(CURDIR)/qemu/module MO=$(build)/module modules

kernel: image module $(build)/guest/base.cpio $(programs)

guest: kernel
	@scripts/guest $(if $(RUN),$(call path,$(RUN)),'') $(call path,$(FILES))

run: kernel
	@NAME=show scripts/guest $(build)/guest/show
	@NAME=users scripts/guest $(build)/guest/users

# What these build is part of what they judge
test: deps
	@PRISTINE=$(pristine) scripts/test

test-all: test
	@$(MAKE) --no-print-directory kernel base-image
	@scripts/regression

check: deps
	@scripts/check

clean:
	rm -rf build dist

.PHONY: help deps tree image base-image module kernel guest run test test-all check clean
.NOTPARALLEL:
