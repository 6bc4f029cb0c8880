/* One whole test, as the main thread sees it; what it leaves is for the report. */
#ifndef RUSHIT_TEST_H
#define RUSHIT_TEST_H

#include "control.h"
#include "window.h"

struct test {
	const struct settings *settings;
	struct run run;
	struct worker **workers;
	int started;			/* workers */

	struct control_peer *peers;	/* client: the server; server: all clients */
	int peer_count;
	struct control_gathering seen;

	struct window window;
	bool measured;			/* the window was opened and closed */
	bool interrupted;		/* a signal, here or at the other end, ended it early */
	bool result_came;		/* client: the server's RESULT */
	bool until_reached;
	struct tally peer;		/* the other end's count, all clients together */
	bool peer_known;
	struct histogram *latency;	/* of all workers; NULL: none */
	uint64_t unanswered;
	long sample_rows;

	int status;
	struct why problem;		/* empty: none */
};

/* The whole test; `context` is a struct test with its settings set.  Its exit status. */
int test_run(void *context, struct script *script);
void test_free(struct test *t);

/* What the two sides' parts share. */
int test_start_workers(struct test *t);

/* Something that ends the run; the first reason counts.  Returns -1. */
int test_fail(struct test *t, int status, const char *text, ...)
	__attribute__((format(printf, 3, 4)));

enum event {
	EVENT_TIME,		/* the moment has come */
	EVENT_NEWS,		/* a message or a change of a worker */
	EVENT_INTERRUPT,
	EVENT_TROUBLE,		/* test_fail() was called */
};

/* Wait until something happens, at most until `moment_ns`. */
enum event test_wait(struct test *t, uint64_t moment_ns);

/* Measure: ticks and progress, until `length_s` is over or `over` says so.  0 or -1. */
int test_measure(struct test *t, double length_s, bool (*over)(struct test *t));

/* All workers are connected: begin. */
void test_go(struct test *t);

/* All workers leave their loops; their sockets stay open until both ends have stopped. */
void test_stop_workers(struct test *t);

/* A run in which nothing moved, or not both ways where it should, is no result. */
void test_check_traffic(struct test *t);

int test_client(struct test *t);
int test_server(struct test *t);

#endif
