# Included by the Makefile of every payload, after it has set
#   PROGRAMS       what is built here; NAME is linked from NAME_SOURCES
#   NAME_SOURCES   its C files; NAME_LIBS what else it is linked with
#   LIB_PARTS      the parts of payloads/lib that are used here
#   NAMES          other names under which the first program is called
#   ALSO           files and folders that are installed beside the programs
#   TESTS          cmocka programs: tests/NAME.c each, linked with TEST_SOURCES
#                  and, when there are any, NAME_TEST_SOURCES
# Everything goes to BUILD; `make check` builds with sanitizers into BUILD-check.
ifeq ($(origin CC),default)
CC = gcc
endif
PAYLOADS := $(dir $(lastword $(MAKEFILE_LIST)))
BUILD ?= build
OPTIMISE ?= -O2
WARNINGS = -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla
XEN_HEADERS ?= /usr/include
CPPFLAGS += -D_GNU_SOURCE -I$(PAYLOADS)lib -I.
CFLAGS += -std=gnu11 -g $(OPTIMISE) $(WARNINGS) -fno-strict-aliasing -pthread
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
STATIC ?= -static
REPORTS ?=
# Seconds that one test program may take, also on a machine that is busy with much else.
TEST_LIMIT ?= 600

LIB_OBJECTS = $(LIB_PARTS:%=$(BUILD)/lib-%.o)
COMPILE = $(CC) $(CPPFLAGS) $(CFLAGS)

PREFIX ?= /usr/local
INSTALLED = $(DESTDIR)$(PREFIX)/lib/xentest/payloads

.PHONY: all check install run-tests clean FORCE
all: $(PROGRAMS:%=$(BUILD)/%)

$(BUILD):
	mkdir -p $@

# Another compiler or other flags build everything anew.
$(BUILD)/command: FORCE | $(BUILD)
	@echo '$(COMPILE) $(STATIC)' | cmp -s - $@ || echo '$(COMPILE) $(STATIC)' > $@

$(BUILD)/lib-%.o: $(PAYLOADS)lib/%.c $(BUILD)/command
	$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.c $(BUILD)/command
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<

define program_rule
$(BUILD)/$(1): $$($(1)_SOURCES:%.c=$(BUILD)/%.o) $$(LIB_OBJECTS)
	$$(CC) $$(CFLAGS) $$(STATIC) $$(LDFLAGS) -o $$@ $$^ $$($(1)_LIBS) -lm
endef
$(foreach program,$(PROGRAMS),$(eval $(call program_rule,$(program))))

define test_rule
$(BUILD)/tests/$(1): $(BUILD)/tests/$(1).o $$(TEST_SOURCES:%.c=$(BUILD)/%.o) \
		$$($(1)_TEST_SOURCES:%.c=$(BUILD)/%.o) $$(LIB_OBJECTS)
	$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(TEST_LIBS) -lcmocka -lm
endef
$(foreach test,$(TESTS),$(eval $(call test_rule,$(test))))

# With STRIP=1 without what only a debugger reads.
install: all
	install -d $(INSTALLED)
	$(if $(PROGRAMS),install $(if $(STRIP),-s) -m 755 $(PROGRAMS:%=$(BUILD)/%) $(INSTALLED))
	$(if $(NAMES),cd $(INSTALLED) && for name in $(NAMES); do \
		ln -sf $(firstword $(PROGRAMS)) $$name || exit 1; done)
	$(if $(ALSO),cp -R $(ALSO) $(INSTALLED))

check:
	$(MAKE) BUILD=$(BUILD)-check STATIC= CFLAGS="$(CFLAGS) $(SANITIZE)" run-tests

# With REPORTS=FOLDER every test program leaves its verdicts there as JUnit XML; what it
# says beside them is shown.  A program that left no report (it died) fails too.
run-tests: $(TESTS:%=$(BUILD)/tests/%)
	@status=0; \
	for test in $(TESTS); do \
		if [ -n "$(REPORTS)" ]; then \
			mkdir -p "$(REPORTS)"; \
			report="$(abspath $(REPORTS))/$(notdir $(CURDIR))-$$test"; \
			rm -f "$$report"-*.xml; \
			CMOCKA_MESSAGE_OUTPUT=xml CMOCKA_XML_FILE="$$report-%g.xml" \
				timeout $(TEST_LIMIT) $(BUILD)/tests/$$test || status=1; \
			ls "$$report"-*.xml > /dev/null || status=1; \
		else \
			timeout $(TEST_LIMIT) $(BUILD)/tests/$$test || status=1; \
		fi; \
	done; exit $$status

clean:
	rm -rf $(BUILD) $(BUILD)-check

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d)
