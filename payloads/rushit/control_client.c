#include <errno.h>
#include <string.h>

#include "control.h"
#include <linux/vm_sockets.h>

#define ATTEMPT_MS 1000
#define RETRY_MS 50

/* The peer may not listen yet: try all its addresses again and again until the deadline. */
static int connect_patiently(const struct settings *s, struct endpoint *found, int count,
			     struct endpoint *server, struct why *why)
{
	deadline_t deadline = deadline_in_ms(s->patience * 1000);

	for (;;) {
		for (int i = 0; i < count; i++) {
			struct address to = endpoint_address(&found[i]), from;
			struct endpoint local;
			int fd;

			if (s->local_host && endpoint_local(s, &found[i], &local, why))
				continue;
			if (s->local_host)
				from = endpoint_address(&local);
			fd = transport_connect(&to, s->local_host ? &from : NULL, SOCK_STREAM,
					       deadline_in_ms(ATTEMPT_MS), why);
			if (fd >= 0) {
				endpoint_copy(server, &found[i]);
				return fd;
			}
		}
		if (interrupted())
			why->text[0] = '\0';
		if (interrupted() || deadline_passed(deadline))
			return -1;
		clock_sleep_until(clock_ns() + RETRY_MS * NS_PER_MS);
	}
}

static struct message hello_of(const struct settings *s)
{
	struct message hello = {
		.type = MESSAGE_HELLO,
		.magic = (uint32_t)s->magic,
		.kind = s->kind,
		.socket_type = s->socket_type,
		.threads = s->num_threads,
		.flows = s->num_flows,
		.request_size = settings_sends_packets(s) ? s->buffer_size : s->request_size,
		.response_size = s->response_size,
		.run_seconds = (uint32_t)(settings_total_run_time(s) + 1),
	};

	return hello;
}

static bool can_reach(const struct endpoint *e, struct why *why)
{
	const struct address a = endpoint_address(e);
	const struct sockaddr_vm *vm = (const struct sockaddr_vm *)&a.storage;

	return a.family != AF_VSOCK || vsock_usable(vm->svm_cid, why);
}

int control_join(const struct settings *s, struct control_peer *peer, struct endpoint *server,
		 struct message *welcome, struct why *why)
{
	struct endpoint found[MOST_ENDPOINTS];
	struct message hello = hello_of(s);
	struct why reason;
	int count = endpoint_server(s, s->control_port, SOCK_STREAM, found, why);

	if (count < 1)
		return -1;
	if (!can_reach(&found[0], why))
		return -2;
	memset(peer, 0, sizeof(*peer));
	peer->fd = connect_patiently(s, found, count, server, &reason);
	if (peer->fd < 0) {
		*why = reason;
		if (reason.text[0])
			why_set(why, "%.200s; is the server running, on this address and port?",
				reason.text);
		return -1;
	}
	if (control_send(peer, &hello, why))
		return -1;
	return control_expect(peer, MESSAGE_WELCOME, welcome, (uint32_t)s->magic,
			      deadline_in_ms(s->patience * 1000), why);
}
