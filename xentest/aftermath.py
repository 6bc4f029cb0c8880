"""What is looked at when all tests are over: the logs, and what was left behind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Collection, Iterator, Mapping, Optional, Sequence

from xentest import collect, death, durable, leaks, moment, runs
from xentest.domains import Toolstack
from xentest.errors import BrokenError, XentestError, printable, printable_line
from xentest.fleet import EXTRAS, extra_number
from xentest.machinelogs import LOG_END, MachineLogs
from xentest.results import MAX_REASON, Result, Status
from xentest.verdict import console

if TYPE_CHECKING:
    from xentest.control import Control

CRASHED = "it is down (crashed), though all its tests were over"
NOT_KEPT = "there is no result of it in the run's folder"


@dataclass
class Aftermath:
    """The checks of a run that are xentest's own; they report in the control domain's name."""

    control: Control
    run: runs.Run
    own: str
    toolstack: Optional[Toolstack]
    kernel_log: Callable[[], str]
    settle: float

    def __post_init__(self) -> None:
        sources = {"kernel.log": self.kernel_log}
        if self.toolstack is not None:
            sources["hypervisor.log"] = self.toolstack.log
        self.logs = MachineLogs(self.run.folder / runs.DOMAINS / self.own, sources)

    def take_basis(self) -> None:
        """Note the machine as it is, once a boot: a resumed run keeps its first basis."""
        if self._noted():
            self.logs.go_on()
            return
        basis = leaks.take(self.toolstack).to_json() if self.toolstack is not None else None
        value = {"boot": moment.boot_id(), "basis": basis, "said": self._said_before()}
        durable.write_json(self.run.folder / "basis.json", value)

    def _noted(self) -> dict[str, Any]:
        """The machine as it was in this boot; empty when that was not noted, or is damaged."""
        try:
            text = (self.run.folder / "basis.json").read_text(encoding="utf-8")
            value: dict[str, Any] = json.loads(text)
            return value if value["boot"] == moment.boot_id() else {}
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return {}

    def _basis(self) -> Optional[leaks.Basis]:
        try:
            return leaks.from_json(self._noted()["basis"])
        except (LookupError, TypeError, ValueError):
            return None

    def _said_before(self) -> dict[str, str]:
        """The ends of the logs, when what they hold is of others: of a boot that was not for us."""
        if self.run.facts.get("boots"):
            return {}
        return {name: source().rstrip()[-LOG_END:] for name, source in self.logs.sources.items()}

    def check_leaks(self) -> Result:
        """The result named leak-check."""
        basis = self._basis()
        if self.toolstack is None:
            return self._extra("leak-check", Status.SKIP, "no toolstack here: nothing to compare")
        if basis is None:
            return self._extra("leak-check", Status.BROKEN, "what was there before is not known")
        try:
            left = leaks.check(basis, self.toolstack, self.settle)
        except XentestError as error:
            return self._extra("leak-check", Status.BROKEN, f"cannot compare: {error.what}")
        status = Status.FAIL if left else Status.PASS
        return self._extra("leak-check", status, "; ".join(left))

    def check_consoles(
        self, numbers: Mapping[int, str], crashed: Collection[str] = ()
    ) -> list[Result]:
        """A result named console-check for each log that shows a crash no result tells of.

        `numbers` names the guests by their domids: the hypervisor may have ended one whose
        tests were over.  `crashed` are those that were seen so.
        """
        said, missing = self._own_logs()
        logs = {self.own: said}
        for domain in self.control.domains:
            path = self.run.folder / runs.DOMAINS / domain.name / "console.log"
            if domain.name != self.own and path.exists():
                logs[domain.name] = path.read_text(encoding="utf-8", errors="replace")
        results = self.results()
        found = [self._check_console(domain, text, results) for domain, text in logs.items()]
        if found[0] is None and missing:
            found[0] = self._extra("console-check", Status.BROKEN, f"not to be had: {missing}")
        failed = {item.domain for item in [*results, *filter(None, found)] if not item.status.good}
        found += self._check_guests(said, numbers, failed)
        found += [
            self._extra("console-check", Status.FAIL, CRASHED, name)
            for name in sorted(set(crashed) - failed)
        ]
        return [result for result in found if result is not None]

    def _check_guests(
        self, said: str, numbers: Mapping[int, str], failed: set[str]
    ) -> Iterator[Result]:
        """Guests that the hypervisor ended for a crash, and that have not `failed` yet."""
        for domid, line in console.crashed_domains(said).items():
            name = numbers.get(domid)
            if name is not None and name not in failed:
                failed.add(name)
                yield self._extra("console-check", Status.FAIL, f"the hypervisor: {line}", name)

    def _own_logs(self) -> tuple[str, str]:
        """What was said here since the run began, and why some of it is not to be had.

        All that the logs hold is kept beside the control domain's results.
        """
        before = self._noted().get("said", {})
        logs, missing = self.logs.look()
        return "".join(_since(said, before.get(name, "")) for name, said in logs.items()), missing

    def check_machine(self, excerpt: str) -> list[Result]:
        """A result named machine, when it went down and no test tells of that."""
        causes = [str(cause) for cause in self.run.facts.get("crashes", [])]
        left = death.untold(causes, self.results())
        if not left:
            return []
        reason = f"the machine went down outside of any test: {'; '.join(left)}"
        result = self._extra("machine", Status.CRASH, reason)
        result.console = printable(excerpt)
        return [result]

    def _check_console(self, domain: str, text: str, results: Sequence[Result]) -> Optional[Result]:
        told = [item for item in results if item.domain == domain and not item.status.good]
        finding = _untold(console.scan(text), [result.reason for result in told])
        if finding is None:
            return None
        during = f" (while {finding.test} ran)" if finding.test else ""
        result = self._extra("console-check", Status.FAIL, f"{finding.title}{during}", domain)
        result.console = printable(finding.excerpt)
        return result

    def _extra(self, name: str, status: Status, reason: str, domain: str = "") -> Result:
        domain = domain or self.own
        number = extra_number(self._planned(domain), name)
        return Result(domain, name, number, status, printable(reason)[:MAX_REASON])

    def _planned(self, domain: str) -> int:
        plans = [self.control.plan(item) for item in self.control.domains if item.name == domain]
        return len(plans[0]) if plans else 0

    def results(self) -> list[Result]:
        """A result of every test of the control file, in its order, and those of our own."""
        names = [domain.name for domain in self.control.domains]
        found = []
        for name in names if self.own in names else [*names, self.own]:
            plan = [
                (number, test.name)
                for domain in self.control.domains
                if domain.name == name
                for number, test in self.control.plan(domain)
            ]
            extras = [(extra_number(len(plan), extra), extra) for extra in EXTRAS]
            for number, test in plan + extras:
                result = self._kept(name, number, test)
                if result is None and (number, test) in plan:
                    result = Result(name, test, number, Status.BROKEN, NOT_KEPT)
                if result is not None:
                    found.append(result)
        return found

    def _kept(self, domain: str, number: int, test: str) -> Optional[Result]:
        """One that cannot be read hides none of the others."""
        try:
            return collect.load(self.run, domain, number, test)
        except (BrokenError, OSError) as error:
            reason = printable_line(f"its result cannot be read: {error}")[:MAX_REASON]
            return Result(domain, test, number, Status.BROKEN, reason)


def _untold(
    findings: Sequence[console.Finding], reasons: Sequence[str]
) -> Optional[console.Finding]:
    """The first crash that no reason tells of; what follows one that is told, in the same test,
    is taken for its consequence."""
    told: set[str] = set()
    for finding in findings:
        if any(finding.title[:100] in reason for reason in reasons):
            told.add(finding.test)
        elif finding.kind != console.OOM and finding.test not in told:
            return finding
    return None


def _since(said: str, before: str) -> str:
    """What a log says after the end that it had before; all of it when that end is gone."""
    at = said.find(before)
    return said[at + len(before) :] if at >= 0 else said
