/* The client's stamps by our clock: KVM's files, the arithmetic, and what causality allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "offset.h"

static char folder[] = "/tmp/test-offset-XXXXXX";
static struct why why;

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return !mkdtemp(folder);
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void write_file(const char *vcpu, const char *name, const char *text)
{
	char path[256], *slash;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s", folder, vcpu, name);
	for (slash = path + strlen(folder); (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int read_kvm(struct offset *o, int64_t vm, int64_t vcpu)
{
	why.text[0] = '\0';
	return offset_read_kvm(o, folder, vm, vcpu, &why);
}

static void test_negative_offset_without_scaling(void **state)
{
	struct offset o;

	(void)state;
	write_file("812-11/vcpu0", "tsc-offset", "-31241244534231\n");
	write_file("812-11/vcpu1", "tsc-offset", "-31241244534231\n");
	assert_int_equal(read_kvm(&o, 0, -1), 0);
	assert_true(o.ticks == -31241244534231ll);
	assert_true(offset_to_ours(&o, 1000) == 31241244535231ll);
}

static void test_scaling_is_undone(void **state)
{
	const uint64_t host = 123456789012345ull;
	uint64_t ratio = (3ull << 48) / 2, guest;
	struct offset o;

	(void)state;
	write_file("1-1/vcpu0", "tsc-offset", "-77\n");
	write_file("1-1/vcpu0", "tsc-scaling-ratio", "422212465065984\n");
	write_file("1-1/vcpu0", "tsc-scaling-ratio-frac-bits", "48\n");
	assert_int_equal(read_kvm(&o, 0, -1), 0);
	assert_true(o.ratio == ratio);
	guest = (uint64_t)(((unsigned __int128)host * ratio) >> 48) - 77;
	assert_in_range(offset_to_ours(&o, guest), host - 1, host);
	write_file("1-1/vcpu0", "tsc-scaling-ratio", "281474976710656\n");
	assert_int_equal(read_kvm(&o, 0, -1), 0);
	assert_true(o.ratio == 0);
}

static void test_vcpus_that_disagree_need_a_choice(void **state)
{
	struct offset o;

	(void)state;
	write_file("5-1/vcpu0", "tsc-offset", "-10\n");
	write_file("5-1/vcpu1", "tsc-offset", "-11\n");
	assert_int_equal(read_kvm(&o, 0, -1), -1);
	assert_non_null(strstr(why.text, "--vcpu=N"));
	assert_int_equal(read_kvm(&o, 0, 1), 0);
	assert_int_equal(o.ticks, -11);
	assert_int_equal(read_kvm(&o, 0, 2), -1);
}

static void test_several_guests_need_a_choice(void **state)
{
	struct offset o;

	(void)state;
	assert_int_equal(read_kvm(&o, 0, -1), -1);
	assert_non_null(strstr(why.text, "is the guest running?"));
	write_file("5-1/vcpu0", "tsc-offset", "1\n");
	write_file("6-1/vcpu0", "tsc-offset", "2\n");
	assert_int_equal(read_kvm(&o, 0, -1), -1);
	assert_non_null(strstr(why.text, "--vm=PID"));
	assert_int_equal(read_kvm(&o, 6, -1), 0);
	assert_int_equal(o.ticks, 2);
	assert_int_equal(offset_read_kvm(&o, "/no/such", 0, -1, &why), -1);
	assert_non_null(strstr(why.text, "estimate"));
}

static void test_rubbish_is_no_offset(void **state)
{
	struct offset o;

	(void)state;
	write_file("5-1/vcpu0", "tsc-offset", "none\n");
	assert_int_equal(read_kvm(&o, 0, -1), -1);
	write_file("5-1/vcpu0", "tsc-offset", "1\n");
	write_file("5-1/vcpu0", "tsc-scaling-ratio", "7\n");
	assert_int_equal(read_kvm(&o, 0, -1), -1);
	write_file("5-1/vcpu0", "tsc-scaling-ratio-frac-bits", "99\n");
	assert_int_equal(read_kvm(&o, 0, -1), -1);
}

/* A client whose clock is 1000 behind; one way 30 or more, back 50 or more. */
static void test_bounds_hold_the_true_offset(void **state)
{
	const uint64_t sent[] = {100, 300, 500}, received[] = {1130, 1340, 1535};
	const uint64_t heard[] = {180, 395, 590};
	struct offset_bounds b = offset_bound(sent, received, 3, heard, 3);

	(void)state;
	assert_int_equal(b.low, -1030);
	assert_int_equal(b.high, -950);
	assert_int_equal(offset_middle(&b), -990);
	assert_true(offset_error(&b) == 40);
	/* Without the moments of hearing, the next sending bounds it, less tightly. */
	b = offset_bound(sent, received, 3, sent + 1, 2);
	assert_int_equal(b.low, -1030);
	assert_int_equal(b.high, -840);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_negative_offset_without_scaling, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(test_scaling_is_undone, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_vcpus_that_disagree_need_a_choice,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_several_guests_need_a_choice, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(test_rubbish_is_no_offset, make_folder,
						remove_folder),
		cmocka_unit_test(test_bounds_hold_the_true_offset),
	};

	return cmocka_run_group_tests_name("offset", tests, NULL, NULL);
}
