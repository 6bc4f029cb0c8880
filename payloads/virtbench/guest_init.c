/* virtclient as the first process of a machine that has nothing else. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client.h"

#define INTERFACE_LIMIT_MS 120000

bool guest_is_init(void)
{
	return getpid() == 1;
}

static void mount_systems(void)
{
	static const char *const systems[][2] = {
		{ "/proc", "proc" },
		{ "/sys", "sysfs" },
		{ "/dev", "devtmpfs" },
		{ "/tmp", "tmpfs" },
	};

	for (size_t i = 0; i < sizeof(systems) / sizeof(systems[0]); i++) {
		mkdir(systems[i][0], 0755);
		mount("none", systems[i][0], systems[i][1], 0, NULL);
	}
}

static int is_module(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool is_same(char a, char b)
{
	return a == b || ((a == '-' || a == '_') && (b == '-' || b == '_'));
}

/* "NAME.option=value" words of the kernel's command line, which wait for whoever loads NAME. */
static void find_options(const char *module, char *options, size_t size)
{
	size_t used = 0, length = strlen(module);
	FILE *file = fopen("/proc/cmdline", "re");
	char word[256];

	options[0] = 0;
	while (file && fscanf(file, "%255s", word) == 1) {
		size_t same = 0;

		while (same < length && is_same(word[same], module[same]))
			same++;
		if (same == length && word[same] == '.' && used < size)
			used += (size_t)snprintf(options + used, size - used, "%s ",
						 word + same + 1);
	}
	if (file)
		fclose(file);
}

/* "101-xen-privcmd.ko" */
static void load_module(const char *file)
{
	const char *dash = strchr(file, '-');
	char path[300], name[256], options[256];
	int fd;

	snprintf(path, sizeof(path), "/modules/%s", file);
	snprintf(name, sizeof(name), "%s", dash ? dash + 1 : file);
	name[strcspn(name, ".")] = 0;
	find_options(name, options, sizeof(options));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* ENODEV: for hardware that this machine does not have. */
	if (syscall(SYS_finit_module, fd, options, 0) < 0 && errno != EEXIST && errno != ENODEV)
		fprintf(stderr, "virtclient: module %s: %s\n", path, strerror(errno));
	close(fd);
}

/* They are numbered in the order in which they need each other. */
static void load_modules(void)
{
	struct dirent **entries;
	int n = scandir("/modules", &entries, is_module, alphasort);

	for (int i = 0; i < n; i++) {
		load_module(entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static int set_up(int fd, struct ifreq *request, struct why *why)
{
	if (ioctl(fd, SIOCGIFFLAGS, request) < 0)
		goto failed;
	request->ifr_flags |= IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, request) == 0)
		return 0;
failed:
	why_errno(why, errno, "interface %s", request->ifr_name);
	return -1;
}

static int set_address(int fd, struct ifreq *request, unsigned long which, const char *address,
		       struct why *why)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&request->ifr_addr;

	memset(in, 0, sizeof(*in));
	in->sin_family = AF_INET;
	if (inet_pton(AF_INET, address, &in->sin_addr) != 1) {
		why_set(why, "%s is no IPv4 address", address);
		return -1;
	}
	if (ioctl(fd, which, request) < 0) {
		why_errno(why, errno, "address %s of %s", address, request->ifr_name);
		return -1;
	}
	return 0;
}

/* Its driver may still be busy finding it. */
static int wait_for_interface(const char *name, struct why *why)
{
	deadline_t deadline = deadline_in_ms(INTERFACE_LIMIT_MS);

	while (!if_nametoindex(name)) {
		if (deadline_passed(deadline)) {
			why_set(why, "there is no interface %s; give the machine one that its "
				"kernel or a module in /modules drives", name);
			return -1;
		}
		clock_sleep_until(clock_ns() + 20 * NS_PER_MS);
	}
	return 0;
}

static int configure(const char *name, const char *address, struct why *why)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result = -1;
	struct ifreq request = { .ifr_name = "" };

	if (fd < 0) {
		why_errno(why, errno, "no network in this kernel");
		return -1;
	}
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (wait_for_interface(name, why) == 0 &&
	    (!address || (set_address(fd, &request, SIOCSIFADDR, address, why) == 0 &&
			  set_address(fd, &request, SIOCSIFNETMASK, "255.255.255.0", why) == 0)))
		result = set_up(fd, &request, why);
	close(fd);
	return result;
}

int guest_init(const char *ifname, const char *address, struct why *why)
{
	mount_systems();
	load_modules();
	if (configure("lo", NULL, why) < 0)
		return -1;
	return ifname ? configure(ifname, address, why) : 0;
}

_Noreturn void guest_power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
