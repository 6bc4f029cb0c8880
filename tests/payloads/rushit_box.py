"""A server and a client of rushit, on ports of their own."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from ports import free_ports

SOURCE = Path(__file__).resolve().parents[2] / "payloads/rushit"
LIMIT = 300


def build() -> Path:
    """The folder with the programs."""
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
    return SOURCE / "build"


class Ended:
    """What a program left: status, output, error output, and its key=value lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.out, self.err = process.communicate(timeout=LIMIT)
        self.status = process.returncode
        self.keys = dict(re.findall(r"^([\w.\[\]]+)=(.*)$", self.out, re.M))

    def number(self, key: str) -> float:
        return float(self.keys[key])

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """The JSON lines of a type."""
        found = [json.loads(line) for line in self.out.splitlines()]
        return [line for line in found if line["type"] == kind]

    def __repr__(self) -> str:
        return f"status {self.status}\n{self.out}\n{self.err}"


class Pair:
    """Two ends that know of each other's ports."""

    def __init__(self, folder: Path, name: str, cwd: Path) -> None:
        self.folder, self.name, self.cwd = folder, name, cwd
        self.control, self.data = free_ports(2)

    def start(self, *options: str) -> subprocess.Popen[str]:
        words = [str(self.folder / self.name), "-C", self.control, "-P", self.data, *options]
        return subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.cwd
        )

    def server(self, *options: str) -> subprocess.Popen[str]:
        return self.start("--patience", "200", *options)

    def client(self, *options: str) -> subprocess.Popen[str]:
        return self.start("-c", "-l", "1", "--patience", "200", *options)

    def run(self, server: str = "", client: str = "") -> tuple[Ended, Ended]:
        """Server and client, to their ends."""
        one, other = self.server(*server.split()), self.client(*client.split())
        try:
            ended = Ended(other)
            return Ended(one), ended
        finally:
            one.kill()
            other.kill()
