"""Results come out of a shared folder that a hostile guest writes."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from collect_box import TEXT, Place
from xentest import collect, results, shared, untrusted
from xentest.results import Result, Status, Subtest


def test_a_result_speaks_on_one_line(place: Place) -> None:
    subtests = [Subtest("a\nb", Status.FAIL, "c\td")]
    place.finish(status=Status.FAIL, reason="x\n2-u pass", subtests=subtests, console="1\n2")
    (result,) = place.collect()
    assert result.reason == "x 2-u pass" and result.console == "1\n2"
    assert (result.subtests[0].name, result.subtests[0].reason) == ("a b", "c d")


def test_a_result_of_endless_time_is_damaged(place: Place) -> None:
    place.finish(duration=1e300)
    (result,) = place.collect()
    assert result.status is Status.ERROR and result.duration == 0


def test_a_result_better_than_its_subtests_is_damaged(place: Place) -> None:
    place.finish(subtests=[Subtest("a", Status.PASS), Subtest("b", Status.FAIL)])
    (result,) = place.collect()
    assert result.status is Status.ERROR and "one of its subtests fail" in result.reason


def test_a_finished_result_is_copied_once_and_whole(place: Place) -> None:
    (place.test() / "output").write_text("all well\n")
    (place.test() / "logs/deep").mkdir(parents=True)
    (place.test() / "logs/deep/log").write_text("more")
    assert place.collect() == [], "nothing is finished yet"
    place.finish()
    place.finish(2, "u", status=Status.FAIL, reason="expected 1")
    assert [result.status.value for result in place.collect()] == ["pass", "fail"]
    assert (place.stored / "output").read_text() == "all well\n"
    assert (place.stored / "logs/deep/log").read_text() == "more"
    place.finish(status=Status.FAIL)
    assert place.collect() == [], "the first wins"
    kept = collect.load(place.run, "guest1", 1, "t")
    assert kept is not None and kept.status is Status.PASS


def test_a_result_before_its_turn_waits(place: Place) -> None:
    place.finish(2, "u")
    assert place.collect() == [], "nobody can have run the second test before the first"
    place.finish()
    assert [result.number for result in place.collect()] == [1, 2]


@pytest.mark.parametrize(
    "facts",
    [{"domain": "dom0"}, {"test": "u"}, {"number": 2}],
)
def test_a_result_of_another_place_is_forged(place: Place, facts: dict[str, object]) -> None:
    values = {"domain": "guest1", "test": "t", "number": 1, "status": Status.PASS, **facts}
    results.write(place.test() / "result.json", Result(**values))  # type: ignore[arg-type]
    (found,) = place.collect()
    assert found.status is Status.ERROR
    assert found.reason.startswith("forged or damaged result: it says")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1, "status": "pass"}', b"null"]
)
def test_a_damaged_result_is_an_error(place: Place, content: bytes) -> None:
    (place.test() / "result.json").write_bytes(content)
    (found,) = place.collect()
    assert found.status is Status.ERROR and "forged or damaged" in found.reason


def make_strange(path: Path, kind: str, target: Path) -> None:
    if kind == "link":
        os.symlink(target, path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        folder = os.open(path.parent, os.O_PATH)  # the whole path may be too long for a socket
        socket.socket(socket.AF_UNIX).bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
    elif kind == "folder":
        path.mkdir()
    else:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # zero: endless if read


STRANGE = ["link", "fifo", "socket", "device"]


@pytest.mark.parametrize("kind", [*STRANGE, "folder"])
def test_a_result_that_is_no_file_is_not_opened(place: Place, kind: str) -> None:
    make_strange(place.test() / "result.json", kind, place.secret)
    (found,) = place.collect()
    assert found.status is Status.ERROR and "not a file" in found.reason
    assert b"secret" not in place.all_stored()


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("where", ["output", "logs", "logs/inside"])
def test_strange_entries_are_listed_and_not_opened(place: Place, kind: str, where: str) -> None:
    path = place.test() / where
    path.parent.mkdir(exist_ok=True)
    make_strange(path, kind, place.secret)
    place.finish()
    (found,) = place.collect()
    assert found.status is Status.PASS and "refused" in found.reason
    assert where in (place.stored / "refused").read_text()
    assert not os.path.lexists(place.stored / where)
    assert b"secret" not in place.all_stored()


@pytest.mark.parametrize("name", ["guest1", "guest1/results", "guest1/results/1-t"])
def test_a_folder_on_the_way_that_is_a_link_is_not_followed(place: Place, name: str) -> None:
    place.finish()
    real = place.shared / name
    moved = place.shared.parent / "moved"
    real.rename(moved)
    os.symlink(moved, real)
    found = place.collect()
    assert [result.status for result in found if result.number == 1] == [Status.ERROR]
    assert "symbolic link" in found[0].reason


def test_a_device_is_not_even_opened(place: Place, tmp_path: Path) -> None:
    os.mkfifo(place.test() / "output")
    opened = threading.Event()

    def wait_for_reader() -> None:
        try:
            os.close(os.open(place.test() / "output", os.O_WRONLY | os.O_NONBLOCK))
            opened.set()
        except OSError:
            pass

    place.finish()
    watcher = threading.Thread(target=lambda: [wait_for_reader() for _ in range(3000)])
    watcher.start()
    for _ in range(20):
        subprocess.run(["rm", "-rf", place.stored], check=True)
        place.collect()
    watcher.join()
    assert not opened.is_set()


def test_names_play_no_tricks(place: Place) -> None:
    logs = place.test() / "logs"
    logs.mkdir()
    for name in (b"a\nb", b"a\tb", b"\x1b[2Jx", b"\xff\xfe", b"-rf", b"..."):
        (Path(os.fsdecode(bytes(logs) + b"/" + name))).write_bytes(b"1")
    place.finish()
    place.collect()
    names = sorted(entry.name for entry in (place.stored / "logs").iterdir())
    assert names == ["-rf", "...", "??", "?[2Jx", "a?b", "a?b~2"]


def test_modes_are_not_taken_over(place: Place) -> None:
    (place.test() / "logs").mkdir()
    program = place.test() / "logs/program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o6777)
    place.finish()
    place.collect()
    assert stat.S_IMODE((place.stored / "logs/program").stat().st_mode) & 0o7111 == 0


def test_a_swap_between_looking_and_opening_wins_nothing(place: Place) -> None:
    """Two entries change places all the time: a file of ours and a link to a secret."""
    folder = place.test()
    (folder / "file").write_text("public")
    os.symlink(place.secret, folder / "link")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(folder / "file", folder / "output")
            os.rename(folder / "output", folder / "file")
            os.rename(folder / "link", folder / "output")
            os.rename(folder / "output", folder / "link")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        with shared.opened(folder) as descriptor:
            for _ in range(3000):
                try:
                    content = untrusted.read_file(descriptor, "output", 100)
                except (untrusted.Refused, FileNotFoundError):
                    continue
                assert content == b"public"
    finally:
        stop.set()
        swapper.join()


def test_what_an_unfinished_test_left_is_kept_with_the_verdict_given(place: Place) -> None:
    (place.test() / "output").write_text("half")
    given = Result("guest1", "t", 1, Status.CRASH, "it died")
    assert collect.conclude(place.shared, place.run, given).status is Status.CRASH
    assert (place.stored / "output").read_text() == "half"
    place.finish()
    assert place.collect() == [], "the verdict that was given stands"
    nothing = Result("guest1", "u", 2, Status.BLOCKED, "not run")
    assert collect.conclude(place.shared, place.run, nothing).reason == "not run"


def test_a_verdict_given_after_a_result_came_does_not_replace_it(place: Place) -> None:
    place.finish(reason="the test's own")
    place.collect()
    late = Result("guest1", "t", 1, Status.CRASH, "it died a moment later")
    assert collect.conclude(place.shared, place.run, late).reason == "the test's own"
    kept = collect.load(place.run, "guest1", 1, "t")
    assert kept is not None and kept.status is Status.PASS


def test_a_copy_that_was_cut_off_is_made_again(place: Place) -> None:
    leftover = place.run.domain_folder("guest1") / ".1-t.tmp"
    leftover.mkdir()
    (leftover / "output").write_text("of a killed collector")
    (place.test() / "output").write_text("true")
    place.finish()
    place.collect()
    assert (place.stored / "output").read_text() == "true"
    assert not leftover.exists()


def test_a_full_disk_costs_the_output_not_the_verdict(place: Place) -> None:
    small = place.run.folder / "domains"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "small", small], check=True)
    try:
        (place.test() / "output").write_bytes(b"x" * 1_000_000)
        place.finish(reason="fine")
        (found,) = place.collect()
        assert found.status is Status.PASS and "not kept" in found.reason
        assert collect.load(place.run, "guest1", 1, "t") == found
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_logs_that_cannot_be_read_cost_the_logs_not_the_verdict(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(untrusted, "copy_subfolder", fails)
    (place.test() / "logs").mkdir()
    place.finish(status=Status.FAIL, reason="wrong")
    (found,) = place.collect()
    assert found.status is Status.FAIL and found.reason.startswith("wrong [output and logs are not")
    assert "Input/output error" in found.reason


def test_glance_sees_work_and_the_running_test(place: Place) -> None:
    plan = [(1, "t"), (2, "u")]
    shared.hand_out(place.shared, "guest1", TEXT)
    first = shared.glance(place.shared, "guest1", plan)
    assert first.has_work and first.running is None
    (place.test() / "running").write_text('{"started": "2024-01-01T00:00:00Z\\u001b"}')
    running = shared.glance(place.shared, "guest1", plan)
    assert (running.running, running.started) == (1, "2024-01-01T00:00:00Z?")
    place.finish()
    assert shared.glance(place.shared, "guest1", plan).running is None
    os.unlink(place.test() / "result.json")
    os.unlink(place.test() / "running")
    os.mkfifo(place.test() / "running")
    assert shared.glance(place.shared, "guest1", plan).running is None
    shared.withdraw(place.shared, "guest1")
    assert not shared.glance(place.shared, "guest1", plan).has_work


def test_guests_pass_through_the_folder_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        shared.make_fresh(tmp_path / "new", "20240101-000000", ["guest1"], None)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "new/guest1")]
    assert modes == [0o755, 0o777]


def test_making_fresh_removes_trees_and_links_only_inside(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    os.symlink(outside, place.test() / "link")
    os.symlink(outside, place.shared / "dom0")
    (place.shared / "unrelated").mkdir()
    shared.make_fresh(place.shared, place.run.id, ["guest1", "dom0"], "dom0")
    assert (outside / "file").exists() and (place.shared / "unrelated").exists()
    assert stat.S_IMODE((place.shared / "guest1").stat().st_mode) == 0o777
    assert stat.S_IMODE((place.shared / "dom0").stat().st_mode) == 0o755
