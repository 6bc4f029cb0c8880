"""Numbers that a test measured: out of its output, or out of a JSON file it wrote."""

from __future__ import annotations

import json
import math
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from xentest.errors import printable
from xentest.results import Figure
from xentest.verdict import text

MAX_FIGURES = 1000
MAX_SIZE = 16 << 20
MAX_LINE = 1000  # a pattern that tries many ways must not meet a long line
LIMIT = 60.0  # seconds of this process's own time: some patterns try more ways than there is time


class TooSlow(Exception):
    """The figures could not be read within LIMIT; the message says so."""


def read(source: str, output: Path, work: Path) -> list[Figure]:
    """The figures that `source` names: "" none, "json" JSON lines of the output, "json:FILE" a
    file below `work`, or a pattern with the groups name, value and unit that is looked for in
    each line of the output. Raises TooSlow. To be called in the main thread only.
    """
    from itertools import islice

    with _limited():
        return list(islice(_named_by(source, output, work), MAX_FIGURES))


@contextmanager
def _limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        advice = "write a pattern that can match in fewer ways"
        raise TooSlow(f"no figures: they could not be read in {LIMIT:g} s; {advice}")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _named_by(source: str, output: Path, work: Path) -> Iterator[Figure]:
    if not source:
        return
    if source == "json":
        yield from _of_json_lines(output)
    elif source.startswith("json:"):
        yield from _of_file(work / source[5:])
    else:
        yield from _of(output, source)


def _of(output: Path, pattern: str) -> Iterator[Figure]:
    import re

    wanted = re.compile(pattern)
    for line in _lines(output):
        if match := wanted.search(text.words(line[:MAX_LINE])):
            yield from _figure(match.groupdict())


def _of_json_lines(output: Path) -> Iterator[Figure]:
    """Objects that call themselves figures; in KTAP they stand behind a "# "."""
    for line in _lines(output):
        line = line.lstrip(b"# ")
        if not line.startswith(b"{"):
            continue
        item = _json(line.decode("utf-8", "replace"))
        if isinstance(item, dict) and item.get("type") == "figure":
            yield from _figure(item)


def _lines(output: Path) -> Iterator[bytes]:
    try:
        with text.open_regular(output) as stream:
            for _, line in text.lines(stream):
                yield line
    except text.NotReadable:
        return


def _of_file(path: Path) -> Iterator[Figure]:
    try:
        with text.open_regular(path) as stream:
            content = stream.read(MAX_SIZE).decode("utf-8", "replace")
    except text.NotReadable:
        return
    for value in _values(content):
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from _figures_in(item)


def _values(content: str) -> Iterator[Any]:
    """The one JSON value of a file, or else one of each line."""
    for part in [content] if _json(content) is not None else content.splitlines():
        yield _json(part)


def _json(content: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _figures_in(item: dict[str, Any]) -> Iterator[Figure]:
    if "name" in item and "value" in item:
        yield from _figure(item)
    elif isinstance(item.get("figures"), list):
        for inner in item["figures"]:
            if isinstance(inner, dict):
                yield from _figure(inner)


def _figure(item: dict[str, Any]) -> Iterator[Figure]:
    raw = item.get("value")
    try:
        value = float(raw) if isinstance(raw, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return
    name = printable(str(item.get("name") or "")).strip()[:200]
    better = item.get("better")
    if name and math.isfinite(value) and not isinstance(raw, bool):
        unit = printable(str(item.get("unit") or ""))[:40]
        yield Figure(name, value, unit, better if better in ("higher", "lower") else "")
