# shellcheck shell=sh
# A domain of one's own to play with: sourced after ktap.sh by tests of the control domain.
#
# /etc/xen/scratch.cfg describes a small PV domain without disk and network.

SCRATCH_CONFIG=${SCRATCH_CONFIG:-/etc/xen/scratch.cfg}
SCRATCH=scratch-$$

need_scratch() {
	in_control_domain || skip_all "only the control domain can start domains"
	[ -f "$SCRATCH_CONFIG" ] || bail "$SCRATCH_CONFIG is missing: it describes the scratch domain"
	look
	[ "$(shown Domain-0 ID)" = 0 ] || bail "xl list does not show Domain-0: $(limited xl list 2>&1)"
	[ -z "$(shown "$SCRATCH" ID)" ] || bail "a domain named $SCRATCH is there already"
	trap remove_scratch EXIT
	trap 'exit 99' HUP INT TERM
}

remove_scratch() {
	look
	[ -z "$(shown "$SCRATCH" ID)" ] || limited xl destroy "$SCRATCH"
}

create_scratch() {
	succeeds "create a domain" xl create -q "$SCRATCH_CONFIG" "name=\"$SCRATCH\""
}

# Asking the toolstack is dear: look once, then read what it showed as often as need be.
look() {
	listing=$(limited xl list 2>/dev/null)
}

# shown NAME ID|Mem|VCPUs|State: what was seen of a domain; nothing when it was not there.
shown() {
	printf '%s\n' "$listing" | awk -v name="$1" -v wanted="$2" '
		NR == 1 { for (i = 1; i <= NF; i++) place[$i] = i; next }
		$1 == name { print $place[wanted] }'
}

# Whether no domain with this number is left, under whatever name (a zombie is called "(null)").
# An xl that fails must not look like a domain that is gone.
not_listed_id() {
	limited xl list 2>/dev/null | awk -v id="$1" '
		$1 == "Domain-0" { works = 1 }
		NR > 1 && $2 == id { found = 1 }
		END { exit !(works && !found) }'
}

state_has() {
	look
	case $(shown "$SCRATCH" State) in *"$1"*) return 0 ;; *) return 1 ;; esac
}

state_lacks() {
	look
	case $(shown "$SCRATCH" State) in "" | *"$1"*) return 1 ;; *) return 0 ;; esac
}

# becomes NAME EXPECTED SECONDS CONDITION...: one result about the scratch domain's state.
becomes() {
	becomes_name=$1
	becomes_expected=$2
	shift 2
	if wait_for "$@"; then
		pass "$becomes_name"
	else
		got=$(shown "$SCRATCH" State)
		fail "$becomes_name" "$becomes_expected" "${got:-no such domain}"
	fi
}
