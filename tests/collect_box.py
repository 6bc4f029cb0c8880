"""A shared folder that a guest writes, and the run that collects from it."""

from __future__ import annotations

from pathlib import Path

from xentest import collect, control, results, runs, shared
from xentest.results import Result, Status

TEXT = """\
[Preferences]
xen-tree=x
shared_dir=/srv/shared
[Locations]
x=file:///x.tar.gz
[t]
run_command=true
[u]
run_command=true
[XENVM1]
name=guest1
tempdir=/var/tmp/x
test1=t
test2=u
"""


class Place:
    """A shared folder and a run."""

    def __init__(self, folder: Path) -> None:
        self.shared = folder / "shared"
        self.control = control.parse(TEXT, "x.cfg")
        self.run = runs.begin(folder / "runs", self.control)
        shared.make_fresh(self.shared, self.run.id, ["guest1"], None)
        self.secret = folder / "secret"
        self.secret.write_text("dom0's own secret")

    def test(self, name: str = "1-t") -> Path:
        folder = self.shared / "guest1/results" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def finish(self, number: int = 1, test: str = "t", **facts: object) -> None:
        values = {"domain": "guest1", "test": test, "number": number, "status": Status.PASS}
        result = Result(**{**values, **facts})  # type: ignore[arg-type]
        results.write(self.test(f"{number}-{test}") / "result.json", result)

    def collect(self) -> list[Result]:
        return collect.collect_finished(self.shared, self.control, self.run)

    @property
    def stored(self) -> Path:
        return self.run.folder / "domains/guest1/1-t"

    def all_stored(self) -> bytes:
        return b"".join(p.read_bytes() for p in self.run.folder.rglob("*") if p.is_file())
