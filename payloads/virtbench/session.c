#include "session.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "clock.h"
#include "console.h"
#include "wire.h"

/* More than what machines allow themselves: then their reason comes, and they are not lost. */
#define READY_LIMIT_MS (SETUP_LIMIT_MS + 15000)
#define ANSWER_LIMIT_MS (RUN_LIMIT_MS + 15000)

int choose_machines(struct chosen *chosen, const struct fleet *fleet, enum benchmark_kind kind,
		    struct random *random, struct why *why)
{
	int left[MACHINES_MAX], n = 0, wanted = kind == ON_ONE ? 1 : 2;

	for (int i = 0; i < fleet->n; i++)
		if (fleet->machines[i].fd >= 0)
			left[n++] = i;
	if (n < wanted) {
		why_set(why, "needs %d machine%s, and %d of %d %s left", wanted,
			wanted == 1 ? "" : "s", n, fleet->n, n == 1 ? "is" : "are");
		return -1;
	}
	chosen->n = wanted;
	for (int i = 0; i < wanted; i++) {
		int drawn = (int)random_below(random, (uint64_t)n);

		chosen->machine[i] = left[drawn];
		left[drawn] = left[--n];
	}
	return 0;
}

static void lose(struct fleet *fleet, int id, struct why *why)
{
	char reason[sizeof(why->text)];

	snprintf(reason, sizeof(reason), "%s", why->text);
	why_set(why, "machine %d is lost: %.200s", id, reason);
	console_tell(id);
	close(fleet->machines[id].fd);
	fleet->machines[id].fd = -1;
}

/*
 * The next word of a machine, which must be `expected` or an end of its own accord.
 * SAMPLE_TAKEN when it is the expected.
 */
static enum sample_end hear(struct fleet *fleet, int id, enum wire_type expected,
			    struct wire_message *m, struct why *why)
{
	deadline_t deadline =
		deadline_in_ms(expected == WIRE_READY ? READY_LIMIT_MS : ANSWER_LIMIT_MS);

	if (wire_receive(fleet->machines[id].fd, m, deadline, why) < 0) {
		lose(fleet, id, why);
		return SAMPLE_FAILED;
	}
	if (m->type == expected)
		return SAMPLE_TAKEN;
	if (m->type == WIRE_SKIP) {
		why_set(why, "%s", wire_text(m));
		return SAMPLE_SKIPPED;
	}
	if (m->type == WIRE_FAILED) {
		why_set(why, "on machine %d: %.200s", id, wire_text(m));
		return SAMPLE_FAILED;
	}
	why_set(why, "it sent a message of type %u instead of %u", m->type, expected);
	lose(fleet, id, why);
	return SAMPLE_FAILED;
}

/* A side that is set up and whose sample comes to nothing: wait until it is free again. */
static void call_off(struct fleet *fleet, int id)
{
	struct wire_message m;
	struct why why;

	if (fleet->machines[id].fd < 0)
		return;
	if (wire_send(fleet->machines[id].fd, WIRE_STOP, NULL, 0,
		      deadline_in_ms(ANSWER_LIMIT_MS), &why) < 0)
		lose(fleet, id, &why);
	else
		hear(fleet, id, WIRE_DONE, &m, &why);
}

static enum sample_end set_up(struct fleet *fleet, int id, const struct setup *setup,
			      uint32_t *port, struct why *why)
{
	struct wire_message ready;
	enum sample_end end;

	if (wire_send_setup(fleet->machines[id].fd, setup, deadline_in_ms(ANSWER_LIMIT_MS),
			    why) < 0) {
		lose(fleet, id, why);
		return SAMPLE_FAILED;
	}
	end = hear(fleet, id, WIRE_READY, &ready, why);
	if (end == SAMPLE_TAKEN && !wire_number(&ready, port)) {
		why_set(why, "it is ready, but does not say on which port");
		lose(fleet, id, why);
		return SAMPLE_FAILED;
	}
	return end;
}

static enum sample_end set_up_all(struct fleet *fleet, const struct chosen *chosen,
				  struct setup *setup, struct why *why)
{
	uint32_t port = 0;

	for (int i = 0; i < chosen->n; i++) {
		const struct connected *machine = &fleet->machines[chosen->machine[i]];
		enum sample_end end;

		setup->is_first = i == 0;
		setup->peer_port = port;
		setup->partner_cid = machine->is_here ? VMADDR_CID_LOCAL : 0;
		if (chosen->n == 2)
			snprintf(setup->peer, sizeof(setup->peer), "%.63s",
				 fleet->machines[chosen->machine[!i]].address);
		end = set_up(fleet, chosen->machine[i], setup, &port, why);
		if (end != SAMPLE_TAKEN) {
			if (i)
				call_off(fleet, chosen->machine[0]);
			return end;
		}
	}
	return SAMPLE_TAKEN;
}

/* Which of the machines that are not done yet has something to say, or is gone. */
static int next_to_speak(const struct fleet *fleet, const struct chosen *chosen, const bool *done)
{
	struct pollfd fds[2];

	for (int i = 0; i < 2; i++) {
		fds[i].fd = i < chosen->n && !done[i] ? fleet->machines[chosen->machine[i]].fd : -1;
		fds[i].events = POLLIN;
		fds[i].revents = 0;
	}
	poll(fds, 2, ANSWER_LIMIT_MS);
	/* When nobody speaks, who is asked next will be found lost. */
	return fds[1].revents || fds[0].fd < 0 ? 1 : 0;
}

/* Until all are done, or with `until_one` the first; `ns` is when. */
static enum sample_end wait_for_all(struct fleet *fleet, const struct chosen *chosen,
				    bool until_one, uint64_t *ns, struct why *why)
{
	bool done[2] = { false, chosen->n < 2 };

	while (!done[0] || !done[1]) {
		int i = next_to_speak(fleet, chosen, done);
		struct wire_message m;
		enum sample_end end = hear(fleet, chosen->machine[i], WIRE_DONE, &m, why);

		*ns = clock_ns();
		done[i] = true;
		if (end != SAMPLE_TAKEN || until_one) {
			if (!done[!i])
				call_off(fleet, chosen->machine[!i]);
			return end;
		}
	}
	return SAMPLE_TAKEN;
}

/* "Done" that is said before the start would make a sample of no time. */
static bool is_silent(struct fleet *fleet, const struct chosen *chosen, struct why *why)
{
	for (int i = 0; i < chosen->n; i++) {
		int id = chosen->machine[i];
		struct pollfd word = { .fd = fleet->machines[id].fd, .events = POLLIN };

		if (poll(&word, 1, 0) == 0)
			continue;
		why_set(why, "it spoke, or closed its connection, before it was told to begin");
		lose(fleet, id, why);
		if (chosen->n == 2)
			call_off(fleet, chosen->machine[!i]);
		return false;
	}
	return true;
}

enum sample_end take_sample(struct fleet *fleet, const struct chosen *chosen,
			    const struct partner *partner, const struct benchmark *benchmark,
			    uint32_t runs, double *ns, struct why *why)
{
	struct setup setup = {
		.runs = runs,
		.partner_port = partner->port,
		.partner_vsock = partner->vsock_port,
	};
	enum sample_end end;
	uint64_t begin, done;

	snprintf(setup.name, sizeof(setup.name), "%s", benchmark->name);
	end = set_up_all(fleet, chosen, &setup, why);
	if (end != SAMPLE_TAKEN)
		return end;
	if (!is_silent(fleet, chosen, why))
		return SAMPLE_FAILED;
	begin = clock_ns();
	for (int i = 0; i < chosen->n; i++) {
		int id = chosen->machine[i];

		if (wire_send(fleet->machines[id].fd, WIRE_GO, NULL, 0,
			      deadline_in_ms(ANSWER_LIMIT_MS), why) < 0) {
			lose(fleet, id, why);
			if (chosen->n == 2)
				call_off(fleet, chosen->machine[!i]);
			return SAMPLE_FAILED;
		}
	}
	end = wait_for_all(fleet, chosen, benchmark->kind == ON_PAIR_UNTIL_ONE, &done, why);
	*ns = (double)(done - begin);
	return end;
}
