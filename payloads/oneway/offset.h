/*
 * How stamps of the client's machine become stamps of ours.  A guest of KVM sees
 * ((host counter * ratio) >> fraction bits) + offset.
 */
#ifndef ONEWAY_OFFSET_H
#define ONEWAY_OFFSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport.h"

struct offset {
	int64_t ticks;		/* client's stamp minus ours */
	uint64_t ratio;		/* 0: no scaling */
	unsigned int fraction_bits;
};

/* Our stamp at the moment of the client's stamp. */
int64_t offset_to_ours(const struct offset *o, uint64_t stamp);

bool offset_same(const struct offset *a, const struct offset *b);

/*
 * From KVM's folder in debugfs.  `vm` is a process id, or 0 when there is only one
 * VM; `vcpu` -1 demands that all of them agree.  -1 with `why`.
 */
int offset_read_kvm(struct offset *o, const char *folder, int64_t vm, int64_t vcpu,
		    struct why *why);

/*
 * What causality says about `client's stamp minus ours`: a message is not received
 * before it was sent, nor the next one sent before the answer to this one.
 */
struct offset_bounds {
	int64_t low;
	int64_t high;
};

/*
 * `sent` and `heard` by the client's clock, `received` by ours: message i was received
 * after sent[i], and answered before heard[i] (there may be fewer of these).
 */
struct offset_bounds offset_bound(const uint64_t *sent, const uint64_t *received, size_t n,
				  const uint64_t *heard, size_t n_heard);

/* The middle between the bounds; what it may be wrong by is half their distance. */
int64_t offset_middle(const struct offset_bounds *b);
double offset_error(const struct offset_bounds *b);

#endif
