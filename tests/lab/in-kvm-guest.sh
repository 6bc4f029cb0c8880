#!/bin/sh
# Inside the lab's machine without Xen: starts a KVM guest that runs COMMAND (see ramdisk.sh) and
# prints what its console said from there on.  With a HOST COMMAND that is run while the guest lives,
# and the guest is ended after it.
# The guest has a virtio balloon; its monitor listens at /tmp/guest.monitor.
#   in-kvm-guest.sh SECONDS COMMAND [HOST COMMAND]
. ./guest-console.sh
limit=$1 command=$2 host_command=$3
log=/tmp/guest.console
sh ramdisk.sh /tmp/guest.initrd \
	"virtio_pci virtio_balloon vmw_vsock_virtio_transport msr" "$command"
qemu-system-x86_64 -nodefaults -display none -accel kvm -cpu host -m 512 -no-reboot \
	-device virtio-balloon-pci -device vhost-vsock-pci,guest-cid=5 \
	-qmp unix:/tmp/guest.monitor,server=on,wait=off \
	-kernel /boot/vmlinuz -initrd /tmp/guest.initrd \
	-append 'console=ttyS0 panic=-1 loglevel=4' -serial "file:$log" < /dev/null &
machine=$!
watch_guest "$log" "$limit" "kill -0 $machine" "$host_command"
status=$?
kill $machine 2> /dev/null
print_console
exit $status
