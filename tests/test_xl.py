"""xl as a toolstack: its list read, its guests owned, its hangs ended."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any, Iterator, Sequence

import pytest

from small_disk import fill, small_disk
from stub_world import World, wait_for
from xentest.domains import DomainInfo, command
from xentest.domains.command import CommandFailed, run
from xentest.domains.consoles import Console, Consoles
from xentest.domains import consoles as consoles_module
from xentest.domains.watch import DomainWatch, Limits
from xentest.domains.xl import Xl, parse_list
from xentest.errors import BrokenError
from xentest.results import Status
from xentest.shared import Glance

U1 = "11111111-2222-3333-4444-555555555555"
U2 = "99999999-2222-3333-4444-555555555555"

LIST = f"""\
Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID        Reason
Domain-0                                     0  1024     2     r-----      20.5
guest1                                       1   128     1     -b----       1.2 {U1}        -   x
my guest 2 3 4                              17   256    16     --p---  123456.7
(null)                                      18     0     1     --psc-       0.0 {U2}        3   -
guest9                                      19    64     1     ---s--       0.0 {U2}        0   -
some other line
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path)
    made.prepare()
    monkeypatch.setenv("STUB_XEN", str(made.state))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    yield made
    made.end_strays()


def test_list_is_read_whatever_names_hold() -> None:
    found = {domain.name: domain for domain in parse_list(LIST)}
    assert list(found) == ["Domain-0", "guest1", "my guest 2 3 4", "(null)", "guest9"]
    assert found["guest1"] == DomainInfo("guest1", 1, "-b----", 128, 1, U1, None)
    assert found["my guest 2 3 4"].domid == 17 and found["my guest 2 3 4"].paused
    assert found["(null)"].down == "crashed" and not found["(null)"].paused
    assert found["guest9"].down == "powered off"
    assert found["Domain-0"].down == "" and found["Domain-0"].uuid == ""


def test_an_xl_of_another_release_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xentest.domains.xl.shutil.which", lambda name, path: name)
    asked = []

    def refuse(arguments: Sequence[str], timeout: float) -> str:
        asked.append(arguments)
        raise CommandFailed("`xl list` failed: ERROR:  Can't find version 4.20 of xen utils", "")

    with pytest.raises(BrokenError, match="NAME.tools=yes") as caught:
        Xl(refuse).domains()
    assert not isinstance(caught.value, CommandFailed) and len(asked) == 1


def test_an_empty_list_is_broken(world: World) -> None:
    with pytest.raises(BrokenError, match="no domain at all"):
        Xl(lambda words, limit: "Name ID Mem VCPUs State Time(s)\n").domains()


@pytest.fixture
def printed() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as stream:
        yield stream


def test_a_guest_is_made_followed_and_ended(world: World, printed: IO[bytes]) -> None:
    world.guest("guest1", "echo hello; sleep 100")
    xl = Xl()
    made = xl.create(str(world.folder / "guest1.xl"), "guest1", U1, printed)
    assert made.paused and made.uuid == U1
    followed = Consoles()
    log = world.folder / "console.log"
    assert followed.follow("guest1", xl.console(made), log)
    xl.unpause(made)
    wait_for(lambda: "hello" in followed.recent("guest1"), "the console")
    xl.destroy(made)
    assert followed.wait_end("guest1", 120)
    followed.stop()
    assert "hello" in log.read_text()
    assert "guest1" not in xl.by_name()


def test_what_is_not_ours_is_not_destroyed(world: World, printed: IO[bytes]) -> None:
    world.guest("guest1", "sleep 100")
    xl = Xl()
    made = xl.create(str(world.folder / "guest1.xl"), "guest1", U1, printed)
    xl.destroy(DomainInfo("guest1", made.domid, "r-----", 64, 1, U2))
    xl.destroy(DomainInfo("other", made.domid, "r-----", 64, 1, U1))
    assert "guest1" in xl.by_name() and world.destroyed() == []
    dom0 = xl.by_name()["Domain-0"]
    with pytest.raises(BrokenError, match="refused"):
        xl.destroy(dom0)
    with pytest.raises(BrokenError, match="this run did not make it"):
        xl.create(str(world.folder / "guest1.xl"), "guest1", U2, printed)


def test_facts_and_memory(world: World) -> None:
    xl = Xl()
    assert xl.memory().free == 1000 and xl.memory().claimed == 0
    assert xl.facts()["hypervisor"] == "Xen 4.17.5"
    assert xl.store_paths() == ["/local/domain/0"]


@pytest.mark.parametrize(
    "said, failures, found",
    [
        ("xs_directory (/vm): No such file or directory", 9, ["/local/domain/0", "/libxl/1"]),
        ("xs_directory (/vm): Quota exceeded", 1, ["/local/domain/0", "/vm/1", "/libxl/1"]),
        ("xs_directory (/vm): Quota exceeded", 9, None),
        ("xs_daemon_open: Connection refused", 9, None),
    ],
)
def test_a_store_that_cannot_be_read_is_not_an_empty_one(
    monkeypatch: pytest.MonkeyPatch, said: str, failures: int, found: list[str] | None
) -> None:
    monkeypatch.setattr("xentest.domains.xl.shutil.which", lambda name, path: name)
    left = [CommandFailed(f"`xenstore-ls -f /vm` failed: xenstore-ls: {said}")] * failures

    def answer(words: Sequence[str], limit: float) -> str:
        if words[-1] == "/vm" and left:
            raise left.pop()
        return words[-1] + ("/0" if words[-1] == "/local/domain" else "/1") + ' = ""\n'

    if found is None:
        with pytest.raises(CommandFailed):
            Xl(answer).store_paths()
    else:
        assert Xl(answer).store_paths() == found


def test_tools_speak_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert command.run(["/bin/sh", "-c", "echo $LC_ALL"], 60) == "C.UTF-8\n"


def test_no_xl_is_broken_with_advice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("xentest.domains.xl.shutil.which", lambda name, path: None)
    with pytest.raises(BrokenError, match="no command xl") as caught:
        Xl().domains()
    assert "xen-utils" in caught.value.advice


def test_a_hanging_command_is_ended_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "pid"
    limited = command._wait

    def once_it_hangs(process: "subprocess.Popen[bytes]", limit: float, printed: Any) -> int:
        wait_for(lambda: note.exists() and note.read_text().endswith("\n"), "the note")
        return limited(process, limit, printed)

    monkeypatch.setattr(command, "_wait", once_it_hangs)
    with pytest.raises(BrokenError, match="did not end within 1 s"):
        run(["/bin/sh", "-c", f"trap '' TERM; sleep 1000 & echo $! > {note}; wait"], 1.0)
    child = note.read_text().strip()
    wait_for(lambda: _gone(child), "the child's end")


def _gone(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_daemon_left_behind_does_not_hold_the_command(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"echo made; setsid sleep 1000 & echo $! > {note}"
    try:
        assert run(["/bin/sh", "-c", script], 120) == "made\n"
    finally:
        os.kill(int(note.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("where", ["1", "2"])
def test_a_command_that_floods_is_ended(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "FLOOD", 1 << 20)
    with pytest.raises(BrokenError, match="printed more than 1 MiB, beginning with: a spam"):
        run(["/bin/sh", "-c", f"exec yes 'a spam' >&{where}"], 3000)


@pytest.mark.parametrize("size, told", [(1000, True), (1001, False)])
def test_one_that_has_ended_by_then_is_not_read_in_part(
    size: int, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "FLOOD", 1000)
    words = ["/usr/bin/head", "-c", str(size), "/dev/zero"]
    if told:
        assert len(run(words, 120)) == size
    else:
        with pytest.raises(BrokenError, match="printed more than"):
            run(words, 120)


def test_a_failing_command_says_why() -> None:
    with pytest.raises(CommandFailed, match="libxl: no memory"):
        run(["/bin/sh", "-c", "echo out; echo libxl: no memory >&2; exit 1"], 120)


@pytest.mark.parametrize("terminal", ["/etc/passwd", "/dev/pts/../sda", "/dev/watchdog", "", "x"])
def test_only_a_terminal_is_read_as_console(terminal: str, tmp_path: Path) -> None:
    followed = Consoles()
    assert not followed.follow("guest1", terminal, tmp_path / "log")
    followed.stop()
    assert not (tmp_path / "log").exists()


def test_a_flooding_console_is_capped_and_keeps_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consoles_module, "LOG_LIMIT", 1000)
    monkeypatch.setattr(consoles_module, "TAIL", 100)
    read, write = os.pipe()
    log = open(tmp_path / "log", "wb", buffering=0)
    console = Console(read, log, 0)
    for _ in range(100):
        console.keep(b"x" * 99 + b"\n")
    console.keep(b"the last words\n")
    console.close()
    os.close(write)
    text = (tmp_path / "log").read_text()
    assert len(text) < 1300 and text.endswith("the last words\n") and "console cut here" in text


def test_a_console_that_ends_on_a_full_disk_ends_no_other(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", "64k"):
        followed = Consoles()
        ends = [os.openpty() for _ in range(2)]
        for name, (_, terminal) in zip(("full", "other"), ends):
            place = tmp_path / ("disk/log" if name == "full" else "log")
            assert followed.follow(name, os.ttyname(terminal), place)
        fill(tmp_path / "disk")
        os.write(ends[0][0], b"not one word of it fits\n" * 100)
        wait_for(lambda: "not one word" in followed.recent("full"), "what it said")
        for descriptor in ends[0]:
            os.close(descriptor)
        assert followed.wait_end("full", 60)
        os.write(ends[1][0], b"still heard\n")
        wait_for(lambda: "still heard" in followed.recent("other"), "the other one")
        followed.stop()
    assert (tmp_path / "log").read_text() == "still heard\n"


LIMITS = Limits(boot=100, down=10, paused=60)


def a_watch() -> DomainWatch:
    return DomainWatch("guest1", (), LIMITS, since=0.0, glance=Glance(True), seen=True)


def info(state: str) -> DomainInfo:
    return DomainInfo("guest1", 1, state, 64, 1)


def test_a_domain_that_is_back_in_time_goes_on() -> None:
    watch = a_watch()
    assert watch.look(1, Glance(True), info("-b----")) is None
    assert watch.look(2, Glance(True), None) is None
    assert watch.look(11, Glance(True), info("r-----")) is None
    assert watch.look(12, Glance(True), None) is None
    ending = watch.look(22, Glance(True), None)
    assert ending is not None and ending.running is Status.CRASH


def test_a_state_seen_before_it_vanished_is_told() -> None:
    watch = a_watch()
    watch.look(1, Glance(True), info("---sc-"))
    ending = watch.look(11, Glance(True), None)
    assert ending is not None and "crashed" in ending.reason


def test_a_domain_that_nobody_showed_is_not_down() -> None:
    watch = a_watch()
    watch.seen = False
    assert watch.look(50, Glance(True), None) is None


def test_progress_gives_time_and_none_ends_it() -> None:
    watch = a_watch()
    assert watch.look(99, Glance(True, running=1), info("r-----")) is None
    assert watch.came_up
    assert watch.look(200, Glance(True, running=1), info("r-----")) is None
    ending = watch.look(99 + 161, Glance(True, running=1), info("r-----"))
    assert ending is not None and ending.running is Status.TIMEOUT and "hangs" in ending.reason


def test_a_result_that_was_taken_is_progress() -> None:
    watch = a_watch()
    watch.glance = Glance(True, left=2)
    assert watch.look(99, Glance(True, left=1), info("r-----")) is None
    assert watch.came_up
    assert watch.look(250, Glance(True, left=1), info("r-----")) is None
    assert watch.look(260, Glance(True, left=1), info("r-----")) is not None


def test_a_marker_that_changes_for_ever_is_no_progress() -> None:
    watch = a_watch()
    for now in range(0, 160, 2):
        assert watch.look(now, Glance(True, 2, str(now)), info("r-----")) is None
        assert watch.look(now + 1, Glance(True, now % 4 // 2), info("r-----")) is None
    assert watch.look(161, Glance(True, 1, "161"), info("r-----")) is not None


def test_a_short_pause_is_no_matter() -> None:
    watch = a_watch()
    assert watch.look(1, Glance(True), info("--p---")) is None
    assert watch.look(50, Glance(True), info("-b----")) is None
    assert watch.look(51, Glance(True), info("--p---")) is None
    assert watch.look(99, Glance(True), info("--p---")) is None
