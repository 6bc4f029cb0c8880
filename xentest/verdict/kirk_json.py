"""The JSON report of kirk, the runner of the Linux Test Project."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from xentest.errors import first_line
from xentest.results import Status, worst
from xentest.verdict.findings import Findings

MAX_SIZE = 64 << 20
STATUSES = {
    "pass": Status.PASS,
    "fail": Status.FAIL,
    "brok": Status.ERROR,
    "warn": Status.ERROR,
    "conf": Status.SKIP,
}
BAD_COUNTS = ("failed", "broken", "warnings")


def read(stream: BinaryIO, findings: Findings) -> None:
    """Add every test of a report."""
    content = stream.read(MAX_SIZE + 1)
    if len(content) > MAX_SIZE:
        findings.problem(f"kirk's report is larger than {MAX_SIZE >> 20} MiB")
        return
    try:
        report = json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        findings.problem(f"kirk's report is not JSON: {error}")
        return
    tests = report.get("results") if isinstance(report, dict) else None
    if not isinstance(tests, list) or not tests:
        findings.problem("kirk's report holds no results")
        return
    for entry in tests:
        _test(entry, findings)
    stats = report.get("stats")
    counted = [key for key in BAD_COUNTS if isinstance(stats, dict) and stats.get(key)]
    if counted and not findings.explains_failure:
        findings.problem(f"kirk counts tests that {counted[0]}, but shows none")


def _test(entry: Any, findings: Findings) -> None:
    if not isinstance(entry, dict) or not isinstance(entry.get("test"), dict):
        findings.problem("an entry of kirk's report is not a test")
        return
    details = entry["test"]
    told = [of[key] for of, key in ((entry, "status"), (details, "result")) if key in of]
    known = [STATUSES[word] for word in told if isinstance(word, str) and word in STATUSES]
    status = worst(known) if len(known) == len(told) else None
    name = str(entry.get("test_fqn", "?"))[:300]
    if status is None:
        findings.problem(f"kirk's report gives {name} an unknown result")
        return
    if status is Status.SKIP and _never_ran(details):
        findings.add(name, Status.TIMEOUT, "not run: the time of kirk's suite was over")
        return
    if status.good and _contradicted(details, status):
        status = Status.FAIL
    findings.add(name, status, _reason(details), _duration(details))


def _contradicted(details: dict[str, Any], status: Status) -> bool:
    """A good word beside counted failures; a pass without any, or with a bad exit value."""
    if any(details.get(key) not in (0, None) for key in BAD_COUNTS):
        return True
    values = details.get("retval", [])
    failed = [str(value) for value in values] if isinstance(values, list) else [str(values)]
    bad = details.get("passed") == 0 or any(value != "0" for value in failed)
    return status is Status.PASS and bad


def _never_ran(details: dict[str, Any]) -> bool:
    """What kirk has no time for any more it calls skipped, after no time and without a word."""
    return details.get("duration") == 0 and not details.get("log")


def _reason(details: dict[str, Any]) -> str:
    log = details.get("log")
    telling = [
        line
        for line in (log.splitlines() if isinstance(log, str) else [])
        if any(letters in line for letters in ("TFAIL", "TBROK", "TCONF", "TWARN"))
    ]
    return first_line(telling[0]) if telling else f"exit value {details.get('retval')}"


def _duration(details: dict[str, Any]) -> float | None:
    value = details.get("duration")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        return None
    return float(value)
