#include "door_ring0.h"

#include "clock.h"
#include "console.h"
#include "execute.h"
#include "hypercall.h"
#include "memory.h"
#include "ticks.h"
#include "traps.h"

static uint64_t frames[DOOR_ARENA_PAGES];

static long call(struct door *door, unsigned int number, const uint64_t arguments[5])
{
	(void)door;
	return ring0_hypercall(number, arguments[0], arguments[1], arguments[2], arguments[3],
			       arguments[4]);
}

/* Back from it no event waits, but they are not masked: as they were when Xen told us of it. */
static long call_interrupted(struct door *door, unsigned int number, const uint64_t arguments[5])
{
	long result;

	events_await();
	result = door->hypercall(door, number, arguments);
	events_quieten();
	return result;
}

static void write_report(struct door *door, const char *text, size_t size)
{
	(void)door;
	console_write(text, size);
}

static void mark(struct door *door, const char *text, size_t size)
{
	(void)door;
	console_write(text, size);
	console_drain();
}

static uint64_t now(struct door *door)
{
	(void)door;
	return clock_ns();
}

static int try_code(struct door *door, const uint8_t *code, size_t size,
		    struct registers *registers)
{
	(void)door;
	return execute(code, size, registers);
}

static long take_exceptions(struct door *door)
{
	(void)door;
	return traps_take();
}

/* The guards are worth nothing if touching them does not fault. */
static bool is_hole(const uint8_t *page)
{
	struct fault fault;
	uint8_t value;

	return !read_byte(page, &value, &fault) && fault.address == (uint64_t)page;
}

const char *door_ring0_open(struct door *door)
{
	uint8_t *pages = pages_take(DOOR_ARENA_PAGES + 3);
	uint8_t *after = pages + (DOOR_ARENA_PAGES + 1) * PAGE_SIZE;
	/* Not the one before: the address of that is the end of the arena's last page, too. */
	uint8_t *never = after + PAGE_SIZE;
	uint8_t value;
	struct fault fault;

	if (!pages)
		return "there are not enough pages for the arguments";
	if (page_unmap(pages) || page_unmap(after) || page_unmap(never))
		return "Xen does not let us unmap the guard pages";
	if (!is_hole(pages) || !is_hole(after) || !is_hole(never))
		return "a guard page can still be read";
	if (!read_byte(after - 1, &value, &fault))
		return "the last page for arguments cannot be read";
	for (unsigned int i = 0; i < DOOR_ARENA_PAGES; i++)
		frames[i] = machine_frame(pages + (i + 1) * PAGE_SIZE);
	*door = (struct door){
		.name = "ring 0",
		.hypercall = call,
		.hypercall_interrupted = call_interrupted,
		.write = write_report,
		.mark = mark,
		.now_ns = now,
		.ticks = ticks,
		.arena = pages + PAGE_SIZE,
		.unmapped = (uint64_t)never,
		.owns_kernel = true,
		.execute = try_code,
		.take_exceptions = take_exceptions,
		.interrupt_entry = (uint64_t)interrupt_entry,
		.arena_frames = frames,
	};
	return NULL;
}
