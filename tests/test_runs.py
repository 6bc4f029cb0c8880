"""Runs, their folders, pruning and the lock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xentest import control, runs
from xentest.errors import BrokenError, UsageError

TEXT = """\
[Preferences]
xen-tree=x
shared_dir=/srv/shared
keep_runs=3
[Locations]
x=file:///x.tar.gz
[t]
run_command=true
[XENVM0]
name=dom0
tempdir=/var/tmp/x
test1=t
"""


def a_control() -> control.Control:
    return control.parse(TEXT, "night.cfg")


def test_begin_makes_a_whole_folder_and_points_latest_at_it(tmp_path: Path) -> None:
    run = runs.begin(tmp_path / "runs", a_control())
    assert runs.RUN_ID.fullmatch(run.id)
    assert run.control_file.read_text() == TEXT
    facts = json.loads((run.folder / "run.json").read_text())
    assert facts["state"] == "building" and facts["id"] == run.id and facts["tree"] == "x"
    assert os.readlink(tmp_path / "runs/latest") == run.id
    second = runs.begin(tmp_path / "runs", a_control())
    assert second.id != run.id
    assert runs.open_run(tmp_path / "runs").id == second.id


@pytest.mark.parametrize("content", ["", "{", "null", "[]"])
def test_a_run_whose_facts_are_damaged_is_told(tmp_path: Path, content: str) -> None:
    run = runs.begin(tmp_path, a_control())
    (run.folder / "run.json").write_text(content)
    with pytest.raises(BrokenError, match="run.json is damaged"):
        runs.open_run(tmp_path)


def test_a_name_that_is_no_text_is_no_trap_for_readers(tmp_path: Path) -> None:
    """Half a surrogate pair is what strict readers of JSON refuse."""
    name = os.fsdecode(b"caf\xe9\n.cfg")
    run = runs.begin(tmp_path, control.parse(TEXT, name))
    run.update(reason=f"{name} is gone", console="one\ntwo")
    facts = json.loads((run.folder / "run.json").read_text())
    assert facts["control"] == "caf?\n.cfg" and facts["reason"] == "caf?\n.cfg is gone"
    assert facts["console"] == "one\ntwo"


def test_facts_and_phases_survive(tmp_path: Path) -> None:
    run = runs.begin(tmp_path, a_control())
    run.update(state="testing", build_id="abc")
    run.add_phase("fetch", 1.234)
    run.add_phase("build", 2)
    facts = runs.open_run(tmp_path, run.id).facts
    assert facts["build_id"] == "abc"
    assert facts["phases"] == [{"name": "fetch", "seconds": 1.23}, {"name": "build", "seconds": 2}]


@pytest.mark.parametrize("wanted", ["../etc", "x", "20240101-000000/..", ""])
def test_a_strange_id_is_refused(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(UsageError):
        runs.open_run(tmp_path, wanted)


def test_a_damaged_run_json_is_broken(tmp_path: Path) -> None:
    run = runs.begin(tmp_path, a_control())
    (run.folder / "run.json").write_text("{")
    with pytest.raises(BrokenError, match="damaged"):
        runs.open_run(tmp_path)


def test_old_runs_go_and_nothing_else_does(tmp_path: Path) -> None:
    ids = [f"2024010{day}-000000" for day in range(1, 6)]
    (tmp_path / "20230101-000000").mkdir()  # looks like a run, is none
    (tmp_path / "notes").mkdir()
    os.symlink("/etc", tmp_path / "20230102-000000")
    (tmp_path / f"{runs.REMOVED}20231231-000000" / "deep").mkdir(parents=True)
    for run_id in ids:
        runs.begin(tmp_path, a_control(), run_id)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(
        ["20230101-000000", "20230102-000000", "notes", "latest", *ids[2:]]
    )
    assert Path("/etc/passwd").exists()


def test_the_current_run_is_never_pruned(tmp_path: Path) -> None:
    first = runs.begin(tmp_path, a_control(), "20200101-000000")
    for day in range(1, 4):
        runs.begin(tmp_path, a_control(), f"2024010{day}-000000")
    again = runs.begin(tmp_path, a_control(), "20190101-000000")  # a clock that went back
    assert again.folder.exists() and not first.folder.exists()


def test_a_clock_that_goes_back_costs_no_newer_run(tmp_path: Path) -> None:
    """A dead battery: each night's run is the last in time, and the first by its name."""
    names = ["20240101-000000", "20240102-000000", "20240103-000000"]
    back = ["20000101-000000", "20000101-000001", "20000101-000002"]
    for run_id in names + back[:2]:
        runs.begin(tmp_path, a_control(), run_id)
    left = {folder.name for folder in runs.kept(tmp_path)}
    assert left == {names[2], *back[:2]}
    (tmp_path / names[2] / "run.json").write_text("{")  # of what is damaged nobody knows the age
    runs.begin(tmp_path, a_control(), back[2])
    assert {folder.name for folder in runs.kept(tmp_path)} == set(back)


def test_the_lock_tells_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "state/lock"
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
        "from xentest import runs\n"
        "with runs.Lock(Path(sys.argv[1]), 'xenbuild'):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    root = str(Path(__file__).resolve().parent.parent)
    holder = subprocess.Popen([sys.executable, "-c", code, path, root], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with pytest.raises(BrokenError, match=rf"xenbuild \(process {holder.pid}, since 20"):
        runs.Lock(path, "xenstartdoms").__enter__()
    holder.kill()
    holder.wait()
    with runs.Lock(path, "xenstartdoms"):
        pass


def test_a_lock_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    os.symlink(tmp_path / "victim", tmp_path / "lock")
    with pytest.raises(OSError):
        runs.Lock(tmp_path / "lock", "x").__enter__()
    assert (tmp_path / "victim").read_text() == "precious"
