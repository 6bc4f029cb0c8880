#include "console.h"

#include <stdbool.h>
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/io/console.h>
#include <xen/sched.h>

#include "../freestanding.h"
#include "clock.h"
#include "hypercall.h"

#define PATIENCE_NS 1000000000ULL

static struct {
	struct xencons_interface *ring;
	unsigned int event_channel;
	bool deaf;
} console;

void console_use_ring(struct xencons_interface *ring, unsigned int event_channel)
{
	console.ring = ring;
	console.event_channel = event_channel;
}

static unsigned int taken_by_ring(const char *text, size_t size)
{
	struct xencons_interface *ring = console.ring;
	XENCONS_RING_IDX taken = __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE);
	XENCONS_RING_IDX given = ring->out_prod;
	unsigned int count = 0;

	while (count < size && given - taken < sizeof(ring->out))
		ring->out[MASK_XENCONS_IDX(given++, ring->out)] = text[count++];
	__atomic_store_n(&ring->out_prod, given, __ATOMIC_RELEASE);
	return count;
}

static void notify(void)
{
	struct evtchn_send send = { .port = console.event_channel };

	hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (unsigned long)&send);
}

static void write_ring(const char *text, size_t size)
{
	uint64_t end = clock_ns() + PATIENCE_NS;

	while (size > 0 && !console.deaf) {
		unsigned int count = taken_by_ring(text, size);

		text += count;
		size -= count;
		notify();
		if (count)
			end = clock_ns() + PATIENCE_NS;
		else if (clock_ns() > end)
			console.deaf = true;
		else
			hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	}
}

void console_write(const char *text, size_t size)
{
	if (console.ring)
		write_ring(text, size);
	else
		hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, size, (unsigned long)text);
}

void console_say(const char *text)
{
	console_write(text, strlen(text));
}

void console_drain(void)
{
	uint64_t end = clock_ns() + PATIENCE_NS;

	if (!console.ring)
		return;
	while (__atomic_load_n(&console.ring->out_cons, __ATOMIC_ACQUIRE) !=
		       console.ring->out_prod && clock_ns() < end) {
		notify();
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	}
}
