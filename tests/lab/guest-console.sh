#!/bin/sh
# Sourced by the scripts that start guests: what a guest's command (see ramdisk.sh) came to.

# Waits for the guest's command, or with a HOST COMMAND runs that as soon as the guest's has begun.
# Its status is that of the command.  ALIVE is a command that fails once the guest is gone.
#   watch_guest CONSOLE SECONDS ALIVE [HOST COMMAND]
watch_guest() {
	console=$1 end=$(($(date +%s) + $2)) alive=$3
	console_says 'guest begins'
	if [ -n "$4" ]; then
		sh -c "$4"
		return $?
	fi
	console_says 'guest status: [0-9]*[.]'
	return "$(sed -n 's/^guest status: \([0-9]*\)[.].*/\1/p' "$console" | grep . || echo 99)"
}

console_says() { # WORDS, unless the guest ends or the time is over
	until grep -qs "$1" "$console"; do
		$alive > /dev/null 2>&1 || break
		[ "$(date +%s)" -lt "$end" ] || { echo "no '$1' from the guest in time"; break; }
		busybox usleep 300000
	done
}

# What the guest said from its command on; all of it when it did not get that far.
print_console() {
	if grep -qs 'guest begins' "$console"; then
		sed -n '/guest begins/,$p' "$console"
	else
		echo "The guest came to no command. Its console:"
		cat "$console"
	fi | tr -d '\r'
}
