/* A client of xenstore, through the kernel's xenbus device; each answer has a time limit. */
#ifndef XENTEST_XENSTORE_H
#define XENTEST_XENSTORE_H

#include <stdbool.h>
#include <stddef.h>

struct xenstore {
	int fd;
};

/* 0 or -errno; tries /dev/xen/xenbus, then /proc/xen/xenbus. */
int xenstore_open(struct xenstore *s);
void xenstore_close(struct xenstore *s);

/*
 * The length of the value (cut to size - 1, always NUL-terminated), or -errno:
 * xenstored's own error, or -ETIMEDOUT after five seconds without an answer.
 */
int xenstore_read(struct xenstore *s, const char *path, char *value, size_t size);

/* 0 or -errno. */
int xenstore_write(struct xenstore *s, const char *path, const char *value);
int xenstore_remove(struct xenstore *s, const char *path);

#endif
