#!/bin/sh
# In the control domain: servers here, clients in guest1, over the Xen bridge; then a script
# with a hook.  The client's output of each workload is printed after "== NAME STATUS".
address=192.168.77.1
fail=0

# Each client is called by the name of its workload, in the order of the servers.
cat > clients.sh << 'END'
for name in tcp_rr tcp_stream udp_rr udp_stream; do
	mkdir -p /tmp/run && cp rushit /tmp/run/$name
	/tmp/run/$name -c -H dom0 -l 2 --json --patience 60 > /tmp/run/output 2>&1
	echo "== $name $?"
	cat /tmp/run/output
done
END
for name in tcp_rr tcp_stream udp_rr udp_stream; do
	cp rushit "/tmp/$name"
	"/tmp/$name" -H $address -s 300 > "/tmp/$name.out" 2>&1 || {
		echo "server of $name: status $?"
		cat "/tmp/$name.out"
	}
done &
sh ./in-guest.sh guest1 200 'sed s/dom0/192.168.77.1/ clients.sh > /tmp/c.sh; . /tmp/c.sh' || fail=1
wait
exit $fail
