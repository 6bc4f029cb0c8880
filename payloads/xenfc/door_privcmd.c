/* The door of Linux user space: /dev/xen/privcmd, in the control domain and in guests. */
#include "door_privcmd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "privcmd.h"
#include "ticks.h"
#include "xenabi.h"

#define BARE_NS 1000000000ull

static volatile sig_atomic_t stopped;
static struct privcmd privcmd;
static char *console_page;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static long call(struct door *door, unsigned int number, const uint64_t a[5])
{
	(void)door;
	return privcmd_call(&privcmd, number, a[0], a[1], a[2], a[3], a[4]);
}

static void write_out(struct door *door, const char *text, size_t size)
{
	(void)door;
	fwrite(text, 1, size, stdout);
}

/* Xen's own console outlives this kernel; guests may not write to it, and have only their log. */
static void mark(struct door *door, const char *text, size_t size)
{
	fflush(stdout);
	memcpy(console_page, text, size);
	if (privcmd_call(&privcmd, __HYPERVISOR_console_io, CONSOLEIO_write, size,
			 (uintptr_t)console_page, 0, 0) < 0 && door->context)
		fwrite(text, 1, size, stderr);
}

static uint64_t now(struct door *door)
{
	(void)door;
	return clock_ns();
}

static bool stop(struct door *door)
{
	(void)door;
	return stopped;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* Pages of our own around it, so that nothing else of this process is ever next to it. */
static uint8_t *guarded_arena(void)
{
	size_t size = DOOR_ARENA_PAGES * (size_t)DOOR_PAGE;
	uint8_t *around = mmap(NULL, size + 3 * DOOR_PAGE, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = privcmd.buffer_fd;

	if (around == MAP_FAILED)
		return NULL;
	return mmap(around + DOOR_PAGE, size, PROT_READ | PROT_WRITE,
		    fd >= 0 ? MAP_SHARED | MAP_FIXED :
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE | MAP_FIXED,
		    fd, 0) == MAP_FAILED ? NULL : around + DOOR_PAGE;
}

static int open_arena(struct door *door)
{
	door->arena = guarded_arena();
	console_page = privcmd_buffer(&privcmd, 1);
	if (!door->arena || !console_page)
		return -ENOMEM;
	door->unmapped = (uintptr_t)door->arena + (DOOR_ARENA_PAGES + 1) * (uint64_t)DOOR_PAGE;
	return 0;
}

static void set_common(struct door *door)
{
	/* What is about to be called must be known when the call ends everything. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	*door = (struct door){
		.write = write_out,
		.mark = mark,
		.now_ns = now,
		.ticks = ticks,
		.stop = stop,
	};
}

int door_privcmd_open(struct door *door)
{
	int error = privcmd_open(&privcmd);

	if (error)
		return error;
	set_common(door);
	door->name = "privcmd";
	door->hypercall = call;
	catch_signals();
	return open_arena(door);
}

void *door_privcmd_pages(size_t count)
{
	return privcmd_buffer(&privcmd, count);
}

double door_privcmd_bare_rate(void)
{
	uint64_t begin = clock_ns(), end = begin, calls = 0;

	while (end - begin < BARE_NS && !stopped) {
		for (int i = 0; i < 100; i++)
			if (privcmd_call(&privcmd, __HYPERVISOR_xen_version, XENVER_version, 0, 0,
					 0, 0) <= 0)
				return 0;
		calls += 100;
		end = clock_ns();
	}
	return end > begin ? (double)calls * 1e9 / (double)(end - begin) : 0;
}

static void no_mark(struct door *door, const char *text, size_t size)
{
	(void)door;
	(void)text;
	(void)size;
}

int door_dry_open(struct door *door)
{
	privcmd.buffer_fd = -1;
	set_common(door);
	door->name = "dry run";
	door->mark = no_mark;
	return open_arena(door);
}
