#include "control/refresh.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/random.h"
#include "control/rcode.h"

/* Three tries of two seconds bridge a lost packet or two and leave a dead primary soon. */
#define UDP_TRIES  3
#define UDP_TRY_MS 2000
#define TCP_TRY_MS 5000

/* After an ICMP error (a primary that is being restarted, an operator that waits) the next try need not wait long. */
#define UDP_REFUSED_MS 250

/*
 * Somebody who guesses may send many wrong answers; each costs a parse. A try ends after this many: the next one has
 * another port and id.
 */
#define REJECTED_MAX 100

struct refresh {
	struct refresh_env *env;
	const struct config_primary *primary;
	refresh_done_fn done;
	void *arg;
	uv_timer_t timer;
	struct datagram *datagram; /* over UDP; NULL: none */
	struct link_request link;  /* over TCP or TLS */
	unsigned tries;
	unsigned rejected;
	bool no_edns;
	bool tcp; /* or TLS */
	bool waiting;
	bool ended;
	bool heard; /* something answered, if not as it has to */
	uint16_t id;
	uint16_t type; /* what is asked for: the SOA, then maybe ZONEMD */
	bool wants_digests;
	uint32_t digests_of;
	struct refresh_answer answer;	  /* to the first question, while the second is asked */
	struct tsig tsig;		  /* with a key */
	char last[REFRESH_TEXT_CAP - 24]; /* why the last try failed */
	uint8_t apex[NAME_LEN_MAX];
	uint8_t out[2 + REFRESH_QUERY_MAX + TSIG_RECORD_MAX];
};

static const char *transport_text(const struct refresh *r)
{
	return r->primary->tls != NULL ? "TLS" : r->tcp ? "TCP" : "UDP";
}

/* clean: what was to be said on the connection has been said. */
static void drop_attempt(struct refresh *r, bool clean)
{
	r->waiting = false;
	link_end(&r->link, clean);
	datagram_close(r->datagram);
	r->datagram = NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct refresh *r = handle->data;
	struct refresh_env *env = r->env;

	tsig_fini(&r->tsig);
	free(r);
	if (--env->live == 0 && env->idle != NULL)
		env->idle(env->arg);
}

static void close_all(struct refresh *r, bool clean)
{
	if (r->ended)
		return;
	r->ended = true;
	drop_attempt(r, clean);
	uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

static void end(struct refresh *r, struct refresh_result *result)
{
	refresh_done_fn done = r->done;
	void *arg = r->arg;

	close_all(r, result->reached);
	done(arg, result);
}

static void end_failed(struct refresh *r, const char *text, bool reached)
{
	struct refresh_result result = {.reached = reached};

	/* The first question was answered, and does. */
	if (r->type == DNS_TYPE_ZONEMD)
		result = (struct refresh_result){.ok = true, .reached = true, .answer = r->answer};
	else
		snprintf(result.text, sizeof(result.text), "%s", text);
	end(r, &result);
}

static void try_again(struct refresh *r);

static void on_timer(uv_timer_t *timer)
{
	struct refresh *r = timer->data;

	/* Otherwise the reason is known better. */
	if (r->waiting && r->rejected == 0)
		snprintf(r->last, sizeof(r->last), "no answer over %s within %d s", transport_text(r),
			 (r->tcp ? TCP_TRY_MS : UDP_TRY_MS) / 1000);
	try_again(r);
}

static void end_by_rcode(struct refresh *r, const struct refresh_answer *answer)
{
	char rcode[RCODE_TEXT_CAP], text[REFRESH_TEXT_CAP];

	snprintf(text, sizeof(text), "the primary answered %s", rcode_text(answer->rcode, rcode));
	end_failed(r, text, true);
}

/* A stream cannot bring a better one; on UDP wait, but not for a flood. r->last says why. */
static void reject_message(struct refresh *r)
{
	r->env->rejected++;
	if (r->tcp || ++r->rejected >= REJECTED_MAX)
		try_again(r);
}

/*
 * Anybody can say that our signature is wrong, so it ends nothing (RFC 8945 5.3.2): it is worth the reason that is
 * told when no better answer comes.
 */
static bool is_signed(struct refresh *r, uint8_t *msg, size_t len, const struct refresh_answer *answer)
{
	char error[TSIG_ERROR_TEXT_CAP] = "", rcode[RCODE_TEXT_CAP] = "";
	enum tsig_verdict v;

	if (r->primary->key == NULL)
		return true;
	v = tsig_verify_response(&r->tsig, msg, (uint64_t)time(NULL), &len);
	if (v == TSIG_OK)
		return true;
	r->heard = true;
	if (v == TSIG_PEER_ERROR)
		tsig_error_text(r->tsig.peer_error, error);
	if (answer->rcode != DNS_RCODE_NOERROR)
		rcode_text(answer->rcode, rcode);
	snprintf(r->last, sizeof(r->last), "only answers that cannot be believed: %s%s%s%s%s",
		 tsig_verdict_text(v), *error != '\0' ? ": " : "", error, *rcode != '\0' ? "; " : "", rcode);
	return false;
}

static struct refresh_question question(const struct refresh *r)
{
	return (struct refresh_question){.apex = r->apex, .type = r->type, .id = r->id};
}

/* One question may lead to another. */
static void take_answer(struct refresh *r, struct refresh_result *result)
{
	struct refresh_answer *a = &result->answer;

	if (r->type == DNS_TYPE_SOA && r->wants_digests && a->soa.serial == r->digests_of &&
	    a->signature_cnt == 0) {
		r->answer = *a;
		r->type = DNS_TYPE_ZONEMD;
		r->tries = 0;
		drop_attempt(r, true);
		try_again(r);
		return;
	}
	if (r->type == DNS_TYPE_ZONEMD) {
		r->answer.digests_hash = a->digests_hash;
		r->answer.digest_cnt = a->digest_cnt;
		*a = r->answer;
	}
	end(r, result);
}

static void take_message(struct refresh *r, uint8_t *msg, size_t len)
{
	struct refresh_result result = {.ok = true, .reached = true};
	struct refresh_question q = question(r);
	enum refresh_verdict v = refresh_answer_get(msg, len, &q, r->env->rdata, &result.answer);

	if (refresh_is_foreign(v)) {
		snprintf(r->last, sizeof(r->last), "only answers that are not ours: %s",
			 refresh_verdict_text(v));
		reject_message(r);
	} else if (!is_signed(r, msg, len, &result.answer)) {
		reject_message(r);
	} else if (v == REFRESH_TRUNCATED && !r->tcp) {
		r->tcp = true;
		r->tries = 0;
		try_again(r);
	} else if (v == REFRESH_RCODE && !r->no_edns && opt_may_be_why(result.answer.rcode)) {
		r->no_edns = true;
		r->tries = 0;
		try_again(r);
	} else if (v == REFRESH_RCODE) {
		end_by_rcode(r, &result.answer);
	} else if (v != REFRESH_OK) {
		end_failed(r, refresh_verdict_text(v), true);
	} else {
		take_answer(r, &result);
	}
}

/* --- UDP --- */

static void on_datagram(void *arg, uint8_t *msg, size_t len)
{
	take_message(arg, msg, len);
}

static void on_datagram_failed(void *arg, int error)
{
	struct refresh *r = arg;

	snprintf(r->last, sizeof(r->last), "UDP: %s", uv_strerror(error));
	drop_attempt(r, false);
	uv_timer_start(&r->timer, on_timer, UDP_REFUSED_MS, 0);
}

static int udp_begin(struct refresh *r)
{
	const struct datagram_calls calls = {.received = on_datagram, .failed = on_datagram_failed, .arg = r};

	return datagram_send(r->env->datagrams, r->primary, r->out + 2, wire_load16(r->out), &calls,
			     &r->datagram);
}

/* --- TCP and TLS --- */

static void on_link_connected(void *arg)
{
}

static bool on_link_message(void *arg, uint8_t *msg, size_t len)
{
	take_message(arg, msg, len);
	return true;
}

static void on_link_ended(void *arg, const char *why)
{
	struct refresh *r = arg;
	const char *reason = *why != '\0' ? why : "the primary closed the connection";
	/* What TLS says begins with its name. */
	bool named = strncmp(reason, "TLS", 3) == 0;

	snprintf(r->last, sizeof(r->last), "%s%s%s", named ? "" : transport_text(r), named ? "" : ": ",
		 reason);
	try_again(r);
}

static int link_begin(struct refresh *r)
{
	r->link = (struct link_request){
		.calls = {.connected = on_link_connected,
			  .octets = on_link_message,
			  .ended = on_link_ended,
			  .arg = r},
		.primary = r->primary,
		.wire = r->out,
		.wire_len = wire_load16(r->out) + 2u,
	};
	return link_ask(r->env->links, &r->link);
}

/* --- tries --- */

static int begin_attempt(struct refresh *r)
{
	struct refresh_question q;
	size_t len;
	int ret = 0;

	r->rejected = 0;
	r->id = random_u16();
	q = question(r);
	len = refresh_query_put(&q, !r->no_edns, r->out + 2);
	if (r->primary->key != NULL)
		ret = tsig_sign_request(&r->tsig, r->out + 2, sizeof(r->out) - 2, (uint64_t)time(NULL), &len);
	if (ret < 0)
		return ret;
	wire_store16(r->out, (uint16_t)len);
	ret = r->tcp ? link_begin(r) : udp_begin(r);
	if (ret < 0)
		return ret;
	r->env->sent++;
	r->waiting = true;
	return 0;
}

static void try_again(struct refresh *r)
{
	char text[REFRESH_TEXT_CAP];
	unsigned max = r->tcp ? 1 : UDP_TRIES;
	int ret;

	drop_attempt(r, false);
	if (r->tries >= max) {
		snprintf(text, sizeof(text), "%s (tries: %u)", r->last, r->tries);
		end_failed(r, text, r->heard);
		return;
	}
	r->tries++;
	/* A try that fails at once (no route, no descriptor left) still takes its time, or the tries would mean nothing. */
	ret = begin_attempt(r);
	if (ret < 0) {
		snprintf(r->last, sizeof(r->last), "%s: %s", transport_text(r), uv_strerror(ret));
		drop_attempt(r, false);
	}
	uv_timer_start(&r->timer, on_timer, r->tcp ? TCP_TRY_MS : UDP_TRY_MS, 0);
}

int refresh_start(struct refresh_env *env, const struct config_primary *primary, const uint8_t *apex,
		  const uint32_t *digests_of, refresh_done_fn done, void *arg, struct refresh **out)
{
	struct refresh *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->env = env;
	r->primary = primary;
	r->done = done;
	r->arg = arg;
	r->tcp = primary->tls != NULL;
	r->type = DNS_TYPE_SOA;
	r->wants_digests = digests_of != NULL;
	r->digests_of = digests_of != NULL ? *digests_of : 0;
	memcpy(r->apex, apex, name_len(apex));
	if (primary->key != NULL && tsig_client_init(&r->tsig, primary->key) < 0) {
		tsig_fini(&r->tsig);
		free(r);
		return -ENOMEM;
	}
	uv_timer_init(env->loop, &r->timer);
	r->timer.data = r;
	env->live++;
	try_again(r);
	*out = r;
	return 0;
}

void refresh_cancel(struct refresh *r)
{
	close_all(r, false);
}
