#!/bin/sh
# Both halves in one machine, over the vsock loopback, for control files:
#   vsock-both.sh integration       verdicts as KTAP
#   vsock-both.sh perf [VOLUME...]  figures as JSON; --scale 0.01, --bytes 8M, ...
# With WHERE=127.0.0.1 over TCP instead.  Exit status: the worse half's; 77 without a loopback.
set -u
what=${1:?integration or perf}
where=${WHERE:-local}
here=$(dirname "$0")
[ -x "$here/vsock-util" ] || here=$here/build
shift
modprobe -aq vsock_loopback 2> /dev/null

case $what in
integration)
	"$here/vsock-integration" --listen "$where" --ktap &
	host=$!
	"$here/vsock-util" integration_test --peer "$where" > /dev/null
	guest=$?
	wait $host
	status=$?
	;;
perf)
	# A slow packet is a figure here, no error.
	"$here/vsock-perf" --listen "$where" --json --packet-timeout 10000 \
		--transfer-timeout 120 "$@" &
	host=$!
	"$here/vsock-util" micro_benchmark --peer "$where" --timeout 120 "$@"
	guest=$?
	wait $host
	status=$?
	;;
*)
	echo "vsock-both.sh: what is '$what'? write integration or perf" >&2
	exit 2
	;;
esac
[ $status -ne 0 ] || status=$guest
exit $status
