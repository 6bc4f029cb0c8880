#include "workload.h"

const struct workload *workload_of(const struct settings *s)
{
	switch (s->kind) {
	case KIND_RR:
		return s->client ? &rr_client : &rr_server;
	case KIND_CRR:
		return s->client ? &crr_client : &rr_server;
	case KIND_STREAM:
		return &stream_both;
	case KIND_PACKETS:
		return s->client ? &packets_client : &packets_server;
	case KIND_PACKET_RR:
		break;
	}
	return s->client ? &packet_rr_client : &packet_rr_server;
}
