#include "trial.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define LOOK_EVERY_NS (2 * NS_PER_MS)
#define FREE_CHOICE_KB 64	/* a few pages that a kernel counts as it likes */

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

struct verdict arrive(const struct trial *trial, uint64_t target, struct settled *settled)
{
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

struct verdict move(const struct trial *trial, uint64_t target, struct settled *settled)
{
	struct door *door = trial->door;
	struct why why;
	int error = door->set(door, target, &why);

	return error ? not_taken(error, target, &why) : arrive(trial, target, settled);
}

struct verdict stay(const struct trial *trial)
{
	deadline_t deadline = deadline_in_ms(trial->hold_ms);
	struct view view;
	struct why why;

	do {
		clock_sleep_until(clock_ns() + LOOK_EVERY_NS);
		if (trial->door->view(trial->door, &view, &why))
			return verdict_error("%s", why.text);
		if (!agree(trial, &view))
			return verdict_fail("the allocation did not stay: it is %" PRIu64
					    " kB, the target %" PRIu64 " kB", view.current,
					    view.target);
	} while (!deadline_passed(deadline));
	return verdict_pass("it stays at %" PRIu64 " kB", view.current);
}

static struct verdict compare_counts(const struct view *before, const struct view *after)
{
	int64_t driver = (int64_t)(before->current - after->current);
	int64_t kernel = (int64_t)(before->guest_total - after->guest_total);
	int64_t hypervisor = (int64_t)(before->hypervisor - after->hypervisor);

	if (before->guest_total && !after->guest_total)
		return verdict_error("the guest no longer tells its MemTotal");
	if (before->guest_total && llabs(driver - kernel) > FREE_CHOICE_KB)
		return verdict_fail("the allocation changed by %" PRId64 " kB, MemTotal by %" PRId64
				    " kB", driver, kernel);
	if (before->hypervisor && llabs(driver - hypervisor) > FREE_CHOICE_KB)
		return verdict_fail("the allocation changed by %" PRId64 " kB, the hypervisor "
				    "counts %" PRId64 " kB", driver, hypervisor);
	return (struct verdict){ .outcome = OUTCOME_PASS };
}

/* A guest that reports on its own does so a little later: wait for its word, with a limit. */
struct verdict counts_agree(const struct trial *trial)
{
	deadline_t deadline = deadline_in_ms(door_is_inside(trial->door) ? 0 : trial->settle_ms);
	struct verdict verdict;
	struct view now;
	struct why why;

	do {
		if (trial->door->view(trial->door, &now, &why))
			return verdict_error("%s", why.text);
		verdict = compare_counts(&trial->before, &now);
		if (verdict.outcome != OUTCOME_PASS)
			clock_sleep_until(clock_ns() + 50 * NS_PER_MS);
	} while (verdict.outcome != OUTCOME_PASS && !deadline_passed(deadline));
	return verdict;
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
