"""KTAP 1 and TAP 12, 13, 14.

Nested subtests, directives, plans before or after, YAML blocks.  Lines that are none
of these are allowed anywhere (kernel messages).  What makes a report no proof is a
problem: no plan, a plan that does not match, numbers out of order, a bail-out, a torn line,
subtests without the result line of their parent, totals that count failures nobody sees.
kselftest's runner prints the report of each program behind "# " (and a program that runs others
theirs behind one more): what failed there has failed, also when the program's exit status,
by which the runner says `ok` or `# SKIP`, says otherwise.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import BinaryIO, Optional

from xentest.results import Status
from xentest.verdict.findings import MAX_LISTED, Findings
from xentest.verdict.text import lines, words

KSELFTEST_SKIP = 4
STAMP = re.compile(r"(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")  # as the kernel log has it
VERSION = re.compile(r"K?TAP version \d+\s*$", re.IGNORECASE)
PLAN = re.compile(r"1\.\.([0-9]+)\s*(?:#\s*(.*))?$")
RESULT = re.compile(r"(not )?ok\b(?:\s+([0-9]+)\b)?\s*(-\s|-$)?\s*(.*)$")
TORN = re.compile(r"not(?:\s+o)?\s*(?:(?:<\d+>)?\[ *\d+\.\d+\].*)?$")
TOTALS = re.compile(r"#\s*(?:Totals:.*\b(?:fail|error):|fail\s+(?=[0-9]+\s*$))0*[1-9]")
SAID_FAILED = re.compile(  # as KUnit, kselftest and perl end
    r"#\s*(?:\S.*: pass:[0-9]+ fail:|FAILED: [0-9]+ / |Pass [0-9]+ (?:Fail|.* Error) "
    r"|Looks like you(?:r test exited with| failed) )0*[1-9]"
)
QUOTED = re.compile(
    r"(?:#\s+)+(?:(?P<begin>K?TAP version \d+\s*$|1\.\.[0-9]+\b|selftests: \S+: \S)"
    r"|(?P<failed>not ok\s+(?:[0-9]+\b|-\s).*)|(?P<bail>Bail out!.*)"
    r"|(?P<totals>Totals:.*\b(?:fail|error):0*[1-9].*))"
)
MARK = r"(?:(?:^|\s)#\s*|(?<=\d)#\s+)"
OTHERS = "TODO|XFAIL|XPASS|TIMEOUT|ERROR"
DIRECTIVE = re.compile(MARK + rf"(SKIP|(?:{OTHERS})\b)\S*\s*:?\s*(.*)$", re.IGNORECASE)
# What excuses a failure is a whole word: nothing does in `not ok 1 - the #skiplist is sorted`.
EXCUSE = re.compile(
    MARK + rf"(SKIP(?=(?:PED)?(?![\w-]))|(?:{OTHERS})(?![\w-]))\S*\s*:?\s*(.*)$", re.IGNORECASE
)
SUBTEST = re.compile(r"#\s*Subtest:\s*(.+)$")
# prove -v: a file's report comes, and was right; with --timer, when and how long
PROVED = re.compile(r"(?:\[\d\d:\d\d:\d\d\] )?(\S+\.t) \.{2,} ?(?:skipped: (.*))?$")
PROVED_RIGHT = re.compile(r"ok(?: +[0-9]+ ms \([^()]* CPU\))?\s*$")
PROVE_FAILED = "Result: FAIL"
PROVE_ENDED = re.compile(r"Result: (?:PASS|FAIL|NOTESTS)\s*$")
BAIL = re.compile(r"Bail out!\s*(.*)$", re.IGNORECASE)

PASSED = {"SKIP": Status.SKIP, "XFAIL": Status.XFAIL}
FAILED = {"SKIP": Status.SKIP, "XFAIL": Status.XFAIL, "TODO": Status.XFAIL}
EITHER = {"TIMEOUT": Status.TIMEOUT, "ERROR": Status.ERROR}


def read(stream: BinaryIO, findings: Findings) -> None:
    """Add what a KTAP or TAP report says."""
    findings.skip_exit = KSELFTEST_SKIP
    report = _Report(findings)
    last = b""
    for offset, line in lines(stream):
        report.line(words(line), offset)
        last = line
    report.end()
    if last.strip() == b"ok" and not _ends_a_line(stream):
        findings.doubt = "the report ends with `ok` in the middle of a line", offset


def _ends_a_line(stream: BinaryIO) -> bool:
    stream.seek(-1, os.SEEK_END)
    return stream.read(1) in b"\r\n"


@dataclass
class _Outcome:
    """A result line whose parent is not known yet."""

    name: str
    status: Status
    reason: str
    offset: int


@dataclass
class _Level:
    """Results of one indentation, below one parent."""

    indent: int
    offset: int
    planned: Optional[int] = None
    seen: int = 0
    last: int = 0  # number of the last result
    outcomes: list[_Outcome] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether all that was planned has come: results, or that all was skipped."""
        return self.planned == self.seen and bool(self.seen or self.outcomes)


class _Report:
    """Reads line by line; deeper levels wait for the result line of their parent."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._levels = [_Level(0, 0)]
        self._begun = False
        self._yaml: Optional[int] = None  # indentation of the block that we are in
        self._quoted: Optional[list[_Outcome]] = None  # failures of the report behind "# "
        self._last = ""  # the last result line
        self._proves: Optional[int] = None  # where prove began that has not ended
        self._totals: Optional[tuple[str, int]] = None  # that count a failure, and where

    def line(self, text: str, offset: int) -> None:
        stamp = STAMP.match(text)
        text = text[stamp.end() :] if stamp else text
        body = text.lstrip(" \t")
        indent = len(text[: len(text) - len(body)].expandtabs(8))
        if not body or self._in_yaml(body, indent):
            return
        if self._is_proves(body, indent, offset):
            return
        if bail := BAIL.match(body):
            why = bail[1] or (self._last and f"after: {self._last}")  # GLib gives no reason
            self._findings.problem(f"Bail out! {why}".rstrip(), offset)
        elif VERSION.match(body):
            self._version(indent, offset)
        elif plan := PLAN.match(body):
            self._plan(indent, _number(plan[1]), plan[2] or "", offset)
        elif SUBTEST.match(body) and indent:
            self._level(indent, offset)
        elif (result := RESULT.match(body)) and self._believable(result, indent):
            self._result(result, body, indent, offset)
        elif TORN.match(body):
            self._findings.problem(f"a torn result line: {body}", offset)
        elif TOTALS.match(body) or not indent and SAID_FAILED.match(body):
            self._totals = body, offset
        elif quoted := QUOTED.match(body):
            self._quote(quoted, offset)

    def end(self) -> None:
        """The report is over: every level must be complete."""
        self._drop_to(0)
        self._complete(self._levels[0], required=True)
        self._levels = [_Level(0, 0)]
        if self._totals is not None and not self._findings.explains_failure:
            said, where = self._totals
            self._findings.problem(f"no result shows what failed: {said.rstrip()}", where)
        if self._proves is not None and not self._findings.explains_failure:
            self._findings.problem("prove's `Result:` is missing: so may be others", self._proves)

    def _is_proves(self, body: str, indent: int, offset: int) -> bool:
        """The words of prove -v round each file's report: no results."""
        level = self._levels[0]
        if not indent and (proved := PROVED.match(body)):
            if level.seen or level.planned is not None:
                self._version(indent, offset)
            self._proves = offset
            if proved[2] is not None:
                self._findings.add(proved[1], Status.SKIP, proved[2], offset=offset)
                self._levels[0].planned = 0
            return True
        if PROVE_ENDED.match(body):
            self._proves = None
        if body.rstrip() == PROVE_FAILED:
            self._totals = body, offset
        right = not indent and PROVED_RIGHT.match(body)
        return bool(right) and 0 < level.seen == level.planned

    def _quote(self, quoted: re.Match[str], offset: int) -> None:
        """A line of the report that kselftest's runner shows behind "# "."""
        if quoted["begin"] and self._quoted is None:
            self._quoted = []
        elif quoted["bail"] and self._quoted is not None:
            self._quoted.append(_Outcome("its report", Status.ERROR, quoted["bail"], offset))
        elif quoted["failed"] and self._quoted is not None:
            result = RESULT.match(quoted["failed"])
            assert result is not None
            outcome = _outcome(result, _number(result[2] or "0"), offset)
            if outcome.status not in FAILED.values() and len(self._quoted) < MAX_LISTED:
                self._quoted.append(outcome)
        elif quoted["totals"] and self._quoted == []:
            self._quoted.append(_Outcome("its report", Status.ERROR, quoted["totals"], offset))

    def _in_yaml(self, body: str, indent: int) -> bool:
        if self._yaml is None:
            if body.rstrip() == "---" and indent > self._levels[-1].indent:
                self._yaml = indent
                return True
            return False
        # A block that is not closed must not hide the results that follow it.
        closed = body.rstrip() == "..." or indent < self._yaml
        if closed:
            self._yaml = None
        return not closed or body.rstrip() == "..."

    def _version(self, indent: int, offset: int) -> None:
        level = self._level(indent, offset)
        if indent == 0 and (level.seen or level.planned is not None):
            # One report after another, as kselftest prints them.
            self._complete(level, required=True)
            self._levels = [_Level(0, offset)]
        elif indent == 0 and self._begun:
            self._findings.problem("a report that ends where it begins", offset)
        self._begun = True

    def _level(self, indent: int, offset: int) -> _Level:
        """The level of a line; deeper ones end here, without their parent's result."""
        self._drop_to(indent)
        if indent > self._levels[-1].indent:
            self._levels.append(_Level(indent, offset))
        return self._levels[-1]

    def _drop_to(self, indent: int) -> None:
        while len(self._levels) > 1 and self._levels[-1].indent > indent:
            orphan = self._levels.pop()
            self._complete(orphan)
            self._findings.problem("subtests without the result of their test", orphan.offset)
            self._hand_over(orphan, "?")

    def _plan(self, indent: int, planned: int, remark: str, offset: int) -> None:
        level = self._level(indent, offset)
        if indent == 0 and level.whole:
            # One report after another without a version line, as cmocka prints its groups.
            level = self._next_report(offset)
        if level.planned is not None:
            self._findings.problem("a second plan for the same tests", offset)
        level.planned = planned
        if planned == 0 and remark.upper().startswith("SKIP"):
            level.outcomes.append(_Outcome("all", Status.SKIP, remark[4:].strip(" :"), offset))

    def _next_report(self, offset: int) -> _Level:
        """What came before was whole; what comes now needs a plan of its own."""
        self._complete(self._levels[0])
        self._levels[0] = _Level(0, offset)
        return self._levels[0]

    @staticmethod
    def _believable(result: re.Match[str], indent: int) -> bool:
        """Indented words of a program are no results: those have a number, or say `not`."""
        return bool(result[1] or result[2] or result[3] or not indent)

    def _result(self, result: re.Match[str], body: str, indent: int, offset: int) -> None:
        children = None
        while len(self._levels) > 1 and self._levels[-1].indent > indent:
            if children is not None:
                self._findings.problem("subtests without the result of their test", offset)
                self._hand_over(children, "?")
            children = self._levels.pop()
            self._complete(children)
        self._last = body.rstrip()
        level = self._level(indent, offset)
        if indent == 0 and level.whole and result[2] and _number(result[2]) == 1:
            # Or as programs print them one by one, each with its plan at its end.
            level = self._next_report(offset)
        expected = level.last + 1
        level.last = _number(result[2]) if result[2] else expected
        if level.last != expected:
            self._findings.problem(f"number {level.last} where {expected} comes: {body}", offset)
        level.seen += 1
        outcome = _outcome(result, level.last, offset)
        if children is not None:
            if outcome.status is Status.XFAIL:
                _excuse(children)
            self._hand_over(children, outcome.name, level)
        if self._quoted and outcome.status in (Status.PASS, Status.SKIP):
            denied = _Level(indent, offset, outcomes=self._quoted)
            self._hand_over(denied, outcome.name, level)
        self._quoted = None
        self._keep(level, outcome)

    def _keep(self, level: _Level, outcome: _Outcome) -> None:
        if level is self._levels[0] or len(level.outcomes) >= MAX_LISTED:
            self._findings.add(outcome.name, outcome.status, outcome.reason, offset=outcome.offset)
        else:
            level.outcomes.append(outcome)

    def _hand_over(self, children: _Level, parent: str, level: Optional[_Level] = None) -> None:
        """Name the results of a level by their parent and pass them up."""
        for child in children.outcomes:
            child.name = f"{parent}/{child.name}"
            self._keep(level or self._levels[0], child)

    def _complete(self, level: _Level, required: bool = False) -> None:
        """Check that nothing is missing from a level that ends."""
        if level.planned is None and required and (level.seen or self._begun):
            self._findings.problem("no plan (1..N): results may be missing", level.offset)
        elif level.planned is not None and level.planned != level.seen:
            self._findings.problem(
                f"{level.planned} tests were planned, {level.seen} have a result", level.offset
            )
        if level is self._levels[0]:
            for outcome in level.outcomes:
                self._findings.add(
                    outcome.name, outcome.status, outcome.reason, offset=outcome.offset
                )


def _number(digits: str) -> int:
    """A number of any length: cut where it is beyond all use, and equals no other."""
    return int(digits[:10])


def _excuse(children: _Level) -> None:
    """What fails below a test that is known to fail is known to fail."""
    for child in children.outcomes:
        if child.status is Status.FAIL:
            child.status = Status.XFAIL


def _outcome(result: re.Match[str], number: int, offset: int) -> _Outcome:
    failed, words_of_it = bool(result[1]), result[4]
    directive = (EXCUSE if failed else DIRECTIVE).search(words_of_it)
    name = words_of_it[: directive.start()] if directive else words_of_it
    name = name.strip().replace("\\#", "#") or f"test {number}"
    word = directive[1].upper() if directive else ""
    reason = directive[2].strip() if directive else ""
    plain = Status.FAIL if failed else Status.PASS
    status = {**(FAILED if failed else PASSED), **EITHER}.get(word, plain)
    if status is Status.PASS and word in ("TODO", "XPASS"):
        reason = "expected to fail, but passes"
    elif failed and not directive:
        name, _, reason = name.partition(" # ")
    return _Outcome(name, status, reason, offset)
