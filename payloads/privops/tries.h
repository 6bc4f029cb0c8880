/* All tries and doors, for the table in checks.c; what each does stands at its head. */
#ifndef PRIVOPS_TRIES_H
#define PRIVOPS_TRIES_H

#include "check.h"

/* tries_domain.c: the paper's four */
struct answer try_create(struct scene *scene);
struct answer try_pause(struct scene *scene);
struct answer try_unpause(struct scene *scene);
struct answer try_destroy(struct scene *scene);
/* Destroy what a killed try left; in the supervisor. */
void destroy_scratch(struct scene *scene);

/* tries_host.c: the hypervisor's clock, console and keys */
struct answer try_platform_settime(struct scene *scene);
struct answer try_readconsole(struct scene *scene);
struct answer try_debug_keys(struct scene *scene);

/* tries_system.c: clocks through Linux */
extern const struct door door_system;
struct answer try_clock_settime(struct scene *scene);
struct answer try_hardware_clock(struct scene *scene);
/* What it means that the hardware clock's device failed. */
struct answer rtc_answer(int error, const char *device);

/* tries_ports.c: input and output ports, PCI configuration */
extern const struct door door_ports, door_port_access;
struct answer try_iopl(struct scene *scene);
struct answer try_ioperm(struct scene *scene);
/* No port 0x64 is behind which nothing can be. */
bool keyboard_is_absent(const char *root);
/* What it means that iopl or ioperm failed. */
struct answer port_call_answer(int error, const char *name);
/* What a fault at a port means that Linux has granted. */
struct answer fault_answer(enum role role, bool emulated, const char *how);
struct answer try_pci_config(struct scene *scene);
/* An emulated machine's own host bridge is no secret, another one is. */
struct answer pci_answer(enum role role, unsigned int id, unsigned int subsystem);

/* tries_xenstore.c */
extern const struct door door_xenstore;
struct answer try_foreign_node(struct scene *scene);
struct answer try_foreign_sysrq(struct scene *scene);
struct answer try_sysrq(struct scene *scene);
/* What a killed try left paused goes on; in the supervisor. */
void unpause_victim(struct scene *scene);

/* tries_sharing.c: memory and events between domains */
extern const struct door door_foreign, door_grant, door_event;
struct answer try_foreign_map(struct scene *scene);
struct answer try_grant_not_given(struct scene *scene);
struct answer try_event_not_offered(struct scene *scene);

/* tries_machine.c: MSRs, /dev/mem, MMIO */
extern const struct door door_msr, door_memory;
/* What it means that EFER, which every processor has, reads so. */
struct answer known_msr_answer(uint64_t efer);
struct answer try_unknown_msr_read(struct scene *scene);
struct answer try_unknown_msr_write(struct scene *scene);
struct answer try_firmware(struct scene *scene);
struct answer try_interrupt_controller(struct scene *scene);

/* tries_kvm.c */
extern const struct door door_kvm, door_unix;
struct answer try_user_hypercall(struct scene *scene);
struct answer hypercall_answer(long result);
struct answer try_host_sockets(struct scene *scene);
struct answer try_host_files(struct scene *scene);

/* tries_kvm_host.c */
extern const struct door door_kvm_host;
struct answer try_kernel_hypercall(struct scene *scene);
struct answer kernel_hypercall_answer(int32_t known, int32_t unknown);

#endif
