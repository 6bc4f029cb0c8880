#include "words.h"

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

/* Decimal digits at *text, which is moved behind them. */
static bool take_number(const char **text, uint64_t *value)
{
	const char *first = *text;

	*value = 0;
	while (**text >= '0' && **text <= '9')
		if (__builtin_mul_overflow(*value, 10u, value) ||
		    __builtin_add_overflow(*value, (unsigned int)(*(*text)++ - '0'), value))
			return false;
	return *text != first;
}

static bool take_range(const char **text, uint64_t *first, uint64_t *last)
{
	if (!take_number(text, first))
		return false;
	*last = *first;
	if (**text != '-')
		return true;
	(*text)++;
	return take_number(text, last) && *last >= *first;
}

bool numbers_of(const char *list, uint64_t numbers[], size_t most, size_t *count)
{
	uint64_t first, last;

	*count = 0;
	for (;; list++) {
		if (!take_range(&list, &first, &last))
			return false;
		if (*count && first <= numbers[*count - 1])
			return false;
		if (last - first >= most - *count)
			return false;
		for (uint64_t more = 0; more <= last - first; more++)
			numbers[(*count)++] = first + more;
		if (*list != ',')
			return *list == '\0';
	}
}
