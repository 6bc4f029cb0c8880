/* A guest's console: typing into it, and waiting for a line. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "console.h"

static struct why why;

static int open_pty(char *name, size_t size)
{
	int guest = posix_openpt(O_RDWR | O_NOCTTY);

	assert_true(guest >= 0);
	assert_int_equal(grantpt(guest), 0);
	assert_int_equal(unlockpt(guest), 0);
	assert_int_equal(ptsname_r(guest, name, size), 0);
	return guest;
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void test_typed_and_answered(void **state)
{
	char name[64], typed[64];
	int guest = open_pty(name, sizeof(name)), fd = console_open(name, &why);
	ssize_t n;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(console_type(fd, "vsock-util integration_test", &why), 0);
	n = read(guest, typed, sizeof(typed) - 1);
	typed[n > 0 ? n : 0] = '\0';
	assert_string_equal(typed, "vsock-util integration_test\n");
	/* The echo of a command that has the word in it, then the line itself. */
	say(guest, "echo PASS or not\r\nnot PASS\nPASS\r\n");
	assert_int_equal(console_expect(fd, "PASS", deadline_in_ms(60000), &why), 0);
	close(fd);
	close(guest);
}

static void test_last_line_is_told(void **state)
{
	char name[64];
	int guest = open_pty(name, sizeof(name)), fd = console_open(name, &why);

	(void)state;
	say(guest, "sh: vsock-util: not found\n$ ");
	assert_int_equal(console_expect(fd, "PASS", deadline_in_ms(100), &why), -1);
	assert_non_null(strstr(why.text, "was silent before it printed PASS; its last line: "
			       "sh: vsock-util: not found"));
	close(guest);
	close(fd);
}

static void test_absent_console(void **state)
{
	(void)state;
	assert_int_equal(console_open("/no/such", &why), -1);
	assert_string_equal(why.text, "the console /no/such cannot be opened: No such file or "
			    "directory");
	assert_int_equal(console_open("unix:/no/such", &why), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_typed_and_answered),
		cmocka_unit_test(test_last_line_is_told),
		cmocka_unit_test(test_absent_console),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
