"""From reports to verdicts: what each format may say, and that nothing passes without proof."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verdict_box import judge
from xentest import process, verdict
from xentest.results import Status


EXIT = [
    (0, "all is well", "pass", ""),
    (77, "no such cpu here\n\n", "skip", "no such cpu here"),
    (77, "error: x\nneeds two cpus", "skip", "needs two cpus"),
    (99, "cannot set up", "error", "cannot set up"),
    (127, "sh: 1: xyz: not found", "error", "xyz: not found"),
    (126, "", "error", "cannot be executed"),
    (-11, "", "fail", "killed by SIGSEGV"),
    (139, "Segmentation fault", "fail", "killed by SIGSEGV"),
    (1, "ERROR: balloon stuck\ncleaning up\nbye", "fail", "balloon stuck"),
    (3, "one\ntwo", "fail", "exit status 3: two"),
    (1, b"\xff\xfe failed \x1b[31mred\x1b[0m", "fail", "failed red"),
]


@pytest.mark.parametrize("code, output, status, reason", EXIT)
def test_exit(tmp_path: Path, code: int, output: str, status: str, reason: str) -> None:
    found = judge(tmp_path, "exit", output, code)
    assert found.status.value == status
    assert reason in found.reason


KNOWN = [
    (1, ("t",), "xfail", "exit status 1: bad"),
    (1, ("other",), "fail", "exit status 1: bad"),
    (0, ("t*",), "pass", "was expected to fail, but passes"),
    (0, ("other",), "pass", ""),
    (-9, ("t",), "fail", "killed by SIGKILL"),
    (139, ("t",), "fail", "killed by SIGSEGV"),
    (99, ("t",), "error", "bad"),
    (127, ("t",), "error", "bad"),
    (77, ("t",), "skip", "bad"),
]


@pytest.mark.parametrize("code, expect, status, reason", KNOWN)
def test_what_is_known_to_fail_as_a_whole(
    tmp_path: Path, code: int, expect: tuple[str, ...], status: str, reason: str
) -> None:
    output = tmp_path / "output"
    output.write_text("bad\n")
    found = verdict.read("exit", output, code, tmp_path, expect, test="t")
    assert found.status.value == status and reason in found.reason


def test_exit_offset_points_at_the_quoted_line(tmp_path: Path) -> None:
    assert judge(tmp_path, "exit", "fine\nERROR: here\nbye\n", 1).log_offset == 5


NESTED = """KTAP version 1
1..2
  KTAP version 1
  # Subtest: memory
  1..2
  ok 1 grow
[   12.3] Xen: a kernel message
  not ok 2 shrink
not ok 1 memory
ok 2 clock # SKIP no hpet
"""
TAP14 = """TAP version 14
1..1
# Subtest: outer
    1..1
    ok 1 - inner
      ---
      not ok 7 in yaml
      ...
ok 1 - outer
"""

KTAP = [
    ("1..2\nok 1 a\nok 2 b\n", 0, "pass", ""),
    ("ok 1 a\nok 2 - b\n1..2\n", 0, "pass", ""),
    ("TAP version 13\n1..1\nok 1\n", 0, "pass", ""),
    ("<6>[    1.200] TAP version 14\n[    1.3] 1..1\n[    1.3][    T1] ok 1 x\n", 0, "pass", ""),
    ("hello\n1..1\nnoise ok\n  ok then\nok 1 a\n", 0, "pass", ""),
    (TAP14, 0, "pass", ""),
    ("1..1\nok 1 a # SKIP no hpet\n", 0, "skip", "no hpet"),
    ("1..0 # SKIP no xen here\n", 0, "skip", "no xen here"),
    ("1..1\nok 1 # SKIP\n", 4, "skip", ""),
    ("1..1\nnot ok 1 a # TODO later\n", 0, "xfail", "later"),
    ("1..1\nok 1 a # XFAIL known\n", 0, "xfail", "known"),
    ("1..2\nok 1 a\nnot ok 2 b\n", 1, "fail", "b"),
    ("1..2\nok 1 a\nnot ok 2 b # exit=1\n", 0, "fail", "b: exit=1"),
    ("1..2\nnot ok 1 a # TIMEOUT 45 seconds\nok 2 b\n", 0, "timeout", "45 seconds"),
    ("1..1\nnot ok 1 a # ERROR no memory\n", 0, "error", "no memory"),
    (NESTED, 1, "fail", "memory/shrink"),
    ("1..3\nok 1 a\nok 2 b\n", 0, "error", "3 tests were planned, 2"),
    ("1..1\nok 1 a\nok 2 b\n", 0, "error", "1 tests were planned, 2"),
    ("1..2\nok 1 a\nok 3 b\n", 0, "error", "number 3 where 2"),
    ("1..2\nok 1 a\nok 1 a\n", 0, "error", "number 1 where 2"),
    ("ok 1 a\n", 0, "error", "no plan"),
    ("1..2\nok 1 a\nBail out! lost the console\nok 2 b\n", 0, "error", "lost the console"),
    ("1..2\nok 1 a\nnot ok 2 /b/c - why\nBail out!\n", 134, "error", "after: not ok 2 /b/c - why"),
    ("", 0, "error", "no verdict"),
    ("1..0\n", 0, "error", "no verdict"),
    ("TAP version 13\n", 0, "error", "no plan"),
    ("all tests passed, really\n", 0, "error", "no verdict"),
    ("1..1\nok 1 a\n", 1, "fail", "no subtest failed, but exit status 1"),
    ("1..1\nok 1 a\n", -9, "fail", "SIGKILL"),
    ("1..1\nok 1 a\n", 77, "error", "says skip"),
    ("1..1\nnot ok 1 a # TODO x\n", 1, "fail", "exit status 1"),
    ("TAP version 13\n1..1\nok 1 a\nTAP version 13\n1..2\nok 1 b\n", 0, "error", "2 tests"),
    ("TAP version 13\n1..1\nok 1 a\nTAP version 13\n1..1\nok 1 b\n", 0, "pass", ""),
    ("1..1\nok 1 a\n  ---\n  unclosed: yes\nnot ok 2 b\n", 0, "error", "1 tests"),
    ("1..1\n  1..2\n  ok 1 x\nok 1 a\n", 0, "error", "2 tests were planned, 1"),
    ("1..1\n  1..1\n  ok 1 x\n", 0, "error", "without the result"),
    ("1..1\n1..1\nok 1 a\n", 0, "error", "second plan"),
]


@pytest.mark.parametrize("report, code, status, reason", KTAP)
def test_ktap(tmp_path: Path, report: str, code: int, status: str, reason: str) -> None:
    found = judge(tmp_path, "ktap", report, code)
    assert (found.status.value, reason in found.reason) == (status, True), found
    assert judge(tmp_path, "tap", report, code) == found


def test_ktap_names_nested_subtests_by_their_parents(tmp_path: Path) -> None:
    found = judge(tmp_path, "ktap", NESTED, 1)
    names = {subtest.name: subtest.status.value for subtest in found.subtests}
    assert names == {
        "memory/grow": "pass",
        "memory/shrink": "fail",
        "memory": "fail",
        "clock": "skip",
    }
    assert found.log_offset == NESTED.encode().index(b"  not ok 2")


def test_expected_failure_is_xfail_and_explains_the_exit_status(tmp_path: Path) -> None:
    report = "1..2\nok 1 a\nnot ok 2 net.bug\n"
    found = judge(tmp_path, "ktap", report, 1, ("net.*",))
    assert found.status is Status.XFAIL
    assert judge(tmp_path, "ktap", report, -6, ("net.*",)).status is Status.FAIL
    assert judge(tmp_path, "ktap", report, 1, ("other",)).status is Status.FAIL


@pytest.mark.parametrize(
    "status, signal",
    [(1, ""), (129, ""), (255, ""), (-11, "SIGSEGV"), (139, "SIGSEGV"), (143, "SIGTERM"),
     (130, "SIGINT"), (142, "SIGALRM"), (141, "SIGPIPE"), (133, "SIGTRAP"), (152, "SIGXCPU")],
)  # fmt: skip
def test_expected_failure_explains_no_signal(tmp_path: Path, status: int, signal: str) -> None:
    """Nor does it where a shell tells of the signal."""
    found = judge(tmp_path, "ktap", "1..2\nok 1 a\nnot ok 2 b\n", status, ("b",))
    assert found.status.value == ("fail" if signal else "xfail") and signal in found.reason


def test_a_known_failure_may_be_named_as_it_is_written(tmp_path: Path) -> None:
    """Also where its name would be a pattern of others."""
    report = "1..2\nok 1 t[b-2]\nnot ok 2 t[a-1]\n"
    assert judge(tmp_path, "tap", report, 1, ("t[a-1]",)).status.value == "xfail"
    assert judge(tmp_path, "tap", report, 1, ("t[b-2]",)).status.value == "fail"


def test_as_many_expected_failures_as_the_status_says_explain_it(tmp_path: Path) -> None:
    """perl's tests end with the number of what failed."""
    report = "1..139\n" + "".join(f"not ok {number} b\n" for number in range(1, 140))
    assert judge(tmp_path, "tap", report, 139, ("b",)).status.value == "xfail"


def test_a_torn_ok_is_no_explanation_beside_a_known_failure(tmp_path: Path) -> None:
    found = judge(tmp_path, "ktap", "1..2\nnot ok 1 a\nok", 1, ("a",))
    assert found.status.value == "error" and "in the middle of a line" in found.reason


def test_expected_failure_that_passes_is_said(tmp_path: Path) -> None:
    found = judge(tmp_path, "ktap", "1..2\nok 1 a\nok 2 b\n", 0, ("b",))
    assert found.status is Status.PASS
    assert found.reason == "b was expected to fail, but passes"
    assert found.subtests[1].reason == "expected to fail, but passes"


def junit(inside: str, **attributes: object) -> str:
    words = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    return (
        f'<?xml version="1.0"?>\n<testsuites><testsuite {words}>{inside}</testsuite></testsuites>'
    )


GOOD = '<testcase classname="c" name="n" time="0.5"/>'
BAD = '<testcase name="n"><failure message="it broke"/></testcase>'
TEXT = '<testcase name="n"><failure>\n  the text of it\nmore</failure></testcase>'
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite>' + GOOD + "</testsuite>"
JUNIT = [
    (junit(GOOD, name="s", tests=1), 0, "pass", ""),
    (junit(junit(GOOD)[21:], name="s", tests=1), 0, "pass", ""),
    (junit(GOOD + BAD, name="s", tests=2, failures=1), 1, "fail", "it broke"),
    (junit(TEXT), 0, "fail", "the text of it"),
    (junit('<testcase name="n"><error message="e"/></testcase>'), 1, "error", "e"),
    (junit('<testcase name="n"><skipped message="no"/></testcase>'), 0, "skip", "no"),
    (junit('<error message="setup"/>'), 0, "error", "setup"),
    (junit(GOOD, name="s", tests=2), 0, "error", "holds 1"),
    (junit(GOOD, name="s", tests=1, failures=1), 0, "error", "counts failures"),
    (junit(""), 0, "error", "no test case"),
    (junit(GOOD)[:-12], 0, "error", "not a complete"),
    ("", 0, "error", "not a complete"),
    (BOMB, 0, "error", "refused"),
    ("<testsuite>" + "<a>" * 200, 0, "error", "deep"),
    (junit('<testcase name="a"><failure/><testcase name="b"/></testcase>'), 0, "fail", "a"),
    (junit(GOOD), 1, "fail", "no subtest failed"),
    ("\n  <testsuite xmlns='urn:x'>" + GOOD + "</testsuite>", 0, "pass", ""),
]


@pytest.mark.parametrize("report, code, status, reason", JUNIT)
def test_junit(tmp_path: Path, report: str, code: int, status: str, reason: str) -> None:
    found = judge(tmp_path, "junit", report, code)
    assert (found.status.value, reason in found.reason) == (status, True), found


BANNER = "--- Xen Test Framework ---\nEnvironment: PV 64bit\nThe title\n"
XTF = [
    (BANNER + "Test result: SUCCESS\n", 0, "pass", ""),
    ("(XEN) [ 1.1] Test result: SUCCESS\n", 0, "pass", ""),
    (BANNER + "Test result: FAILURE\n", 5, "fail", "FAILURE"),
    (BANNER + "Test result: SKIP\n", 3, "skip", "SKIP"),
    (BANNER + "Test result: SUCCESS\nTest result: SKIP\n", 3, "skip", "SKIP"),
    (BANNER + "Test result: ERROR\n", 4, "error", "ERROR"),
    (BANNER + "Test result: CRASH\n", 6, "crash", "CRASH"),
    (BANNER + "Test result: SUCCESS\nTest result: FAILURE\n", 0, "fail", ""),
    (BANNER + "Test result: FAILURE\nTest result: SUCCESS\n", 0, "fail", ""),
    (BANNER + "Xen panicked\n", 0, "crash", "without a result"),
    (BANNER + BANNER + "Test result: SUCCESS\n", 0, "crash", "without a result"),
    ("Combined test results:\ntest-pv64-a   SUCCESS\ntest-hvm32-b~hap  SKIP\n", 3, "skip", "b~hap"),
    ("Combined test results:\ntest-pv64-a   CRASH\n", 6, "crash", "test-pv64-a"),
    ("The test result: SUCCESSFUL\n", 0, "error", "no verdict"),
    ("", 0, "error", "no verdict"),
]


@pytest.mark.parametrize("report, code, status, reason", XTF)
def test_xtf(tmp_path: Path, report: str, code: int, status: str, reason: str) -> None:
    found = judge(tmp_path, "xtf", report, code)
    assert (found.status.value, reason in found.reason) == (status, True), found


def test_report_in_a_file(tmp_path: Path) -> None:
    assert "wrote no r/*.xml" in judge(tmp_path, "junit:r/*.xml", "").reason
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "a.xml").write_text(junit(GOOD))
    (tmp_path / "r" / "b.xml").write_text(junit(BAD))
    found = judge(tmp_path, "junit:r/*.xml", "")
    assert (found.status, len(found.subtests)) == (Status.FAIL, 2)
    assert all(subtest.log_offset is None for subtest in found.subtests)


def test_report_from_before_the_run_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "output").write_bytes(b"")
    (tmp_path / "a.xml").write_text(junit(GOOD))
    stale = verdict.report_files("junit:a.xml", tmp_path)
    found = verdict.read("junit:a.xml", tmp_path / "output", 0, tmp_path, stale=stale)
    assert found.status is Status.ERROR
    assert "only files from before the run" in found.reason
    (tmp_path / "a.xml").write_text(junit(GOOD) + " ")
    found = verdict.read("junit:a.xml", tmp_path / "output", 0, tmp_path, stale=stale)
    assert found.status is Status.PASS


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_report_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "r.xml"
    (tmp_path / "good").write_text(junit(GOOD))
    make = {
        "link": lambda: place.symlink_to("good"),
        "fifo": lambda: __import__("os").mkfifo(place),
    }
    make.get(kind, place.mkdir)()
    assert judge(tmp_path, "junit:r.xml", "").status is Status.ERROR


def test_cut_output_is_no_pass(tmp_path: Path) -> None:
    recorder = process.Recorder(tmp_path / "output")
    recorder.write(b"1..1\nok 1 a\n")
    for _ in range(70):
        recorder.write(b"x" * ((1 << 20) - 1) + b"\n")
    recorder.close()
    found = verdict.read("ktap", tmp_path / "output", 0, tmp_path)
    assert found.status is Status.ERROR
    assert "cut" in found.reason


def test_very_many_subtests_are_bounded_and_none_is_forgotten(tmp_path: Path) -> None:
    count = 50_000
    lines = [f"ok {n} t{n}" for n in range(1, count)] + [f"not ok {count} last"]
    found = judge(tmp_path, "ktap", f"1..{count}\n" + "\n".join(lines), 1)
    assert found.status is Status.FAIL
    assert len(found.subtests) < 25_000
    assert found.subtests[-1].name == "last"


PIECES = [
    "KTAP version 1\n", "1..", "1..2\n", "ok ", "not ok ", "1", "2 x\n", " # SKIP", "  ", "\n",
    "Bail out!", "---\n", "...\n", "Test result: ", "SUCCESS", "FAILURE\n", "TPASS", "a.c:1: ",
    "Summary:\n", "passed 1\n", "failed 1\n", "<testsuite>", "</testsuite>", "<testcase name='a'/>",
    "<failure/>", "{", '"results": [', "]}", "tag=a stime=1\n", "termination_type=exited ",
    "termination_id=0 corefile=no\n", "Starting suite: a\n", "a: pass (1s)\n", "Suite Name: a\n",
    "Testcase  Result  Exit Value\n", "abort01  PASS  0\n", "Total Tests: 1\n", "\x00", "\xff",
    "Combined test results:\n", "test-a SUCCESS\n", "--- Xen Test Framework ---\n",
]  # fmt: skip
PROOF = {
    "ktap": ("ok",),
    "ltp": ("TPASS", "PASS", "pass", "termination_id=0"),
    "junit": ("<testcase",),
    "xtf": ("SUCCESS",),
}


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(
    form=st.sampled_from(sorted(PROOF)),
    pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=25),
    code=st.sampled_from([0, 0, 0, 1, 77, -9, 3, 4, 32]),
)
def test_no_input_breaks_a_reader(tmp_path: Path, form: str, pieces: list[str], code: int) -> None:
    report = "".join(pieces).encode("utf-8", "surrogatepass")
    found = judge(tmp_path, form, report, code)
    if found.status is Status.PASS:
        assert any(proof.encode() in report for proof in PROOF[form])
        assert code == 0


@pytest.mark.parametrize("form", sorted(PROOF))
def test_random_bytes_never_pass(tmp_path: Path, form: str) -> None:
    source = random.Random(20050720)
    for _ in range(50):
        noise = source.randbytes(source.randrange(3000))
        assert judge(tmp_path, form, noise).status is Status.ERROR


def test_one_endless_line(tmp_path: Path) -> None:
    for form in PROOF:
        assert judge(tmp_path, form, b"ok " * 2_000_000).status is Status.ERROR
