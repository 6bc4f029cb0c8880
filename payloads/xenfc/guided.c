#include "guided.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "corpus.h"
#include "counters.h"
#include "random.h"

#define PIECE 256u	/* calls */
#define MOST_FILES 4096u
#define SUFFIX ".xenfc"

static struct {
	const char *folder;
	const char *only;	/* what was asked for; a file may ask for other operations */
	uint64_t loops;
	struct random random;
	char *names[MOST_FILES];
	unsigned int n_names;
	uint64_t kept, failed;
	bool piece_was_made;
} guided;

static const char *path_of(const char *name)
{
	static char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", guided.folder, name) >= (int)sizeof(path))
		return NULL;
	return path;
}

static bool remember(const char *name)
{
	if (guided.n_names == MOST_FILES)
		return false;
	guided.names[guided.n_names] = strdup(name);
	return guided.names[guided.n_names] && ++guided.n_names;
}

/* A file that is damaged must be known before the first call, not in the middle of a night. */
static const char *check_file(const struct plan *plan, const char *name)
{
	static char said[512];
	struct plan trial = *plan;
	const char *path = path_of(name);
	const char *wrong = path ? corpus_read(path, &trial) : "its path is too long";

	if (!wrong && !remember(name))
		wrong = "there are more corpus files than 4096";
	if (!wrong)
		return NULL;
	snprintf(said, sizeof(said), "%s: %s", name, wrong);
	return said;
}

static bool is_corpus_file(const char *name)
{
	size_t size = strlen(name);

	return size > strlen(SUFFIX) && !strcmp(name + size - strlen(SUFFIX), SUFFIX);
}

static const char *read_folder(const struct plan *plan)
{
	const char *wrong = NULL;
	struct dirent *entry;
	DIR *folder;

	if (mkdir(guided.folder, 0755) && errno != EEXIST)
		return strerror(errno);
	folder = opendir(guided.folder);
	if (!folder)
		return strerror(errno);
	while (!wrong && (entry = readdir(folder)))
		if (is_corpus_file(entry->d_name))
			wrong = check_file(plan, entry->d_name);
	closedir(folder);
	return wrong;
}

/* Numbers of calls as a list: corpus_read() takes nothing else. */
static void list_calls(const struct plan *plan, char *list, size_t size)
{
	size_t used = 0;

	if (!plan->spans) {
		snprintf(list, size, "%llu-%llu", (unsigned long long)plan->from,
			 (unsigned long long)plan->to);
		return;
	}
	for (size_t i = 0; i < plan->n_spans && used < size; i++)
		used += (size_t)snprintf(list + used, size - used, "%s%llu-%llu", i ? "," : "",
					 (unsigned long long)plan->spans[i].first,
					 (unsigned long long)plan->spans[i].last);
}

static void keep(struct plan *plan, unsigned int release, const char *prefix)
{
	static char list[1 << 20];
	struct plan kept = *plan;
	char name[100];
	const char *path;
	int error;

	kept.release = release;
	snprintf(name, sizeof(name), "%s%llu-%llu" SUFFIX, prefix, (unsigned long long)plan->seed,
		 (unsigned long long)plan->twist);
	path = path_of(name);
	list_calls(plan, list, sizeof(list));
	error = path ? corpus_write(path, &kept, list) : -ENAMETOOLONG;
	if (error) {
		fprintf(stderr, "xenfc: %s could not be kept: %s\n", name, strerror(-error));
		return;
	}
	guided.kept++;
	remember(name);
}

static void look_at_piece(struct plan *plan, const struct outcome *outcome)
{
	long fresh = counters_new();

	if (fresh > 0)
		keep(plan, outcome->release, "");
	if (outcome->failed > guided.failed)
		keep(plan, outcome->release, "failed-");
	guided.failed = outcome->failed;
}

static void fresh_piece(struct plan *plan)
{
	plan->spans = NULL;
	plan->n_spans = 0;
	plan->only = guided.only;
	plan->seed = random_u64(&guided.random) >> 32;
	plan->twist = 0;
	plan->from = 0;
	plan->to = PIECE - 1;
}

/* False: the file is no longer what it was; it is left alone. */
static bool varied_piece(struct plan *plan)
{
	const char *path = path_of(guided.names[random_below(&guided.random, guided.n_names)]);
	struct plan kept = *plan;

	if (!path || corpus_read(path, &kept))
		return false;
	/* What to draw from was fixed when the run began. */
	if (kept.only != guided.only && (!kept.only || !guided.only ||
					 strcmp(kept.only, guided.only)))
		return false;
	plan->seed = kept.seed;
	plan->spans = kept.spans;
	plan->n_spans = kept.n_spans;
	plan->twist = 1 + (random_u64(&guided.random) >> 32);
	return true;
}

static bool next(struct plan *plan, const struct outcome *outcome)
{
	if (guided.piece_was_made)
		look_at_piece(plan, outcome);
	guided.piece_was_made = true;
	if (outcome->made >= guided.loops)
		return false;
	if (!guided.n_names || random_chance(&guided.random, 50) || !varied_piece(plan))
		fresh_piece(plan);
	return true;
}

const char *guided_begin(struct plan *plan, const char *folder)
{
	const char *wrong;

	guided.folder = folder;
	guided.only = plan->only;
	wrong = read_folder(plan);
	if (wrong)
		return wrong;
	random_seed(&guided.random, plan->seed);
	guided.loops = plan->loops;
	plan->loops = LOOPS_ENDLESS;
	plan->next = next;
	return NULL;
}

uint64_t guided_kept(void)
{
	return guided.kept;
}

void guided_end(void)
{
	for (unsigned int i = 0; i < guided.n_names; i++)
		free(guided.names[i]);
	memset(&guided, 0, sizeof(guided));
}
