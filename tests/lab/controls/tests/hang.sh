#!/bin/sh
# Does not end, nor do its children: one in its group, one that has left group and session.
trap '' TERM INT HUP
setsid sh -c 'trap "" TERM; while :; do sleep 1; done' test-stray &
sh -c 'trap "" TERM; (while :; do sleep 1; done) & while :; do sleep 1; done' test-stray &
until "$(dirname "$0")/strays.sh" | grep -q 'strays: [1-9]'; do sleep 0.1; done
"$(dirname "$0")/strays.sh"
while :; do sleep 1; done
