#include "series.h"

#include <math.h>

#include "statistics.h"

/* A stump of an interval at the end of a run would count as much as a whole one: left out. */
static void add_interval(struct series *series, double seconds, double work)
{
	double rate = work / seconds;
	double distance = rate - series->mean_rate;

	if (seconds > series->longest_s)
		series->longest_s = seconds;
	if (seconds < series->longest_s / 2)
		return;
	series->intervals++;
	series->mean_rate += distance / (double)series->intervals;
	series->var_rate += distance * (rate - series->mean_rate);
}

void series_add(struct series *series, double seconds, double work)
{
	double time_distance, work_distance;

	if (!series->points) {
		series->first_s = seconds;
		series->first_work = work;
	} else if (seconds > series->last_s) {
		add_interval(series, seconds - series->last_s, work - series->last_work);
	}
	series->points++;
	time_distance = seconds - series->mean_time;
	work_distance = work - series->mean_work;
	series->mean_time += time_distance / (double)series->points;
	series->mean_work += work_distance / (double)series->points;
	series->var_time += time_distance * (seconds - series->mean_time);
	series->var_work += work_distance * (work - series->mean_work);
	series->cov += time_distance * (work - series->mean_work);
	series->last_s = seconds;
	series->last_work = work;
}

double series_rate(const struct series *series)
{
	double seconds = series->last_s - series->first_s;

	return seconds > 0 ? (series->last_work - series->first_work) / seconds : 0;
}

double series_correlation(const struct series *series)
{
	double spread = sqrt(series->var_time) * sqrt(series->var_work);

	return spread > 0 ? series->cov / spread : 0;
}

double series_uncertainty(const struct series *series)
{
	double n = (double)series->intervals;
	double deviation;

	if (series->intervals < 2 || series->mean_rate <= 0)
		return INFINITY;
	deviation = sqrt(series->var_rate / (n - 1));
	return stats_student_t(series->intervals - 1) * deviation / sqrt(n) / series->mean_rate;
}
