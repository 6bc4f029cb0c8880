/* How every payload ends: automake's and kvm-unit-tests' numbers. */
#ifndef XENTEST_EXITS_H
#define XENTEST_EXITS_H

enum exit_status {
	EXIT_PASS = 0,
	EXIT_FAIL = 1,	/* what is tested is wrong */
	EXIT_USAGE = 2,
	EXIT_SKIP = 77,	/* cannot apply here; the reason was said */
	EXIT_ERROR = 99,	/* the test or its setup is wrong */
};

#endif
