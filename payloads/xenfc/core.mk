# The freestanding core, relative to payloads/xenfc: every door links these and lib/random.c.
CORE_SOURCES = text.c plan.c
