/*
 * mmuext_op, mmu_update, update_va_mapping: page tables, and what the processor caches of them.
 * Only with frames and addresses that are not there: page_life.c and mapping.c have real ones.
 */
#include "mapping.h"
#include "run.h"
#include "who.h"

#define NO_FRAME (1ull << 40)
#define PAGE_BITS 12
#define XEN_MEMORY 0xffff830000000000ull
#define UNKNOWN_COMMAND 64u
#define MOST_LISTED 64u
#define KINDS_OF_UPDATE 4u

static struct mmuext_op *mmuext_of(const struct call *call)
{
	return (struct mmuext_op *)(void *)call->structure->at;
}

/* Reserved numbers are other things here than nobody: pages of Xen, pages of devices. */
static uint16_t draw_foreign(struct call *call)
{
	uint16_t id = chance(call, 50) ? DOMID_SELF : draw_who(call, false);

	return id > DOMID_SELF ? DOMID_INVALID : id;
}

/* Whose pages: oneself by number is nobody, HVM domains have no such tables. */
static bool owner_allowed(struct call *call, uint16_t id)
{
	if (id == call->run->machine.domid) {
		expect_only(call, ERR(ESRCH));
		return false;
	}
	if (!who_allows(call, id, LOOKUP_ANY, RIGHT_TARGET)) {
		if (expect_names(&call->expect, ERR(EPERM)) && id)
			expect_also(call, ERR(EINVAL));
		return false;
	}
	if (call->domain && call->domain->hvm) {
		expect_only(call, ERR(EINVAL));
		return false;
	}
	return true;
}

static void list_generate(struct call *call)
{
	structure_take(call, 0);
	call->arguments[1] = 1;
	call->arguments[3] = draw_foreign(call);
}

/* A list beyond what can be an address at all is refused before anything else. */
static bool is_address(uint64_t at)
{
	return at < 0x0000800000000000ull || at >= 0xffff880000000000ull;
}

static bool list_expect(struct call *call)
{
	bool fine = reachable(call, call->arguments[0], call->structure->size);

	call->domain = NULL;
	if (!is_address(call->arguments[0])) {
		expect_only(call, ERR(EFAULT));
		return false;
	}
	if (!owner_allowed(call, (uint16_t)call->arguments[3]))
		return false;
	if (!fine)
		expect_only(call, ERR(EFAULT));
	return fine;
}

static void mmuext_generate(struct call *call)
{
	list_generate(call);
	mmuext_of(call)->cmd = call->operation ? call->command :
		UNKNOWN_COMMAND + (uint32_t)draw_interesting(call, 31);
}

/* What is done to the caller's own processor only. */
static void expect_own(struct call *call)
{
	expect_only(call, call->domain ? ERR(EPERM) : 0);
}

static void generate_address(struct call *call)
{
	mmuext_of(call)->arg1.linear_addr = draw_interesting(call, 64);
}

static void generate_mask(struct call *call)
{
	struct area *mask = buffer_take(call, (void *)&mmuext_of(call)->arg2.vcpumask, 8, false,
					false);

	memset(mask->at, chance(call, 50) ? 0xff : 1, 8);
	mmuext_of(call)->arg1.linear_addr = draw_interesting(call, 64);
}

static void expect_mask(struct call *call)
{
	uint64_t mask = handle_value(&mmuext_of(call)->arg2.vcpumask);

	expect_only(call, call->domain ? ERR(EPERM) : reachable(call, mask, 8) ? 0 : ERR(EINVAL));
	/* Only as much of it is read as there are processors. */
	if (!call->domain && reachable(call, mask, 1))
		expect_also(call, 0);
}

static void expect_cache(struct call *call)
{
	long refused = call->command == MMUEXT_FLUSH_CACHE ? ERR(EACCES) : ERR(EINVAL);

	expect_only(call, call->domain ? ERR(EPERM) : refused);
	/* Who has devices may. */
	if (!call->domain)
		expect_also(call, 0);
	/* Both are one since some point releases of 4.18 and later. */
	if (!call->domain && since(call, RELEASE(4, 18)))
		expect_also(call, ERR(EACCES));
}

/* Who may flush the caches of one processor may flush those of all, and nobody else. */
static void after_cache(struct call *call)
{
	struct run *run = call->run;
	struct mmuext_op *m = (void *)(run->door->arena + ARENA_ASIDE);
	uint64_t arguments[5] = { (uintptr_t)m, 1, 0, DOMID_SELF };
	long result;

	if (!expect_names(&call->expect, 0))
		return;
	*m = (struct mmuext_op){ .cmd = call->command == MMUEXT_FLUSH_CACHE ?
				 MMUEXT_FLUSH_CACHE_GLOBAL : MMUEXT_FLUSH_CACHE };
	result = make_hypercall(run, __HYPERVISOR_mmuext_op, arguments);
	if (!result != !call->result)
		call_wrong(call, "flushing the caches of %s gave %ld",
			   m->cmd == MMUEXT_FLUSH_CACHE ? "one processor" : "all processors", result);
}

/* One thing is wrong: too many entries, a table that begins within a page, or one of Xen's own. */
static void generate_ldt(struct call *call)
{
	struct mmuext_op *m = mmuext_of(call);

	m->arg1.linear_addr = 1 + draw(call, DOOR_PAGE - 1);
	m->arg2.nr_ents = 1 + (unsigned int)draw(call, 8192);
	if (chance(call, 30))
		m->arg1.linear_addr = XEN_MEMORY + draw(call, 1u << 20) * DOOR_PAGE;
	else if (chance(call, 50)) {
		m->arg1.linear_addr = 0;
		m->arg2.nr_ents = 8193 + (chance(call, 50) ? 0 :
					  (unsigned int)draw_interesting(call, 30));
	}
}

static void expect_foreign_or_invalid(struct call *call)
{
	expect_only(call, call->domain ? ERR(EPERM) : ERR(EINVAL));
}

static void generate_no_frame(struct call *call)
{
	mmuext_of(call)->arg1.mfn = NO_FRAME | draw_interesting(call, 30);
	mmuext_of(call)->arg2.src_mfn = NO_FRAME;
}

/* A list ends with its first element that is wrong, and tells how many were done. */
static void generate_listed(struct call *call)
{
	struct area *list = area_take(call, MOST_LISTED * sizeof(struct mmuext_op), false);
	struct area *done = area_take(call, sizeof(uint32_t), false);
	struct mmuext_op *m = (void *)list->at;
	uint64_t count = 1 + draw(call, MOST_LISTED);

	call->note = (long)draw(call, count + 1);
	for (uint64_t i = 0; i < count; i++)
		m[i].cmd = (long)i == call->note ? UNKNOWN_COMMAND : MMUEXT_TLB_FLUSH_LOCAL;
	done->out_size = done->size;
	call->arguments[0] = area_sure(list);
	call->arguments[1] = count;
	call->arguments[2] = area_sure(done);
	call->arguments[3] = DOMID_SELF;
}

static void expect_listed(struct call *call)
{
	expect_only(call, (uint64_t)call->note < call->arguments[1] ? ERR(ENOSYS) : 0);
}

static void after_listed(struct call *call)
{
	uint32_t done;

	memcpy(&done, call->areas[2].at, sizeof(done));
	if (done != (uint32_t)call->note)
		call_wrong(call, "%u of a list were done, expected %ld", done, call->note);
}

/* mmu_update: an entry of a table that is not there. */
static struct mmu_update *update_of(const struct call *call)
{
	return (struct mmu_update *)(void *)call->structure->at;
}

static void generate_update(struct call *call)
{
	struct mmu_update *u = update_of(call);

	u->ptr = NO_FRAME << PAGE_BITS | draw(call, DOOR_PAGE / 8) * 8 |
		draw(call, chance(call, 10) ? 8 : KINDS_OF_UPDATE);
	u->val = draw_interesting(call, 64);
	/* Whose tables, above whose pages. */
	if (chance(call, 10))
		call->arguments[3] |= (DOMID_NOBODY_FIRST + 1 + draw(call, 1000)) << 16;
}

/* The right is asked for late; what is not there may be found out before it. */
static void expect_update(struct call *call, enum who who)
{
	unsigned int kind = update_of(call)->ptr % 8;

	if (kind >= KINDS_OF_UPDATE) {
		expect_only(call, ERR(ENOSYS));
	} else if (who_has_right(call, who, RIGHT_TARGET)) {
		expect_only(call, ERR(EINVAL));
	} else {
		expect_only(call, ERR(EPERM));
		if (kind == MMU_MACHPHYS_UPDATE)
			expect_also(call, ERR(EINVAL));
	}
}

static bool update_expect(struct call *call)
{
	uint16_t id = (uint16_t)call->arguments[3];
	enum who who = who_is(call, id, LOOKUP_ANY);

	expect_only(call, ERR(EFAULT));
	if (!is_address(call->arguments[0]))
		return false;
	if (id == call->run->machine.domid || who == WHO_NOBODY || call->arguments[3] >> 16) {
		expect_only(call, ERR(ESRCH));
		return false;
	}
	if (reachable(call, call->arguments[0], call->structure->size))
		expect_update(call, who);
	if (who == WHO_UNSURE)
		expect_also(call, ERR(ESRCH));
	return false;
}

/* update_va_mapping(address, entry, flags): addresses that are no guest's. */
static void va_generate(struct call *call)
{
	call->arguments[0] = XEN_MEMORY + draw(call, 1000) * DOOR_PAGE;
	call->arguments[1] = draw_interesting(call, 64);
	call->arguments[2] = draw(call, 4) | (chance(call, 50) ? UVMF_ALL : UVMF_LOCAL);
	if (call->hypercall == __HYPERVISOR_update_va_mapping_otherdomain)
		call->arguments[3] = draw_foreign(call);
}

static bool va_expect(struct call *call)
{
	if (call->hypercall != __HYPERVISOR_update_va_mapping_otherdomain)
		return true;
	call->domain = NULL;
	if (owner_allowed(call, (uint16_t)call->arguments[3]))
		return true;
	if (expect_names(&call->expect, ERR(EPERM)))
		expect_also(call, ERR(EINVAL));
	return false;
}

static const struct field address_fields[] = {
	FIELD(struct mmuext_op, cmd, FLOW_IN),
	FIELD(struct mmuext_op, arg1, FLOW_IN),
	FIELD(struct mmuext_op, arg2, FLOW_IN),
	FIELDS_END,
};

static const struct field update_fields[] = {
	FIELD(struct mmu_update, ptr, FLOW_IN),
	FIELD(struct mmu_update, val, FLOW_IN),
	FIELDS_END,
};

#define MMUEXT(label, command_name, generator, expectation) \
	{ .name = label, .command = MMUEXT_##command_name, .danger = DANGER_SAFE, .weight = 3, \
	  .structure_size = sizeof(struct mmuext_op), .fields = address_fields, \
	  .generate = generator, .expect = expectation }

#define CACHE(label, command_name) \
	{ .name = label, .command = MMUEXT_##command_name, .danger = DANGER_SAFE, .weight = 3, \
	  .structure_size = sizeof(struct mmuext_op), .fields = address_fields, \
	  .generate = generate_address, .expect = expect_cache, .after = after_cache }

static const struct operation mmuext_list[] = {
	MMUEXT("tlb_flush_local", TLB_FLUSH_LOCAL, generate_address, expect_own),
	MMUEXT("invlpg_local", INVLPG_LOCAL, generate_address, expect_own),
	MMUEXT("tlb_flush_multi", TLB_FLUSH_MULTI, generate_mask, expect_mask),
	MMUEXT("invlpg_multi", INVLPG_MULTI, generate_mask, expect_mask),
	MMUEXT("tlb_flush_all", TLB_FLUSH_ALL, generate_address, expect_own),
	MMUEXT("invlpg_all", INVLPG_ALL, generate_address, expect_own),
	CACHE("flush_cache", FLUSH_CACHE),
	CACHE("flush_cache_global", FLUSH_CACHE_GLOBAL),
	MMUEXT("set_ldt", SET_LDT, generate_ldt, expect_foreign_or_invalid),
	MMUEXT("new_baseptr", NEW_BASEPTR, generate_no_frame, expect_foreign_or_invalid),
	MMUEXT("new_user_baseptr", NEW_USER_BASEPTR, generate_no_frame, expect_foreign_or_invalid),
	MMUEXT("pin_l1_table", PIN_L1_TABLE, generate_no_frame, expect_invalid),
	MMUEXT("pin_l4_table", PIN_L4_TABLE, generate_no_frame, expect_invalid),
	MMUEXT("unpin_table", UNPIN_TABLE, generate_no_frame, expect_invalid),
	MMUEXT("clear_page", CLEAR_PAGE, generate_no_frame, expect_invalid),
	MMUEXT("copy_page", COPY_PAGE, generate_no_frame, expect_invalid),
	{ .name = "listed", .command = MMUEXT_TLB_FLUSH_LOCAL, .danger = DANGER_SAFE, .weight = 1,
	  .traits = TRAIT_ONCE, .structure_size = sizeof(struct mmuext_op),
	  .generate = generate_listed, .expect = expect_listed, .after = after_listed },
};
static const size_t mmuext_count = COUNT(mmuext_list);
static const struct part mmuext_parts[] = { { mmuext_list, &mmuext_count } };

static bool mmuext_exists(uint32_t command)
{
	return command < UNKNOWN_COMMAND;
}

const struct family family_mmuext = {
	.name = "mmuext",
	.hypercall = __HYPERVISOR_mmuext_op,
	.structure_size = sizeof(struct mmuext_op),
	.unknown_command = ERR(ENOSYS),
	.parts = mmuext_parts,
	.n_parts = 1,
	.command_exists = mmuext_exists,
	.generate = mmuext_generate,
	.expect = list_expect,
};

static const struct operation update_list[] = {
	{ .name = "mmu_update", .danger = DANGER_SAFE, .weight = 4,
	  .structure_size = sizeof(struct mmu_update), .fields = update_fields,
	  .generate = generate_update, .expect = expect_invalid },
};
static const size_t update_count = COUNT(update_list);
static const struct part update_parts[] = { { update_list, &update_count } };

const struct family family_mmu = {
	.name = "mmu",
	.hypercall = __HYPERVISOR_mmu_update,
	.parts = update_parts,
	.n_parts = 1,
	.generate = list_generate,
	.expect = update_expect,
};

static const struct operation va_list_own[] = {
	{ .name = "update_va_mapping", .danger = DANGER_SAFE, .weight = 3,
	  .expect = expect_invalid },
};
static const size_t va_own_count = COUNT(va_list_own);
static const struct part va_own_parts[] = {
	{ va_list_own, &va_own_count },
	{ va_mapping, &va_mapping_count },
};

const struct family family_va = {
	.name = "va",
	.hypercall = __HYPERVISOR_update_va_mapping,
	.parts = va_own_parts,
	.n_parts = COUNT(va_own_parts),
	.generate = va_generate,
	.expect = va_expect,
};

static const struct operation va_list_other[] = {
	{ .name = "update_va_mapping_otherdomain", .danger = DANGER_SAFE, .weight = 3,
	  .expect = expect_invalid },
};
static const size_t va_other_count = COUNT(va_list_other);
static const struct part va_other_parts[] = { { va_list_other, &va_other_count } };

const struct family family_va_other = {
	.name = "va",
	.hypercall = __HYPERVISOR_update_va_mapping_otherdomain,
	.parts = va_other_parts,
	.n_parts = 1,
	.generate = va_generate,
	.expect = va_expect,
};
