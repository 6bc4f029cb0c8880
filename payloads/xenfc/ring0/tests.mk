# What of the kernel needs no Xen, tested in user space: make -f tests.mk check
TESTS = test_words test_console test_clock
TEST_SOURCES = words.c console.c clock.c
CPPFLAGS += -isystem $(XEN_HEADERS) -D__XEN_INTERFACE_VERSION__=__XEN_LATEST_INTERFACE_VERSION__
CPPFLAGS += -include stdint.h

# common.mk calls make again, for the folder's own Makefile if nothing else is said.
MAKE += -f tests.mk

include ../../common.mk
