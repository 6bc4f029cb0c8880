"""A hypervisor that brings the toolstack of its tree, in place of Debian's."""

from __future__ import annotations

from pathlib import Path

import nights
import pytest

pytestmark = pytest.mark.lab
SMOKE = nights.SOURCE / "controls/smoke.cfg"
PROGRAMS = "readlink /proc/$(pidof xenstored)/exe /proc/$(pidof xenconsoled)/exe; command -v xl"


def test_the_trees_own_tools_run_its_domains(tmp_path: Path) -> None:
    nights.needs_time(7)
    tarball = nights.hypervisor(tools=True)
    night = nights.run(SMOKE, tmp_path / "results", 900, "--hypervisor", tarball)
    assert night.status == 0, night
    assert set(night.statuses().values()) == {"pass"}, night
    installed = (night.folder / "install-tools.log").read_text()
    assert "installed /usr/local/sbin/xenstored\n" in installed
    said = nights.execute("--hypervisor", tarball, "--", "sh", "-c", f"{PROGRAMS}; xl list")
    assert said.returncode == 0 and "Domain-0" in said.stdout, said
    places = [f"/usr/local/sbin/{name}" for name in ("xenstored", "xenconsoled", "xl")]
    assert said.stdout.splitlines()[:3] == places, said
