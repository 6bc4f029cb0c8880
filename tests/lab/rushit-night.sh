#!/bin/sh
# In the control domain: a night of two guests and itself, started as in-guest.sh starts one.
# Prints each result.json as "== DOMAIN TEST" and the file.
shared=/xentest/shared
for name in guest1 guest2 dom0; do
	mkdir -p "$shared/$name" && chown nobody:nogroup "$shared/$name"
done
mkdir -p "$shared/barriers" && chmod 1777 "$shared/barriers"
mkdir payloads && cp rushit between-domains.sh vsock-loopback.sh payloads/
tar czf "$shared/payloads.tar.gz" payloads
cat > control << 'END'
[Preferences]
xen-tree=none
shared_dir=/xentest/shared
[Locations]
none=file:///none
[DEFAULT]
tempdir=/var/tmp/xentest
payloads=file:///xentest/shared/payloads.tar.gz
[rushit-bridge]
source_url=%(payloads)s
test_dir=payloads
run_command=./between-domains.sh
env=RUSHIT_SECONDS=4
figures=json:figures.json
timeout=5m
[rushit-vsock]
source_url=%(payloads)s
test_dir=payloads
run_command=./vsock-loopback.sh
env=RUSHIT_SECONDS=1
figures=json:figures.json
timeout=5m
[XENVM0]
name=dom0
config=none
test1=rushit-vsock
[XENVM1]
name=guest1
config=/etc/xen/guest1.cfg
role=client
barriers=ready
test1=rushit-bridge
[XENVM2]
name=guest2
config=/etc/xen/guest2.cfg
role=server
barriers=ready
test1=rushit-bridge
END
hostname dom0
for name in guest1 guest2; do
	cp control "$shared/$name/xentests.conf"
	xl create "/etc/xen/$name.cfg" > /dev/null || exit 99
done
end=$(($(date +%s) + 400))
for name in guest1 guest2; do
	until [ ! -e "$shared/$name/xentests.conf" ]; do
		[ "$(date +%s)" -lt $end ] || {
			echo "$name did not end its test"
			xl list
			tail -n 30 "/var/log/xen/console/guest-$name.log"
			cat "$shared/$name"/results/*/output
			break
		}
		busybox usleep 200000
	done
done
cp control "$shared/dom0/xentests.conf"
xenruntests --shared "$shared" || echo "xenruntests: $?"
for file in "$shared"/*/results/*/result.json; do
	folder=${file%/result.json}
	echo "== $(echo "$folder" | cut -d/ -f4) ${folder#*-}"
	cat "$file"
	echo
	grep -q '"status": "pass"' "$file" || cat "$folder/output"
done
