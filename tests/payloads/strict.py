"""Readers that forgive nothing, of what programs write for others to read."""

from __future__ import annotations

import csv
import io
import json
from typing import Any


def objects(content: bytes) -> list[dict[str, Any]]:
    """The lines of JSON: UTF-8, whole lines, no NaN, no key twice."""
    text = content.decode("utf-8")
    assert text.endswith("\n"), text[-200:]
    read = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_unique).decode
    return [read(line) for line in text[:-1].split("\n")]


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    assert len(found) == len(pairs), f"a key twice: {[key for key, _ in pairs]}"
    return found


def table(content: bytes) -> list[dict[str, str]]:
    """The rows of CSV with a header: different names, as many fields in each row."""
    header, *rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
    assert len(set(header)) == len(header) and {len(row) for row in rows} <= {len(header)}, header
    return [dict(zip(header, row)) for row in rows]


def distribution(content: bytes) -> list[list[float]]:
    """The lines of HdrHistogram's text form that a plot is made of: those with four columns."""
    title, empty, *body = content.decode("ascii").splitlines()
    assert title.split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"] and not empty
    assert [line[:2] for line in body[-3:]] == ["#["] * 3, body[-4:]
    rows = [[float(word) for word in line.split()] for line in body[:-3]]
    for column in range(3):
        values = [row[column] for row in rows]
        assert values == sorted(values), values
    assert rows[-1][1] == 1 and len(rows[-1]) == 3
    return [row for row in rows if len(row) == 4]
