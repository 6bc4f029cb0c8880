"""A domain with a shared folder, in which tests call xenruntests."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import time
from pathlib import Path

from xentest import results
from xentest.results import Result

XENRUNTESTS = Path(__file__).resolve().parent.parent / "xenruntests"


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.005)


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
        out, err = process.communicate(timeout=100)
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
