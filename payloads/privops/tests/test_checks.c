/* The table: complete, and each operation is judged in at least one role. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checks.h"
#include "role.h"

static void test_every_row_is_complete(void **state)
{
	(void)state;
	for (const struct check *check = checks; check->name; check++) {
		int judged = 0;

		for (int role = 0; role < ROLE_COUNT; role++)
			judged += check->must[role] != MUST_NOT_APPLY;
		assert_true(judged > 0);
		assert_non_null(check->what);
		assert_non_null(check->attempt);
		assert_non_null(check->door->canary);
		for (const struct check *other = checks; other < check; other++)
			assert_string_not_equal(check->name, other->name);
	}
}

static void test_the_papers_seven(void **state)
{
	static const char *const paper[] = {
		"createdomain", "pausedomain", "unpausedomain", "destroydomain", "iopl", "settime",
		"readconsole",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(paper) / sizeof(paper[0]); i++) {
		const struct check *check = checks;

		while (check->name && strcmp(check->name, paper[i]))
			check++;
		assert_non_null(check->name);
		assert_int_equal(check->must[ROLE_CONTROL], MUST_ALLOW);
		assert_int_equal(check->must[ROLE_PV_GUEST], MUST_REFUSE);
	}
}

static enum role role_with(const char *capabilities, const char *type, const char *guest_type)
{
	const struct { const char *path, *text; } files[] = {
		{ "proc/xen/capabilities", capabilities },
		{ "sys/hypervisor/type", type },
		{ "sys/hypervisor/guest_type", guest_type },
	};
	char root[] = "/tmp/privops-test-XXXXXX", command[128], path[128];
	enum role role;

	assert_non_null(mkdtemp(root));
	snprintf(command, sizeof(command), "mkdir -p %s/proc/xen %s/sys/hypervisor", root, root);
	assert_int_equal(system(command), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *file;

		if (!files[i].text)
			continue;
		snprintf(path, sizeof(path), "%s/%s", root, files[i].path);
		file = fopen(path, "w");
		assert_non_null(file);
		fputs(files[i].text, file);
		fclose(file);
	}
	role = role_find(root);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	assert_int_equal(system(command), 0);
	return role;
}

static void test_roles(void **state)
{
	(void)state;
	assert_int_equal(role_with("control_d\n", "xen\n", "PV\n"), ROLE_CONTROL);
	assert_int_equal(role_with("", "xen\n", "PV\n"), ROLE_PV_GUEST);
	assert_int_equal(role_with(NULL, "xen\n", NULL), ROLE_PV_GUEST);
	assert_int_equal(role_with("", "xen\n", "HVM\n"), ROLE_HVM_GUEST);
	assert_int_equal(role_with("", "xen\n", "PVH\n"), ROLE_HVM_GUEST);
	assert_int_equal(role_with(NULL, NULL, NULL), ROLE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_is_complete),
		cmocka_unit_test(test_the_papers_seven),
		cmocka_unit_test(test_roles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
