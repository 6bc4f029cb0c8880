/* The model of the domains that this run created. */
#include "model.h"

#include "freestanding.h"

struct domain_model *model_slot(struct model *model, uint16_t id)
{
	if (id < DOMID_OWN_FIRST || id >= DOMID_OWN_FIRST + OWN_DOMAINS)
		return NULL;
	return &model->own[id - DOMID_OWN_FIRST];
}

struct domain_model *model_domain(struct model *model, uint16_t id)
{
	struct domain_model *domain = model_slot(model, id);

	return domain && domain->exists ? domain : NULL;
}

void model_created(struct domain_model *domain, uint16_t id,
		   const struct xen_domctl_createdomain *config)
{
	*domain = (struct domain_model){
		.exists = true,
		.died = domain->died,
		.unique_before = domain->unique_before,
		.hvm = config->flags & XEN_DOMCTL_CDF_hvm,
		.hap = config->flags & XEN_DOMCTL_CDF_hap,
		.id = id,
		.flags = config->flags,
		.emulation = config->arch.emulation_flags,
		.max_vcpus = config->max_vcpus,
		.paused = 1,
		.grant_frames = config->max_grant_frames,
		.max_evtchn_port = config->max_evtchn_port < INT32_MAX ?
			config->max_evtchn_port : INT32_MAX,
	};
	memcpy(domain->handle, config->handle, sizeof(domain->handle));
	domain->ports[0].state = PORT_RESERVED;
	domain->parameters[HVM_PARAM_TRIPLE_FAULT_REASON] = domain->hvm ? SHUTDOWN_reboot : 0;
	domain->parameters[HVM_PARAM_X87_FIP_WIDTH] = PARAMETER_UNKNOWN;
}

void model_destroyed(struct domain_model *domain)
{
	*domain = (struct domain_model){
		.died = domain->died || domain->exists,
		.unique_before = domain->unique ? domain->unique : domain->unique_before,
	};
}
