/* Instructions that are made twice by a machine that runs: by the processor, and by Xen. */
#include "guest_places.h"
#include "run.h"

#define RESULT_AT(check, second) (GUEST_RESULTS_PAGE * DOOR_PAGE + (check) * 16u + (second) * 8u)

#define CARRY 0x001u
#define ARITHMETIC 0x8d5u
#define LOGICAL 0x8c5u		/* but for the auxiliary carry */
#define PRODUCT 0x801u

/* The instructions that are checked: [edi] and eax, or [edi] and a byte. */
struct kind {
	uint8_t opcode[2];
	uint8_t size;
	uint8_t reg;		/* the second part of a group's opcode */
	bool immediate;
	uint16_t flags;
	bool both_sizes;	/* one less is the same of a byte */
};

static const struct kind kinds[] = {
	{ { 0x01 }, 1, 0, false, ARITHMETIC, true }, { { 0x03 }, 1, 0, false, ARITHMETIC, true },
	{ { 0x09 }, 1, 0, false, LOGICAL, true }, { { 0x0b }, 1, 0, false, LOGICAL, true },
	{ { 0x11 }, 1, 0, false, ARITHMETIC, true }, { { 0x13 }, 1, 0, false, ARITHMETIC, true },
	{ { 0x19 }, 1, 0, false, ARITHMETIC, true }, { { 0x1b }, 1, 0, false, ARITHMETIC, true },
	{ { 0x21 }, 1, 0, false, LOGICAL, true }, { { 0x23 }, 1, 0, false, LOGICAL, true },
	{ { 0x29 }, 1, 0, false, ARITHMETIC, true }, { { 0x2b }, 1, 0, false, ARITHMETIC, true },
	{ { 0x31 }, 1, 0, false, LOGICAL, true }, { { 0x33 }, 1, 0, false, LOGICAL, true },
	{ { 0x39 }, 1, 0, false, ARITHMETIC, true }, { { 0x3b }, 1, 0, false, ARITHMETIC, true },
	{ { 0x85 }, 1, 0, false, LOGICAL, true }, { { 0x87 }, 1, 0, false, ARITHMETIC, true },
	{ { 0x89 }, 1, 0, false, ARITHMETIC, true }, { { 0x8b }, 1, 0, false, ARITHMETIC, true },
	{ { 0x83 }, 1, 0, true, ARITHMETIC, false }, { { 0x83 }, 1, 1, true, LOGICAL, false },
	{ { 0x83 }, 1, 2, true, ARITHMETIC, false }, { { 0x83 }, 1, 3, true, ARITHMETIC, false },
	{ { 0x83 }, 1, 4, true, LOGICAL, false }, { { 0x83 }, 1, 5, true, ARITHMETIC, false },
	{ { 0x83 }, 1, 6, true, LOGICAL, false }, { { 0x83 }, 1, 7, true, ARITHMETIC, false },
	{ { 0xff }, 1, 0, false, ARITHMETIC, true }, { { 0xff }, 1, 1, false, ARITHMETIC, true },
	{ { 0xf7 }, 1, 2, false, ARITHMETIC, true }, { { 0xf7 }, 1, 3, false, ARITHMETIC, true },
	{ { 0x0f, 0xb6 }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0xb7 }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0xbe }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0xbf }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0xaf }, 2, 0, false, PRODUCT, false },
	{ { 0x0f, 0x42 }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0x43 }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0x92 }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0x9d }, 2, 0, false, ARITHMETIC, false },
	{ { 0x0f, 0xba }, 2, 4, true, CARRY, false }, { { 0x0f, 0xba }, 2, 5, true, CARRY, false },
	{ { 0x0f, 0xba }, 2, 6, true, CARRY, false }, { { 0x0f, 0xba }, 2, 7, true, CARRY, false },
	{ { 0x0f, 0xc1 }, 2, 0, false, ARITHMETIC, true },
};

void guest_check_draw(struct call *call, bool wide, struct guest_check *check)
{
	const struct kind *kind = &kinds[draw(call, COUNT(kinds))];
	struct writer w = { check->bytes };

	if (chance(call, 20))
		byte(&w, 0x66);
	if (wide && chance(call, 20))
		byte(&w, 0x48);
	bytes(&w, kind->opcode, kind->size);
	if (kind->both_sizes && chance(call, 30))
		w.at[-1]--;
	byte(&w, (unsigned int)kind->reg << 3 | EDI);
	if (kind->immediate)
		byte(&w, (unsigned int)draw(call, 256));
	check->size = (unsigned int)(w.at - check->bytes);
	check->value = (uint32_t)draw_interesting(call, 32);
	check->flags = kind->flags;
}

void guest_check_write(struct writer *w, const struct guest_check *check, unsigned int number,
		       bool emulated)
{
	static const uint8_t touch[] = { 0x8b, EDI, 0x89, EDI };
	uint32_t cell = number * 16;

	load(w, EDI, (emulated ? NOTHING_THERE : ONES_PAGE * DOOR_PAGE) + cell);
	if (!emulated)	/* read and written first: that a page has to come is not compared */
		bytes(w, touch, sizeof(touch));
	load(w, EAX, check->value);
	byte(w, 0x6a);	/* push the flags: the carry is set every other time */
	byte(w, ALWAYS_SET | (number & 1));
	byte(w, 0x9d);
	bytes(w, check->bytes, check->size);
	byte(w, 0x9c);
	byte(w, 0x58 + EDX);
	store(w, EAX, RESULT_AT(number, emulated));
	store(w, EDX, RESULT_AT(number, emulated) + 4);
}

struct result {
	uint32_t value, flags;
};

unsigned int guest_code_differs(const struct guest_code *code, const uint8_t *results)
{
	unsigned int i;

	for (i = 0; i < GUEST_CHECKS; i++) {
		struct result pair[2];

		memcpy(pair, results + i * sizeof(pair), sizeof(pair));
		if (!(pair[1].flags & ALWAYS_SET))
			continue;
		if (pair[0].value != pair[1].value ||
		    (pair[0].flags ^ pair[1].flags) & (code->checks[i].flags | ALWAYS_SET))
			break;
	}
	return i;
}

bool guest_code_complete(const uint8_t *results)
{
	for (unsigned int i = 0; i < GUEST_CHECKS; i++) {
		struct result pair[2];

		memcpy(pair, results + i * sizeof(pair), sizeof(pair));
		if (!(pair[0].flags & pair[1].flags & ALWAYS_SET))
			return false;
	}
	return true;
}
