#!/bin/sh
# Fails if a process of hang.sh is left.
found=$(grep -l 'test-stra[y]' /proc/[0-9]*/cmdline 2>/dev/null | wc -l)
echo "strays: $found"
[ "$found" = 0 ]
