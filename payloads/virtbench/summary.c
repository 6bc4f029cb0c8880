#include "summary.h"

#include <math.h>
#include <stdio.h>

const char *format_ns(double ns, char *buffer, size_t size)
{
	snprintf(buffer, size, fabs(ns) >= 999.95 ? "%.0f" : "%.4g", ns);
	return buffer;
}

const char *quick_summary(const struct estimate *e, char *buffer, size_t size)
{
	char median[32], min[32], max[32];

	snprintf(buffer, size, "%s (%s - %s)", format_ns(e->median, median, sizeof(median)),
		 format_ns(e->min, min, sizeof(min)), format_ns(e->max, max, sizeof(max)));
	return buffer;
}

const char *distribution_summary(const struct estimate *e, char *buffer, size_t size)
{
	size_t used = 0;

	buffer[0] = 0;
	for (size_t i = 0; i < e->n_peaks && used < size; i++) {
		const struct peak *peak = &e->peaks[i];
		char middle[32];

		used += (size_t)snprintf(buffer + used, size - used, "%s%s:%.0f%%", i ? ", " : "",
					 format_ns((peak->low + peak->high) / 2, middle,
						   sizeof(middle)),
					 100.0 * (double)peak->count / (double)e->samples);
	}
	return buffer;
}
