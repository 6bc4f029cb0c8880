# The freestanding core, relative to payloads/xenfc: every door links these.
CORE_SOURCES = text.c timed.c timer_life.c torn.c untold.c multicall.c page_list.c plan.c model.c call.c choose.c perform.c repeat.c room.c tell.c sequence.c \
	spans.c probe.c \
	housekeeping.c families.c xenfc.c who.c port.c port_event.c window.c \
	domctl.c domctl_create.c domctl_life.c domctl_limits.c domctl_rights.c domctl_own_rights.c paging.c domctl_vcpu.c domctl_state.c domctl_parameters.c domctl_pages.c domctl_devices.c domctl_registers.c domctl_context.c \
	domctl_affinity.c domctl_hvm.c domctl_recent.c others.c running.c surroundings.c machine_frames.c machine_paging.c machine_state.c waiting.c guest_code.c guest_checks.c guest_random.c sysctl.c sysctl_information.c sysctl_topology.c sysctl_control.c sysctl_power.c sysctl_livepatch.c pool.c fifo.c platform.c \
	platform_machine.c platform_firmware.c physdev.c physdev_route.c physdev_pci.c interrupt.c evtchn.c evtchn_local.c memory.c memory_claims.c memory_maps.c \
	memory_places.c memory_resources.c memory_started.c mmu.c mapping.c page_life.c page_tables.c page_uses.c page_transfer.c vnuma.c grant.c grant_foreign.c grant_own.c grant_own_version.c grant_own_map.c grant_own_again.c version.c version_texts.c \
	schedule.c vcpu.c vcpu_areas.c second.c port_second.c processor.c breakpoints.c exceptions.c instructions.c machine_ports.c descriptors.c hypfs.c small.c crash.c argo.c hvm.c hvm_caller.c hvm_altp2m.c dm.c dm_servers.c dm_machine.c dm_caches.c
