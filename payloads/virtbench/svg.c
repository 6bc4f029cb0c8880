/* A distribution as a picture: how many samples lie where, with the median and its interval. */
#include "results.h"

#include <math.h>
#include <stdlib.h>

#include "summary.h"

#define WIDTH 640
#define HEIGHT 240
#define MARGIN 40
#define BARS 60

/* Far outliers would squeeze all else into one bar: they are counted in the last one. */
static double right_end(const struct estimate *e)
{
	double usual = stats_percentile(e->values, e->samples, 99);
	double end = fmin(e->max, usual + (usual - e->min) / 4);

	return end > e->min ? end : e->min + fmax(fabs(e->min) / 100, 1e-3);
}

static double place(double value, double low, double high)
{
	double part = fmin(fmax((value - low) / (high - low), 0), 1);

	return MARGIN + part * (WIDTH - 2 * MARGIN);
}

static void write_bars(FILE *out, const struct estimate *e, double high)
{
	size_t counts[BARS] = { 0 }, most = 1;
	double bar = (double)(WIDTH - 2 * MARGIN) / BARS;

	for (size_t i = 0; i < e->samples; i++) {
		double part = fmin((e->values[i] - e->min) / (high - e->min), 1);
		size_t its_bar = (size_t)fmin(part * BARS, BARS - 1);

		if (++counts[its_bar] > most)
			most = counts[its_bar];
	}
	for (size_t i = 0; i < BARS; i++) {
		double height = (double)counts[i] / (double)most * (HEIGHT - 2 * MARGIN);

		if (counts[i])
			fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
				"fill=\"#4a7ab5\"><title>%zu samples</title></rect>\n",
				MARGIN + (double)i * bar, HEIGHT - MARGIN - height, bar - 1, height,
				counts[i]);
	}
}

static void write_label(FILE *out, double x, const char *anchor, double value)
{
	char text[32];

	fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">%s ns</text>\n", x,
		HEIGHT - MARGIN + 16, anchor, format_ns(value, text, sizeof(text)));
}

void svg_write_distribution(FILE *out, const char *title, const struct estimate *e)
{
	double high = right_end(e), median = place(e->median, e->min, high);
	double low_edge = place(e->interval.low, e->min, high);
	double high_edge = place(e->interval.high, e->min, high);
	char text[64];

	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
		"font-family=\"sans-serif\" font-size=\"11\">\n"
		"<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n"
		"<text x=\"%d\" y=\"20\" font-size=\"13\">%s: %s ns, %zu samples</text>\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT, MARGIN, title,
		format_ns(e->median, text, sizeof(text)), e->samples);
	fprintf(out, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"#f3d9a4\">"
		"<title>95 %% interval of the median</title></rect>\n",
		low_edge, MARGIN, fmax(high_edge - low_edge, 1), HEIGHT - 2 * MARGIN);
	write_bars(out, e, high);
	fprintf(out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#b03020\"/>\n",
		median, median, MARGIN - 6, HEIGHT - MARGIN);
	write_label(out, MARGIN, "start", e->min);
	write_label(out, WIDTH - MARGIN, "end", high);
	fprintf(out, "</svg>\n");
}
