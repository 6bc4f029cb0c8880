/*
 * The Lua files that are built into the program: ours, and Debian's lua-ljsyscall.
 * script_files.inc is made by script.mk: EMBED(symbol, "module", "path") for each.
 */
#include <string.h>

#include "script_state.h"

#define EMBED(symbol, module, path)					\
	__asm__(".section .rodata\n"					\
		"embedded_" #symbol ":\n"				\
		".incbin \"" path "\"\n"				\
		"embedded_end_" #symbol ":\n"				\
		".previous\n");						\
	extern const char embedded_##symbol[], embedded_end_##symbol[];
#include "script_files.inc"
#undef EMBED

#define EMBED(symbol, module, path) { module, embedded_##symbol, embedded_end_##symbol },
static const struct file {
	const char *module;
	const char *begin, *end;
} files[] = {
#include "script_files.inc"
};

const char *script_file(const char *module, size_t *size)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (strcmp(files[i].module, module) == 0) {
			*size = files[i].end - files[i].begin;
			return files[i].begin;
		}
	}
	return NULL;
}
