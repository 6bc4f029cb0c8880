# xentest: see README.md.  make deps | nightly | check | install
PREFIX ?= /usr/local
DESTDIR ?=
LIBRARY = $(PREFIX)/lib/xentest
COMMANDS = xenbuild xenstartdoms xenruntests
PYTHON = /usr/bin/python3

# Debian packages: to run (on a machine under test), to build Xen, and its tools, to make the lab, to check.
RUN_PACKAGES = python3 git ca-certificates zstd xz-utils bzip2 patch
XEN_PACKAGES = build-essential bison flex dpkg-dev
TOOLS_PACKAGES = autoconf autotools-dev libncurses-dev uuid-dev libyajl-dev python3-dev python3-setuptools \
	pkg-config zlib1g-dev acpica-tools gettext
LAB_PACKAGES = qemu-system-x86 qemu-utils mmdebstrap grub-common grub-pc-bin xorriso mtools \
	e2fsprogs kmod cpio lz4 busybox-static
PAYLOAD_PACKAGES = libxen-dev libluajit-5.1-dev lua-ljsyscall
CHECK_PACKAGES = libcmocka-dev python3-pytest python3-pytest-xdist python3-hypothesis mypy black flake8 \
	shellcheck groff-base libvirt-clients libvirt-daemon libvirt-daemon-driver-qemu

.PHONY: all deps deps-tools check check-mutants fuzz lint nightly install clean

all:

deps:
	tools/install-packages $(RUN_PACKAGES) $(XEN_PACKAGES) $(LAB_PACKAGES) \
		$(PAYLOAD_PACKAGES) $(CHECK_PACKAGES)

deps-tools:
	tools/install-packages $(TOOLS_PACKAGES)

# Whether xenfc sees the planted bugs of tests/mutants: builds Xen about forty times.
check-mutants: deps
	tools/check-mutants

# Strangers' bytes for rushit: needs clang.  RUNS=N for a short look.
fuzz:
	$(MAKE) -C payloads/rushit fuzz

# Debian's Xen, or the one at the address TREE with its own tools.
nightly: deps $(if $(TREE),deps-tools)
ifdef TREE
	xen=$$($(PYTHON) -m xentest.prebuilt --tools '$(TREE)') && \
		./xenlab run controls/nightly.cfg --hypervisor "$$xen"
else
	./xenlab run controls/nightly.cfg
endif

check: deps lint
	tools/check

# Python and shell that have no ending of their own.
PYTHON_TOOLS = $(addprefix tools/,check bench-night make-man check-mutants) \
	$(addprefix payloads/,xenfc/ring0/boot xenfc/ring0/minimise xenfc/coverage/report xenfc/coverage/measure \
		rushit/bench oneway/bench/harness-cost virtbench/tests/agreement/agree)
SHELL_TOOLS = $(addprefix payloads/,xenfc/ring0/run-guest xenfc/coverage/in-dom0.sh vsock/bench/rates vsock/vsock-both.sh rushit/between-domains.sh \
		rushit/vsock-loopback.sh) tests/lab/*.sh \
	payloads/virtbench/backends/guest payloads/virtbench/backends/qemu-guest \
	payloads/virtbench/backends/stop-process payloads/virtbench/backends/*/st*

lint:
	black -q -l 100 --check xentest tests $(PYTHON_TOOLS)
	mypy --strict xentest
	flake8 --max-line-length 100 --extend-ignore=E203,W503 xentest tests
	shellcheck -S warning -s sh init.d/xentest controls/tests/*.sh tools/install-packages $(SHELL_TOOLS) \
		$(addprefix xentest/lab/files/,init start start-host start-control-domain start-guest \
		shared-folders services stop vif-lab block-lab)

# `make install MAN= PAYLOADS=` leaves the manual pages and the test programs out.
install: MAN = $(PREFIX)/share/man/man8
install: PAYLOADS = payloads
install:
	install -d $(DESTDIR)$(LIBRARY) $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)/etc/init.d
	find xentest -name __pycache__ -prune -o -type f -exec cp --parents -t $(DESTDIR)$(LIBRARY) {} +
	install -m 755 $(COMMANDS) xenlab $(DESTDIR)$(LIBRARY)/
	for name in $(COMMANDS) xenlab; do \
		ln -sf $(LIBRARY)/$$name $(DESTDIR)$(PREFIX)/sbin/$$name || exit 1; done
	sed 's|@LIBRARY@|$(LIBRARY)|' init.d/xentest > $(DESTDIR)/etc/init.d/xentest
	chmod 755 $(DESTDIR)/etc/init.d/xentest
	$(PYTHON) -m compileall -q --invalidation-mode unchecked-hash -s $(DESTDIR) -p / $(DESTDIR)$(LIBRARY)
	[ -z "$(PAYLOADS)" ] || $(MAKE) -C $(PAYLOADS) install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	[ -z "$(MAN)" ] || tools/make-man $(DESTDIR)$(MAN) $(COMMANDS) xenlab
	[ -n "$(DESTDIR)" ] || ! command -v update-rc.d > /dev/null || update-rc.d xentest defaults

clean:
	$(MAKE) -C payloads clean
	find . -name __pycache__ -prune -exec rm -rf {} +
	rm -rf .mypy_cache .pytest_cache .hypothesis
