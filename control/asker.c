#include "control/asker.h"

#include "dataplane/dns/query.h"

#include <time.h>

/* What the OPT of a signed request says, for responses that are made here. */
struct client_edns {
	bool has_opt;
	bool dnssec_ok;
	size_t payload; /* the largest response over UDP */
};

static bool may_be_signed(const struct answer_job *job)
{
	return job->len >= DNS_HEADER_LEN && wire_load16(job->msg + 10) != 0 &&
	       (wire_load16(job->msg + 2) & (DNS_FLAG_QR | DNS_OPCODE_MASK)) == DNS_OPCODE_QUERY
											<< DNS_OPCODE_SHIFT;
}

static struct client_edns read_edns(const struct asker *a, const struct answer_job *job)
{
	size_t ours = answer_udp_payload(&a->config->answer, job->family);
	struct query q;
	enum query_verdict v = query_parse(job->msg, job->len, &q);

	/* Of a malformed one what could be read. */
	if ((v != QUERY_OK && v != QUERY_FORMERR) || !q.has_opt)
		return (struct client_edns){.payload = QUERY_PAYLOAD_MIN};
	return (struct client_edns){true, q.dnssec_ok, q.payload < ours ? q.payload : ours};
}

/* RFC 6891 6.1.1: OPT in a response if there was one in the request. msg: header and question, of *len octets. */
static void put_opt(const struct asker *a, const struct answer_job *job, const struct client_edns *edns,
		    size_t *len)
{
	struct wire_out w = wire_out_init(job->msg + *len, job->cap - *len);

	wire_put8(&w, 0);
	wire_put16(&w, DNS_TYPE_OPT);
	wire_put16(&w, answer_udp_payload(&a->config->answer, job->family));
	wire_put32(&w, edns->dnssec_ok ? QUERY_OPT_DO : 0);
	wire_put16(&w, 0);
	wire_store16(job->msg + 10, 1);
	*len += wire_out_len(&w);
}

/* Cuts a message down to header and question. Returns its length, 0: the question cannot be read. */
static size_t cut_to_question(uint8_t *msg, size_t len)
{
	struct wire_in in = wire_in_init(msg, len);
	uint8_t name[NAME_LEN_MAX];

	wire_get_bytes(&in, DNS_HEADER_LEN);
	name_get_plain(&in, name);
	wire_get32(&in);
	if (in.bad || wire_load16(msg + 4) != 1)
		return 0;
	memset(msg + 6, 0, 6);
	return wire_in_pos(&in);
}

/*
 * RFC 8945 5.3.2: header and question with the error, OPT if there was one, and the TSIG that says which unless it is FORMERR (5.2). False: there
 * is no question to cut to, which the engine answers as malformed.
 */
static bool respond_error(const struct asker *a, struct tsig *tsig, struct answer_job *job, uint64_t now_s)
{
	uint16_t flags = (uint16_t)(wire_load16(job->msg + 2) & DNS_FLAG_RD);
	struct client_edns edns = read_edns(a, job);
	size_t len = cut_to_question(job->msg, job->len);

	if (len == 0)
		return false;
	job->verdict = ANSWER_DROP;
	wire_store16(job->msg + 2, (uint16_t)(DNS_FLAG_QR | flags | tsig_rcode(tsig->verdict)));
	/* Who sends these may be anybody, and somebody else have the response. */
	if (answer_error_limited(a->engine, job))
		return true;
	if (edns.has_opt)
		put_opt(a, job, &edns, &len);
	if (tsig_sign_error(tsig, job->msg, job->cap, now_s, &len) < 0)
		return true;
	job->len = (uint32_t)len;
	job->verdict = ANSWER_SEND;
	return true;
}

/* False: answered, as the signature is not good. */
static bool check_signature(const struct asker *a, struct tsig *tsig, struct answer_job *job, uint64_t now_s)
{
	const struct tsig_keyring *keys = config_now(a->config)->keyring;
	size_t len = job->len;

	if (keys == NULL || !may_be_signed(job))
		return true;
	switch (tsig_verify_request(tsig, keys, job->msg, now_s, &len)) {
	case TSIG_OK:
		job->len = (uint32_t)len;
		return true;
	case TSIG_NONE:
		return true;
	case TSIG_FORMERR: /* not of the record's layout alone: 5.2.2.1 */
	case TSIG_BADKEY:
	case TSIG_BADSIG:
	case TSIG_BADTIME:
	case TSIG_BADTRUNC:
	case TSIG_FAULT:
	case TSIG_PENDING:
	case TSIG_UNSIGNED:
	case TSIG_PEER_ERROR:
		break;
	}
	return !respond_error(a, tsig, job, now_s);
}

static void begin_transfer(struct asker *a, struct tsig *tsig, struct answer_job *job,
			   const union config_sockaddr *client, const struct tls *tls, uint64_t now_ms,
			   struct xfrout_session **transfer)
{
	struct xfrout_request r = {.msg = job->msg,
				   .len = job->len,
				   .cap = job->cap,
				   .transport = job->transport,
				   .client = client,
				   .tls = tls,
				   .tsig = tsig,
				   .now_ms = now_ms,
				   .limit = &a->limit};
	size_t len = 0;

	*transfer = xfrout_open(a->xfrout, &r, &len);
	job->len = (uint32_t)len;
	if (*transfer == NULL)
		job->verdict = len > 0 ? ANSWER_SEND : ANSWER_DROP;
}

/* RFC 8945 5.3: down to the question, with TC and RCODE 0. OPT stays, unless there is no room for it. Returns the length. */
static size_t truncate_signed(const struct asker *a, struct answer_job *job, const struct client_edns *edns,
			      size_t tsig_len)
{
	uint16_t flags = (uint16_t)(wire_load16(job->msg + 2) & ~DNS_RCODE_MASK);
	size_t len = cut_to_question(job->msg, job->len);

	wire_store16(job->msg + 2, (uint16_t)(flags | DNS_FLAG_TC));
	if (len > 0 && edns->has_opt && len + QUERY_OPT_LEN + tsig_len <= edns->payload)
		put_opt(a, job, edns, &len);
	return len;
}

static void sign(const struct asker *a, struct tsig *tsig, struct answer_job *job,
		 const struct client_edns *edns, uint64_t now_s)
{
	size_t len = job->len;

	if (tsig->verdict != TSIG_OK)
		return;
	if (job->transport == ANSWER_UDP && len + tsig_room(tsig) > edns->payload)
		len = truncate_signed(a, job, edns, tsig_room(tsig));
	if (len == 0 || tsig_sign_response(tsig, job->msg, job->cap, now_s, &len) < 0)
		job->verdict = ANSWER_DROP;
	job->len = (uint32_t)len;
}

void asker_ask(struct asker *a, struct answer_job *job, const union config_sockaddr *client,
	       const struct tls *tls, uint64_t now_ms, struct xfrout_session **transfer)
{
	struct answer_job *jobs[] = {job};
	uint64_t now_s = (uint64_t)time(NULL);
	struct tsig tsig = {.verdict = TSIG_NONE};
	struct client_edns edns = {.payload = QUERY_PAYLOAD_MIN};
	uint32_t cap = job->cap;

	job->family = client->sa.sa_family == AF_INET ? 4 : 6;
	if (job->family == 4)
		memcpy(job->client, &client->in4.sin_addr, 4);
	else
		memcpy(job->client, &client->in6.sin6_addr, 16);
	answer_engine_read_clock(a->engine);
	if (check_signature(a, &tsig, job, now_s)) {
		if (tsig.verdict == TSIG_OK)
			edns = read_edns(a, job);
		job->cap = cap - (uint32_t)tsig_room(&tsig);
		answer_engine_trust(a->engine, tsig.verdict == TSIG_OK);
		answer_burst(a->engine, jobs, 1);
		job->cap = cap;
		if (job->verdict == ANSWER_TRANSFER)
			begin_transfer(a, &tsig, job, client, tls, now_ms, transfer);
		else if (job->verdict == ANSWER_SEND)
			sign(a, &tsig, job, &edns, now_s);
	}
	tsig_fini(&tsig);
}
