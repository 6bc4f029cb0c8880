#!/bin/sh
# All workloads over vsock inside one domain; figures.json is left.  Skips, and says why,
# where the kernel has no vsock loopback.
: "${RUSHIT_SECONDS:=2}"
fail=0
modprobe vsock_loopback || { echo "this kernel has no module vsock_loopback"; exit 77; }
for name in vsock_rr vsock_crr vsock_stream udp_rr udp_stream; do
	./rushit "$name" --transport vsock -s 120 > server.out 2>&1 &
	./rushit "$name" --transport vsock -c -l "$RUSHIT_SECONDS" --json --patience 60 > output ||
		fail=$?
	cat output
	cat output >> figures.json
	wait $! || { fail=$?; cat server.out; }
done
exit $fail
