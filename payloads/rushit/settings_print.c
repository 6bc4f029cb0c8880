#include <string.h>

#include <sys/socket.h>

#include "environment.h"
#include "settings_table.h"

#define LONGEST_KEY 64

/* An option's name as a key: num-flows is num_flows. */
static const char *key_of(const struct option_spec *o, char *key)
{
	snprintf(key, LONGEST_KEY, "%s", o->name);
	for (char *c = key; *c; c++)
		if (*c == '-')
			*c = '_';
	return key;
}

static size_t option_count(const struct option_spec *options)
{
	size_t count = 0;

	while (options[count].name)
		count++;
	return count;
}

/* A line end in it must not pass for the next setting. */
static void print_text(const char *text, FILE *out)
{
	for (; text && *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
	fputc('\n', out);
}

static void print_option(const struct option_spec *o, FILE *out)
{
	char key[LONGEST_KEY];

	fprintf(out, "%s=", key_of(o, key));
	if (o->flag)
		fprintf(out, "%d\n", *o->flag);
	else if (o->number)
		fprintf(out, "%lld\n", (long long)*o->number);
	else if (o->size)
		fprintf(out, "%lld\n", (long long)*o->size);
	else if (o->real)
		fprintf(out, "%f\n", *o->real);
	else if (o->text)
		print_text(*o->text, out);
	else
		fprintf(out, "%lld\n", (long long)*(int64_t *)o->into);
}

static enum kind named_kind(const struct settings *s)
{
	if (s->socket_type != SOCK_SEQPACKET)
		return s->kind;
	return s->kind == KIND_STREAM ? KIND_PACKETS : KIND_PACKET_RR;
}

void settings_print(const struct settings *s, FILE *out)
{
	const struct option_spec *options = settings_options(named_kind(s));

	fprintf(out, "VERSION=%s\n", PAYLOADS_VERSION);
	for (size_t i = option_count(options); i-- > 0;)
		print_option(&options[i], out);
	fprintf(out, "total_run_time=%g\n", settings_total_run_time(s));
	fflush(out);
}

static void write_option(const struct option_spec *o, struct json *j)
{
	char key[LONGEST_KEY];

	key_of(o, key);
	if (o->flag)
		json_bool(j, key, *o->flag);
	else if (o->number)
		json_int(j, key, *o->number);
	else if (o->size)
		json_int(j, key, *o->size);
	else if (o->real)
		json_double(j, key, *o->real);
	else if (o->text)
		json_string(j, key, *o->text);
	else
		json_int(j, key, *(int64_t *)o->into);
}

void settings_write_json(const struct settings *s, struct json *j)
{
	const struct option_spec *options = settings_options(named_kind(s));

	for (size_t i = option_count(options); i-- > 0;)
		write_option(&options[i], j);
}
