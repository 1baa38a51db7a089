#include "dataplane/answer/chaos.h"

#define RECORD_HEAD_LEN 12 /* owner pointer, type, class, TTL, length */

static bool name_is(const struct query *q, const char *wire, size_t len)
{
	return q->labels.len == len && memcmp(q->name, wire, len) == 0;
}

/* The text for the question's name, one character-string long at most; its length, 0: nothing to tell. */
static uint8_t text_find(const struct query *q, const struct answer_config *config, const char **out)
{
#define NAME_IS(wire) name_is(q, wire, sizeof(wire))
	if (NAME_IS("\2id\6server") || NAME_IS("\10hostname\4bind")) {
		*out = config->identity;
		return config->identity_len;
	}
	if (NAME_IS("\7version\6server") || NAME_IS("\7version\4bind")) {
		*out = config->version;
		return config->version_len;
	}
#undef NAME_IS
	return 0;
}

void chaos_answer(struct reply *r, const struct answer_config *config)
{
	const struct query *q = r->query;
	const char *text = NULL;
	uint8_t len = text_find(q, config, &text);
	uint8_t *p = r->msg + r->at;

	if (len == 0 || (q->type != DNS_TYPE_TXT && q->type != DNS_TYPE_ANY)) {
		r->rcode = DNS_RCODE_REFUSED;
		return;
	}
	if (!reply_has_room(r, RECORD_HEAD_LEN + 1u + len)) {
		r->truncated = true;
		return;
	}
	wire_store16(p, 0xC000 | DNS_HEADER_LEN);
	wire_store16(p + 2, DNS_TYPE_TXT);
	wire_store16(p + 4, DNS_CLASS_CH);
	wire_store32(p + 6, 0);
	wire_store16(p + 10, (uint16_t)(1 + len));
	p[RECORD_HEAD_LEN] = len;
	memcpy(p + RECORD_HEAD_LEN + 1, text, len);
	r->at += RECORD_HEAD_LEN + 1u + len;
	r->cnt[REPLY_ANSWER]++;
}
