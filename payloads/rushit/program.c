#include "program.h"

#include <string.h>
#include <sys/socket.h>

static const struct program_name names[] = {
	{"tcp_rr", KIND_RR, TRANSPORT_INET, "Requests and responses over TCP connections."},
	{"tcp_crr", KIND_CRR, TRANSPORT_INET, "Connect, request, response, close, over TCP."},
	{"tcp_stream", KIND_STREAM, TRANSPORT_INET, "Bulk data over TCP connections."},
	{"udp_rr", KIND_PACKET_RR, TRANSPORT_INET, "Requests and responses in UDP datagrams."},
	{"udp_stream", KIND_PACKETS, TRANSPORT_INET, "UDP datagrams from client to server."},
	{"unix_rr", KIND_RR, TRANSPORT_UNIX, "Requests and responses over Unix sockets."},
	{"unix_crr", KIND_CRR, TRANSPORT_UNIX,
	 "Connect, request, response, close, over Unix sockets."},
	{"unix_stream", KIND_STREAM, TRANSPORT_UNIX, "Bulk data over Unix sockets."},
	{"vsock_rr", KIND_RR, TRANSPORT_VSOCK, "Requests and responses over vsock."},
	{"vsock_crr", KIND_CRR, TRANSPORT_VSOCK, "Connect, request, response, close, over vsock."},
	{"vsock_stream", KIND_STREAM, TRANSPORT_VSOCK, "Bulk data over vsock."},
};

#define NAMES (sizeof(names) / sizeof(names[0]))

const struct program_name *program_find(const char *name)
{
	for (size_t i = 0; i < NAMES; i++)
		if (!strcmp(names[i].name, name))
			return &names[i];
	return NULL;
}

const char *program_names(void)
{
	static char list[256];

	list[0] = '\0';
	for (size_t i = 0; i < NAMES; i++) {
		strcat(list, i ? ", " : "");
		strcat(list, names[i].name);
	}
	return list;
}

enum kind program_kind(enum kind kind, enum transport transport)
{
	if (transport != TRANSPORT_VSOCK)
		return kind;
	if (kind == KIND_PACKETS)
		return KIND_STREAM;
	return kind == KIND_PACKET_RR ? KIND_RR : kind;
}

int program_socket_type(enum kind kind, enum transport transport)
{
	if (kind != KIND_PACKETS && kind != KIND_PACKET_RR)
		return SOCK_STREAM;
	return transport == TRANSPORT_VSOCK ? SOCK_SEQPACKET : SOCK_DGRAM;
}
