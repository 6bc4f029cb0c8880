/*
 * `bare NAME RUNS TIMES` prints TIMES times what one run took in ns, each measured in a
 * process of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare.h"

int main(int argc, char **argv)
{
	const struct operation *operation = argc == 4 ? operation_by_name(argv[1]) : NULL;
	long runs = operation ? atol(argv[2]) : 0, times = operation ? atol(argv[3]) : 0;

	if (runs < 1 || times < 1) {
		fprintf(stderr, "bare NAME RUNS TIMES\n");
		return 2;
	}
	for (long i = 0; i < times; i++) {
		int status = 1;
		pid_t child = fork();

		if (!child) {
			alarm(60);
			printf("%.4f\n", operation->measure(runs) / (double)runs);
			exit(0);
		}
		must(child > 0 && waitpid(child, &status, 0) == child, "fork");
		if (status)
			return 1;
	}
	return 0;
}
