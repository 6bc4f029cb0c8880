"""Barriers of a control file: who lists them, which commands wait there, and in which order."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from typing import Iterator, Mapping, Sequence

from xentest.control_keys import Domain, Test
from xentest.control_sections import Sections
from xentest.control_text import shown

MAX_WAY = 200  # of a domain, repeats written out: who crosses another's does so before
_WAITS = r"xenruntests --barrier[ =]"
_MEETING = re.compile(
    _WAITS + r"(?P<name>[A-Za-z0-9_.-]+)(?: --timeout[ =]\S+)?(?=\s*($|[;&|)}\n]))"
)
# What is done beside it, again and again, or later, comes in an order of its own.
_OWN_ORDER = re.compile(r"(?<![&>])&(?![&>])|\(\)|\b(?:for|while|until|trap|function)\b")
_CHOOSES = re.compile(r"\b(?:if|case)\b|\|\||XENTEST_")  # not all who run it need come to it


def check(sections: Sections) -> None:
    """Tell of barriers that nobody could pass."""
    _check_lists(sections)
    _check_meetings(sections)
    _check_order(sections)


def missed(domains: Sequence[Domain], tests: Mapping[str, Test]) -> Iterator[tuple[Domain, str]]:
    """Who lists a barrier at which a command waits for it, and has none that names it."""
    waited = {m["name"] for test in tests.values() for m in _MEETING.finditer(test.run_command)}
    for domain in domains:
        mine = [tests[name] for name in domain.tests]
        said = " ".join(text for one in mine for text in (one.run_command, *dict(one.env).values()))
        words = set(re.findall(r"[\w.-]+", said))
        yield from ((domain, name) for name in domain.barriers if name in waited - words)


def _check_lists(sections: Sections) -> None:
    listed = Counter(name for domain in sections.domains for name in set(domain.barriers))
    for domain in sections.domains:
        for name in domain.barriers:
            if listed[name] == 1:
                line = sections.line(domain.section, "barriers")
                what = f"only [{shown(domain.section)}] lists the barrier {shown(name)}"
                sections.problems.add(line, what, "list it in every domain that meets there")
            elif not sections.lists_tests(domain):
                line = sections.line(domain.section, "barriers")
                what = f"[{shown(domain.section)}] lists barriers, and has no test that comes there"
                sections.problems.add(line, what, "remove barriers=, or add test1=NAME")


def _check_meetings(sections: Sections) -> None:
    """A command that waits for all who list its barrier, which nobody does, can only fail."""
    listed = {name for domain in sections.domains for name in domain.barriers}
    for test in sections.tests.values():
        for meeting in _MEETING.finditer(test.run_command):
            name = meeting["name"]
            if name not in listed:
                option = sections.text.scope(sections.text.sections[test.name])["run_command"]
                what = f"run_command waits at the barrier {shown(name)}, which no domain lists"
                advice = f"add barriers={shown(name)} to the domains that meet there, or COUNT"
                sections.problems.add(option.line, what, advice)
            elif not _CHOOSES.search(test.run_command):
                _check_own_meeting(sections, test, name)


def _check_own_meeting(sections: Sections, test: Test, name: str) -> None:
    """Who waits at a barrier counts as one that has come, also in place of one that is listed."""
    for domain in sections.domains:
        if test.name in domain.tests and name not in domain.barriers:
            where = shown(domain.section)
            what = f"[{where}] runs {shown(test.name)}, which waits at the barrier {shown(name)}"
            advice = f"add barriers={shown(name)} to [{where}]"
            line = sections.text.sections[domain.section].line
            sections.problems.add(line, what, advice)


def _check_order(sections: Sections) -> None:
    """Two domains that come to the same barriers in crossed order wait for each other."""
    ways = {
        domain.section: list(islice(_way(sections, domain), MAX_WAY)) for domain in sections.domains
    }
    circle = _circle(ways)
    if not circle:
        return
    waits = [f"[{shown(who)}] waits at {shown(name)}" for who, name in circle]
    what = f"{' while '.join(waits)}: each waits for the next, and none comes"
    line = sections.line(circle[0][0], "barriers")
    sections.problems.add(line, what, "let all come to the barriers in the same order")


def _way(sections: Sections, domain: Domain) -> Iterator[str]:
    """The barriers at which a domain surely waits for all who list them, in its order."""
    tests = [sections.tests[name] for name in domain.tests if name in sections.tests]
    doubtful = [test.run_command for test in sections.tests.values() if _is_doubtful(test)]
    for test in tests:
        for meeting in _MEETING.finditer(test.run_command):
            name = meeting["name"]
            if name in domain.barriers and not any(name in command for command in doubtful):
                yield from [name] * test.repeat


def _is_doubtful(test: Test) -> bool:
    """Whether what it says of barriers need not be what it does."""
    command = test.run_command
    unsure = _CHOOSES.search(command) or _OWN_ORDER.search(command)
    return bool(unsure) or len(re.findall(_WAITS, command)) != len(_MEETING.findall(command))


def _circle(ways: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Who waits where, each for the next, once nobody goes on any more."""
    passed = {who: 0 for who in ways}
    while any([_goes_on(ways, passed, who) for who in ways]):
        pass
    who = next((who for who in ways if passed[who] < len(ways[who])), None)
    seen: list[str] = []
    while who is not None and who not in seen:
        seen.append(who)
        stand = (one for one in _lacking(ways, passed, who) if passed[one] < len(ways[one]))
        who = next(stand, None)
    return [(one, ways[one][passed[one]]) for one in seen[seen.index(who) :]] if who else []


def _goes_on(ways: Mapping[str, Sequence[str]], passed: dict[str, int], who: str) -> bool:
    """Let it pass the barrier where it waits, if all have come who ever do."""
    if passed[who] == len(ways[who]) or _lacking(ways, passed, who):
        return False
    passed[who] += 1
    return True


def _lacking(ways: Mapping[str, Sequence[str]], passed: Mapping[str, int], who: str) -> list[str]:
    """Those for whom it waits: who have not come as often as it has."""
    name = ways[who][passed[who]]
    times = {
        other: way[: passed[other] + 1].count(name) for other, way in ways.items() if name in way
    }
    return [other for other in times if times[other] < times[who]]
