#include "volume.h"

#include <math.h>

static void scale(int64_t *number, double full, double factor)
{
	if (!*number)
		*number = (int64_t)fmax(1, round(full * factor));
}

void volume_complete(struct volume *v)
{
	scale(&v->repeats, 100, v->scale);
	scale(&v->multi_repeats, 50, v->scale);
	scale(&v->packets, 10000, v->scale);
}
