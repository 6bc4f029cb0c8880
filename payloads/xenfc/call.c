/* Random arguments, memory for them, and what is expected of a call. */
#include "call.h"

#include "run.h"

void call_begin(struct call *call, struct run *run, uint64_t number)
{
	memset(call, 0, offsetof(struct call, dice));
	call->run = run;
	call->number = number;
	call->dice = dice_of(run->plan.seed * 0x9e3779b97f4a7c15ull + number);
	call->expect.count = 0;
	call->expect.range = false;
	call->wrong[0] = '\0';
}

uint64_t draw_interesting(struct call *call, unsigned int bits)
{
	uint64_t mask = bits >= 64 ? UINT64_MAX : (1ull << bits) - 1;
	uint64_t power = 1ull << draw(call, bits);

	switch (draw(call, 6)) {
	case 0:
		return draw(call, 5);
	case 1:
		return mask - draw(call, 3);
	case 2:
		return power;
	case 3:
		return (power - 1) & mask;
	case 4:
		return (0 - power) & mask;
	default:
		return dice_u64(&call->dice) & mask;
	}
}

uint32_t draw_mostly(struct call *call, unsigned int percent, uint64_t bound)
{
	if (chance(call, percent))
		return (uint32_t)draw(call, bound);
	switch (draw(call, 4)) {
	case 0:
		return (uint32_t)draw_interesting(call, 32);
	case 1:
		return (1u << 16) + (uint32_t)draw(call, bound);
	default:
		return (uint32_t)(bound - 1 + draw(call, 3));
	}
}

uint64_t draw_around(struct call *call, uint64_t most, uint64_t enough)
{
	return chance(call, 50) ? enough - 1 + draw(call, 3) : draw(call, most);
}

uint32_t draw_offset(struct call *call, uint32_t last)
{
	if (chance(call, 50))
		return last - 8 + 8 * (uint32_t)draw(call, 3);
	return (uint32_t)draw_interesting(call, chance(call, 50) ? 12 : 32);
}

void draw_bytes(struct call *call, void *at, size_t size)
{
	struct dice dice = call->dice;	/* the compiler cannot know that `at` is not there */
	uint64_t words[2];
	uint8_t *to = at;

	for (;; size -= sizeof(words), to += sizeof(words)) {
		words[0] = dice_u64(&dice);
		words[1] = words[0] * 0x9e3779b97f4a7c15ull;
		if (size < sizeof(words))
			break;
		memcpy(to, words, sizeof(words));
	}
	memcpy(to, words, size);
	call->dice = dice;
}

static void draw_field(struct call *call, uint8_t *at, size_t size)
{
	uint64_t value;

	if (size > 8) {
		draw_bytes(call, at, size);
		return;
	}
	value = draw_interesting(call, (unsigned int)size * 8);
	memcpy(at, &value, size);
}

uint32_t draw_last_interrupt(struct call *call)
{
	uint32_t end = call->run->machine.pirqs;

	return chance(call, 60) ? end - (uint32_t)draw(call, 2) :
		end + (uint32_t)draw_interesting(call, 30);
}

void draw_fields(struct call *call)
{
	const struct field *field = call->operation && call->structure ?
		call->operation->fields : NULL;

	for (; field && field->name; field++)
		if (field->flow == FLOW_IN || field->flow == FLOW_INOUT)
			draw_field(call, call->structure->at + field->offset, field->size);
}

/* As it is between two calls: all of it is ARENA_BACKGROUND. */
static struct area *area_place(struct call *call, uint32_t size)
{
	struct area *area = &call->areas[call->n_areas];
	size_t room = (ARENA_REGION - 2 * ARENA_CANARY - size) / 8;
	size_t start = call->n_areas++ * ARENA_REGION + ARENA_CANARY + draw(call, room + 1) * 8;

	*area = (struct area){ .at = call->run->door->arena + start, .size = size };
	return area;
}

struct area *area_take(struct call *call, uint32_t size, bool random_content)
{
	struct area *area = area_place(call, size);

	if (random_content)
		draw_bytes(call, area->at, size);
	else
		memset(area->at, 0, size);
	return area;
}

/* One time in four its last byte is the arena's: Xen must not reach for what follows. */
static struct area *take_structure(struct call *call)
{
	uint32_t own = call->operation ? call->operation->structure_size : 0;
	struct area *area = area_place(call, own ? own : call->family->structure_size);

	if (chance(call, 25))
		area->at = call->run->door->arena + ARENA_BYTES - area->size;
	memset(area->at, 0, area->size);
	return area;
}

uint64_t area_sure(const struct area *area)
{
	return (uint64_t)(uintptr_t)area->at;
}

/* An address from which on less of the arena is left than `size`. */
static uint64_t tear(struct call *call, uint32_t size)
{
	uint8_t *torn = call->run->door->arena + ARENA_BYTES - (size ? draw(call, size) : 0);

	if (!call->torn || torn < call->torn)
		call->torn = torn;
	return (uint64_t)(uintptr_t)torn;
}

uint64_t area_address(struct call *call, struct area *area)
{
	uint8_t *end = call->run->door->arena + ARENA_BYTES;

	if (!chance(call, 8))
		return area_sure(area);
	area->out_size = 0;
	switch (draw(call, 5)) {
	case 0:
		return 0;
	case 1:
		return call->run->door->unmapped;
	case 2:
		/* The structure may already lie there. */
		if (call->structure && call->structure != area &&
		    call->structure->at + call->structure->size == end)
			return call->run->door->unmapped;
		return tear(call, area->size);
	case 3:
		return 0x0000800000000000ull + draw(call, 0x1000);
	default:
		/* Xen's own memory: reserved for it in every PV guest's address space. */
		return 0xffff830000000000ull + draw(call, 1u << 20) * 8;
	}
}

struct area *buffer_take(struct call *call, void *handle, uint32_t size, bool out, bool stable)
{
	struct area *area = area_take(call, size, !out);
	uint64_t address;

	area->out_size = out ? size : 0;
	area->stable = stable;
	address = area_address(call, area);
	memcpy(handle, &address, sizeof(address));
	return area;
}

uint64_t handle_value(const void *handle)
{
	uint64_t address;

	memcpy(&address, handle, sizeof(address));
	return address;
}

void structure_take(struct call *call, unsigned int argument)
{
	call->structure = take_structure(call);
	call->pointer = argument;
	call->arguments[argument] = chance(call, 10) ?
		area_address(call, call->structure) : area_sure(call->structure);
}

void command_generate(struct call *call)
{
	call->arguments[0] = call->command;
	if (call->family->structure_size || (call->operation && call->operation->structure_size))
		structure_take(call, 1);
}

bool command_expect(struct call *call)
{
	if (!call->operation || !call->structure ||
	    reachable(call, call->arguments[call->pointer], call->structure->size))
		return true;
	expect_only(call, ERR(EFAULT));
	return false;
}

void expect_success(struct call *call)
{
	expect_only(call, 0);
}

void expect_invalid(struct call *call)
{
	expect_only(call, ERR(EINVAL));
}

bool reachable(const struct call *call, uint64_t address, uint64_t size)
{
	uint64_t start = (uint64_t)(uintptr_t)call->run->door->arena;

	return address >= start && address <= start + ARENA_BYTES &&
	       size <= start + ARENA_BYTES - address;
}

void expect_only(struct call *call, long result)
{
	call->expect.count = 0;
	call->expect.range = false;
	expect_also(call, result);
}

void expect_also(struct call *call, long result)
{
	if (!expect_names(&call->expect, result) && call->expect.count < COUNT(call->expect.any))
		call->expect.any[call->expect.count++] = result;
}

void expect_range(struct call *call, long low, long high)
{
	call->expect.count = 0;
	call->expect.range = true;
	call->expect.low = low;
	call->expect.high = high;
}

bool expect_names(const struct expect *expect, long result)
{
	for (unsigned int i = 0; i < expect->count; i++)
		if (expect->any[i] == result)
			return true;
	return expect->range && result >= expect->low && result <= expect->high;
}

bool expect_holds(const struct call *call)
{
	return expect_names(&call->expect, call->result);
}

long make_hypercall(struct run *run, unsigned int number, const uint64_t arguments[5])
{
	struct door *door = run->door;

	run->outcome.hypercalls++;
	if (run->call.interrupted && door->hypercall_interrupted)
		return door->hypercall_interrupted(door, number, arguments);
	return door->hypercall(door, number, arguments);
}

long aside(struct run *run, unsigned int number, uint64_t a0, uint64_t a1, uint64_t a2)
{
	const uint64_t arguments[5] = { a0, a1, a2 };

	return make_hypercall(run, number, arguments);
}

void call_wrong(struct call *call, const char *format, ...)
{
	va_list arguments;
	struct text t;

	if (call->wrong[0])
		return;
	text_begin(&t, call->wrong, sizeof(call->wrong));
	va_start(arguments, format);
	text_vformat(&t, format, arguments);
	va_end(arguments);
}
