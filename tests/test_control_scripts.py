"""The tests of controls/tests: they pass on a truthful system, and fail on each that lies.

The tools of Xen are stood in for by one small program that keeps its state in a folder and
tells the lie named in $LIE.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from xentest import verdict
from xentest.results import Status

SCRIPTS = Path(__file__).parent.parent / "controls" / "tests"

STAND_IN = r"""#!/usr/bin/python3
import json, os, sys, time
tool, args, lie = os.path.basename(sys.argv[0]), sys.argv[1:], os.environ.get("LIE", "")
path = os.environ["STATE"]
state = json.load(open(path))
home = "/local/domain/%s/" % state["store"]["domid"]
guest = state["store"]["domid"] != "0"


def leave(status=0, text=""):
    new = path + str(os.getpid())
    with open(new, "w") as stream:
        json.dump(state, stream)
    os.rename(new, path)
    if text:
        print(text)
    sys.exit(status)


def short(name):
    return name[len(home):] if name.startswith(home) else name


def xl_list():
    print("Name                  ID   Mem VCPUs\tState\tTime(s)")
    for d in state["domains"]:
        flags = "--p---" if d["paused"] else "-b----"
        print("%-20s %4d %5d %5d  %s  1.0" % (d["name"], d["id"], d["mem"], 1, flags))


def find(name):
    for d in state["domains"]:
        if d["name"] == name:
            return d
    sys.exit(1)


def add(name, mem):
    state["last"] += 1
    paused = lie == "starts-paused" or lie == "restores-paused" and "saved" in state
    state["domains"].append(dict(name=name, id=state["last"], mem=mem, paused=paused))
    state["store"]["/local/domain/%d/control/feature-suspend" % state["last"]] = "1"


def xl(command, *rest):
    if lie == command + "-fails":
        sys.exit("xl: " + command + " failed: libxl says no")
    if lie == "all-xl-fails":
        sys.exit("xl: cannot talk to the hypervisor")
    if command == "list":
        xl_list()
    elif command == "info":
        free = 2000 - sum(d["mem"] for d in state["domains"])
        free -= 64 if lie == "memory-lost" and state["last"] else 0
        print("xen_version            : 4.17.5")
        print("xen_caps               : xen-3.0-x86_64 hvm-3.0-x86_64 ")
        print("build_id               : 01232b4d\ntotal_memory           : 2000")
        print("free_memory            : %d" % free)
    elif command == "dmesg":
        banner = "4.16.1" if lie == "other-banner" else "4.17.5"
        print("(XEN) Xen version %s (Debian) (gcc) debug=n\n(XEN) more" % banner)
    elif command == "create":
        name = [word for word in rest if word.startswith("name=")][0][6:-1]
        if lie != "create-nothing":
            add(name, 64)
    elif command == "domid":
        print(find(rest[0])["id"] + (lie == "other-domid"))
    elif command in ("pause", "unpause"):
        if lie != command + "-nothing":
            find(rest[0])["paused"] = command == "pause"
    elif command == "destroy":
        d = find(rest[0])
        if lie == "zombie":
            d["name"] = "(null)"
        elif lie != "destroy-nothing":
            state["domains"].remove(d)
    elif command == "save":
        d = find(rest[0])
        open(rest[1], "w").write("" if lie == "empty-image" else json.dumps(d))
        if lie != "save-stays":
            state["domains"].remove(d)
        state["saved"] = d
    elif command == "restore":
        d = state["saved"]
        add(d["name"], d["mem"] - 8 * (lie == "restore-shrinks"))
    leave()


def allowed(name):
    return not guest or short(name).startswith("data/") or lie == "open-store"


def store(*args):
    nodes = state["store"]
    name = short(args[0]) if args else ""
    if lie == "no-store":
        sys.exit("xenstore: no answer")
    if tool == "xenstore-read":
        if name not in nodes:
            sys.exit("couldn't read path " + name)
        print(nodes[name] + ("x" if lie == "read-differs" and "xentest-" in name else ""))
    elif tool == "xenstore-write":
        if lie == "no-write" or not allowed(args[0]):
            sys.exit("could not write path " + name)
        if not (lie == "write-once" and name in nodes):
            nodes[name] = args[1]
        leave()
    elif tool == "xenstore-list":
        found = {n[len(name) + 1:].split("/")[0] for n in nodes if n.startswith(name + "/")}
        print("\n".join(sorted(found)[1 if lie == "list-short" else 0:]))
    elif tool == "xenstore-rm":
        if lie != "rm-nothing":
            for n in [n for n in nodes if n == name or n.startswith(name + "/")]:
                del nodes[n]
        leave()
    elif tool == "xenstore-watch":
        if lie != "watch-silent":
            print(name, flush=True)
        seen, parent = set(nodes), os.getppid()
        while os.getppid() == parent:
            now = set(json.load(open(path))["store"])
            for n in sorted(now - seen):
                if n.startswith(name) and lie != "watch-deaf":
                    print(n, flush=True)
            seen = now
            time.sleep(0.02)


(xl if tool == "xl" else store)(*args)
"""

TOOLS = ["xl", *(f"xenstore-{word}" for word in ("read", "write", "list", "rm", "watch"))]
FILES = {
    "sys/hypervisor/type": "xen\n",
    "sys/hypervisor/uuid": "1-2-3\n",
    "sys/hypervisor/version/major": "4\n",
    "sys/hypervisor/version/minor": "17\n",
    "sys/hypervisor/version/extra": ".5\n",
    "sys/hypervisor/properties/buildid": "\x01#+M",
    "sys/hypervisor/properties/capabilities": "xen-3.0-x86_64 hvm-3.0-x86_64 \n",
    "sys/devices/system/xen_memory/xen_memory0/info/current_kb": "262144\n",
    "proc/meminfo": "MemTotal:         200000 kB\nMemFree:          1 kB\n",
    "proc/cpuinfo": "processor\t: 0\n\nprocessor\t: 1\n",
}
GUEST = {
    "domid": "7",
    "vm": "/vm/1-2-3",
    "memory/target": "262144",
    "memory/static-max": "262144",
    "cpu/0/availability": "online",
    "cpu/1/availability": "online",
    "cpu/2/availability": "offline",
}


# The time limits in the scripts: `wait_for 30 ...` and `becomes "name" "expected" 30 ...`.
LIMIT = re.compile(r'((?:\bwait_for|\bbecomes "[^"]*" "[^"]*")) [0-9]+')


class Machine:
    """A folder that looks like a Xen machine to the scripts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tools = folder / "bin"
        self.tools.mkdir()
        stand_in = self.tools / "stand-in"
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
        for tool in TOOLS:
            (self.tools / tool).symlink_to(stand_in)
        self.tool("dmesg", "echo '[0.0] Xen version: 4.17.5 (preserve-AD)'")
        for name, content in FILES.items():
            self.file(name, content)
        self.file("scratch.cfg", "memory=64\n")

    def file(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def tool(self, name: str, body: str) -> None:
        (self.tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.tools / name).chmod(0o755)

    def run(self, script: str, *, guest: bool, lie: str = "") -> subprocess.CompletedProcess[str]:
        """Run a copy; with a lie its time limits are short, so that it is found out quickly."""
        control = {"name": "Domain-0", "id": 0, "mem": 512, "paused": False}
        state = {"store": GUEST if guest else {"domid": "0"}, "domains": [control], "last": 0}
        self.file("state.json", json.dumps(state))
        if guest:
            self.file("sys/hypervisor/properties/buildid", "<denied>\n")
        if lie in LYING_FILES:
            self.file(*LYING_FILES[lie])
        copy = self.folder / "tests"
        shutil.copytree(SCRIPTS, copy)
        if lie:
            for path in copy.glob("*.sh"):
                path.write_text(LIMIT.sub(r"\1 1", path.read_text()))
        environment = {
            **os.environ,
            "PATH": f"{self.tools}:/usr/bin:/bin",
            "STATE": str(self.folder / "state.json"),
            "LIE": lie,
            "SYS": str(self.folder / "sys"),
            "PROC": str(self.folder / "proc"),
            "SCRATCH_CONFIG": str(self.folder / "scratch.cfg"),
            "TMPDIR": str(self.folder),
        }
        return subprocess.run(
            [str(copy / script)], env=environment, capture_output=True, text=True, timeout=300
        )


LYING_FILES = {
    "not-on-xen": ("sys/hypervisor/type", "kvm\n"),
    "other-version": ("sys/hypervisor/version/extra", ".4\n"),
    "no-version": ("sys/hypervisor/version/major", "\n"),
    "other-build-id": ("sys/hypervisor/properties/buildid", "\x01#+N"),
    "no-build-id": ("sys/hypervisor/properties/buildid", "<denied>\n"),
    "build-id-leaks": ("sys/hypervisor/properties/buildid", "\x01#+M"),
    "other-caps": ("sys/hypervisor/properties/capabilities", "xen-3.0-x86_64\n"),
    "other-uuid": ("sys/hypervisor/uuid", "1-2-4\n"),
    "balloon-short": ("sys/devices/system/xen_memory/xen_memory0/info/current_kb", "200000\n"),
    "too-much-memory": ("proc/meminfo", "MemTotal:         300000 kB\n"),
    "too-little-memory": ("proc/meminfo", "MemTotal:         100000 kB\n"),
    "no-memory": ("proc/meminfo", "MemFree: 1 kB\n"),
    "one-processor": ("proc/cpuinfo", "processor\t: 0\n"),
}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def judged(done: subprocess.CompletedProcess[str], folder: Path) -> verdict.Verdict:
    """What xentest makes of the output."""
    output = folder / "output"
    output.write_text(done.stdout)
    return verdict.read("ktap", output, done.returncode, folder)


TRUE = [
    ("versions.sh", False),
    ("versions.sh", True),
    ("xenstore.sh", False),
    ("xenstore.sh", True),
    ("resources.sh", True),
    ("domains.sh", False),
    ("save-restore.sh", False),
]


@pytest.mark.parametrize("script, guest", TRUE)
def test_truth_passes(machine: Machine, script: str, guest: bool) -> None:
    done = machine.run(script, guest=guest)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = judged(done, machine.folder)
    assert found.status is Status.PASS, found
    assert len(found.subtests) >= 4
    left = json.loads((machine.folder / "state.json").read_text())
    assert [domain["name"] for domain in left["domains"]] == ["Domain-0"]
    assert not any("xentest" in node for node in left["store"])
    assert not list(machine.folder.glob("*.save"))


LIES = [
    *(("versions.sh", False, lie) for lie in ("not-on-xen", "other-version", "no-version")),
    *(("versions.sh", False, lie) for lie in ("other-build-id", "no-build-id", "other-caps")),
    *(("versions.sh", False, lie) for lie in ("other-banner", "info-fails")),
    *(("versions.sh", True, lie) for lie in ("not-on-xen", "other-version", "other-uuid")),
    ("versions.sh", True, "build-id-leaks"),
    *(("xenstore.sh", False, lie) for lie in ("read-differs", "write-once", "list-short")),
    *(("xenstore.sh", False, lie) for lie in ("watch-silent", "watch-deaf", "rm-nothing")),
    *(("xenstore.sh", True, lie) for lie in ("open-store", "no-write")),
    *(("resources.sh", True, lie) for lie in ("balloon-short", "too-much-memory")),
    *(("resources.sh", True, lie) for lie in ("too-little-memory", "no-memory", "one-processor")),
    *(("domains.sh", False, lie) for lie in ("create-fails", "create-nothing", "starts-paused")),
    *(("domains.sh", False, lie) for lie in ("other-domid", "pause-fails", "pause-nothing")),
    *(("domains.sh", False, lie) for lie in ("unpause-nothing", "destroy-fails")),
    *(("domains.sh", False, lie) for lie in ("destroy-nothing", "zombie", "memory-lost")),
    *(("save-restore.sh", False, lie) for lie in ("save-fails", "save-stays", "empty-image")),
    *(("save-restore.sh", False, lie) for lie in ("restore-fails", "restores-paused")),
    ("save-restore.sh", False, "restore-shrinks"),
]


@pytest.mark.parametrize("script, guest, lie", LIES)
def test_a_lie_fails(machine: Machine, script: str, guest: bool, lie: str) -> None:
    done = machine.run(script, guest=guest, lie=lie)
    found = judged(done, machine.folder)
    assert (done.returncode, found.status) == (1, Status.FAIL), (done.stdout, done.stderr, found)
    assert re.search(r"^# .*: expected .*, got .", done.stdout, re.M)


NO_ANSWER = [
    ("xenstore.sh", True, "no-store"),
    ("versions.sh", False, "no-store"),
    ("domains.sh", False, "all-xl-fails"),
    ("save-restore.sh", False, "all-xl-fails"),
]


@pytest.mark.parametrize("script, guest, lie", NO_ANSWER)
def test_no_answer_is_an_error(machine: Machine, script: str, guest: bool, lie: str) -> None:
    done = machine.run(script, guest=guest, lie=lie)
    assert (done.returncode, judged(done, machine.folder).status) == (99, Status.ERROR)
    assert "Bail out!" in done.stdout


@pytest.mark.parametrize(
    "script, guest", [("domains.sh", True), ("save-restore.sh", True), ("resources.sh", False)]
)
def test_what_cannot_apply_is_skipped(machine: Machine, script: str, guest: bool) -> None:
    done = machine.run(script, guest=guest)
    assert (done.returncode, judged(done, machine.folder).status) == (77, Status.SKIP), done


def test_a_missing_scratch_domain_is_an_error(machine: Machine) -> None:
    (machine.folder / "scratch.cfg").unlink()
    done = machine.run("domains.sh", guest=False)
    assert done.returncode == 99 and "scratch.cfg is missing" in done.stdout


def test_lost_results_are_an_error(tmp_path: Path) -> None:
    script = f". {SCRIPTS}/ktap.sh; ktap_begin 2; pass one; ktap_end"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert done.returncode == 99 and "2 results were planned, 1 were given" in done.stdout


@pytest.mark.parametrize("command", ["true", "nosuchcommand", "kill -9 $$", "timeout 0.1 sleep 5"])
def test_a_refusal_is_neither_success_nor_a_missing_command(command: str) -> None:
    script = f". {SCRIPTS}/ktap.sh; ktap_begin 1; refused it sh -c '{command}'; ktap_end"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert done.returncode == 1 and "not ok 1 it" in done.stdout


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_sound(path: Path) -> None:
    assert subprocess.run(["dash", "-n", str(path)]).returncode == 0
    assert (path.stat().st_mode & 0o111 != 0) == path.read_text().startswith("#!/bin/sh\n")
