/* The plan's defaults, and its words on a command line. */
#include "plan.h"

#include "freestanding.h"

void plan_default(struct plan *plan)
{
	*plan = (struct plan){
		.loops = LOOPS_ENDLESS,
		.to = UINT64_MAX,
		.allow = DANGER_DEFAULT,
		.block = 4096,
	};
}

static const char *set_danger(struct plan *plan, const char *value)
{
	static const struct { const char *name; unsigned int mask; } classes[] = {
		{ "safe", DANGER_SAFE },
		{ "own-domain", DANGER_OWN },
		{ "host-state", DANGER_HOST },
		{ "fatal", DANGER_FATAL },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (text_equal(value, classes[i].name)) {
			plan->allow |= classes[i].mask;
			return NULL;
		}
	return "no such class; write safe, own-domain, host-state or fatal";
}

static const char *set_role(struct plan *plan, const char *value)
{
	if (text_equal(value, "control"))
		plan->role = ROLE_CONTROL;
	else if (text_equal(value, "guest"))
		plan->role = ROLE_GUEST;
	else
		return "no such role; write control or guest";
	return NULL;
}

/* MAJOR.MINOR */
static const char *set_release(struct plan *plan, const char *value)
{
	const char *wrong = "no release of Xen; write it as 4.17";
	char major[8];
	uint64_t high, low;
	size_t dot = 0;

	while (value[dot] && value[dot] != '.')
		dot++;
	if (value[dot] != '.' || dot >= sizeof(major))
		return wrong;
	memcpy(major, value, dot);
	major[dot] = '\0';
	if (!text_number(major, &high) || !text_number(value + dot + 1, &low) ||
	    high > 0xff || low > 0xff)
		return wrong;
	plan->release = RELEASE(high, low);
	return NULL;
}

static uint64_t *number_named(struct plan *plan, const char *name)
{
	return text_equal(name, "seed") ? &plan->seed :
	       text_equal(name, "loops") ? &plan->loops :
	       text_equal(name, "from") ? &plan->from :
	       text_equal(name, "to") ? &plan->to :
	       text_equal(name, "twist") ? &plan->twist :
	       text_equal(name, "block") ? &plan->block : NULL;
}

static const char *set_value(struct plan *plan, const char *name, const char *value)
{
	uint64_t *number = number_named(plan, name), seconds;

	if (number)
		return text_number(value, number) ? NULL : "not a number";
	if (text_equal(name, "only")) {
		plan->only = value;
		return NULL;
	}
	if (text_equal(name, "allow"))
		return set_danger(plan, value);
	if (text_equal(name, "role"))
		return set_role(plan, value);
	if (text_equal(name, "release"))
		return set_release(plan, value);
	if (text_equal(name, "seconds")) {
		if (!text_number(value, &seconds) || seconds > UINT64_MAX / 1000000000u)
			return "not a number of seconds";
		plan->limit_ns = seconds * 1000000000u;
		return NULL;
	}
	return "no such word";
}

const char *plan_word(struct plan *plan, const char *word)
{
	char name[16];
	size_t size = 0;

	while (word[size] && word[size] != '=' && size < sizeof(name) - 1) {
		name[size] = word[size];
		size++;
	}
	name[size] = '\0';
	if (word[size] == '=')
		return set_value(plan, name, word + size + 1);
	if (text_equal(name, "quiet"))
		plan->telling = TELL_BLOCKS;
	else if (text_equal(name, "dry-run"))
		plan->dry_run = true;
	else
		return "no such word";
	return NULL;
}
