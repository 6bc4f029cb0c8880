"""xenbuild that is killed, or loses its power: what is left of it, and who comes next."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from build_box import Stand
from runner_box import is_gone, wait_for
from sudden_death import DIE_AT, steps_told
from xentest import atboot, boot, build, runs, tree
from xentest.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
# A xenbuild that builds nothing: killed at any step by the tests.
MORTAL = (
    DIE_AT
    + """
import sys
sys.path.insert(0, {source!r})
from pathlib import Path
from xentest import boot, build, control, readiness, tree
from xentest.progress import Progress

readiness.look = lambda ask: []
tree.prepare = tree.install = lambda *words, **more: Path({root!r})
tree.build = lambda *words, **more: tree.Built(Path("/x/xen.gz"), "abc", "4.17", "rev", "gcc")
boot.write_entry = boot.choose_once = boot.reboot = lambda *words: None
paths = boot.Paths(Path({root!r}))
wanted = control.load({control!r})
die_at({moment})
sys.exit(build.start(wanted, paths, Progress(), reboot=True))
"""
)


# A xenbuild whose build command is the control file's own.
BUILDING = """
import sys
sys.path.insert(0, {source!r})
from pathlib import Path
from xentest import boot, build, control, readiness, tree
from xentest.progress import Progress

def prepare(location, folder, **more):
    folder.mkdir()
    return folder

readiness.look = lambda ask: []
tree.prepare = prepare
build.start(control.load({control!r}), boot.Paths(Path({root!r})), Progress(), reboot=False)
"""


def test_nobody_works_beside_the_build_of_a_killed_xenbuild(stand: Stand) -> None:
    """kill -9 leaves the build: the next run ends it, wherever it has gone, before it begins."""
    pid = stand.root / "pid"
    noted = f"echo $$ > {pid}.new; mv {pid}.new {pid}"
    away = f"setsid sh -c 'trap \"\" TERM; {noted}; while :; do touch mark; sleep 0.05; done'"
    text = stand.file.read_text()
    text = text.replace("[Locations]\n", f"[Locations]\nx.build_command={away} & wait\n")
    stand.file.write_text(text)
    code = BUILDING.format(source=str(ROOT), root=str(stand.root), control=str(stand.file))
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        wait_for(pid)
        child.kill()
    stray = pid.read_text().strip()
    assert not is_gone(stray), "a killed xenbuild ends nothing: that is what the next one is for"
    gone: list[bool] = []
    stand.patch.setattr(tree, "prepare", lambda *words, **more: gone.append(is_gone(stray)))
    assert stand.start(reboot=False) == 0
    assert gone == [True]
    assert "ended what a killed xenbuild left: sh" in stand.said.getvalue()


def run_mortal(stand: Stand, moment: int) -> "subprocess.CompletedProcess[str]":
    code = MORTAL.format(
        source=str(ROOT), root=str(stand.root), control=str(stand.file), moment=moment
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )


def close_for_next(stand: Stand) -> None:
    stand.run().update(state="finished", status="pass")
    boot.clear(stand.paths)


def test_killed_at_any_moment_the_next_night_starts_clean(stand: Stand) -> None:
    """kill -9 at random steps: what was begun is closed, and the next run is armed."""
    whole = run_mortal(stand, 0)
    assert whole.returncode == 0, whole
    close_for_next(stand)
    chance = random.Random(20050720)
    states: list[str] = []
    for number in range(15):
        # Spread over all of the run.
        moment = 1 + int((number + chance.random()) * steps_told(whole.stdout) / 15)
        child = run_mortal(stand, moment)
        assert child.returncode in (-signal.SIGKILL, 0), child
        left = runs.kept(stand.root / "runs") if (stand.root / "runs").exists() else []
        open_runs = [path for path in left if not is_closed(path)]
        states += [json.loads((path / "run.json").read_text())["state"] for path in open_runs]
        assert len(open_runs) <= 1, "the xenbuild before closed its predecessor"
        known = boot.load(stand.paths)
        assert all(known and path.name == known.run for path in open_runs), "a run is not known of"
        assert stand.start(reboot=False) == 0
        for path in open_runs:
            assert json.loads((path / "run.json").read_text())["status"] == "broken"
        assert stand.run().facts["state"] == "booting"
        assert stand.paths.flag.read_text().strip() == stand.run().id
        close_for_next(stand)
        assert not list((stand.root / "runs").glob(f"{runs.UNFINISHED}*"))
    assert "building" in states, "no kill met a run that was being built"


def is_closed(folder: Path) -> bool:
    return json.loads((folder / "run.json").read_text())["state"] in ("finished", "broken")


@pytest.mark.parametrize("cut", ["runs.begin", "boot.save", "_copy_control", "_arm"])
def test_cut_right_after_a_step_the_run_is_closed(stand: Stand, cut: str) -> None:
    """As kill -9 would: nothing of ours runs any more after the step."""

    class PowerCut(BaseException):
        pass

    module: Any = {"runs": runs, "boot": boot}.get(cut.partition(".")[0], build)
    name = cut.rpartition(".")[2]
    real = getattr(module, name)

    def then_dark(*words: Any, **more: Any) -> Any:
        real(*words, **more)
        raise PowerCut

    with stand.patch.context() as patch:
        patch.setattr(module, name, then_dark)
        patch.setattr(build, "_end", lambda *words: None)
        with pytest.raises(PowerCut):
            stand.start()
    if cut == "boot.save":  # a run is noted before it begins
        assert not list((stand.root / "runs").glob("2*"))
        assert stand.start(reboot=False) == 0
        return
    cut_run = stand.run()
    assert cut_run.facts["state"] in ("building", "booting")
    assert stand.start(reboot=False) == 0
    assert runs.open_run(stand.root / "runs", cut_run.id).facts["status"] == "broken"
    assert stand.run().id != cut_run.id


def test_a_power_cut_while_building_is_told_at_the_next_boot(stand: Stand) -> None:
    stand.start(reboot=False)
    state = boot.load(stand.paths)
    assert state is not None
    state.phase, state.boot_id = "building", "earlier"
    boot.save(stand.paths, state)
    machine = atboot.Machine(fault_of_boot=lambda state: "")
    stand.run().control_file.chmod(0o600)
    assert atboot.main(stand.paths, Progress(stand.said), machine) == 3
    assert stand.run().facts["status"] == "broken" and stand.is_over()
