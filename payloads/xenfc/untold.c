/*
 * What only tells is asked once more while its memory can be read, but not written to: arguments
 * are right then, and Xen finds out at the last moment.  It must say so, and whatever it held for
 * the answer must be given back.
 */
#include "untold.h"

#include "run.h"

#define PAGE_BITS 12
#define PRESENT_USER 0x25ull
#define PRESENT_WRITABLE_USER 0x67ull	/* as all of the arena is */

static bool touches(const struct call *call, const uint8_t *page)
{
	for (unsigned int i = 0; i < call->n_areas; i++)
		if (call->areas[i].at < page + DOOR_PAGE &&
		    call->areas[i].at + call->areas[i].size > page)
			return true;
	return false;
}

void arena_page_lock(struct call *call, unsigned int number, bool locked)
{
	const struct door *door = call->run->door;
	long result = aside(call->run, __HYPERVISOR_update_va_mapping,
			    (uintptr_t)(door->arena + number * (size_t)DOOR_PAGE),
			    door->arena_frames[number] << PAGE_BITS |
			    (locked ? PRESENT_USER : PRESENT_WRITABLE_USER),
			    UVMF_INVLPG | UVMF_LOCAL);

	if (result)
		call_wrong(call, "mapping memory of ours otherwise gave %ld", result);
}

/* The pages of the arena that the call's memory is in. */
static void lock_memory(struct call *call, bool locked)
{
	for (unsigned int i = 0; i < DOOR_ARENA_PAGES; i++)
		if (touches(call, call->run->door->arena + i * (size_t)DOOR_PAGE))
			arena_page_lock(call, i, locked);
}

/* Only then it is known whether anything was written the last time. */
static bool told_something(struct run *run, const struct call *call)
{
	const uint8_t *arena = run->door->arena;

	for (unsigned int i = 0; call->twice && i < call->n_areas; i++)
		if (memcmp(call->areas[i].at, run->shadow + (call->areas[i].at - arena),
			   call->areas[i].size))
			return true;
	return false;
}

static bool may_be_untold(const struct run *run, const struct call *call)
{
	unsigned int traits = call->operation ? call->operation->traits : 0;

	return traits & (TRAIT_READS | TRAIT_TELLS) && run->door->owns_kernel && call->n_areas &&
	       call->result >= 0 && !call->in_multicall && !call->torn && !call->forgets &&
	       !call->wrong[0];
}

void check_untold(struct run *run, struct call *call)
{
	long told = call->result;
	bool something;

	if (!may_be_untold(run, call))
		return;
	something = told_something(run, call);
	lock_memory(call, true);
	call->result = make_hypercall(run, call->hypercall, call->arguments);
	if (call->result != ERR(EFAULT) && (something || call->result != told))
		call_wrong(call, "where nothing can be told it gave %ld", call->result);
	call->untold = true;
	check_memory_kept(run, call);
	call->untold = false;
	call->result = told;
	lock_memory(call, false);
}
