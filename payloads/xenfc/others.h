/* Domains that are not ours: which there are, and how much memory they have. */
#ifndef XENFC_OTHERS_H
#define XENFC_OTHERS_H

#include <stdint.h>

struct run;

struct others {
	uint64_t pages;
	uint64_t who;	/* stands for which they are */
};

struct others others_read(struct run *run);

#endif
