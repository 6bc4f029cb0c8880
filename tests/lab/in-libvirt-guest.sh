#!/bin/sh
# Inside the lab's machine without Xen: libvirt, which was handed in as libvirt.tar.zst (see
# payloads.py), starts the KVM guests `small` and `other` with a balloon each; both run COMMAND (see
# ramdisk.sh).  While they live HOST COMMAND is run.
#   in-libvirt-guest.sh SECONDS COMMAND HOST-COMMAND
. ./guest-console.sh
limit=$1 command=$2 host_command=$3
. ./libvirtd.sh
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
