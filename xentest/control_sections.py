"""The sections of a control file: which keys each kind has, and what becomes of them.

A section is read by itself here; how sections fit together is looked at by control_checks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Optional

from xentest import control_keys as keys
from xentest import control_addresses as addresses
from xentest import control_values as values
from xentest.control_keys import Domain, Location, Preferences, Reader, Test
from xentest.control_text import DEFAULT, Expander, Option, Problems, Section, Text, shown
from xentest.control_values import Wrong


@dataclass
class Sections:
    """All sections of a file, read one by one, with what is needed to name their lines."""

    text: Text
    problems: Problems
    preferences: Optional[Preferences] = None
    locations: dict[str, Location] = field(default_factory=dict)
    tests: dict[str, Test] = field(default_factory=dict)
    domains: list[Domain] = field(default_factory=list)
    misspelt: set[str] = field(default_factory=set)  # what misspelt sections should be called

    def line(self, section: str, key: str) -> int:
        """The line of a key (own or from [DEFAULT]), or else of its section."""
        found = self.text.sections.get(section)
        if found is None:
            return 0
        option = self.text.scope(found).get(key)
        return option.line if option else found.line

    def line_at(self, section: str, key: str, place: int) -> int:
        """The line of the file with line `place` of a value that is written out there."""
        option = self.text.scope(self.text.sections[section])[key]
        return option.line if "%(" in option.raw else option.line_at(place)

    def lists_tests(self, domain: Domain) -> bool:
        """Whether the section has a key for a test, even if what it says was told to be wrong."""
        scope = self.text.scope(self.text.sections[domain.section])
        return any(re.match("test[0-9]", key) for key in scope)


def read_all(text: Text, problems: Problems) -> Sections:
    """Read every section by its kind; all mistakes go to `problems`."""
    sections = Sections(text, problems)
    reader = _SectionReader(sections)
    for section in text.sections.values():
        reader.read(section)
    reader.check_defaults()
    return sections


def nearest(word: str, known: list[str], cutoff: float = 0.6) -> str:
    """The known word most like `word`, or nothing."""
    import difflib

    inside = [name for name in known if re.search(rf"(^|[_-]){re.escape(word)}([_-]|$)", name)]
    same = [name for name in known if name.casefold() == word.casefold()]
    if len(same or inside) == 1:
        return (same or inside)[0]
    # A bound on both sides: difflib is slow, and nobody slips among more names than these.
    return next(iter(difflib.get_close_matches(word[:60], known[:200], 1, cutoff)), "")


def referenced(sections: Iterable[Section]) -> set[str]:
    """The names that %(name)s in these sections ask for."""
    raw = "\n".join(option.raw for part in sections for option in part.options.values())
    return {name.lower() for name in re.findall(r"%\(([^()]{1,80})\)s", raw)}


def _expected_headers(text: Text) -> set[str]:
    """Names that sections of this file must have: the fixed ones, and the tests of domains."""
    options = [option for part in text.sections.values() for option in part.options.values()]
    tests = {option.raw for option in options if keys.TEST_KEY.fullmatch(option.name)}
    return tests | {keys.PREFERENCES, keys.LOCATIONS, DEFAULT}


def _unquoted(text: str, reader: Reader) -> str:
    """The advice to leave quotes away, where that would make the value good."""
    quoted = re.fullmatch(r"""(["'])(?P<inner>.+)\1""", text, re.DOTALL)
    try:
        return "write it without the quotes" if quoted and reader(quoted["inner"]) else ""
    except Wrong:
        return ""


class _SectionReader:
    def __init__(self, sections: Sections) -> None:
        self.sections = sections
        self.text = sections.text
        self.problems = sections.problems
        self.expander = Expander(sections.problems)
        self.swallowed: set[str] = set()  # keys of this section that became part of a value
        self.headers = _expected_headers(sections.text)

    def read(self, section: Section) -> None:
        self.swallowed.clear()
        if section.name == keys.PREFERENCES:
            self._preferences(section)
        elif section.name == keys.LOCATIONS:
            self._locations(section)
        elif section.name.startswith(keys.DOMAIN_PREFIX):
            self._domain(section)
        else:
            self._test(section)

    def _preferences(self, section: Section) -> None:
        found = self._values(section, keys.PREFERENCE_KEYS)
        needed = ["shared_dir"]
        if found.get("hypervisor", "xen") == "xen":
            needed.append("xen-tree")
        self._check_complete(section, needed)
        found["xen_tree"] = found.pop("xen-tree", "")
        found.setdefault("shared_dir", keys.UNKNOWN)
        self.sections.preferences = Preferences(**found)

    def _domain(self, section: Section) -> None:
        found = self._values(section, keys.DOMAIN_KEYS, numbered_tests=True)
        tests = self._numbered_tests(section)
        self._check_complete(section, ["tempdir", "name"])
        found.setdefault("tempdir", keys.UNKNOWN)
        found.setdefault("name", section.name)
        found.setdefault("start", "boot" if found.get("config") else "never")
        if found["start"] == "boot" and not found.get("config"):
            what = f"start is boot, but [{shown(section.name)}] names no config to start"
            advice = "give config a file, or write start=never"
            self.problems.add(self.sections.line(section.name, "start"), what, advice)
        self.sections.domains.append(Domain(section=section.name, tests=tests, **found))

    def _test(self, section: Section) -> None:
        if "run_command" not in section.options and self._misspelt(section):
            return
        if not keys.TEST_NAME.fullmatch(section.name):
            what = f"the test name [{shown(section.name)}] cannot be a folder's name"
            advice = "use letters, digits, . _ + - and blanks between them (at most 100)"
            self.problems.add(section.line, what, advice)
        found = self._values(section, keys.TEST_KEYS)
        self._check_complete(section, ["run_command"])
        found.setdefault("run_command", "")
        self._check_digest(section.name, "sha256", found)
        if found.get("test_dir") and "source_url" not in self.text.scope(section):
            what = "test_dir is given, but there is no source_url to bring that folder"
            advice = "add source_url=, or let run_command change to where the test is"
            self.problems.add(self.sections.line(section.name, "test_dir"), what, advice)
        self.sections.tests[section.name] = Test(name=section.name, **found)

    def _check_digest(self, section: str, key: str, found: Mapping[str, Any]) -> None:
        address = found.get("source_url") or found.get("address", "")
        if found.get("sha256") and not (address and addresses.is_archive(address)):
            what = f"{shown(key)} is given, but there is no downloaded file to compare it with"
            advice = "remove it (a git address is pinned by #COMMIT, deb-src by apt itself)"
            self.problems.add(self.sections.line(section, key), what, advice)

    def _misspelt(self, section: Section) -> bool:
        """Whether the section is most likely one of the fixed ones under a wrong name."""
        name = section.name.casefold().replace(" ", "")
        fixed = {known.casefold(): known for known in (keys.PREFERENCES, keys.LOCATIONS, "DEFAULT")}
        right = fixed.get(nearest(name, list(fixed), 0.8), "")
        if not right and nearest(
            name[: len(keys.DOMAIN_PREFIX)], [keys.DOMAIN_PREFIX.casefold()], 0.8
        ):
            plain = section.name.replace(" ", "")
            number = re.fullmatch("[A-Za-z_-]+([0-9].*)", plain)
            right = keys.DOMAIN_PREFIX + (number[1] if number else plain[len(keys.DOMAIN_PREFIX) :])
        if right:
            what = f"[{shown(section.name)}] is no known section and has no run_command"
            self.problems.add(section.line, what, f"write [{shown(right)}]")
            self.sections.misspelt.add(right)
        return bool(right)

    def _check_complete(self, section: Section, needed: list[str]) -> None:
        scope = self.text.scope(section)
        for key in needed:
            if key not in self.swallowed and (key not in scope or not scope[key].raw):
                what = f"[{shown(section.name)}] has no {key}"
                self.problems.add(self.sections.line(section.name, key), what, f"add {key}=...")

    def _values(
        self, section: Section, known: Mapping[str, Reader], numbered_tests: bool = False
    ) -> dict[str, Any]:
        """The values of the known keys; a blank one counts as absent."""
        scope = self.text.scope(section)
        variables = referenced([section])
        for name, option in section.options.items():
            if name in known or name in variables or numbered_tests and name.startswith("test"):
                continue
            self._unknown_key(section, option, list(known) + ["test1"] * numbered_tests)
        found = {}
        for key, reader in known.items():
            if key in scope:
                value = self._value(scope[key], scope, reader, known)
                if value is not None:
                    found[key] = value
        return found

    def _unknown_key(self, section: Section, option: Option, known: list[str]) -> None:
        near = nearest(option.name, known)
        advice = f"write {near}" if near else f"known here are {', '.join(known)}"
        homes = [home for home, its_keys in keys.HOMES.items() if option.name in its_keys]
        if homes:
            advice = f"move it to {homes[0]}" + f", or write {near}" * bool(near)
        what = f"[{shown(section.name)}] has no key named '{shown(option.name)}'"
        self.problems.add(option.line, what, advice)

    def _value(
        self, option: Option, scope: Mapping[str, Option], reader: Reader, known: Mapping[str, Any]
    ) -> Any:
        """The meaning of one option; None when it is blank or wrong (which has been told)."""
        if self._swallowed_key(option, known):
            return None
        text = self.expander.expand(option, scope)
        if not text or not text.strip():
            return None
        try:
            return reader(text.strip())
        except Wrong as error:
            line = option.line_of(error.item)
            advice = _unquoted(text.strip(), reader) or error.instead
            self.problems.add(line, f"{shown(option.name)} {error.what}", advice)
            return None

    def _swallowed_key(self, option: Option, known: Mapping[str, Any]) -> bool:
        """Whether a key or section was indented by mistake, and so became part of this value."""
        for number, line in zip(option.line_numbers[1:], option.lines[1:]):
            header = re.fullmatch(r"\[(.+)\]", line)
            if header and header[1] in self.headers:
                what = f"{shown(line)} is indented, so it is part of {shown(option.name)} above it"
                self.problems.add(number, what, "start the line in the first column")
                return True
            match = re.match(r"([A-Za-z0-9_.-]{1,80})[ \t]*=", line)
            if match and match[1] in known:
                what = f"{match[1]} is indented, so it is part of {shown(option.name)} above it"
                advice = "start the line in the first column (in shell text use another variable)"
                self.problems.add(number, what, advice)
                self.swallowed.add(match[1])
                return True
        return False

    def _numbered_tests(self, section: Section) -> tuple[str, ...]:
        """test1, test2, ... in order."""
        scope = self.text.scope(section)
        numbered: dict[int, str] = {}
        for option in scope.values():
            match = keys.TEST_KEY.fullmatch(option.name)
            if match:
                name = self._value(option, scope, values.one_line, keys.DOMAIN_KEYS)
                numbered[int(match[1])] = name or ""
                if not option.raw:
                    self.problems.add(option.line, f"{option.name} is empty", "name a test")
            elif option.name.startswith("test") and option.name in section.options:
                what = f"'{shown(option.name)}' is no place in the list of tests"
                self.problems.add(option.line, what, "write test1, test2, test3 and so on")
        for place, number in enumerate(sorted(numbered), 1):
            if place != number:
                what = f"[{shown(section.name)}] has test{number} but no test{place}"
                line = self.sections.line(section.name, f"test{number}")
                self.problems.add(line, what, "number the tests without a hole")
                break
        return tuple(numbered[number] for number in sorted(numbered) if numbered[number])

    def _locations(self, section: Section) -> None:
        names = [name for name in section.options if not self._belongs_to(name, section.options)]
        for name in names:
            self._location(section, name)

    def _belongs_to(self, key: str, options: Mapping[str, Option]) -> str:
        """The location that NAME.sha256 and the like speak of; nothing for a location itself."""
        name, dot, suffix = key.rpartition(".")
        if not dot or not name:
            return ""
        if suffix in keys.LOCATION_KEYS:
            if name not in options:
                near = nearest(name, [other for other in options if other != key])
                advice = f"write {near}.{suffix}" if near else f"add {shown(name)}=ADDRESS"
                what = f"'{shown(key)}' speaks of a location that is not there"
                self.problems.add(options[key].line, what, advice)
            return name
        near = nearest(suffix, list(keys.LOCATION_KEYS))
        advice = f"write {shown(name)}.{near}" if near else ""
        if suffix in ("branch", "tag", "commit", "ref", "revision"):
            advice = f"write it behind the address: git+https://...#{suffix.upper()}"
        if name in options and advice:
            what = f"'{shown(key)}' is nothing that can be said of a location"
            self.problems.add(options[key].line, what, advice)
            return name
        return ""

    def _location(self, section: Section, name: str) -> None:
        option = section.options[name]
        scope = self.text.scope(section)
        if not keys.LOCATION_NAME.fullmatch(name):
            what = f"'{shown(name)}' cannot be a location's name"
            self.problems.add(option.line, what, "use letters, digits and . _ + -")
        if not option.raw:
            what = f"the location {shown(name)} has no address"
            self.problems.add(option.line, what, f"write {addresses.KINDS}")
        if self._is_no_location(option):
            return
        address = self._value(option, scope, addresses.address, section.options)
        found: dict[str, Any] = {}
        for suffix, reader in keys.LOCATION_KEYS.items():
            about = section.options.get(f"{name}.{suffix}")
            if about:
                value = self._value(about, scope, reader, section.options)
                if value is not None:
                    found[suffix] = value
                elif suffix == "build_command" and not about.raw:
                    found[suffix] = ""
        if address is not None:
            found["address"] = address
            self._check_digest(section.name, f"{name}.sha256", found)
            self._check_prebuilt(section.name, name, found)
            self.sections.locations[name] = Location(name, **found)

    def _check_prebuilt(self, section: str, name: str, found: Mapping[str, Any]) -> None:
        """What is built already stays as it is, whatever is done to its source."""
        for suffix in ("patches", "config"):
            if found.get(suffix) and found.get("build_command") == "":
                key = f"{shown(name)}.{suffix}"
                what = f"{key} is given, but the empty build_command says that nothing is built"
                advice = f"remove {key}, or {shown(name)}.build_command"
                self.problems.add(self.sections.line(section, f"{name}.{suffix}"), what, advice)

    def _is_no_location(self, option: Option) -> bool:
        """Whether a key of another section stands among the locations."""
        homes = [home for home, known in keys.HOMES.items() if option.name in known]
        may_be = option.name not in keys.PREFERENCE_KEYS and (
            "://" in option.raw or option.raw.startswith(("/", "deb-src:"))
        )
        if homes and not may_be:
            what = f"{option.name} stands in [{keys.LOCATIONS}], where it would name a location"
            self.problems.add(option.line, what, f"move it to {homes[0]}")
        return bool(homes) and not may_be

    def check_defaults(self) -> None:
        """A key of [DEFAULT] that nothing uses and that looks like a known one is a slip."""
        known = [*keys.PREFERENCE_KEYS, *keys.TEST_KEYS, *keys.DOMAIN_KEYS]
        used = referenced([self.text.defaults, *self.text.sections.values()])
        for name, option in self.text.defaults.options.items():
            if name in known or name in used or keys.TEST_KEY.fullmatch(name):
                continue
            near = nearest(name, known, 0.75)
            if near:
                what = f"[DEFAULT] has '{shown(name)}', which nothing uses"
                self.problems.add(option.line, what, f"write {near}, or remove it")
