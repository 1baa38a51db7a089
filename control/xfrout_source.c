/* The records of an outgoing transfer, one after the other: RFC 5936 2.2, RFC 1995 4. */
#include "control/xfrout_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/dns/serial.h"

/* Sorting more than this at once would hold up the thread's other clients; longer chains go out as they are. */
#define CONDENSE_MAX (1024 * 1024)

static size_t chain_octets(struct delta *const chain[], unsigned cnt)
{
	size_t len = 0;

	for (unsigned i = 0; i < cnt; i++)
		len += chain[i]->len;
	return len;
}

/* One difference for the chain, if that is shorter. */
static void condense(struct xfrout_session *s)
{
	size_t len = chain_octets(s->chain, s->chain_cnt);
	struct delta *one;

	if (s->chain_cnt < 2 || len > CONDENSE_MAX)
		return;
	one = deltas_condense(s->chain, s->chain_cnt);
	if (one == NULL || one->len >= len) {
		delta_release(one);
		return;
	}
	for (unsigned i = 0; i < s->chain_cnt; i++)
		delta_release(s->chain[i]);
	s->chain[0] = one;
	s->chain_cnt = 1;
}

/* RFC 1995 2 and 4. A version that is neither older nor newer than ours (RFC 1982 3.2) needs the whole zone. */
static void choose_form(struct xfrout_session *s, uint32_t slot)
{
	uint32_t ours = snapshot_serial(s->snapshot), theirs = s->question.serial;
	struct snapshot_info info;

	s->form = XFROUT_WHOLE;
	if (s->question.type != DNS_TYPE_IXFR)
		return;
	if (theirs == ours || serial_newer(theirs, ours)) {
		s->form = XFROUT_SINGLE;
		return;
	}
	s->chain = deltas_get(s->all->env.deltas, slot, theirs, ours, &s->chain_cnt);
	if (s->chain == NULL)
		return;
	condense(s);
	snapshot_info(s->snapshot, &info);
	/* Differences may be longer than the zone. */
	if (chain_octets(s->chain, s->chain_cnt) > info.bytes) {
		deltas_put(s->chain, s->chain_cnt);
		s->chain = NULL;
		return;
	}
	s->form = XFROUT_CHANGES;
}

static int read_soa(struct xfrout_session *s)
{
	struct snapshot_record soa;

	s->cursor = snapshot_cursor_new(s->snapshot);
	if (s->cursor == NULL || snapshot_cursor_next(s->cursor, &soa) != 1)
		return -ENOMEM;
	memcpy(s->soa_owner, soa.owner, name_len(soa.owner));
	memcpy(s->soa, soa.rdata, soa.rdata_len);
	s->soa_len = soa.rdata_len;
	s->soa_ttl = soa.ttl;
	return 0;
}

int xfrout_source_open(struct xfrout_session *s, uint32_t slot)
{
	int rc = read_soa(s);

	if (rc < 0)
		return rc;
	choose_form(s, slot);
	if (s->form != XFROUT_WHOLE) {
		snapshot_cursor_free(s->cursor);
		s->cursor = NULL;
	}
	s->step = XFROUT_OPENING;
	return 0;
}

void xfrout_source_close(struct xfrout_session *s)
{
	snapshot_cursor_free(s->cursor);
	if (s->chain != NULL)
		deltas_put(s->chain, s->chain_cnt);
	s->cursor = NULL;
	s->chain = NULL;
}

static void give_soa(struct xfrout_session *s)
{
	s->record = (struct snapshot_record){.owner = s->soa_owner,
					     .rdata = s->soa,
					     .ttl = s->soa_ttl,
					     .rdata_len = s->soa_len,
					     .type = DNS_TYPE_SOA};
}

static int next_of_body(struct xfrout_session *s)
{
	struct delta_record rec;

	if (s->form == XFROUT_WHOLE)
		return snapshot_cursor_next(s->cursor, &s->record);
	while (s->chain_at < s->chain_cnt) {
		if (delta_next(s->chain[s->chain_at], &s->delta_at, &rec)) {
			s->record = rec.record;
			return 1;
		}
		s->chain_at++;
		s->delta_at = 0;
	}
	return 0;
}

int xfrout_source_next(struct xfrout_session *s)
{
	int rc;

	switch (s->step) {
	case XFROUT_OPENING:
		give_soa(s);
		s->step = s->form == XFROUT_SINGLE ? XFROUT_END : XFROUT_BODY;
		return 1;
	case XFROUT_BODY:
		rc = next_of_body(s);
		if (rc != 0)
			return rc;
		give_soa(s);
		s->step = XFROUT_END;
		return 1;
	case XFROUT_END:
		break;
	}
	return 0;
}
