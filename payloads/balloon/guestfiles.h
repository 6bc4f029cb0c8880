/* Reads the small text files of a kernel, below a root that unit tests choose. */
#ifndef BALLOON_GUESTFILES_H
#define BALLOON_GUESTFILES_H

#include <stddef.h>
#include <stdint.h>

#include "door.h"

/* Length or -errno; the text is NUL-terminated, its last newline taken away. */
int file_text(const char *root, const char *path, char *text, size_t size);

/* A file that holds one number; 0 or -errno (-EBADMSG: no number). */
int file_number(const char *root, const char *path, uint64_t *number);

/* The number behind `label` in a text of lines "Label: 123 kB"; false when there is none. */
bool labelled_number(const char *text, const char *label, uint64_t *number);

/* MemTotal and MemAvailable into the view; 0 or -1 with `why`. */
int view_meminfo(const char *root, struct view *view, struct why *why);

#endif
