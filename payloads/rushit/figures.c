#include "figures.h"

uint64_t payload_bytes(const struct settings *s, uint64_t bytes_read, uint64_t bytes_written)
{
	bool reads = s->kind == KIND_STREAM ? s->enable_read : !s->client;

	return reads ? bytes_read : bytes_written;
}

double megabits(uint64_t bytes, double seconds)
{
	return seconds > 0 ? (double)bytes * 8 / 1e6 / seconds : 0;
}

double per_second(uint64_t count, double seconds)
{
	return seconds > 0 ? (double)count / seconds : 0;
}
