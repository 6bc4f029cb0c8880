#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>

#define VERDICT(name, kind) \
	struct verdict name(const char *reason, ...) \
	{ \
		struct verdict verdict = { .outcome = kind }; \
		va_list words; \
		\
		va_start(words, reason); \
		vsnprintf(verdict.reason, sizeof(verdict.reason), reason, words); \
		va_end(words); \
		return verdict; \
	}

VERDICT(verdict_pass, OUTCOME_PASS)
VERDICT(verdict_fail, OUTCOME_FAIL)
VERDICT(verdict_skip, OUTCOME_SKIP)
VERDICT(verdict_error, OUTCOME_ERROR)

const char *outcome_name(enum outcome outcome)
{
	static const char *const names[] = {
		[OUTCOME_PASS] = "pass",
		[OUTCOME_FAIL] = "fail",
		[OUTCOME_SKIP] = "skip",
		[OUTCOME_ERROR] = "error",
	};

	return names[outcome];
}
