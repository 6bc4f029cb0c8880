#include "stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "protocol.h"

int stream_set_buffer(int fd, uint64_t bytes, struct why *why)
{
	struct sockaddr own;
	socklen_t size = sizeof(own);

	if (getsockname(fd, &own, &size) || own.sa_family != AF_VSOCK)
		return 0;
	if (!setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &bytes, sizeof(bytes)) &&
	    !setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &bytes, sizeof(bytes)))
		return 0;
	why_errno(why, errno, "cannot set a vsock's buffer to %llu bytes",
		  (unsigned long long)bytes);
	return -1;
}

int stream_prepare(struct stream *s, struct why *why)
{
	s->out = malloc(s->segment);
	s->in = malloc(s->segment);
	if (!s->out || !s->in) {
		why_set(why, "no memory for two segments of %zu bytes", s->segment);
		return -1;
	}
	memset(s->out, FILL_BYTE, s->segment);
	memset(s->in, 0, s->segment);
	return 0;
}

void stream_release(struct stream *s)
{
	free(s->out);
	free(s->in);
	s->out = s->in = NULL;
}

static size_t next_size(const struct stream *s, uint64_t done)
{
	return s->bytes - done < s->segment ? s->bytes - done : s->segment;
}

/* What send or recv said: go on (0), or -1 with `why`. */
static int judge(ssize_t n, const char *what, const struct stream *s, uint64_t done,
		 deadline_t deadline, struct why *why)
{
	if (!n) {
		why_set(why, "the peer closed the connection after %llu of %llu bytes",
			(unsigned long long)done, (unsigned long long)s->bytes);
		return -1;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		why_errno(why, errno, "%s after %llu of %llu bytes", what,
			  (unsigned long long)done, (unsigned long long)s->bytes);
		return -1;
	}
	if ((n < 0 && errno == EAGAIN) || (done < s->bytes && deadline_passed(deadline))) {
		why_set(why, "%s: only %llu of %llu bytes within %llu ms", what,
			(unsigned long long)done, (unsigned long long)s->bytes,
			(unsigned long long)s->limit_ms);
		return -1;
	}
	return 0;
}

int stream_write(const struct stream *s, struct why *why)
{
	deadline_t deadline = deadline_in_ms(s->limit_ms);
	uint64_t done = 0;
	int status = 0;

	while (!status && done < s->bytes) {
		ssize_t n = send(s->fd, s->out, next_size(s, done), MSG_NOSIGNAL);

		done += n > 0 ? n : 0;
		status = judge(n, "write", s, done, deadline, why);
	}
	return status;
}

int stream_read(const struct stream *s, struct first_read *first, struct why *why)
{
	deadline_t deadline = deadline_in_ms(s->limit_ms);
	uint64_t done = 0;
	int status = 0;

	while (!status && done < s->bytes) {
		ssize_t n = recv(s->fd, s->in, next_size(s, done), 0);

		if (!done && n > 0 && first)
			*first = (struct first_read){clock_ns(), (size_t)n};
		done += n > 0 ? n : 0;
		status = judge(n, "read", s, done, deadline, why);
	}
	return status;
}

struct writer {
	const struct stream *stream;
	uint64_t end_ns;
	int status;
	struct why why;
};

static void *write_in_thread(void *context)
{
	struct writer *w = context;

	w->status = stream_write(w->stream, &w->why);
	w->end_ns = clock_ns();
	return NULL;
}

int stream_both(const struct stream *s, uint64_t *written_ns, uint64_t *read_ns, struct why *why)
{
	struct writer writer = {.stream = s};
	pthread_t thread;
	int status, error = pthread_create(&thread, NULL, write_in_thread, &writer);

	if (error) {
		why_errno(why, error, "thread");
		return -1;
	}
	status = stream_read(s, NULL, why);
	*read_ns = clock_ns();
	pthread_join(thread, NULL);
	*written_ns = writer.end_ns;
	if (!status && writer.status) {
		*why = writer.why;
		status = -1;
	}
	return status;
}
