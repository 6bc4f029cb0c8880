#include "settings_table.h"

#define RR (1u << KIND_RR | 1u << KIND_CRR | 1u << KIND_PACKET_RR)
#define STREAM (1u << KIND_STREAM)
#define PACKETS (1u << KIND_PACKETS)
#define CONNECTED (1u << KIND_RR | 1u << KIND_CRR | STREAM)
#define ALL (RR | STREAM | PACKETS)

static const char *const transports[] = {"inet", "unix", "vsock", NULL};

static const char *parse_pacing(const char *value, void *into)
{
	return rate_parse(value, into);
}

#define SETTING(member) (&settings_values.member)

struct setting {
	unsigned int kinds;
	struct option_spec option;
};

/* Printed backwards, as the ancestor did. */
static const struct setting table[] = {
	{ALL, {"progress", 0, NULL, "say each interval how it goes, on standard error",
	       .flag = SETTING(progress)}},
	{ALL, {"patience", 0, "S", "seconds to wait for the peer (client 30, server 3600)",
	       .number = SETTING(patience), .low = 1, .high = 1000000}},
	{ALL, {"json", 0, NULL, "results as JSON lines", .flag = SETTING(json)}},
	{ALL, {"transport", 0, "NAME", "inet, unix or vsock",
	       .text = SETTING(transport_text), .choices = transports}},
	{ALL, {"warmup", 0, "S", "seconds that do not count, before those that do",
	       .real = SETTING(warmup), .low = 0, .high = 1000000}},
	{ALL, {"until", 0, "P%", "end when the mean of the intervals is known to P percent "
	       "(95 % confidence, at least 10 intervals); test-length is then the limit",
	       .text = SETTING(until_text)}},
	{RR | PACKETS, {"rate", 0, "N", "open loop: N a second in all, each begun at its "
	       "time; latency counts from then", .real = SETTING(rate),
	       .low = 0, .high = 1e9}},
	{RR, {"hgrm", 0, "FILE", "write the distribution of latencies (us), HdrHistogram's "
	      "format", .text = SETTING(hgrm)}},
	{ALL, {"busy-poll", 0, "US", "look for data US microseconds long before sleeping",
	       .number = SETTING(busy_poll), .low = 0, .high = 1000000}},
	{STREAM, {"zerocopy", 'Z', NULL, "send with MSG_ZEROCOPY",
		  .flag = SETTING(zerocopy)}},
	{STREAM, {"skip-rx-copy", 0, NULL, "receive with MSG_TRUNC: data is not copied",
		  .flag = SETTING(skip_rx_copy)}},
	{CONNECTED, {"congestion-control", 0, "NAME", "TCP's congestion control",
		     .text = SETTING(congestion_control)}},
	{ALL, {"pin-numa", 'N', NULL, "pin thread i to NUMA node i modulo nodes",
	       .flag = SETTING(pin_numa)}},
	{ALL, {"script", 0, "FILE", "a Lua script that hooks into the run",
	       .text = SETTING(script)}},
	{ALL, {"magic", 0, "N", "a number that both ends must give",
	       .number = SETTING(magic), .low = -2147483648.0, .high = 2147483647}},
	{CONNECTED, {"min-rto", 0, "MS", "TCP's least retransmission timeout (patched "
		     "kernels only)", .number = SETTING(min_rto), .low = 0, .high = 65535}},
	{ALL, {"maxevents", 0, "N", "events taken from the kernel at once",
	       .number = SETTING(maxevents), .low = 1, .high = 65536}},
	{ALL, {"num-flows", 'F', "N", "flows, in all", .number = SETTING(num_flows),
	       .low = 1, .high = 1000000}},
	{ALL, {"num-threads", 'T', "N", "threads", .number = SETTING(num_threads),
	       .low = 1, .high = 4096}},
	{ALL, {"num-clients", 0, "N", "clients that the server waits for",
	       .number = SETTING(num_clients), .low = 1, .high = 1000}},
	{ALL, {"test-length", 'l', "S", "seconds", .number = SETTING(test_length),
	       .low = 1, .high = 100000000}},
	{ALL, {"buffer-size", 'B', "BYTES", "the most for one read or write",
	       .size = SETTING(buffer_size), .low = 1, .high = 1 << 30}},
	{RR, {"request-size", 'Q', "BYTES", "from client to server",
	      .size = SETTING(request_size), .low = 1, .high = 1 << 30}},
	{RR, {"response-size", 'R', "BYTES", "from server to client",
	      .size = SETTING(response_size), .low = 1, .high = 1 << 30}},
	{RR, {"percentiles", 'p', "LIST", "percentiles of the latency: 50,99,99.9",
	      .text = SETTING(percentiles_text)}},
	{CONNECTED, {"listen-backlog", 0, "N", "connections that wait to be accepted",
		     .number = SETTING(listen_backlog), .low = 1, .high = 2147483647}},
	{ALL, {"suicide-length", 's', "S", "end the program after S seconds, whatever it "
	       "does (0: never)", .number = SETTING(suicide_length),
	       .low = 0, .high = 100000000}},
	{ALL, {"ipv4", '4', NULL, "IPv4 only", .flag = SETTING(ipv4)}},
	{ALL, {"ipv6", '6', NULL, "IPv6 only", .flag = SETTING(ipv6)}},
	{ALL, {"client", 'c', NULL, "be the client", .flag = SETTING(client)}},
	{CONNECTED, {"debug", 'd', NULL, "SO_DEBUG", .flag = SETTING(debug)}},
	{ALL, {"dry-run", 'n', NULL, "print the options and the expected time, and end",
	       .flag = SETTING(dry_run)}},
	{ALL, {"pin-cpu", 'U', NULL, "pin thread i to physical core i modulo cores",
	       .flag = SETTING(pin_cpu)}},
	{STREAM, {"reuseaddr", 'R', NULL, "kept for old scripts: SO_REUSEADDR is always on",
		  .flag = SETTING(reuseaddr)}},
	{PACKETS | 1u << KIND_PACKET_RR, {"reuseport", 0, NULL, "all threads on one port; "
		  "else thread i on port+i", .flag = SETTING(reuseport)}},
	{ALL, {"logtostderr", 'V', NULL, "tell on standard error what is done",
	       .flag = SETTING(logtostderr)}},
	{ALL, {"nonblocking", 0, NULL, "never block in a read or write",
	       .flag = SETTING(nonblocking)}},
	{STREAM, {"enable-read", 'r', NULL, "receive bulk data (servers always do)",
		  .flag = SETTING(enable_read)}},
	{STREAM, {"enable-write", 'w', NULL, "send bulk data (clients always do)",
		  .flag = SETTING(enable_write)}},
	{STREAM | PACKETS, {"edge-trigger", 'E', NULL, "EPOLLET",
			    .flag = SETTING(edge_trigger)}},
	{ALL, {"interval", 'I', "S", "seconds between samples", .real = SETTING(interval),
	       .low = 0.001, .high = 1000000}},
	{CONNECTED, {"max-pacing-rate", 'm', "RATE", "SO_MAX_PACING_RATE, bytes a second; or "
		     "with b, kb, Kib, kB, KiB, Mb ... GiB behind it",
		     .parse = parse_pacing, .into = SETTING(max_pacing_rate)}},
	{STREAM, {"delay", 'D', "NS", "nanoseconds of rest after each write",
		  .number = SETTING(delay), .low = 0, .high = 1e18}},
	{ALL, {"local-host", 'L', "ADDRESS", "where the client binds",
	       .text = SETTING(local_host)}},
	{ALL, {"host", 'H', "ADDRESS", "the server's name or address, Unix path or vsock CID; "
	       "on the server: where to bind", .text = SETTING(host)}},
	{ALL, {"control-port", 'C', "PORT", "where both ends meet", .text = SETTING(control_port)}},
	{ALL, {"port", 'P', "PORT", "where the data goes", .text = SETTING(port)}},
	{ALL, {"all-samples", 'A', "FILE", "write all samples as CSV; -A alone writes "
	       "samples.csv", .text = SETTING(all_samples)}},
};

#define OPTIONS (sizeof(table) / sizeof(table[0]))

const struct option_spec *settings_options(enum kind kind)
{
	static struct option_spec chosen[OPTIONS + 1];
	size_t n = 0;

	for (size_t i = 0; i < OPTIONS; i++)
		if (table[i].kinds & 1u << kind)
			chosen[n++] = table[i].option;
	chosen[n].name = NULL;
	return chosen;
}
