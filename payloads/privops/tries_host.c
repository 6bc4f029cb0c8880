/* What belongs to the whole machine: the hypervisor's clock, its console, its debug keys. */
#include <errno.h>
#include <string.h>

#include "tries.h"
#include "xenop.h"

#define HELP_KEY 'h'	/* prints the list of keys, and does nothing else */

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

static struct answer read_console(struct xenop *x)
{
	struct xen_sysctl_readconsole *read = &x->op->sysctl.u.readconsole;

	memset(&x->op->sysctl, 0, sizeof(x->op->sysctl));
	x->op->sysctl.cmd = XEN_SYSCTL_readconsole;
	set_xen_guest_handle(read->buffer, x->data);
	read->count = (uint32_t)x->data_size;
	return xenop_call(x, PRIVCMD_SYSCTL, "readconsole");
}

/* Text that no console prints; the paper asks to look for garbage. */
static size_t garbage(const char *text, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i < size; i++)
		count += (unsigned char)text[i] < ' ' && !strchr("\n\r\t\b\033", text[i]);
	return count;
}

struct answer try_readconsole(struct scene *scene)
{
	struct xenop x;
	struct answer answer;
	size_t size;

	(void)scene;
	if (!xenop_open(&x, PRIVCMD_SYSCTL, &answer))
		return answer;
	answer = read_console(&x);
	if (answer.became != BECAME_DONE)
		return answer;
	size = x.op->sysctl.u.readconsole.count;
	if (!size || size > x.data_size)
		return answer_broken("readconsole returned %zu bytes", size);
	if (garbage(x.data, size))
		return answer_broken("the console holds %zu bytes of garbage in %zu",
				     garbage(x.data, size), size);
	return answer_done("%zu bytes of console, all of it text", size);
}

/* The key's answer must stand in the console afterwards. */
struct answer try_debug_keys(struct scene *scene)
{
	struct xenop x;
	struct answer answer;

	(void)scene;
	if (!xenop_open(&x, PRIVCMD_SYSCTL, &answer))
		return answer;
	memset(&x.op->sysctl, 0, sizeof(x.op->sysctl));
	x.data[0] = HELP_KEY;
	x.op->sysctl.cmd = XEN_SYSCTL_debug_keys;
	set_xen_guest_handle(x.op->sysctl.u.debug_keys.keys, x.data);
	x.op->sysctl.u.debug_keys.nr_keys = 1;
	answer = xenop_call(&x, PRIVCMD_SYSCTL, "debug_keys 'h'");
	if (answer.became != BECAME_DONE)
		return answer;
	answer = read_console(&x);
	if (answer.became != BECAME_DONE)
		return answer_broken("the console cannot be read after the key");
	if (!memmem(x.data, x.op->sysctl.u.readconsole.count, "'h' pressed", 11))
		return answer_broken("the key was taken, but the console does not show it");
	return answer_done("key 'h' pressed, and its answer is in the console");
}
