#!/bin/sh
# Everything that names the running hypervisor names the same one.
#
# In the control domain the kernel's view (/sys/hypervisor) is held against the toolstack's
# (xl info) and the hypervisor's own (xl dmesg). A guest must see the version and its own
# identity, and must not see the build id, which is the control domain's business.
set -u
# shellcheck source=controls/tests/ktap.sh
. "$(dirname "$0")/ktap.sh"

sys() {
	tr -d '\n' 2>/dev/null <"$SYS/hypervisor/$1" || echo "(no $1)"
}

info() {
	limited xl info 2>/dev/null | sed -n "s/^$1 *: *//p" | sed 's/ *$//'
}

kernel_version() {
	echo "$(sys version/major).$(sys version/minor)$(sys version/extra)"
}

in_control_domain && control=yes || control=no
version=$(kernel_version)

if [ "$control" = yes ]; then
	ktap_begin 6
else
	ktap_begin 5
fi

is "the kernel runs on Xen" xen "$(sys type)"

case $version in
[0-9]*.[0-9]*) pass "the kernel knows Xen's version" ;;
*) fail "the kernel knows Xen's version" "a version such as 4.17.5" "'$version'" ;;
esac

control_checks() {
	is "xl and the kernel agree on the version" "$(info xen_version)" "$version"

	banner=$(limited xl dmesg 2>/dev/null | sed -n 's/.*Xen version \([^ ]*\) .*/\1/p' | head -n 1)
	if [ -n "$banner" ]; then
		is "the boot banner names the same version" "$version" "$banner"
	else
		skip "the boot banner names the same version" "the banner has left Xen's console buffer"
	fi

	# The kernel gives the id's plain bytes.
	build_id=$(od -An -v -tx1 "$SYS/hypervisor/properties/buildid" | tr -d ' \n')
	case $build_id in
	"") fail "xl and the kernel agree on the build id" "a build id" "none" ;;
	*) is "xl and the kernel agree on the build id" "$(info build_id)" "$build_id" ;;
	esac

	is "xl and the kernel agree on the capabilities" \
		"$(info xen_caps)" "$(sys properties/capabilities | sed 's/ *$//')"
}

guest_checks() {
	said=$(dmesg 2>/dev/null | sed -n 's/.*Xen version: \([0-9][^ ]*\).*/\1/p' | head -n 1)
	if [ -n "$said" ]; then
		is "the kernel found this version at boot" "$version" "$said"
	else
		skip "the kernel found this version at boot" "the kernel log does not reach back to the boot"
	fi

	is "xenstore and the kernel agree on the domain's uuid" \
		"$(limited xenstore-read vm 2>/dev/null)" "/vm/$(sys uuid)"

	# The version above came through the same hypercall, so this is a refusal, not a silence.
	is "a guest is not told the build id" "<denied>" "$(sys properties/buildid)"
}

if [ "$control" = yes ]; then
	control_checks
else
	guest_checks
fi
ktap_end
