"""Commands whose output goes nowhere: the work goes on, and the exit status is its own."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
COMMAND = f"{TOP}/xenruntests --shared {{shared}} --hostname dom0"
FILE = """[Preferences]
hypervisor=none
shared_dir={0}/shared
results_dir={0}/runs
[first]
run_command=echo one
[second]
run_command={1}
[third]
run_command=echo three
[XENVM0]
name=dom0
tempdir={0}/temp
test1=first
test2=second
test3=third
"""


def work(tmp_path: Path, command: str = "false") -> str:
    """Work for dom0, and the command that does it."""
    folder = tmp_path / "shared/dom0"
    folder.mkdir(parents=True)
    (folder / "xentests.conf").write_text(FILE.format(tmp_path, command), encoding="utf-8")
    return COMMAND.format(shared=tmp_path / "shared")


def results(tmp_path: Path) -> list[str]:
    found = sorted((tmp_path / "shared/dom0/results").glob("*/result.json"))
    return [path.parent.name for path in found]


@pytest.mark.parametrize(
    "redirection",
    [
        "| true",
        "| head -n 1",
        ">&-",
        "<&- >&- 2>&-",
        "< /dev/null > /dev/full",
        "> /dev/full 2>&1",
        "> /dev/null",
    ],
)
def test_nobody_listens(tmp_path: Path, redirection: str) -> None:
    script = f"set -o pipefail; {work(tmp_path)} {redirection}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "internal error" not in done.stderr + done.stdout
    assert results(tmp_path) == ["1-first", "2-second", "3-third"]
    assert not (tmp_path / "shared/dom0/xentests.conf").exists()


def test_output_that_was_wanted_and_lost_is_no_success(tmp_path: Path) -> None:
    script = f"{work(tmp_path, 'true')} > /dev/full"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert done.stderr == (
        "xenruntests: the output could not be written: No space left on device\n"
    )
    assert len(results(tmp_path)) == 3


@pytest.mark.parametrize("command", ["xenbuild", "xenlab", "xenruntests", "xenstartdoms"])
def test_help_with_closed_or_full_output(command: str) -> None:
    for redirection, status in (("| true", 0), (">&-", 0), (">/dev/full", 3)):
        script = f"set -o pipefail; {TOP}/{command} --help {redirection}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
        assert done.returncode == status, (redirection, done)
        assert "Traceback" not in done.stderr


def test_letters_that_the_locale_does_not_know(tmp_path: Path) -> None:
    """They are escaped in what is printed; the command and its result have them as they are."""
    ascii_only = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ascii_only["PYTHONIOENCODING"] = "ascii"
    command = work(tmp_path, 'echo "größe ☃"; exit 3').split()
    done = subprocess.run(command, env=ascii_only, capture_output=True, timeout=60)
    assert done.returncode == 1 and rb"exit status 3: gr\xf6\xdfe \u2603" in done.stdout
    output = tmp_path / "shared/dom0/results/2-second/output"
    assert output.read_text(encoding="utf-8") == "größe ☃\n"


def test_a_reader_that_stops_for_a_while_is_waited_for(tmp_path: Path) -> None:
    """Output to a pipe that somebody made non-blocking is late, not lost."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    code = "from xentest import errors\n"
    code += "def main(argv):\n    print('x' * 300_000)\n    return 0\n"
    code += "raise SystemExit(errors.guarded_main('x', main, []))\n"
    child = subprocess.Popen([sys.executable, "-c", code], cwd=TOP, stdout=writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        assert len(stream.read()) == 300_001
    assert child.wait(timeout=60) == 0


def wait_for(path: Path) -> None:
    limit = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < limit, path
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_runs_is_ended_with_us(tmp_path: Path, number: signal.Signals) -> None:
    flag = tmp_path / "pid"
    command = work(tmp_path, f"echo $$ > {flag}.new; mv {flag}.new {flag}; exec sleep 100").split()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for(flag)
    child.send_signal(number)
    said = child.communicate(timeout=60)[1]
    assert (child.returncode, said) == (130, "xenruntests: interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(flag.read_text()), 0)


def test_nohup_is_respected(tmp_path: Path) -> None:
    flag = tmp_path / "here"
    command = work(tmp_path, f"touch {flag}; until [ -e {flag}.go ]; do sleep 0.05; done").split()
    child = subprocess.Popen(["nohup", *command], stdout=subprocess.DEVNULL, cwd=tmp_path)
    wait_for(flag)
    child.send_signal(signal.SIGHUP)
    Path(f"{flag}.go").touch()
    assert child.wait(timeout=60) == 0 and len(results(tmp_path)) == 3


def test_a_terminal_that_goes_away(tmp_path: Path) -> None:
    """As a lost ssh connection: writing fails with EIO, and the run ends well."""
    flag = tmp_path / "here"
    command = work(tmp_path, f"touch {flag}; until [ -e {flag}.go ]; do sleep 0.05; done")
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        ["sh", "-c", f"trap '' HUP; exec {command}"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    wait_for(flag)
    os.close(ours)
    Path(f"{flag}.go").touch()
    # 3: all went well, but its output, which somebody wanted, is lost.
    assert child.wait(timeout=60) == 3 and len(results(tmp_path)) == 3
