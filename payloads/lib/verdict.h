/* What a check found, as a value: checks return it, the program's report tells it. */
#ifndef XENTEST_VERDICT_H
#define XENTEST_VERDICT_H

enum outcome {
	OUTCOME_PASS,
	OUTCOME_FAIL,	/* what is tested is wrong */
	OUTCOME_SKIP,	/* cannot apply here */
	OUTCOME_ERROR,	/* the check itself could not be made */
};

struct verdict {
	enum outcome outcome;
	char reason[480];	/* one line a person can act on; may be empty for a pass */
};

struct verdict verdict_pass(const char *reason, ...) __attribute__((format(printf, 1, 2)));
struct verdict verdict_fail(const char *reason, ...) __attribute__((format(printf, 1, 2)));
struct verdict verdict_skip(const char *reason, ...) __attribute__((format(printf, 1, 2)));
struct verdict verdict_error(const char *reason, ...) __attribute__((format(printf, 1, 2)));

/* "pass", "fail", "skip" or "error". */
const char *outcome_name(enum outcome outcome);

#endif
