#include "listing.h"

#include <stdio.h>
#include <string.h>

#include "exits.h"
#include "options.h"
#include "run.h"

static char names[MAX_CHOICES][64];
static const char *pointers[MAX_CHOICES + 1];

static const char *danger_name(enum danger danger)
{
	return danger == DANGER_SAFE ? "safe" : danger == DANGER_OWN ? "own-domain" :
	       danger == DANGER_HOST ? "host-state" : "fatal";
}

static void print_releases(const struct operation *o)
{
	if (o->until)
		printf("until %u.%u", o->until >> 16, o->until & 0xffff);
	else if (o->since)
		printf("since %u.%u", o->since >> 16, o->since & 0xffff);
	else
		printf("all");
}

static void for_each_operation(void (*visit)(const struct family *family,
					     const struct operation *operation))
{
	for (size_t f = 0; all_families[f]; f++)
		for (size_t p = 0; p < all_families[f]->n_parts; p++)
			for (size_t o = 0; o < *all_families[f]->parts[p].count; o++)
				visit(all_families[f], &all_families[f]->parts[p].list[o]);
}

static void print_operation(const struct family *family, const struct operation *operation)
{
	printf("%3u %6u  %-10s  ", family->hypercall, operation->command,
	       danger_name(operation->danger));
	print_releases(operation);
	printf("\t%s.%s%s\n", family->name, operation->name,
	       operation->traits & TRAIT_KERNEL ? "  (ring 0 only)" : "");
}

int listing_print(void)
{
	printf("call command class      releases  operation\n");
	for_each_operation(print_operation);
	return EXIT_PASS;
}

static size_t n_names;

static void add_name(const struct family *family, const struct operation *operation)
{
	snprintf(names[n_names], sizeof(names[0]), "%s.%s", family->name, operation->name);
	pointers[n_names] = names[n_names];
	n_names++;
}

const char *listing_unmatched(const char *patterns)
{
	const char *nearest;

	if (!patterns)
		return NULL;
	n_names = 0;
	for_each_operation(add_name);
	pointers[n_names] = NULL;
	for (size_t i = 0; i < n_names; i++)
		if (text_matches(patterns, names[i]) ||
		    text_matches(patterns, strchr(names[i], '.') + 1))
			return NULL;
	nearest = nearest_name(patterns, pointers);
	return nearest ? nearest : names[0];
}
