#include "control/tsig_record.h"

#include <errno.h>

void tsig_time_put(struct wire_out *out, uint64_t time_s)
{
	wire_put16(out, (uint16_t)(time_s >> 32));
	wire_put32(out, (uint32_t)time_s);
}

uint64_t tsig_time_get(struct wire_in *in)
{
	uint64_t high = wire_get16(in);

	return high << 32 | wire_get32(in);
}

/* Behind a name without looking at what it spells: whoever uses the record will. */
static void skip_name(struct wire_in *in)
{
	for (;;) {
		uint8_t l = wire_get8(in);

		if (l >= 0xC0) {
			wire_get8(in);
			return;
		}
		if (l > NAME_LABEL_MAX)
			in->bad = true;
		if (in->bad || l == 0)
			return;
		wire_get_bytes(in, l);
	}
}

/*
 * The record data, RFC 8945 4.2. The algorithm must not be compressed (RFC 3597 4). Other data are the server's time
 * in BADTIME errors and nothing anywhere else.
 */
static bool record_read_rdata(struct wire_in *in, struct tsig_record *r)
{
	uint8_t name[NAME_LEN_MAX];
	size_t len = name_get_plain(in, name);

	if (in->bad)
		return false;
	name_lower(r->algorithm, name, len);
	r->time_signed = tsig_time_get(in);
	r->fudge = wire_get16(in);
	r->mac_len = wire_get16(in);
	r->mac = wire_get_bytes(in, r->mac_len);
	r->original_id = wire_get16(in);
	r->error = wire_get16(in);
	r->other_len = wire_get16(in);
	r->other = wire_get_bytes(in, r->other_len);
	if (in->bad || wire_in_left(in) != 0)
		return false;
	return r->other_len == (r->error == TSIG_ERROR_BADTIME ? TSIG_OTHER_TIME_LEN : 0);
}

/* in is behind the type of the record that starts at r->start; nothing may follow it. */
static bool record_read(struct wire_in *in, struct tsig_record *r)
{
	struct wire_in owner = *in;
	uint8_t name[NAME_LEN_MAX];
	uint16_t class = wire_get16(in);
	uint32_t ttl = wire_get32(in);
	uint16_t rdlen = wire_get16(in);
	size_t len;

	if (in->bad || rdlen != wire_in_left(in) || class != DNS_CLASS_ANY || ttl != 0)
		return false;
	owner.cur = owner.base + r->start;
	len = name_get(&owner, name);
	if (owner.bad)
		return false;
	name_lower(r->name, name, len);
	return record_read_rdata(in, r);
}

/* RFC 8945 5.1: at most one, the last of the additional section. */
enum tsig_found tsig_record_find(const uint8_t *msg, size_t len, struct tsig_record *r)
{
	struct wire_in in = wire_in_init(msg, len);
	uint32_t question_cnt, record_cnt, additional_cnt;

	wire_get32(&in);
	question_cnt = wire_get16(&in);
	record_cnt = wire_get16(&in);
	record_cnt += wire_get16(&in);
	additional_cnt = wire_get16(&in);
	record_cnt += additional_cnt;
	for (uint32_t i = 0; i < question_cnt && !in.bad; i++) {
		skip_name(&in);
		wire_get32(&in);
	}
	for (uint32_t i = 1; i <= record_cnt && !in.bad; i++) {
		r->start = wire_in_pos(&in);
		skip_name(&in);
		if (wire_get16(&in) == DNS_TYPE_TSIG)
			return i == record_cnt && additional_cnt > 0 && record_read(&in, r)
				       ? TSIG_FOUND_ONE
				       : TSIG_FOUND_MALFORMED;
		wire_get_bytes(&in, 6);
		wire_get_bytes(&in, wire_get16(&in));
	}
	return in.bad || wire_in_left(&in) != 0 ? TSIG_FOUND_MALFORMED : TSIG_FOUND_NONE;
}

static void put_record(struct wire_out *out, const uint8_t *name, const uint8_t *algorithm,
		       const struct tsig_record *r)
{
	size_t algorithm_len = name_len(algorithm);

	wire_put_bytes(out, name, name_len(name));
	wire_put16(out, DNS_TYPE_TSIG);
	wire_put16(out, DNS_CLASS_ANY);
	wire_put32(out, 0);
	wire_put16(out, (uint16_t)(algorithm_len + 16 + r->mac_len + r->other_len));
	wire_put_bytes(out, algorithm, algorithm_len);
	tsig_time_put(out, r->time_signed);
	wire_put16(out, r->fudge);
	wire_put16(out, r->mac_len);
	wire_put_bytes(out, r->mac, r->mac_len);
	wire_put16(out, r->original_id);
	wire_put16(out, r->error);
	wire_put16(out, r->other_len);
	wire_put_bytes(out, r->other, r->other_len);
}

int tsig_record_append(uint8_t *msg, size_t cap, size_t *len, const uint8_t *name, const uint8_t *algorithm,
		       const struct tsig_record *r)
{
	uint16_t additional_cnt = wire_load16(msg + 10);
	struct wire_out out = wire_out_init(msg, cap < DNS_MSG_MAX ? cap : DNS_MSG_MAX);

	wire_put_room(&out, *len);
	put_record(&out, name, algorithm, r);
	if (out.bad || additional_cnt == UINT16_MAX)
		return -EMSGSIZE;
	wire_store16(msg + 10, additional_cnt + 1);
	*len = wire_out_len(&out);
	return 0;
}
