/* A verdict needs its canary, the right role, and the right refusal. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "check.h"

static struct answer good(struct scene *scene)
{
	(void)scene;
	return answer_done("done");
}

static struct answer no_permission(struct scene *scene)
{
	(void)scene;
	return answer_refused(EPERM, "asked");
}

static struct answer wrong_argument(struct scene *scene)
{
	(void)scene;
	return answer_refused(EINVAL, "asked");
}

static struct answer faults(struct scene *scene)
{
	(void)scene;
	signal(SIGSEGV, SIG_DFL);	/* the sanitizer's handler would print instead */
	raise(SIGSEGV);
	return answer_done("survived");
}

static struct answer dies(struct scene *scene)
{
	(void)scene;
	raise(SIGKILL);
	return answer_done("survived");
}

static struct answer says_nothing(struct scene *scene)
{
	(void)scene;
	_exit(0);
}

static struct answer absent(struct scene *scene)
{
	(void)scene;
	return answer_unreached("no such device");
}

static const struct door open_door = { "the door", good };

static struct verdict run_with(int other_error, enum role role, enum must must,
			       const struct door *door, try_function attempt)
{
	struct check check = { .name = "test", .door = door, .attempt = attempt,
			       .errors = { EPERM, other_error } };
	struct scene *scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct verdict verdict;

	assert_true(scene != MAP_FAILED);
	scene->role = role;
	check.must[role] = must;
	verdict = check_run(&check, scene);
	munmap(scene, sizeof(*scene));
	return verdict;
}

static struct verdict run(enum role role, enum must must, const struct door *door,
			  try_function attempt)
{
	return run_with(0, role, must, door, attempt);
}

static void expect(struct verdict verdict, enum outcome outcome, const char *words)
{
	if (verdict.outcome != outcome || !strstr(verdict.reason, words))
		fail_msg("%s: '%s' instead of %s with '%s'", outcome_name(verdict.outcome),
			 verdict.reason, outcome_name(outcome), words);
}

static void test_allowed(void **state)
{
	(void)state;
	expect(run(ROLE_CONTROL, MUST_ALLOW, &open_door, good), OUTCOME_PASS, "done");
	expect(run(ROLE_CONTROL, MUST_ALLOW, &open_door, no_permission), OUTCOME_FAIL,
	       "refused (EPERM, asked), but a control domain may do this");
	expect(run(ROLE_CONTROL, MUST_ALLOW, &open_door, faults), OUTCOME_FAIL, "a fault");
}

static void test_refused(void **state)
{
	(void)state;
	expect(run(ROLE_PV_GUEST, MUST_REFUSE, &open_door, no_permission), OUTCOME_PASS,
	       "which is right in a PV guest");
	expect(run_with(OR_SHOWN, ROLE_PV_GUEST, MUST_REFUSE, &open_door, faults), OUTCOME_PASS,
	       "a fault");
	expect(run(ROLE_PV_GUEST, MUST_REFUSE, &open_door, good), OUTCOME_FAIL,
	       "a PV guest could do this: done");
}

/* EINVAL says that the arguments were looked at: there was no lack of privilege. */
static void test_refused_for_another_reason(void **state)
{
	(void)state;
	expect(run(ROLE_PV_GUEST, MUST_REFUSE, &open_door, wrong_argument), OUTCOME_FAIL,
	       "EINVAL instead of EPERM");
}

/* A crash of the try itself is no refusal where only an errno can be one. */
static void test_fault_where_an_error_must_be(void **state)
{
	(void)state;
	expect(run(ROLE_PV_GUEST, MUST_REFUSE, &open_door, faults), OUTCOME_ERROR,
	       "this try went wrong");
}

static void test_no_verdict_without_canary(void **state)
{
	const struct door shut = { "the door", no_permission }, missing = { "the door", absent };

	(void)state;
	/* The naive check would call this a pass. */
	expect(run(ROLE_PV_GUEST, MUST_REFUSE, &shut, no_permission), OUTCOME_ERROR,
	       "nothing gets through the door");
	expect(run(ROLE_PV_GUEST, MUST_REFUSE, &missing, no_permission), OUTCOME_SKIP,
	       "no such device");
}

static void test_tries_that_say_nothing(void **state)
{
	(void)state;
	expect(run(ROLE_PV_GUEST, MUST_REFUSE, &open_door, says_nothing), OUTCOME_ERROR,
	       "said nothing");
	expect(run(ROLE_PV_GUEST, MUST_REFUSE, &open_door, dies), OUTCOME_ERROR, "was killed");
	expect(run(ROLE_PV_GUEST, MUST_REFUSE, &open_door, absent), OUTCOME_SKIP,
	       "no such device");
}

static void test_role_without_the_operation(void **state)
{
	(void)state;
	expect(run(ROLE_KVM_GUEST, MUST_NOT_APPLY, &open_door, good), OUTCOME_SKIP,
	       "no such operation in a KVM guest");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_for_another_reason),
		cmocka_unit_test(test_fault_where_an_error_must_be),
		cmocka_unit_test(test_no_verdict_without_canary),
		cmocka_unit_test(test_tries_that_say_nothing),
		cmocka_unit_test(test_role_without_the_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
