#include "dataplane/zone/cell.h"
#include "dataplane/zone/tsan.h"

#include <urcu-qsbr.h>

const void *cell_get(const struct cell *c)
{
	const void *p = rcu_dereference(c->p);

	rcu_after(p);
	return p;
}

void cell_set(struct cell *c, const void *p)
{
	rcu_before(p);
	rcu_set_pointer(&c->p, p); // COMMIT
}

static void on_grace(struct rcu_head *head)
{
	struct cell_old *old = caa_container_of(head, struct cell_old, rcu);

	rcu_after(old);
	old->reclaim(old);
}

void cell_retire(struct cell_old *old, void (*reclaim)(struct cell_old *old))
{
	old->reclaim = reclaim;
	rcu_before(old);
	call_rcu(&old->rcu, on_grace);
}
