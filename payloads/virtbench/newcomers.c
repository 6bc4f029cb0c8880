#include "newcomers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wire.h"

#define HELLO_LIMIT_MS 30000
#define WAITING_MAX 64

struct newcomer {
	int fd;
	struct address from;
	deadline_t deadline;
};

/* Who has connected and not spoken yet; the oldest is the first. */
struct door {
	struct fleet *fleet;
	int listener;
	struct newcomer waiting[WAITING_MAX];
	int n;
};

static int missing(const struct fleet *fleet)
{
	int n = 0;

	for (int i = 0; i < fleet->n; i++)
		n += fleet->machines[i].fd < 0;
	return n;
}

static void refuse(const struct newcomer *who, const char *reason)
{
	struct why ignored;
	char from[128];

	fprintf(stderr, "virtbench: a client at %s was refused: %s\n",
		address_format(&who->from, from, sizeof(from)), reason);
	wire_send(who->fd, WIRE_REFUSED, reason, strlen(reason), deadline_in_ms(HELLO_LIMIT_MS),
		  &ignored);
	close(who->fd);
}

/* What is wrong with what it has said so far, or NULL and its number. */
static const char *greet(const struct fleet *fleet, int fd, uint32_t *id, struct why *why)
{
	struct wire_message hello;

	if (wire_receive(fd, &hello, 0, why) < 0)
		return why->text;
	if (hello.type != WIRE_HELLO || !wire_number(&hello, id))
		why_set(why, "it did not begin with its number");
	else if (*id >= (uint32_t)fleet->n)
		why_set(why, "it says it is machine %u, and there are only 0 to %d", *id,
			fleet->n - 1);
	else if (fleet->machines[*id].fd >= 0)
		why_set(why, "machine %u is connected already", *id);
	else if (wire_send(fd, WIRE_WELCOME, NULL, 0, deadline_in_ms(HELLO_LIMIT_MS), why) == 0)
		return NULL;
	return why->text;
}

static void note_addresses(struct connected *machine, int fd)
{
	struct sockaddr_in here = { 0 }, there = { 0 };
	socklen_t size = sizeof(here);
	int one = 1;

	getsockname(fd, (struct sockaddr *)&here, &size);
	size = sizeof(there);
	getpeername(fd, (struct sockaddr *)&there, &size);
	inet_ntop(AF_INET, &there.sin_addr, machine->address, sizeof(machine->address));
	machine->is_here = here.sin_addr.s_addr == there.sin_addr.s_addr;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	machine->fd = fd;
}

/* It has spoken, or its time is over: it becomes a machine, or goes. */
static void hear(struct door *door, int i)
{
	struct newcomer who = door->waiting[i];
	const char *wrong;
	struct why why;
	uint32_t id;

	door->n--;
	memmove(&door->waiting[i], &door->waiting[i + 1],
		(size_t)(door->n - i) * sizeof(door->waiting[0]));
	wrong = greet(door->fleet, who.fd, &id, &why);
	if (wrong)
		refuse(&who, wrong);
	else
		note_addresses(&door->fleet->machines[id], who.fd);
}

/* It has begun well and is to go on: the next byte will be looked at. */
static bool will_say_more(int fd)
{
	uint8_t said[WIRE_HELLO_SIZE];
	ssize_t n = recv(fd, said, sizeof(said), MSG_PEEK | MSG_DONTWAIT);
	int one_more = (int)n + 1;

	if (n < 0)
		return errno == EAGAIN;
	return n && wire_is_part_of_hello(said, (size_t)n) &&
	       setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one_more, sizeof(one_more)) == 0;
}

/* Who knocks, if it is still there: 0, or -1 when nobody can come any more. */
static int let_in(struct door *door)
{
	struct newcomer who = { .deadline = deadline_in_ms(HELLO_LIMIT_MS) };
	struct why why;

	if (door->n == WAITING_MAX)
		hear(door, 0);
	who.fd = transport_accept(door->listener, &who.from, 0, &why);
	if (who.fd < 0 && errno != ETIMEDOUT) {
		fprintf(stderr, "virtbench: %s\n", why.text);
		return -1;
	}
	if (who.fd >= 0)
		door->waiting[door->n++] = who;
	return 0;
}

/* Until somebody connects, has said enough or left, or somebody's time is over. */
static int wait_at(struct door *door, deadline_t deadline)
{
	struct pollfd fds[WAITING_MAX + 1];
	bool knocks;

	for (int i = 0; i < door->n; i++)
		fds[i] = (struct pollfd){ .fd = door->waiting[i].fd,
					  .events = POLLIN | POLLRDHUP };
	fds[door->n] = (struct pollfd){ .fd = door->listener, .events = POLLIN };
	if (door->n && door->waiting[0].deadline < deadline)
		deadline = door->waiting[0].deadline;
	if (poll(fds, (nfds_t)door->n + 1, deadline_poll_ms(deadline)) < 0)
		return errno == EINTR ? 0 : -1;
	knocks = fds[door->n].revents;
	for (int i = door->n; i-- > 0;)
		if (deadline_passed(door->waiting[i].deadline) || fds[i].revents & ~POLLIN ||
		    (fds[i].revents && !will_say_more(fds[i].fd)))
			hear(door, i);
	return knocks ? let_in(door) : 0;
}

int newcomers_admit(struct fleet *fleet, int listener, deadline_t deadline)
{
	static const int one_byte = 1;
	struct door door = { .fleet = fleet, .listener = listener };

	while (missing(fleet) && !deadline_passed(deadline) && wait_at(&door, deadline) == 0)
		;
	for (int i = 0; i < door.n; i++)
		refuse(&door.waiting[i], "it has not said who it is");
	for (int i = 0; i < fleet->n; i++)
		if (fleet->machines[i].fd >= 0)
			setsockopt(fleet->machines[i].fd, SOL_SOCKET, SO_RCVLOWAT, &one_byte,
				   sizeof(one_byte));
	return missing(fleet);
}
