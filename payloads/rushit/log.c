#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static bool enabled;

void log_enable(bool on)
{
	enabled = on;
}

void log_write(const char *file, int line, const char *function, const char *text, ...)
{
	struct timespec now;
	struct tm local;
	char date[32], message[512];
	va_list words;

	if (!enabled)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	strftime(date, sizeof(date), "%m%d %H:%M:%S", &local);
	va_start(words, text);
	vsnprintf(message, sizeof(message), text, words);
	va_end(words);
	fprintf(stderr, "I%s.%06ld %d %s:%d] %s: %s\n", date, now.tv_nsec / 1000, gettid(), file,
		line, function, message);
}
