#include "xenstore.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define ANSWER_LIMIT_MS 5000
#define PAYLOAD_MAX 4096

/* The wire protocol: a header, then `size` bytes; names end with a NUL, values do not. */
enum request { REQUEST_READ = 2, REQUEST_WRITE = 11, REQUEST_REMOVE = 13, ANSWER_ERROR = 16 };

struct header {
	uint32_t type;
	uint32_t request;
	uint32_t transaction;
	uint32_t size;
};

int xenstore_open(struct xenstore *s)
{
	s->fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (s->fd < 0 && errno == ENOENT)
		s->fd = open("/proc/xen/xenbus", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return s->fd < 0 ? -errno : 0;
}

void xenstore_close(struct xenstore *s)
{
	close(s->fd);
}

static int error_number(const char *name)
{
	static const struct { const char *name; int number; } known[] = {
		{ "EACCES", EACCES }, { "EEXIST", EEXIST }, { "EINVAL", EINVAL },
		{ "EISDIR", EISDIR }, { "ENOENT", ENOENT }, { "ENOMEM", ENOMEM },
		{ "ENOSPC", ENOSPC }, { "EIO", EIO }, { "ENOTEMPTY", ENOTEMPTY },
		{ "ENOSYS", ENOSYS }, { "EROFS", EROFS }, { "EBUSY", EBUSY },
		{ "EAGAIN", EAGAIN }, { "EISCONN", EISCONN }, { "E2BIG", E2BIG },
		{ "EPERM", EPERM }, { "EQUOTA", ENOSPC },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(name, known[i].name))
			return known[i].number;
	return EPROTO;
}

static int send_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t sent = write(fd, bytes, size);

		if (sent < 0)
			return -errno;
		bytes += sent;
		size -= (size_t)sent;
	}
	return 0;
}

static int receive_all(int fd, char *bytes, size_t size, deadline_t deadline)
{
	while (size) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&ready, 1, deadline_poll_ms(deadline)) < 0 && errno != EINTR)
			return -errno;
		got = read(fd, bytes, size);
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (got < 0 && deadline_passed(deadline))
			return -ETIMEDOUT;
		if (got > 0) {
			bytes += got;
			size -= (size_t)got;
		}
	}
	return 0;
}

/* The answer's payload goes to `answer` (PAYLOAD_MAX + 1 bytes); its length or -errno. */
static int ask(struct xenstore *s, enum request type, const char *payload, size_t size,
	       char *answer)
{
	char message[sizeof(struct header) + PAYLOAD_MAX];
	struct header header = { .type = type, .size = (uint32_t)size };
	deadline_t deadline = deadline_in_ms(ANSWER_LIMIT_MS);
	int error;

	if (size > PAYLOAD_MAX)
		return -E2BIG;
	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), payload, size);
	error = send_all(s->fd, message, sizeof(header) + size);
	if (!error)
		error = receive_all(s->fd, (char *)&header, sizeof(header), deadline);
	if (!error && header.size > PAYLOAD_MAX)
		return -EPROTO;
	if (!error)
		error = receive_all(s->fd, answer, header.size, deadline);
	if (error)
		return error;
	answer[header.size] = '\0';
	if (header.type == ANSWER_ERROR)
		return -error_number(answer);
	return header.type == type ? (int)header.size : -EPROTO;
}

int xenstore_read(struct xenstore *s, const char *path, char *value, size_t size)
{
	char answer[PAYLOAD_MAX + 1];
	int length = ask(s, REQUEST_READ, path, strlen(path) + 1, answer);

	if (length < 0)
		return length;
	snprintf(value, size, "%s", answer);
	return (int)strlen(value);
}

int xenstore_write(struct xenstore *s, const char *path, const char *value)
{
	char payload[PAYLOAD_MAX], answer[PAYLOAD_MAX + 1];
	size_t path_size = strlen(path) + 1, value_size = strlen(value);
	int result;

	if (path_size + value_size > sizeof(payload))
		return -E2BIG;
	memcpy(payload, path, path_size);
	memcpy(payload + path_size, value, value_size);
	result = ask(s, REQUEST_WRITE, payload, path_size + value_size, answer);
	return result < 0 ? result : 0;
}

int xenstore_remove(struct xenstore *s, const char *path)
{
	char answer[PAYLOAD_MAX + 1];
	int result = ask(s, REQUEST_REMOVE, path, strlen(path) + 1, answer);

	return result < 0 ? result : 0;
}
