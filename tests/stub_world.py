"""A machine with a stub toolstack, for tests of the control domain's side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from xentest import boot, control, runs, shared, startdoms
from xentest.domains.watch import Limits
from xentest.progress import Progress
from xentest.results import Result, parse

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "tests" / "stubs" / "toolstack.py"
TOOLS = ("xl", "xenstore-read", "xenstore-ls")
RUN_TESTS = f"/usr/bin/python3 {ROOT}/xenruntests --shared SHARED --hostname"

DRIVER = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
import stub_world
world = stub_world.World(Path({folder!r}))
sys.exit(world.start(resume={resume}))
"""


@dataclass
class World:
    """Folders and programs of one machine below `folder`."""

    folder: Path
    # Only what is to run out is short: a dead domain would be waited for longer.
    limits: Limits = Limits(boot=300, down=1, paused=300, settle=60)

    def prepare(self) -> None:
        for name in ("bin", "xen", "shared", "results", "tmp"):
            (self.folder / name).mkdir()
        for name in TOOLS:
            os.symlink(STUB, self.folder / "bin" / name)

    @property
    def shared(self) -> Path:
        return self.folder / "shared"

    @property
    def state(self) -> Path:
        return self.folder / "xen"

    def guest(self, name: str, behaviour: str, **values: str) -> None:
        """A guest's config file; SHARED stands for the shared folder."""
        text = f"behaviour={behaviour.replace('SHARED', str(self.shared))}\n"
        text += "".join(f"{key}={value}\n" for key, value in values.items())
        (self.folder / f"{name}.xl").write_text(text)

    def control(self, tests: dict[str, str], domains: dict[str, list[str]], **more: str) -> None:
        """tests: run command by name; domains: test names by domain; those with a config start."""
        lines = ["[Preferences]", "xen-tree=x", f"shared_dir={self.shared}"]
        lines += [f"results_dir={self.folder}/results"]
        lines += [f"{key}={value}" for key, value in more.items()]
        lines += ["[Locations]", "x=file:///x.tar.gz"]
        for name, command in tests.items():
            lines += [f"[{name}]", f"run_command={command}", "timeout=120"]
        for number, (name, wanted) in enumerate(domains.items()):
            config = self.folder / f"{name}.xl"
            lines += [f"[XENVM{number}]", f"name={name}", f"tempdir={self.folder}/tmp/{name}"]
            lines += [f"config={config if config.exists() else 'none'}"]
            lines += [f"test{index}={test}" for index, test in enumerate(wanted, 1)]
        path = self.folder / "xentest.conf"
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o600)
        control.load(path)

    def start(self, **settings: object) -> int:
        """xenstartdoms, in this process."""
        os.environ["STUB_XEN"] = str(self.state)
        os.environ["PATH"] = f"{self.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        values: dict[str, object] = {
            "control_path": str(self.folder / "xentest.conf"),
            "hostname": "dom0",
            "paths": boot.Paths(self.folder),
            "runner": ["/usr/bin/python3", str(ROOT / "xenruntests")],
            "limits": self.limits,
            "kernel_log": lambda: "",
        }
        found = startdoms.Settings(**{**values, **settings})  # type: ignore[arg-type]
        return startdoms.start(found, Progress())

    def spawn(self, resume: bool) -> "subprocess.Popen[bytes]":
        """xenstartdoms, in a process of its own that can be killed."""
        code = DRIVER.format(
            root=str(ROOT), tests=str(ROOT / "tests"), folder=str(self.folder), resume=resume
        )
        log = open(self.folder / "driver.log", "ab")
        return subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)

    def begin(self, **more: object) -> runs.Run:
        """A run that was begun and whose shared folder was handed out, as far as it is known."""
        wanted = control.load(self.folder / "xentest.conf")
        run = runs.begin(self.folder / "results", wanted, state="testing")
        run.control_file.chmod(0o600)
        (run.folder / shared.PREPARED).touch()
        (self.shared / shared.OWNER).write_text(run.id + "\n")
        run.update(**more)
        return run

    def run(self) -> runs.Run:
        return runs.open_run(self.folder / "results")

    def results(self) -> dict[str, Result]:
        """What is in the run's own folder, by "domain n-test"."""
        found = {}
        for path in sorted((self.run().folder / "domains").glob("*/*/result.json")):
            result = parse(path.read_text())
            found[f"{result.domain} {result.folder}"] = result
        return found

    def statuses(self) -> dict[str, str]:
        return {name: result.status.value for name, result in self.results().items()}

    def stub_state(self) -> dict[str, dict[str, dict[str, object]]]:
        value: dict[str, dict[str, dict[str, object]]] = json.loads(
            (self.state / "state.json").read_text()
        )
        return value

    def destroyed(self) -> list[str]:
        path = self.state / "destroyed"
        return path.read_text().split() if path.exists() else []

    def end_strays(self) -> None:
        """End what this world's stub domains left running."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"STUB_XEN={self.state}\0".encode() in environment:
                try:
                    os.kill(int(entry.name), signal.SIGKILL)
                except ProcessLookupError:
                    pass


def wait_for(condition: Callable[[], bool], what: str, limit: float = 120.0) -> None:
    """Wait until the condition holds; fails with `what` after the limit."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"waited {limit} s in vain for {what}"
        time.sleep(0.02)
