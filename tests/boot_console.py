"""What a serial console shows of boots."""

LINUX = "[    0.000000] Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org)\n"
GRUB = "\x1b[H\x1b[J\x1b[1;1H  Booting `{}'\n"
OWN = GRUB.format("Linux") + "\n" + LINUX + "[    1.0] clocksource: own boot\nown login:\n"
XEN = (
    GRUB.format("Xen under test")
    + "(XEN) Xen version 4.17.5 (root@) (gcc 12.2.0) debug=n\n(XEN) Command line: console=com1\n"
)
XEN_PANIC = (
    "(XEN) ----[ Xen-4.17.5  x86_64  debug=n  Not tainted ]----\n(XEN) CPU:    0\n"
    "(XEN) \n(XEN) ****************************************\n(XEN) Panic on CPU 0:\n"
    "(XEN) FATAL TRAP: vector = 6 (invalid opcode)\n"
    "(XEN) ****************************************\n(XEN) \n(XEN) Reboot in five seconds...\n"
)
OOPS = (
    "[   33.1] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
    "[   33.1] #PF: supervisor read access in kernel mode\n[   33.1] Oops: 0000 [#1] SMP\n"
    "[   33.2] Kernel panic - not syncing: Fatal exception\n"
)
