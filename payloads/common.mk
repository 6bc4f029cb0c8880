# Included by the Makefile of every payload, after it has set
#   PROGRAMS       what is built here; NAME is linked from NAME_SOURCES
#   NAME_SOURCES   its C files; NAME_LIBS what else it is linked with
#   LIB_PARTS      the parts of payloads/lib that are used here
#   TESTS          cmocka programs: tests/NAME.c each, linked with TEST_SOURCES
# Everything goes to BUILD; `make check` builds with sanitizers into BUILD-check.
CC ?= gcc
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

LIB_OBJECTS = $(LIB_PARTS:%=$(BUILD)/lib-%.o)

.PHONY: all check clean
all: $(PROGRAMS:%=$(BUILD)/%)

$(BUILD):
	mkdir -p $@

$(BUILD)/lib-%.o: $(PAYLOADS)lib/%.c | $(BUILD)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.c | $(BUILD)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

define program_rule
$(BUILD)/$(1): $$($(1)_SOURCES:%.c=$(BUILD)/%.o) $$(LIB_OBJECTS)
	$$(CC) $$(CFLAGS) $$(STATIC) $$(LDFLAGS) -o $$@ $$^ $$($(1)_LIBS) -lm
endef
$(foreach program,$(PROGRAMS),$(eval $(call program_rule,$(program))))

define test_rule
$(BUILD)/$(1): $(BUILD)/tests/$(1).o $$(TEST_SOURCES:%.c=$(BUILD)/%.o) $$(LIB_OBJECTS)
	$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(TEST_LIBS) -lcmocka -lm
endef
$(foreach test,$(TESTS),$(eval $(call test_rule,$(test))))

# With REPORTS=FOLDER every test program leaves its verdicts there as JUnit XML.
check:
	$(MAKE) BUILD=$(BUILD)-check STATIC= CFLAGS="$(CFLAGS) $(SANITIZE)" run-tests

.PHONY: run-tests
run-tests: $(TESTS:%=$(BUILD)/%)
	@status=0; for test in $(TESTS); do \
		if [ -n "$(REPORTS)" ]; then \
			CMOCKA_MESSAGE_OUTPUT=xml CMOCKA_XML_FILE=$(REPORTS)/$(notdir $(CURDIR))-$$test-%g.xml \
				$(BUILD)/$$test || status=1; \
		else $(BUILD)/$$test || status=1; fi; done; exit $$status

clean:
	rm -rf $(BUILD) $(BUILD)-check

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d)
