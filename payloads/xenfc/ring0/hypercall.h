/* Hypercalls of the kernel itself; the fuzzer's own go through ring0_hypercall() too. */
#ifndef XENFC_RING0_HYPERCALL_H
#define XENFC_RING0_HYPERCALL_H

#include <stdint.h>

#include <xen/xen.h>

long ring0_hypercall(unsigned long nr, unsigned long a0, unsigned long a1, unsigned long a2,
		     unsigned long a3, unsigned long a4);

static inline long hypercall1(unsigned long nr, unsigned long a0)
{
	return ring0_hypercall(nr, a0, 0, 0, 0, 0);
}

static inline long hypercall2(unsigned long nr, unsigned long a0, unsigned long a1)
{
	return ring0_hypercall(nr, a0, a1, 0, 0, 0);
}

static inline long hypercall3(unsigned long nr, unsigned long a0, unsigned long a1,
			      unsigned long a2)
{
	return ring0_hypercall(nr, a0, a1, a2, 0, 0);
}

#endif
