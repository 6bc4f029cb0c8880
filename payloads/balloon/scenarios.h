/* The table of all scenarios; each puts back what it changed before it returns. */
#ifndef BALLOON_SCENARIOS_H
#define BALLOON_SCENARIOS_H

#include "trial.h"

struct scenario {
	const char *name;
	const char *what;
	unsigned int places;	/* of enum place */
	struct verdict (*run)(struct trial *trial);
};

extern const struct scenario scenarios[];	/* ends with an entry without name */

/* scenarios_move.c */
struct verdict scenario_read(struct trial *trial);
struct verdict scenario_lower(struct trial *trial);
struct verdict scenario_raise(struct trial *trial);
struct verdict scenario_random(struct trial *trial);
struct verdict scenario_cycles(struct trial *trial);

/* scenarios_extreme.c */
struct verdict scenario_beyond(struct trial *trial);
struct verdict scenario_tiny(struct trial *trial);
struct verdict scenario_one_byte(struct trial *trial);
struct verdict scenario_long_write(struct trial *trial);
struct verdict scenario_not_root(struct trial *trial);

/* scenarios_memory.c */
struct verdict scenario_pages_back(struct trial *trial);
struct verdict scenario_fill(struct trial *trial);
struct verdict scenario_pressure(struct trial *trial);

/* scenarios_outside.c */
struct verdict scenario_limit(struct trial *trial);
struct verdict scenario_neighbour(struct trial *trial);
struct verdict scenario_save_restore(struct trial *trial);

#endif
