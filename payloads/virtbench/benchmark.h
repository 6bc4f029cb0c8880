/*
 * What a benchmark is, and what its client side may use.  A file in micro/ or inter/
 * defines one and registers it; nothing else names it.
 */
#ifndef VIRTBENCH_BENCHMARK_H
#define VIRTBENCH_BENCHMARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport.h"

/* Where in a page a buffer lies tells in how fast it is copied: not the linker's choice. */
#define FROM_A_PAGE_ON _Alignas(4096)

enum benchmark_kind {
	ON_ONE,			/* on one machine, chosen at random */
	ON_PAIR,		/* on two; the time ends when both are done */
	ON_PAIR_UNTIL_ONE,	/* on two; when the first is done the second is told to stop */
};

/* The machine that the client runs on. */
struct machine {
	const char *disk;	/* a file or block device to read from, or NULL */
};

struct session;

struct benchmark {
	const char *name;
	const char *pretty_name;	/* stands before the result: "Time for one ..." */
	enum benchmark_kind kind;
	/* NULL, or says why the benchmark cannot run here, or NULL when it can. */
	const char *(*should_not_run)(const struct machine *machine);
	/*
	 * In a process of its own: set up, session_begin(), do it `runs` times (also
	 * 0 times), session_end().
	 */
	void (*run)(struct session *s, uint32_t runs);
};

#define REGISTER_BENCHMARK(variable)                                                               \
	static const struct benchmark *const variable##_entry                                      \
		__attribute__((section("benchmarks"), used)) = &(variable)

/* All that are linked in, sorted by name within kinds. */
size_t benchmarks_all(const struct benchmark *const **all);
const struct benchmark *benchmark_by_name(const char *name);

/* Say that the set-up is done and wait for the start. */
void session_begin(struct session *s);
void session_end(struct session *s);

/* End this benchmark: it went wrong, or cannot run here. */
_Noreturn void session_fail(struct session *s, const char *reason, ...)
	__attribute__((format(printf, 2, 3)));
_Noreturn void session_fail_errno(struct session *s, const char *what);
_Noreturn void session_skip(struct session *s, const char *reason, ...)
	__attribute__((format(printf, 2, 3)));

const struct machine *session_machine(const struct session *s);

/* For pairs.  The first side is set up before the second; its port is handed to the other. */
bool session_is_first(const struct session *s);
int session_listen(struct session *s, int type);	/* first side, before session_begin() */
int session_accept(struct session *s, int listener);
int session_connect_peer(struct session *s, int type);	/* second side */
bool session_stop_asked(struct session *s);		/* second side of ON_PAIR_UNTIL_ONE */

/* The host's partner process: TCP, or AF_VSOCK. */
enum partner_service { PARTNER_ECHO = 'e', PARTNER_SOURCE = 's' };
int session_connect_partner(struct session *s, int family, enum partner_service service);

/* All of it or session_fail(); for streams between machines. */
void session_write(struct session *s, int fd, const void *data, size_t size);
void session_read(struct session *s, int fd, void *data, size_t size);

#endif
