/*
 * Every case of the suite passes as it is, and each of its checks fails when the sockets lie.
 *   test_suite [PEER]
 * Over TCP, or with PEER "local" over the vsock loopback, with the cases that only vsock has.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "blocking.h"
#include "endpoint.h"
#include "lies.h"
#include "suite.h"

#define MOST_CASES 64
#define PATIENT_MS 20000
#define LYING_MS 1000
#define WAITS 0x100	/* beside a lie that leaves a side waiting until a limit is over */

static const char *peer = "127.0.7.1";
static struct side client, server;
static enum outcome as_it_is[MOST_CASES];

static void *serve(void *unused)
{
	(void)unused;
	suite_serve(&server);
	return NULL;
}

static unsigned int index_of(const char *name)
{
	const struct suite_case *c;
	unsigned int i = 0;

	while ((c = suite_case_at(i)) && strcmp(c->name, name))
		i++;
	assert_non_null(c);
	return i;
}

/* Both sides in this process. */
static struct verdict run(unsigned int index, enum lie which, uint64_t limit_ms)
{
	pthread_t thread;
	struct verdict v;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	client = server = (struct side){.limit_ms = limit_ms};
	assert_int_equal(endpoint_parse(&client.peer, peer, &client.why), 0);
	server.peer = client.peer;
	client.control = ends[0];
	server.control = ends[1];
	blocking_begin(ends[0], 2 * PATIENT_MS, &client.why);
	blocking_begin(ends[1], 2 * PATIENT_MS, &server.why);
	pthread_create(&thread, NULL, serve, NULL);
	lies_begin(which);
	v = suite_ask(&client, index, 1);
	lies_begin(NO_LIE);
	close(ends[0]);
	pthread_join(thread, NULL);
	close(ends[1]);
	return v;
}

static bool applies(const struct suite_case *c)
{
	return !c->vsock_only || client.peer.family == AF_VSOCK;
}

static void test_all_pass_as_it_is(void **state)
{
	const struct suite_case *c;

	(void)state;
	assert_int_equal(endpoint_parse(&client.peer, peer, &client.why), 0);
	for (unsigned int i = 0; (c = suite_case_at(i)); i++) {
		struct verdict v;

		assert_in_range(i, 0, MOST_CASES - 1);
		as_it_is[i] = OUTCOME_SKIP;
		if (!applies(c))
			continue;
		v = run(i, NO_LIE, PATIENT_MS);
		as_it_is[i] = v.outcome;
		if (v.outcome == OUTCOME_SKIP)
			print_message("not here: %s: %s\n", c->name, v.reason);
		else if (v.outcome != OUTCOME_PASS)
			fail_msg("%s: %s", c->name, v.reason);
	}
}

static const struct {
	const char *name;
	unsigned int lie;
	const char *words;	/* of the verdict */
} lies[] = {
	{"connect and exchange a byte", RECV_CHANGES_DATA, "the byte came changed"},
	{"connect and exchange a byte", ACCEPT_FAILS, "Too many open files"},
	{"nobody listens", CONNECT_ALWAYS, "connect succeeded instead of"},
	{"nobody listens", CONNECT_SAYS_SOMETHING_ELSE, "connect said 'Host is down'"},
	{"bound but not listening", CONNECT_ALWAYS, "connect succeeded instead of"},
	{"bound but not listening", CONNECT_SAYS_SOMETHING_ELSE, "connect said 'Host is down'"},
	{"client closes", SEND_IGNORES_CLOSE | WAITS, "send after the peer closed succeeded"},
	{"client closes", RECV_SEES_DATA_AT_THE_END, "data came that nobody sent"},
	{"client closes", CLOSE_LEAKS | WAITS, "only 0 of 1 bytes came within the time limit"},
	{"server closes", SEND_IGNORES_CLOSE | WAITS, "send after the peer closed succeeded"},
	{"server closes", RECV_SEES_DATA_AT_THE_END, "data came that nobody sent"},
	{"server closes", CLOSE_LEAKS | WAITS, "only 0 of 1 bytes came within the time limit"},
	{"SHUT_WR", SEND_IGNORES_CLOSE, "send after SHUT_WR is not refused"},
	{"SHUT_WR", SHUTDOWN_IS_LOST, "send after SHUT_WR is not refused"},
	{"SHUT_WR", RECV_SEES_DATA_AT_THE_END, "data came that nobody sent"},
	{"SHUT_WR", RECV_CHANGES_DATA, "a wrong answer"},
	{"SHUT_RD", SEND_IGNORES_CLOSE, "send to a peer after its SHUT_RD succeeded"},
	{"SHUT_RD", SHUTDOWN_IS_LOST, "send to a peer after its SHUT_RD"},
	{"many connections", RECV_CHANGES_DATA, "carries the data of"},
	{"many connections", ACCEPT_FAILS, "connection 1 of 40"},
	{"full backlog", CONNECT_ALWAYS, "12 of 12 connections were taken"},
	{"full backlog", LISTEN_IGNORES_BACKLOG, "12 of 12 connections were taken"},
	{"full backlog", CONNECT_SAYS_SOMETHING_ELSE, "the others got 'Host is down'"},
	{"full backlog", ACCEPT_FAILS, "no connection although the backlog was emptied"},
	{"port in use, port free again", BIND_SHARES_PORTS, "bind to a port in use succeeded"},
	{"port in use, port free again", CLOSE_LEAKS, "bind after the owner closed"},
	{"linger after a failed connect", CONNECT_ALWAYS, "without a listener succeeded"},
	{"linger after a failed connect", CLOSE_TAKES_LONG, "close took 4.0 s"},
	{"connect again after a failure", CONNECT_ALWAYS | WAITS, "before anybody listens succeeded"},
	{"connect again after a failure", CONNECT_NEVER_AGAIN | WAITS, "the second connect said"},
	{"a megabyte both ways", RECV_CHANGES_DATA, "changed"},
	{"MSG_PEEK", RECV_FORGETS_PEEK | WAITS, "a peek at 100 bytes showed something else"},
	{"MSG_PEEK", RECV_CHANGES_DATA, "a peek at 10 bytes showed something else"},
	{"SO_RCVLOWAT and poll", POLL_IGNORES_LOWAT, "POLLIN with 1 byte"},
	{"SO_RCVLOWAT and poll", POLL_SEES_NOTHING, "no POLLIN with 128 bytes"},
	{"credit of the reader's buffer", BUFFER_SIZE_IS_IGNORED, "bytes went out to a buffer of"},
	{"credit of the reader's buffer", FULL_IS_NOT_TOLD, "1048576 bytes went out to a buffer"},
	{"credit of the reader's buffer", FULL_IS_ANOTHER_ERROR, "send said 'Host is down' when"},
	{"credit of the reader's buffer", RECV_CHANGES_DATA, "the data came changed"},
	{"limits of the buffer's size", BUFFER_SIZE_IS_IGNORED, "asked for a buffer of 100"},
	{"bad pointers", SEND_TAKES_BAD_POINTERS, "send from a bad pointer succeeded"},
	{"bad pointers", SEND_BREAKS_ON_BAD_POINTERS, "the connection broke"},
	{"SIOCOUTQ", OUTQ_NEVER_EMPTY | WAITS, "7 bytes wait although all were read"},
	{"MSG_ZEROCOPY", RECV_CHANGES_DATA, "the data came changed"},
	{"MSG_ZEROCOPY", COMPLETION_IS_LOST | WAITS, "no completion came on the error queue"},
	{"SO_RCVTIMEO", RECV_IGNORES_TIME, "recv waited 0 ms instead of 100"},
	{"seqpacket: bounds of messages", MESSAGES_ARE_MERGED, "message 1 of"},
	{"seqpacket: bounds of messages", RECV_CHANGES_DATA, "message 1 came changed"},
	{"seqpacket: MSG_TRUNC", CUT_SIZE_IS_TOLD, "a message of 200 bytes was told as 50"},
	{"seqpacket: MSG_TRUNC", CUT_IS_HIDDEN, "a cut message is not marked with MSG_TRUNC"},
	{"seqpacket: MSG_TRUNC", CUT_REST_STAYS, "the next message came as 150 bytes"},
	{"seqpacket: MSG_PEEK", RECV_FORGETS_PEEK, "the peeked message was not there any more"},
	{"seqpacket: too big a message", SEND_TAKES_TOO_MUCH, "more than the buffer succeeded"},
	{"sock_diag", DIAG_HIDES_SOCKETS, "a listening socket is not in the kernel's list"},
	{"sock_diag", CLOSE_LEAKS, "a closed socket is still in the kernel's list"},
	{"server's SHUT_WR", SEND_IGNORES_CLOSE, "send after SHUT_WR is not refused"},
	{"server's SHUT_WR", SHUTDOWN_IS_LOST, "send after SHUT_WR is not refused"},
	{"server's SHUT_WR", RECV_SEES_DATA_AT_THE_END, "data came that nobody sent"},
	{"server's SHUT_WR", RECV_CHANGES_DATA, "a wrong answer"},
	{"server's SHUT_RD", SEND_IGNORES_CLOSE, "send to a peer after its SHUT_RD succeeded"},
	{"server's SHUT_RD", SHUTDOWN_IS_LOST, "send to a peer after its SHUT_RD"},
};

/*
 * Only what is to run out is short: elsewhere a busy machine would be taken for the lie.  Over
 * vsock others may wait as well.
 */
static uint64_t limit_of(size_t i)
{
	bool waits = lies[i].lie & WAITS || client.peer.family == AF_VSOCK;

	return waits ? LYING_MS : PATIENT_MS;
}

static void test_every_check_can_fail(void **state)
{
	bool seen[MOST_CASES] = {false};
	const struct suite_case *c;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		unsigned int index = index_of(lies[i].name);
		enum lie which = lies[i].lie & ~WAITS;
		struct verdict v;

		seen[index] = true;
		/* A peek that takes is seen also where the kernel has no such peek. */
		if (as_it_is[index] != OUTCOME_PASS && which != RECV_FORGETS_PEEK)
			continue;
		if (!applies(suite_case_at(index)))
			continue;
		v = run(index, which, limit_of(i));
		if (v.outcome != OUTCOME_FAIL || !strstr(v.reason, lies[i].words))
			fail_msg("%s, lie %d: outcome %d, %s", lies[i].name, which,
				 v.outcome, v.reason);
	}
	for (unsigned int i = 0; (c = suite_case_at(i)); i++)
		if (!seen[i])
			fail_msg("nothing shows that '%s' can fail", c->name);
}

/* A side that dies is no pass and no hang. */
static void test_lost_side_is_an_error(void **state)
{
	int ends[2];
	struct verdict v;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	client = (struct side){.limit_ms = 100, .control = ends[0]};
	endpoint_parse(&client.peer, peer, &client.why);
	blocking_begin(ends[0], 200, &client.why);
	v = suite_ask(&client, 0, 1);
	assert_int_equal(v.outcome, OUTCOME_ERROR);
	close(ends[1]);
	v = suite_ask(&client, 0, 1);
	assert_int_equal(v.outcome, OUTCOME_ERROR);
	close(ends[0]);
}

/*
 * The ports are fixed, and all addresses': one such test at a time, of ../../../tests as well.
 * The name of a socket is the lock: it belongs to the network namespace, as the ports do.
 */
static bool wait_for_ports(void)
{
	static const char name[] = "xentest-vsock-ports";
	deadline_t deadline = deadline_in_ms(100000);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + sizeof(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path + 1, name, sizeof(name) - 1);
	while (bind(fd, (struct sockaddr *)&address, size)) {
		if (deadline_passed(deadline))
			return false;
		usleep(10000);
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_pass_as_it_is),
		cmocka_unit_test(test_every_check_can_fail),
		cmocka_unit_test(test_lost_side_is_an_error),
	};

	peer = argc > 1 ? argv[1] : peer;
	if (!wait_for_ports()) {
		fputs("another test does not give the ports back\n", stderr);
		return 1;
	}
	return cmocka_run_group_tests_name("vsock suite", tests, NULL, NULL);
}
