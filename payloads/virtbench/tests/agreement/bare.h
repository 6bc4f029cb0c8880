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

extern const struct operation micro_operations[], stream_operations[], hypervisor_operations[];

#endif
