#!/bin/sh
# Does not end, nor do its children: one in its group, one that has left group and session.
trap '' TERM INT HUP
setsid sh -c 'trap "" TERM; while :; do sleep 1; done' test-stray &
sh -c 'trap "" TERM; (while :; do sleep 1; done) & while :; do sleep 1; done' test-stray &
sleep 1
"$(dirname "$0")/strays.sh"
while :; do sleep 1; done
