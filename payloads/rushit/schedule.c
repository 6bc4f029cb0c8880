#include "schedule.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "worker.h"

#define MOST_OVERDUE 1e6

struct schedule {
	struct worker *worker;
	/* Open loop: turn k is flow k modulo flows, due at first_ns + k * period_ns. */
	const struct workload *workload;
	uint64_t first_ns;
	double period_ns;
	uint64_t turn;
	/* Rests: all are of one length, so who began first ends first. */
	uint64_t rest_ns;
	struct flow **resting;		/* a ring */
	uint32_t room, head, count;
};

struct schedule *schedule_open_loop(struct worker *w, const struct workload *workload,
				    uint64_t first_ns, double period_ns)
{
	struct schedule *schedule = calloc(1, sizeof(*schedule));

	if (!schedule)
		return NULL;
	schedule->worker = w;
	schedule->workload = workload;
	schedule->first_ns = first_ns;
	schedule->period_ns = period_ns;
	for (uint32_t i = 0; i < w->flow_count; i++)
		w->flows[i]->next_turn = i;
	return schedule;
}

struct schedule *schedule_rests(struct worker *w, uint64_t rest_ns)
{
	struct schedule *schedule = calloc(1, sizeof(*schedule));

	if (!schedule)
		return NULL;
	schedule->worker = w;
	schedule->rest_ns = rest_ns;
	return schedule;
}

void schedule_free(struct schedule *schedule)
{
	if (!schedule)
		return;
	free(schedule->resting);
	free(schedule);
}

static uint64_t turn_ns(const struct schedule *schedule, uint64_t turn)
{
	return schedule->first_ns + (uint64_t)((double)turn * schedule->period_ns);
}

static void take_turn(struct schedule *schedule, struct flow *flow)
{
	uint64_t due = turn_ns(schedule, flow->next_turn);

	flow->next_turn += schedule->worker->flow_count;
	schedule->workload->launch(flow, due);
}

static bool make_room(struct schedule *schedule)
{
	uint32_t room = schedule->room ? 2 * schedule->room : 64;
	struct flow **resting;

	if (schedule->count < schedule->room)
		return true;
	resting = malloc(room * sizeof(struct flow *));
	if (!resting) {
		worker_fail(schedule->worker, "no memory for resting flows");
		return false;
	}
	for (uint32_t i = 0; i < schedule->count; i++)
		resting[i] = schedule->resting[(schedule->head + i) % schedule->room];
	free(schedule->resting);
	schedule->resting = resting;
	schedule->room = room;
	schedule->head = 0;
	return true;
}

static void begin_rest(struct schedule *schedule, struct flow *flow, uint64_t now_ns)
{
	if (!make_room(schedule))
		return;
	flow->next_ns = now_ns + schedule->rest_ns;
	schedule->resting[(schedule->head + schedule->count++) % schedule->room] = flow;
}

void schedule_done(struct schedule *schedule, struct flow *flow, uint64_t now_ns)
{
	if (!schedule->workload)
		begin_rest(schedule, flow, now_ns);
	else if (turn_ns(schedule, flow->next_turn) <= now_ns)
		take_turn(schedule, flow);
}

/* What began at `due_ns`: true when it counts. */
static bool count_waiting(struct histogram *latency, uint64_t due_ns, uint64_t end_ns,
			  uint64_t longest, uint64_t times)
{
	if (due_ns > end_ns || end_ns - due_ns <= longest)
		return false;
	histogram_record_n(latency, end_ns - due_ns, times);
	return true;
}

uint64_t schedule_unanswered(const struct schedule *schedule, uint64_t end_ns,
			     struct histogram *latency)
{
	const struct worker *w = schedule->worker;
	/* Where the rate is more than can be, what is next has waited about as long as the last. */
	uint64_t longest = 2 * histogram_max(latency), before = histogram_count(latency);
	double overdue = end_ns > schedule->first_ns
			 ? (double)(end_ns - schedule->first_ns) / schedule->period_ns : 0;
	/* A rate beyond all reason: not each turn by itself. */
	uint64_t step = 1 + (uint64_t)(overdue / MOST_OVERDUE);

	if (!schedule->workload)
		return 0;
	for (uint32_t i = 0; i < w->flow_count; i++) {
		const struct flow *flow = w->flows[i];
		uint64_t turn = flow->next_turn;

		if (flow->busy)
			count_waiting(latency, flow->start_ns, end_ns, longest, 1);
		while (count_waiting(latency, turn_ns(schedule, turn), end_ns, longest, step))
			turn += step * w->flow_count;
	}
	return histogram_count(latency) - before;
}

void schedule_forget(struct schedule *schedule, struct flow *flow)
{
	for (uint32_t i = 0; i < schedule->count; i++) {
		struct flow **at = &schedule->resting[(schedule->head + i) % schedule->room];

		if (*at == flow)
			*at = NULL;
	}
}

static uint64_t run_rests(struct schedule *schedule, uint64_t now_ns)
{
	while (schedule->count) {
		struct flow *flow = schedule->resting[schedule->head];

		if (flow && flow->next_ns > now_ns)
			return flow->next_ns;
		schedule->head = (schedule->head + 1) % schedule->room;
		schedule->count--;
		if (flow)
			flow->ready(flow, EPOLLOUT);
	}
	return UINT64_MAX;
}

/* Where nobody takes a turn: on to the next one that somebody waits for, or the last one due. */
static uint64_t next_taken(const struct schedule *schedule, uint64_t now_ns)
{
	const struct worker *w = schedule->worker;
	uint64_t turn = (uint64_t)((double)(now_ns - schedule->first_ns) / schedule->period_ns);

	for (uint32_t i = 0; i < w->flow_count; i++) {
		const struct flow *flow = w->flows[i];

		if (!flow->busy && flow->next_turn >= schedule->turn && flow->next_turn < turn)
			turn = flow->next_turn;
	}
	return turn > schedule->turn ? turn : schedule->turn;
}

uint64_t schedule_run(struct schedule *schedule, uint64_t now_ns)
{
	struct worker *w = schedule->worker;
	uint32_t idle = 0;

	if (!schedule->workload)
		return run_rests(schedule, now_ns);
	while (w->flow_count && turn_ns(schedule, schedule->turn) <= now_ns) {
		struct flow *flow = w->flows[schedule->turn % w->flow_count];

		/* A busy flow takes its turn when it is done, still counted from this moment. */
		if (!flow->busy && flow->next_turn == schedule->turn) {
			take_turn(schedule, flow);
			idle = 0;
		} else {
			idle++;
		}
		schedule->turn++;
		if (w->failed)
			break;
		/* With a rate far above what can be, one by one would take all the time. */
		if (idle >= w->flow_count) {
			schedule->turn = next_taken(schedule, now_ns);
			idle = 0;
		}
	}
	return turn_ns(schedule, schedule->turn);
}
