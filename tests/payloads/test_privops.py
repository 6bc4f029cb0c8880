"""The privops payload, as far as it may be tried on a machine that is not the lab's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from verdict_forms import told

SOURCE = Path(__file__).resolve().parents[2] / "payloads/privops"


@pytest.fixture(scope="session")
def program() -> str:
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
    return str(SOURCE / "build/privops")


def run(program: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=300)


def test_lists_the_papers_seven(program):
    said = run(program, "--list")
    names = [line.split()[0] for line in said.stdout.splitlines()]
    assert said.returncode == 0
    paper = ["createdomain", "pausedomain", "unpausedomain", "destroydomain", "iopl", "settime"]
    assert set(paper + ["readconsole"]) <= set(names)


def test_no_hypervisor_is_a_skip_that_says_why(program, tmp_path):
    said = run(program, "--root", tmp_path, "--ktap")
    assert said.returncode == 77, said
    assert "ok 1 role # SKIP neither Xen nor KVM" in said.stdout


def test_json(program, tmp_path):
    said = run(program, "--root", tmp_path, "--json")
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["environment", "result"]
    assert lines[1]["status"] == "skip"


def test_operation_of_another_role_is_a_skip(program):
    said = run(program, "--role", "kvm-guest", "--ktap", "createdomain")
    assert said.returncode == 77, said
    assert "# SKIP there is no such operation in a KVM guest" in said.stdout


def test_three_forms_tell_the_same(program, tmp_path):
    """Of a guest whose host shares its libvirt's folder."""
    (tmp_path / "share/etc/libvirt/qemu").mkdir(parents=True)
    mounts = tmp_path / "proc/self/mounts"
    mounts.parent.mkdir(parents=True)
    mounts.write_text(f"tag {tmp_path}/share virtiofs rw 0 0\n")
    names = ["--root", tmp_path, "--role", "kvm-guest", "createdomain", "host-files"]
    found = {}
    for form in ("", "--ktap", "--json"):
        said = run(program, *form.split(), *names)
        assert said.returncode == 1 and f"{tmp_path}/share/etc/libvirt/qemu" in said.stdout, said
        found[form] = told(form, said.stdout)
    assert found[""] == {"createdomain": "skip", "host-files": "fail"}
    assert found[""] == found["--ktap"] == found["--json"]


@pytest.mark.parametrize(
    "words, what",
    [
        (["createdomian"], "did you mean createdomain"),
        (["--role=pvguest"], "pv-guest"),
        (["--ktap", "--json"], "exclude each other"),
    ],
)
def test_usage(program, words, what):
    said = run(program, *words)
    assert said.returncode == 2 and what in said.stderr, said
