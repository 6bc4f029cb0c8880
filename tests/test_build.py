"""xenbuild: a run from its begin to the reboot, with a stand-in for the tree."""

from __future__ import annotations

import os
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from build_box import CONTROL, Stand
from small_disk import fill, small_disk
from xentest import boot, build, control, durable, moment, runs, tree
from xentest.errors import BrokenError, XentestError, guarded_main
from xentest.readiness import Finding


def test_the_trees_own_tools_are_installed_where_asked_for(stand: Stand) -> None:
    stand.step(tree, "install_tools", None)
    stand.patch.setattr(tree, "wants_tools", lambda location, _: location.tools)
    assert stand.start() == 0 and "install_tools" not in stand.asked
    text = stand.file.read_text()
    stand.file.write_text(text.replace("[Locations]\n", "[Locations]\nx.tools=yes\n", 1))
    boot.clear(stand.paths)
    stand.asked.clear()
    assert stand.start() == 0
    assert stand.asked.index("install_tools") == stand.asked.index("install") + 1


def test_a_run_is_built_and_armed(stand: Stand) -> None:
    assert stand.start() == 0
    assert stand.asked == ["prepare", "build", "install", "write_entry", "choose_once", "reboot"]
    facts = stand.run().facts
    assert [phase["name"] for phase in facts["phases"]] == ["fetch", "build", "install"]
    assert facts["state"] == "booting" and facts["rebooted"] > 0
    wanted = {"revision": "rev1", "build_id": "abc123", "version": "4.17.5", "compiler": "gcc 12"}
    assert wanted.items() <= facts.items()
    assert facts["kernel"] == os.uname().release and facts["machine"] == os.uname().nodename
    state = boot.load(stand.paths)
    assert state is not None and state.run == stand.run().id
    assert (state.phase, state.build_id, state.console_size) == ("booting", "abc123", 5)
    assert state.boot_id == moment.boot_id()
    assert stand.paths.flag.read_text() == state.run + "\n"
    assert stand.paths.control.read_bytes() == stand.file.read_bytes()
    assert list(stand.paths.work.iterdir()) == []


def test_what_a_build_mounted_is_let_go_and_not_emptied(stand: Stand, tmp_path: Path) -> None:
    """A build that was killed may have left a mount of the machine's own files."""
    victim, place = tmp_path / "victim", stand.paths.work / "tree/chroot/home"
    for folder in (victim, place):
        folder.mkdir(parents=True)
    (victim / "dear").write_text("files")
    subprocess.run(["mount", "--bind", victim, place], check=True)
    assert (place / "dear").exists()
    try:
        assert stand.start() == 0
    finally:
        subprocess.run(["umount", "-lq", place], check=False)
    assert (victim / "dear").read_text() == "files"
    assert list(stand.paths.work.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "mount"])
def test_the_work_folder_may_be_on_another_disk(stand: Stand, tmp_path: Path, kind: str) -> None:
    larger, work = tmp_path / "larger", stand.paths.work
    larger.mkdir()
    work.parent.mkdir(parents=True)
    if kind == "link":
        work.symlink_to(larger)
    else:
        work.mkdir()
    with small_disk(work, "200k") if kind == "mount" else nullcontext():
        (work / "left").mkdir()
        assert stand.start() == 0
        assert work.is_symlink() if kind == "link" else work.is_mount()
        assert list(work.iterdir()) == []


def test_a_reason_cannot_command_the_terminal(stand: Stand) -> None:
    stand.step(tree, "build", tree.BuildFailed("a.c:1: error: \x1b[2J"))
    with pytest.raises(XentestError):
        stand.start()
    assert (stand.run().folder / "summary.txt").read_text().replace("\n", "").isprintable()


def test_the_machine_is_armed_before_the_choice(stand: Stand) -> None:
    """Cut between the two, the next boot must know of the run."""
    seen: list[bool] = []
    stand.patch.setattr(boot, "choose_once", lambda paths: seen.append(paths.flag.exists()))
    stand.start()
    assert seen == [True]


def test_a_machine_that_is_not_restarted_ends_the_run(stand: Stand) -> None:
    """Not `booting` for ever, nor a zero for cron."""
    stand.step(boot, "reboot", BrokenError("the machine cannot be restarted: no init"))
    assert guarded_main("xenbuild", lambda argv: stand.start(), []) == 3
    facts = stand.run().facts
    assert (facts["state"], facts["reason"]) == (
        "broken",
        "the machine cannot be restarted: no init",
    )
    assert stand.is_over()


def test_what_ends_xenbuild_at_the_restart_leaves_the_run(stand: Stand) -> None:
    stand.step(boot, "reboot", KeyboardInterrupt())
    assert guarded_main("xenbuild", lambda argv: stand.start(), []) == 130
    assert stand.run().facts["state"] == "booting" and not stand.is_over()


def test_no_reboot_leaves_it_to_you(stand: Stand) -> None:
    assert stand.start(reboot=False) == 0
    assert "reboot" not in stand.asked and "choose_once" in stand.asked
    assert "the run goes on with the next boot" in stand.said.getvalue()


@pytest.mark.parametrize("hypervisor", ["kvm", "none"])
def test_without_xen_nothing_is_built(stand: Stand, hypervisor: str) -> None:
    stand.write(hypervisor)
    assert stand.start() == 0
    assert stand.asked == ["reboot"]
    state = boot.load(stand.paths)
    assert state is not None and (state.hypervisor, state.phase) == (hypervisor, "booting")


@pytest.mark.parametrize("step", ["prepare", "build", "install"])
def test_a_tree_that_does_not_build_is_a_fail(
    stand: Stand, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.step(tree, step, tree.BuildFailed("mm.c:7: error: no such thing", Path("/log")))
    assert guarded_main("xenbuild", lambda argv: stand.start(), []) == 1
    said = capsys.readouterr().err
    assert "xenbuild: the tree does not build: mm.c:7: error" in said and "Traceback" not in said
    facts = stand.run().facts
    assert (facts["state"], facts["status"]) == ("finished", "fail") and facts["ended"]
    assert facts["reason"] == "the tree does not build: mm.c:7: error: no such thing"
    summary = (stand.run().folder / "summary.txt").read_text()
    assert summary == f"run {stand.run().id}: fail\n{facts['reason']}\n"
    assert stand.is_over() and "reboot" not in stand.asked and "choose_once" not in stand.asked


@pytest.mark.parametrize(
    "error, reason",
    [
        (BrokenError("no network", "Plug it in."), "no network"),
        (OSError(28, "No space left on device"), "the system said: No space left on device"),
        (RuntimeError("a fault of ours"), "RuntimeError: a fault of ours"),
    ],
)
@pytest.mark.parametrize("step", ["prepare", "build", "install", "write_entry", "choose_once"])
def test_the_labs_fault_is_broken(stand: Stand, step: str, error: Exception, reason: str) -> None:
    module = boot if step in ("write_entry", "choose_once") else tree
    stand.step(module, step, error)
    assert guarded_main("xenbuild", lambda argv: stand.start(), []) == 3
    facts = stand.run().facts
    assert (facts["state"], facts["status"], facts["reason"]) == ("broken", "broken", reason)
    assert facts["ended"] and stand.is_over() and "reboot" not in stand.asked


def test_an_interrupted_run_is_not_left_open(stand: Stand) -> None:
    stand.step(tree, "build", KeyboardInterrupt())
    assert guarded_main("xenbuild", lambda argv: stand.start(), []) == 130
    facts = stand.run().facts
    assert (facts["state"], facts["status"]) == ("broken", "broken")
    assert facts["reason"] == "xenbuild was interrupted"
    assert stand.is_over()


def test_a_hypervisor_without_build_id_is_not_booted(stand: Stand) -> None:
    stand.step(tree, "build", tree.Built(Path("/x/xen"), "", "4.17", "r", "gcc"))
    with pytest.raises(BrokenError, match="has no build id"):
        stand.start()
    assert stand.run().facts["status"] == "broken" and "choose_once" not in stand.asked


def test_a_disk_that_cannot_keep_the_verdict_still_disarms(stand: Stand) -> None:
    stand.step(boot, "choose_once", BrokenError("cannot"))
    real = durable.write_json

    def full(path: Path, value: Any) -> None:
        if path.name == "run.json" and value.get("status"):
            raise OSError(28, "No space left on device")
        real(path, value)

    stand.patch.setattr(durable, "write_json", full)
    with pytest.raises(OSError):
        stand.start()
    assert stand.is_over()


def test_a_full_disk_is_told_as_the_reason(stand: Stand) -> None:
    """run.json must not say `building` for ever: a little was kept free for its end."""
    (stand.root / "runs").mkdir()
    with small_disk(stand.root / "runs", "400k"):
        stand.patch.setattr(tree, "build", lambda *words, **more: fill(stand.root / "runs"))
        assert guarded_main("xenbuild", lambda argv: stand.start(), []) == 3
        facts = stand.run().facts
        assert (facts["state"], facts["status"]) == ("broken", "broken") and facts["ended"]
        assert facts["reason"].startswith("the system said: No space left on device: ")
        assert facts["reason"] in (stand.run().folder / "summary.txt").read_text()
    assert stand.is_over()


def test_a_second_xenbuild_is_told_who_works(stand: Stand) -> None:
    with runs.Lock(stand.paths.lock, "xenbuild"):
        with pytest.raises(BrokenError) as caught:
            stand.start()
    assert f"xenbuild (process {os.getpid()}, since " in caught.value.what
    assert stand.asked == [] and not (stand.root / "runs").exists()
    assert stand.start() == 0


def test_an_open_run_is_closed_by_the_next(stand: Stand) -> None:
    stand.start(reboot=False)
    first = stand.run()
    stand.start(reboot=False)
    old = runs.open_run(stand.root / "runs", first.id).facts
    assert stand.run().id != first.id and old["status"] == old["state"] == "broken"
    assert old["reason"] == "given up while booting: another run was begun" and old["ended"]
    assert stand.paths.flag.read_text().strip() == stand.run().id


def test_finished_runs_keep_their_verdict(stand: Stand) -> None:
    stand.start(reboot=False)
    first = stand.run()
    first.update(state="finished", status="pass", reason="")
    before = (first.folder / "run.json").read_bytes()
    stand.start(reboot=False)
    assert (first.folder / "run.json").read_bytes() == before


def test_a_run_kept_elsewhere_is_closed_too(stand: Stand, tmp_path: Path) -> None:
    stand.start(reboot=False)
    first = stand.run()
    text = stand.file.read_text().replace(f"{stand.root}/runs", f"{stand.root}/other")
    stand.file.write_text(text)
    stand.start(reboot=False)
    assert runs.open_run(stand.root / "runs", first.id).facts["state"] == "broken"
    assert (stand.root / "other/latest").exists()


def test_what_cannot_be_closed_does_not_stop_the_next(stand: Stand) -> None:
    stand.start(reboot=False)
    (stand.run().folder / "run.json").write_text("{")
    assert stand.start(reboot=False) == 0
    assert "not closed: " in stand.said.getvalue()
    assert stand.run().facts["state"] == "booting"


def content_of(root: Path) -> dict[str, tuple[int, float, bytes]]:
    return {
        str(path): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in root.rglob("*")
    }


def test_all_that_is_done_to_the_tree_is_told() -> None:
    text = CONTROL.format(root="/srv", hypervisor="xen").replace(
        "x=file:///x.tar.gz\n",
        "x=file:///x.tar.gz\nx.sha256=" + "0" * 64 + "\nx.tools=yes\nx.config=CONFIG_UBSAN=y\n"
        "x.patches=file:///a.patch file:///b.patch\n",
    )
    told = build.explain(control.parse(text, "night.cfg"))
    assert (
        "fetch x from file:///x.tar.gz, check its sha256, apply file:///a.patch, "
        "apply file:///b.patch, set CONFIG_UBSAN=y, build it, install it and its own tools\n"
    ) in told


@pytest.mark.parametrize(
    "tools, told",
    [
        ("", "install it, and its own tools if it brings them"),
        ("x.tools=yes\n", "install it and its own tools"),
        ("x.tools=no\n", "install it"),
    ],
)
def test_what_becomes_of_a_prebuilt_tree_is_told(tools: str, told: str) -> None:
    text = CONTROL.format(root="/srv", hypervisor="xen").replace(
        "x=file:///x.tar.gz\n", f"x=file:///x.tar.gz\nx.build_command=\n{tools}"
    )
    said = build.explain(control.parse(text, "night.cfg"))
    assert f"fetch x from file:///x.tar.gz, take it as it is built, {told}\n" in said


def test_check_changes_nothing(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    from xentest.commands import build as command

    stand.patch.setattr(boot, "Paths", lambda: stand.paths)
    before = content_of(stand.root)
    assert command.main([str(stand.file), "--check"]) == 0
    assert content_of(stand.root) == before and stand.asked == []
    said = capsys.readouterr().out
    assert "fetch x from file:///x.tar.gz, build it, install it" in said
    assert "start guest1 from /etc/xen/guest1.cfg: 2 tests: t, t" in said
    assert f"keep what comes of it in {stand.root}/runs" in said
    # The same words without --check do change something: the comparison can fail.
    assert command.main([str(stand.file), "--no-reboot"]) == 0
    assert content_of(stand.root) != before


def test_a_machine_that_is_not_ready_gets_nothing_installed(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    from xentest.commands import build as command

    stand.patch.setattr(boot, "Paths", lambda: stand.paths)
    stand.findings = [
        Finding("no GRUB", "Get it."),
        Finding("no init", "Make it."),
        Finding("no NFS", "Is it so?", certain=False),
    ]
    before = content_of(stand.root)
    assert command.main([str(stand.file), "--check"]) == 0, "the control file is well formed"
    told = "This machine is not ready for it:\n  no GRUB\n    Get it.\n  no init\n    Make it.\n"
    assert told in (said := capsys.readouterr().out) and "\n  no NFS\n    Is it so?\n" in said
    assert content_of(stand.root) == before
    assert guarded_main("xenbuild", lambda argv: stand.start(), []) == 3
    reason = "this machine is not ready for the run: no GRUB; no init"
    facts = stand.run().facts
    assert (facts["state"], facts["status"], facts["reason"]) == ("broken", "broken", reason)
    assert f"xenbuild: {reason}\n  Get it.\n  Make it.\n" in capsys.readouterr().err
    assert "to be looked at: no NFS" in stand.said.getvalue()
    assert "not ready for the run: no GRUB\n  Get it." in stand.said.getvalue()
    assert stand.asked == ["prepare", "build"] and stand.is_over()


@pytest.mark.parametrize("hypervisor", ["kvm", "none"])
def test_a_machine_that_is_not_ready_is_not_restarted(stand: Stand, hypervisor: str) -> None:
    stand.write(hypervisor)
    stand.findings = [Finding("no init", "Make it.")]
    assert guarded_main("xenbuild", lambda argv: stand.start(), []) == 3
    assert stand.asked == [] and stand.is_over()


def test_what_is_only_suspect_is_told_and_the_run_goes_on(stand: Stand) -> None:
    from xentest.commands import build as command

    stand.patch.setattr(boot, "Paths", lambda: stand.paths)
    stand.findings = [Finding("no NFS", "Is it so?", certain=False)]
    assert command.main([str(stand.file), "--check"]) == 0
    assert stand.start() == 0 and "reboot" in stand.asked
    assert "to be looked at: no NFS\n  Is it so?" in stand.said.getvalue()


@pytest.mark.parametrize("mode", [0o622, 0o602, 0o666])
def test_a_control_file_that_others_may_write_is_refused(stand: Stand, mode: int) -> None:
    from xentest.commands import build as command

    stand.patch.setattr(boot, "Paths", lambda: stand.paths)
    stand.file.chmod(mode)
    before = content_of(stand.root)
    with pytest.raises(XentestError, match="can be written by others") as caught:
        command.main([str(stand.file)])
    assert caught.value.exit_status == 2 and content_of(stand.root) == before
