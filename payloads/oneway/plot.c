#include "plot.h"

#include <math.h>

#define WIDTH 800
#define HEIGHT 480
#define LEFT 60
#define RIGHT 780
#define TOP 40
#define BOTTOM 430

static const char *const colours[] = {"#0b62a4", "#c2410c", "#15803d", "#7e22ce"};

/* Whole decades of microseconds that hold all that is drawn. */
struct range {
	double low, high;
};

static double decade_us(uint64_t ns)
{
	return log10((double)(ns ? ns : 1) / 1000);
}

static struct range find_range(const struct plot_series *series, size_t n)
{
	struct range r = {INFINITY, -INFINITY};

	for (; n--; series++) {
		r.low = fmin(r.low, floor(decade_us(histogram_min(series->nanoseconds))));
		r.high = fmax(r.high, ceil(decade_us(histogram_max(series->nanoseconds))));
	}
	if (!isfinite(r.low) || r.high <= r.low)
		r = (struct range){0, 3};
	return r;
}

static double x_of(const struct range *r, uint64_t ns)
{
	return LEFT + (RIGHT - LEFT) * (decade_us(ns) - r->low) / (r->high - r->low);
}

static double y_of(double share)
{
	return BOTTOM - (BOTTOM - TOP) * share;
}

static void write_axes(FILE *out, const struct range *r)
{
	for (double decade = r->low; decade <= r->high; decade++) {
		double x = LEFT + (RIGHT - LEFT) * (decade - r->low) / (r->high - r->low);

		fprintf(out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#ccc\"/>\n"
			"<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g us</text>\n", x, TOP, x,
			BOTTOM, x, BOTTOM + 18, pow(10, decade));
	}
	for (int percent = 0; percent <= 100; percent += 25)
		fprintf(out, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ccc\"/>\n"
			"<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%d %%</text>\n", LEFT,
			y_of(percent / 100.0), RIGHT, y_of(percent / 100.0), LEFT - 6,
			y_of(percent / 100.0) + 4, percent);
}

static void write_series(FILE *out, const struct range *r, const struct plot_series *series,
			 const char *colour)
{
	uint64_t low, high, count, seen = 0, total = histogram_count(series->nanoseconds);
	uint32_t cursor = 0;

	fprintf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"%.1f,%.1f",
		colour, x_of(r, histogram_min(series->nanoseconds)), y_of(0));
	while (histogram_next(series->nanoseconds, &cursor, &low, &high, &count)) {
		seen += count;
		fprintf(out, " %.1f,%.1f", x_of(r, (low + high) / 2),
			y_of((double)seen / (double)total));
	}
	fputs("\"/>\n", out);
}

void plot_write(FILE *out, const char *title, const struct plot_series *series, size_t n)
{
	struct range r = find_range(series, n);

	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n"
		"<text x=\"%d\" y=\"22\" font-size=\"16\" text-anchor=\"middle\">%s</text>\n", WIDTH,
		HEIGHT, WIDTH, HEIGHT, WIDTH / 2, title);
	write_axes(out, &r);
	for (size_t i = 0; i < n; i++) {
		const char *colour = colours[i % (sizeof(colours) / sizeof(*colours))];

		write_series(out, &r, &series[i], colour);
		fprintf(out, "<text x=\"%d\" y=\"%zu\" fill=\"%s\">%s</text>\n", RIGHT - 110,
			BOTTOM - 20 - 18 * (n - 1 - i), colour, series[i].name);
	}
	fputs("</svg>\n", out);
}
