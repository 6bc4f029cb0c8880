#!/bin/sh
# xenstore keeps what is written, tells those who watch, and guards what is not one's own.
#
# Paths are relative: below /local/domain/DOMID of the domain this runs in; `data` is the
# part that a guest itself may write.
# shellcheck disable=SC2317 # called through wait_for and trap
set -u
# shellcheck source=controls/tests/ktap.sh
. "$(dirname "$0")/ktap.sh"

# The control domain has no node `data`, and no test must leave one behind.
if in_control_domain; then node=xentest-$$; else node=data/xentest-$$; fi
events=${TMPDIR:-/tmp}/xenstore-events-$$
watcher=

clean_up() {
	[ -z "$watcher" ] || kill "$watcher" 2>/dev/null
	limited xenstore-rm "$node" >/dev/null 2>&1
	rm -f "$events"
}

read_node() {
	limited xenstore-read "$1" 2>/dev/null || echo "(nothing)"
}

event_count() {
	[ "$(grep -c "$node" "$events" 2>/dev/null)" -ge "$1" ]
}

write_and_read() {
	succeeds "write a node" xenstore-write "$node/word" "two words $$"
	is "read it back" "two words $$" "$(read_node "$node/word")"
	limited xenstore-write "$node/word" "changed"
	is "write it again" "changed" "$(read_node "$node/word")"
	limited xenstore-write "$node/other" 1
	names=$(limited xenstore-list "$node" 2>/dev/null | sort | tr '\n' ' ')
	is "list the nodes" "other word " "$names"
}

# A watch tells at once when it is set, and then of every change.
watch() {
	: >"$events"
	xenstore-watch "$node" >"$events" 2>&1 &
	watcher=$!
	if wait_for 30 event_count 1; then
		pass "a new watch reports"
	else
		fail "a new watch reports" "one event within 30 s" "'$(cat "$events")'"
	fi
	seen=$(grep -c "$node" "$events")
	limited xenstore-write "$node/watched" now
	if wait_for 30 event_count $((seen + 1)) && grep -q "$node/watched" "$events"; then
		pass "a watch reports a change"
	else
		fail "a watch reports a change" "$node/watched within 30 s" "'$(tail -n 1 "$events")'"
	fi
	kill "$watcher" 2>/dev/null
	wait "$watcher" 2>/dev/null
	watcher=
}

# For guests: the control domain may write everywhere.
# Each refusal stands between two writes through the same command that must succeed.
guarded() {
	refused "another domain's node cannot be written" xenstore-write "/local/domain/0/$node" forged
	target=$(read_node memory/target)
	case $target in
	*[!0-9]*) fail "the own memory target cannot be written" "a readable target" "'$target'" ;;
	*) refused "the own memory target cannot be written" xenstore-write memory/target "$target" ;;
	esac
}

remove() {
	succeeds "own nodes can still be written" xenstore-write "$node/word" "after"
	succeeds "remove the nodes" xenstore-rm "$node"
	is "what was removed is gone" "(nothing)" "$(read_node "$node/word")"
}

in_control_domain && control=yes || control=no
trap clean_up EXIT
trap 'exit 99' HUP INT TERM
if [ "$control" = yes ]; then ktap_begin 9; else ktap_begin 11; fi
write_and_read
watch
[ "$control" = yes ] || guarded
remove
ktap_end
