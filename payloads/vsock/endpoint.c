#include "endpoint.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/vm_sockets.h>

#include "exits.h"

int endpoint_parse(struct address *a, const char *who, struct why *why)
{
	char text[128];

	snprintf(text, sizeof(text), strchr(who, '.') ? "%s:0" : "vsock:%s:0", who);
	if (!address_parse(a, text, why))
		return 0;
	why_set(why, "'%s' is nobody; write a CID, host, local, any, or an address as 10.0.0.2", who);
	return -1;
}

struct address endpoint_at(const struct address *machine, uint32_t port)
{
	struct address a = *machine;

	if (a.family == AF_VSOCK)
		((struct sockaddr_vm *)&a.storage)->svm_port = port;
	else
		((struct sockaddr_in *)&a.storage)->sin_port = htons((uint16_t)port);
	return a;
}

uint32_t endpoint_port(const struct address *a)
{
	if (a->family == AF_VSOCK)
		return ((const struct sockaddr_vm *)&a->storage)->svm_port;
	return ntohs(((const struct sockaddr_in *)&a->storage)->sin_port);
}

bool endpoint_same_machine(const struct address *a, const struct address *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == AF_VSOCK)
		return ((const struct sockaddr_vm *)&a->storage)->svm_cid ==
		       ((const struct sockaddr_vm *)&b->storage)->svm_cid;
	return ((const struct sockaddr_in *)&a->storage)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *)&b->storage)->sin_addr.s_addr;
}

struct address endpoint_any(const struct address *like)
{
	struct address a = *like;

	if (a.family == AF_VSOCK)
		((struct sockaddr_vm *)&a.storage)->svm_cid = VMADDR_CID_ANY;
	else
		((struct sockaddr_in *)&a.storage)->sin_addr.s_addr = htonl(INADDR_ANY);
	return a;
}

bool endpoint_usable(const struct address *a, struct why *why)
{
	return a->family != AF_VSOCK ||
	       vsock_usable(((const struct sockaddr_vm *)&a->storage)->svm_cid, why);
}

int endpoint_require(const struct address *a, const char *program)
{
	struct why why;

	if (endpoint_usable(a, &why))
		return EXIT_PASS;
	fprintf(stderr, "%s: skipped: %s\n", program, why.text);
	return EXIT_SKIP;
}
