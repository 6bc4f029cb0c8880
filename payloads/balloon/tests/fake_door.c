#include "fake_door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START (512u << 10)
#define LEAST 1024u
#define MOST_CLAIMED (1ull << 30)

static void grow(struct fake *f, uint64_t wanted)
{
	uint64_t step = wanted - f->current < f->pace ? wanted - f->current : f->pace;

	f->current += f->never_grows ? 0 : step;
	if (f->current == wanted)
		f->current -= f->leak;
}

static void advance(struct fake *f)
{
	uint64_t wanted = f->target;

	if (f->deaf)
		return;
	if (f->boasts) {
		f->current = wanted < MOST_CLAIMED ? wanted : MOST_CLAIMED;
		return;
	}
	if (f->drifts && f->current == wanted && wanted != START) {
		f->current += 4096;
		return;
	}
	if (!f->ignores_limit && wanted > f->limit)
		wanted = f->limit;
	if (wanted > f->current)
		grow(f, wanted);
	else
		f->current -= f->current - wanted < f->pace ? f->current - wanted : f->pace;
}

static int fake_view(struct door *door, struct view *view, struct why *why)
{
	struct fake *f = door->state;

	(void)why;
	advance(f);
	memset(view, 0, sizeof(*view));
	view->current = f->current;
	view->target = f->forgets_target ? START : f->target;
	view->limit = view->ceiling = f->boasts ? 0 : f->limit;
	view->hypervisor = f->hypervisor_blind ? f->frozen_count : f->current;
	view->guest_total = f->guest_blind ? f->frozen_total : f->current - f->guest_gap;
	f->least_total = f->least_total < view->guest_total ? f->least_total : view->guest_total;
	if (f->guest_never_grows || f->boasts)
		view->guest_total = f->least_total;
	if (f->guest_stops_telling && f->current < START)
		view->guest_total = 0;
	view->guest_available = f->available ? f->available : view->guest_total / 2;
	return 0;
}

static bool never_gets_there(const struct fake *f)
{
	return f->deaf || f->forgets_target || (f->never_grows && f->target > f->current);
}

static int fake_set(struct door *door, uint64_t kb, struct why *why)
{
	struct fake *f = door->state;

	why_set(why, "the fake refuses");
	if (f->silent)
		return -ETIMEDOUT;
	if (f->refuses || (f->refuses_wild && (kb < LEAST || kb > f->limit)))
		return -EINVAL;
	if (geteuid() != f->owner && !f->lets_others_write) {
		if (f->refusals_count)
			f->target = kb;
		return -EACCES;
	}
	if (f->loses_writes && ++f->writes % 2 == 0)
		return 0;
	f->target = kb / 4 * 4;	/* whole pages */
	if (f->patience && never_gets_there(f))
		*f->patience = 1;
	if (f->on_set)
		f->on_set();
	return 0;
}

static ssize_t fake_write(struct door *door, const void *bytes, size_t size)
{
	struct fake *f = door->state;

	if (!f->write_answer || f->refusals_count)
		f->target = f->swallows_text ? f->target : strtoull(bytes, NULL, 10);
	if (f->write_answer)
		return -f->write_answer;
	return f->rude ? 0 : (ssize_t)size;
}

static int fake_set_ceiling(struct door *door, uint64_t kb, struct why *why)
{
	struct fake *f = door->state;

	why_set(why, "the fake refuses");
	if (f->silent)
		return -ETIMEDOUT;
	if (!f->ignores_ceiling)
		f->limit = kb;
	return 0;
}

static void fake_close(struct door *door)
{
	door->state = NULL;
}

void fake_door_init(struct fake *fake, struct door *door, const struct manners *manners)
{
	*fake = (struct fake){ .current = START, .target = START, .limit = START,
			       .guest_gap = 20000, .pace = 16384,
			       .owner = geteuid(), .least_total = UINT64_MAX,
			       .frozen_total = START - 20000, .frozen_count = START };
	*door = (struct door){ .name = "fake", .place = PLACE_INSIDE, .manners = manners,
			       .view = fake_view, .set = fake_set, .write_raw = fake_write,
			       .set_ceiling = fake_set_ceiling, .set_unchecked = fake_set,
			       .close = fake_close, .state = fake };
}

void fake_trial_init(struct trial *trial, struct door *door, struct report *report)
{
	struct why why;

	*trial = (struct trial){ .door = door, .report = report, .floor = 128 << 10,
				 .step = 32 << 10, .cycles = 5, .settle_ms = 20000, .watch_ms = 200,
				 .hold_ms = 20,
				 .domain = "fake" };
	((struct fake *)door->state)->patience = &trial->settle_ms;
	random_seed(&trial->random, 1);
	door->view(door, &trial->before, &why);
}
