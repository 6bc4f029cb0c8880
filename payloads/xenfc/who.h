/*
 * Whom a call names, and what Xen's first checks make of it.  Xen has three kinds of right:
 * a domain may do some things to itself, a device model more to its guest, the control
 * domain all of it to everybody.
 */
#ifndef XENFC_WHO_H
#define XENFC_WHO_H

#include "call.h"

enum who {
	WHO_NOBODY,	/* no such domain */
	WHO_OWN,	/* a domain that this run made */
	WHO_SELF,	/* the caller */
	WHO_OTHER,	/* there for certain, and neither: the control domain, seen by a guest */
	WHO_UNSURE,	/* somebody's number; there may be nobody */
};

/* How Xen looks a number up: some calls take DOMID_SELF for the caller, some for nobody. */
enum lookup { LOOKUP_NUMBER, LOOKUP_ANY };

enum right {
	RIGHT_ANYBODY,
	RIGHT_TARGET,	/* oneself, or control */
	RIGHT_CONTROL,	/* control only; also what device models may, to who is none */
};

/*
 * A number for an argument: mostly own domains, where the caller controls any; a guest names
 * the control domain, itself and others.  `self`: whether the caller's own may come up.
 */
uint16_t draw_who(struct call *call, bool self);

enum who who_is(const struct call *call, uint16_t id, enum lookup lookup);

/*
 * What is certain before the operation itself is looked at: ESRCH about nobody, EPERM without
 * the right.  True: the domain is there and the caller may; call->domain is the own one it is.
 */
bool who_allows(struct call *call, uint16_t id, enum lookup lookup, enum right right);

/* Whether the caller may, when the domain is there. */
bool who_has_right(const struct call *call, enum who who, enum right right);

#endif
