#!/bin/sh
# Both halves in one machine, over the vsock loopback, for control files:
#   vsock-both.sh integration            verdicts as KTAP
#   vsock-both.sh perf FILE [VOLUME...]  figures into FILE (JSON); --scale 0.01, --bytes 8M, ...
# With WHERE=127.0.0.1 over TCP instead.  Exit status: the worse half's; 77 without a loopback.
set -u
what=${1:?integration or perf FILE}
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
	file=${1:?where to write the figures?}
	shift
	# A slow packet is a figure here, no error.
	"$here/vsock-perf" --listen "$where" --json --packet-timeout 10000 \
		--transfer-timeout 120 "$@" > "$file" &
	host=$!
	"$here/vsock-util" micro_benchmark --peer "$where" --timeout 120 "$@"
	guest=$?
	wait $host
	status=$?
	cat "$file"
	;;
*)
	echo "vsock-both.sh: what is '$what'? write integration or perf FILE" >&2
	exit 2
	;;
esac
[ $status -ne 0 ] || status=$guest
exit $status
