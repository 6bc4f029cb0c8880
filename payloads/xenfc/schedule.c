/* sched_op: what neither blocks nor ends the caller. */
#include "domctl.h"
#include "who.h"

#define PCPU_BEYOND 4096u
#define PORT_BEYOND (1u << 20)	/* no domain has so many */
#define MOST_POLLED 128u
#define XEN_MEMORY 0xffff830000000000ull
#define LONG_SECONDS 100000u
#define FIRST_WATCHDOG 1
#define SECOND_WATCHDOG 2	/* and there are no more */
#define PLACES 64u	/* of a processor, that are looked at */

static uint8_t *structure(const struct call *call)
{
	return call->structure->at;
}

static void generate_remote(struct call *call)
{
	struct sched_remote_shutdown *r = (void *)structure(call);

	r->domain_id = draw_who(call, false);
	r->reason = chance(call, 60) ? (unsigned int)draw(call, 6) :
		(unsigned int)draw_interesting(call, 32);
}

static void expect_remote(struct call *call)
{
	const struct sched_remote_shutdown *r = (void *)structure(call);

	if (who_allows(call, r->domain_id, LOOKUP_NUMBER, RIGHT_CONTROL))
		expect_only(call, 0);
}

static void after_remote(struct call *call)
{
	const struct sched_remote_shutdown *r = (void *)structure(call);
	const struct xen_domctl_getdomaininfo *info;
	uint32_t code;

	if (call->result || !call->domain)
		return;
	if (!call->domain->shut)
		call->domain->shut_code = (uint8_t)r->reason;
	call->domain->shut = true;
	info = domain_read(call->run, call->domain->id);
	code = info ? info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask : 0;
	/* Xen itself crashes HVM domains that run out of memory for paging. */
	if (info && call->domain->hvm && code == SHUTDOWN_crash)
		return;
	if (!info || !(info->flags & XEN_DOMINF_shutdown) || code != call->domain->shut_code)
		call_wrong(call, "the domain is not shut down with %u", call->domain->shut_code);
}

static void generate_poll(struct call *call)
{
	struct sched_poll *p = (void *)structure(call);

	p->nr_ports = MOST_POLLED + 1 +
		(chance(call, 50) ? 0 : (unsigned int)draw_interesting(call, 31));
}

/* Ports that are not there; with an event at hand Xen does not look at them. */
static void generate_poll_none(struct call *call)
{
	struct sched_poll *p = (void *)structure(call);
	struct area *ports = buffer_take(call, &p->ports, MOST_POLLED * sizeof(evtchn_port_t), false,
					 false);
	evtchn_port_t port = PORT_BEYOND | (evtchn_port_t)draw_interesting(call, 32);

	memcpy(ports->at, &port, sizeof(port));
	p->nr_ports = chance(call, 50) ? MOST_POLLED : 1 + (unsigned int)draw(call, MOST_POLLED);
	if (chance(call, 30))
		set_xen_guest_handle(p->ports, (void *)(XEN_MEMORY + draw(call, DOOR_PAGE) * 8));
}

static void expect_poll_none(struct call *call)
{
	const struct sched_poll *p = (const void *)structure(call);
	uint64_t list = handle_value(&p->ports);

	/* Only addresses that can be nobody's are refused before the list is read. */
	expect_only(call, 0);
	expect_also(call, reachable(call, list, sizeof(evtchn_port_t)) ? ERR(EINVAL) : ERR(EFAULT));
}

/* It would end the domain after so long; it is taken back at once. */
static void generate_own_watchdog(struct call *call)
{
	struct sched_watchdog *w = (void *)structure(call);

	w->timeout = LONG_SECONDS + (uint32_t)draw(call, LONG_SECONDS);
}

static void expect_own_watchdog(struct call *call)
{
	expect_only(call, FIRST_WATCHDOG);
}

static long watchdog_aside(struct call *call, uint32_t id, uint32_t timeout)
{
	struct sched_watchdog *w = (void *)(call->run->door->arena + ARENA_ASIDE);

	*w = (struct sched_watchdog){ .id = id, .timeout = timeout };
	return aside(call->run, __HYPERVISOR_sched_op, SCHEDOP_watchdog, (uintptr_t)w, 0);
}

static void after_own_watchdog(struct call *call)
{
	static const struct {
		uint32_t id, timeout;
		long right;
	} steps[] = {
		{ 0, LONG_SECONDS, SECOND_WATCHDOG }, { 0, LONG_SECONDS, ERR(ENOSPC) },
		{ SECOND_WATCHDOG, 0, 0 }, { SECOND_WATCHDOG, LONG_SECONDS, ERR(EINVAL) },
		{ FIRST_WATCHDOG, LONG_SECONDS, 0 }, { FIRST_WATCHDOG, 0, 0 },
		{ FIRST_WATCHDOG, 0, ERR(EINVAL) }, { FIRST_WATCHDOG, LONG_SECONDS, ERR(EINVAL) },
	};

	if (call->result != FIRST_WATCHDOG)
		return;
	for (unsigned int i = 0; i < COUNT(steps); i++) {
		/* Of an error that has passed through a number without a sign only 32 bits are right. */
		long result = (int32_t)watchdog_aside(call, steps[i].id, steps[i].timeout);

		if (result != steps[i].right)
			call_wrong(call, "step %u of a watchdog's life gave %ld, expected %ld", i,
				   result, steps[i].right);
	}
}

static void generate_watchdog(struct call *call)
{
	struct sched_watchdog *w = (void *)structure(call);

	w->id = 3 + (uint32_t)draw_interesting(call, 31);
	w->timeout = (uint32_t)draw_interesting(call, 32);
}

static void generate_pin(struct call *call)
{
	struct sched_pin_override *p = (void *)structure(call);

	p->pcpu = (int32_t)(PCPU_BEYOND + draw_interesting(call, 30));
}

static void expect_pin(struct call *call)
{
	expect_only(call, call->run->machine.hardware ? ERR(EINVAL) : ERR(EPERM));
}

/* Of one that is not pinned nothing is taken back. */
static void generate_no_pin(struct call *call)
{
	struct sched_pin_override *p = (void *)structure(call);

	p->pcpu = -1 - (int32_t)draw_interesting(call, 31);
}

static void must_pin(struct call *call, int32_t cpu, long expected)
{
	struct sched_pin_override *p = (void *)(call->run->door->arena + ARENA_ASIDE);
	long result;

	*p = (struct sched_pin_override){ .pcpu = cpu };
	result = aside(call->run, __HYPERVISOR_sched_op, SCHEDOP_pin_override, (uintptr_t)p, 0);
	if (result != expected)
		call_wrong(call, "pinning our processor to %d gave %ld, expected %ld", cpu, result,
			   expected);
}

static struct xen_domctl *ask_about_us(struct call *call, uint32_t command)
{
	long result = domctl_aside(call->run, command, call->run->machine.domid);

	if (result)
		call_wrong(call, "asking about our processor gave %ld", result);
	return domctl_aside_structure(call->run);
}

/* Where our first processor may run, of the first that there are. */
static uint64_t places(struct call *call)
{
	struct xen_domctl *d = domctl_aside_structure(call->run);
	uint64_t *told = memset(d + 1, 0, sizeof(*told));

	memset(d, 0, sizeof(*d));
	d->u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
	d->u.vcpuaffinity.cpumap_hard.nr_bits = PLACES;
	set_xen_guest_handle(d->u.vcpuaffinity.cpumap_hard.bitmap, (void *)told);
	ask_about_us(call, XEN_DOMCTL_getvcpuaffinity);
	return *told;
}

/* It stays where it is, cannot be pinned twice, and may then run where it might before. */
static void after_no_pin(struct call *call)
{
	uint64_t before, pinned;
	uint32_t here;

	if (call->result != ERR(EINVAL))
		return;
	memset(domctl_aside_structure(call->run), 0, sizeof(struct xen_domctl));
	here = ask_about_us(call, XEN_DOMCTL_getvcpuinfo)->u.getvcpuinfo.cpu;
	if (here >= PLACES)
		return;
	before = places(call);
	must_pin(call, (int32_t)here, 0);
	must_pin(call, (int32_t)here, ERR(EBUSY));
	pinned = places(call);
	must_pin(call, -1, 0);
	must_pin(call, -1, ERR(EINVAL));
	if (pinned != 1ull << here || places(call) != before)
		call_wrong(call, "our processor could run at %lx, pinned at %lx, and then at %lx",
			   before, pinned, places(call));
}

/* Asked before the structure is looked at. */
static bool schedule_expect(struct call *call)
{
	if (call->operation && call->command == SCHEDOP_pin_override &&
	    !call->run->machine.hardware)
		return true;
	return command_expect(call);
}

static const struct field remote_fields[] = {
	FIELD(struct sched_remote_shutdown, domain_id, FLOW_IN),
	FIELD(struct sched_remote_shutdown, reason, FLOW_IN),
	FIELDS_END,
};

static const struct field poll_fields[] = {
	FIELD(struct sched_poll, nr_ports, FLOW_IN),
	FIELDS_END,
};

static const struct field watchdog_fields[] = {
	FIELD(struct sched_watchdog, id, FLOW_IN),
	FIELD(struct sched_watchdog, timeout, FLOW_IN),
	FIELDS_END,
};

static const struct field pin_fields[] = {
	FIELD(struct sched_pin_override, pcpu, FLOW_IN),
	FIELDS_END,
};

static const struct operation schedule_operations[] = {
	{ .name = "yield", .command = SCHEDOP_yield, .danger = DANGER_SAFE, .weight = 1,
	  .expect = expect_success },
	{ .name = "remote_shutdown", .command = SCHEDOP_remote_shutdown, .danger = DANGER_OWN,
	  .structure_size = sizeof(struct sched_remote_shutdown), .fields = remote_fields,
	  .generate = generate_remote, .expect = expect_remote, .after = after_remote },
	{ .name = "poll", .command = SCHEDOP_poll, .danger = DANGER_SAFE, .weight = 4,
	  .structure_size = sizeof(struct sched_poll), .fields = poll_fields,
	  .generate = generate_poll, .expect = expect_invalid },
	{ .name = "poll_none", .command = SCHEDOP_poll, .danger = DANGER_SAFE, .weight = 4,
	  .structure_size = sizeof(struct sched_poll), .fields = poll_fields,
	  .generate = generate_poll_none, .expect = expect_poll_none },
	{ .name = "watchdog_own", .command = SCHEDOP_watchdog, .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL, .weight = 4, .structure_size = sizeof(struct sched_watchdog),
	  .fields = watchdog_fields, .generate = generate_own_watchdog,
	  .expect = expect_own_watchdog, .after = after_own_watchdog },
	{ .name = "watchdog", .command = SCHEDOP_watchdog, .danger = DANGER_SAFE, .weight = 4,
	  .structure_size = sizeof(struct sched_watchdog), .fields = watchdog_fields,
	  .generate = generate_watchdog, .expect = expect_invalid },
	{ .name = "pin_override", .command = SCHEDOP_pin_override, .danger = DANGER_SAFE,
	  .weight = 4, .structure_size = sizeof(struct sched_pin_override), .fields = pin_fields,
	  .generate = generate_pin, .expect = expect_pin },
	{ .name = "pin_own", .command = SCHEDOP_pin_override, .danger = DANGER_OWN,
	  .traits = TRAIT_KERNEL | TRAIT_ALONE, .weight = 2,
	  .structure_size = sizeof(struct sched_pin_override), .fields = pin_fields,
	  .generate = generate_no_pin, .expect = expect_pin, .after = after_no_pin },
};
static const size_t schedule_count = COUNT(schedule_operations);
static const struct part schedule_parts[] = { { schedule_operations, &schedule_count } };

static bool schedule_exists(uint32_t command)
{
	return command < 8;
}

const struct family family_schedule = {
	.name = "sched",
	.hypercall = __HYPERVISOR_sched_op,
	.unknown_command = ERR(ENOSYS),
	.parts = schedule_parts,
	.n_parts = COUNT(schedule_parts),
	.command_exists = schedule_exists,
	.generate = command_generate,
	.expect = schedule_expect,
};
