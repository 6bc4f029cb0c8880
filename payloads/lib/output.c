#include "output.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "exits.h"

static const char *name;

static void fill_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
}

static void settle(int status, void *unused)
{
	int settled = output_settled(status);

	(void)unused;
	if (settled == status)
		return;
	fflush(NULL);
	_exit(settled);
}

void output_begin(const char *program)
{
	if (!name) {
		fill_standard_files();
		on_exit(settle, NULL);
	}
	name = program;
}

int output_settled(int status)
{
	/* A flush that failed before is forgotten by the next one, but not by ferror(). */
	bool lost = fflush(stdout) || ferror(stdout);

	if (!name || !lost)
		return status;
	fprintf(stderr, "%s: the output could not be written; is the disk full, or was it closed?\n",
		name);
	return status == EXIT_PASS || status == EXIT_SKIP ? EXIT_ERROR : status;
}

int output_close(FILE *file)
{
	bool lost = ferror(file);

	return fclose(file) || lost ? -1 : 0;
}
