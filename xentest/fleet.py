"""The domains of a run side by side: started, watched, and their results collected.

Ends when every test of every domain has a result in the run's own folder, or a
reason why it has none.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from xentest import collect, shared, strays
from xentest.collect import Explain
from xentest.domains import DomainInfo
from xentest.domains.consoles import Consoles
from xentest.domains.watch import DomainWatch, Ending, Limits
from xentest.errors import XentestError, printable, printable_line
from xentest.guests import Guests
from xentest.ownrunner import OwnRunner
from xentest.progress import Progress
from xentest.results import MAX_REASON, Result, Status
from xentest.runs import Run
from xentest.verdict import console

if TYPE_CHECKING:
    from xentest.control import Control, Domain

POLL = 1.0
# Asking the toolstack is dear: it may take a twentieth of the time, no more; never too seldom.
# A console that ends makes us ask at once.
LIST_EVERY = 2.0
LIST_SHARE = 20
LIST_SELDOM = 6.0
OWN_STARTS = 2
CONSOLE_LIMIT = 2.0
# Results that no test of the control file gives; numbered after a domain's plan, in this order.
EXTRAS = ("boot", "console-check", "leak-check", "machine")


def extra_number(planned: int, name: str) -> int:
    """The number of a result of xentest's own in a domain with so many tests."""
    return planned + 1 + EXTRAS.index(name)


@dataclass
class Fleet:
    """All domains of one run; `own` is the one this runs in, if it has tests."""

    control: Control
    run: Run
    own: Optional[Domain]
    runner: OwnRunner
    guests: Optional[Guests]  # None: there is no toolstack
    consoles: Consoles
    progress: Progress
    explain: Explain
    limits: Limits
    look_at_logs: Callable[[], None] = lambda: None  # called again and again
    _folder: Optional[Path] = None  # once it is this run's
    _waiting: list[Domain] = field(default_factory=list)
    _watched: dict[str, DomainWatch] = field(default_factory=dict)
    _listed: dict[str, DomainInfo] = field(default_factory=dict)
    _list_next: float = 0.0
    _ended: int = 0
    # Guests without a test yet: when they were created, and which test will be their first.
    _begun: dict[str, tuple[float, int, str]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The shared folder; until it was made afresh, what lies there is another run's."""
        if self._folder is None:
            place = Path(self.control.preferences.shared_dir)
            found = shared.place_of(self.run, place)
            if found != place:
                return found
            self._folder = place
        return self._folder

    def go(self) -> None:
        """Start what is not done and return when nothing is left to wait for."""
        limit = self.control.preferences.run_timeout
        deadline = time.monotonic() + limit
        self._waiting = [domain for domain in self.control.domains if not self._is_done(domain)]
        self._start_own()
        while self._waiting or self._watched:
            busy = self._start_next()
            self._look()
            self.look_at_logs()
            if time.monotonic() >= deadline:
                why = f"ended by the run's time limit of {limit:.0f} s"
                self._end_missing(Ending(why, Status.TIMEOUT))
            elif not busy:
                time.sleep(POLL)
        self.collect()
        for domain in self.control.domains:
            self._tell_missing(domain)

    def collect(self) -> None:
        """Take what is finished, and say so."""
        for result in collect.collect_finished(self.folder, self.control, self.run, self.explain):
            self.say(result)

    def say(self, result: Result) -> None:
        """One line a result."""
        line = f"{result.domain} {result.folder}: {result.status.value}"
        reason = f" - {result.reason}" if not result.status.good else ""
        self.progress.say(f"{line} ({result.duration:.1f} s){reason}")

    def _is_done(self, domain: Domain) -> bool:
        if self._is_complete(domain):
            return True
        return not shared.glance(self.folder, domain.name, ()).has_work

    def _is_complete(self, domain: Domain) -> bool:
        return all(
            collect.is_stored(self.run, domain.name, number, test.name)
            for number, test in self.control.plan(domain)
        )

    def _missing(self, domain: Domain) -> list[tuple[int, str]]:
        """Its tests that have no result yet."""
        return [
            (number, test.name)
            for number, test in self.control.plan(domain)
            if not collect.is_stored(self.run, domain.name, number, test.name)
        ]

    def _glance(self, domain: Domain) -> shared.Glance:
        return shared.glance(self.folder, domain.name, self._missing(domain))

    def _start_own(self) -> None:
        if self.own is not None and self.own in self._waiting:
            self._waiting.remove(self.own)
            self._watch(self.own)
            self.runner.start()

    def _start_next(self) -> bool:
        """Start one guest, so that those before it are looked after meanwhile."""
        if not self._waiting:
            return False
        domain = self._waiting.pop(0)
        watch = self._watch(domain)
        if domain.start != "boot":
            return True  # something else starts it; it is only watched
        for number, test in self._missing(domain)[:1]:
            self._begun[domain.name] = time.monotonic(), number, test
        try:
            if self.guests is None:
                raise XentestError("there is no toolstack to start it with (hypervisor is not xen)")
            made = self.guests.start(domain)
            if made is not None:
                self._listed[domain.name] = made
            watch.seen = True
            watch.since = time.monotonic()
        except XentestError as error:
            reason = f"{domain.name} could not be started: {error.what}"
            self._conclude(domain, Ending(reason, Status.ERROR))
        return True

    def _watch(self, domain: Domain) -> DomainWatch:
        watch = DomainWatch(
            name=domain.name,
            plan=self.control.plan(domain),
            limits=self.limits,
            since=time.monotonic(),
            glance=self._glance(domain),
        )
        self._watched[domain.name] = watch
        return watch

    def _look(self) -> None:
        seen = self._toolstack_view()
        self.collect()
        for domain in self.control.domains:
            watch = self._watched.get(domain.name)
            if watch is None:
                continue
            glance = self._glance(domain)
            self._note_first_test(domain, glance.running is not None)
            if self._finished(domain, glance):
                self._close(domain)
                continue
            info = None if domain.name == self._own_name else seen.get(domain.name)
            ending = watch.look(time.monotonic(), glance, info) or self._own_death(domain)
            if ending is not None:
                self._conclude(domain, ending)

    def _toolstack_view(self) -> dict[str, DomainInfo]:
        """The domains as the toolstack shows them, asked no more often than need be."""
        if self.guests is None or all(name == self._own_name for name in self._watched):
            return {}
        begun = time.monotonic()
        ended = self.consoles.ended()
        if begun >= self._list_next or ended != self._ended:
            self._listed, self._ended = self.guests.all(), ended
            now = time.monotonic()
            self._list_next = now + min(max(LIST_EVERY, LIST_SHARE * (now - begun)), LIST_SELDOM)
        return self._listed

    def _note_first_test(self, domain: Domain, runs: bool) -> None:
        """How long it took from the creation of a guest to its first test.

        One that `runs` began just now; one that was over between two looks left a result.
        """
        if domain.name not in self._begun:
            return
        begun, number, test = self._begun[domain.name]
        seconds = time.monotonic() - begun
        first = collect.load(self.run, domain.name, number, test)
        if first is not None:
            seconds = max(seconds - first.duration, 0.0)
        elif not runs:
            return
        del self._begun[domain.name]
        self.run.add_phase(f"{domain.name}: created to first test", seconds)

    @property
    def _own_name(self) -> str:
        return self.own.name if self.own is not None else ""

    def _finished(self, domain: Domain, glance: shared.Glance) -> bool:
        if domain.name == self._own_name:
            if self.runner.works():
                return False
            glance = self._glance(domain)  # it may have ended since we looked
        if not glance.has_work:
            self.collect()  # what it wrote between our looking and its finishing
        return not glance.has_work or self._is_complete(domain)

    def _close(self, domain: Domain) -> None:
        del self._watched[domain.name]
        self._note_first_test(domain, runs=False)
        self._tell_missing(domain)

    def _tell_missing(self, domain: Domain) -> None:
        """Its tests are over: what it did not report is an error, never silence."""
        missing = self._missing(domain)
        if missing:
            shared.check_owner(self.folder, self.run.id)
        place = self.folder / domain.name
        why = f"{domain.name} says it is done, but left none of this test"
        if not place.is_dir():
            why = f"{place} is gone, and what was in it"
        for number, test in missing:
            reason = f"no result: {why}"
            self._put(Result(domain.name, test, number, Status.ERROR, reason))

    def _own_death(self, domain: Domain) -> Optional[Ending]:
        """xenruntests here is started a second time when it dies, not a third."""
        if domain.name != self._own_name or self.runner.works():
            return None
        how = self.runner.ending()
        if self.runner.starts < OWN_STARTS:
            self.progress.say(f"{how}; starting it again")
            self.runner.start()
            return None
        status = Status.BROKEN if self.runner.broke() else Status.ERROR
        return Ending(how, status, status)

    def _conclude(self, domain: Domain, ending: Ending) -> None:
        """No more results come from this domain: give every test of it its verdict."""
        watch = self._watched.pop(domain.name, None)
        if domain.name == self._own_name:
            self._end_own()
        self.consoles.wait_end(domain.name, CONSOLE_LIMIT)
        self.collect()
        glance = self._glance(domain)
        finding = console.cause(self.consoles.recent(domain.name))
        why = ending.reason + (f": {finding.title}" if finding else "")
        excerpt = finding.excerpt if finding else ""
        if watch is not None and not watch.came_up and domain.start == "boot":
            why = self._never_came_up(domain, ending, why, excerpt)
        for number, test in self._missing(domain):
            if number == glance.running:
                result = Result(domain.name, test, number, ending.running, why)
                result.started, result.console = glance.started, printable(excerpt)
                result = result if excerpt else self.explain(result)
            else:
                result = Result(domain.name, test, number, ending.rest, f"not run: {why}")
            self._put(result)

    def _end_own(self) -> None:
        """xenruntests here, and what it could not end itself for it was killed."""
        self.runner.end()
        try:
            strays.end(strays.TEST, f"{self.folder}/{self._own_name}/results/")
        except XentestError as error:
            self.progress.say(error.what)

    def _never_came_up(self, domain: Domain, ending: Ending, why: str, excerpt: str) -> str:
        """A domain that did not even start its tests has a result of its own for that."""
        last = console.last_line(self.consoles.recent(domain.name))
        if last and not excerpt:
            why = f"{why}; last console line: {last}"
        number = extra_number(len(self.control.plan(domain)), "boot")
        status = Status.CRASH if excerpt else ending.running
        self._put(
            Result(domain.name, "boot", number, status, printable(why), console=printable(excerpt))
        )
        return why

    def _put(self, result: Result) -> None:
        result.reason = printable_line(result.reason)[:MAX_REASON]
        self.say(collect.conclude(self.folder, self.run, result))

    def break_off(self, what: str) -> None:
        """The lab itself failed: what has no result yet is broken, with the reason."""
        self._end_missing(Ending(what, Status.BROKEN, Status.BROKEN))

    def give_up(self, why: str) -> None:
        """Nothing can be started any more: what ran has crashed, the rest is blocked."""
        self.collect()
        self._end_missing(Ending(why, Status.CRASH))

    def _end_missing(self, ending: Ending) -> None:
        for domain in self.control.domains:
            if self._missing(domain):
                self._conclude(domain, ending)
        self._waiting.clear()
