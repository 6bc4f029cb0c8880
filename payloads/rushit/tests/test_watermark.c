/* When the receiver of bulk data asks to be woken seldom, and when no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "watermark.h"
#include "worker.h"

#define MUCH (1ul << 30)
#define LITTLE (256ul * 1024)

static struct settings settings;
static struct worker worker = {.settings = &settings};

static struct flow new_flow(int transport)
{
	struct flow flow = {.worker = &worker, .fd = socket(AF_INET, SOCK_STREAM, 0)};

	settings.transport = transport;
	assert_true(flow.fd >= 0);
	return flow;
}

static int mark_of(const struct flow *flow)
{
	socklen_t size = sizeof(int);
	int bytes = 0;

	assert_int_equal(getsockopt(flow->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, &size), 0);
	return bytes;
}

static void fast_flow_is_woken_seldom_until_it_is_slow(void **state)
{
	struct flow flow = new_flow(TRANSPORT_INET);

	(void)state;
	flow.mark_ns = clock_ns();
	watermark_moved(&flow, LITTLE - 1);
	assert_int_equal(mark_of(&flow), 1);
	watermark_moved(&flow, MUCH);
	assert_true(mark_of(&flow) >= 1024 * 1024);
	/* The same bytes since the machine was started, or nearly. */
	flow.mark_ns = 1;
	watermark_moved(&flow, LITTLE);
	assert_int_equal(mark_of(&flow), 1);
	close(flow.fd);
}

static void first_bytes_tell_no_speed(void **state)
{
	struct flow flow = new_flow(TRANSPORT_INET);

	(void)state;
	watermark_moved(&flow, MUCH);
	assert_int_equal(mark_of(&flow), 1);
	assert_true(flow.mark_ns > 0);
	close(flow.fd);
}

static void flow_that_stops_is_let_in(void **state)
{
	struct flow flow = new_flow(TRANSPORT_INET);

	(void)state;
	flow.mark_ns = clock_ns();
	watermark_moved(&flow, MUCH);
	watermark_check(&flow, flow.mark_ns + 99 * NS_PER_MS);
	assert_true(mark_of(&flow) > 1);
	watermark_check(&flow, flow.mark_ns + 100 * NS_PER_MS);
	assert_int_equal(mark_of(&flow), 1);
	close(flow.fd);
}

static void other_transports_are_left_alone(void **state)
{
	struct flow flow = new_flow(TRANSPORT_UNIX);

	(void)state;
	flow.mark_ns = clock_ns();
	watermark_moved(&flow, MUCH);
	assert_int_equal(mark_of(&flow), 1);
	close(flow.fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fast_flow_is_woken_seldom_until_it_is_slow),
		cmocka_unit_test(first_bytes_tell_no_speed),
		cmocka_unit_test(flow_that_stops_is_let_in),
		cmocka_unit_test(other_transports_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
