#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "figures.h"
#include "json.h"

static void write_json(const struct test *t, const struct totals *done, double seconds)
{
	const struct settings *s = t->settings;
	struct json j;

	json_begin_line(&j, stdout);
	json_string(&j, "type", "interval");
	json_double(&j, "end_s", t->window.series.last_s);
	json_double(&j, "seconds", seconds);
	if (settings_unit(s))
		json_double(&j, "per_second", (double)done->transactions / seconds);
	json_double(&j, "Mbps", megabits(payload_bytes(s, done->bytes_read, done->bytes_written),
					 seconds));
	json_end_line(&j);
}

void progress_interval(const struct test *t, const struct totals *done, double seconds)
{
	const struct settings *s = t->settings;
	bool moving = isatty(STDERR_FILENO) && !s->progress;

	if (s->json)
		write_json(t, done, seconds);
	if (!moving && !s->progress)
		return;
	fprintf(stderr, "%s%7.1f s ", moving ? "\r" : "", t->window.series.last_s);
	if (settings_unit(s))
		fprintf(stderr, "%12.0f %s/s", (double)done->transactions / seconds,
			settings_unit(s));
	fprintf(stderr, "%12.2f Mbit/s", megabits(payload_bytes(s, done->bytes_read,
								 done->bytes_written), seconds));
	if (s->until > 0 && t->window.series.intervals > 1)
		fprintf(stderr, "   known to %.2f %%",
			100 * series_uncertainty(&t->window.series));
	fputs(moving ? "  " : "\n", stderr);
}

void progress_end(const struct test *t)
{
	if (isatty(STDERR_FILENO) && !t->settings->progress)
		fputc('\n', stderr);
}
