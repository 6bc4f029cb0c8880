#include "trial.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "clock.h"

#define LOOK_EVERY_NS (2 * NS_PER_MS)

static bool agree(const struct trial *trial, const struct view *view)
{
	uint64_t difference = view->current > view->target ? view->current - view->target
							   : view->target - view->current;

	return difference <= trial->door->slack;
}

struct settled settle_above(const struct trial *trial, uint64_t least, uint64_t limit_ms)
{
	struct settled s = { .lowest = UINT64_MAX };
	uint64_t begin = clock_ns();
	deadline_t deadline = deadline_in_ms(limit_ms);

	for (;;) {
		if (trial->door->view(trial->door, &s.view, &s.why)) {
			s.error = true;
			break;
		}
		if (s.view.current < s.lowest)
			s.lowest = s.view.current;
		s.reached = agree(trial, &s.view);
		if (s.reached || s.view.current < least || deadline_passed(deadline))
			break;
		clock_sleep_until(clock_ns() + LOOK_EVERY_NS);
	}
	s.seconds = (double)(clock_ns() - begin) / NS_PER_S;
	return s;
}

struct settled settle(const struct trial *trial)
{
	return settle_above(trial, 0, trial->settle_ms);
}

struct verdict not_taken(int error, uint64_t target, const struct why *why)
{
	if (error == -ETIMEDOUT)
		return verdict_error("no answer to a target of %" PRIu64 " kB: %s", target,
				     why->text);
	return verdict_fail("a target of %" PRIu64 " kB was refused: %s", target, why->text);
}

struct verdict move(const struct trial *trial, uint64_t target, struct settled *settled)
{
	struct door *door = trial->door;
	struct why why;
	int error = door->set(door, target, &why);

	if (error)
		return not_taken(error, target, &why);
	*settled = settle(trial);
	if (settled->error)
		return verdict_error("%s", settled->why.text);
	if (settled->view.target != target)
		return verdict_fail("asked for %" PRIu64 " kB, but the target reads %" PRIu64 " kB",
				    target, settled->view.target);
	if (!settled->reached)
		return verdict_fail("the allocation did not follow the target of %" PRIu64
				    " kB within %.1f s: it stands at %" PRIu64 " kB", target,
				    settled->seconds, settled->view.current);
	return verdict_pass("%" PRIu64 " kB after %.3f s", settled->view.current,
			    settled->seconds);
}

struct verdict move_back(const struct trial *trial)
{
	struct settled settled;
	struct verdict verdict = move(trial, trial->before.target, &settled);
	char reason[sizeof(verdict.reason)];

	if (verdict.outcome == OUTCOME_PASS)
		return verdict;
	memcpy(reason, verdict.reason, sizeof(reason));
	if (verdict.outcome == OUTCOME_ERROR)
		return verdict_error("whether the memory came back is not known: %.400s", reason);
	return verdict_fail("the memory did not come back: %.400s", reason);
}

bool can_move(const struct trial *trial, struct verdict *verdict)
{
	struct settled now = settle(trial);

	*verdict = (struct verdict){ .outcome = OUTCOME_PASS };
	if (now.error)
		*verdict = verdict_error("%s", now.why.text);
	else if (!now.reached)
		*verdict = verdict_error("the domain is still moving: target %" PRIu64
					 " kB, allocation %" PRIu64 " kB; wait until they agree",
					 now.view.target, now.view.current);
	else if (!trial->step)
		*verdict = verdict_skip("there is no room above the floor of %" PRIu64
					" kB; give the domain more memory, or --floor",
					trial->floor);
	else
		return true;
	return false;
}

struct verdict both(struct verdict first, struct verdict second)
{
	return first.outcome != OUTCOME_PASS ? first : second;
}
