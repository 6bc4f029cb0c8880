/* What can be done to a domain's memory only from outside. */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "scenarios.h"
#include "toolstack.h"

static uint64_t one_step_smaller(const struct trial *trial)
{
	return trial->before.target - trial->step;
}

/* Make it one step smaller; false: `verdict` says why that is not so. */
static bool shrink(struct trial *trial, struct verdict *verdict)
{
	struct settled settled;

	if (!can_move(trial, verdict))
		return false;
	*verdict = move(trial, one_step_smaller(trial), &settled);
	if (verdict->outcome == OUTCOME_PASS)
		return true;
	*verdict = both(*verdict, move_back(trial));
	return false;
}

/* The domain asks for more than `xl mem-max` allows; Xen must not give it. */
static struct verdict ask_above(struct trial *trial, uint64_t ceiling)
{
	struct settled settled;
	struct why why;

	/* xl would refuse this target; here Xen is asked. */
	if (trial->door->set_unchecked(trial->door, trial->before.target, &why))
		return verdict_error("%s", why.text);
	settled = settle_above(trial, 0, trial->watch_ms);
	if (settled.error)
		return verdict_error("%s", settled.why.text);
	if (settled.view.current > settled.view.limit)
		return verdict_fail("the domain has %" PRIu64 " kB with a hard limit of %" PRIu64
				    " kB", settled.view.current, settled.view.limit);
	if (settled.view.limit >= trial->before.limit)
		return verdict_fail("mem-max of %" PRIu64 " kB left the hard limit at %" PRIu64
				    " kB", ceiling, settled.view.limit);
	return verdict_pass("target %" PRIu64 " kB, hard limit %" PRIu64 " kB, allocation %" PRIu64
			    " kB", settled.view.target, settled.view.limit, settled.view.current);
}

static struct verdict set_ceiling(struct trial *trial, uint64_t kb)
{
	struct why why;
	int error = trial->door->set_ceiling(trial->door, kb, &why);

	if (error == -ETIMEDOUT)
		return verdict_error("no answer to a mem-max of %" PRIu64 " kB: %s", kb, why.text);
	if (error)
		return verdict_fail("a mem-max of %" PRIu64 " kB was refused: %s", kb, why.text);
	return verdict_pass("mem-max is %" PRIu64 " kB", kb);
}

struct verdict scenario_limit(struct trial *trial)
{
	uint64_t low = one_step_smaller(trial);
	struct verdict verdict, lifted;

	if (!shrink(trial, &verdict))
		return verdict;
	verdict = set_ceiling(trial, low);
	if (verdict.outcome == OUTCOME_PASS)
		verdict = ask_above(trial, low);
	lifted = set_ceiling(trial, trial->before.ceiling);
	if (lifted.outcome != OUTCOME_PASS)
		return lifted;
	return both(move_back(trial), verdict);
}

/* Both domains get their memory back at the same time. */
static struct verdict grow_both(struct trial *trial, struct trial *other)
{
	struct settled first, second;
	struct why why;
	int error = trial->door->set(trial->door, trial->before.target, &why);

	if (error)
		return not_taken(error, trial->before.target, &why);
	error = other->door->set(other->door, other->before.target, &why);
	if (error)
		return not_taken(error, other->before.target, &why);
	first = settle(trial);
	second = settle(other);
	if (first.error || second.error)
		return verdict_error("%s", first.error ? first.why.text : second.why.text);
	if (!first.reached || !second.reached)
		return verdict_fail("%s has %" PRIu64 " of %" PRIu64 " kB, %s has %" PRIu64
				    " of %" PRIu64 " kB", trial->domain, first.view.current,
				    first.view.target, other->domain, second.view.current,
				    second.view.target);
	return verdict_pass("%s grew to %" PRIu64 " kB while %s grew to %" PRIu64 " kB",
			    trial->domain, first.view.current, other->domain,
			    second.view.current);
}

struct verdict scenario_neighbour(struct trial *trial)
{
	struct trial other = *trial;
	struct door door;
	struct verdict verdict, back;
	struct settled settled;
	struct why why;

	if (!trial->neighbour)
		return verdict_skip("--neighbour names no other domain");
	if (!can_move(trial, &verdict))
		return verdict;
	if (trial->door->open_other(&door, trial->neighbour, &why) ||
	    door.view(&door, &other.before, &why))
		return verdict_error("%s", why.text);
	other.door = &door;
	other.domain = trial->neighbour;
	*trial->neighbour_target = other.before.target;
	verdict = move(trial, one_step_smaller(trial), &settled);
	if (verdict.outcome == OUTCOME_PASS)
		verdict = move(&other, one_step_smaller(&other), &settled);
	if (verdict.outcome == OUTCOME_PASS)
		verdict = grow_both(trial, &other);
	back = move_back(&other);
	if (back.outcome == OUTCOME_PASS)
		*trial->neighbour_target = 0;
	back = both(back, move_back(trial));
	door.close(&door);
	return both(both(verdict, back), verdict);
}

/* A small domain is saved, and must be as small, and as movable, when it is back. */
struct verdict scenario_save_restore(struct trial *trial)
{
	const char *tool = trial->door->name;
	uint64_t low = one_step_smaller(trial);
	struct verdict verdict;
	struct settled settled;
	struct why why;

	if (!shrink(trial, &verdict))
		return verdict;
	if (toolstack_save(tool, trial->domain, trial->save_file, &why))
		return both(verdict_fail("%s", why.text), move_back(trial));
	if (toolstack_restore(tool, trial->save_file, &why))
		return verdict_fail("%s", why.text);
	unlink(trial->save_file);
	settled = settle(trial);
	if (settled.error)
		return verdict_error("%s", settled.why.text);
	if (!settled.reached || settled.view.target != low)
		verdict = verdict_fail("saved with %" PRIu64 " kB, restored with %" PRIu64
				       " kB and a target of %" PRIu64 " kB", low,
				       settled.view.current, settled.view.target);
	return both(both(verdict, move_back(trial)),
		    verdict_pass("saved and restored at %" PRIu64 " kB, then grown to %" PRIu64
				 " kB", low, trial->before.target));
}
