/* Setting clocks through Linux: the paper's hwclock --systohc. */
#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tries.h"

/* Reading a clock is everybody's right. */
static struct answer read_clock(struct scene *scene)
{
	struct timespec now;

	(void)scene;
	if (clock_gettime(CLOCK_REALTIME, &now))
		return answer_refused(errno, "clock_gettime");
	if (geteuid())
		return answer_unreached("run this as root: another user is refused by Linux, which "
					"says nothing of the hypervisor");
	return answer_done("the clock can be read");
}

const struct door door_system = { "the clock's system calls", read_clock };

/*
 * Set the clock to what it shows.  Every domain has a clock of its own today, so this
 * is allowed everywhere; in 2005 it was the control domain's alone.
 */
struct answer try_clock_settime(struct scene *scene)
{
	struct timespec now;

	(void)scene;
	clock_gettime(CLOCK_REALTIME, &now);
	if (clock_settime(CLOCK_REALTIME, &now))
		return answer_refused(errno, "clock_settime");
	return answer_done("clock_settime with the time it was");
}

static const char *rtc_device(void)
{
	return access("/dev/rtc0", F_OK) ? "/dev/rtc" : "/dev/rtc0";
}

/* Root's own rights are Linux's affair; that there is no such clock is the hypervisor's. */
struct answer rtc_answer(int error, const char *device)
{
	if (error == EPERM || error == EACCES)
		return answer_unreached("Linux itself refuses %s (no CAP_SYS_TIME, or a control "
					"group): %s", device, strerror(error));
	return answer_refused(error, "%s", device);
}

/* What hwclock --systohc does, with the time that the hardware clock has already. */
struct answer try_hardware_clock(struct scene *scene)
{
	struct rtc_time time;
	struct answer answer;
	int fd = open(rtc_device(), O_RDONLY | O_CLOEXEC);

	(void)scene;
	if (fd < 0)
		return rtc_answer(errno, rtc_device());
	memset(&time, 0, sizeof(time));
	if (ioctl(fd, RTC_RD_TIME, &time) || ioctl(fd, RTC_SET_TIME, &time))
		answer = rtc_answer(errno, rtc_device());
	else
		answer = answer_done("the hardware clock was set to what it showed, %04d-%02d-%02d",
				     time.tm_year + 1900, time.tm_mon + 1, time.tm_mday);
	close(fd);
	return answer;
}
