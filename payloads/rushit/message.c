#include "message.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "settings.h"

#define SECRET_SIZE 32
#define MOST_FLOWS 1000000
#define MOST_THREADS 4096
#define MOST_SECONDS 200000000u

static const char secret[SECRET_SIZE] = "rushit control port secret";

/* Where the next number stands; encode and decode walk the same fields in the same order. */
struct cursor {
	uint8_t *at;
	bool writing;
};

static void field32(struct cursor *c, uint32_t *value)
{
	uint32_t raw = htobe32(*value);

	if (c->writing) {
		memcpy(c->at, &raw, sizeof(raw));
	} else {
		memcpy(&raw, c->at, sizeof(raw));
		*value = be32toh(raw);
	}
	c->at += sizeof(raw);
}

static void field64(struct cursor *c, uint64_t *value)
{
	uint64_t raw = htobe64(*value);

	if (c->writing) {
		memcpy(c->at, &raw, sizeof(raw));
	} else {
		memcpy(&raw, c->at, sizeof(raw));
		*value = be64toh(raw);
	}
	c->at += sizeof(raw);
}

static void walk(struct cursor *c, struct message *m, uint32_t *version)
{
	uint32_t type = m->type;

	field32(c, version);
	field32(c, &m->magic);
	field32(c, &type);
	m->type = type;
	field32(c, &m->kind);
	field32(c, &m->socket_type);
	field32(c, &m->threads);
	field32(c, &m->flows);
	field32(c, &m->request_size);
	field32(c, &m->response_size);
	field32(c, &m->run_seconds);
	field64(c, &m->tally.elapsed_ns);
	field64(c, &m->tally.transactions);
	field64(c, &m->tally.bytes_read);
	field64(c, &m->tally.bytes_written);
	field64(c, &m->tally.cpu_ns);
}

void message_encode(const struct message *m, uint8_t bytes[MESSAGE_SIZE])
{
	struct cursor c = {.at = bytes + SECRET_SIZE, .writing = true};
	struct message copy = *m;
	uint32_t version = PROTOCOL_VERSION;

	memset(bytes, 0, MESSAGE_SIZE);
	memcpy(bytes, secret, SECRET_SIZE);
	walk(&c, &copy, &version);
	memcpy(c.at, m->text, MESSAGE_TEXT);
}

static bool is_text(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	if (length == size)
		return false;
	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

static bool within_bounds(const struct message *m)
{
	return m->type >= MESSAGE_HELLO && m->type <= MESSAGE_RESULT &&
	       m->kind <= KIND_PACKET_RR && m->threads >= 1 && m->threads <= MOST_THREADS &&
	       m->flows >= 1 && m->flows <= MOST_FLOWS && m->run_seconds <= MOST_SECONDS;
}

/* The version comes before the size: another version's messages may be of another size. */
static bool is_other_version(const uint8_t *bytes, size_t size)
{
	uint32_t version;

	if (size < SECRET_SIZE + sizeof(version))
		return false;
	memcpy(&version, bytes + SECRET_SIZE, sizeof(version));
	return be32toh(version) != PROTOCOL_VERSION;
}

bool message_is_strange(const uint8_t *bytes, size_t size)
{
	return memcmp(bytes, secret, size < SECRET_SIZE ? size : SECRET_SIZE) ||
	       is_other_version(bytes, size);
}

enum message_problem message_decode(struct message *m, const uint8_t *bytes, size_t size,
				    uint32_t magic)
{
	uint8_t copy[MESSAGE_SIZE];
	struct cursor c = {.at = copy + SECRET_SIZE};
	uint32_t version;

	if (size < SECRET_SIZE || memcmp(bytes, secret, SECRET_SIZE))
		return MESSAGE_WRONG_SECRET;
	if (is_other_version(bytes, size))
		return MESSAGE_WRONG_VERSION;
	if (size != MESSAGE_SIZE)
		return MESSAGE_MALFORMED;
	memcpy(copy, bytes, MESSAGE_SIZE);
	memset(m, 0, sizeof(*m));
	walk(&c, m, &version);
	memcpy(m->text, c.at, MESSAGE_TEXT);
	if (m->magic != magic)
		return MESSAGE_WRONG_MAGIC;
	if (!within_bounds(m) || !is_text(m->text, sizeof(m->text)))
		return MESSAGE_MALFORMED;
	return MESSAGE_SOUND;
}

const char *message_problem_text(enum message_problem problem)
{
	switch (problem) {
	case MESSAGE_SOUND:
		return "is sound";
	case MESSAGE_WRONG_SECRET:
		return "does not know the secret: it is no rushit, or one that is too old";
	case MESSAGE_WRONG_VERSION:
		return "speaks another version of the protocol; use the same rushit on both ends";
	case MESSAGE_WRONG_MAGIC:
		return "has another --magic; give the same number on both ends";
	case MESSAGE_MALFORMED:
		break;
	}
	return "sends a message that makes no sense";
}
