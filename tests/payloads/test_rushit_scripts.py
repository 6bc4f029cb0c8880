"""The demo of each example script of rushit, run as it stands and compared.

A demo is text: "server$", "client$" and "setup$" lines are commands, "server prints" is
followed by lines that come in this order, among others, in what it wrote; <n> stands for a
number, <2 or more> for one that is not less, <bar> for a bar of a histogram, and spaces only
separate.  Each demo has a network namespace of its own, so its ports and addresses are nobody
else's.
"""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

RUSHIT = Path(__file__).resolve().parents[2] / "payloads" / "rushit"
SCRIPTS = RUSHIT / "scripts"
SECONDS = 120
PLACES = {
    "<n>": r"\d+(?:\.\d+)?",
    "<2 or more>": r"(?:[2-9]|\d\d+)(?:\.\d+)?",
    "<bar>": "[= ]*",
}


@dataclass
class Round:
    """One server and one client, and what is expected of them."""

    commands: dict = field(default_factory=dict)
    printed: dict = field(default_factory=lambda: {"server": [], "client": []})
    exits: dict = field(default_factory=dict)


def read_demo(text):
    """The rounds of a demo: each begins with its setup$ or server$ line."""
    rounds, listening = [], None
    for line in text.splitlines():
        command = re.match(r"(setup|server|client)\$ (.*)", line)
        if command:
            if command[1] == "setup" or (
                command[1] == "server" and (not rounds or "server" in rounds[-1].commands)
            ):
                rounds.append(Round())
            rounds[-1].commands[command[1]] = command[2]
        elif match := re.fullmatch(r"(server|client) prints", line):
            listening = match[1]
        elif match := re.fullmatch(r"(server|client) exits (\d+)", line):
            rounds[-1].exits[match[1]], listening = int(match[2]), None
        elif not line:
            listening = None
        elif listening:
            rounds[-1].printed[listening].append(line)
    return rounds


def shell_of(demo, folder):
    """A shell script that plays a round; outputs and statuses are left in the folder."""
    lines = ["ip link set lo up", demo.commands.get("setup", "true")]
    limit = f"timeout {SECONDS}"
    for name, end in (("server", "&"), ("client", "")):
        if name in demo.commands:
            program = re.sub(r"^((?:\w+=\S+ )*)", rf"\1{limit} ", demo.commands[name])
            out = f"{folder}/{name}"
            lines.append(f"{{ {program} > {out}.out 2>&1; echo $? > {out}.status; }} {end}")
    return "\n".join(lines + ["wait"])


@pytest.fixture(scope="module")
def programs():
    """The folder of the built programs."""
    subprocess.run(["make", "-s", "-C", RUSHIT], check=True, capture_output=True, timeout=300)
    return RUSHIT / "build"


def play(demo, programs, folder):
    """What both ends printed and how they ended."""
    subprocess.run(
        ["unshare", "-rn", "sh", "-c", shell_of(demo, folder)],
        cwd=SCRIPTS,
        env={"PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"},
        timeout=2 * SECONDS + 5,
        check=True,
    )
    ends = [name for name in ("server", "client") if name in demo.commands]
    output = {name: (folder / f"{name}.out").read_text() for name in ends}
    status = {name: int((folder / f"{name}.status").read_text()) for name in ends}
    return output, status


def squeezed(line):
    """One space where there are several."""
    return " ".join(line.split())


def pattern_of(line):
    """An expected line as a regular expression."""
    parts = re.split("(" + "|".join(PLACES) + ")", squeezed(line))
    return "".join(PLACES.get(part) or re.escape(part) for part in parts)


def first_missing(expected, output):
    """The first of the lines that does not come in its turn; None when all do."""
    lines = iter(output.splitlines())
    for line in expected:
        if not any(re.fullmatch(pattern_of(line), squeezed(printed)) for printed in lines):
            return line
    return None


def test_missing_lines_are_noticed():
    """The comparison itself can fail."""
    assert first_missing(["a <n>", "c"], "a 1\nb\nc\n") is None
    assert first_missing(["a <n>"], "a x\n") == "a <n>"
    assert first_missing(["c", "a <n>"], "a 1\nb\nc\n") == "a <n>"


def test_every_script_has_a_demo():
    """And every demo a script."""
    assert {p.stem for p in SCRIPTS.glob("*.lua")} == {p.stem for p in SCRIPTS.glob("*.demo")}


@pytest.mark.parametrize("name", sorted(p.stem for p in SCRIPTS.glob("*.demo")))
def test_demo(name, programs, tmp_path):
    """What the demo shows is what happens."""
    if subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a network namespace (unshare -rn)")
    demos = read_demo((SCRIPTS / f"{name}.demo").read_text())
    assert demos
    for demo in demos:
        output, status = play(demo, programs, tmp_path)
        for end, lines in demo.printed.items():
            assert first_missing(lines, output.get(end, "")) is None, output[end]
        assert {end: status[end] for end in demo.exits} == demo.exits, output
