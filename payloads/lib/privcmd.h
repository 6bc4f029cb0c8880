/*
 * Raw hypercalls from user space, through Linux's /dev/xen/privcmd.  Nothing is
 * filled in, retried or translated on the way, unlike with libxenctrl.
 */
#ifndef XENTEST_PRIVCMD_H
#define XENTEST_PRIVCMD_H

#include <stddef.h>
#include <stdint.h>

#define PRIVCMD_PAGE 4096

struct privcmd {
	int fd;
	int buffer_fd;	/* /dev/xen/hypercall, or -1: kernels before 4.18 do not have it */
};

/* 0, or -errno of opening /dev/xen/privcmd (-ENOENT: no Xen, or the module is not loaded). */
int privcmd_open(struct privcmd *p);
void privcmd_close(struct privcmd *p);

/*
 * The raw 64-bit result; Xen's errors are negative.  An error of Linux itself (the
 * call never reached Xen) cannot be told from Xen's: prove the door with a call
 * that is always allowed, privcmd_version().
 */
long privcmd_call(const struct privcmd *p, unsigned long number, uint64_t a0, uint64_t a1,
		  uint64_t a2, uint64_t a3, uint64_t a4);

/*
 * Zeroed memory that Xen may read and write through a pointer: never moved, never
 * copied on write, not inherited by a child.  NULL: no memory.
 */
void *privcmd_buffer(const struct privcmd *p, size_t pages);
void privcmd_buffer_free(void *buffer, size_t pages);

/* Xen's version as major << 16 | minor, or -errno.  No guest is ever refused this by Xen. */
long privcmd_version(const struct privcmd *p);

/*
 * The interface version that this Xen wants, or -errno.  Probed with an operation
 * that does not exist: a wrong version is refused (EACCES) before anything else.
 */
enum privcmd_interface { PRIVCMD_DOMCTL, PRIVCMD_SYSCTL, PRIVCMD_PLATFORM };
long privcmd_probe_version(const struct privcmd *p, enum privcmd_interface interface);

#endif
