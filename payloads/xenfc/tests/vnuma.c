/* Virtual nodes: what is expected, beside a stand-in that checks in Xen's order and remembers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "domctl.h"
#include "memory.h"
#include "run.h"

#define CALLS 20000u
#define ARENA_SIZE (DOOR_ARENA_PAGES * (size_t)DOOR_PAGE)

static struct run run;
static struct door door;
static uint8_t *arena;
static unsigned int successes, refusals[4];
static bool forgetful;	/* tells another distance than was set */
static bool generous;	/* tells with too little room */
static uint32_t most_nodes, most_ranges;	/* that were set */

static struct kept {
	uint32_t nodes, ranges;
	uint32_t distances[32 * 32], vcpus[8];
	xen_vmemrange_t range[170];
} kept;

static bool reach(uint64_t address, size_t size)
{
	return address >= (uintptr_t)arena && address <= (uintptr_t)arena + ARENA_SIZE &&
	       size <= (uintptr_t)arena + ARENA_SIZE - address;
}

static bool fetch(void *to, const void *handle, size_t size)
{
	uint64_t address = handle_value(handle);

	if (size && !reach(address, size))
		return false;
	if (size)
		memcpy(to, (void *)(uintptr_t)address, size);
	return true;
}

static bool hand_over(const void *handle, const void *from, size_t size)
{
	uint64_t address = handle_value(handle);

	if (size && !reach(address, size))
		return false;
	if (size)
		memcpy((void *)(uintptr_t)address, from, size);
	return true;
}

static long set(const struct xen_domctl_vnuma *v)
{
	static struct kept now;
	uint32_t max_vcpus = run.model.own[1].max_vcpus;

	now = (struct kept){ .nodes = v->nr_vnodes, .ranges = v->nr_vmemranges };
	if (v->nr_vcpus != max_vcpus || v->pad || !v->nr_vnodes ||
	    v->nr_vnodes > DOOR_PAGE / 4 / v->nr_vnodes || v->nr_vmemranges > DOOR_PAGE / 24)
		return ERR(EINVAL);
	if (!fetch(now.distances, &v->vdistance, v->nr_vnodes * v->nr_vnodes * 4) ||
	    !fetch(now.range, &v->vmemrange, v->nr_vmemranges * sizeof(now.range[0])) ||
	    !fetch(now.vcpus, &v->vcpu_to_vnode, max_vcpus * 4))
		return ERR(EFAULT);
	for (uint32_t i = 0; i < max_vcpus; i++)
		if (now.vcpus[i] >= v->nr_vnodes)
			return ERR(E2BIG);
	for (uint32_t i = 0; i < v->nr_vnodes; i++) {
		uint64_t at = handle_value(&v->vnode_to_pnode) + i * 4;
		uint32_t node;

		if (!fetch(&node, &at, 4))
			return ERR(EFAULT);
		if (node >= 64)
			return ERR(E2BIG);
	}
	for (uint32_t i = 0; i < v->nr_vmemranges; i++)
		if (now.range[i].flags)
			return ERR(EINVAL);
	kept = now;
	most_nodes = most_nodes > now.nodes ? most_nodes : now.nodes;
	most_ranges = most_ranges > now.ranges ? most_ranges : now.ranges;
	return 0;
}

static long get(struct xen_vnuma_topology_info *t)
{
	uint32_t max_vcpus = run.model.own[1].max_vcpus;
	bool enough = t->nr_vnodes >= kept.nodes && t->nr_vcpus >= max_vcpus &&
		      t->nr_vmemranges >= kept.ranges;

	if (t->pad)
		return ERR(EINVAL);
	if (t->domid != DOMID_OWN_FIRST + 1)
		return t->domid == DOMID_SELF || !t->domid ? ERR(EOPNOTSUPP) : ERR(ESRCH);
	if (!kept.nodes)
		return ERR(EOPNOTSUPP);
	kept.distances[0] ^= forgetful;
	if (enough && (!hand_over(&t->vmemrange, kept.range, kept.ranges * sizeof(kept.range[0])) ||
		       !hand_over(&t->vdistance, kept.distances, kept.nodes * kept.nodes * 4) ||
		       !hand_over(&t->vcpu_to_vnode, kept.vcpus, max_vcpus * 4)))
		return ERR(EFAULT);
	t->nr_vnodes = kept.nodes;
	t->nr_vcpus = max_vcpus;
	t->nr_vmemranges = kept.ranges;
	return enough || generous ? 0 : ERR(ENOBUFS);
}

static long hypercall(struct door *from, unsigned int number, const uint64_t arguments[5])
{
	(void)from;
	assert_int_equal(number, __HYPERVISOR_memory_op);
	assert_int_equal(arguments[0], XENMEM_get_vnumainfo);
	return get((void *)(uintptr_t)arguments[1]);
}

static int begin(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	memset(&kept, 0, sizeof(kept));
	memset(refusals, 0, sizeof(refusals));
	successes = 0;
	forgetful = generous = false;
	most_nodes = most_ranges = 0;
	if (!arena)
		arena = aligned_alloc(DOOR_PAGE, ARENA_SIZE);
	memset(arena, ARENA_BACKGROUND, ARENA_SIZE);
	door = (struct door){ .hypercall = hypercall, .arena = arena, .unmapped = 1ull << 40 };
	run.door = &door;
	run.machine.control = true;
	run.machine.most_nodes = 64;
	run.model.own[1] = (struct domain_model){
		.exists = true, .id = DOMID_OWN_FIRST + 1, .max_vcpus = 1,
	};
	return 0;
}

static void make(struct call *call, const struct family *family, const struct operation *operation,
		 uint64_t number)
{
	memset(arena, ARENA_BACKGROUND, ARENA_SIZE);
	call_begin(call, &run, number);
	call->family = family;
	call->operation = operation;
	call->hypercall = family->hypercall;
	call->command = operation->command;
	family->generate(call);
	operation->generate(call);
}

static void count(const struct call *call)
{
	static const long errors[] = { ERR(EINVAL), ERR(EFAULT), ERR(E2BIG), ERR(ENOBUFS) };

	successes += !call->result;
	for (unsigned int i = 0; i < COUNT(errors); i++)
		refusals[i] += call->result == errors[i];
}

/* Only what is decided by the row itself: other domains and structures are the families'. */
static bool make_set(struct call *call, uint64_t number)
{
	extern const struct family family_domctl;

	make(call, &family_domctl, domctl_vnuma, number);
	if (domctl_of(call)->domain != DOMID_OWN_FIRST + 1)
		return false;
	call->domain = &run.model.own[1];
	call->operation->expect(call);
	call->result = set(&domctl_of(call)->u.vnuma);
	assert_true(expect_holds(call));
	call->operation->after(call);
	count(call);
	return true;
}

static void make_get(struct call *call, uint64_t number)
{
	extern const struct family family_memory;

	make(call, &family_memory, memory_vnuma, number);
	call->operation->expect(call);
	call->result = get((void *)call->structure->at);
	assert_true(expect_holds(call));
	call->operation->after(call);
	count(call);
}

static void what_xen_answers_is_expected(void **state)
{
	struct call call;

	(void)state;
	for (uint64_t number = 0; number < CALLS; number++) {
		make_set(&call, number);
		assert_string_equal(call.wrong, "");
		make_get(&call, number);
		assert_string_equal(call.wrong, "");
	}
	assert_true(successes > CALLS / 20);
	assert_int_equal(most_nodes, 32);
	assert_int_equal(most_ranges, 170);
	for (unsigned int i = 0; i < COUNT(refusals); i++)
		assert_true(refusals[i] > 10);
}

static void another_distance_is_seen(void **state)
{
	struct call call;
	unsigned int seen = 0;

	(void)state;
	forgetful = true;
	for (uint64_t number = 0; number < CALLS; number++)
		if (make_set(&call, number))
			seen += call.wrong[0] != '\0';
	assert_true(seen > 10);
}

/* Where just enough room is given, which the calls themselves hardly ever do. */
static void too_little_room_is_no_room(void **state)
{
	extern const struct family family_memory;
	struct call call;
	unsigned int seen = 0;

	(void)state;
	for (uint64_t number = 0; number < CALLS; number++) {
		generous = false;
		make_set(&call, number);
		make(&call, &family_memory, memory_vnuma, number);
		call.operation->expect(&call);
		call.result = get((void *)call.structure->at);
		generous = true;
		call.operation->after(&call);
		seen += call.wrong[0] != '\0';
	}
	assert_true(seen > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_xen_answers_is_expected, begin),
		cmocka_unit_test_setup(another_distance_is_seen, begin),
		cmocka_unit_test_setup(too_little_room_is_no_room, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
