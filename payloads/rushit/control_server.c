#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "log.h"

#define MOST_PENDING 64
#define LISTEN_BACKLOG 64

struct gathering {
	const struct settings *s;
	int listener;
	struct control_peer pending[MOST_PENDING];
	int pending_count;
	struct control_peer *clients;
	int client_count;
	struct control_gathering *seen;
};

int control_listen(const struct settings *s, struct endpoint *bound, struct why *why)
{
	struct endpoint found[MOST_ENDPOINTS];
	int count = endpoint_server(s, s->control_port, SOCK_STREAM, found, why);

	for (int i = 0; i < count; i++) {
		const struct address a = endpoint_address(&found[i]);
		int fd = transport_listen(&a, SOCK_STREAM, LISTEN_BACKLOG, why);

		if (fd >= 0) {
			endpoint_copy(bound, &found[i]);
			return fd;
		}
	}
	return -1;
}

static void forget(struct gathering *g, int index)
{
	g->pending[index] = g->pending[--g->pending_count];
}

static void send_away(struct gathering *g, int index, const char *reason)
{
	struct control_peer *peer = &g->pending[index];
	struct message no = {
		.type = MESSAGE_REFUSED,
		.magic = (uint32_t)g->s->magic,
		.threads = 1,
		.flows = 1,
	};
	struct why unused;

	strncpy(no.text, reason, sizeof(no.text) - 1);
	control_send(peer, &no, &unused);
	control_close(peer);
	forget(g, index);
}

/* A stranger: closed without a word. */
static void show_out(struct gathering *g, int index)
{
	g->seen->invalid_secret_count++;
	control_close(&g->pending[index]);
	forget(g, index);
}

static int silent_longest(const struct gathering *g)
{
	int longest = 0;

	for (int i = 1; i < g->pending_count; i++)
		if (g->pending[i].deadline < g->pending[longest].deadline)
			longest = i;
	return longest;
}

static void accept_one(struct gathering *g)
{
	int fd = accept4(g->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct control_peer *peer;

	if (fd < 0)
		return;
	if (g->pending_count == MOST_PENDING) {
		log_note("more than %d connections to the control port said nothing", MOST_PENDING);
		show_out(g, silent_longest(g));
	}
	peer = &g->pending[g->pending_count++];
	memset(peer, 0, sizeof(*peer));
	peer->fd = fd;
	peer->deadline = deadline_in_ms(SILENCE_MS);
}

/* `size`: that of the client's packets, and of the buffer for ours. */
static bool packets_fit(const struct settings *s, uint32_t size)
{
	return size == s->buffer_size || (size < s->buffer_size && !s->enable_write);
}

static const char *mismatch(const struct settings *s, const struct message *hello)
{
	if (hello->type != MESSAGE_HELLO)
		return "it did not begin with HELLO";
	if (hello->kind != (uint32_t)s->kind || hello->socket_type != (uint32_t)s->socket_type)
		return "the server runs another workload";
	if (settings_sends_packets(s))
		return packets_fit(s, hello->request_size) ? NULL :
		       "the server has another --buffer-size, and packets would be cut";
	if (settings_unit(s) &&
	    (hello->request_size != s->request_size || hello->response_size != s->response_size))
		return "the server has another --request-size or --response-size";
	return NULL;
}

static void hear(struct gathering *g, int index)
{
	struct control_peer *peer = &g->pending[index];
	enum message_problem problem;
	ssize_t n = recv(peer->fd, peer->inbox + peer->received, MESSAGE_SIZE - peer->received, 0);
	const char *wrong;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	peer->received += n > 0 ? n : 0;
	if (n > 0 && peer->received < MESSAGE_SIZE &&
	    !message_is_strange(peer->inbox, peer->received))
		return;
	problem = message_decode(&peer->hello, peer->inbox, peer->received,
				 (uint32_t)g->s->magic);
	peer->received = 0;
	if (problem == MESSAGE_WRONG_SECRET || problem == MESSAGE_MALFORMED) {
		log_note("a connection to the control port %s", message_problem_text(problem));
		show_out(g, index);
		return;
	}
	wrong = problem ? message_problem_text(problem) : mismatch(g->s, &peer->hello);
	if (wrong) {
		fprintf(stderr, "%s: refused a client: %s\n", g->s->program, wrong);
		send_away(g, index, wrong);
		return;
	}
	g->clients[g->client_count++] = *peer;
	forget(g, index);
}

static void drop_silent(struct gathering *g)
{
	for (int i = g->pending_count; i-- > 0;) {
		if (!deadline_passed(g->pending[i].deadline))
			continue;
		log_note("a connection to the control port said nothing for %d ms", SILENCE_MS);
		show_out(g, i);
	}
}

/* One round of waiting; what became ready is served. */
static void serve(struct gathering *g, deadline_t deadline)
{
	struct pollfd waiting[MOST_PENDING + 2] = {
		{.fd = g->listener, .events = POLLIN},
		{.fd = interrupt_fd(), .events = POLLIN},
	};
	int count = g->pending_count;

	for (int i = 0; i < count; i++) {
		waiting[i + 2].fd = g->pending[i].fd;
		waiting[i + 2].events = POLLIN;
		if (g->pending[i].deadline < deadline)
			deadline = g->pending[i].deadline;
	}
	if (poll(waiting, count + 2, deadline_poll_ms(deadline)) > 0) {
		/* A thread's news, or an interrupt, which interrupted() remembers. */
		if (waiting[1].revents)
			interrupt_clear();
		/* Backwards: who leaves is replaced by the last, which was already served. */
		for (int i = count; i-- > 0 && g->client_count < g->s->num_clients;)
			if (waiting[i + 2].revents)
				hear(g, i);
		if (waiting[0].revents)
			accept_one(g);
	}
	drop_silent(g);
}

int control_gather(const struct settings *s, int listener, struct control_peer *clients,
		   struct control_gathering *seen, struct why *why)
{
	struct gathering g = {.s = s, .listener = listener, .clients = clients, .seen = seen};
	deadline_t deadline = deadline_in_ms(s->patience * 1000);
	int status = 0;

	while (g.client_count < s->num_clients) {
		if (interrupted()) {
			why->text[0] = '\0';
			status = -1;
			break;
		}
		if (deadline_passed(deadline)) {
			why_set(why, "%d of %lld clients came within %lld s; start them, or give "
				"more --patience", g.client_count, (long long)s->num_clients,
				(long long)s->patience);
			status = -1;
			break;
		}
		serve(&g, deadline);
	}
	while (g.pending_count)
		send_away(&g, 0, "the server has all its clients");
	for (int i = 0; status && i < g.client_count; i++)
		control_close(&clients[i]);
	return status;
}
