/*
 * How much bulk data must have come before its receiver is woken (SO_RCVLOWAT).  Each
 * wake-up costs the sender as much as some 64 KiB: a fast flow is woken once a MiB, a slow one
 * at each segment, so that what it brings is counted in time.
 */
#ifndef RUSHIT_WATERMARK_H
#define RUSHIT_WATERMARK_H

#include "flow.h"

/* `n` bytes were read. */
void watermark_moved(struct flow *flow, size_t n);

/* To be called at least every 100 ms: what came and is too little to wake anybody is let in. */
void watermark_check(struct flow *flow, uint64_t now_ns);

#endif
