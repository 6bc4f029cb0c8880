/* Operations of benchmarks in plain loops, with nothing of virtbench. */
#ifndef BARE_H
#define BARE_H

/* Sets up, does it `runs` times, and says how many ns that took. */
struct operation {
	const char *name;
	double (*measure)(long runs);
};

double now(void);

/* End, saying what failed, unless it holds. */
void must(int holds, const char *what);

/* NULL when there is none of that name. */
const struct operation *operation_by_name(const char *name);

extern const struct operation micro_operations[], stream_operations[], hypervisor_operations[];

#endif
