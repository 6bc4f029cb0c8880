#!/bin/sh
# Inside the lab's machine with Xen: kills xenstartdoms (kill -9) while the toolstack makes its
# guest, goes on with the run, lets the toolstack go on too as soon as it is waited for, and prints
# what came of it.  `named` is the moment at which xl was begun, `made` that at which the guest is
# there, paused.
#   kill-making.sh MOMENT
moment=$1 tries=0
folder=/var/tmp/kill-making
mkdir -p "$folder"
cat > "$folder/control.cfg" << END
[Preferences]
xen-tree=none
shared_dir=/xentest/shared
results_dir=$folder/runs
[Locations]
none=file:///none
[once]
run_command=echo ran
timeout=5m
[XENVM0]
name=guest1
config=/etc/xen/guest1.cfg
tempdir=/var/tmp/xentest
test1=once
END

reached() {
	case $moment in
	named) pgrep -f '^xl create|/xl create' > /dev/null ;;
	made) xl list guest1 > /dev/null 2>&1 ;;
	esac
}

# The second xenstartdoms has opened the note of who makes the guest.
is_waited_for() {
	for descriptor in /proc/$second/fd/*; do
		case $(readlink "$descriptor") in
		*/guest1/making) return 0 ;;
		esac
	done
	return 1
}

xenstartdoms "$folder/control.cfg" > "$folder/first" 2>&1 &
first=$!
until reached; do
	tries=$((tries + 1))
	if [ "$tries" -gt 600 ] || ! kill -0 $first; then
		cat "$folder/first"
		exit 99
	fi
	sleep 0.05
done
xl=$(pgrep -f '^xl create|/xl create') || exit 99
kill -STOP $xl # it takes as long as we want
kill -9 $first
xenstartdoms "$folder/control.cfg" --resume &
second=$!
tries=0
until is_waited_for; do
	tries=$((tries + 1))
	[ "$tries" -le 1200 ] && kill -0 $second || { echo "nobody waits for xl"; break; }
	sleep 0.05
done
kill -CONT $xl
wait $second
status=$?
echo "domains: $(xl list | awk 'NR > 1 { printf "%s ", $1 }')"
exit $status
