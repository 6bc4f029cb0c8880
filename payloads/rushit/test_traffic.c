#include "exits.h"
#include "test.h"

/* Where whole bytes flow, in which direction none did; NULL: in none that was asked for. */
static const char *silent_direction(const struct test *t, const struct totals *done)
{
	const struct settings *s = t->settings;
	bool unread = t->peer_known && !t->peer.bytes_read;

	/* A socket takes data that nobody ever reads. */
	if (unread && !done->bytes_read)
		return "nothing arrived: what was written, neither end has read";
	/* A throughput of 0 would be no news of the network. */
	if (s->enable_read && !done->bytes_read)
		return "nothing arrived here: does the other end write (--enable-write)?";
	if (s->enable_write && unread)
		return "nothing of what was written here was read: does the other end read "
		       "(--enable-read)?";
	return NULL;
}

void test_check_traffic(struct test *t)
{
	const struct settings *s = t->settings;
	struct totals done = window_done(&t->window);
	const char *unit = settings_unit(s), *silent;

	if (atomic_load(&t->run.refused) && !t->peer.transactions)
		test_fail(t, EXIT_FAIL, "no datagram reached the server: its machine refuses them, "
			  "nobody listens on port %s", s->port);
	else if (s->kind == KIND_PACKETS && s->client && t->peer_known && !t->peer.transactions)
		test_fail(t, EXIT_FAIL, "no datagram reached the server; is something in the way "
			  "of port %s?", s->port);
	/* Requests that nobody answers are written all the same. */
	else if (unit ? !done.transactions : !done.bytes_read && !done.bytes_written)
		test_fail(t, EXIT_FAIL, "nothing was done while it was measured: no %s",
			  unit ? unit : "data moved");
	else if (s->kind == KIND_STREAM && (silent = silent_direction(t, &done)))
		test_fail(t, EXIT_FAIL, "%s", silent);
}
