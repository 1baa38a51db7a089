/*
 * Requests as whole Ethernet frames, made before anything is measured, and the check of what comes back. Octets only,
 * no DPDK.
 *
 * A frame's number is written into it: the low 16 bits are the DNS id, the others choose the range that the source
 * port is drawn from. A response so names its request without any table, and sending is a copy.
 */
#pragma once

#include "bench/load/queries.h"

#define FRAMES_ID_BITS	   16
#define FRAMES_PORT_FIRST  16384
#define FRAMES_PORT_BITS   9 /* ports of one range */
#define FRAMES_RANGES_MAX  64
#define FRAMES_CNT_MIN	   (1u << FRAMES_ID_BITS)
#define FRAMES_CNT_MAX	   (FRAMES_CNT_MIN * FRAMES_RANGES_MAX)
#define FRAMES_SERVERS_MAX 16

struct frames_address {
	uint8_t family; /* 4 or 6 */
	uint8_t octets[16];
	uint8_t prefix_len; /* of sources: the rest is drawn at random */
};

/* What to spoil in each request. */
enum frames_malform {
	FRAMES_WELL_FORMED,
	FRAMES_BAD_OPT,	     /* an OPT record longer than the message: FORMERR */
	FRAMES_CUT_QUESTION, /* the message ends inside the question: FORMERR */
	FRAMES_CUT_HEADER,   /* 11 octets of message: nothing to answer */
	FRAMES_RESPONSE,     /* QR is set: not to be answered */
	FRAMES_BAD_CHECKSUM, /* a wrong UDP checksum */
	FRAMES_MALFORM_CNT
};

extern const char *const frames_malform_text[FRAMES_MALFORM_CNT];

struct frames_plan {
	struct frames_address server[FRAMES_SERVERS_MAX]; /* in turn */
	unsigned server_cnt;
	struct frames_address source4, source6;
	uint8_t source_mac[6], server_mac[6];
	uint32_t cnt;  /* rounded up to a multiple of 65,536 */
	uint16_t edns; /* payload size; 0: no OPT */
	bool dnssec_ok;
	bool recursion_desired;
	enum frames_malform malform;
	uint64_t seed;
};

struct frame {
	uint64_t at;	   /* in the octets of all */
	uint32_t question; /* its number in the query set */
	uint16_t len : 11;
	uint16_t is_ipv6 : 1;
	uint16_t reserved : 4;
	uint16_t question_len; /* name, type and class */
};

struct frames {
	const struct query_set *queries; /* borrowed */
	struct frame *frame;
	uint8_t *octets;
	uint32_t cnt;
	enum frames_malform malform;
	size_t octets_len, octets_cap;
};

/* Returns NULL when out of memory. The query set must outlive it. */
struct frames *frames_new(const struct frames_plan *plan, const struct query_set *queries);
void frames_free(struct frames *f);

/* Writes them as a pcap file, for devices that play one. Returns 0 or -errno. */
int frames_write_pcap(const struct frames *f, const char *path);

#define FRAMES_VERDICTS(X)                                                                      \
	X(right, "answers that were right in all that was looked at")                           \
	X(stray, "frames that answer no request of ours (ARP, neighbours, other traffic)")      \
	X(unasked, "answers to a request that was answered already or not sent")                \
	X(wrong_header, "answers with QR unset, another opcode, or addresses or ports changed") \
	X(wrong_question, "answers whose question is not the one asked")                        \
	X(wrong_checksum, "answers with a bad length, IPv4 or UDP checksum")                    \
	X(wrong_rcode, "answers with another RCODE than expected")                              \
	X(wrong_content, "answers with another answer section than expected")

enum frames_verdict {
#define X(name, help) FRAMES_##name,
	FRAMES_VERDICTS(X)
#undef X
		FRAMES_VERDICT_CNT
};

/* Which request a frame answers; UINT32_MAX when none. Reads any octets. */
uint32_t frames_match(const struct frames *f, const uint8_t *frame, size_t len);

/*
 * Whether it is a right answer to request `number`, which frames_match has said. deep: addresses, checksums and the
 * answer section too. echo: it must be the request itself (a forwarder is measured, not a name server).
 */
enum frames_verdict frames_check(const struct frames *f, uint32_t number, const uint8_t *frame, size_t len,
				 bool deep, bool echo);

/* The header's last 16 bits of flags and RCODE, of a frame that frames_match knows. */
uint16_t frames_flags(const struct frames *f, uint32_t number, const uint8_t *frame);
