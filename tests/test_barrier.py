"""Barriers: domains meet, again and again, and nobody waits for ever."""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Callable, Mapping

import pytest

from xentest import barrier, durable
from xentest.commands import runtests
from xentest.errors import BrokenError, UsageError

XENRUNTESTS = Path(__file__).resolve().parent.parent / "xenruntests"


def meet(shared: Path, domain: str, count: int, timeout: float = 120) -> barrier.Meeting:
    return barrier.wait(shared, "point", domain, count, timeout)


def test_domains_meet(tmp_path: Path) -> None:
    found: dict[str, barrier.Meeting] = {}

    def arrive(name: str) -> None:
        found[name] = meet(tmp_path, name, 3)

    threads = [threading.Thread(target=arrive, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert all(found[name] == barrier.Meeting(True, ("a", "b", "c")) for name in "abc")


def test_alone_it_gives_up_in_time_and_takes_its_arrival_back(tmp_path: Path) -> None:
    begun = time.monotonic()
    assert meet(tmp_path, "a", 2, 0.3) == barrier.Meeting(False, ("a",))
    assert 0.3 <= time.monotonic() - begun < 100
    assert meet(tmp_path, "b", 2, 0.1) == barrier.Meeting(False, ("b",))


class Clock:
    """Time that passes only while somebody sleeps; `happens` says what is done then, and when."""

    def __init__(self, happens: dict[float, Callable[[], None]]) -> None:
        self.now = 0.0
        self._happens = happens

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [moment for moment in self._happens if moment <= self.now]:
            self._happens.pop(moment)()


def wait_for_b(
    shared: Path, monkeypatch: pytest.MonkeyPatch, comes: float, told: bool
) -> tuple[float, int]:
    """When a, which waits from 0 on, sees that b came, and how often a read the markers."""
    point = shared / "barriers/point"

    def come() -> None:
        before = point.stat()
        durable.write_text(point / "b", '{"times": 1, "waiting": true}')
        if not told:
            os.utime(point, ns=(before.st_atime_ns, before.st_mtime_ns))

    reads = 0
    read = barrier._arrivals

    def count(folder: Path) -> Mapping[str, barrier.Arrival]:
        nonlocal reads
        reads += 1
        return read(folder)

    def state(folder: Path) -> tuple[int, ...]:
        return (folder.stat().st_mtime_ns,)  # os.utime cannot put the other time back

    clock = Clock({comes: come})
    monkeypatch.setattr(barrier, "time", clock)
    monkeypatch.setattr(barrier, "_arrivals", count)
    if not told:
        monkeypatch.setattr(barrier, "_state", state)
    assert meet(shared, "a", 2).passed
    return clock.now, reads


def test_who_waits_long_reads_little_and_sees_who_comes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, reads = wait_for_b(tmp_path, monkeypatch, 100, told=True)
    assert seen <= 100 + barrier.LONGEST_PAUSE
    assert reads < 30  # four a second would be 400


@pytest.mark.parametrize("comes, within", [(1, 0), (50, 10)])
def test_who_comes_is_seen_though_the_folder_bears_the_old_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comes: float, within: float
) -> None:
    seen, _ = wait_for_b(tmp_path, monkeypatch, comes, told=False)
    assert seen <= comes + within + barrier.LONGEST_PAUSE


def test_reused_barrier_never_lets_a_fast_domain_through(tmp_path: Path) -> None:
    rounds, domains = 15, ("a", "b", "c")
    reached = dict.fromkeys(domains, 0)
    wrong: list[str] = []

    def run(name: str) -> None:
        source = random.Random(name)
        for number in range(1, rounds + 1):
            time.sleep(source.random() / 100)
            reached[name] = number
            if not meet(tmp_path, name, len(domains)).passed or min(reached.values()) < number:
                wrong.append(f"{name} in round {number}: {reached}")

    threads = [threading.Thread(target=run, args=(name,)) for name in domains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert wrong == []
    assert set(reached.values()) == {rounds}


def test_killed_waiter_is_taken_back(tmp_path: Path) -> None:
    command = [XENRUNTESTS, "--shared", tmp_path, "--barrier", "point", "2", "--hostname", "a"]
    waiter = subprocess.Popen(command)
    marker = tmp_path / "barriers" / "point" / "a"
    deadline = time.monotonic() + 120
    while not marker.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    waiter.kill()
    waiter.wait()
    barrier.withdraw_all(tmp_path, "a")
    assert meet(tmp_path, "b", 2, 0.1).passed is False


def test_terminated_waiter_takes_itself_back(tmp_path: Path) -> None:
    command = [XENRUNTESTS, "--shared", tmp_path, "--barrier", "point", "2", "--hostname", "a"]
    waiter = subprocess.Popen(command, stderr=subprocess.PIPE)
    marker = tmp_path / "barriers" / "point" / "a"
    deadline = time.monotonic() + 120
    while not marker.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    waiter.terminate()
    assert waiter.communicate(timeout=120)[1] == b"xenruntests: interrupted\n"
    assert json.loads(marker.read_text()) == {"times": 0, "waiting": False}


def test_one_that_is_ended_as_it_arrives_takes_itself_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = durable.write_text

    def write_and_be_ended(path: Path, text: str) -> None:
        monkeypatch.setattr(durable, "write_text", real)
        real(path, text)
        raise KeyboardInterrupt

    monkeypatch.setattr(durable, "write_text", write_and_be_ended)
    with pytest.raises(KeyboardInterrupt):
        meet(tmp_path, "a", 2)
    marker = tmp_path / "barriers/point/a"
    assert json.loads(marker.read_text()) == {"times": 0, "waiting": False}


def test_a_passed_arrival_is_not_taken_back(tmp_path: Path) -> None:
    assert meet(tmp_path, "a", 1).passed
    barrier.withdraw_all(tmp_path, "a")
    assert json.loads((tmp_path / "barriers/point/a").read_text())["times"] == 1


@pytest.mark.parametrize("name", ["", "..", "a/b", "../../etc/x", ".hidden", "x" * 65, "a\n"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        barrier.wait(tmp_path, name, "a", 1, 1)
    with pytest.raises(UsageError):
        barrier.wait(tmp_path, "point", name, 1, 1)
    assert list(tmp_path.iterdir()) == []


HOSTILE = ["{", "[]", '{"times": -1, "waiting": 1}', '{"times": 1e9}', "[" * 190, "9" * 5000, "\0"]


@pytest.mark.parametrize("content", HOSTILE)
def test_hostile_markers_count_for_nothing(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "barriers" / "point"
    folder.mkdir(parents=True)
    (folder / "evil").write_text(content)
    assert meet(tmp_path, "a", 2, 0.1) == barrier.Meeting(False, ("a",))


def test_links_and_fifos_are_neither_followed_nor_opened(tmp_path: Path) -> None:
    folder = tmp_path / "barriers" / "point"
    folder.mkdir(parents=True)
    (tmp_path / "other").write_text('{"times": 5, "waiting": true}')
    (folder / "link").symlink_to(tmp_path / "other")
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    assert meet(tmp_path, "a", 2, 0.1) == barrier.Meeting(False, ("a",))


def test_own_marker_forged_as_a_link_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "barriers" / "point"
    folder.mkdir(parents=True)
    (tmp_path / "victim").write_text("untouched")
    (folder / "a").symlink_to(tmp_path / "victim")
    assert meet(tmp_path, "a", 1).passed
    assert (tmp_path / "victim").read_text() == "untouched"


def test_barrier_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "barriers").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "barriers" / "point").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BrokenError):
        meet(tmp_path, "a", 1)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_barrier_that_becomes_a_link_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a guest may swap it, when it was just looked at."""
    point, elsewhere = tmp_path / "barriers" / "point", tmp_path / "elsewhere"
    elsewhere.mkdir()
    look = barrier._arrivals

    def look_and_be_tricked(folder: Path) -> object:
        found = look(folder)
        point.rename(tmp_path / "barriers" / "away")
        point.symlink_to(elsewhere)
        return found

    monkeypatch.setattr(barrier, "_arrivals", look_and_be_tricked)
    with pytest.raises(BrokenError):
        meet(tmp_path, "a", 1)
    assert list(elsewhere.iterdir()) == []


def test_nobody_is_tricked_into_opening_another_folder_to_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)

    def make_and_be_tricked(**words: object) -> str:
        (tmp_path / "making").symlink_to(victim)
        return str(tmp_path / "making")

    monkeypatch.setattr(tempfile, "mkdtemp", make_and_be_tricked)
    with pytest.raises(BrokenError):
        meet(tmp_path, "a", 1)
    assert victim.stat().st_mode & 0o777 == 0o700


def test_two_that_make_a_barrier_in_one_moment_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of the second takes the place of the first's, which is still empty."""
    write, point = durable.write_text, tmp_path / "barriers" / "point"

    def write_late(path: Path, text: str) -> None:
        if not list(point.parent.glob("used-up")):
            (tmp_path / "other").mkdir()
            (tmp_path / "other").rename(point)
            (point.parent / "used-up").mkdir()
        write(path, text)

    monkeypatch.setattr(durable, "write_text", write_late)
    assert meet(tmp_path, "a", 1).passed


CONTROL = """[Preferences]
hypervisor=none
shared_dir={0}
[T]
run_command=true
[XENVM0]
name=one
tempdir=/tmp
start=never
barriers=point
test1=T
[XENVM1]
name=two
tempdir=/tmp
start=never
barriers=point
test1=T
"""


def test_command_counts_by_the_control_file_and_names_who_is_missing(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "xentests.conf").write_text(CONTROL.format(tmp_path))
    command = [XENRUNTESTS, "--barrier", "point", "--timeout", "0.2"]
    environment = {"XENTEST_SHARED": str(tmp_path), "XENTEST_DOMAIN": "one", "PATH": "/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr == (
        "xenruntests: barrier point: 1 of 2 domains came within 0.2 s; here: one; missing: two\n"
    )


def test_a_test_meets_the_others_of_its_own_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the run is of another control file than /etc/xen/xentest.conf."""
    installed = tmp_path / "root/etc/xen/xentest.conf"
    installed.parent.mkdir(parents=True)
    installed.write_text(CONTROL.format(tmp_path / "other"))
    monkeypatch.setenv("XENTEST_SHARED", str(tmp_path / "run"))
    monkeypatch.setenv("XENTEST_DOMAIN", "one")
    for name in ("run", "other"):
        (tmp_path / name).mkdir()
    assert runtests.main(["--barrier", "point", "1"], tmp_path / "root") == 0
    assert (tmp_path / "run/barriers/point/one").exists()
