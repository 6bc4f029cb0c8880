/* Addresses as people write them, and sockets whose peers are slow, gone, or not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <fcntl.h>
#include <poll.h>

#include <cmocka.h>

#include "transport.h"

#define PATIENT_MS 60000	/* for what shall go well */

static struct why why;
static char abstract[64], backlog[64];	/* names of this process: others may run the same test */
static char folder[] = "/tmp/test-transport-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "unix:%s/socket", folder);
	snprintf(abstract, sizeof(abstract), "unix:@test-transport-%d", getpid());
	snprintf(backlog, sizeof(backlog), "unix:@test-transport-backlog-%d", getpid());
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path + 5);
	return rmdir(folder);
}

static void assert_address(const char *text, const char *formatted)
{
	struct address a;
	char buffer[160];

	assert_int_equal(address_parse(&a, text, &why), 0);
	assert_string_equal(address_format(&a, buffer, sizeof(buffer)), formatted);
}

static void test_addresses(void **state)
{
	(void)state;
	assert_address("127.0.0.1:80", "127.0.0.1:80");
	assert_address("inet:localhost:65535", "127.0.0.1:65535");
	assert_address("[::1]:8000", "[::1]:8000");
	assert_address("inet:[fe80::1]:0", "[fe80::1]:0");
	assert_address("unix:/tmp/a b", "unix:/tmp/a b");
	assert_address("unix:@abstract", "unix:@abstract");
	assert_address("vsock:3:12345", "vsock:3:12345");
	assert_address("vsock:host:1", "vsock:2:1");
	assert_address("vsock:local:1", "vsock:1:1");
	assert_address("vsock:any:4294967295", "vsock:any:4294967295");
}

static void test_bad_addresses_are_told(void **state)
{
	static const char *const bad[] = {"", "80", "host", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536",
		"1.2.3.4:-1", "www.example.org:80", "[::1]", "[::1:80", "unix:", "vsock:2",
		"vsock:x:1", "vsock:2:", "vsock:4294967296:1", "vsock:2:1x", ":80"};
	char longest[400];
	struct address a;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		why.text[0] = '\0';
		assert_int_equal(address_parse(&a, bad[i], &why), -1);
		assert_string_not_equal(why.text, "");
	}
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(address_parse(&a, longest, &why), -1);
	memcpy(longest, "unix:", 5);
	assert_int_equal(address_parse(&a, longest, &why), -1);
}

/* Both ends of a connection through `text`. */
static void connect_pair(const char *text, int *client, int *server)
{
	struct address a, peer;
	int listener;

	assert_int_equal(address_parse(&a, text, &why), 0);
	listener = transport_listen(&a, SOCK_STREAM, 1, &why);
	assert_true(listener >= 0);
	a.size = sizeof(a.storage);
	getsockname(listener, (struct sockaddr *)&a.storage, &a.size);
	*client = transport_connect(&a, NULL, SOCK_STREAM, deadline_in_ms(PATIENT_MS), &why);
	assert_true(*client >= 0);
	*server = transport_accept(listener, &peer, deadline_in_ms(PATIENT_MS), &why);
	assert_true(*server >= 0);
	assert_int_equal(peer.family, a.family);
	close(listener);
}

static void test_bytes_pass_both_ways(void **state)
{
	const char *texts[] = {"127.0.0.1:0", abstract, path};
	int client, server;
	char word[6];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		connect_pair(texts[i], &client, &server);
		assert_int_equal(transport_write_all(client, "hello", 6, deadline_in_ms(PATIENT_MS),
						     &why), 0);
		assert_int_equal(transport_read_all(server, word, 6, deadline_in_ms(PATIENT_MS), &why),
				 0);
		assert_string_equal(word, "hello");
		assert_true(fcntl(server, F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(client, F_GETFL) & O_NONBLOCK);
		close(client);
		assert_int_equal(transport_read_some(server, word, 6, deadline_in_ms(PATIENT_MS), &why),
				 0);
		close(server);
	}
}

static void test_early_end_says_how_far_it_came(void **state)
{
	int client, server;
	char word[6];

	(void)state;
	connect_pair("127.0.0.1:0", &client, &server);
	transport_write_all(client, "abc", 3, deadline_in_ms(PATIENT_MS), &why);
	close(client);
	assert_int_equal(transport_read_all(server, word, 6, deadline_in_ms(PATIENT_MS), &why), -1);
	assert_string_equal(why.text, "the peer closed the connection after 3 of 6 bytes");
	close(server);
}

static void test_silence_ends_in_time(void **state)
{
	static char much[1 << 20];
	uint64_t begin = clock_ns();
	int client, server, i;
	char word[6];

	(void)state;
	connect_pair("127.0.0.1:0", &client, &server);
	transport_write_all(client, "abc", 3, deadline_in_ms(PATIENT_MS), &why);
	assert_int_equal(transport_read_all(server, word, 6, deadline_in_ms(50), &why), -1);
	assert_string_equal(why.text, "only 3 of 6 bytes came within the time limit");
	assert_int_equal(transport_read_some(server, word, 6, deadline_in_ms(50), &why), -1);
	assert_string_equal(why.text, "nothing came within the time limit");
	for (i = 0; i < 100; i++)
		if (transport_write_all(client, much, sizeof(much), deadline_in_ms(50), &why))
			break;
	assert_true(i < 100);
	assert_non_null(strstr(why.text, "bytes within the time limit"));
	assert_in_range(clock_ns() - begin, 150 * NS_PER_MS, 100 * NS_PER_S);
	close(client);
	close(server);
}

static void test_nobody_connects(void **state)
{
	struct address a;
	int listener;

	(void)state;
	address_parse(&a, "127.0.0.1:0", &why);
	listener = transport_listen(&a, SOCK_STREAM, 1, &why);
	assert_int_equal(transport_accept(listener, NULL, deadline_in_ms(30), &why), -1);
	assert_string_equal(why.text, "nobody connected within the time limit");
	close(listener);
}

static void test_nobody_listens(void **state)
{
	uint64_t begin;
	struct address a;

	(void)state;
	address_parse(&a, "127.0.0.1:1", &why);
	assert_int_equal(transport_connect(&a, NULL, SOCK_STREAM, deadline_in_ms(PATIENT_MS), &why), -1);
	assert_string_equal(why.text, "cannot connect to 127.0.0.1:1: Connection refused");
	begin = clock_ns();
	assert_int_equal(transport_connect_patiently(&a, NULL, SOCK_STREAM, deadline_in_ms(100),
						     &why), -1);
	assert_in_range(clock_ns() - begin, 50 * NS_PER_MS, 60 * NS_PER_S);
}

static void test_full_unix_backlog_has_a_limit(void **state)
{
	struct address a;
	int listener, fds[3];

	(void)state;
	address_parse(&a, backlog, &why);
	listener = transport_listen(&a, SOCK_STREAM, 0, &why);
	for (size_t i = 0; i < 3; i++)
		fds[i] = transport_connect(&a, NULL, SOCK_STREAM, deadline_in_ms(60), &why);
	assert_int_equal(fds[2], -1);
	assert_non_null(strstr(why.text, "timed out"));
	for (size_t i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	close(listener);
}

static void test_only_stale_paths_are_removed(void **state)
{
	struct address a;
	int first, second, file;

	(void)state;
	address_parse(&a, path, &why);
	unlink(path + 5);
	first = transport_listen(&a, SOCK_STREAM, 1, &why);
	assert_true(first >= 0);
	second = transport_listen(&a, SOCK_STREAM, 1, &why);
	assert_int_equal(second, -1);
	assert_non_null(strstr(why.text, "Address already in use"));
	close(first);
	second = transport_listen(&a, SOCK_STREAM, 1, &why);
	assert_true(second >= 0);
	close(second);
	unlink(path + 5);
	file = open(path + 5, O_CREAT | O_WRONLY, 0600);
	close(file);
	assert_int_equal(transport_listen(&a, SOCK_STREAM, 1, &why), -1);
	assert_int_equal(access(path + 5, F_OK), 0);
	unlink(path + 5);
}

/* Here there may be a vsock transport or none; both must be said. */
static void test_vsock_is_usable_or_says_why(void **state)
{
	(void)state;
	why.text[0] = '\0';
	if (vsock_usable(UINT32_MAX, &why))
		assert_true(vsock_local_cid(&why) >= 0);
	else
		assert_string_not_equal(why.text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_bad_addresses_are_told),
		cmocka_unit_test(test_bytes_pass_both_ways),
		cmocka_unit_test(test_early_end_says_how_far_it_came),
		cmocka_unit_test(test_silence_ends_in_time),
		cmocka_unit_test(test_nobody_connects),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_full_unix_backlog_has_a_limit),
		cmocka_unit_test(test_only_stale_paths_are_removed),
		cmocka_unit_test(test_vsock_is_usable_or_says_why),
	};

	return cmocka_run_group_tests_name("transport", tests, make_folder, remove_folder);
}
