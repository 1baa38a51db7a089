/*
 * "trace": one question through the answer engine, and what each stage decided. Made here, on the control loop, which is
 * a registered reader as the workers are: a worker would have to look for orders in each turn, and its answers would wait.
 */
#include <arpa/inet.h>
#include <string.h>

#include <ldns/ldns.h>

#include "control/ctl_internal.h"
#include "control/ctl_trace_message.h"

#define CLIENT_DEFAULT "192.0.2.1" /* RFC 5737: nobody's */
#define FLAG_DO	       0x8000
#define ID	       0x1234

struct question {
	uint8_t name[NAME_LEN_MAX];
	uint16_t type;
	bool edns, dnssec, tcp;
	uint16_t payload;
	const char *client;
};

static const char *const kind_text[] = {
	[LOOKUP_EXACT] = "exact",	[LOOKUP_CUT] = "cut",	      [LOOKUP_DNAME] = "dname",
	[LOOKUP_WILDCARD] = "wildcard", [LOOKUP_MISSING] = "missing",
};

/* A type by its name or as TYPE65280 (RFC 3597 5). False: there is none. */
static bool read_type(const char *text, uint16_t *out)
{
	*out = (uint16_t)ldns_get_rr_type_by_name(text);
	return *out != 0;
}

/* What is wrong with the arguments, or NULL. */
static const char *read_question(const json_t *args, struct question *q, struct answer_job *job)
{
	const char *name = json_string_value(json_object_get(args, "name"));
	const char *type = json_string_value(json_object_get(args, "type"));
	const json_t *bufsize = json_object_get(args, "bufsize");

	if (name == NULL || type == NULL)
		return "it needs the arguments \"name\" and \"type\"";
	if (name_from_text(name, q->name) < 0)
		return "\"name\" is not a domain name";
	if (!read_type(type, &q->type))
		return "\"type\" is not a record type: give its name, or its number as in TYPE65280";
	q->dnssec = json_is_true(json_object_get(args, "dnssec"));
	q->tcp = json_is_true(json_object_get(args, "tcp"));
	q->edns = q->dnssec || bufsize != NULL;
	q->payload = ANSWER_UDP_PAYLOAD_DEFAULT;
	if (bufsize != NULL) {
		if (json_integer_value(bufsize) < 0 || json_integer_value(bufsize) > UINT16_MAX)
			return "\"bufsize\" is 0 to 65535";
		q->payload = (uint16_t)json_integer_value(bufsize);
	}
	q->client = json_string_value(json_object_get(args, "client"));
	if (q->client == NULL)
		q->client = CLIENT_DEFAULT;
	job->family = strchr(q->client, ':') != NULL ? 6 : 4;
	if (inet_pton(job->family == 4 ? AF_INET : AF_INET6, q->client, job->client) != 1)
		return "\"client\" is not an address";
	job->transport = q->tcp ? ANSWER_TCP : ANSWER_UDP;
	return NULL;
}

/* The request as a resolver would send it. Returns its length. */
static uint32_t write_request(const struct question *q, uint8_t *msg, size_t cap)
{
	struct wire_out out = wire_out_init(msg, cap);

	wire_put16(&out, ID);
	wire_put16(&out, 0);
	wire_put16(&out, 1);
	wire_put32(&out, 0);
	wire_put16(&out, q->edns);
	wire_put_bytes(&out, q->name, name_len(q->name));
	wire_put16(&out, q->type);
	wire_put16(&out, DNS_CLASS_IN);
	if (q->edns) {
		wire_put8(&out, 0);
		wire_put16(&out, DNS_TYPE_OPT);
		wire_put16(&out, q->payload);
		wire_put32(&out, q->dnssec ? FLAG_DO : 0);
		wire_put16(&out, 0);
	}
	return (uint32_t)wire_out_len(&out);
}

static bool is_answered(const struct ctl *ctl, const struct question *q, const struct answer_job *job)
{
	struct net_address source = {.family = job->family};

	memcpy(source.addr, job->client, sizeof(source.addr));
	return q->tcp || net_answers_source(ctl->env.net, &source);
}

static json_t *question_json(const struct ctl *ctl, const struct question *q, const struct answer_job *job)
{
	char name[NAME_TEXT_CAP], type[RDATA_TYPE_TEXT_CAP];

	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:o, s:s}", "name", name_text(q->name, name), "type",
			 rdata_type_text(q->type, type), "client", q->client, "client_answered",
			 (int)is_answered(ctl, q, job), "tcp", (int)q->tcp, "dnssec", (int)q->dnssec,
			 "bufsize", q->edns ? json_integer(q->payload) : json_null(), "transport",
			 q->tcp ? "TCP" : "UDP");
}

static json_t *stages_json(const struct answer_trace *t, uint64_t cycles_per_s)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < ANSWER_TRACE_STAGE_CNT; i++) {
		double ns = cycles_per_s > 0 ? 1e9 / (double)cycles_per_s : 0;

		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "stage",
						      answer_trace_stage_text[i].name, "help",
						      answer_trace_stage_text[i].help, "cycles",
						      (json_int_t)t->first[i], "ns",
						      (json_int_t)((double)t->first[i] * ns), "cycles_again",
						      (json_int_t)t->again[i], "ns_again",
						      (json_int_t)((double)t->again[i] * ns)));
	}
	return list;
}

/* Null: the question needed none. */
static json_t *zone_json(const struct answer_trace *t)
{
	const struct zonetab_find *f = &t->find;
	const char *access = f->acl == NULL ? "everybody" : t->acl_allows ? "allowed" : "denied";
	char name[NAME_TEXT_CAP];

	if (!t->find_done)
		return json_null();
	if (f->slot == ZONETAB_SLOT_NONE)
		return json_pack("{s:n, s:s}", "name", "state", "none");
	return json_pack("{s:s, s:s, s:s, s:I}", "name",
			 name_text(f->name + f->hashes->off[f->apex_label], name), "state",
			 f->snap != NULL	     ? "served"
			 : f->marker == ZONE_EXPIRED ? "expired"
						     : "not-loaded",
			 "access", access, "slot", (json_int_t)f->slot);
}

static json_t *suffix_json(const struct answer_trace_step *s, unsigned label)
{
	char name[NAME_TEXT_CAP];

	return json_string(name_text(s->name + s->lookup.hashes->off[label], name));
}

static json_t *entry_json(const struct lookup *l)
{
	uint8_t owner[NAME_LEN_MAX];
	char name[NAME_TEXT_CAP];

	if (l->entry == NULL)
		return json_null();
	entry_owner(l->snap, l->entry, owner);
	return json_string(name_text(owner, name));
}

static json_t *steps_json(const struct answer_trace *t)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < t->step_cnt; i++) {
		const struct answer_trace_step *s = &t->step[i];
		const struct lookup *l = &s->lookup;
		unsigned flags = l->entry != NULL ? entry_flags(l->entry) : 0;

		json_array_append_new(list,
				      json_pack("{s:o, s:o, s:I, s:s, s:o, s:o, s:b}", "name",
						suffix_json(s, 0), "zone", suffix_json(s, l->apex_label),
						"serial", (json_int_t)snapshot_serial(l->snap), "found",
						kind_text[l->kind], "entry", entry_json(l),
						"closest_encloser", suffix_json(s, l->encloser_label),
						"empty_non_terminal", (int)((flags & ENTRY_EMPTY) != 0)));
	}
	return list;
}

/* By worker; null where there are no limits or none is asked: TCP. */
static json_t *limits_json(const struct ctl *ctl, const struct answer_trace *t, const struct answer_job *job)
{
	static const char *const text[] = {
		[RRL_PASS] = "passes",
		[RRL_PASS_ALLOWED] = "over, but never limited",
		[RRL_PASS_DRY_RUN] = "over, but a dry run",
		[RRL_SLIP] = "limited",
		[RRL_DROP] = "limited",
	};
	json_t *list = json_array();

	for (unsigned i = 0; i < net_worker_cnt(ctl->env.net); i++) {
		enum rrl_verdict v;

		if (job->transport != ANSWER_UDP || t->verdict != ANSWER_SEND ||
		    !answer_rate_peek(ctl->env.engines[i], job, t->class, &v)) {
			json_decref(list);
			return json_null();
		}
		json_array_append_new(list, json_string(text[v]));
	}
	return json_pack("{s:s, s:o}", "class", rrl_class_text[t->class], "workers", list);
}

static json_t *counters_json(const struct answer_trace *t)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < ANSWER_COUNTER_CNT; i++)
		if (t->counter[i] > 0)
			json_array_append_new(list, json_string(answer_counter_text[i].name));
	return list;
}

static json_t *trace_json(const struct ctl *ctl, const struct question *q, const struct answer_job *job,
			  const struct answer_trace *t)
{
	static const char *const verdict[] = {[ANSWER_SEND] = "sent",
					      [ANSWER_DROP] = "dropped",
					      [ANSWER_NOTIFY] = "handed to the control loop",
					      [ANSWER_TRANSFER] = "handed to the transfer server"};
	struct net_worker_info info;

	net_worker_info(ctl->env.net, 0, &info);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:b, s:o}", "question",
			 question_json(ctl, q, job), "stages", stages_json(t, info.cycles_per_s), "zone",
			 zone_json(t), "steps", steps_json(t), "proofs", ctl_trace_proofs(t), "rate_limit",
			 limits_json(ctl, t, job), "counters", counters_json(t), "verdict",
			 verdict[t->verdict], "short_read", (int)t->usual_read, "short_write",
			 (int)t->usual_write, "response",
			 t->verdict == ANSWER_SEND ? ctl_trace_response(t) : json_null());
}

void ctl_trace(struct ctl_conn *conn, const struct ctl_args *args)
{
	const struct ctl *ctl = conn->ctl;
	uint8_t msg[DNS_HEADER_LEN + NAME_LEN_MAX + QUERY_TAIL_LEN + QUERY_OPT_LEN];
	struct answer_job job = {.msg = msg, .cap = DNS_MSG_MAX};
	struct question q;
	const char *fault = read_question(args->given, &q, &job);
	struct answer_trace *trace;

	if (fault != NULL) {
		ctl_reply_error(conn, "bad-argument", NULL, "\"trace\" cannot run: %s", fault);
		return;
	}
	job.len = write_request(&q, msg, sizeof(msg));
	if (!q.tcp)
		job.cap = net_msg_max(ctl->env.net, job.family);
	if (answer_trace_new(ctl->env.table, &ctl->env.config->answer, &job, &trace) < 0) {
		ctl_reply(conn, NULL);
		return;
	}
	ctl_reply(conn, trace_json(ctl, &q, &job, trace));
	answer_trace_free(trace);
}
