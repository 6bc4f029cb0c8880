#include "wire.h"

#include <arpa/inet.h>
#include <string.h>

struct header {
	uint32_t magic;
	uint32_t version;
	uint32_t type;
	uint32_t size;
};

/* The fields of struct setup, in the order in which they travel. */
struct wire_form_of_setup {
	char name[64];
	char peer[64];
	uint32_t numbers[6];
};

int wire_send(int fd, enum wire_type type, const void *body, size_t size, deadline_t deadline,
	      struct why *why)
{
	struct {
		struct header header;
		uint8_t body[WIRE_BODY_MAX];
	} message = { .header = { htonl(WIRE_MAGIC), htonl(WIRE_VERSION), htonl(type), 0 } };

	if (size > sizeof(message.body))
		size = sizeof(message.body);
	message.header.size = htonl((uint32_t)size);
	if (size)
		memcpy(message.body, body, size);
	return transport_write_all(fd, &message, sizeof(message.header) + size, deadline, why);
}

int wire_send_number(int fd, enum wire_type type, uint32_t number, deadline_t deadline,
		     struct why *why)
{
	number = htonl(number);
	return wire_send(fd, type, &number, sizeof(number), deadline, why);
}

int wire_send_setup(int fd, const struct setup *setup, deadline_t deadline, struct why *why)
{
	struct wire_form_of_setup form = {
		.numbers = { htonl(setup->runs), htonl(setup->is_first), htonl(setup->peer_port),
			     htonl(setup->partner_port), htonl(setup->partner_vsock),
			     htonl(setup->partner_cid) },
	};

	memcpy(form.name, setup->name, sizeof(form.name));
	memcpy(form.peer, setup->peer, sizeof(form.peer));
	return wire_send(fd, WIRE_SETUP, &form, sizeof(form), deadline, why);
}

bool wire_is_part_of_hello(const uint8_t *bytes, size_t n)
{
	const struct header hello = { htonl(WIRE_MAGIC), htonl(WIRE_VERSION), htonl(WIRE_HELLO),
				      htonl(WIRE_HELLO_SIZE - sizeof(hello)) };
	size_t known = n < sizeof(hello.magic) ? n : n < sizeof(hello) ? sizeof(hello.magic) :
							sizeof(hello);

	return n < WIRE_HELLO_SIZE && !memcmp(bytes, &hello, known);
}

int wire_receive(int fd, struct wire_message *m, deadline_t deadline, struct why *why)
{
	struct header header;

	if (transport_read_all(fd, &header, sizeof(header), deadline, why) < 0)
		return -1;
	if (ntohl(header.magic) != WIRE_MAGIC) {
		why_set(why, "the other side does not speak virtbench's protocol");
		return -1;
	}
	if (ntohl(header.version) != WIRE_VERSION) {
		why_set(why, "the other side speaks version %u of the protocol and this one %u; "
			"take virtbench and virtclient from the same build",
			ntohl(header.version), WIRE_VERSION);
		return -1;
	}
	m->type = ntohl(header.type);
	m->size = ntohl(header.size);
	if (m->size > WIRE_BODY_MAX) {
		why_set(why, "a message of %u bytes came, more than any has", m->size);
		return -1;
	}
	m->body[m->size] = 0;
	return m->size ? transport_read_all(fd, m->body, m->size, deadline, why) : 0;
}

bool wire_number(const struct wire_message *m, uint32_t *number)
{
	if (m->size != sizeof(*number))
		return false;
	memcpy(number, m->body, sizeof(*number));
	*number = ntohl(*number);
	return true;
}

bool wire_setup(const struct wire_message *m, struct setup *setup)
{
	struct wire_form_of_setup form;

	if (m->type != WIRE_SETUP || m->size != sizeof(form))
		return false;
	memcpy(&form, m->body, sizeof(form));
	if (!memchr(form.name, 0, sizeof(form.name)) || !memchr(form.peer, 0, sizeof(form.peer)))
		return false;
	memcpy(setup->name, form.name, sizeof(form.name));
	memcpy(setup->peer, form.peer, sizeof(form.peer));
	setup->runs = ntohl(form.numbers[0]);
	setup->is_first = ntohl(form.numbers[1]);
	setup->peer_port = ntohl(form.numbers[2]);
	setup->partner_port = ntohl(form.numbers[3]);
	setup->partner_vsock = ntohl(form.numbers[4]);
	setup->partner_cid = ntohl(form.numbers[5]);
	return true;
}

const char *wire_text(struct wire_message *m)
{
	for (uint32_t i = 0; i < m->size; i++)
		if (m->body[i] < ' ' || m->body[i] > '~')
			m->body[i] = '?';
	return (const char *)m->body;
}
