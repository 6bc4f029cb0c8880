#!/bin/sh
# Host and guest over vhost-vsock: a guest of the emulated machine's own KVM, with the payloads.
# Each half is started here; the guest's through its console, or by what its system starts.
set -u
PATH=$PWD:$PATH
cid=7
console=/tmp/inner.sock
log=/tmp/inner.log
tree=/tmp/inner-tree
modprobe vhost_vsock || exit 1
mount -t debugfs none /sys/kernel/debug 2> /dev/null

make_system() {
	mkdir -p $tree/bin $tree/modules $tree/proc $tree/sys $tree/dev $tree/tmp
	cp "$(command -v busybox)" $tree/bin/busybox
	cp "$PWD"/vsock-util "$PWD"/vsock-test "$PWD"/oneway "$PWD"/rushit $tree/bin/
	for module in virtio_pci virtio_net vmw_vsock_virtio_transport; do
		modprobe --show-depends $module
	done | while read -r action path rest; do
		[ "$action" = insmod ] || continue
		cp "$path" $tree/modules/
		basename "$path" >> $tree/modules/order
	done
	cat > $tree/init <<- 'END'
		#!/bin/busybox sh
		/bin/busybox --install -s /bin
		mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
		for module in $(cat /modules/order); do insmod /modules/$module; done
		ip link set lo up
		ip address add 10.0.2.15/24 dev eth0; ip link set eth0 up
		echo READY > /dev/ttyS0
		(vsock-test --serve --timeout 120
		oneway -m vsock -c 2 -n 2000 -p 7001 --trust-tsc --timeout 120
		oneway -m vsock -c 2 -n 2000 -p 7002 --trust-tsc --timeout 120
		oneway compare --vsock host --remote 10.0.2.2 -p 7003 -n 400 --rounds 10 \
			--clock monotonic --timeout 120
		echo COMPARED
		rushit vsock_rr -c -H host -l 1 --patience 120
		echo "RUSHIT $?") > /dev/ttyS1 2>&1 &
		exec setsid sh -c 'exec sh -i < /dev/ttyS0 > /dev/ttyS0 2>&1'
	END
	chmod +x $tree/init
	(cd $tree && find . | busybox cpio -o -H newc 2> /dev/null) | gzip -1 > /tmp/inner.img
}

fail=0
check() { # NAME STATUS WANTED
	if [ "$2" = "$3" ]; then echo "inner: $1: as wanted"; else echo "inner: $1: status $2"; fail=1; fi
}

make_system
qemu-system-x86_64 -nodefaults -display none -accel kvm -cpu host -m 256 -no-reboot \
	-kernel /boot/vmlinuz -initrd /tmp/inner.img -append 'console=ttyS0 panic=-1 quiet' \
	-device vhost-vsock-pci,guest-cid=$cid \
	-netdev user,id=network -device virtio-net-pci,netdev=network,romfile= \
	-chardev socket,id=c,path=$console,server=on,wait=off,logfile=$log -serial chardev:c \
	-serial file:/tmp/inner2.log < /dev/null &
emulator=$!
trap 'kill $emulator' EXIT
tries=0
until grep -q READY $log 2> /dev/null; do
	tries=$((tries + 1))
	[ $tries -lt 900 ] || { echo "inner: the guest does not start"; cat $log; exit 1; }
	busybox usleep 100000
done

vsock-test --peer $cid --timeout 60
check vsock-test $? 0
vsock-test --peer 99 --timeout 5
check 'vsock-test of a guest that is not' $? 99
vsock-integration --peer $cid --console unix:$console --timeout 60
check vsock-integration $? 0
vsock-perf --console unix:$console --timeout 60 --bytes 1M --repeats 2 --multi-repeats 1 \
	--packets 200 --packet-timeout 5000 \
	--command 'vsock-util micro_benchmark --bytes 1M --repeats 2 --multi-repeats 1'
check vsock-perf $? 0
# Where the host's kernel calls its counter unstable (emulated processors, unless it was started
# with tsc=reliable), KVM sets the guest's anew each time it runs it: then oneway must refuse, and
# say so.
if grep -qw tsc /sys/devices/system/clocksource/clocksource0/available_clocksource; then
	echo "inner: the counter is steady"
	wanted=0
else
	echo "inner: the counter is not steady"
	wanted=99
fi
one_way() { # NAME WORDS OF A REFUSAL, PORT, OFFSET
	oneway -m vsock -n 2000 --timeout 60 -p "$3" -s "$4" --trust-tsc --json > /tmp/one-way 2>&1
	status=$?
	grep -v '"type":"latency"' /tmp/one-way
	# What the messages alone say can be told as long as the guest's clock happens to stay.
	[ "$4" = auto ] || [ $status != 0 ] || wanted=0
	check "$1" $status $wanted
	[ $wanted = 0 ] || grep -q "$2" /tmp/one-way
	check "$1, its words" $? 0
}
one_way 'oneway -s auto' 'calls its own counter unstable' 7001 auto
one_way 'oneway -s estimate' "the client's clock moved" 7002 estimate
oneway serve -m vsock -p 7003 --idle 300 &
serving=$!
oneway serve -m inet -p 7003 --idle 300 &
serving_inet=$!
rushit vsock_rr -s 200 --patience 120 > /tmp/rushit.out
check 'rushit vsock_rr, the host' $? 0
guest_said() { # WORDS
	tries=0
	until grep -q "$1" /tmp/inner2.log; do
		tries=$((tries + 1))
		[ $tries -lt 1200 ] || { echo "inner: the guest never said $1"; break; }
		busybox usleep 100000
	done
}
guest_said COMPARED
kill $serving $serving_inet
wait $serving
check 'oneway serve, until it was ended' $? 143
wait $serving_inet
check 'oneway serve, inet, until it was ended' $? 143
guest_said 'RUSHIT [0-9]'
cat /tmp/inner2.log
grep -q 'RUSHIT 0' /tmp/inner2.log
check 'rushit vsock_rr, the guest' $? 0
grep -q COMPARED /tmp/inner2.log
check 'oneway compare in the guest' $? 0
for kind in vsock 'unix local' 'inet local' 'inet remote'; do
	[ "$(grep -c "^| $kind " /tmp/inner2.log)" = 2 ]
	check "oneway compare, $kind in both tables" $? 0
done
[ $fail = 0 ] || cat $log
exit $fail
