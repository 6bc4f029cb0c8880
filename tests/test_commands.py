"""What every command owes its user: help, a version, one clear line for a mistake."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from xentest import VERSION
from xentest.commands import lab
from xentest.errors import guarded_main

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ("xenbuild", "xenstartdoms", "xenruntests", "xenlab")
LIMIT = 120


def run(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["/usr/bin/python3", str(ROOT / words[0]), *words[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={**os.environ, **variables},
        check=False,
    )


def assert_told(found: "subprocess.CompletedProcess[str]", command: str, word: str) -> None:
    """A usage error: status 2, its reason on a line of the command's own, no traceback."""
    assert found.returncode == 2, found.stderr
    assert "Traceback" not in found.stderr and "internal error" not in found.stderr
    assert found.stdout == ""
    reasons = [line for line in found.stderr.splitlines() if line.startswith(f"{command}")]
    assert len(reasons) == 1 and word in reasons[0], found.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_can_be_run_and_say_how(command: str) -> None:
    assert os.access(ROOT / command, os.X_OK)
    found = run(command, "--help")
    assert found.returncode == 0 and found.stderr == ""
    assert found.stdout.startswith(f"usage: {command}")
    assert "exit status" in found.stdout.lower()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_went_away_is_no_fault(command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = ["/usr/bin/python3", str(ROOT / command), "--help"]
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        words, stdout=writer, stderr=subprocess.PIPE, timeout=LIMIT, env=buffered, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_say_their_version(command: str) -> None:
    found = run(command, "--version")
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{command} {VERSION}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--no-such-option", "-Q"])
def test_unknown_options_are_told(command: str, option: str) -> None:
    words = ["list"] if command == "xenlab" else ["x.cfg"] if command == "xenbuild" else []
    assert_told(run(command, *words, option), command, option)


@pytest.mark.parametrize(
    "words", [("xenbuild",), ("xenlab",), ("xenlab", "run"), ("xenlab", "fly")]
)
def test_missing_words_are_told(words: tuple[str, ...]) -> None:
    found = run(*words)
    assert_told(found, words[0], "fly" if "fly" in words else "required")


def spoiled(folder: Path, kind: str) -> Path:
    path = folder / "night.cfg"
    if kind == "FIFO":
        os.mkfifo(path, 0o600)
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "binary":
        path.write_bytes(b"\x7fELF\0\xff")
    elif kind == "device":
        return Path("/dev/zero")
    return path


@pytest.mark.parametrize("kind", ["missing", "FIFO", "folder", "loop", "binary", "device"])
@pytest.mark.parametrize("command", [("xenbuild",), ("xenstartdoms",), ("xenlab", "run")])
def test_a_control_file_that_cannot_be_read_is_told(
    tmp_path: Path, command: tuple[str, ...], kind: str
) -> None:
    path = spoiled(tmp_path, kind)
    before = sorted(tmp_path.iterdir())
    cache = tmp_path / "cache"
    found = run(*command, str(path), XENLAB_CACHE=str(cache))
    assert_told(found, command[0], str(path))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("kind", ["FIFO", "folder", "loop", "binary"])
def test_xenruntests_tells_of_its_copy(tmp_path: Path, kind: str) -> None:
    (tmp_path / "dom0").mkdir()
    path = spoiled(tmp_path / "dom0", kind)
    os.rename(path, tmp_path / "dom0/xentests.conf")
    if kind == "loop":
        (tmp_path / "dom0/xentests.conf").unlink()
        (tmp_path / "dom0/xentests.conf").mkdir(0o000)
    found = run("xenruntests", "--shared", str(tmp_path), "--hostname", "dom0")
    assert_told(found, "xenruntests", "xentests.conf")


def test_a_mistake_in_the_control_file_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "night.cfg"
    path.write_text("[Preferences]\nxen-tree=x\nshared_dir=relative\ncolour=blue\n")
    found = run("xenbuild", "--check", str(path))
    assert found.returncode == 2 and "Traceback" not in found.stderr
    assert f"{path}:3: " in found.stderr and f"{path}:4: " in found.stderr


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    path = str(tmp_path / "absent.cfg")
    assert "Traceback" in run("xenbuild", "--debug", path).stderr


def test_xenlab_lists_and_cleans_its_own_cache_only(tmp_path: Path) -> None:
    (tmp_path / "images/image-1").mkdir(parents=True)
    (tmp_path / "images/image-1/disk.raw").write_bytes(bytes(1 << 20) + b"x")
    (tmp_path / "yours").mkdir()
    found = run("xenlab", "list", XENLAB_CACHE=str(tmp_path))
    assert found.returncode == 0 and f"image       {tmp_path}/images/image-1" in found.stdout
    assert run("xenlab", "clean", XENLAB_CACHE=str(tmp_path)).returncode == 0
    assert os.listdir(tmp_path) == ["yours"]


@pytest.mark.parametrize("words", [(), ("--cache", "")])
def test_xenlab_takes_no_nameless_cache_for_the_folder_it_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lab, "CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XENLAB_CACHE", "")
    status = guarded_main("xenlab", lab.main, [*words, "clean"])
    assert status == (2 if words else 0) and (tmp_path / "images").is_dir()


def test_xenlab_tells_what_it_cannot_remove(tmp_path: Path) -> None:
    (tmp_path / "larger").mkdir()
    (tmp_path / "images").symlink_to("larger")
    found = run("xenlab", "clean", XENLAB_CACHE=str(tmp_path))
    assert found.returncode == 3 and "symbolic link" in found.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("exec", "--timeout", "nan", "true"),
        ("exec", "--timeout", "-1", "true"),
        ("exec", "--timeout", "0", "true"),
        ("run", "--memory", "0", "x"),
        ("run", "--memory", "-2560", "x"),
        ("run", "--memory", "2G", "x"),
        ("run", "--file", "/absent", "x"),
    ],
)
def test_xenlab_tells_what_cannot_be_before_it_makes_a_machine(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert_told(run("xenlab", *words, XENLAB_CACHE=str(tmp_path)), "xenlab", words[2])
    assert list(tmp_path.iterdir()) == []


def test_xenlab_without_a_machine_has_no_console(tmp_path: Path) -> None:
    found = run("xenlab", "console", XENLAB_CACHE=str(tmp_path))
    assert_told(found, "xenlab", "no machine of the lab runs")


def test_xenlab_wants_a_hypervisor_that_is_there(tmp_path: Path) -> None:
    found = run("xenlab", "exec", "--hypervisor", f"{tmp_path}/x.tar.gz", "--", "true")
    assert_told(found, "xenlab", "x.tar.gz")


@pytest.mark.parametrize(
    "words",
    [("xenbuild", "--check"), ("xenstartdoms",), ("xenlab", "--cache", "{cache}", "run")],
    ids=lambda words: words[0],
)
def test_commands_that_the_shell_cannot_read_are_told_at_once(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    """Before a machine is made or a run begun, not an hour later."""
    path = tmp_path / "night.cfg"
    lines = [
        "[Preferences]",
        "hypervisor=none",
        f"shared_dir={tmp_path}/shared",
        f"results_dir={tmp_path}/results",
        "[one]",
        "run_command=echo 'never closed",
        "[XENVM0]",
        "name=dom0",
        f"tempdir={tmp_path}/temp",
        "test1=one",
    ]
    path.write_text("\n".join(lines) + "\n")
    found = run(*(word.format(cache=tmp_path / "cache") for word in words), str(path))
    assert_told(found, words[0], f"{path}:6: run_command is no shell text")
    assert sorted(tmp_path.iterdir()) == [path]
