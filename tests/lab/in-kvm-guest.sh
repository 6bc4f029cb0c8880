#!/bin/sh
# Inside the lab's machine without Xen: starts a KVM guest whose first process runs COMMAND (the
# files that were handed in lie beside it) and prints the guest's console from there on.
# The guest has a virtio balloon; its monitor listens at /tmp/inner/monitor.
#   in-kvm-guest.sh SECONDS COMMAND [COMMAND FOR THE HOST, WHILE THE GUEST RUNS]
limit=$1 command=$2 host_command=$3
work=/tmp/inner root=/tmp/inner/root log=/tmp/inner/console
modules=/lib/modules/$(uname -r)
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/files" "$root/tmp"
for program in /usr/bin/busybox /usr/bin/kmod; do
	cp "$program" "$root/bin/"
	for library in $(ldd "$program" 2> /dev/null | grep -o '/[^ ]*'); do
		mkdir -p "$root$(dirname "$library")"
		cp "$library" "$root$library"
	done
done
ln -s busybox "$root/bin/sh"
ln -s kmod "$root/bin/modprobe"
for module in virtio virtio_ring virtio_pci virtio_balloon vmw_vsock_virtio_transport msr; do
	for file in $(modprobe --show-depends "$module" 2> /dev/null | sed -n 's/^insmod //p'); do
		mkdir -p "$root$(dirname "$file")"
		cp "$file" "$root$file"
	done
done
cp "$modules"/modules.builtin* "$modules"/modules.order "$root$modules/"
depmod -b "$root" "$(uname -r)"
cp ./* "$root/files/"
cat > "$root/init" <<END
#!/bin/sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
for module in virtio_pci virtio_balloon vmw_vsock_virtio_transport msr; do modprobe \$module; done
cd /files
echo "in-kvm-guest begins"
$command
echo "in-kvm-guest status: \$?"
busybox poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | busybox cpio -o -H newc 2> /dev/null) > "$work/initrd"
qemu-system-x86_64 -nodefaults -display none -accel kvm -cpu host -m 512 -no-reboot \
	-device virtio-balloon-pci -device vhost-vsock-pci,guest-cid=5 -qmp "unix:$work/monitor,server=on,wait=off" \
	-kernel /boot/vmlinuz -initrd "$work/initrd" \
	-append 'console=ttyS0 panic=-1 loglevel=4' -serial "file:$log" < /dev/null &
machine=$!
end=$(($(date +%s) + limit))
wait_for() { # WORDS in the console, or the guest's end
	until grep -q "$1" "$log" 2> /dev/null; do
		kill -0 $machine 2> /dev/null || break
		[ "$(date +%s)" -lt $end ] || { echo "no '$1' from the guest within $limit s"; break; }
		busybox usleep 100000
	done
}
wait_for 'in-kvm-guest begins'
host_status=0
[ -z "$host_command" ] || { sh -c "$host_command"; host_status=$?; }
[ -n "$host_command" ] || wait_for 'in-kvm-guest status'
kill $machine 2> /dev/null
sed -n '/in-kvm-guest begins/,$p' "$log"
[ $host_status = 0 ] || exit $host_status
[ -z "$host_command" ] || exit 0
status=$(sed -n 's/^in-kvm-guest status: \([0-9]*\).*/\1/p' "$log")
exit "${status:-99}"
