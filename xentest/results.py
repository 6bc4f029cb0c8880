"""The one shape of a result.

A test run in a domain is one Result; what it found inside (KTAP lines, JUnit
cases, ...) are its subtests.  `result.json` holds exactly one Result.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Iterable, Mapping, Optional

from xentest import durable
from xentest.errors import printable, printable_line

SCHEMA = 1
MAX_REASON = 500
MAX_SECONDS = 1_000_000_000
MAX_VALUES = 2_000_000  # a result of ours holds a tenth of it
# How the reason of a test begins that nothing else ended.
WENT_DOWN = "the domain (or machine) went down while this test ran"


class Status(str, Enum):
    """Ordered: the later, the worse; a group is as bad as its worst member."""

    PASS = "pass"
    SKIP = "skip"  # cannot apply here; the reason says why
    XFAIL = "xfail"  # fails, as the control file said it would
    FAIL = "fail"  # the hypervisor or kernel under test is wrong
    ERROR = "error"  # the test or its setup is wrong
    TIMEOUT = "timeout"
    CRASH = "crash"  # a domain or the machine died
    BLOCKED = "blocked"  # an earlier failure prevented it
    BROKEN = "broken"  # fetch, build, disk, network: never counted as the tree's

    @property
    def severity(self) -> int:
        return list(Status).index(self)

    @property
    def good(self) -> bool:
        return self in (Status.PASS, Status.SKIP, Status.XFAIL)


def worst(statuses: Iterable[Status]) -> Optional[Status]:
    """The worst of several; None of none."""
    ranked = sorted(statuses, key=lambda status: status.severity)
    return ranked[-1] if ranked else None


@dataclass(frozen=True)
class Figure:
    """A number that a test measured."""

    name: str
    value: float
    unit: str = ""
    better: str = ""  # "higher", "lower" or unknown


@dataclass(frozen=True)
class Subtest:
    """One verdict inside a test's output."""

    name: str
    status: Status
    reason: str = ""
    duration: Optional[float] = None
    log_offset: Optional[int] = None  # byte in `output` where it stands


@dataclass
class Result:
    """What became of one test in one domain."""

    domain: str
    test: str
    number: int  # 1-based position in the domain's list, repeats expanded
    status: Status
    reason: str = ""
    started: str = ""  # ISO 8601, UTC
    duration: float = 0.0
    log_offset: Optional[int] = None
    figures: list[Figure] = field(default_factory=list)
    subtests: list[Subtest] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)  # seconds by phase name
    console: str = ""  # excerpt that explains a crash

    @property
    def folder(self) -> str:
        return folder_name(self.number, self.test)


def folder_name(number: int, test: str) -> str:
    """The folder of a result below a domain's `results`."""
    return f"{number}-{test}"


def to_json(result: Result) -> dict[str, Any]:
    """The JSON object of a result, as it stands in result.json."""
    return {"schema": SCHEMA, **asdict(result)}


def write(path: Path, result: Result) -> None:
    """Write result.json durably."""
    durable.write_json(path, to_json(result))


class MalformedResult(ValueError):
    """The text is not a result.json of ours; the message says why."""


def parse(text: str) -> Result:
    """Read a result.json that a stranger may have written: every field is checked."""
    # Small values need thirty times their text as objects: none are made of too many.
    if sum(text.count(mark) for mark in ",[{") > MAX_VALUES:
        raise MalformedResult(f"more than {MAX_VALUES} values")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedResult(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedResult("not a JSON object")
    if value.get("schema") != SCHEMA:
        raise MalformedResult(f"schema is {value.get('schema')!r}, not {SCHEMA}")
    result = Result(
        domain=_text(value, "domain", 64),
        test=_text(value, "test", 128),
        number=_count(value, "number"),
        status=_status(value),
        reason=_text(value, "reason", MAX_REASON, required=False),
        started=_text(value, "started", 40, required=False),
        duration=_seconds(value, "duration") or 0.0,
        log_offset=_offset(value),
        figures=[_figure(item) for item in _items(value, "figures", 1000)],
        subtests=[_subtest(item) for item in _items(value, "subtests", 50_000)],
        phases=_phases(value),
        console=_text(value, "console", 20_000, required=False, lines=True),
    )
    _check_consistent(result)
    return result


def _check_consistent(result: Result) -> None:
    """No result is better than the worst of its subtests."""
    worst_of_all = worst({subtest.status for subtest in result.subtests})
    if worst_of_all and worst_of_all.severity > result.status.severity:
        said = f"it says {result.status.value}, but one of its subtests {worst_of_all.value}"
        raise MalformedResult(said)


def _text(
    value: Mapping[str, Any], key: str, limit: int, required: bool = True, lines: bool = False
) -> str:
    item = value.get(key, None if required else "")
    if not isinstance(item, str):
        raise MalformedResult(f"{key} is not a text")
    return (printable if lines else printable_line)(item)[:limit]


def _count(value: Mapping[str, Any], key: str) -> int:
    item = value.get(key)
    if not isinstance(item, int) or isinstance(item, bool) or not 1 <= item <= 1_000_000:
        raise MalformedResult(f"{key} is not a number from 1 to 1000000")
    return item


def _status(value: Mapping[str, Any]) -> Status:
    try:
        return Status(value.get("status"))
    except ValueError:
        raise MalformedResult(f"status {value.get('status')!r} is none of ours") from None


def _number(item: Any, key: str) -> float:
    if isinstance(item, bool) or not isinstance(item, (int, float)):
        raise MalformedResult(f"{key} is not a number")
    try:
        number = float(item)
    except OverflowError:
        raise MalformedResult(f"{key} is too large") from None
    if not math.isfinite(number):
        raise MalformedResult(f"{key} is not a finite number")
    return number


def _seconds(value: Mapping[str, Any], key: str) -> Optional[float]:
    item = value.get(key)
    if item is None:
        return None
    seconds = max(0.0, _number(item, key))
    if seconds > MAX_SECONDS:
        raise MalformedResult(f"{key} is more than {MAX_SECONDS} seconds")
    return seconds


def _offset(value: Mapping[str, Any]) -> Optional[int]:
    item = value.get("log_offset")
    if item is None:
        return None
    if not isinstance(item, int) or isinstance(item, bool) or not 0 <= item < 1 << 62:
        raise MalformedResult("log_offset is not a file position")
    return item


def _items(value: Mapping[str, Any], key: str, limit: int) -> list[Mapping[str, Any]]:
    items = value.get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise MalformedResult(f"{key} is not a list of objects")
    if len(items) > limit:
        raise MalformedResult(f"{key} has {len(items)} entries, more than {limit}")
    return items


def _figure(item: Mapping[str, Any]) -> Figure:
    better = _text(item, "better", 10, required=False)
    if better not in ("", "higher", "lower"):
        raise MalformedResult(f"better is {better!r}, not higher or lower")
    return Figure(
        name=_text(item, "name", 200),
        value=_number(item.get("value"), "value"),
        unit=_text(item, "unit", 40, required=False),
        better=better,
    )


def _subtest(item: Mapping[str, Any]) -> Subtest:
    return Subtest(
        name=_text(item, "name", 300),
        status=_status(item),
        reason=_text(item, "reason", MAX_REASON, required=False),
        duration=_seconds(item, "duration"),
        log_offset=_offset(item),
    )


def _phases(value: Mapping[str, Any]) -> dict[str, float]:
    phases = value.get("phases", {})
    if not isinstance(phases, dict) or len(phases) > 50:
        raise MalformedResult("phases is not a small object")
    return {
        printable_line(str(name))[:40]: _number(seconds, "phases")
        for name, seconds in phases.items()
    }
