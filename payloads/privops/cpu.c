#include "cpu.h"

#include <cpuid.h>
#include <string.h>

#define BRAND 0x80000002u	/* and the two leaves behind it: 48 letters */
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
