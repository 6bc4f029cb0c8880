"""A machine whose power is cut before the Nth change that a boot makes to its disk.

A boot is a child of this process.  All of xentest runs in it, the xenruntests of each domain as
well, turn by turn, so that the Nth change is the same one in each try.  What a test would do is
only noted.  A cut is SIGKILL: no `finally` tidies up behind it.  What was not synced may be lost.
"""

from __future__ import annotations

import gc
import io
import os
import random
import shutil
import signal
import sys
import threading
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Callable, Optional, Sequence


import xentest.report.mail  # noqa: F401 (here once, not in each child)
import xentest.report.text  # noqa: F401
import xentest.verdict.console  # noqa: F401
from xentest import atboot, boot, build, control, fleet, guests, moment, runner, runs, startdoms
from xentest import strays, trial
from xentest.commands import startdoms as command
from xentest.domains import DomainInfo, Memory
from xentest.domains.watch import Limits
from xentest.errors import XentestError
from xentest.progress import Progress
from xentest.results import Result, Status
from xentest.trial import Trial

from lost_writes import Disk, Journal

PLAN = {"dom0": ["one"], "guest1": ["one", "bad"], "guest2": ["two"]}
BUILT = "abc"
FAULT = "the machine came back without Xen"
SAID = b"what a test says\n"
VOLATILE = ("run", "seen")  # a tmpfs, and what no power cut takes: what was seen from outside
BOOTS = 12  # more than any run needs
GUARD = 600  # seconds that a boot may take on the slowest machine
WRITE = runner._write
OWN = DomainInfo("Domain-0", 0, "r", 512, 1, "0")


class Turns(threading.Thread):
    """Work that goes on only in its turn: until it rests, or ends."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._work, self.over = work, False
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self.start()

    def run(self) -> None:
        self._go.acquire()
        try:
            self._work()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(98)
        self.over = True
        self._back.release()

    def rest(self) -> None:
        self._back.release()
        self._go.acquire()

    def turn(self) -> bool:
        """Whether there is more to do after it."""
        if not self.over:
            self._go.release()
            self._back.acquire()
        return not self.over


def rest() -> None:
    """Of whoever's turn it is."""
    turns = threading.current_thread()
    assert isinstance(turns, Turns)
    turns.rest()


@dataclass
class Stack:
    """A toolstack whose guests get their turns when somebody looks at them."""

    run_tests: Callable[[str], object]
    made: dict[str, DomainInfo] = field(default_factory=dict)
    turns: dict[str, Turns] = field(default_factory=dict)

    def domains(self) -> list[DomainInfo]:
        for work in self.turns.values():
            work.turn()
        return [OWN, *self.made.values()]

    def create(self, config: str, name: str, uuid: str, printed: IO[bytes]) -> DomainInfo:
        assert name not in self.made
        self.made[name] = DomainInfo(name, len(self.made) + 1, "p", 64, 1, uuid)
        return self.made[name]

    def unpause(self, domain: DomainInfo) -> None:
        self.made[domain.name] = DomainInfo(
            domain.name, domain.domid, "b", domain.memory, 1, domain.uuid
        )
        self.turns[domain.name] = Turns(lambda: self.run_tests(domain.name))

    def destroy(self, domain: DomainInfo) -> None:
        self.made.pop(domain.name, None)
        self.turns.pop(domain.name, None)

    shutdown = destroy

    def console(self, domain: DomainInfo) -> str:
        return ""

    def memory(self) -> Memory:
        return Memory(1000 - 64 * len(self.made), 0)

    def store_paths(self) -> list[str]:
        return []

    def log(self) -> str:
        return ""

    def facts(self) -> dict[str, str]:
        return {}


class OwnTests:
    """Stands in for startdoms.OwnRunner: the control domain's tests, in turns as well."""

    run_tests: Callable[[str], object]

    def __init__(self, *_: object) -> None:
        self.starts = 0
        self._turns: Optional[Turns] = None

    def start(self) -> None:
        self.starts += 1
        self._turns = Turns(lambda: OwnTests.run_tests("dom0"))

    def works(self) -> bool:
        return self._turns is not None and self._turns.turn()

    def ending(self) -> str:
        return "xenruntests ended"

    def broke(self) -> bool:
        return False

    def end(self) -> None:
        self._turns = None


@dataclass
class Machine:
    """One machine with a run that xenbuild has prepared: it is to be restarted."""

    root: Path
    default: str = "linux"  # what it boots when nothing was chosen; or xen
    boots: int = 0

    def prepare(self) -> None:
        """All as before the first boot of the first night."""
        self.install()
        self.prepare_night()

    def install(self) -> None:
        """A machine that has never had a night."""
        shutil.rmtree(self.root, ignore_errors=True)
        (self.root / "boot").mkdir(parents=True)
        self.seen.mkdir()
        for name in PLAN:
            (self.root / f"{name}.xl").touch()

    def _control(self) -> control.Control:
        text = f"[Preferences]\nxen-tree=x\nshared_dir={self.root}/shared\n"
        text += f"results_dir={self.root}/results\nreboot_budget=9\n"
        text += "[Locations]\nx=file:///x.tar.gz\n"
        text += "".join(f"[{test}]\nrun_command=true\n" for test in ("one", "two", "bad"))
        for number, (name, tests) in enumerate(PLAN.items()):
            config = "none" if name == "dom0" else f"{self.root}/{name}.xl"
            text += f"[XENVM{number}]\nname={name}\ntempdir={self.root}/tmp\nconfig={config}\n"
            text += "".join(f"test{index}={test}\n" for index, test in enumerate(tests, 1))
        return control.parse(text, "night.cfg")

    def _begin_night(self) -> None:
        self.boots = 0
        shutil.rmtree(self.seen)
        self.seen.mkdir()
        self._note_boot()

    def prepare_night(self) -> None:
        """As xenbuild leaves the machine."""
        self._begin_night()
        wanted = self._control()
        build.close_interrupted(self.paths, self.root / "results", Progress(io.StringIO()))
        run = runs.begin(self.root / "results", wanted)
        run.control_file.chmod(0o600)
        run.update(state="booting", build_id=BUILT)
        state = boot.State(run.id, str(self.root / "results"), "booting", build_id=BUILT)
        state.boot_id = "0"
        boot.save(self.paths, state)
        self.paths.flag.parent.mkdir(parents=True, exist_ok=True)
        self.paths.flag.write_text(run.id + "\n")
        self.paths.control.parent.mkdir(exist_ok=True)
        self.paths.control.write_text(wanted.text)
        self.paths.control.chmod(0o644)
        self._chosen.touch()

    @property
    def paths(self) -> boot.Paths:
        return boot.Paths(self.root)

    @property
    def seen(self) -> Path:
        """Notes of who looks on."""
        return self.root / "seen"

    @property
    def _chosen(self) -> Path:
        return self.root / "chosen"

    @property
    def waits(self) -> bool:
        """Whether init.d/xentest has something to go on with."""
        return self.paths.flag.exists() or self.paths.state.exists()

    def run(self) -> runs.Run:
        return runs.open_run(self.root / "results")

    def performed(self, what: str) -> list[str]:
        """Which tests have begun, ended, or were written, in "domain number-test"."""
        path = self.seen / what
        return path.read_text().splitlines() if path.exists() else []

    def _note_boot(self) -> None:
        (self.seen / "boot_id").write_text(f"{self.boots}\n")

    def power_on(self, cut: int = 0, loss: str = "") -> bool:
        """A boot, cut at its Nth change or fsync, and what is lost then; whether it got so far."""
        self.boots += 1
        self._note_boot()
        shutil.rmtree(self.root / "run", ignore_errors=True)  # a tmpfs
        booted_xen = self._chosen.exists() or self.default == "xen"
        self._chosen.unlink(missing_ok=True)
        return self._watch(lambda: self._at_boot(booted_xen), cut, loss)

    def xenbuild(self, cut: int = 0, loss: str = "") -> bool:
        """A night is begun, as far as the restart; cut as a boot may be."""
        self._begin_night()
        return self._watch(self._build, cut, loss)

    def _watch(self, work: Callable[[], int], cut: int, loss: str) -> bool:
        """Have a child do it; whether it was cut."""
        disk = Disk(self.root, VOLATILE) if loss else None
        child = os.fork()
        if child == 0:
            self._do(work, cut)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = (self.seen / "said").read_text()
        assert status in (0, 1, 2, 3) or (cut and status == -signal.SIGKILL), (status, said)
        assert "Traceback" not in said, said
        if disk is not None and status == -signal.SIGKILL:
            disk.follow(self.seen / "journal")
            disk.lose(loss, random.Random(cut))
        return status == -signal.SIGKILL

    def go_on(self) -> None:
        """Boots without a cut until nothing is left to go on with."""
        while self.waits:
            assert self.boots < BOOTS, (self.seen / "said").read_text()
            self.power_on()

    def changes(self) -> int:
        """How many the boot that just ended has made."""
        return int((self.seen / "changes").read_text())

    def _do(self, work: Callable[[], int], cut: int) -> None:
        """The child: never returns."""
        status = 99
        try:
            signal.alarm(GUARD)
            gc.disable()  # it would copy the parent's memory
            said = os.open(self.seen / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(said, 1)
            os.dup2(said, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            self._furnish()
            journal = Journal(self.seen / "journal", cut)
            status = work()
            sys.stdout.flush()
            made = journal.changes
            (self.seen / "changes").write_text(str(made))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _furnish(self) -> None:
        """No waiting for anything, and nothing of the machine that the tests run on."""
        stack = Stack(self._run_tests)
        OwnTests.run_tests = staticmethod(self._run_tests)
        patched: list[tuple[Any, dict[str, object]]] = [
            (fleet, {"POLL": 0.0, "LIST_EVERY": 0.0, "LIST_SELDOM": 0.0}),
            (guests, {"POLL": 0.0, "CONSOLE_LIMIT": 0.0}),
            (moment, {"BOOT_ID": self.seen / "boot_id"}),
            (runner, {"_write": self._written}),
            (strays, {"end": lambda *_: []}),
            (trial, {"perform": self._perform}),
            (startdoms, {"OwnRunner": OwnTests, "toolstack_for": lambda _: stack}),
        ]
        for module, values in patched:
            for name, value in values.items():
                assert hasattr(module, name), name
                setattr(module, name, value)
        self._stack = stack

    def _build(self) -> int:
        """The command xenbuild, on a machine where all is ready; the tree builds at once."""
        build._look_at_machine = lambda *_: []
        build._make_hypervisor = lambda *given: setattr(given[3], "build_id", BUILT)
        boot.choose_once = lambda _: self._chosen.touch()
        progress = Progress(sys.stderr)
        return _in_words(lambda: build.start(self._control(), self.paths, progress, reboot=False))

    def _at_boot(self, booted_xen: bool) -> int:
        machine = atboot.Machine(
            reboot=lambda: None,
            choose_once=lambda _: self._chosen.touch(),
            fault_of_boot=lambda _: "" if booted_xen else FAULT,
            boot_id=lambda: str(self.boots),
            start_domains=self._start_domains,
        )
        return _in_words(lambda: atboot.main(self.paths, Progress(sys.stderr), machine))

    def _start_domains(self, words: Sequence[str]) -> int:
        """The command xenstartdoms."""
        given = command._parse(words[1:])
        settings = startdoms.Settings(
            control_path=given["control"],
            run_id=given["--run"],
            resume="--resume" in given,
            give_up=given.get("--give-up", ""),
            hostname="dom0",
            paths=self.paths,
            runner=["xenruntests"],
            limits=Limits(boot=GUARD, down=0.0, paused=GUARD, settle=0.0),
            kernel_log=lambda: "",
            running_build_id=lambda: BUILT,
        )
        return _in_words(lambda: startdoms.start(settings, Progress(sys.stderr)))

    def _run_tests(self, domain: str) -> object:
        """The command xenruntests."""
        shared = self.root / "shared"
        found = control.load(shared / domain / "xentests.conf")
        (mine,) = [item for item in found.domains if item.name == domain]
        locks = self.root / "run/locks" / domain
        return runner.Runner(
            found, mine, shared, Progress(sys.stderr), self.root / "kmsg", locks
        ).run()

    def _perform(self, item: Trial) -> Result:
        for what in ("begun", "ended"):
            self._see(what, item)
            rest()
        item.output.write_bytes(SAID)
        bad = item.test.name == "bad"
        return item.result(Status.FAIL if bad else Status.PASS, "as it should" if bad else "")

    def _written(self, item: Trial, result: Result) -> Result:
        """From here on it must not be lost."""
        written = WRITE(item, result)
        self._see("written", item)
        return written

    def _see(self, what: str, item: Trial) -> None:
        with open(self.seen / what, "a", encoding="ascii") as log:
            log.write(f"{item.domain.name} {item.name}\n")


def _in_words(command: Callable[[], int]) -> int:
    """The exit status of a command; what it raises is told, as commands do."""
    try:
        return command()
    except XentestError as error:
        print(error, file=sys.stderr)
        return error.exit_status
