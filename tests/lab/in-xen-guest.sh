#!/bin/sh
# Inside the lab's machine with Xen: starts a small guest that runs COMMAND (see ramdisk.sh) and
# prints what its console said from there on.  With a HOST COMMAND that is run in the control domain
# while the guest lives, and the guest is destroyed after it.  $TYPE is pv (default), pvh or hvm
# (that one needs /usr/libexec/xen-qemu-system-i386), $MORE further lines of its configuration.
#   in-xen-guest.sh NAME SECONDS COMMAND [KERNEL PARAMETERS] [HOST COMMAND]
. ./guest-console.sh
name=$1 limit=$2 command=$3 parameters=$4 host_command=$5
log=/var/log/xen/console/guest-$name.log kernel=/boot/vmlinux-guest terminal=hvc0
devices=
if [ "$TYPE" = hvm ]; then
	log=/tmp/$name.console kernel=/boot/vmlinuz terminal=ttyS0
	devices="serial = \"file:$log\"
vga = \"none\"
device_model_version = \"qemu-xen\"
device_model_override = \"/usr/libexec/xen-qemu-system-i386\""
fi
sh ramdisk.sh "/tmp/$name.initrd" \
	"xenfs xen-privcmd xen-evtchn xen-gntdev xen-gntalloc msr" "$command"
# TCG takes RDTSCP for RDTSC when it is intercepted: Xen then gives the guest a fault.
cat > "/tmp/$name.cfg" <<END
name = "$name"
type = "${TYPE:-pv}"
memory = 192
kernel = "$kernel"
ramdisk = "/tmp/$name.initrd"
extra = "console=$terminal panic=1 loglevel=4 $parameters"
on_crash = "destroy"
tsc_mode = "native"
$devices
$MORE
END
rm -f "$log"
xl create "/tmp/$name.cfg" > "/tmp/$name.created" 2>&1 || { cat "/tmp/$name.created"; exit 99; }
watch_guest "$log" "$limit" "xl domid $name" "$host_command"
status=$?
xl destroy "$name" 2> /dev/null
print_console
exit $status
