#include "control/asker.h"

#include <time.h>

static bool may_be_signed(const struct answer_job *job)
{
	return job->len >= DNS_HEADER_LEN && wire_load16(job->msg + 10) != 0 &&
	       (wire_load16(job->msg + 2) & (DNS_FLAG_QR | DNS_OPCODE_MASK)) == DNS_OPCODE_QUERY
											<< DNS_OPCODE_SHIFT;
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
 * RFC 8945 5.3.2: header and question with the error, and the TSIG that says which unless it is FORMERR (5.2). False: there
 * is no question to cut to, which the engine answers as malformed.
 */
static bool respond_error(const struct asker *a, struct tsig *tsig, struct answer_job *job, uint64_t now_s)
{
	uint16_t flags = (uint16_t)(wire_load16(job->msg + 2) & DNS_FLAG_RD);
	size_t len = cut_to_question(job->msg, job->len);

	if (len == 0)
		return false;
	job->verdict = ANSWER_DROP;
	wire_store16(job->msg + 2, (uint16_t)(DNS_FLAG_QR | flags | tsig_rcode(tsig->verdict)));
	/* Who sends these may be anybody, and somebody else have the response. */
	if (answer_error_limited(a->engine, job))
		return true;
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

/*
 * RFC 8945 5.3: a datagram that the signature would make too long is cut and says so, with RCODE 0. payload: what the client
 * takes.
 */
static void sign(struct tsig *tsig, struct answer_job *job, size_t payload, uint64_t now_s)
{
	size_t len = job->len;

	if (tsig->verdict != TSIG_OK)
		return;
	if (job->transport == ANSWER_UDP && len + tsig_room(tsig) > payload) {
		uint16_t flags = (uint16_t)(wire_load16(job->msg + 2) & ~DNS_RCODE_MASK);

		len = cut_to_question(job->msg, len);
		wire_store16(job->msg + 2, (uint16_t)(flags | DNS_FLAG_TC));
	}
	if (len == 0 || tsig_sign_response(tsig, job->msg, job->cap, now_s, &len) < 0)
		job->verdict = ANSWER_DROP;
	job->len = (uint32_t)len;
}

/* The request is only header, question and OPT by now; of what OPT allows no more than we send anyhow. */
static size_t payload_of(const struct asker *a, const struct answer_job *job)
{
	return job->len >= DNS_HEADER_LEN && wire_load16(job->msg + 10) != 0
		       ? answer_udp_payload(&a->config->answer, job->family)
		       : QUERY_PAYLOAD_MIN;
}

void asker_ask(struct asker *a, struct answer_job *job, const union config_sockaddr *client,
	       const struct tls *tls, uint64_t now_ms, struct xfrout_session **transfer)
{
	struct answer_job *jobs[] = {job};
	uint64_t now_s = (uint64_t)time(NULL);
	struct tsig tsig = {.verdict = TSIG_NONE};
	uint32_t cap = job->cap;
	size_t payload;

	job->family = client->sa.sa_family == AF_INET ? 4 : 6;
	if (job->family == 4)
		memcpy(job->client, &client->in4.sin_addr, 4);
	else
		memcpy(job->client, &client->in6.sin6_addr, 16);
	answer_engine_read_clock(a->engine);
	if (check_signature(a, &tsig, job, now_s)) {
		payload = payload_of(a, job);
		job->cap = cap - (uint32_t)tsig_room(&tsig);
		answer_engine_trust(a->engine, tsig.verdict == TSIG_OK);
		answer_burst(a->engine, jobs, 1);
		job->cap = cap;
		if (job->verdict == ANSWER_TRANSFER)
			begin_transfer(a, &tsig, job, client, tls, now_ms, transfer);
		else if (job->verdict == ANSWER_SEND)
			sign(&tsig, job, payload, now_s);
	}
	tsig_fini(&tsig);
}
