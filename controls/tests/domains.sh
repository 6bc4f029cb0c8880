#!/bin/sh
# The toolstack makes, pauses, unpauses and destroys a domain, and Xen takes back its memory.
# shellcheck disable=SC2317 # called through wait_for
set -u
# shellcheck source=controls/tests/ktap.sh
. "$(dirname "$0")/ktap.sh"
# shellcheck source=controls/tests/scratch.sh
. "$(dirname "$0")/scratch.sh"

# Memory (MiB) that is neither free nor a domain's. Other domains may come and go meanwhile,
# so free memory alone would tell nothing.
unowned() {
	owned=$(limited xl list | awk 'NR > 1 { sum += $3 } END { print sum + 0 }')
	limited xl info | awk -v owned="$owned" '
		$1 == "total_memory" { total = $3 }
		$1 == "free_memory" { free = $3 }
		END { print total - free - owned }'
}

memory_is_back() {
	[ "$(unowned)" -le "$limit" ]
}

need_scratch
before=$(unowned)
ktap_begin 9
create_scratch || give_up "there is no domain to test"
look
id=$(shown "$SCRATCH" ID)
size=$(shown "$SCRATCH" Mem)
is "its name leads to its number" "$id" "$(limited xl domid "$SCRATCH" 2>/dev/null)"
becomes "a new domain is not paused" "a state without p" 10 state_lacks p

succeeds "pause it" xl pause "$SCRATCH"
becomes "a paused domain is shown as paused" "a state with p" 10 state_has p
limited xl unpause "$SCRATCH"
becomes "an unpaused domain is not paused" "a state without p" 10 state_lacks p

succeeds "destroy it" xl destroy "$SCRATCH"
if wait_for 30 not_listed_id "$id"; then
	pass "a destroyed domain is gone"
else
	fail "a destroyed domain is gone" "no domain $id" "$(limited xl list | awk -v id="$id" '$2 == id')"
fi

limit=$((before + size / 2))
if wait_for 60 memory_is_back; then
	pass "its memory came back"
else
	fail "its memory came back" "at most $limit MiB without an owner" "$(unowned) MiB"
fi
ktap_end
