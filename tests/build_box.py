"""A machine under test on which xenbuild works, with a stand-in for the tree."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from xentest import boot, build, control, readiness, runs, tree
from xentest.progress import Progress

CONTROL = """\
[Preferences]
xen-tree=x
shared_dir=/srv/shared
results_dir={root}/runs
console={root}/console.log
hypervisor={hypervisor}
[Locations]
x=file:///x.tar.gz
[t]
run_command=true
[XENVM0]
name=dom0
tempdir=/var/tmp/x
test1=t
[XENVM1]
name=guest1
tempdir=/var/tmp/x
config=/etc/xen/guest1.cfg
test1=t
test2=t
"""
BUILT = tree.Built(Path("/x/xen.gz"), "abc123", "4.17.5", "rev1", "gcc 12")


class Stand:
    """A machine under test in a folder; `asked` are the steps that were taken."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.patch = root, monkeypatch
        self.paths = boot.Paths(root)
        self.said = io.StringIO()
        self.asked: list[str] = []
        self.file = root / "night.cfg"
        self.write("xen")
        (root / "console.log").write_text("12345")
        (root / "etc").mkdir()
        self.findings: list[readiness.Finding] = []  # what is not ready on this machine
        monkeypatch.setattr(readiness, "look", lambda ask: self.findings)
        self.step(tree, "prepare", root / "tree")
        self.step(tree, "build", BUILT)
        self.step(tree, "install", root / "boot/xen-test.gz")
        self.step(boot, "write_entry", None)
        self.step(boot, "choose_once", None)
        self.step(boot, "reboot", None)

    def write(self, hypervisor: str) -> None:
        self.file.write_text(CONTROL.format(root=self.root, hypervisor=hypervisor))
        self.file.chmod(0o600)

    def step(self, module: Any, name: str, result: Any) -> None:
        """Put a stand-in for module.name; an exception as its result is raised."""

        def taken(*words: Any, **more: Any) -> Any:
            self.asked.append(name)
            if isinstance(result, BaseException):
                raise result
            return result

        self.patch.setattr(module, name, taken)

    def start(self, reboot: bool = True) -> int:
        wanted = control.load(self.file)
        return build.start(wanted, self.paths, Progress(self.said), reboot=reboot)

    def run(self) -> runs.Run:
        return runs.open_run(self.root / "runs")

    def is_over(self) -> bool:
        return not self.paths.state.exists() and not self.paths.flag.exists()
