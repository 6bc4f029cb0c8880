/* Counters of a stand-in for Xen, and what is kept for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "corpus.h"
#include "counters.h"
#include "guided.h"
#include "xenabi.h"

#define NAME "a.gcda"
#define VERSION 0x15

static uint8_t blob[4 + sizeof(NAME) + 4 + 16];
static uint8_t *const words = blob + 4 + sizeof(NAME) + 4;
static bool counts;

static long hypercall(struct door *door, unsigned int number, const uint64_t arguments[5])
{
	struct xen_sysctl *o = (void *)(uintptr_t)arguments[0];
	char *buffer;

	(void)door;
	if (number != __HYPERVISOR_sysctl || o->cmd != XEN_SYSCTL_coverage_op)
		return -XEN_ENOSYS;
	if (o->interface_version != VERSION)
		return -XEN_EACCES;
	if (!counts)
		return -XEN_EOPNOTSUPP;
	if (o->u.coverage_op.cmd == XEN_SYSCTL_COVERAGE_read) {
		memcpy(&buffer, &o->u.coverage_op.buffer, sizeof(buffer));
		memcpy(buffer, blob, sizeof(blob));
	}
	o->u.coverage_op.size = sizeof(blob);
	return 0;
}

static struct door door = { .hypercall = hypercall };

static void *pages(size_t count)
{
	static uint8_t page[2][DOOR_PAGE];
	static unsigned int given;

	return count == 1 ? page[given++ % 2] : NULL;
}

static void make_blob(void)
{
	uint32_t size = 16;

	memcpy(blob, "VOCX", 4);
	memcpy(blob + 4, NAME, sizeof(NAME));
	memcpy(blob + 4 + sizeof(NAME), &size, sizeof(size));
	memset(words, 0, 16);
}

static int begin(void **state)
{
	(void)state;
	counters_end();
	counts = true;
	make_blob();
	return counters_begin(&door, pages) != NULL;
}

static void each_counter_is_new_once(void **state)
{
	(void)state;
	assert_int_equal(counters_new(), 0);
	words[0]++;
	words[8]++;
	assert_int_equal(counters_new(), 2);
	words[0]++;
	assert_int_equal(counters_new(), 0);
}

static void nonsense_of_the_hypervisor_is_no_number(void **state)
{
	uint32_t huge = UINT32_MAX;

	(void)state;
	memcpy(words - 4, &huge, sizeof(huge));
	assert_int_equal(counters_new(), -1);
	make_blob();
	blob[0]++;
	assert_int_equal(counters_new(), -1);
}

static void hypervisor_that_counts_nothing_is_told(void **state)
{
	(void)state;
	counts = false;
	assert_non_null(strstr(counters_begin(&door, pages), "CONFIG_COVERAGE"));
}

static char folder[] = "/tmp/xenfc-guided-XXXXXX";
static char path[200];

static int make_folder(void **state)
{
	(void)state;
	return !mkdtemp(folder);
}

static int remove_folder(void **state)
{
	(void)state;
	counters_end();
	guided_end();
	unlink(path);
	return rmdir(folder);
}

static void only_what_reached_something_new_is_kept(void **state)
{
	struct outcome outcome = { .release = RELEASE(4, 17) };
	struct plan plan, read;

	begin(state);
	plan_default(&plan);
	assert_null(guided_begin(&plan, folder));
	assert_true(plan.next(&plan, &outcome));
	assert_true(plan.next(&plan, &outcome));
	assert_int_equal(guided_kept(), 0);
	snprintf(path, sizeof(path), "%s/%llu-0.xenfc", folder, (unsigned long long)plan.seed);
	words[4]++;
	assert_true(plan.next(&plan, &outcome));
	assert_int_equal(guided_kept(), 1);
	plan_default(&read);
	assert_null(corpus_read(path, &read));
	assert_int_equal(read.n_spans, 1);
	assert_int_equal(read.spans[0].last - read.spans[0].first, 255);
}

/* Half of what follows is a kept piece, with a twist. */
static void kept_pieces_are_varied(void **state)
{
	struct outcome outcome = { .release = RELEASE(4, 17) };
	unsigned int varied = 0;
	struct plan plan, read;

	(void)state;
	plan_default(&read);
	assert_null(corpus_read(path, &read));
	plan_default(&plan);
	plan.loops = 1;
	guided_end();
	assert_null(guided_begin(&plan, folder));
	for (int i = 0; i < 100; i++) {
		assert_true(plan.next(&plan, &outcome));
		varied += plan.twist && plan.seed == read.seed && plan.to == 255;
	}
	assert_in_range(varied, 20, 80);
	outcome.made = 1;
	assert_false(plan.next(&plan, &outcome));
}

static void damaged_file_stops_all(void **state)
{
	struct plan plan;

	(void)state;
	assert_int_equal(truncate(path, 30), 0);
	plan_default(&plan);
	guided_end();
	assert_non_null(strstr(guided_begin(&plan, folder), "cut short"));
	assert_null(plan.next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_counter_is_new_once, begin),
		cmocka_unit_test_setup(nonsense_of_the_hypervisor_is_no_number, begin),
		cmocka_unit_test_setup(hypervisor_that_counts_nothing_is_told, begin),
		cmocka_unit_test_setup(only_what_reached_something_new_is_kept, make_folder),
		cmocka_unit_test(kept_pieces_are_varied),
		cmocka_unit_test_teardown(damaged_file_stops_all, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
