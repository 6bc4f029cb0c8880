#!/bin/sh
# Inside the lab's machine without Xen: starts a KVM guest that runs COMMAND (see ramdisk.sh) and
# prints what its console said from there on.  With a HOST COMMAND that is run while the guest lives,
# and the guest is ended after it.
# The guest has a virtio balloon; its monitor listens at /tmp/guest.monitor.
#   in-kvm-guest.sh SECONDS COMMAND [HOST COMMAND]
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
end=$(($(date +%s) + limit))
wait_for() { # WORDS in the console, or the guest's end
	until grep -q "$1" "$log" 2> /dev/null; do
		kill -0 $machine 2> /dev/null || break
		[ "$(date +%s)" -lt $end ] || { echo "no '$1' from the guest within $limit s"; break; }
		busybox usleep 500000
	done
}
wait_for 'guest begins'
if [ -n "$host_command" ]; then
	sh -c "$host_command"
	status=$?
else
	wait_for 'guest status'
	status=$(sed -n 's/^guest status: \([0-9]*\).*/\1/p' "$log")
fi
kill $machine 2> /dev/null
sed -n '/guest begins/,$p' "$log"
exit "${status:-99}"
