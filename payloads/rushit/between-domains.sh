#!/bin/sh
# One test in two domains, met through the barrier "ready": the domain whose role is "server"
# serves, the one whose role is "client" drives each workload of RUSHIT_WORKLOADS for
# RUSHIT_SECONDS, and leaves figures.json.  They wait RUSHIT_MEETING seconds for each other, for
# guests may boot one after another, and then RUSHIT_PATIENCE seconds in each workload.
: "${RUSHIT_WORKLOADS:=tcp_rr tcp_crr tcp_stream udp_rr udp_stream}" "${RUSHIT_SECONDS:=5}" \
	"${RUSHIT_MEETING:=240}" "${RUSHIT_PATIENCE:=120}"
fail=0

serve() {
	ip -4 -o address show scope global | sed -n '1s/.*inet \([0-9.]*\).*/\1/p' \
		> "$XENTEST_SHARED/$XENTEST_DOMAIN/rushit.address"
	xenruntests --barrier ready --timeout "$RUSHIT_MEETING" || return 99
	for name in $RUSHIT_WORKLOADS; do
		./rushit "$name" --json --patience "$RUSHIT_PATIENCE" || fail=$?
	done
}

drive() {
	xenruntests --barrier ready --timeout "$RUSHIT_MEETING" || return 99
	server=$(cat "$XENTEST_SHARED"/*/rushit.address)
	for name in $RUSHIT_WORKLOADS; do
		./rushit "$name" -c -H "$server" -l "$RUSHIT_SECONDS" --warmup 1 --json \
			--patience "$RUSHIT_PATIENCE" > output || fail=$?
		cat output
		cat output >> figures.json
	done
}

case $XENTEST_ROLE in
server) serve || fail=$? ;;
client) drive || fail=$? ;;
*)
	echo "XENTEST_ROLE is '$XENTEST_ROLE'; give role=server and role=client in the control file"
	fail=99
	;;
esac
exit $fail
