/* Results as short texts; each returns `buffer`. */
#ifndef VIRTBENCH_SUMMARY_H
#define VIRTBENCH_SUMMARY_H

#include <stddef.h>

#include "estimator.h"

/* Whole nanoseconds, or four digits when it is less than 1000. */
const char *format_ns(double ns, char *buffer, size_t size);

/* "median (min - max)" */
const char *quick_summary(const struct estimate *e, char *buffer, size_t size);

/* The peaks: "100:50%, 105:50%" */
const char *distribution_summary(const struct estimate *e, char *buffer, size_t size);

#endif
