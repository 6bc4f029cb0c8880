"""Reports word for word as programs print them: prove, kselftest's run_vmtests, Catch2."""

from __future__ import annotations

from pathlib import Path

import pytest

from verdict_box import judge

GOOD_FILE = """\
good.t ......
ok 1 - a
# Subtest: inner
    ok 1 - x
    1..1
ok 2 - inner
1..2
ok
"""
BAD_FILE = """\
bad.t .......
1..2
ok 1 - a
not ok 2 - b
#   Failed test 'b'
Dubious, test returned 1 (wstat 256, 0x100)
Failed 1/2 subtests
"""
DEAD_FILE = """\
dead.t ......
ok 1 - a
Dubious, test returned 255 (wstat 65280, 0xff00)
All 1 subtests passed
"""
SKIPPED_FILE = "none.t ... skipped: not here\n"
TIMED_FILE = (
    "[19:51:39] "
    + GOOD_FILE.removesuffix("ok\n")
    + ("ok       51 ms ( 0.00 usr  0.00 sys +  0.05 cusr  0.00 csys =  0.05 CPU)\n")
)
ENDED = "All tests successful.\nFiles=1, Tests=2,  0 wallclock secs\nResult: PASS\n"
FAILED = "\nTest Summary Report\n-------------------\nFiles=1, Tests=2\nResult: FAIL\n"
LATE_DEATH = GOOD_FILE.replace("\nok\n", "\nDubious, test returned 255 (wstat 65280, 0xff00)\n")
VMTESTS = """\
TAP version 13
1..1
# timeout set to 900
# selftests: mm: run_vmtests.sh
# TAP version 13
# # ----------------
# # running ./mremap_test
# # ----------------
# # TAP version 13
# # 1..2
# # ok 1 5MB mremap
# # {} 2 1GB mremap
# # [PASS]
# ok 1 mremap_test
# 1..1
ok 1 selftests: mm: run_vmtests.sh
"""


@pytest.mark.parametrize(
    "report, status",
    [
        (GOOD_FILE + ENDED, "pass"),
        (GOOD_FILE + GOOD_FILE + ENDED, "pass"),
        (GOOD_FILE + BAD_FILE + FAILED, "fail"),
        (BAD_FILE + GOOD_FILE, "fail"),
        (GOOD_FILE + DEAD_FILE + FAILED, "error"),
        (DEAD_FILE + GOOD_FILE, "error"),
        (LATE_DEATH + FAILED, "error"),
        ("no.t .. skipped: not here\nFiles=1, Tests=0\nResult: NOTESTS\n", "skip"),
        (GOOD_FILE.replace("ok 2 - inner\n", "") + ENDED, "error"),
        (GOOD_FILE + SKIPPED_FILE + ENDED, "skip"),
        (SKIPPED_FILE + GOOD_FILE + SKIPPED_FILE + ENDED, "skip"),
        (GOOD_FILE + SKIPPED_FILE + BAD_FILE + FAILED, "fail"),
        (SKIPPED_FILE + "b.t ..\n" + ENDED, "error"),
        (TIMED_FILE + ENDED, "pass"),
        (TIMED_FILE + TIMED_FILE + ENDED, "pass"),
        (TIMED_FILE + "[19:51:39] " + SKIPPED_FILE + ENDED, "skip"),
        ("[19:51:38] " + BAD_FILE + TIMED_FILE + FAILED, "fail"),
        (TIMED_FILE.replace("ok 2 - inner\n", "") + ENDED, "error"),
        (GOOD_FILE, "error"),
        (GOOD_FILE + SKIPPED_FILE, "error"),
        (GOOD_FILE + ENDED.replace("PASS\n", "PA"), "error"),
        (GOOD_FILE + ENDED.replace("Result: PASS\n", ""), "error"),
        ("Loading ...\n1..1\nok 1\n", "pass"),
        ("1..2\nok\nok\n", "pass"),
    ],
)
def test_prove(tmp_path: Path, report: str, status: str) -> None:
    """Whatever prove's own exit status was: a pipe may have hidden it."""
    assert judge(tmp_path, "tap", report).status.value == status


def test_what_fails_below_a_program_that_runs_programs(tmp_path: Path) -> None:
    assert judge(tmp_path, "ktap", VMTESTS.format("ok")).status.value == "pass"
    found = judge(tmp_path, "ktap", VMTESTS.format("not ok"))
    assert (found.status.value, found.reason) == (
        "fail",
        "selftests: mm: run_vmtests.sh/1GB mremap",
    )


CATCH2 = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="t" errors="0" failures="{}" tests="7" hostname="tbd" time="0.000">
    <properties><property name="filters" value="x"/></properties>
    {}
    <system-out/>
  </testsuite>
</testsuites>
"""
MAY_FAIL = '<skipped message="TEST_CASE tagged with !mayfail"/>'
FAILURE = '<failure message="1==2" type="CHECK">\nFAILED:\n  CHECK( 1==2 )\n</failure>'


@pytest.mark.parametrize(
    "failures, inside, status",
    [
        (0, "", "pass"),
        (1, FAILURE, "fail"),
        (0, MAY_FAIL + FAILURE, "xfail"),
        (1, MAY_FAIL + '<error message="threw"/>', "error"),
        (1, "", "error"),  # of a case that should fail, and passes
    ],
)
def test_catch2_counts_assertions(tmp_path: Path, failures: int, inside: str, status: str) -> None:
    case = f'<testcase classname="t.global" name="a" time="0.000" status="run">{inside}</testcase>'
    assert judge(tmp_path, "junit", CATCH2.format(failures, case)).status.value == status


def test_catch2_without_a_case_proves_nothing(tmp_path: Path) -> None:
    assert judge(tmp_path, "junit", CATCH2.format(0, "")).status.value == "error"


@pytest.mark.parametrize("words", ['outcome="failed"', 'success="False"', 'passed="false"'])
def test_other_words_for_a_failure(tmp_path: Path, words: str) -> None:
    report = f'<testsuite name="s" tests="1"><testcase name="a" {words}/></testsuite>'
    assert judge(tmp_path, "junit", report).status.value == "fail"


QUOTED = "TAP version 13\n1..1\n# selftests: net: a.sh\n# {}\nok 1 selftests: net: a.sh\n"
SAYS = "1..1\nok 1 a\n{}\n"
MOCHA = "1..1\nok 1 a\n# tests {0}\n# pass 1\n# fail {1}\n"


@pytest.mark.parametrize(
    "report, status",
    [
        (QUOTED.format("all is well"), "pass"),
        (QUOTED.format("not ok 1 b"), "fail"),  # without a version or a plan of its own
        (QUOTED.format("not ok - b"), "fail"),
        (QUOTED.format("not ok with that"), "pass"),
        (QUOTED.format("TAP version 13\n# Bail out! no memory"), "error"),
        (QUOTED.format("TAP version 13\n# 1..1\n# ok 1 # Bail out! is its name"), "pass"),
        (MOCHA.format(1, 0), "pass"),
        (MOCHA.format(2, 1), "error"),
        (QUOTED.format("1..2\n# # Totals: pass:1 fail:1 xfail:0 xpass:0 skip:0 error:0"), "error"),
        (QUOTED.format("1..2\n# # Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:1"), "error"),
        (QUOTED.format("1..2\n# # Totals: pass:2 fail:0 xfail:1 xpass:0 skip:0 error:0"), "pass"),
        (
            "1..1\n    1..1\n    not ok 1 b\n    # Looks like you failed 1 test of 1.\n"
            "not ok 1 a # TODO later\n",
            "xfail",
        ),
        (SAYS.format("# suite: pass:0 fail:1 skip:0 total:1"), "error"),
        (SAYS.format("# suite: pass:1 fail:0 skip:0 total:1"), "pass"),
        (SAYS.format("# FAILED: 0 / 1 tests passed."), "error"),
        (SAYS.format("# PASSED: 1 / 1 tests passed."), "pass"),
        (SAYS.format("# Pass 0 Fail 1 Xfail 0 Xpass 0 Skip 0 Error 0"), "error"),
        (SAYS.format("# Pass 0 Fail 0 Xfail 0 Xpass 0 Skip 0 Error 1"), "error"),
        (SAYS.format("# Pass 1 Fail 0 Xfail 0 Xpass 0 Skip 0 Error 0"), "pass"),
        (SAYS.format("# Looks like you failed 1 test of 1."), "error"),
        (SAYS.format("# Looks like your test exited with 255 just after 1."), "error"),
        (SAYS.replace("ok", "not ok").format("# Looks like you failed 1 test of 1."), "fail"),
    ],
)
def test_what_is_said_round_results(tmp_path: Path, report: str, status: str) -> None:
    assert judge(tmp_path, "ktap", report).status.value == status


XTF_GUEST = """\
Executing 'xl create -p /xtf/tests/{0}/test-pv64-{0}.cfg'
Executing 'xl console test-pv64-{0}'
Executing 'xl unpause test-pv64-{0}'
--- Xen Test Framework ---
Environment: PV 64bit
The title
Test result: {1}

"""
XTF_TABLE = "Combined test results:\ntest-pv64-a     SUCCESS\ntest-pv64-b     FAILURE\n"
XTF = XTF_GUEST.format("a", "SUCCESS") + XTF_GUEST.format("b", "FAILURE") + XTF_TABLE


def test_no_part_of_xtf_runners_output_is_a_pass(tmp_path: Path) -> None:
    assert judge(tmp_path, "xtf", XTF).status.value == "fail"
    first = XTF_GUEST.format("a", "SUCCESS")
    assert judge(tmp_path, "xtf", first + XTF_TABLE.rpartition("test")[0]).status.value == "pass"
    for end in range(len(XTF)):
        assert not judge(tmp_path, "xtf", XTF[:end]).status.good, XTF[:end]


KIRK_VERBOSE = """\
Starting suite: s

===== a =====
command: a
a.c:1: TINFO: what follows are no results:
buffer:
a.c:1: TPASS: so far
{}
Summary:
passed    1
failed    0
broken    0
skipped   0
warnings  0

Duration: 1.000s

Execution time: 1s

Suite Name: s
"""


@pytest.mark.parametrize("words, status", [("", "pass"), ("Test timed out\n", "timeout")])
def test_kirk_says_at_length_that_a_test_is_late(tmp_path: Path, words: str, status: str) -> None:
    assert judge(tmp_path, "kirk", KIRK_VERBOSE.format(words)).status.value == status
