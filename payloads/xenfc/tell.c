/* The lines of the ancestor: what is called, what is expected, what came. */
#include "run.h"

#define LINE 256u

void tell_line(struct run *run, const char *format, ...)
{
	char line[LINE];
	struct text t;
	va_list arguments;

	text_begin(&t, line, sizeof(line) - 1);
	va_start(arguments, format);
	text_vformat(&t, format, arguments);
	va_end(arguments);
	line[t.used++] = '\n';
	run->door->write(run->door, line, t.used);
}

void add_sequence(struct text *t, const struct run *run)
{
	text_format(t, "seed %lu", run->plan.seed);
	if (run->plan.twist)
		text_format(t, " twist %lu", run->plan.twist);
}

/* Addresses are told by what they are: the arena lies elsewhere in every run. */
static void add_address(struct text *t, const struct run *run, uint64_t value)
{
	uint64_t arena = (uintptr_t)run->door->arena;

	if (value >= arena && value <= arena + ARENA_BYTES)
		text_format(t, "arena+%lx", value - arena);
	else if (value == run->door->unmapped)
		text_add(t, "unmapped");
	else
		text_uint(t, value);
}

static void add_field(struct text *t, const struct run *run, const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	if (size > 8) {
		for (size_t i = 0; i < size && i < 32; i++)
			text_format(t, "%c%c", "0123456789abcdef"[at[i] >> 4],
				    "0123456789abcdef"[at[i] & 15]);
		return;
	}
	memcpy(&value, at, size);
	if (size == 8)
		add_address(t, run, value);
	else
		text_uint(t, value);
}

static void tell_fields(struct run *run, const uint8_t *structure, const struct field *field)
{
	for (; field && field->name; field++) {
		char line[LINE];
		struct text t;

		if (field->flow != FLOW_IN && field->flow != FLOW_INOUT)
			continue;
		text_begin(&t, line, sizeof(line));
		add_field(&t, run, structure + field->offset, field->size);
		tell_line(run, ".%s = %s", field->name, line);
	}
}

static void tell_arguments(struct run *run, const struct call *call)
{
	for (unsigned int i = 0; i < COUNT(call->arguments); i++) {
		char line[LINE];
		struct text t;

		text_begin(&t, line, sizeof(line));
		add_address(&t, run, call->arguments[i]);
		if (call->arguments[i])
			tell_line(run, ".argument %u = %s", i, line);
	}
}

void tell_call(struct run *run, const struct call *call)
{
	const uint8_t *structure = call->structure ?
		run->shadow + (call->structure->at - run->door->arena) : NULL;

	tell_line(run, "Call: %lu%s", call->number, call->in_multicall ? " in a multicall" : "");
	if (!call->family) {
		tell_line(run, "hypercall %u", call->hypercall);
		return;
	}
	tell_line(run, call->hypercall == __HYPERVISOR_domctl ? "op" : "op %s",
		    call->family->name);
	if (structure && call->family->head)
		tell_fields(run, structure, call->family->head);
	if (!call->family->head)
		tell_line(run, ".cmd = %u", call->command);
	tell_line(run, ".u.%s", call->operation ? call->operation->name : "unknown");
	if (structure && call->operation)
		tell_fields(run, structure, call->operation->fields);
	tell_arguments(run, call);
}

static void add_expectation(struct text *t, const struct expect *expect)
{
	for (unsigned int i = 0; i < expect->count; i++)
		text_format(t, i ? " or %ld" : "%ld", expect->any[i]);
	if (expect->range)
		text_format(t, "%s%ld to %ld", expect->count ? " or " : "", expect->low,
			    expect->high);
}

void tell_expectation(struct run *run, const struct call *call)
{
	char line[LINE];
	struct text t;

	text_begin(&t, line, sizeof(line));
	add_expectation(&t, &call->expect);
	tell_line(run, "Expecting %s", line);
}

void tell_verdict(struct run *run, const struct call *call)
{
	bool wrong = call->wrong[0];
	char line[LINE];
	struct text t;

	if (wrong && run->plan.telling != TELL_CALLS) {
		tell_line(run, "Seed: %lu", run->plan.seed);
		if (run->plan.twist)
			tell_line(run, "Twist: %lu", run->plan.twist);
		tell_call(run, call);
		tell_expectation(run, call);
	}
	if (!wrong && run->plan.telling != TELL_CALLS)
		return;
	text_begin(&t, line, sizeof(line));
	add_expectation(&t, &call->expect);
	tell_line(run, "%s: errno=%ld expected %s%s%s", wrong ? "FAIL" : "PASS", call->result,
		    line, wrong ? ": " : "", call->wrong);
}
