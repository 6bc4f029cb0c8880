/* One privileged operation: how it is tried, and what must become of it in each role. */
#ifndef PRIVOPS_CHECK_H
#define PRIVOPS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "verdict.h"

enum role {
	ROLE_CONTROL,	/* Xen's control domain */
	ROLE_PV_GUEST,
	ROLE_HVM_GUEST,	/* it has virtual devices of its own */
	ROLE_PVH_GUEST,	/* it has none */
	ROLE_KVM_GUEST,
	ROLE_KVM_HOST,
	ROLE_COUNT,
	ROLE_NONE,	/* bare metal or another hypervisor */
};

enum must {
	MUST_NOT_APPLY,	/* there is no such operation in this role */
	MUST_ALLOW,
	MUST_REFUSE,
};

enum became {
	BECAME_DONE,
	BECAME_REFUSED,	/* `error`, or a signal */
	BECAME_UNREACHED,	/* it cannot be tried here: `words` say why */
	BECAME_BROKEN,	/* the try itself went wrong */
};

/* What became of a try. */
struct answer {
	enum became became;
	int error;		/* errno when refused; 0: refused in another way, see `words` */
	char words[320];
};

struct answer answer_done(const char *words, ...) __attribute__((format(printf, 1, 2)));
struct answer answer_refused(int error, const char *words, ...)
	__attribute__((format(printf, 2, 3)));
struct answer answer_unreached(const char *words, ...) __attribute__((format(printf, 1, 2)));
struct answer answer_broken(const char *words, ...) __attribute__((format(printf, 1, 2)));

#define DOMAIN_UNKNOWN UINT32_MAX

/* What tries share: in memory that the supervisor sees too. */
struct scene {
	enum role role;
	uint32_t domain;	/* our own number, or DOMAIN_UNKNOWN */
	int64_t victim;		/* another running domain, or -1 */
	const char *root;	/* stands before the kernel's files */
	volatile uint32_t scratch;	/* a created domain, not yet destroyed; 0: none */
	volatile bool paused;	/* the victim, by us */
	struct answer answer;
};

typedef struct answer (*try_function)(struct scene *scene);

/* The way an operation takes, and a call that must always get through there. */
struct door {
	const char *name;
	try_function canary;
};

#define ERRORS_MAX 6
/* Among the errors: a refusal may show in what happens (a fault, what is read) as well. */
#define OR_SHOWN (-1)

struct check {
	const char *name;
	const char *what;
	const struct door *door;
	try_function attempt;
	enum must must[ROLE_COUNT];
	int errors[ERRORS_MAX];	/* the right ways to refuse */
};

/* Judge a try by what must become of it in this role; the canary was DONE. */
struct verdict judge(const struct check *check, enum role role, const struct answer *answer);

/*
 * Run the door's canary, then the try, each in a child with a time limit; a signal is a
 * refusal.  `scene` lies in shared memory.
 */
struct verdict check_run(const struct check *check, struct scene *scene);

const char *role_name(enum role role);

#endif
