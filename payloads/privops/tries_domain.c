/* Create, pause, unpause and destroy a domain: the first four operations of the paper. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "role.h"
#include "tries.h"
#include "xenop.h"

/* Numbers from the end, which the toolstack reaches last. */
#define SCRATCH_LAST (DOMID_FIRST_RESERVED - 1)
#define SCRATCH_COUNT 512

/* A domain's handle; whatever bears it is ours to destroy. */
static const xen_domain_handle_t mark = "xentest-privops";

/*
 * Who may create gets a bare domain: no memory, no running processor.  If Xen's
 * structures are newer than the headers here, it looks at them and says EINVAL; that
 * too it says only to who may create.
 */
static struct answer create_as(struct xenop *x, uint32_t number)
{
	struct xen_domctl *op = &x->op->domctl;

	memset(op, 0, sizeof(*op));
	op->cmd = XEN_DOMCTL_createdomain;
	op->domain = (domid_t)number;
	memcpy(op->u.createdomain.handle, mark, sizeof(mark));
	op->u.createdomain.max_vcpus = 1;
	op->u.createdomain.max_evtchn_port = 1023;
	op->u.createdomain.max_grant_frames = 4;
	op->u.createdomain.max_maptrack_frames = 4;
	op->u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
	op->u.createdomain.arch.emulation_flags = 0;
	return xenop_call(x, PRIVCMD_DOMCTL, "createdomain");
}

/* A number may still be taken by a domain that is not quite gone: then the next one. */
static struct answer create(struct xenop *x, struct scene *scene)
{
	struct answer answer;

	for (uint32_t i = 0; i < SCRATCH_COUNT; i++) {
		/* Known before it exists: a try may be killed between Xen's answer and our step. */
		scene->scratch = SCRATCH_LAST - i;
		answer = create_as(x, scene->scratch);
		if (answer.error != EEXIST)
			break;
	}
	if (answer.became == BECAME_DONE) {
		snprintf(answer.words, sizeof(answer.words), "created domain %u", scene->scratch);
		return answer;
	}
	scene->scratch = 0;
	if (answer.error == EINVAL && x->version != XEN_DOMCTL_INTERFACE_VERSION)
		return answer_unreached("Xen's domctl version is %lx, this program was built for "
					"%x: build it with XEN_HEADERS of that tree", x->version,
					XEN_DOMCTL_INTERFACE_VERSION);
	return answer;
}

static struct answer command(struct xenop *x, uint32_t command, uint32_t domain, const char *name)
{
	struct answer answer;

	memset(&x->op->domctl, 0, sizeof(x->op->domctl));
	x->op->domctl.cmd = command;
	x->op->domctl.domain = (domid_t)domain;
	answer = xenop_call(x, PRIVCMD_DOMCTL, name);
	snprintf(answer.words, sizeof(answer.words), "%s, domain %u", name, domain);
	return answer;
}

/* A domain in destruction says ERESTART's user-visible form until it is done. */
static struct answer destroy(struct xenop *x, uint32_t domain)
{
	struct answer answer;
	int tries = 1000;

	do {
		answer = command(x, XEN_DOMCTL_destroydomain, domain, "destroydomain");
	} while (answer.became == BECAME_REFUSED && answer.error == EAGAIN && --tries);
	return answer;
}

/*
 * On a scratch domain for who may create one, else on ourselves: privilege is looked at
 * before Xen would find that a domain may not do this to itself, and should the
 * privilege be granted wrongly, no other domain comes to harm.
 */
static struct answer on_a_domain(struct scene *scene, uint32_t what, const char *name)
{
	struct xenop x;
	struct answer answer, created;

	if (!xenop_open(&x, PRIVCMD_DOMCTL, &answer))
		return answer;
	created = create(&x, scene);
	if (created.became == BECAME_UNREACHED)
		return created;
	if (created.became != BECAME_DONE && !role_knows_itself(scene, &answer))
		return answer;
	if (created.became != BECAME_DONE)
		return command(&x, what, scene->domain, name);
	if (what == XEN_DOMCTL_unpausedomain)
		command(&x, XEN_DOMCTL_pausedomain, scene->scratch, "pausedomain");
	answer = what == XEN_DOMCTL_destroydomain ? destroy(&x, scene->scratch) :
		 command(&x, what, scene->scratch, name);
	if (what == XEN_DOMCTL_destroydomain ? answer.became == BECAME_DONE :
	    destroy(&x, scene->scratch).became == BECAME_DONE)
		scene->scratch = 0;
	return answer;
}

struct answer try_create(struct scene *scene)
{
	struct xenop x;
	struct answer answer;

	if (!xenop_open(&x, PRIVCMD_DOMCTL, &answer))
		return answer;
	answer = create(&x, scene);
	if (answer.became == BECAME_DONE && destroy(&x, scene->scratch).became == BECAME_DONE)
		scene->scratch = 0;
	return answer;
}

struct answer try_pause(struct scene *scene)
{
	return on_a_domain(scene, XEN_DOMCTL_pausedomain, "pausedomain");
}

struct answer try_unpause(struct scene *scene)
{
	return on_a_domain(scene, XEN_DOMCTL_unpausedomain, "unpausedomain");
}

struct answer try_destroy(struct scene *scene)
{
	return on_a_domain(scene, XEN_DOMCTL_destroydomain, "destroydomain");
}

static bool is_ours(struct xenop *x, uint32_t domain)
{
	struct answer answer = command(x, XEN_DOMCTL_getdomaininfo, domain, "getdomaininfo");

	return answer.became == BECAME_DONE && x->op->domctl.domain == domain &&
	       !memcmp(x->op->domctl.u.getdomaininfo.handle, mark, sizeof(mark));
}

void destroy_scratch(struct scene *scene)
{
	struct xenop x;
	struct answer answer;

	if (!scene->scratch || !xenop_open(&x, PRIVCMD_DOMCTL, &answer) ||
	    !is_ours(&x, scene->scratch))
		return;
	answer = destroy(&x, scene->scratch);
	if (answer.became == BECAME_DONE)
		scene->scratch = 0;
	else
		fprintf(stderr, "privops: domain %u could not be destroyed: %s\n", scene->scratch,
			strerror(answer.error));
}
