"""xenlab exec: one command on the control domain, or on the machine without Xen."""

import time

import nights
import pytest
from test_nightly import facts_of_tarball

pytestmark = pytest.mark.lab
LIMIT = 500.0
INNER_GUEST = """
kernel=/boot/vmlinuz; [ -e $kernel ] || kernel=$(ls /boot/vmlinuz-* | head -n 1)
mkfifo /tmp/inner
timeout 120 qemu-system-x86_64 -enable-kvm -cpu host -m 256 -nodefaults -display none -no-reboot \
  -serial stdio -kernel $kernel -initrd /boot/initrd -append 'console=ttyS0' \
  < /dev/null > /tmp/inner 2>&1 &
grep -m1 'Linux version' /tmp/inner
"""


def execute(tmp_path, on, *command, options=()):
    words = ["exec", "--on", on, *options, "--", *command]
    with nights.Called(*words, log=tmp_path / "exec.log") as called:
        return called.ended(LIMIT)


def test_control_domain(tmp_path):
    said = execute(tmp_path, "xen", "xl", "info")
    assert said.status == 0, said.text
    assert facts_of_tarball()["build_id"] in said.text, said.text


def test_status_and_files(tmp_path):
    handed = tmp_path / "handed-in"
    handed.write_text("from outside\n")
    script = "cat handed-in; exit 42"
    said = execute(tmp_path, "xen", "sh", "-c", script, options=("--file", handed))
    assert said.status == 42, said.text
    assert "from outside\n" in said.text


def test_time_limit(tmp_path):
    said = execute(tmp_path, "xen", "sleep", "1000", options=("--timeout", "3"))
    assert said.status == 3, said.text
    assert "did not end within 3 s" in said.text


def test_output_comes_as_it_is_written(tmp_path):
    words = ["exec", "--timeout", "60", "--", "sh", "-c", "echo first words; sleep 1000"]
    with nights.Called(*words, log=tmp_path / "exec.log") as called:
        called.until(lambda: "first words" in called.text(), "the first words", LIMIT)
        assert called.process.poll() is None, "they came only at the end"
        begun = time.monotonic()
    assert time.monotonic() - begun < 60


def test_kvm(tmp_path):
    script = (
        "test -c /dev/kvm && modprobe vhost_vsock && test -c /dev/vhost-vsock && "
        "lsmod | grep -w vsock_loopback"
    )
    said = execute(tmp_path, "kvm", "sh", "-c", script)
    assert said.status == 0 and "vsock_loopback" in said.text, said.text


def test_inner_guest(tmp_path):
    said = execute(tmp_path, "kvm", "sh", "-c", INNER_GUEST, options=("--timeout", "150"))
    assert said.status == 0 and "Linux version" in said.text, said.text
