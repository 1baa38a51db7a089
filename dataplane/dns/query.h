/*
 * Reading a request: header, the one question, EDNS and TSIG. Everything that the answer needs to know is copied out,
 * because the response is written over the request.
 *
 * Pure: no allocation, no state. Any thread. Hot path: the first thing that happens to every packet, so what is
 * malformed is found early and costs less than what is good.
 */
#pragma once

#include "dataplane/dns/name.h"
#include "dataplane/dns/protocol.h"

enum query_verdict {
	QUERY_OK,	/* one question of opcode QUERY; EDNS may still be of a version we do not speak */
	QUERY_SHORT,	/* no whole header: nothing to answer to */
	QUERY_RESPONSE, /* QR is set: never answered, or two servers could talk for ever */
	QUERY_NOTIFY,	/* opcode NOTIFY; nothing behind the header was looked at */
	QUERY_NOTIMP,	/* another opcode; nothing behind the header was looked at, its layout is not known */
	QUERY_EMPTY, /* no question, which is malformed but for the cookie among its options: RFC 7873 5.4 */
	QUERY_FORMERR, /* malformed; question_len and has_opt tell what could be read before that was found */
};

#define QUERY_PAYLOAD_MIN 512 /* without EDNS, and the least that EDNS can mean: RFC 6891 6.2.3 */

#define QUERY_PIECE 32 /* octets that are copied at once */

struct query {
	uint16_t type;
	uint16_t question_len; /* octets of the question behind the header; 0 when it could not be read */
	bool usual; /* class IN, without OPT or with one of version 0 that has no options, and nothing else */
	bool has_opt;
	bool dnssec_ok; /* DO, RFC 3225 */
	uint8_t edns_version;
	uint16_t flags; /* the second word of the header as received */
	uint16_t class;
	uint16_t payload; /* what the client takes over UDP, QUERY_PAYLOAD_MIN at least */
	bool has_tsig;
	uint8_t tsig_name_len; /* octets of the key name as it stands in the message */
	uint8_t tsig_algorithm_len;
	uint16_t tsig_at;	    /* offset of the TSIG record */
	uint16_t tsig_algorithm_at; /* offset of its record data, which start with the algorithm name */
	uint16_t options_at; /* offset of the EDNS options, which are well framed; unset if there are none */
	uint16_t options_len;
	uint32_t options; /* bit n: an option with code n is among them, n < 32 */
	union {
		struct {
			uint8_t copy_head[DNS_HEADER_LEN];
			uint8_t name[NAME_LEN_MAX]; /* lower case; labels.len octets, meaningless behind */
		};
		uint8_t copy[DNS_HEADER_LEN + NAME_LEN_MAX + QUERY_PIECE]; /* of the message in lower case */
	};
	struct name_hashes labels; /* of name: all but the hashes, which need a key (name_hash_labels) */
};

/*
 * Reads the len octets at msg. Fields that belong to parts behind the point where a malformed request went wrong are
 * zero; labels, type and class are set when question_len is not 0, name on QUERY_OK alone. On other verdicts than
 * QUERY_OK, QUERY_EMPTY and QUERY_FORMERR only flags is set, on QUERY_SHORT nothing.
 *
 * Malformed (QUERY_FORMERR) is: QDCOUNT other than 1 (RFC 9619 4; but see QUERY_EMPTY), a compressed or overlong name in the question, records in the answer section, or in the authority section
 * of anything but IXFR (RFC 1995 3), a record cut short, octets behind the last record, a second OPT or one with an
 * owner or outside the additional section (RFC 6891 6.1.1), options that overrun it, a TSIG that is not the last
 * record, not class ANY, TTL 0 or not whole (RFC 8945 5.1), or whose owner is compressed to elsewhere than the question. Other additional records are ignored.
 */
enum query_verdict query_parse(const uint8_t *msg, size_t len, struct query *out);

/* For those who read requests of known shape themselves (answer/usual.h). */

#define QUERY_TAIL_LEN 4      /* QTYPE and QCLASS */
#define QUERY_OPT_LEN  11     /* OPT without options */
#define QUERY_OPT_DO   0x8000 /* in its flags */

/* The first words of a header from the flags on: no QR, opcode QUERY, one question, no answer, no authority. */
#define QUERY_HEAD_MASK UINT64_C(0xF800FFFFFFFFFFFF)
#define QUERY_HEAD	UINT64_C(0x0000000100000000)

/*
 * Whether the QUERY_OPT_LEN octets at opt are OPT of version 0 without options. *out_head: its first words, for the two
 * below: owner, type, payload size, upper RCODE bits, version, first half of the flags.
 */
static inline bool query_is_bare_opt(const uint8_t *opt, uint64_t *out_head)
{
	*out_head = wire_load64(opt);
	return (*out_head & UINT64_C(0xFFFFFF000000FF00)) == UINT64_C(0x0000290000000000) &&
	       wire_load16(opt + 9) == 0;
}

static inline bool query_opt_dnssec_ok(uint64_t head)
{
	return (head & QUERY_OPT_DO >> 8) != 0;
}

static inline uint16_t query_opt_payload(uint64_t head)
{
	uint16_t payload = (uint16_t)(head >> 24);

	return payload > QUERY_PAYLOAD_MIN ? payload : QUERY_PAYLOAD_MIN;
}

/* All fields but the name. */
static inline void query_clear(const uint8_t *msg, struct query *out)
{
	memset(out, 0, offsetof(struct query, copy));
	out->flags = wire_load16(msg + 2);
	out->payload = QUERY_PAYLOAD_MIN;
}

typedef uint8_t query_piece __attribute__((vector_size(QUERY_PIECE)));

/* 'A'; the other letters; what makes one lower. In memory: it takes more to make them than to fold a name with them. */
extern const query_piece query_folding[3];

/* Folds QUERY_PIECE octets. Length octets are below 'A', so all octets of a name are folded alike. */
static inline void query_fold(uint8_t *dst, const uint8_t *src)
{
	query_piece piece;

	memcpy(&piece, src, sizeof(piece));
	piece |= (query_piece)((piece - query_folding[0]) <= query_folding[1]) & query_folding[2];
	memcpy(dst, &piece, sizeof(piece));
}

/*
 * Copies the message in lower case at least up to end <= len. In pieces, the last of which overlaps the one before: from
 * the header on, so that the name of most requests comes with the first one.
 */
static inline void query_copy_lower(struct query *q, const uint8_t *msg, size_t len, size_t end)
{
	if (len < QUERY_PIECE) {
		name_lower(q->copy, msg, end);
		return;
	}
	query_fold(q->copy, msg);
	for (size_t at = QUERY_PIECE; at < end; at += QUERY_PIECE) {
		size_t from = at < len - QUERY_PIECE ? at : len - QUERY_PIECE;

		query_fold(q->copy + from, msg + from);
	}
}
