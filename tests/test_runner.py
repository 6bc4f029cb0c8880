"""The tests of one domain: every ending has its status, and nothing that ended is lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from xentest import results
from xentest.results import Result, Status

XENRUNTESTS = Path(__file__).resolve().parent.parent / "xenruntests"


class Box:
    """A domain with a shared folder."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.shared = base / "shared"
        self.home = self.shared / "box"
        self.temp = base / "temp"
        self.home.mkdir(parents=True)
        self.temp.mkdir()

    def write(self, **tests: dict[str, str]) -> None:
        """A control file with these tests; underscores in names stay."""
        text = f"[Preferences]\nhypervisor=none\nshared_dir={self.shared}\n"
        for name, keys in tests.items():
            lines = "".join(f"{key}={value}\n" for key, value in keys.items())
            text += f"[{name}]\n{lines}"
        text += f"[XENVM0]\nname=box\ntempdir={self.temp}\nstart=never\nrole=server\n"
        text += "".join(f"test{number}={name}\n" for number, name in enumerate(tests, 1))
        (self.home / "xentests.conf").write_text(text)

    def start(self, *more: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [XENRUNTESTS, "--shared", self.shared, "--hostname", "box", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(
        self, status: int | None = None, *more: str | Path
    ) -> subprocess.CompletedProcess[bytes]:
        process = self.start(*more)
        out, err = process.communicate(timeout=100)
        assert b"Traceback" not in err
        if status is not None:
            assert process.returncode == status, (out, err)
        return subprocess.CompletedProcess([], process.returncode, out, err)

    def result(self, folder: str) -> Result:
        return results.parse((self.folder(folder) / "result.json").read_text())

    def folder(self, name: str) -> Path:
        return self.home / "results" / name

    def one(self, status: int | None = None, **keys: str) -> Result:
        """Run a single test named T."""
        self.write(T=keys)
        self.run(status)
        return self.result("1-T")

    def archive(self, files: dict[str, str]) -> str:
        """An archive with these files below t-1.0/; its address."""
        tree = self.base / "t-1.0"
        tree.mkdir()
        for name, content in files.items():
            (tree / name).write_text(content)
        with tarfile.open(self.base / "t.tar.gz", "w:gz") as archive:
            archive.add(tree, "t-1.0")
        shutil.rmtree(tree)
        return f"file://{self.base}/t.tar.gz"


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


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
    ({"run_command": "echo hm; sleep 99", "timeout": "1"}, 1, "timeout", "last words: hm"),
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


def test_leftovers_are_ended_and_noted(box: Box) -> None:
    found = box.one(0, run_command="setsid sleep 1000 & true")
    assert found.status is Status.PASS
    assert "left processes behind, ended: sleep" in found.reason


def test_nothing_to_do(box: Box) -> None:
    done = box.run(0)
    assert b"nothing to do" in done.stdout


@pytest.mark.parametrize("extra", ["--nonsense", "--timeout=x", "word", "--shared"])
def test_usage(extra: str) -> None:
    done = subprocess.run([XENRUNTESTS, extra], capture_output=True, timeout=20)
    assert done.returncode == 2
    assert b"xenruntests --help" in done.stderr


def test_help_and_version() -> None:
    for word in ("--help", "--version"):
        done = subprocess.run([XENRUNTESTS, word], capture_output=True, timeout=20)
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
    from xentest import control
    from xentest.runner import Runner

    box = Box(tmp_path)
    box.write(T={"run_command": "exit 1"})
    found = control.load(box.home / "xentests.conf")
    kmsg = tmp_path / "kmsg"
    os.mkfifo(kmsg)
    reader = os.open(kmsg, os.O_RDONLY | os.O_NONBLOCK)
    Runner(found, found.domains[0], box.shared, kmsg=kmsg, locks=tmp_path / "locks").run()
    said = os.read(reader, 4096).decode()
    os.close(reader)
    assert said == "<5>xentest: START box 1-T\n<5>xentest: END box 1-T fail\n"


def test_gigabyte_of_output(box: Box) -> None:
    begun = time.monotonic()
    found = box.one(0, run_command="yes | head -c 1000000000")
    assert found.status is Status.PASS
    assert time.monotonic() - begun < 60
    assert (box.folder("1-T") / "output").stat().st_size < 65 << 20


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.005)


def test_changed_control_file_does_not_change_the_plan(box: Box) -> None:
    wait = f"until test -e {box.base}/go; do sleep 0.05; done"
    box.write(A={"run_command": wait}, B={"run_command": "echo the plan"})
    process = box.start()
    wait_for(box.folder("1-A") / "output")
    box.write(X={"run_command": "echo another"}, B={"run_command": "echo another"})
    (box.base / "go").touch()
    process.communicate(timeout=60)
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
    first.communicate(timeout=60)
    assert box.result("1-A").status is Status.PASS


def test_terminated_runner_ends_its_test(box: Box) -> None:
    box.write(A={"run_command": f"trap '' TERM; echo $$ > {box.base}/pid; sleep 1000; sleep 1000"})
    process = box.start()
    wait_for(box.base / "pid")
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 130
    pid = (box.base / "pid").read_text().strip() or "0"
    assert not Path(f"/proc/{pid}").exists()


def test_killed_at_random_moments_nothing_is_lost(box: Box) -> None:
    count, source = 30, random.Random(1114727452)
    done = f"echo x >> {box.base}/ran.$XENTEST_NUMBER; sleep 0.15"
    box.write(**{f"T{number}": {"run_command": done} for number in range(1, count + 1)})
    finished: dict[str, str] = {}
    kills = 0
    while (box.home / "xentests.conf").exists():
        assert kills < 200
        process = box.start()
        try:
            process.communicate(timeout=0.1 + source.random() * 0.4)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        for number in range(1, count + 1):
            path = box.folder(f"{number}-T{number}") / "result.json"
            if path.exists():
                assert finished.setdefault(path.parent.name, path.read_text()) == path.read_text()
    assert kills >= 10
    found = [box.result(f"{number}-T{number}") for number in range(1, count + 1)]
    assert {result.status for result in found} <= {Status.PASS, Status.CRASH}
    assert Status.CRASH in {result.status for result in found}
    for number in range(1, count + 1):
        ran = box.base / f"ran.{number}"
        assert not ran.exists() or ran.read_text() == "x\n", "a test was run twice"
    assert list(box.temp.iterdir()) == []


def running(box: Box, name: str, boot: str) -> None:
    box.folder(name).mkdir(parents=True)
    marker = {"boot": boot, "started": "2026-01-01T00:00:00Z", "pid": 1}
    (box.folder(name) / "running").write_text(json.dumps(marker))


def test_test_that_the_machine_died_under_is_a_crash(box: Box) -> None:
    box.write(A={"run_command": "true"}, B={"run_command": "true"})
    running(box, "1-A", "another boot")
    (box.folder("1-A") / "output").write_text("last words")
    box.run(1)
    found = box.result("1-A")
    assert found.status is Status.CRASH
    assert found.reason == "the domain (or machine) went down while this test ran"
    assert found.started == "2026-01-01T00:00:00Z"
    assert (box.folder("1-A") / "output").read_text() == "last words"
    assert box.result("2-B").status is Status.PASS


def test_strays_of_a_killed_runner_are_ended(box: Box) -> None:
    box.write(A={"run_command": f"echo $$ > {box.base}/pid; sleep 1000; true"})
    first = box.start()
    wait_for(box.base / "pid")
    first.kill()
    first.communicate()
    box.run(1)
    assert box.result("1-A").reason == "xenruntests was killed while this test ran"
    pid = (box.base / "pid").read_text().strip() or "0"
    assert not Path(f"/proc/{pid}/cwd").exists()


FORGED = ["{", "", '{"schema": 1}', json.dumps({"schema": 1, "domain": "x", "test": "A"})]


@pytest.mark.parametrize("content", FORGED)
def test_result_that_is_not_ours_is_not_believed(box: Box, content: str) -> None:
    box.write(A={"run_command": "exit 1"})
    box.folder("1-A").mkdir(parents=True)
    (box.folder("1-A") / "result.json").write_text(content)
    box.run(1)
    assert box.result("1-A").status is Status.FAIL


def test_links_and_fifos_in_the_results_are_not_followed(box: Box) -> None:
    victim = box.base / "victim"
    victim.mkdir()
    (victim / "precious").write_text("kept")
    names = ["A", "B", "C", "D"]
    box.write(**{name: {"run_command": "echo hello"} for name in names})
    (box.home / "results").mkdir()
    box.folder("1-A").symlink_to(victim)
    box.folder("2-B").mkdir()
    (box.folder("2-B") / "output").symlink_to(victim / "precious")
    (box.folder("2-B") / "logs").symlink_to(victim)
    box.folder("3-C").mkdir()
    os.mkfifo(box.folder("3-C") / "result.json")
    os.mkfifo(box.folder("3-C") / "running")
    os.mkfifo(box.folder("4-D"))
    box.run(0)
    for number, name in enumerate(names, 1):
        assert box.result(f"{number}-{name}").status is Status.PASS
        assert (box.folder(f"{number}-{name}") / "output").read_text() == "hello\n"
    assert [path.name for path in victim.iterdir()] == ["precious"]
    assert (victim / "precious").read_text() == "kept"


def test_results_folder_that_is_a_link_is_refused(box: Box) -> None:
    box.write(A={"run_command": "true"})
    (box.base / "elsewhere").mkdir()
    (box.home / "results").symlink_to(box.base / "elsewhere")
    assert b"a symbolic link" in box.run(3).stderr
    assert list((box.base / "elsewhere").iterdir()) == []


def test_test_that_replaces_its_results_by_links(box: Box) -> None:
    (box.base / "victim").mkdir()
    evil = f"cd $XENTEST_LOGS/..; rm -r logs output; ln -s {box.base}/victim logs; mkfifo output"
    found = box.one(1, run_command=evil, result_format="ktap", log_dir="l")
    assert found.status is Status.ERROR
    assert list((box.base / "victim").iterdir()) == []


def test_logs_without_links_and_devices(box: Box) -> None:
    make = "echo a > l/a; ln -s /etc/passwd l/link; mkfifo l/fifo; mkdir l/d; echo b > l/d/b"
    found = box.one(0, run_command=make, log_dir="l")
    logs = box.folder("1-T") / "logs" / "l"
    assert sorted(str(path.relative_to(logs)) for path in logs.rglob("*")) == ["a", "d", "d/b"]
    assert "2 log files left out" in found.reason


def test_shared_folder_of_a_guest_is_read_from_its_defaults(tmp_path: Path) -> None:
    from xentest.commands import runtests
    from xentest.errors import UsageError

    with pytest.raises(UsageError):
        runtests.main(["--hostname", "x"], root=tmp_path)
    (tmp_path / "etc/default").mkdir(parents=True)
    (tmp_path / "etc/default/xentest").write_text(f'# x\nSHARED_DIR="{tmp_path}"\n')
    assert runtests.main(["--hostname", "x"], root=tmp_path) == 0
