/* The sequence: call N of a seed, and all of them one after another. */
#include "exits.h"
#include "run.h"

#define CLEAN_EVERY 16u	/* blocks */

static bool may_be_wrapped(const struct call *call)
{
	return !call->operation || !(call->operation->traits & TRAIT_ALONE);
}

/* The same operation, some of the time with other arguments: what was kept for its coverage, varied. */
static void twist(struct call *call, uint64_t by)
{
	struct dice other = dice_of(by * 0xd1342543de82ef95ull + call->number);

	if (dice_chance(&other, 25))
		call->dice = other;
}

/* Everything about the call but its result: a function of seed, number and plan alone. */
static void generate(struct call *call)
{
	const struct operation *operation;

	choose(call);
	if (call->run->plan.twist)
		twist(call, call->run->plan.twist);
	operation = call->operation;
	if (call->family) {
		call->family->generate(call);
		if (operation && operation->generate)
			operation->generate(call);
		else
			draw_fields(call);
	}
	call->in_multicall = chance(call, 3) && may_be_wrapped(call);
	if (chance(call, 6) && !call->in_multicall)
		call->interrupted = true;
	call->twice = chance(call, 20) && operation && operation->traits & TRAIT_READS;
}

static void expect(struct call *call)
{
	if (!call->family || !call->family->expect(call))
		return;
	if (call->operation)
		call->operation->expect(call);
	else
		expect_only(call, call->family->unknown_command);
}

static void mark(struct run *run, uint64_t number)
{
	char line[100];
	struct text t;

	text_begin(&t, line, sizeof(line));
	text_add(&t, "XENFC ");
	add_sequence(&t, run);
	text_format(&t, " call %lu\n", number);
	run->door->mark(run->door, line, t.used);
}

static void make_call(struct run *run, uint64_t number)
{
	struct call *call = &run->call;

	call_begin(call, run, number);
	generate(call);
	expect(call);
	perform(run, call);
	run->outcome.made++;
	if (!call->wrong[0]) {
		run->outcome.passed++;
		return;
	}
	if (!run->outcome.failed++) {
		struct text t;

		run->outcome.first_failed = number;
		text_begin(&t, run->outcome.reason, sizeof(run->outcome.reason));
		add_sequence(&t, run);
		text_format(&t, " call %lu %s.%s: errno=%ld, %s", number,
			    call->family ? call->family->name : "hypercall",
			    call->operation ? call->operation->name : "unknown", call->result,
			    call->wrong);
	}
}

static bool time_is_over(const struct run *run, uint64_t start)
{
	struct door *door = run->door;

	if (door->stop && door->stop(door))
		return true;
	return run->plan.limit_ns && door->now_ns(door) - start >= run->plan.limit_ns;
}

static uint64_t last_call(const struct plan *plan)
{
	uint64_t last = plan->loops ? plan->loops - 1 : 0;

	return plan->to < last ? plan->to : last;
}

/* False: time is over. */
static bool make_span(struct run *run, const struct call_span *span, uint64_t start)
{
	for (uint64_t made = 0; made <= span->last - span->first; made++) {
		if (made % run->plan.block == 0) {
			if (time_is_over(run, start))
				return false;
			mark(run, span->first + made);
		}
		make_call(run, span->first + made);
	}
	return true;
}

static bool make_piece(struct run *run, uint64_t start)
{
	const struct plan *plan = &run->plan;
	const uint64_t clean_every = plan->block * CLEAN_EVERY, last = last_call(plan);
	uint64_t next_mark = plan->from, next_clean = plan->from - plan->from % clean_every;
	bool clean = true;

	if (plan->spans) {
		for (size_t i = 0; i < plan->n_spans; i++)
			if (!make_span(run, &plan->spans[i], start))
				break;
		return housekeep(run);
	}
	for (uint64_t number = plan->from; number <= last; number++) {
		if (number == next_mark) {
			if (time_is_over(run, start))
				break;
			mark(run, number);
			next_mark += plan->block;
		}
		make_call(run, number);
		if (number + 1 == next_clean + clean_every) {
			clean = housekeep(run) && clean;
			next_clean = number + 1;
		}
	}
	return housekeep(run) && clean;
}

bool sequence_make(struct run *run)
{
	uint64_t start = run->door->now_ns(run->door);
	bool clean = true;

	if (!run->plan.next)
		return make_piece(run, start);
	while (run->plan.next(&run->plan, &run->outcome) && !time_is_over(run, start))
		clean = make_piece(run, start) && clean;
	return clean;
}
