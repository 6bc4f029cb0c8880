/* Writes JSON, one object a line.  No allocation; any bytes in strings come out as valid JSON. */
#ifndef XENTEST_JSON_H
#define XENTEST_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	int depth;
	uint64_t has_members;	/* a bit a depth: a comma is due */
};

void json_begin_line(struct json *j, FILE *out);	/* { */
void json_end_line(struct json *j);			/* } and newline, flushed */

/* `key` is NULL inside an array. */
void json_string(struct json *j, const char *key, const char *value);	/* NULL value: null */
void json_bytes(struct json *j, const char *key, const char *value, size_t size);
void json_int(struct json *j, const char *key, int64_t value);
void json_uint(struct json *j, const char *key, uint64_t value);
void json_double(struct json *j, const char *key, double value);	/* not finite: null */
void json_bool(struct json *j, const char *key, bool value);
void json_begin_object(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_begin_array(struct json *j, const char *key);
void json_end_array(struct json *j);

/*
 * A figure as xentest reads it:
 * {"type":"figure","name":...,"value":...,"unit":...,"better":"higher"|"lower"}
 */
void json_figure(FILE *out, const char *name, double value, const char *unit, const char *better);

#endif
