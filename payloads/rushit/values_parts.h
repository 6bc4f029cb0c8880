/* The inside of struct values, for values.c and values_problem.c only. */
#ifndef RUSHIT_VALUES_PARTS_H
#define RUSHIT_VALUES_PARTS_H

#include "values.h"

/* In the registry of every state: what script_carry.lua returned. */
#define VALUES_HELPERS "xentest.carry"

/* Tables in `from`: SEEN object -> id, OBJECTS id -> object, UPVALUES identity -> upvalue */
enum { SEEN = 1, OBJECTS, UPVALUES, UPVALUE_ORDER, COLLECTORS, FROM_PARTS = COLLECTORS };
/* and in `to`. */
enum { COPIES = 1, SLOT_OWNERS, SLOT_KEYS, TO_PARTS = SLOT_KEYS };

struct upvalue {
	int function;	/* an object's id */
	int number;
};

struct object {
	int parent;	/* the object in which it was met first; 0: none */
	bool hollow;	/* the copy must be filled */
};

struct values {
	lua_State *from, *to;
	int from_parts, to_parts;
	struct object *objects;		/* by id - 1 */
	int count, capacity;
	int upvalues;
	int *slots;			/* an upvalue's number, 0: a field */
	int slot_count;
	char problem[512];
};

/* Where a value goes: decides what is on top of `to`, and what a collect()ed value's slot is */
struct place {
	enum { NOWHERE, FIELD, UPVALUE } kind;	/* FIELD: owner, key; UPVALUE: function */
	int upvalue;
	int parent;	/* the object in which the value was found; 0: none */
};

/* Pop a value off `from`, push its copy, which may still be hollow, on `to`: 0.  Or -1. */
int values_copy(struct values *v, const struct place *place);

void values_push_part(lua_State *L, int parts, int part);
void values_push_object(struct values *v, int id);
void values_push_copy(struct values *v, int id);

/* part[index] = what is on top, which is popped */
void values_store(lua_State *L, int parts, int part, int index);

/* The value on top of `from`, met in the object `parent`, cannot be carried: say where it is. */
void values_fail(struct values *v, int parent, const char *reason);

#endif
