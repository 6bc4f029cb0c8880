#include "checks.h"

#include <errno.h>
#include <stddef.h>

#include "tries.h"
#include "xenop.h"

/* What must become of it in the control domain, in PV, HVM, PVH and KVM guests, on a KVM host. */
#define RULES(control, pv, hvm, pvh, kvm, host) \
	{ MUST_##control, MUST_##pv, MUST_##hvm, MUST_##pvh, MUST_##kvm, MUST_##host }
#define XEN_PRIVILEGED RULES(ALLOW, REFUSE, REFUSE, REFUSE, NOT_APPLY, NOT_APPLY)
#define XEN_NOBODY RULES(REFUSE, REFUSE, REFUSE, REFUSE, NOT_APPLY, NOT_APPLY)
/* Who has virtual devices reaches those. */
#define PORTS RULES(ALLOW, REFUSE, ALLOW, REFUSE, ALLOW, NOT_APPLY)
#define REAL_HARDWARE RULES(ALLOW, REFUSE, NOT_APPLY, NOT_APPLY, NOT_APPLY, NOT_APPLY)
#define REAL_PCI RULES(ALLOW, REFUSE, REFUSE, REFUSE, REFUSE, NOT_APPLY)
#define XENS_OWN RULES(REFUSE, REFUSE, NOT_APPLY, NOT_APPLY, NOT_APPLY, NOT_APPLY)
#define CONTROL_ONLY RULES(ALLOW, NOT_APPLY, NOT_APPLY, NOT_APPLY, NOT_APPLY, NOT_APPLY)
#define GUESTS_NEVER RULES(NOT_APPLY, REFUSE, REFUSE, REFUSE, NOT_APPLY, NOT_APPLY)
#define EVERYBODY RULES(ALLOW, ALLOW, ALLOW, ALLOW, ALLOW, NOT_APPLY)
#define NOBODY RULES(REFUSE, REFUSE, REFUSE, REFUSE, REFUSE, NOT_APPLY)
#define KVM_NEVER RULES(NOT_APPLY, NOT_APPLY, NOT_APPLY, NOT_APPLY, REFUSE, NOT_APPLY)
#define KVM_HOST RULES(NOT_APPLY, NOT_APPLY, NOT_APPLY, NOT_APPLY, NOT_APPLY, ALLOW)

const struct check checks[] = {
	{ "createdomain", "create a domain (domctl)", &door_privcmd, try_create, XEN_PRIVILEGED,
	  { EPERM } },
	{ "pausedomain", "pause a domain (domctl)", &door_privcmd, try_pause, XEN_PRIVILEGED,
	  { EPERM } },
	{ "unpausedomain", "let a paused domain go on (domctl)", &door_privcmd, try_unpause,
	  XEN_PRIVILEGED, { EPERM } },
	{ "destroydomain", "destroy a domain (domctl)", &door_privcmd, try_destroy, XEN_PRIVILEGED,
	  { EPERM } },
	{ "iopl", "iopl(3), then read a port", &door_ports, try_iopl, PORTS, { OR_SHOWN } },
	{ "ioperm", "ioperm, then read a port", &door_ports, try_ioperm, PORTS, { OR_SHOWN } },
	{ "settime", "set Xen's clock (platform_op)", &door_privcmd, try_platform_settime,
	  XEN_PRIVILEGED, { EPERM } },
	{ "clock-settime", "set this domain's clock", &door_system, try_clock_settime, EVERYBODY,
	  { EPERM } },
	{ "hwclock", "set the hardware clock", &door_system, try_hardware_clock, REAL_HARDWARE,
	  { ENOENT, ENODEV } },
	{ "readconsole", "read Xen's console (sysctl)", &door_privcmd, try_readconsole,
	  XEN_PRIVILEGED, { EPERM } },
	{ "debug-keys", "press a debug key (sysctl)", &door_privcmd, try_debug_keys, XEN_PRIVILEGED,
	  { EPERM } },
	{ "xenstore-write", "write another domain's xenstore node", &door_xenstore,
	  try_foreign_node, XEN_PRIVILEGED, { EACCES } },
	{ "sysrq-xl", "send a domain a key with xl sysrq", &door_xenstore, try_sysrq, CONTROL_ONLY,
	  { 0 } },
	{ "sysrq-node", "order a sysrq through another domain's node", &door_xenstore,
	  try_foreign_sysrq, GUESTS_NEVER, { EACCES } },
	{ "foreign-map", "map another domain's memory", &door_foreign, try_foreign_map,
	  XEN_PRIVILEGED, { EPERM } },
	{ "grant-not-given", "map a page that was not granted", &door_grant, try_grant_not_given,
	  XEN_NOBODY, { EINVAL, EPERM, ENOENT, EAGAIN, EFAULT } },
	{ "event-not-offered", "bind to an event channel that was not offered", &door_event,
	  try_event_not_offered, XEN_NOBODY, { EINVAL, EPERM, ENOENT } },
	{ "msr-read", "read a register that no processor has", &door_msr, try_unknown_msr_read,
	  NOBODY, { EIO, OR_SHOWN } },
	{ "msr-write", "write a register that no processor has", &door_msr, try_unknown_msr_write,
	  NOBODY, { EIO, OR_SHOWN } },
	{ "pci-config", "read the host bridge's configuration", &door_port_access, try_pci_config,
	  REAL_PCI, { OR_SHOWN } },
	{ "dev-mem", "find the machine's firmware in /dev/mem", &door_memory, try_firmware,
	  REAL_HARDWARE, { EPERM, EFAULT, OR_SHOWN } },
	{ "mmio", "read the interrupt controller's registers", &door_memory,
	  try_interrupt_controller, XENS_OWN, { EINVAL, EFAULT, EIO, OR_SHOWN } },
	{ "user-hypercall", "a KVM hypercall from user mode", &door_kvm, try_user_hypercall,
	  KVM_NEVER, { EPERM } },
	{ "kernel-hypercall", "KVM hypercalls from a guest's kernel mode", &door_kvm_host,
	  try_kernel_hypercall, KVM_HOST, { 0 } },
	{ "host-sockets", "reach the host's libvirt over vsock", &door_unix, try_host_sockets,
	  KVM_NEVER, { OR_SHOWN } },
	{ "host-files", "see the host's libvirt files", &door_unix, try_host_files, KVM_NEVER,
	  { ENOENT } },
	{ .name = NULL },
};
