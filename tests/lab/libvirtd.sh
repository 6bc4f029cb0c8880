# Sourced inside the lab's machine without Xen: starts libvirt, which was handed in as
# libvirt.tar.zst (see payloads.py).
tar -C / --zstd --skip-old-files -xf libvirt.tar.zst
echo "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/bin/false" >> /etc/passwd
echo "libvirt-qemu:x:64055:" >> /etc/group
mkdir -p /etc/libvirt /run/libvirt /var/lib/libvirt/qemu /var/cache/libvirt /var/log/libvirt/qemu
printf '%s\n' 'auth_unix_rw = "none"' 'unix_sock_group = "root"' > /etc/libvirt/libvirtd.conf
printf '%s\n' 'user = "root"' 'group = "root"' 'security_driver = "none"' 'namespaces = []' \
	'cgroup_controllers = []' 'remember_owner = 0' 'stdio_handler = "file"' > /etc/libvirt/qemu.conf
libvirtd > /tmp/libvirtd.log 2>&1 &
end=$(($(date +%s) + 60))
until virsh version > /dev/null 2>&1; do
	[ "$(date +%s)" -lt "$end" ] || { cat /tmp/libvirtd.log; exit 99; }
	busybox usleep 300000
done
