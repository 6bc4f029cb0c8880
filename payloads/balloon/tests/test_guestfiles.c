/* The driver's files in a stand-in tree: /proc/xen/balloon of 2005 and today's sysfs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "door.h"
#include "guestfiles.h"
#include "plan.h"

#define SYSFS "/sys/devices/system/xen_memory/xen_memory0"
#define PAPERS_OUTPUT \
	"Current allocation:   131072 kB\n" \
	"Requested target:     131072 kB\n" \
	"Low-mem balloon:           0 kB\n" \
	"High-mem balloon:          0 kB\n" \
	"Xen hard limit:          ??? kB\n"

static char root[64];

static void put(const char *path, const char *text)
{
	char full[256], command[300];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s')\"", full);
	assert_int_equal(system(command), 0);
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int setup(void **state)
{
	(void)state;
	strcpy(root, "/tmp/balloon-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	put("/proc/meminfo", "MemTotal:  120000 kB\nMemFree: 1 kB\nMemAvailable:   90000 kB\n");
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static void put_sysfs(const char *target)
{
	put(SYSFS "/target_kb", target);
	put(SYSFS "/info/current_kb", "131072\n");
	put(SYSFS "/info/low_kb", "5\n");
	put(SYSFS "/info/high_kb", "0\n");
}

static void test_old_driver(void **state)
{
	char text[64];
	struct door door;
	struct view view;
	struct why why;

	(void)state;
	put("/proc/xen/balloon", PAPERS_OUTPUT);
	assert_int_equal(door_open_proc(&door, root, &why), 0);
	assert_int_equal(door.view(&door, &view, &why), 0);
	assert_int_equal(view.current, 131072);
	assert_int_equal(view.target, 131072);
	assert_int_equal(view.limit, 0);
	assert_int_equal(view.guest_total, 120000);
	assert_int_equal(door.manners->one_byte, EBADMSG);
	assert_int_equal(door.manners->long_write, EFBIG);
	assert_int_equal(door.manners->not_root, EPERM);
	/* It takes bytes. */
	assert_int_equal(door.set(&door, 65536, &why), 0);
	assert_true(file_text(root, "/proc/xen/balloon", text, sizeof(text)) > 0);
	assert_memory_equal(text, "67108864\n", 9);
	door.close(&door);
}

static void test_sysfs(void **state)
{
	struct door door;
	struct view view;
	struct why why;
	uint64_t target;

	(void)state;
	put_sysfs("131072\n");
	assert_int_equal(door_open_sysfs(&door, root, &why), 0);
	assert_int_equal(door.set(&door, 65536, &why), 0);
	put(SYSFS "/target_kb", "65536\n");	/* a regular file keeps the old tail */
	assert_int_equal(door.view(&door, &view, &why), 0);
	assert_int_equal(view.current, 131072);
	assert_int_equal(view.target, 65536);
	assert_int_equal(view.low, 5);
	assert_int_equal(file_number(root, SYSFS "/target_kb", &target), 0);
	assert_int_equal(door.manners->not_root, EACCES);
	door.close(&door);
}

static void test_garbage_is_no_number(void **state)
{
	static const char *const garbage[] = {
		"", "\n", "x\n", "12 apples\n", "99999999999999999999999\n", "-5\n",
		" 5\n", "+5\n", "0x20\n",
	};
	struct door door;
	struct view view;
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		put_sysfs(garbage[i]);
		assert_int_equal(door_open_sysfs(&door, root, &why), 0);
		assert_int_equal(door.view(&door, &view, &why), -1);
		assert_non_null(strstr(why.text, "target_kb"));
		door.close(&door);
	}
}

static void test_half_a_driver(void **state)
{
	struct door door;
	struct view view;
	struct why why;

	(void)state;
	put("/proc/xen/balloon", "Current allocation:   131072 kB\n");
	assert_int_equal(door_open_proc(&door, root, &why), 0);
	assert_int_equal(door.view(&door, &view, &why), -1);
	assert_non_null(strstr(why.text, "Requested target"));
	door.close(&door);
}

static void test_choice(void **state)
{
	struct plan plan = { .interface = "auto", .root = root };
	struct door door;
	struct why why;

	(void)state;
	assert_int_equal(plan_open_door(&plan, &door, &why), -1);
	assert_non_null(strstr(why.text, "no balloon"));
	put_sysfs("131072\n");
	assert_int_equal(plan_open_door(&plan, &door, &why), 0);
	assert_string_equal(door.name, "sysfs");
	door.close(&door);
	put("/proc/xen/balloon", PAPERS_OUTPUT);
	assert_int_equal(plan_open_door(&plan, &door, &why), 0);
	assert_string_equal(door.name, "proc");
	door.close(&door);
	plan.interface = "virtio";
	assert_int_equal(plan_open_door(&plan, &door, &why), -1);
}

static void test_floor_and_step(void **state)
{
	struct plan plan = { .interface = "auto", .root = root, .floor = FLOOR_CHOSEN };
	struct trial trial = { .before = { .current = 200000, .target = 200000,
					   .guest_total = 180000, .guest_available = 120000 } };

	(void)state;
	plan_measure(&plan, &trial);
	assert_int_equal(trial.floor, 200000 - 120000 + 32768);
	assert_int_equal(trial.step, (200000 - trial.floor) / 2 / 4 * 4);
	plan.floor = 0;		/* told: the step stays what is safe */
	plan_measure(&plan, &trial);
	assert_int_equal(trial.floor, 0);
	assert_int_equal(trial.step, 43616);
	plan.floor = 199500 * 1024ll;
	plan_measure(&plan, &trial);
	assert_int_equal(trial.step, 0);
}

static void test_put_back(void **state)
{
	struct plan plan = { .interface = "auto", .root = root };
	struct view before = { .target = 131072 };
	char text[32];
	struct why why;

	(void)state;
	put_sysfs("4\n");
	assert_int_equal(plan_put_back(&plan, &before, &why), 0);
	assert_true(file_text(root, SYSFS "/target_kb", text, sizeof(text)) > 0);
	assert_string_equal(text, "131072");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_old_driver), T(test_sysfs), T(test_garbage_is_no_number),
		T(test_half_a_driver), T(test_choice), T(test_floor_and_step), T(test_put_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
