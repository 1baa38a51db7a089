/*
 * Fuzz target: requests to the answer engine over a small zone with corners. An input is one octet (bit 0: TCP; bits 1
 * to 4: the room behind the request, in steps) and the request.
 *
 * Whatever comes: no answer to a response or a runt; a response has the request's id, opcode, RD and question, is not
 * longer than client, configuration and room allow, counts what it carries and is read by ldns; what is not answered is
 * left as it was.
 */
#include "dataplane/answer/answer.h"
#include "dataplane/dns/query.h"
#include "tests/fuzz/holds.h"
#include "tests/support/zone_load.h"

#include <ldns/ldns.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

static const char zone_text[] =
	"$TTL 3600\n"
	"@ SOA ns h 1 7200 900 1209600 300\n@ NS ns\n@ MX 1 m\nns A 192.0.2.1\n"
	"a A 192.0.2.2\na AAAA 2001:db8::2\nm A 192.0.2.3\n"
	"c CNAME d\nd CNAME c\ne CNAME a\nf CNAME x.w\ng CNAME x.s\nh CNAME x.n\n"
	"*.w A 192.0.2.4\n*.w MX 1 m\n*.v CNAME q.v\n*.u NS ns\nb.b.b A 192.0.2.5\n"
	"s NS ns.s\ns NS ns.t\nns.s A 192.0.2.6\nt NS ns.t\nns.t AAAA 2001:db8::3\n"
	"s DS 1 8 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
	"n DNAME w\no DNAME x.o\np DNAME .\n"
	"r SRV 1 2 3 m\ny SVCB 0 m\nz TYPE65280 \\# 1 00\n"
	"l TXT \"01234567890123456789012345678901234567890123456789012345678901234567890123\"\n";

struct world {
	struct zonetab *zones;
	struct answer_engine *engine;
	struct answer_config config;
	struct arena *arena;
};

static void add_zone(struct world *w, const char *apex)
{
	FILE *f = fmemopen((void *)(uintptr_t)zone_text, sizeof(zone_text) - 1, "r");
	uint32_t slot;

	HOLDS(f != NULL && zone_load_into(w->zones, w->arena, apex, f, &slot) == 0);
	fclose(f);
	if (strcmp(apex, "gone.") == 0)
		snapshot_retire(zonetab_withdraw(w->zones, slot, ZONE_EXPIRED));
}

/* Lives as long as the process: libFuzzer calls the target millions of times in one. */
static struct world *world(void)
{
	static struct world *w;
	struct arena_config config = {.bytes_max = 1 << 28, .protect = true};

	if (w != NULL)
		return w;
	w = calloc(1, sizeof(*w));
	HOLDS(w != NULL);
	urcu_qsbr_register_thread();
	HOLDS(arena_new(&config, &w->arena) == 0);
	w->zones = zonetab_new(1);
	HOLDS(w->zones != NULL);
	w->config = (struct answer_config){.udp_payload_max = 1232,
					   .identity_len = 2,
					   .identity = "id",
					   .edns = {.nsid_len = 100,
						    .agent_len = 3,
						    .agent = "\1e",
						    .keepalive_100ms = 9,
						    .cookie = {.secret_cnt = 2}}};
	w->engine = answer_engine_new(w->zones, &w->config);
	HOLDS(w->engine != NULL);
	add_zone(w, "z.");
	add_zone(w, "s.z.");
	add_zone(w, "only.x.");
	add_zone(w, "gone.");
	return w;
}

static void check_response(const struct answer_job *job, const uint8_t *request, size_t request_len,
			   uint32_t cap)
{
	struct query query;
	enum query_verdict verdict = query_parse(request, request_len, &query);
	size_t question_len = verdict == QUERY_OK || verdict == QUERY_FORMERR ? query.question_len : 0;
	uint32_t limit = job->transport == ANSWER_UDP ? query.payload : DNS_MSG_MAX;
	ldns_pkt *pkt;

	HOLDS(verdict == QUERY_OK || verdict == QUERY_EMPTY || verdict == QUERY_FORMERR ||
	      verdict == QUERY_NOTIMP);
	if (job->transport == ANSWER_UDP && limit > 1232)
		limit = 1232;
	HOLDS(job->len >= DNS_HEADER_LEN + question_len && job->len <= limit && job->len <= cap);
	HOLDS(memcmp(job->msg, request, 2) == 0);
	HOLDS((job->msg[2] & 0xF9) == (0x80 | (request[2] & 0x79)));
	HOLDS((job->msg[3] & 0xF0) == 0);
	HOLDS(wire_load16(job->msg + 4) == (question_len > 0));
	HOLDS(memcmp(job->msg + DNS_HEADER_LEN, request + DNS_HEADER_LEN, question_len) == 0);
	HOLDS(ldns_wire2pkt(&pkt, job->msg, job->len) == LDNS_STATUS_OK);
	HOLDS(ldns_pkt_edns(pkt) == query.has_opt);
	if (ldns_pkt_tc(pkt))
		HOLDS(ldns_pkt_ancount(pkt) == 0 && ldns_pkt_nscount(pkt) == 0);
	ldns_pkt_free(pkt);
}

static void run(const uint8_t *request, size_t len, uint8_t options)
{
	struct world *w = world();
	size_t room = QUERY_PAYLOAD_MIN + (size_t)(options >> 1 & 15) * 256;
	size_t cap = len > room ? len : room;
	struct answer_job job = {
		.len = (uint32_t)len, .cap = (uint32_t)cap, .family = 4, .transport = options & 1};
	struct answer_job *jobs[] = {&job};

	job.msg = malloc(cap);
	HOLDS(job.msg != NULL);
	memset(job.msg, 0xA5, cap);
	memcpy(job.msg, request, len);
	answer_burst(w->engine, jobs, 1);
	urcu_qsbr_quiescent_state();
	if (len < DNS_HEADER_LEN || (request[2] & 0x80) != 0)
		HOLDS(job.verdict == ANSWER_DROP);
	if (job.verdict == ANSWER_SEND)
		check_response(&job, request, len, (uint32_t)cap);
	else
		HOLDS(job.len == len && memcmp(job.msg, request, len) == 0);
	free(job.msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > 0 && len <= DNS_MSG_MAX)
		run(data + 1, len - 1, data[0]);
	return 0;
}
