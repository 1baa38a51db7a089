#include "bench/load/frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "dataplane/dns/protocol.h"
#include "dataplane/net/checksum.h"

#define ETH_LEN	   14
#define IPV4_LEN   20
#define IPV6_LEN   40
#define UDP_LEN	   8
#define DNS_LEN	   12
#define PROTO_UDP  17
#define DNS_PORT   53
#define TYPE_IPV4  0x0800
#define TYPE_IPV6  0x86dd
#define FRAME_MAX  512 /* headers, the longest name, OPT */
#define ALIGNMENT  16
#define EDNS_DO	   0x8000
#define HUGE_PAGE  (2u << 20)
#define PCAP_MAGIC 0xa1b2c3d4
#define LINK_ETHER 1

const char *const frames_malform_text[FRAMES_MALFORM_CNT] = {
	[FRAMES_WELL_FORMED] = "none",	[FRAMES_BAD_OPT] = "opt",	[FRAMES_CUT_QUESTION] = "question",
	[FRAMES_CUT_HEADER] = "header", [FRAMES_RESPONSE] = "response", [FRAMES_BAD_CHECKSUM] = "checksum",
};

/* xorshift64*: the same requests in every run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Uniform below n (to one part in 2^32). */
static uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((next_random(state) >> 32) * n >> 32);
}

/* --- making --- */

static size_t msg_offset(const struct frame *e)
{
	return ETH_LEN + (e->is_ipv6 ? IPV6_LEN : IPV4_LEN) + UDP_LEN;
}

/* An address of the prefix; never its first, which may stand for the network. */
static void put_source(struct wire_out *out, const struct frames_address *prefix, uint64_t *rng)
{
	unsigned len = prefix->family == 4 ? 4 : 16;
	uint8_t *p = wire_put_room(out, len);

	memcpy(p, prefix->octets, len);
	for (unsigned bit = prefix->prefix_len; bit < len * 8; bit += 8 - bit % 8) {
		uint8_t mask = (uint8_t)(0xff >> bit % 8);

		p[bit / 8] = (uint8_t)((p[bit / 8] & ~mask) | (next_random(rng) >> 40 & mask));
	}
	if (prefix->prefix_len < len * 8)
		p[len - 1] |= 1;
}

static void put_ipv4(struct wire_out *out, const struct frames_plan *plan,
		     const struct frames_address *server, size_t msg_len, uint64_t *rng)
{
	uint8_t *ip = out->cur;
	uint16_t sum;

	wire_put16(out, 0x4500);
	wire_put16(out, (uint16_t)(IPV4_LEN + UDP_LEN + msg_len));
	wire_put32(out, 0x4000); // id 0, do not fragment
	wire_put16(out, 64 << 8 | PROTO_UDP);
	wire_put16(out, 0);
	put_source(out, &plan->source4, rng);
	wire_put_bytes(out, server->octets, 4);
	sum = (uint16_t)~checksum_fold(checksum_add(0, ip, IPV4_LEN));
	memcpy(ip + 10, &sum, sizeof(sum));
}

static void put_ipv6(struct wire_out *out, const struct frames_plan *plan,
		     const struct frames_address *server, size_t msg_len, uint64_t *rng)
{
	wire_put32(out, 0x60000000);
	wire_put16(out, (uint16_t)(UDP_LEN + msg_len));
	wire_put16(out, PROTO_UDP << 8 | 64);
	put_source(out, &plan->source6, rng);
	wire_put_bytes(out, server->octets, 16);
}

/* The sum of pseudo header and datagram; 0xffff (folded) when its checksum is right. addrs: both, side by side. */
static uint16_t udp_sum(const uint8_t *addrs, size_t addrs_len, const uint8_t *udp, size_t udp_len)
{
	uint64_t sum = checksum_be16((uint16_t)udp_len) + checksum_be16(PROTO_UDP);

	return checksum_fold(checksum_add(checksum_add(sum, addrs, addrs_len), udp, udp_len));
}

static void put_opt(struct wire_out *out, const struct frames_plan *plan)
{
	if (plan->edns == 0 && plan->malform != FRAMES_BAD_OPT)
		return;
	wire_put8(out, 0);
	wire_put16(out, DNS_TYPE_OPT);
	wire_put16(out, plan->edns != 0 ? plan->edns : 1232);
	wire_put32(out, plan->dnssec_ok ? EDNS_DO : 0);
	wire_put16(out, plan->malform == FRAMES_BAD_OPT ? 4 : 0); // options that are not there
}

static size_t make_message(const struct frames_plan *plan, const struct question *q, uint16_t id,
			   uint8_t msg[FRAME_MAX])
{
	struct wire_out out = wire_out_init(msg, FRAME_MAX);
	uint16_t flags = plan->recursion_desired ? DNS_FLAG_RD : 0;
	bool opt = plan->edns != 0 || plan->malform == FRAMES_BAD_OPT;

	if (plan->malform == FRAMES_RESPONSE)
		flags |= DNS_FLAG_QR;
	wire_put16(&out, id);
	wire_put16(&out, flags);
	wire_put16(&out, 1);
	wire_put32(&out, 0);
	wire_put16(&out, opt);
	if (plan->malform == FRAMES_CUT_HEADER)
		return DNS_LEN - 1;
	wire_put_bytes(&out, q->name, q->name_len);
	wire_put16(&out, q->type);
	if (plan->malform == FRAMES_CUT_QUESTION)
		return wire_out_len(&out);
	wire_put16(&out, DNS_CLASS_IN);
	put_opt(&out, plan);
	return wire_out_len(&out);
}

/* The frame of one request into out; fills the fields of *e but `at`. */
static void make_frame(const struct frames_plan *plan, const struct question *q, uint32_t number,
		       uint64_t *rng, uint8_t octets[2 * FRAME_MAX], struct frame *e)
{
	const struct frames_address *server = &plan->server[number % plan->server_cnt];
	struct wire_out out = wire_out_init(octets, 2 * FRAME_MAX);
	uint8_t msg[FRAME_MAX], *udp;
	size_t msg_len = make_message(plan, q, (uint16_t)number, msg), addrs_len;
	uint16_t sum, range = (uint16_t)(number >> FRAMES_ID_BITS);

	e->is_ipv6 = server->family == 6;
	e->question_len = (uint16_t)(q->name_len + 4);
	wire_put_bytes(&out, plan->server_mac, 6);
	wire_put_bytes(&out, plan->source_mac, 6);
	wire_put16(&out, e->is_ipv6 ? TYPE_IPV6 : TYPE_IPV4);
	if (e->is_ipv6)
		put_ipv6(&out, plan, server, msg_len, rng);
	else
		put_ipv4(&out, plan, server, msg_len, rng);
	udp = out.cur;
	addrs_len = e->is_ipv6 ? 32 : 8;
	wire_put16(&out, (uint16_t)(FRAMES_PORT_FIRST + (range << FRAMES_PORT_BITS) +
				    random_below(rng, 1u << FRAMES_PORT_BITS)));
	wire_put16(&out, DNS_PORT);
	wire_put16(&out, (uint16_t)(UDP_LEN + msg_len));
	wire_put16(&out, 0);
	wire_put_bytes(&out, msg, msg_len);
	sum = (uint16_t)~udp_sum(udp - addrs_len, addrs_len, udp, UDP_LEN + msg_len);
	if (sum == 0)
		sum = 0xffff; // RFC 768: zero says that there is none
	if (plan->malform == FRAMES_BAD_CHECKSUM)
		sum = sum == 0x5555 ? 0x5556 : sum ^ 0x5555; // never to zero, which says that there is none
	memcpy(udp + 6, &sum, sizeof(sum));
	e->len = (uint16_t)wire_out_len(&out);
}

/* Anonymous memory, in huge pages where the kernel gives them. */
static void *map_memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, len, MADV_HUGEPAGE);
	return p;
}

/* Frames of different lengths, packed. Room is made for the longest of them all: it costs nothing until touched. */
static int make_all(struct frames *f, const struct frames_plan *plan)
{
	uint64_t rng = plan->seed * 2 + UINT64_C(0x9e3779b97f4a7c15);
	uint32_t questions = queries_cnt(f->queries);
	uint8_t octets[2 * FRAME_MAX];
	struct question q;

	for (uint32_t i = 0; i < f->cnt; i++) {
		struct frame *e = &f->frame[i];

		e->question = queries_random(f->queries) ? random_below(&rng, questions) : i % questions;
		e->at = f->octets_len;
		queries_get(f->queries, e->question, &q);
		make_frame(plan, &q, i, &rng, octets, e);
		if (f->octets_len + e->len + ALIGNMENT > f->octets_cap)
			return -ENOMEM;
		memcpy(f->octets + f->octets_len, octets, e->len);
		f->octets_len += (e->len + ALIGNMENT - 1u) / ALIGNMENT * ALIGNMENT;
	}
	return 0;
}

struct frames *frames_new(const struct frames_plan *plan, const struct query_set *queries)
{
	struct frames *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->queries = queries;
	f->malform = plan->malform;
	f->cnt = (plan->cnt + FRAMES_CNT_MIN - 1) / FRAMES_CNT_MIN * FRAMES_CNT_MIN;
	f->octets_cap = (size_t)f->cnt * FRAME_MAX + HUGE_PAGE;
	f->frame = map_memory(f->cnt * sizeof(*f->frame));
	f->octets = map_memory(f->octets_cap);
	if (f->frame == NULL || f->octets == NULL || make_all(f, plan) < 0) {
		frames_free(f);
		return NULL;
	}
	return f;
}

void frames_free(struct frames *f)
{
	if (f == NULL)
		return;
	if (f->frame != NULL)
		munmap(f->frame, f->cnt * sizeof(*f->frame));
	if (f->octets != NULL)
		munmap(f->octets, f->octets_cap);
	free(f);
}

int frames_write_pcap(const struct frames *f, const char *path)
{
	const uint32_t header[6] = {PCAP_MAGIC, 0x00040002, 0, 0, UINT16_MAX, LINK_ETHER};
	FILE *file = fopen(path, "we");
	int rc = 0;

	if (file == NULL)
		return -errno;
	if (fwrite(header, sizeof(header), 1, file) != 1)
		rc = -errno;
	for (uint32_t i = 0; i < f->cnt && rc == 0; i++) {
		const struct frame *e = &f->frame[i];
		uint32_t record[4] = {0, 0, e->len, e->len};

		if (fwrite(record, sizeof(record), 1, file) != 1 ||
		    fwrite(f->octets + e->at, e->len, 1, file) != 1)
			rc = -errno;
	}
	if (fclose(file) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

/* --- checking --- */

uint32_t frames_match(const struct frames *f, const uint8_t *frame, size_t len)
{
	uint32_t number;
	uint16_t port, type;
	size_t udp_at;

	if (len < ETH_LEN + IPV4_LEN + UDP_LEN + DNS_LEN)
		return UINT32_MAX;
	type = wire_load16(frame + 12);
	if (type == TYPE_IPV4 && frame[ETH_LEN] == 0x45 && frame[ETH_LEN + 9] == PROTO_UDP)
		udp_at = ETH_LEN + IPV4_LEN;
	else if (type == TYPE_IPV6 && frame[ETH_LEN + 6] == PROTO_UDP &&
		 len >= ETH_LEN + IPV6_LEN + UDP_LEN + DNS_LEN)
		udp_at = ETH_LEN + IPV6_LEN;
	else
		return UINT32_MAX;
	port = wire_load16(frame + udp_at + 2);
	if (wire_load16(frame + udp_at) != DNS_PORT || port < FRAMES_PORT_FIRST)
		return UINT32_MAX;
	number = (uint32_t)(port - FRAMES_PORT_FIRST) >> FRAMES_PORT_BITS << FRAMES_ID_BITS |
		 wire_load16(frame + udp_at + UDP_LEN);
	if (number >= f->cnt || f->frame[number].is_ipv6 != (type == TYPE_IPV6))
		return UINT32_MAX;
	return number;
}

uint16_t frames_flags(const struct frames *f, uint32_t number, const uint8_t *frame)
{
	return wire_load16(frame + msg_offset(&f->frame[number]) + 2);
}

/* The response comes from where the request went, to where it came from. */
static bool ends_swapped(const struct frame *e, const uint8_t *asked, const uint8_t *frame)
{
	unsigned len = e->is_ipv6 ? 16 : 4;
	const uint8_t *a = asked + ETH_LEN + (e->is_ipv6 ? 8 : 12), *b = frame + (a - asked);

	return memcmp(a, b + len, len) == 0 && memcmp(a + len, b, len) == 0 &&
	       memcmp(a + 2 * len, b + 2 * len + 2, 2) == 0;
}

/* Lengths that agree with each other, and checksums. */
static bool sums_right(const struct frame *e, const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + ETH_LEN, *udp = ip + (e->is_ipv6 ? IPV6_LEN : IPV4_LEN);
	size_t udp_len = wire_load16(udp + 4), addrs_len = e->is_ipv6 ? 32 : 8;
	size_t ip_payload = e->is_ipv6 ? wire_load16(ip + 4) : wire_load16(ip + 2) - (size_t)IPV4_LEN;

	if (udp_len != ip_payload || udp_len < UDP_LEN + DNS_LEN || (size_t)(udp - frame) + udp_len > len)
		return false;
	if (!e->is_ipv6 && checksum_fold(checksum_add(0, ip, IPV4_LEN)) != 0xffff)
		return false;
	if (!e->is_ipv6 && wire_load16(udp + 6) == 0)
		return true; // RFC 768: none
	return udp_sum(udp - addrs_len, addrs_len, udp, udp_len) == 0xffff;
}

/* Whether the rdata is among the expected ones; *seen marks it, so that none counts twice. */
static bool rdata_expected(const struct expectation *want, const uint8_t *rdata, size_t len, uint64_t *seen)
{
	struct wire_in in = wire_in_init(want->rdata, want->rdata_len);

	for (unsigned i = 0; i < want->cnt; i++) {
		size_t want_len = wire_get16(&in);
		const uint8_t *p = wire_get_bytes(&in, want_len);

		if (p != NULL && want_len == len && memcmp(p, rdata, len) == 0 &&
		    (i >= 64 || (*seen & UINT64_C(1) << i) == 0)) {
			*seen |= i < 64 ? UINT64_C(1) << i : 0;
			return true;
		}
	}
	return false;
}

/* The answer section: all records belong to the question, and their rdata is what is expected. RRSIGs are not counted. */
static bool content_right(const struct frames *f, const struct frame *e, const uint8_t *msg, size_t len)
{
	struct wire_in in = wire_in_init(msg, len);
	struct expectation want;
	struct question q;
	uint8_t room[6], owner[NAME_LEN_MAX];
	unsigned left = 0, found = 0;
	uint64_t seen = 0;

	queries_get(f->queries, e->question, &q);
	queries_expectation(f->queries, e->question, room, &want);
	if (!want.has_rdata)
		return true;
	left = wire_load16(msg + 6);
	wire_get_bytes(&in, DNS_LEN + e->question_len);
	for (; left > 0 && !in.bad; left--) {
		uint16_t type, rdata_len;
		const uint8_t *rdata;

		if (name_get(&in, owner) == 0 || !name_equal(owner, q.name))
			return false;
		type = wire_get16(&in);
		wire_get_bytes(&in, 6); // class and TTL
		rdata_len = wire_get16(&in);
		rdata = wire_get_bytes(&in, rdata_len);
		if (rdata == NULL || (type != DNS_TYPE_RRSIG && type != q.type))
			return false;
		if (type == DNS_TYPE_RRSIG && q.type != DNS_TYPE_RRSIG)
			continue;
		if (!rdata_expected(&want, rdata, rdata_len, &seen))
			return false;
		found++;
	}
	return !in.bad && found == want.cnt;
}

/* The question is in the response as it was asked, the case of its letters too. An error may come without one. */
static bool question_right(const struct frame *e, const uint8_t *asked, const uint8_t *msg, size_t len)
{
	if (wire_load16(msg + 4) == 0)
		return (msg[3] & DNS_RCODE_MASK) == DNS_RCODE_FORMERR ||
		       (msg[3] & DNS_RCODE_MASK) == DNS_RCODE_NOTIMP;
	return wire_load16(msg + 4) == 1 && len >= DNS_LEN + (size_t)e->question_len &&
	       memcmp(msg + DNS_LEN, asked + DNS_LEN, e->question_len) == 0;
}

static bool rcode_right(const struct frames *f, const struct frame *e, const uint8_t *msg)
{
	struct expectation want;
	uint8_t room[6];

	queries_expectation(f->queries, e->question, room, &want);
	return want.rcode == QUERIES_RCODE_ANY || want.rcode == (msg[3] & DNS_RCODE_MASK);
}

enum frames_verdict frames_check(const struct frames *f, uint32_t number, const uint8_t *frame, size_t len,
				 bool deep, bool echo)
{
	const struct frame *e = &f->frame[number];
	const uint8_t *asked = f->octets + e->at;
	size_t at = msg_offset(e);

	if (deep && !ends_swapped(e, asked, frame))
		return FRAMES_wrong_header;
	if (deep && !sums_right(e, frame, len))
		return FRAMES_wrong_checksum;
	if (echo)
		return len >= e->len && memcmp(asked + at, frame + at, e->len - at) == 0
			       ? FRAMES_right
			       : FRAMES_wrong_question;
	if ((wire_load16(frame + at + 2) & (DNS_FLAG_QR | DNS_OPCODE_MASK)) != DNS_FLAG_QR)
		return FRAMES_wrong_header;
	if (!question_right(e, asked + at, frame + at, len - at))
		return FRAMES_wrong_question;
	if (!rcode_right(f, e, frame + at))
		return FRAMES_wrong_rcode;
	if (deep && (frame[at + 2] & DNS_FLAG_TC >> 8) == 0 && !content_right(f, e, frame + at, len - at))
		return FRAMES_wrong_content;
	return FRAMES_right;
}
