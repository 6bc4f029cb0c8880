# shellcheck shell=sh
# KTAP version 1 for shell tests: sourced, never run.
#
#   ktap_begin COUNT             how many results will follow
#   pass NAME / fail NAME EXPECTED GOT / skip NAME REASON
#   is NAME EXPECTED GOT         passes when the two texts are equal
#   succeeds NAME COMMAND...     passes when the command does
#   refused NAME COMMAND...      passes when the command fails by itself (not by a time limit)
#   wait_for SECONDS COMMAND...  until the command succeeds; fails after the limit
#   ktap_end                     ends the script: 0 pass, 1 fail, 77 all skipped, 99 lost results
#   give_up REASON               the same after a failure that leaves nothing to test
#   skip_all REASON / bail REASON

LIMIT=60 # seconds for one command of the toolstack
SYS=${SYS:-/sys}
PROC=${PROC:-/proc}
PATH=$PATH:/usr/sbin:/sbin
ktap_done=0
ktap_failed=0
ktap_skipped=0

ktap_begin() {
	ktap_planned=$1
	echo "KTAP version 1"
	echo "1..$1"
}

pass() {
	ktap_done=$((ktap_done + 1))
	echo "ok $ktap_done $1"
}

fail() {
	ktap_done=$((ktap_done + 1))
	ktap_failed=$((ktap_failed + 1))
	echo "# $1: expected $2, got $3"
	echo "not ok $ktap_done $1"
}

skip() {
	ktap_done=$((ktap_done + 1))
	ktap_skipped=$((ktap_skipped + 1))
	echo "ok $ktap_done $1 # SKIP $2"
}

is() {
	if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "'$2'" "'$3'"; fi
}

succeeds() {
	ktap_name=$1
	shift
	ktap_output=$(limited "$@" 2>&1) && ktap_status=0 || ktap_status=$?
	if [ "$ktap_status" = 0 ]; then
		pass "$ktap_name"
	else
		fail "$ktap_name" "'$*' to succeed" "status $ktap_status: $(last_line "$ktap_output")"
	fi
	return "$ktap_status"
}

refused() {
	ktap_name=$1
	shift
	limited "$@" >/dev/null 2>&1 && ktap_status=0 || ktap_status=$?
	# 124: the time limit; 126, 127: there was no such command; more: a signal.
	case $ktap_status in
	0) fail "$ktap_name" "'$*' to be refused" "success" ;;
	124 | 12[6-9] | 1[3-9]? | 2??) fail "$ktap_name" "'$*' to be refused" "status $ktap_status" ;;
	*) pass "$ktap_name" ;;
	esac
}

wait_for() {
	ktap_deadline=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$ktap_deadline" ] || return 1
		sleep 0.2 2>/dev/null || sleep 1
	done
}

limited() {
	timeout "$LIMIT" "$@"
}

last_line() {
	printf '%s\n' "$1" | tail -n 1
}

ktap_end() {
	if [ "$ktap_done" != "$ktap_planned" ]; then
		bail "$ktap_planned results were planned, $ktap_done were given"
	fi
	[ "$ktap_failed" = 0 ] || exit 1
	[ "$ktap_skipped" != "$ktap_done" ] || exit 77
	exit 0
}

# give_up REASON: ends after a failure that leaves nothing to test; the rest counts as skipped.
give_up() {
	while [ "$ktap_done" -lt "$ktap_planned" ]; do
		skip "not tried" "$1"
	done
	ktap_end
}

skip_all() {
	echo "KTAP version 1"
	echo "1..0 # SKIP $1"
	exit 77
}

bail() {
	echo "Bail out! $1"
	exit 99
}

# The number of the domain this runs in; nothing works without xenstore, so its absence ends all.
own_domid() {
	limited xenstore-read domid 2>/dev/null || echo none
}

# Whether this is the control domain. Ends the test when xenstore does not answer.
in_control_domain() {
	[ -n "${ktap_domid:-}" ] || ktap_domid=$(own_domid)
	case $ktap_domid in
	0) return 0 ;;
	*[!0-9]*) bail "xenstore does not tell this domain's number (xenstore-read domid)" ;;
	*) return 1 ;;
	esac
}
