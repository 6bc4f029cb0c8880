"""What counts as a crash on a console, and what only looks like one."""

from __future__ import annotations

import pytest

from xentest.verdict import console

XEN_PANIC = """\
[   41.873521] xentest: START dom0 3-xenfc
(XEN) Assertion 'page_get_owner(page) == d' failed at arch/x86/mm.c:2471
(XEN) ----[ Xen-4.17.5  x86_64  debug=y  Not tainted ]----
(XEN) CPU:    1
(XEN) RIP:    e008:[<ffff82d04031d8c5>] put_page_from_l1e+0x1b3/0x1c2
(XEN) Xen call trace:
(XEN)    [<ffff82d04031d8c5>] R put_page_from_l1e+0x1b3/0x1c2
(XEN)
(XEN) ****************************************
(XEN) Panic on CPU 1:
(XEN) Assertion 'page_get_owner(page) == d' failed at arch/x86/mm.c:2471
(XEN) ****************************************
(XEN)
(XEN) Reboot in five seconds...
"""

OOPS = """\
[    0.000000] Linux version 6.1.0-18-amd64
[    0.000000] Command line: root=/dev/xvda console=hvc0 panic=5 oops=panic
[   12.100000] xentest: START guest1 2-ltp
[   13.524321] BUG: kernel NULL pointer dereference, address: 0000000000000008
[   13.524330] #PF: supervisor read access in kernel mode
[   13.524401] Oops: 0000 [#1] PREEMPT SMP PTI
[   13.530000] Kernel panic - not syncing: Fatal exception
"""

BENIGN = """\
(XEN) Command line: console=com1 noreboot=Panic on CPU 0:
(XEN) Xen WARN at arch/x86/smpboot.c:88
(XEN) Scrubbing Free RAM in background.
(d1) Panic on CPU 0:
(d1) FATAL TRAP: vector = 13
(d12) (XEN) Panic on CPU 0:
[2026-01-31 02:30:00] (d1) (XEN) Xen BUG at x.c:1
(d1) [    4.310000] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    0.000000] Kernel command line: panic=5 softlockup_panic=1 BUG: ignore
[    0.100000] Kernel panic timeout set to 5 s
[    4.200000] xentest: START guest1 1-BUG: and Kernel panic - not syncing
[    4.300000] traps: prog[123] general protection fault ip:401136 sp:7ffe error:0 in prog[401000]
[    4.310000] prog[124]: segfault at 0 ip 0000000000401136 sp 00007ffe error 4
[    4.400000] WARNING: CPU: 0 PID: 1 at kernel/sched/core.c:1 foo+0x1/0x2
[    4.500000] Memory cgroup out of memory: Killed process 99 (oom01)
[    4.600000] rcu: Hierarchical RCU implementation.
[    4.700000] rcu: RCU calculated value of scheduler-enlistment delay is 25 jiffies.
[    4.800000] systemd[1]: Started detect Kernel panic and BUG: reporter.
[    4.900000] watchdog: Delayed init of the lockup detector
guest1 login: echo "BUG: no bug at all"
[    5.000000] xentest: END guest1 1-BUG: and Kernel panic - not syncing pass
"""


@pytest.mark.parametrize(
    "line, kind",
    [
        ("(XEN) Panic on CPU 0:", "Xen panic"),
        ("(XEN) [  12.345678] Panic on CPU 0:", "Xen panic"),
        ("(XEN) [2024-01-01 10:00:00.123] Xen BUG at common/timer.c:35", "Xen BUG"),
        ("(XEN) Assertion '!ret' failed at grant_table.c:12", "Xen assertion"),
        ("(XEN) FATAL TRAP: vector = 6 (invalid opcode)", "Xen fatal trap"),
        ("(XEN) FATAL PAGE FAULT", "Xen fatal page fault"),
        ("(XEN) *** DOUBLE FAULT ***", "Xen double fault"),
        ("(XEN) DOUBLE FAULT -- system shutdown", "Xen double fault"),
        ("(XEN) CONTROL-FLOW PROTECTION FAULT: #CP[0001] endbr", "Xen control-flow violation"),
        ("(XEN) Watchdog timer detects that CPU1 is stuck!", "Xen watchdog"),
        ("(XEN) UBSAN: Undefined behaviour in common/timer.c:1:2", "Xen UBSAN"),
        ("(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.", "Xen stopped"),
        ("[   23.1] eth0: link(XEN) Xen BUG at x.c:1", "Xen BUG"),
        ("Kernel panic - not syncing: VFS: Unable to mount root fs", "Linux panic"),
        ("[    1.0] kernel BUG at mm/slub.c:305!", "Linux BUG"),
        ("[    1.0][  T12] BUG: KASAN: use-after-free in foo+0x1/0x2", "Linux BUG"),
        ("[   40.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]", "Linux BUG"),
        ("[   40.0] NMI watchdog: Watchdog detected hard LOCKUP on cpu 0", "Linux lockup"),
        ("[   40.0] rcu: INFO: rcu_preempt self-detected stall on CPU", "Linux RCU stall"),
        ("[   40.0] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", "Linux RCU stall"),
        ("[  242.1] INFO: task dd:99 blocked for more than 120 seconds.", "Linux hung task"),
        ("[    1.0] Oops: 0002 [#1] SMP", "Linux oops"),
        (
            "[    1.0] general protection fault, probably for non-canonical address 0x1: 0000 [#1]",
            "Linux general protection fault",
        ),
        ("[    1.0] UBSAN: shift-out-of-bounds in lib/x.c:1:2", "Linux UBSAN"),
        ("[    1.0] Out of memory: Killed process 12 (test)", "Linux out of memory"),
        ("guest1 login: [   13.5] BUG: unable to handle page fault", "Linux BUG"),
        ("\x1b[0;1m[   13.5] BUG: unable to handle page fault\r", "Linux BUG"),
    ],
)
def test_each_crash_line_is_found(line: str, kind: str) -> None:
    findings = console.scan(f"[ 0.1] well\n{line}\n[ 9.9] more\n")
    assert [finding.kind for finding in findings] == [kind]
    assert findings[0].offset == len("[ 0.1] well\n")


def test_the_first_finding_is_the_cause_and_names_its_test() -> None:
    finding = console.cause(XEN_PANIC)
    assert finding is not None and finding.kind == "Xen assertion"
    assert finding.test == "dom0 3-xenfc"
    assert "put_page_from_l1e" in finding.excerpt
    assert len(finding.excerpt.splitlines()) <= 20
    panic = console.scan(XEN_PANIC)[1]
    assert panic.title.startswith("Xen panic: Panic on CPU 1: Assertion 'page_get_owner")


def test_linux_oops_comes_before_its_panic() -> None:
    kinds = [finding.kind for finding in console.scan(OOPS)]
    assert kinds == ["Linux BUG", "Linux oops", "Linux panic"]
    assert console.scan(OOPS)[0].test == "guest1 2-ltp"


def test_what_only_looks_like_a_crash_is_none() -> None:
    assert console.scan(BENIGN) == []


def test_a_finding_after_its_tests_end_belongs_to_none() -> None:
    text = "xentest: START d 1-a b\nxentest: END d 1-a b pass\n[ 1.0] BUG: late\n"
    assert console.scan(text)[0].test == ""


def test_lack_of_memory_is_the_last_explanation() -> None:
    text = "[ 1.0] Out of memory: Killed process 1 (a)\n[ 2.0] BUG: worse\n"
    found = console.cause(text)
    assert found is not None and found.title == "Linux BUG: BUG: worse"
    found = console.cause(text.splitlines()[0])
    assert found is not None and found.kind == console.OOM


def test_a_flood_ends_and_hides_nothing() -> None:
    flood = "BUG: x\n" * 20_000
    text = flood + "[ 9.0] xentest: START guest1 7-t\n" + OOPS.splitlines()[3] + "\n" + flood
    findings = console.scan(text)
    assert len(findings) <= 3 * console.MAX_ALIKE
    (first, *_) = [item for item in findings if item.test == "guest1 7-t"]
    assert "NULL pointer" in first.title and first.excerpt.count("\n") == 19


def test_a_finding_at_the_very_end_is_whole() -> None:
    finding = console.cause("one\n(XEN) Panic on CPU 1:\n(XEN) too bad")
    assert finding is not None
    assert finding.title == "Xen panic: Panic on CPU 1: too bad"
    assert finding.excerpt == "one\n(XEN) Panic on CPU 1:\n(XEN) too bad"


def test_last_line_is_the_last_that_says_something() -> None:
    assert console.last_line("one\n\x1b[31mtwo\x1b[0m\r\n\n  \n") == "two"
    assert console.last_line("") == ""
