#include "control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define SEND_LIMIT_MS 5000

void control_close(struct control_peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

int control_receive(struct control_peer *peer, struct message *m, uint32_t magic, struct why *why)
{
	enum message_problem problem;
	ssize_t n = recv(peer->fd, peer->inbox + peer->received, MESSAGE_SIZE - peer->received,
			 MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0) {
		why_errno(why, errno, "the peer is gone");
		return -1;
	}
	if (n == 0) {
		why_set(why, "the peer closed the control connection");
		return -1;
	}
	peer->received += n;
	if (peer->received < MESSAGE_SIZE && !message_is_strange(peer->inbox, peer->received))
		return 0;
	problem = message_decode(m, peer->inbox, peer->received, magic);
	peer->received = 0;
	if (problem == MESSAGE_SOUND)
		return 1;
	why_set(why, "the peer %s", message_problem_text(problem));
	return -1;
}

int control_send(struct control_peer *peer, const struct message *m, struct why *why)
{
	uint8_t bytes[MESSAGE_SIZE];

	message_encode(m, bytes);
	return transport_write_all(peer->fd, bytes, sizeof(bytes), deadline_in_ms(SEND_LIMIT_MS),
				   why);
}

/* Wait until the peer has something, at most until the deadline or an interrupt. */
static int wait_for_peer(struct control_peer *peer, deadline_t deadline, struct why *why)
{
	struct why unused;

	while (transport_wait(peer->fd, POLLIN, deadline < deadline_in_ms(100) ? deadline :
			      deadline_in_ms(100), &unused)) {
		if (interrupted()) {
			why->text[0] = '\0';
			return -1;
		}
		if (deadline_passed(deadline)) {
			why_set(why, "the peer said nothing within the time limit");
			return -1;
		}
	}
	return 0;
}

int control_expect(struct control_peer *peer, enum message_type type, struct message *m,
		   uint32_t magic, deadline_t deadline, struct why *why)
{
	int status = 0;

	while (!status) {
		if (wait_for_peer(peer, deadline, why))
			return -1;
		status = control_receive(peer, m, magic, why);
	}
	if (status < 0)
		return -1;
	if (m->type == MESSAGE_REFUSED && type != MESSAGE_REFUSED) {
		why_set(why, "the server refused: %s", m->text);
		return -1;
	}
	if (m->type != type) {
		why_set(why, "the peer sent message %d where %d was due", m->type, type);
		return -1;
	}
	return 0;
}
