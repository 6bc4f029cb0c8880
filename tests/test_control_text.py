"""Any text at all as a control file: the format is configparser's, and nothing breaks it."""

from __future__ import annotations

import configparser
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

from test_control import GOOD, small
from xentest import control, control_text
from xentest.control import ControlError


def read_by_configparser(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def read_by_us(text: str) -> dict[str, dict[str, str]]:
    problems = control_text.Problems("x")
    found = control_text.read(text, problems)
    expander = control_text.Expander(problems)
    result = {}
    for name, section in found.sections.items():
        scope = found.scope(section)
        result[name] = {key: expander.expand(scope[key], scope) or "" for key in scope}
    problems.raise_if_any()
    return result


FRAGMENTS = [
    *("[DEFAULT]", "[A]", "[B]", "[A b]", " [C]", "[", "x=1", "x: 2", "  more", "\tmore", "y"),
    *("", " ", "# note", "  ; note", "z=%(x)s", "w=%(z)s%%", "v=%(none)s", "u=%", "a=b=c:d", "=5"),
    *(
        "[E]\n  k3=v3\n  k4=v4\n   more",
        "Key = Value ",
        "long=1\n 2\n\n 3",
        "x = %(X)s",
        " k=v",
        "  k2 = v2",
        "[D] ; x",
        "q=%(q)s",
    ),
]


@settings(max_examples=1500)
@given(strategies.lists(strategies.sampled_from(FRAGMENTS), max_size=12))
def test_the_format_is_configparsers(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        expected = read_by_configparser(text)
    except configparser.Error:
        with pytest.raises(ControlError):
            read_by_us(text)
    else:
        assert read_by_us(text) == expected


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_good_files_read_as_configparser_reads_them(path: Path) -> None:
    assert read_by_us(path.read_text()) == read_by_configparser(path.read_text())


# Any file at all

MUTATIONS = 6000
# Seconds of processor time, however busy the machine is.  One of these files takes less than one;
# what would be held up by it would be so for hours.
PATIENCE = 20.0
TOKENS = [
    *("[", "]", "=", ":", "%", "%%", "%(", "%(tempdir)s", "%(name)s", "..", "/", "//", "../", "#"),
    *("[DEFAULT]\n", "[XENVM0]\n", "[Locations]\n", "\n ", "\n\t", "\n\n", "\r\n", "\r", "\0"),
    *("test1", "test999999999", "test0", "9" * 40, "-1", "1e999", "nan", "\u0663", "\ufeff"),
    *("\x1b[2J", "\udc80", "\u202e", "none", "(?P<value>", "(" * 200, "a" * 5000, "$(id)", ";"),
    *("deb-src:", "git+ssh://-o", "file://", "json:", "junit:/", "CONFIG_", "key=value\n"),
]


def mutate(text: str, chance: random.Random) -> str:
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(text) + 1)
        lines = text.split("\n")
        line = chance.randrange(len(lines))
        kind = chance.randrange(8)
        if kind == 0:
            text = text[:at] + chr(chance.randrange(256)) + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + chance.choice(TOKENS) + text[at:]
        elif kind == 2:
            other = chance.randrange(len(lines))
            lines[line], lines[other] = lines[other], lines[line]
            text = "\n".join(lines)
        elif kind == 3:
            text = "\n".join(lines[:line] + lines[line + 1 :])
        elif kind == 4:
            text = "\n".join(lines[: line + 1] + lines[line:])
        elif kind == 5:
            text = "\n".join(lines[:line] + [" " + lines[line]] + lines[line + 1 :])
        elif kind == 6:
            key, equals, _ = lines[line].partition("=")
            lines[line] = key + equals + chance.choice(TOKENS)
            text = "\n".join(lines)
        else:
            text = text[:at] + text[at + chance.randrange(1, 60) :]
    return text


def test_mutated_files_never_raise_anything_else() -> None:
    chance = random.Random(20050720)
    sources = [path.read_text() for path in GOOD] + [
        small(
            preferences="mail_to=root\nkeep_runs=3\nresults_dir=/r",
            test="timeout=9m\nfigures=(?P<name>a) (?P<value>b)\nenv=A=1\nresult_format=ktap",
            locations="xen.config=CONFIG_A=y\nxen.patches=/a.patch",
            domain="start=never\nrole=server",
        )
    ]
    outcomes = {"good": 0, "refused": 0}
    slowest = 0.0
    for number in range(MUTATIONS):
        text = mutate(chance.choice(sources), chance)
        started = time.process_time()
        try:
            control.parse(text, "x.cfg")
            outcomes["good"] += 1
        except ControlError as error:
            outcomes["refused"] += 1
            assert all(line.isprintable() for line in str(error).splitlines())
            assert all(line.startswith("x.cfg") for line in str(error).splitlines())
            assert all(problem.what and problem.instead for problem in error.problems)
        except Exception as error:
            raise AssertionError(f"mutation {number}: {error!r}\n{text}") from error
        slowest = max(slowest, time.process_time() - started)
    assert min(outcomes.values()) > MUTATIONS // 10, outcomes
    assert slowest < PATIENCE


LINES = control_text.MAX_LINES - 100
TRAPS = {
    "laughter": "[DEFAULT]\na0=ha\n"
    + "".join(f"a{n}={f'%(a{n - 1})s' * 50}\n" for n in range(1, 10))
    + "[t]\nrun_command=%(a9)s\n",
    "silent laughter": "[DEFAULT]\na0=\n"
    + "".join(f"a{n}={f'%(a{n - 1})s' * 50}\n" for n in range(1, 10))
    + "[t]\nrun_command=%(a9)s\n",
    "percent signs": "[t]\nrun_command=" + "%%" * 500_000,
    "open references": "[t]\nrun_command=" + "%(" * 500_000,
    "blanks": "[t]\na" + " " * 1_000_000 + "b",
    "brackets": "[" * 1_000_000,
    "unknown keys": "[t]\n" + "".join(f"runcommand{n}=1\n" for n in range(LINES)),
    "variables": "[t]\n" + "".join(f"v{n}=%(v{n - 1})s\n" for n in range(1, LINES)),
    "slips in default": "[DEFAULT]\n" + "".join(f"tempdri{n}=1\n" for n in range(LINES)),
    "harmless defaults": "[DEFAULT]\n" + "".join(f"zqj{n}x=1\n" for n in range(LINES)),
    "locations": "[Locations]\n" + "".join(f"x{n}=/a\nx{n}.bcd=/a\n" for n in range(LINES // 2)),
    "sections": "".join(f"[XENVM{n}]\n" for n in range(LINES)),
    "misspelt sections": "".join(f"[zzzz{n}]\na=1\n" for n in range(LINES // 2)),
    "addresses": "[Locations]\nx=http://" + "a:" * 300_000,
    "patches": "[Locations]\nx=/a\nx.patches=" + "".join(f"/a{n}\n " for n in range(LINES)),
    "a quote that is not closed": "[t]\nrun_command='" + "a " * 60_000,
    "a wide variable": "[t]\nrun_command=x\nenv=A=x" + " " * 900_000 + "y",
    "continued": "[t]\nrun_command=x\n" + " a\n" * LINES,
    "many domains": small(
        rest="".join(f"[XENVM{n}]\nname=g{n}\ntempdir=/t\ntest1=tt\n" for n in range(1, 2000))
    ),
}


@pytest.mark.parametrize("name", TRAPS)
def test_files_made_to_hold_us_up(name: str) -> None:
    started = time.process_time()
    with pytest.raises(ControlError):
        control.parse(TRAPS[name], "x.cfg")
    assert time.process_time() - started < PATIENCE
