#!/bin/sh
# Inside the lab's machine without Xen: libvirt, which was handed in as libvirt.tar.zst (see
# payloads.py), starts the KVM guests `small` and `other` with a balloon each; both run COMMAND (see
# ramdisk.sh).  While they live HOST COMMAND is run.
#   in-libvirt-guest.sh SECONDS COMMAND HOST-COMMAND
. ./guest-console.sh
limit=$1 command=$2 host_command=$3
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
sh ramdisk.sh /tmp/guest.initrd "virtio_pci virtio_balloon" "$command"
for name in other small; do
	cat > "/tmp/$name.xml" <<END
<domain type='kvm'>
  <name>$name</name>
  <memory unit='MiB'>384</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>/boot/vmlinuz</kernel>
    <initrd>/tmp/guest.initrd</initrd>
    <cmdline>console=ttyS0 panic=-1 loglevel=4</cmdline>
  </os>
  <cpu mode='host-passthrough'/>
  <on_reboot>destroy</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='virtio'><stats period='1'/></memballoon>
    <serial type='file'><source path='/tmp/$name.console'/></serial>
  </devices>
</domain>
END
	virsh -q create "/tmp/$name.xml" || { cat /tmp/libvirtd.log "/var/log/libvirt/qemu/$name.log"; exit 99; }
	watch_guest "/tmp/$name.console" "$limit" "virsh domid $name" true
done
watch_guest /tmp/small.console "$limit" "virsh domid small" "$host_command"
status=$?
print_console
exit $status
