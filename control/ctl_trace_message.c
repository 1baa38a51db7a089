/*
 * Reading our own response: we wrote it, but it is read as one from a stranger is.
 */
#include "control/ctl_trace_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/present.h"
#include "control/rcode.h"
#include "dataplane/dns/record.h"
#include "dataplane/dns/wire.h"

#define SECTIONS 3

static const char *const section_text[SECTIONS] = {"answer", "authority", "additional"};

/* Stands at the first record. */
static struct wire_in records_of(const struct answer_trace *t, uint16_t cnt[SECTIONS])
{
	struct wire_in in = wire_in_init(t->msg, t->len);
	uint8_t name[NAME_LEN_MAX];

	wire_get_bytes(&in, 4);
	if (wire_get16(&in) > 0) {
		for (unsigned i = 0; i < SECTIONS; i++)
			cnt[i] = wire_get16(&in);
		name_get(&in, name);
		wire_get32(&in);
		return in;
	}
	for (unsigned i = 0; i < SECTIONS; i++)
		cnt[i] = wire_get16(&in);
	return in;
}

/* One line without its newline; NULL when out of memory or it cannot be read. */
static json_t *record_json(const struct answer_trace *t, const struct record *r, uint8_t *room)
{
	struct wire_in in = wire_in_init(t->msg, t->len);
	ldns_buffer *text = ldns_buffer_new(4096);
	uint8_t *rdata = room, *wire = room + RDATA_LEN_MAX;
	struct snapshot_record plain = {.owner = r->owner, .rdata = rdata, .ttl = r->ttl, .type = r->type};
	json_t *line = NULL;
	int len;

	in.cur = r->rdata;
	len = rdata_get(&in, r->type, r->rdata_len, rdata);
	if (text != NULL && len >= 0) {
		plain.rdata_len = (uint16_t)len;
		if (present_record(text, &plain, wire) == 0)
			line = json_stringn((const char *)ldns_buffer_begin(text),
					    ldns_buffer_position(text) - 1);
	}
	ldns_buffer_free(text);
	return line;
}

static void put_ede(json_t *edns, const uint8_t *data, uint16_t len)
{
	struct wire_in in = wire_in_init(data, len);

	while (wire_in_left(&in) > 0) {
		uint16_t code = wire_get16(&in), size = wire_get16(&in);
		const uint8_t *value = wire_get_bytes(&in, size);

		if (in.bad)
			return;
		if (code != DNS_EDNS_EDE || size < 2)
			continue;
		json_object_set_new(edns, "error", json_integer(wire_load16(value)));
		json_object_set_new(edns, "error_text", json_stringn((const char *)value + 2, size - 2u));
	}
}

static json_t *edns_json(const struct record *opt)
{
	json_t *edns = json_pack("{s:i, s:b}", "bufsize", (int)opt->class, "dnssec",
				 (int)((opt->ttl & 0x8000) != 0));

	put_ede(edns, opt->rdata, opt->rdata_len);
	return edns;
}

/* Adds what the section holds; OPT goes to response, and the upper bits of the RCODE with it. */
static void put_section(json_t *response, unsigned section, const struct answer_trace *t, struct wire_in *in,
			uint16_t cnt, uint8_t *room, uint16_t *rcode)
{
	size_t begin = wire_in_pos(in);
	json_t *records = json_array();
	struct record r;

	for (unsigned i = 0; i < cnt && record_get(in, &r); i++) {
		if (r.type == DNS_TYPE_OPT) {
			json_object_set_new(response, "edns", edns_json(&r));
			*rcode |= (uint16_t)(r.ttl >> 24 << 4);
		} else {
			json_array_append_new(records, record_json(t, &r, room));
		}
	}
	json_object_set_new(
		response, section_text[section],
		json_pack("{s:I, s:o}", "octets", (json_int_t)(wire_in_pos(in) - begin), "records", records));
}

json_t *ctl_trace_response(const struct answer_trace *t)
{
	uint8_t *room = malloc(RDATA_LEN_MAX + PRESENT_WIRE_MAX);
	uint16_t cnt[SECTIONS], flags = wire_load16(t->msg + 2), rcode = flags & DNS_RCODE_MASK;
	struct wire_in in = records_of(t, cnt);
	char text[RCODE_TEXT_CAP];
	json_t *response;

	if (room == NULL)
		return NULL;
	response = json_pack("{s:b, s:b, s:I, s:o, s:n}", "aa", (int)((flags & DNS_FLAG_AA) != 0), "tc",
			     (int)((flags & DNS_FLAG_TC) != 0), "octets", (json_int_t)t->len, "limit",
			     t->limit > 0 ? json_integer(t->limit) : json_null(), "edns");
	for (unsigned i = 0; i < SECTIONS; i++)
		put_section(response, i, t, &in, cnt[i], room, &rcode);
	json_object_set_new(response, "rcode", json_string(rcode_text(rcode, text)));
	free(room);
	return response;
}

#define SUBJECTS_MAX 4

/* A name whose existence the answer is about. */
struct subject {
	const char *what;
	uint8_t name[NAME_LEN_MAX + 2];
};

/* The names that RFC 4035 3.1.3 and RFC 5155 7.2 prove things of, for one name of the chain. Returns how many. */
static unsigned subjects_of(const struct answer_trace_step *s, struct subject out[SUBJECTS_MAX])
{
	const struct lookup *l = &s->lookup;
	const uint8_t *encloser = s->name + l->hashes->off[l->encloser_label];
	unsigned n = 0;

	out[n].what = "the name";
	memcpy(out[n++].name, s->name, name_len(s->name));
	if (l->kind == LOOKUP_CUT) {
		out[n].what = "the delegation";
		memcpy(out[n++].name, s->name + l->hashes->off[l->label],
		       name_len(s->name + l->hashes->off[l->label]));
	}
	if (l->kind != LOOKUP_MISSING && l->kind != LOOKUP_WILDCARD)
		return n;
	out[n].what = "the closest encloser";
	memcpy(out[n++].name, encloser, name_len(encloser));
	if (l->encloser_label > 1) {
		const uint8_t *next = s->name + l->hashes->off[l->encloser_label - 1];

		out[n].what = "the next closer name";
		memcpy(out[n++].name, next, name_len(next));
	}
	if (name_len(encloser) + 2 > NAME_LEN_MAX)
		return n;
	out[n].what = "the wildcard";
	memcpy(out[n].name, "\1*", 2);
	memcpy(out[n++].name + 2, encloser, name_len(encloser));
	return n;
}

/* Whether the denial is the record of this owner. */
static bool is_of(const struct denial *d, const uint8_t *owner, const struct lookup *l, const uint8_t *name)
{
	const uint8_t *apex = name + l->hashes->off[l->apex_label];
	uint8_t lower[NAME_LEN_MAX];
	size_t len = name_len(owner);

	name_lower(lower, owner, len);
	return len == d->rel_len + name_len(apex) && memcmp(lower, d->rel, d->rel_len) == 0 &&
	       memcmp(lower + d->rel_len, apex, name_len(apex)) == 0;
}

static void put_proven(json_t *list, const struct answer_trace_step *s, const struct record *r)
{
	struct subject subject[SUBJECTS_MAX];
	unsigned cnt = subjects_of(s, subject);

	for (unsigned i = 0; i < cnt; i++) {
		char name[NAME_TEXT_CAP];
		struct denial d;
		bool found = r->type == DNS_TYPE_NSEC ? snapshot_nsec(s->lookup.snap, subject[i].name, &d)
						      : snapshot_nsec3(s->lookup.snap, subject[i].name, &d);

		if (found && is_of(&d, r->owner, &s->lookup, s->name))
			json_array_append_new(list, json_sprintf("%s %s %s", d.exact ? "matches" : "covers",
								 subject[i].what,
								 name_text(subject[i].name, name)));
	}
}

json_t *ctl_trace_proofs(const struct answer_trace *t)
{
	json_t *list = json_array();
	uint16_t cnt[SECTIONS];
	struct wire_in in;
	struct record r;

	if (t->verdict != ANSWER_SEND)
		return list;
	in = records_of(t, cnt);
	for (unsigned i = 0; i < cnt[0] + (unsigned)cnt[1] && record_get(&in, &r); i++) {
		char owner[NAME_TEXT_CAP], type[RDATA_TYPE_TEXT_CAP];
		json_t *proves;

		if (i < cnt[0] || (r.type != DNS_TYPE_NSEC && r.type != DNS_TYPE_NSEC3))
			continue;
		proves = json_array();
		for (unsigned j = 0; j < t->step_cnt; j++)
			put_proven(proves, &t->step[j], &r);
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:o}", "owner", name_text(r.owner, owner), "type",
						rdata_type_text(r.type, type), "proves", proves));
	}
	return list;
}
