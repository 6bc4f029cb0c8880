/* The results, as key=value lines or as JSON lines. */
#ifndef RUSHIT_REPORT_H
#define RUSHIT_REPORT_H

#include "test.h"

void report_keys(const struct test *t, FILE *out);
void report_json(const struct test *t, FILE *out);

/* --hgrm; what cannot be written is said, and fails the test. */
void report_hgrm(struct test *t);

#endif
