/* What the files about grants to oneself share. */
#ifndef XENFC_GRANT_OWN_H
#define XENFC_GRANT_OWN_H

#include "grant.h"
#include "window.h"

#define FIRST_REF 8u	/* those before belong to the toolstack */
#define REFS_1 ((uint32_t)(DOOR_PAGE / sizeof(grant_entry_v1_t)))
#define REFS_2 ((uint32_t)(DOOR_PAGE / sizeof(grant_entry_v2_t)))
#define NO_FRAME 0xfffffff0u
#define SOURCE 26u	/* pages of the arena that belong to no region */
#define DEST 27u
#define DEST_BYTE 0x77	/* which fills it before every copy */

struct end {
	uint32_t ref;		/* 0: by frame */
	int16_t whom;		/* what is wrong with the domain */
	int16_t what;		/* or, after that, with the grant */
	uint32_t from, to;	/* which part of the page is granted */
};

uint8_t *own_page(const struct call *call, unsigned int number);
uint64_t own_frame(const struct call *call, unsigned int number);

long own_aside(struct call *call, unsigned int command, void *structure);

/* Our table becomes visible with the first call that needs it. */
void own_table_see(struct call *call);
void own_entry_write(uint32_t version, uint32_t ref, uint16_t flags, uint16_t domid,
		     uint64_t frame);

/* An entry of our table for a page of the arena; it may be wrong in one place. */
struct end own_grant(struct call *call, uint32_t version, uint32_t ref, unsigned int number,
		     bool writing);

/* A copy within ourselves beside the sequence, by a table of that version. */
void own_copy(struct call *call, uint32_t version);

/* Whether there is nothing but DEST_BYTE. */
bool own_is_untouched(const uint8_t *at, size_t size);

/* Whether Xen took back what it marked in the table. */
void own_check_released(struct call *call);

/* Whether the entry says that the grant is mapped, and how. */
void own_check_marked(struct call *call, uint32_t ref, bool writing);

/* Map a grant that is mapped a second time, and undo that. */
void own_map_again(struct call *call, const struct gnttab_map_grant_ref *first);

/* Lists of several, all in one call beside the sequence. */
void own_swap_listed(struct call *call);
void own_flush_listed(struct call *call);

/* Map a page by a grant to ourselves, and unmap it: afterwards it is as free as before. */
void own_lend(struct call *call, uint64_t frame);

#endif
