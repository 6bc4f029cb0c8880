/* The balloon driver's own files: /proc/xen/balloon of old kernels, sysfs of today's. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "door.h"
#include "guestfiles.h"
#include "hypervisor.h"

#define PROC_FILE "/proc/xen/balloon"
#define SYSFS_FOLDER "/sys/devices/system/xen_memory/xen_memory0"
#define VIRTIO_FOLDER "/sys/bus/virtio/drivers/virtio_balloon"

struct guest {
	const char *root;
	char file[PATH_MAX];	/* what a new target is written to */
	struct hypervisor *hypervisor;	/* NULL: its count cannot be had */
};

/* linux-2.6.18-xen: capable(), then the length, before anything is parsed. */
static const struct manners proc_manners = {
	.not_root = EPERM,
	.one_byte = EBADMSG,
	.long_write = EFBIG,
};

/* Linux since 2.6.38: the file's mode 0644 is the only guard, any text is a number. */
static const struct manners sysfs_manners = { .not_root = EACCES };

static ssize_t guest_write(struct door *door, const void *bytes, size_t size)
{
	struct guest *guest = door->state;
	int fd = open(guest->file, O_WRONLY | O_CLOEXEC);
	ssize_t written;
	int error;

	if (fd < 0)
		return -errno;
	written = write(fd, bytes, size);
	error = errno;
	close(fd);
	return written < 0 ? -error : written;
}

static const char *guest_path(struct door *door)
{
	struct guest *guest = door->state;

	return guest->file;
}

static int write_number(struct door *door, uint64_t number, struct why *why)
{
	struct guest *guest = door->state;
	char text[32];
	int length = snprintf(text, sizeof(text), "%" PRIu64 "\n", number);
	ssize_t written = guest_write(door, text, (size_t)length);

	if (written == length)
		return 0;
	why_errno(why, written < 0 ? (int)-written : EIO, "%s did not take %" PRIu64, guest->file,
		  number);
	return written < 0 ? (int)written : -EIO;
}

/* The old driver takes bytes, the new one's target_kb takes kB. */
static int proc_set(struct door *door, uint64_t kb, struct why *why)
{
	return write_number(door, kb * 1024, why);
}

static int sysfs_set(struct door *door, uint64_t kb, struct why *why)
{
	return write_number(door, kb, why);
}

static int complete_view(struct guest *guest, struct view *view, struct why *why)
{
	if (guest->hypervisor)
		hypervisor_count(guest->hypervisor, HYPERVISOR_SELF, &view->hypervisor,
				 &view->limit);
	return view_meminfo(guest->root, view, why);
}

static int proc_view(struct door *door, struct view *view, struct why *why)
{
	struct guest *guest = door->state;
	char text[1024];
	int length = file_text(guest->root, PROC_FILE, text, sizeof(text));

	memset(view, 0, sizeof(*view));
	if (length < 0) {
		why_errno(why, -length, "cannot read %s", guest->file);
		return -1;
	}
	if (!labelled_number(text, "Current allocation", &view->current) ||
	    !labelled_number(text, "Requested target", &view->target)) {
		why_set(why, "%s lacks 'Current allocation' or 'Requested target'", guest->file);
		return -1;
	}
	labelled_number(text, "Low-mem balloon", &view->low);
	labelled_number(text, "High-mem balloon", &view->high);
	labelled_number(text, "Xen hard limit", &view->limit);	/* "??? kB" until it is known */
	return complete_view(guest, view, why);
}

static int sysfs_view(struct door *door, struct view *view, struct why *why)
{
	struct guest *guest = door->state;
	const struct { const char *path; uint64_t *into; } files[] = {
		{ SYSFS_FOLDER "/target_kb", &view->target },
		{ SYSFS_FOLDER "/info/current_kb", &view->current },
		{ SYSFS_FOLDER "/info/low_kb", &view->low },
		{ SYSFS_FOLDER "/info/high_kb", &view->high },
	};

	memset(view, 0, sizeof(*view));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int error = file_number(guest->root, files[i].path, files[i].into);

		if (error) {
			why_errno(why, -error, "cannot read a number from %s%s", guest->root,
				  files[i].path);
			return -1;
		}
	}
	return complete_view(guest, view, why);
}

/* Without a host's word the guest can only say what its kernel manages. */
static int virtio_view(struct door *door, struct view *view, struct why *why)
{
	struct guest *guest = door->state;

	memset(view, 0, sizeof(*view));
	if (view_meminfo(guest->root, view, why))
		return -1;
	view->current = view->guest_total;
	view->target = view->current;
	return 0;
}

static int virtio_set(struct door *door, uint64_t kb, struct why *why)
{
	(void)door;
	(void)kb;
	why_set(why, "only the host moves a virtio balloon; run balloon there with --domain or "
		"--qmp");
	return -EOPNOTSUPP;
}

static void guest_close(struct door *door)
{
	struct guest *guest = door->state;

	if (guest->hypervisor)
		hypervisor_close(guest->hypervisor);
	free(guest);
}

static int open_guest(struct door *door, const char *root, const char *file, struct why *why)
{
	struct guest *guest = calloc(1, sizeof(*guest));

	if (!guest) {
		why_set(why, "no memory");
		return -1;
	}
	guest->root = root;
	snprintf(guest->file, sizeof(guest->file), "%s%s", root, file);
	if (access(guest->file, F_OK)) {
		why_errno(why, errno, "%s", guest->file);
		free(guest);
		return -1;
	}
	if (!*root)
		guest->hypervisor = hypervisor_open();
	door->state = guest;
	door->write_raw = guest_write;
	door->path = guest_path;
	door->close = guest_close;
	return 0;
}

int door_open_proc(struct door *door, const char *root, struct why *why)
{
	*door = (struct door){ .name = "proc", .place = PLACE_INSIDE,
			       .manners = &proc_manners, .view = proc_view,
			       .set = proc_set };
	return open_guest(door, root, PROC_FILE, why);
}

int door_open_sysfs(struct door *door, const char *root, struct why *why)
{
	*door = (struct door){ .name = "sysfs", .place = PLACE_INSIDE,
			       .manners = &sysfs_manners, .view = sysfs_view,
			       .set = sysfs_set };
	return open_guest(door, root, SYSFS_FOLDER "/target_kb", why);
}

int door_open_virtio(struct door *door, const char *root, struct why *why)
{
	*door = (struct door){ .name = "virtio", .place = PLACE_WATCH,
			       .view = virtio_view, .set = virtio_set };
	return open_guest(door, root, VIRTIO_FOLDER, why);
}
