/* virtclient: runs in each machine and does what virtbench asks for. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "exits.h"
#include "options.h"

/* For how long virtbench may have nothing for this machine. */
#define IDLE_LIMIT_MS (30 * 60 * 1000)
/* The way to virtbench may come up long after this machine. */
#define CONNECT_LIMIT_MS 180000
#define CONNECT_TRY_MS 20000
#define RETRY_MS 100
#define ANSWER_LIMIT_MS 20000

static struct machine machine;

static const struct option_spec options[] = {
	{ .name = "disk", .argument = "FILE", .text = &machine.disk,
	  .help = "file or block device for the disk benchmarks" },
	{ 0 },
};

static const struct program_spec program = {
	.name = "virtclient",
	.usage = "[--disk=FILE] ID ADDRESS PORT [INTERFACE ADDRESS]",
	.summary = "The part of virtbench that runs inside a machine. ID is the machine's number, "
		   "ADDRESS and PORT say where virtbench listens.",
	.epilog = "As the first process of a machine it mounts /proc, /sys and /dev, loads "
		  "/modules/*.ko, and gives INTERFACE its own address. Addresses may have / "
		  "for . because kernels take no word with a dot for init.\n",
	.options = options,
};

static char *with_dots(char *address)
{
	for (char *c = address; *c; c++)
		if (*c == '/')
			*c = '.';
	return address;
}

static uint32_t number(const char *what, const char *text, unsigned long min)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || value < min || value > 65535)
		options_error(&program, "%s must be a number from %lu to 65535, not '%s'", what, min,
			      text);
	return (uint32_t)value;
}

/* Until the time is over no error is final: no route yet, nobody there yet, a packet lost. */
static int connect_to(const struct address *server, struct why *why)
{
	deadline_t deadline = deadline_in_ms(CONNECT_LIMIT_MS);
	int fd;

	for (;;) {
		deadline_t next = deadline_in_ms(RETRY_MS);

		fd = transport_connect(server, NULL, SOCK_STREAM, deadline_in_ms(CONNECT_TRY_MS),
				       why);
		if (fd >= 0 || deadline_passed(deadline))
			return fd;
		clock_sleep_until(next);
	}
}

static int join(const char *host, uint32_t port, uint32_t id, struct why *why)
{
	struct wire_message answer;
	struct address server;
	char text[128];
	int fd;

	snprintf(text, sizeof(text), "inet:%s:%u", host, port);
	if (address_parse(&server, text, why) < 0)
		return -1;
	fd = connect_to(&server, why);
	if (fd < 0)
		return -1;
	/* virtbench greets its machines when all are started. */
	if (wire_send_number(fd, WIRE_HELLO, id, deadline_in_ms(ANSWER_LIMIT_MS), why) < 0 ||
	    wire_receive(fd, &answer, deadline_in_ms(IDLE_LIMIT_MS), why) < 0)
		return -1;
	if (answer.type == WIRE_WELCOME)
		return fd;
	why_set(why, "virtbench refused this client: %s", wire_text(&answer));
	return -1;
}

/* A benchmark runs in a child: whatever it does to itself, the next one is not touched. */
static int do_setup(int fd, const struct setup *setup, struct why *why)
{
	char text[128];
	int status;
	pid_t child = fork();

	if (!child)
		session_run(fd, setup, &machine);
	if (child < 0) {
		snprintf(text, sizeof(text), "fork: %s", strerror(errno));
	} else {
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			return 0;
		if (!WIFSIGNALED(status)) {
			why_set(why, "virtbench does not answer");
			return -1;
		}
		snprintf(text, sizeof(text), "the benchmark was ended by signal %d (%s%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)),
			 WTERMSIG(status) == SIGALRM ? ": it took too long" : "");
	}
	return wire_send(fd, WIRE_FAILED, text, strlen(text), deadline_in_ms(ANSWER_LIMIT_MS), why);
}

/* Until the server closes the connection: 0; -1 when something is wrong. */
static int serve(int fd, struct why *why)
{
	for (;;) {
		struct wire_message m;
		struct setup setup;
		char byte;

		if (transport_wait(fd, POLLIN, deadline_in_ms(IDLE_LIMIT_MS), why) < 0)
			return -1;
		if (recv(fd, &byte, 1, MSG_PEEK) == 0)
			return 0;
		if (wire_receive(fd, &m, deadline_in_ms(ANSWER_LIMIT_MS), why) < 0)
			return -1;
		if (m.type == WIRE_STOP)
			continue;	/* came too late for the benchmark it was meant for */
		if (!wire_setup(&m, &setup)) {
			why_set(why, "virtbench sent what is no set-up (type %u)", m.type);
			return -1;
		}
		if (do_setup(fd, &setup, why) < 0)
			return -1;
	}
}

static int run(char **words, int n, struct why *why)
{
	uint32_t id = number("ID", words[0], 0), port = number("PORT", words[2], 1);
	int fd;

	if (guest_is_init() && guest_init(n > 3 ? words[3] : NULL,
					  n > 4 ? with_dots(words[4]) : NULL, why) < 0)
		return -1;
	fd = join(with_dots(words[1]), port, id, why);
	return fd < 0 ? -1 : serve(fd, why);
}

int main(int argc, char **argv)
{
	struct why why;
	int first, status = EXIT_PASS;

	if (argc == 3 && !strcmp(argv[1], EXEC_WORD))
		exec_count_down(argv[2]);
	first = options_parse(&program, argc, argv);
	if (argc - first < 3 || argc - first > 5 || argc - first == 4)
		options_error(&program, "needs ID ADDRESS PORT and, for a machine of its own, "
			      "INTERFACE ADDRESS; see --help");
	if (run(argv + first, argc - first, &why) < 0) {
		fprintf(stderr, "virtclient: %s\n", why.text);
		status = EXIT_ERROR;
	}
	if (guest_is_init())
		guest_power_off();
	return status;
}
