/* What of privcmd can be seen without Xen: its buffers, and its errors. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "privcmd.h"

static void test_buffer_is_zeroed_and_writable(void **state)
{
	struct privcmd p = { .fd = -1, .buffer_fd = -1 };
	unsigned char *buffer = privcmd_buffer(&p, 2);

	(void)state;
	assert_non_null(buffer);
	for (size_t i = 0; i < 2 * PRIVCMD_PAGE; i++)
		assert_int_equal(buffer[i], 0);
	memset(buffer, 0xaa, 2 * PRIVCMD_PAGE);
	privcmd_buffer_free(buffer, 2);
}

static void test_another_device_is_an_error(void **state)
{
	struct privcmd p = { .fd = open("/dev/null", O_RDWR), .buffer_fd = -1 };

	(void)state;
	assert_int_equal(privcmd_version(&p), -ENOTTY);
	assert_int_equal(privcmd_probe_version(&p, PRIVCMD_DOMCTL), -ENOTTY);
	close(p.fd);
	p.fd = -1;
	assert_int_equal(privcmd_version(&p), -EBADF);
}

static void test_no_xen(void **state)
{
	struct privcmd p;

	(void)state;
	if (!access("/dev/xen/privcmd", F_OK))
		skip();	/* with Xen, the lab's tests have more to say */
	assert_int_equal(privcmd_open(&p), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffer_is_zeroed_and_writable),
		cmocka_unit_test(test_another_device_is_an_error),
		cmocka_unit_test(test_no_xen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
