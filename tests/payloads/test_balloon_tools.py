"""The balloon payload from outside: a stand-in for virsh, and one for QEMU's monitor."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "payloads/balloon"
START_KB = 524288
VIRSH = """#!/bin/sh
state={folder}/$2
case $1 in
domid) [ -e $state ] ;;
save) cp $state "$3"; rm $state ;;
restore) {restore} ;;
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


MOVE = 'echo "$3" > $state'
RESTORE = 'cp "$2" {folder}/guest'


def memory(folder: Path, name: str) -> int:
    return int((folder / name).read_text())


def start_with_virsh(program: str, folder: Path, move: str, *words: str, restore: str = RESTORE):
    """Guests `guest` and `other` below a stand-in."""
    for name in ("guest", "other"):
        (folder / name).write_text(f"{START_KB}\n")
    virsh = folder / "virsh"
    restore = restore.format(folder=folder)
    virsh.write_text(VIRSH.format(folder=folder, start=START_KB, move=move, restore=restore))
    virsh.chmod(0o755)
    return subprocess.Popen(
        [program, "--domain", "guest", "--interface", "virsh", "--ktap", "--neighbour", "other",
         "--save-file", str(folder / "saved"), *words],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def with_virsh(program: str, folder: Path, move: str, *words: str, restore: str = RESTORE):
    """What balloon said, and what `guest` is left with."""
    process = start_with_virsh(program, folder, move, *words, restore=restore)
    out, err = process.communicate(timeout=300)
    said = subprocess.CompletedProcess([], process.returncode, out, err)
    return said, memory(folder, "guest")


def test_virsh_moves_a_guest(program, tmp_path):
    said, left = with_virsh(program, tmp_path, MOVE, "--cycles", "2")
    assert (said.returncode, left) == (0, START_KB), said
    assert " beyond # refused: virsh setmem guest: status 1: error: cannot set" in said.stdout
    for name in ("neighbour", "save-restore"):
        assert re.search(rf"^ok \d+ {name}", said.stdout, re.M), said


def test_virsh_that_restores_another_size(program, tmp_path):
    words = ("--settle", "1", "save-restore")
    restore = "cp {folder}/other {folder}/guest"
    said, left = with_virsh(program, tmp_path, MOVE, *words, restore=restore)
    assert (said.returncode, left) == (1, START_KB), said
    assert f"restored with {START_KB} kB" in said.stdout, said


def test_domain_that_cannot_be_restored_is_kept(program, tmp_path):
    restore = "[ -e {folder}/tried ] || {{ touch {folder}/tried; exit 1; }}; " + RESTORE
    said, left = with_virsh(program, tmp_path, MOVE, "save-restore", restore=restore)
    assert (said.returncode, left) == (1, START_KB), "the supervisor tries once more"
    assert " save-restore # virsh restore" in said.stdout, said


def test_virsh_neighbour_that_does_not_grow(program, tmp_path):
    move = f"case $2-$3 in other-{START_KB}) ;; *) {MOVE} ;; esac"
    said, left = with_virsh(program, tmp_path, move, "--settle", "1", "neighbour")
    assert (said.returncode, left) == (1, START_KB), said
    assert "other has" in said.stdout, said


@pytest.mark.parametrize("word", ["TERM", "KILL"])
def test_killed_while_the_neighbour_is_small(program, tmp_path, word):
    killed = tmp_path / "killed"
    move = f"case $2-$3 in other-{START_KB}) [ -e {killed} ] || exit 0 ;; esac; {MOVE}"
    process = start_with_virsh(program, tmp_path, move, "--settle", "50", "neighbour")
    end = time.monotonic() + 60
    while (tmp_path / "other").read_text() in ("", f"{START_KB}\n"):
        assert time.monotonic() < end and process.poll() is None, "it does not move the neighbour"
        time.sleep(0.002)
    killed.touch()
    process.send_signal(getattr(signal, f"SIG{word}"))
    process.communicate(timeout=300)  # until the keeper has closed them too
    assert (memory(tmp_path, "guest"), memory(tmp_path, "other")) == (START_KB, START_KB)


def test_virsh_guest_that_does_not_move(program, tmp_path):
    said, left = with_virsh(program, tmp_path, ":", "--settle", "1", "lower")
    assert (said.returncode, left) == (1, START_KB), said
    assert "the allocation did not follow" in said.stdout


def test_virsh_without_the_guest(program, tmp_path):
    said = subprocess.run(
        [program, "--domain", "guest", "--interface", "virsh"],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert said.returncode == 99 and "cannot run virsh" in said.stdout, said


class Monitor(threading.Thread):
    """QEMU's monitor of a guest with a balloon, one connection after another.

    Before each answer comes an event, and the late one to a command that nobody waits for any more.
    """

    def __init__(
        self, path: Path, moves: bool = True, guest_sees: bool = True, silent_about: str = ""
    ) -> None:
        super().__init__(daemon=True)
        self.actual = START_KB * 1024
        self.moves, self.guest_sees, self.silent_about = moves, guest_sees, silent_about
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
                    asked = json.loads(line)
                    if asked["execute"] == self.silent_about:
                        break
                    self.send(lines, {"event": "BALLOON_CHANGE", "data": {"return": self.actual}})
                    self.send(lines, {"return": {"actual": 4096}, "id": asked["id"] - 1})
                    self.send(lines, {"id": asked["id"], **self.answer(asked)})

    @staticmethod
    def send(lines, value) -> None:
        text = json.dumps(value) + "\n"
        for part in (text[:9], text[9:]):
            lines.write(part)
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


def with_monitor(program: str, folder: Path, *words: str, **faults: Any):
    monitor = Monitor(folder / "monitor", **faults)
    said = subprocess.run(
        [program, "--qmp", str(folder / "monitor"), "--ktap", *words],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    monitor.listener.close()
    return said, monitor.actual // 1024


def test_monitor_moves_a_guest(program, tmp_path):
    other = Monitor(tmp_path / "other")
    said, left = with_monitor(program, tmp_path, "--cycles", "2", "--neighbour",
                              str(tmp_path / "other"))  # fmt: skip
    other.listener.close()
    assert (said.returncode, left) == (0, START_KB), said
    for name in ("lower", "raise", "random", "cycles", "neighbour", "beyond"):
        assert re.search(rf"^ok \d+ {name}", said.stdout, re.M), said


def test_monitor_of_a_guest_that_does_not_move(program, tmp_path):
    said, _ = with_monitor(program, tmp_path, "--settle", "1", "lower", moves=False)
    assert said.returncode == 1 and "the allocation did not follow" in said.stdout, said


def test_guest_that_does_not_see_what_the_monitor_says(program, tmp_path):
    said, left = with_monitor(program, tmp_path, "--settle", "1", "lower", guest_sees=False)
    assert said.returncode == 1 and "MemTotal by 0 kB" in said.stdout, said
    assert left == START_KB


def test_monitor_that_ends_has_refused_nothing(program, tmp_path):
    said, _ = with_monitor(program, tmp_path, "beyond", silent_about="balloon")
    assert said.returncode == 99, said
    assert re.search(r"^not ok \d+ beyond # .*no answer", said.stdout, re.M), said


def test_no_monitor(program, tmp_path):
    said = subprocess.run(
        [program, "--qmp", str(tmp_path / "none")], capture_output=True, text=True, timeout=300
    )
    assert said.returncode == 99 and "none" in said.stdout, said
