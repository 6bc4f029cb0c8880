/* The host's half of the benchmark: who may connect, what is counted, how it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "endpoint.h"
#include "perf.h"
#include "stream.h"

#define PATIENT_MS 60000	/* for what shall go well */

static struct why why;

static void test_percentiles_are_not_interpolated(void **state)
{
	const double sorted[] = {10, 20, 30, 40, 50, 60, 70, 80, 90, 100};

	(void)state;
	assert_true(perf_percentile(sorted, 10, 0) == 10);
	assert_true(perf_percentile(sorted, 10, 25) == 30);
	assert_true(perf_percentile(sorted, 10, 50) == 50);
	assert_true(perf_percentile(sorted, 10, 99) == 90);
	assert_true(perf_percentile(sorted, 10, 100) == 100);
	assert_true(perf_percentile(sorted, 1, 50) == 10);
}

/* Connect from these ports of the guest; what perf_accept says. */
static int accept_from(const unsigned int *ports, size_t n, uint64_t limit_ms)
{
	struct address a, from, any;
	int fds[SOCKETS], clients[SOCKETS + 1], listener, status;

	memset(fds, -1, sizeof(fds));
	assert_int_equal(endpoint_parse(&a, "127.0.8.1", &why), 0);
	from = a;
	any = endpoint_at(&a, 0);
	listener = transport_listen(&any, SOCK_STREAM, 16, &why);
	assert_true(listener >= 0);
	a.size = sizeof(a.storage);
	getsockname(listener, (struct sockaddr *)&a.storage, &a.size);
	for (size_t i = 0; i < n; i++) {
		from = endpoint_at(&from, ports[i]);
		/* The same port a second time can only be had with another address of ours. */
		((unsigned char *)&from.storage)[7] = i && ports[i] == ports[0] ? 2 : 1;
		clients[i] = transport_connect(&a, &from, SOCK_STREAM, deadline_in_ms(PATIENT_MS), &why);
		assert_true(clients[i] >= 0);
	}
	status = perf_accept(listener, fds, deadline_in_ms(limit_ms), &why);
	for (size_t i = 0; i < n; i++) {
		/* A reset leaves no port behind that waits. */
		setsockopt(clients[i], SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
			   sizeof(struct linger));
		close(clients[i]);
	}
	for (int i = 0; i < SOCKETS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	close(listener);
	return status;
}

static void test_guest_ports_in_any_order(void **state)
{
	const unsigned int ports[] = {8509, 8503, 8501, 8502, 8504, 8508, 8507, 8506, 8505};

	(void)state;
	assert_int_equal(accept_from(ports, 9, PATIENT_MS), 0);
}

static void test_strangers_are_refused(void **state)
{
	(void)state;
	assert_int_equal(accept_from((const unsigned int[]){8501, 8510}, 2, PATIENT_MS), -1);
	assert_string_equal(why.text, "unexpected connection from guest port: 8510");
	assert_int_equal(accept_from((const unsigned int[]){8501, 8501}, 2, PATIENT_MS), -1);
	assert_string_equal(why.text, "a second connection from guest port 8501");
	assert_int_equal(accept_from((const unsigned int[]){8501, 8502}, 2, 200), -1);
	assert_string_equal(why.text, "2 of the guest's 9 connections came: nobody connected "
			    "within the time limit");
}

static void test_volume_scales(void **state)
{
	struct volume v = VOLUME_UNSET;

	(void)state;
	volume_complete(&v);
	assert_int_equal(v.bytes, 134217728);
	assert_int_equal(v.repeats, 100);
	assert_int_equal(v.multi_repeats, 50);
	assert_int_equal(v.packets, 10000);
	v = (struct volume){.scale = 0.001, .multi_repeats = 7};
	volume_complete(&v);
	assert_int_equal(v.repeats, 1);
	assert_int_equal(v.multi_repeats, 7);
	assert_int_equal(v.packets, 10);
}

/* A rate at the receiver must not count what came before its time began. */
static void test_first_read_is_told_apart(void **state)
{
	char data[300] = "";
	struct first_read first = {0};
	struct stream s = {.bytes = sizeof(data), .segment = 100, .limit_ms = PATIENT_MS};
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(write(ends[1], data, sizeof(data)), sizeof(data));
	s.fd = ends[0];
	assert_int_equal(stream_prepare(&s, &why), 0);
	assert_int_equal(stream_read(&s, &first, &why), 0);
	assert_int_equal(first.bytes, 100);
	assert_in_range(first.ns, 1, clock_ns());
	stream_release(&s);
	close(ends[0]);
	close(ends[1]);
}

/* What was not measured is said, what was is told. */
static void test_report(void **state)
{
	struct volume v = {.bytes = 128 << 20, .repeats = 3, .multi_repeats = 1, .packets = 1};
	struct perf_results r;
	char *text;
	size_t size;
	FILE *out;

	(void)state;
	assert_int_equal(perf_results_new(&r, &v), 0);
	r.corruption_checked = true;
	r.latency.values[0] = 1234567;
	r.latency.n = 1;
	memcpy(r.single.values, (const double[]){30, 10, 20}, 3 * sizeof(double));
	r.single.n = 3;
	out = open_memstream(&text, &size);
	perf_print(out, &r, &v);
	fclose(out);
	assert_memory_equal(text, "Microbenchmark Results\n* Data corruption check: PASSED\n"
			    "* Round trip latency of 4096 bytes:\n\tMin: 1234567ns (1.235ms)\n",
			    113);
	assert_non_null(strstr(text, "* Single stream unidirectional round trip throughput of 128 "
			       "MiB:\n\tMin: 10.00MiB/s\n\t25th percentile: 10.00MiB/s\n"
			       "\t50th percentile: 20.00MiB/s\n"));
	assert_non_null(strstr(text, "* TX (guest -> host, unreliable) throughput of 128 MiB: NOT "
			       "RUN\n"));
	free(text);
	perf_results_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_percentiles_are_not_interpolated),
		cmocka_unit_test(test_guest_ports_in_any_order),
		cmocka_unit_test(test_strangers_are_refused),
		cmocka_unit_test(test_volume_scales),
		cmocka_unit_test(test_first_read_is_told_apart),
		cmocka_unit_test(test_report),
	};

	return cmocka_run_group_tests_name("vsock-perf", tests, NULL, NULL);
}
