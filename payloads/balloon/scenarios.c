#include "scenarios.h"

#include <stddef.h>

/* From the harmless to the dangerous, so that a domain that is lost lost little. */
const struct scenario scenarios[] = {
	{ "read", "the interface can be read and its numbers fit together",
	  PLACE_INSIDE | PLACE_OUTSIDE | PLACE_WATCH, scenario_read },
	{ "not-root", "another user may not write", PLACE_INSIDE, scenario_not_root },
	{ "lower", "target and allocation follow a lower number",
	  PLACE_INSIDE | PLACE_OUTSIDE, scenario_lower },
	{ "raise", "target and allocation follow a higher number",
	  PLACE_INSIDE | PLACE_OUTSIDE, scenario_raise },
	{ "pages-back", "all memory can be used after shrinking and growing", PLACE_INSIDE,
	  scenario_pages_back },
	{ "random", "rapid random values: the last one counts",
	  PLACE_INSIDE | PLACE_OUTSIDE, scenario_random },
	{ "cycles", "no page is lost over many cycles",
	  PLACE_INSIDE | PLACE_OUTSIDE, scenario_cycles },
	{ "pressure", "moves while another process takes and gives memory", PLACE_INSIDE,
	  scenario_pressure },
	{ "fill", "nearly all memory in use, then lower below it", PLACE_INSIDE, scenario_fill },
	{ "limit", "Xen gives no page above xl mem-max", PLACE_XL, scenario_limit },
	{ "neighbour", "two domains grow at the same time", PLACE_OUTSIDE, scenario_neighbour },
	{ "save-restore", "a small domain stays small through save and restore", PLACE_TOOLSTACK,
	  scenario_save_restore },
	{ "long-write", "a write of 65 bytes", PLACE_INSIDE, scenario_long_write },
	{ "one-byte", "a write of one byte", PLACE_INSIDE, scenario_one_byte },
	{ "tiny", "a target of 4 kB", PLACE_INSIDE | PLACE_OUTSIDE, scenario_tiny },
	{ "beyond", "more than any machine has", PLACE_INSIDE | PLACE_OUTSIDE,
	  scenario_beyond },
	{ NULL, NULL, 0, NULL },
};
