/* sched_op and vcpu_op. */
#include "domctl.h"
#include "who.h"

#define PCPU_BEYOND 4096u

static uint8_t *structure(const struct call *call)
{
	return call->structure->at;
}

static void generate_remote(struct call *call)
{
	struct sched_remote_shutdown *r = (void *)structure(call);

	r->domain_id = draw_who(call, false);
	r->reason = (unsigned int)draw(call, 6);
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
		call->domain->shut_code = r->reason;
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

	p->nr_ports = 129 + (unsigned int)draw_interesting(call, 31);
}

static void expect_invalid(struct call *call)
{
	expect_only(call, ERR(EINVAL));
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
	{ .name = "yield", .command = SCHEDOP_yield, .danger = DANGER_SAFE, .weight = 2,
	  .expect = expect_success },
	{ .name = "remote_shutdown", .command = SCHEDOP_remote_shutdown, .danger = DANGER_OWN,
	  .structure_size = sizeof(struct sched_remote_shutdown), .fields = remote_fields,
	  .generate = generate_remote, .expect = expect_remote, .after = after_remote },
	{ .name = "poll", .command = SCHEDOP_poll, .danger = DANGER_SAFE, .weight = 4,
	  .structure_size = sizeof(struct sched_poll), .fields = poll_fields,
	  .generate = generate_poll, .expect = expect_invalid },
	{ .name = "watchdog", .command = SCHEDOP_watchdog, .danger = DANGER_SAFE, .weight = 4,
	  .structure_size = sizeof(struct sched_watchdog), .fields = watchdog_fields,
	  .generate = generate_watchdog, .expect = expect_invalid },
	{ .name = "pin_override", .command = SCHEDOP_pin_override, .danger = DANGER_SAFE,
	  .weight = 4, .structure_size = sizeof(struct sched_pin_override), .fields = pin_fields,
	  .generate = generate_pin, .expect = expect_pin },
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

/* vcpu_op(command, vcpu, pointer): a processor that is not there is refused before all else. */
static void vcpu_generate(struct call *call)
{
	call->arguments[0] = call->command;
	if (call->operation && call->operation->structure_size)
		structure_take(call, 2);
	call->arguments[1] = chance(call, 60) ? 0 :
		call->run->machine.vcpus + (chance(call, 50) ? 0 : draw_interesting(call, 30));
}

static bool vcpu_expect(struct call *call)
{
	if (call->arguments[1]) {
		expect_only(call, ERR(ENOENT));
		return false;
	}
	return command_expect(call);
}

static void expect_up(struct call *call)
{
	expect_only(call, 1);
}

static const struct field runstate_fields[] = {
	FIELD(struct vcpu_runstate_info, state, FLOW_VOLATILE),
	FIELD(struct vcpu_runstate_info, state_entry_time, FLOW_VOLATILE),
	FIELD(struct vcpu_runstate_info, time, FLOW_VOLATILE),
	FIELDS_END,
};

static const struct operation vcpu_operations[] = {
	{ .name = "is_up", .command = VCPUOP_is_up, .danger = DANGER_SAFE, .weight = 3,
	  .expect = expect_up },
	{ .name = "get_runstate_info", .command = VCPUOP_get_runstate_info, .danger = DANGER_SAFE,
	  .traits = TRAIT_READS, .weight = 4, .structure_size = sizeof(struct vcpu_runstate_info),
	  .fields = runstate_fields, .expect = expect_success },
};
static const size_t vcpu_count = COUNT(vcpu_operations);
static const struct part vcpu_parts[] = { { vcpu_operations, &vcpu_count } };

static bool vcpu_exists(uint32_t command)
{
	return command < 17;
}

const struct family family_vcpu = {
	.name = "vcpu",
	.hypercall = __HYPERVISOR_vcpu_op,
	.unknown_command = ERR(ENOSYS),
	.parts = vcpu_parts,
	.n_parts = COUNT(vcpu_parts),
	.command_exists = vcpu_exists,
	.generate = vcpu_generate,
	.expect = vcpu_expect,
};
