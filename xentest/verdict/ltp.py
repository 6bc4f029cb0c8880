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
OLD_LINE = re.compile(r"(\S+)\s+(\d+)\s+(TPASS|TFAIL|TBROK|TWARN|TCONF)\s*:\s*(.*)$")
COUNT = re.compile(r"(passed|failed|broken|skipped|warnings)\s+(\d{1,9})\s*$")
ROW = re.compile(r"(\S+)\s+(PASS|FAIL|CONF|BROK)\s+(\d{1,9})\s*$")
TOTAL = re.compile(r"Total (Tests|Failures):\s*(\d{1,9})\s*$")
TAG = re.compile(r"tag=(\S+) stime=")
ENDING = re.compile(r".*\btermination_type=(\w+) termination_id=(\d{1,9})\b")
KIRK = re.compile(
    r"([^\s:]+): (pass|fail|skip|broken|warn|timed out|kernel panic|SUT not responding)"
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
        self._names: set[str] = set()
        self._table: Optional[dict[str, int]] = None  # of runltp's log
        self._open_lines = False  # verdict lines whose summary has not come
        self._summary = False
        self._seen: set[Status] = set()
        self._suites = 0  # of kirk: begun and not ended
        self._lines = 0

    def line(self, text: str, offset: int) -> None:
        handlers: tuple[Callable[[str, int], bool], ...] = (
            self._verdict_line,
            self._screen,
            self._log,
            self._kirk,
            self._count,
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
        if self._table is not None:
            self._check_table(self._table)

    def _verdict_line(self, text: str, offset: int) -> bool:
        new, old = NEW_LINE.match(text), None
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
        self._open_lines |= new is not None
        name = match[1].rpartition("/")[2]
        number = str(self._lines) if new else match[2]
        self._findings.add(f"{name} {number}", status, f"{match[3]}: {match[4]}", offset=offset)
        return True

    def _count(self, text: str, offset: int) -> bool:
        if text == "Summary:":
            self._summary, self._open_lines = True, False
            return True
        count = COUNT.match(text)
        if not count or not self._summary:
            self._summary = False
            return False
        status = COUNTED.get(count[1])
        if status and int(count[2]) and not self._tag and status not in self._seen:
            self._findings.add(f"summary {count[1]}", status, text, offset=offset)
        return True

    def _screen(self, text: str, offset: int) -> bool:
        if tag := TAG.match(text):
            if self._tag:
                self._findings.problem(f"{self._tag} began and did not end", offset)
            self._tag, self._telling, self._worst_line = tag[1], "", Status.PASS
        elif (ending := ENDING.match(text)) and self._tag:
            status, reason = _termination(ending[1], int(ending[2]))
            if self._worst_line.severity > status.severity:
                status = self._worst_line
            self._names.add(self._tag)
            self._findings.add(self._tag, status, self._telling or reason, offset=offset)
            self._tag = ""
        else:
            return False
        return True

    def _log(self, text: str, offset: int) -> bool:
        if re.match(r"Testcase\s+Result\s+Exit Value$", text):
            self._table = {"rows": 0, "bad": 0, **(self._table or {})}
        elif self._table is None:
            return False
        elif row := ROW.match(text):
            status = LOGGED[row[2]]
            if status is Status.PASS and int(row[3]):
                status = Status.FAIL
            self._table["rows"] += 1
            self._table["bad"] += not status.good
            if row[1] not in self._names:
                self._findings.add(row[1], status, f"exit value {row[3]}", offset=offset)
        elif total := TOTAL.match(text):
            self._table[total[1]] = self._table.get(total[1], 0) + int(total[2])
        else:
            return False
        return True

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
        if text.startswith("Starting suite: "):
            self._suites += 1
        elif re.match(r"Suite [Nn]ame: ", text):
            self._suites -= 1
        elif self._suites > 0 and (shown := KIRK.match(text)):
            reason = "the kernel became tainted" if shown[3] else ""
            duration = float(shown[4]) if shown[4] and shown[4].count(".") < 2 else None
            self._findings.add(shown[1], SHOWN[shown[2]], reason or shown[2], duration, offset)
        elif self._suites > 0 and (silent := re.match(r"([^\s:]+):$", text)):
            self._findings.problem(f"kirk gives no result for {silent[1]}", offset)
        else:
            return False
        return True


def _termination(how: str, number: int) -> tuple[Status, str]:
    if how != "exited":
        return Status.FAIL, f"killed by {signal_name(number)}"
    if number == 0:
        return Status.PASS, ""
    reason = f"exit value {number}"
    return next((status for bit, status in EXIT_BITS if number & bit), Status.FAIL), reason
