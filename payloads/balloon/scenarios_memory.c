/* The balloon against memory that is in use. */
#include <inttypes.h>

#include "clock.h"
#include "load.h"
#include "scenarios.h"

#define MARGIN_KB (24u << 10)	/* left for everybody else */
#define BELOW_USE_KB (16u << 10)
#define PRESSURE_CYCLES 20
#define CALM_MS 1000

/* A load that was killed has looked at no pattern: that says nothing of its pages. */
static struct verdict judge_load(enum load_end end, const char *done)
{
	if (end == LOAD_GOOD)
		return verdict_pass("%s; %s", done, load_end_words(end));
	if (end == LOAD_FAILED || end == LOAD_KILLED || end == LOAD_LET_GO)
		return verdict_error("%s; %s", done, load_end_words(end));
	return verdict_fail("%s; %s", done, load_end_words(end));
}

static int load_all_but(struct trial *trial, struct load *load, uint64_t margin, uint64_t *kb,
			struct why *why)
{
	struct view view;

	if (trial->door->view(trial->door, &view, why))
		return -1;
	if (view.guest_available <= margin + BELOW_USE_KB) {
		why_set(why, "only %" PRIu64 " kB are available", view.guest_available);
		return -1;
	}
	*kb = view.guest_available - margin;
	return load_begin(load, *kb, why);
}

/* Where memory is to run out, that the kernel takes it back from the load is its right. */
static struct verdict judge_doomed_load(enum load_end end, const char *done)
{
	if (end == LOAD_KILLED || end == LOAD_LET_GO)
		return verdict_pass("%s; %s", done, load_end_words(end));
	return judge_load(end, done);
}

/* After shrinking and growing, every page that came back can be used. */
struct verdict scenario_pages_back(struct trial *trial)
{
	struct verdict verdict;
	struct settled settled;
	struct load load;
	struct why why;
	uint64_t kb;
	char done[80];

	if (!can_move(trial, &verdict))
		return verdict;
	verdict = move(trial, trial->before.target - trial->step, &settled);
	verdict = both(verdict, move_back(trial));
	/* Without the kernel's word the load would only be as large as what it has left. */
	verdict = both(verdict, counts_agree(trial));
	if (verdict.outcome != OUTCOME_PASS)
		return verdict;
	if (load_all_but(trial, &load, MARGIN_KB, &kb, &why))
		return verdict_error("%s", why.text);
	snprintf(done, sizeof(done), "%" PRIu64 " kB allocated and touched after growing", kb);
	return judge_load(load_end(&load), done);
}

/* Wait until nothing moves any more: below what is in use the target is not reached. */
static struct settled settle_calm(struct trial *trial)
{
	deadline_t deadline = deadline_in_ms(trial->settle_ms);
	struct settled s = settle_above(trial, trial->floor, CALM_MS);

	while (!s.error && !s.reached && !deadline_passed(deadline)) {
		uint64_t last = s.view.current;

		s = settle_above(trial, trial->floor, CALM_MS);
		if (s.view.current == last)
			break;
	}
	return s;
}

/* What is free it can give, so a driver whose allocation stands still has tried nothing. */
static struct verdict judge_giving_back(const struct trial *trial, const struct settled *settled,
					const char *done)
{
	if (settled->error)
		return verdict_error("%s", settled->why.text);
	if (settled->view.current >= trial->before.current)
		return verdict_fail("%s: it gave nothing back of what was free", done);
	return verdict_pass("%s", done);
}

struct verdict scenario_fill(struct trial *trial)
{
	struct verdict verdict;
	struct settled settled = { 0 };
	struct load load;
	struct why why;
	uint64_t kb, target;
	int error;
	char done[160];

	if (!can_move(trial, &verdict))
		return verdict;
	if (load_all_but(trial, &load, MARGIN_KB, &kb, &why))
		return verdict_error("%s", why.text);
	target = trial->before.target - MARGIN_KB - BELOW_USE_KB;
	error = trial->door->set(trial->door, target, &why);
	if (error) {
		verdict = not_taken(error, target, &why);
	} else {
		settled = settle_calm(trial);
		snprintf(done, sizeof(done), "%" PRIu64 " kB in use, target %" PRIu64
			 " kB, allocation then %" PRIu64 " kB", kb, target, settled.view.current);
		verdict = judge_giving_back(trial, &settled, done);
	}
	verdict = both(verdict, judge_doomed_load(load_end(&load), done));
	return both(move_back(trial), verdict);
}

/* Moves while another process gives memory back and takes it all the time. */
struct verdict scenario_pressure(struct trial *trial)
{
	struct verdict verdict;
	struct settled settled;
	struct load load;
	struct why why;
	uint64_t step, kb;
	int moves = 0;
	char done[64];

	if (!can_move(trial, &verdict))
		return verdict;
	if (load_all_but(trial, &load, MARGIN_KB + trial->step, &kb, &why))
		return verdict_error("%s", why.text);
	load_churn(&load);
	step = trial->step / 2 / 4 * 4;	/* whole pages: the driver keeps no others */
	for (; moves < PRESSURE_CYCLES && verdict.outcome == OUTCOME_PASS; moves++) {
		verdict = move(trial, trial->before.target - step, &settled);
		verdict = both(verdict, move(trial, trial->before.target, &settled));
	}
	snprintf(done, sizeof(done), "%d moves down and up under load", moves);
	verdict = both(verdict, judge_load(load_end(&load), done));
	return both(move_back(trial), verdict);
}
