"""rushit over real vsock transports: between a KVM guest and its host, and scripts on loopback."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import nights
import pytest

pytestmark = pytest.mark.lab
RUSHIT = Path(nights.SOURCE) / "payloads" / "rushit"
INNER = Path(__file__).parent / "rushit-inner.sh"

SCRIPT = """
local seen = collect({})
local function on_socket(fd, ai)
  seen.family = ai.ai_family
  seen.address = tostring(sockaddr_vm_ptr(ai.ai_addr)[0])
end
local function on_close(fd) seen.name = S.getsockname(fd).family end
client_socket(on_socket)
server_socket(on_socket)
client_close(on_close)
server_close(on_close)
run()
assert(seen[1].family == AF_VSOCK and seen[1].name == AF_VSOCK)
print("hook saw " .. seen[1].address)
"""

BOTH_ENDS = """
modprobe vsock_loopback
./vsock_rr --script x.lua > server.out 2>&1 &
./vsock_rr -c -H local -l 1 --script x.lua; echo "client ended with $?"
wait $!; echo "server ended with $?"; cat server.out
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Both in one machine."""
    folder = tmp_path_factory.mktemp("vsock")
    subprocess.run(["make", "-s", "-C", RUSHIT], check=True, capture_output=True, timeout=300)
    (folder / "x.lua").write_text(SCRIPT)
    (folder / "both.sh").write_text(BOTH_ENDS)
    programs = [RUSHIT / "build" / name for name in ("vsock_rr", "rushit")]
    files = [*programs, folder / "x.lua", folder / "both.sh", INNER]
    handed_in = [word for file in files for word in ("--file", str(file))]
    return subprocess.run(
        [nights.SOURCE / "xenlab", "exec", "--on", "kvm", "--timeout", "240", *handed_in]
        + ["--", "sh", "-c", f"sh both.sh; sh {INNER.name}"],
        capture_output=True,
        text=True,
        timeout=600,
        stdin=subprocess.DEVNULL,
    )


def test_hooks_see_vsock_addresses(said):
    assert said.returncode == 0, said
    for line in ("client ended with 0", "server ended with 0", "hook saw vsock:1:12867"):
        assert line in said.stdout.splitlines(), said
    assert "hook saw vsock:4294967295:12867" in said.stdout.splitlines(), said


def test_kvm_guest_and_its_host(said):
    for name in ("vsock_rr", "vsock_crr", "vsock_stream"):
        for end in ("guest", "host"):
            assert f"{end}: {name} ended with 0" in said.stdout, said
    # A guest's console ends its lines in its own way.
    console = said.stdout[said.stdout.index("host: vsock_stream ended") :]
    assert len(re.findall(r"^throughput(?:_Mbps)?=[1-9]", console, re.M)) == 3, said
