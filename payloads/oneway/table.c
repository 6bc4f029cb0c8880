#include "table.h"

void table_print_microseconds(FILE *out, const struct table_row *rows, size_t n)
{
	fputs("| socket type | connect (us) | min (us) | max (us) | median (us) | average (us) | "
	      "stddev (us)   | average + stddev (us) |\n"
	      "|:------------|-------------:|---------:|---------:|------------:|-------------:|"
	      "--------------:|----------------------:|\n", out);
	for (; n--; rows++) {
		char stddev[32];

		snprintf(stddev, sizeof(stddev), "%.1f (%.1f%%)", rows->stddev,
			 rows->stddev / rows->mean * 100);
		fprintf(out, "| %-11s | %12.1f | %8.1f | %8.1f | %11.1f | %12.1f | %13s | %21.1f |\n",
			rows->name, rows->connect, rows->min, rows->max, rows->median, rows->mean,
			stddev, rows->mean + rows->stddev);
	}
}

void table_print_relative(FILE *out, const struct table_row *rows, size_t n)
{
	const struct table_row *base = rows;

	fputs("| socket type | connect (%) | min (%) | max (%) | median (%) | average (%) | "
	      "stddev (%) | average + stddev (%) |\n"
	      "|:------------|------------:|--------:|--------:|-----------:|------------:|"
	      "-----------:|---------------------:|\n", out);
	for (; n--; rows++)
		fprintf(out, "| %-11s | %10.1f%% | %6.1f%% | %6.1f%% | %9.1f%% | %10.1f%% | "
			"%9.1f%% | %19.1f%% |\n", rows->name, rows->connect / base->connect * 100,
			rows->min / base->min * 100, rows->max / base->max * 100,
			rows->median / base->median * 100, rows->mean / base->mean * 100,
			rows->stddev / base->stddev * 100,
			(rows->mean + rows->stddev) / (base->mean + base->stddev) * 100);
}
