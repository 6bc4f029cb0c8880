#include "comparison.h"

#include <math.h>
#include <stdlib.h>

#include "summary.h"

#define SAME_WITHIN 0.02
/* The bootstrap's seed: the same files always give the same interval. */
#define SEED 1
/* Without a verdict so many are enough, and soon looked through. */
#define MOST_SAMPLES 10000

static size_t some(size_t n)
{
	return n < MOST_SAMPLES ? n : MOST_SAMPLES;
}

static enum comparison_verdict verdict(struct interval interval)
{
	if (interval.low >= 1 - SAME_WITHIN && interval.high <= 1 + SAME_WITHIN)
		return SAME;
	if (interval.high < 1)
		return FASTER;
	if (interval.low > 1)
		return SLOWER;
	return CANNOT_TELL;
}

/* Of the logarithms of the runs' medians: ratios become differences. */
struct spread {
	double mean;
	double variance;	/* of the mean */
	double degrees;		/* of freedom */
};

static struct spread spread_of(const struct samples *samples)
{
	struct spread spread = { NAN, NAN, NAN };
	size_t n = samples->n_lines;
	double *logs = malloc(n * sizeof(*logs)), deviation;

	for (size_t i = 0; logs && i < n; i++)
		logs[i] = log(samples->medians[i]);
	if (logs) {
		deviation = stats_stddev(logs, n);
		spread = (struct spread){ stats_mean(logs, n), deviation * deviation / (double)n,
					  (double)n - 1 };
	}
	free(logs);
	return spread;
}

/* Welch's t interval: the two sides may vary differently. */
static void compare_runs(struct comparison *c, const struct samples *a, const struct samples *b)
{
	struct spread x = spread_of(a), y = spread_of(b);
	double variance = x.variance + y.variance, half = 0;

	if (variance > 0) {
		double degrees = variance * variance / (x.variance * x.variance / x.degrees +
							y.variance * y.variance / y.degrees);

		half = stats_student_t((size_t)fmax(degrees, 1)) * sqrt(variance);
	}
	c->a = exp(x.mean);
	c->b = exp(y.mean);
	c->ratio = exp(y.mean - x.mean);
	c->interval = (struct interval){ exp(y.mean - x.mean - half), exp(y.mean - x.mean + half) };
	/* What took no time, or less, has no ratio. */
	c->known = isfinite(c->interval.high) && c->interval.low > 0;
}

struct comparison compare_samples(const struct samples *a, const struct samples *b)
{
	struct comparison c = { .name = a->name, .verdict = CANNOT_TELL };

	if (a->n_lines >= FEWEST_RUNS && b->n_lines >= FEWEST_RUNS)
		compare_runs(&c, a, b);
	if (c.known) {
		c.verdict = verdict(c.interval);
		return c;
	}
	c.a = stats_median(a->values, a->n);
	c.b = stats_median(b->values, b->n);
	c.ratio = c.b / c.a;
	c.interval = stats_median_ratio_interval(a->values, some(a->n), b->values, some(b->n),
						 SEED);
	return c;
}

enum slowdown slowdown(const struct comparison *c, double limit)
{
	if (c->known && c->interval.low > limit)
		return SLOWDOWN_SEEN;
	return c->known && c->interval.high <= limit ? SLOWDOWN_NONE : SLOWDOWN_UNKNOWN;
}

const char *comparison_name(enum comparison_verdict v)
{
	static const char *const names[] = { "faster", "slower", "same", "cannot tell" };

	return names[v];
}

#define ROW 18
#define LEFT 150
#define WIDTH 640
#define TOP 40

/* From half to twice as long, in equal steps for equal factors. */
static double place(double ratio)
{
	double part = (log2(fmin(fmax(ratio, 0.5), 2)) + 1) / 2;

	return LEFT + (isnan(part) ? 0.5 : part) * (WIDTH - LEFT - 20);
}

static void write_row(FILE *out, const struct comparison *c, double y)
{
	static const char *const colours[] = { "#2e7d32", "#b03020", "#606060", "#b0a060" };

	fprintf(out, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">%s</text>\n", LEFT - 8, y + 4,
		c->name);
	fprintf(out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" y2=\"%.0f\" stroke=\"%s\" "
		"stroke-width=\"3\"/>\n", place(c->interval.low), place(c->interval.high), y, y,
		colours[c->verdict]);
	fprintf(out, "<circle cx=\"%.1f\" cy=\"%.0f\" r=\"4\" fill=\"%s\"><title>%.3f, %s</title>"
		"</circle>\n", place(c->ratio), y, colours[c->verdict], c->ratio,
		comparison_name(c->verdict));
}

void svg_write_comparisons(FILE *out, const struct comparison *all, size_t n)
{
	static const double ticks[] = { 0.5, 0.75, 1, 1.5, 2 };
	double height = TOP + (double)(n + 1) * ROW;

	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" "
		"font-family=\"sans-serif\" font-size=\"11\">\n"
		"<rect width=\"%d\" height=\"%.0f\" fill=\"white\"/>\n"
		"<text x=\"10\" y=\"16\" font-size=\"13\">time of B to time of A, with 95 %% "
		"interval</text>\n", WIDTH, height, WIDTH, height);
	for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++)
		fprintf(out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%.0f\" stroke=\"%s\"/>\n"
			"<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
			place(ticks[i]), place(ticks[i]), TOP, height - ROW / 2.0,
			ticks[i] == 1 ? "#404040" : "#dddddd", place(ticks[i]), TOP - 6, ticks[i]);
	for (size_t i = 0; i < n; i++)
		write_row(out, &all[i], TOP + ((double)i + 0.5) * ROW);
	fprintf(out, "</svg>\n");
}
