"""The boot script, run by dash in a root of its own with stubs of what it starts."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "init.d" / "xentest"
LIMIT = 120.0
PATHS = ("/proc/xen/capabilities", "/etc/xen_start_tests", "/var/lib/xentest/state.json",
         "/var/log/xentest.log", "/dev/console", "/usr/bin/python3")  # fmt: skip
SEARCHED = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine:
    """A root folder; the script's absolute names are moved below it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for path in (*PATHS, "/bin/x"):
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        self.script = root / "xentest"
        text = SCRIPT.read_text()
        for path in PATHS:
            assert path in text, f"the script speaks no more of {path}"
            text = text.replace(path, f"{root}{path}")
        assert SEARCHED in text
        text = text.replace(SEARCHED, f"PATH={root}/bin:/usr/bin:/bin")
        self.script.write_text(text.replace("@LIBRARY@", "/the/library"))
        self.script.chmod(0o755)
        self.stub("bin/xenruntests", 'echo "tests run $*"')
        self.stub("usr/bin/python3", 'echo "python $* with $PYTHONPATH"')

    def stub(self, place: str, script: str) -> None:
        (self.root / place).write_text(f"#!/bin/sh\n{script}\n")
        (self.root / place).chmod(0o755)

    def write(self, place: str, text: str) -> None:
        (self.root / place).write_text(text)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["dash", str(self.script), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    def console(self, awaited: str) -> str:
        """What came to the console, once `awaited` is in it."""
        return self.said("dev/console", awaited)

    def said(self, place: str, awaited: str) -> str:
        """What stands in a file, once `awaited` is in it."""
        end = time.monotonic() + LIMIT
        while True:
            path = self.root / place
            said = path.read_text() if path.exists() else ""
            if awaited in said:
                return said
            assert time.monotonic() < end, f"{awaited!r} never came to {place}: {said!r}"
            time.sleep(0.02)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_is_a_boot_script() -> None:
    assert subprocess.run(["sh", "-n", str(SCRIPT)], check=False).returncode == 0
    assert os.access(SCRIPT, os.X_OK)
    text = SCRIPT.read_text()
    assert text.index("### BEGIN INIT INFO") < text.index("# Provides:") < text.index("### END")
    for word in ("Required-Start", "Required-Stop", "Default-Start", "Default-Stop"):
        assert f"# {word}:" in text


def test_without_a_run_nothing_is_started(machine: Machine) -> None:
    found = machine.run("start")
    assert found.returncode == 0 and "no run is under way" in found.stdout
    assert not (machine.root / "var/log/xentest.log").exists()


@pytest.mark.parametrize("sign", ["etc/xen_start_tests", "var/lib/xentest/state.json"])
@pytest.mark.parametrize("action", ["start", "restart", "force-reload"])
def test_a_run_goes_on(machine: Machine, sign: str, action: str) -> None:
    machine.write(sign, "{}")
    found = machine.run(action)
    assert found.returncode == 0 and "a run is under way" in found.stdout
    wanted = "python -m xentest.commands.atboot with /the/library\n"
    assert machine.console(wanted) == wanted
    assert machine.said("var/log/xentest.log", wanted) == wanted  # it may come there later


def test_the_control_domain_is_no_guest(machine: Machine) -> None:
    machine.write("proc/xen/capabilities", "control_d\n")
    machine.write("etc/xen_start_tests", "")
    machine.run("start")
    assert "xentest.commands.atboot" in machine.console("\n")


def test_a_guest_runs_its_tests(machine: Machine) -> None:
    machine.write("proc/xen/capabilities", "")
    machine.write("etc/xen_start_tests", "")
    found = machine.run("start")
    assert found.returncode == 0 and "looking for tests" in found.stdout
    assert machine.console("tests run \n") == "tests run \n"


def test_start_does_not_wait_for_the_run(machine: Machine) -> None:
    """The boot goes on while the run works; the work outlives the script and its terminal."""
    os.mkfifo(machine.root / "gate")
    machine.stub("usr/bin/python3", f'read -r word < {machine.root}/gate; echo "let go: $word"')
    machine.write("etc/xen_start_tests", "")
    quiet = subprocess.DEVNULL
    begun = ["dash", str(machine.script), "start"]
    subprocess.run(begun, stdout=quiet, stderr=quiet, timeout=LIMIT, check=True)
    with open(machine.root / "gate", "w", encoding="ascii") as gate:
        gate.write("now\n")
    machine.console("let go: now")


def test_what_the_run_complains_of_is_seen(machine: Machine) -> None:
    machine.stub("usr/bin/python3", "echo broken disk >&2; exit 3")
    machine.write("etc/xen_start_tests", "")
    assert machine.run("start").returncode == 0
    machine.console("broken disk")


def test_the_log_is_kept_from_boot_to_boot(machine: Machine) -> None:
    machine.write("var/log/xentest.log", "of the boot before\n")
    machine.write("etc/xen_start_tests", "")
    machine.run("start")
    machine.console("python")
    assert (machine.root / "var/log/xentest.log").read_text().startswith("of the boot before\n")


def test_stop_is_quiet(machine: Machine) -> None:
    machine.write("var/lib/xentest/state.json", "{}")
    found = machine.run("stop")
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_status_tells_where_the_run_is(machine: Machine) -> None:
    found = machine.run("status")
    assert found.returncode == 3 and "no run is under way" in found.stdout
    machine.write("var/lib/xentest/state.json", '{"phase": "testing"}\n')
    found = machine.run("status")
    assert (found.returncode, found.stdout) == (0, '{"phase": "testing"}\n')


@pytest.mark.parametrize("words", [(), ("fly",), ("--help",)])
def test_an_unknown_action_is_told(machine: Machine, words: tuple[str, ...]) -> None:
    machine.write("etc/xen_start_tests", "")
    found = machine.run(*words)
    assert found.returncode == 2 and found.stdout == ""
    assert "start|stop|restart|force-reload|status" in found.stderr
    assert len(found.stderr.splitlines()) == 1
