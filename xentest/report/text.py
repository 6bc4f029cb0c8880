"""The summary of a run as plain text."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from xentest import progress
from xentest.errors import printable, printable_line
from xentest.results import Result, Status

HEADER = (
    ("run", "id"),
    ("tree", "tree"),
    ("revision", "revision"),
    ("build id", "build_id"),
    ("hypervisor", "hypervisor"),
    ("compiler", "compiler"),
    ("kernel", "kernel"),
    ("machine", "machine"),
    ("started", "started"),
    ("ended", "ended"),
    ("status", "status"),
    ("reason", "reason"),
)
REASON_WIDTH = 300


def summary(facts: Mapping[str, Any], results: Sequence[Result], folder: str) -> str:
    """Facts, the table of domains and tests, why each is not a pass, and the phases."""
    parts = [_header(facts), _table(results), _details(results, folder), _phases(facts)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(facts: Mapping[str, Any]) -> str:
    lines = [(title, printable_line(str(facts.get(key) or ""))) for title, key in HEADER]
    return "\n".join(f"{title + ':':<12} {value}" for title, value in lines if value)


def _table(results: Sequence[Result]) -> str:
    rows = [("domain", "test", "status", "seconds")] + [
        (result.domain, result.folder, result.status.value, f"{result.duration:.1f}")
        for result in results
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"{domain:<{widths[0]}}  {test:<{widths[1]}}  {status:<{widths[2]}}  {seconds:>8}"
        for domain, test, status, seconds in rows
    ]
    return "\n".join([*lines, "", _counts(results)])


def _counts(results: Sequence[Result]) -> str:
    counts = [
        (status.value, sum(result.status is status for result in results)) for status in Status
    ]
    said = ", ".join(f"{count} {name}" for name, count in counts if count)
    return f"{len(results)} results: {said}" if results else "no results"


def _details(results: Sequence[Result], folder: str) -> str:
    return "\n\n".join(
        _detail(result, folder) for result in results if result.status is not Status.PASS
    )


def _detail(result: Result, folder: str) -> str:
    lines = [
        f"{result.domain} {result.folder}: {result.status.value}",
        f"  {printable_line(result.reason)[:REASON_WIDTH] or 'no reason was given'}",
        f"  logs: {folder}/domains/{result.domain}/{result.folder}",
    ]
    if not result.status.good:
        bad = [item for item in result.subtests if not item.status.good]
        lines += [
            printable_line(f"  {item.name}: {item.status.value} {item.reason}").rstrip()
            for item in bad[:10]
        ]
        if len(bad) > 10:
            lines.append(f"  and {len(bad) - 10} more")
        lines += [f"    | {line}" for line in printable(result.console).splitlines()]
    return "\n".join(lines)


def _phases(facts: Mapping[str, Any]) -> str:
    phases = [(phase["name"], float(phase["seconds"])) for phase in facts.get("phases", [])]
    return progress.table(phases) if phases else ""
