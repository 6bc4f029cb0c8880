#!/bin/sh
# Inside the lab's machine: starts the PV guest NAME, lets its own xenruntests run COMMAND
# (in a folder with the files that were handed in), and prints what the command wrote.
#   in-guest.sh NAME SECONDS COMMAND [KERNEL PARAMETERS]
name=$1 limit=$2 command=$3 parameters=$4
shared=/xentest/shared/$name
xl domid "$name" > /dev/null 2>&1 || {
	mkdir -p "$shared/files"
	cp ./* "$shared/files/"
	chmod -R a+rX "$shared/files"
	printf '%s\n' '#!/bin/sh' "$command" 'echo "in-guest status: $?"' > "$shared/files/command.sh"
	cat > "$shared/xentests.conf" <<-END
		[Preferences]
		xen-tree=none
		shared_dir=/xentest/shared
		[Locations]
		none=file:///none
		[command]
		source_url=
		run_command=cd /xentest/shared/$name/files && sh ./command.sh
		timeout=${limit}s
		[XENVM1]
		name=$name
		config=/etc/xen/$name.cfg
		tempdir=/var/tmp/xentest
		test1=command
	END
	chown nobody:nogroup "$shared"
	sed "s/^extra = \"/extra = \"$parameters /" "/etc/xen/$name.cfg" > "/tmp/$name.cfg"
	xl create "/tmp/$name.cfg" > /dev/null 2>&1 || exit 99
}
end=$(($(date +%s) + limit + 120))
until [ ! -e "$shared/xentests.conf" ]; do
	[ "$(date +%s)" -lt $end ] || {
		echo "$name did not end its test; its console:"
		tail -n 30 "/var/log/xen/console/guest-$name.log"
		break
	}
	sleep 1
done
cat "$shared"/results/*/output
status=$(sed -n 's/^in-guest status: //p' "$shared"/results/*/output | tail -n 1)
exit "${status:-99}"
