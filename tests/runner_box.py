"""A domain with a shared folder, in which tests call xenruntests."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import time
from pathlib import Path

from sudden_death import DIE_AT
from xentest import control, results
from xentest.results import Result
from xentest.runner import Runner

XENRUNTESTS = Path(__file__).resolve().parent.parent / "xenruntests"


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.005)


def is_gone(pid: str) -> bool:
    """Whether a process has ended, perhaps not yet been collected by whom it was left to."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


# xenruntests that dies at a step of its work, counted from its beginning or from its first test.
MORTAL = (
    DIE_AT
    + """
import sys
sys.path.insert(0, {source!r})
from xentest import runner, verdict
from xentest.commands import runtests

one = runner.Runner._one

def first(*words):
    runner.Runner._one = one
    die_at({moment})
    return one(*words)

if {in_a_test}:
    runner.Runner._one = first
else:
    die_at({moment})
sys.exit(runtests.main(sys.argv[1:]))
"""
)


class Box:
    """A domain with a shared folder."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.shared = base / "shared"
        self.home = self.shared / "box"
        self.temp = base / "temp"
        self.home.mkdir(parents=True)
        self.temp.mkdir()

    def write(self, **tests: dict[str, str]) -> None:
        """A control file with these tests; underscores in names stay."""
        text = f"[Preferences]\nhypervisor=none\nshared_dir={self.shared}\n"
        for name, keys in tests.items():
            lines = "".join(f"{key}={value}\n" for key, value in keys.items())
            text += f"[{name}]\n{lines}"
        text += f"[XENVM0]\nname=box\ntempdir={self.temp}\nstart=never\nrole=server\n"
        text += "".join(f"test{number}={name}\n" for number, name in enumerate(tests, 1))
        (self.home / "xentests.conf").write_text(text)

    @property
    def note_pid(self) -> str:
        """A command of a test that leaves its process's number in base/pid, all at once."""
        return f"echo $$ > {self.base}/pid.new; mv {self.base}/pid.new {self.base}/pid"

    def run_here(self, kmsg: Path | None = None) -> list[Result]:
        """As xenruntests does, in this process."""
        found = control.load(self.home / "xentests.conf")
        runner = Runner(
            found,
            found.domains[0],
            self.shared,
            kmsg=kmsg or self.base / "kmsg",
            locks=self.base / "locks",
        )
        return runner.run()

    def run_mortal(self, moment: int, in_a_test: bool) -> subprocess.CompletedProcess[bytes]:
        """xenruntests, killed at so many steps of its work, or from its first test on."""
        code = MORTAL.format(source=str(XENRUNTESTS.parent), moment=moment, in_a_test=in_a_test)
        words = ["--shared", self.shared, "--hostname", "box"]
        return subprocess.run(
            ["/usr/bin/python3", "-c", code, *words], capture_output=True, timeout=300, check=False
        )

    def start(self, *more: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [XENRUNTESTS, "--shared", self.shared, "--hostname", "box", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(
        self, status: int | None = None, *more: str | Path
    ) -> subprocess.CompletedProcess[bytes]:
        process = self.start(*more)
        out, err = process.communicate(timeout=300)
        assert b"Traceback" not in err
        if status is not None:
            assert process.returncode == status, (out, err)
        return subprocess.CompletedProcess([], process.returncode, out, err)

    def result(self, folder: str) -> Result:
        return results.parse((self.folder(folder) / "result.json").read_text())

    def folder(self, name: str) -> Path:
        return self.home / "results" / name

    def one(self, status: int | None = None, **keys: str) -> Result:
        """Run a single test named T."""
        self.write(T=keys)
        self.run(status)
        return self.result("1-T")

    def archive(self, files: dict[str, str]) -> str:
        """An archive with these files below t-1.0/; its address."""
        tree = self.base / "t-1.0"
        tree.mkdir()
        for name, content in files.items():
            (tree / name).write_text(content)
        with tarfile.open(self.base / "t.tar.gz", "w:gz") as archive:
            archive.add(tree, "t-1.0")
        shutil.rmtree(tree)
        return f"file://{self.base}/t.tar.gz"
