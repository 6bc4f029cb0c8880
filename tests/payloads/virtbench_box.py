"""virtbench with a toy backend: its machines are processes of this one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "payloads/virtbench"
LIMIT = 400

START_MACHINE = """\
setsid "$VIRTBENCH_CLIENT" "$1" "$2" "$3" < /dev/null > /dev/null 2>&1 &
echo $!
"""
STOP_MACHINE = 'kill "$1" 2> /dev/null; echo "stopped $1" >> "$HERE/log"\n'


class Toy:
    """A backend of four small scripts, and virtbench run with it."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder / "toy"
        self.folder.mkdir()
        self.log = folder / "log"
        self.script("start", 'echo started >> "$HERE/log"\n')
        self.script("start_machine", START_MACHINE)
        self.script("stop_machine", STOP_MACHINE)
        self.script("stop", 'echo "stopped all" >> "$HERE/log"\n')

    def script(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\nHERE='{self.folder.parent}'\n{text}")
        path.chmod(0o755)

    def words(self, *words: str) -> list[str]:
        return [self.program, "--rough", "-s", "7", *words[:-1], str(self.folder), words[-1]]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run(*self.words(*words))

    def logged(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


def run(*words: str, **more: object) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, **{name: str(value) for name, value in more.items()})
    return subprocess.run(
        words, capture_output=True, text=True, timeout=LIMIT, env=environment,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def objects(text: str, kind: str) -> list[dict]:
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line["type"] == kind]


def build() -> str:
    """virtbench, built."""
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
    return str(SOURCE / "build/virtbench")
