/*
 * The contract between the engine (which owns sockets, threads and time) and a script.
 * The engine calls these functions and nothing else of the script side; the script side
 * calls nothing of the engine but struct script_engine's run().
 *
 * Order of events, all in the main thread unless said:
 *   1. the engine has parsed and printed its options, and calls script_play();
 *   2. the script's text runs: it registers hooks, and calls run() (if it does not, run()
 *      is called when its text ends);
 *   3. run() makes one state for each of engine->threads, carries hooks and values into
 *      them, and calls engine->run(), which returns when all workers have been joined;
 *   4. meanwhile worker i uses script_thread(script, i), and nobody else does;
 *   5. run() collects values from the states and frees them; the rest of the script runs;
 *   6. script_play() returns, and the engine prints its results.
 */
#ifndef RUSHIT_HOOKS_H
#define RUSHIT_HOOKS_H

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct script;		/* one a process */
struct script_thread;	/* one a worker: its own Lua state */

/* Client or server is known from script_engine: client_X and server_X are one hook here. */
enum hook {
	HOOK_SOCKET,	/* after socket(2), before bind or connect; stream servers: the listener */
	HOOK_CLOSE,	/* before close(2), for each socket that HOOK_SOCKET was called for */
	HOOK_SENDMSG,	/* instead of a write, when the socket is writable */
	HOOK_RECVMSG,	/* instead of a read, when the socket is readable */
	HOOK_RECVERR,	/* when the socket's error queue holds something */
	HOOKS,
};

struct script_engine {
	const char *program;	/* "tcp_rr" */
	bool client;
	int threads;
	/* The whole test; an exit status.  It has said itself what went wrong. */
	int (*run)(void *context, struct script *script);
	void *context;
};

/*
 * Load the file, play it as above; an exit status: that of engine->run() when it is not 0
 * (the script is ended there, silently), 1 when the script has an error (said on standard
 * error with file and line), else 0.
 */
int script_play(const char *path, const struct script_engine *engine);

/* The state of worker `index`; valid only inside engine->run(). */
struct script_thread *script_thread(struct script *script, int index);

/* Ask once when a worker starts: an event without a hook costs nothing. */
bool script_has(const struct script_thread *thread, enum hook hook);

/*
 * What the calls below return when the hook raised an error, or returned no number
 * where bytes are counted.  script_problem() then says what, file and line included.
 * The engine prints it, ends the run and exits with 1.
 */
#define HOOK_BROKEN (-2)

/*
 * A hook may never return (`while true do end`; compiled, it cannot be interrupted): the
 * engine waits for it some seconds when the run is over, says so and ends the process.
 */

/* HOOK_SOCKET and HOOK_CLOSE; 0 or HOOK_BROKEN.  The hook's return value is ignored. */
int script_call_socket(struct script_thread *thread, enum hook hook, int fd,
		       const struct addrinfo *address);

/*
 * HOOK_SENDMSG, HOOK_RECVMSG, HOOK_RECVERR: bytes, or -1 with errno set (the hook returned
 * -1, nil with an error object, or -errno), or HOOK_BROKEN.  `msg` has one iovec over the
 * engine's buffer, a 512-byte control buffer for the receiving hooks, and a name buffer on
 * datagram servers.  It is the engine's, valid during the call.
 */
ssize_t script_call_packet(struct script_thread *thread, enum hook hook, int fd,
			   struct msghdr *msg, int flags);

const char *script_problem(const struct script_thread *thread);

#endif
