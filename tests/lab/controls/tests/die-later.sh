#!/bin/sh
# die-later.sh FILE: ends this domain's kernel as soon as FILE is there, long after this test.
# What a test leaves running is ended with it, so the kernel is made to start what waits: as
# its reader of core dumps.
cp die.sh /run/die.sh || exit 1
printf '#!/bin/sh\n: > /run/waits\nexec sh /run/die.sh "$1"\n' > /run/die-later
chmod +x /run/die-later
echo "|/run/die-later $1" > /proc/sys/kernel/core_pattern || exit 1
sh -c 'kill -SEGV $$' & # dumps, and would wait for the reader
tries=0
until [ -e /run/waits ]; do
	tries=$((tries + 1))
	[ "$tries" -lt 120 ] || exit 1
	sleep 0.5
done
