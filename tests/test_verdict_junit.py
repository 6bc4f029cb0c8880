"""JUnit as its many writers understand it: what a case says of itself, in elements and words."""

from __future__ import annotations

from pathlib import Path

import pytest

from xentest import verdict

SUITE = '<testsuite name="s" tests="1" failures="{}">{}</testsuite>'
TODO = '<testcase name="a"><skipped type="todo" message="true"/>{}</testcase>'


def judge(tmp_path: Path, report: str) -> verdict.Verdict:
    output = tmp_path / "output"
    output.write_text(report)
    return verdict.read("junit", output, 0, tmp_path)


@pytest.mark.parametrize("key", ["status", "result"])
@pytest.mark.parametrize(
    "word, status",
    [
        ("PASSED", "pass"),
        ("completed", "pass"),
        ("OK", "pass"),
        ("fixed", "pass"),
        ("Not Run", "skip"),
        ("suppressed", "skip"),
        ("pending", "skip"),
        ("xfail", "xfail"),
        ("XPASS", "fail"),
        ("regression", "fail"),
        ("timedOut", "timeout"),
        ("timed_out", "timeout"),
        ("crashed", "crash"),
        ("aborted", "error"),
        ("inconclusive", "error"),
        ("splendid", "error"),
    ],
)
def test_the_word_of_a_case(tmp_path: Path, key: str, word: str, status: str) -> None:
    found = judge(tmp_path, SUITE.format(0, f'<testcase name="a" {key}="{word}"/>'))
    assert found.status.value == status
    assert status != "error" or word in found.reason


@pytest.mark.parametrize(
    "inner, status",
    [
        # Surefire: what failed whenever it was tried, and what passed at last.
        ('<rerunFailure message="x"/>', "fail"),
        ('<rerunError message="x"/>', "error"),
        ('<failure message="x"/><rerunFailure message="y"/>', "fail"),
        ('<flakyFailure message="x"/>', "pass"),
        # CTest: skipped by the test itself, or never started.
        ('<skipped message="SKIP_RETURN_CODE=77"/>', "skip"),
        ('<skipped message="Unable to find executable"/>', "error"),
        ('<skipped message="Fixture dependency failed"/>', "error"),
        # Of no known tool, but plain.
        ("<failed/>", "fail"),
        ("<fail>x</fail>", "fail"),
        ("<timeout/>", "timeout"),
        # pytest, and words that are no elements.
        ('<skipped type="pytest.xfail" message="x"/>', "xfail"),
        ("<skipped/><failure/>", "fail"),
        ("<failure/><skipped/>", "fail"),
        ("<system-out>&lt;failure/&gt;<![CDATA[<failure/>]]></system-out>", "pass"),
    ],
)
def test_the_elements_of_a_case(tmp_path: Path, inner: str, status: str) -> None:
    found = judge(tmp_path, SUITE.format(0, f'<testcase name="a">{inner}</testcase>'))
    assert found.status.value == status


@pytest.mark.parametrize(
    "words, status",
    [
        ('status="failed"', "error"),
        ('result="FAILURE"', "error"),
        ('success="false"', "error"),
        ('status="passed"', "pass"),
        ('status="finished at noon"', "pass"),
    ],
)
@pytest.mark.parametrize("suite", ["testsuite", "testsuites"])
def test_a_suite_that_failed_shows_what(
    tmp_path: Path, suite: str, words: str, status: str
) -> None:
    report = f'<{suite} name="s" {words}>{{}}</{suite}>'
    assert judge(tmp_path, report.format('<testcase name="a"/>')).status.value == status
    bad = report.format('<testcase name="a"><failure/></testcase>')
    assert judge(tmp_path, bad).status.value == "fail"


def test_the_first_failure_is_the_reason(tmp_path: Path) -> None:
    inner = '<testcase name="a" status="failed"><failure message="x"/><failure message="y"/>'
    assert judge(tmp_path, SUITE.format(1, inner + "</testcase>")).reason == "s.a: x"


def test_a_case_that_is_still_to_do_runs_and_may_fail(tmp_path: Path) -> None:
    """node's tests: the suite counts the failure, the run does not."""
    failed = TODO.format('<failure message="x"/>')
    assert judge(tmp_path, SUITE.format(1, failed)).status.value == "xfail"
    assert judge(tmp_path, SUITE.format(0, TODO.format(""))).status.value == "skip"


@pytest.mark.parametrize(
    "tests, skipped, inner, status",
    [
        (3, 1, "", "skip"),
        (3, 2, "<skipped/>", "skip"),
        (3, 1, "<skipped/>", "error"),
        (4, 1, "", "error"),
        (3, 1, "<failure/>", "fail"),
        (2, 1, "", "pass"),
    ],
)
def test_what_is_only_counted_is_skipped_or_missing(
    tmp_path: Path, tests: int, skipped: int, inner: str, status: str
) -> None:
    """Rust's libtest counts ignored tests in its suite, and shows none of them."""
    report = f'<testsuites><testsuite name="s" tests="{tests}" skipped="{skipped}">'
    report += f'<testcase name="a"/><testcase name="b">{inner}</testcase></testsuite></testsuites>'
    found = judge(tmp_path, report)
    assert found.status.value == status
