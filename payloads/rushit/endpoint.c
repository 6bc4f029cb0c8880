#include "endpoint.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

#define DEFAULT_UNIX_NAME "@rushit"

static void point_at_storage(struct endpoint *e)
{
	e->info.ai_addr = (struct sockaddr *)&e->storage;
	e->info.ai_next = NULL;
	e->info.ai_canonname = NULL;
}

void endpoint_copy(struct endpoint *to, const struct endpoint *from)
{
	*to = *from;
	point_at_storage(to);
}

static void from_address(struct endpoint *e, const struct address *a, int socket_type)
{
	memset(e, 0, sizeof(*e));
	e->info.ai_family = a->family;
	e->info.ai_socktype = socket_type;
	e->info.ai_addrlen = a->size;
	memcpy(&e->storage, &a->storage, a->size);
	point_at_storage(e);
}

/* A number from 0 to `most`; -1 and a reason otherwise. */
static int64_t number_of(const char *text, int64_t most, const char *what, struct why *why)
{
	char *end;
	long long value = strtoll(text, &end, 10);

	if (end == text || *end || value < 0 || value > most) {
		why_set(why, "%s '%s' is no number from 0 to %lld", what, text, (long long)most);
		return -1;
	}
	return value;
}

static int unix_endpoint(const struct settings *s, const char *port, int offset, int socket_type,
			 struct endpoint *e, struct why *why)
{
	int64_t number = number_of(port, UINT32_MAX, "the port", why);
	char path[512];
	struct address a;

	if (number < 0)
		return -1;
	snprintf(path, sizeof(path), "%s.%lld", s->host ? s->host : DEFAULT_UNIX_NAME,
		 (long long)number + offset);
	if (address_unix(&a, path, why))
		return -1;
	from_address(e, &a, socket_type);
	return 1;
}

static int vsock_endpoint(const struct settings *s, const char *port, int offset, int socket_type,
			  struct endpoint *e, struct why *why)
{
	const char *host = s->host ? s->host : s->client ? "local" : "any";
	int64_t number = number_of(port, UINT32_MAX - 1, "the port", why);
	char text[128];
	struct address a;

	if (number < 0)
		return -1;
	snprintf(text, sizeof(text), "vsock:%s:%lld", host, (long long)number + offset);
	if (address_parse(&a, text, why))
		return -1;
	from_address(e, &a, socket_type);
	return 1;
}

static int inet_endpoints(const struct settings *s, const char *port, int socket_type,
			  struct endpoint *found, struct why *why)
{
	struct addrinfo *list, hints = {
		.ai_family = s->ipv4 == s->ipv6 ? AF_UNSPEC : s->ipv4 ? AF_INET : AF_INET6,
		.ai_socktype = socket_type,
		.ai_flags = s->client ? 0 : AI_PASSIVE,
	};
	int status = getaddrinfo(s->host, port, &hints, &list);
	int count = 0;

	if (status) {
		why_set(why, "cannot find host '%s' port '%s': %s", s->host ? s->host : "",
			port, gai_strerror(status));
		return -1;
	}
	for (int pass = 0; pass < 2; pass++) {
		/* A server for all addresses takes IPv6's any: it is IPv4's as well. */
		for (struct addrinfo *at = list; at; at = at->ai_next) {
			bool first = s->client || s->host || at->ai_family == AF_INET6;

			if (first == !pass && count < MOST_ENDPOINTS) {
				found[count].info = *at;
				memcpy(&found[count].storage, at->ai_addr, at->ai_addrlen);
				point_at_storage(&found[count++]);
			}
		}
	}
	freeaddrinfo(list);
	return count;
}

int endpoint_server(const struct settings *s, const char *port, int socket_type,
		    struct endpoint *found, struct why *why)
{
	if (s->transport == TRANSPORT_UNIX)
		return unix_endpoint(s, port, 0, socket_type, found, why);
	if (s->transport == TRANSPORT_VSOCK)
		return vsock_endpoint(s, port, 0, socket_type, found, why);
	return inet_endpoints(s, port, socket_type, found, why);
}

static int inet_port(const char *port, int offset, in_port_t *number, struct why *why)
{
	struct addrinfo *list, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	int status = getaddrinfo(NULL, port, &hints, &list);
	int sum;

	if (status) {
		why_set(why, "port '%s' is not known: %s", port, gai_strerror(status));
		return -1;
	}
	sum = ntohs(((struct sockaddr_in *)list->ai_addr)->sin_port) + offset;
	freeaddrinfo(list);
	if (sum > 65535) {
		why_set(why, "port %d is too high: thread i uses port %s + i", sum, port);
		return -1;
	}
	*number = htons((in_port_t)sum);
	return 0;
}

int endpoint_move(struct endpoint *e, const struct settings *s, const char *port, int offset,
		  struct why *why)
{
	int type = e->info.ai_socktype;
	in_port_t number;

	if (s->transport == TRANSPORT_UNIX)
		return unix_endpoint(s, port, offset, type, e, why) < 0 ? -1 : 0;
	if (s->transport == TRANSPORT_VSOCK)
		return vsock_endpoint(s, port, offset, type, e, why) < 0 ? -1 : 0;
	if (inet_port(port, offset, &number, why))
		return -1;
	if (e->info.ai_family == AF_INET6)
		((struct sockaddr_in6 *)&e->storage)->sin6_port = number;
	else
		((struct sockaddr_in *)&e->storage)->sin_port = number;
	return 0;
}

int endpoint_local(const struct settings *s, const struct endpoint *peer, struct endpoint *local,
		   struct why *why)
{
	struct addrinfo *list, hints = {
		.ai_family = peer->info.ai_family,
		.ai_socktype = peer->info.ai_socktype,
		.ai_flags = AI_PASSIVE,
	};
	int status;

	if (s->transport != TRANSPORT_INET) {
		why_set(why, "--local-host is for TCP and UDP only");
		return -1;
	}
	status = getaddrinfo(s->local_host, "0", &hints, &list);
	if (status) {
		why_set(why, "cannot find local host '%s': %s", s->local_host,
			gai_strerror(status));
		return -1;
	}
	local->info = *list;
	memcpy(&local->storage, list->ai_addr, list->ai_addrlen);
	point_at_storage(local);
	freeaddrinfo(list);
	return 0;
}

struct address endpoint_address(const struct endpoint *e)
{
	return (struct address){
		.family = e->info.ai_family,
		.size = e->info.ai_addrlen,
		.storage = e->storage,
	};
}

const char *endpoint_format(const struct endpoint *e, char *text, size_t size)
{
	const struct address a = endpoint_address(e);

	return address_format(&a, text, size);
}

static bool is_path(const struct endpoint *e)
{
	const struct sockaddr_un *sun = (const struct sockaddr_un *)&e->storage;

	return e->info.ai_family == AF_UNIX && sun->sun_path[0];
}

int endpoint_bind(int fd, const struct endpoint *e, struct why *why)
{
	const struct address a = endpoint_address(e);
	int status = bind(fd, e->info.ai_addr, e->info.ai_addrlen);
	char text[160];

	if (status && errno == EADDRINUSE && transport_is_stale(&a, e->info.ai_socktype)) {
		endpoint_unlink(e);
		status = bind(fd, e->info.ai_addr, e->info.ai_addrlen);
	}
	if (status && errno == EADDRINUSE)
		why_set(why, "cannot bind to %s: %s; is another server running?",
			address_format(&a, text, sizeof(text)), strerror(errno));
	else if (status)
		why_errno(why, errno, "cannot bind to %s", address_format(&a, text, sizeof(text)));
	return status;
}

void endpoint_unlink(const struct endpoint *e)
{
	if (is_path(e))
		unlink(((const struct sockaddr_un *)&e->storage)->sun_path);
}
