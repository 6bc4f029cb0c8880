/* What a KVM guest may not do, and what of its host it must not see. */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "cpu.h"
#include "environment.h"
#include "tries.h"
#include "transport.h"

#define FEATURES 3	/* KVM_HC_FEATURES: asks, changes nothing */
#define HOST_CID 2
#define LIBVIRT_PORT 16509
#define LIBVIRT_TLS_PORT 16514
#define CONNECT_MS 2000
#define VIRTIO_9P 9
#define VIRTIO_FS 26

static struct answer is_kvm(struct scene *scene)
{
	const char *name = environment_hypervisor();

	(void)scene;
	if (!name || strcmp(name, "kvm"))
		return answer_unreached("CPUID does not show KVM");
	return answer_done("CPUID shows KVM");
}

const struct door door_kvm = { "CPUID", is_kvm };

/* AMD and Intel have an instruction each; the wrong one KVM may patch, or fault. */
static long hypercall(unsigned long number)
{
	long result = (long)number;

	if (cpu_is_amd())
		__asm__ volatile("vmmcall" : "+a"(result) : "b"(0), "c"(0), "d"(0) : "memory");
	else
		__asm__ volatile("vmcall" : "+a"(result) : "b"(0), "c"(0), "d"(0) : "memory");
	return result;
}

struct answer hypercall_answer(long result)
{
	if (result == -EPERM)
		return answer_refused(EPERM, "KVM_HC_FEATURES from user mode");
	return answer_done("KVM_HC_FEATURES from user mode returned %ld", result);
}

/* From user mode KVM must not even look at the number. */
struct answer try_user_hypercall(struct scene *scene)
{
	(void)scene;
	return hypercall_answer(hypercall(FEATURES));
}

/* Sockets as such work. */
static struct answer own_socket(struct scene *scene)
{
	int pair[2];

	(void)scene;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return answer_refused(errno, "socketpair");
	if (write(pair[0], "", 1) != 1)
		return answer_refused(errno, "writing to an own socket");
	return answer_done("an own socket works");
}

const struct door door_unix = { "sockets", own_socket };

/*
 * The host's libvirt over vsock, the one wire that needs no network.  A host where nobody listens
 * says so; silence shows nothing.
 */
struct answer try_host_sockets(struct scene *scene)
{
	static const uint32_t ports[] = { LIBVIRT_PORT, LIBVIRT_TLS_PORT };
	struct answer answer = { .became = BECAME_BROKEN };
	struct why why;

	(void)scene;
	if (!vsock_usable(HOST_CID, &why))
		return answer_unreached("there is no vsock to try: %s", why.text);
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		struct address host;
		int fd;

		address_vsock(&host, HOST_CID, ports[i]);
		fd = transport_connect(&host, NULL, SOCK_STREAM, deadline_in_ms(CONNECT_MS), &why);
		if (fd >= 0)
			return answer_done("the host answers on vsock port %u", ports[i]);
		if (errno != ECONNRESET && errno != ECONNREFUSED)
			return answer_broken("the host does not even refuse: %s", why.text);
		answer = answer_refused(0, "%s", why.text);
	}
	return answer;
}

static const char *const host_paths[] = {
	"/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock", "/etc/libvirt/qemu",
	"/var/lib/libvirt/images",
};

/* Below a folder that the host shares with us. */
static struct answer look_below(const char *folder)
{
	struct answer answer = answer_refused(ENOENT, "%s and others", host_paths[0]);
	char path[PATH_MAX];
	struct stat found;

	for (size_t i = 0; i < sizeof(host_paths) / sizeof(host_paths[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", strcmp(folder, "/") ? folder : "",
			 host_paths[i]);
		/* A link is seen too, wherever on the host it leads. */
		if (!lstat(path, &found))
			return answer_done("%s is shared by the host", path);
		if (errno != ENOENT && errno != ENOTDIR)
			answer = answer_broken("%s: %s", path, strerror(errno));
	}
	return answer;
}

/* Devices behind which the host shares something, mounted or not: 9p and virtiofs. */
static size_t shares_offered(const char *root)
{
	char path[PATH_MAX];
	size_t count = 0;
	glob_t found;

	snprintf(path, sizeof(path), "%s/sys/bus/virtio/devices/*/device", root);
	if (glob(path, 0, NULL, &found))
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *file = fopen(found.gl_pathv[i], "re");
		unsigned int kind = 0;

		if (!file)
			continue;
		if (fscanf(file, "%x", &kind) == 1)
			count += kind == VIRTIO_9P || kind == VIRTIO_FS;
		fclose(file);
	}
	globfree(&found);
	return count;
}

/* All that the host shares. */
static struct answer look_at_shares(FILE *mounts, size_t offered)
{
	struct answer answer = answer_refused(ENOENT, "the host shares nothing");
	struct mntent *mount;
	size_t mounted = 0;

	while (answer.became == BECAME_REFUSED && (mount = getmntent(mounts)))
		if (!strcmp(mount->mnt_type, "9p") || !strcmp(mount->mnt_type, "virtiofs")) {
			answer = look_below(mount->mnt_dir);
			mounted++;
		}
	if (answer.became == BECAME_REFUSED && mounted < offered)
		return answer_unreached("the host offers %zu shares, and %zu are mounted: mount "
					"them all, what is not mounted cannot be looked at",
					offered, mounted);
	return answer;
}

/* The host's libvirt in what it shares; a guest that runs libvirt has such files of its own. */
struct answer try_host_files(struct scene *scene)
{
	char path[PATH_MAX];
	struct answer answer;
	FILE *mounts;

	snprintf(path, sizeof(path), "%s/proc/self/mounts", scene->root);
	mounts = setmntent(path, "re");
	if (!mounts)
		return answer_broken("%s: %s", path, strerror(errno));
	answer = look_at_shares(mounts, shares_offered(scene->root));
	endmntent(mounts);
	return answer;
}
