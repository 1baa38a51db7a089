#include "control/xfrin.h"

#include <stdio.h>

#include "control/rcode.h"
#include "dataplane/dns/record.h"
#include "dataplane/dns/serial.h"

/* What the next record of the answer section is. */
enum state {
	OPENING_SOA, /* the new version's SOA */
	SECOND,	     /* IXFR: the record that tells the form */
	WHOLE_BODY,  /* a record, or the closing SOA */
	OLD_RECORDS, /* IXFR: a record to delete, or the SOA that ends them */
	NEW_RECORDS, /* IXFR: a record to add, or the SOA of the next difference, or the closing one */
	ENDED,
};

struct xfr_record {
	const uint8_t *owner;
	const uint8_t *rdata;
	uint32_t ttl;
	uint16_t type;
	uint16_t rdata_len;
	bool is_soa;
	uint32_t soa_serial;
};

void xfrin_init(struct xfrin *x, const struct xfrin_request *request, const struct xfrin_sink *sink)
{
	/* The buffers at the end are written before they are read. */
	memset(x, 0, offsetof(struct xfrin, soa_rdata));
	x->request = *request;
	x->sink = *sink;
	x->verdict = XFRIN_MORE;
	x->state = OPENING_SOA;
}

static enum xfrin_verdict sunk(struct xfrin *x, int ret)
{
	if (ret == 0)
		return XFRIN_MORE;
	x->sink_error = ret;
	return XFRIN_SINK;
}

static enum xfrin_verdict begin(struct xfrin *x, enum xfrin_form form)
{
	return sunk(x, x->sink.begin(x->sink.arg, form));
}

static enum xfrin_verdict add(struct xfrin *x, const struct xfr_record *r)
{
	return sunk(x, x->sink.add(x->sink.arg, r->owner, r->type, r->ttl, r->rdata, r->rdata_len));
}

static enum xfrin_verdict del(struct xfrin *x, const struct xfr_record *r)
{
	return sunk(x, x->sink.del(x->sink.arg, r->owner, r->type, r->ttl, r->rdata, r->rdata_len));
}

static enum xfrin_verdict begin_whole(struct xfrin *x)
{
	const struct xfr_record soa = {
		.owner = x->soa_owner,
		.rdata = x->soa_rdata,
		.ttl = x->soa_ttl,
		.type = DNS_TYPE_SOA,
		.rdata_len = x->soa_len,
	};
	enum xfrin_verdict v = begin(x, XFRIN_WHOLE);

	return v == XFRIN_MORE ? add(x, &soa) : v;
}

static enum xfrin_verdict take_opening_soa(struct xfrin *x, const struct xfr_record *r)
{
	if (!r->is_soa)
		return XFRIN_FIRST_SOA;
	memcpy(x->soa_owner, r->owner, name_len(r->owner));
	memcpy(x->soa_rdata, r->rdata, r->rdata_len);
	x->soa_len = r->rdata_len;
	x->soa_ttl = r->ttl;
	x->serial = r->soa_serial;
	(void)soa_parse(r->rdata, r->rdata_len, &x->soa);
	x->soa.mname = NULL;
	x->soa.rname = NULL;
	x->has_soa = true;
	x->state = WHOLE_BODY;
	if (x->request.qtype == DNS_TYPE_AXFR)
		return begin_whole(x);
	x->state = SECOND;
	return XFRIN_MORE;
}

static bool is_opening_soa(const struct xfrin *x, const struct xfr_record *r)
{
	return rdata_compare(DNS_TYPE_SOA, r->rdata, r->rdata_len, x->soa_rdata, x->soa_len) == 0;
}

static enum xfrin_verdict end(struct xfrin *x, const struct xfr_record *r)
{
	if (!is_opening_soa(x, r))
		return XFRIN_END_SOA;
	x->state = ENDED;
	return XFRIN_DONE;
}

static enum xfrin_verdict take_body(struct xfrin *x, const struct xfr_record *r)
{
	return r->is_soa ? end(x, r) : add(x, r);
}

/* The old SOA that opens a difference. */
static enum xfrin_verdict begin_delta(struct xfrin *x, const struct xfr_record *r)
{
	if (r->soa_serial != x->at_serial)
		return XFRIN_CHAIN;
	if (x->request.deltas_max != 0 && x->deltas == x->request.deltas_max)
		return XFRIN_DELTAS;
	x->from_serial = r->soa_serial;
	x->deltas++;
	x->state = OLD_RECORDS;
	return del(x, r);
}

static enum xfrin_verdict take_second(struct xfrin *x, const struct xfr_record *r)
{
	enum xfrin_verdict v;

	if (!serial_newer(x->serial, x->request.serial))
		return XFRIN_NOT_NEWER;
	if (!r->is_soa || r->soa_serial == x->serial) {
		x->state = WHOLE_BODY;
		v = begin_whole(x);
		return v == XFRIN_MORE ? take_body(x, r) : v;
	}
	x->at_serial = x->request.serial;
	if (r->soa_serial != x->at_serial)
		return XFRIN_CHAIN;
	v = begin(x, XFRIN_CHANGES);
	return v == XFRIN_MORE ? begin_delta(x, r) : v;
}

static enum xfrin_verdict take_old(struct xfrin *x, const struct xfr_record *r)
{
	if (!r->is_soa)
		return del(x, r);
	/* Versions only rise, and never past the one announced. */
	if (!serial_newer(r->soa_serial, x->from_serial) || serial_newer(r->soa_serial, x->serial))
		return XFRIN_CHAIN;
	/* This is the one that will be served: the serial alone is not enough. */
	if (r->soa_serial == x->serial && !is_opening_soa(x, r))
		return XFRIN_END_SOA;
	x->at_serial = r->soa_serial;
	x->state = NEW_RECORDS;
	return add(x, r);
}

static enum xfrin_verdict take_new(struct xfrin *x, const struct xfr_record *r)
{
	if (!r->is_soa)
		return add(x, r);
	return x->at_serial == x->serial ? end(x, r) : begin_delta(x, r);
}

static enum xfrin_verdict take_record(struct xfrin *x, const struct xfr_record *r)
{
	switch ((enum state)x->state) {
	case OPENING_SOA:
		return take_opening_soa(x, r);
	case SECOND:
		return take_second(x, r);
	case WHOLE_BODY:
		return take_body(x, r);
	case OLD_RECORDS:
		return take_old(x, r);
	case NEW_RECORDS:
		return take_new(x, r);
	case ENDED:
		break;
	}
	return XFRIN_BEHIND_END;
}

static enum xfrin_verdict read_record(struct xfrin *x, struct wire_in *in)
{
	struct xfr_record r;
	struct soa soa;
	uint16_t class, rdlen;
	int len;

	if (name_get(in, x->owner) == 0)
		return XFRIN_MALFORMED;
	r.owner = x->owner;
	r.type = x->type = wire_get16(in);
	class = wire_get16(in);
	r.ttl = wire_get32(in);
	rdlen = wire_get16(in);
	x->owner_known = !in->bad;
	if (in->bad || rdlen > wire_in_left(in))
		return XFRIN_MALFORMED;
	if (class != DNS_CLASS_IN)
		return XFRIN_CLASS;
	if (dns_type_is_meta(r.type))
		return XFRIN_META;
	len = rdata_get(in, r.type, rdlen, x->rdata);
	if (len < 0)
		return XFRIN_RDATA;
	r.rdata = x->rdata;
	r.rdata_len = (uint16_t)len;
	r.is_soa = r.type == DNS_TYPE_SOA;
	r.soa_serial = 0;
	if (r.is_soa) {
		if (soa_parse(r.rdata, r.rdata_len, &soa) < 0)
			return XFRIN_RDATA;
		if (!name_equal(r.owner, x->request.apex))
			return x->state == OPENING_SOA ? XFRIN_FIRST_SOA : XFRIN_SOA_OWNER;
		r.soa_serial = soa.serial;
	}
	return take_record(x, &r);
}

/* Authority and additional records mean nothing here (RFC 5936 2.2.4, 2.2.5) but for OPT. */
static void skip_records(struct xfrin *x, struct wire_in *in, unsigned cnt)
{
	struct record record;

	while (cnt-- > 0 && record_get(in, &record))
		if (record.type == DNS_TYPE_OPT) {
			opt_get(&record, &x->opt);
			x->rcode |= x->opt.upper_rcode;
		}
}

static enum xfrin_verdict read_question(struct xfrin *x, struct wire_in *in, unsigned cnt)
{
	uint8_t name[NAME_LEN_MAX];
	uint16_t type, class;

	/* RFC 5936 2.2: in the first message, in later ones it may be left out. */
	if (cnt == 0 && x->messages > 1)
		return XFRIN_MORE;
	if (cnt != 1)
		return XFRIN_QUESTION;
	name_get(in, name);
	type = wire_get16(in);
	class = wire_get16(in);
	if (in->bad)
		return XFRIN_MALFORMED;
	if (type != x->request.qtype || class != DNS_CLASS_IN || !name_equal(name, x->request.apex))
		return XFRIN_QUESTION;
	return XFRIN_MORE;
}

/* An error response need not carry the question, nor anything else that can be relied on. */
static enum xfrin_verdict read_error(struct xfrin *x, struct wire_in *in, const uint16_t cnt[4])
{
	uint8_t name[NAME_LEN_MAX];
	unsigned i;

	for (i = 0; i < cnt[0] && !in->bad; i++) {
		name_get(in, name);
		wire_get32(in);
	}
	skip_records(x, in, (unsigned)cnt[1] + cnt[2] + cnt[3]);
	return XFRIN_RCODE;
}

static enum xfrin_verdict read_answers(struct xfrin *x, struct wire_in *in, unsigned cnt)
{
	enum xfrin_verdict v = XFRIN_MORE;

	if (cnt == 0)
		return XFRIN_EMPTY;
	for (x->record = 1; x->record <= cnt; x->record++) {
		x->owner_known = false;
		v = v == XFRIN_DONE ? XFRIN_BEHIND_END : read_record(x, in);
		if (v != XFRIN_MORE && v != XFRIN_DONE)
			return v;
		x->records++;
	}
	x->record = 0;
	/* RFC 1995 4: the whole answer is one SOA that is not newer than ours. */
	if (x->state == SECOND && !serial_newer(x->serial, x->request.serial))
		v = XFRIN_UP_TO_DATE;
	return v;
}

static enum xfrin_verdict read_message(struct xfrin *x, const uint8_t *msg, size_t len)
{
	struct wire_in in = wire_in_init(msg, len);
	enum xfrin_verdict v, end_verdict;
	uint16_t id, flags, cnt[4];
	unsigned i;

	if (x->request.messages_max != 0 && x->messages > x->request.messages_max)
		return XFRIN_MESSAGES;
	if (len < DNS_HEADER_LEN)
		return XFRIN_SHORT;
	id = wire_get16(&in);
	flags = wire_get16(&in);
	for (i = 0; i < 4; i++)
		cnt[i] = wire_get16(&in);
	if (id != x->request.id)
		return XFRIN_ID;
	if ((flags & DNS_FLAG_QR) == 0 || (flags & DNS_OPCODE_MASK) != DNS_OPCODE_QUERY << DNS_OPCODE_SHIFT)
		return XFRIN_NOT_RESPONSE;
	x->rcode = flags & DNS_RCODE_MASK;
	if (x->rcode != DNS_RCODE_NOERROR)
		return read_error(x, &in, cnt);
	if (flags & DNS_FLAG_TC)
		return XFRIN_TRUNCATED;
	if ((flags & DNS_FLAG_AA) == 0)
		x->not_authoritative = true;
	v = read_question(x, &in, cnt[0]);
	if (v != XFRIN_MORE)
		return v;
	end_verdict = read_answers(x, &in, cnt[1]);
	/* An extended RCODE arrives behind an empty answer section. */
	if (end_verdict > XFRIN_UP_TO_DATE && end_verdict != XFRIN_EMPTY)
		return end_verdict;
	skip_records(x, &in, (unsigned)cnt[2] + cnt[3]);
	if (!in.bad && x->rcode != DNS_RCODE_NOERROR)
		return XFRIN_RCODE;
	if (in.bad || wire_in_left(&in) > 0)
		return XFRIN_MALFORMED;
	return end_verdict;
}

enum xfrin_verdict xfrin_message(struct xfrin *x, const uint8_t *msg, size_t len)
{
	if (x->verdict > XFRIN_UP_TO_DATE)
		return x->verdict;
	x->message = ++x->messages;
	x->octets += len;
	x->record = 0;
	x->verdict = x->verdict == XFRIN_MORE ? read_message(x, msg, len) : XFRIN_BEHIND_END;
	return x->verdict;
}

bool xfrin_is_lone_soa(const struct xfrin *x)
{
	return x->verdict == XFRIN_MORE && x->state == SECOND;
}

void xfrin_reject(struct xfrin *x, const uint8_t *msg, size_t len)
{
	if (x->verdict > XFRIN_UP_TO_DATE)
		return;
	x->message = ++x->messages;
	x->octets += len;
	x->record = 0;
	x->rcode = len >= DNS_HEADER_LEN ? wire_load16(msg + 2) & DNS_RCODE_MASK : 0;
	x->verdict = XFRIN_SIGNATURE;
}

const char *xfrin_verdict_text(enum xfrin_verdict v)
{
	switch (v) {
	case XFRIN_MORE:
		return "incomplete";
	case XFRIN_DONE:
		return "complete";
	case XFRIN_UP_TO_DATE:
		return "up to date";
	case XFRIN_SHORT:
		return "a message shorter than a DNS header";
	case XFRIN_ID:
		return "not the id of the request";
	case XFRIN_NOT_RESPONSE:
		return "not a response to a query (QR or OPCODE)";
	case XFRIN_TRUNCATED:
		return "the TC bit in a message over a stream";
	case XFRIN_RCODE:
		return "the primary answered with an error";
	case XFRIN_QUESTION:
		return "not the question that was asked";
	case XFRIN_EMPTY:
		return "no record in the answer section";
	case XFRIN_MALFORMED:
		return "malformed message";
	case XFRIN_RDATA:
		return "record data that are not valid for the type";
	case XFRIN_CLASS:
		return "a record that is not of class IN";
	case XFRIN_META:
		return "a type that no zone can hold";
	case XFRIN_FIRST_SOA:
		return "the first record is not the SOA of the zone";
	case XFRIN_SOA_OWNER:
		return "a SOA record that is not the zone's";
	case XFRIN_END_SOA:
		return "the SOA that ends the transfer differs from the one that began it";
	case XFRIN_CHAIN:
		return "a difference that does not begin where the one before ended";
	case XFRIN_NOT_NEWER:
		return "more than the SOA, but its serial is not newer than ours";
	case XFRIN_BEHIND_END:
		return "data behind the SOA that ends the transfer";
	case XFRIN_SINK:
		return "not acceptable";
	case XFRIN_SIGNATURE:
		return "not signed as it has to be";
	case XFRIN_MESSAGES:
		return "more messages than the limit for this zone";
	case XFRIN_DELTAS:
		return "more differences than the limit for this zone";
	}
	return "unknown";
}

const char *xfrin_describe(const struct xfrin *x, char buf[XFRIN_TEXT_CAP])
{
	char name[NAME_TEXT_CAP], type[RDATA_TYPE_TEXT_CAP], rcode[RCODE_TEXT_CAP];
	int at = snprintf(buf, XFRIN_TEXT_CAP, "message %llu", (unsigned long long)x->message);

	if (x->record > 0)
		at += snprintf(buf + at, XFRIN_TEXT_CAP - (size_t)at, ", record %u", x->record);
	/* Escapes make a name up to four times as long: what does not fit is cut, the reason never. */
	if (x->record > 0 && x->owner_known)
		at += snprintf(buf + at, XFRIN_TEXT_CAP - (size_t)at, " (%.255s %s)",
			       name_text(x->owner, name), rdata_type_text(x->type, type));
	if (x->verdict == XFRIN_RCODE)
		snprintf(buf + at, XFRIN_TEXT_CAP - (size_t)at, ": the primary answered %s",
			 rcode_text(x->rcode, rcode));
	else
		snprintf(buf + at, XFRIN_TEXT_CAP - (size_t)at, ": %s", xfrin_verdict_text(x->verdict));
	return buf;
}

/* Names and timers are not read by anybody: the root and 0. */
static void put_own_soa(struct wire_out *w, uint32_t serial)
{
	static const uint8_t head[] = {0xC0, 0x0C, 0, DNS_TYPE_SOA, 0, DNS_CLASS_IN, 0, 0, 0, 0, 0, 22, 0, 0};
	static const uint8_t timers[16];

	wire_put_bytes(w, head, sizeof(head));
	wire_put32(w, serial);
	wire_put_bytes(w, timers, sizeof(timers));
}

size_t xfrin_request_put(const struct xfrin_request *request, uint8_t *out)
{
	struct wire_out w = wire_out_init(out + DNS_HEADER_LEN, XFRIN_REQUEST_MAX - DNS_HEADER_LEN);
	bool incremental = request->qtype == DNS_TYPE_IXFR;

	/* QUERY, RD clear, one question. */
	memset(out, 0, DNS_HEADER_LEN);
	wire_store16(out, request->id);
	wire_store16(out + 4, 1);
	wire_store16(out + 8, incremental);
	wire_store16(out + 10, request->edns);
	wire_put_bytes(&w, request->apex, name_len(request->apex));
	wire_put16(&w, request->qtype);
	wire_put16(&w, DNS_CLASS_IN);
	if (incremental)
		put_own_soa(&w, request->serial);
	if (request->edns)
		opt_put(&w, false);
	return DNS_HEADER_LEN + wire_out_len(&w);
}
