"""The summary that a person reads in the morning."""

from __future__ import annotations

import io

from xentest.progress import Progress
from xentest.report import text
from xentest.results import Result, Status, Subtest

FACTS = {
    "id": "20240131-023000",
    "tree": "xen-unstable",
    "hypervisor": "Xen 4.17.5",
    "status": "crash",
    "phases": [{"name": "tests", "seconds": 12.34}],
}


def test_every_result_stands_in_the_table_and_only_bad_ones_are_explained() -> None:
    results = [
        Result("dom0", "good", 1, Status.PASS, duration=1.5),
        Result("dom0", "bad", 2, Status.FAIL, "expected 1, got 2"),
        Result("guest1", "lazy", 1, Status.SKIP, "no KVM here"),
    ]
    summary = text.summary(FACTS, results, "/runs/x")
    assert "dom0    1-good  pass         1.5" in summary
    assert "3 results: 1 pass, 1 skip, 1 fail" in summary
    assert "dom0 2-bad: fail\n  expected 1, got 2\n  logs: /runs/x/domains/dom0/2-bad" in summary
    assert "guest1 1-lazy: skip\n  no KVM here" in summary
    assert "dom0 1-good: pass" not in summary
    assert "hypervisor:  Xen 4.17.5" in summary
    assert "tests     12.3" in summary


def test_a_crash_shows_its_console() -> None:
    result = Result("d", "t", 1, Status.CRASH, "d is down", console="(XEN) Panic\n(XEN) more")
    summary = text.summary(FACTS, [result], "/runs/x")
    assert "    | (XEN) Panic\n    | (XEN) more" in summary


def test_failed_subtests_are_listed_up_to_ten() -> None:
    subtests = [Subtest(f"case{number}", Status.FAIL, "no") for number in range(12)]
    subtests.append(Subtest("fine", Status.PASS))
    result = Result("d", "t", 1, Status.FAIL, "no", subtests=subtests)
    summary = text.summary(FACTS, [result], "/runs/x")
    assert "  case9: fail no" in summary and "case10" not in summary
    assert "and 2 more" in summary and "fine" not in summary


def test_what_a_guest_says_cannot_command_the_terminal() -> None:
    result = Result("d", "t", 1, Status.CRASH, "\x1b[2Jgone", console="\x1b]0;title\x07")
    summary = text.summary({**FACTS, "reason": "\x1b[31m"}, [result], "/runs/x")
    assert "\x1b" not in summary and "\x07" not in summary


def test_nor_can_it_while_the_run_goes() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    progress.say("xl says \x1b[2J\x07 gone")
    with progress.step("\x9b31m"):
        pass
    assert stream.getvalue().startswith("xl says ?[2J? gone\n?31m: ")


def test_what_a_guest_says_cannot_pass_for_a_line_of_ours() -> None:
    lie = "x\n\nguest2 1-t: pass\n\t"
    subtests = [Subtest("a" + lie, Status.FAIL, lie)]
    result = Result("d", "t", 1, Status.FAIL, lie, subtests=subtests, console="a\nguest2 1-t")
    summary = text.summary({**FACTS, "reason": lie}, [result], "/runs/x")
    assert not [line for line in summary.splitlines() if line.startswith("guest2")]


def test_a_run_without_results_says_so() -> None:
    assert "no results" in text.summary(FACTS, [], "/runs/x")
