#include "execute.h"

#include "../freestanding.h"
#include "memory.h"
#include "traps.h"

#define RETURN 0xc3

/* In entry.S. */
void execute_code(const void *code, struct registers *registers);

/* Where it is executed; nothing else is in this page. */
static uint8_t code_page[PAGE_SIZE] __attribute__((aligned(4096)));

static void execute_page(void *registers)
{
	execute_code(code_page, registers);
}

int execute(const uint8_t *code, size_t size, struct registers *registers)
{
	struct fault fault;

	memcpy(code_page, code, size);
	code_page[size] = RETURN;
	if (attempt(execute_page, registers, &fault))
		return NO_FAULT;
	registers->error = fault.error;
	return (int)fault.vector;
}
