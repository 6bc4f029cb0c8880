/*
 * What oneway does, without oneway: the same calls in the barest loop, to see what
 * the harness costs.  Prints the median round trip in nanoseconds.
 *   bare-loop PATH N server | client
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int serve(const struct sockaddr_un *address, size_t n)
{
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	uint64_t message;

	unlink(address->sun_path);
	if (bind(listener, (const struct sockaddr *)address, sizeof(*address)) ||
	    listen(listener, 1))
		return 99;
	fd = accept(listener, NULL, NULL);
	while (n--)
		if (recv(fd, &message, sizeof(message), 0) != sizeof(message) ||
		    send(fd, "s", 1, 0) != 1)
			return 99;
	return 0;
}

static int ask(const struct sockaddr_un *address, size_t n)
{
	uint64_t *took = malloc(n * sizeof(*took));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char answer;

	while (connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		usleep(1000);
	memset(took, 1, n * sizeof(*took));
	for (size_t i = 0; i < n; i++) {
		uint64_t begin = now();

		if (send(fd, &begin, sizeof(begin), 0) != sizeof(begin) ||
		    recv(fd, &answer, 1, 0) != 1)
			return 99;
		took[i] = now() - begin;
	}
	qsort(took, n, sizeof(*took), ascending);
	printf("%llu\n", (unsigned long long)took[n / 2]);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (argc != 4)
		return 2;
	strncpy(address.sun_path, argv[1], sizeof(address.sun_path) - 1);
	return strcmp(argv[3], "server") ? ask(&address, strtoul(argv[2], NULL, 10))
					 : serve(&address, strtoul(argv[2], NULL, 10));
}
