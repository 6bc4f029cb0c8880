/* Plain moves of the balloon: what the paper calls reading, raising, lowering, random values. */
#include <inttypes.h>

#include "scenarios.h"

#define RANDOM_WRITES 200
#define ADDRESSABLE_KB (1ull << 42)	/* 52 bits of physical address */
#define CYCLE_STEP_KB 4096u

static double mb_per_second(uint64_t kb, double seconds)
{
	return seconds > 0 ? (double)kb / 1024 / seconds : 0;
}

struct verdict scenario_read(struct trial *trial)
{
	struct view view;
	struct why why;

	if (trial->door->view(trial->door, &view, &why))
		return verdict_fail("%s", why.text);
	if (trial->door->place == PLACE_WATCH)
		return verdict_skip("this guest's kernel manages %" PRIu64 " kB; what was asked of "
				    "it and what it has only the host knows: run balloon there "
				    "with --qmp or --domain", view.guest_total);
	if (!view.current || !view.target)
		return verdict_fail("an allocation of %" PRIu64 " kB and a target of %" PRIu64
				    " kB cannot be", view.current, view.target);
	if (view.current > ADDRESSABLE_KB || view.target > ADDRESSABLE_KB)
		return verdict_fail("an allocation of %" PRIu64 " kB and a target of %" PRIu64
				    " kB are more than any processor can address", view.current,
				    view.target);
	if (view.guest_total > view.current + trial->door->slack)
		return verdict_fail("the kernel manages %" PRIu64 " kB, more than the domain's "
				    "%" PRIu64 " kB", view.guest_total, view.current);
	if (view.guest_available > view.guest_total)
		return verdict_fail("%" PRIu64 " kB are available of a MemTotal of %" PRIu64 " kB",
				    view.guest_available, view.guest_total);
	if (view.limit && view.current > view.limit)
		return verdict_fail("the allocation of %" PRIu64 " kB is above the hard limit of "
				    "%" PRIu64 " kB", view.current, view.limit);
	return verdict_pass("%" PRIu64 " kB, target %" PRIu64 " kB", view.current, view.target);
}

struct verdict scenario_lower(struct trial *trial)
{
	struct verdict verdict, back;
	struct settled settled;

	if (!can_move(trial, &verdict))
		return verdict;
	verdict = move(trial, trial->before.target - trial->step, &settled);
	if (verdict.outcome == OUTCOME_PASS) {
		report_figure(trial->report, "balloon-down",
			      mb_per_second(trial->step, settled.seconds), "MB/s", "higher");
		verdict = both(both(counts_agree(trial), stay(trial)), verdict);
	}
	back = move_back(trial);
	return both(both(verdict, back), verdict);
}

struct verdict scenario_raise(struct trial *trial)
{
	struct verdict verdict;
	struct settled settled = { 0 };
	uint64_t small;

	if (!can_move(trial, &verdict))
		return verdict;
	verdict = move(trial, trial->before.target - trial->step, &settled);
	small = settled.view.current;
	verdict = both(verdict, counts_agree(trial));
	if (verdict.outcome != OUTCOME_PASS) {
		move_back(trial);
		return verdict;
	}
	verdict = move(trial, trial->before.target, &settled);
	if (verdict.outcome != OUTCOME_PASS)
		return verdict;
	report_figure(trial->report, "balloon-up", mb_per_second(trial->step, settled.seconds),
		      "MB/s", "higher");
	return both(both(counts_agree(trial), stay(trial)),
		    verdict_pass("from %" PRIu64 " to %" PRIu64 " kB in %.3f s", small,
				 settled.view.current, settled.seconds));
}

/* The last of many targets is the one that counts. */
struct verdict scenario_random(struct trial *trial)
{
	int writes = door_is_inside(trial->door) ? RANDOM_WRITES : RANDOM_WRITES / 20;
	uint64_t target = 0, top = trial->before.target;
	struct verdict verdict, back;
	struct settled settled;
	struct why why;
	int error;

	if (!can_move(trial, &verdict))
		return verdict;
	for (int i = 0; i < writes && verdict.outcome == OUTCOME_PASS; i++) {
		target = random_between(&trial->random, (top - trial->step) / 4, top / 4) * 4;
		error = trial->door->set(trial->door, target, &why);
		if (error)
			verdict = not_taken(error, target, &why);
	}
	/* Not written once more: that would hide that one of many was lost. */
	if (verdict.outcome == OUTCOME_PASS)
		verdict = arrive(trial, target, &settled);
	back = move_back(trial);
	verdict = both(verdict, back);
	if (verdict.outcome != OUTCOME_PASS)
		return verdict;
	return verdict_pass("%d writes; the last one, %" PRIu64 " kB, was reached", writes, target);
}

static struct verdict no_page_lost(const struct trial *trial, const struct view *begin,
				   const struct view *end, int64_t cycles)
{
	if (begin->current != end->current)
		return verdict_fail("after %" PRId64 " cycles the domain has %" PRIu64
				    " kB instead of %" PRIu64 " kB", cycles, end->current,
				    begin->current);
	if (begin->hypervisor != end->hypervisor)
		return verdict_fail("after %" PRId64 " cycles the hypervisor counts %" PRIu64
				    " kB instead of %" PRIu64 " kB", cycles, end->hypervisor,
				    begin->hypervisor);
	if (door_is_inside(trial->door) && begin->guest_total != end->guest_total)
		return verdict_fail("after %" PRId64 " cycles MemTotal is %" PRIu64
				    " kB instead of %" PRIu64 " kB", cycles, end->guest_total,
				    begin->guest_total);
	return verdict_pass("%" PRId64 " cycles, no page lost%s", cycles,
			    begin->hypervisor ? "; the hypervisor's count agrees" :
			    " by the guest's count (the hypervisor's cannot be had here)");
}

static struct verdict in_cycle(int64_t cycle, const struct verdict *inner)
{
	struct verdict verdict = verdict_fail("cycle %" PRId64 ": %.440s", cycle, inner->reason);

	verdict.outcome = inner->outcome;
	return verdict;
}

struct verdict scenario_cycles(struct trial *trial)
{
	uint64_t step = trial->step < CYCLE_STEP_KB ? trial->step : CYCLE_STEP_KB;
	struct view begin, end;
	struct verdict verdict;
	struct settled settled;
	struct why why;

	if (!can_move(trial, &verdict))
		return verdict;
	if (trial->door->view(trial->door, &begin, &why))
		return verdict_error("%s", why.text);
	for (int64_t i = 0; i < trial->cycles; i++) {
		verdict = move(trial, trial->before.target - step, &settled);
		if (verdict.outcome == OUTCOME_PASS)
			verdict = move(trial, trial->before.target, &settled);
		if (verdict.outcome != OUTCOME_PASS) {
			move_back(trial);
			return in_cycle(i + 1, &verdict);
		}
	}
	if (trial->door->view(trial->door, &end, &why))
		return verdict_error("%s", why.text);
	return no_page_lost(trial, &begin, &end, trial->cycles);
}
