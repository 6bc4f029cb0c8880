"""A night whose tests and guests misbehave: each gets its true verdict, and its reason."""

import re
import stat
import tarfile

import nights
import pytest

pytestmark = pytest.mark.lab
LIMIT = 900.0
MOST_OUTPUT = 70 << 20
ADDRESS, MAC = "192.168.77.13", "00:16:3e:77:00:03"
WANTED = {
    "dom0 1-hang": ("timeout", "12 s"),
    "dom0 2-strays": ("pass", ""),
    "dom0 3-flood": ("fail", ""),
    "dom0 4-wrong-sum": ("broken", "sha256"),
    "dom0 5-cut-short": ("broken", ""),
    "dom0 6-silent": ("error", ""),
    "dom0 7-good": ("pass", ""),
    "dom0 8-fails": ("fail", ""),
    "dom0 9-leaves": ("pass", ""),
    "dom0 12-leak-check": ("fail", "domain stray"),
    "guest1 1-good": ("pass", ""),
    "guest1 2-die": ("crash", "sysrq triggered crash"),
    "guest1 3-good": ("blocked", "guest1"),
    "guest2 1-hostile": ("pass", "refused"),
    "guest2 2-good": ("pass", ""),
    "guest3 1-good": ("blocked", "panic"),
    "scratch 2-boot": ("timeout", "never came up"),
    "scratch 1-good": ("blocked", "last console line"),
}


def cut_archive(folder):
    """An archive of which the last part did not come."""
    (folder / "data").write_bytes(bytes(range(256)) * 400)
    with tarfile.open(folder / "whole.tar.gz", "w:gz") as archive:
        archive.add(folder / "data", "data")
    content = (folder / "whole.tar.gz").read_bytes()
    (folder / "cut.tar.gz").write_bytes(content[: len(content) // 2])
    return folder / "cut.tar.gz"


def dead_guest(folder):
    """The configuration of a guest without a RAM disk: it finds no root."""
    template = (nights.SOURCE / "xentest/lab/files/guest.cfg").read_text()
    for mark, value in (("NAME", "guest3"), ("MEMORY", "192"), ("ADDRESS", ADDRESS), ("MAC", MAC)):
        template = template.replace(f"@{mark}@", value)
    lines = [line for line in template.splitlines() if not line.startswith("ramdisk")]
    (folder / "guest3-dead.cfg").write_text("\n".join(lines) + "\n")
    return folder / "guest3-dead.cfg"


def check_copies(folder):
    """Nothing but plain files and folders, and nobody's secrets, came out of a guest."""
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        assert stat.S_ISREG(mode) or stat.S_ISDIR(mode), path
        if stat.S_ISREG(mode) and path.name != "console.log":
            assert not re.search(rb"^root:", path.read_bytes(), re.M), path


def test_bad_luck(tmp_path):
    options = ("--file", cut_archive(tmp_path), "--file", dead_guest(tmp_path))
    results = tmp_path / "results"
    night = nights.run(nights.CONTROLS / "badluck.cfg", results, LIMIT, *options)
    found = night.statuses()
    assert {name: found.get(name) for name in WANTED} == {
        name: status for name, (status, _) in WANTED.items()
    }, str(night)
    assert night.status == 3, str(night)  # of what was fetched, some was broken: the worst
    for name, (status, words) in WANTED.items():
        reason = night.result(*name.split())["reason"]
        assert words in reason, (name, reason)
        if status != "pass":
            assert reason and reason[:100] in night.summary, (name, reason)
    domains = night.folder / "domains"
    hung = (domains / "dom0/1-hang/output").read_text()
    assert "strays: " in hung and "strays: 0" not in hung, "the check for strays sees nothing"
    assert (domains / "dom0/3-flood/output").stat().st_size < MOST_OUTPUT
    assert (domains / "guest2/1-hostile/output").read_text().endswith("done\n")
    leaked = night.result("dom0", "12-leak-check")["reason"]
    assert "store node /local/domain/0/left-behind is left" in leaked, leaked
    assert "shadow" in (domains / "guest2/1-hostile/refused").read_text()
    check_copies(domains / "guest2")
