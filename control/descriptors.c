#include "control/descriptors.h"

#include <sys/resource.h>

unsigned descriptors_for_clients(unsigned wanted, unsigned others)
{
	struct rlimit now, most;
	rlim_t room;

	if (getrlimit(RLIMIT_NOFILE, &now) < 0)
		return wanted;
	most = (struct rlimit){.rlim_cur = now.rlim_max, .rlim_max = now.rlim_max};
	if (now.rlim_cur < now.rlim_max && setrlimit(RLIMIT_NOFILE, &most) == 0)
		now = most;
	room = others < now.rlim_cur / 2 ? now.rlim_cur - others : now.rlim_cur / 2;
	return wanted < room ? wanted : (unsigned)room;
}
