/* A trial on a fake driver, fresh for each test, and what can be done to its load. */
#ifndef STAGE_H
#define STAGE_H

#include "fake_door.h"
#include "scenarios.h"

struct stage {
	struct fake fake, neighbour;
	struct door door;
	struct report report;
	uint64_t neighbour_target;
	struct trial trial;
};

/* For cmocka; *state becomes a stage with an honest driver of today. */
int stage_setup(void **state);
int stage_teardown(void **state);

/* The load finds so little room that it is small; its own pages are the only ones of this size. */
void stage_with_little_room(struct stage *stage);

/* For fake.on_set: what a bad balloon would do to memory in use. */
void take_a_page(void);
void act_as_oom_killer(void);
void write_into_the_load(void);

/* Fails the test, with all that is known, when the verdict is another one. */
void expect_verdict(struct verdict verdict, enum outcome outcome, const char *words);

#endif
