"""How the sections of a control file must fit together."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Optional

from xentest import control_keys as keys
from xentest import control_meetings
from xentest.control_keys import Domain, Preferences, Test
from xentest.control_sections import Sections, nearest
from xentest.control_text import DEFAULT, shown

CONTROL_DOMAIN = "Domain-0"
MAX_RESULTS = 10_000  # of one domain in one run, repeats counted


def check(sections: Sections) -> None:
    """Tell everything that does not fit; places of tests become relative to their tempdir."""
    _check_fixed_sections(sections)
    preferences = sections.preferences
    if preferences:
        _check_tree(sections, preferences)
        _check_folders(sections, preferences)
        _check_times(sections, preferences)
    _check_domains(sections)
    for domain in sections.domains:
        _check_tests(sections, domain)
    control_meetings.check(sections)
    for name, test in sections.tests.items():
        _check_expectation(sections, test)
        sections.tests[name] = _settle_places(sections, test)


def _check_fixed_sections(sections: Sections) -> None:
    names = sections.text.sections
    add = sections.problems.add
    if keys.PREFERENCES not in names and keys.PREFERENCES not in sections.misspelt:
        advice = "add it, with shared_dir=... and xen-tree=..."
        add(0, f"there is no section [{keys.PREFERENCES}]", advice)
    elif not any(_is_domain(name) for name in [*names, *sections.misspelt]):
        what = f"no section's name starts with {keys.DOMAIN_PREFIX}, so there is no domain to test"
        add(0, what, "add [XENVM0] with name=, tempdir= and test1=")


def _check_tree(sections: Sections, preferences: Preferences) -> None:
    tree = preferences.xen_tree
    locations = sections.text.sections.get(keys.LOCATIONS)
    if not tree or (locations and tree in locations.options):
        return
    if not locations and keys.LOCATIONS in sections.misspelt:
        return
    line = sections.line(keys.PREFERENCES, "xen-tree")
    near = nearest(tree, list(locations.options) if locations else [])
    what = f"xen-tree names '{shown(tree)}', which is not in [{keys.LOCATIONS}]"
    advice = f"write {near}" if near else f"add {shown(tree)}=ADDRESS to [{keys.LOCATIONS}]"
    if re.search("[:/]", tree):
        advice = f"write NAME here, and NAME={shown(tree)} in [{keys.LOCATIONS}]"
    sections.problems.add(line, what, advice)


def _check_times(sections: Sections, preferences: Preferences) -> None:
    line = sections.line(keys.PREFERENCES, "boot_timeout")
    given = line != sections.text.sections[keys.PREFERENCES].line
    if given and preferences.boot_timeout > preferences.run_timeout:
        what = "boot_timeout is longer than the whole run may take (run_timeout)"
        sections.problems.add(line, what, "shorten it, or make run_timeout longer")
    _check_default_limit(sections, preferences)


def _check_default_limit(sections: Sections, preferences: Preferences) -> None:
    """A test that may take longer than a run that nobody gave more time would be cut off."""
    if "run_timeout" in sections.text.scope(sections.text.sections[keys.PREFERENCES]):
        return
    listed = {name for domain in sections.domains for name in domain.tests}
    for name, test in sections.tests.items():
        if name in listed and test.timeout > preferences.run_timeout:
            what = (
                f"timeout is longer than the {preferences.run_timeout / 3600:g} h of the whole run"
            )
            advice = f"shorten it, or give run_timeout in [{keys.PREFERENCES}]"
            sections.problems.add(sections.line(name, "timeout"), what, advice)


def _check_folders(sections: Sections, preferences: Preferences) -> None:
    shared, trusted = preferences.shared_dir, preferences.results_dir
    if _inside(trusted, shared) or _inside(shared, trusted):
        what = f"results_dir {shown(trusted)} and shared_dir {shown(shared)} lie in each other"
        line = sections.line(keys.PREFERENCES, "results_dir")
        line = line or sections.line(keys.PREFERENCES, "shared_dir")
        sections.problems.add(line, what, "keep them apart: every domain can write to shared_dir")
    if preferences.console and _inside(preferences.console, shared):
        what = f"console {shown(preferences.console)} lies in shared_dir, where guests can forge it"
        line = sections.line(keys.PREFERENCES, "console")
        sections.problems.add(line, what, "keep the console's log in a folder of its own")
    for domain in sections.domains:
        _check_config(sections, shared, domain)
        if domain.tempdir == keys.UNKNOWN:
            continue
        for key, folder in (("shared_dir", shared), ("results_dir", trusted)):
            if _inside(domain.tempdir, folder):
                what = f"tempdir {shown(domain.tempdir)} lies in {key}"
                line = sections.line(domain.section, "tempdir")
                sections.problems.add(line, what, "name a folder of its own")
            if re.match(re.escape(domain.tempdir.rstrip("/")) + "/[0-9]+-", folder):
                what = f"{key} {shown(folder)} lies where [{shown(domain.section)}] runs its tests"
                line = sections.line(keys.PREFERENCES, key)
                sections.problems.add(line, what, "name a folder outside of tempdir")


def _check_config(sections: Sections, shared: str, domain: Domain) -> None:
    if domain.config and _inside(domain.config, shared):
        what = f"config {shown(domain.config)} lies in shared_dir, where guests can change it"
        line = sections.line(domain.section, "config")
        sections.problems.add(line, what, "keep it in a folder of its own, such as /etc/xen")


def _inside(path: str, folder: str) -> bool:
    return (path + "/").startswith(folder + "/")


def _check_domains(sections: Sections) -> None:
    _check_unique(sections, "name", [(d, d.name.lower()) for d in sections.domains])
    _check_names(sections)
    started = [(d, d.config) for d in sections.domains if d.start == "boot"]
    _check_unique(sections, "config", started)
    if sections.domains and not any(sections.lists_tests(d) for d in sections.domains):
        line = sections.text.sections[sections.domains[0].section].line
        what = "no domain has a test, so the run could find nothing"
        sections.problems.add(line, what, "add test1=NAME, and a section [NAME] with run_command=")


def _check_names(sections: Sections) -> None:
    """Each domain must find its own section; the toolstack must tell them apart as well."""
    for domain in sections.domains:
        line = sections.line(domain.section, "name")
        if domain.name == CONTROL_DOMAIN and domain.config:
            what = f"name '{CONTROL_DOMAIN}' is what Xen calls the control domain"
            sections.problems.add(line, what, "give this guest another name")
        short, _, rest = domain.name.lower().partition(".")
        for other in sections.domains if rest else ():
            if other.name.lower() == short:
                what = (
                    f"name '{shown(domain.name)}' may be the whole host name of "
                    f"'{shown(other.name)}' in [{shown(other.section)}]"
                )
                sections.problems.add(line, what, "write both names whole, or both short")


def _check_unique(
    sections: Sections,
    key: str,
    found: list[tuple[Domain, str]] | list[tuple[Domain, Optional[str]]],
) -> None:
    first: dict[Optional[str], Domain] = {}
    for domain, value in found:
        earlier = first.setdefault(value, domain)
        if earlier is not domain:
            what = f"{key} '{shown(value or '')}' belongs to [{shown(earlier.section)}] already"
            advice = f"give every domain a {key} of its own"
            sections.problems.add(sections.line(domain.section, key), what, advice)


def _check_tests(sections: Sections, domain: Domain) -> None:
    fixed = (keys.PREFERENCES, keys.LOCATIONS)
    known = [n for n in sections.text.sections if n not in fixed and not _is_domain(n)]
    for place, name in enumerate(domain.tests, 1):
        if name in known:
            continue
        line = sections.line(domain.section, f"test{place}")
        what = f"there is no test section [{shown(name)}]"
        sections.problems.add(line, what, _instead_of_test(name, known, place))
    tests = [sections.tests[name] for name in domain.tests if name in sections.tests]
    results = sum(test.repeat for test in tests)
    if results > MAX_RESULTS:
        line = sections.text.sections[domain.section].line
        what = f"[{shown(domain.section)}] asks for {results} test runs"
        sections.problems.add(line, what, f"repeat less often: at most {MAX_RESULTS} in a domain")


def _instead_of_test(name: str, known: list[str], place: int) -> str:
    parts = [part for part in re.split(r"[\s,;]+", name) if part]
    if len(parts) > 1 and set(parts) <= set(known):
        several = " and ".join(f"test{place + i}={part}" for i, part in enumerate(parts))
        return f"write one a line: {shown(several)}"
    if (uncommented := re.split(r"\s+[#;]", name)[0]) in known:
        return f"write {shown(uncommented)}, and a comment on a line of its own"
    if name in (keys.PREFERENCES, keys.LOCATIONS, DEFAULT) or _is_domain(name):
        return f"name a section with run_command=; [{shown(name)}] can be none"
    near = nearest(name, known)
    return f"write {shown(near)}" if near else f"add a section [{shown(name)}] with run_command="


def _is_domain(section: str) -> bool:
    return section.startswith(keys.DOMAIN_PREFIX)


def _check_expectation(sections: Sections, test: Test) -> None:
    """An exit status tells of no subtests: only the test itself can be known to fail."""
    from fnmatch import fnmatchcase

    names_it = any(fnmatchcase(test.name, pattern) for pattern in test.expect)
    if test.expect and test.result_format == "exit" and not names_it:
        what = f"expect names no subtest: with result_format=exit there is only {shown(test.name)}"
        line = sections.line(test.name, "expect")
        sections.problems.add(line, what, f"write {shown(test.name)}, or name a result_format")


def _settle_places(sections: Sections, test: Test) -> Test:
    """The test with its folders relative to the tempdir of the domains that run it."""
    settled = {key: _settle(sections, test, key) for key in ("test_dir", "log_dir")}
    return replace(test, test_dir=settled["test_dir"], log_dir=settled["log_dir"])


def _settle(sections: Sections, test: Test, key: str) -> str:
    path: str = getattr(test, key)
    if not path.startswith("/"):
        return path
    inner = ""
    for domain in sections.domains:
        if test.name not in domain.tests or domain.tempdir == keys.UNKNOWN:
            continue
        if not _inside(path, domain.tempdir):
            what = f"{key} {shown(path)} lies outside the tempdir of [{shown(domain.section)}]"
            line = sections.line(test.name, key)
            sections.problems.add(line, what, f"write it relative to {shown(domain.tempdir)}")
            return path
        inner = path[len(domain.tempdir) :].strip("/")
        if key == "log_dir" and not inner:
            what = f"{key} {shown(path)} is everything the test is made of"
            line = sections.line(test.name, key)
            sections.problems.add(line, what, "name a folder for the logs")
    return inner
