/*
 * Messages between virtbench and virtclient: a header of four numbers in network byte
 * order (magic, version, type, size of the body), then the body.
 */
#ifndef VIRTBENCH_WIRE_H
#define VIRTBENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport.h"

#define WIRE_MAGIC 0x56624348	/* "VbCH" */
#define WIRE_VERSION 1
#define WIRE_BODY_MAX 1024
#define WIRE_HELLO_SIZE 20	/* of a client's first message: the header and its number */

/* What a machine may take to set up, and to run: it ends and reports what takes longer. */
#define SETUP_LIMIT_MS 60000
#define RUN_LIMIT_MS 60000

enum wire_type {
	WIRE_HELLO = 1,	/* client: u32 id */
	WIRE_WELCOME,	/* server */
	WIRE_REFUSED,	/* server: text */
	WIRE_SETUP,	/* server: struct setup */
	WIRE_READY,	/* client: u32 port that the first side of a pair listens on, or 0 */
	WIRE_GO,	/* server: begin */
	WIRE_DONE,	/* client: all runs are done */
	WIRE_STOP,	/* server: the other side is done */
	WIRE_SKIP,	/* client: text; the benchmark cannot run here */
	WIRE_FAILED,	/* client: text */
};

struct wire_message {
	uint32_t type;
	uint32_t size;
	uint8_t body[WIRE_BODY_MAX + 1];	/* a NUL follows what came */
};

/* What the server tells a client to get ready for. */
struct setup {
	char name[64];
	uint32_t runs;
	uint32_t is_first;
	char peer[64];		/* numeric address of the other machine, or empty */
	uint32_t peer_port;
	uint32_t partner_port;	/* TCP, at the server's address; 0: none */
	uint32_t partner_vsock;	/* AF_VSOCK port; 0: none */
	uint32_t partner_cid;	/* for a client on the server's own machine, else 0 */
};

/* 0 or -1. */
int wire_send(int fd, enum wire_type type, const void *body, size_t size, deadline_t deadline,
	      struct why *why);
int wire_send_number(int fd, enum wire_type type, uint32_t number, deadline_t deadline,
		     struct why *why);
int wire_send_setup(int fd, const struct setup *setup, deadline_t deadline, struct why *why);

/* Whether these may be the first bytes of a client's first message, and some are missing. */
bool wire_is_part_of_hello(const uint8_t *bytes, size_t n);

int wire_receive(int fd, struct wire_message *m, deadline_t deadline, struct why *why);

/* False when the body is not what the type should carry. */
bool wire_number(const struct wire_message *m, uint32_t *number);
bool wire_setup(const struct wire_message *m, struct setup *setup);

/* The body as one line for a screen: a machine may send what a terminal or a log obeys. */
const char *wire_text(struct wire_message *m);

#endif
