#include "corpus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "xenfc corpus 1\n"
#define LARGEST (1u << 20)

static struct call_span spans[CORPUS_MOST_CALLS];
static char content[LARGEST + 1];
static char only[4096];

const char *corpus_parse_calls(const char *list, struct plan *plan)
{
	const char *wrong = spans_of(list, spans, CORPUS_MOST_CALLS, &plan->n_spans);
	uint64_t room = CORPUS_MOST_CALLS;

	plan->spans = spans;
	for (size_t i = 0; !wrong && i < plan->n_spans; i++) {
		if (spans[i].last - spans[i].first >= room)
			return "too many calls; 65536 is the most";
		room -= spans[i].last - spans[i].first + 1;
	}
	return wrong;
}

/* FNV-1a: finds what was cut or changed by accident; against malice there are the fences. */
static uint64_t sum_of(const char *text, size_t size)
{
	uint64_t sum = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ (unsigned char)text[i]) * 0x100000001b3ull;
	return sum;
}

static const char *read_content(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size;

	if (fd < 0)
		return strerror(errno);
	size = read(fd, content, sizeof(content));
	close(fd);
	if (size < 0)
		return strerror(errno);
	if (size > LARGEST)
		return "larger than any corpus file";
	content[size] = '\0';
	return strlen(content) == (size_t)size ? NULL : "it has bytes that no corpus file has";
}

/* The last line holds the sum of all before it. */
static const char *check_sum(void)
{
	char *line = strstr(content, "\nsum "), expected[32];

	if (strncmp(content, MAGIC, sizeof(MAGIC) - 1))
		return "no corpus file of xenfc";
	if (!line)
		return "it was cut short: its sum is missing";
	line++;
	snprintf(expected, sizeof(expected), "sum %016llx\n",
		 (unsigned long long)sum_of(content, (size_t)(line - content)));
	if (strcmp(line, expected))
		return "it was changed or cut short: its sum is wrong";
	*line = '\0';
	return NULL;
}

static const char *read_line(struct plan *plan, char *line)
{
	char word[64];

	if (!strncmp(line, "calls ", 6))
		return corpus_parse_calls(line + 6, plan);
	if (!strncmp(line, "only ", 5)) {
		if (strlen(line + 5) >= sizeof(only))
			return "its patterns are longer than any";
		plan->only = strcpy(only, line + 5);
		return NULL;
	}
	/* What is allowed is no part of a file: a file must not open the fences. */
	if (strncmp(line, "seed ", 5) && strncmp(line, "release ", 8) && strncmp(line, "twist ", 6))
		return "it has a line that is neither seed, twist, release, only nor calls";
	snprintf(word, sizeof(word), "%s", line);
	*strchr(word, ' ') = '=';
	return plan_word(plan, word);
}

const char *corpus_read(const char *path, struct plan *plan)
{
	const char *wrong = read_content(path);

	if (!wrong)
		wrong = check_sum();
	plan->n_spans = 0;
	plan->twist = 0;
	if (wrong)
		return wrong;
	for (char *line = strtok(content + sizeof(MAGIC) - 1, "\n"); line && !wrong;
	     line = strtok(NULL, "\n"))
		wrong = read_line(plan, line);
	return wrong || plan->n_spans ? wrong : "it names no calls";
}

static int write_all(const char *path, const char *text, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, size) != (ssize_t)size || fsync(fd))
		error = errno ? -errno : -EIO;
	close(fd);
	return error;
}

int corpus_write(const char *path, const struct plan *plan, const char *list)
{
	char temporary[4096];
	int size, error;

	size = snprintf(content, sizeof(content),
			MAGIC "release %u.%u\nseed %llu\ntwist %llu\n%s%s%scalls %s\n",
			plan->release >> 16, plan->release & 0xffff,
			(unsigned long long)plan->seed, (unsigned long long)plan->twist,
			plan->only ? "only " : "", plan->only ? plan->only : "",
			plan->only ? "\n" : "", list);
	if (size < 0 || size > (int)LARGEST - 32)
		return -E2BIG;
	size += sprintf(content + size, "sum %016llx\n",
			(unsigned long long)sum_of(content, (size_t)size));
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	error = write_all(temporary, content, (size_t)size);
	if (!error && rename(temporary, path))
		error = -errno;
	return error;
}
