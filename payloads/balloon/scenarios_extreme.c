/*
 * Targets and writes that a careful person would not make.  Whatever a kernel makes of
 * them, the domain must live on and get its memory back; the supervisor sees to the
 * latter should this program not survive.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "scenarios.h"
#include "supervisor.h"

#define MOST_MACHINES_KB (4ull << 30)	/* 4 TiB */
#define TINY_KB 4
#define LONG_WRITE 65
#define NOBODY 65534
#define PAGE_KB 4
#define BOOKS_KB (64 << 10)	/* a kernel's own books of memory that it grew by */

/* Let a wild target have its effect, but no longer than until the floor; then put it back. */
static struct verdict watch_and_return(struct trial *trial, const char *asked)
{
	struct settled low = settle_above(trial, trial->floor, trial->watch_ms);
	struct verdict back = move_back(trial);

	if (low.error)
		return verdict_error("%s", low.why.text);
	if (back.outcome != OUTCOME_PASS)
		return back;
	return verdict_pass("%s: the target read %" PRIu64 " kB, the allocation went down to %"
			    PRIu64 " kB, and all came back", asked, low.view.target, low.lowest);
}

/*
 * What was refused must not have counted all the same; and who also refuses what the domain had has
 * said nothing of what else was asked.
 */
static struct verdict refused_in_truth(struct trial *trial, const struct verdict *verdict)
{
	struct verdict back;
	struct view view;
	struct why why;

	if (trial->door->view(trial->door, &view, &why))
		return verdict_error("%s; and then: %s", verdict->reason, why.text);
	back = move_back(trial);
	if (view.target == trial->before.target)
		return both(back, *verdict);
	return verdict_fail("%.300s; and yet the target went from %" PRIu64 " to %" PRIu64 " kB",
			    verdict->reason, trial->before.target, view.target);
}

/* It said no, and lives to tell: who is silent has refused nothing. */
static struct verdict refused_by(struct trial *trial, int error, const struct why *why)
{
	const struct verdict verdict = verdict_pass("refused: %s", why->text);

	if (error == -ETIMEDOUT)
		return both(move_back(trial), verdict_error("no answer: %s", why->text));
	return refused_in_truth(trial, &verdict);
}

/* Where no limit can be seen, what a driver claims to have got its kernel must have got. */
static struct verdict claims_no_more(const struct trial *trial, const struct view *high)
{
	uint64_t claimed = high->current - trial->before.current;
	uint64_t managed = high->guest_total - trial->before.guest_total;

	if (high->limit && high->current > high->limit)
		return verdict_fail("the allocation is %" PRIu64 " kB, above the hard limit of %"
				    PRIu64 " kB", high->current, high->limit);
	if (high->current >= MOST_MACHINES_KB)
		return verdict_fail("the domain claims to have %" PRIu64 " kB, more than any "
				    "machine", high->current);
	if (!high->limit && high->guest_total && (int64_t)(claimed - managed) > BOOKS_KB)
		return verdict_fail("the allocation went from %" PRIu64 " to %" PRIu64 " kB, but the "
				    "kernel manages %" PRIu64 " kB", trial->before.current,
				    high->current, high->guest_total);
	return verdict_pass("the target reads %" PRIu64 " kB, the allocation stayed at %" PRIu64
			    " kB", high->target, high->current);
}

struct verdict scenario_beyond(struct trial *trial)
{
	struct door *door = trial->door;
	struct settled high;
	struct verdict back, claims;
	struct why why;
	int error = door->set(door, MOST_MACHINES_KB, &why);

	if (error)
		return refused_by(trial, error, &why);
	high = settle_above(trial, 0, trial->watch_ms);
	back = move_back(trial);
	if (high.error)
		return verdict_error("%s", high.why.text);
	claims = claims_no_more(trial, &high.view);
	return both(both(claims, back), claims);
}

struct verdict scenario_tiny(struct trial *trial)
{
	struct verdict verdict;
	struct why why;
	int error;

	if (!door_is_inside(trial->door) && trial->floor)
		return verdict_skip("from outside the floor cannot be held in time: run it with "
				    "--floor 0 on a domain that may be lost");
	if (!can_move(trial, &verdict))
		return verdict;
	error = trial->door->set(trial->door, TINY_KB, &why);
	if (error)
		return refused_by(trial, error, &why);
	return watch_and_return(trial, "4 kB was taken");
}

/* The answer to an odd write against what this interface must say; `taken`: it counts. */
static struct verdict judge_write(struct trial *trial, ssize_t written, size_t size,
				  int must_say, const char *what, bool *taken)
{
	struct verdict refused = verdict_pass("%s: refused with %s, as it must be", what,
					      strerrorname_np(must_say ? must_say : EINVAL));

	*taken = false;
	if (must_say && written == -must_say)
		return refused_in_truth(trial, &refused);
	if (must_say)
		return verdict_fail("%s: %s instead of %s", what, written < 0 ?
				    strerrorname_np((int)-written) : "taken",
				    strerrorname_np(must_say));
	if (written == -EINVAL) {
		refused = verdict_pass("%s: refused with EINVAL: this kernel looks at what it is "
				       "given", what);
		return refused_in_truth(trial, &refused);
	}
	if (written != (ssize_t)size)
		return verdict_fail("%s: %s instead of being taken or EINVAL", what, written < 0 ?
				    strerrorname_np((int)-written) : "cut short");
	*taken = true;
	return verdict_pass("%s: taken", what);
}

struct verdict scenario_one_byte(struct trial *trial)
{
	const char *what = "one byte, 'x'";
	struct verdict verdict;
	bool taken;

	if (!can_move(trial, &verdict))
		return verdict;
	/* No digit: the sysfs driver takes any text for a number, this one for 0. */
	verdict = judge_write(trial, trial->door->write_raw(trial->door, "x", 1), 1,
			      trial->door->manners->one_byte, what, &taken);
	return taken ? watch_and_return(trial, what) : verdict;
}

/* A number and line ends: an interface that takes them must have read the number. */
struct verdict scenario_long_write(struct trial *trial)
{
	uint64_t target = trial->before.target - trial->step;
	char text[LONG_WRITE + 1];
	struct verdict verdict;
	struct settled settled;
	int length;
	bool taken;

	if (!can_move(trial, &verdict))
		return verdict;
	length = snprintf(text, sizeof(text), "%" PRIu64, target);
	memset(text + length, '\n', sizeof(text) - (size_t)length);
	verdict = judge_write(trial, trial->door->write_raw(trial->door, text, LONG_WRITE),
			      LONG_WRITE, trial->door->manners->long_write, "65 bytes", &taken);
	if (!taken)
		return verdict;
	verdict = both(arrive(trial, target, &settled), verdict);
	return both(both(verdict, move_back(trial)), verdict);
}

/* As another user, in a child: give up all rights, then try what root may. */
static int write_as_nobody(void *context)
{
	struct trial *trial = context;
	struct why why;

	/* Also the groups that root may have beside its own. */
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		return 255;
	return -trial->door->set(trial->door, trial->before.target - PAGE_KB, &why);
}

struct verdict scenario_not_root(struct trial *trial)
{
	const struct supervised attempt = { .work = write_as_nobody, .context = trial,
					    .limit_ms = 10000 };
	int must_say = trial->door->manners->not_root;
	struct supervised_result end;
	struct verdict verdict;
	struct why why;

	if (geteuid())
		return verdict_skip("this program is not root itself, so it cannot compare");
	if (trial->door->set(trial->door, trial->before.target, &why))
		return verdict_error("root may not write either: %s", why.text);
	end = supervise(&attempt);
	if (end.end != SUPERVISED_EXITED || end.status == 255)
		return verdict_error("could not become another user");
	if (!end.status) {
		move_back(trial);
		return verdict_fail("user %d could write the target", NOBODY);
	}
	if (end.status != must_say && end.status != EACCES && end.status != EPERM)
		return verdict_fail("user %d was refused with %s instead of %s", NOBODY,
				    strerrorname_np(end.status), strerrorname_np(must_say));
	verdict = verdict_pass("root may write; user %d is refused with %s", NOBODY,
			       strerrorname_np(end.status));
	return refused_in_truth(trial, &verdict);
}
