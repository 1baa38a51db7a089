#include "dataplane/dns/cutter.h"

/* Moves octets until carry has cnt of them, or there are no more. Returns whether it has. */
static inline bool carry_up_to(struct cutter *c, struct cutter_span *in, size_t cnt)
{
	size_t part = cnt - c->len < in->len ? cnt - c->len : in->len;

	memcpy(c->carry + c->len, in->at, part);
	c->len += part;
	in->at += part;
	in->len -= part;
	return c->len == cnt;
}

bool cutter_join(struct cutter *c, struct cutter_span *in, struct cutter_span *out_msg)
{
	size_t need;

	if (c->len < 2 && !carry_up_to(c, in, 2))
		return false;
	need = cutter_need(c->carry, c->len);
	if (!carry_up_to(c, in, need))
		return false;
	*out_msg = (struct cutter_span){c->carry + 2, need - 2};
	c->len = 0;
	return true;
}
