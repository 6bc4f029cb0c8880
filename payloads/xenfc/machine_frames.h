/* Frames of a small HVM machine that has not run yet, and what each thing done to them leaves. */
#ifndef XENFC_MACHINE_FRAMES_H
#define XENFC_MACHINE_FRAMES_H

struct surroundings;

/* Each comes and goes; the machine has as many pages afterwards as before. */
void machine_frames(const struct surroundings *s);

/* Then it gets a processor: what was written to is told until it is taken off the log. */
void machine_log(const struct surroundings *s);

/* With its processor it ends and begins anew. */
void machine_reset(const struct surroundings *s);

#endif
