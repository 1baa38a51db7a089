/*
 * Fuzz target: the whole path of a datagram, from the octets of an Ethernet frame to those of its response, as a worker goes
 * it: packet_parse, answer_burst, packet_respond, over unsigned and signed zones. An input is two octets of options and a
 * frame or, with OPTION_MADE, what is in its UDP datagram: the frame around it is then made right, for the fuzzer does not
 * guess checksums.
 *
 * Whatever comes: who is not understood or not for us is left as it was; never an answer to a response; none longer than
 * the client, the configuration and the port allow; id and question of the request come back; every request is counted
 * once as received and once by what became of it; lengths, addresses and checksums of the frame are right.
 */
#include "tests/fuzz/answer_world.h"
#include "tests/fuzz/frame_check.h"

#include <urcu-qsbr.h>

#define OPTION_MAC_EXACT 0x04 /* the lower bits are PACKET_*_VERIFIED */
#define OPTION_PARTIAL	 0x08
#define OPTION_LIMITED	 0x10 /* with rate limits */
#define OPTION_IPV6	 0x20 /* of a frame that is made */
#define OPTION_PLAIN	 0x40 /* without EDNS options of ours; limits go first */
#define OPTION_MADE	 0x80

#define ROOM_MIN 512  /* a worker drops what has less */
#define TAIL	 2048 /* of a packet buffer */

/* Outcomes of a request: each is counted as exactly one of them. */
static const enum answer_counter outcomes[] = {
	ANSWER_CNT_noerror,	 ANSWER_CNT_nxdomain,	ANSWER_CNT_formerr,	  ANSWER_CNT_servfail,
	ANSWER_CNT_notimp,	 ANSWER_CNT_refused,	ANSWER_CNT_yxdomain,	  ANSWER_CNT_notauth,
	ANSWER_CNT_badvers,	 ANSWER_CNT_badcookie,	ANSWER_CNT_notify,	  ANSWER_CNT_rate_dropped,
	ANSWER_CNT_rate_slipped, ANSWER_CNT_drop_short, ANSWER_CNT_drop_response,
};

static uint64_t outcome_cnt(const uint64_t cnt[ANSWER_COUNTER_CNT])
{
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		sum += cnt[outcomes[i]];
	return sum;
}

/* A right frame around the datagram, by our own writer: as a response from the client's side. */
static size_t make_frame(uint8_t *frame, size_t cap, const uint8_t *msg, size_t len, bool ipv6)
{
	static const uint8_t l2[] = {0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00};
	static const uint8_t l2_6[] = {0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01, 0x86, 0xdd};
	static const uint8_t client4[4] = {198, 51, 100, 7}, client6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
	struct packet_return to = {.l2 = ipv6 ? l2_6 : l2,
				   .client = ipv6 ? our6 : our4,
				   .server = ipv6 ? client6 : client4,
				   .l2_len = sizeof(l2),
				   .client_port = PACKET_DNS_PORT,
				   .family = ipv6 ? 6 : 4};

	return packet_build(&to, msg, len, frame, cap);
}

static void answer_one(struct answer_engine *e, struct answer_job *job)
{
	uint64_t before[ANSWER_COUNTER_CNT], after[ANSWER_COUNTER_CNT];
	struct answer_job *jobs[] = {job};

	answer_counters(e, before);
	answer_burst(e, jobs, 1);
	urcu_qsbr_quiescent_state();
	answer_counters(e, after);
	HOLDS(after[ANSWER_CNT_queries_udp] == before[ANSWER_CNT_queries_udp] + 1);
	HOLDS(outcome_cnt(after) == outcome_cnt(before) + 1);
	HOLDS((job->verdict == ANSWER_NOTIFY) == (after[ANSWER_CNT_notify] != before[ANSWER_CNT_notify]));
}

/* frame: len octets of request in a buffer of len + TAIL. */
static void answer_frame(const struct packet *p, uint8_t *frame, size_t len, unsigned options, uint32_t mtu)
{
	struct answer_world *w = answer_world();
	struct answer_engine *e = options & OPTION_LIMITED ? w->limited
				  : options & OPTION_PLAIN ? w->plain
							   : w->engine;
	struct frame_request kept = frame_keep(p, frame);
	uint32_t max = packet_msg_max(p->family, mtu), room = (uint32_t)(len + TAIL - p->msg_at);
	uint8_t *request = exact_copy(frame + p->msg_at, p->msg_len);
	struct answer_job job = {.msg = frame + p->msg_at,
				 .len = p->msg_len,
				 .cap = room < max ? room : max,
				 .transport = ANSWER_UDP,
				 .family = p->family};
	size_t at, out_len;

	HOLDS(job.cap >= ROOM_MIN);
	memcpy(job.client, packet_client(p, frame), kept.addr_len);
	answer_one(e, &job);
	if (p->msg_len < DNS_HEADER_LEN || (request[2] & 0x80) != 0)
		HOLDS(job.verdict == ANSWER_DROP);
	if (job.verdict == ANSWER_SEND) {
		answer_world_check(&job, request, p->msg_len, job.cap);
		out_len = packet_respond(p, frame, job.len, PACKET_TX_SOFTWARE, &at);
		HOLDS(out_len - p->l3_at <= mtu);
		frame_check_response(p, &kept, frame + at, out_len, job.len);
	} else {
		HOLDS(job.len == p->msg_len && memcmp(frame + p->msg_at, request, p->msg_len) == 0);
	}
	free(request);
}

static void run(uint8_t *frame, size_t len, unsigned options, uint32_t mtu)
{
	struct packet_listen *listen = frame_listen();
	struct packet_filter filter = {.listen = listen,
				       .mac_exact = (options & OPTION_MAC_EXACT) != 0,
				       .partial_checksum = (options & OPTION_PARTIAL) != 0};
	uint8_t *tight = exact_copy(frame, len); /* a sanitizer sees a read beyond the frame */
	enum packet_verdict verdict;
	struct packet p;

	memcpy(filter.mac, our_mac, sizeof(filter.mac));
	verdict = packet_parse(&filter, tight, len, options & (PACKET_IP_VERIFIED | PACKET_UDP_VERIFIED), &p);
	HOLDS(memcmp(tight, frame, len) == 0);
	if (options & OPTION_MADE)
		HOLDS(verdict == PACKET_QUERY);
	if (verdict == PACKET_QUERY)
		answer_frame(&p, frame, len, options, mtu);
	free(tight);
	packet_listen_free(listen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint64_t now_us; /* goes on by what the inputs say, so that limits fill up and empty again */
	size_t frame_len = len;
	uint8_t *frame;

	if (len < 2 || len > TAIL)
		return 0;
	now_us += (uint64_t)(data[1] & 0x0f) << 14;
	answer_engine_set_time(answer_world()->limited,
			       &(struct answer_time){now_us, (uint32_t)(now_us >> 20)});
	frame = malloc(len + PACKET_HEADERS_MAX + TAIL);
	HOLDS(frame != NULL);
	if (data[0] & OPTION_MADE)
		frame_len =
			make_frame(frame, len + PACKET_HEADERS_MAX, data + 2, len - 2, data[0] & OPTION_IPV6);
	else
		memcpy(frame, data + 2, frame_len -= 2);
	HOLDS(frame_len > 0 || len == 2);
	/* The least that IPv6 asks for (RFC 8200 5), or more. */
	run(frame, frame_len, data[0], 1280 + (data[1] >> 4) * 16u);
	free(frame);
	return 0;
}
