#include "tests/fuzz/answer_world.h"

#include "dataplane/dns/query.h"
#include "dataplane/zone/nsec3.h"
#include "tests/support/zone_load.h"

#include <ldns/ldns.h>
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

/* A signature that no key made: what it says is nobody's business here. */
#define SIGNATURE                                                \
	"RRSIG %s 13 1 3600 20380101000000 20200101000000 1 %s " \
	"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

/* Owners of the signed zones with what they have; the types of each set get a signature. */
static const struct {
	const char *owner, *types, *records;
} signed_names[] = {
	{"", "SOA NS", "SOA ns h 1 7200 900 1209600 300|NS ns"},
	{"ns", "A", "A 192.0.2.1"},
	{"a", "A AAAA", "A 192.0.2.2|AAAA 2001:db8::2"},
	{"c", "CNAME", "CNAME x.w"},
	{"*.w", "A", "A 192.0.2.4"},
	{"w", "", ""},
	{"b.b", "A", "A 192.0.2.5"},
	{"b", "", ""},
	{"s", "DS", "DS 1 8 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff|NS ns.s"},
	{"t", "", "NS ns.s"},
	{"n", "DNAME", "DNAME w"},
};

static void put_sets(FILE *f, const char *apex, const char *owner, const char *types, const char *records)
{
	char line[256], *at, *save;

	snprintf(line, sizeof(line), "%s", records);
	for (at = strtok_r(line, "|", &save); at != NULL; at = strtok_r(NULL, "|", &save))
		fprintf(f, "%s %s\n", owner, at);
	snprintf(line, sizeof(line), "%s", types);
	for (at = strtok_r(line, " ", &save); at != NULL; at = strtok_r(NULL, " ", &save)) {
		fprintf(f, "%s ", owner);
		fprintf(f, SIGNATURE, at, apex);
	}
}

/* The record that stands for the name in the chain; where it leads to is nobody's business either. */
static void put_denial(FILE *f, const char *apex, const char *owner, const char *types, const uint8_t *params)
{
	uint8_t name[NAME_LEN_MAX], hash[NSEC3_HASH_LEN];
	char text[NSEC3_LABEL_LEN + 1] = "";

	if (params == NULL) {
		if (*types == '\0')
			return; /* an empty non-terminal has no NSEC, but the insecure delegation t has */
		fprintf(f, "%s NSEC %s %s NSEC RRSIG\n%s ", owner, apex, types, owner);
		fprintf(f, SIGNATURE, "NSEC", apex);
		return;
	}
	HOLDS(name_from_text(owner, name) > 0);
	nsec3_hash(params, name, hash);
	nsec3_label(hash, (uint8_t *)text);
	fprintf(f, "%s.%s NSEC3 1 0 1 AB %s %s RRSIG\n%s.%s ", text, apex, text, types, text, apex);
	fprintf(f, SIGNATURE, "NSEC3", apex);
}

static void put_signed_zone(FILE *f, const char *apex, const uint8_t *params)
{
	fprintf(f, "$TTL 3600\n");
	if (params != NULL)
		fprintf(f, "%s NSEC3PARAM 1 0 1 AB\n", apex);
	for (size_t i = 0; i < sizeof(signed_names) / sizeof(signed_names[0]); i++) {
		const char *types = signed_names[i].types;
		char owner[64];

		snprintf(owner, sizeof(owner), "%s%s%s", signed_names[i].owner,
			 *signed_names[i].owner ? "." : "", apex);
		put_sets(f, apex, owner, types, signed_names[i].records);
		put_denial(f, apex, owner, types, params);
	}
}

static void load(struct answer_world *w, const char *apex, const char *text)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	uint32_t slot;

	HOLDS(f != NULL && zone_load_into(w->zones, w->arena, apex, f, &slot) == 0);
	fclose(f);
	if (strcmp(apex, "gone.") == 0)
		snapshot_retire(zonetab_withdraw(w->zones, slot, ZONE_EXPIRED));
}

static void load_signed(struct answer_world *w, const char *apex, const uint8_t *params)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	HOLDS(f != NULL);
	put_signed_zone(f, apex, params);
	fclose(f);
	load(w, apex, text);
	free(text);
}

static void configure(struct answer_world *w)
{
	w->config = (struct answer_config){.udp_payload_max = {ANSWER_WORLD_PAYLOAD, ANSWER_WORLD_PAYLOAD},
					   .identity_len = 2,
					   .identity = "id",
					   .edns = {.nsid_len = 100,
						    .agent_len = 3,
						    .agent = "\1e",
						    .keepalive_100ms = 9,
						    .cookie = {.secret_cnt = 2}}};
	w->plain_config = w->config;
	w->plain_config.edns = (struct edns_config){0};
	w->limited_config = w->config;
	w->limited_config.rrl = (struct rrl_config){.rate = 5,
						    .window_ms = 1000,
						    .table = RRL_TABLE_MIN,
						    .slip = 2,
						    .level_cnt = {2, 2},
						    .level = {{{24, 1}, {32, 2}}, {{48, 1}, {64, 2}}}};
}

/*
 * A chain nobody signed: of four records that share the circle of hashes, three have a next hash of some other length than SHA-1
 * makes. The apex is "h" and that length.
 */
static void load_quarters(struct answer_world *w, unsigned hash_len)
{
	static const uint8_t params[] = {1, 0, 0, 0, 0};
	uint8_t name[NAME_LEN_MAX], hash[NSEC3_HASH_LEN];
	char apex[8], *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	HOLDS(f != NULL);
	snprintf(apex, sizeof(apex), "h%u.", hash_len);
	HOLDS(name_from_text(apex, name) > 0);
	nsec3_hash(params, name, hash);
	fprintf(f, "%s 60 SOA %s %s 1 2 3 4 5\n%s 60 NS %s\n%s 60 NSEC3PARAM 1 0 0 -\n", apex, apex, apex,
		apex, apex, apex);
	for (unsigned i = 0; i < 4; i++) {
		unsigned next_len = i == 0 ? sizeof(hash) : hash_len;
		char label[NSEC3_LABEL_LEN + 1] = "";

		nsec3_label(hash, (uint8_t *)label);
		/* As an unknown type (RFC 3597 5), for base32hex would have to be spelled. */
		fprintf(f, "%s.%s 60 TYPE50 \\# %u 0100000000%02X", label, apex, 6 + next_len, next_len);
		for (unsigned k = 0; k < next_len; k++)
			fprintf(f, "AB");
		fprintf(f, "\n");
		hash[0] = (uint8_t)(hash[0] + 0x40);
	}
	fclose(f);
	load(w, apex, text);
	free(text);
}

struct answer_world *answer_world(void)
{
	static const unsigned hash_lens[] = {1, 10, 15, 19, 20, 21, 255};
	static const uint8_t params[] = {1, 0, 0, 1, 1, 0xab};
	static struct answer_world *w;
	struct arena_config config = {.bytes_max = 1 << 28, .protect = true};

	if (w != NULL)
		return w;
	w = calloc(1, sizeof(*w));
	HOLDS(w != NULL);
	urcu_qsbr_register_thread();
	HOLDS(arena_new(&config, &w->arena) == 0);
	w->zones = zonetab_new(1);
	HOLDS(w->zones != NULL);
	configure(w);
	w->engine = answer_engine_new(w->zones, &w->config);
	w->limited = answer_engine_new(w->zones, &w->limited_config);
	w->plain = answer_engine_new(w->zones, &w->plain_config);
	HOLDS(w->engine != NULL && w->limited != NULL && w->plain != NULL);
	load(w, "z.", zone_text);
	load(w, "s.z.", zone_text);
	load(w, "only.x.", zone_text);
	load(w, "gone.", zone_text);
	load_signed(w, "nsec.", NULL);
	load_signed(w, "nsec3.", params);
	for (size_t i = 0; i < sizeof(hash_lens) / sizeof(hash_lens[0]); i++)
		load_quarters(w, hash_lens[i]);
	return w;
}

void answer_world_check(const struct answer_job *job, const uint8_t *request, size_t request_len,
			uint32_t cap)
{
	struct query query;
	enum query_verdict verdict = query_parse(request, request_len, &query);
	size_t question_len = verdict == QUERY_OK || verdict == QUERY_FORMERR ? query.question_len : 0;
	uint32_t limit = job->transport == ANSWER_UDP ? query.payload : DNS_MSG_MAX;
	ldns_pkt *pkt;

	HOLDS(verdict == QUERY_OK || verdict == QUERY_EMPTY || verdict == QUERY_FORMERR ||
	      verdict == QUERY_NOTIMP);
	if (job->transport == ANSWER_UDP && limit > ANSWER_WORLD_PAYLOAD)
		limit = ANSWER_WORLD_PAYLOAD;
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
