"""The three forms in which a test payload tells its verdicts."""

from __future__ import annotations

import json
import re


def told(form: str, output: str) -> dict[str, str]:
    """Names and statuses, from sentences (""), --ktap or --json."""
    if form == "--json":
        lines = [json.loads(line) for line in output.splitlines()]
        return {line["name"]: line["status"] for line in lines if line["type"] == "result"}
    if form == "--ktap":
        rows = re.findall(r"^(ok|not ok) \d+ (\S+)(?: # (SKIP|ERROR))?", output, re.M)
        return {
            name: {"SKIP": "skip", "ERROR": "error"}.get(mark, "pass" if ok == "ok" else "fail")
            for ok, name, mark in rows
        }
    words = {"passed": "pass", "FAILED": "fail", "skipped": "skip", "ERROR": "error"}
    rows = re.findall(r"^(\S+): (passed|FAILED|skipped|ERROR)\b", output, re.M)
    return {name: words[word] for name, word in rows}
