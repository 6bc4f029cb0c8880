"""Backends whose machines this machine cannot have, with stand-ins for what starts them.

The stand-ins believe what the scripts hand them, as the true ones would, and run virtclient with
the words that a guest's kernel would give it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "payloads/virtbench"
LIMIT = 300
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="bridges need root (in a network namespace of the test's own)"
)

VIRSH = """#!/bin/sh
echo "$*" >> {folder}/log
shift 3 # -q -c URI
domain={folder}/$2
case "$1" in
uri) echo standin:/// ;;
create)
    domain={folder}/$(sed -n 's:.*<name>\\(.*\\)</name>.*:\\1:p' "$2")
    words=$(sed -n 's:.* -- --disk=/dev/vda \\(.*\\) eth0 .*:\\1:p' "$2")
    [ -r "$(sed -n 's:.*<initrd>\\(.*\\)</initrd>.*:\\1:p' "$2")" ] || exit 1
    setsid "$VIRTBENCH_CLIENT" $words < /dev/null > /dev/null 2>&1 &
    echo $! > "$domain" ;;
dominfo) [ -e "$domain" ] ;;
destroy) kill "$(cat "$domain")"; rm "$domain" ;;
*) exit 1 ;;
esac
"""
LGUEST = """#!/bin/sh
echo "$*" >> {folder}/log
for last; do :; done
words=$(echo "$last" | sed -n 's:.* -- --disk=/dev/vda \\(.*\\) eth0 .*:\\1:p')
trap 'kill $!; echo ended >> {folder}/log; exit' TERM
"$VIRTBENCH_CLIENT" $words
# A guest that has halted, and a launcher that does not notice.
sleep 100 &
wait $!
"""
MODPROBE = "#!/bin/sh\n"


@pytest.fixture
def run(tmp_path):
    """virtbench in a network namespace, with stand-ins of these names and texts."""

    def run(stand_ins: dict[str, str], *words: str, **more: str) -> subprocess.CompletedProcess:
        subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
        tools = tmp_path / "tools"
        tools.mkdir()
        for name, text in stand_ins.items():
            (tools / name).write_text(text.format(folder=tmp_path))
            (tools / name).chmod(0o755)
        inside = f'ip link set lo up; {SOURCE}/build/virtbench --rough -n 2 "$@"; status=$?; ' + (
            "ip link show virtbench0 2> /dev/null && exit 50; exit $status"
        )
        environment = {
            **os.environ,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "KERNEL": "/etc/hostname",
            "LOGFILES": str(tmp_path / "console"),
            "TMPDIR": str(tmp_path),
            **more,
        }
        return subprocess.run(
            ["unshare", "-n", "sh", "-c", inside, "sh", *words],
            capture_output=True, text=True, timeout=LIMIT, env=environment,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return run


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def test_libvirt_from_create_to_destroy(run, tmp_path):
    said = run({"virsh": VIRSH}, "libvirt", "libc-syscall", "pingpong", LIBVIRT_URI="standin:///")
    assert said.returncode == 0, said
    assert "pingpong: " in said.stdout and "2 measured, 0 disabled, 0 failed" in said.stderr
    calls = [line.split()[3:] for line in log(tmp_path)]
    assert [call[0] for call in calls[:3]] == ["uri", "create", "create"]
    assert calls[3:] == [
        [word, f"virtbench-{number}"] for number in (0, 1) for word in ("dominfo", "destroy")
    ]


def test_libvirt_that_creates_only_one(run, tmp_path):
    """What was created is destroyed, and its bridge is gone."""
    broken = VIRSH.replace("create)", "create) case $2 in *-1.xml) exit 1 ;; esac")
    said = run({"virsh": broken}, "libvirt", "fork", LIBVIRT_URI="standin:///")
    assert said.returncode == 99 and "virsh create virtbench-1 failed" in said.stderr, said
    assert log(tmp_path)[-2:] == [
        "-q -c standin:/// dominfo virtbench-0",
        "-q -c standin:/// destroy virtbench-0",
    ]


def test_libvirt_that_does_not_answer(run):
    deaf = "#!/bin/sh\necho nobody there >&2; exit 1\n"
    said = run({"virsh": deaf}, "libvirt", "fork", LIBVIRT_URI="standin:///")
    assert said.returncode == 77 and "standin:/// does not answer" in said.stderr, said


def test_lguest_where_a_kernel_has_it(run, tmp_path):
    """Its launcher is called as that of Linux 4.13 wants it, and ended."""
    stand_ins = {"modprobe": MODPROBE, "lguest": LGUEST}
    said = run(stand_ins, "lguest", "libc-syscall", "pingpong")
    assert said.returncode == 0, said
    assert "2 measured, 0 disabled, 0 failed" in said.stderr
    lines = log(tmp_path)
    started = [line for line in lines if line.startswith("--tunnet=bridge:virtbench0 --block=")]
    assert len(started) == 2 and all(" 192 /etc/hostname console=hvc0 " in line for line in started)
    assert lines.count("ended") == 2


STOPS = {
    "ended by itself meanwhile": ('rm "$HERE/alive"; exit 1', 0),
    "refused once": ('[ -e "$HERE/once" ] && rm "$HERE/alive"; touch "$HERE/once"; exit 1', 0),
    "went": ('rm "$HERE/alive"', 0),
    "never there": ("exit 3", 0),
    "does not go": ("echo it is busy; exit 1", 1),
}


@pytest.mark.parametrize("backend, tool", [("xen", "xl"), ("libvirt", "virsh")])
@pytest.mark.parametrize("name", STOPS)
def test_domain_that_is_destroyed_while_it_ends(tmp_path, backend, tool, name):
    """A guest powers off when virtbench hangs up: the toolstack may be quicker than its user."""
    destroy, wanted = STOPS[name]
    ask = '*domid* | *dominfo*) [ -e "$HERE/alive" ] ;;'
    stand_ins = {
        tool: f'case "$*" in\n{ask}\n*destroy*) {destroy} ;;\nesac\n',
        "losetup": 'echo "$*" >> "$HERE/log"\n',
        "sleep": "exit\n",
        # Each look at the clock is 30 s later.
        "date": 'echo 30 >> "$HERE/looks"; echo $((30 * $(grep -c . "$HERE/looks")))\n',
    }
    for program, text in stand_ins.items():
        (tmp_path / program).write_text(f"#!/bin/sh\nHERE='{tmp_path}'\n{text}")
        (tmp_path / program).chmod(0o755)
    if name != "never there":
        (tmp_path / "alive").touch()
    if name == "refused once" and backend == "libvirt":
        wanted = 1  # virsh waits itself until the domain has gone
    said = subprocess.run(
        [str(SOURCE / "backends" / backend / "stop_machine"), "virtbench-0 /dev/loop9"],
        capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert said.returncode == wanted, said
    assert ("busy" in said.stderr) == (name == "does not go"), said
    assert backend != "xen" or log(tmp_path) == ["-d /dev/loop9"]


def test_libvirt_takes_the_domains(run):
    """libvirt's own test driver reads their XML; what they would do is done for them."""
    inside = VIRSH[VIRSH.index("    words=") : VIRSH.index("    [ -r")]
    virsh = """#!/bin/sh
(PATH=$(echo "$PATH" | sed 's/[^:]*://'); virsh "$@") || exit
case "$4" in create) shift 3
INSIDE
    setsid "$VIRTBENCH_CLIENT" $words < /dev/null > /dev/null 2>&1 & ;;
esac
"""
    said = run({"virsh": virsh.replace("INSIDE", inside)}, "libvirt", "libc-syscall",
               LIBVIRT_URI="test:///default", LIBVIRT_TYPE="test")  # fmt: skip
    assert said.returncode == 0 and "1 measured" in said.stderr, said
