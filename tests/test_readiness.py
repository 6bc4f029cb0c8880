"""Whether a machine can do a run: each thing that is missing there, told before the fetch."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from small_disk import fill, small_disk
from xentest import boot, control, readiness
from xentest.errors import BrokenError
from xentest.readiness import Finding, place

CONTROL = """\
[Preferences]
xen-tree=x
shared_dir={root}/srv/shared
results_dir={root}/var/lib/xentest/runs
console={root}/console.log
mail_to=root
hypervisor=xen
[Locations]
x=git+https://example.org/xen.git
x.patches={root}/a.patch
[t]
run_command=true
[XENVM0]
name=dom0
tempdir=/var/tmp/x
test1=t
[XENVM1]
name=guest1
tempdir=/var/tmp/x
config=/etc/xen/guest1.cfg
test1=t
"""
GRUB_CFG = """\
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
fi
if [ -f  ${config_directory}/custom.cfg ]; then
  source ${config_directory}/custom.cfg
fi
"""
SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
COMMANDS = "reboot git patch make gcc bison flex apt-get dpkg-source".split()


class Ready:
    """A machine on which nothing is amiss, until a test spoils something."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root, self.patch, self.text = root, patch, CONTROL.format(root=root)
        for folder in ("boot/grub", "etc/xen", "etc/rc2.d", "etc/default", "srv", "bin", "tmp"):
            (root / folder).mkdir(parents=True)
        self.write("boot/grub/grub.cfg", GRUB_CFG)
        self.write(f"boot/vmlinuz-{os.uname().release}")
        for name in ("boot/grub/grubenv", "console.log", "etc/xen/guest1.cfg", "a.patch"):
            self.write(name)
        self.write("etc/exports", f'# ours\n"{root}/srv" 10.0.0.0/8(rw)\n')
        self.write("etc/init.d/xentest", "library=/usr/lib/xentest\n", 0o755)
        self.write("usr/lib/xentest/xentest/commands/atboot.py")
        self.write("run/systemd/system/x")
        (root / "etc/rc2.d/S01xentest").symlink_to("../init.d/xentest")
        for name in COMMANDS + ["grub-reboot", "grub-editenv", "sendmail"]:
            self.command(f"bin/{name}")
        for name in ("xenstartdoms", "xl", "xenstore-ls", "rpc.nfsd"):
            self.command(f"usr/sbin/{name}")
        self.command("bin/grub-mkrelpath", "echo /rel")
        self.grub_probe()
        for name in ("sh", "mount", "umount"):
            (root / "bin" / name).symlink_to(f"/bin/{name}")
        patch.setenv("PATH", f"{root}/bin")
        patch.setattr("xentest.report.mail.PLACES", ())
        patch.setattr(place, "IN_MEMORY", ())  # the folder of tests may well be

    def write(self, name: str, text: str = "", mode: int = 0o644) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def command(self, name: str, script: str = ":") -> None:
        self.write(name, f"#!/bin/sh\n{script}\n", 0o755)

    def grub_probe(self, abstraction: str = "", fs: str = "ext2") -> None:
        answers = f"*=abstraction) echo {abstraction} ;; *=fs) echo {fs} ;; *) echo UUID ;;"
        self.command("bin/grub-probe", f"case $1 in {answers} esac")

    def gone(self, name: str) -> None:
        (self.root / name).unlink()

    def say(self, old: str, new: str) -> None:
        """Change the control file."""
        assert old in self.text
        self.text = self.text.replace(old, new)

    def look(self, **more: Any) -> list[Finding]:
        wanted = control.parse(self.text, "night.cfg")
        settings = {"user": 0, "hostname": "dom0", **more}
        return readiness.look(readiness.Ask(wanted, boot.Paths(self.root), **settings))


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ready:
    return Ready(tmp_path, monkeypatch)


def no_grub(ready: Ready) -> None:
    for name in ("grub.cfg", "grubenv"):
        ready.gone(f"boot/grub/{name}")
    (ready.root / "boot/grub").rmdir()


CERTAIN: list[tuple[str, Callable[[Ready], object]]] = [
    ("there is no {}/boot/grub", no_grub),
    ("no grub-reboot in PATH", lambda m: m.gone("bin/grub-reboot")),
    ("no grub-probe and no grub-mkrelpath in PATH",
     lambda m: (m.gone("bin/grub-probe"), m.gone("bin/grub-mkrelpath"))),
    ("{}/boot/grub is on lvm, where GRUB", lambda m: m.grub_probe(abstraction="lvm")),
    ("is on diskfilter, where", lambda m: m.grub_probe(abstraction="diskfilter mdraid1x")),
    ("{}/boot/grub is on btrfs, where", lambda m: m.grub_probe(fs="btrfs")),
    ("grub.cfg cannot be read", lambda m: m.gone("boot/grub/grub.cfg")),
    ("takes no choice for one boot", lambda m: m.write("boot/grub/grub.cfg", "source custom.cfg")),
    ("does not read custom.cfg", lambda m: m.write("boot/grub/grub.cfg", "next_entry")),
    ("custom.cfg has the line", lambda m: m.write("boot/grub/custom.cfg", boot.BEGIN)),
    ("vmlinuz-", lambda m: m.gone(f"boot/vmlinuz-{os.uname().release}")),
    ("etc/default/grub cannot be read", lambda m: m.write("etc/default/grub", "if")),
    ("there is no {}/etc/init.d/xentest", lambda m: m.gone("etc/init.d/xentest")),
    ("init.d/xentest is no program", lambda m: (m.root / "etc/init.d/xentest").chmod(0o644)),
    ("looks for xentest in @LIBRARY@, where it is not",
     lambda m: m.write("etc/init.d/xentest", "library=@LIBRARY@", 0o755)),
    ("looks for xentest in /usr/lib/xentest, where it is not",
     lambda m: m.gone("usr/lib/xentest/xentest/commands/atboot.py")),
    ("init.d/xentest is not started at boot", lambda m: m.gone("etc/rc2.d/S01xentest")),
    ("there is no xenstartdoms in /usr/local/sbin:", lambda m: m.gone("usr/sbin/xenstartdoms")),
    ("no xl on this machine", lambda m: m.gone("usr/sbin/xl")),
    ("no xenstore-ls on this machine", lambda m: m.gone("usr/sbin/xenstore-ls")),
    ("there is no command reboot in PATH", lambda m: m.gone("bin/reboot")),
    ("no git in PATH", lambda m: m.gone("bin/git")),
    ("no patch and no make in PATH", lambda m: (m.gone("bin/patch"), m.gone("bin/make"))),
    ("no gcc in PATH", lambda m: m.gone("bin/gcc")),
    ("{}/a.patch is not there", lambda m: m.gone("a.patch")),
    ("{}/x y.tar.gz is not there",
     lambda m: m.say("git+https://example.org/xen.git", f"file://{m.root}/x%%20y.tar.gz")),
    ("{}/srv is no file", lambda m: m.say("git+https://example.org/xen.git", f"{m.root}/srv")),
    ("{}/srv/shared is no folder", lambda m: m.write("srv/shared")),
    ("{}/var/lib/xentest is no folder", lambda m: m.write("var/lib/xentest")),
]  # fmt: skip
SUSPECT: list[tuple[str, Callable[[Ready], object]]] = [
    ("there is no {}/boot/grub/grubenv", lambda m: m.gone("boot/grub/grubenv")),
    ("takes no choice for one boot",
     lambda m: m.write("boot/grub/grub.cfg", "configfile /other.cfg\nsource custom.cfg")),
    ("Secure Boot is on", lambda m: m.write(SECURE_BOOT, "\6\0\0\0\1")),
    ("no bison and no flex in PATH", lambda m: (m.gone("bin/bison"), m.gone("bin/flex"))),
    ("etc/default/xentest says SHARED_DIR=",
     lambda m: m.write("etc/default/xentest", "SHARED_DIR=/x")),
    ("the name of this machine, dom0", lambda m: m.say("name=dom0", "name=other")),
    ("etc/xen/guest1.cfg, the configuration of guest1", lambda m: m.gone("etc/xen/guest1.cfg")),
    ("there is no NFS server on this machine", lambda m: m.gone("usr/sbin/rpc.nfsd")),
    ("etc/exports does not export {}/srv/shared", lambda m: m.write("etc/exports", "/srv/share x")),
    ("passes always: its run_command ends with `|| true`",
     lambda m: m.say("run_command=true", "run_command=./t || true")),
    ("[XENVM1] lists the barrier go, and none of its commands names it",
     lambda m: (m.say("test1=t\n[XENVM1]", "test1=u\nbarriers=go\n[XENVM1]\nbarriers=go"),
                m.say("[XENVM0]", "[u]\nrun_command=xenruntests --barrier go\n[XENVM0]"))),
    ("the console's log {}/console.log cannot be read", lambda m: m.gone("console.log")),
    ("this machine has no sendmail", lambda m: m.gone("bin/sendmail")),
]  # fmt: skip


def test_a_ready_machine_is_ready(ready: Ready) -> None:
    assert ready.look() == []
    assert readiness.told([]) == "This machine is ready for it."
    readiness.demand([])


@pytest.mark.parametrize("what, spoil", CERTAIN, ids=[what for what, _ in CERTAIN])
def test_what_would_make_the_run_fail(
    ready: Ready, what: str, spoil: Callable[[Ready], object]
) -> None:
    spoil(ready)
    (finding,) = ready.look()
    assert what.format(ready.root) in finding.what and finding.certain and finding.advice
    with pytest.raises(BrokenError) as caught:
        readiness.demand([finding])
    assert finding.what in caught.value.what and finding.advice in caught.value.advice


@pytest.mark.parametrize("what, spoil", SUSPECT, ids=[what for what, _ in SUSPECT])
def test_what_may_make_the_run_fail(
    ready: Ready, what: str, spoil: Callable[[Ready], object]
) -> None:
    spoil(ready)
    (finding,) = ready.look()
    assert what.format(ready.root) in finding.what and not finding.certain and finding.advice
    readiness.demand([finding])


def test_all_is_told_at_once_what_is_certain_first(ready: Ready) -> None:
    for name in ("console.log", "bin/grub-reboot", "etc/init.d/xentest", "bin/reboot"):
        ready.gone(name)
    no_grub(ready)
    found = ready.look()
    assert [finding.certain for finding in found] == [True] * 4 + [False]
    said = readiness.told(found)
    assert said.startswith("This machine is not ready for it:\n  there is no command reboot")
    assert "\nTo be looked at before the night:\n  the console's log" in said
    with pytest.raises(BrokenError) as caught:
        readiness.demand(found)
    assert all(finding.what in caught.value.what for finding in found[:4])
    assert "console" not in caught.value.what


@pytest.mark.parametrize("hypervisor", ["kvm", "none"])
def test_without_xen_less_is_needed(ready: Ready, hypervisor: str) -> None:
    ready.say("hypervisor=xen", f"hypervisor={hypervisor}")
    ready.say("config=/etc/xen/guest1.cfg\n", "")
    no_grub(ready)
    for name in ("bin/grub-reboot", "usr/sbin/xl", "bin/gcc", "bin/git"):
        ready.gone(name)
    assert ready.look() == []
    ready.write("etc/default/xentest", "SHARED_DIR=/x")
    (finding,) = ready.look()
    assert "as it does in a guest" in finding.what and finding.certain
    ready.gone("etc/default/xentest")
    ready.say("name=guest1\n", "name=guest1\nconfig=/etc/xen/guest1.cfg\n")
    (finding,) = ready.look()
    assert f"with hypervisor={hypervisor} nothing can start guest1" in finding.what


def test_without_a_restart_somebody_may_go_on_by_hand(ready: Ready) -> None:
    ready.gone("bin/reboot")
    ready.gone("etc/rc2.d/S01xentest")
    ready.gone("etc/init.d/xentest")
    (finding,) = ready.look(reboot=False)
    assert "there is no" in finding.what and not finding.certain


def test_a_tree_with_its_own_tools_needs_none(ready: Ready) -> None:
    ready.say("x.patches", "x.tools=yes\nx.patches")
    ready.gone("usr/sbin/xl")
    ready.gone("usr/sbin/xenstore-ls")
    assert [finding for finding in ready.look() if finding.certain] == []


def test_a_tree_with_its_own_tools_needs_its_own_daemons(ready: Ready) -> None:
    ready.say("x.patches", "x.tools=yes\nx.patches")
    (finding,) = ready.look()
    assert "nothing starts the xenstored" in finding.what and not finding.certain
    ready.write("etc/rc2.d/S01xencommons", "")
    assert ready.look() == []


def test_what_is_built_already_may_bring_its_tools(ready: Ready) -> None:
    ready.say(f"x.patches={ready.root}/a.patch", "x.build_command=")
    ready.gone("usr/sbin/xl")
    (finding,) = ready.look()
    assert "no xl on this machine" in finding.what and not finding.certain
    ready.say("x.build_command=", "x.tools=no\nx.build_command=")
    (finding,) = ready.look()
    assert finding.certain


def test_what_is_built_already_needs_no_compiler(ready: Ready) -> None:
    ready.say(f"x.patches={ready.root}/a.patch", "x.build_command=")
    for name in ("make", "gcc", "patch", "bison", "flex"):
        ready.gone(f"bin/{name}")
    assert ready.look() == []


def test_no_guests_need_no_nfs(ready: Ready) -> None:
    ready.text = ready.text.partition("[XENVM1]")[0]
    ready.gone("usr/sbin/rpc.nfsd")
    assert ready.look() == []


def test_another_user_is_told(ready: Ready) -> None:
    (finding,) = ready.look(user=1000)
    assert "not run by root" in finding.what and finding.certain


@pytest.mark.parametrize(
    "name, text",
    [
        ("etc/systemd/system/multi-user.target.wants/xentest.service", ""),
        (
            "etc/systemd/system/multi-user.target.wants/ours.service",
            "ExecStart=/etc/init.d/xentest",
        ),
        ("etc/rc.local", "/etc/init.d/xentest start"),
    ],
)
def test_other_ways_to_be_started(ready: Ready, name: str, text: str) -> None:
    ready.gone("etc/rc2.d/S01xentest")
    ready.write(name, text)
    assert ready.look() == []


def test_a_masked_unit_is_not_started(ready: Ready) -> None:
    (ready.root / "etc/systemd/system").mkdir(parents=True)
    (ready.root / "etc/systemd/system/xentest.service").symlink_to("/dev/null")
    (finding,) = ready.look()
    assert "not started at boot" in finding.what


def test_of_another_init_nothing_is_guessed(ready: Ready) -> None:
    """As in the lab, whose inittab starts a script of its own."""
    ready.gone("run/systemd/system/x")
    (ready.root / "run/systemd/system").rmdir()
    ready.gone("etc/rc2.d/S01xentest")
    ready.write("etc/inittab", "l2:2:wait:/etc/xenlab/services\n")
    assert ready.look() == []
    ready.write("etc/inittab", "l2:2:wait:/etc/init.d/rc 2\n")
    (finding,) = ready.look()
    assert "not started at boot" in finding.what


def test_a_full_disk_is_told(ready: Ready) -> None:
    with small_disk(ready.root / "boot", "3m"):
        for name in ("boot/grub/grubenv", f"boot/vmlinuz-{os.uname().release}"):
            ready.write(name)
        ready.write("boot/grub/grub.cfg", GRUB_CFG)
        (finding,) = ready.look()
        assert "/boot: 2 MiB are free" in finding.what and not finding.certain
        fill(ready.root / "boot")
        (finding,) = ready.look()
        assert "/boot: 0 MiB are free" in finding.what and finding.certain
    (ready.root / "var/lib").mkdir(parents=True)
    with small_disk(ready.root / "var/lib", "32m"):
        found = [finding for finding in ready.look() if "are free" in finding.what]
        assert [finding.certain for finding in found] == [True, False]
        assert "xentest/build: 32 MiB" in found[0].what
        assert "xentest/runs: 32 MiB" in found[1].what


def test_what_the_restart_empties_is_told(ready: Ready) -> None:
    ready.patch.setattr(place, "IN_MEMORY", ("tmpfs",))
    ready.patch.setattr(place, "RESULTS_ROOM", (0, 0))
    (ready.root / "var/lib/xentest/runs").mkdir(parents=True)
    with small_disk(ready.root / "var/lib/xentest/runs", "99m"):
        (finding,) = ready.look()
        assert f"{ready.root}/var/lib/xentest/runs is in memory" in finding.what and finding.certain
    with small_disk(ready.root / "var", "9g"):
        found = ready.look()
        assert [finding.what.split()[0] for finding in found] == [
            f"{ready.root}/var/lib/xentest/runs", f"{ready.root}/var/lib/xentest",
        ]  # fmt: skip
        assert all("in memory" in finding.what and finding.certain for finding in found)


def test_what_the_start_of_most_systems_empties_is_told(ready: Ready) -> None:
    ready.say("/var/lib/xentest/runs", "/tmp/runs")
    (finding,) = ready.look()
    assert f"{ready.root}/tmp/runs is in /tmp" in finding.what and not finding.certain


def test_what_a_crash_takes_with_it_is_told(ready: Ready) -> None:
    ready.patch.setattr(place, "IN_MEMORY", ("tmpfs",))
    ready.patch.setattr(place, "RESULTS_ROOM", (0, 0))
    (ready.root / "srv/shared").mkdir(parents=True)
    with small_disk(ready.root / "srv/shared", "99m"):
        (finding,) = ready.look()
        assert "srv/shared is in memory" in finding.what and not finding.certain
    ready.say("/srv/shared", "/tmp/shared")
    ready.write("etc/exports", f"{ready.root}/tmp/shared *(rw)")
    (finding,) = ready.look()
    assert f"{ready.root}/tmp/shared is in /tmp" in finding.what and not finding.certain


def test_a_disk_that_is_mounted_read_only_is_told(ready: Ready) -> None:
    with small_disk(ready.root / "etc/xen", "3m"):
        ready.write("etc/xen/guest1.cfg")
        subprocess.run(["mount", "-o", "remount,ro", ready.root / "etc/xen"], check=True)
        (finding,) = ready.look()
        assert f"{ready.root}/etc/xen cannot be written to" in finding.what and finding.certain
