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

/* The victim's node holds the key that xl wrote; it is empty once the guest took it. */
static bool key_is(struct xenstore *s, int64_t domain, const char *key)
{
	char path[96], value[16];

	snprintf(path, sizeof(path), "/local/domain/%" PRId64 "/control/sysrq", domain);
	return xenstore_read(s, path, value, sizeof(value)) >= 0 && !strcmp(value, key);
}

static bool key_taken(struct xenstore *s, int64_t domain)
{
	deadline_t deadline = deadline_in_ms(SYSRQ_WAIT_MS);

	while (!key_is(s, domain, "") && !deadline_passed(deadline))
		clock_sleep_until(clock_ns() + 20 * NS_PER_MS);
	return key_is(s, domain, "");
}

/* xl VERB VICTIM [KEY]; BECAME_DONE or what went wrong. */
static struct answer run_xl(char *verb, int64_t victim, char *key)
{
	char number[24], output[512];
	char *const argv[] = { "xl", verb, number, key, NULL };
	struct supervised_result end;

	snprintf(number, sizeof(number), "%" PRId64, victim);
	end = run_program(argv, output, sizeof(output), SYSRQ_WAIT_MS);
	if (end.end == SUPERVISED_FAILED)
		return answer_unreached("xl cannot be run: %s", strerror(end.status));
	if (end.end != SUPERVISED_EXITED || end.status)
		return answer_refused(0, "xl %s: %.200s", verb, output);
	return answer_done("xl %s", verb);
}

void unpause_victim(struct scene *scene)
{
	if (scene->paused && run_xl("unpause", scene->victim, NULL).became == BECAME_DONE)
		scene->paused = false;
}

/* Only a paused guest leaves the key where it can be seen. */
static struct answer press(struct scene *scene, struct xenstore *s)
{
	struct answer answer;

	scene->paused = true;
	answer = run_xl("pause", scene->victim, NULL);
	if (answer.became == BECAME_DONE)
		answer = run_xl("sysrq", scene->victim, "h");
	if (answer.became == BECAME_DONE && !key_is(s, scene->victim, "h"))
		answer = answer_refused(0, "xl sysrq ended well, but wrote no key for domain %"
					PRId64, scene->victim);
	unpause_victim(scene);
	if (answer.became != BECAME_DONE)
		return answer;
	if (!key_taken(s, scene->victim))
		return answer_broken("domain %" PRId64 " did not take the key within %d s: has "
				     "it booted?", scene->victim, SYSRQ_WAIT_MS / 1000);
	return answer_done("domain %" PRId64 " took the key from xl sysrq", scene->victim);
}

struct answer try_sysrq(struct scene *scene)
{
	struct xenstore s;
	struct answer answer;

	if (scene->victim < 0)
		return answer_unreached("no other domain runs; --victim names one");
	if (!open_store(&s, &answer))
		return answer;
	answer = press(scene, &s);
	xenstore_close(&s);
	return answer;
}
