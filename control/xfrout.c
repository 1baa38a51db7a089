#include "control/xfrout_internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/dns/record.h"

/* OPT without options, and EXPIRE (RFC 7314). */
#define OPT_LEN	    11
#define EXPIRE_LEN  8
#define OPT_PAYLOAD ANSWER_UDP_PAYLOAD_DEFAULT

#define LOG_BURST 20

struct xfrout *xfrout_new(const struct xfrout_env *env)
{
	struct xfrout *x = calloc(1, sizeof(*x));

	if (x != NULL)
		x->env = *env;
	return x;
}

void xfrout_free(struct xfrout *x)
{
	if (x == NULL)
		return;
	free((void *)x->zones.p);
	free(x->next);
	free(x);
}

int xfrout_prepare(struct xfrout *x, uint32_t slots)
{
	free(x->next);
	x->next = calloc(1, sizeof(*x->next) + slots * sizeof(x->next->zone[0]));
	if (x->next == NULL)
		return -ENOMEM;
	x->next->slots = slots;
	return 0;
}

void xfrout_add_zone(struct xfrout *x, uint32_t slot, const struct config_zone *zone)
{
	if (slot < x->next->slots)
		x->next->zone[slot] = zone;
}

static void zones_reclaim(struct cell_old *old)
{
	free((char *)old - offsetof(struct xfrout_zones, old));
}

void xfrout_commit(struct xfrout *x)
{
	struct xfrout_zones *old = (struct xfrout_zones *)cell_get(&x->zones);

	cell_set(&x->zones, x->next);
	x->next = NULL;
	if (old != NULL)
		cell_retire(&old->old, zones_reclaim);
}

void xfrout_counters(const struct xfrout *x, uint64_t out[XFROUT_COUNTER_CNT])
{
	for (unsigned i = 0; i < XFROUT_COUNTER_CNT; i++)
		out[i] = __atomic_load_n(&x->cnt[i], __ATOMIC_RELAXED);
}

/* --- the request --- */

/* RFC 1995 3: the reader's version is the SOA in the authority section. */
static bool read_version(struct wire_in *in, unsigned cnt, struct xfrout_question *q)
{
	struct record rec;
	bool found = false;

	while (cnt-- > 0 && record_get(in, &rec)) {
		if (rec.type != DNS_TYPE_SOA || rec.class != DNS_CLASS_IN || found)
			continue;
		/* Behind two names, which may be compressed: the serial and four timers. */
		if (rec.rdata_len < 22 || !name_equal(rec.owner, q->name))
			return false;
		q->serial = wire_load32(rec.rdata + rec.rdata_len - 20);
		found = true;
	}
	return !in->bad && (found || q->type != DNS_TYPE_IXFR);
}

static void read_opt(struct wire_in *in, unsigned cnt, struct xfrout_question *q)
{
	struct record rec;

	while (cnt-- > 0 && record_get(in, &rec)) {
		struct wire_in opt = wire_in_init(rec.rdata, rec.rdata_len);

		if (rec.type != DNS_TYPE_OPT)
			continue;
		q->edns = true;
		while (wire_in_left(&opt) > 0 && !opt.bad) {
			uint16_t code = wire_get16(&opt);

			q->wants_expire |= code == DNS_EDNS_EXPIRE && !opt.bad;
			wire_get_bytes(&opt, wire_get16(&opt));
		}
	}
}

/* False: not a transfer request as RFC 5936 2.1 and RFC 1995 3 have them. q->len is 0 when there is no question. */
static bool read_request(const uint8_t *msg, size_t len, struct xfrout_question *q)
{
	struct wire_in in = wire_in_init(msg, len);
	uint16_t cnt[4];
	uint8_t name[NAME_LEN_MAX];
	size_t n;

	*q = (struct xfrout_question){.len = 0};
	q->id = wire_get16(&in);
	q->flags = wire_get16(&in);
	for (unsigned i = 0; i < 4; i++)
		cnt[i] = wire_get16(&in);
	n = name_get_plain(&in, name);
	q->type = wire_get16(&in);
	q->class = wire_get16(&in);
	if (in.bad || cnt[0] != 1)
		return false;
	name_lower(q->name, name, n);
	q->len = wire_in_pos(&in) - DNS_HEADER_LEN;
	if (cnt[1] != 0 || !read_version(&in, cnt[2], q))
		return false;
	read_opt(&in, cnt[3], q);
	return !in.bad;
}

/* --- whom to serve --- */

static bool in_network(const union config_sockaddr *client, const struct config_secondary *s)
{
	const uint8_t *a, *b;
	unsigned whole = s->prefix / 8, rest = s->prefix % 8;

	if (client->sa.sa_family != s->address.sa.sa_family)
		return false;
	a = client->sa.sa_family == AF_INET ? (const uint8_t *)&client->in4.sin_addr
					    : client->in6.sin6_addr.s6_addr;
	b = s->address.sa.sa_family == AF_INET ? (const uint8_t *)&s->address.in4.sin_addr
					       : s->address.in6.sin6_addr.s6_addr;
	return memcmp(a, b, whole) == 0 &&
	       (rest == 0 || ((a[whole] ^ b[whole]) & (0xFF00 >> rest & 0xFF)) == 0);
}

/* NULL, or why not. */
static const char *refusal(const struct config_zone *zone, const struct xfrout_request *r)
{
	const char *reason = "not in allow-transfer";

	for (unsigned i = 0; i < zone->allow_transfer.cnt; i++) {
		const struct config_secondary *s = zone->allow_transfer.list[i];

		if (!in_network(r->client, s))
			continue;
		if (s->tls && r->transport != ANSWER_TLS)
			reason = "only over TLS";
		else if (s->hostname != NULL && (r->tls == NULL || !tls_peer_is(r->tls, s->hostname)))
			reason = "no certificate for the hostname";
		else if (s->key != NULL &&
			 (r->tsig->verdict != TSIG_OK || !config_same_key(r->tsig->key, s->key)))
			reason = "not signed with the key";
		else
			return NULL;
	}
	return reason;
}

/* RFC 6891 6.1.1: a request with OPT gets one back, in the first message. expire_in: 0: not to be told. */
static size_t put_opt(const struct xfrout_question *q, uint32_t expire_in, uint8_t *msg, size_t cap,
		      size_t len)
{
	struct wire_out w = wire_out_init(msg + len, cap - len);

	if (!q->edns)
		return len;
	wire_put8(&w, 0);
	wire_put16(&w, DNS_TYPE_OPT);
	wire_put16(&w, OPT_PAYLOAD);
	wire_put32(&w, 0);
	wire_put16(&w, expire_in > 0 ? EXPIRE_LEN : 0);
	if (expire_in > 0) {
		wire_put16(&w, DNS_EDNS_EXPIRE);
		wire_put16(&w, 4);
		wire_put32(&w, expire_in);
	}
	wire_store16(msg + 10, 1);
	return len + wire_out_len(&w);
}

/* --- answers that are no transfers --- */

static size_t respond(const struct xfrout_request *r, const struct xfrout_question *q, uint16_t rcode)
{
	uint16_t flags = (uint16_t)(DNS_FLAG_QR | (q->flags & (DNS_OPCODE_MASK | DNS_FLAG_RD)) | rcode);
	size_t len = DNS_HEADER_LEN + q->len;
	uint64_t now = (uint64_t)time(NULL);
	int rc;

	wire_store16(r->msg + 2, flags);
	memset(r->msg + 4, 0, 8);
	wire_store16(r->msg + 4, q->len > 0);
	len = put_opt(q, 0, r->msg, r->cap, len);
	rc = tsig_sign_response(r->tsig, r->msg, r->cap, now, &len);
	return rc < 0 ? 0 : len;
}

static size_t refuse(struct xfrout *x, const struct xfrout_request *r, const struct xfrout_question *q,
		     uint16_t rcode, enum xfrout_counter counter, const char *reason)
{
	char name[NAME_TEXT_CAP], peer[CONFIG_ADDRESS_TEXT_CAP], key[NAME_TEXT_CAP];
	bool is_signed = r->tsig->verdict == TSIG_OK && r->tsig->key != NULL;

	xfrout_count(x, counter, 1);
	if (log_allow(x->env.log, r->limit, LOG_BURST, "transfer-out-refused"))
		log_event(x->env.log, LOG_WARNING, "transfer-out-refused", name_text(q->name, name),
			  config_address_text(r->client, peer), "type=%s key=%s reason=\"%s\"",
			  q->type == DNS_TYPE_IXFR ? "IXFR" : "AXFR",
			  is_signed ? name_text(r->tsig->name, key) : "none", reason);
	return respond(r, q, rcode);
}

/* --- sessions --- */

static const struct config_zone *find_zone(struct xfrout *x, const struct xfrout_question *q,
					   struct zonetab_find *find)
{
	struct zonetab_find *finds[] = {find};
	const struct xfrout_zones *zones;
	struct name_hashes hashes;

	name_hash_suffixes(q->name, zonetab_key(x->env.table), &hashes);
	*find = (struct zonetab_find){.name = q->name, .hashes = &hashes};
	zonetab_find_burst(x->env.table, finds, 1);
	if (find->slot == ZONETAB_SLOT_NONE || find->apex_label != 0)
		return NULL;
	zones = cell_get(&x->zones);
	/* A slot that has just been taken, or given up, has no zone here for a moment. */
	return zones != NULL && find->slot < zones->slots ? zones->zone[find->slot] : NULL;
}

/* What EXPIRE says, RFC 7314 2. */
static uint32_t expire_in(const struct xfrout *x, uint32_t slot, uint64_t now_ms)
{
	uint32_t at = zonetab_expire(x->env.table, slot);

	return at > now_ms / 1000 ? at - (uint32_t)(now_ms / 1000) : 0;
}

static struct xfrout_session *session_new(struct xfrout *x, const struct xfrout_request *r,
					  const struct xfrout_question *q, const struct zonetab_find *find)
{
	struct xfrout_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->all = x;
	s->client = *r->client;
	s->question = *q;
	memcpy(s->question_octets, r->msg + DNS_HEADER_LEN, q->len);
	s->started_ms = s->batch_ms = r->now_ms;
	if (q->wants_expire)
		s->expire_in = expire_in(x, find->slot, r->now_ms);
	s->snapshot = snapshot_hold(find->snap);
	if (xfrout_source_open(s, find->slot) < 0) {
		xfrout_source_close(s);
		snapshot_release(s->snapshot);
		free(s);
		return NULL;
	}
	return s;
}

/* Takes a place among those that may run, if there is one. */
static bool take_place(struct xfrout *x)
{
	uint64_t running = __atomic_add_fetch(&x->cnt[XFROUT_CNT_running], 1, __ATOMIC_RELAXED);

	if (running <= x->env.config->transfers_out.running_max)
		return true;
	xfrout_count(x, XFROUT_CNT_running, -1);
	return false;
}

struct xfrout_session *xfrout_open(struct xfrout *x, const struct xfrout_request *r, size_t *out_len)
{
	const struct config_zone *zone;
	struct xfrout_question q;
	struct xfrout_session *s;
	struct zonetab_find find;
	const char *reason;

	if (!read_request(r->msg, r->len, &q) || q.class != DNS_CLASS_IN) {
		*out_len = refuse(x, r, &q, DNS_RCODE_FORMERR, XFROUT_CNT_refused, "malformed");
		return NULL;
	}
	zone = find_zone(x, &q, &find);
	if (zone == NULL) {
		*out_len = refuse(x, r, &q, DNS_RCODE_NOTAUTH, XFROUT_CNT_not_served, "not a zone of ours");
		return NULL;
	}
	reason = refusal(zone, r);
	if (reason != NULL) {
		*out_len = refuse(x, r, &q, DNS_RCODE_REFUSED, XFROUT_CNT_refused, reason);
		return NULL;
	}
	if (find.snap == NULL) {
		*out_len = refuse(x, r, &q, DNS_RCODE_SERVFAIL, XFROUT_CNT_not_served,
				  find.marker == ZONE_EXPIRED ? "expired" : "not loaded");
		return NULL;
	}
	if (!take_place(x)) {
		*out_len = refuse(x, r, &q, DNS_RCODE_SERVFAIL, XFROUT_CNT_over_limit,
				  "as many transfers as may are running (transfers-out.limit)");
		return NULL;
	}
	s = session_new(x, r, &q, &find);
	if (s == NULL) {
		xfrout_count(x, XFROUT_CNT_running, -1);
		*out_len = refuse(x, r, &q, DNS_RCODE_SERVFAIL, XFROUT_CNT_failed, "out of memory");
		return NULL;
	}
	s->tsig = *r->tsig;
	*r->tsig = (struct tsig){.verdict = TSIG_NONE};
	return s;
}

/* --- messages --- */

/* One message into out, of cap octets, without its length. Returns its length, 0 behind the last, or -errno. */
static ssize_t fill_message(struct xfrout_session *s, uint8_t *out, size_t cap)
{
	bool first = s->messages == 0;
	size_t reserve = tsig_room(&s->tsig) + (first && s->question.edns ? OPT_LEN + EXPIRE_LEN : 0);
	struct outmsg_head head = {
		.question = s->question_octets,
		.question_len = first ? s->question.len : 0,
		.id = s->question.id,
		.flags = (uint16_t)(DNS_FLAG_QR | DNS_FLAG_AA | (s->question.flags & DNS_FLAG_RD)),
	};
	size_t len;
	int rc = 1;

	outmsg_begin(&s->out, out, cap - reserve, &head);
	while (s->pending || (rc = xfrout_source_next(s)) > 0) {
		s->pending = !outmsg_add(&s->out, &s->record);
		if (s->pending)
			break;
		s->records++;
	}
	if (rc < 0)
		return rc;
	if (s->out.answer_cnt == 0) {
		s->too_large = s->pending;
		return s->pending ? -EMSGSIZE : 0;
	}
	len = outmsg_end(&s->out);
	if (first)
		len = put_opt(&s->question, s->expire_in, out, cap, len); /* reserve has room for it */
	rc = tsig_sign_response(&s->tsig, out, cap, (uint64_t)time(NULL), &len);
	if (rc < 0)
		return rc;
	s->messages++;
	s->octets += len;
	return (ssize_t)len;
}

ssize_t xfrout_fill(struct xfrout_session *s, uint8_t *out, size_t cap, uint64_t now_ms)
{
	size_t used = 0;

	s->batch_ms = now_ms;
	while (cap - used >= 2 + DNS_MSG_MAX) {
		ssize_t len = fill_message(s, out + used + 2, DNS_MSG_MAX);

		if (len < 0)
			return len;
		if (len == 0)
			break;
		wire_store16(out + used, (uint16_t)len);
		used += 2u + (size_t)len;
	}
	s->done = used == 0;
	return (ssize_t)used;
}

bool xfrout_is_late(const struct xfrout_session *s, uint64_t now_ms)
{
	const struct config_transfers_out *c = &s->all->env.config->transfers_out;

	return now_ms - s->batch_ms > UINT64_C(1000) * c->idle_max_s ||
	       now_ms - s->started_ms > UINT64_C(1000) * c->time_max_s;
}

static const char *form_text(const struct xfrout_session *s)
{
	if (s->form == XFROUT_CHANGES)
		return "IXFR";
	if (s->form == XFROUT_SINGLE)
		return "SOA";
	return s->question.type == DNS_TYPE_IXFR ? "AXFR-style-IXFR" : "AXFR";
}

static void log_end(const struct xfrout_session *s, uint64_t now_ms)
{
	char peer[CONFIG_ADDRESS_TEXT_CAP], name[NAME_TEXT_CAP];

	log_event(s->all->env.log, s->done ? LOG_INFO : LOG_WARNING,
		  s->done ? "transfer-out-done" : "transfer-out-failed", name_text(s->question.name, name),
		  config_address_text(&s->client, peer),
		  "type=%s serial=%u records=%llu messages=%llu octets=%llu ms=%llu reason=\"%s\"",
		  form_text(s), snapshot_serial(s->snapshot), (unsigned long long)s->records,
		  (unsigned long long)s->messages, (unsigned long long)s->octets,
		  (unsigned long long)(now_ms - s->started_ms),
		  s->done		      ? "complete"
		  : s->too_large	      ? "a record that no message can carry"
		  : xfrout_is_late(s, now_ms) ? "too slow (transfers-out.time, .idle)"
					      : "the connection has ended");
}

void xfrout_close(struct xfrout_session *s, uint64_t now_ms)
{
	struct xfrout *x = s->all;

	log_end(s, now_ms);
	if (!s->done)
		xfrout_count(x, s->too_large ? XFROUT_CNT_too_large : XFROUT_CNT_failed, 1);
	else
		xfrout_count(x, s->form == XFROUT_WHOLE ? XFROUT_CNT_axfr_out : XFROUT_CNT_ixfr_out, 1);
	xfrout_count(x, XFROUT_CNT_running, -1);
	xfrout_source_close(s);
	snapshot_release(s->snapshot);
	tsig_fini(&s->tsig);
	free(s);
}
