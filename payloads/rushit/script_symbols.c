/*
 * What a script finds in ffi.C.  LuaJIT looks names up with dlsym(), which finds nothing
 * in a static program; the linker is told (script.mk) to send it here instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By linker name, so that no prototype of a header has to be met. */
#define SYMBOLS(X)								\
	X(syscall) X(clock_gettime) X(gettimeofday) X(environ) X(setenv)	\
	X(unsetenv) X(clearenv) X(getenv) X(exit) X(_exit) X(__cxa_atexit)	\
	X(uname) X(sched_getaffinity) X(sched_setaffinity) X(sched_getcpu)	\
	X(sched_yield) X(getcwd) X(gethostname) X(sysconf) X(getpagesize)	\
	X(getpid) X(gettid) X(getppid) X(getuid) X(geteuid) X(getgid) X(getegid)	\
	X(socket) X(socketpair) X(bind) X(connect) X(listen) X(accept)		\
	X(accept4) X(shutdown) X(getsockname) X(getpeername) X(getsockopt)	\
	X(setsockopt) X(send) X(sendto) X(sendmsg) X(sendmmsg) X(recv)		\
	X(recvfrom) X(recvmsg) X(recvmmsg) X(inet_ntop) X(inet_pton)		\
	X(if_nametoindex) X(if_indextoname) X(poll) X(select) X(epoll_create1)	\
	X(epoll_ctl) X(epoll_wait) X(eventfd) X(open) X(openat) X(close)	\
	X(read) X(write) X(readv) X(writev) X(pread) X(pwrite) X(lseek)	\
	X(dup) X(dup2) X(pipe) X(pipe2) X(fcntl) X(ioctl) X(fsync) X(unlink)	\
	X(rename) X(mkdir) X(rmdir) X(access) X(chdir) X(isatty) X(sendfile)	\
	X(splice) X(mmap) X(munmap) X(mprotect) X(madvise) X(malloc) X(calloc)	\
	X(realloc) X(free) X(memcpy) X(memmove) X(memset) X(memcmp) X(memchr)	\
	X(strlen) X(strcmp) X(strncmp) X(strcpy) X(strncpy) X(strchr)		\
	X(strrchr) X(strstr) X(strdup) X(strerror) X(strtol) X(strtoul)	\
	X(strtoll) X(strtoull) X(strtod) X(atoi) X(abs) X(labs) X(rand)	\
	X(srand) X(random) X(srandom) X(getrandom) X(qsort) X(printf)		\
	X(fprintf) X(snprintf) X(puts) X(putchar) X(fflush) X(fopen) X(fclose)	\
	X(fread) X(fwrite) X(fgets) X(fputs) X(perror) X(time) X(nanosleep)	\
	X(clock_nanosleep) X(clock_getres) X(usleep) X(sleep) X(prctl) X(kill)	\
	X(getrusage) X(getrlimit) X(setrlimit) X(htonl) X(htons) X(ntohl)	\
	X(ntohs) X(sin) X(cos) X(exp) X(log) X(log2) X(pow) X(sqrt) X(floor)	\
	X(ceil)

#define DECLARE(name) extern char symbol_##name[] __asm__(#name);
SYMBOLS(DECLARE)

#define ENTRY(name) { #name, symbol_##name },
static const struct symbol {
	const char *name;
	void *address;
} symbols[] = { SYMBOLS(ENTRY) };

void *__wrap_dlsym(void *library, const char *name);
void *__wrap_dlopen(const char *path, int flags);
int __wrap_dlclose(void *library);
char *__wrap_dlerror(void);

static _Thread_local char problem[160];

void *__wrap_dlsym(void *library, const char *name)
{
	(void)library;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		if (strcmp(symbols[i].name, name) == 0)
			return symbols[i].address;
	}
	snprintf(problem, sizeof(problem),
		 "ffi.C.%s is not in this static program; S has all system calls", name);
	return NULL;
}

void *__wrap_dlopen(const char *path, int flags)
{
	(void)flags;
	snprintf(problem, sizeof(problem), "%s: this program is static and loads no libraries",
		 path ? path : "(self)");
	return NULL;
}

int __wrap_dlclose(void *library)
{
	(void)library;
	return 0;
}

char *__wrap_dlerror(void)
{
	return problem;
}
