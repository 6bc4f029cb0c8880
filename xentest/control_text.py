"""The text of a control file: configparser's format, with line numbers and limits.

Sections, continued lines, comments, [DEFAULT] and %(name)s mean what Python's configparser
(BasicInterpolation) makes of them; the tests hold the two against each other.  Beyond it, this
reader knows the line of everything, goes on after a mistake so that all are told at once,
bounds what substitution may grow to, and refuses words behind a section's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterator, Mapping, NoReturn, Optional

from xentest.errors import UsageError

MAX_SIZE = 1 << 20  # bytes of a control file
MAX_LINES = 10_000
MAX_PROBLEMS = 100
MAX_DEPTH = 10  # configparser's own limit
MAX_EXPANSION = 4 << 20  # characters that all substitutions together may produce
STEP_COST = 20  # so that many substitutions of nothing end too
DEFAULT = "DEFAULT"

_SECTION = re.compile(r"\[(?P<name>.+)\](?P<more>.*)")
_DELIMITER = re.compile("[=:]")
_TURNS = frozenset("LRE RLE LRO RLO PDF LRI RLI FSI PDI".split())  # of Unicode's bidi classes
_PIECE = re.compile(r"(?P<plain>[^%]+)|(?P<percent>%%)|%\((?P<name>[^)]+)\)s|(?P<lone>%)")


@dataclass(frozen=True)
class Problem:
    """One mistake: its line (0: the file as a whole), what is wrong, what to write instead."""

    line: int
    what: str
    instead: str


class ControlError(UsageError):
    """A control file that cannot be used; `problems` are all its mistakes in order of lines."""

    def __init__(self, path: str, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line)
        self.path = shown(path, 300)
        super().__init__("\n".join(self._line(problem) for problem in self.problems))

    def _line(self, problem: Problem) -> str:
        place = f"{self.path}:{problem.line}" if problem.line else self.path
        return f"{place}: {problem.what}; {problem.instead}"


class Problems:
    """Gathers what is wrong; gives up (raises) when there is too much of it to be of use."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.found: list[Problem] = []

    def add(self, line: int, what: str, instead: str) -> None:
        problem = Problem(line, what, instead)
        if problem in self.found:  # a mistake in [DEFAULT] shows in many sections
            return
        self.found.append(problem)
        if len(self.found) >= MAX_PROBLEMS:
            more = Problem(1 << 30, "too many problems", "mend these first")
            self.raise_all(self.found + [more])

    def fatal(self, line: int, what: str, instead: str) -> NoReturn:
        self.raise_all(self.found + [Problem(line, what, instead)])

    def raise_if_any(self) -> None:
        if self.found:
            self.raise_all(self.found)

    def raise_all(self, problems: list[Problem]) -> NoReturn:
        raise ControlError(self.path, problems)


def shown(text: str, limit: int = 80) -> str:
    """Text from the file as it may stand in a message: one short, printable line."""
    text = "".join(c if c.isprintable() else "?" for c in text[: limit + 1])
    return text if len(text) <= limit else text[:limit] + "..."


@dataclass
class Option:
    """One option as it was written: its lines, not yet substituted."""

    name: str
    line: int
    lines: list[str]
    line_numbers: list[int]

    @property
    def raw(self) -> str:
        return "\n".join(self.lines).rstrip()

    def line_of(self, item: str) -> int:
        """The line on which an item of the value stands; the key's own if that is not known."""
        places = list(zip(self.lines, self.line_numbers)) if item else []
        whole = [number for line, number in places if line == item]
        among = [number for line, number in places if item in line.split()]
        return (whole + among + [self.line])[0]

    def line_at(self, place: int) -> int:
        """The line of the file that holds line `place` (from 1) of the value."""
        begin = next((i for i, line in enumerate(self.lines) if line), 0)
        return self.line_numbers[min(begin + place, len(self.lines)) - 1]


@dataclass
class Section:
    """One section; `options` are its own, without those of [DEFAULT]."""

    name: str
    line: int
    options: dict[str, Option] = field(default_factory=dict)


@dataclass
class Text:
    """A control file that was read: [DEFAULT] and the sections in the file's order."""

    defaults: Section
    sections: dict[str, Section]

    def scope(self, section: Section) -> dict[str, Option]:
        """All options that hold in a section, those of [DEFAULT] included."""
        return {**self.defaults.options, **section.options}


def read(text: str, problems: Problems) -> Text:
    """Split a control file into sections and options; every mistake goes to `problems`."""
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        what = f"the file has more than {MAX_LINES} lines"
        problems.fatal(MAX_LINES + 1, what, "split it into several control files")
    _check_characters(lines, problems)
    reader = _Reader(problems)
    for number, line in enumerate(lines, 1):
        reader.take(number, line)
    return Text(reader.defaults, reader.sections)


def _check_characters(lines: list[str], problems: Problems) -> None:
    if lines[0].startswith("\ufeff"):
        what = "the file begins with a byte order mark (U+FEFF)"
        problems.fatal(1, what, "save it as UTF-8 without one")
    for number, line in enumerate(lines, 1):
        if line.isprintable():
            continue
        harmless = _harmless_in_comment if line.lstrip()[:1] in ("#", ";") else str.isprintable
        for character in line.rstrip("\r"):
            if character != "\t" and not harmless(character):
                what = f"the character {_named(character)} has no place in a text file"
                problems.fatal(number, what, _in_place_of(character))


def _named(character: str) -> str:
    import unicodedata

    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + f" ({name})" * bool(name)


def _in_place_of(character: str) -> str:
    import unicodedata

    if unicodedata.category(character) == "Zs":
        return "write a plain blank"
    return "write plain text (UTF-8, no control characters)"


def _harmless_in_comment(character: str) -> bool:
    """Whatever people write, but nothing that ends the line or turns its order round."""
    import unicodedata

    turns = unicodedata.bidirectional(character) in _TURNS
    return not turns and unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")


class _Reader:
    """Takes line after line; the rules are those of configparser."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.defaults = Section(DEFAULT, 0)
        self.sections: dict[str, Section] = {}
        self.section: Optional[Section] = None
        self.option: Optional[Option] = None
        self.indent = 0
        self.headless = False

    def take(self, number: int, line: str) -> None:
        value = line.strip()
        if not value or value[0] in "#;":
            if not value and self.option:
                self._continue(number, "")
            return
        indent = len(line) - len(line.lstrip())
        if self.option and indent > self.indent:
            self._continue(number, value)
            return
        self.indent = indent
        self.option = None
        header = _SECTION.match(value)
        if header:
            self._open(number, header["name"])
            self._check_rest(number, header["more"].strip())
        elif self.section is None:
            self._complain_headless(number)
        else:
            self._start(number, value, self.section)

    def _continue(self, number: int, value: str) -> None:
        assert self.option is not None
        self.option.lines.append(value)
        self.option.line_numbers.append(number)

    def _open(self, number: int, name: str) -> None:
        self.headless = False
        if name == DEFAULT:
            self.section = self.defaults
            self.defaults.line = self.defaults.line or number
            return
        self.section = Section(name, number)
        earlier = self.sections.setdefault(name, self.section)
        if earlier is not self.section:
            what = f"section [{shown(name)}] stands in line {earlier.line} already"
            self.problems.add(number, what, "put both into one, or give this one another name")

    def _check_rest(self, number: int, more: str) -> None:
        if more and more[0] not in "#;":  # configparser would drop it without a word
            what = f"'{shown(more)}' stands behind the section's name"
            self.problems.add(number, what, "write it on a line of its own, or remove it")

    def _complain_headless(self, number: int) -> None:
        if not self.headless:
            what = "this stands before the first section"
            self.problems.add(number, what, "start with a section line such as [Preferences]")
        self.headless = True

    def _start(self, number: int, value: str, section: Section) -> None:
        delimiter = _DELIMITER.search(value)
        name = value[: delimiter.start()].rstrip().lower() if delimiter else ""
        if not delimiter or not name:
            what = f"'{shown(value)}' is neither a [section] nor a key=value line"
            advice = "write key=value, or indent the line if it continues the one above"
            header = value.strip("[]").strip()
            if header and (value.startswith("[") or value.endswith("]")):
                advice = f"write [{shown(header)}]"
            self.problems.add(number, what, advice)
            return
        self.option = Option(name, number, [value[delimiter.end() :].strip()], [number])
        earlier = section.options.setdefault(name, self.option)
        if earlier is not self.option:
            what = f"{shown(name)} stands in line {earlier.line} of this section already"
            self.problems.add(number, what, "keep one of the two")


class Expander:
    """Substitutes %(name)s; one object for a file, since the limit is for all of it."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.left = MAX_EXPANSION

    def expand(self, option: Option, scope: Mapping[str, Option]) -> Optional[str]:
        """The value of an option; None after a mistake, which has been told."""
        if "%" not in option.raw:
            return option.raw
        try:
            return "".join(self._pieces(option.raw, scope, 1))
        except _Unexpandable as error:
            self.problems.add(option.line, f"{shown(option.name)}: {error.what}", error.instead)
            return None

    def _pieces(self, raw: str, scope: Mapping[str, Option], depth: int) -> Iterator[str]:
        if depth > MAX_DEPTH:
            what = "its substitutions lead round in a circle or too deep"
            raise _Unexpandable(what, f"use at most {MAX_DEPTH} steps of %(name)s")
        for piece in _PIECE.finditer(raw):
            if piece["plain"]:
                yield piece["plain"]
            elif piece["percent"]:
                yield "%"
            elif piece["lone"]:
                what = f"a lone % stands in '{shown(raw[piece.start() :], 20)}'"
                raise _Unexpandable(what, "write %% for a percent sign, or %(name)s for a value")
            else:
                value = self._look_up(piece["name"], scope)
                yield from self._pieces(value, scope, depth + 1) if "%" in value else (value,)

    def _look_up(self, name: str, scope: Mapping[str, Option]) -> str:
        option = scope.get(name.lower())
        if option is None:
            what = f"%({shown(name)})s is defined neither in this section nor in [DEFAULT]"
            raise _Unexpandable(what, "define it there, or write %% for a percent sign")
        self.left -= len(option.raw) + STEP_COST
        if self.left < 0:
            what = "the substitutions of this file grow beyond all use"
            raise _Unexpandable(what, "use fewer of them")
        return option.raw


class _Unexpandable(Exception):
    def __init__(self, what: str, instead: str) -> None:
        super().__init__(what)
        self.what = what
        self.instead = instead
