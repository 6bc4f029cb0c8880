/* Instructions at random for a machine that runs: its own affair, whatever they do. */
#include "guest_places.h"
#include "run.h"

static const uint8_t prefixes[] = { 0x66, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x64, 0x65, 0x67 };

/* Any instruction that has an operand in memory, at [edi]; or anything at all. */
static void write_any(struct call *call, struct writer *w, bool wide)
{
	unsigned int map = (unsigned int)draw(call, 8), reg = (unsigned int)draw(call, 8);
	uint8_t tail[8];

	if (chance(call, 40))
		byte(w, prefixes[draw(call, chance(call, 70) ? 3 : COUNT(prefixes))]);
	if (wide && chance(call, 25))
		byte(w, 0x40 | (uint8_t)(draw(call, 2) << 3 | draw(call, 2) << 2));
	if (map >= 2)
		byte(w, 0x0f);
	if (map >= 6)
		byte(w, map == 6 ? 0x38 : 0x3a);
	byte(w, (unsigned int)draw(call, 256));
	byte(w, chance(call, 90) ? reg << 3 | EDI : (unsigned int)draw(call, 256));
	draw_bytes(call, tail, sizeof(tail));
	bytes(w, tail, chance(call, 50) ? sizeof(tail) : 1);
}

static uint32_t draw_place(struct call *call)
{
	static const uint32_t places[] = {
		NOTHING_THERE, NOTHING_THERE, NOTHING_THERE, SPARE_PAGE * DOOR_PAGE, 0x000a0000,
		16 * DOOR_PAGE, 24 * DOOR_PAGE,
		0xfec00000, 0xfec00010, 0xfed00000, 0xfed00100, 0xfee00000, 0xfee00300,
	};
	uint32_t place = places[draw(call, COUNT(places))];

	return place + (uint32_t)draw(call, 64) * (chance(call, 80) ? 16 : 1);
}

static void write_port(struct call *call, struct writer *w)
{
	static const uint16_t ports[] = {
		0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x42, 0x43, 0x61, 0x70, 0x71, 0x3c4,
		0x3c5, 0x3ce, 0x3cf, 0xcf8, 0xcfc, 0xcfe, 0xb000, 0xb008, 0x1f48, 0x40, 0x43,
	};
	static const uint8_t opcodes[] = { 0xec, 0xed, 0xee, 0xef, 0x6c, 0x6d, 0x6e, 0x6f };
	uint16_t port = ports[draw(call, COUNT(ports))];

	if (chance(call, 10))
		port = (uint16_t)draw(call, 0xe0);	/* below the port that Xen prints from */
	load(w, EDX, port);
	load(w, ESI, SPARE_PAGE * DOOR_PAGE);
	load(w, EDI, chance(call, 50) ? SPARE_PAGE * DOOR_PAGE : NOTHING_THERE);
	load(w, ECX, (uint32_t)draw(call, 8));
	load(w, EAX, (uint32_t)draw_interesting(call, 32));
	if (chance(call, 20))
		byte(w, 0x66);
	if (chance(call, 20))
		byte(w, 0xf3);
	byte(w, opcodes[draw(call, COUNT(opcodes))]);
}

static void write_register(struct call *call, struct writer *w)
{
	static const struct {
		uint32_t first, count;
	} ranges[] = {
		{ 0x10, 1 }, { 0x1b, 1 }, { 0x8b, 1 }, { 0xfe, 1 }, { 0x174, 3 }, { 0x179, 3 },
		{ 0x1a0, 1 }, { 0x1d9, 4 }, { 0x200, 16 }, { 0x250, 32 }, { 0x2ff, 1 }, { 0x400, 32 },
		{ 0x6e0, 1 }, { 0x800, 64 }, { 0xc0000080, 5 }, { 0xc0000100, 4 }, { 0xc0010000, 32 },
		{ 0xc0010110, 16 }, { 0xc0011020, 16 }, { 0x40000000, 8 }, { 0x40000020, 4 },
		{ 0x40000070, 4 }, { 0x40000080, 32 }, { 0xc0010200, 12 }, { 0x48, 2 },
	};
	unsigned int which = (unsigned int)draw(call, COUNT(ranges));

	load(w, ECX, ranges[which].first + (uint32_t)draw(call, ranges[which].count));
	load(w, EAX, (uint32_t)draw_interesting(call, 32));
	load(w, EDX, chance(call, 70) ? 0 : (uint32_t)draw_interesting(call, 32));
	byte(w, 0x0f);
	byte(w, chance(call, 60) ? 0x32 : 0x30);
}

/* What the processor asks Xen about itself. */
static void write_question(struct call *call, struct writer *w)
{
	static const uint8_t questions[][3] = {
		{ 0x0f, 0xa2, NOP }, { 0x0f, 0xa2, NOP }, { 0x0f, 0xa2, NOP }, { 0x0f, 0x31, NOP },
		{ 0x0f, 0x01, 0xf9 }, { 0x0f, 0x33, NOP }, { 0x0f, 0x01, 0xd0 }, { 0x0f, 0x08, NOP },
		{ 0x0f, 0x09, NOP }, { 0x0f, 0x06, NOP }, { 0x0f, 0x01, 0x3f }, { 0x0f, 0x20, 0xc0 },
		{ 0x0f, 0x20, 0xd8 }, { 0x0f, 0x20, 0xe0 }, { 0x0f, 0x22, 0xe0 },
		{ 0x0f, 0x21, 0xc0 }, { 0x0f, 0x01, 0xc8 }, { 0x0f, 0x01, 0xd8 },
		{ 0xf3, NOP, NOP }, { 0xcd, 0x80, NOP }, { 0xcc, NOP, NOP }, { 0x0f, 0x0b, NOP },
		{ 0x0f, 0x01, 0xdf }, { 0x0f, 0x01, 0xda }, { 0x0f, 0x01, 0xdc }, { 0xf1, NOP, NOP },
	};
	static const uint32_t leaves[] = { 0, 0x40000000, 0x40000100, 0x80000000 };

	load(w, EAX, leaves[draw(call, COUNT(leaves))] + (uint32_t)draw(call, 32));
	load(w, ECX, (uint32_t)draw(call, 4));
	load(w, EDI, draw_place(call));
	bytes(w, questions[draw(call, COUNT(questions))], 3);
}

/* The other hypercalls: what they do to such a machine goes when it goes. */
static void write_hypercall(struct call *call, struct writer *w)
{
	uint32_t number = (uint32_t)draw(call, 42), first = (uint32_t)draw(call, 16);

	load(w, EAX, chance(call, 95) ? number : 0x80000000 | number);
	load(w, EDI, first);
	load(w, EBX, first);
	load(w, ESI, SPARE_PAGE * DOOR_PAGE);
	load(w, ECX, SPARE_PAGE * DOOR_PAGE);
	load(w, EDX, (uint32_t)draw(call, 3));
	call_xen(w, chance(call, 70));
}

void guest_random_write(struct call *call, struct writer *w, bool wide)
{
	switch (draw(call, 20)) {
	case 0: case 1: case 2:
		return write_port(call, w);
	case 3: case 4:
		return write_register(call, w);
	case 5: case 6:
		return write_question(call, w);
	case 7:
		return write_hypercall(call, w);
	default:
		load(w, EDI, draw_place(call));
		load(w, ESI, draw_place(call));
		load(w, ECX, (uint32_t)draw(call, 5));
		write_any(call, w, wide);
	}
}
