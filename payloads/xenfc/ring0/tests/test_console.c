/* The console, with a daemon at the other end of the ring that a test plays. */
#include "kernel.h"

#include <string.h>

#include <xen/event_channel.h>
#include <xen/io/console.h>
#include <xen/sched.h>

#include "../clock.h"
#include "../console.h"

#define PORT 3
#define MOST 10000

static struct {
	struct xencons_interface ring;
	bool reads;
	char read[MOST];
	size_t size;
	unsigned int told;
	char on_xen[100];
} other_end;

static void read_ring(void)
{
	struct xencons_interface *ring = &other_end.ring;

	while (ring->out_cons != ring->out_prod)
		other_end.read[other_end.size++] =
			ring->out[MASK_XENCONS_IDX(ring->out_cons++, ring->out)];
}

long ring0_hypercall(unsigned long nr, unsigned long a0, unsigned long a1, unsigned long a2,
		     unsigned long a3, unsigned long a4)
{
	(void)a3, (void)a4;
	if (nr == __HYPERVISOR_console_io) {
		assert_int_equal(a0, CONSOLEIO_write);
		memcpy(other_end.on_xen, (const void *)a2, a1);
	} else if (nr == __HYPERVISOR_event_channel_op) {
		assert_int_equal(a0, EVTCHNOP_send);
		assert_int_equal(((const struct evtchn_send *)a1)->port, PORT);
		other_end.told++;
	} else {
		assert_int_equal(nr, __HYPERVISOR_sched_op);
		assert_int_equal(a0, SCHEDOP_yield);
		if (other_end.reads)
			read_ring();
	}
	return 0;
}

/* A clock that goes on by itself: patience ends. */
static int begin(void **state)
{
	static struct vcpu_time_info page = { .tsc_to_system_mul = UINT32_MAX, .tsc_shift = 4 };

	(void)state;
	memset(&other_end, 0, sizeof(other_end));
	clock_use(&page);
	return 0;
}

static void without_a_ring_it_is_xens(void **state)
{
	(void)state;
	console_say("word\n");
	assert_string_equal(other_end.on_xen, "word\n");
}

static void long_text_arrives_whole_and_in_order(void **state)
{
	char text[MOST / 2];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = 'a' + i % 26;
	other_end.reads = true;
	other_end.ring.out_cons = other_end.ring.out_prod = UINT32_MAX - 100;
	console_use_ring(&other_end.ring, PORT);
	console_write(text, sizeof(text));
	console_drain();
	read_ring();
	assert_int_equal(other_end.size, sizeof(text));
	assert_memory_equal(other_end.read, text, sizeof(text));
	assert_true(other_end.told > 0);
}

/* Last: a console that was deaf once stays deaf. */
static void deaf_end_loses_text_and_stops_nobody(void **state)
{
	char text[MOST / 2];

	(void)state;
	memset(text, 'x', sizeof(text));
	console_use_ring(&other_end.ring, PORT);
	console_write(text, sizeof(text));
	console_write(text, sizeof(text));
	console_drain();
	read_ring();
	assert_int_equal(other_end.size, sizeof(other_end.ring.out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_a_ring_it_is_xens, begin),
		cmocka_unit_test_setup(long_text_arrives_whole_and_in_order, begin),
		cmocka_unit_test_setup(deaf_end_loses_text_and_stops_nobody, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
