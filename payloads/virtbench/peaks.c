/* Where samples lie close together. */
#include "estimator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * As many equal bins as make each at most 1 % of the smallest; what lies in one is one
 * peak.  Returns the number of peaks; `bins` says which bin each comes from.
 */
static size_t fill_bins(const double *ordered, size_t n, struct peak *peaks, double *bins)
{
	double least = ordered[0], span = ordered[n - 1] - least;
	double n_bins = span > 0 && least > 0 ? ceil(span * 100 / least) : 1;
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		double place = span > 0 ? floor((ordered[i] - least) * n_bins / span) : 0;
		double bin = fmin(place, n_bins - 1);

		if (count && bins[count - 1] == bin) {
			peaks[count - 1].high = ordered[i];
			peaks[count - 1].count++;
		} else {
			bins[count] = bin;
			peaks[count++] = (struct peak){ ordered[i], ordered[i], 1 };
		}
	}
	return count;
}

/* The edge of a bin may cut a lump in two: join the last two of neighbouring bins. */
static size_t join_cut_lumps(struct peak *peaks, const double *bins, size_t count, double width)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct peak *last = kept ? &peaks[kept - 1] : NULL;
		bool touches = i && bins[i] == bins[i - 1] + 1;
		bool ends_chain = i + 1 == count || bins[i + 1] != bins[i] + 1;

		if (touches && ends_chain && peaks[i].high - last->low <= width) {
			last->high = peaks[i].high;
			last->count += peaks[i].count;
		} else {
			peaks[kept++] = peaks[i];
		}
	}
	return kept;
}

static size_t find_all(double *ordered, size_t n, struct peak *all, double *bins)
{
	size_t found;

	qsort(ordered, n, sizeof(*ordered), compare);
	found = fill_bins(ordered, n, all, bins);
	return join_cut_lumps(all, bins, found, ordered[0] / 100);
}

size_t find_peaks(const double *samples, size_t n, struct peak peaks[MAXIMUM_PEAKS])
{
	double *ordered = calloc(n + 1, sizeof(*ordered));
	struct peak *all = calloc(n + 1, sizeof(*all));
	double *bins = calloc(n + 1, sizeof(*bins));
	size_t found, kept = 0;

	if (n && ordered && all && bins) {
		memcpy(ordered, samples, n * sizeof(*ordered));
		found = find_all(ordered, n, all, bins);
		for (size_t i = 0; i < found; i++)
			if (all[i].count * 100 > n)
				peaks[kept++] = all[i];
	}
	free(bins);
	free(all);
	free(ordered);
	return kept;
}
