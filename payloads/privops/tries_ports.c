/*
 * Input and output ports.  Linux grants iopl() and ioperm() to root in every domain, so
 * the system call says nothing: a real access follows.  For a PV guest Xen answers a
 * port that is not its own with all ones, or with a fault.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <unistd.h>

#include "cpu.h"
#include "tries.h"

#define KEYBOARD_STATUS 0x64
#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define PCI_ENABLE 0x80000000u
#define PCI_SUBSYSTEM 0x2c
#define VENDOR_QEMU 0x1af4u
#define FADT_REVISION 8
#define FADT_BOOT_FLAGS 109
#define FADT_HAS_8042 2

static struct answer is_root(struct scene *scene)
{
	(void)scene;
	if (geteuid())
		return answer_unreached("run this as root: Linux refuses port access to others");
	return answer_done("root");
}

const struct door door_ports = { "root's system calls", is_root };

static bool has_virtual_devices(enum role role)
{
	return role == ROLE_HVM_GUEST || role == ROLE_KVM_GUEST;
}

/*
 * QEMU's own processor looks for I/O permissions only in a task segment that is not marked
 * busy; KVM and Xen mark a guest's busy, as real processors do.
 */
struct answer fault_answer(enum role role, bool emulated, const char *how)
{
	if (has_virtual_devices(role) && emulated)
		return answer_unreached("a fault at port 0x%x after %s: QEMU's emulated processor "
					"lets no nested guest's programs reach a port, whatever "
					"its hypervisor grants", KEYBOARD_STATUS, how);
	return answer_refused(0, "a fault at port 0x%x after %s", KEYBOARD_STATUS, how);
}

/* An emulated machine's ports are the guest's own: only where they answer is another refused. */
static struct answer own_port(struct scene *scene)
{
	struct answer answer = is_root(scene);

	if (answer.became != BECAME_DONE || !has_virtual_devices(scene->role))
		return answer;
	return try_ioperm(scene);
}

const struct door door_port_access = { "port access", own_port };

/* The boot flags of ACPI's fixed table: since its third revision they tell. */
bool keyboard_is_absent(const char *root)
{
	unsigned char table[FADT_BOOT_FLAGS + 1];
	char path[PATH_MAX];
	bool absent;
	FILE *file;

	snprintf(path, sizeof(path), "%s/sys/firmware/acpi/tables/FACP", root);
	file = fopen(path, "re");
	if (!file)
		return false;
	absent = fread(table, sizeof(table), 1, file) == 1 && table[FADT_REVISION] >= 3 &&
		 !(table[FADT_BOOT_FLAGS] & FADT_HAS_8042);
	fclose(file);
	return absent;
}

static sigjmp_buf before_fault;

static void on_fault(int number)
{
	siglongjmp(before_fault, number);
}

static struct answer read_port(const struct scene *scene, const char *how)
{
	unsigned char status;

	signal(SIGSEGV, on_fault);
	if (sigsetjmp(before_fault, 1))
		return fault_answer(scene->role, cpu_is_emulated(), how);
	status = inb(KEYBOARD_STATUS);
	if (status == 0xff && scene->role == ROLE_CONTROL && keyboard_is_absent(scene->root))
		return answer_unreached("ACPI says that this machine has no keyboard controller "
					"behind port 0x%x", KEYBOARD_STATUS);
	if (status == 0xff)
		return answer_refused(0, "after %s, port 0x%x reads 0xff: nothing is behind it",
				      how, KEYBOARD_STATUS);
	return answer_done("after %s, port 0x%x reads 0x%02x", how, KEYBOARD_STATUS, status);
}

/* No hypervisor has a word in these calls: a port that was granted is what it can refuse. */
struct answer port_call_answer(int error, const char *name)
{
	if (error == ENOSYS)
		return answer_unreached("this kernel was built without %s "
					"(CONFIG_X86_IOPL_IOPERM)", name);
	if (error == EPERM)
		return answer_unreached("Linux itself refuses %s (no CAP_SYS_RAWIO, or lockdown), so "
					"no port is asked", name);
	return answer_refused(error, "%s", name);
}

struct answer try_iopl(struct scene *scene)
{
	if (iopl(3))
		return port_call_answer(errno, "iopl");
	return read_port(scene, "iopl(3)");
}

struct answer try_ioperm(struct scene *scene)
{
	if (ioperm(KEYBOARD_STATUS, 1, 1))
		return port_call_answer(errno, "ioperm");
	return read_port(scene, "ioperm");
}

static unsigned int read_config(unsigned int offset)
{
	outl(PCI_ENABLE | offset, PCI_ADDRESS);
	return inl(PCI_DATA);
}

struct answer pci_answer(enum role role, unsigned int id, unsigned int subsystem)
{
	/* All ones, or a vendor that cannot be. */
	if (id == 0xffffffffu || !(id & 0xffff))
		return answer_refused(0, "no device answers at 00:00.0 (0x%08x)", id);
	if (has_virtual_devices(role) && subsystem == VENDOR_QEMU)
		return answer_refused(0, "00:00.0 is %04x:%04x of the emulated machine, not the "
				      "host's", id & 0xffff, id >> 16);
	return answer_done("00:00.0 is %04x:%04x", id & 0xffff, id >> 16);
}

/* The configuration of device 00:00.0 through the ports. */
struct answer try_pci_config(struct scene *scene)
{
	unsigned int id;

	if (iopl(3))
		return port_call_answer(errno, "iopl");
	id = read_config(0);
	return pci_answer(scene->role, id, read_config(PCI_SUBSYSTEM) & 0xffff);
}
