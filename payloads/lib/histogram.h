/*
 * Histogram of positive integers with constant relative error (HDR style):
 * memory and the cost of recording do not depend on how much is recorded.
 */
#ifndef XENTEST_HISTOGRAM_H
#define XENTEST_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct histogram;

/* Values up to `highest` are told apart to `digits` (1 to 5) significant digits; NULL: no memory. */
struct histogram *histogram_new(uint64_t highest, int digits);
void histogram_free(struct histogram *h);
void histogram_reset(struct histogram *h);

/* A value above the highest is counted as the highest, and in histogram_saturated(). */
void histogram_record(struct histogram *h, uint64_t value);
void histogram_record_n(struct histogram *h, uint64_t value, uint64_t n);

/* Add all of `from`; both must have been made with the same numbers (else false). */
bool histogram_merge(struct histogram *into, const struct histogram *from);

uint64_t histogram_count(const struct histogram *h);
uint64_t histogram_saturated(const struct histogram *h);
uint64_t histogram_min(const struct histogram *h);	/* exact; 0 when empty */
uint64_t histogram_max(const struct histogram *h);	/* exact */
double histogram_mean(const struct histogram *h);	/* exact sum over count */
double histogram_stddev(const struct histogram *h);	/* of the population, from the buckets */

/* The smallest value that at least `percent` (0 to 100) of all are not above. */
uint64_t histogram_percentile(const struct histogram *h, double percent);

/* Walk the non-empty buckets upwards; false at the end.  Start with *cursor = 0. */
bool histogram_next(const struct histogram *h, uint32_t *cursor, uint64_t *low, uint64_t *high,
		    uint64_t *count);

/* HdrHistogram's percentile distribution text (.hgrm); values are divided by `scale`. */
void histogram_write_hgrm(const struct histogram *h, FILE *out, double scale);

/* Constant, whatever was recorded. */
size_t histogram_memory(const struct histogram *h);

#endif
