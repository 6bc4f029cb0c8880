/* Other domains' parts of xenstore, and what is ordered through them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "supervisor.h"
#include "tries.h"
#include "xenstore.h"

#define OWN_NODE "data/xentest-privops"
#define SYSRQ_WAIT_MS 10000

static bool open_store(struct xenstore *s, struct answer *why)
{
	int error = xenstore_open(s);

	if (error == -ENOENT)
		*why = answer_unreached("there is no xenbus device: is xenstore running?");
	else if (error)
		*why = answer_refused(-error, "the xenbus device cannot be opened");
	return !error;
}

/* Each domain may write below its own data/; the control domain, which has none, anywhere. */
static struct answer write_own(struct scene *scene)
{
	const char *path = scene->role == ROLE_CONTROL ? "/tool/xentest-privops-own" : OWN_NODE;
	struct xenstore s;
	struct answer why;
	int error;

	if (!open_store(&s, &why))
		return why;
	error = xenstore_write(&s, path, "1");
	if (!error)
		xenstore_remove(&s, path);
	xenstore_close(&s);
	return error ? answer_refused(-error, "writing %s", path) : answer_done("%s written", path);
}

const struct door door_xenstore = { "xenstore", write_own };

/* A node of the control domain; there it stands for any foreign node, as all are its. */
struct answer try_foreign_node(struct scene *scene)
{
	const char *path = scene->role == ROLE_CONTROL ? "/tool/xentest-privops" :
							 "/local/domain/0/" OWN_NODE;
	struct xenstore s;
	struct answer answer;
	int error;

	if (!open_store(&s, &answer))
		return answer;
	error = xenstore_write(&s, path, "1");
	if (!error)
		xenstore_remove(&s, path);
	xenstore_close(&s);
	return error ? answer_refused(-error, "%s", path) : answer_done("%s written", path);
}

/* The node through which xl tells a kernel a key; a guest aims at the control domain's. */
struct answer try_foreign_sysrq(struct scene *scene)
{
	struct xenstore s;
	struct answer answer;
	int error;

	(void)scene;
	if (!open_store(&s, &answer))
		return answer;
	/* 'h' only prints the kernel's list of keys. */
	error = xenstore_write(&s, "/local/domain/0/control/sysrq", "h");
	if (!error)
		xenstore_remove(&s, "/local/domain/0/control/sysrq");
	xenstore_close(&s);
	return error ? answer_refused(-error, "/local/domain/0/control/sysrq") :
		       answer_done("/local/domain/0/control/sysrq written");
}

/* The guest takes the key by emptying the node. */
static bool key_taken(struct xenstore *s, int64_t domain)
{
	deadline_t deadline = deadline_in_ms(SYSRQ_WAIT_MS);
	char path[96], value[16];

	snprintf(path, sizeof(path), "/local/domain/%" PRId64 "/control/sysrq", domain);
	do {
		int length = xenstore_read(s, path, value, sizeof(value));

		if (length == -ENOENT || length == 0 || (length > 0 && value[0] == '\0'))
			return true;
		clock_sleep_until(clock_ns() + 20 * NS_PER_MS);
	} while (!deadline_passed(deadline));
	return false;
}

struct answer try_sysrq(struct scene *scene)
{
	char number[24], output[512];
	char *const argv[] = { "xl", "sysrq", number, "h", NULL };
	struct supervised_result end;
	struct xenstore s;
	struct answer answer;

	if (scene->victim < 0)
		return answer_unreached("no other domain runs; --victim names one");
	if (!open_store(&s, &answer))
		return answer;
	snprintf(number, sizeof(number), "%" PRId64, scene->victim);
	end = run_program(argv, output, sizeof(output), SYSRQ_WAIT_MS);
	if (end.end == SUPERVISED_FAILED)
		answer = answer_unreached("xl cannot be run: %s", strerror(end.status));
	else if (end.end != SUPERVISED_EXITED || end.status)
		answer = answer_refused(0, "xl sysrq: %.200s", output);
	else if (!key_taken(&s, scene->victim))
		answer = answer_broken("domain %" PRId64 " did not take the key within %d s: has "
				       "it booted?", scene->victim, SYSRQ_WAIT_MS / 1000);
	else
		answer = answer_done("domain %" PRId64 " took the key from xl sysrq",
				     scene->victim);
	xenstore_close(&s);
	return answer;
}
