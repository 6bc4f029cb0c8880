#include "spans.h"

#include <stdbool.h>

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

static bool take_span(const char **text, struct call_span *span)
{
	if (!take_number(text, &span->first))
		return false;
	span->last = span->first;
	if (**text != '-')
		return true;
	(*text)++;
	return take_number(text, &span->last);
}

static const char *add(struct call_span next, struct call_span spans[], size_t most, size_t *count)
{
	struct call_span *before = *count ? &spans[*count - 1] : NULL;

	if (next.last < next.first || (before && next.first <= before->last))
		return "the numbers of calls do not ascend";
	if (before && next.first == before->last + 1) {
		before->last = next.last;
		return NULL;
	}
	if (*count == most)
		return "too many calls that do not follow each other";
	spans[(*count)++] = next;
	return NULL;
}

const char *spans_of(const char *list, struct call_span spans[], size_t most, size_t *count)
{
	*count = 0;
	for (;; list++) {
		const char *wrong;
		struct call_span next;

		if (!take_span(&list, &next))
			return "no list of numbers; write it as 3,7-9";
		wrong = add(next, spans, most, count);
		if (wrong)
			return wrong;
		if (!*list)
			return NULL;
		if (*list != ',')
			return "no list of numbers; write it as 3,7-9";
	}
}
