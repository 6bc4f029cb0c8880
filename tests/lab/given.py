#!/usr/bin/python3
"""Inside the lab's machine with Xen: offers this domain an event channel and grants it a page, and
keeps both until its input ends.  What must be refused when it was not given is there to be had.
"""

import fcntl
import struct
import sys

SELF = 0
BIND_UNBOUND_PORT = 4 << 16 | ord("E") << 8 | 2
ALLOC_GREF = 24 << 16 | ord("G") << 8 | 5

with open("/dev/xen/evtchn", "r+b", 0) as events, open("/dev/xen/gntalloc", "r+b", 0) as grants:
    port = fcntl.ioctl(events, BIND_UNBOUND_PORT, struct.pack("=I", SELF))
    grant = fcntl.ioctl(grants, ALLOC_GREF, struct.pack("=HHIQII", SELF, 1, 1, 0, 0, 0))
    reference = struct.unpack("=HHIQII", grant)[4]
    print(f"given: port {port}, reference {reference}", flush=True)
    sys.stdin.read()
