"""A shell on the machine, its console from elsewhere, and the list of what there is."""

import os
import pty
import select
import subprocess
import time

import nights
import pytest

pytestmark = pytest.mark.lab
LIMIT = 600.0


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execv(words[0], list(words))
        self.said = ""

    def until(self, word: str) -> None:
        end = time.monotonic() + LIMIT
        while word not in self.said:
            assert time.monotonic() < end, f"{word!r} never came:\n{self.said[-3000:]}"
            if select.select([self.terminal], [], [], 1)[0]:
                try:
                    self.said += os.read(self.terminal, 1 << 16).decode(errors="replace")
                except OSError:  # it ended
                    assert word in self.said, f"{word!r} never came:\n{self.said[-3000:]}"

    def type(self, line: str) -> None:
        os.write(self.terminal, line.encode() + b"\n")

    def status(self) -> int:
        """Its end."""
        while True:
            try:
                if not os.read(self.terminal, 1 << 16):
                    break
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_shell_that_others_can_watch():
    shell = Terminal(str(nights.SOURCE / "xenlab"), "shell")
    shell.until("root@dom0")
    shell.type("xl list; echo word-$((40 + 2))")
    shell.until("word-42")
    assert "Domain-0" in shell.said
    listed = subprocess.run([nights.SOURCE / "xenlab", "list"], capture_output=True, text=True)
    assert f"shell-{shell.pid}" in listed.stdout, listed
    for kind in ("image", "hypervisor"):
        assert kind in listed.stdout, listed
    refused = subprocess.run([nights.SOURCE / "xenlab", "clean"], capture_output=True, text=True)
    assert refused.returncode == 2 and "still run" in refused.stderr, refused
    shell.type("poweroff")
    assert shell.status() == 0, shell.said[-3000:]
    assert not (nights.CACHE / "machines" / f"shell-{shell.pid}").exists()


def test_the_console_of_a_machine_can_be_followed(tmp_path):
    words = ["exec", "--fresh", "--timeout", "300", "--", "sh", "-c", "echo begun; sleep 1000"]
    with nights.Called(*words, log=tmp_path / "exec.log") as called:
        called.until(lambda: "begun" in called.text(), "the command", LIMIT)
        console = Terminal(str(nights.SOURCE / "xenlab"), "console")
        console.until("INIT: ")
        os.kill(console.pid, 15)
        console.status()
