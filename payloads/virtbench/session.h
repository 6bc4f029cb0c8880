/* virtbench's side of one sample: set up the machines, start, stop the clock. */
#ifndef VIRTBENCH_SESSION_H
#define VIRTBENCH_SESSION_H

#include "benchmark.h"
#include "machines.h"
#include "partner.h"
#include "random.h"

/* The machines that a benchmark runs on; with two, the first is set up first. */
struct chosen {
	int n;
	int machine[2];
};

/* At random among those that are not lost.  0 or -1: too few are left. */
int choose_machines(struct chosen *chosen, const struct fleet *fleet, enum benchmark_kind kind,
		    struct random *random, struct why *why);

enum sample_end {
	SAMPLE_TAKEN,
	SAMPLE_SKIPPED,		/* cannot run there; `why` says why */
	SAMPLE_FAILED,
};

/* A machine that does not answer, or closes its connection, is lost for good. */
enum sample_end take_sample(struct fleet *fleet, const struct chosen *chosen,
			    const struct partner *partner, const struct benchmark *benchmark,
			    uint32_t runs, double *ns, struct why *why);

#endif
