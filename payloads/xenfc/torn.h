/* Lists that go on where nothing can be read. */
#ifndef XENFC_TORN_H
#define XENFC_TORN_H

#include "call.h"

/* Of a row of multicall: the list itself, and what follows it. */
void torn_generate(struct call *call);
void torn_expect(struct call *call);
void torn_after(struct call *call);

#endif
