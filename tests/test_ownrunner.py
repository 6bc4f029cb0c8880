"""xenruntests of the control domain, when xenstartdoms is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner_box import is_gone, wait_for
from stub_world import ROOT, World
from stub_world import wait_for as wait_until
from xentest import ownrunner

# xenstartdoms that is killed as it is about to note the process that it has begun.
KILLED = """
import os, signal, sys
from pathlib import Path
from xentest import durable, ownrunner

def die(path, note):
    Path(sys.argv[1], "pid").write_text(str(note["pid"]))
    os.kill(os.getpid(), signal.SIGKILL)

durable.write_json = die
folder = Path(sys.argv[1])
begins = ["/bin/sh", "-c", f"touch {folder}/ran; exec sleep 1000"]
ownrunner.OwnRunner(begins, folder, folder / "log").start()
"""


def test_none_is_left_that_nobody_knows_of(tmp_path: Path) -> None:
    words = [sys.executable, "-c", KILLED, str(tmp_path)]
    assert subprocess.run(words, cwd=ROOT, timeout=120, check=False).returncode == -9
    pid = (tmp_path / "pid").read_text()
    wait_until(lambda: is_gone(pid), "the end of what was begun")
    assert not (tmp_path / "ran").exists()


def test_it_is_noted_before_it_begins(tmp_path: Path) -> None:
    note = tmp_path / ownrunner.NOTE
    runner = ownrunner.OwnRunner(["/bin/cat", str(note), "-"], tmp_path, tmp_path / "log")
    runner.start()
    wait_until(lambda: not runner.works(), "its end: its input is empty")
    assert '"pid"' in (tmp_path / "log").read_text()
    assert runner.ending().startswith("xenruntests ended with status 0")


def test_a_new_run_ends_the_one_of_a_killed_run(world: World) -> None:
    """Its lock would stand in the new one's way, and its test would go on beside others."""
    pid = world.folder / "pid"
    first = f"test -e {pid} || {{ echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 1000; }}"
    world.control({"one": first}, {"dom0": ["one"]})
    with world.spawn(resume=False) as killed:
        wait_for(pid)
        killed.kill()
    assert not is_gone(pid.read_text().strip()), "what may be resumed was ended"
    assert world.start() == 0
    assert is_gone(pid.read_text().strip())
    assert world.statuses()["dom0 1-one"] == "pass"


def test_without_a_note_there_is_nothing_to_end(tmp_path: Path) -> None:
    assert ownrunner.end_left(tmp_path) is False


@pytest.mark.parametrize("note", ['{"pid": 1, "born": "another boot 5"}', '{"pid": 1, "born": ""}'])
def test_a_process_that_only_has_its_number_is_left_alone(tmp_path: Path, note: str) -> None:
    (tmp_path / ownrunner.NOTE).write_text(note)
    assert ownrunner.end_left(tmp_path) is False
