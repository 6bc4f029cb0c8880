"""One command on the booted machine, with Xen and without."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import nights
import pytest

pytestmark = pytest.mark.lab
LIMIT = 900  # the image and the hypervisor may have to be made first
INNER_GUEST = Path(__file__).parent / "inner-guest.sh"


def built_in(tarball: Path) -> str:
    """The build id of the hypervisor in a prebuilt tarball."""
    with tarfile.open(tarball) as archive:
        name = next(name for name in archive.getnames() if name.endswith("/REVISION"))
        return str(json.load(io.TextIOWrapper(archive.extractfile(name)))["build_id"])


def test_control_domain_runs_the_hypervisor_that_was_handed_in(tmp_path):
    hypervisor = nights.hypervisor()
    said = nights.execute(
        "--hypervisor", str(hypervisor), "--", "sh", "-c", "xl info build_id; xl list"
    )
    assert said.returncode == 0, said
    assert said.stdout.startswith(built_in(hypervisor)), said
    assert "Domain-0" in said.stdout


def test_status_and_files_pass_through(tmp_path):
    handed = tmp_path / "word.txt"
    handed.write_text(f"a word of {os.getpid()}\n")
    said = nights.execute("--file", str(handed), "--", "sh", "-c", "cat word.txt; exit 42")
    assert (said.returncode, said.stdout) == (42, f"a word of {os.getpid()}\n"), said


def test_what_one_command_leaves_the_next_does_not_see():
    assert nights.execute("--", "sh", "-c", "echo left > /root/left").returncode == 0
    assert nights.execute("--", "test", "!", "-e", "/root/left").returncode == 0


def test_hanging_command_is_ended_and_said():
    said = nights.execute("--timeout", "15", "--", "sh", "-c", "echo begun; sleep 1000")
    assert said.returncode == 3
    assert said.stdout == "begun\n" and "did not end within 15 s" in said.stderr, said


def test_absent_command_is_said():
    said = nights.execute("--", "no-such-command")
    assert said.returncode == 3 and "no-such-command" in said.stderr, said
    assert "Traceback" not in said.stderr


def test_kvm_guest_inside_the_machine():
    said = nights.execute("--on", "kvm", "--file", str(INNER_GUEST), "--", "sh", "inner-guest.sh")
    assert said.returncode == 0, said
    for word in ("kvm_amd", "vhost_vsock", "vsock_loopback", "the inner guest runs under KVM"):
        assert word in said.stdout, said.stdout


def test_output_comes_as_it_is_written(tmp_path):
    words = ["exec", "--timeout", "300", "--", "sh", "-c", "echo first words; sleep 1000"]
    with nights.Called(*words, log=tmp_path / "exec.log") as called:
        called.until(lambda: "first words" in called.text(), "the first words", LIMIT)
        assert called.process.poll() is None, "they came only at the end"
