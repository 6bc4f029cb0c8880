/*
 * Ports of the machine, as Xen lets our kernel use them: which it opens, what is kept of what was
 * written, and breakpoints that are met.
 */
#include "processor.h"

#define FIRST_PORT 0x78u	/* of a few that tell without changing, to anybody who may ask */
#define PORTS 24u
#define DEBUG 1
#define GENERAL_PROTECTION 13
#define PAGE_FAULT 14
#define STATUS 6
#define CONTROL 7
#define WATCHED_PORT 2ull
#define DEBUGGING_EXTENSIONS 8u
#define CLOCK_INDEX 0x70u
#define CONFIGURATION 0xcf8u
#define CONFIGURATION_DATA 0xcfcu
#define SWITCHED_ON 0x80000000u
#define MOST_BYTES 3u

/* Beside calls beside the sequence. */
#define BITMAP (ARENA_ASIDE + DOOR_PAGE)

static int run_code(struct call *call, const uint8_t *code, size_t size, struct registers *r)
{
	return call->run->door->execute(call->run->door, code, size, r);
}

static void must_run(struct call *call, const char *what, const uint8_t *code, size_t size,
		     struct registers *r)
{
	int vector = run_code(call, code, size, r);

	if (vector != NO_FAULT)
		call_wrong(call, "%s ended in exception %d", what, vector);
}

/* in of one, two or four bytes. */
static int read_port(struct call *call, uint32_t port, unsigned int bytes)
{
	static const uint8_t one[] = { 0xec }, two[] = { 0x66, 0xed }, four[] = { 0xed };
	struct registers r = { .rdx = port };

	if (bytes == 1)
		return run_code(call, one, sizeof(one), &r);
	return bytes == 2 ? run_code(call, two, sizeof(two), &r) :
		run_code(call, four, sizeof(four), &r);
}

static void take_level(struct call *call, uint32_t level)
{
	struct physdev_set_iopl *p = (void *)(call->run->door->arena + ARENA_ASIDE);

	p->iopl = level;
	aside(call->run, __HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, (uintptr_t)p, 0);
}

static void give_bitmap(struct call *call, const uint8_t *map, uint32_t ports)
{
	struct physdev_set_iobitmap *p = (void *)(call->run->door->arena + ARENA_ASIDE);
	uint64_t address = (uintptr_t)map;
	long result;

	memset(p, 0, sizeof(*p));
	memcpy(&p->bitmap, &address, sizeof(address));
	p->nr_ports = ports;
	result = aside(call->run, __HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, (uintptr_t)p, 0);
	if (result)
		call_wrong(call, "a map of %u ports gave %ld", ports, result);
}

/* Of a map that goes far enough or not, can be read or not, and shuts some of the ports or none. */
static int map_right(const struct call *call, bool far_enough, bool out_of_reach, bool shut)
{
	if (far_enough && out_of_reach && since(call, RELEASE(4, 18)))
		return PAGE_FAULT;
	return far_enough && !out_of_reach && !shut ? NO_FAULT : GENERAL_PROTECTION;
}

/* The map says which are open, as far as it goes; what cannot be read of it opens none. */
static void use_bitmap(struct call *call)
{
	bool out_of_reach = chance(call, 20);
	uint32_t first = (uint32_t)draw(call, PORTS), bytes = 1u << draw(call, 3);
	uint32_t ports = FIRST_PORT + (uint32_t)draw(call, PORTS + 8);
	uint8_t *map = call->run->door->arena + BITMAP;
	uint64_t shut = 0;
	int vector, right;

	if (chance(call, 70))
		shut = draw(call, 1u << PORTS) & draw(call, 1u << PORTS) & draw(call, 1u << PORTS);
	shut |= ~0ull << PORTS;
	memset(map, 0xff, FIRST_PORT / 8);
	memcpy(map + FIRST_PORT / 8, &shut, sizeof(shut));
	take_level(call, 0);
	give_bitmap(call, out_of_reach ? call->run->door->arena + ARENA_BYTES - FIRST_PORT / 8 : map,
		    ports);
	vector = read_port(call, FIRST_PORT + first, bytes);
	right = map_right(call, FIRST_PORT + first + bytes <= ports, out_of_reach,
			  shut >> first & ((1u << bytes) - 1));
	if (vector != right)
		call_wrong(call, "reading %u bytes from port %x, with a map of %u, ended in "
			   "exception %d, expected %d", bytes, FIRST_PORT + first, ports, vector, right);
	give_bitmap(call, NULL, 0);
}

/* What chooses a register of the clock is kept, and told one byte at a time, too. */
static void keep_index(struct call *call)
{
	static const uint8_t code[] = {
		0xee,			/* out */
		0x31, 0xc0, 0xec,	/* in */
		0x89, 0xc3, 0xf3, 0x6c,	/* rep insb */
		0x31, 0xc0, 0xee,
	};
	uint8_t index = (uint8_t)draw(call, 256), *at = call->run->door->arena + BITMAP;
	struct registers r = {
		.rax = index, .rdx = CLOCK_INDEX, .rcx = draw(call, MOST_BYTES + 1),
		.rdi = (uintptr_t)at,
	};
	uint64_t count = r.rcx;
	uint8_t told = since(call, RELEASE(4, 18)) ? index & 0x7f : index;

	memset(at, (uint8_t)~index, MOST_BYTES + 1);
	must_run(call, "writing to the clock", code, sizeof(code), &r);
	if ((uint8_t)r.rbx != told || r.rcx || r.rdi != (uintptr_t)at + count)
		call_wrong(call, "register %x of the clock was chosen, %lx is told, %lu not read",
			   index, r.rbx, r.rcx);
	for (uint64_t i = 0; i <= MOST_BYTES; i++)
		if (at[i] != (uint8_t)(i < count ? told : ~index))
			call_wrong(call, "byte %lu of %lu that were read is %x", i, count, at[i]);
	memset(at, ARENA_BACKGROUND, MOST_BYTES + 1);
}

static void keep_address(struct call *call)
{
	static const uint8_t code[] = { 0xef, 0x31, 0xc0, 0xed };
	uint32_t address = SWITCHED_ON | (uint32_t)draw(call, 0x1000) << 2;
	struct registers r = { .rax = address, .rdx = CONFIGURATION };

	must_run(call, "writing to the address of a device", code, sizeof(code), &r);
	if (r.rax != address)
		call_wrong(call, "the address of a device is %lx, not %x", r.rax, address);
}

/* What the first device is: the same by any way to read it; and nobody's but the machine's owner's. */
static void read_device_from(struct call *call, uint32_t skipped)
{
	static const uint8_t code[] = {
		0xef, 0x89, 0xca, 0xed,			/* from any of the four bytes on */
		0x89, 0xc3, 0xba, 0xfc, 0x0c, 0, 0, 0xed,	/* from the first one on */
	};
	uint8_t shorter[sizeof(code) + 1];
	uint32_t bytes = chance(call, 70) ? 4 : 2, mask;
	struct registers r = {
		.rax = SWITCHED_ON, .rdx = CONFIGURATION, .rcx = CONFIGURATION_DATA + skipped,
	};

	memcpy(shorter, code, 3);
	shorter[3] = bytes == 2 ? 0x66 : 0x90;
	memcpy(shorter + 4, code + 3, sizeof(code) - 3);
	must_run(call, "reading what a device is", shorter, sizeof(shorter), &r);
	mask = (uint32_t)((1ull << 8 * smaller(bytes, 4 - skipped)) - 1);
	/* What of two bytes that do not begin at an even place comes back, is the machine's. */
	if (skipped == 1)
		mask = bytes == 4 ? 0xff0000 : 0;
	if (((r.rax >> 8 * skipped) ^ r.rbx) & mask)
		call_wrong(call, "a device is told to be %lx, and %lx from byte %u on", r.rax, r.rbx,
			   skipped);
	if (!call->run->machine.hardware && (uint32_t)r.rax != UINT32_MAX)
		call_wrong(call, "a guest is told that a device is %lx", r.rax);
}

static void read_device(struct call *call)
{
	for (uint32_t skipped = 0; skipped < 4; skipped++)
		read_device_from(call, skipped);
}

static uint64_t switch_extensions(struct call *call, uint8_t operation)
{
	/* Read, or or and with `operation`, written and told. */
	const uint8_t code[] = {
		0x0f, 0x20, 0xe0, 0x83, operation, operation == 0xc8 ? DEBUGGING_EXTENSIONS :
		(uint8_t)~DEBUGGING_EXTENSIONS, 0x0f, 0x22, 0xe0,
	};
	struct registers r = { 0 };

	must_run(call, "debugging extensions", code, sizeof(code), &r);
	return r.rax;
}

static void set_debug(struct call *call, uint64_t number, uint64_t value)
{
	long result = aside(call->run, __HYPERVISOR_set_debugreg, number, value, 0);

	if (result)
		call_wrong(call, "debug register %lu with %lx gave %ld", number, value, result);
}

/* A breakpoint of one, two, eight or four ports, which begin at a multiple of as many. */
static void meet_breakpoint(struct call *call)
{
	static const uint8_t sizes[] = { 1, 2, 8, 4 };
	uint64_t number = draw(call, 4), length = draw(call, COUNT(sizes));
	uint32_t port = FIRST_PORT + 8 + (uint32_t)draw(call, 8), bytes = 1u << draw(call, 3);
	uint32_t watched = FIRST_PORT + (uint32_t)draw(call, PORTS), begin;
	bool met, told;
	int vector;

	begin = watched & ~(sizes[length] - 1u);
	met = begin < port + bytes && begin + sizes[length] > port;
	switch_extensions(call, 0xc8);
	set_debug(call, number, watched);
	set_debug(call, STATUS, 0);
	set_debug(call, CONTROL, (1 + draw(call, 3)) << 2 * number |
		  (WATCHED_PORT | length << 2) << (16 + 4 * number));
	vector = read_port(call, port, bytes);
	told = aside(call->run, __HYPERVISOR_get_debugreg, STATUS, 0, 0) >> number & 1;
	set_debug(call, CONTROL, 0);
	switch_extensions(call, 0xe0);
	if (vector != (met ? DEBUG : NO_FAULT) || told != met)
		call_wrong(call, "reading %u bytes from port %x, with a breakpoint of %u at %x, ended "
			   "in exception %d, and %d is told", bytes, port, sizes[length], watched,
			   vector, told);
}

static void after_ports(struct call *call)
{
	static void (*const uses[])(struct call *call) = {
		keep_index, keep_address, read_device, meet_breakpoint,
	};

	if (call->result || !call->run->door->execute)
		return;
	if (chance(call, 35)) {
		use_bitmap(call);
		return;
	}
	give_bitmap(call, NULL, 0);
	take_level(call, 1);
	uses[draw(call, COUNT(uses))](call);
	take_level(call, 0);
}

/* Whatever the call set before: our processor may use its vector registers. */
static const struct operation machine_ports_list[] = {
	{ .name = "ports_of_the_machine", .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL | TRAIT_ALONE, .weight = 4, .generate = processor_generate,
	  .expect = expect_success, .after = after_ports },
};

FAMILY(machine_ports, "processor", __HYPERVISOR_fpu_taskswitch, machine_ports_list);
