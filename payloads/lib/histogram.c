/*
 * Buckets in groups that double in width: group 0 has a bucket for each value below
 * `sub_buckets`; each further group covers as much again as all before it with
 * half as many buckets, each twice as wide as those of the group before.
 */
#include "histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct histogram {
	uint64_t highest;
	uint64_t total;
	uint64_t saturated;
	uint64_t min;
	uint64_t max;
	unsigned __int128 sum;
	int digits;
	int sub_bits;		/* sub_buckets == 1 << sub_bits */
	uint32_t groups;
	uint32_t buckets;
	uint64_t counts[];
};

/* Bits that tell 2 * 10^digits values apart: half of them make the wanted precision. */
static int bits_for_digits(int digits)
{
	uint64_t values = 2;
	int bits = 0;

	while (digits--)
		values *= 10;
	while (1ull << bits < values)
		bits++;
	return bits;
}

struct histogram *histogram_new(uint64_t highest, int digits)
{
	int sub_bits = bits_for_digits(digits < 1 ? 1 : digits > 5 ? 5 : digits);
	uint32_t groups = 1, buckets;
	struct histogram *h;

	while (highest >> sub_bits >> (groups - 1))
		groups++;
	buckets = (groups + 1) << (sub_bits - 1);
	h = calloc(1, sizeof(*h) + buckets * sizeof(h->counts[0]));
	if (!h)
		return NULL;
	h->highest = highest;
	h->digits = digits;
	h->sub_bits = sub_bits;
	h->groups = groups;
	h->buckets = buckets;
	h->min = UINT64_MAX;
	return h;
}

void histogram_free(struct histogram *h)
{
	free(h);
}

void histogram_reset(struct histogram *h)
{
	memset(h->counts, 0, h->buckets * sizeof(h->counts[0]));
	h->total = 0;
	h->saturated = 0;
	h->sum = 0;
	h->min = UINT64_MAX;
	h->max = 0;
}

static uint32_t bucket_of(const struct histogram *h, uint64_t value)
{
	int length = value ? 64 - __builtin_clzll(value) : 0;
	int group = length > h->sub_bits ? length - h->sub_bits : 0;

	return ((uint32_t)group << (h->sub_bits - 1)) + (uint32_t)(value >> group);
}

static int group_of(const struct histogram *h, uint32_t bucket)
{
	int half = (int)(bucket >> (h->sub_bits - 1));

	return half > 0 ? half - 1 : 0;
}

static uint64_t bucket_low(const struct histogram *h, uint32_t bucket)
{
	int group = group_of(h, bucket);

	return (uint64_t)(bucket - ((uint32_t)group << (h->sub_bits - 1))) << group;
}

static uint64_t bucket_high(const struct histogram *h, uint32_t bucket)
{
	return bucket_low(h, bucket) + ((1ull << group_of(h, bucket)) - 1);
}

void histogram_record(struct histogram *h, uint64_t value)
{
	histogram_record_n(h, value, 1);
}

void histogram_record_n(struct histogram *h, uint64_t value, uint64_t n)
{
	if (!n)
		return;
	if (value > h->highest) {
		value = h->highest;
		h->saturated += n;
	}
	h->counts[bucket_of(h, value)] += n;
	h->total += n;
	h->sum += (unsigned __int128)value * n;
	if (value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
}

bool histogram_merge(struct histogram *into, const struct histogram *from)
{
	if (into->highest != from->highest || into->digits != from->digits)
		return false;
	for (uint32_t i = 0; i < from->buckets; i++)
		into->counts[i] += from->counts[i];
	into->total += from->total;
	into->saturated += from->saturated;
	into->sum += from->sum;
	if (from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	return true;
}

uint64_t histogram_count(const struct histogram *h)
{
	return h->total;
}

uint64_t histogram_saturated(const struct histogram *h)
{
	return h->saturated;
}

uint64_t histogram_min(const struct histogram *h)
{
	return h->total ? h->min : 0;
}

uint64_t histogram_max(const struct histogram *h)
{
	return h->max;
}

double histogram_mean(const struct histogram *h)
{
	return h->total ? (double)h->sum / (double)h->total : 0;
}

double histogram_stddev(const struct histogram *h)
{
	/* From the buckets' own mean: values that are all the same have no deviation. */
	double mean = 0, squares = 0;
	uint64_t low, high, count, seen = 0;
	uint32_t cursor = 0;

	while (histogram_next(h, &cursor, &low, &high, &count)) {
		double middle = (double)low + (double)(high - low) / 2, distance = middle - mean;

		seen += count;
		mean += distance * (double)count / (double)seen;
		squares += distance * (middle - mean) * (double)count;
	}
	return seen ? sqrt(squares / (double)seen) : 0;
}

/* The bucket of that percentile, and how many are in it or below. */
static uint64_t percentile_at(const struct histogram *h, double percent, uint64_t *below)
{
	/* 99.9 % of 1000 is 999, whatever binary fractions make of it. */
	double exact = percent / 100 * (double)h->total;
	uint64_t wanted = (uint64_t)ceil(exact * (1 - 1e-12)), high = 0;
	uint32_t i;

	if (wanted > h->total)
		wanted = h->total;
	*below = 0;
	for (i = 0; i < h->buckets; i++) {
		*below += h->counts[i];
		if (*below && *below >= wanted) {
			high = bucket_high(h, i);
			break;
		}
	}
	if (high > h->max)
		high = h->max;
	return high < h->min && h->total ? h->min : high;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
	uint64_t below;

	return percent > 0 ? percentile_at(h, percent, &below) : histogram_min(h);
}

bool histogram_next(const struct histogram *h, uint32_t *cursor, uint64_t *low, uint64_t *high,
		    uint64_t *count)
{
	while (*cursor < h->buckets && !h->counts[*cursor])
		(*cursor)++;
	if (*cursor == h->buckets)
		return false;
	*low = bucket_low(h, *cursor);
	*high = bucket_high(h, *cursor);
	*count = h->counts[(*cursor)++];
	return true;
}

/* Five lines for each halving of what is still above: the format's usual density. */
static double next_level(double level)
{
	double steps = 5 * pow(2, floor(log2(100 / (100 - level))) + 1);

	return level + 100 / steps;
}

void histogram_write_hgrm(const struct histogram *h, FILE *out, double scale)
{
	uint64_t below = 0;
	double level = 0;

	fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
		"1/(1-Percentile)");
	for (; h->total && level < 100; level = next_level(level)) {
		uint64_t value = percentile_at(h, level, &below);

		fprintf(out, "%12.*f %14.12f %10llu %14.2f\n", h->digits, (double)value / scale,
			level / 100, (unsigned long long)below, 100 / (100 - level));
		/* Not before: who plots these files looks at lines with four columns only. */
		if (below == h->total)
			break;
	}
	if (h->total)
		fprintf(out, "%12.*f %14.12f %10llu\n", h->digits, (double)h->max / scale, 1.0,
			(unsigned long long)h->total);
	fprintf(out, "#[Mean    = %12.*f, StdDeviation   = %12.*f]\n", h->digits,
		histogram_mean(h) / scale, h->digits, histogram_stddev(h) / scale);
	fprintf(out, "#[Max     = %12.*f, Total count    = %12llu]\n", h->digits,
		(double)h->max / scale, (unsigned long long)h->total);
	fprintf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n", h->groups, 1u << h->sub_bits);
}

size_t histogram_memory(const struct histogram *h)
{
	return sizeof(*h) + h->buckets * sizeof(h->counts[0]);
}
