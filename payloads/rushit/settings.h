/* What a run was asked to do: the command line, checked. */
#ifndef RUSHIT_SETTINGS_H
#define RUSHIT_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "json.h"

#define MAX_PERCENTILES 32

enum kind {
	KIND_RR,	/* request and response over a connection */
	KIND_CRR,	/* the same, with a new connection for each */
	KIND_STREAM,	/* bulk data over a connection */
	KIND_PACKETS,	/* datagrams one way */
	KIND_PACKET_RR,	/* request and response in datagrams, which may get lost */
};

enum transport {
	TRANSPORT_INET,
	TRANSPORT_UNIX,
	TRANSPORT_VSOCK,
};

struct settings {
	const char *program;
	enum kind kind;
	enum transport transport;
	int socket_type;

	/* Who and where */
	bool client;
	const char *host;
	const char *local_host;
	const char *control_port;
	const char *port;
	bool ipv4, ipv6;
	int64_t magic;
	int64_t num_clients;
	int64_t patience;

	/* How much */
	int64_t num_flows;
	int64_t num_threads;
	int64_t test_length;
	double warmup;
	double until;		/* relative half width of the confidence interval; 0: off */
	int64_t buffer_size;
	int64_t request_size;
	int64_t response_size;
	double rate;		/* all flows together, a second; 0: closed loop */
	int64_t delay;
	bool enable_read, enable_write;

	/* How */
	const char *script;
	int64_t maxevents;
	int64_t suicide_length;
	bool dry_run;
	bool nonblocking;
	bool edge_trigger;
	bool pin_cpu, pin_numa;
	int64_t busy_poll;
	bool zerocopy;
	bool skip_rx_copy;
	int64_t listen_backlog;
	bool reuseaddr, reuseport;
	bool debug;
	int64_t min_rto;
	int64_t max_pacing_rate;
	const char *congestion_control;

	/* What is said */
	double interval;
	double percentiles[MAX_PERCENTILES];
	int percentile_count;
	const char *all_samples;
	const char *hgrm;
	bool logtostderr;
	bool progress;
	bool json;

	/* As they were written. */
	const char *transport_text;
	const char *percentiles_text;
	const char *until_text;
};

/*
 * Read the command line; argv[0]'s name (or, when that is "rushit", the first word) says
 * which workload it is.  What is wrong is said and ends the program with EXIT_USAGE.
 * The result is the program's only one and lives until its end.
 */
const struct settings *settings_parse(int argc, char **argv);

/* Every option as name=value, as the ancestor did, or as one JSON object. */
void settings_print(const struct settings *s, FILE *out);
void settings_write_json(const struct settings *s, struct json *j);

/* How long the run will take when nothing is in its way, in seconds. */
double settings_total_run_time(const struct settings *s);

/* Whether each write is a packet, of which a reader with too small a buffer loses a part. */
bool settings_sends_packets(const struct settings *s);

/* What a workload counts: "transactions" or "packets". */
const char *settings_counted(const struct settings *s);
/* The same where it is what is measured; NULL for streams of bytes. */
const char *settings_unit(const struct settings *s);
bool settings_has_latency(const struct settings *s);

/* "25,50,99.9" with any separators; the count, or -1 when a word is no number from 0 to 100
 * or stands there twice: they name columns and keys.
 */
int percentiles_parse(const char *text, double *values, int most);

/* "10MiB", "3 Gb": bytes a second, or NULL and a reason. */
const char *rate_parse(const char *text, int64_t *bytes);

#endif
