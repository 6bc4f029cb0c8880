#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "transport.h"

void why_set(struct why *why, const char *text, ...)
{
	va_list words;

	va_start(words, text);
	vsnprintf(why->text, sizeof(why->text), text, words);
	va_end(words);
}

void why_errno(struct why *why, int error, const char *text, ...)
{
	size_t used;
	va_list words;

	va_start(words, text);
	vsnprintf(why->text, sizeof(why->text), text, words);
	va_end(words);
	used = strlen(why->text);
	snprintf(why->text + used, sizeof(why->text) - used, ": %s", strerror(error));
}

/* All of `text` is a number up to `most`. */
static bool parse_number(const char *text, uint64_t most, uint64_t *value)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !*end && !errno && *value <= most;
}

static bool parse_cid(const char *text, uint64_t *cid)
{
	static const struct {
		const char *name;
		uint32_t cid;
	} names[] = {
		{"host", VMADDR_CID_HOST}, {"local", VMADDR_CID_LOCAL}, {"any", VMADDR_CID_ANY},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(text, names[i].name)) {
			*cid = names[i].cid;
			return true;
		}
	}
	return parse_number(text, UINT32_MAX, cid);
}

static int parse_vsock(struct address *a, char *rest, const char *text, struct why *why)
{
	char *port_text = strchr(rest, ':');
	uint64_t cid, port;

	if (port_text)
		*port_text++ = '\0';
	if (!port_text || !parse_cid(rest, &cid) || !parse_number(port_text, UINT32_MAX, &port)) {
		why_set(why, "'%s' is no vsock address; write vsock:CID:PORT, with a number, host, "
			"local or any as CID", text);
		return -1;
	}
	return address_vsock(a, cid, port);
}

static int parse_inet(struct address *a, char *host, const char *text, struct why *why)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a->storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->storage;
	char *port_text = strrchr(host, ':');
	uint64_t port;

	if (!port_text || !parse_number(port_text + 1, UINT16_MAX, &port)) {
		why_set(why, "'%s' is no address; write HOST:PORT, [V6]:PORT, vsock:CID:PORT or "
			"unix:PATH", text);
		return -1;
	}
	*port_text = '\0';
	memset(a, 0, sizeof(*a));
	if (host[0] == '[' && port_text[-1] == ']') {
		port_text[-1] = '\0';
		a->family = v6->sin6_family = AF_INET6;
		a->size = sizeof(*v6);
		v6->sin6_port = htons(port);
		if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1)
			return 0;
	} else {
		a->family = v4->sin_family = AF_INET;
		a->size = sizeof(*v4);
		v4->sin_port = htons(port);
		if (inet_pton(AF_INET, strcmp(host, "localhost") ? host : "127.0.0.1",
			      &v4->sin_addr) == 1)
			return 0;
	}
	/* A static program has no resolver. */
	why_set(why, "'%s': host names are not looked up; write the number (10.0.0.2:%u)", text,
		(unsigned int)port);
	return -1;
}

int address_parse(struct address *a, const char *text, struct why *why)
{
	char copy[256];

	if (!strncmp(text, "unix:", 5))
		return address_unix(a, text + 5, why);
	if (strlen(text) >= sizeof(copy)) {
		why_set(why, "an address of %zu characters is too long", strlen(text));
		return -1;
	}
	strcpy(copy, text);
	if (!strncmp(copy, "vsock:", 6))
		return parse_vsock(a, copy + 6, text, why);
	return parse_inet(a, copy + (strncmp(copy, "inet:", 5) ? 0 : 5), text, why);
}

int address_vsock(struct address *a, uint32_t cid, uint32_t port)
{
	struct sockaddr_vm *vm = (struct sockaddr_vm *)&a->storage;

	memset(a, 0, sizeof(*a));
	a->family = vm->svm_family = AF_VSOCK;
	a->size = sizeof(*vm);
	vm->svm_cid = cid;
	vm->svm_port = port;
	return 0;
}

int address_unix(struct address *a, const char *path, struct why *why)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&a->storage;
	size_t length = strlen(path);

	memset(a, 0, sizeof(*a));
	if (!length || length >= sizeof(un->sun_path)) {
		why_set(why, "a Unix socket's path has 1 to %zu characters, '%s' has %zu",
			sizeof(un->sun_path) - 1, path, length);
		return -1;
	}
	a->family = un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, length);
	a->size = offsetof(struct sockaddr_un, sun_path) + length + 1;
	if (path[0] == '@') {
		un->sun_path[0] = '\0';
		a->size--;
	}
	return 0;
}

const char *address_format(const struct address *a, char *buffer, size_t size)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->storage;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->storage;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->storage;
	const struct sockaddr_vm *vm = (const struct sockaddr_vm *)&a->storage;
	size_t path_size = a->size - offsetof(struct sockaddr_un, sun_path);
	char host[INET6_ADDRSTRLEN];

	if (a->family == AF_VSOCK && vm->svm_cid == VMADDR_CID_ANY)
		snprintf(buffer, size, "vsock:any:%u", vm->svm_port);
	else if (a->family == AF_VSOCK)
		snprintf(buffer, size, "vsock:%u:%u", vm->svm_cid, vm->svm_port);
	else if (a->family == AF_INET)
		snprintf(buffer, size, "%s:%u", inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)),
			 ntohs(v4->sin_port));
	else if (a->family == AF_INET6)
		snprintf(buffer, size, "[%s]:%u",
			 inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)),
			 ntohs(v6->sin6_port));
	else if (a->size <= offsetof(struct sockaddr_un, sun_path))
		snprintf(buffer, size, "unix:(without a name)");
	else if (!un->sun_path[0])
		snprintf(buffer, size, "unix:@%.*s", (int)path_size - 1, un->sun_path + 1);
	else
		snprintf(buffer, size, "unix:%.*s", (int)path_size, un->sun_path);
	return buffer;
}

/* Whether a socket can be bound to `cid`: it can when a transport has this address. */
static bool can_bind(uint32_t cid)
{
	struct address a;
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool bound;

	if (fd < 0)
		return false;
	address_vsock(&a, cid, VMADDR_PORT_ANY);
	bound = !bind(fd, (struct sockaddr *)&a.storage, a.size);
	close(fd);
	return bound;
}

/* What the device node says; VMADDR_CID_ANY when there is no node or no transport. */
static uint32_t device_cid(void)
{
	uint32_t cid = VMADDR_CID_ANY;
	int fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return cid;
	if (ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid))
		cid = VMADDR_CID_ANY;
	close(fd);
	return cid;
}

int64_t vsock_local_cid(struct why *why)
{
	uint32_t cid = device_cid();

	if (cid != VMADDR_CID_ANY)
		return cid;
	/* No device node, or only the loopback: those addresses can be bound to. */
	if (can_bind(VMADDR_CID_HOST))
		return VMADDR_CID_HOST;
	if (can_bind(VMADDR_CID_LOCAL))
		return VMADDR_CID_LOCAL;
	why_set(why, "AF_VSOCK has no transport here: a guest needs the device vhost-vsock-pci, a "
		"host the module vhost_vsock, a machine alone vsock_loopback");
	return -1;
}

/* Try to connect where hardly anybody listens: only a missing transport fails at once. */
static int transport_error(uint32_t cid)
{
	struct address a;
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return errno;
	address_vsock(&a, cid, VMADDR_PORT_ANY - 1);
	error = connect(fd, (struct sockaddr *)&a.storage, a.size) ? errno : 0;
	close(fd);
	return error;
}

bool vsock_usable(uint32_t cid, struct why *why)
{
	int error, fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		why_errno(why, errno, "this kernel has no AF_VSOCK (modprobe vsock)");
		return false;
	}
	close(fd);
	if (cid == VMADDR_CID_ANY)
		return vsock_local_cid(why) >= 0;
	/* The loopback serves its own CID and the one of this machine; nothing else does. */
	if (cid == VMADDR_CID_LOCAL || cid == device_cid()) {
		if (can_bind(VMADDR_CID_LOCAL))
			return true;
		why_set(why, "CID %u is this machine, and it has no vsock loopback (modprobe "
			"vsock_loopback)", cid);
		return false;
	}
	error = transport_error(cid);
	/* This is a host of guests: that none has this CID is for who connects to complain about. */
	if (error == ENODEV && cid > VMADDR_CID_HOST && !access("/sys/class/misc/vhost-vsock", F_OK))
		return true;
	if (error == ENODEV || error == ENETUNREACH || error == EADDRNOTAVAIL) {
		why_errno(why, error, "no vsock transport leads to CID %u, or no guest has it", cid);
		return false;
	}
	return true;
}
