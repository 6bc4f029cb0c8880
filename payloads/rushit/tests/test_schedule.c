/* When flows may go on: an open loop waits for nobody, and a rest is a rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>

#include <cmocka.h>

#include "schedule.h"
#include "worker.h"

#define FLOWS 3
#define MOST 64

static struct worker worker;
static struct flow flows[FLOWS], *pointers[FLOWS];
static uint64_t launched_due[MOST];
static uint32_t launched_flow[MOST];
static int launches;

static void note_launch(struct flow *flow, uint64_t due_ns)
{
	launched_due[launches] = due_ns;
	launched_flow[launches++] = flow->id;
	flow->busy = true;
}

static void note_ready(struct flow *flow, uint32_t events)
{
	assert_int_equal(events, EPOLLOUT);
	note_launch(flow, 0);
}

static const struct workload workload = {.launch = note_launch};

static int prepare(void **state)
{
	(void)state;
	memset(&worker, 0, sizeof(worker));
	memset(flows, 0, sizeof(flows));
	for (uint32_t i = 0; i < FLOWS; i++) {
		flows[i].id = i;
		flows[i].ready = note_ready;
		pointers[i] = &flows[i];
	}
	worker.flows = pointers;
	worker.flow_count = FLOWS;
	launches = 0;
	return 0;
}

static void flows_take_turns(void **state)
{
	struct schedule *s = schedule_open_loop(&worker, &workload, 1000, 100);

	(void)state;
	assert_int_equal(schedule_run(s, 999), 1000);
	assert_int_equal(launches, 0);
	assert_int_equal(schedule_run(s, 1250), 1300);
	assert_int_equal(launches, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(launched_flow[i], i);
		assert_int_equal(launched_due[i], 1000 + 100 * i);
	}
	schedule_free(s);
}

/* The heart of an open loop: who waited behind a slow answer has waited since its turn. */
static void overdue_turns_count_from_their_moment(void **state)
{
	struct schedule *s = schedule_open_loop(&worker, &workload, 1000, 100);

	(void)state;
	schedule_run(s, 1000);
	assert_int_equal(launches, 1);
	schedule_run(s, 1750);
	assert_int_equal(launches, 3);
	flows[0].busy = false;
	schedule_done(s, &flows[0], 1750);
	assert_int_equal(launches, 4);
	assert_int_equal(launched_due[3], 1300);
	flows[0].busy = false;
	schedule_done(s, &flows[0], 1750);
	assert_int_equal(launched_due[4], 1600);
	flows[0].busy = false;
	schedule_done(s, &flows[0], 1750);
	assert_int_equal(launches, 5);
	assert_int_equal(schedule_run(s, 1900), 2000);
	assert_int_equal(launches, 6);
	assert_int_equal(launched_flow[5], 0);
	assert_int_equal(launched_due[5], 1900);
	schedule_free(s);
}

/* Counting through all turns of a rate that cannot be kept would take longer than they do. */
static void a_rate_beyond_all_reason(void **state)
{
	struct schedule *s = schedule_open_loop(&worker, &workload, 1000, 1e-6);

	(void)state;
	schedule_run(s, 1000000000);
	assert_int_equal(launches, FLOWS);
	assert_int_equal(launched_due[2], 1000);
	flows[1].busy = false;
	schedule_done(s, &flows[1], 1000000000);
	assert_int_equal(launches, FLOWS + 1);
	/* Who took turns by itself meanwhile has its next one far ahead. */
	flows[1].busy = false;
	flows[1].next_turn = 1500000000000001;
	schedule_run(s, 2000000000);
	assert_int_equal(launches, FLOWS + 2);
	assert_in_range(launched_due[FLOWS + 1], 1499999999, 1500001001);
	schedule_free(s);
}

static void waiting_at_the_end_counts(void **state)
{
	struct schedule *s = schedule_open_loop(&worker, &workload, 1000, 100);
	struct histogram *h = histogram_new(1000000, 3);

	(void)state;
	for (uint32_t i = 0; i < FLOWS; i++)
		flows[i].start_ns = 1000 + 100 * i;
	schedule_run(s, 1250);
	flows[1].busy = false;
	histogram_record(h, 150);
	/* Due at 1000, 1200, ... 1500; those of 1600 and later may still be as quick. */
	assert_int_equal(schedule_unanswered(s, 1850, h), 5);
	assert_int_equal(histogram_count(h), 6);
	assert_int_equal(histogram_max(h), 850);
	assert_int_equal(histogram_min(h), 150);
	/* Nothing was measured. */
	assert_int_equal(schedule_unanswered(s, 0, h), 0);
	histogram_free(h);
	schedule_free(s);
}

static void rests_end_in_order(void **state)
{
	struct schedule *s = schedule_rests(&worker, 500);

	(void)state;
	assert_int_equal(schedule_run(s, 0), UINT64_MAX);
	schedule_done(s, &flows[2], 100);
	schedule_done(s, &flows[0], 200);
	assert_int_equal(schedule_run(s, 599), 600);
	assert_int_equal(launches, 0);
	assert_int_equal(schedule_run(s, 600), 700);
	assert_int_equal(launched_flow[0], 2);
	schedule_forget(s, &flows[0]);
	assert_int_equal(schedule_run(s, 900), UINT64_MAX);
	assert_int_equal(launches, 1);
	schedule_free(s);
}

/* The ring grows while it is in use, and not at its start. */
static void many_can_rest(void **state)
{
	static struct flow many[200];
	struct schedule *s = schedule_rests(&worker, 1000);

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		many[i].id = i;
		many[i].ready = note_ready;
		schedule_done(s, &many[i], i);
		if (i == 40)
			schedule_run(s, 1020);
	}
	assert_int_equal(launches, 21);
	assert_int_equal(schedule_run(s, 1020), 1021);
	assert_int_equal(schedule_run(s, 1050), 1051);
	assert_int_equal(launches, 51);
	for (uint32_t i = 0; i < 51; i++)
		assert_int_equal(launched_flow[i], i);
	schedule_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(flows_take_turns, prepare),
		cmocka_unit_test_setup(overdue_turns_count_from_their_moment, prepare),
		cmocka_unit_test_setup(a_rate_beyond_all_reason, prepare),
		cmocka_unit_test_setup(waiting_at_the_end_counts, prepare),
		cmocka_unit_test_setup(rests_end_in_order, prepare),
		cmocka_unit_test_setup(many_can_rest, prepare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
