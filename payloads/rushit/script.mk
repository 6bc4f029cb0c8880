# The script side of rushit; included by its Makefile before common.mk.
# Needs Debian's libluajit-5.1-dev and lua-ljsyscall.
LJSYSCALL ?= /usr/share/lua/5.1
BUILD ?= build
.DEFAULT_GOAL := all

SCRIPT_SOURCES = script.c script_call.c script_run.c script_state.c script_files.c \
	script_constants.c values.c values_copy.c values_problem.c
# Only in programs: what a static program tells LuaJIT's ffi.C of the C library
SCRIPT_STATIC_SOURCES = script_symbols.c
SCRIPT_STATIC_LIBS = -Wl,--wrap=dlsym,--wrap=dlopen,--wrap=dlclose,--wrap=dlerror
SCRIPT_LIBS = -lluajit-5.1

SCRIPT_LUA = script_carry.lua script_prelude.lua script_syscalls.lua
SCRIPT_MODULES = syscall.lua $(foreach folder,syscall syscall/shared syscall/linux \
	syscall/linux/x64,$(patsubst $(LJSYSCALL)/%,%,$(wildcard $(LJSYSCALL)/$(folder)/*.lua)))

CPPFLAGS += -I/usr/include/luajit-2.1

ifeq ($(wildcard $(LJSYSCALL)/syscall.lua),)
$(error rushit needs the Lua files of Debian's lua-ljsyscall: apt-get install lua-ljsyscall)
endif

# embed FILE,MODULE,PATH
embed = EMBED($(subst /,_,$(subst .,_,$(1))), "$(2)", "$(3)")
define newline


endef

script_embeds = $(foreach file,$(SCRIPT_LUA),$(call embed,$(file),$(file:.lua=),$(file))$(newline)) \
	$(foreach file,$(SCRIPT_MODULES),$(call embed,$(file),$(subst /,.,$(file:.lua=)),$(LJSYSCALL)/$(file))$(newline))

$(BUILD)/script_files.inc: script.mk | $(BUILD)
	$(file >$@,$(script_embeds))

$(BUILD)/script_files.o: $(BUILD)/script_files.inc $(SCRIPT_LUA)
$(BUILD)/script_files.o: CPPFLAGS += -I$(BUILD)

.PHONY: fuzz
fuzz:
	$(MAKE) -C fuzz
