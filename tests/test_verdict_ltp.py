"""LTP as runltp, ltp-pan, kirk and a single test print it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verdict_box import judge

RUNLTP = """<<<test_start>>>
tag={name} stime=1700000000
cmdline="{name}"
<<<test_output>>>
{name}.c:40: {letters}: the words
<<<execution_status>>>
initiation_status="ok"
duration=1 termination_type={how} termination_id={code} corefile=no
<<<test_end>>>
"""
LOG = """Test Start Time: Mon
-----------------
Testcase                                           Result     Exit Value
--------                                           ------     ----------
abort01                                            PASS       0
accept01                                           {}       {}
-----------------
Total Tests: {}
Total Skipped Tests: 0
Total Failures: {}
"""
ONE = (
    "tst_test.c:1: TINFO: x\nbind01.c:9: {}: words\n\n"
    "Summary:\npassed   {}\nfailed   {}\nwarnings 0\n"
)
VERSION = "tst_test.c:9: TINFO: LTP version: 20240524\n"
DIED = VERSION + "bind01.c:9: TPASS: words\n"
NEEDS = "tst_kconfig.c:5: TINFO: Constraint 'CONFIG_X=y' not satisfied!\n"
NEEDS += "tst_test.c:7: TCONF: Aborting due to unsuitable kernel config, see above!\n"
WHOLE = "tst_tmpdir.c:3: TINFO: Using /tmp/x\n" + VERSION + ONE.format("TPASS", 1, 0)
KIRK = """Starting suite: syscalls
---
abort01: pass  (0.012s)
{}
Execution time: 1s
{}
"""


def screen(name: str, letters: str, how: str, code: int) -> str:
    return RUNLTP.format(name=name, letters=letters, how=how, code=code)


LTP = [
    (screen("a", "TPASS", "exited", 0), 0, "pass", ""),
    (screen("a", "TFAIL", "exited", 1), 0, "fail", "the words"),
    (screen("a", "TFAIL", "exited", 0), 0, "fail", "TFAIL"),
    (screen("a", "TBROK", "exited", 2), 0, "error", "TBROK"),
    (screen("a", "TCONF", "exited", 32), 0, "skip", "TCONF"),
    (screen("a", "TPASS", "signaled", 11), 0, "fail", "SIGSEGV"),
    (screen("a", "TPASS", "exited", 0)[:-90], 0, "error", "did not end"),
    (LOG.format("PASS", 0, 2, 0), 0, "pass", ""),
    (LOG.format("FAIL", 1, 2, 1), 1, "fail", "accept01"),
    (LOG.format("CONF", 32, 2, 0), 0, "skip", "accept01"),
    (LOG.format("PASS", 1, 2, 0), 0, "fail", "accept01"),
    (LOG.format("PASS", 0, 3, 0), 0, "error", "counts 3 tests"),
    (LOG.format("PASS", 0, 2, 1), 0, "error", "counts failures"),
    (LOG.format("PASS", 0, 2, 0)[:-70], 0, "error", "no total"),
    (ONE.format("TPASS", 1, 0), 0, "pass", ""),
    (ONE.format("TFAIL", 0, 1), 1, "fail", "TFAIL: words"),
    (ONE.format("TCONF", 0, 0), 32, "skip", "TCONF"),
    (ONE.format("TPASS", 1, 1), 0, "fail", "failed   1"),
    (ONE.format("TPASS", 1, 0) + "tst_test.c:1: TINFO: x\n", 0, "error", "without the summary"),
    (ONE.format("TPASS", 1, 0)[:50], 0, "error", "without the summary"),
    # Of programs one after another the first died.
    (WHOLE + WHOLE, 0, "pass", ""),
    (DIED + WHOLE, 0, "error", "ended without its summary"),
    (VERSION + WHOLE, 0, "error", "ended without its summary"),
    (WHOLE + DIED + WHOLE, 0, "error", "ended without its summary"),
    # What the library finds missing before a program begins is told without a summary.
    (NEEDS, 32, "skip", "unsuitable kernel config"),
    ("tst_cmd.c:2: TCONF: Couldn't find 'mkfs.xfs' in $PATH\n", 32, "skip", "mkfs.xfs"),
    (NEEDS + WHOLE, 0, "skip", "unsuitable kernel config"),
    (NEEDS + ONE.format("TCONF", 0, 0).partition("words")[2], 32, "skip", "unsuitable"),
    (NEEDS.replace("TCONF", "TBROK"), 2, "error", "TBROK"),
    (NEEDS + VERSION, 0, "error", "without the summary"),
    (VERSION + NEEDS, 0, "error", "without the summary"),
    ("bind01.c:9: TCONF: words\n", 0, "error", "without the summary"),
    ("abort01  1  TPASS  :  fine\nabort01  2  TBROK  :  x\n", 2, "error", "TBROK"),
    ("abort01  1  TPASS  :  fine\n", 0, "pass", ""),
    (KIRK.format("b: pass | tainted  (1m 2.500s)", "Suite Name: s"), 0, "pass", ""),
    (KIRK.format("b: fail  (0.1s)", "Suite Name: s"), 0, "fail", "b: fail"),
    (KIRK.format("b: kernel panic", "Suite Name: s"), 0, "crash", "kernel panic"),
    (KIRK.format("b: \x1b[1;31mtimed out\x1b[0m", "Suite Name: s"), 0, "timeout", "b"),
    (KIRK.format("b: ", "Suite Name: s"), 0, "error", "no result for b"),
    (KIRK.partition("Execution")[0].format("b: pass  (0.1s)"), 0, "error", "did not end"),
    ("INFO: ltp-pan reported all tests PASS\n", 0, "error", "no verdict"),
]


@pytest.mark.parametrize("report, code, status, reason", LTP)
def test_ltp(tmp_path: Path, report: str, code: int, status: str, reason: str) -> None:
    found = judge(tmp_path, "ltp", report, code)
    assert (found.status.value, reason in found.reason) == (status, True), found


def kirk_entry(status: str, **details: object) -> dict[str, object]:
    test = {"retval": ["0"], "failed": 0, "broken": 0, "duration": 0.5, "log": "", **details}
    return {"test_fqn": "abort01", "status": status, "test": test}


KIRK_JSON: list[tuple[object, str]] = [
    ([kirk_entry("pass")], "pass"),
    ([kirk_entry("pass"), kirk_entry("fail", retval=["1"], log="x\na.c:1: TFAIL: y")], "fail"),
    ([kirk_entry("pass", failed=1)], "fail"),
    ([kirk_entry("pass", retval=["1"])], "fail"),
    ([kirk_entry("conf", retval=["32"])], "skip"),
    ([kirk_entry("conf", retval=["32"], warnings=1)], "fail"),
    ([kirk_entry("conf", retval=["32"], failed=1)], "fail"),
    ([kirk_entry("pass"), kirk_entry("conf", retval=["32"], duration=0.0)], "timeout"),
    ([kirk_entry("conf", retval=["32"], duration=0.0, log="a.c:1: TCONF: no")], "skip"),
    ([kirk_entry("brok")], "error"),
    ([kirk_entry("pass", result="fail")], "fail"),
    ([kirk_entry("fail", result="pass")], "fail"),
    ([kirk_entry("pass", result="splendid")], "error"),
    ([kirk_entry("pass", result="pass")], "pass"),
    ([kirk_entry("splendid")], "error"),
    ([kirk_entry("pass"), 7], "error"),
    ([], "error"),
    (None, "error"),
]


@pytest.mark.parametrize("entries, status", KIRK_JSON)
def test_kirk_json(tmp_path: Path, entries: object, status: str) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"results": entries, "stats": {}}))
    assert judge(tmp_path, "kirk:report.json", "").status.value == status
