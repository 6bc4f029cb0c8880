#include "report.h"

#include <stdarg.h>
#include <sys/mman.h>

#include "environment.h"
#include "exits.h"
#include "json.h"

/* Text that the counting needs nowhere: no file, so that no /dev is needed either. */
static ssize_t swallow(void *cookie, const char *text, size_t size)
{
	(void)cookie;
	(void)text;
	return (ssize_t)size;
}

struct report *report_new_shared(void)
{
	void *report = mmap(NULL, sizeof(struct report), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return report == MAP_FAILED ? NULL : report;
}

void report_begin(struct report *r, enum report_form form, FILE *out, const char *program,
		  char *const argv[], int planned)
{
	*r = (struct report){ .form = form, .out = out };
	if (form == REPORT_JSON) {
		environment_write(out, program, argv);
		r->nowhere = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = swallow });
	}
	ktap_begin(&r->ktap, r->nowhere ? r->nowhere : out, form != REPORT_KTAP, planned);
}

static void write_json(struct report *r, const char *name, const struct verdict *verdict)
{
	struct json j;

	json_begin_line(&j, r->out);
	json_string(&j, "type", "result");
	json_string(&j, "name", name);
	json_string(&j, "status", outcome_name(verdict->outcome));
	json_string(&j, "reason", verdict->reason);
	json_end_line(&j);
}

void report_verdict(struct report *r, const char *name, const struct verdict *verdict)
{
	if (r->form == REPORT_JSON)
		write_json(r, name, verdict);
	switch (verdict->outcome) {
	case OUTCOME_PASS:
		ktap_pass(&r->ktap, name, "%s", verdict->reason);
		break;
	case OUTCOME_FAIL:
		ktap_fail(&r->ktap, name, "%s", verdict->reason);
		break;
	case OUTCOME_SKIP:
		ktap_skip(&r->ktap, name, "%s", verdict->reason);
		break;
	case OUTCOME_ERROR:
		ktap_error(&r->ktap, name, "%s", verdict->reason);
		break;
	}
}

int report_told(const struct report *r)
{
	return ktap_told(&r->ktap);
}

void report_figure(struct report *r, const char *name, double value, const char *unit,
		   const char *better)
{
	if (r->form == REPORT_KTAP)
		fputs("# ", r->out); /* a note, and yet read: `figures=json` */
	if (r->form != REPORT_PLAIN)
		json_figure(r->out, name, value, unit, better);
	else
		ktap_note(&r->ktap, "%s: %.3f %s", name, value, unit);
}

void report_note(struct report *r, const char *text, ...)
{
	char line[1024];
	va_list words;

	va_start(words, text);
	vsnprintf(line, sizeof(line), text, words);
	va_end(words);
	if (r->form == REPORT_JSON) {
		struct json j;

		json_begin_line(&j, r->out);
		json_string(&j, "type", "note");
		json_string(&j, "text", line);
		json_end_line(&j);
	} else {
		ktap_note(&r->ktap, "%s", line);
	}
}

int report_end(struct report *r)
{
	int status = ktap_end(&r->ktap);

	if (r->nowhere)
		fclose(r->nowhere);
	if (fflush(r->out) || ferror(r->out))
		return EXIT_ERROR;
	return status;
}

int report_only(enum report_form form, const char *program, char *const argv[], const char *name,
		struct verdict verdict)
{
	struct report r;

	report_begin(&r, form, stdout, program, argv, 1);
	report_verdict(&r, name, &verdict);
	return report_end(&r);
}
