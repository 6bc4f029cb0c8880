/* A page that this domain grants to itself is mapped, touched and unmapped. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* The headers of Linux leave these to their includer. */
typedef unsigned short domid_t;
typedef unsigned int grant_ref_t;
#include <xen/gntalloc.h>
#include <xen/gntdev.h>

#include "benchmark.h"
#include "xenstore.h"

#define PAGE 4096

static int own_domid(void)
{
	struct xenstore store;
	char text[16] = "";
	int result = xenstore_open(&store);

	if (result < 0)
		return result;
	result = xenstore_read(&store, "domid", text, sizeof(text));
	xenstore_close(&store);
	return result < 0 ? result : atoi(text);
}

/* The reference of a page that is granted to `domid`, or -1. */
static long grant_page(int domid)
{
	struct ioctl_gntalloc_alloc_gref alloc = {
		.domid = (uint16_t)domid, .flags = GNTALLOC_FLAG_WRITABLE, .count = 1,
	};
	int fd = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	char *page;

	/* It stays open: closing would take the grant back. */
	if (fd < 0 || ioctl(fd, IOCTL_GNTALLOC_ALLOC_GREF, &alloc) < 0)
		return -1;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)alloc.index);
	if (page == MAP_FAILED)
		return -1;
	*page = 42;
	return (long)alloc.gref_ids[0];
}

static bool map_touch_unmap(int gntdev, int domid, uint32_t reference)
{
	struct ioctl_gntdev_map_grant_ref map = {
		.count = 1, .refs = { { .domid = (uint32_t)domid, .ref = reference } },
	};
	struct ioctl_gntdev_unmap_grant_ref unmap = { .count = 1 };
	volatile char *page;
	bool seen;

	if (ioctl(gntdev, IOCTL_GNTDEV_MAP_GRANT_REF, &map) < 0)
		return false;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, gntdev, (off_t)map.index);
	seen = page != MAP_FAILED && *page == 42;
	if (page != MAP_FAILED)
		munmap((void *)page, PAGE);
	unmap.index = map.index;
	return ioctl(gntdev, IOCTL_GNTDEV_UNMAP_GRANT_REF, &unmap) == 0 && seen;
}

static const char *no_grants(const struct machine *machine)
{
	static char reason[160];
	int gntdev = open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC), domid;
	long reference;

	(void)machine;
	if (gntdev < 0 || access("/dev/xen/gntalloc", F_OK) < 0)
		return "no /dev/xen/gntdev and gntalloc: not a Xen domain, or xen-gntdev and "
		       "xen-gntalloc are not loaded";
	domid = own_domid();
	if (domid < 0) {
		snprintf(reason, sizeof(reason), "xenstore does not tell this domain's number: %s",
			 strerror(-domid));
		return reason;
	}
	reference = grant_page(domid);
	if (reference >= 0 && map_touch_unmap(gntdev, domid, (uint32_t)reference))
		return NULL;
	snprintf(reason, sizeof(reason), "a grant to this domain itself does not work: %s",
		 strerror(errno));
	return reason;
}

static void grant_map(struct session *s, uint32_t runs)
{
	int gntdev = open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC), domid = own_domid();
	long reference = grant_page(domid);

	if (gntdev < 0 || reference < 0)
		session_fail_errno(s, "grant");
	session_begin(s);
	while (runs--)
		if (!map_touch_unmap(gntdev, domid, (uint32_t)reference))
			session_fail_errno(s, "grant");
	session_end(s);
}

static const struct benchmark benchmark = {
	"grant-map", "Time to map and unmap one grant", ON_ONE, no_grants, grant_map,
};
REGISTER_BENCHMARK(benchmark);
