/* The table of all privileged operations. */
#ifndef PRIVOPS_CHECKS_H
#define PRIVOPS_CHECKS_H

#include "check.h"

extern const struct check checks[];	/* ends with an entry without name */

#endif
