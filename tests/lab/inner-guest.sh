#!/bin/sh
# Starts a guest inside the emulated machine, under its own KVM, and waits for its kernel's word.
log=/tmp/inner.log
ls -l /dev/kvm /dev/vhost-vsock || exit 1
grep -E '^(kvm_amd|vhost_vsock|vsock_loopback) ' /proc/modules | cut -d' ' -f1
qemu-system-x86_64 -nodefaults -display none -accel kvm -cpu host -m 256 -no-reboot \
	-kernel /boot/vmlinuz -append 'console=ttyS0 panic=-1' -serial "file:$log" < /dev/null &
tries=0
until grep -q 'Hypervisor detected: KVM' "$log" 2> /dev/null; do
	tries=$((tries + 1))
	[ $tries -lt 600 ] || { echo "no word from the inner guest"; cat "$log"; exit 1; }
	busybox usleep 100000
done
kill $!
echo "the inner guest runs under KVM"
