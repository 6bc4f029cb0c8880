/* Notes of what the program does, on standard error with --logtostderr. */
#ifndef RUSHIT_LOG_H
#define RUSHIT_LOG_H

#include <stdbool.h>

void log_enable(bool on);

#define log_note(...) log_write(__FILE__, __LINE__, __func__, __VA_ARGS__)

/* "I1121 06:45:37.123456 4711 file.c:12] function: text" */
void log_write(const char *file, int line, const char *function, const char *text, ...)
	__attribute__((format(printf, 4, 5)));

#endif
