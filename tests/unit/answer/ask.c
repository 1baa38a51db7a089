#include "tests/unit/answer/ask.h"

#include "tests/support/zone_load.h"

#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <urcu-qsbr.h>
#include <cmocka.h>

#define KEY UINT64_C(0x1f2e3d4c5b6a7988)

void ask_world_init(struct ask_world *w)
{
	struct arena_config config = {.bytes_max = UINT64_C(1) << 30, .protect = true};

	memset(w, 0, sizeof(*w));
	urcu_qsbr_register_thread();
	assert_int_equal(arena_new(&config, &w->arena), 0);
	w->zones = zonetab_new(KEY);
	assert_non_null(w->zones);
	w->family = 4;
	w->config = (struct answer_config){
		.udp_payload_max = {ANSWER_UDP_PAYLOAD_DEFAULT, ANSWER_UDP_PAYLOAD_DEFAULT}};
	w->engine = answer_engine_new(w->zones, &w->config);
	assert_non_null(w->engine);
}

void ask_world_fini(struct ask_world *w)
{
	free(w->text);
	answer_engine_free(w->engine);
	zonetab_free(w->zones);
	urcu_qsbr_barrier();
	arena_free(w->arena);
	urcu_qsbr_unregister_thread();
}

void ask_nsec3_label(const char *name, unsigned iterations, char out[NSEC3_LABEL_LEN + 1])
{
	uint8_t params[] = {1, 0, (uint8_t)(iterations >> 8), (uint8_t)iterations, 0};
	uint8_t wire[NAME_LEN_MAX], hash[NSEC3_HASH_LEN];

	assert_true(name_from_text(name, wire) > 0);
	nsec3_hash(params, wire, hash);
	nsec3_label(hash, (uint8_t *)out);
	out[NSEC3_LABEL_LEN] = '\0';
}

void ask_put_nsec3(char *text, size_t cap, const char *name, unsigned flags, unsigned iterations)
{
	char label[NSEC3_LABEL_LEN + 1];
	size_t len = strlen(text);

	ask_nsec3_label(name, iterations, label);
	/* Where it leads to does not matter here. */
	snprintf(text + len, cap - len, "%s.example. 300 IN NSEC3 1 %u %u - %s A\n", label, flags, iterations,
		 label);
}

uint32_t ask_add_zone(struct ask_world *w, const char *apex, const char *text)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	uint32_t slot;

	assert_non_null(f);
	assert_int_equal(zone_load_into(w->zones, w->arena, apex, f, &slot), 0);
	fclose(f);
	return slot;
}

void ask_add_marker(struct ask_world *w, const char *apex, const char *text, enum zone_marker marker)
{
	struct snapshot *old = zonetab_withdraw(w->zones, ask_add_zone(w, apex, text), marker);

	assert_non_null(old);
	snapshot_retire(old);
}

/* What the words behind name and type say. */
struct wishes {
	unsigned flags, class, size, version, opcode;
	bool edns, dnssec, tcp;
	uint8_t option[256];
	size_t option_len;
};

static bool number_behind(const char *word, const char *key, unsigned *out)
{
	size_t len = strlen(key);

	if (strncmp(word, key, len) != 0)
		return false;
	*out = (unsigned)strtoul(word + len, NULL, 10);
	return true;
}

/* option=CODE:HEX */
static void parse_option(struct wishes *w, const char *word)
{
	char *hex;
	unsigned code = (unsigned)strtoul(word + 7, &hex, 10);
	uint8_t *o = w->option + w->option_len;
	size_t len = *hex == ':' ? strlen(hex + 1) / 2 : 0;

	wire_store16(o, (uint16_t)code);
	wire_store16(o + 2, (uint16_t)len);
	for (size_t i = 0; i < len; i++) {
		char digits[3] = {hex[1 + 2 * i], hex[2 + 2 * i], '\0'};

		o[4 + i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	w->option_len += 4 + len;
	w->edns = true;
}

static void parse_wish(struct wishes *w, const char *word)
{
	if (strcmp(word, "tcp") == 0)
		w->tcp = true;
	else if (strcmp(word, "rd") == 0)
		w->flags |= DNS_FLAG_RD;
	else if (strcmp(word, "cd") == 0)
		w->flags |= DNS_FLAG_CD;
	else if (strcmp(word, "ad") == 0)
		w->flags |= DNS_FLAG_AD;
	else if (strcmp(word, "z") == 0)
		w->flags |= 0x0040;
	else if (strcmp(word, "aa") == 0)
		w->flags |= DNS_FLAG_AA | DNS_FLAG_TC | DNS_FLAG_RA;
	else if (strcmp(word, "do") == 0)
		w->dnssec = w->edns = true;
	else if (strcmp(word, "edns") == 0)
		w->edns = true;
	else if (number_behind(word, "edns=", &w->size) || number_behind(word, "version=", &w->version))
		w->edns = true;
	else if (strncmp(word, "option=", 7) == 0)
		parse_option(w, word);
	else if (!number_behind(word, "opcode=", &w->opcode))
		w->class = ldns_get_rr_class_by_name(word);
}

size_t ask_request(const char *question, uint8_t msg[DNS_MSG_MAX], enum answer_transport *out_transport)
{
	struct wishes wishes = {.class = DNS_CLASS_IN, .size = 1232};
	char *copy = strdup(question), *rest = copy;
	char *name = strsep(&rest, " "), *type = strsep(&rest, " ");
	struct wire_out out = wire_out_init(msg, DNS_MSG_MAX);
	uint8_t wire[NAME_LEN_MAX];
	int len = name_from_text(name, wire);
	char *word;

	assert_true(len > 0);
	while ((word = strsep(&rest, " ")) != NULL)
		parse_wish(&wishes, word);
	wire_put16(&out, 0xBEEF);
	wire_put16(&out, (uint16_t)(wishes.flags | wishes.opcode << DNS_OPCODE_SHIFT));
	wire_put16(&out, 1);
	wire_put32(&out, 0);
	wire_put16(&out, wishes.edns);
	wire_put_bytes(&out, wire, (size_t)len);
	wire_put16(&out, (uint16_t)ldns_get_rr_type_by_name(type));
	wire_put16(&out, (uint16_t)wishes.class);
	if (wishes.edns) {
		wire_put8(&out, 0);
		wire_put16(&out, DNS_TYPE_OPT);
		wire_put16(&out, (uint16_t)wishes.size);
		wire_put32(&out, wishes.version << 16 | (wishes.dnssec ? 0x8000 : 0));
		wire_put16(&out, (uint16_t)wishes.option_len);
		wire_put_bytes(&out, wishes.option, wishes.option_len);
	}
	assert_false(out.bad);
	*out_transport = wishes.tcp ? ANSWER_TCP : ANSWER_UDP;
	free(copy);
	return wire_out_len(&out);
}

static void print_flags(FILE *f, const ldns_pkt *pkt)
{
	unsigned rcode = (unsigned)ldns_pkt_get_rcode(pkt) | (unsigned)ldns_pkt_edns_extended_rcode(pkt) << 4;
	ldns_lookup_table *known = ldns_lookup_by_id(ldns_rcodes, (int)rcode);

	if (rcode == DNS_RCODE_BADVERS)
		fprintf(f, "BADVERS");
	else if (rcode == DNS_RCODE_BADCOOKIE)
		fprintf(f, "BADCOOKIE");
	else
		fprintf(f, "%s", known == NULL ? "?" : known->name);
	assert_true(ldns_pkt_qr(pkt));
	fprintf(f, "%s%s%s%s%s%s\n", ldns_pkt_aa(pkt) ? " aa" : "", ldns_pkt_tc(pkt) ? " tc" : "",
		ldns_pkt_rd(pkt) ? " rd" : "", ldns_pkt_ra(pkt) ? " ra" : "", ldns_pkt_ad(pkt) ? " ad" : "",
		ldns_pkt_cd(pkt) ? " cd" : "");
}

/* "owner ttl TYPE rdata": tabs become spaces, the class is left out when it is IN. */
static void print_record(FILE *f, const char *section, const ldns_rr *rr)
{
	char *text = ldns_rr2str(rr), *rest = text, *word;
	unsigned column = 0;

	fprintf(f, "%s", section);
	text[strcspn(text, "\n")] = '\0';
	while ((word = strsep(&rest, "\t ")) != NULL)
		if (*word != '\0' && (column++ != 2 || strcmp(word, "IN") != 0))
			fprintf(f, " %s", word);
	fprintf(f, "\n");
	free(text);
}

static void print_section(FILE *f, const char *section, const ldns_rr_list *list)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++)
		print_record(f, section, ldns_rr_list_rr(list, i));
}

static void print_option(FILE *f, unsigned code, const uint8_t *value, size_t len)
{
	fprintf(f, " option=%u%s", code, len > 0 ? ":" : "");
	for (size_t i = 0; i < len; i++)
		fprintf(f, "%02x", value[i]);
}

static void print_opt(FILE *f, const ldns_pkt *pkt)
{
	const ldns_rdf *data = ldns_pkt_edns_data(pkt);
	struct wire_in in;

	if (!ldns_pkt_edns(pkt))
		return;
	fprintf(f, "opt %u%s", ldns_pkt_edns_udp_size(pkt), ldns_pkt_edns_do(pkt) ? " do" : "");
	assert_int_equal(ldns_pkt_edns_version(pkt), 0);
	assert_int_equal(ldns_pkt_edns_z(pkt) & 0x7FFF, 0);
	if (data != NULL) {
		in = wire_in_init(ldns_rdf_data(data), ldns_rdf_size(data));
		while (wire_in_left(&in) > 0) {
			unsigned code = wire_get16(&in), len = wire_get16(&in);
			const uint8_t *value = wire_get_bytes(&in, len);

			assert_false(in.bad);
			if (code == DNS_EDNS_EDE)
				fprintf(f, " ede=%u %.*s", wire_load16(value), (int)len - 2,
					(const char *)value + 2);
			else
				print_option(f, code, value, len);
		}
	}
	fprintf(f, "\n");
}

/* What holds for every response. */
static void check_frame(const struct ask_world *w, const uint8_t *request, size_t request_len, uint32_t limit)
{
	size_t question_len = wire_load16(w->msg + 4) == 0 ? 0 : name_len(w->msg + DNS_HEADER_LEN) + 4;

	assert_true(w->len >= DNS_HEADER_LEN && w->len <= limit);
	assert_memory_equal(w->msg, request, 2);
	assert_true(wire_load16(w->msg + 4) <= 1);
	assert_true(DNS_HEADER_LEN + question_len <= request_len);
	assert_memory_equal(w->msg + DNS_HEADER_LEN, request + DNS_HEADER_LEN, question_len);
	assert_int_equal(w->msg[2] & 0x79, request[2] & 0x79); /* opcode and RD */
	assert_int_equal(w->msg[3] & 0x40, 0);		       /* Z */
}

static void run(struct ask_world *w, const uint8_t *msg, size_t len, enum answer_transport transport,
		uint32_t cap)
{
	struct answer_job job = {.msg = w->msg,
				 .len = (uint32_t)len,
				 .cap = cap,
				 .transport = (uint8_t)transport,
				 .family = w->family};
	struct answer_job *jobs[] = {&job};

	memcpy(job.client, w->client, sizeof(w->client));
	memcpy(w->msg, msg, len);
	answer_burst(w->engine, jobs, 1);
	urcu_qsbr_quiescent_state();
	w->len = job.len;
	w->verdict = job.verdict;
}

static const char *response_text(struct ask_world *w)
{
	size_t size;
	FILE *f;
	ldns_pkt *pkt;

	free(w->text);
	w->text = NULL;
	f = open_memstream(&w->text, &size);
	assert_non_null(f);
	assert_int_equal(ldns_wire2pkt(&pkt, w->msg, w->len), LDNS_STATUS_OK);
	print_flags(f, pkt);
	print_section(f, "an", ldns_pkt_answer(pkt));
	print_section(f, "ns", ldns_pkt_authority(pkt));
	print_section(f, "ar", ldns_pkt_additional(pkt));
	if (ldns_pkt_tsig(pkt) != NULL)
		print_record(f, "ar", ldns_pkt_tsig(pkt));
	print_opt(f, pkt);
	ldns_pkt_free(pkt);
	fclose(f);
	return w->text;
}

const char *ask_octets(struct ask_world *w, const uint8_t *msg, size_t len, enum answer_transport transport)
{
	run(w, msg, len, transport, sizeof(w->msg));
	switch ((enum answer_verdict)w->verdict) {
	case ANSWER_SEND:
		check_frame(w, msg, len,
			    transport == ANSWER_UDP ? answer_udp_payload(&w->config, w->family)
						    : DNS_MSG_MAX);
		return response_text(w);
	case ANSWER_DROP:
		return "silence";
	case ANSWER_NOTIFY:
		return "notify";
	case ANSWER_TRANSFER:
		return "transfer";
	}
	fail_msg("verdict %u", w->verdict);
	return NULL;
}

const char *ask(struct ask_world *w, const char *question)
{
	enum answer_transport transport;
	size_t len = ask_request(question, w->request, &transport);

	return ask_octets(w, w->request, len, transport);
}
