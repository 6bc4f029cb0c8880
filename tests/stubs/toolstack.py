#!/usr/bin/python3
"""xl, xenstore-read and xenstore-ls for tests, by the name they are called by.

Domains are processes: their config file's `behaviour` is a shell command whose
output is the console, and whose exit status says how the domain ends:
0 powers off, 42 crashes and is gone, 43 reboots, 44 crashes and stays, 45 pauses.
All state is in the folder $STUB_XEN.
"""

import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

FOLDER = pathlib.Path(os.environ["STUB_XEN"])
NAMELESS = "(null)"
DOM0 = {"domid": 0, "uuid": "0" * 8 + "-0000" * 3 + "-" + "0" * 12, "state": "r-----", "mem": 512}


class State:
    """state.json under a lock, written back on leaving."""

    def __enter__(self):
        self.lock = open(FOLDER / "lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        path = FOLDER / "state.json"
        fresh = {"next": 1, "free": 1000, "domains": {"Domain-0": DOM0}, "nodes": []}
        self.value = json.loads(path.read_text()) if path.exists() else fresh
        return self.value

    def __exit__(self, *_):
        temporary = FOLDER / "state.tmp"
        temporary.write_text(json.dumps(self.value))
        temporary.rename(FOLDER / "state.json")
        self.lock.close()


def listing():
    print("Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID")
    with State() as state:
        for name, domain in state["domains"].items():
            reason = "%8x" % domain.get("reason", 0) if "s" in domain["state"] else "       -"
            print(
                "%-40s %5d %5d %5d     %s  %8.1f %s %s %16s"
                % (
                    name,
                    domain["domid"],
                    domain["mem"],
                    1,
                    domain["state"],
                    1.5,
                    domain["uuid"],
                    reason,
                    "-",
                )
            )


def create(words):
    extra = dict(word.split("=", 1) for word in words if "=" in word)
    config = next(word for word in words if "=" not in word and not word.startswith("-"))
    text = pathlib.Path(config).read_text()
    add(json.loads(extra["name"]), json.loads(extra["uuid"]), text)


def add(name, uuid, text, begins="--p---"):
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if values.get("create") == "fails":
        sys.exit("xl: libxl_create.c:123: cannot make domain: -3")
    master, slave = os.openpty()
    held("nothing")
    with State() as state:
        domid, state["next"] = state["next"], state["next"] + 1
        memory = 64
        state["free"] -= memory
        state["domains"][NAMELESS] = {
            "domid": domid,
            "uuid": uuid,
            "state": begins,
            "mem": memory,
            "tty": os.ttyname(slave),
            "text": text,
            "half-made": True,
        }
    held("nameless")
    with State() as state:
        made = state["domains"].pop(NAMELESS, None)
        if made is None:
            sys.exit("libxl: error: the domain went away")
        if name in state["domains"]:
            state["free"] += memory
            sys.exit(f'libxl: error: domain with name "{name}" already exists.')
        state["domains"][name] = made
    held("half-made")
    with State() as state:
        if not mine(state, name, domid):
            sys.exit("libxl: error: the domain went away")
        state["domains"][name]["half-made"] = False
    if os.fork() == 0:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(1, 2)
        live(name, domid, values["behaviour"], master, slave)
        os._exit(0)


def held(stage):
    """Stay at this stage of a guest's making for as long as a test wants."""
    holding = FOLDER / "holding"
    try:
        (FOLDER / f"hold-{stage}").rename(holding)  # one stands still, the next one does not
    except FileNotFoundError:
        return
    (FOLDER / "held.new").write_text(str(os.getpid()))
    (FOLDER / "held.new").rename(FOLDER / "held")
    while holding.exists():
        time.sleep(0.02)


def mine(state, name, domid):
    return state["domains"].get(name, {}).get("domid") == domid


def live(name, domid, behaviour, master, slave):
    while True:
        with State() as state:
            if not mine(state, name, domid):
                return
            if "p" not in state["domains"][name]["state"]:
                break
        time.sleep(0.02)
    guest = subprocess.Popen(
        ["/bin/sh", "-c", behaviour],
        stdin=subprocess.DEVNULL,
        stdout=master,
        stderr=master,
        start_new_session=True,
    )
    while guest.poll() is None:
        with State() as state:
            alive = mine(state, name, domid)
        if not alive:
            os.killpg(guest.pid, signal.SIGKILL)
            return
        time.sleep(0.05)
    ended(name, domid, guest.returncode)
    os.close(slave)
    time.sleep(0.3)  # xenconsoled keeps the terminal a little longer than the domain lives


def ended(name, domid, status):
    with State() as state:
        if not mine(state, name, domid):
            return
        domain = state["domains"][name]
        if status == 44:
            domain.update(state="---sc-", reason=3)
            return
        if status == 45:
            domain.update(state="--p---")
            return
        remove(state, name)
    if status == 43:
        add(name, domain["uuid"], domain["text"], begins="-b----")


def remove(state, name):
    domain = state["domains"].pop(name)
    state["free"] += domain["mem"] - (FOLDER / "eat-memory").exists() * 20
    if (FOLDER / "leave-node").exists():
        state["nodes"].append("/local/domain/%d/left" % domain["domid"])


def by_domid(state, domid):
    for name, domain in state["domains"].items():
        if domain["domid"] == int(domid):
            return name
    sys.exit("xl: %s is an invalid domain identifier" % domid)


def end(domid):
    with State() as state:
        name = by_domid(state, domid)
        with open(FOLDER / "destroyed", "a") as log:
            log.write(name + "\n")
        remove(state, name)


def unpause(domid):
    with State() as state:
        domain = state["domains"][by_domid(state, domid)]
        # What has no memory yet dies of its first instruction.
        half_made = domain.pop("half-made", False)
        domain.update({"state": "---sc-", "reason": 3} if half_made else {"state": "-b----"})


def info():
    with State() as state:
        print("xen_version            : 4.17.5\nfree_memory            : %d" % state["free"])
    print("cc_compiler            : gcc (Debian) 12.2.0\noutstanding_claims     : 0")


def xl(words):
    if (FOLDER / "hang").exists():
        time.sleep(1000)
    if (FOLDER / "broken").exists():
        sys.exit("xl: xenstored does not answer")
    command, rest = words[0], words[1:]
    if command == "list":
        listing()
    elif command == "create":
        create(rest)
    elif command == "info":
        info()
    elif command == "dmesg":
        print((FOLDER / "dmesg").read_text() if (FOLDER / "dmesg").exists() else "")
    elif command == "unpause":
        unpause(rest[-1])
    elif command in ("shutdown", "destroy"):
        end(rest[-1])
    else:
        sys.exit("xl: unknown command " + command)


def xenstore_read(path):
    with State() as state:
        domid = path.split("/")[3]
        print(state["domains"][by_domid(state, domid)]["tty"])


def xenstore_ls(root):
    with State() as state:
        nodes = ["/local/domain/%d" % item["domid"] for item in state["domains"].values()]
        for node in nodes + state["nodes"]:
            if node.startswith(root):
                print(node + ' = "x"')


if __name__ == "__main__":
    called = os.path.basename(sys.argv[0])
    if called == "xl":
        xl(sys.argv[1:])
    elif called == "xenstore-read":
        xenstore_read(sys.argv[-1])
    else:
        xenstore_ls(sys.argv[-1])
