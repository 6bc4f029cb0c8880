/* Which operation a call is: by the plan, the release and the weights of the table. */
#include "run.h"

#define DEFAULT_WEIGHT 10u
#define SHARES 4u	/* of a unit of weight; what is dear has one of them */
#define FIRST_FREE_HYPERCALL 56u	/* 48 to 55 belong to the processor's architecture */

static bool in_release(const struct operation *operation, unsigned int release)
{
	return release >= operation->since && (!operation->until || release < operation->until);
}

static bool wanted(const struct run *run, const struct family *family,
		   const struct operation *operation)
{
	char name[64];
	struct text t;

	if (!(operation->danger & run->plan.allow) ||
	    !in_release(operation, run->machine.release))
		return false;
	if (!run->plan.only)
		return true;
	text_begin(&t, name, sizeof(name));
	text_format(&t, "%s.%s", family->name, operation->name);
	return text_matches(run->plan.only, name) || text_matches(run->plan.only, operation->name);
}

static bool in_table(const struct family *family, uint32_t command)
{
	for (size_t p = 0; p < family->n_parts; p++)
		for (size_t o = 0; o < family->parts[p].count[0]; o++)
			if (family->parts[p].list[o].command == command)
				return true;
	return false;
}

static bool exists_beyond(const struct family *family, uint32_t command)
{
	return family->command_exists && family->command_exists(command);
}

static unsigned int shares_of(const struct operation *operation)
{
	unsigned int weight = operation->weight ? operation->weight : DEFAULT_WEIGHT;

	return operation->traits & TRAIT_DEAR ? weight : weight * SHARES;
}

static void add_choices(struct run *run, unsigned int number)
{
	const struct family *family = all_families[number];

	for (size_t p = 0; p < family->n_parts; p++)
		for (size_t o = 0; o < family->parts[p].count[0]; o++) {
			const struct operation *operation = &family->parts[p].list[o];
			unsigned int shares = shares_of(operation);

			if (!wanted(run, family, operation))
				continue;
			while (shares-- && run->weight < MAX_WEIGHT)
				run->drawn[run->weight++] = (uint16_t)run->n_choices;
			run->choices[run->n_choices++] = (struct choice){
				family, operation, number,
			};
		}
}

static void note_known(struct known_commands *known, const struct family *family)
{
	for (uint32_t command = 0; command < SMALL_COMMANDS; command++)
		if (in_table(family, command) || exists_beyond(family, command))
			known->bits[command / 64] |= 1ull << command % 64;
	for (size_t p = 0; p < family->n_parts; p++)
		for (size_t o = 0; o < family->parts[p].count[0]; o++)
			if (family->parts[p].list[o].command > known->last)
				known->last = family->parts[p].list[o].command;
}

bool choices_make(struct run *run)
{
	run->n_choices = 0;
	run->weight = 0;
	for (unsigned int number = 0; all_families[number]; number++) {
		note_known(&run->known[number], all_families[number]);
		add_choices(run, number);
	}
	return run->n_choices && run->weight < MAX_WEIGHT;
}

static const struct choice *draw_choice(struct call *call)
{
	const struct run *run = call->run;

	return &run->choices[run->drawn[draw(call, run->weight)]];
}

static bool is_known(const struct known_commands *known, const struct family *family,
		     uint32_t command)
{
	if (command < SMALL_COMMANDS)
		return known->bits[command / 64] >> command % 64 & 1;
	return (command <= known->last && in_table(family, command)) ||
	       exists_beyond(family, command);
}

static void draw_unknown_command(struct call *call, const struct known_commands *known)
{
	do {
		call->command = draw_mostly(call, 70, 160);
	} while (is_known(known, call->family, call->command));
}

/* Once it traces hypercalls, Xen 4.17 prints a warning for each number with a bit above these. */
#define TRACED_BITS 19u

static void draw_unknown_hypercall(struct call *call)
{
	unsigned int bits = call->run->plan.allow & DANGER_HOST ? TRACED_BITS : 31;

	call->family = NULL;
	call->kind = MAX_CHOICES + MAX_FAMILIES;
	call->hypercall = FIRST_FREE_HYPERCALL + (chance(call, 70) ? (unsigned int)draw(call, 72) :
		(unsigned int)draw_interesting(call, bits));
	expect_only(call, ERR(ENOSYS));
}

/*
 * A kernel of our own makes the same sequence as Linux's user space, but for these few calls: so
 * does a dry run.
 */
static bool may_be_called_here(const struct run *run, const struct operation *operation)
{
	bool dry = run->plan.dry_run && !run->plan.show;

	return !(operation->traits & TRAIT_KERNEL) || run->door->owns_kernel || dry;
}

void choose(struct call *call)
{
	const struct choice *choice = draw_choice(call);
	bool unknown = chance(call, 20) || !may_be_called_here(call->run, choice->operation);

	call->family = choice->family;
	call->hypercall = choice->family->hypercall;
	call->operation = choice->operation;
	call->command = choice->operation->command;
	call->kind = (unsigned int)(choice - call->run->choices);
	if (!unknown)
		return;
	call->operation = NULL;
	call->kind = MAX_CHOICES + choice->known;
	if (call->family->unknown_command && !chance(call, 10))
		draw_unknown_command(call, &call->run->known[choice->known]);
	else
		draw_unknown_hypercall(call);
}
