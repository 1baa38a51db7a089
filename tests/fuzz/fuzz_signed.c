/*
 * Fuzz target: a signed transfer with somebody in the middle. An input is a script; each step is one octet of what to
 * do, two of length and a message as the primary makes it:
 *   0 signed and sent          1 sent unsigned (it counts in the next signature)
 *   2 signed, one octet of it changed on the way (the last two octets of the message say which)
 *   3 signed and lost          4 unsigned and lost
 *   5 the last one sent is sent once more, and the message is nobody's: not sent at all
 *   6 not the primary's: comes in between
 * The request is AXFR of "example." with id 0.
 *
 * However it ends, what is believed are the primary's messages, all of them up to the last, in their order: a transfer
 * that is complete and whose end is signed consists of these and nothing else.
 */
#include "control/tsig.h"
#include "control/xfrin.h"
#include "dataplane/dns/cutter.h"
#include "tests/fuzz/holds.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define NOW   UINT64_C(1700000000)
#define STEPS 256

static const uint8_t apex[] = "\7example", key_name[] = "\3key\7example", secret[] = "0123456789abcdef";

/* The primary: what it has sent, for the next signature and to compare with. */
struct sender {
	uint8_t chain[TSIG_MAC_MAX];
	size_t chain_len;
	bool first_signed; /* later digests cover the timers only: RFC 8945 5.3.1 */
	uint8_t *pending;  /* unsigned messages since the last signature */
	size_t pending_len;
	uint8_t *sent[STEPS];
	size_t sent_len[STEPS];
	unsigned sent_cnt;
};

/* The secondary, as a builder thread is one. */
struct receiver {
	struct tsig tsig;
	struct xfrin *xfrin;
	struct cutter cutter;
	struct sender *primary;
	unsigned accepted;
	bool differs; /* a message that was let through is not the primary's next */
};

static void remember(struct sender *s, const uint8_t *msg, size_t len)
{
	s->sent[s->sent_cnt] = exact_copy(msg, len);
	s->sent_len[s->sent_cnt++] = len;
}

static void pend(struct sender *s, const uint8_t *msg, size_t len)
{
	s->pending = realloc(s->pending, s->pending_len + len + 1);
	HOLDS(s->pending != NULL);
	memcpy(s->pending + s->pending_len, msg, len);
	s->pending_len += len;
}

/* RFC 8945 4.3, 5.3.1, written down without tsig.c; room for TSIG_RECORD_MAX octets behind msg. */
static void sign(struct sender *s, uint8_t *msg, size_t *len)
{
	struct tsig_record r = {.time_signed = NOW, .fudge = TSIG_FUDGE_S, .original_id = wire_load16(msg)};
	const struct tsig_algorithm_info *a = &tsig_algorithms[TSIG_HMAC_SHA256];
	size_t cap = 2 + s->chain_len + s->pending_len + *len + 512;
	uint8_t *digested = malloc(cap);
	struct wire_out out;
	unsigned mac_len;

	HOLDS(digested != NULL);
	out = wire_out_init(digested, cap);
	wire_put16(&out, (uint16_t)s->chain_len);
	wire_put_bytes(&out, s->chain, s->chain_len);
	wire_put_bytes(&out, s->pending, s->pending_len);
	wire_put_bytes(&out, msg, *len);
	if (!s->first_signed) {
		wire_put_bytes(&out, key_name, sizeof(key_name));
		wire_put16(&out, DNS_CLASS_ANY);
		wire_put32(&out, 0);
		wire_put_bytes(&out, a->wire, a->wire_len);
	}
	tsig_time_put(&out, NOW);
	wire_put16(&out, TSIG_FUDGE_S);
	if (!s->first_signed)
		wire_put32(&out, 0); /* no error, no other data */
	HOLDS(!out.bad);
	HOLDS(HMAC(EVP_sha256(), secret, sizeof(secret), digested, wire_out_len(&out), s->chain, &mac_len));
	s->chain_len = r.mac_len = (uint16_t)mac_len;
	r.mac = s->chain;
	s->first_signed = true;
	s->pending_len = 0;
	free(digested);
	HOLDS(tsig_record_append(msg, *len + TSIG_RECORD_MAX, len, key_name, (const uint8_t *)a->wire, &r) ==
	      0);
}

static void take(struct receiver *r, const struct cutter_span *msg)
{
	uint8_t *copy = exact_copy(msg->at, msg->len);
	const struct sender *s = r->primary;
	size_t got = msg->len;
	enum tsig_verdict v = tsig_verify_response(&r->tsig, copy, NOW, &got);

	HOLDS(v != TSIG_FAULT && v != TSIG_NONE);
	if (v != TSIG_OK && v != TSIG_PENDING) {
		HOLDS(got == msg->len && memcmp(copy, msg->at, msg->len) == 0);
		xfrin_reject(r->xfrin, copy, msg->len);
	} else {
		unsigned i = r->accepted++;

		/* The id stands in the signature as it was sent, whatever it is now: the decoder looks at it. */
		r->differs |= i >= s->sent_cnt || s->sent_len[i] != got ||
			      memcmp(s->sent[i] + 2, copy + 2, got - 2) != 0;
		xfrin_message(r->xfrin, copy, got);
	}
	free(copy);
}

/* On the stream, in two pieces; the last octet of the message says which. */
static void receive(struct receiver *r, const uint8_t *msg, size_t len)
{
	size_t cut = msg[len - 1] % (2 + len), taken = 0;
	uint8_t *frame = malloc(2 + len);
	struct cutter_span pieces[2] = {{frame, cut}, {frame + cut, 2 + len - cut}}, one;

	HOLDS(frame != NULL && len >= DNS_HEADER_LEN);
	wire_store16(frame, (uint16_t)len);
	memcpy(frame + 2, msg, len);
	for (unsigned i = 0; i < 2; i++)
		for (; cutter_feed(&r->cutter, &pieces[i], &one); taken++)
			take(r, &one);
	HOLDS(taken == 1 && r->cutter.len == 0);
	free(frame);
}

/* Octets of the step; 0: the script is at its end. */
static size_t step(struct sender *s, struct receiver *r, const uint8_t *p, size_t left)
{
	static const uint8_t steps = 7;
	size_t len = left < 3 ? 0 : wire_load16(p + 1), wire_len = len;
	uint8_t what = left > 0 ? p[0] % steps : 0;
	uint8_t *msg;

	if (left < 3 || len < DNS_HEADER_LEN || len > left - 3 || len > 4096)
		return 0;
	msg = malloc(len + TSIG_RECORD_MAX);
	HOLDS(msg != NULL);
	memcpy(msg, p + 3, len);
	if (what < 5 && wire_load16(msg + 10) < UINT16_MAX) {
		remember(s, msg, len);
		if (what == 1 || what == 4)
			pend(s, msg, len);
		else
			sign(s, msg, &wire_len);
		if (what == 2)
			msg[wire_load16(p + 3 + len - 2) % wire_len] ^= 0x01;
	}
	if (what < 3 || what == 6)
		receive(r, msg, wire_len);
	if (what == 5 && s->sent_cnt > 0)
		receive(r, s->sent[s->sent_cnt - 1], s->sent_len[s->sent_cnt - 1]);
	free(msg);
	return 3 + len;
}

static int ignore_begin(void *arg, enum xfrin_form form)
{
	return 0;
}

static int ignore_add(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		      uint16_t len)
{
	return 0;
}

static int ignore_del(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		      uint16_t len)
{
	return 0;
}

static struct xfrin *decoder(void)
{
	const struct xfrin_sink sink = {.begin = ignore_begin, .add = ignore_add, .del = ignore_del};
	struct xfrin_request request = {.qtype = DNS_TYPE_AXFR};
	struct xfrin *x = malloc(sizeof(*x));

	HOLDS(x != NULL);
	memcpy(request.apex, apex, sizeof(apex));
	xfrin_init(x, &request, &sink);
	return x;
}

static void run(struct tsig_key *key, const uint8_t *data, size_t len)
{
	uint8_t request[512] = {0};
	size_t request_len = DNS_HEADER_LEN, at = 0, used;
	struct sender s = {0};
	struct receiver r = {
		.xfrin = decoder(), .cutter = {.carry = malloc(CUTTER_FRAME_MAX)}, .primary = &s};

	HOLDS(r.cutter.carry != NULL && tsig_client_init(&r.tsig, key) == 0);
	HOLDS(tsig_sign_request(&r.tsig, request, sizeof(request), NOW, &request_len) == 0);
	memcpy(s.chain, r.tsig.mac, r.tsig.mac_len);
	s.chain_len = r.tsig.mac_len;
	while (s.sent_cnt < STEPS && (used = step(&s, &r, data + at, len - at)) > 0)
		at += used;
	if (r.xfrin->verdict == XFRIN_DONE && tsig_verify_end(&r.tsig) == TSIG_OK)
		HOLDS(!r.differs);
	while (s.sent_cnt > 0)
		free(s.sent[--s.sent_cnt]);
	free(s.pending);
	free(r.xfrin);
	free(r.cutter.carry);
	tsig_fini(&r.tsig);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tsig_key_spec spec = {.name = key_name,
				     .secret = secret,
				     .secret_len = sizeof(secret),
				     .algorithm = TSIG_HMAC_SHA256};
	struct tsig_key *key;

	HOLDS(tsig_key_new(&spec, &key) == 0);
	run(key, data, len);
	tsig_key_release(key);
	return 0;
}
