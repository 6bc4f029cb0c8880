"""The balloon payload from outside: a stand-in for virsh, and one for QEMU's monitor."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "payloads/balloon"
START_KB = 524288
VIRSH = """#!/bin/sh
state={state}
case $1 in
dommemstat)
    kb=$(cat $state)
    printf 'actual %s\\navailable %s\\nusable 400000\\n' $kb $((kb - 50000)) ;;
dominfo) echo "Max memory:     {start} KiB" ;;
setmem)
    [ "$3" -le {start} ] || {{ echo "error: cannot set memory higher than max memory"; exit 1; }}
    {move} ;;
esac
"""


@pytest.fixture(scope="session")
def program() -> str:
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
    return str(SOURCE / "build/balloon")


def with_virsh(program: str, folder: Path, move: str, *words: str):
    state = folder / "state"
    state.write_text(f"{START_KB}\n")
    virsh = folder / "virsh"
    virsh.write_text(VIRSH.format(state=state, start=START_KB, move=move))
    virsh.chmod(0o755)
    said = subprocess.run(
        [program, "--domain", "guest", "--interface", "virsh", "--ktap", *words],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return said, int(state.read_text())


def test_virsh_moves_a_guest(program, tmp_path):
    said, left = with_virsh(program, tmp_path, 'echo "$3" > $state', "--cycles", "2")
    assert (said.returncode, left) == (0, START_KB), said
    assert "ok 7 beyond # refused: virsh setmem guest: status 1: error: cannot set" in said.stdout


def test_virsh_guest_that_does_not_move(program, tmp_path):
    said, left = with_virsh(program, tmp_path, ":", "--settle", "1", "lower")
    assert (said.returncode, left) == (1, START_KB), said
    assert "the allocation did not follow" in said.stdout


def test_virsh_without_the_guest(program, tmp_path):
    said = subprocess.run(
        [program, "--domain", "guest", "--interface", "virsh"],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert said.returncode == 99 and "cannot run virsh" in said.stdout, said


class Monitor(threading.Thread):
    """QEMU's monitor of a guest with a balloon, one connection after another."""

    def __init__(self, path: Path, moves: bool = True, guest_sees: bool = True) -> None:
        super().__init__(daemon=True)
        self.actual = START_KB * 1024
        self.moves, self.guest_sees = moves, guest_sees
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            with connection, connection.makefile("rw") as lines:
                self.send(lines, {"QMP": {"version": {}, "capabilities": []}})
                for line in lines:
                    self.send(lines, {"event": "BALLOON_CHANGE", "data": {"actual": self.actual}})
                    self.send(lines, self.answer(json.loads(line)))

    @staticmethod
    def send(lines, value) -> None:
        lines.write(json.dumps(value) + "\n")
        lines.flush()

    def answer(self, asked):
        arguments = asked.get("arguments", {})
        if asked["execute"] == "balloon" and self.moves:
            self.actual = min(arguments["value"], START_KB * 1024)
        total = (self.actual if self.guest_sees else START_KB * 1024) - 50000 * 1024
        answers = {
            "query-balloon": {"actual": self.actual},
            "query-memory-size-summary": {"base-memory": START_KB * 1024},
            "qom-list": [{"name": "device[0]", "type": "child<virtio-balloon-pci>"}],
            "qom-get": {"stats": {"stat-total-memory": total, "stat-available-memory": total}},
        }
        return {"return": answers.get(asked["execute"], {})}


def with_monitor(program: str, folder: Path, *words: str, **faults: bool):
    monitor = Monitor(folder / "monitor", **faults)
    said = subprocess.run(
        [program, "--qmp", str(folder / "monitor"), "--ktap", *words],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    monitor.listener.close()
    return said, monitor.actual // 1024


def test_monitor_moves_a_guest(program, tmp_path):
    said, left = with_monitor(program, tmp_path, "--cycles", "2", "lower", "raise", "cycles")
    assert (said.returncode, left) == (0, START_KB), said


def test_monitor_of_a_guest_that_does_not_move(program, tmp_path):
    said, _ = with_monitor(program, tmp_path, "--settle", "1", "lower", moves=False)
    assert said.returncode == 1 and "the allocation did not follow" in said.stdout, said


def test_guest_that_does_not_see_what_the_monitor_says(program, tmp_path):
    said, left = with_monitor(program, tmp_path, "lower", guest_sees=False)
    assert said.returncode == 1 and "MemTotal by 0 kB" in said.stdout, said
    assert left == START_KB


def test_no_monitor(program, tmp_path):
    said = subprocess.run(
        [program, "--qmp", str(tmp_path / "none")], capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 99 and "none" in said.stdout, said
