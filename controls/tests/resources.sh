#!/bin/sh
# A guest has the memory and the processors that the toolstack gave it, no more and no less.
# shellcheck disable=SC2317 # called through wait_for and trap
set -u
# shellcheck source=controls/tests/ktap.sh
. "$(dirname "$0")/ktap.sh"

MARGIN_KB=1024       # between what was asked for and what the balloon driver counts
KERNEL_KB=$((96 * 1024)) # what a kernel may keep for itself, besides one sixteenth of all

balloon_kb() {
	cat "$SYS/devices/system/xen_memory/xen_memory0/info/current_kb" 2>/dev/null
}

on_target() {
	now=$(balloon_kb)
	difference=$((${now:-0} - target))
	[ "$difference" -le "$MARGIN_KB" ] && [ "$difference" -ge "-$MARGIN_KB" ]
}

store_number() {
	number=$(limited xenstore-read "$1" 2>/dev/null)
	case $number in
	"" | *[!0-9]*) bail "xenstore's $1 is '$number', not a number" ;;
	esac
}

# How many of cpu/0, cpu/1, ... say "online".
store_cpus() {
	for cpu in $(limited xenstore-list cpu 2>/dev/null); do
		limited xenstore-read "cpu/$cpu/availability"
	done | grep -c '^online$'
}

! in_control_domain || skip_all "the control domain's memory is not set by the toolstack"
store_number memory/target
target=$number
store_number memory/static-max
maximum=$number
total=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' "$PROC/meminfo")

ktap_begin 4

if [ -z "$(balloon_kb)" ]; then
	skip "the domain has the memory it was given" "the kernel has no balloon driver"
elif wait_for 30 on_target; then
	pass "the domain has the memory it was given"
else
	fail "the domain has the memory it was given" "$target kB within $MARGIN_KB kB" "$(balloon_kb) kB"
fi

if [ "$total" -le "$maximum" ]; then
	pass "the kernel has no more than the maximum"
else
	fail "the kernel has no more than the maximum" "at most $maximum kB" "$total kB"
fi

least=$((target - target / 16 - KERNEL_KB))
if [ "$total" -gt 0 ] && [ "$total" -ge "$least" ]; then
	pass "the kernel uses what it was given"
else
	fail "the kernel uses what it was given" "at least $least kB" "$total kB"
fi

is "the kernel runs the processors that are online" \
	"$(store_cpus)" "$(grep -c '^processor' "$PROC/cpuinfo")"
ktap_end
