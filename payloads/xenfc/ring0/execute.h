/* A few instructions that may fault. */
#ifndef XENFC_RING0_EXECUTE_H
#define XENFC_RING0_EXECUTE_H

#include <stddef.h>
#include <stdint.h>

#include "../door.h"

/* The vector of the exception that they ended in, else NO_FAULT; less than a page of them. */
int execute(const uint8_t *code, size_t size, struct registers *registers);

#endif
