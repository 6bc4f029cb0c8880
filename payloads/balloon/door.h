/*
 * A way to move a domain's balloon: from inside (the driver's files) or from outside
 * (the toolstack, or QEMU's monitor).  Scenarios know only this.
 */
#ifndef BALLOON_DOOR_H
#define BALLOON_DOOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "transport.h"

/* What can be seen of a domain's memory, in kB; 0: cannot be seen through this door. */
struct view {
	uint64_t current;	/* allocation, as the driver or the monitor says */
	uint64_t target;	/* what was asked for */
	uint64_t low;		/* pages given away, low and high memory */
	uint64_t high;
	uint64_t limit;		/* the most that the hypervisor lets the domain have */
	uint64_t ceiling;	/* the most that the toolstack plans for it (xl mem-max) */
	uint64_t hypervisor;	/* what the hypervisor counts for the domain */
	uint64_t guest_total;	/* MemTotal of the domain's own kernel */
	uint64_t guest_available;	/* its MemAvailable */
};

/* What an interface must answer to odd requests; errno, or 0: it takes them. */
struct manners {
	int not_root;
	int one_byte;
	int long_write;
};

/* Where a door stands; scenarios say where they can be run. */
enum place {
	PLACE_INSIDE = 1,	/* the driver's own files */
	PLACE_WATCH = 2,	/* inside, but it cannot be written */
	PLACE_XL = 4,
	PLACE_VIRSH = 8,
	PLACE_QMP = 16,
};

#define PLACE_TOOLSTACK (PLACE_XL | PLACE_VIRSH)
#define PLACE_OUTSIDE (PLACE_TOOLSTACK | PLACE_QMP)

struct door {
	const char *name;
	enum place place;
	const struct manners *manners;	/* NULL from outside */
	uint64_t slack;		/* target and allocation may differ by this for good */

	int (*view)(struct door *door, struct view *view, struct why *why);
	/*
	 * 0; -ETIMEDOUT: nobody answered, so nothing was refused; another -errno: refused, and
	 * `why` says how.
	 */
	int (*set)(struct door *door, uint64_t kb, struct why *why);
	/* Only inside: write these bytes by one write(2); what it returned or -errno. */
	ssize_t (*write_raw)(struct door *door, const void *bytes, size_t size);
	/* Only inside: the file that is written, for a try with other rights. */
	const char *(*path)(struct door *door);
	/* From outside: the same kind of door to another domain; 0 or -1. */
	int (*open_other)(struct door *other, const char *name, struct why *why);
	/* Only xl: what `xl mem-max` sets; as `set` answers. */
	int (*set_ceiling)(struct door *door, uint64_t kb, struct why *why);
	/* Only xl: tell the domain a target without xl, which refuses some. */
	int (*set_unchecked)(struct door *door, uint64_t kb, struct why *why);
	void (*close)(struct door *door);

	void *state;
};

/* Each opens its door, or returns -1 with `why`.  `root` stands before every path. */
int door_open_proc(struct door *door, const char *root, struct why *why);
int door_open_sysfs(struct door *door, const char *root, struct why *why);

/* A guest with virtio-balloon from inside: it can be watched, the host moves it. */
int door_open_virtio(struct door *door, const char *root, struct why *why);

int door_open_xl(struct door *door, const char *domain, struct why *why);
int door_open_virsh(struct door *door, const char *domain, struct why *why);
int door_open_qmp(struct door *door, const char *socket, struct why *why);

static inline bool door_is_inside(const struct door *door)
{
	return door->place & (PLACE_INSIDE | PLACE_WATCH);
}

#endif
