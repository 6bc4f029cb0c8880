/* The half that measures one way. */
#include "measure.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "exits.h"
#include "json.h"

/* As the counters of two cores may differ by this, a stamp may seem to come before its cause. */
#define TOLERANCE_US 1.0

/* The ancestor's words, with the CID that is the peer's. */
static void greet(const struct address *peer)
{
	const struct sockaddr_vm *vm = (const struct sockaddr_vm *)&peer->storage;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&peer->storage;
	char text[INET_ADDRSTRLEN];

	if (peer->family == AF_VSOCK)
		fprintf(stderr, "Connection from cid %u port %u...\n", vm->svm_cid, vm->svm_port);
	else if (peer->family == AF_INET)
		fprintf(stderr, "Connection from client address '%s' at port %u ...\n",
			inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)),
			ntohs(in->sin_port));
	else
		fprintf(stderr, "Connection from ...\n");
}

/* One connection to our address, or -1 with `why`. */
static int accept_one(const struct measure *m, struct address *peer, struct why *why)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&m->address.storage;
	int fd, listener = transport_listen(&m->address, SOCK_STREAM, 1, why);

	if (listener < 0)
		return -1;
	fd = transport_accept(listener, peer, deadline_in_ms(m->patience_ms), why);
	close(listener);
	if (m->address.family == AF_UNIX && un->sun_path[0])
		unlink(un->sun_path);
	return fd;
}

/* Whether a message of the exchange was sent on schedule, not after the answer to the one before. */
static bool is_open_loop(const struct measure *m, const struct exchange *e)
{
	return m->plan.size >= SMALLEST_OPEN_MESSAGE && e->intended[0];
}

/* In a closed loop the next message is sent after the answer to this one was heard. */
static struct offset_bounds bounds_of(const struct exchange *e)
{
	return offset_bound(e->sent, e->received, e->done, e->sent + 1, e->done - 1);
}

/*
 * Bounds that exclude each other: the client's clock runs at another rate, or was set
 * in mid-run.
 */
static int check_steady(const struct measure *m, const struct offset_bounds *b)
{
	double apart = stamp_to_us(&m->clock, -2 * offset_error(b));

	if (apart <= TOLERANCE_US)
		return EXIT_PASS;
	return complain("the client's clock moved against ours by at least %.1f us in mid-run "
			"(migration, suspend, a changed offset, or another rate): no one-way time "
			"can be told", apart);
}

/* Is it possible?  The client's stamps are by our clock already: what is left should be 0. */
static int check_possible(const struct measure *m, const struct offset *o,
			  const struct offset_bounds *left)
{
	double early = stamp_to_us(&m->clock, (double)left->low);
	double late = -stamp_to_us(&m->clock, (double)left->high);
	double wrong = early > late ? early : late;

	if (wrong <= TOLERANCE_US)
		return EXIT_PASS;
	return complain("the offset is wrong by at least %.1f us: %s; stamps say it is near "
			"%lld (-s estimate finds it)", wrong,
			early > late ? "messages came before they were sent"
				     : "answers came before they were given",
			(long long)(o->ticks + offset_middle(left)));
}

/* In an open loop the next message does not wait for an answer: that all is too late is not seen. */
static int check_not_early(const struct measure *m, const struct exchange *e)
{
	struct offset_bounds left = offset_bound(e->sent, e->received, e->done, NULL, 0);
	double early = stamp_to_us(&m->clock, (double)left.low);

	if (early <= TOLERANCE_US)
		return EXIT_PASS;
	return complain("the offset is wrong by at least %.1f us: messages came before they were sent "
			"(-s estimate finds it, without --rate at the client)", early);
}

/* What the stamps alone say of the client's clock, in microseconds. */
struct estimate {
	bool made;		/* there is none in an open loop */
	double differs_us;	/* from the offset that was used */
	double error_us;
};

static struct estimate estimate_from(const struct measure *m, const struct offset_bounds *left)
{
	return (struct estimate){true, stamp_to_us(&m->clock, (double)offset_middle(left)),
				 stamp_to_us(&m->clock, offset_error(left))};
}

static void write_offset(const struct measure *m, const struct offset *o,
			 const struct estimate *e)
{
	static const char *const sources[] = {"given", "kvm", "estimated"};
	struct json j;

	if (!m->json) {
		printf("offset: %lld ticks (%s)", (long long)o->ticks, sources[m->source]);
		if (o->ratio)
			printf(", scaled by %llu / 2^%u", (unsigned long long)o->ratio,
			       o->fraction_bits);
		if (m->source == OFFSET_ESTIMATED)
			printf("; every one-way time may be wrong by %.1f us", e->error_us);
		else if (e->made)
			printf("; an estimate from the stamps differs by %.1f us, and may be wrong "
			       "by %.1f us", e->differs_us, e->error_us);
		putchar('\n');
		return;
	}
	json_begin_line(&j, stdout);
	json_string(&j, "type", "offset");
	json_string(&j, "source", sources[m->source]);
	json_int(&j, "ticks", o->ticks);
	json_uint(&j, "scaling_ratio", o->ratio);
	json_uint(&j, "fraction_bits", o->fraction_bits);
	json_double(&j, "error_us", m->source == OFFSET_ESTIMATED ? e->error_us : 0);
	if (e->made && m->source != OFFSET_ESTIMATED) {
		json_double(&j, "estimate_differs_us", e->differs_us);
		json_double(&j, "estimate_error_us", e->error_us);
	}
	json_end_line(&j);
}

/* Turn the client's stamps into ours.  EXIT_PASS, or what was complained about. */
static int translate(const struct measure *m, struct offset *o, struct exchange *e)
{
	bool closed = !is_open_loop(m, e);
	struct offset_bounds bounds;
	struct estimate estimate = {0};

	if (m->source == OFFSET_ESTIMATED && !closed)
		return complain("an offset can be estimated only in a closed loop; leave out "
				"--rate at the client");
	if (m->source == OFFSET_ESTIMATED) {
		bounds = bounds_of(e);
		if (check_steady(m, &bounds))
			return EXIT_ERROR;
		*o = (struct offset){.ticks = offset_middle(&bounds)};
		estimate = estimate_from(m, &bounds);
	}
	for (size_t i = 0; i < e->done; i++) {
		e->sent[i] = (uint64_t)offset_to_ours(o, e->sent[i]);
		if (!closed)
			e->intended[i] = (uint64_t)offset_to_ours(o, e->intended[i]);
	}
	if (m->source != OFFSET_ESTIMATED && closed) {
		bounds = bounds_of(e);
		if (check_steady(m, &bounds) || check_possible(m, o, &bounds))
			return EXIT_ERROR;
		estimate = estimate_from(m, &bounds);
	}
	if (!closed && check_not_early(m, e))
		return EXIT_ERROR;
	write_offset(m, o, &estimate);
	return EXIT_PASS;
}

/* Whether the kernel takes the counter for a clock at all: if not, it says so here. */
static bool host_trusts_its_counter(void)
{
	char sources[256] = "";
	FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/available_clocksource",
			   "re");

	if (!file || !fgets(sources, sizeof(sources), file))
		strcpy(sources, "tsc");
	if (file)
		fclose(file);
	return strstr(sources, "tsc");
}

/* Read KVM's offset again: it must be what it was. */
static int check_unchanged(const struct measure *m, const struct offset *before)
{
	struct offset after;
	struct why why;

	if (m->source != OFFSET_FROM_KVM)
		return EXIT_PASS;
	if (offset_read_kvm(&after, m->kvm_folder, m->vm, m->vcpu, &why))
		return complain("after the run: %s", why.text);
	if (offset_same(before, &after))
		return EXIT_PASS;
	return complain("the guest's counter offset changed in mid-run, from %lld to %lld: no "
			"one-way time can be told%s", (long long)before->ticks,
			(long long)after.ticks, host_trusts_its_counter() ? "" :
			"; this host's kernel calls its own counter unstable (dmesg | grep TSC), and "
			"then KVM sets the guest's anew each time it runs it");
}

static int tell_one_way(const struct measure *m, const struct exchange *e)
{
	double *values = calloc(e->done, sizeof(*values));
	int status = EXIT_PASS;

	if (!values)
		return complain("no memory for the results; ask for fewer messages with -n");
	if (is_open_loop(m, e)) {
		for (size_t i = 0; i < e->done; i++)
			values[i] = (double)(int64_t)(e->received[i] - e->intended[i]);
		status = measure_tell(m, "one-way response", values, e->done, false);
	}
	for (size_t i = 0; i < e->done; i++)
		values[i] = (double)(int64_t)(e->received[i] - e->sent[i]);
	if (status == EXIT_PASS)
		status = measure_tell(m, "one-way", values, e->done, true);
	free(values);
	return status;
}

static int serve(const struct measure *m, struct exchange *e)
{
	struct offset offset = m->offset;
	struct address peer;
	struct why why;
	int fd, status;

	fd = accept_one(m, &peer, &why);
	if (fd < 0)
		return complain("%s", why.text);
	greet(&peer);
	/* After the connection: the guest was started by then. */
	if (m->source == OFFSET_FROM_KVM &&
	    offset_read_kvm(&offset, m->kvm_folder, m->vm, m->vcpu, &why)) {
		close(fd);
		return complain("%s", why.text);
	}
	status = exchange_serve(fd, &m->plan, e, &why);
	close(fd);
	if (status)
		return complain("at message %zu of %zu: %s; client and server need the same -n and "
				"--size", e->done + 1, m->plan.count, why.text);
	if (check_unchanged(m, &offset) || translate(m, &offset, e))
		return EXIT_ERROR;
	measure_tell_placement(m, e);
	return tell_one_way(m, e);
}

int measure_serve(const struct measure *m)
{
	struct exchange e;
	struct why why;
	int status;

	if (exchange_new(&e, m->plan.count, &why))
		return complain("%s", why.text);
	status = serve(m, &e);
	exchange_free(&e);
	return status;
}
