#include "control/privilege.h"

#include <errno.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>

static const cap_value_t kept[] = {
	CAP_NET_ADMIN,	      /* attach the XDP program, make the exception TAP */
	CAP_NET_RAW,	      /* AF_XDP sockets */
	CAP_NET_BIND_SERVICE, /* port 53 */
	CAP_BPF,	      /* load the XDP program, its maps */
	CAP_PERFMON,	      /* the verifier allows more precise programs */
	CAP_SYS_ADMIN,	      /* kernels before 5.8 know no CAP_BPF; VFIO groups of some drivers */
	CAP_SYS_RAWIO,	      /* bound NICs */
	CAP_IPC_LOCK,	      /* huge pages and AF_XDP memory are locked */
	CAP_SYS_RESOURCE,     /* raise RLIMIT_MEMLOCK */
	CAP_SYS_NICE,	      /* pin workers */
	CAP_DAC_OVERRIDE,     /* directories of another user in which sockets are asked for */
};

int privilege_reduce(void)
{
	unsigned cnt = 0;
	cap_value_t permitted[sizeof(kept) / sizeof(kept[0])];
	cap_t now = cap_get_proc();
	cap_t next = cap_init();
	int rc = -ENOMEM;

	if (now == NULL || next == NULL)
		goto out;
	for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		cap_flag_value_t value = CAP_CLEAR;

		if (cap_get_flag(now, kept[i], CAP_PERMITTED, &value) == 0 && value == CAP_SET)
			permitted[cnt++] = kept[i];
	}
	if (cnt > 0 && (cap_set_flag(next, CAP_PERMITTED, (int)cnt, permitted, CAP_SET) < 0 ||
			cap_set_flag(next, CAP_EFFECTIVE, (int)cnt, permitted, CAP_SET) < 0)) {
		rc = -errno;
		goto out;
	}
	rc = cap_set_proc(next) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			     prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0
		     ? -errno
		     : 0;
out:
	cap_free(now);
	cap_free(next);
	return rc;
}
