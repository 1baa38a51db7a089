/* Contract in stream_thread.h. */
#include <time.h>

#include "control/stream_thread.h"
#include "control/xfrout.h"

static bool may_be_signed(const struct answer_job *job)
{
	return job->len >= DNS_HEADER_LEN && wire_load16(job->msg + 10) != 0 &&
	       (wire_load16(job->msg + 2) & (DNS_FLAG_QR | DNS_OPCODE_MASK)) == DNS_OPCODE_QUERY
											<< DNS_OPCODE_SHIFT;
}

/* RFC 8945 5.3.2: header and question with the error, and the TSIG that says which. Returns the length, 0: none. */
static uint32_t respond_error(struct tsig *tsig, const struct answer_job *job, uint64_t now_s)
{
	struct wire_in in = wire_in_init(job->msg, job->len);
	uint8_t name[NAME_LEN_MAX];
	size_t len;

	wire_get_bytes(&in, DNS_HEADER_LEN);
	name_get_plain(&in, name);
	wire_get32(&in);
	if (in.bad || wire_load16(job->msg + 4) != 1)
		return 0;
	wire_store16(job->msg + 2, (uint16_t)(DNS_FLAG_QR | (wire_load16(job->msg + 2) & DNS_FLAG_RD) |
					      tsig_rcode(tsig->verdict)));
	memset(job->msg + 6, 0, 6);
	len = wire_in_pos(&in);
	return tsig_sign_error(tsig, job->msg, job->cap, now_s, &len) < 0 ? 0 : (uint32_t)len;
}

/* False: answered, as the signature is not good. */
static bool check_signature(struct stream_thread *t, struct tsig *tsig, struct answer_job *job,
			    uint64_t now_s)
{
	const struct tsig_keyring *ring = t->stream->env.config->keyring;
	size_t len = job->len;

	if (ring == NULL || !may_be_signed(job))
		return true;
	switch (tsig_verify_request(tsig, ring, job->msg, now_s, &len)) {
	case TSIG_OK:
		job->len = (uint32_t)len;
		return true;
	case TSIG_NONE:
	case TSIG_FORMERR: /* the engine says so too, and why */
		return true;
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
	job->len = respond_error(tsig, job, now_s);
	job->verdict = job->len > 0 ? ANSWER_SEND : ANSWER_DROP;
	return false;
}

static void begin_transfer(struct stream_thread *t, struct tsig *tsig, struct answer_job *job,
			   const union config_sockaddr *client, struct xfrout_session **transfer)
{
	struct xfrout_request r = {.msg = job->msg,
				   .len = job->len,
				   .cap = job->cap,
				   .transport = job->transport,
				   .client = client,
				   .tsig = tsig,
				   .now_ms = t->now_ms,
				   .limit = &t->limit_refused};
	size_t len = 0;

	*transfer = xfrout_open(t->stream->env.xfrout, &r, &len);
	job->len = (uint32_t)len;
	if (*transfer == NULL)
		job->verdict = len > 0 ? ANSWER_SEND : ANSWER_DROP;
}

void stream_query(struct stream_thread *t, struct answer_job *job, const union config_sockaddr *client,
		  struct xfrout_session **transfer)
{
	struct answer_job *jobs[] = {job};
	uint64_t now_s = (uint64_t)time(NULL);
	uint32_t cap = job->cap;
	struct tsig tsig = {.verdict = TSIG_NONE};
	size_t len;

	job->family = client->sa.sa_family == AF_INET ? 4 : 6;
	if (job->family == 4)
		memcpy(job->client, &client->in4.sin_addr, 4);
	else
		memcpy(job->client, &client->in6.sin6_addr, 16);
	if (check_signature(t, &tsig, job, now_s)) {
		job->cap = cap - (uint32_t)tsig_room(&tsig);
		answer_engine_read_clock(t->engine);
		answer_burst(t->engine, jobs, 1);
		job->cap = cap;
		len = job->len;
		if (job->verdict == ANSWER_TRANSFER)
			begin_transfer(t, &tsig, job, client, transfer);
		else if (job->verdict == ANSWER_SEND &&
			 tsig_sign_response(&tsig, job->msg, cap, now_s, &len) < 0)
			job->verdict = ANSWER_DROP;
		else
			job->len = (uint32_t)len;
	}
	tsig_fini(&tsig);
}
