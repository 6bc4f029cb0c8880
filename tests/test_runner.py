"""The tests of one domain: every ending has its status, and nothing that ended is lost."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest

from runner_box import XENRUNTESTS, Box, is_gone, wait_for
from standing_clock import StandingClock
from xentest import process
from xentest.results import Status
from xentest.verdict import ltp


def test_a_fault_of_ours_costs_one_test_only(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: Any) -> None:
        raise RecursionError("too\ndeep")

    monkeypatch.setattr(ltp, "read", stumble)
    box.write(A={"run_command": "echo x", "result_format": "ltp"}, B={"run_command": "true"})
    broken, good = box.run_here()
    assert (broken.status, good.status) == (Status.BROKEN, Status.PASS)
    assert broken.reason == "a fault of xentest itself: RecursionError: too"
    assert not (box.home / "xentests.conf").exists()


def test_a_test_that_is_known_to_fail(box: Box) -> None:
    found = box.one(0, run_command="echo as ever; false", expect="T")
    assert (found.status, found.reason) == (Status.XFAIL, "exit status 1: as ever")


def test_whole_way_of_a_test(box: Box) -> None:
    address = box.archive({"Makefile": "all:\n\techo built > made\ninstall:\n\tcp made ../made\n"})
    digest = hashlib.sha256((box.base / "t.tar.gz").read_bytes()).hexdigest()
    found = box.one(
        0,
        source_url=address,
        sha256=digest,
        build_command="make",
        install_command="make install",
        test_dir="t-1.0",
        log_dir="logs/t",
        run_command="cat ../made; echo note > ../logs/t/note; echo speed 5 MB/s",
        figures=r"(?P<name>speed) (?P<value>\d+) (?P<unit>\S+)",
    )
    assert (found.status, found.reason, found.domain, found.number) == (Status.PASS, "", "box", 1)
    assert list(found.phases) == ["download", "build", "install", "run"]
    assert [(f.name, f.value, f.unit) for f in found.figures] == [("speed", 5.0, "MB/s")]
    folder = box.folder("1-T")
    assert (folder / "output").read_text() == "built\nspeed 5 MB/s\n"
    assert (folder / "logs/t/note").read_text() == "note\n"
    assert "echo built" in (folder / "logs/build.log").read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["logs", "output", "result.json"]
    assert list(box.temp.iterdir()) == []
    assert not (box.home / "xentests.conf").exists()


def test_figures_of_the_programs_own(box: Box) -> None:
    told = [
        '# {"type":"figure","name":"up","value":5.5,"unit":"MB/s","better":"higher"}',
        '{"type":"figure","name":"calls","value":7}',
        '{"type":"result","name":"other","value":9}',
        'x {"type":"figure","name":"inside","value":9}',
        '{"type":"figure","name":"cut","value":9',
        '["type"]',
    ]
    found = box.one(0, run_command="".join(f"echo '{line}';" for line in told), figures="json")
    assert [(f.name, f.value, f.unit, f.better) for f in found.figures] == [
        ("up", 5.5, "MB/s", "higher"),
        ("calls", 7.0, "", ""),
    ]


def test_an_outer_make_is_not_felt(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "s -j8 --jobserver-auth=3,4")
    monkeypatch.setenv("MAKELEVEL", "1")
    (box.base / "Makefile").write_text("all:\n\techo level $(MAKELEVEL)\n")
    box.one(0, run_command=f"make -f {box.base}/Makefile")
    assert (box.folder("1-T") / "output").read_text() == "echo level 0\nlevel 0\n"


ENDINGS: list[tuple[dict[str, str], int, str, str]] = [
    ({"run_command": "exit 77", "result_format": "exit"}, 0, "skip", "did not say why"),
    ({"run_command": "echo bad luck; exit 1"}, 1, "fail", "exit status 1: bad luck"),
    ({"run_command": "kill -SEGV $$"}, 1, "fail", "SIGSEGV"),
    ({"run_command": "nonesuch"}, 1, "error", "not found"),
    ({"run_command": "true", "result_format": "ktap"}, 1, "error", "no verdict"),
    ({"run_command": "true", "build_command": "echo no cc; false"}, 1, "error", "no cc"),
    ({"run_command": "true", "install_command": "false"}, 1, "error", "install_command failed"),
    ({"run_command": "true", "requires": "sh nonesuch"}, 0, "skip", "nonesuch is required"),
    ({"run_command": "true", "requires": "sh /etc/passwd"}, 0, "pass", ""),
    ({"run_command": "sleep 99", "timeout": "1"}, 1, "timeout", "ended after 1 s"),
    ({"run_command": "true", "build_command": "sleep 99", "timeout": "1"}, 1, "timeout", "build"),
    ({"run_command": "true", "source_url": "file:///nonesuch.tar.gz"}, 3, "broken", "nonesuch"),
    ({"run_command": "true", "source_url": "file:///etc/passwd"}, 3, "broken", "passwd"),
    (
        {"run_command": "printf '1..1\\nnot ok 1 x\\n'; exit 1", "result_format": "ktap"},
        1,
        "fail",
        "x",
    ),
    (
        {
            "run_command": "printf '1..1\\nnot ok 1 x\\n'; exit 1",
            "result_format": "ktap",
            "expect": "x",
        },
        0,
        "xfail",
        "x",
    ),
]


@pytest.mark.parametrize("keys, code, status, reason", ENDINGS)
def test_endings(box: Box, keys: dict[str, str], code: int, status: str, reason: str) -> None:
    found = box.one(code, **keys)
    assert (found.status.value, reason in found.reason) == (status, True), found


def test_the_last_words_of_a_test_that_ran_out_of_time(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = box.folder("1-T") / "output"
    clock = StandingClock(lambda: output.exists() and output.read_bytes() == b"hm\n")
    monkeypatch.setattr(process, "time", clock)
    box.write(T={"run_command": "echo hm; sleep 1000", "timeout": "0.2"})
    (found,) = box.run_here()
    assert found.status is Status.TIMEOUT
    assert found.reason == "ended after 0.2 s, its time limit; its last words: hm"


def test_archive_without_the_test_dir_is_an_error(box: Box) -> None:
    address = box.archive({"x": ""})
    found = box.one(1, source_url=address, test_dir="absent", run_command="true")
    assert found.status is Status.ERROR
    assert "test_dir absent is not in what was fetched" in found.reason


def test_wrong_digest_is_broken_and_nothing_is_run(box: Box) -> None:
    address = box.archive({"x": ""})
    found = box.one(3, source_url=address, sha256="0" * 64, run_command="touch $XENTEST_LOGS/ran")
    assert found.status is Status.BROKEN
    assert "sha256" in found.reason
    assert not (box.folder("1-T") / "output").exists()


def test_commands_know_where_they_are(box: Box) -> None:
    box.one(0, run_command="env", env="COLOUR=blue")
    environment = dict(
        line.split("=", 1)
        for line in (box.folder("1-T") / "output").read_text().splitlines()
        if "=" in line
    )
    wanted = {
        "XENTEST_DOMAIN": "box",
        "XENTEST_TEST": "T",
        "XENTEST_NUMBER": "1",
        "XENTEST_ROLE": "server",
        "XENTEST_SHARED": str(box.shared),
        "XENTEST_LOGS": str(box.folder("1-T") / "logs"),
        "XENTEST_TEMPDIR": str(box.temp / "1-T"),
        "LANG": "C.UTF-8",
        "COLOUR": "blue",
        "PATH": os.environ["PATH"],
    }
    assert {key: environment.get(key) for key in wanted} == wanted


LEFT_BEHIND = "setsid sleep 1000 & until grep -q sleep /proc/$!/comm; do sleep 0.01; done"


def test_leftovers_are_ended_and_noted(box: Box) -> None:
    found = box.one(0, run_command=LEFT_BEHIND)
    assert found.status is Status.PASS
    assert "left processes behind, ended: sleep" in found.reason


def test_nothing_to_do(box: Box) -> None:
    done = box.run(0)
    assert b"nothing to do" in done.stdout


@pytest.mark.parametrize("extra", ["--nonsense", "--timeout=x", "word", "--shared"])
def test_usage(extra: str) -> None:
    done = subprocess.run([XENRUNTESTS, extra], capture_output=True, timeout=120)
    assert done.returncode == 2
    assert b"xenruntests --help" in done.stderr


def test_help_and_version() -> None:
    for word in ("--help", "--version"):
        done = subprocess.run([XENRUNTESTS, word], capture_output=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"xenruntests" in done.stdout


def test_shared_folder_that_is_not_there(box: Box) -> None:
    shutil.rmtree(box.shared)
    assert b"Mount it" in box.run(3).stderr


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Any]:
    """Mounts a tmpfs with some options; unmounts all in the end."""
    mounted: list[Path] = []

    def mount_one(place: Path, options: str) -> None:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "xentest", place], capture_output=True
        )
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.decode().strip()}")
        mounted.append(place)

    yield mount_one
    for place in reversed(mounted):
        subprocess.run(["umount", "-l", place], check=False)


def test_read_only_shared_folder(box: Box, mount: Any) -> None:
    mount(box.shared, "size=1m")
    box.home.mkdir()
    box.write(T={"run_command": "true"})
    subprocess.run(["mount", "-o", "remount,ro", box.shared], check=True)
    done = box.run(3)
    assert b"results cannot be written" in done.stderr
    assert b"mounted, writable and not full" in done.stderr


def test_full_disk_is_broken_and_its_result_is_kept(box: Box, mount: Any) -> None:
    mount(box.shared, "size=2m")
    box.home.mkdir()
    box.write(
        Fill={"run_command": "head -c 5000000 /dev/zero"},
        Small={"run_command": "true"},
    )
    box.run()
    found = box.result("1-Fill")
    assert found.status is Status.BROKEN
    assert os.strerror(errno.ENOSPC) in found.reason


def test_test_that_fills_the_shared_disk_itself_still_has_a_result(box: Box, mount: Any) -> None:
    mount(box.shared, "size=2m")
    box.home.mkdir()
    filler = "cat /dev/zero > $XENTEST_SHARED/box/ballast; printf '1..1\\nok 1 x\\n'"
    box.write(Fill={"run_command": filler, "result_format": "ktap"})
    box.run(3)
    found = box.result("1-Fill")
    assert found.status is Status.BROKEN
    assert "output could not be written" in found.reason


def test_mount_in_the_work_folder_is_let_go_and_not_emptied(box: Box, mount: Any) -> None:
    victim = box.base / "victim"
    victim.mkdir()
    mount(victim, "size=1m")
    (victim / "precious").write_text("kept")
    found = box.one(0, run_command=f"mkdir m && mount --bind {victim} m")
    assert found.status is Status.PASS
    assert (victim / "precious").read_text() == "kept"
    assert list(box.temp.iterdir()) == []


def test_markers_in_the_kernel_log(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.write(T={"run_command": "exit 1"})
    kmsg = tmp_path / "kmsg"
    os.mkfifo(kmsg)
    reader = os.open(kmsg, os.O_RDONLY | os.O_NONBLOCK)
    box.run_here(kmsg)
    said = os.read(reader, 4096).decode()
    os.close(reader)
    assert said == "<5>xentest: START box 1-T\n<5>xentest: END box 1-T fail\n"


def test_gigabyte_of_output(box: Box) -> None:
    found = box.one(0, run_command="yes | head -c 1000000000")
    assert found.status is Status.PASS
    assert (box.folder("1-T") / "output").stat().st_size < 65 << 20


def test_changed_control_file_does_not_change_the_plan(box: Box) -> None:
    wait = f"until test -e {box.base}/go; do sleep 0.05; done"
    box.write(A={"run_command": wait}, B={"run_command": "echo the plan"})
    process = box.start()
    wait_for(box.folder("1-A") / "output")
    box.write(X={"run_command": "echo another"}, B={"run_command": "echo another"})
    (box.base / "go").touch()
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert (box.folder("2-B") / "output").read_text() == "the plan\n"
    assert not box.folder("1-X").exists()


@pytest.mark.parametrize("shared_copy", ["", "no control file", "[evil]\nrun_command=true\n"])
def test_with_a_control_file_of_its_own_the_shared_copy_is_only_a_sign(
    box: Box, shared_copy: str
) -> None:
    box.write(A={"run_command": "echo the plan"})
    marker, own = box.home / "xentests.conf", box.base / "control.cfg"
    marker.rename(own)
    assert b"nothing to do" in box.run(0, "--control", own).stdout
    marker.write_text(shared_copy)
    marker.chmod(0o666)
    box.run(0, "--control", own)
    assert (box.folder("1-A") / "output").read_text() == "the plan\n"
    assert not marker.exists() and own.exists()


def test_a_control_file_that_others_may_write_is_refused(box: Box) -> None:
    box.write(A={"run_command": "true"})
    own = box.base / "control.cfg"
    shutil.copy(box.home / "xentests.conf", own)
    own.chmod(0o666)
    assert b"can be written by others" in box.run(2, "--control", own).stderr
    (box.home / "xentests.conf").chmod(0o666)
    assert b"can be written by others" in box.run(2).stderr
    assert not (box.home / "results").exists()


def test_a_control_file_without_this_domain_is_named(box: Box) -> None:
    box.write(A={"run_command": "true"})
    own = box.base / "control.cfg"
    own.write_text((box.home / "xentests.conf").read_text().replace("name=box", "name=other"))
    said = box.run(2, "--control", own).stderr
    assert f"{own} has no [XENVM...] section with name=box".encode() in said


def test_two_runners_do_not_meet(box: Box) -> None:
    wait = f"until test -e {box.base}/go; do sleep 0.05; done"
    box.write(A={"run_command": wait})
    first = box.start()
    wait_for(box.folder("1-A") / "output")
    done = box.run(3)
    assert f"another xenruntests (process {first.pid})".encode() in done.stderr
    (box.base / "go").touch()
    first.communicate(timeout=300)
    assert box.result("1-A").status is Status.PASS


def test_terminated_runner_ends_its_test(box: Box) -> None:
    box.write(A={"run_command": f"trap '' TERM; {box.note_pid}; sleep 1000; sleep 1000"})
    process = box.start()
    wait_for(box.base / "pid")
    process.terminate()
    process.communicate(timeout=300)
    assert process.returncode == 130
    assert is_gone((box.base / "pid").read_text().strip())


def test_shared_folder_of_a_guest_is_read_from_its_defaults(tmp_path: Path) -> None:
    from xentest.commands import runtests
    from xentest.errors import UsageError

    with pytest.raises(UsageError):
        runtests.main(["--hostname", "x"], root=tmp_path)
    (tmp_path / "etc/default").mkdir(parents=True)
    (tmp_path / "etc/default/xentest").write_text(f'# x\nSHARED_DIR="{tmp_path}"\n')
    assert runtests.main(["--hostname", "x"], root=tmp_path) == 0


def test_new_work_is_not_answered_with_old_results(box: Box) -> None:
    """As somebody hands it out who tries a test by hand, again and again."""
    assert box.one(0, run_command="true").status is Status.PASS
    assert box.one(1, run_command="false").status is Status.FAIL
    assert box.one(0, run_command="true").status is Status.PASS
