"""A night of the lab, from its order to its exit status; what the machine does is made up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterator

import pytest

from lab_box import FINISHED, Lab
from xentest.errors import BrokenError
from xentest.lab import accelerator, image, machine, night, supplies
from xentest.progress import Progress


@pytest.fixture
def whole(lab: Lab) -> Lab:
    """A lab in which a night costs nothing."""
    handed = supplies.Supplies(lab.root / "cache/machines/night-0/in", lab.root / "install.tar")

    def prepare(folder: Path, *more: Any) -> supplies.Supplies:
        (folder / "in").mkdir()
        (folder / "in/console.log").write_text("what the machine said\n")
        return handed

    lab.patch.setattr(image, "ensure", lambda cache, progress: image.Image(lab.root))
    lab.patch.setattr(supplies, "prepare", prepare)
    lab.patch.setattr(machine, "make_overlay", lambda disk, base: None)
    return lab


def ends_with(lab: Lab, **facts: Any) -> None:
    def watch(self: night.Night) -> dict[str, Any]:
        lab.begins()
        lab.becomes(**facts)()
        assert lab.run is not None
        (lab.run.folder / "summary.txt").write_text("the summary\n")
        return lab.run.facts

    lab.patch.setattr(night.Night, "watch", watch)


@pytest.mark.parametrize(
    "status, expected",
    [("pass", 0), ("skip", 0), ("xfail", 0), ("fail", 1), ("crash", 1), ("timeout", 1),
     ("error", 1), ("blocked", 1), ("broken", 3)],
)  # fmt: skip
def test_the_verdict_is_the_exit_status(
    whole: Lab, status: str, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ends_with(whole, state="finished", status=status)
    assert night.run(whole.order(), Progress(whole.said)) == expected
    said = capsys.readouterr().out
    assert said.startswith("the summary\n") and f"results: {whole.root}/results/" in said
    assert whole.run is not None
    console = whole.run.folder / "machine-console.log"
    assert console.read_text() == "what the machine said\n"
    assert "xenlab, all in all" in (whole.run.folder / "lab-phases.txt").read_text()
    assert os.listdir(whole.root / "cache/machines") == []


@pytest.mark.parametrize("status, shrunk", [("pass", False), ("fail", True), ("crash", True)])
def test_what_failed_is_shrunk_with_the_hypervisor_of_the_night(
    whole: Lab, status: str, shrunk: bool
) -> None:
    def watch(self: night.Night) -> dict[str, Any]:
        whole.begins()
        (self.made.folder / "in" / supplies.HYPERVISOR).write_bytes(b"xen")
        whole.becomes(state="finished", status=status)()
        assert whole.run is not None
        return whole.run.facts

    def stub(run: Path, xen: Path, budget: float) -> Iterator[str]:
        assert whole.run is not None and run == whole.run.folder and xen.read_bytes() == b"xen"
        yield "dom0 6-xenfc: boot seed=1 calls=3,7"

    whole.patch.setattr(night.Night, "watch", watch)
    whole.patch.setattr(night.reproduce, "reproduce", stub)
    assert night.run(whole.order(), Progress(whole.said)) == (1 if shrunk else 0)
    assert ("calls=3,7" in whole.said.getvalue()) == shrunk


@pytest.mark.parametrize(
    "hypervisor, accelerated, processors",
    [("xen", False, "2"), ("kvm", False, "1"), ("none", False, "1"), ("kvm", True, "2")],
)
def test_an_emulated_host_of_kvm_has_one_processor_and_is_nudged(
    whole: Lab, hypervisor: str, accelerated: bool, processors: str
) -> None:
    seen = []

    def watch(self: night.Night) -> dict[str, Any]:
        words = machine.command_line(self.made)
        seen.append((words[words.index("-smp") + 1], self.made.oversleeps))
        whole.begins()
        whole.becomes(**FINISHED)()
        assert whole.run is not None
        return whole.run.facts

    whole.patch.setattr(night.Night, "watch", watch)
    chosen = "kvm" if accelerated else "tcg"
    whole.patch.setattr(night, "choose_accelerator", lambda wanted, progress: chosen)
    more = "" if hypervisor == "xen" else f"hypervisor={hypervisor}"
    night.run(whole.order(more), Progress(whole.said))
    assert seen == [(processors, processors == "1")]


@pytest.mark.parametrize("facts", [{}, {"status": None}, {"status": "wonderful"}])
def test_no_verdict_is_no_pass(whole: Lab, facts: dict[str, Any]) -> None:
    ends_with(whole, state="finished", **facts)
    with pytest.raises(BrokenError, match="has no verdict"):
        night.run(whole.order(), Progress(whole.said))


def test_a_night_that_fails_keeps_the_console_and_no_disk(whole: Lab) -> None:
    def watch(self: night.Night) -> dict[str, Any]:
        whole.begins()
        raise BrokenError("the night did not end")

    whole.patch.setattr(night.Night, "watch", watch)
    with pytest.raises(BrokenError):
        night.run(whole.order(), Progress(whole.said))
    assert (whole.root / "results/latest/machine-console.log").exists()
    assert os.listdir(whole.root / "cache/machines") == []


def test_keep_keeps_the_machine(whole: Lab) -> None:
    ends_with(whole, **FINISHED)
    night.run(whole.order(keep=True), Progress(whole.said))
    assert os.listdir(whole.root / "cache/machines") == [f"night-{os.getpid()}"]


def test_a_status_of_the_night_before_is_removed(whole: Lab) -> None:
    (whole.root / "results").mkdir()
    old = whole.root / "results/.xenbuild-status"
    old.write_text("2\n")
    ends_with(whole, **FINISHED)
    assert night.run(whole.order(), Progress(whole.said)) == 0 and not old.exists()


def test_kvm_is_used_only_where_it_was_seen_to_work(lab: Lab) -> None:
    asked: list[int] = []

    def probe(answer: tuple[bool, str]) -> None:
        lab.patch.setattr(accelerator, "usable_kvm", lambda: asked.append(1) or answer)

    probe((True, ""))
    assert night.choose_accelerator("tcg", Progress(lab.said)) == "tcg" and not asked
    assert night.choose_accelerator("kvm", Progress(lab.said)) == "kvm" and asked
    probe((False, "a guest hangs on it"))
    assert night.choose_accelerator("kvm", Progress(lab.said)) == "tcg"
    assert "KVM cannot be used: a guest hangs on it" in lab.said.getvalue()
