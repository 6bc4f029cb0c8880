/* Make a call and look at what it left: result, memory, output. */
#include "run.h"
#include "untold.h"

#define FIRST_PATTERN 0x5a
#define SECOND_PATTERN 0xc3
/* Others, so that what leaks from the stack does not look like what was left alone. */
#define FIRST_STIR 0x36
#define SECOND_STIR 0x9c
#define MAX_STRUCTURE 512u
#define UNTOLD 4u	/* one call in so many that only tell, besides */
#define BYTES(byte) ((byte) * 0x0101010101010101ull)	/* a word of them */
/* Continuations inside of Xen; newer headers list them, as internal. */
#define INTERNAL_EINTR 4
#define INTERNAL_ERESTART 85

static bool is_output(const struct field *field)
{
	return field->flow == FLOW_OUT || field->flow == FLOW_VOLATILE;
}

static const struct field *fields_of(const struct call *call)
{
	static const struct field none[] = { { .name = NULL } };

	return call->operation && call->operation->fields ? call->operation->fields : none;
}

/* Whether the structure that Xen saw is the one in the arena. */
static bool structure_seen(const struct call *call)
{
	return call->structure && 
		reachable(call, call->arguments[call->pointer], call->structure->size);
}

static uint8_t *shadow_of(struct run *run, const uint8_t *at)
{
	return run->shadow + (at - run->door->arena);
}

/* Note what Xen must leave alone. */
static void seal(struct run *run, const struct call *call)
{
	for (unsigned int i = 0; i < call->n_areas; i++) {
		const struct area *area = &call->areas[i];

		memcpy(shadow_of(run, area->at) + area->out_size, area->at + area->out_size,
		       area->size - area->out_size);
	}
}

/* After a stray write the next call must find everything in order. */
static void clear(struct run *run, const struct call *call)
{
	for (unsigned int i = 0; i < call->n_areas; i++)
		memset(call->areas[i].at, ARENA_BACKGROUND, call->areas[i].size);
	if (call->wrong[0])
		memset(run->door->arena, ARENA_BACKGROUND, ARENA_BYTES);
}

/* The areas as they were before the call, their output filled with a pattern. */
static void prepare_output(struct run *run, struct call *call, int pattern)
{
	for (unsigned int i = 0; i < call->n_areas; i++) {
		struct area *area = &call->areas[i];

		memset(shadow_of(run, area->at), pattern, area->out_size);
		memcpy(area->at, shadow_of(run, area->at), area->size);
	}
	for (const struct field *f = fields_of(call); f->name && structure_seen(call); f++) {
		if (!is_output(f))
			continue;
		memset(call->structure->at + f->offset, pattern, f->size);
		memset(shadow_of(run, call->structure->at) + f->offset, pattern, f->size);
	}
}

/* Leave a pattern where Xen's stack frames of the next call will be. */
static void stir(struct run *run, int pattern)
{
	uint8_t *at = run->door->arena + ARENA_STIR;
	uint32_t never = UINT32_MAX;

	memset(at, pattern, sizeof(struct xen_domctl));
	memcpy(at + offsetof(struct xen_domctl, interface_version), &never, sizeof(never));
	aside(run, __HYPERVISOR_domctl, (uintptr_t)at, 0, 0);
	aside(run, __HYPERVISOR_sysctl, (uintptr_t)at, 0, 0);
}

/* The call between two others that must not be touched by it. */
static long issue_in_multicall(struct run *run, struct call *call)
{
	struct multicall_entry *entries = (void *)(run->door->arena + ARENA_MULTICALL);
	long result;

	memset(entries, 0, 3 * sizeof(*entries));
	entries[0].op = entries[2].op = __HYPERVISOR_xen_version;
	entries[0].result = entries[2].result = (unsigned long)-1;
	entries[1].op = call->hypercall;
	for (unsigned int i = 0; i < COUNT(call->arguments); i++)
		entries[1].args[i] = call->arguments[i];
	result = aside(run, __HYPERVISOR_multicall, (uintptr_t)entries, 3, 0);
	if (result)
		call_wrong(call, "the multicall round it gave %ld", result);
	else if ((long)entries[0].result <= 0 || entries[0].result != entries[2].result)
		call_wrong(call, "its neighbours in the multicall gave %ld and %ld",
			   (long)entries[0].result, (long)entries[2].result);
	result = (long)entries[1].result;
	memset(entries, ARENA_BACKGROUND, 3 * sizeof(*entries));
	return result;
}

/* Xen may fill what it can reach of a buffer before it finds that it cannot reach the rest. */
static void mend(struct run *run, const struct call *call)
{
	const struct area *structure = call->structure;
	uint8_t *end = run->door->arena + ARENA_BYTES;

	if (!call->torn)
		return;
	memset(call->torn, ARENA_BACKGROUND, (size_t)(end - call->torn));
	if (structure && structure->at + structure->size > call->torn)
		memcpy(structure->at, shadow_of(run, structure->at), structure->size);
}

static void issue(struct run *run, struct call *call)
{
	if (call->in_multicall)
		call->result = issue_in_multicall(run, call);
	else
		call->result = make_hypercall(run, call->hypercall, call->arguments);
	mend(run, call);
}

/* `size` is a multiple of eight.  What all words have in common is what any of them has. */
static inline bool all_background(const uint8_t *at, size_t size)
{
	uint64_t all = UINT64_MAX, any = 0;

	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, at + i, sizeof(word));
		all &= word;
		any |= word;
	}
	return all == any && any == BYTES(ARENA_BACKGROUND);
}

bool arena_is_clean(struct run *run)
{
	uint8_t *arena = run->door->arena, *last = arena + ARENA_BYTES - DOOR_PAGE;

	if (all_background(arena, ARENA_ASIDE) && all_background(last, DOOR_PAGE))
		return true;
	memset(arena, ARENA_BACKGROUND, ARENA_BYTES);
	return false;
}

static void check_surroundings(struct run *run, struct call *call, const struct area *area)
{
	const uint8_t *end = area->at + area->size;

	if (!all_background(area->at - ARENA_CANARY, ARENA_CANARY))
		call_wrong(call, "Xen wrote to the memory before a buffer of %u bytes", area->size);
	if (end < run->door->arena + ARENA_BYTES && !all_background(end, ARENA_CANARY))
		call_wrong(call, "Xen wrote past the end of a buffer of %u bytes", area->size);
	if (area == call->structure)
		return;
	if (memcmp(area->at + area->out_size, shadow_of(run, area->at) + area->out_size,
		   area->size - area->out_size))
		call_wrong(call, area->out_size ?
			   "Xen wrote more than %u bytes of a buffer" :
			   "Xen changed a buffer that it may only read", area->out_size);
}

/* Nothing in the structure may change but its output fields, and they only on success. */
static void check_structure(struct run *run, struct call *call)
{
	uint8_t allowed[MAX_STRUCTURE];
	const uint8_t *before = shadow_of(run, call->structure->at);
	uint32_t size = call->structure->size;
	bool may_write = call->result >= 0 ||
		(call->operation && call->operation->traits & TRAIT_WRITES_ON_ERROR);

	if (!memcmp(before, call->structure->at, size))
		return;
	memcpy(allowed, before, size);
	for (const struct field *f = fields_of(call); f->name && may_write; f++)
		if (f->flow != FLOW_IN)
			memcpy(allowed + f->offset, call->structure->at + f->offset, f->size);
	if (!memcmp(allowed, call->structure->at, size))
		return;
	for (uint32_t i = 0; i < size; i++)
		if (allowed[i] != call->structure->at[i]) {
			call_wrong(call, "Xen changed byte %u of the structure, which is no output",
				   i);
			return;
		}
}

static void check_memory(struct run *run, struct call *call)
{
	for (unsigned int i = 0; i < call->n_areas; i++)
		check_surroundings(run, call, &call->areas[i]);
	if (call->structure)
		check_structure(run, call);
}

static bool is_public_errno(long code)
{
	static const bool known[256] = {
#define XEN_ERRNO(name, value) [value] = true,
#include <xen/errno.h>
	};

	return code < (long)COUNT(known) && known[code] && code != INTERNAL_EINTR &&
	       code != INTERNAL_ERESTART;
}

static void check_result(struct call *call)
{
	if (call->result < 0 && !is_public_errno(-call->result))
		call_wrong(call, "%ld is no error that a caller may see", call->result);
	else if (!expect_holds(call))
		call_wrong(call, "unexpected result");
}

/* Output of the first of two calls, as check_twice() will look at it. */
static void keep_output(struct run *run, const struct call *call)
{
	uint8_t *to = run->first_output;

	if (call->structure) {
		memcpy(to, call->structure->at, call->structure->size);
		to += MAX_STRUCTURE;
	}
	for (unsigned int i = 0; i < call->n_areas; i++) {
		if (!call->areas[i].stable || &call->areas[i] == call->structure)
			continue;
		memcpy(to, call->areas[i].at, call->areas[i].out_size);
		to += call->areas[i].out_size;
	}
}

/* What changes by itself may look like the patterns in some of its bytes, but not in all. */
static void check_volatile(struct call *call, const uint8_t *first, const struct field *f)
{
	const uint8_t *now = call->structure->at;

	for (unsigned int i = f->offset; i < f->offset + f->size; i++)
		if (first[i] != FIRST_PATTERN || now[i] != SECOND_PATTERN)
			return;
	call_wrong(call, "Xen left the output %s undefined", f->name);
}

static void check_field_twice(struct call *call, const uint8_t *first, const struct field *f)
{
	const uint8_t *now = call->structure->at;

	if (f->flow == FLOW_VOLATILE) {
		check_volatile(call, first, f);
		return;
	}
	for (unsigned int i = f->offset; i < f->offset + f->size; i++) {
		bool untouched = first[i] == FIRST_PATTERN && now[i] == SECOND_PATTERN;

		if (first[i] == now[i])
			continue;
		call_wrong(call, untouched ? "Xen left the output %s undefined" :
			   "two calls in a row gave different %s", f->name);
		return;
	}
}

/* How many of the bytes are words that are the same both times, or were left alone both times. */
static uint32_t agreeing(const uint8_t *first, const uint8_t *second, uint32_t size)
{
	uint64_t a, b;
	uint32_t i;

	for (i = 0; size - i >= sizeof(a); i += sizeof(a)) {
		memcpy(&a, first + i, sizeof(a));
		memcpy(&b, second + i, sizeof(b));
		if (a != b && (a != BYTES(FIRST_PATTERN) || b != BYTES(SECOND_PATTERN)))
			break;
	}
	return i;
}

/* Each byte is the same both times, or was left alone both times. */
static void check_area_twice(struct call *call, const uint8_t *first, const struct area *area)
{
	for (uint32_t i = agreeing(first, area->at, area->out_size); i < area->out_size; i++) {
		if (first[i] == area->at[i] ||
		    (first[i] == FIRST_PATTERN && area->at[i] == SECOND_PATTERN))
			continue;
		call_wrong(call, "two calls in a row filled byte %u of a buffer with %x and %x", i,
			   first[i], area->at[i]);
		return;
	}
}

void check_rest(struct call *call, const struct area *area, uint64_t address, uint64_t bytes)
{
	uint8_t before = call->twice ? SECOND_PATTERN : 0;

	if (address != area_sure(area))
		return;
	for (uint64_t i = bytes; i < area->out_size; i++)
		if (area->at[i] != before) {
			call_wrong(call, "byte %lu of a list was written, %lu were told", i, bytes);
			return;
		}
}

static void check_twice(struct run *run, struct call *call, long first_result)
{
	const uint8_t *first = run->first_output;

	if (first_result != call->result) {
		call_wrong(call, "the same call gave %ld the first time", first_result);
		return;
	}
	if (call->structure) {
		for (const struct field *f = fields_of(call); f->name && call->result >= 0; f++)
			if (is_output(f))
				check_field_twice(call, first, f);
		first += MAX_STRUCTURE;
	}
	for (unsigned int i = 0; i < call->n_areas; i++) {
		if (!call->areas[i].stable || &call->areas[i] == call->structure)
			continue;
		check_area_twice(call, first, &call->areas[i]);
		first += call->areas[i].out_size;
	}
}

static void issue_twice(struct run *run, struct call *call)
{
	long first_result;

	prepare_output(run, call, FIRST_PATTERN);
	stir(run, FIRST_STIR);
	issue(run, call);
	check_memory(run, call);
	first_result = call->result;
	keep_output(run, call);
	prepare_output(run, call, SECOND_PATTERN);
	stir(run, SECOND_STIR);
	issue(run, call);
	check_memory(run, call);
	check_twice(run, call, first_result);
}

/* What a domctl did to a domain that is not in the model cannot be followed there. */
static bool may_follow(const struct call *call)
{
	return call->hypercall != __HYPERVISOR_domctl || call->domain || expect_holds(call) ||
	       call->command == XEN_DOMCTL_createdomain;
}

void perform(struct run *run, struct call *call)
{
	seal(run, call);
	if (run->plan.dry_run && run->plan.show) {
		run->plan.show(call);
	} else if (run->plan.telling == TELL_CALLS) {
		tell_call(run, call);
		tell_expectation(run, call);
	}
	if (!run->plan.dry_run) {
		if (call->twice) {
			issue_twice(run, call);
		} else {
			issue(run, call);
			check_memory(run, call);
		}
		check_result(call);
		check_memory_kept(run, call);
		if (call->twice || call->number % UNTOLD == 0)
			check_untold(run, call);
		if (call->operation && call->operation->after && may_follow(call))
			call->operation->after(call);
		tell_verdict(run, call);
	}
	clear(run, call);
}
