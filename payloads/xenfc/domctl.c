/* domctl as a family: the head of its structure, the domain it names, the order of its checks. */
#include "domctl.h"
#include "who.h"

struct xen_domctl *domctl_of(const struct call *call)
{
	return (struct xen_domctl *)(void *)call->structure->at;
}

struct xen_domctl *domctl_aside_structure(struct run *run)
{
	return (struct xen_domctl *)(void *)(run->door->arena + ARENA_ASIDE);
}

long domctl_aside(struct run *run, uint32_t command, uint16_t domain)
{
	struct xen_domctl *d = domctl_aside_structure(run);

	d->cmd = command;
	d->interface_version = run->machine.domctl_version;
	d->domain = domain;
	return aside(run, __HYPERVISOR_domctl, (uintptr_t)d, 0, 0);
}

const struct xen_domctl_getdomaininfo *domain_read(struct run *run, uint16_t id)
{
	struct xen_domctl *d = domctl_aside_structure(run);

	memset(d, 0, sizeof(*d));
	if (domctl_aside(run, XEN_DOMCTL_getdomaininfo, id) || d->domain != id)
		return NULL;
	return &d->u.getdomaininfo;
}

void expect_map(struct call *call, const struct xenctl_bitmap *map)
{
	uint64_t address = handle_value(&map->bitmap);

	if (!map->nr_bits || reachable(call, address, (map->nr_bits + 7) / 8))
		return;
	if (!reachable(call, address, 1))
		expect_only(call, ERR(EFAULT));
	else
		expect_also(call, ERR(EFAULT));
}

void expect_unless_self(struct call *call)
{
	expect_only(call, domctl_of(call)->domain == call->run->machine.domid ? ERR(EINVAL) : 0);
}

bool read_back_now(struct call *call)
{
	return !call->run->plan.dry_run && chance(call, 33);
}

/* HVM ones Xen itself crashes when there is no memory for their paging. */
static const char *pv_info_wrong(const struct xen_domctl_getdomaininfo *info,
				 const struct domain_model *domain)
{
	uint32_t code = info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;

	if (!(info->flags & XEN_DOMINF_shutdown) != !domain->shut)
		return "the wrong shutdown state";
	if (code != (domain->shut ? domain->shut_code : XEN_DOMINF_shutdownmask))
		return "another reason of its shutdown";
	if (info->tot_pages != domain->pages)
		return "another number of pages";
	return NULL;
}

/* What was asked for when it was made. */
static const char *kind_wrong(const struct xen_domctl_getdomaininfo *info,
			      const struct domain_model *domain)
{
	if (!(info->flags & XEN_DOMINF_hvm_guest) != !domain->hvm ||
	    !(info->flags & XEN_DOMINF_hap) != !domain->hap ||
	    !(info->flags & XEN_DOMINF_xs_domain) != !(domain->flags & XEN_DOMCTL_CDF_xs_domain))
		return "the wrong kind of domain";
	if (info->arch_config.emulation_flags != domain->emulation)
		return "other emulated devices";
	return NULL;
}

/* Nobody shares its pages or stores them elsewhere, and it stays in the pool that it was made in. */
static const char *rest_wrong(const struct xen_domctl_getdomaininfo *info)
{
	if (info->cpu_time || info->shr_pages || info->paged_pages || info->cpupool)
		return "time, pages or a pool that it does not have";
	if (info->pad1)
		return "padding that is not zero";
	for (size_t i = 0; i < sizeof(info->pad2); i++)
		if (info->pad2[i])
			return "padding that is not zero";
	return NULL;
}

const char *domain_info_wrong(const struct xen_domctl_getdomaininfo *info,
			      const struct domain_model *domain)
{
	if (info->domain != domain->id)
		return "another domain's number";
	if (kind_wrong(info, domain))
		return kind_wrong(info, domain);
	if (!(info->flags & XEN_DOMINF_paused) != !domain->paused)
		return "the wrong pause state";
	if (!(info->flags & XEN_DOMINF_debugged) != !domain->debugged)
		return "the wrong debugger state";
	if (domain->shut && !(info->flags & XEN_DOMINF_shutdown))
		return "that it is not shut down";
	if (info->flags & (XEN_DOMINF_dying | XEN_DOMINF_running | XEN_DOMINF_blocked) ||
	    info->nr_online_vcpus)
		return "that it runs or is dying";
	if (domain->has_vcpus && info->max_vcpu_id != domain->max_vcpus - 1)
		return "another last processor";
	if (memcmp(info->handle, domain->handle, sizeof(domain->handle)))
		return "another handle";
	if (rest_wrong(info))
		return rest_wrong(info);
	if (info->max_pages != domain->max_pages)
		return "another limit of memory";
	if (info->outstanding_pages != domain->claimed)
		return "another claim";
	return domain->hvm ? NULL : pv_info_wrong(info, domain);
}

void check_policy(struct call *call, const struct policy *told, uint32_t most_leaves,
		  uint32_t most_msrs)
{
	check_rest(call, &call->areas[1], told->leaves_at,
		   (uint64_t)told->leaves * sizeof(xen_cpuid_leaf_t));
	check_rest(call, &call->areas[2], told->msrs_at,
		   (uint64_t)told->msrs * sizeof(xen_msr_entry_t));
	if (!most_leaves || !most_msrs || told->leaves > most_leaves || told->msrs > most_msrs)
		call_wrong(call, "%u leaves and %u registers are told, of %u and %u",
			   told->leaves, told->msrs, most_leaves, most_msrs);
}

/* The caller's own number only where it is refused, or nothing is allowed. */
static uint16_t draw_domain(struct call *call)
{
	bool self = !call->run->machine.control ||
		(call->operation && call->operation->traits & TRAIT_REFUSES_SELF);

	return draw_who(call, self);
}

/* Of what will stay as it is no version is asked for. */
static uint32_t version_of(const struct call *call)
{
	return call->command == XEN_DOMCTL_get_domain_state ? 0 : call->run->machine.domctl_version;
}

static void domctl_generate(struct call *call)
{
	struct xen_domctl *d;

	structure_take(call, 0);
	d = domctl_of(call);
	draw_bytes(call, &d->u, chance(call, 20) || !call->operation ? sizeof(d->u) : 0);
	d->cmd = call->command;
	d->interface_version = chance(call, 1) ?
		(uint32_t)draw_interesting(call, 32) : version_of(call);
	d->domain = draw_domain(call);
	call->domain = model_domain(&call->run->model, d->domain);
}

/* These take a domain that does not exist, too. */
static bool resolves_domain(uint32_t command, uint16_t domain)
{
	switch (command) {
	case XEN_DOMCTL_createdomain:
		return false;
	case XEN_DOMCTL_assign_device:
	case XEN_DOMCTL_deassign_device:
		return domain != DOMID_IO;
	case XEN_DOMCTL_test_assign_device:
	case XEN_DOMCTL_vm_event_op:
	case XEN_DOMCTL_get_domain_state:
		return domain != DOMID_INVALID;
	default:
		return true;
	}
}

/*
 * Later point releases tell a guest of some commands what is wrong with them, and what version the
 * interface of another one has.
 */
static void expect_told_to_guest(struct call *call, const struct xen_domctl *d)
{
	switch (d->cmd) {
	case XEN_DOMCTL_vm_event_op:
		if (d->u.vm_event_op.op == XEN_VM_EVENT_GET_VERSION)
			expect_also(call, 0);
		break;
	case XEN_DOMCTL_set_target:
		expect_also(call, ERR(ESRCH));
		expect_also(call, ERR(EINVAL));
		expect_also(call, ERR(EOPNOTSUPP));
		break;
	case XEN_DOMCTL_gsi_permission:
		expect_also(call, ERR(EINVAL));
		expect_also(call, ERR(ERANGE));
		break;
	case XEN_DOMCTL_get_device_group:
	case XEN_DOMCTL_ioport_mapping:
	case XEN_DOMCTL_bind_pt_irq:
	case XEN_DOMCTL_unbind_pt_irq:
	case XEN_DOMCTL_memory_mapping:
	case XEN_DOMCTL_iomem_permission:
	case XEN_DOMCTL_ioport_permission:
	case XEN_DOMCTL_irq_permission:
		expect_also(call, ERR(EINVAL));
		expect_also(call, ERR(EOPNOTSUPP));
	}
}

/* Since 4.22 not even which domains there are. */
static void expect_of_guest(struct call *call, const struct xen_domctl *d)
{
	bool resolved = resolves_domain(d->cmd, d->domain) && d->cmd != XEN_DOMCTL_getdomaininfo;

	if (!since(call, RELEASE(4, 22)) && resolved)
		who_allows(call, d->domain, LOOKUP_NUMBER, RIGHT_CONTROL);
	else
		expect_only(call, ERR(EPERM));
	if (d->cmd == XEN_DOMCTL_getdomaininfo && !since(call, RELEASE(4, 22)))
		expect_also(call, d->domain < DOMID_FIRST_RESERVED || since(call, RELEASE(4, 18)) ?
			    ERR(ESRCH) : ERR(EINVAL));
	if (expect_names(&call->expect, ERR(EPERM)))
		expect_told_to_guest(call, d);
}

static bool domctl_expect(struct call *call)
{
	const struct xen_domctl *d = domctl_of(call);
	const struct machine *machine = &call->run->machine;

	if (!reachable(call, call->arguments[0], sizeof(*d))) {
		expect_only(call, ERR(EFAULT));
		return false;
	}
	if (d->interface_version != version_of(call)) {
		expect_only(call, ERR(EACCES));
		return false;
	}
	if (!machine->control) {
		expect_of_guest(call, d);
		return false;
	}
	return !resolves_domain(d->cmd, d->domain) || d->cmd == XEN_DOMCTL_getdomaininfo ||
	       who_allows(call, d->domain, LOOKUP_NUMBER, RIGHT_CONTROL);
}

/* All numbers up to here are some release's, or Xen's own: only larger ones are unknown. */
static bool domctl_exists(uint32_t command)
{
	return command < 128 || (command >= 1000 && command < 1010);
}

static const struct field domctl_head[] = {
	{ "cmd", offsetof(struct xen_domctl, cmd), 4, FLOW_IN },
	{ "interface version", offsetof(struct xen_domctl, interface_version), 4, FLOW_IN },
	{ "domain", offsetof(struct xen_domctl, domain), 2, FLOW_IN },
	FIELDS_END,
};

static const struct part domctl_parts[] = {
	{ domctl_create, &domctl_create_count },
	{ domctl_life, &domctl_life_count },
	{ domctl_limits, &domctl_limits_count },
	{ domctl_rights, &domctl_rights_count },
	{ domctl_own_rights, &domctl_own_rights_count },
	{ domctl_vcpu, &domctl_vcpu_count },
	{ domctl_state, &domctl_state_count },
	{ domctl_parameters, &domctl_parameters_count },
	{ domctl_pages, &domctl_pages_count },
	{ domctl_vnuma, &domctl_vnuma_count },
	{ domctl_registers, &domctl_registers_count },
	{ domctl_context, &domctl_context_count },
	{ domctl_affinity, &domctl_affinity_count },
	{ domctl_devices, &domctl_devices_count },
	{ domctl_hvm, &domctl_hvm_count },
	{ domctl_running, &domctl_running_count },
	{ domctl_recent, &domctl_recent_count },
};

const struct family family_domctl = {
	.name = "domctl",
	.hypercall = __HYPERVISOR_domctl,
	.structure_size = sizeof(struct xen_domctl),
	.unknown_command = ERR(ENOSYS),
	.head = domctl_head,
	.parts = domctl_parts,
	.n_parts = COUNT(domctl_parts),
	.command_exists = domctl_exists,
	.generate = domctl_generate,
	.expect = domctl_expect,
};
