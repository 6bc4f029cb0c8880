#!/bin/sh
# rushit over vhost-vsock: the clients in a guest of the emulated machine's own KVM, the servers
# on their host.  Prints how each ended and the guest's console.
set -u
tree=/tmp/inner-tree
log=/tmp/inner.log
modprobe vhost_vsock || exit 1
mkdir -p $tree/bin $tree/modules $tree/proc $tree/sys $tree/dev
cp "$(command -v busybox)" rushit $tree/bin/
for module in virtio_pci vmw_vsock_virtio_transport; do
	modprobe --show-depends $module
done | while read -r action path rest; do
	[ "$action" = insmod ] || continue
	cp "$path" $tree/modules/
	basename "$path" >> $tree/modules/order
done
cat > $tree/init << 'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
exec > /dev/ttyS0 2>&1
for module in $(cat /modules/order); do insmod /modules/$module; done
for name in vsock_rr vsock_crr vsock_stream; do
	rushit $name -c -H host -l 1 --patience 60
	echo "guest: $name ended with $?"
done
reboot -f
END
chmod +x $tree/init
(cd $tree && find . | busybox cpio -o -H newc 2> /dev/null) | gzip -1 > /tmp/inner.img
qemu-system-x86_64 -nodefaults -display none -accel kvm -cpu host -m 256 -no-reboot \
	-kernel /boot/vmlinuz -initrd /tmp/inner.img -append 'console=ttyS0 panic=-1 quiet' \
	-device vhost-vsock-pci,guest-cid=7 -serial file:$log < /dev/null &
emulator=$!
for name in vsock_rr vsock_crr vsock_stream; do
	./rushit $name -s 150 --patience 120
	echo "host: $name ended with $?"
done
# The guest ends by itself; what hangs is ended by the time limit of the whole.
wait $emulator
cat $log
