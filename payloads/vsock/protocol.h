/* The numbers that both halves know. */
#ifndef VSOCK_PROTOCOL_H
#define VSOCK_PROTOCOL_H

#define FILL_BYTE 42

/* The integration test. */
#define INTEGRATION_HOST_PORT 8000
#define INTEGRATION_EXCHANGE_PORT 8001	/* the host connects, both exchange data */
#define INTEGRATION_HOST_CLOSES_PORT 8002
#define INTEGRATION_GUEST_CLOSES_PORT 8003
#define INTEGRATION_CLIENT_PORT 49152
#define INTEGRATION_BLOCK 60000
#define INTEGRATION_BLOCKS 4
#define INTEGRATION_HOST_READS 10	/* of 8002, before it closes */
#define INTEGRATION_HOST_BLOCK 1000	/* zeros, written to 8003 */

/* The micro benchmark: all sockets connect to one port of the host and are told apart by theirs. */
#define BENCHMARK_HOST_PORT 8500
#define BENCHMARK_PAGE 4096
#define BENCHMARK_STREAMS 5
#define BENCHMARK_WARM_UP 100

enum benchmark_socket {
	SOCKET_CONTROL,
	SOCKET_LATENCY,
	SOCKET_UNIDIRECTIONAL,
	SOCKET_MULTI,		/* the first of BENCHMARK_STREAMS */
	SOCKET_BIDIRECTIONAL = SOCKET_MULTI + BENCHMARK_STREAMS,
	SOCKETS,
};

/* Guest ports 8501 to 8509, in the order in which the guest connects. */
#define BENCHMARK_GUEST_PORT(socket) (8501u + (socket))

/* What the guest says on the control socket when a test is about to begin. */
#define MAGIC_UNIDIRECTIONAL 123
#define MAGIC_MULTI 124		/* to 128 */
#define MAGIC_BIDIRECTIONAL 129

#endif
