/* The bytes of instructions that a processor in 32 and in 64 bits takes for the same. */
#ifndef XENFC_WRITER_H
#define XENFC_WRITER_H

#include <stdbool.h>

#include "freestanding.h"

#define NOP 0x90

struct writer {
	uint8_t *at;
};

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };

static inline void byte(struct writer *w, unsigned int value)
{
	*w->at++ = (uint8_t)value;
}

static inline void word(struct writer *w, uint32_t value)
{
	memcpy(w->at, &value, sizeof(value));
	w->at += sizeof(value);
}

static inline void bytes(struct writer *w, const uint8_t *from, unsigned int size)
{
	memcpy(w->at, from, size);
	w->at += size;
}

static inline void load(struct writer *w, unsigned int reg, uint32_t value)
{
	byte(w, 0xb8 + reg);
	word(w, value);
}

/* mov [address], reg: written so that both modes take it for the same. */
static inline void store(struct writer *w, unsigned int reg, uint32_t address)
{
	byte(w, 0x89);
	byte(w, reg << 3 | 4);
	byte(w, 0x25);
	word(w, address);
}

/* Processors of one kind do not know the other's instruction: an exception. */
static inline void call_xen(struct writer *w, bool amd)
{
	byte(w, 0x0f);
	byte(w, 0x01);
	byte(w, amd ? 0xd9 : 0xc1);
}

#endif
