#include "privcmd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux's ABI, which never changes: the headers that have it differ from system to system. */
struct privcmd_hypercall {
	uint64_t number;
	uint64_t arguments[5];
};
#define IOCTL_HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))

#define HYPERCALL_PLATFORM_OP 7
#define HYPERCALL_XEN_VERSION 17
#define HYPERCALL_SYSCTL 35
#define HYPERCALL_DOMCTL 36
#define VERSION_NEVER 0xffffffffu

/* How domctl, sysctl and platform_op all begin; a domctl goes on with the domain. */
struct control_head {
	uint32_t command;
	uint32_t version;
	uint32_t domain;
};
#define DOMAIN_INVALID 0x7ff4u

int privcmd_open(struct privcmd *p)
{
	p->fd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
	if (p->fd < 0)
		return -errno;
	p->buffer_fd = open("/dev/xen/hypercall", O_RDWR | O_CLOEXEC);
	return 0;
}

void privcmd_close(struct privcmd *p)
{
	close(p->fd);
	if (p->buffer_fd >= 0)
		close(p->buffer_fd);
}

long privcmd_call(const struct privcmd *p, unsigned long number, uint64_t a0, uint64_t a1,
		  uint64_t a2, uint64_t a3, uint64_t a4)
{
	struct privcmd_hypercall call = {
		.number = number,
		.arguments = { a0, a1, a2, a3, a4 },
	};
	/* Not ioctl(3): it would cut the result to 32 bits. */
	long result = syscall(SYS_ioctl, p->fd, IOCTL_HYPERCALL, &call);

	return result == -1 ? -errno : result;
}

void *privcmd_buffer(const struct privcmd *p, size_t pages)
{
	size_t size = pages * PRIVCMD_PAGE;
	void *buffer;

	if (p->buffer_fd >= 0) {
		buffer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, p->buffer_fd, 0);
	} else {
		buffer = mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
		if (buffer != MAP_FAILED)
			madvise(buffer, size, MADV_DONTFORK);
	}
	if (buffer == MAP_FAILED)
		return NULL;
	memset(buffer, 0, size);
	return buffer;
}

void privcmd_buffer_free(void *buffer, size_t pages)
{
	munmap(buffer, pages * PRIVCMD_PAGE);
}

long privcmd_version(const struct privcmd *p)
{
	return privcmd_call(p, HYPERCALL_XEN_VERSION, 0, 0, 0, 0, 0);
}

static long try_version(const struct privcmd *p, unsigned long number, struct control_head *head,
			uint32_t version)
{
	memset(head, 0, sizeof(*head));
	head->version = version;
	head->domain = DOMAIN_INVALID;
	return privcmd_call(p, number, (uintptr_t)head, 0, 0, 0, 0);
}

static long probe(const struct privcmd *p, struct control_head *head,
		  enum privcmd_interface interface)
{
	static const struct { unsigned long number; uint32_t first; } of[] = {
		[PRIVCMD_DOMCTL] = { HYPERCALL_DOMCTL, 0 },
		[PRIVCMD_SYSCTL] = { HYPERCALL_SYSCTL, 0 },
		[PRIVCMD_PLATFORM] = { HYPERCALL_PLATFORM_OP, 0x03000000 },
	};
	uint32_t first = of[interface].first;
	long result = try_version(p, of[interface].number, head, VERSION_NEVER);

	/* Any other answer is no check of the version, so every number would seem right. */
	if (result != -EACCES)
		return result < 0 ? result : -EPROTO;
	for (uint32_t version = first; version < first + 256; version++) {
		result = try_version(p, of[interface].number, head, version);
		if (result != -EACCES)
			return result == -EFAULT ? result : (long)version;
	}
	return -EACCES;
}

long privcmd_probe_version(const struct privcmd *p, enum privcmd_interface interface)
{
	struct control_head *head = privcmd_buffer(p, 1);
	long version;

	if (!head)
		return -ENOMEM;
	version = probe(p, head, interface);
	privcmd_buffer_free(head, 1);
	return version;
}
