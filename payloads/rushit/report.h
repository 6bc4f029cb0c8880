/* The results, as key=value lines or as JSON lines. */
#ifndef RUSHIT_REPORT_H
#define RUSHIT_REPORT_H

#include "test.h"

void report_keys(const struct test *t, FILE *out);
void report_json(const struct test *t, FILE *out);

/* --hgrm; 0, or -1 after it was said. */
int report_hgrm(const struct test *t);

#endif
