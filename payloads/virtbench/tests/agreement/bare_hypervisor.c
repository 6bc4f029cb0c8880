/* What needs a hypervisor's device, or root. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* The headers of Linux leave these to their includer. */
typedef unsigned short domid_t;
typedef unsigned int grant_ref_t;
#include <xen/evtchn.h>
#include <xen/gntalloc.h>
#include <xen/gntdev.h>

#include "bare.h"

#define PAGE 4096
#define DOMID_SELF 0x7ff0

static double pio(long runs)
{
	double begin;

	must(!iopl(3), "iopl");
	begin = now();
	for (long i = 0; i < runs; i++)
		outb(0xff, 0x512);
	return now() - begin;
}

/* IA32_TSC_ADJUST, or where there is none IA32_APIC_BASE. */
static double msr(long runs, int writes)
{
	int fd = open("/dev/cpu/0/msr", writes ? O_RDWR : O_RDONLY);
	uint64_t value;
	off_t which = pread(fd, &value, 8, 0x3b) == 8 ? 0x3b : 0x1b;
	double begin;

	must(pread(fd, &value, 8, which) == 8, "msr");
	begin = now();
	for (long i = 0; i < runs; i++)
		must((writes ? pwrite(fd, &value, 8, which) : pread(fd, &value, 8, which)) == 8,
		     "msr");
	return now() - begin;
}

static double msr_read(long runs)
{
	return msr(runs, 0);
}

static double msr_write(long runs)
{
	return msr(runs, 1);
}

static double vsock_pingpong(long runs)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY,
				       .svm_port = VMADDR_PORT_ANY };
	int listener = socket(AF_VSOCK, SOCK_STREAM, 0), fd;
	socklen_t size = sizeof(address);
	double begin;
	char c = 0;

	must(!bind(listener, (struct sockaddr *)&address, size) && !listen(listener, 1) &&
	     !getsockname(listener, (struct sockaddr *)&address, &size), "listen");
	if (!fork()) {
		char bytes[1 << 16];	/* as an echo that knows nothing of its client */
		int other;

		setsid();
		other = accept(listener, NULL, NULL);
		while (read(other, bytes, sizeof(bytes)) == 1 && write(other, bytes, 1) == 1)
			;
		_exit(0);
	}
	fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	address.svm_cid = VMADDR_CID_LOCAL;
	must(!connect(fd, (struct sockaddr *)&address, size), "connect (modprobe vsock_loopback)");
	must(write(fd, &c, 1) == 1 && read(fd, &c, 1) == 1, "pingpong");
	begin = now();
	for (long i = 0; i < runs; i++)
		must(write(fd, &c, 1) == 1 && read(fd, &c, 1) == 1, "pingpong");
	return now() - begin;
}

/* 1: hlt; jmp 1b, at the second page, in long mode: the page tables are behind it. */
static void fill(char *pages)
{
	uint64_t *tables = (uint64_t *)(pages + PAGE);

	memcpy(pages, "\xf4\xeb\xfd", 3);
	tables[0] = 3 * PAGE + 3;
	tables[512] = 4 * PAGE + 3;
	tables[1024] = 0x83;
}

static void set_up(int cpu)
{
	struct kvm_regs registers = { .rip = PAGE, .rflags = 2 };
	struct kvm_sregs system;

	must(!ioctl(cpu, KVM_GET_SREGS, &system), "KVM's processor");
	system.cr3 = 2 * PAGE;
	system.cr4 = 1 << 5;
	system.cr0 = 0x80000011;
	system.efer = 0x500;
	system.cs = (struct kvm_segment){ .limit = ~0u, .selector = 8, .type = 11, .present = 1,
					  .s = 1, .l = 1, .g = 1 };
	must(!ioctl(cpu, KVM_SET_SREGS, &system) && !ioctl(cpu, KVM_SET_REGS, &registers),
	     "KVM's registers");
}

static double hlt_exit(long runs)
{
	int vm = ioctl(open("/dev/kvm", O_RDWR), KVM_CREATE_VM, 0), cpu;
	char *pages = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = PAGE, .memory_size = 4 * PAGE, .userspace_addr = (uint64_t)pages,
	};
	struct kvm_run *run;
	double begin;

	fill(pages);
	must(vm >= 0 && !ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM");
	cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	run = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
	must(run != MAP_FAILED, "KVM's processor");
	set_up(cpu);
	begin = now();
	for (long i = 0; i < runs; i++)
		must(!ioctl(cpu, KVM_RUN, 0) && run->exit_reason == KVM_EXIT_HLT, "KVM_RUN");
	return now() - begin;
}

/* xen_version(0); the kernel keeps the header of this device to itself. */
static double hypercall(long runs)
{
	struct { uint64_t number, arguments[5]; } call = { .number = 17 };
	const unsigned long request = _IOC(_IOC_NONE, 'P', 0, sizeof(call));
	int fd = open("/dev/xen/privcmd", O_RDWR);
	double begin = now();

	for (long i = 0; i < runs; i++)
		must(ioctl(fd, request, &call) >= 0, "privcmd");
	return now() - begin;
}

static void take_event(int fd)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	uint32_t port;

	must(poll(&readable, 1, 5000) == 1 && read(fd, &port, 4) == 4 && write(fd, &port, 4) == 4,
	     "event");
}

struct bound {
	int fd[2];
	struct ioctl_evtchn_notify to[2];
};

static struct bound bind_channels(void)
{
	struct ioctl_evtchn_bind_unbound_port unbound = { .remote_domain = DOMID_SELF };
	struct ioctl_evtchn_bind_interdomain interdomain = { .remote_domain = DOMID_SELF };
	struct bound b;
	int here, there;

	for (int i = 0; i < 2; i++)
		b.fd[i] = open("/dev/xen/evtchn", O_RDWR);
	here = ioctl(b.fd[0], IOCTL_EVTCHN_BIND_UNBOUND_PORT, &unbound);
	interdomain.remote_port = (uint32_t)here;
	there = ioctl(b.fd[1], IOCTL_EVTCHN_BIND_INTERDOMAIN, &interdomain);
	must(here >= 0 && there >= 0, "bind");
	b.to[1].port = (uint32_t)here;
	b.to[0].port = (uint32_t)there;
	for (int i = 1; i >= 0; i--) {
		struct pollfd pending = { .fd = b.fd[i], .events = POLLIN };

		if (poll(&pending, 1, 0))
			take_event(b.fd[i]);
	}
	return b;
}

/* The second channels of the two pairs are handled by one processor each. */
static double event_channel(long runs)
{
	struct bound pairs[2];
	double begin;

	must(sysconf(_SC_NPROCESSORS_ONLN) == 2, "two processors are needed");
	for (int i = 0; i < 2; i++)
		pairs[i] = bind_channels();
	begin = now();
	for (long i = 0; i < runs; i++) {
		struct bound *b = &pairs[i % 2];

		must(!ioctl(b->fd[0], IOCTL_EVTCHN_NOTIFY, &b->to[1]), "notify");
		take_event(b->fd[1]);
		must(!ioctl(b->fd[1], IOCTL_EVTCHN_NOTIFY, &b->to[0]), "notify");
		take_event(b->fd[0]);
	}
	return now() - begin;
}

/* In the control domain: a grant to domain 0 itself. */
static double grant_map(long runs)
{
	struct ioctl_gntalloc_alloc_gref alloc = { .flags = GNTALLOC_FLAG_WRITABLE, .count = 1 };
	int gntalloc = open("/dev/xen/gntalloc", O_RDWR), gntdev = open("/dev/xen/gntdev", O_RDWR);
	double begin;

	must(!ioctl(gntalloc, IOCTL_GNTALLOC_ALLOC_GREF, &alloc), "gntalloc");
	must(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, gntalloc, (off_t)alloc.index) !=
	     MAP_FAILED, "gntalloc");
	begin = now();
	for (long i = 0; i < runs; i++) {
		struct ioctl_gntdev_map_grant_ref map = {
			.count = 1, .refs = { { .ref = alloc.gref_ids[0] } },
		};
		struct ioctl_gntdev_unmap_grant_ref unmap = { .count = 1 };
		volatile char *page;

		must(!ioctl(gntdev, IOCTL_GNTDEV_MAP_GRANT_REF, &map), "map");
		page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, gntdev,
			    (off_t)map.index);
		must(page != MAP_FAILED, "mmap");
		(void)*page;
		munmap((void *)page, PAGE);
		unmap.index = map.index;
		must(!ioctl(gntdev, IOCTL_GNTDEV_UNMAP_GRANT_REF, &unmap), "unmap");
	}
	return now() - begin;
}

const struct operation hypervisor_operations[] = {
	{ "event-channel", event_channel },
	{ "grant-map", grant_map },
	{ "hlt-exit", hlt_exit },
	{ "hypercall", hypercall },
	{ "msr-read", msr_read },
	{ "msr-write", msr_write },
	{ "pio", pio },
	{ "vsock-pingpong", vsock_pingpong },
	{ NULL, NULL },
};
