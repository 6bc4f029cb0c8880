#!/bin/sh
# A domain that is saved goes away, and comes back as it was when it is restored; twice, since
# only a kernel that lives on after the first time can answer the second request.
# shellcheck disable=SC2317 # called through wait_for and trap
set -u
# shellcheck source=controls/tests/ktap.sh
. "$(dirname "$0")/ktap.sh"
# shellcheck source=controls/tests/scratch.sh
. "$(dirname "$0")/scratch.sh"

LIMIT=120
image=${TMPDIR:-/var/tmp}/$SCRATCH.save

clean_up() {
	remove_scratch
	rm -f "$image"
}

answers_suspend() {
	[ "$(limited xenstore-read "/local/domain/$id/control/feature-suspend" 2>/dev/null)" = 1 ]
}

round() {
	look
	id=$(shown "$SCRATCH" ID)
	size=$(shown "$SCRATCH" Mem)
	rm -f "$image"
	succeeds "save it ($1)" xl save "$SCRATCH" "$image" || give_up "the domain could not be saved"
	if wait_for 30 not_listed_id "$id" && [ -s "$image" ]; then
		pass "a saved domain is gone and in a file ($1)"
	else
		fail "a saved domain is gone and in a file ($1)" "no domain $id, $image" \
			"the list '$(limited xl list 2>&1)', $(ls -l "$image" 2>&1)"
	fi
	succeeds "restore it ($1)" xl restore "$image" || give_up "the domain could not be restored"
	becomes "a restored domain is not paused ($1)" "a state without p" 30 state_lacks p
	is "a restored domain has its memory ($1)" "$size" "$(shown "$SCRATCH" Mem)"
}

need_scratch
trap clean_up EXIT
ktap_begin 12
create_scratch || give_up "there is no domain to test"
look
id=$(shown "$SCRATCH" ID)
if wait_for 120 answers_suspend; then
	pass "its kernel can be suspended"
else
	fail "its kernel can be suspended" "control/feature-suspend 1 within 120 s" "nothing"
	give_up "a kernel that does not answer cannot be saved"
fi
round first
round second
ktap_end
