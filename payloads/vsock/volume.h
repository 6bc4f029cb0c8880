/* How much the micro benchmark moves.  Both halves must be told the same. */
#ifndef VSOCK_VOLUME_H
#define VSOCK_VOLUME_H

#include <stdint.h>

#include "options.h"

struct volume {
	int64_t bytes;		/* of one transfer */
	int64_t repeats;	/* of uni- and bidirectional transfers */
	int64_t multi_repeats;
	int64_t packets;	/* of the latency test; only the host's half counts them */
	int64_t segment;	/* of one call; the peer does not see it */
	int64_t buffer;		/* of a vsock of the transfers */
	double scale;		/* of all repetitions and packets that were not given */
};

/* Nothing given yet. */
#define VOLUME_UNSET {.bytes = 128 << 20, .segment = 128 << 10, .buffer = 1 << 20, .scale = 1}

#define VOLUME_OPTIONS(volume)                                                                     \
	{.name = "scale", .argument = "F", .real = &(volume).scale, .low = 1e-6, .high = 100,      \
	 .help = "times all repetitions (1); the same on both sides"},                             \
	{.name = "bytes", .argument = "SIZE", .size = &(volume).bytes, .low = 1, .high = 1e12,     \
	 .help = "of one transfer (128M); the same on both sides"},                                \
	{.name = "repeats", .argument = "N", .number = &(volume).repeats, .low = 1, .high = 1e6,   \
	 .help = "of uni- and bidirectional transfers (100); the same on both sides"},             \
	{.name = "multi-repeats", .argument = "N", .number = &(volume).multi_repeats, .low = 1,    \
	 .high = 1e6, .help = "of five streams at once (50); the same on both sides"},             \
	{.name = "segment", .argument = "SIZE", .size = &(volume).segment, .low = 1,               \
	 .high = 1 << 30, .help = "of one read or write of a transfer (128K)"},                    \
	{.name = "buffer", .argument = "SIZE", .size = &(volume).buffer, .low = 128,               \
	 .high = 1 << 30, .help = "that a vsock keeps for its reader (1M; the kernel's own: 256K)"}

/* What was not given gets the ancestor's number times `scale`, at least 1. */
void volume_complete(struct volume *v);

#endif
