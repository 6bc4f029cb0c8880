"""The manual pages say what --help says, and roff takes them without a word."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAKE_MAN = ROOT / "tools" / "make-man"
COMMANDS = ["xenbuild", "xenstartdoms", "xenruntests", "xenlab"]
LAB_ACTIONS = ["run", "exec", "shell", "console", "list", "clean"]
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man")
    subprocess.run([MAKE_MAN, folder, *COMMANDS], check=True)
    return folder


def complaints(page: Path) -> str:
    """What groff has to say about a page."""
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed (apt-get install groff-base)")
    command = ["groff", "-mandoc", "-Tutf8", "-ww", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr + ("" if done.returncode == 0 else f"exit status {done.returncode}")


def read(page: Path) -> str:
    """The text of a page, without what roff needs."""
    text = page.read_text()
    for roff, letter in (("\\-", "-"), ("\\fB", ""), ("\\fR", ""), ("\\(aq", "'"), ("\\&", "")):
        text = text.replace(roff, letter)
    return text


def said(*words: str) -> str:
    return subprocess.check_output([ROOT / words[0], *words[1:], "--help"], text=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_page_is_good_roff(pages: Path, command: str) -> None:
    assert complaints(pages / f"{command}.8") == ""


def test_bad_roff_would_be_seen(tmp_path: Path) -> None:
    bad = tmp_path / "bad.8"
    bad.write_text(".TH BAD 8\n.SH NAME\nbad \\- \\[nonesuch]\n.NONE such\n")
    assert "nonesuch" in complaints(bad) and "NONE" in complaints(bad)


@pytest.mark.parametrize("words", [*([c] for c in COMMANDS), *(["xenlab", a] for a in LAB_ACTIONS)])
def test_page_has_every_option_of_help(pages: Path, words: list[str]) -> None:
    text, page = said(*words), read(pages / f"{words[0]}.8")
    if len(words) > 1:
        page = page.partition(f".SH {' '.join(words).upper()}\n")[2].partition("\n.SH ")[0]
    options = set(OPTION.findall(text))
    assert options, text
    assert options <= set(OPTION.findall(page))


@pytest.mark.parametrize("command", COMMANDS)
def test_page_has_every_word_of_help(pages: Path, command: str) -> None:
    text = said(command).removeprefix("usage:")
    assert set(text.split()) <= set(read(pages / f"{command}.8").split())


def test_each_page_has_a_name_a_synopsis_and_leads_to_the_others(pages: Path) -> None:
    for command in COMMANDS:
        page = read(pages / f"{command}.8")
        assert re.search(rf"^\.SH NAME\n{command} - [a-z]", page, re.MULTILINE)
        assert f".SH SYNOPSIS\n.nf\n{command} " in page
        assert all(f".BR {other} (8)" in page for other in COMMANDS if other != command)


def test_the_same_commands_give_the_same_bytes(pages: Path, tmp_path: Path) -> None:
    """Whoever makes them: the lab knows its snapshots by what was installed."""
    environment = {**os.environ, "XENLAB_CACHE": "/elsewhere", "COLUMNS": "200"}
    subprocess.run([MAKE_MAN, tmp_path, *COMMANDS], check=True, env=environment)
    for command in COMMANDS:
        name = f"{command}.8"
        assert (tmp_path / name).read_bytes() == (pages / name).read_bytes()


@pytest.mark.parametrize("word, installed", [("PREFIX=/usr", True), ("MAN=", False)])
def test_make_install_installs_them_unless_told_not_to(
    tmp_path: Path, word: str, installed: bool
) -> None:
    subprocess.run(
        ["make", "-s", "-C", ROOT, "install", f"DESTDIR={tmp_path}", "PAYLOADS=", word],
        check=True,
        env={**os.environ, "MAKEFLAGS": "", "MAKELEVEL": ""},
    )
    found = {path.name for path in tmp_path.rglob("*.8")}
    assert found >= {f"{command}.8" for command in COMMANDS} if installed else not found
