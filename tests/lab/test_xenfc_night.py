"""A night on a Xen with a planted bug: what the fuzzer found is shrunk, and does it again."""

from __future__ import annotations

import subprocess

import nights
import pytest

pytestmark = pytest.mark.lab
CONTROL = nights.CONTROLS / "xenfc.cfg"
PATCH = nights.SOURCE / "tests/mutants/05-unpause-without-pause.patch"
BOOT = nights.SOURCE / "payloads/xenfc/ring0/boot"


def test_a_nights_failure_is_shrunk_to_words_that_do_it_again(tmp_path):
    nights.needs_time(6)
    xen = nights.hypervisor(f"file://{PATCH}")
    night = nights.run(CONTROL, tmp_path / "results", 900, "--hypervisor", xen)
    assert night.status == 1, str(night)
    result = night.result("dom0", "1-xenfc")
    words, _, reason = result["reason"].partition(" does it again; ")
    assert result["status"] == "fail" and "seed 1 call" in reason, result
    assert words.startswith("boot seed=1 calls="), result
    assert words in (night.folder / "domains/dom0/1-xenfc/reproducer.txt").read_text()
    assert words in night.text
    tried = [BOOT, "--xen", xen, "--timeout", "200", *words.split()[1:], "quiet"]
    again = subprocess.run(tried, capture_output=True, text=True, timeout=400)
    assert again.returncode == 1 and "unpausedomain" in again.stdout, again
