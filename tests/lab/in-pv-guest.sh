#!/bin/sh
# Inside the lab's machine with Xen: starts a small PV guest that runs COMMAND (see ramdisk.sh) and
# prints what its console said from there on.  With a HOST COMMAND that is run in the control domain
# while the guest lives, and the guest is destroyed after it.
#   in-pv-guest.sh NAME SECONDS COMMAND [KERNEL PARAMETERS] [HOST COMMAND]
name=$1 limit=$2 command=$3 parameters=$4 host_command=$5
log=/var/log/xen/console/guest-$name.log
sh ramdisk.sh "/tmp/$name.initrd" \
	"xenfs xen-privcmd xen-evtchn xen-gntdev xen-gntalloc msr" "$command"
cat > "/tmp/$name.cfg" <<END
name = "$name"
type = "pv"
memory = 192
kernel = "/boot/vmlinux-guest"
ramdisk = "/tmp/$name.initrd"
extra = "console=hvc0 panic=1 loglevel=4 $parameters"
on_crash = "destroy"
END
rm -f "$log"
xl create "/tmp/$name.cfg" > /dev/null 2>&1 || exit 99
end=$(($(date +%s) + limit))
wait_for() { # WORDS in the console, or the guest's end
	until grep -q "$1" "$log" 2> /dev/null; do
		xl domid "$name" > /dev/null 2>&1 || break
		[ "$(date +%s)" -lt $end ] || { echo "no '$1' from $name within $limit s"; break; }
		sleep 1
	done
}
wait_for 'guest begins'
if [ -n "$host_command" ]; then
	sh -c "$host_command"
	status=$?
else
	wait_for 'guest status'
	status=$(sed -n 's/^guest status: \([0-9]*\).*/\1/p' "$log" | tr -d '\r')
fi
xl destroy "$name" 2> /dev/null
[ -e "$log" ] && sed -n '/guest begins/,$p' "$log" | tr -d '\r'
exit "${status:-99}"
