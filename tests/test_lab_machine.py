"""The emulated machine, with a stand-in for QEMU that speaks QMP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Iterator

import pytest

from xentest.errors import BrokenError
from xentest.lab import machine

ROOT = Path(__file__).resolve().parent.parent
# Behaviour by the file `behaviour` beside the socket; commands that came go to `came`.
EMULATOR = r"""#!/usr/bin/python3
import json, os, signal, socket, sys, time
words = sys.argv[1:]
path = words[words.index("-qmp") + 1].split(":", 1)[1].partition(",")[0]
folder = os.path.dirname(path)
behaviour = open(folder + "/behaviour").read().split()
print("stand-in: booting", file=sys.stderr, flush=True)
if "dies" in behaviour:
    print("stand-in: no such disk", file=sys.stderr)
    sys.exit(1)
if "stubborn" in behaviour:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(1)
talk = listener.accept()[0]
talk.sendall(b'{"QMP": {"version": {}}}\r\n')
for line in talk.makefile("rb"):
    name = json.loads(line)["execute"]
    with open(folder + "/came", "a") as stream:
        print(json.dumps(json.loads(line)), file=stream)
    if name == "system_reset":
        talk.sendall(b'{"event": "RE')
        time.sleep(0.05)  # an event in two pieces
        talk.sendall(b'SET", "data": {"guest": false}}\r\n')
    if name == "guest-resets":
        talk.sendall(b'{"return": {}}\r\n' + b'{"event": "RESET"}\r\n{"event": "STOP"}\r\n' * 2)
        continue
    if name == "hang-up":
        os._exit(0)
    if name == "refuse":
        talk.sendall(b'{"error": {"class": "GenericError", "desc": "not like this"}}\r\n')
        continue
    if name != "say-nothing":
        talk.sendall(b'{"return": {"said": "' + name.encode() + b'"}}\r\n')
while True:
    signal.pause()
"""
SWITCH_ON = """
import signal, sys
sys.path[:0] = [{source!r}, {tests!r}]
from pathlib import Path
import test_lab_machine as ours
from xentest.lab import machine
running = machine.switch_on(ours.a_machine(Path({folder!r})))
print(running.process.pid, flush=True)
signal.pause()
"""


def a_machine(folder: Path) -> machine.Machine:
    return machine.Machine(
        folder=folder,
        disk=folder / "disk.qcow2",
        base=folder / "base.raw",
        install=folder / "install.tar",
        console=folder / "console.log",
        medium=folder / "medium.iso",
        shares=(("in", folder / "in", True), ("results", folder / "out", False)),
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/qemu-system-x86_64").write_text(EMULATOR)
    (tmp_path / "bin/qemu-system-x86_64").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(machine, "QMP_LIMIT", 120.0)
    (tmp_path / "m").mkdir()
    (tmp_path / "m/behaviour").write_text("lives")
    return tmp_path / "m"


@pytest.fixture
def running(folder: Path) -> Iterator[machine.Running]:
    found = machine.switch_on(a_machine(folder))
    yield found
    found.switch_off()


def settle(running: machine.Running, resets: int) -> None:
    machine.wait_until(lambda: running.poll_events() == resets, f"{resets} resets", 120)


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def test_commands_get_their_answers(running: machine.Running, folder: Path) -> None:
    assert running.command("query-status") == {"said": "query-status"}
    assert running.command("savevm", tag="a") == {"said": "savevm"}
    came = (folder / "came").read_text().splitlines()
    assert '"execute": "qmp_capabilities"' in came[0] and len(came) == 3
    assert '{"tag": "a"}' in came[2]


def test_a_refusal_is_told(running: machine.Running) -> None:
    with pytest.raises(BrokenError, match="refused refuse: not like this"):
        running.command("refuse")
    assert running.command("query-status")


def test_silence_is_told(running: machine.Running, monkeypatch: pytest.MonkeyPatch) -> None:
    running.command("query-status")
    monkeypatch.setattr(machine, "QMP_LIMIT", 0.2)
    with pytest.raises(BrokenError, match="gave no answer to say-nothing"):
        running.command("say-nothing")


def test_resets_are_counted_also_in_pieces(running: machine.Running) -> None:
    assert running.poll_events() == 0
    running.reset()
    settle(running, 1)
    running.command("guest-resets")
    settle(running, 3)
    running.reset()
    settle(running, 4)


def test_an_emulator_that_died_is_seen(running: machine.Running) -> None:
    assert running.alive()
    with pytest.raises(BrokenError, match="does not answer to hang-up"):
        running.command("hang-up")
    running.process.wait(120)
    assert not running.alive() and running.poll_events() == 0
    with pytest.raises(BrokenError):
        running.command("query-status")


def test_an_emulator_that_never_ran_says_why(folder: Path) -> None:
    (folder / "behaviour").write_text("dies")
    running = machine.switch_on(a_machine(folder))
    with pytest.raises(BrokenError, match="the emulated machine ended"):
        running.command("query-status")
    assert not running.alive() and running.last_words().endswith("stand-in: no such disk")
    running.switch_off()


@pytest.mark.parametrize("behaviour", ["lives", "stubborn"])
def test_the_switch_ends_it(folder: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str) -> None:
    (folder / "behaviour").write_text(behaviour)
    running = machine.switch_on(a_machine(folder))
    running.command("query-status")
    if behaviour == "stubborn":
        monkeypatch.setattr(machine, "QMP_LIMIT", 0.3)
    running.switch_off()
    assert not running.alive()
    expected = -signal.SIGKILL if behaviour == "stubborn" else -signal.SIGTERM
    assert running.process.returncode == expected
    running.switch_off()


def test_it_is_switched_on_again_over_old_sockets(running: machine.Running, folder: Path) -> None:
    running.command("query-status")
    running.process.kill()
    running.process.wait()
    assert (folder / "qmp").exists()
    again = machine.switch_on(a_machine(folder))
    assert again.command("query-status") and again.resets == 0
    again.switch_off()


def test_it_ends_when_we_are_killed(folder: Path) -> None:
    code = SWITCH_ON.format(source=str(ROOT), tests=str(ROOT / "tests"), folder=str(folder))
    ours = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert ours.stdout is not None
    emulator = int(ours.stdout.readline())
    machine.wait_until((folder / "qmp").exists, "the socket", 120)
    assert not is_gone(emulator)
    ours.kill()
    ours.wait()
    ours.stdout.close()
    machine.wait_until(lambda: is_gone(emulator), "the emulator's end", 120)


def test_without_an_emulator_that_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(BrokenError, match="is not installed"):
        machine.switch_on(a_machine(folder))


def test_the_command_line_protects_what_is_only_read(folder: Path) -> None:
    words = machine.command_line(a_machine(folder))
    drives = [words[index + 1] for index, word in enumerate(words) if word == "-drive"]
    shares = [words[index + 1] for index, word in enumerate(words) if word == "-fsdev"]
    writable = [drive for drive in drives if "readonly=on" not in drive]
    assert [drive.partition(",")[0] for drive in writable] == [f"file={folder}/disk.qcow2"]
    assert [share.endswith(",readonly=on") for share in shares] == [True, False]
    assert "watchdog=reset" in words and f"path={folder}/console.log,append=on" in " ".join(words)
    assert "-smap" in words[words.index("-cpu") + 1]
    assert "-loadvm" not in words and "agent" not in " ".join(words)


def test_no_network_reaches_out_of_the_machine(folder: Path) -> None:
    words = machine.command_line(a_machine(folder))
    assert "-nodefaults" in words and "-netdev" not in words and "-nic" not in words


def test_an_overlay_leaves_its_base_alone(tmp_path: Path) -> None:
    base = tmp_path / "base.raw"
    base.write_bytes(bytes(1 << 20))
    before = base.stat().st_mtime_ns
    machine.make_overlay(tmp_path / "disk.qcow2", base)
    said = subprocess.run(
        ["qemu-img", "info", str(tmp_path / "disk.qcow2")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"backing file: {base}" in said and base.stat().st_mtime_ns == before
    with pytest.raises(BrokenError, match="qemu-img cannot make"):
        machine.make_overlay(tmp_path / "absent/disk.qcow2", base)


def test_waiting_ends_in_words() -> None:
    begun = time.monotonic()
    with pytest.raises(BrokenError, match="the thing did not happen within 0.1 s"):
        machine.wait_until(lambda: False, "the thing", 0.1)
    assert time.monotonic() - begun < 50
    with pytest.raises(BrokenError, match="the thing: the emulated machine ended"):
        machine.wait_until(lambda: False, "the thing", 60, give_up=lambda: True)
    machine.wait_until(lambda: True, "the thing", 0)


def test_a_machines_folder_is_fresh(tmp_path: Path) -> None:
    found = machine.folder_for(tmp_path, "night")
    assert found.name == f"night-{os.getpid()}"
    (found / "old").touch()
    assert machine.folder_for(tmp_path, "night") == found and os.listdir(found) == []


def test_a_machine_that_oversleeps_is_nudged_now_and_then(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = machine.switch_on(replace(a_machine(folder), oversleeps=True))
    try:
        monkeypatch.setattr(machine, "NUDGE_SECONDS", 1000)
        running.nudge()
        running.nudge()
        came = (folder / "came").read_text().splitlines()
        assert len(came) == 2 and '"send-key"' in came[1] and '"ctrl"' in came[1]
        monkeypatch.setattr(machine, "NUDGE_SECONDS", 0)
        running.nudge()
        assert len((folder / "came").read_text().splitlines()) == 3
    finally:
        running.switch_off()
    running.nudge()  # whoever watches sees that it is gone; nothing is raised


def test_any_other_machine_is_left_alone(running: machine.Running, folder: Path) -> None:
    running.command("query-status")
    running.nudge()
    assert "send-key" not in (folder / "came").read_text()
