#include "words.h"

#include <stdbool.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

size_t words_of(char *line, const char *words[], size_t most)
{
	size_t count = 0;

	while (*line) {
		while (is_blank(*line))
			*line++ = '\0';
		if (!*line)
			break;
		if (count < most)
			words[count] = line;
		count++;
		while (*line && !is_blank(*line))
			line++;
	}
	return count;
}
