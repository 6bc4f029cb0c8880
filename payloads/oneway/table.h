/* The ancestor's two tables: latencies of socket types in microseconds, and relative to the first. */
#ifndef ONEWAY_TABLE_H
#define ONEWAY_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct table_row {
	const char *name;
	double connect, min, max, median, mean, stddev;	/* microseconds */
};

void table_print_microseconds(FILE *out, const struct table_row *rows, size_t n);
void table_print_relative(FILE *out, const struct table_row *rows, size_t n);

#endif
