#include "cpu.h"

#include <cpuid.h>
#include <string.h>

#define BRAND 0x80000002u	/* and the two leaves behind it: 48 letters */
#define ADDRESS_SIZES 0x80000008u
#define ZEN 0x17
#define HYGON 0x6f677948u	/* "Hygo" */

bool cpu_is_amd(void)
{
	unsigned int a, vendor, c, d;

	__cpuid(0, a, vendor, c, d);
	return vendor == signature_AMD_ebx || vendor == HYGON;
}

bool cpu_is_emulated(void)
{
	unsigned int brand[12];

	for (unsigned int i = 0; i < 3; i++)
		if (!__get_cpuid(BRAND + i, &brand[4 * i], &brand[4 * i + 1], &brand[4 * i + 2],
				 &brand[4 * i + 3]))
			return false;
	return memmem(brand, sizeof(brand), "QEMU TCG", 8);
}

static unsigned int family(void)
{
	unsigned int a, b, c, d, base;

	__cpuid(1, a, b, c, d);
	base = a >> 8 & 0xf;
	return base == 0xf ? base + (a >> 20 & 0xff) : base;
}

/* Twelve gigabytes below the end of the addresses; before Zen that end was fixed. */
uint64_t cpu_hypertransport_page(void)
{
	unsigned int sizes, b, c, d, bits;

	if (!cpu_is_amd() || !__get_cpuid(ADDRESS_SIZES, &sizes, &b, &c, &d))
		return 0;
	bits = family() < ZEN ? 40 : sizes & 0xff;
	if (bits > (sizes & 0xff) || bits < 36)
		return 0;
	return (UINT64_C(1) << bits) - (UINT64_C(1) << 32);
}
