/* Numbers of domains, and what they mean to Xen. */
#include "who.h"

#include "run.h"

#define LOW_NUMBERS 8u	/* where other guests are, when there are any */

static uint16_t draw_nobody(struct call *call)
{
	return (uint16_t)(DOMID_NOBODY_FIRST +
			  draw(call, DOMID_NOBODY_LAST - DOMID_NOBODY_FIRST + 1));
}

/* Reserved numbers; DOMID_SELF is one of them, so it is left out. */
static uint16_t draw_reserved(struct call *call)
{
	return (uint16_t)(DOMID_SELF + 1 + draw(call, 0x10000 - DOMID_SELF - 1));
}

static uint16_t draw_self(struct call *call)
{
	return chance(call, 50) ? DOMID_SELF : call->run->machine.domid;
}

/* Other guests, perhaps. */
static uint16_t draw_low(struct call *call, bool self)
{
	uint16_t id = (uint16_t)(1 + draw(call, LOW_NUMBERS));

	return id == call->run->machine.domid && !self ? 0 : id;
}

static uint16_t draw_by_guest(struct call *call, bool self)
{
	uint64_t kind = draw(call, 100);

	if (kind < 40)
		return 0;
	if (kind < 65 && self)
		return draw_self(call);
	if (kind < 75)
		return draw_low(call, self);
	return kind < 85 ? draw_reserved(call) : draw_nobody(call);
}

uint16_t draw_who(struct call *call, bool self)
{
	uint64_t kind;

	if (!call->run->machine.control)
		return draw_by_guest(call, self);
	kind = draw(call, 100);
	if (kind < 82)
		return (uint16_t)(DOMID_OWN_FIRST + draw(call, OWN_DOMAINS));
	if (kind < 90 && self)
		return draw_self(call);
	return kind < 95 ? draw_reserved(call) : draw_nobody(call);
}

enum who who_is(const struct call *call, uint16_t id, enum lookup lookup)
{
	const struct machine *machine = &call->run->machine;

	if (id == DOMID_SELF)
		return lookup == LOOKUP_ANY ? WHO_SELF : WHO_NOBODY;
	if (id == machine->domid)
		return WHO_SELF;
	/* Seen by a guest, these may be those of a run in the control domain. */
	if (model_slot(&call->run->model, id) && !machine->control)
		return WHO_UNSURE;
	if (model_slot(&call->run->model, id))
		return model_domain(&call->run->model, id) ? WHO_OWN : WHO_NOBODY;
	if (id >= DOMID_NOBODY_FIRST)
		return WHO_NOBODY;
	return id == 0 ? WHO_OTHER : WHO_UNSURE;
}

bool who_has_right(const struct call *call, enum who who, enum right right)
{
	return call->run->machine.control || right == RIGHT_ANYBODY ||
	       (right == RIGHT_TARGET && who == WHO_SELF);
}

bool who_allows(struct call *call, uint16_t id, enum lookup lookup, enum right right)
{
	enum who who = who_is(call, id, lookup);

	call->domain = model_domain(&call->run->model, id);
	if (who == WHO_NOBODY) {
		expect_only(call, ERR(ESRCH));
		return false;
	}
	if (who_has_right(call, who, right) && who != WHO_UNSURE)
		return true;
	expect_only(call, ERR(EPERM));
	if (who == WHO_UNSURE)
		expect_also(call, ERR(ESRCH));
	return false;
}
