"""A script over a real vsock transport: its socket hooks see AF_VSOCK addresses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nights
import pytest

pytestmark = pytest.mark.lab
RUSHIT = Path(nights.SOURCE) / "payloads" / "rushit"

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


def test_hooks_see_vsock_addresses(tmp_path):
    subprocess.run(["make", "-s", "-C", RUSHIT], check=True, capture_output=True, timeout=300)
    (tmp_path / "x.lua").write_text(SCRIPT)
    (tmp_path / "both.sh").write_text(BOTH_ENDS)
    files = [RUSHIT / "build" / "vsock_rr", tmp_path / "x.lua", tmp_path / "both.sh"]
    handed_in = [word for file in files for word in ("--file", str(file))]
    said = nights.execute("--on", "kvm", "--timeout", "200", *handed_in, "--", "sh", "both.sh")
    assert said.returncode == 0, said
    for line in ("client ended with 0", "server ended with 0", "hook saw vsock:1:12867"):
        assert line in said.stdout.splitlines(), said
    assert "hook saw vsock:4294967295:12867" in said.stdout.splitlines(), said
