#include "emit.h"

#include <stdio.h>
#include <string.h>

#include "run.h"

static const char head[] =
	"#include <errno.h>\n"
	"#include <fcntl.h>\n"
	"#include <stdint.h>\n"
	"#include <stdio.h>\n"
	"#include <string.h>\n"
	"#include <sys/ioctl.h>\n"
	"#include <sys/mman.h>\n"
	"#include <sys/syscall.h>\n"
	"#include <unistd.h>\n"
	"\n"
	"static int fd;\n"
	"static unsigned char *arena;\n"
	"\n"
	"static void call(const char *name, uint64_t number, uint64_t a0, uint64_t a1,\n"
	"\t\t uint64_t a2, uint64_t a3, uint64_t a4)\n"
	"{\n"
	"\tuint64_t words[6] = { number, a0, a1, a2, a3, a4 };\n"
	"\tlong result = syscall(SYS_ioctl, fd, _IOC(_IOC_NONE, 'P', 0, sizeof(words)), words);\n"
	"\n"
	"\tprintf(\"%s: %ld\\n\", name, result == -1 ? -errno : result);\n"
	"\tfflush(stdout);\n"
	"}\n"
	"\n"
	"static void put(size_t at, const char *bytes, size_t size)\n"
	"{\n"
	"\tmemcpy(arena + at, bytes, size);\n"
	"}\n"
	"\n"
	"static void point(size_t at, size_t to)\n"
	"{\n"
	"\tuint64_t address = (uintptr_t)arena + to;\n"
	"\n"
	"\tmemcpy(arena + at, &address, sizeof(address));\n"
	"}\n"
	"\n"
	"int main(void)\n"
	"{\n"
	"\tint buffer = open(\"/dev/xen/hypercall\", O_RDWR);\n"
	"\n"
	"\tfd = open(\"/dev/xen/privcmd\", O_RDWR);\n";

void emit_begin(const struct plan *plan)
{
	printf("/* xenfc, seed %llu.  For a machine that may crash: it talks to Xen directly. */\n",
	       (unsigned long long)plan->seed);
	fputs(head, stdout);
	printf("\tarena = mmap(NULL, %zu, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);\n"
	       "\tif (fd < 0 || arena == MAP_FAILED)\n"
	       "\t\treturn 99;\n", ARENA_BYTES);
}

void emit_end(void)
{
	puts("\treturn 0;\n}");
}

/* Where in the arena a value points to; behind its end stands for all that is not mapped. */
static bool offset_of(const struct call *call, uint64_t value, uint64_t *offset)
{
	if (value == call->run->door->unmapped) {
		*offset = ARENA_BYTES;
		return true;
	}
	*offset = value - (uint64_t)(uintptr_t)call->run->door->arena;
	return *offset <= ARENA_BYTES;
}

/* The bytes of an area without its pointers, which are told apart; up to the last that counts. */
static size_t plain_bytes(const struct call *call, const struct area *area, uint8_t *bytes)
{
	size_t size = area->size;
	uint64_t value, offset;

	memcpy(bytes, area->at, size);
	for (size_t i = 0; i + sizeof(value) <= size; i += sizeof(value)) {
		memcpy(&value, bytes + i, sizeof(value));
		if (offset_of(call, value, &offset))
			memset(bytes + i, 0, sizeof(value));
	}
	while (size && !bytes[size - 1])
		size--;
	return size;
}

static void emit_bytes(const uint8_t *bytes, size_t at, size_t size)
{
	if (!size)
		return;
	printf("\tput(%#zx,", at);
	for (size_t i = 0; i < size; i++)
		printf("%s\\x%02x", i % 20 ? "" : i ? "\"\n\t    \"" : " \"", bytes[i]);
	printf("\", %zu);\n", size);
}

static void emit_area(const struct call *call, const struct area *area)
{
	static uint8_t bytes[ARENA_REGION];
	size_t at = (size_t)(area->at - call->run->door->arena);
	uint64_t value, offset;

	printf("\tmemset(arena + %#zx, 0, %u);\n", at, area->size);
	emit_bytes(bytes, at, plain_bytes(call, area, bytes));
	for (size_t i = 0; i + sizeof(value) <= area->size; i += sizeof(value)) {
		memcpy(&value, area->at + i, sizeof(value));
		if (offset_of(call, value, &offset))
			printf("\tpoint(%#zx, %#llx);\n", at + i, (unsigned long long)offset);
	}
}

void emit_call(const struct call *call)
{
	uint64_t offset;

	putchar('\n');
	for (unsigned int i = 0; i < call->n_areas; i++)
		emit_area(call, &call->areas[i]);
	printf("\tcall(\"call %llu: %s.%s\", %u", (unsigned long long)call->number,
	       call->family ? call->family->name : "hypercall",
	       call->operation ? call->operation->name : "unknown", call->hypercall);
	for (unsigned int i = 0; i < COUNT(call->arguments); i++) {
		if (offset_of(call, call->arguments[i], &offset))
			printf(", (uintptr_t)arena + %#llx", (unsigned long long)offset);
		else
			printf(", %#llx", (unsigned long long)call->arguments[i]);
	}
	puts(");");
}
