/*
 * The least that a transport costs: blocking reads and writes of one connection, nothing
 * measured in between.  bench compares rushit's Unix and vsock workloads with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocking.h"
#include "exits.h"
#include "options.h"
#include "transport.h"

#define WAIT_MS 10000
#define ALARM_S 60

static const char *address_text;
static bool server, stream;
static int64_t size = 1, seconds = 2;

static const struct option_spec options[] = {
	{"server", 0, NULL, "listen", .flag = &server},
	{"stream", 0, NULL, "bulk data from client to server; else ping-pong", .flag = &stream},
	{"address", 0, "ADDRESS", "unix:PATH, vsock:CID:PORT or HOST:PORT", .text = &address_text},
	{"size", 0, "BYTES", "of one write", .size = &size, .low = 1, .high = 1 << 30},
	{"seconds", 0, "S", "how long", .number = &seconds, .low = 1, .high = 3600},
	{0},
};

static const struct program_spec program = {
	"bench_bare", "[options]", "Ping-pong or bulk data with bare system calls.", NULL, options,
};

_Noreturn static void give_up(const char *what)
{
	fprintf(stderr, "bench_bare: %s\n", what);
	exit(EXIT_ERROR);
}

/* All `size` bytes; false at the end of the connection. */
static bool read_message(int fd, char *buffer)
{
	int64_t got = 0;

	while (got < size) {
		ssize_t n = read(fd, buffer + got, (size_t)(size - got));

		if (n <= 0)
			return false;
		got += n;
	}
	return true;
}

static void serve(int fd, char *buffer)
{
	if (stream) {
		while (read(fd, buffer, (size_t)size) > 0)
			;
		return;
	}
	while (read_message(fd, buffer))
		if (write(fd, buffer, (size_t)size) != size)
			return;
}

/* The clock is read at each round, as in a benchmark. */
static void drive(int fd, char *buffer)
{
	uint64_t begin = clock_ns(), end = begin + (uint64_t)seconds * NS_PER_S;
	uint64_t now = begin, rounds = 0, bytes = 0;

	while (now < end) {
		ssize_t n = write(fd, buffer, (size_t)size);

		if (n <= 0 || (!stream && !read_message(fd, buffer)))
			give_up("the connection broke");
		bytes += (uint64_t)n;
		rounds++;
		now = clock_ns();
	}
	printf("rate=%.2f\nMbps=%.2f\n", (double)rounds * NS_PER_S / (double)(now - begin),
	       (double)bytes * 8000 / (double)(now - begin));
}

int main(int argc, char **argv)
{
	struct address a;
	struct why why;
	char *buffer;
	int fd;

	options_parse(&program, argc, argv);
	buffer = calloc(1, (size_t)size);
	if (!buffer)
		give_up("no memory");
	if (!address_text || address_parse(&a, address_text, &why))
		options_error(&program, "--address: %s", address_text ? why.text : "is missing");
	if (server) {
		int listener = transport_listen(&a, SOCK_STREAM, 1, &why);

		fd = listener < 0 ? -1 : transport_accept(listener, NULL, deadline_in_ms(WAIT_MS),
							  &why);
	} else {
		fd = transport_connect_patiently(&a, NULL, SOCK_STREAM, deadline_in_ms(WAIT_MS),
						 &why);
	}
	if (fd < 0)
		give_up(why.text);
	/* A limit on each call would cost what is to be measured: one for all of them. */
	alarm((unsigned int)seconds + ALARM_S);
	if (blocking_begin(fd, 0, &why))
		give_up(why.text);
	if (server)
		serve(fd, buffer);
	else
		drive(fd, buffer);
	return EXIT_PASS;
}
