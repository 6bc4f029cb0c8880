/*
 * Checks of sockets that have two sides, a client and a server: threads of one machine
 * or two machines, with a control connection between them.
 */
#ifndef VSOCK_SUITE_H
#define VSOCK_SUITE_H

#include <stdbool.h>
#include <stdint.h>

#include "transport.h"
#include "verdict.h"

/* Nothing to remark. */
#define PASSED ((struct verdict){.outcome = OUTCOME_PASS})

struct side {
	struct address peer;	/* the other side's machine */
	int control;
	uint32_t port;		/* of the case that runs */
	uint64_t seed;		/* of the case that runs, the same on both sides */
	uint64_t limit_ms;	/* of every call that waits */
	bool over;		/* the other side has ended the case; `theirs` is what it found */
	struct verdict theirs;
	struct why why;
};

struct suite_case {
	const char *name;
	struct verdict (*client)(struct side *s);
	struct verdict (*server)(struct side *s);
	/* Instead: on a stream between both, which the suite makes and closes. */
	struct verdict (*client_on)(struct side *s, int fd);
	struct verdict (*server_on)(struct side *s, int fd);
	bool vsock_only;	/* other families may do otherwise */
};

#define CASE(what, on_client, on_server, only) \
	{.name = what, .client = on_client, .server = on_server, .vsock_only = only}
#define STREAM_CASE(what, on_client, on_server, only) \
	{.name = what, .client_on = on_client, .server_on = on_server, .vsock_only = only}

extern const struct suite_case connection_cases[], data_cases[], message_cases[], reversed_cases[];

/* Case `index` of all tables, one after the other; NULL behind the last. */
const struct suite_case *suite_case_at(unsigned int index);

/* Have the other side run a case, run our half, and put both verdicts together. */
struct verdict suite_ask(struct side *s, unsigned int index, uint64_t seed);

/* Run what the other side asks for, until it leaves.  0, or -1 with `why`. */
int suite_serve(struct side *s);

/* Tell the other side that a point is reached; wait until it has told us.  0 or -1 with `why`. */
int side_tell(struct side *s);
int side_await(struct side *s);

/*
 * A connection of this case, blocking with the limit: the server listens and tells,
 * the client awaits that and connects.  -1 with `why`.
 */
int side_accept(struct side *s, int type);
int side_connect(struct side *s, int type);

/* A listener on the port of this case. */
int side_listen(struct side *s, int type, int backlog);

/* A socket that has the port of this case on this machine but is not connected or listening. */
struct address side_own_address(const struct side *s);

/* The other side's address for this case. */
struct address side_peer_address(const struct side *s);

/* A verdict of `why`. */
struct verdict side_failed(const struct side *s);

/* "The call said E1 (text) instead of E2 (text)" when errno is not `wanted`, else a pass. */
struct verdict expect_errno(const char *call, int result, int wanted);

#endif
