"""The machine that `xenlab exec` runs a command on."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from xentest.lab import image, machine, session, supplies
from xentest.progress import Progress


@pytest.mark.parametrize("kind, nudged", [("xen", False), ("kvm", True)])
def test_a_host_of_kvm_is_nudged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, nudged: bool
) -> None:
    parts = {name: tmp_path / name for name in ("disk", "kernel", "initrd")}
    monkeypatch.setattr(image, "ensure", lambda *_: SimpleNamespace(**parts))
    monkeypatch.setattr(supplies, "make_install_tar", lambda path, hypervisor: None)
    monkeypatch.setattr(supplies, "hypervisor_in", lambda tarball, path: None)
    order = session.Order(tmp_path, kind, hypervisor=tmp_path / "xen.tar.gz")
    made = session._machine(order, tmp_path, Progress(io.StringIO()))
    assert made.oversleeps == nudged
    assert made.cpus == (machine.CPUS_OF_KVM_HOST if nudged else machine.CPUS)
