#include "machines.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console.h"
#include "exits.h"
#include "newcomers.h"
#include "options.h"
#include "script.h"

#define STOP_LIMIT_MS 180000
#define NAMES_MAX 64

static const char *const script_names[] = { "start", "start_machine", "stop_machine", "stop" };

static int is_folder_name(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && entry->d_type != DT_REG;
}

static void unknown_backend(const char *name, const char *backends, struct why *why)
{
	const char *names[NAMES_MAX + 1] = { NULL }, *nearest;
	struct dirent **entries = NULL;
	int n = scandir(backends, &entries, is_folder_name, alphasort);
	size_t used;

	for (int i = 0; i < n && i < NAMES_MAX; i++)
		names[i] = entries[i]->d_name;
	nearest = nearest_name(name, names);
	why_set(why, "unknown backend '%s'%s%s%s; there are:", name,
		nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
	used = strlen(why->text);
	for (int i = 0; i < n && i < NAMES_MAX && used < sizeof(why->text); i++)
		used += (size_t)snprintf(why->text + used, sizeof(why->text) - used, " %s",
					 names[i]);
	for (int i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
	if (n < 0)
		why_set(why, "unknown backend '%s', and no backends in %s", name, backends);
}

int backend_find(struct backend *b, const char *name, const char *backends, struct why *why)
{
	char path[PATH_MAX];
	struct stat status;

	if (strchr(name, '/'))
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "%s/%s", backends, name);
	if (!*name || !realpath(path, b->folder) || stat(b->folder, &status) < 0 ||
	    !S_ISDIR(status.st_mode)) {
		unknown_backend(name, backends, why);
		return -1;
	}
	snprintf(b->name, sizeof(b->name), "%s", strrchr(b->folder, '/') + 1);
	for (size_t i = 0; i < sizeof(script_names) / sizeof(script_names[0]); i++) {
		if (snprintf(path, sizeof(path), "%s/%s", b->folder, script_names[i]) >=
		    (int)sizeof(path) || access(path, X_OK) < 0) {
			why_errno(why, errno, "backend %s: its script %s cannot be run; each of "
				  "start, start_machine, stop_machine and stop must be there and "
				  "executable", b->name, script_names[i]);
			return -1;
		}
	}
	return 0;
}

static int run(const struct backend *b, const char *script, const char *const words[3],
	       uint64_t limit_ms, char *answer, size_t size, struct why *why)
{
	char path[PATH_MAX + 32], above[PATH_MAX];
	char *argv[5] = { path };

	snprintf(path, sizeof(path), "%s/%s", b->folder, script);
	snprintf(above, sizeof(above), "%s", b->folder);
	*strrchr(above, '/') = 0;
	for (int i = 0; i < 3 && words[i]; i++)
		argv[i + 1] = (char *)words[i];
	return script_run(*above ? above : "/", argv, limit_ms, answer, size, why);
}

/* `step` is the script and what it was told. */
static int verdict_of(const struct backend *b, const char *step, int status, struct why *why)
{
	char reason[sizeof(why->text)];

	if (status == 0)
		return EXIT_PASS;
	if (status == EXIT_SKIP) {
		why_set(why, "backend %s cannot run here; its script %s has said why above",
			b->name, step);
		return EXIT_SKIP;
	}
	if (status > 0) {
		why_set(why, "backend %s: its script %s ended with status %d; see what it said "
			"above", b->name, step, status);
	} else {
		snprintf(reason, sizeof(reason), "%s", why->text);
		why_set(why, "backend %s, %s: %.180s", b->name, step, reason);
	}
	return EXIT_ERROR;
}

int backend_start(struct backend *b, char *address, size_t size, struct why *why)
{
	const char *const none[3] = { NULL };

	b->started->backend = true;
	return verdict_of(b, "start", run(b, "start", none, b->limit_ms, address, size, why), why);
}

static int start_machine(struct backend *b, int id, const char *address, int port,
			 struct why *why)
{
	struct started *started = b->started;
	char id_text[16], port_text[16], step[40];
	const char *const words[3] = { id_text, address, port_text };
	int status;

	snprintf(id_text, sizeof(id_text), "%d", id);
	snprintf(port_text, sizeof(port_text), "%d", port);
	snprintf(step, sizeof(step), "start_machine %d", id);
	console_forget(id);
	status = run(b, "start_machine", words, b->limit_ms, started->ids[id],
		     sizeof(started->ids[id]), why);
	if (started->ids[id][0])
		started->machines = id + 1;
	status = verdict_of(b, step, status, why);
	if (status == EXIT_PASS && !started->ids[id][0]) {
		why_set(why, "backend %s: its script start_machine printed nothing for machine %d; "
			"it must print an identifier for stop_machine", b->name, id);
		status = EXIT_ERROR;
	}
	return status;
}

/* Which machine is missing, and what each that is said last. */
static void explain_missing(const struct fleet *fleet, int missing, uint64_t limit_ms,
			    struct why *why)
{
	int first = -1;

	fputc('\n', stderr);
	for (int i = 0; i < fleet->n; i++) {
		if (fleet->machines[i].fd >= 0)
			continue;
		first = first < 0 ? i : first;
		console_tell(i);
	}
	why_set(why, "machine %d did not connect within %llu s (%d of %d did); see above what its "
		"console says", first, (unsigned long long)limit_ms / 1000, fleet->n - missing,
		fleet->n);
}

int fleet_start(struct fleet *fleet, struct backend *b, int n, int listener, const char *address,
		struct why *why)
{
	struct sockaddr_in bound;
	socklen_t size = sizeof(bound);
	int missing;

	fleet->n = n;
	for (int i = 0; i < n; i++)
		fleet->machines[i].fd = -1;
	if (getsockname(listener, (struct sockaddr *)&bound, &size) < 0) {
		why_errno(why, errno, "the port listened on");
		return EXIT_ERROR;
	}
	for (int i = 0; i < n; i++) {
		int status = start_machine(b, i, address, ntohs(bound.sin_port), why);

		if (status != EXIT_PASS)
			return status;
		fputc('.', stderr);
	}
	missing = newcomers_admit(fleet, listener, deadline_in_ms(b->limit_ms));
	if (missing)
		explain_missing(fleet, missing, b->limit_ms, why);
	return missing ? EXIT_ERROR : EXIT_PASS;
}

int backend_stop(struct backend *b)
{
	const char *words[3] = { NULL };
	int result = 0, status;
	char ignored[64];
	struct why why;

	for (int i = 0; i < b->started->machines; i++) {
		words[0] = b->started->ids[i];
		if (!words[0][0])
			continue;
		status = run(b, "stop_machine", words, STOP_LIMIT_MS, ignored,
			     sizeof(ignored), &why);
		if (verdict_of(b, "stop_machine", status, &why) != EXIT_PASS) {
			fprintf(stderr, "virtbench: machine %d (%s) was not stopped: %s\n", i,
				words[0], why.text);
			result = -1;
		}
	}
	words[0] = NULL;
	if (b->started->backend) {
		status = run(b, "stop", words, STOP_LIMIT_MS, ignored, sizeof(ignored), &why);
		if (verdict_of(b, "stop", status, &why) != EXIT_PASS) {
			fprintf(stderr, "virtbench: %s\n", why.text);
			result = -1;
		}
	}
	return result;
}

void fleet_disconnect(struct fleet *fleet)
{
	for (int i = 0; i < fleet->n; i++)
		if (fleet->machines[i].fd >= 0)
			close(fleet->machines[i].fd);
}
