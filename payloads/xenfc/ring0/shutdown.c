#include "shutdown.h"

#include <xen/xen.h>
#include <xen/sched.h>

#include "console.h"
#include "hypercall.h"

static const char *result_word(enum exit_status status)
{
	switch (status) {
	case EXIT_PASS:
		return "SUCCESS";
	case EXIT_FAIL:
		return "FAILURE";
	case EXIT_SKIP:
		return "SKIP";
	default:
		return "ERROR";
	}
}

static const char *directive(enum exit_status status)
{
	switch (status) {
	case EXIT_PASS:
		return "";
	case EXIT_FAIL:
		return " # ";
	case EXIT_SKIP:
		return " # SKIP ";
	default:
		return " # ERROR ";
	}
}

static void say_verdict(enum exit_status status, const char *reason)
{
	console_say(status == EXIT_PASS || status == EXIT_SKIP ? "ok" : "not ok");
	console_say(" 1 - xenfc in ring 0");
	console_say(directive(status));
	if (status != EXIT_PASS)
		console_say(reason);
	console_say("\nTest result: ");
	console_say(result_word(status));
	console_say("\n");
	console_drain();
}

static void end(unsigned int reason) __attribute__((noreturn));

static void end(unsigned int reason)
{
	struct sched_shutdown how = { .reason = reason };

	for (;;)
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (unsigned long)&how);
}

void shutdown_with(enum exit_status status, const char *reason)
{
	say_verdict(status, reason);
	end(status == EXIT_ERROR ? SHUTDOWN_crash : SHUTDOWN_poweroff);
}

void shutdown_silently(void)
{
	end(SHUTDOWN_poweroff);
}
