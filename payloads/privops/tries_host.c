/* What belongs to the whole machine: the hypervisor's clock, its console, its debug keys. */
#include <errno.h>
#include <string.h>

#include "tries.h"
#include "xenop.h"

#define HELP_KEY 'h'	/* prints the list of keys, and does nothing else */
#define MOST_CONSOLE (64u << 20)	/* more than any Xen keeps; one that grows under us has no end */

/*
 * A field that must be zero is not: who may set the clock hears EINVAL, nobody's clock
 * moves, and who may not hears EPERM before Xen looks at the field.
 */
struct answer try_platform_settime(struct scene *scene)
{
	struct xenop x;
	struct answer answer;

	(void)scene;
	if (!xenop_open(&x, PRIVCMD_PLATFORM, &answer))
		return answer;
	memset(&x.op->platform, 0, sizeof(x.op->platform));
	x.op->platform.cmd = XENPF_settime64;
	x.op->platform.u.settime64.mbz = 1;
	answer = xenop_call(&x, PRIVCMD_PLATFORM, "settime64");
	if (answer.became == BECAME_DONE)
		return answer_broken("settime64 took a field that must be zero");
	if (answer.error == EINVAL)
		return answer_done("settime64 came as far as its arguments (EINVAL by intent)");
	return answer;
}

/* What the console holds from `*index` on (0: all), as much as fits; `*index` moves behind it. */
static struct answer read_console(struct xenop *x, uint32_t *index, size_t *size)
{
	struct xen_sysctl_readconsole *read = &x->op->sysctl.u.readconsole;
	struct answer answer;

	memset(&x->op->sysctl, 0, sizeof(x->op->sysctl));
	x->op->sysctl.cmd = XEN_SYSCTL_readconsole;
	set_xen_guest_handle(read->buffer, x->data);
	read->incremental = 1;
	read->index = *index;
	read->count = (uint32_t)x->data_size;
	answer = xenop_call(x, PRIVCMD_SYSCTL, "readconsole");
	*index = read->index;
	*size = read->count;
	if (answer.became == BECAME_DONE && *size > x->data_size)
		return answer_broken("readconsole returned %zu bytes", *size);
	return answer;
}

/* Text that no console prints; the paper asks to look for garbage. */
static size_t garbage(const char *text, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i < size; i++)
		count += (unsigned char)text[i] < ' ' && !strchr("\n\r\t\b\033", text[i]);
	return count;
}

/* All that the console holds: a large machine keeps more than one call can take. */
static struct answer read_whole_console(struct xenop *x, uint32_t *index, size_t *all, size_t *bad)
{
	struct answer answer;
	size_t size;

	*index = 0;
	*all = *bad = 0;
	do {
		answer = read_console(x, index, &size);
		if (answer.became != BECAME_DONE)
			return answer;
		*all += size;
		*bad += garbage(x->data, size);
	} while (size == x->data_size && *all < MOST_CONSOLE);
	return answer;
}

struct answer try_readconsole(struct scene *scene)
{
	struct xenop x;
	struct answer answer;
	size_t all, bad;
	uint32_t index;

	(void)scene;
	if (!xenop_open(&x, PRIVCMD_SYSCTL, &answer))
		return answer;
	answer = read_whole_console(&x, &index, &all, &bad);
	if (answer.became != BECAME_DONE)
		return answer;
	if (!all)
		return answer_broken("the console is empty");
	if (bad)
		return answer_broken("the console holds %zu bytes of garbage in %zu", bad, all);
	return answer_done("%zu bytes of console, all of it text", all);
}

static struct answer press_key(struct xenop *x)
{
	memset(&x->op->sysctl, 0, sizeof(x->op->sysctl));
	x->data[0] = HELP_KEY;
	x->op->sysctl.cmd = XEN_SYSCTL_debug_keys;
	set_xen_guest_handle(x->op->sysctl.u.debug_keys.keys, x->data);
	x->op->sysctl.u.debug_keys.nr_keys = 1;
	return xenop_call(x, PRIVCMD_SYSCTL, "debug_keys 'h'");
}

/* The key's answer must stand in what the console got since: an older one says nothing. */
struct answer try_debug_keys(struct scene *scene)
{
	struct xenop x;
	struct answer answer, before;
	uint32_t index;
	size_t size, unused;

	(void)scene;
	if (!xenop_open(&x, PRIVCMD_SYSCTL, &answer))
		return answer;
	before = read_whole_console(&x, &index, &unused, &unused);
	answer = press_key(&x);
	if (answer.became != BECAME_DONE)
		return answer;
	if (before.became != BECAME_DONE || read_console(&x, &index, &size).became != BECAME_DONE)
		return answer_broken("the key was taken, but the console cannot be read");
	if (!memmem(x.data, size, "'h' pressed", 11))
		return answer_broken("the key was taken, but the console does not show it");
	return answer_done("key 'h' pressed, and its answer is in the console");
}
