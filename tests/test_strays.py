"""What killed commands left running is found by its mark, and ended."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from runner_box import is_gone, wait_for
from test_process import HEADLESS
from xentest import process, strays
from xentest.errors import BrokenError

MARK = "XENTEST_T"


def begin(mark: str, script: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["/bin/sh", "-c", script], env={**os.environ, MARK: mark})


def test_what_is_marked_is_ended_and_nothing_else(tmp_path: Path) -> None:
    ours = begin(f"{tmp_path}/work", "exec sleep 1000")
    other = begin(f"{tmp_path}/other", "exec sleep 1000")
    try:
        assert strays.end(MARK, f"{tmp_path}/nobody") == []
        assert len(strays.end(MARK, f"{tmp_path}/work")) == 1
        assert ours.wait() == -9 and other.poll() is None
        assert strays.end(MARK, f"{tmp_path}/work") == []
    finally:
        other.kill()
        other.wait()


def test_whoever_left_its_session_and_ignores_signals_is_ended_too(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    noted = f"echo $$ > {pid}.new; mv {pid}.new {pid}"
    away = f'trap "" TERM HUP INT; {noted}; while :; do sleep 9; done'
    begin(str(tmp_path), f"setsid sh -c '{away}' & exit 0").wait()
    wait_for(pid)
    assert strays.end(MARK, str(tmp_path))
    assert is_gone(pid.read_text().strip()), "end() came back before they had ended"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="knows the number of exit there")
def test_who_goes_on_without_its_first_thread_is_ended(tmp_path: Path) -> None:
    (tmp_path / "headless.py").write_text(HEADLESS)
    left = begin(str(tmp_path), f"cd {tmp_path}; exec /usr/bin/python3 headless.py")
    wait_for(tmp_path / "pid")
    assert strays.end(MARK, str(tmp_path))
    assert left.wait() == -9


def test_who_is_just_given_another_program_is_found(tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.write_text(f'exec sh "{again}"\n')
    restless = begin(str(tmp_path), f'exec sh "{again}"')
    try:
        wanted = f"{MARK}={tmp_path}".encode()
        assert restless.pid in strays._marked_so(wanted)
        looks = [strays._environment(restless.pid) for _ in range(5000)]
        assert all(wanted in settings.split(b"\0") for settings in looks)
    finally:
        restless.kill()
        restless.wait()


def test_what_cannot_be_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = begin(str(tmp_path), "exec sleep 1000")
    monkeypatch.setattr(process, "send", lambda pid, number: None)
    monkeypatch.setattr(process, "KILL_LIMIT", 0.05)
    try:
        with pytest.raises(BrokenError, match=rf"cannot be killed: \w+ \({stuck.pid}\)"):
            strays.end(MARK, str(tmp_path))
    finally:
        stuck.kill()
        stuck.wait()


def test_a_mark_lasts_as_long_as_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, "before")
    with strays.marked(MARK, "within"):
        assert os.environ[MARK] == "within"
        with strays.marked("XENTEST_U", "x"):
            pass
    assert os.environ[MARK] == "before" and "XENTEST_U" not in os.environ
