/* The real processor's registers and the real machine's memory. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu.h"
#include "privcmd.h"
#include "supervisor.h"
#include "tries.h"

#define MSR_FILE "/dev/cpu/0/msr"
#define MSR_EFER 0xc0000080u	/* every 64-bit kernel may read it */
#define EFER_LONG_MODE_ACTIVE (1u << 10)
#define MSR_UNKNOWN 0x12345678u	/* no processor has it */
#define FIRMWARE 0xf0000
#define FIRMWARE_SIZE 0x10000
#define IO_APIC 0xfec00000u
#define MESSAGES 0xfee10000u	/* where devices write their interrupts to */
#define MESSAGES_GIVEN (4 << 16 | 18)	/* the release that gives them to the control domain */
#define PAGE 4096

static int open_msr(int flags)
{
	char *const load[] = { "modprobe", "msr", NULL };
	char words[256];
	int fd = open(MSR_FILE, flags | O_CLOEXEC);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	run_program(load, words, sizeof(words), 10000);
	return open(MSR_FILE, flags | O_CLOEXEC);
}

/* The whole register; a device that gives less is none. */
static bool read_register(int fd, off_t number, uint64_t *value, struct answer *why)
{
	ssize_t got = pread(fd, value, sizeof(*value), number);

	if (got < 0)
		*why = answer_refused(errno, "reading MSR 0x%llx", (unsigned long long)number);
	else if (got != sizeof(*value))
		*why = answer_broken(MSR_FILE " gave %zd bytes for a register", got);
	return got == sizeof(*value);
}

/* A door that shows zeros for whatever it is asked shows no register. */
struct answer known_msr_answer(uint64_t efer)
{
	if (!(efer & EFER_LONG_MODE_ACTIVE))
		return answer_broken(MSR_FILE " says that EFER is 0x%" PRIx64 ", in which no 64-bit "
				     "kernel runs: it shows no real register", efer);
	return answer_done("EFER reads %" PRIx64, efer);
}

static struct answer read_known_msr(struct scene *scene)
{
	struct answer why;
	uint64_t value;
	int fd = open_msr(O_RDONLY);

	(void)scene;
	if (fd < 0)
		return answer_unreached(MSR_FILE ": %s (is the module msr there? are you root?)",
					strerror(errno));
	if (!read_register(fd, MSR_EFER, &value, &why))
		return why;
	return known_msr_answer(value);
}

const struct door door_msr = { MSR_FILE, read_known_msr };

/* All zeros is what a hypervisor that ignores unknown registers answers. */
static struct answer read_unknown(int fd)
{
	struct answer why;
	uint64_t value;

	if (!read_register(fd, MSR_UNKNOWN, &value, &why))
		return why;
	if (!value)
		return answer_refused(0, "MSR 0x%x reads 0: ignored", MSR_UNKNOWN);
	return answer_done("MSR 0x%x, which no processor has, reads %" PRIx64, MSR_UNKNOWN, value);
}

struct answer try_unknown_msr_read(struct scene *scene)
{
	int fd = open_msr(O_RDONLY);

	(void)scene;
	return fd < 0 ? answer_broken(MSR_FILE ": %s", strerror(errno)) : read_unknown(fd);
}

struct answer try_unknown_msr_write(struct scene *scene)
{
	const uint64_t value = 0x5a5a;
	int fd = open_msr(O_RDWR);

	(void)scene;
	if (fd < 0)
		return answer_unreached(MSR_FILE " cannot be written: %s", strerror(errno));
	if (pwrite(fd, &value, sizeof(value), MSR_UNKNOWN) != sizeof(value))
		return errno == EPERM ? answer_unreached("Linux itself lets no register be written "
							 "(msr.allow_writes=off, or lockdown)") :
					answer_refused(errno, "MSR 0x%x", MSR_UNKNOWN);
	return read_unknown(fd);	/* taken: but did it stay? */
}

static int open_memory(struct answer *why)
{
	int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		*why = answer_unreached("/dev/mem: %s", strerror(errno));
	return fd;
}

static struct answer read_low_memory(struct scene *scene)
{
	struct answer answer;
	ssize_t got;
	char byte;
	int fd = open_memory(&answer);

	(void)scene;
	if (fd < 0)
		return answer;
	got = pread(fd, &byte, 1, PAGE);
	if (got < 0)
		return answer_unreached("Linux lets nobody read /dev/mem: %s", strerror(errno));
	if (!got)
		return answer_broken("/dev/mem ends before 0x%x", PAGE);
	return answer_done("/dev/mem can be read");
}

const struct door door_memory = { "/dev/mem", read_low_memory };

/* The marks of the machine's firmware, below 1 MiB, where Linux lets root look. */
struct answer try_firmware(struct scene *scene)
{
	static const char *const marks[] = { "_SM_", "_SM3_", "RSD PTR ", "_DMI_", "$PIR" };
	struct answer answer;
	char *memory = malloc(FIRMWARE_SIZE);
	ssize_t got;
	int fd = open_memory(&answer);

	if (fd < 0 || !memory)
		return fd < 0 ? answer : answer_broken("no memory");
	got = pread(fd, memory, FIRMWARE_SIZE, FIRMWARE);
	if (got < 0)
		return answer_refused(errno, "/dev/mem at 0x%x", FIRMWARE);
	if (!got)
		return answer_broken("/dev/mem ends before 0x%x", FIRMWARE);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (memmem(memory, (size_t)got, marks[i], strlen(marks[i])))
			return answer_done("the firmware at 0x%x shows its mark %s", FIRMWARE,
					   marks[i]);
	if (scene->role == ROLE_CONTROL && !access("/sys/firmware/efi", F_OK))
		return answer_unreached("the firmware is UEFI: its marks need not be at 0x%x",
					FIRMWARE);
	return answer_refused(0, "%zd bytes at 0x%x show no mark of a firmware", got, FIRMWARE);
}

/* A page of registers, mapped and touched: Xen may refuse either. */
static struct answer read_registers(int fd, uint64_t address)
{
	volatile uint32_t *registers = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, (off_t)address);
	uint32_t value;

	if (registers == MAP_FAILED && (errno == EPERM || address > UINT32_MAX))
		return answer_unreached("Linux keeps 0x%" PRIx64 " back (%s), so Xen is not asked",
					address, errno == EPERM ? "strict /dev/mem" : strerror(errno));
	if (registers == MAP_FAILED)
		return answer_refused(errno, "mapping 0x%" PRIx64, address);
	value = registers[0];
	if (value == 0xffffffffu && address != IO_APIC)
		return answer_unreached("0x%" PRIx64 " reads all ones, as it may on a real machine",
					address);
	if (value == 0xffffffffu)
		return answer_refused(0, "0x%" PRIx64 " reads all ones: nothing is behind it",
				      address);
	return answer_done("Xen's own page at 0x%" PRIx64 " reads 0x%x", address, value);
}

/* Until 4.18 Xen kept them back from the control domain; later machines have devices there. */
static bool messages_are_xens(void)
{
	struct privcmd door;

	return !privcmd_open(&door) && privcmd_version(&door) < MESSAGES_GIVEN;
}

/*
 * The IO-APIC is Xen's own: not even the control domain may touch it.  Where its Linux knows
 * that too, Xen is asked for one page of which Linux knows nothing: a refusal ends the try.
 */
struct answer try_interrupt_controller(struct scene *scene)
{
	uint64_t hypertransport = cpu_hypertransport_page();
	struct answer answer;
	int fd = open_memory(&answer);

	if (fd < 0)
		return answer;
	answer = read_registers(fd, IO_APIC);
	if (answer.became != BECAME_UNREACHED || scene->role != ROLE_CONTROL)
		return answer;
	if (messages_are_xens())
		return read_registers(fd, MESSAGES);
	if (hypertransport)
		return read_registers(fd, hypertransport);
	return answer_unreached("Linux keeps the IO-APIC back, and on this processor this Xen keeps "
				"nothing else that is known");
}
