/* The table of options; only settings*.c look here. */
#ifndef RUSHIT_SETTINGS_TABLE_H
#define RUSHIT_SETTINGS_TABLE_H

#include "options.h"
#include "settings.h"

/* Where the table's options write. */
extern struct settings settings_values;

/* The options of a workload; ends with an entry without a name. */
const struct option_spec *settings_options(enum kind kind);

/* What belongs together but contradicts itself ends the program with EXIT_USAGE. */
void settings_check(struct settings *s, const struct program_spec *program);

#endif
