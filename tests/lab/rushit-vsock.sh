#!/bin/sh
# Over vsock loopback in the emulated machine; a skip's status where there is no transport.
modprobe vsock_loopback || exit 77
for name in vsock_rr vsock_crr vsock_stream udp_stream udp_rr; do
	cp rushit "/tmp/$name"
	transport="--transport vsock"
	"/tmp/$name" $transport -s 60 > "/tmp/$name.out" 2>&1 &
	server=$!
	"/tmp/$name" $transport -c -F 3 -T 2 -l 1 --json > /tmp/client.out 2>&1
	echo "== $name $?"
	cat /tmp/client.out
	wait $server || {
		echo "server of $name: status $?"
		cat "/tmp/$name.out"
	}
done
# As bare as can be, for comparison.
address=vsock:local:7777
./bare --server --address $address &
./bare --address $address --seconds 1 | sed 's/^/bare /'
wait
"/tmp/vsock_rr" -s 60 > /dev/null 2>&1 &
"/tmp/vsock_rr" -c -l 1 | sed -n 's/^throughput/alone/p'
wait
