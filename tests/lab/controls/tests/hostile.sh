#!/bin/sh
# What a guest may write into its results, and what it must not get by that.
shared=/xentest/shared
mine=$shared/guest2/results/1-hostile
ln -s /etc/shadow "$mine/logs/shadow"
ln -s / "$mine/logs/root"
mkfifo "$mine/logs/fifo"
mknod "$mine/logs/disk" b 202 0
mkdir "$shared/guest2/results/2-good"
ln -s /etc/shadow "$shared/guest2/results/2-good/output"
# A pass for a test of the control domain that will fail.
forged='{"domain": "dom0", "test": "fails", "number": 8, "status": "pass", "reason": "forged"}'
mkdir -p "$shared/dom0/results/8-fails"
echo "$forged" > "$shared/dom0/results/8-fails/result.json"
echo "done"
