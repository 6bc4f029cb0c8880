"""The Xen Test Framework: "Test result:" lines of its guests, and xtf-runner's table."""

from __future__ import annotations

import re
from typing import BinaryIO

from xentest.results import Status
from xentest.verdict.findings import Findings
from xentest.verdict.text import lines, words

RUNNER_SKIP = 3
STATUSES = {
    "SUCCESS": Status.PASS,
    "SKIP": Status.SKIP,
    "ERROR": Status.ERROR,
    "FAILURE": Status.FAIL,
    "CRASH": Status.CRASH,
}
BANNER = re.compile(r"--- Xen Test Framework ---\s*$")
EXECUTING = re.compile(r"Executing '(xl create\b)?.*?(test-[^/' ]{1,200}?)(?:\.cfg)?'")
RESULT = re.compile(r"(?:.*\s)?Test result: (SUCCESS|SKIP|ERROR|FAILURE|CRASH)\s*$")
TABLE = re.compile(r"Combined test results:\s*$")
ROW = re.compile(r"(test-\S+)\s+(SUCCESS|SKIP|ERROR|FAILURE|CRASH)\s*$")


def read(stream: BinaryIO, findings: Findings) -> None:
    """Add each test of an XTF guest's console or of xtf-runner's output."""
    findings.skip_exit = RUNNER_SKIP
    guests = _Guests(findings)
    in_table = False
    for offset, line in lines(stream):
        text = words(line).strip()
        if TABLE.match(text):
            in_table, guests.untold = True, None
        elif in_table and text.startswith("test-"):
            _row(text, offset, guests, findings)
        elif executing := EXECUTING.match(text):
            guests.next_name = executing[2]
            if executing[1] == "xl create":
                guests.create(offset)
        elif BANNER.search(text):
            guests.begin(offset)
        elif result := RESULT.match(text):
            guests.end(STATUSES[result[1]], text, offset)
    guests.finish()
    if guests.untold is not None:
        what = "xtf-runner gave no table of its results: some may be missing"
        findings.problem(what, guests.untold)


def _row(text: str, offset: int, guests: _Guests, findings: Findings) -> None:
    if row := ROW.match(text):
        guests.row(row[1], STATUSES[row[2]], offset)
    else:
        findings.problem(f"a row of xtf-runner's table has no result that is known: {text}", offset)


class _Guests:
    """The guests of one output, one after another."""

    def __init__(self, findings: Findings) -> None:
        self.next_name = ""
        self.untold: int | None = None  # where xtf-runner began, whose table has not come
        self._findings = findings
        self._running: int | None = None  # where a guest without a result began
        self._silent = False  # it was created and has not said its first words
        self._count = 0
        self._named: dict[str, Status] = {}

    def create(self, offset: int) -> None:
        """The runner creates a guest."""
        self.finish()
        self._running, self._silent = offset, True
        self.untold = offset

    def begin(self, offset: int) -> None:
        """A guest says its first words."""
        if not self._silent:
            self.finish()
        self._running, self._silent = offset, False

    def end(self, status: Status, line: str, offset: int) -> None:
        self._count += 1
        name = self.next_name or f"test {self._count}"
        self._named[name] = status
        reason = "" if status is Status.PASS else line
        self._findings.add(name, status, reason, offset=offset)
        self._running = None

    def row(self, name: str, status: Status, offset: int) -> None:
        """A row of the table; mostly the guest has said the same before."""
        self.finish()
        if self._named.get(name) is not status:
            self._findings.add(name, status, f"xtf-runner says {status.value}", offset=offset)

    def finish(self) -> None:
        """A guest that began and gave no result has crashed."""
        if self._running is not None:
            self._count += 1
            name = self.next_name or f"test {self._count}"
            self._named[name] = Status.CRASH
            self._findings.add(name, Status.CRASH, "ended without a result", offset=self._running)
        self._running = None
