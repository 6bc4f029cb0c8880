/* The table: complete, and each operation is judged in at least one role. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checks.h"
#include "role.h"
#include "tries.h"

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

static void expect(const struct check *check, enum role role, struct answer answer,
		   enum outcome outcome)
{
	struct verdict verdict = judge(check, role, &answer);

	if (verdict.outcome != outcome)
		fail_msg("%s in a %s: %s (%s) instead of %s", check->name, role_name(role),
			 outcome_name(verdict.outcome), verdict.reason, outcome_name(outcome));
}

/* In every role, each operation turns red by the opposite of what must be. */
static void test_every_row_can_fail(void **state)
{
	(void)state;
	for (const struct check *check = checks; check->name; check++)
		for (enum role role = 0; role < ROLE_COUNT; role++) {
			if (check->must[role] == MUST_ALLOW) {
				expect(check, role, answer_done("did it"), OUTCOME_PASS);
				expect(check, role, answer_refused(EPERM, "no"), OUTCOME_FAIL);
				expect(check, role, answer_refused(0, "a fault"), OUTCOME_FAIL);
			} else if (check->must[role] == MUST_REFUSE) {
				expect(check, role, answer_done("did it"), OUTCOME_FAIL);
				expect(check, role, answer_refused(E2BIG, "no"), OUTCOME_FAIL);
			}
		}
}

/* QEMU's own fault is nobody's refusal, but only where a guest has ports at all. */
static void test_fault_at_a_port(void **state)
{
	(void)state;
	assert_int_equal(fault_answer(ROLE_KVM_GUEST, false, "").became, BECAME_REFUSED);
	assert_int_equal(fault_answer(ROLE_KVM_GUEST, true, "").became, BECAME_UNREACHED);
	assert_int_equal(fault_answer(ROLE_PV_GUEST, true, "").became, BECAME_REFUSED);
	assert_int_equal(fault_answer(ROLE_PVH_GUEST, true, "").became, BECAME_REFUSED);
	assert_int_equal(fault_answer(ROLE_CONTROL, true, "").became, BECAME_REFUSED);
}

/* A root that Linux itself keeps from ports and clocks has asked no hypervisor. */
static void test_root_without_rights(void **state)
{
	(void)state;
	assert_int_equal(port_call_answer(EPERM, "iopl").became, BECAME_UNREACHED);
	assert_int_equal(port_call_answer(ENOSYS, "iopl").became, BECAME_UNREACHED);
	assert_int_equal(port_call_answer(EINVAL, "iopl").became, BECAME_REFUSED);
	/* And there are words for an error that is none of those. */
	expect(&checks[4], ROLE_PV_GUEST, port_call_answer(EINVAL, "iopl"), OUTCOME_FAIL);
	assert_int_equal(rtc_answer(EACCES, "/dev/rtc0").became, BECAME_UNREACHED);
	assert_int_equal(rtc_answer(EPERM, "/dev/rtc0").became, BECAME_UNREACHED);
	assert_int_equal(rtc_answer(ENOENT, "/dev/rtc0").became, BECAME_REFUSED);
}

static void test_answers_of_a_kvm_guest(void **state)
{
	static const struct answer granted = { .became = BECAME_DONE };
	const unsigned int bridge = 0x12378086, qemu = 0x1af4, real = 0x8086;

	(void)state;
	assert_int_equal(hypercall_answer(-EPERM).became, BECAME_REFUSED);
	assert_int_equal(hypercall_answer(0).became, granted.became);
	assert_int_equal(hypercall_answer(-1000).became, granted.became);	/* it was looked at */
	assert_int_equal(kernel_hypercall_answer(0, -1000).became, granted.became);
	assert_int_equal(kernel_hypercall_answer(-1, -1000).became, BECAME_REFUSED);
	assert_int_equal(kernel_hypercall_answer(0, 0).became, BECAME_REFUSED);
	assert_int_equal(pci_answer(ROLE_KVM_GUEST, bridge, qemu).became, BECAME_REFUSED);
	assert_int_equal(pci_answer(ROLE_KVM_GUEST, bridge, real).became, granted.became);
	assert_int_equal(pci_answer(ROLE_PVH_GUEST, bridge, qemu).became, granted.became);
	assert_int_equal(pci_answer(ROLE_PVH_GUEST, 0xffffffffu, 0xffff).became, BECAME_REFUSED);
	assert_int_equal(pci_answer(ROLE_CONTROL, 0, 0).became, BECAME_REFUSED);
}

/* A register file of zeros would let each register that nobody has pass as one that is ignored. */
static void test_registers_that_are_none(void **state)
{
	(void)state;
	assert_int_equal(known_msr_answer(0).became, BECAME_BROKEN);
	assert_int_equal(known_msr_answer(0xd01).became, BECAME_DONE);
}

static void run_in(const char *words, const char *root)
{
	char command[256];

	snprintf(command, sizeof(command), words, root, root, root);
	assert_int_equal(system(command), 0);
}

/* The host's files are seen in what it shares, and only there. */
static void test_files_that_the_host_shares(void **state)
{
	char root[] = "/tmp/privops-test-XXXXXX";
	struct scene scene = { .root = root };

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(try_host_files(&scene).became, BECAME_BROKEN);
	run_in("mkdir -p %s/proc/self %s/share/etc/libvirt/qemu", root);
	run_in("echo 'disk %s/share ext4 rw 0 0' > %s/proc/self/mounts", root);
	assert_int_equal(try_host_files(&scene).became, BECAME_REFUSED);
	run_in("echo 'tag %s/share 9p rw 0 0' >> %s/proc/self/mounts", root);
	assert_int_equal(try_host_files(&scene).became, BECAME_DONE);
	run_in("rm -r %s/share/etc", root);
	assert_int_equal(try_host_files(&scene).became, BECAME_REFUSED);
	run_in("mkdir -p %s/share/var/lib/libvirt && ln -s /nowhere %s/share/var/lib/libvirt/images",
	       root);
	assert_int_equal(try_host_files(&scene).became, BECAME_DONE);
	run_in("rm -rf %s", root);
}

/* What is offered and not mounted was not looked at. */
static void test_share_that_is_not_mounted(void **state)
{
	char root[] = "/tmp/privops-test-XXXXXX";
	struct scene scene = { .root = root };

	(void)state;
	assert_non_null(mkdtemp(root));
	run_in("mkdir -p %s/proc/self %s/sys/bus/virtio/devices/virtio0", root);
	run_in("touch %s/proc/self/mounts", root);
	run_in("echo 0x0002 > %s/sys/bus/virtio/devices/virtio0/device", root);
	assert_int_equal(try_host_files(&scene).became, BECAME_REFUSED);
	run_in("echo 0x0009 > %s/sys/bus/virtio/devices/virtio0/device", root);
	assert_int_equal(try_host_files(&scene).became, BECAME_UNREACHED);
	run_in("mkdir %s/share && echo 'tag %s/share 9p rw 0 0' > %s/proc/self/mounts", root);
	assert_int_equal(try_host_files(&scene).became, BECAME_REFUSED);
	run_in("rm -rf %s", root);
}

/* Only the third revision of the table tells, and only there a missing flag means no controller. */
static void test_machine_without_a_keyboard_controller(void **state)
{
	char root[] = "/tmp/privops-test-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_false(keyboard_is_absent(root));
	run_in("mkdir -p %s/sys/firmware/acpi/tables", root);
	run_in("printf 'FACP\\0\\0\\0\\0\\3%%0100d\\2' 0 > %s/sys/firmware/acpi/tables/FACP", root);
	assert_false(keyboard_is_absent(root));
	run_in("printf 'FACP\\0\\0\\0\\0\\3%%0100d\\1' 0 > %s/sys/firmware/acpi/tables/FACP", root);
	assert_true(keyboard_is_absent(root));
	run_in("printf 'FACP\\0\\0\\0\\0\\1%%0100d\\1' 0 > %s/sys/firmware/acpi/tables/FACP", root);
	assert_false(keyboard_is_absent(root));
	run_in("rm -rf %s", root);
}

/* Whoever does not know its own number must not aim at domain 0 by mistake. */
static void test_domain_without_a_number(void **state)
{
	struct scene scene = { .role = ROLE_PV_GUEST, .domain = DOMAIN_UNKNOWN };
	struct answer why;

	(void)state;
	assert_false(role_knows_itself(&scene, &why));
	assert_int_equal(why.became, BECAME_UNREACHED);
	assert_int_equal(door_grant.canary(&scene).became, BECAME_UNREACHED);
	assert_int_equal(door_event.canary(&scene).became, BECAME_UNREACHED);
	scene.domain = 0;
	assert_true(role_knows_itself(&scene, &why));
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
	assert_int_equal(role_with("", "xen\n", "PVH\n"), ROLE_PVH_GUEST);
	assert_int_equal(role_with(NULL, NULL, NULL), ROLE_NONE);
}

static void test_kvm_host(void **state)
{
	char root[] = "/tmp/privops-test-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(root));
	run_in("mkdir %s/dev && touch %s/dev/kvm", root);
	assert_int_equal(role_find(root), ROLE_KVM_HOST);
	run_in("mkdir -p %s/proc/xen && echo control_d > %s/proc/xen/capabilities", root);
	assert_int_equal(role_find(root), ROLE_CONTROL);
	run_in("rm -rf %s", root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_is_complete),
		cmocka_unit_test(test_every_row_can_fail),
		cmocka_unit_test(test_fault_at_a_port),
		cmocka_unit_test(test_root_without_rights),
		cmocka_unit_test(test_answers_of_a_kvm_guest),
		cmocka_unit_test(test_registers_that_are_none),
		cmocka_unit_test(test_files_that_the_host_shares),
		cmocka_unit_test(test_share_that_is_not_mounted),
		cmocka_unit_test(test_machine_without_a_keyboard_controller),
		cmocka_unit_test(test_domain_without_a_number),
		cmocka_unit_test(test_the_papers_seven),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_kvm_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
