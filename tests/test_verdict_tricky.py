"""Reports that lie, are torn, or look strange and are good, as the real tools print them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from xentest import verdict
from xentest.verdict import findings, ktap, text

CASE = '<testcase name="a"/>'
KSELFTEST = "TAP version 13\n1..1\n# TAP version 13\n# 1..2\n# ok 1 a\n# {}\n# {}\n{}\n"
KUNIT = """KTAP version 1
1..1
    KTAP version 1
    # Subtest: suite
    1..2
    ok 1 a
    {}
# Totals: pass:1 fail:1 skip:0 total:2
{} 1 suite
"""
KTAP = [
    # A known failure of a test covers what fails below it; nothing else does.
    ("TAP version 14\n1..1\n    1..1\n    not ok 1 - b\nnot ok 1 - p # TODO later\n", 0, "xfail"),
    ("KTAP version 1\n1..1\n  1..1\n  not ok 1 b\nnot ok 1 p # XFAIL\n", 0, "xfail"),
    ("KTAP version 1\n1..1\n  1..1\n  not ok 1 b\nok 1 p # SKIP no\n", 0, "fail"),
    ("KTAP version 1\n1..1\n  1..2\n  not ok 1 b\nnot ok 1 p # XFAIL\n", 0, "error"),
    # kselftest's runner quotes the report of each program; its exit status may lie.
    (KSELFTEST.format("ok 2 b", "# Totals: fail:0", "ok 1 selftests: kvm: x"), 0, "pass"),
    (KSELFTEST.format("not ok 2 b", "", "ok 1 selftests: kvm: x"), 0, "fail"),
    (KSELFTEST.format("not ok 2 b # SKIP", "", "ok 1 selftests: kvm: x"), 0, "pass"),
    (KSELFTEST.format("not ok 2 b # SKIP", "", "ok 1 selftests: kvm: x # SKIP"), 0, "skip"),
    (KSELFTEST.format("not ok 2 b", "", "ok 1 selftests: kvm: x # SKIP"), 0, "fail"),
    (KSELFTEST.format("not ok 2 b # TIMEOUT 5", "", "ok 1 selftests: kvm: x"), 0, "timeout"),
    (KSELFTEST.format("not ok 2 b", "", "not ok 1 selftests: kvm: x # exit=1"), 1, "fail"),
    ("1..1\n# not ok 7 days without rain\nok 1 a\n", 0, "pass"),
    # kunit, also through the kernel's log.
    (KUNIT.format("not ok 2 b", "not ok"), 0, "fail"),
    (KUNIT.format("ok 2 b", "ok"), 0, "error"),
    (
        "".join(f"[    {i}.1] {line}\n" for i, line in enumerate("1..1|ok 1 a".split("|"))),
        0,
        "pass",
    ),
    # A report that ended where it began, before that of another program.
    ("TAP version 13\nTAP version 13\n1..1\nok 1 a\n", 0, "error"),
    ("KTAP version 1\nSegmentation fault\nKTAP version 1\n1..1\nok 1 a\n", 0, "error"),
    ("TAP version 13\n1..1\nok 1 a\nTAP version 13\n1..1\nok 1 b\n", 0, "pass"),
    ("1..1\nok 1 a\n# ok - one\n1..1\nok 1 b\n# ok - two\n", 0, "pass"),
    ("1..1\nnot ok 1 a\n1..1\nok 1 b\n", 0, "fail"),
    ("1..1\nok 1 a\n1..1\nnot ok 1 b\n", 0, "fail"),
    ("1..1\nok 1 a\n1..2\nok 1 b\n", 0, "error"),
    ("1..2\nok 1 a\n1..1\nok 1 b\n", 0, "error"),
    ("ok 1 a\nok 2 b\n1..2\n1..2\n", 0, "error"),
    ("ok 1 a\nok 2 b\n1..2\nok 1 c\n1..1\n", 0, "pass"),
    ("ok 1 a\nok 2 b\n1..2\nnot ok 1 c\n1..1\n", 0, "fail"),
    ("ok 1 a\nok 2 b\n1..2\nok 1 c\n", 0, "error"),
    ("ok 1 a\nok 2 b\n1..2\nok 1 c\n1..2\n", 0, "error"),
    ("ok 1 a\n1..1\nok 1 a\nok 2 b\nok 1 c\n1..1\n", 0, "error"),
    ("    ok 1 a\n    1..1\nok 1 p\n1..1\n    not ok 1 a\n    1..1\nok 1 q\n1..1\n", 0, "fail"),
    ("1..0 # SKIP no net\nok 1 c\n1..1\n", 0, "skip"),
    ("1..0 # SKIP no net\n1..1\nok 1 c\n", 0, "skip"),
    ("1..0 # SKIP no net\nok 1 c\n", 0, "error"),
    ("1..0\nok 1 c\n1..1\n", 0, "error"),
    # A bare `ok` without a line's end: whole if the runner says so, else what is left of a line.
    ("1..2\nok 1 a\nok", 0, "pass"),
    ("1..2\nok 1 a\nok", 3, "error"),
    ("1..2\nok 1 a\nok\n", 3, "fail"),
    ("ok 1 a\nok", 0, "error"),
    ("1..3\nok 1 a\nok", 0, "error"),
    # Lines that were torn, overwritten, or never ended.
    ("1..2\nok 1 a\nnot [   12.3] usb 1-1: new device\nok 2 b\n", 0, "error"),
    ("1..1\nok 1 a\nnot o", 0, "error"),
    ("1..1\nok 1 a\rnot ok 1 a\n", 0, "error"),
    ("1..1\n10 %\r60 %\rok 1 a\n", 0, "pass"),
    ("1..1\n" + "60 %\r" * 9000 + "ok 1 a\n", 0, "pass"),
    ("1..2\r\nok 1 a\r\r\nok 2 b # SKIP x\r\n", 0, "skip"),
    ("1..2\rok 1 a\rnot ok 2 b\r", 0, "fail"),
    # Bytes.
    (b"\xef\xbb\xbf1..1\nok 1 a\n", 0, "pass"),
    (b"1..2\nok 1 a\n\0\0not ok 2 b\n", 0, "fail"),
    (b"1..1\nok 1 \xff\xfe\0\x07\n", 0, "pass"),
    ("1..1\nok 1 a\u2028not ok 2 b\n", 0, "pass"),
    ("1..1\n\x1b(B\x1b[mnot ok 1 a\x1b(B\n", 0, "fail"),
    ("\x1b]0;a title\x071..1\nok 1 a\n", 0, "pass"),
    # Numbers.
    ("1..1\nok " + "9" * 5000 + " a\n", 0, "error"),
    ("1.." + "9" * 5000 + "\nok 1 a\n", 0, "error"),
    ("1..\u00b2\nok \u00b2\nok 2\n", 0, "error"),
    # Words that are no results, and YAML that quotes some.
    ("1..1\nok 1 a # issue 7\n  ---\n  was: not ok 7 - b\n  not ok 7 - b\n  ...\n", 0, "pass"),
    ("TAP version 14\n1..1\nok 1 - a \\# SKIP b\n", 0, "pass"),
    ("1..1\nnot ok 1 - issue #42 TODO list\n", 0, "fail"),
    ("1..1\nnot ok 1 - clean # TODOs remain\n", 0, "fail"),
    ("1..1\nnot ok 1 - the #skiplist is sorted\n", 0, "fail"),
    ("1..1\nnot ok 1 - a #skip-nav link is there\n", 0, "fail"),
    ("1..1\nnot ok 1 - a #todo-list opens\n", 0, "fail"),
    ("1..1\nnot ok 1 - the #skiplist is sorted # TODO later\n", 0, "xfail"),
    ("1..1\nnot ok 1 - rfc2616#todo\n", 0, "fail"),
    ("1..1\nnot ok 1 - a # SKIPPED: no net\n", 0, "skip"),
    ("1..1\nnot ok 1 - a # TODO(x) later\n", 0, "xfail"),
    ("1..1\nok 1 - a # SKIPPED: no net\n", 0, "skip"),
]


def judge(tmp_path: Path, form: str, report: str | bytes, status: int) -> verdict.Verdict:
    output = tmp_path / "output"
    output.write_bytes(report if isinstance(report, bytes) else report.encode())
    return verdict.read(form, output, status, tmp_path)


@pytest.mark.parametrize("report, code, status", KTAP)
def test_ktap(tmp_path: Path, report: str | bytes, code: int, status: str) -> None:
    found = judge(tmp_path, "ktap", report, code)
    assert found.status.value == status, found


def test_a_quoted_failure_is_named_by_its_program(tmp_path: Path) -> None:
    report = KSELFTEST.format("not ok 2 b", "not ok 3 c", "ok 1 selftests: kvm: x")
    found = judge(tmp_path, "ktap", report, 0)
    assert found.reason == "selftests: kvm: x/b (+1 more)"


COUNTS = "\nSummary:\npassed   {}\nfailed   0\nbroken   0\nskipped  0\nwarnings 0\n"
PASSED = "tst_test.c:9: TINFO: x\na.c:5: TPASS: fine\n" + COUNTS.format(1)
PAN = """<<<test_start>>>
tag={} stime=1700000000
cmdline="x"
<<<test_output>>>
{}<<<execution_status>>>
initiation_status="{}"
duration=0 termination_type=exited termination_id=0 corefile=no
cutime=0 cstime=0
<<<test_end>>>
"""
GOOD_PAN = PAN.format("a", PASSED, "ok")
LOG = """Testcase                                           Result     Exit Value
a                                                  {}       {}
Total Tests: 1
Total Skipped Tests: 0
Total Failures: {}
"""
PLAIN = "tag=a stime=1 dur=0 exit=exited stat=0 core=no cu=0 cs=0\n"
LTP = [
    (PASSED[: PASSED.index("failed ")], 0, "error"),
    (PASSED[: PASSED.index("warnings")], 0, "error"),
    (PASSED.replace("failed   0", "failed   " + "9" * 6000), 0, "fail"),
    (PASSED.replace("\n", "\r\n"), 0, "pass"),
    (PASSED + "b.c:5: TINFO: nothing\n" + COUNTS.format(0), 0, "error"),
    (GOOD_PAN + "INFO: ltp-pan reported all tests PASS\n", 0, "pass"),
    (GOOD_PAN + "INFO: ltp-pan reported some tests FAIL\n", 0, "error"),
    (GOOD_PAN + PAN.format("b", "", "pan(1): execvp of 'b' failed.  errno:2"), 0, "error"),
    (GOOD_PAN + LOG.format("PASS", 0, 0), 0, "pass"),
    (GOOD_PAN + LOG.format("FAIL", 1, 1), 0, "fail"),
    (GOOD_PAN + "<<<test_start>>>\n", 0, "error"),
    (GOOD_PAN + "<<<test_start>>>\ntag=b sti", 0, "error"),
    (PAN.format("a", "a.c:9: TCONF: no\n" + COUNTS.format(0), "ok"), 0, "skip"),
    (PLAIN, 0, "pass"),
    (PLAIN + PLAIN[:-30], 0, "error"),
    (PLAIN + PLAIN.replace("=a", "=b").replace("stat=0", "stat=32"), 0, "skip"),
    (PLAIN + PLAIN.replace("exited stat=0", "signaled stat=11"), 0, "fail"),
]
KIRK_2_0 = "Starting suite: s\n---\n{}\n\nExecution time: 1s\n\nSuite Name: s\nTotal Run: 1\n{}\n"
KIRK_3 = "\nStarting suite: s\n-----\n{}\n\nExecution time: 1s\n\n\tSuite:       s\n\t{}\n"
KIRK_4 = "Suite: s\n────\n{}\n\nExecution time: 1s\n\nSuite:   s\nRuns:    1\n\nResults:\n    {}\n"
KIRK = [
    ("a: pass  (0.003s)", "Failed:   0", "pass"),
    ("a: fail  (0.003s)", "Failed:   1", "fail"),
    ("a: \x1b[1;32mpass\x1b[0m  (1h 2m 3s)", "Passed:   4", "pass"),
    ("a (1/2): pass  (0.003s)\nb (2/2): skip  (0.1s)", "Skipped:  1", "skip"),
    ("a: pass  (0.003s)", "Failed:   1", "error"),
    ("a: pass  (0.003s)", "Warnings: 2", "error"),
    ("a: pass  (0.003s)\nb (2/2):   (0.003s)", "Passed:   1", "error"),
    ("a: pass  (0.003s)\nb: splendid  (0.003s)", "Passed:   1", "error"),
    ("a: pass  (0.003s)\nb: kernel panic", "Broken:   1", "crash"),
    ("a: pass  (0.003s)\nSuite 's' timed out after 60 seconds", "Passed:   1", "timeout"),
    ("", "Passed:   0", "error"),
]


@pytest.mark.parametrize("report, code, status", LTP)
def test_ltp(tmp_path: Path, report: str, code: int, status: str) -> None:
    found = judge(tmp_path, "ltp", report, code)
    assert found.status.value == status, found


@pytest.mark.parametrize("form", [KIRK_2_0, KIRK_3, KIRK_4])
@pytest.mark.parametrize("lines, count, status", KIRK)
def test_kirk_of_all_times(tmp_path: Path, form: str, lines: str, count: str, status: str) -> None:
    found = judge(tmp_path, "kirk", form.format(lines, count), 0)
    assert found.status.value == status, found
    cut = form[: form.index("Execution")].format(lines)
    assert not judge(tmp_path, "kirk", cut, 0).status.good, "a suite that did not end"


@pytest.mark.parametrize("form", [KIRK_2_0, KIRK_4])
@pytest.mark.parametrize("count, status", [("1", "pass"), ("2", "error")])
def test_kirk_counts_what_it_ran(tmp_path: Path, form: str, count: str, status: str) -> None:
    report = form.replace("1\n", f"{count}\n").format("a: pass  (0.003s)", "Failed: 0")
    assert judge(tmp_path, "kirk", report, 0).status.value == status


@pytest.mark.parametrize(
    "details, stats, status",
    [
        ({}, {}, "pass"),
        ({}, {"failed": 1}, "error"),
        ({"passed": 0}, {}, "fail"),
        ({"warnings": 1}, {}, "fail"),
        ({"failed": "1"}, {}, "fail"),
    ],
)
def test_kirk_json(
    tmp_path: Path, details: dict[str, object], stats: dict[str, int], status: str
) -> None:
    test = {"retval": ["0"], "passed": 1, "failed": 0, "broken": 0, "warnings": 0, **details}
    entries = [{"test_fqn": "a", "status": "pass", "test": test}]
    counts = {"passed": 1, "failed": 0, "broken": 0, **stats}
    report = json.dumps({"results": entries, "stats": counts})
    assert judge(tmp_path, "kirk", report, 0).status.value == status


FAILING = [
    ("ktap", "TAP version 13\n1..3\nok 1 a\nnot ok 2 b\nok 3 c\n"),
    ("ktap", KUNIT.format("not ok 2 b", "not ok")),
    ("ktap", KSELFTEST.format("not ok 2 b", "", "not ok 1 selftests: kvm: x # exit=1")),
    (
        "ltp",
        "a.c:5: TPASS: yes\na.c:6: TFAIL: no\n"
        + COUNTS.format(1).replace("failed   0", "failed   1"),
    ),
    ("ltp", LOG.format("FAIL", 1, 1)),
    ("kirk", KIRK_2_0.format("a: pass  (0.003s)\nb: fail  (0.003s)", "Failed Tests: 1")),
    ("kirk", KIRK_3.format("a: pass  (0.003s)\nb: fail  (0.003s)", "Failed:   1")),
    ("kirk", KIRK_4.format("a: pass  (0.003s)\nb: fail  (0.003s)", "Failed:   1")),
    (
        "junit",
        '<testsuite tests="1">\n<testcase name="a"><failure/></testcase>\n</testsuite>',
    ),
    (
        "xtf",
        "Executing 'xl create -p test-a.cfg'\n--- Xen Test Framework ---\nTest result: FAILURE\n",
    ),
]


@pytest.mark.parametrize("form, report", FAILING)
def test_no_cut_or_lost_line_makes_a_failure_good(tmp_path: Path, form: str, report: str) -> None:
    lines = report.splitlines(keepends=True)
    fewer = ["".join(lines[:i] + lines[i + 1 :]) for i in range(len(lines))]
    for part in [report, *fewer, *(report[:end] for end in range(len(report)))]:
        assert not judge(tmp_path, form, part, 0).status.good, part


def test_a_guest_that_was_created_and_said_nothing_has_crashed(tmp_path: Path) -> None:
    good = "Executing 'xl create -p /x/test-a.cfg'\nExecuting 'xl console test-a'\n"
    good += "--- Xen Test Framework ---\nTest result: SUCCESS\n"
    table = "Combined test results:\ntest-a   SUCCESS\n"
    assert judge(tmp_path, "xtf", good + table, 0).status.value == "pass"
    found = judge(tmp_path, "xtf", good + "Executing 'xl create -p /x/test-b.cfg'\n", 0)
    assert found.status.value == "crash" and found.reason.startswith("test-b")


FLOODS = {
    "ktap": ["ok\n", "  ok - x\n"],
    "ltp": ["a.c:1: TPASS: x\n", "a: pass  (1s)\n"],
    "junit": [CASE],
    "xtf": ["Test result: SUCCESS\n"],
}


@pytest.mark.parametrize("form, line", [(form, line) for form in FLOODS for line in FLOODS[form]])
def test_a_flood_of_results_is_left(
    tmp_path: Path, form: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "MAX_RESULTS", 100)
    monkeypatch.setattr(ktap, "MAX_LISTED", 50)  # what waits for its parent counts when it is over
    head = "Suite: s\n" if "pass" in line else "<testsuite>" if form == "junit" else ""
    found = judge(tmp_path, form, head + line * 200, 0)
    assert found.status.value == "error" and "the rest was not read" in found.reason
    assert len(found.subtests) == 100


@pytest.mark.parametrize("form", ["ktap", "ltp", "kirk", "junit", "xtf"])
def test_a_report_without_end_is_left(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "MAX_REPORT", 1 << 20)  # of lines; the others are read at once
    (tmp_path / "output").touch()
    with (tmp_path / "report").open("wb") as stream:
        stream.write(b"1..1\nok 1 a\n")
        stream.truncate(1 << 40)
    found = verdict.read(f"{form}:report", tmp_path / "output", 0, tmp_path)
    assert found.status.value == "error"
    assert form == "junit" or "larger than" in found.reason, found


def test_a_flood_of_problems_is_bounded(tmp_path: Path) -> None:
    found = findings.Findings()
    ktap.read(io.BytesIO(b"Bail out!\n" * 1000), found)
    assert len(found.problems) == findings.MAX_PROBLEMS


def test_a_report_of_too_many_files_is_not_read_in_part(tmp_path: Path) -> None:
    (tmp_path / "output").touch()
    for number in range(verdict.MAX_FILES):
        (tmp_path / f"{number}.xml").write_text(f"<testsuite>{CASE}</testsuite>")
    found = verdict.read("junit:*.xml", tmp_path / "output", 0, tmp_path)
    assert found.status.value == "pass"
    (tmp_path / "zz.xml").write_text(f"<testsuite>{CASE}</testsuite>")
    found = verdict.read("junit:*.xml", tmp_path / "output", 0, tmp_path)
    assert found.status.value == "error" and "more than 1000 files" in found.reason


JUNIT = [
    (f'<testsuites failures="1"><testsuite tests="1">{CASE}</testsuite></testsuites>', "error"),
    (f'<testsuites tests="2"><testsuite tests="1">{CASE}</testsuite></testsuites>', "error"),
    (f'<testsuites tests="1"><testsuite tests="1">{CASE}</testsuite></testsuites>', "pass"),
    (f'<testsuite tests="{"9" * 6000}">{CASE}</testsuite>', "error"),
    (f'<testsuite tests="1" failures="many">{CASE}</testsuite>', "error"),
    (f'<testsuite tests="" failures="">{CASE}</testsuite>', "pass"),
    ('<testsuite><testcase name="a"><Failure/></testcase></testsuite>', "fail"),
    ('<testsuite><testcase name="a" status="failed"/></testsuite>', "fail"),
    ('<testsuite><testcase name="a" status="disabled"/></testsuite>', "skip"),
    ('<testsuite><testcase name="a" status="run" result="completed"/></testsuite>', "pass"),
    (f'<?xml version="1.0" encoding="klingon"?><testsuite>{CASE}</testsuite>', "error"),
    (f'<?xml version="1.0" encoding="utf-7"?><testsuite>{CASE}</testsuite>', "error"),
    (
        '<j:testsuite xmlns:j="x"><j:testcase name="a"><j:error/></j:testcase></j:testsuite>',
        "error",
    ),
]
TABLE = "Combined test results:\ntest-pv64-a                SUCCESS\n"


@pytest.mark.parametrize("report, status", JUNIT)
def test_junit(tmp_path: Path, report: str, status: str) -> None:
    found = judge(tmp_path, "junit", report, 0)
    assert found.status.value == status, found


@pytest.mark.parametrize("row", ["test-hvm64-b              ", "test-hvm64-b    WAT"])
def test_a_row_of_xtf_runner_without_a_known_result(tmp_path: Path, row: str) -> None:
    assert judge(tmp_path, "xtf", TABLE, 0).status.value == "pass"
    found = judge(tmp_path, "xtf", TABLE + row, 0)
    assert found.status.value == "error" and "test-hvm64-b" in found.reason
