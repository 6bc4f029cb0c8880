/* Addresses of the two ends, and sockets that are bound or connected to them. */
#ifndef RUSHIT_ENDPOINT_H
#define RUSHIT_ENDPOINT_H

#include <netdb.h>
#include <sys/socket.h>

#include "settings.h"
#include "transport.h"

/* `info` is what hooks are shown; its address is `storage`.  Copy with endpoint_copy(). */
struct endpoint {
	struct addrinfo info;
	struct sockaddr_storage storage;
};

void endpoint_copy(struct endpoint *to, const struct endpoint *from);

#define MOST_ENDPOINTS 8

/*
 * What the options say about the server's control or data port, best first: --host, and on
 * a server without it, all addresses.  The count, or -1.  Names are looked up here.
 */
int endpoint_server(const struct settings *s, const char *port, int socket_type,
		    struct endpoint *found, struct why *why);

/* The same host, port `port` + `offset` (a Unix path ends with the number). */
int endpoint_move(struct endpoint *e, const struct settings *s, const char *port, int offset,
		  struct why *why);

/* --local-host with any port, of the same family as `peer`; -1 when it has none. */
int endpoint_local(const struct settings *s, const struct endpoint *peer, struct endpoint *local,
		   struct why *why);

struct address endpoint_address(const struct endpoint *e);
const char *endpoint_format(const struct endpoint *e, char *text, size_t size);

/* bind(2); a Unix path that nobody listens on any more is removed first. */
int endpoint_bind(int fd, const struct endpoint *e, struct why *why);

/* Remove what a bound Unix socket left in the file system. */
void endpoint_unlink(const struct endpoint *e);

#endif
