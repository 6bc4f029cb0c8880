#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "supervisor.h"

#define TRY_LIMIT_MS 20000
#define TRY_MEMORY (256u << 20)

#define ANSWER(name, kind) \
	struct answer name(const char *words, ...) \
	{ \
		struct answer answer = { .became = kind }; \
		va_list list; \
		\
		va_start(list, words); \
		vsnprintf(answer.words, sizeof(answer.words), words, list); \
		va_end(list); \
		return answer; \
	}

ANSWER(answer_done, BECAME_DONE)
ANSWER(answer_unreached, BECAME_UNREACHED)
ANSWER(answer_broken, BECAME_BROKEN)

struct answer answer_refused(int error, const char *words, ...)
{
	struct answer answer = { .became = BECAME_REFUSED, .error = error };
	va_list list;

	va_start(list, words);
	vsnprintf(answer.words, sizeof(answer.words), words, list);
	va_end(list);
	return answer;
}

const char *role_name(enum role role)
{
	static const char *const names[] = {
		[ROLE_CONTROL] = "control domain",
		[ROLE_PV_GUEST] = "PV guest",
		[ROLE_HVM_GUEST] = "HVM guest",
		[ROLE_PVH_GUEST] = "PVH guest",
		[ROLE_KVM_GUEST] = "KVM guest",
		[ROLE_KVM_HOST] = "KVM host",
		[ROLE_COUNT] = "none",
		[ROLE_NONE] = "no known guest",
	};

	return names[role];
}

static bool right_error(const struct check *check, int error)
{
	for (int i = 0; i < ERRORS_MAX && check->errors[i]; i++)
		if (check->errors[i] == (error ? error : OR_SHOWN))
			return true;
	return false;
}

/* Refused: was it to be, and in the right way? */
static struct verdict judge_refusal(const struct check *check, enum role role,
				    const struct answer *answer)
{
	const char *error = answer->error ? strerrorname_np(answer->error) : "";
	const char *gap = answer->error && answer->words[0] ? ", " : "";

	if (check->must[role] == MUST_ALLOW)
		return verdict_fail("refused (%s%s%s), but a %s may do this", error, gap,
				    answer->words, role_name(role));
	if (right_error(check, answer->error))
		return verdict_pass("refused (%s%s%s), which is right in a %s", error, gap,
				    answer->words, role_name(role));
	if (!answer->error)
		return verdict_error("%s: it is refused with an error, so this try went wrong",
				     answer->words);
	return verdict_fail("refused with %s instead of %s: it was not privilege that stopped it "
			    "(%s)", error, check->errors[0] == OR_SHOWN ? "a fault" :
			    strerrorname_np(check->errors[0]), answer->words);
}

struct verdict judge(const struct check *check, enum role role, const struct answer *answer)
{
	switch (answer->became) {
	case BECAME_DONE:
		if (check->must[role] == MUST_REFUSE)
			return verdict_fail("a %s could do this: %s", role_name(role),
					    answer->words);
		return verdict_pass("%s", answer->words);
	case BECAME_REFUSED:
		return judge_refusal(check, role, answer);
	case BECAME_UNREACHED:
		return verdict_skip("%s", answer->words);
	case BECAME_BROKEN:
		break;
	}
	return verdict_error("%s", answer->words);
}

struct call {
	try_function function;
	struct scene *scene;
};

static int run_call(void *context)
{
	const struct rlimit memory = { TRY_MEMORY, TRY_MEMORY };
	const struct rlimit no_core = { 0, 0 };
	struct call *call = context;

	setrlimit(RLIMIT_AS, &memory);
	setrlimit(RLIMIT_CORE, &no_core);
	call->scene->answer = call->function(call->scene);
	return 0;
}

static struct answer try_in_child(try_function function, struct scene *scene)
{
	struct call call = { function, scene };
	const struct supervised work = { .work = run_call, .context = &call,
					 .limit_ms = TRY_LIMIT_MS };
	struct supervised_result end;

	scene->answer = answer_broken("the try said nothing");
	end = supervise(&work);
	switch (end.end) {
	case SUPERVISED_EXITED:
		return scene->answer;
	case SUPERVISED_KILLED:
		if (end.status == SIGSEGV || end.status == SIGBUS || end.status == SIGILL)
			return answer_refused(0, "a fault: %s", strsignal(end.status));
		return answer_broken("the try was killed: %s", strsignal(end.status));
	case SUPERVISED_TIMED_OUT:
		return answer_broken("no answer within %d s", TRY_LIMIT_MS / 1000);
	case SUPERVISED_INTERRUPTED:
		return answer_broken("interrupted");
	case SUPERVISED_FAILED:
		break;
	}
	return answer_broken("cannot start a child: %s", strerror(end.status));
}

/* A closed door proves nothing about what lies behind it. */
static struct verdict no_canary(const struct check *check, const struct answer *canary)
{
	if (canary->became == BECAME_UNREACHED)
		return verdict_skip("%s", canary->words);
	return verdict_error("nothing gets through %s, not even what everybody may do (%s%s%s): no "
			     "verdict", check->door->name,
			     canary->error ? strerrorname_np(canary->error) : "",
			     canary->error && canary->words[0] ? ", " : "", canary->words);
}

struct verdict check_run(const struct check *check, struct scene *scene)
{
	struct answer answer;

	if (check->must[scene->role] == MUST_NOT_APPLY)
		return verdict_skip("there is no such operation in a %s", role_name(scene->role));
	answer = try_in_child(check->door->canary, scene);
	if (answer.became != BECAME_DONE)
		return no_canary(check, &answer);
	answer = try_in_child(check->attempt, scene);
	return judge(check, scene->role, &answer);
}
