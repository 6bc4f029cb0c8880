#!/bin/sh
# Inside the lab's control domain, on a hypervisor that counts: xenfc as user space here, as user
# space of a PV guest, and as a guest without Linux; what each reached goes to standard output.
#   in-dom0.sh SEED SECONDS
seed=$1 seconds=$2 status=0

counted() { # NAME, of the run that ended with $?
	[ $? = 0 ] || { echo "in-dom0.sh: $1 did not pass"; status=1; }
	xencov read counted || exit 99
	echo "COUNTED $1"
	gzip -c counted | base64
	echo "COUNTED."
}

xencov reset || { echo "this hypervisor counts nothing: build it with CONFIG_COVERAGE=y"; exit 99; }
./xenfc --i-own-this-machine -q -s "$seed" --seconds "$seconds" --role control
counted privcmd-dom0
xencov reset
xl create /etc/xen/guest1.cfg > /dev/null	# another one, with a disk and a network interface
sh in-xen-guest.sh counted $((seconds + 120)) \
	"./xenfc --i-own-this-machine -q -s $seed --seconds $seconds --role guest" \
	xen_privcmd.unrestricted=1
counted privcmd-guest
xl destroy guest1
xencov reset
sh run-guest -t $((seconds + 60)) seed="$seed" seconds="$seconds" quiet role=guest
counted ring0-xl-guest
exit $status
