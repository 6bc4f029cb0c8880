#include "engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct worker {
	struct engine *engine;
	int index;
	int status;
};

/* Each hook has a header of its own: what a hook got for one must not be given to another. */
static int call_packet(struct engine *engine, struct script_thread *thread, enum hook hook, int fd)
{
	char buffer[64] = "message", control[512];
	struct iovec piece = { buffer, hook == HOOK_SENDMSG ? 7 : sizeof(buffer) };
	struct msghdr messages[HOOKS] = { 0 }, *message = &messages[hook];
	ssize_t bytes;

	if (!script_has(thread, hook))
		return 0;
	message->msg_iov = &piece;
	message->msg_iovlen = 1;
	if (hook != HOOK_SENDMSG) {
		message->msg_control = control;
		message->msg_controllen = sizeof(control);
	}
	errno = 0;
	bytes = script_call_packet(thread, hook, fd, message, MSG_DONTWAIT);
	if (thread == script_thread(engine->script, 0)) {
		engine->packet_errno = errno;
		engine->packet = bytes;
	}
	return bytes == HOOK_BROKEN ? 1 : 0;
}

static int call_socket(struct script_thread *thread, enum hook hook, int fd)
{
	struct sockaddr_in loopback = { .sin_family = AF_INET, .sin_port = htons(12867),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct addrinfo address = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM,
				    .ai_addrlen = sizeof(loopback),
				    .ai_addr = (struct sockaddr *)&loopback };

	if (!script_has(thread, hook))
		return 0;
	return script_call_socket(thread, hook, fd, &address) ? 1 : 0;
}

static void *work(void *context)
{
	struct worker *worker = context;
	struct engine *engine = worker->engine;
	struct script_thread *thread = script_thread(engine->script, worker->index);
	const int *fd = engine->fds[worker->index];

	if (call_socket(thread, HOOK_SOCKET, fd[0]) ||
	    call_packet(engine, thread, HOOK_SENDMSG, fd[0]) ||
	    call_packet(engine, thread, HOOK_RECVMSG, fd[1]) ||
	    call_packet(engine, thread, HOOK_RECVERR, fd[1]) ||
	    call_socket(thread, HOOK_CLOSE, fd[0])) {
		fprintf(stderr, "%s\n", script_problem(thread));
		worker->status = 1;
	}
	return NULL;
}

static int run(void *context, struct script *script)
{
	struct engine *engine = context;
	pthread_t threads[MAX_THREADS];
	struct worker workers[MAX_THREADS] = { 0 };
	int status = engine->status;

	engine->script = script;
	engine->runs++;
	for (int i = 0; i < engine->contract.threads; i++) {
		workers[i] = (struct worker){ .engine = engine, .index = i };
		assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, engine->fds[i]), errno);
		pthread_create(&threads[i], NULL, work, &workers[i]);
	}
	for (int i = 0; i < engine->contract.threads; i++) {
		pthread_join(threads[i], NULL);
		close(engine->fds[i][0]);
		close(engine->fds[i][1]);
		status = status ? status : workers[i].status;
	}
	return status;
}

int play(struct engine *engine, const char *text, size_t size)
{
	char folder[] = "/tmp/test_script.XXXXXX", here[4096];
	int saved = dup(2), status;
	FILE *file, *errors = tmpfile();

	engine->contract.program = "test";
	engine->contract.run = run;
	engine->contract.context = engine;
	assert_non_null(mkdtemp(folder));
	assert_non_null(getcwd(here, sizeof(here)));
	assert_return_code(chdir(folder), errno);
	file = fopen("x.lua", "w");
	fwrite(text, 1, size, file);
	fclose(file);

	dup2(fileno(errors), 2);
	status = script_play("x.lua", &engine->contract);
	dup2(saved, 2);
	close(saved);
	rewind(errors);
	engine->errors[fread(engine->errors, 1, sizeof(engine->errors) - 1, errors)] = '\0';
	fclose(errors);
	unlink("x.lua");
	assert_return_code(chdir(here), errno);
	rmdir(folder);
	return status;
}
