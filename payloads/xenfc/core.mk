# The freestanding core, relative to payloads/xenfc: every door links these and lib/random.c.
CORE_SOURCES = text.c timed.c plan.c model.c call.c choose.c perform.c tell.c sequence.c probe.c \
	housekeeping.c families.c xenfc.c domctl.c domctl_life.c domctl_limits.c domctl_vcpu.c domctl_state.c sysctl.c \
	sysctl_information.c sysctl_control.c \
	evtchn.c memory.c version.c grant.c platform.c schedule.c hypfs.c small.c hvm.c
