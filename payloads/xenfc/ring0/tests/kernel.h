/* Xen, as far as the kernel's console and clock need it, played by the tests. */
#ifndef XENFC_RING0_TESTS_KERNEL_H
#define XENFC_RING0_TESTS_KERNEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <xen/xen.h>

long ring0_hypercall(unsigned long nr, unsigned long a0, unsigned long a1, unsigned long a2,
		     unsigned long a3, unsigned long a4);

#endif
