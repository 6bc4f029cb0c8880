"""The Linux Test Project: its programs, runltp's screen and log, kirk's screen and JSON.

One file may hold several of these; each is read where it stands.
"""

from __future__ import annotations

import re
from typing import BinaryIO, Callable, Optional

from xentest.results import Status
from xentest.verdict.findings import Findings, signal_name
from xentest.verdict.text import lines, words

TCONF_EXIT = 32
EXIT_BITS = ((2, Status.ERROR), (4, Status.ERROR), (1, Status.FAIL), (32, Status.SKIP))
LETTERS = {
    "TPASS": Status.PASS,
    "TFAIL": Status.FAIL,
    "TBROK": Status.ERROR,
    "TWARN": Status.ERROR,
    "TCONF": Status.SKIP,
}
LOGGED = {"PASS": Status.PASS, "FAIL": Status.FAIL, "BROK": Status.ERROR, "CONF": Status.SKIP}
SHOWN = {
    "pass": Status.PASS,
    "fail": Status.FAIL,
    "skip": Status.SKIP,
    "broken": Status.ERROR,
    "warn": Status.ERROR,
    "timed out": Status.TIMEOUT,
    "kernel panic": Status.CRASH,
    "SUT not responding": Status.CRASH,
}
COUNTED = {"failed": Status.FAIL, "broken": Status.ERROR, "warnings": Status.ERROR}

NEW_LINE = re.compile(r"(\S+?)(?:\.[ch])?:(\d+): (TPASS|TFAIL|TBROK|TWARN|TCONF): ?(.*)$")
NEW_REMARK = re.compile(r"\S+?:\d+: (TINFO|TDEBUG): ")
VERSION = re.compile(r"\S+?:\d+: TINFO: LTP version: ")  # once, when what is needed was found
LIBRARY = "tst_"  # how the names of its files begin
OLD_LINE = re.compile(r"(\S+)\s+(\d+)\s+(TPASS|TFAIL|TBROK|TWARN|TCONF)\s*:\s*(.*)$")
COUNT = re.compile(r"(passed|failed|broken|skipped|warnings)\s+([0-9]+)\s*$")
LAST_COUNT = "warnings"
ROW = re.compile(r"(\S+)\s+(PASS|FAIL|CONF|BROK)\s+(\d{1,9})\s*$")
TOTAL = re.compile(r"Total (Tests|Failures):\s*(\d{1,9})\s*$")
TAG = re.compile(r"tag=(\S+) stime=")
BEGIN = "<<<test_start>>>"
PLAIN_ROW = re.compile(r"tag=(\S+) stime=[0-9]+ dur=[0-9]+ exit=(\w+) stat=([0-9]{1,9})\b")
STARTED = re.compile(r"initiation_status=\"(.*)\"$")
SAID_FAILED = "INFO: ltp-pan reported some tests FAIL"
ENDING = re.compile(r".*\btermination_type=(\w+) termination_id=(\d{1,9})\b")
KIRK_BEGIN = re.compile(r"(?:Starting suite|Suite): \S")  # before kirk 4, and since
KIRK_END = "Execution time: "
KIRK_LATE = re.compile(r"Suite '(.*)' timed out after")
KIRK_VERBOSE = re.compile(r"=====( \S+)+ =====$")
KIRK_TEST_LATE = "Test timed out"  # as kirk --verbose says it
KIRK_COUNT = re.compile(r"(Failed|Broken|Warnings)( Tests)?:\s+0*[1-9]")
KIRK_RUNS = re.compile(r"(?:Total Run|Runs):\s+(\d{1,9})$")
KIRK_SILENT = re.compile(r"([^\s:]+)(?: \(\d+/\d+\))?:(?:[ |A-Za-z]*  \([0-9hms. ]+\))?$")
KIRK = re.compile(
    r"([^\s:]+)(?: \(\d+/\d+\))?: "
    r"(pass|fail|skip|broken|warn|timed out|kernel panic|SUT not responding)"
    r"( \| tainted)?(?:\s+\((?:\d+h )?(?:\d+m )?([0-9.]+)s\))?\s*$"
)


def read(stream: BinaryIO, findings: Findings) -> None:
    """Add what an LTP program, runltp or kirk reported."""
    findings.skip_exit = TCONF_EXIT
    first = stream.peek(64).lstrip()[:1] if hasattr(stream, "peek") else b""
    if first == b"{":
        from xentest.verdict import kirk_json

        kirk_json.read(stream, findings)
        return
    report = _Report(findings)
    for offset, line in lines(stream):
        report.line(words(line).strip(), offset)
    report.end()


class _Report:
    """Reads line by line, knowing which test it is in."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._tag = ""  # of runltp's screen: the test that runs
        self._telling = ""  # its line that says what failed
        self._worst_line = Status.PASS
        self._known: dict[str, Status] = {}  # what runltp's screen said
        self._start = "ok"  # what it said of the start of the test that runs
        self._said_failed: Optional[int] = None  # where it said that something failed
        self._table: Optional[dict[str, int]] = None  # of runltp's log
        self._open_lines = False  # of a program whose whole summary has not come
        self._begun = False  # that program has told its version, or a verdict
        self._summary = False
        self._counted = 0  # of the summary that is read
        self._seen: set[Status] = set()
        self._suites = 0  # of kirk: begun and not ended
        self._kirk_counts: Optional[tuple[str, int]] = None  # a count of failures, and where
        self._runs = 0  # tests that kirk has shown
        self._verbose = False  # kirk shows what its tests print
        self._lines = 0
        self._lines_before = 0  # up to the last summary

    def line(self, text: str, offset: int) -> None:
        handlers: tuple[Callable[[str, int], bool], ...] = (
            self._verdict_line,
            self._screen,
            self._log,
            self._count,
            self._kirk,
        )
        any(handler(text, offset) for handler in handlers)

    def end(self) -> None:
        """The report is over: nothing may be open."""
        problem = self._findings.problem
        if self._tag:
            problem(f"{self._tag} began and did not end")
        if self._open_lines:
            problem("results without the summary that ends an LTP program")
        if self._suites > 0:
            problem("kirk began a suite and did not end it")
        if not self._findings.explains_failure:
            if self._kirk_counts:
                what, offset = self._kirk_counts
                problem(f"kirk's summary says {what}, but no result shows it", offset)
            if self._said_failed is not None and self._findings.passed:
                problem("ltp-pan says that tests failed, but shows none", self._said_failed)
        if self._table is not None:
            self._check_table(self._table)

    def _verdict_line(self, text: str, offset: int) -> bool:
        new, old = NEW_LINE.match(text), None
        if not self._tag and NEW_REMARK.match(text):
            self._remark(text, offset)
        if not new and not (old := OLD_LINE.match(text)):
            return False
        match = new or old
        assert match is not None
        status = LETTERS[match[3]]
        if self._tag:
            if status.severity > self._worst_line.severity:
                self._worst_line, self._telling = status, text
            return True
        self._lines += 1
        self._seen.add(status)
        name = match[1].rpartition("/")[2]
        if new:
            self._open(status is Status.SKIP and name.startswith(LIBRARY))
        number = str(self._lines) if new else match[2]
        self._findings.add(f"{name} {number}", status, f"{match[3]}: {match[4]}", offset=offset)
        return True

    def _remark(self, text: str, offset: int) -> None:
        """A line of a program that is no verdict; one of them tells that it begins."""
        version = VERSION.match(text) is not None
        if version and self._begun:
            self._findings.problem("an LTP program ended without its summary", offset)
        self._begun |= version
        self._open_lines = True

    def _open(self, given_up: bool) -> None:
        """A verdict: a summary must follow, but where the library gave up before it began."""
        if given_up and not self._begun:
            self._open_lines = False
        else:
            self._open_lines = self._begun = True

    def _count(self, text: str, offset: int) -> bool:
        if text == "Summary:":
            self._summary, self._counted = True, 0
            return True
        count = COUNT.match(text)
        if not count or not self._summary:
            self._summary = False
            return False
        self._counted += int(count[2][-9:])
        if count[1] == LAST_COUNT:
            if not (self._tag or self._counted) and self._lines == self._lines_before:
                self._findings.problem("the summary of an LTP program counts nothing", offset)
            self._open_lines, self._begun, self._lines_before = False, False, self._lines
        status = COUNTED.get(count[1])
        if status and count[2].strip("0") and not self._tag and status not in self._seen:
            self._findings.add(f"summary {count[1]}", status, text, offset=offset)
        return True

    def _screen(self, text: str, offset: int) -> bool:
        if text == BEGIN:
            self._begin("a test", offset)
        elif (tag := TAG.match(text)) and not PLAIN_ROW.match(text):
            self._begin(tag[1], offset)
        elif self._tag and (started := STARTED.match(text)):
            self._start = started[1]
        elif (ending := ENDING.match(text)) and self._tag:
            status, reason = _termination(ending[1], int(ending[2]))
            if self._start != "ok":
                status, reason = Status.ERROR, f"it was not started: {self._start}"
            if self._worst_line.severity > status.severity:
                status = self._worst_line
            self._known[self._tag] = status
            self._findings.add(self._tag, status, self._telling or reason, offset=offset)
            self._tag = ""
        else:
            return False
        return True

    def _begin(self, name: str, offset: int) -> None:
        if self._tag and self._tag != "a test":  # its name comes a line later
            self._findings.problem(f"{self._tag} began and did not end", offset)
        self._tag, self._telling, self._worst_line, self._start = name, "", Status.PASS, "ok"

    def _log(self, text: str, offset: int) -> bool:
        if text == SAID_FAILED:
            self._said_failed = offset
        elif plain := PLAIN_ROW.match(text):
            self._logged(plain[1], *_termination(plain[2], int(plain[3])), offset)
        elif re.match(r"Testcase\s+Result\s+Exit Value$", text):
            self._table = {"rows": 0, "bad": 0, **(self._table or {})}
        elif self._table is None:
            return False
        elif row := ROW.match(text):
            status = LOGGED[row[2]]
            if status is Status.PASS and int(row[3]):
                status = Status.FAIL
            self._table["rows"] += 1
            self._table["bad"] += not status.good
            self._logged(row[1], status, f"exit value {row[3]}", offset)
        elif total := TOTAL.match(text):
            self._table[total[1]] = self._table.get(total[1], 0) + int(total[2])
        else:
            return False
        return True

    def _logged(self, name: str, status: Status, reason: str, offset: int) -> None:
        """A line of runltp's log; mostly its screen has said the same before."""
        known = self._known.get(name)
        if known is None or status.severity > known.severity:
            self._findings.add(name, status, reason, offset=offset)

    def _check_table(self, table: dict[str, int]) -> None:
        if "Tests" not in table:
            self._findings.problem("runltp's log has no total: the run did not end")
        elif table["Tests"] != table["rows"]:
            self._findings.problem(
                f"runltp counts {table['Tests']} tests, its log shows {table['rows']}"
            )
        elif table.get("Failures", 0) and not table["bad"]:
            self._findings.problem("runltp counts failures, its log shows none")

    def _kirk(self, text: str, offset: int) -> bool:
        if KIRK_BEGIN.match(text):
            self._suites += 1
        elif text.startswith(KIRK_END):
            self._suites -= 1
        elif late := KIRK_LATE.match(text):
            self._findings.add(late[1], Status.TIMEOUT, text, offset=offset)
        elif KIRK_VERBOSE.match(text):
            self._verbose = True
        elif self._suites > 0 and text == KIRK_TEST_LATE:
            self._findings.add("a test", Status.TIMEOUT, text, offset=offset)
        elif self._suites <= 0 and KIRK_COUNT.match(text):
            self._kirk_counts = text, offset
        elif self._suites <= 0 and not self._verbose and (runs := KIRK_RUNS.match(text)):
            if int(runs[1]) > self._runs:
                what = f"kirk counts {int(runs[1])} tests, but shows {self._runs}"
                self._findings.problem(what, offset)
        elif self._suites > 0 and (shown := KIRK.match(text)):
            self._runs += 1
            reason = "the kernel became tainted" if shown[3] else ""
            duration = float(shown[4]) if shown[4] and shown[4].count(".") < 2 else None
            self._findings.add(shown[1], SHOWN[shown[2]], reason or shown[2], duration, offset)
        elif self._suites > 0 and not self._verbose and (silent := KIRK_SILENT.match(text)):
            self._findings.problem(f"kirk gives no result for {silent[1]}", offset)
        else:
            return False
        return True


def _termination(how: str, number: int) -> tuple[Status, str]:
    if how != "exited":
        return Status.FAIL, f"killed by {signal_name(number)}"  # driver_interrupt: by ltp-pan
    if number == 0:
        return Status.PASS, ""
    reason = f"exit value {number}"
    return next((status for bit, status in EXIT_BITS if number & bit), Status.FAIL), reason
