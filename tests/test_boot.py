"""The one-shot boot: its state, its GRUB entry, and the proof that it was that boot."""

from __future__ import annotations

import os
import stat
import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest

from xentest import boot, buildid, durable, moment
from xentest.errors import BrokenError

THIS_BOOT = "11111111-2222-3333-4444-555555555555"
BUILD_ID = "aa" * 20
EARLIER = boot.State("20260101-000000", "/runs", boot_id="earlier", build_id=BUILD_ID)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> boot.Paths:
    """A root with a /boot and stubs of GRUB's tools."""
    release = os.uname().release
    for name in ("boot/grub", "etc/default/grub.d", "bin"):
        (tmp_path / name).mkdir(parents=True)
    for name in (f"vmlinuz-{release}", f"initrd.img-{release}", "xen-test.gz"):
        (tmp_path / "boot" / name).touch()
    stub(tmp_path, "grub-probe", "echo FSUUID")
    stub(tmp_path, "grub-mkrelpath", 'echo "/rel/${1##*/}"')
    stub(tmp_path, "grub-reboot", 'echo "next_entry=$2" > "${1#*=}/grub/grubenv"')
    stub(tmp_path, "grub-editenv", 'cat "$1"')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(boot, "_root_options", lambda: "root=/dev/sda1 ro")
    return boot.Paths(tmp_path)


def stub(root: Path, name: str, script: str) -> None:
    (root / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
    (root / "bin" / name).chmod(0o755)


def entry(paths: boot.Paths) -> str:
    boot.write_entry(paths, paths.boot / "xen-test.gz")
    return (paths.boot / "grub/custom.cfg").read_text()


def line(text: str, word: str) -> str:
    return next(item.strip() for item in text.splitlines() if word in item)


def test_state_survives_and_is_cleared(tmp_path: Path) -> None:
    paths = boot.Paths(tmp_path)
    assert boot.load(paths) is None
    state = boot.State("r", "/runs", "testing", "kvm", "id", "4.17", "b", 2, 77, "a\nb \udcff")
    boot.save(paths, state)
    assert boot.load(boot.Paths(tmp_path)) == state
    paths.flag.parent.mkdir()
    paths.flag.write_text("r\n")
    boot.clear(paths)
    assert boot.load(paths) is None and not paths.flag.exists() and not paths.state.exists()
    boot.clear(paths)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b'{"run": "r"}',
     b'{"run": 1, "results_dir": "/"}',
     b'{"run": "r", "results_dir": null}', b'{"run": "r", "results_dir": "/", "resumes": "many"}'],
)  # fmt: skip
def test_a_damaged_state_is_told(tmp_path: Path, content: bytes) -> None:
    paths = boot.Paths(tmp_path)
    paths.state.parent.mkdir(parents=True)
    paths.state.write_bytes(content)
    with pytest.raises(BrokenError, match="state.json is damaged"):
        boot.load(paths)


def test_a_state_of_a_newer_xentest_is_read(tmp_path: Path) -> None:
    paths = boot.Paths(tmp_path)
    paths.state.parent.mkdir(parents=True)
    paths.state.write_text('{"run": "r", "results_dir": "/runs", "colour": "blue"}')
    assert boot.load(paths) == boot.State("r", "/runs")


def test_the_entry_names_hypervisor_kernel_and_ramdisk(paths: boot.Paths) -> None:
    text = entry(paths)
    release = os.uname().release
    assert text.startswith(boot.BEGIN + "\n") and text.endswith(boot.END + "\n")
    assert f"--id {boot.ENTRY} {{" in text
    assert "--fs-uuid --set=root FSUUID" in text
    assert line(text, "multiboot2").startswith("multiboot2 /rel/xen-test.gz")
    assert line(text, "vmlinuz") == f"module2 /rel/vmlinuz-{release} root=/dev/sda1 ro"
    assert line(text, "initrd") == f"module2 /rel/initrd.img-{release}"


@pytest.mark.parametrize("before", [b"", b"menuentry 'mine' {\r\n}\r\n\n\n", b"# \xff caf\xe9\n"])
@pytest.mark.parametrize("after", [b"", b"\n\nset timeout=9\r\n# \xfe", b"x"])
def test_the_rest_of_custom_cfg_is_kept_byte_for_byte(
    paths: boot.Paths, before: bytes, after: bytes
) -> None:
    config = paths.boot / "grub/custom.cfg"
    old = f"{boot.BEGIN}\nmenuentry 'old' {{}}\n{boot.END}\n".encode()
    config.write_bytes(before + old + after)
    boot.write_entry(paths, paths.boot / "xen-test.gz")
    found = config.read_bytes()
    kept = before + after
    assert found.startswith(kept) and b"'old'" not in found
    newline = b"\n" if kept and not kept.endswith(b"\n") else b""
    assert found[len(kept) :].startswith(newline + boot.BEGIN.encode())
    once = config.read_bytes()
    boot.write_entry(paths, paths.boot / "xen-test.gz")
    assert config.read_bytes() == once


def test_an_entry_of_ours_at_the_end_without_newline_is_replaced(paths: boot.Paths) -> None:
    config = paths.boot / "grub/custom.cfg"
    config.write_text(f"mine\n{boot.BEGIN}\nold\n{boot.END}")
    assert entry(paths).startswith(f"mine\n{boot.BEGIN}\nmenuentry")
    assert "old" not in config.read_text()


def test_no_older_entry_of_ours_stays_which_grub_would_take_first(paths: boot.Paths) -> None:
    config = paths.boot / "grub/custom.cfg"
    old = f"{boot.BEGIN}\nold\n{boot.END}\n"
    config.write_text(f"mine\n{old}mine too\n{old}")
    assert entry(paths).startswith(f"mine\nmine too\n{boot.BEGIN}\nmenuentry")
    assert "old" not in config.read_text()


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_what_only_root_may_read_stays_so(paths: boot.Paths, mode: int) -> None:
    config = paths.boot / "grub/custom.cfg"
    config.write_text("password_pbkdf2 root grub.pbkdf2.sha512.10000.AB\n")
    config.chmod(mode)
    boot.write_entry(paths, paths.boot / "xen-test.gz")
    assert stat.S_IMODE(config.stat().st_mode) == mode


@pytest.mark.parametrize(
    "head, clashes",
    [
        ("menuentry 'My Xen' --id xentest {", True),
        ("  menuentry 'My Xen' --class xen --id='xentest' {", True),
        ('menuentry "My Xen" $menuentry_id_option "xentest" {', True),
        ("menuentry xentest {", True),
        ("submenu 'xentest' {", True),
        ("# menuentry 'My Xen' --id xentest {", False),
        ("menuentry 'xentest of old' --id xentest-old {", False),
        ("menuentry 'My Xen' --id my-xentest {", False),
    ],
)
def test_another_entry_that_grub_would_take_for_ours_is_told(
    paths: boot.Paths, head: str, clashes: bool
) -> None:
    config = paths.boot / "grub/custom.cfg"
    config.write_text(f"{head}\n}}\n")
    with pytest.raises(BrokenError, match="entry of its own") if clashes else nullcontext():
        boot.check_custom(paths)


def test_a_missing_end_line_eats_nothing(paths: boot.Paths) -> None:
    config = paths.boot / "grub/custom.cfg"
    config.write_text(f"mine\n{boot.BEGIN}\nold\nmine too\n")
    with pytest.raises(BrokenError, match="without the line"):
        entry(paths)
    assert config.read_text().endswith("mine too\n")


def test_options_are_those_of_update_grub(paths: boot.Paths) -> None:
    defaults = paths.root / "etc/default"
    (defaults / "grub").write_text(
        'GRUB_CMDLINE_XEN="loglvl=all"\nGRUB_CMDLINE_XEN_DEFAULT="dom0_mem=1G"\n'
        'GRUB_CMDLINE_LINUX="console=hvc0"\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'
        "GRUB_DISTRIBUTOR=`echo Debian`\necho noise\n"
    )
    text = entry(paths)
    assert line(text, "multiboot2").endswith("xen-test.gz loglvl=all dom0_mem=1G")
    assert line(text, "vmlinuz").endswith(" root=/dev/sda1 ro console=hvc0 quiet")
    (defaults / "grub.d/1.cfg").write_text(
        'GRUB_CMDLINE_XEN="$GRUB_CMDLINE_XEN com1=115200"\n'
        "GRUB_CMDLINE_LINUX_XEN_REPLACE=replaced\n"
        "GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT=replaced-too\n"
    )
    text = entry(paths)
    assert line(text, "multiboot2").endswith("xen-test.gz loglvl=all com1=115200 dom0_mem=1G")
    assert line(text, "vmlinuz").endswith(" root=/dev/sda1 ro replaced replaced-too")


def test_what_the_defaults_complain_of_is_no_option(paths: boot.Paths) -> None:
    (paths.root / "etc/default/grub").write_text("no-such-command\nGRUB_CMDLINE_XEN=loglvl=all\n")
    text = entry(paths)
    assert "not found" not in text
    assert line(text, "multiboot2").endswith("xen-test.gz loglvl=all")


def test_defaults_with_a_syntax_error_are_told(paths: boot.Paths) -> None:
    (paths.root / "etc/default/grub").write_text('GRUB_CMDLINE_XEN="never closed\n')
    with pytest.raises(BrokenError, match="etc/default/grub cannot be read"):
        entry(paths)
    assert not (paths.boot / "grub/custom.cfg").exists()


def test_without_grub_or_kernel_nothing_is_written(paths: boot.Paths) -> None:
    (paths.boot / f"vmlinuz-{os.uname().release}").unlink()
    with pytest.raises(BrokenError, match="control domain is to run this kernel"):
        entry(paths)
    stub(paths.root, "grub-probe", "echo no filesystem >&2; exit 1")
    (paths.boot / f"vmlinuz-{os.uname().release}").touch()
    with pytest.raises(BrokenError, match="no filesystem"):
        entry(paths)
    assert os.listdir(paths.boot / "grub") == []
    os.rmdir(paths.boot / "grub")
    with pytest.raises(BrokenError, match="there is no .*boot/grub"):
        entry(paths)


def test_the_entry_is_chosen_for_one_boot(paths: boot.Paths) -> None:
    boot.choose_once(paths)
    assert (paths.boot / "grub/grubenv").read_text() == "next_entry=xentest\n"


def test_a_choice_that_does_not_stick_is_told(paths: boot.Paths) -> None:
    stub(paths.root, "grub-reboot", "exit 0")
    (paths.boot / "grub/grubenv").write_text("saved_entry=xentest\nnext_entry=xentest-old\n")
    with pytest.raises(BrokenError, match="left no next_entry"):
        boot.choose_once(paths)
    stub(paths.root, "grub-reboot", "echo read-only file system >&2; exit 1")
    with pytest.raises(BrokenError, match="read-only file system"):
        boot.choose_once(paths)


@pytest.fixture
def grubenv(paths: boot.Paths) -> Path:
    """A real one, kept by GRUB's own tool."""
    (paths.root / "bin/grub-editenv").unlink()
    file = paths.boot / "grub/grubenv"
    subprocess.run(["grub-editenv", str(file), "create"], check=True)
    return file


def test_the_choice_ends_with_its_run(paths: boot.Paths, grubenv: Path) -> None:
    """Else the next restart, for whatever reason, would go into the hypervisor under test."""
    subprocess.run(
        ["grub-editenv", grubenv, "set", "next_entry=xentest", "saved_entry=0"], check=True
    )
    boot.clear(paths)
    assert b"next_entry" not in grubenv.read_bytes() and b"saved_entry=0\n" in grubenv.read_bytes()
    subprocess.run(["grub-editenv", grubenv, "set", "next_entry=mine"], check=True)
    boot.clear(paths)
    assert b"next_entry=mine\n" in grubenv.read_bytes()


def test_a_choice_that_cannot_be_taken_back_is_told(paths: boot.Paths) -> None:
    boot.choose_once(paths)
    stub(paths.root, "grub-editenv", "echo read-only file system >&2; exit 1")
    with pytest.raises(BrokenError, match="read-only file system") as caught:
        boot.clear(paths)
    assert "still that of the hypervisor under test" in caught.value.advice


def test_the_last_lines_are_words_and_not_a_painted_menu() -> None:
    said = "(XEN) hello\n\x1b[H\x1b[J\x1b[1;1H\x1b[H\x1b[J  Booting `Linux'\n\x1b[0m\n"
    assert boot.last_lines(said, 1) == "  Booting `Linux'"


@pytest.fixture
def booted(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine that came up in Xen with the build id that was asked for."""
    monkeypatch.setattr(moment, "boot_id", lambda: THIS_BOOT)
    monkeypatch.setattr(boot, "_hypervisor_type", lambda: "xen")
    monkeypatch.setattr(buildid, "of_running", lambda: BUILD_ID)
    return monkeypatch


def test_the_right_boot_has_no_fault(booted: pytest.MonkeyPatch) -> None:
    assert boot.fault_of_boot(EARLIER) == ""


def test_the_same_boot_is_none(booted: pytest.MonkeyPatch) -> None:
    booted.setattr(moment, "boot_id", lambda: "earlier")
    assert "not restarted" in boot.fault_of_boot(EARLIER)


@pytest.mark.parametrize("kind", ["", "KVM"])
def test_a_boot_without_xen_is_told(booted: pytest.MonkeyPatch, kind: str) -> None:
    booted.setattr(boot, "_hypervisor_type", lambda: kind)
    assert "came back without Xen" in boot.fault_of_boot(EARLIER)


@pytest.mark.parametrize("running", ["bb" * 20, "", BUILD_ID[:-2]])
def test_another_build_id_is_told(booted: pytest.MonkeyPatch, running: str) -> None:
    booted.setattr(buildid, "of_running", lambda: running)
    fault = boot.fault_of_boot(EARLIER)
    assert "another hypervisor runs" in fault and BUILD_ID in fault
    assert (running or "unknown") in fault


@pytest.mark.parametrize("running", ["", BUILD_ID])
def test_without_a_build_id_nothing_is_proved(booted: pytest.MonkeyPatch, running: str) -> None:
    booted.setattr(buildid, "of_running", lambda: running)
    assert "without a build id" in boot.fault_of_boot(boot.State("r", "/runs", boot_id="earlier"))


def test_without_xen_only_the_restart_counts(booted: pytest.MonkeyPatch) -> None:
    booted.setattr(boot, "_hypervisor_type", lambda: "")
    assert boot.fault_of_boot(boot.State("r", "/", hypervisor="kvm", boot_id="earlier")) == ""
    same = boot.State("r", "/", hypervisor="kvm", boot_id=THIS_BOOT)
    assert "not restarted" in boot.fault_of_boot(same)


def test_kvm_is_not_tested_in_xen(booted: pytest.MonkeyPatch) -> None:
    state = boot.State("r", "/", hypervisor="kvm", boot_id="earlier")
    assert "came back in Xen" in boot.fault_of_boot(state)


def test_the_boot_is_confirmed_with_its_own_id(tmp_path: Path) -> None:
    paths = boot.Paths(tmp_path)
    boot.confirm(paths)
    assert paths.confirmed.read_text().strip() == moment.boot_id()
    durable.write_text(paths.confirmed, "of an earlier boot\n")
    boot.confirm(paths)
    assert paths.confirmed.read_text().strip() == moment.boot_id()


def test_reboot_asks_init(paths: boot.Paths) -> None:
    stub(paths.root, "reboot", f"echo asked > {paths.root}/asked")
    boot.reboot()
    assert (paths.root / "asked").read_text() == "asked\n"


def test_a_machine_that_cannot_be_restarted_is_told(paths: boot.Paths) -> None:
    stub(paths.root, "reboot", "echo Failed to talk to init daemon. >&2; exit 1")
    with pytest.raises(BrokenError, match="cannot be restarted: Failed to talk to init daemon"):
        boot.reboot()
    stub(paths.root, "reboot", "kill $$")  # it goes down with the machine
    boot.reboot()


def test_the_console_is_read_from_where_the_phase_began(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    assert boot.console_size(str(log)) == 0 and boot.console_since(str(log), 0) == ""
    log.write_bytes(b"before\r\n")
    size = boot.console_size(str(log))
    with log.open("ab") as stream:
        stream.write(b"since \xff\r\n")
    assert boot.console_since(str(log), size) == "since \ufffd\n"
    assert boot.console_since(str(log), 0, limit=3) == "\ufffd\n"
    log.write_bytes(b"anew\n")
    assert boot.console_since(str(log), size) == "anew\n"
    assert boot.console_size("") == 0 and boot.console_since("", 0) == ""


def test_a_console_that_is_no_file_holds_no_boot(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "console")
    code = f"from xentest import boot; print([boot.console_since('{tmp_path}/console', 0)])"
    words = ["/usr/bin/python3", "-c", code]
    root = Path(__file__).resolve().parent.parent
    said = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=120)
    assert said.stdout == "['']\n", said


def test_last_lines_say_something() -> None:
    assert boot.last_lines("a\n\n  \nb \nc\n\n", 2) == "b\nc"
    assert boot.last_lines("") == ""


def test_grub_itself_can_read_the_entry(paths: boot.Paths) -> None:
    entry(paths)
    # grub-script-check is of grub-common, which the lab needs too.
    tool = "grub-script-check"
    assert subprocess.run([tool, str(paths.boot / "grub/custom.cfg")], check=False).returncode == 0
