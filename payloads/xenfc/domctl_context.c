/*
 * domctl: all of the state of a PV domain's processor, given to it and told again.  It never runs:
 * it is not online.  A page of the domain is its table of pages, empty but for what Xen adds.
 */
#include "domctl.h"
#include "processor.h"

#define CONTEXT (ARENA_ASIDE + DOOR_PAGE)	/* beside the structure: it takes two pages */
#define PAGE_BITS 12
#define MOST_LOCAL 8192u	/* descriptors of our own in a table */
#define FLAGS (VGCF_i387_valid | VGCF_in_kernel | VGCF_failsafe_disables_events | \
	       VGCF_syscall_disables_events)
/* Of a domain: page tables that Xen writes, its own rights to ports, a flag while times are told. */
#define ASSISTANCE (1ull << 2 | 1ull << 4 | 1ull << 5)
#define KERNEL_RIGHTS 3u	/* of any selector that Xen is given */
#define INTERRUPTS 0x200ull
#define FLAGS_THERE_ARE 0x3d7fd5ull
#define FLAGS_ALWAYS_SET 2ull
#define DEBUGGING_EXTENSIONS 8ull
#define PORTS 2u	/* what a breakpoint watches */

static vcpu_guest_context_t given;

static void generate_state(struct call *call)
{
	struct xen_domctl_vcpucontext *c = &domctl_of(call)->u.vcpucontext;

	memset(c, 0, sizeof(*c));
	c->vcpu = draw_mostly(call, 85, 3);
}

/* Without a state it is as new. */
static void expect_state(struct call *call)
{
	const struct domain_model *domain = call->domain;
	uint32_t vcpu = domctl_of(call)->u.vcpucontext.vcpu;

	expect_only(call, domain && domain->has_vcpus && vcpu < domain->max_vcpus ? 0 : ERR(EINVAL));
}

static void must(struct call *call, const char *what, long result, long expected)
{
	if (result != expected)
		call_wrong(call, "%s the state of a processor gave %ld, expected %ld", what, result,
			   expected);
}

static long order(struct call *call, uint32_t command, bool with_state)
{
	struct xen_domctl *d = memset(domctl_aside_structure(call->run), 0, sizeof(*d));
	uint64_t address = with_state ? (uintptr_t)call->run->door->arena + CONTEXT : 0;

	d->u.vcpucontext.vcpu = domctl_of(call)->u.vcpucontext.vcpu;
	memcpy(&d->u.vcpucontext.ctxt, &address, sizeof(address));
	return domctl_aside(call->run, command, call->domain->id);
}

static long set(struct call *call, const vcpu_guest_context_t *c)
{
	memcpy(call->run->door->arena + CONTEXT, c, sizeof(*c));
	return order(call, DOMCTL(setvcpucontext), true);
}

static const vcpu_guest_context_t *get(struct call *call, long expected)
{
	void *told = call->run->door->arena + CONTEXT;

	memset(told, ARENA_BACKGROUND, sizeof(vcpu_guest_context_t));
	must(call, "asking for", order(call, DOMCTL(getvcpucontext), true), expected);
	return told;
}

static void make_canonical(uint64_t *address)
{
	*address = (uint64_t)((int64_t)(*address << 16) >> 16);
}

static bool may_be_watched(uint64_t address)
{
	return address < LOW_END || address >= XEN_SPACE_END;
}

/* What was left out of a state before 4.18 is refused since. */
static void make_settable(unsigned long *debug)
{
	for (unsigned int i = 0; i < 4; i++)
		if (!may_be_watched(debug[i]))
			debug[i] = 0;
	debug[6] &= UINT32_MAX;
	debug[7] &= UINT32_MAX;
}

static void check_debug_refused(struct call *call)
{
	vcpu_guest_context_t other = given;
	uint64_t which = draw(call, 6);

	if (!since(call, RELEASE(4, 18)))
		return;
	if (which < 4)
		other.debugreg[which] = LOW_END + draw(call, LOW_END);
	else
		other.debugreg[which + 2] |= 1ull << 32;
	must(call, "a debug register that cannot be set in", set(call, &other), ERR(EINVAL));
}

/* All that may be anything is; what it is never changed in is left alone. */
static void draw_registers(struct call *call, vcpu_guest_context_t *c)
{
	uint64_t *const addresses[] = {
		&c->user_regs.rip, &c->user_regs.rsp, &c->kernel_sp, &c->fs_base,
		&c->gs_base_kernel, &c->gs_base_user, &c->event_callback_eip,
		&c->failsafe_callback_eip, &c->syscall_callback_eip,
	};

	draw_bytes(call, &c->fpu_ctxt, sizeof(c->fpu_ctxt));
	draw_bytes(call, &c->user_regs, sizeof(c->user_regs));
	draw_bytes(call, c->trap_ctxt, sizeof(c->trap_ctxt));
	draw_bytes(call, c->debugreg, sizeof(c->debugreg));
	draw_bytes(call, &c->fs_base, 3 * sizeof(c->fs_base));
	c->ctrlreg[0] = draw_interesting(call, 64);
	c->ctrlreg[2] = draw_interesting(call, 64);
	for (unsigned int i = 4; i < COUNT(c->ctrlreg); i++)
		c->ctrlreg[i] = draw_interesting(call, 64);
	c->kernel_ss = draw_interesting(call, 64);
	c->kernel_sp = draw_interesting(call, 64);
	c->event_callback_eip = draw_interesting(call, 64);
	c->failsafe_callback_eip = draw_interesting(call, 64);
	c->syscall_callback_eip = draw_interesting(call, 64);
	for (unsigned int i = 0; i < 4; i++)
		c->debugreg[i] &= chance(call, 60) ? LOW_END - 1 : UINT64_MAX;
	c->debugreg[6] &= chance(call, 80) ? UINT32_MAX : UINT64_MAX;
	c->debugreg[7] &= chance(call, 80) ? UINT32_MAX & ~GENERAL_DETECT : UINT64_MAX;
	if (since(call, RELEASE(4, 18)))
		make_settable(c->debugreg);
	for (unsigned int i = 0; i < COUNT(addresses); i++)
		make_canonical(addresses[i]);
	for (unsigned int i = 0; i < COUNT(c->trap_ctxt); i++)
		make_canonical(&c->trap_ctxt[i].address);
}

static void draw_state(struct call *call, vcpu_guest_context_t *c)
{
	memset(c, 0, sizeof(*c));
	c->flags = draw(call, FLAGS + 1) & FLAGS;
	c->ctrlreg[3] = call->domain->frame << PAGE_BITS;
	if (chance(call, 50) || !(c->flags & VGCF_in_kernel))
		c->ctrlreg[1] = c->ctrlreg[3];
	if (chance(call, 60)) {
		c->ldt_ents = MOST_LOCAL - draw(call, 2);
		c->ldt_base = draw(call, LOW_END >> PAGE_BITS) << PAGE_BITS;
	}
	c->vm_assist = draw_interesting(call, 6) & ASSISTANCE;
	draw_registers(call, c);
}

/* What watches a port is refused unless debugging extensions are on; then nothing is set. */
static uint64_t control_kept(const vcpu_guest_context_t *c)
{
	uint64_t value = c->debugreg[7];

	if (value >> 32 || value & GENERAL_DETECT)
		return CONTROL_ONES;
	for (unsigned int field = 16; field < 32; field += 4)
		if (value & ACTIVE_BREAKPOINTS && (value >> field & 3) == PORTS &&
		    !(c->ctrlreg[4] & DEBUGGING_EXTENSIONS))
			return CONTROL_ONES;
	return (value & ~CONTROL_ZEROES) | CONTROL_ONES;
}

/* What an exception left, and what is between the registers, is not kept since 4.21. */
static void clear_unused(struct cpu_user_regs *r)
{
	r->error_code = r->entry_vector = r->saved_upcall_mask = 0;
	r->rflags = (r->rflags & FLAGS_THERE_ARE) | FLAGS_ALWAYS_SET;
	memset(r->_pad0, 0, sizeof(r->_pad0));
	memset(r->_pad1, 0, sizeof(r->_pad1));
	memset(r->_pad2, 0, sizeof(r->_pad2));
	memset(r->_pad3, 0, sizeof(r->_pad3));
	memset(r->_pad4, 0, sizeof(r->_pad4));
	memset(r->_pad5, 0, sizeof(r->_pad5));
	memset(r->_pad6, 0, sizeof(r->_pad6));
}

/* What was given, as it must be told. */
static void expect_told(const struct call *call, const vcpu_guest_context_t *told,
			vcpu_guest_context_t *c)
{
	c->user_regs.cs |= KERNEL_RIGHTS;
	c->user_regs.ss |= KERNEL_RIGHTS;
	c->user_regs.eflags |= INTERRUPTS;
	c->kernel_ss |= KERNEL_RIGHTS;
	for (unsigned int i = 0; i < COUNT(c->trap_ctxt); i++)
		c->trap_ctxt[i].cs |= KERNEL_RIGHTS;
	for (unsigned int i = 0; i < 4; i++)
		if (!may_be_watched(c->debugreg[i]))
			c->debugreg[i] = 0;
	c->debugreg[4] = c->debugreg[5] = 0;
	c->debugreg[7] = control_kept(c);
	if (c->debugreg[6] >> 32)
		c->debugreg[6] = 0;
	c->debugreg[6] = (c->debugreg[6] & ~STATUS_ZEROES) | STATUS_ONES;
	/* Only these bits are the processor's own; others are the machine's. */
	c->ctrlreg[0] = (c->ctrlreg[0] & TASK_SWITCHED) | (told->ctrlreg[0] & ~TASK_SWITCHED);
	c->ctrlreg[4] = (c->ctrlreg[4] & DEBUGGING_EXTENSIONS) |
			(told->ctrlreg[4] & ~DEBUGGING_EXTENSIONS);
	if (since(call, RELEASE(4, 21)))
		clear_unused(&c->user_regs);
	/* Vector registers that nobody gave are new, in the way of the machine. */
	if (!(c->flags & VGCF_i387_valid))
		c->fpu_ctxt = told->fpu_ctxt;
	if (since(call, RELEASE(4, 22)))
		c->flags |= VGCF_i387_valid;
}

static void check_told(struct call *call, const char *when)
{
	const vcpu_guest_context_t *told = get(call, 0);
	const uint8_t *is = (const void *)told, *right = (const void *)&given;

	if (call->wrong[0])
		return;
	/* Whose first processor's it was is the domain's. */
	if (domctl_of(call)->u.vcpucontext.vcpu)
		given.vm_assist = told->vm_assist;
	expect_told(call, told, &given);
	for (size_t i = 0; i < sizeof(given); i++)
		if (is[i] != right[i]) {
			call_wrong(call, "byte %lu of a processor's state is %x %s, expected %x", i,
				   is[i], when, right[i]);
			return;
		}
}

/* Once it has one, tables of pages and of descriptors must stay. */
static void check_tables_stay(struct call *call)
{
	vcpu_guest_context_t other = given;

	switch (draw(call, 4)) {
	case 0:
		other.ctrlreg[3] += DOOR_PAGE;
		break;
	case 1:
		other.ctrlreg[1] = other.ctrlreg[1] ? 0 : other.ctrlreg[3];
		break;
	case 2:
		other.ldt_ents = !other.ldt_ents;
		break;
	default:
		other.gdt_ents = 1;
	}
	must(call, "moving tables of", set(call, &other), ERR(EOPNOTSUPP));
}

static long clear_frame(struct call *call)
{
	struct mmuext_op *op = memset(call->run->door->arena + ARENA_ASIDE, 0, sizeof(*op));
	uint64_t arguments[5] = { (uintptr_t)op, 1, 0, call->domain->id };

	op->cmd = MMUEXT_CLEAR_PAGE;
	op->arg1.mfn = call->domain->frame;
	return make_hypercall(call->run, __HYPERVISOR_mmuext_op, arguments);
}

/* Memory for shadows of its tables: once a domain has some, Xen may follow what is written to them. */
static bool may_be_shadowed(struct call *call)
{
	struct xen_domctl *d = memset(domctl_aside_structure(call->run), 0, sizeof(*d));

	d->u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION;
	if (!call->run->machine.shadow)
		return false;
	return domctl_aside(call->run, DOMCTL(shadow_op), call->domain->id) || d->u.shadow_op.mb;
}

/* Its frame is a table as long as a processor uses it. */
static void after_state(struct call *call)
{
	const struct domain_model *domain = call->domain;

	if (call->result || !domain || domain->hvm || domain->compat || !domain->frame ||
	    may_be_shadowed(call))
		return;
	must(call, "clearing a page for", clear_frame(call), 0);
	draw_state(call, &given);
	must(call, "setting", set(call, &given), 0);
	must(call, "clearing a page of", clear_frame(call), ERR(EINVAL));
	check_told(call, "at first");
	draw_registers(call, &given);
	must(call, "setting once more", set(call, &given), 0);
	check_told(call, "later");
	check_tables_stay(call);
	check_debug_refused(call);
	must(call, "taking away", order(call, DOMCTL(setvcpucontext), false), 0);
	get(call, ERR(ENODATA));
	must(call, "clearing a page after", clear_frame(call), 0);
}

static const struct field state_fields[] = {
	DOMCTL_FIELD(vcpucontext.vcpu, FLOW_IN),
	FIELDS_END,
};

const struct operation domctl_context[] = {
	{ .name = "processor_with_state", .command = DOMCTL(setvcpucontext), .danger = DANGER_OWN,
	  .weight = 8, .traits = TRAIT_KERNEL | TRAIT_ALONE | TRAIT_REFUSES_SELF | TRAIT_REPLACES,
	  .fields = state_fields, .generate = generate_state, .expect = expect_state,
	  .after = after_state },
};
const size_t domctl_context_count = COUNT(domctl_context);
