#include "ktap.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "exits.h"

#define LINE_MAX_BYTES 1024

void ktap_begin(struct ktap *k, FILE *out, bool plain, int planned)
{
	*k = (struct ktap){.out = out, .plain = plain, .planned = planned};
	if (!plain)
		fprintf(out, "KTAP version 1\n1..%d\n", planned);
	fflush(out);
}

int ktap_told(const struct ktap *k)
{
	return k->passed + k->failed + k->skipped + k->errors;
}

struct outcome {
	bool ok;
	const char *directive;	/* before the reason in KTAP */
	const char *word;	/* in sentences */
};

/* One line of text; a '#' in it could pass for a directive. */
static void clean(char *text)
{
	for (; *text; text++) {
		if (*text == '#')
			*text = '_';
		else if ((unsigned char)*text < ' ')
			*text = ' ';
	}
}

/* A failure whose reason begins with "skipped" must not be read as a skip. */
static bool looks_like_directive(const char *reason)
{
	static const char *const directives[] = {"SKIP", "TODO", "XFAIL", "XPASS", "TIMEOUT",
						 "ERROR"};

	reason += strspn(reason, " ");
	for (size_t i = 0; i < sizeof(directives) / sizeof(*directives); i++)
		if (!strncasecmp(reason, directives[i], strlen(directives[i])))
			return true;
	return false;
}

static void report_ktap(const struct ktap *k, const struct outcome *outcome, const char *title,
			const char *reason)
{
	fprintf(k->out, "%s %d %s", outcome->ok ? "ok" : "not ok", ktap_told(k), title);
	if (outcome->directive[0])
		fprintf(k->out, " # %s%s%s", outcome->directive, reason[0] ? " " : "", reason);
	else if (reason[0])
		fprintf(k->out, " # %s%s", looks_like_directive(reason) ? "- " : "", reason);
	fputc('\n', k->out);
}

static void report(struct ktap *k, const struct outcome *outcome, const char *name,
		   const char *reason, va_list words)
{
	char line[LINE_MAX_BYTES] = "", title[LINE_MAX_BYTES];

	snprintf(title, sizeof(title), "%s", name);
	clean(title);
	if (reason)
		vsnprintf(line, sizeof(line), reason, words);
	clean(line);
	if (k->plain)
		fprintf(k->out, "%s: %s%s%s\n", title, outcome->word, line[0] ? ": " : "", line);
	else
		report_ktap(k, outcome, title, line);
	fflush(k->out);
}

void ktap_pass(struct ktap *k, const char *name, const char *reason, ...)
{
	static const struct outcome passed = {true, "", "passed"};
	va_list words;

	k->passed++;
	va_start(words, reason);
	report(k, &passed, name, reason, words);
	va_end(words);
}

void ktap_fail(struct ktap *k, const char *name, const char *reason, ...)
{
	static const struct outcome failed = {false, "", "FAILED"};
	va_list words;

	k->failed++;
	va_start(words, reason);
	report(k, &failed, name, reason, words);
	va_end(words);
}

void ktap_skip(struct ktap *k, const char *name, const char *reason, ...)
{
	static const struct outcome skipped = {true, "SKIP", "skipped"};
	va_list words;

	k->skipped++;
	va_start(words, reason);
	report(k, &skipped, name, reason, words);
	va_end(words);
}

void ktap_error(struct ktap *k, const char *name, const char *reason, ...)
{
	static const struct outcome error = {false, "ERROR", "ERROR"};
	va_list words;

	k->errors++;
	va_start(words, reason);
	report(k, &error, name, reason, words);
	va_end(words);
}

void ktap_note(struct ktap *k, const char *text, ...)
{
	char lines[4 * LINE_MAX_BYTES];
	va_list words;
	char *rest = lines, *line;

	va_start(words, text);
	vsnprintf(lines, sizeof(lines), text, words);
	va_end(words);
	while ((line = strsep(&rest, "\n")))
		fprintf(k->out, "%s%s\n", k->plain ? "" : "# ", line);
	fflush(k->out);
}

int ktap_end(struct ktap *k)
{
	int total = ktap_told(k);
	int missing = k->planned > total ? k->planned - total : 0;

	if (missing)
		ktap_note(k, "%d of %d planned verdicts are missing", missing, k->planned);
	else if (total > k->planned)
		ktap_note(k, "%d verdicts, but only %d were planned", total, k->planned);
	else if (!total)
		ktap_note(k, "nothing was checked");
	if (k->plain)
		fprintf(k->out, "%d passed, %d failed, %d skipped, %d errors\n", k->passed,
			k->failed, k->skipped, k->errors);
	else
		fprintf(k->out, "# Totals: pass:%d fail:%d xfail:0 xpass:0 skip:%d error:%d\n",
			k->passed, k->failed, k->skipped, k->errors);
	if (fflush(k->out) || ferror(k->out))
		return EXIT_ERROR;
	if (k->errors || !total || total != k->planned)
		return EXIT_ERROR;
	if (k->failed)
		return EXIT_FAIL;
	return k->skipped == total ? EXIT_SKIP : EXIT_PASS;
}
