#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The length of the valid UTF-8 sequence at `s`, or 0. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 :
			s[0] < 0xf5 ? 4 : 0;

	if (!length || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return length;
}

static void write_quoted(FILE *out, const char *value, size_t size)
{
	const unsigned char *s = (const unsigned char *)value;

	fputc('"', out);
	while (size) {
		size_t length = utf8_length(s, size);

		if (!length)
			fputs("\\ufffd", out);
		else if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s == '\n')
			fputs("\\n", out);
		else if (*s == '\t')
			fputs("\\t", out);
		else if (*s < ' ' || *s == 0x7f)
			fprintf(out, "\\u%04x", *s);
		else
			fwrite(s, 1, length, out);
		s += length ? length : 1;
		size -= length ? length : 1;
	}
	fputc('"', out);
}

static void begin_member(struct json *j, const char *key)
{
	uint64_t bit = 1ull << j->depth;

	if (j->has_members & bit)
		fputc(',', j->out);
	j->has_members |= bit;
	if (key) {
		write_quoted(j->out, key, strlen(key));
		fputc(':', j->out);
	}
}

static void open_level(struct json *j, char bracket)
{
	/* A bit a depth: deeper nesting is a mistake of the program. */
	if (j->depth >= 63)
		abort();
	fputc(bracket, j->out);
	j->depth++;
	j->has_members &= ~(1ull << j->depth);
}

static void close_level(struct json *j, char bracket)
{
	fputc(bracket, j->out);
	j->depth--;
}

void json_begin_line(struct json *j, FILE *out)
{
	*j = (struct json){.out = out};
	open_level(j, '{');
}

void json_end_line(struct json *j)
{
	close_level(j, '}');
	fputc('\n', j->out);
	fflush(j->out);
}

void json_bytes(struct json *j, const char *key, const char *value, size_t size)
{
	begin_member(j, key);
	write_quoted(j->out, value, size);
}

void json_string(struct json *j, const char *key, const char *value)
{
	if (value) {
		json_bytes(j, key, value, strlen(value));
		return;
	}
	begin_member(j, key);
	fputs("null", j->out);
}

void json_int(struct json *j, const char *key, int64_t value)
{
	begin_member(j, key);
	fprintf(j->out, "%" PRId64, value);
}

void json_uint(struct json *j, const char *key, uint64_t value)
{
	begin_member(j, key);
	fprintf(j->out, "%" PRIu64, value);
}

void json_double(struct json *j, const char *key, double value)
{
	char text[32];

	begin_member(j, key);
	if (!isfinite(value)) {
		fputs("null", j->out);
		return;
	}
	/* The shortest of the two that reads back as the same number. */
	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) != value)
		snprintf(text, sizeof(text), "%.17g", value);
	fputs(text, j->out);
}

void json_bool(struct json *j, const char *key, bool value)
{
	begin_member(j, key);
	fputs(value ? "true" : "false", j->out);
}

void json_begin_object(struct json *j, const char *key)
{
	begin_member(j, key);
	open_level(j, '{');
}

void json_end_object(struct json *j)
{
	close_level(j, '}');
}

void json_begin_array(struct json *j, const char *key)
{
	begin_member(j, key);
	open_level(j, '[');
}

void json_end_array(struct json *j)
{
	close_level(j, ']');
}

void json_figure(FILE *out, const char *name, double value, const char *unit, const char *better)
{
	struct json j;

	json_begin_line(&j, out);
	json_string(&j, "type", "figure");
	json_string(&j, "name", name);
	json_double(&j, "value", value);
	json_string(&j, "unit", unit);
	json_string(&j, "better", better);
	json_end_line(&j);
}
