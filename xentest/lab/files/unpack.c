/*
 * The lab's kernel unpacks itself: from LZ4, which an emulated processor does sooner than
 * Debian's XZ.  What is packed is an ELF file, for Xen unpacks the same file by itself.
 * Nothing is checked here: repack in kernel.py has unpacked these very bytes once.
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_FILE ((uint8_t *)0x8000000)	/* behind all that the kernel occupies */

static void copy(uint8_t *to, const uint8_t *from, size_t size)
{
	/* A byte after the other: a match may overlap what it makes. */
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

static size_t length(unsigned int size, const uint8_t **from)
{
	size_t sum = size;
	uint8_t more;

	if (size < 15)
		return sum;
	do {
		more = *(*from)++;
		sum += more;
	} while (more == 255);
	return sum;
}

static uint8_t *unpack_block(uint8_t *to, const uint8_t *from, const uint8_t *end)
{
	for (;;) {
		unsigned int token = *from++;
		size_t size = length(token >> 4, &from);
		size_t distance;

		copy(to, from, size);
		to += size;
		from += size;
		if (from >= end)
			return to;
		distance = from[0] | from[1] << 8;
		from += 2;
		size = length(token & 15, &from) + 4;
		copy(to, to - distance, size);
		to += size;
	}
}

/* Puts the kernel's segments to where they belong; its entry. */
uint64_t unpack(void)
{
	const uint8_t *from = (const uint8_t *)PAYLOAD + sizeof(uint32_t);	/* LZ4's magic */
	const uint8_t *end = (const uint8_t *)PAYLOAD + PACKED_SIZE;
	const Elf64_Ehdr *file = (const Elf64_Ehdr *)ELF_FILE;
	uint8_t *to = ELF_FILE;

	while (from < end) {
		uint32_t size = *(const uint32_t *)from;

		from += sizeof(size);
		to = unpack_block(to, from, from + size);
		from += size;
	}
	for (unsigned int i = 0; i < file->e_phnum; i++) {
		const Elf64_Phdr *part = (const Elf64_Phdr *)(ELF_FILE + file->e_phoff) + i;

		if (part->p_type == PT_LOAD)
			copy((uint8_t *)part->p_paddr, ELF_FILE + part->p_offset, part->p_filesz);
	}
	return file->e_entry;
}
