/*
 * What configurations are accepted, what becomes of each key, and what a person is told about a bad one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#include "control/config.h"
#include "control/config_schema.h"
#include "control/cookie_file.h"

#define ERRORS_CAP 8192

struct loaded {
	struct config *config;
	int rc;
	char file[64];
	char errors[ERRORS_CAP];
};

static void load_octets(struct loaded *l, const void *text, size_t len)
{
	int fd;

	memset(l, 0, sizeof(*l));
	snprintf(l->file, sizeof(l->file), "/tmp/lockstep-config-XXXXXX");
	fd = mkstemp(l->file);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
	memset(l->errors, 'x', sizeof(l->errors) - 1);
	l->rc = config_load(l->file, &l->config, l->errors, sizeof(l->errors));
	unlink(l->file);
	if (l->rc == 0)
		assert_non_null(l->config);
	else
		assert_null(l->config);
}

static void load(struct loaded *l, const char *text)
{
	load_octets(l, text, strlen(text));
}

static void unload(struct loaded *l)
{
	config_free(l->config);
}

/* The smallest configuration, with room for more sections in front. */
#define BASE                              \
	"server: {listen: [192.0.2.1]}\n" \
	"dataplane: {ports: [{driver: af_xdp, device: eth0}], workers: [0]}\n"
/* With more lines in the section server; line 3 is the first of them, or what follows. */
#define WITH_SERVER(lines)                       \
	"server:\n  listen: [192.0.2.1]\n" lines \
	"dataplane: {ports: [{driver: af_xdp, device: eth0}], workers: [0]}\n" PRIMARY ZONE
#define PRIMARY "primaries: [{name: one, address: 192.0.2.53}]\n"
#define ZONE	"zones: [{name: example.com, primaries: [one]}]\n"

static void load_good(struct loaded *l, const char *text)
{
	load(l, text);
	if (l->rc != 0)
		fail_msg("refused: %s", l->errors);
}

/* One error line, which starts at place ("3:9"; NULL: anywhere) and contains each of the words, separated by '|'. */
static void refused(const char *text, const char *place, const char *words)
{
	char copy[512], expect[128];
	struct loaded l;
	char *save = NULL;

	load(&l, text);
	assert_int_equal(l.rc, -EINVAL);
	snprintf(expect, sizeof(expect), "%s:%s: ", l.file, place != NULL ? place : "");
	if (place != NULL && strstr(l.errors, expect) == NULL)
		fail_msg("\"%s\" is not in: %s", expect, l.errors);
	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok_r(copy, "|", &save); w != NULL; w = strtok_r(NULL, "|", &save)) {
		if (strstr(l.errors, w) == NULL)
			fail_msg("\"%s\" is not in: %s", w, l.errors);
	}
}

static void smallest_configuration_gets_the_documented_defaults(void **state)
{
	struct loaded l;
	const struct config *c;

	load_good(&l, BASE PRIMARY ZONE);
	c = l.config;
	assert_int_equal(c->listen_cnt, 1);
	assert_int_equal(c->listen[0].family, 4);
	assert_memory_equal(c->listen[0].addr, "\xc0\x00\x02\x01", 4);
	assert_int_equal(c->answer.udp_payload_max[0], 1232);
	assert_int_equal(c->answer.udp_payload_max[1], 1232);
	assert_int_equal(c->answer.identity_len, 0);
	assert_int_equal(c->answer.version_len, 0);
	assert_true(c->tcp);
	assert_int_equal(c->tcp_threads, 1);
	assert_int_equal(c->tcp_clients_max, 1000);
	assert_int_equal(c->tcp_idle_ms, 10000);
	assert_int_equal(c->builder_threads, 1);
	assert_int_equal(c->zone_memory_max, UINT64_C(8) << 30);
	assert_string_equal(c->control_socket, "/run/lockstep/control.sock");
	assert_int_equal(c->log_level, LOG_INFO);
	assert_int_equal(c->log_target, LOG_TO_STDERR);
	assert_int_equal(c->net.idle, NET_IDLE_ADAPTIVE);
	assert_int_equal(c->net.idle_sleep_us, 100);
	assert_int_equal(c->net.memory_mb, 512);
	assert_string_equal(c->net.prefix, "lockstep");
	assert_ptr_equal(c->net.listen, c->listen);
	assert_int_equal(c->net.listen_cnt, 1);
	assert_int_equal(c->net.port_cnt, 1);
	assert_int_equal(c->net.ports[0].driver, NET_AF_XDP);
	assert_string_equal(c->net.ports[0].device, "eth0");
	unload(&l);
}

static void zone_caps_have_defaults(void **state)
{
	struct loaded l;
	const struct config_zone *z;

	load_good(&l, BASE PRIMARY ZONE);
	z = &l.config->zones[0];
	assert_string_equal(z->name_text, "example.com.");
	assert_memory_equal(z->name, "\7example\3com", 13);
	assert_int_equal(z->primary_cnt, 1);
	assert_ptr_equal(z->primaries[0], &l.config->primaries[0]);
	assert_int_equal(z->refresh_min, 2);
	assert_int_equal(z->refresh_max, 4 * 7 * 86400);
	assert_int_equal(z->retry_min, 1);
	assert_int_equal(z->retry_max, 2 * 7 * 86400);
	assert_int_equal(z->expire_min, 3);
	assert_int_equal(z->expire_max, 24 * 7 * 86400);
	assert_int_equal(z->limits.records, 0);
	assert_int_equal(z->limits.bytes, 0);
	assert_int_equal(z->limits.rrset_records, 0);
	assert_int_equal(z->transfer_time_max, 7200);
	assert_int_equal(z->transfer_idle_max, 60);
	assert_int_equal(z->transfer_rate_min, 32);
	assert_int_equal(z->transfer_messages_max, 0);
	assert_int_equal(z->transfer_deltas_max, 0);
	assert_int_equal(l.config->transfers_in.running_max, 48);
	assert_int_equal(l.config->transfers_in.per_primary_max, 8);
	assert_int_equal(l.config->transfers_in.queries_max, 384);
	assert_int_equal(l.config->transfers_in.queries_per_primary_max, 64);
	unload(&l);
}

static void a_zone_overrides_defaults_and_defaults_override_ours(void **state)
{
	struct loaded l;
	const struct config_zone *z;

	load_good(&l,
		  BASE PRIMARY "defaults: {refresh-min: 5s, retry-max: 1h, transfer-records: 1000}\n"
			       "zones:\n"
			       "- {name: a.example, primaries: [one]}\n"
			       "- {name: b.example, primaries: [one], refresh-min: 1m, transfer-bytes: 2G,\n"
			       "   record-set-records: 77, transfer-records: 18446744073709551615}\n");
	z = l.config->zones;
	assert_int_equal(z[0].refresh_min, 5);
	assert_int_equal(z[0].retry_max, 3600);
	assert_int_equal(z[0].limits.records, 1000);
	assert_int_equal(z[1].refresh_min, 60);
	assert_int_equal(z[1].retry_max, 3600);
	assert_true(z[1].limits.records == UINT64_MAX);
	assert_int_equal(z[1].limits.bytes, UINT64_C(2) << 30);
	assert_int_equal(z[1].limits.rrset_records, 77);
	unload(&l);
}

static void every_key_arrives_where_it_belongs(void **state)
{
	struct loaded l;
	const struct config *c;

	load_good(&l, "server:\n"
		      "  listen: [192.0.2.1, \"2001:db8::1\"]\n"
		      "  identity: ns1.example.net\n"
		      "  version: \"Lockstep\"\n"
		      "  udp-payload: 4096\n"
		      "tcp: {enabled: no, threads: 2, clients: 7, idle-timeout: 1500ms}\n"
		      "dataplane:\n"
		      "  main-cpu: 0\n"
		      "  workers: [0]\n"
		      "  idle: busy\n"
		      "  idle-sleep: 1ms\n"
		      "  memory: 0\n"
		      "  prefix: test_1\n"
		      "  ports:\n"
		      "    - {driver: af_xdp, device: eth0, rx-ring: 2048, tx-ring: 512}\n"
		      "    - {driver: pci, device: \"0000:03:00.0\", exception: ls0, args: \"a=1,b=2\"}\n"
		      "    - {driver: vdev, device: \"net_tap0,iface=wire0\", exception: ls1}\n"
		      "    - {driver: memif, device: /run/lockstep/memif.sock, id: 3, role: server}\n"
		      "zone-memory: 1536M\n"
		      "builders: 4\n"
		      "control: {socket: /run/x.sock}\n"
		      "log: {level: debug, target: journal}\n");
	c = l.config;
	assert_int_equal(c->listen_cnt, 2);
	assert_int_equal(c->listen[1].family, 6);
	assert_memory_equal(c->listen[1].addr, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	assert_int_equal(c->answer.identity_len, 15);
	assert_memory_equal(c->answer.identity, "ns1.example.net", 15);
	assert_int_equal(c->answer.version_len, 8);
	assert_int_equal(c->answer.udp_payload_max[0], 4096);
	assert_int_equal(c->answer.udp_payload_max[1], 4096);
	assert_false(c->tcp);
	assert_int_equal(c->tcp_threads, 2);
	assert_int_equal(c->tcp_clients_max, 7);
	assert_int_equal(c->tcp_idle_ms, 1500);
	assert_int_equal(c->net.worker_cnt, 1);
	assert_int_equal(c->net.worker_cpus[0], 0);
	assert_int_equal(c->net.idle, NET_IDLE_BUSY);
	assert_int_equal(c->net.idle_sleep_us, 1000);
	assert_int_equal(c->net.memory_mb, 0);
	assert_string_equal(c->net.prefix, "test_1");
	assert_int_equal(c->net.port_cnt, 4);
	assert_int_equal(c->net.ports[0].rx_ring, 2048);
	assert_int_equal(c->net.ports[0].tx_ring, 512);
	assert_int_equal(c->net.ports[1].driver, NET_PCI);
	assert_string_equal(c->net.ports[1].exception, "ls0");
	assert_string_equal(c->net.ports[1].args, "a=1,b=2");
	assert_int_equal(c->net.ports[2].driver, NET_VDEV);
	assert_string_equal(c->net.ports[2].device, "net_tap0,iface=wire0");
	assert_int_equal(c->net.ports[3].driver, NET_MEMIF);
	assert_int_equal(c->net.ports[3].memif_id, 3);
	assert_true(c->net.ports[3].memif_server);
	assert_int_equal(c->zone_memory_max, UINT64_C(1536) << 20);
	assert_int_equal(c->builder_threads, 4);
	assert_string_equal(c->control_socket, "/run/x.sock");
	assert_int_equal(c->log_level, LOG_DEBUG);
	assert_int_equal(c->log_target, LOG_TO_JOURNAL);
	unload(&l);
}

static void check_payloads(const char *text, uint16_t ipv4, uint16_t ipv6)
{
	struct loaded l;

	load_good(&l, text);
	assert_int_equal(l.config->answer.udp_payload_max[0], ipv4);
	assert_int_equal(l.config->answer.udp_payload_max[1], ipv6);
	unload(&l);
}

static void ipv4_and_ipv6_may_have_a_payload_each(void **state)
{
	check_payloads(WITH_SERVER("  udp-payload-ipv4: 4096\n"), 4096, 1232);
	check_payloads(WITH_SERVER("  udp-payload: 1400\n  udp-payload-ipv6: 1220\n"), 1400, 1220);
	check_payloads(WITH_SERVER("  udp-payload: 1400\n  udp-payload-ipv4: 512\n  udp-payload-ipv6: 513\n"),
		       512, 513);
	refused(WITH_SERVER("  udp-payload-ipv6: 5000\n"), "3:21",
		"server.udp-payload-ipv6: \"5000\" is out of range|512 to 4096");
}

static void edns_options_arrive_where_they_belong(void **state)
{
	const struct answer_config *a;
	struct loaded l;

	load_good(&l, WITH_SERVER("  nsid: fra-1\n  cookies: required\n  report-channel: Agent.Example\n"));
	a = &l.config->answer;
	assert_int_equal(a->edns.nsid_len, 5);
	assert_memory_equal(a->edns.nsid, "fra-1", 5);
	assert_int_equal(a->edns.cookie.secret_cnt, 1);
	assert_true(a->edns.cookie.demand);
	assert_int_equal(a->edns.agent_len, 15);
	assert_memory_equal(a->edns.agent, "\5agent\7example", 15);
	assert_int_equal(a->rrl.rate, 0);
	unload(&l);
	load_good(&l, WITH_SERVER("  nsid: 0x00ffAb\n  cookies: off\n"));
	a = &l.config->answer;
	assert_int_equal(a->edns.nsid_len, 3);
	assert_memory_equal(a->edns.nsid, "\x00\xff\xab", 3);
	assert_int_equal(a->edns.cookie.secret_cnt, 0);
	unload(&l);
	refused(WITH_SERVER("  nsid: 0x123\n"), "3:9", "server.nsid|pairs of hexadecimal digits");
	refused(WITH_SERVER("  report-channel: .\n"), "3:19", "server.report-channel|not a domain name");
	refused(WITH_SERVER("  cookies: maybe\n"), "3:12", "server.cookies|must be");
	refused(WITH_SERVER("  cookies: off\n  cookie-secrets: /tmp/x\n"), "4:19",
		"server.cookie-secrets|makes no sense");
	refused(WITH_SERVER("  cookie-secrets: /nowhere/at/all\n"), "3:19",
		"server.cookie-secrets|No such file");
}

/* The random secret is not the same for two servers. */
static void a_cookie_secret_is_random_unless_it_is_given(void **state)
{
	uint8_t first[COOKIE_SECRET_LEN];
	struct loaded l;

	load_good(&l, WITH_SERVER(""));
	memcpy(first, l.config->answer.edns.cookie.secret[0], sizeof(first));
	unload(&l);
	load_good(&l, WITH_SERVER(""));
	assert_memory_not_equal(first, l.config->answer.edns.cookie.secret[0], sizeof(first));
	unload(&l);
}

static void write_secrets(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

#define SECRET_A "e5e973e5a6b2a43f48e7dc849e37bfcf"
#define SECRET_B "445536bcd2513298075a5d379663c962"

static void cookie_secrets_come_from_a_file_that_is_safe(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *words; /* NULL: good */
	} cases[] = {
		{SECRET_A "\n", 0600, NULL},
		{"# the active one\n\n  " SECRET_A " # since May\n" SECRET_B, 0640, NULL},
		{SECRET_A "\n", 0644, "others may read"},
		{SECRET_A "\n", 0660, "others may read or change"},
		{"", 0600, "no secret in this file"},
		{"\n" SECRET_A "\n" SECRET_B "0\n", 0600, ":3: a secret must be 32"},
		{"g5e973e5a6b2a43f48e7dc849e37bfcf\n", 0600, ":1: a secret must be 32"},
		{SECRET_A "\n" SECRET_A "\n" SECRET_B "\n", 0600, ":3: a third secret"},
	};
	char path[] = "/tmp/lockstep-cookies-XXXXXX", link[64], error[COOKIE_FILE_ERROR_CAP];
	struct cookie_config got = {0};
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_secrets(path, cases[i].text, cases[i].mode);
		memset(&got, 0, sizeof(got));
		if (cases[i].words == NULL) {
			assert_int_equal(cookie_file_load(path, &got, error), 0);
			assert_int_equal(got.secret_cnt, i + 1);
			assert_int_equal(got.secret[0][0], 0xe5);
			continue;
		}
		assert_true(cookie_file_load(path, &got, error) < 0);
		assert_non_null(strstr(error, cases[i].words));
		assert_null(strstr(error, "e973e5"));
		assert_int_equal(got.secret_cnt, 0);
	}
	snprintf(link, sizeof(link), "%s.link", path);
	assert_int_equal(symlink(path, link), 0);
	assert_true(cookie_file_load(link, &got, error) < 0);
	assert_non_null(strstr(error, "symbolic link"));
	assert_true(cookie_file_load("/tmp", &got, error) < 0);
	unlink(link);
	unlink(path);
}

static void rate_limits_have_defaults_and_bounds(void **state)
{
	const struct rrl_config *r;
	struct loaded l;

	load_good(&l, WITH_SERVER("") "rate-limit: {}\n");
	r = &l.config->answer.rrl;
	assert_int_equal(r->rate, 200);
	assert_int_equal(r->window_ms, 1000);
	assert_int_equal(r->slip, 2);
	assert_int_equal(r->table, 131072);
	assert_false(r->dry_run);
	assert_int_equal(r->level_cnt[RRL_IPV4], 1);
	assert_int_equal(r->level[RRL_IPV4][0].prefix, 24);
	assert_int_equal(r->level[RRL_IPV6][0].prefix, 56);
	unload(&l);
	load_good(&l, WITH_SERVER("") "rate-limit:\n  rate: 50\n  window: 2s\n  table: 2048\n  slip: 0\n"
				      "  dry-run: yes\n  ipv4: [32, 24*32]\n  ipv6: [128, 64*2, 48*8]\n"
				      "  allow: [192.0.2.0/25, 198.51.100.7, \"2001:db8::/32\"]\n");
	r = &l.config->answer.rrl;
	assert_int_equal(r->rate, 50);
	assert_int_equal(r->window_ms, 2000);
	assert_true(r->dry_run);
	assert_int_equal(r->level_cnt[RRL_IPV4], 2);
	assert_int_equal(r->level[RRL_IPV4][1].prefix, 24);
	assert_int_equal(r->level[RRL_IPV4][1].factor, 32);
	assert_int_equal(r->level_cnt[RRL_IPV6], 3);
	assert_int_equal(r->allow_cnt, 3);
	assert_int_equal(r->allow[0].prefix, 25);
	assert_int_equal(r->allow[1].prefix, 32);
	assert_int_equal(r->allow[2].family, 6);
	assert_int_equal(r->allow[2].prefix, 32);
	unload(&l);
	refused(WITH_SERVER("") "rate-limit: {table: 3000}\n", "6:21", "rate-limit.table|power of two");
	refused(WITH_SERVER("") "rate-limit: {ipv4: [33]}\n", "6:21", "rate-limit.ipv4[0]|1 to 32");
	refused(WITH_SERVER("") "rate-limit: {ipv4: [24*0]}\n", "6:21", "rate-limit.ipv4[0]|1 to 32");
	refused(WITH_SERVER("") "rate-limit: {ipv6: [56*100000]}\n", "6:21", "rate-limit.ipv6[0]|beyond");
	refused(WITH_SERVER("") "rate-limit: {allow: [192.0.2.0/33]}\n", "6:22",
		"rate-limit.allow[0]|0 to 32");
	refused(WITH_SERVER("") "rate-limit: {allow: [here]}\n", "6:22", "rate-limit.allow[0]|address");
	refused(WITH_SERVER("") "rate-limit: {rate: 1, window: 10ms}\n", "6:31",
		"rate-limit.window|so short");
}

/* Whatever it signs with, and whichever zones it has. */
static void peers_are_the_primaries_and_the_secondaries(void **state)
{
	static const struct {
		uint8_t family, addr[16];
		bool peer;
	} cases[] = {
		{4, {192, 0, 2, 1}, true},
		{4, {192, 0, 2, 2}, true},
		{4, {192, 0, 2, 3}, false},
		{4, {198, 51, 100, 255}, true},
		{4, {198, 51, 101, 0}, false},
		{6, {0x20, 0x01, 0x0d, 0xb8, [15] = 1}, true},
		{6, {0x20, 0x01, 0x0d, 0xb8, [15] = 2}, false},
	};
	uint32_t number[sizeof(cases) / sizeof(cases[0])];
	struct loaded l;

	(void)state;
	load_good(&l, BASE "primaries:\n"
			   "  - {name: one, address: 192.0.2.1}\n"
			   "  - {name: again, address: 192.0.2.1, port: 5353}\n"
			   "  - {name: beside, address: 192.0.2.2}\n"
			   "  - {name: six, address: \"2001:db8::1\"}\n"
			   "secondaries: [{name: down, address: 198.51.100.0/24}]\n");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		number[i] = acl_number(l.config->net.peers, cases[i].family, cases[i].addr);
		assert_int_equal(number[i] != 0, cases[i].peer);
		for (unsigned k = 0; k < i; k++)
			assert_true(number[k] != number[i] || number[i] == 0);
	}
	unload(&l);
	load_good(&l, BASE);
	assert_null(l.config->net.peers);
	unload(&l);
}

static void access_lists_come_from_the_zone_or_the_defaults(void **state)
{
	static const uint8_t near[4] = {192, 0, 2, 7}, far[4] = {198, 51, 100, 7};
	static const uint8_t six[16] = {0x20, 0x01, 0x0d, 0xb8};
	struct loaded l;

	(void)state;
	load_good(&l, BASE PRIMARY
		  "defaults: {allow-query: [192.0.2.0/24]}\n"
		  "zones:\n"
		  "  - {name: a, primaries: [one]}\n"
		  "  - {name: b, primaries: [one], deny-query: [192.0.2.7, \"2001:db8::/32\"]}\n");
	assert_true(acl_allows(l.config->zones[0].acl, 4, near));
	assert_false(acl_allows(l.config->zones[0].acl, 4, far));
	assert_false(acl_allows(l.config->zones[0].acl, 6, six));
	assert_false(acl_allows(l.config->zones[1].acl, 4, near));
	assert_true(acl_allows(l.config->zones[1].acl, 4, far));
	assert_false(acl_allows(l.config->zones[1].acl, 6, six));
	unload(&l);
	load_good(&l, BASE PRIMARY ZONE);
	assert_null(l.config->zones[0].acl);
	unload(&l);
	refused(BASE PRIMARY
		"zones: [{name: a, primaries: [one], allow-query: [192.0.2.0/24, 192.0.2.0/24]}]\n",
		"4:65", "zones[0].allow-query[1]|twice");
	refused(BASE PRIMARY "zones: [{name: a, primaries: [one], allow-query: [192.0.2.1/24]}]\n", "4:51",
		"zones[0].allow-query[0]|behind the first 24");
	refused(BASE PRIMARY "zones: [{name: a, primaries: [one], deny-query: [no]}]\n", "4:50",
		"zones[0].deny-query[0]|address");
}

static void primaries_have_addresses_ports_and_sources(void **state)
{
	char text[CONFIG_ADDRESS_TEXT_CAP];
	struct loaded l;
	const struct config_zone *z;

	load_good(&l, BASE "primaries:\n"
			   "- {name: zeta, address: \"2001:db8::53\", port: 5353, source: \"2001:db8::1\"}\n"
			   "- {name: alpha, address: 192.0.2.53}\n"
			   "zones: [{name: example.com, primaries: [zeta, alpha]}]\n");
	z = &l.config->zones[0];
	assert_int_equal(z->primary_cnt, 2);
	assert_string_equal(z->primaries[0]->name, "zeta"); /* the zone's order, not the alphabet's */
	assert_string_equal(config_address_text(&z->primaries[0]->address, text), "2001:db8::53@5353");
	assert_string_equal(config_address_text(&z->primaries[0]->source, text), "2001:db8::1@0");
	assert_string_equal(config_address_text(&z->primaries[1]->address, text), "192.0.2.53@53");
	assert_int_equal(z->primaries[1]->source.sa.sa_family, AF_UNSPEC);
	assert_string_equal(config_address_text(&z->primaries[1]->source, text), "unspecified");
	unload(&l);
}

#define KEYED	   "primaries: [{name: one, address: 192.0.2.53, key: K.Example}]\n"
#define SECRET	   "c2VjcmV0IG9mIHRoZSB0ZXN0"
#define KEYS(keys) BASE "keys: [" keys "]\n" KEYED ZONE

static void a_primary_is_asked_for_differences_unless_it_says_no(void **state)
{
	struct loaded l;

	load_good(&l, BASE "primaries: [{name: one, address: 192.0.2.53}, {name: two, address: 192.0.2.54, "
			   "ixfr: false}]\n" ZONE);
	assert_true(l.config->primaries[0].ixfr);
	assert_false(l.config->primaries[1].ixfr);
	assert_null(l.config->primaries[0].key);
	unload(&l);
}

static void a_primary_is_asked_over_udp_if_it_says_so(void **state)
{
	struct loaded l;

	load_good(&l, BASE "primaries: [{name: one, address: 192.0.2.53}, {name: two, address: 192.0.2.54, "
			   "ixfr-udp: true}]\n" ZONE);
	assert_false(l.config->primaries[0].ixfr_udp);
	assert_true(l.config->primaries[1].ixfr_udp);
	unload(&l);
	refused(BASE "primaries: [{name: one, address: 192.0.2.53, ixfr: false, ixfr-udp: true}]\n" ZONE,
		NULL, "primaries[0].ixfr-udp|contradicts ixfr: false");
}

static void a_primary_has_the_key_that_it_names_in_any_case(void **state)
{
	struct loaded l;

	load_good(&l, KEYS("{name: other, secret: " SECRET "}, {name: k.example., algorithm: HMAC-SHA512, "
			   "secret: " SECRET "}"));
	assert_int_equal(l.config->key_cnt, 2);
	assert_ptr_equal(l.config->primaries[0].key, l.config->keys[1]);
	assert_string_equal(l.config->keys[0]->algorithm->text, "hmac-sha256");
	assert_string_equal(l.config->keys[1]->algorithm->text, "hmac-sha512");
	assert_ptr_equal(tsig_keyring_find(l.config->keyring, l.config->keys[0]->name), l.config->keys[0]);
	unload(&l);
}

static void what_is_wrong_with_a_key_is_told_without_its_secret(void **state)
{
	static const struct {
		const char *text, *words;
	} bad[] = {
		{KEYS("{name: k.example}"), "keys[0]|secret or a file"},
		{KEYS("{secret: " SECRET "}"), "keys[0].name|missing"},
		{KEYS("{name: k..example, secret: " SECRET "}"), "keys[0].name|not a domain name"},
		{KEYS("{name: k.example, secret: " SECRET ", file: /etc/key}"), "both secret and file"},
		{KEYS("{name: k.example, secret: \"" SECRET "!\"}"), "keys[0].secret|not base64"},
		{KEYS("{name: k.example, secret: \"\"}"), "keys[0].secret|not base64"},
		{KEYS("{name: k.example, secret: " SECRET ", algorithm: hmac-md5}"), "keys[0].algorithm|md5"},
		{KEYS("{name: k.example, secret: " SECRET ", algorithm: crc}"), "keys[0].algorithm|must be"},
		{KEYS("{name: k.example, file: /nowhere/key}"), "keys[0].file|/nowhere/key|No such file"},
		{KEYS("{name: k.example, file: /etc/key, algorithm: hmac-sha256}"),
		 "keys[0].algorithm|leave"},
		{KEYS("{name: k.example, secret: " SECRET "}, {name: K.example, secret: " SECRET "}"),
		 "keys|two are called|k.example"},
		{KEYS("{name: other, secret: " SECRET "}"), "primaries[0].key|no key is called|K.Example"},
	};
	struct loaded l;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char copy[128], *save = NULL;

		load(&l, bad[i].text);
		assert_int_equal(l.rc, -EINVAL);
		snprintf(copy, sizeof(copy), "%s", bad[i].words);
		for (char *w = strtok_r(copy, "|", &save); w != NULL; w = strtok_r(NULL, "|", &save))
			if (strcasestr(l.errors, w) == NULL)
				fail_msg("\"%s\" is not in: %s", w, l.errors);
		assert_null(strstr(l.errors, SECRET));
	}
}

static void a_secret_in_a_file_that_others_may_read_is_refused(void **state)
{
	static const char text[] = KEYS("{name: k.example, secret: " SECRET "}");
	char file[] = "/tmp/lockstep-config-XXXXXX", errors[1024];
	struct config *c = NULL;
	int fd = mkstemp(file);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(fchmod(fd, 0604), 0);
	assert_int_equal(config_load(file, &c, errors, sizeof(errors)), -EINVAL);
	assert_non_null(strstr(errors, "keys[0].secret: others may read this file"));
	assert_null(strstr(errors, SECRET));
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(config_load(file, &c, errors, sizeof(errors)), 0);
	config_free(c);
	close(fd);
	unlink(file);
}

#define KEY_FILE(name, algorithm, secret) \
	"key \"" name "\" { algorithm " algorithm "; secret \"" secret "\"; };\n"

static void key_files_are_read_again_all_or_none(void **state)
{
	static const char good[] = KEY_FILE("K.example", "hmac-sha256", SECRET);
	static const struct {
		const char *text; /* NULL: there is no file */
		mode_t mode;
		const char *words;
	} bad[] = {
		{NULL, 0600, "No such file"},
		{good, 0644, "others may read"},
		{"key \"K.example\" { secret \"" SECRET "\"; };\n", 0600, ":1: key \"K.example.\""},
		{KEY_FILE("other", "hmac-sha256", SECRET), 0600, "has no key \"k.example.\""},
		{KEY_FILE("K.example", "hmac-sha512", SECRET), 0600, "only a restart changes that"},
	};
	char first[] = "/tmp/lockstep-key-XXXXXX", second[] = "/tmp/lockstep-key-XXXXXX";
	char text[1024], error[TSIG_FILE_ERROR_CAP];
	struct loaded l;
	struct evp_mac_ctx_st *before[2];
	unsigned cnt = 0;

	close(mkstemp(first));
	close(mkstemp(second));
	write_secrets(first, KEY_FILE("first.example", "hmac-sha256", SECRET), 0600);
	write_secrets(second, good, 0600);
	snprintf(text, sizeof(text),
		 KEYS("{name: first.example, file: %s}, {name: k.example, file: %s}, "
		      "{name: inline.example, secret: " SECRET "}"),
		 first, second);
	load_good(&l, text);
	before[0] = l.config->keys[0]->hmac;
	before[1] = l.config->keys[1]->hmac;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (bad[i].text != NULL)
			write_secrets(second, bad[i].text, bad[i].mode);
		else
			unlink(second);
		assert_true(config_reload_keys(l.config, &cnt, error) < 0);
		if (strstr(error, second) == NULL || strcasestr(error, bad[i].words) == NULL)
			fail_msg("\"%s\" and the file are not in: %s", bad[i].words, error);
		assert_null(strstr(error, SECRET));
		assert_ptr_equal(l.config->keys[0]->hmac, before[0]);
		assert_ptr_equal(l.config->keys[1]->hmac, before[1]);
	}
	write_secrets(second, good, 0600);
	assert_int_equal(config_reload_keys(l.config, &cnt, error), 0);
	assert_int_equal(cnt, 2);
	assert_ptr_not_equal(l.config->keys[0]->hmac, before[0]);
	assert_ptr_not_equal(l.config->keys[1]->hmac, before[1]);
	unlink(first);
	unlink(second);
	unload(&l);
}

static void without_a_key_file_there_is_nothing_to_read_again(void **state)
{
	char error[TSIG_FILE_ERROR_CAP];
	struct loaded l;
	unsigned cnt = 0;

	load_good(&l, KEYS("{name: k.example, secret: " SECRET "}"));
	assert_int_equal(config_reload_keys(l.config, &cnt, error), -ENOENT);
	assert_string_equal(error, "no key of the configuration is from a file");
	unload(&l);
}

static void the_root_and_escaped_names_are_zones_like_any_other(void **state)
{
	struct loaded l;

	load_good(&l, BASE PRIMARY "zones:\n"
				   "- {name: ., primaries: [one]}\n"
				   "- {name: 'EXAMPLE.Com.', primaries: [one]}\n"
				   "- {name: 'a\\.b.example', primaries: [one]}\n");
	assert_string_equal(l.config->zones[0].name_text, ".");
	assert_int_equal(l.config->zones[0].name[0], 0);
	assert_string_equal(l.config->zones[1].name_text, "example.com.");
	assert_string_equal(l.config->zones[2].name_text, "a\\.b.example.");
	unload(&l);
}

static void unknown_keys_are_errors_at_their_place_with_a_suggestion(void **state)
{
	refused("server:\n  listen: [192.0.2.1]\n  idenity: x\n", "3:3",
		"server: unknown key \"idenity\"; did you mean \"identity\"?");
	refused(BASE PRIMARY "zones:\n- name: a\n  primaries: [one]\n  colour: {a: [b, {c: d}]}\n", "7:3",
		"zones[0]: unknown key \"colour\"");
	refused("listen: [a]\n" BASE, "1:1", "unknown key \"listen\"");
}

static void all_errors_are_told_at_once_in_the_order_of_the_file(void **state)
{
	struct loaded l;
	const char *a, *b, *c;

	load(&l, "server: {listen: [300.0.2.1], udp-payload: 100}\n"
		 "builders: none\n"
		 "dataplane: {ports: [{driver: af_xdp, device: eth0}]}\n");
	assert_int_equal(l.rc, -EINVAL);
	a = strstr(l.errors, ":1:19: server.listen[0]: \"300.0.2.1\" is not an IPv4 or IPv6 address\n");
	b = strstr(l.errors, ":1:44: server.udp-payload: \"100\" is out of range, must be 512 to 4096\n");
	c = strstr(l.errors, ":2:11: builders: \"none\" is not a whole number\n");
	if (a == NULL || b == NULL || c == NULL || a > b || b > c)
		fail_msg("%s", l.errors);
}

static void shape_errors_name_line_and_column(void **state)
{
	refused("server: []\n", "1:9", "server: must be keys with values, but nests further");
	refused("server: {listen: 192.0.2.1}\n", "1:18",
		"server.listen: must be a list, but is a single value");
	refused("zones:\n", "1:7", "zones: must be a list, but is empty");
	refused("builders: {a: b}\n", "1:11", "builders: must be a single value, but nests further");
	refused("builders: 1\nbuilders: 2\n", "2:1", "builders: is given twice");
	refused("server: {listen: [192.0.2.1]\n", "2:1", "did not find expected|starts at line 1");
	refused("a: b: c\n", "1:5", "mapping values are not allowed");
	refused("server: &x {}\ntcp: *x\n", "2:6", "aliases are not supported");
	refused("? [a]\n: b\n" BASE, "1:3", "has a key that is not a word");
	refused(BASE "---\nx: y\n", "3:1", "second document");
	refused("- a\n", "1:1", "must be keys with values");
	refused("log: {level: \"inf\\0o\"}\n", "1:14", "log.level: has a NUL");
}

static void what_is_required_is_asked_for(void **state)
{
	struct loaded l;

	load(&l, "");
	assert_int_equal(l.rc, -EINVAL);
	assert_non_null(strstr(l.errors, "server.listen: is missing"));
	assert_non_null(strstr(l.errors, "dataplane.ports: is missing"));
	refused(BASE "primaries: [{address: 192.0.2.1}]\n", "3:13", "primaries[0].name: is missing");
	refused(BASE "primaries: [{name: x}]\n", "3:13", "primaries[0].address: is missing");
	refused(BASE PRIMARY "zones: [{primaries: [one]}]\n", "4:9", "zones[0].name: is missing");
	refused(BASE PRIMARY "zones: [{name: a}]\n", "4:9", "zone a.: has no primaries");
	refused(BASE PRIMARY "zones: [{name: a, primaries: []}]\n", "4:9", "zone a.: has no primaries");
	refused("server: {listen: [192.0.2.1]}\ndataplane: {ports: [{device: eth0}]}\n", "2:21",
		"dataplane.ports[0].driver: is missing");
	refused("server: {listen: [192.0.2.1]}\ndataplane: {ports: [{driver: pci}]}\n", "2:21",
		"dataplane.ports[0].device: is missing");
}

static void addresses_must_be_those_of_a_host(void **state)
{
	refused("server: {listen: [0.0.0.0]}\n", "1:19", "unspecified");
	refused("server: {listen: ['::']}\n", "1:19", "unspecified");
	refused("server: {listen: [224.0.0.1]}\n", "1:19", "multicast");
	refused("server: {listen: ['ff02::1']}\n", "1:19", "multicast");
	refused("server: {listen: [255.255.255.255]}\n", "1:19", "broadcast");
	refused("server: {listen: ['::ffff:192.0.2.1']}\n", "1:19", "IPv4-mapped");
	refused("server: {listen: ['fe80::1']}\n", "1:19", "link-local");
	refused("server: {listen: [192.0.2.1, 192.0.2.1]}\n", "1:30", "\"192.0.2.1\" is listed twice");
	refused("server: {listen: ['2001:db8::1', '2001:DB8:0::1']}\n", "1:34", "is listed twice");
	refused(BASE "primaries: [{name: x, address: 192.0.2.1, source: '2001:db8::1'}]\n", "3:51",
		"primaries[0].source: \"2001:db8::1\" cannot reach 192.0.2.1");
}

static void an_unknown_primary_is_answered_with_the_nearest(void **state)
{
	refused(BASE "primaries: [{name: hidden1, address: 192.0.2.53}]\n"
		     "zones: [{name: example.com, primaries: [hiden1]}]\n",
		"4:41",
		"zones[0].primaries[0]: zone example.com.: no primary is called \"hiden1\"|\"hidden1\"?");
	refused(BASE PRIMARY "zones: [{name: example.com, primaries: [unlike]}]\n", "4:41",
		"in the section primaries");
	refused(BASE PRIMARY "zones: [{name: example.com, primaries: [one, one]}]\n", "4:46",
		"\"one\" is listed twice");
	refused(BASE "primaries: [{name: x, address: 192.0.2.1}, {name: x, address: 192.0.2.2}]\n", "3:1",
		"two are called \"x\"");
}

static void a_zone_is_configured_once_whatever_its_spelling(void **state)
{
	refused(BASE PRIMARY "zones:\n- {name: example.com, primaries: [one]}\n"
			     "- {name: a, primaries: [one]}\n- {name: EXAMPLE.com., primaries: [one]}\n",
		"7:10", "zones[2].name: zone example.com. is configured twice, as zones[0] too");
	refused(BASE PRIMARY "zones: [{name: a..b, primaries: [one]}]\n", "4:16", "is not a domain name");
}

static void a_lower_bound_above_the_upper_one_is_refused(void **state)
{
	refused(BASE PRIMARY
		"defaults: {retry-max: 5m}\nzones: [{name: a, primaries: [one], retry-min: 10m}]\n",
		"5:48", "zones[0].retry-min: retry-min of 600s is more than retry-max of 300s");
	refused(BASE "defaults: {refresh-min: 2d, refresh-max: 1d}\n", "3:25", "refresh-min of 172800s");
	refused(BASE PRIMARY "zones: [{name: a, primaries: [one], expire-max: 2s}]\n", "4:49",
		"expire-min of 3s is more than expire-max of 2s");
	refused(BASE "defaults: {transfer-time: 10s}\n", "3:27",
		"transfer-idle of 60s is more than transfer-time");
}

static void quantities_need_a_unit_we_know_and_a_sane_size(void **state)
{
	refused(BASE "defaults: {refresh-min: 5 s}\n", "3:25", "\"5 s\" is not a duration");
	refused(BASE "defaults: {refresh-min: 1.5h}\n", "3:25", "is not a duration");
	refused(BASE "defaults: {refresh-min: -1s}\n", "3:25", "is not a duration");
	refused(BASE "defaults: {refresh-min: ''}\n", "3:25", "is not a duration");
	refused(BASE "defaults: {refresh-min: 1500ms}\n", "3:25", "is not in whole seconds");
	refused(BASE "defaults: {refresh-min: 0}\n", "3:25", "out of range, must be 1s to 365d");
	refused(BASE "defaults: {refresh-min: 99999999999999999999w}\n", "3:25", "out of range");
	refused(BASE "defaults: {refresh-min: 30500568904944w}\n", "3:25", "out of range");
	refused(BASE "zone-memory: 8GB\n", "3:14", "\"8GB\" is not a size");
	refused(BASE "zone-memory: 1M\n", "3:14", "out of range, must be 16M to 64T");
	refused(BASE "builders: 010x\n", "3:11", "is not a whole number");
	refused(BASE "builders: 65\n", "3:11", "out of range, must be 1 to 64");
	refused(BASE "tcp: {enabled: maybe}\n", "3:16", "neither true nor false");
	refused(BASE "log: {level: warn}\n", "3:14", "must be error, warning, notice, info or debug");
	refused(BASE "log: {level: inof}\n", "3:14", "did you mean \"info\"?");
}

static void paths_and_names_must_fit_where_they_go(void **state)
{
	char text[1024], long_name[301];

	refused(BASE "control: {socket: run/x}\n", "3:19", "is not an absolute path");
	memset(long_name, 'a', 300);
	long_name[300] = '\0';
	snprintf(text, sizeof(text), BASE "control: {socket: /%s}\n", long_name);
	refused(text, "3:19", "is too long: a UNIX socket's path has at most 107 octets");
	snprintf(text, sizeof(text), "server: {listen: [192.0.2.1], identity: %s}\n", long_name);
	refused(text, "1:41", "is too long: 300 octets, at most 255 are possible");
#define PORT(x) "server: {listen: [192.0.2.1]}\ndataplane: {ports: [" x "]}\n"
	refused(PORT("{driver: af_xdp, device: 0123456789abcdef}"), "2:46",
		"is not the name of an interface");
	refused(PORT("{driver: af_xdp, device: eth0, exception: x}"), "2:63", "makes no sense with af_xdp");
	refused(PORT("{driver: pci, device: eth0}"), "2:43", "is not a PCI address");
	refused(PORT("{driver: vdev, device: tap0}"), "2:44", "is not a virtual device");
	refused(PORT("{driver: memif, device: x}"), "2:45", "is not an absolute path");
	refused(PORT("{driver: af_xpd, device: x}"), "2:30", "did you mean \"af_xdp\"?");
	refused(PORT("{driver: pci, device: '3:0.0', id: 3}"), "2:56", "is for memif ports only");
	refused(PORT("{driver: af_xdp, device: x, rx-ring: 1000}"), "2:58", "is not a power of two");
	refused(PORT("{driver: af_xdp, device: x}, {driver: af_xdp, device: x}"), "2:75",
		"is the device of ports[0] already");
}

static void cpus_are_those_of_the_machine(void **state)
{
	refused(BASE "tcp: {}\n" PRIMARY "builders: 1\nlog: {}\ncontrol: {}\ndefaults: {refresh-min: x}\n",
		"8:25", "x"); /* empty sections are fine */
	refused("server: {listen: [192.0.2.1]}\ndataplane: {main-cpu: 65000, ports: []}\n", "2:23",
		"dataplane.main-cpu: \"65000\" is out of range, must be 0 to");
	refused("server: {listen: [192.0.2.1]}\ndataplane: {workers: [0, 0], ports: []}\n", "2:26",
		"CPU 0 has a worker already");
}

static void a_worker_on_the_main_cpu_is_a_warning(void **state)
{
	struct loaded l;

	load(&l, BASE PRIMARY ZONE);
	assert_int_equal(l.rc, 0);
	assert_non_null(strstr(l.errors, ":2:64: warning: dataplane.workers[0]: CPU 0 is main-cpu too"));
	unload(&l);
}

static void no_zones_are_a_warning(void **state)
{
	struct loaded l;

	load(&l, BASE);
	assert_int_equal(l.rc, 0);
	assert_non_null(strstr(l.errors, "warning: zones: none are configured"));
	unload(&l);
}

static void a_missing_file_says_so(void **state)
{
	struct config *c = NULL;
	char errors[256];

	assert_int_equal(config_load("/nonexistent/lockstepd.conf", &c, errors, sizeof(errors)), -ENOENT);
	assert_string_equal(errors, "/nonexistent/lockstepd.conf: cannot open the configuration: "
				    "No such file or directory\n");
	assert_int_equal(config_load("/tmp", &c, errors, sizeof(errors)), -EISDIR);
	assert_null(c);
}

static void errors_are_cut_at_a_line_and_counted(void **state)
{
	char text[8192] = BASE PRIMARY "zones:\n", errors[300];
	struct loaded l;
	struct config *c = NULL;
	FILE *f;

	for (unsigned i = 0; i < 50; i++)
		strcat(text, "- {name: a, primaries: [zebra]}\n");
	load(&l, text);
	assert_int_equal(l.rc, -EINVAL);
	assert_non_null(strstr(l.errors, "and 68 more\n")); /* 50 primaries, 49 twice, a CPU; 32 are shown */
	f = fopen(l.file, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(config_load(l.file, &c, errors, sizeof(errors)), -EINVAL);
	unlink(l.file);
	assert_true(strlen(errors) > 100);
	assert_int_equal(errors[strlen(errors) - 1], '\n');
	assert_int_equal(config_load(l.file, &c, errors, 0), -ENOENT);
}

static void a_hundred_thousand_zones_load(void **state)
{
	const unsigned cnt = 100000;
	size_t cap = 128u * cnt, len;
	char *text = malloc(cap);
	struct loaded l;

	assert_non_null(text);
	len = (size_t)snprintf(text, cap, BASE PRIMARY "zones:\n");
	for (unsigned i = 0; i < cnt; i++)
		len += (size_t)snprintf(text + len, cap - len,
					"  - {name: zone-%u.example, primaries: [one], refresh-min: 10s}\n",
					i);
	load_octets(&l, text, len);
	if (l.rc != 0)
		fail_msg("%s", l.errors);
	assert_int_equal(l.config->zone_cnt, cnt);
	assert_string_equal(l.config->zones[cnt - 1].name_text, "zone-99999.example.");
	assert_ptr_equal(l.config->zones[cnt - 1].primaries[0], l.config->primaries);
	unload(&l);
	free(text);
}

#define ONWARD                                                                              \
	"keys: [{name: k., secret: AAAA}]\n"                                                \
	"secondaries:\n"                                                                    \
	"  - {name: net, address: 192.0.2.0/25, key: K, tls: true}\n"                       \
	"  - {name: host, address: \"2001:db8::9\", port: 5353, source: \"2001:db8::1\"}\n" \
	"  - {name: all, address: 0.0.0.0/0}\n"

static void secondaries_arrive_where_they_belong(void **state)
{
	const struct config_zone *z;
	struct loaded l;

	load(&l,
	     BASE PRIMARY ONWARD "transfers-out: {limit: 3, time: 1h, idle: 5s, deltas: 7, delta-bytes: 1M}\n"
				 "defaults: {allow-transfer: [net, host], notify: [host]}\n"
				 "zones:\n- {name: a, primaries: [one]}\n"
				 "- {name: b, primaries: [one], allow-transfer: [none], notify: [none]}\n"
				 "- {name: c, primaries: [one], allow-transfer: [all]}\n");
	if (l.rc != 0)
		fail_msg("%s", l.errors);
	z = l.config->zones;
	assert_int_equal(z[0].allow_transfer.cnt, 2);
	assert_string_equal(z[0].allow_transfer.list[0]->name, "net");
	assert_int_equal(z[0].allow_transfer.list[0]->prefix, 25);
	assert_true(z[0].allow_transfer.list[0]->tls);
	assert_ptr_equal(z[0].allow_transfer.list[0]->key, l.config->keys[0]);
	assert_int_equal(z[0].notify.cnt, 1);
	assert_int_equal(ntohs(z[0].notify.list[0]->address.in6.sin6_port), 5353);
	assert_int_equal(z[0].notify.list[0]->source.sa.sa_family, AF_INET6);
	assert_int_equal(z[1].allow_transfer.cnt, 0);
	assert_int_equal(z[1].notify.cnt, 0);
	assert_int_equal(z[2].allow_transfer.list[0]->prefix, 0);
	assert_int_equal(z[2].notify.cnt, 1);
	assert_int_equal(l.config->transfers_out.running_max, 3);
	assert_int_equal(l.config->transfers_out.time_max_s, 3600);
	assert_int_equal(l.config->transfers_out.idle_max_s, 5);
	assert_int_equal(l.config->transfers_out.deltas_max, 7);
	assert_int_equal(l.config->transfers_out.delta_bytes, 1 << 20);
	unload(&l);
	load(&l, BASE PRIMARY "zones:\n- {name: a, primaries: [one]}\n");
	assert_int_equal(l.rc, 0);
	assert_int_equal(l.config->zones[0].allow_transfer.cnt, 0);
	assert_int_equal(l.config->zones[0].notify.cnt, 0);
	unload(&l);
}

static void what_transfers_in_may_take_is_configured(void **state)
{
	const struct config_zone *z;
	struct loaded l;

	load_good(&l, BASE PRIMARY
		  "transfers-in: {limit: 3, per-primary: 2, queries: 7, queries-per-primary: 5}\n"
		  "defaults: {transfer-rate-min: 0, transfer-deltas: 9}\n"
		  "zones:\n- {name: a, primaries: [one]}\n"
		  "- {name: b, primaries: [one], transfer-rate-min: 1000, transfer-messages: 11}\n");
	assert_int_equal(l.config->transfers_in.running_max, 3);
	assert_int_equal(l.config->transfers_in.per_primary_max, 2);
	assert_int_equal(l.config->transfers_in.queries_max, 7);
	assert_int_equal(l.config->transfers_in.queries_per_primary_max, 5);
	z = l.config->zones;
	assert_int_equal(z[0].transfer_rate_min, 0);
	assert_int_equal(z[0].transfer_deltas_max, 9);
	assert_int_equal(z[0].transfer_messages_max, 0);
	assert_int_equal(z[1].transfer_rate_min, 1000);
	assert_int_equal(z[1].transfer_deltas_max, 9);
	assert_int_equal(z[1].transfer_messages_max, 11);
	unload(&l);
	refused(BASE PRIMARY "transfers-in: {per-primary: 0}\n", NULL,
		"transfers-in.per-primary: |1 to 10000");
	refused(BASE PRIMARY "transfers-in: {time: 1h}\n", NULL, "time");
}

static void what_is_wrong_with_secondaries_is_told(void **state)
{
	refused(BASE PRIMARY "secondaries: [{name: a, address: 192.0.2.0/33}]\n", NULL,
		"secondaries[0].address: |the prefix length must be 0 to 32");
	refused(BASE PRIMARY "secondaries: [{name: a, address: 192.0.2/24}]\n", NULL,
		"secondaries[0].address: |is not an IPv4 or IPv6 network");
	refused(BASE PRIMARY "secondaries: [{name: a}]\n", NULL, "secondaries[0].address: |is missing");
	refused(BASE PRIMARY "secondaries: [{name: none, address: 192.0.2.1}]\n", NULL,
		"secondaries[0].name: |means nobody");
	refused(BASE PRIMARY "secondaries: [{name: a, address: 192.0.2.1, keys: k}]\n", NULL, "keys|key");
	refused(BASE PRIMARY "secondaries: [{name: a, address: 192.0.2.1, hostname: a.test}]\n", NULL,
		"secondaries[0].hostname: |needs server.tls.client-ca");
	refused(BASE PRIMARY "secondaries: [{name: a, address: 192.0.2.1, hostname: ''}]\n", NULL,
		"secondaries[0].hostname: |is empty");
	refused(BASE PRIMARY ONWARD "zones: [{name: z, primaries: [one], notify: [net]}]\n", NULL,
		"zones[0].notify[0]: |NOTIFY needs a host");
	refused(BASE PRIMARY ONWARD "zones: [{name: z, primaries: [one], allow-transfer: [nobody]}]\n", NULL,
		"zones[0].allow-transfer[0]: |no secondary is called \"nobody\"");
	refused(BASE PRIMARY ONWARD "zones: [{name: z, primaries: [one], allow-transfer: [net, net]}]\n",
		NULL, "zones[0].allow-transfer[1]: |listed twice");
	refused(BASE PRIMARY "transfers-out: {limit: 0}\n", NULL, "transfers-out.limit: |1 to 10000");
}

/* Whether the man page has an entry for each key of the mapping and of what it holds. */
static void in_man_page(const char *page, const struct cyaml_schema_value *mapping)
{
	for (const struct cyaml_schema_field *f = mapping->mapping.fields; f->key != NULL; f++) {
		const struct cyaml_schema_value *v = &f->value;
		char item[3][64];

		if (v->type == CYAML_SEQUENCE && v->sequence.entry->type == CYAML_MAPPING)
			in_man_page(page, v->sequence.entry);
		if (v->type == CYAML_MAPPING)
			in_man_page(page, v);
		snprintf(item[0], sizeof(item[0]), ".It Ic %s", f->key);
		snprintf(item[1], sizeof(item[1]), ".Ss %s\n", f->key);
		snprintf(item[2], sizeof(item[2]), ".It Ic rx-ring , %s", f->key);
		if (strstr(page, item[0]) == NULL && strstr(page, item[1]) == NULL &&
		    strstr(page, item[2]) == NULL)
			fail_msg("%s is not in the man page", f->key);
	}
}

static void every_key_is_in_the_man_page(void **state)
{
	char page[65536];
	FILE *f = fopen(CONTROL_FOLDER "/man/lockstepd.conf.5", "r");

	assert_non_null(f);
	page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
	fclose(f);
	in_man_page(page, &config_schema);
}

static void the_examples_are_valid(void **state)
{
	static const char *const files[] = {CONTROL_FOLDER "/lockstepd.conf.example",
					    CONTROL_FOLDER "/root.conf.example"};

	for (unsigned i = 0; i < 2; i++) {
		char errors[4096];
		struct config *c = NULL;

		if (config_load(files[i], &c, errors, sizeof(errors)) < 0)
			fail_msg("%s", errors);
		assert_true(c->zone_cnt >= 2);
		config_free(c);
	}
}

/* A configuration with every key, to be broken. */
static const char whole[] =
	"server:\n  listen: [192.0.2.1, \"2001:db8::1\"]\n  identity: ns1\n  version: \"L\"\n  udp-payload: "
	"1232\n  udp-payload-ipv4: 1400\n  udp-payload-ipv6: 1220\n"
	"tcp: {enabled: true, threads: 1, clients: 1000, idle-timeout: 10s}\n"
	"dataplane:\n  main-cpu: 0\n  workers: [0]\n  idle: adaptive\n  idle-sleep: 100us\n  memory: 512M\n"
	"  prefix: lockstep\n  ports:\n    - {driver: pci, device: \"0000:03:00.0\", exception: ls0, args: "
	"\"\"}\n"
	"    - {driver: memif, device: /run/m.sock, id: 0, role: server, rx-ring: 64, tx-ring: 64}\n"
	"zone-memory: 8G\nbuilders: 1\ncontrol: {socket: /run/c.sock}\nlog: {level: info, target: stderr}\n"
	"primaries:\n  - {name: h, address: 192.0.2.53, port: 53, source: 192.0.2.1}\n"
	"defaults: {refresh-min: 2s, transfer-bytes: 1G}\n"
	"zones:\n  - {name: example.com, primaries: [h], retry-min: 1s, transfer-records: 5}\n";

/* Whatever the octets are: an answer, and a line that says what is wrong when there is. */
static void try_octets(const char *text, size_t len)
{
	struct loaded l;

	load_octets(&l, text, len);
	if (l.rc < 0)
		assert_true(strlen(l.errors) > strlen(l.file));
	unload(&l);
}

static void a_file_cut_anywhere_is_refused_or_read(void **state)
{
	struct loaded l;

	load_good(&l, whole);
	unload(&l);
	for (size_t len = 0; len < sizeof(whole); len++)
		try_octets(whole, len);
}

static void an_octet_changed_anywhere_is_refused_or_read(void **state)
{
	static const char octets[] = "\0\n\t :,-[]{}*&!|>'\"#%@`?~\x7f\x80\xc3\xff";
	char text[sizeof(whole)];

	for (size_t at = 0; at < sizeof(whole) - 1; at++) {
		for (size_t i = 0; i < sizeof(octets) - 1; i += 1 + (at % 5)) {
			memcpy(text, whole, sizeof(whole));
			text[at] = octets[i];
			try_octets(text, sizeof(whole) - 1);
		}
	}
}

static void lines_swapped_and_doubled_are_refused_or_read(void **state)
{
	char text[2 * sizeof(whole)];
	unsigned seed = 1;

	for (unsigned turn = 0; turn < 1000; turn++) {
		size_t at = (size_t)rand_r(&seed) % sizeof(whole),
		       from = (size_t)rand_r(&seed) % sizeof(whole);
		size_t len = (size_t)rand_r(&seed) % (sizeof(whole) - from);

		memcpy(text, whole, at);
		memcpy(text + at, whole + from, len);
		memcpy(text + at + len, whole + at, sizeof(whole) - 1 - (at < sizeof(whole) ? at : 0));
		try_octets(text, len + sizeof(whole) - 1);
	}
}

static void deep_nesting_ends_early(void **state)
{
	static char text[40000];

	memset(text, '[', sizeof(text));
	try_octets(text, 5000);
	memcpy(text, "x: ", 3);
	try_octets(text, 5000);
	for (size_t i = 0; i + 4 < sizeof(text); i += 4)
		memcpy(text + i, "{a: ", 4);
	try_octets(text, 5000);
}

/* --- generations --- */

#define TWO   "primaries: [{name: one, address: 192.0.2.53}, {name: two, address: 192.0.2.54}]\n"
#define OTHER "primaries: [{name: four, address: 192.0.2.55}, {name: two, address: 192.0.2.99}]\n"

static unsigned id_of(const struct config *c, const char *name)
{
	for (unsigned i = 0; i < c->primary_cnt; i++)
		if (strcmp(c->primaries[i].name, name) == 0)
			return c->primaries[i].id;
	fail_msg("no primary \"%s\"", name);
	return 0;
}

static void primaries_keep_their_number_by_name(void **state)
{
	struct loaded first, next, last;

	load_good(&first, BASE TWO);
	load_good(&next, BASE OTHER);
	assert_int_equal(config_number(first.config, next.config), 0);
	assert_int_equal(id_of(next.config, "two"), id_of(first.config, "two"));
	/* That of "one" is free when "one" is gone, not while it goes. */
	assert_int_equal(id_of(next.config, "four"), 2);
	assert_int_equal(next.config->id_cnt, 3);
	load_good(&last,
		  BASE "primaries: [{name: five, address: 192.0.2.53}, {name: four, address: 192.0.2.55}]\n");
	assert_int_equal(config_number(next.config, last.config), 0);
	assert_int_equal(id_of(last.config, "four"), 2);
	assert_int_equal(id_of(last.config, "five"), id_of(first.config, "one"));
	assert_int_equal(last.config->id_cnt, 3);
	unload(&first);
	unload(&next);
	unload(&last);
}

static void a_primary_is_the_same_by_address_source_key_and_tls(void **state)
{
	static const char *const others[] = {
		"{name: p, address: 192.0.2.54}",
		"{name: p, address: 192.0.2.53, port: 5353}",
		"{name: p, address: 192.0.2.53, source: 192.0.2.1}",
		"{name: p, address: 192.0.2.53, key: K.Example}",
		"{name: p, address: 192.0.2.53, tls: t}",
	};
	struct loaded a, b;
	char text[1024];

#define FIRM "keys: [{name: k.example, secret: " SECRET "}]\ntls: [{name: t, opportunistic: true}]\n"
	load_good(&a, BASE FIRM "primaries: [{name: p, address: 192.0.2.53}]\n");
	load_good(&b, BASE FIRM "primaries: [{name: q, address: 192.0.2.53, ixfr: false, keep: 1s}]\n");
	assert_true(config_same_primary(a.config->primaries, b.config->primaries));
	unload(&b);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(text, sizeof(text), BASE FIRM "primaries: [%s]\n", others[i]);
		load_good(&b, text);
		assert_false(config_same_primary(a.config->primaries, b.config->primaries));
		assert_true(config_same_primary(b.config->primaries, b.config->primaries));
		unload(&b);
	}
	unload(&a);
}

static void what_needs_a_restart_is_named(void **state)
{
	static const struct {
		const char *text;
		const char *sections;
	} cases[] = {
		{BASE PRIMARY ZONE, ""},
		{"# a comment\n" BASE "primaries:\n- name: one\n  address: 192.0.2.99\nzones: []\n", ""},
		{BASE PRIMARY ZONE "tcp: {idle-timeout: 3s}\nbuilders: 2\n", "tcp, builders"},
		{BASE PRIMARY ZONE "transfers-out: {limit: 3}\n", "transfers-out"},
		/* Others between them, and in another order. */
		{"server: {listen: [192.0.2.1]}\nkeys: [{name: k, secret: " SECRET "}]\n"
		 "dataplane: {ports: [{driver: af_xdp, device: eth0}], workers: [0]}\n" PRIMARY ZONE,
		 ""},
		{PRIMARY ZONE "dataplane: {ports: [{driver: af_xdp, device: eth0}], workers: [0]}\n"
			      "server: {listen: [192.0.2.1]}\n",
		 ""},
		{BASE PRIMARY ZONE "keys: [{name: k, secret: " SECRET "}]\n"
				   "defaults: {refresh-min: 10s}\n",
		 ""},
	};
	char buf[CONFIG_SECTIONS_TEXT_CAP];
	struct loaded first, next;

	load_good(&first, BASE PRIMARY ZONE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		load(&next, cases[i].text);
		assert_int_equal(next.rc, 0);
		assert_string_equal(config_needs_restart(first.config, next.config, buf), cases[i].sections);
		unload(&next);
	}
	unload(&first);
}

/* The sanitizers tell whether each is freed once. */
static void a_generation_lives_until_nobody_holds_it(void **state)
{
	struct loaded first, next, last;
	const struct config *held;

	rcu_register_thread();
	load_good(&first, BASE TWO ZONE);
	load_good(&next, BASE OTHER);
	load_good(&last, BASE PRIMARY ZONE);
	assert_ptr_equal(config_now(first.config), first.config);
	held = config_hold(config_now(first.config));
	config_put_in_force(first.config, next.config);
	assert_ptr_equal(config_now(first.config), next.config);
	rcu_thread_offline();
	rcu_barrier();
	rcu_thread_online();
	assert_string_equal(held->primaries[0].name, "one");
	config_release(held);
	assert_int_equal(first.config->primary_cnt, 0); /* but what is of the process stays */
	assert_int_equal(first.config->listen_cnt, 1);
	config_put_in_force(first.config, last.config);
	assert_ptr_equal(config_now(first.config), last.config);
	rcu_thread_offline();
	rcu_barrier();
	rcu_thread_online();
	next.config = last.config = NULL;
	unload(&first);
	unload(&next);
	unload(&last);
	rcu_unregister_thread();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smallest_configuration_gets_the_documented_defaults),
		cmocka_unit_test(primaries_keep_their_number_by_name),
		cmocka_unit_test(a_primary_is_the_same_by_address_source_key_and_tls),
		cmocka_unit_test(what_needs_a_restart_is_named),
		cmocka_unit_test(a_generation_lives_until_nobody_holds_it),
		cmocka_unit_test(zone_caps_have_defaults),
		cmocka_unit_test(a_zone_overrides_defaults_and_defaults_override_ours),
		cmocka_unit_test(every_key_arrives_where_it_belongs),
		cmocka_unit_test(ipv4_and_ipv6_may_have_a_payload_each),
		cmocka_unit_test(edns_options_arrive_where_they_belong),
		cmocka_unit_test(a_cookie_secret_is_random_unless_it_is_given),
		cmocka_unit_test(cookie_secrets_come_from_a_file_that_is_safe),
		cmocka_unit_test(rate_limits_have_defaults_and_bounds),
		cmocka_unit_test(peers_are_the_primaries_and_the_secondaries),
		cmocka_unit_test(access_lists_come_from_the_zone_or_the_defaults),
		cmocka_unit_test(primaries_have_addresses_ports_and_sources),
		cmocka_unit_test(a_primary_is_asked_for_differences_unless_it_says_no),
		cmocka_unit_test(a_primary_is_asked_over_udp_if_it_says_so),
		cmocka_unit_test(a_primary_has_the_key_that_it_names_in_any_case),
		cmocka_unit_test(what_is_wrong_with_a_key_is_told_without_its_secret),
		cmocka_unit_test(a_secret_in_a_file_that_others_may_read_is_refused),
		cmocka_unit_test(key_files_are_read_again_all_or_none),
		cmocka_unit_test(without_a_key_file_there_is_nothing_to_read_again),
		cmocka_unit_test(the_root_and_escaped_names_are_zones_like_any_other),
		cmocka_unit_test(unknown_keys_are_errors_at_their_place_with_a_suggestion),
		cmocka_unit_test(all_errors_are_told_at_once_in_the_order_of_the_file),
		cmocka_unit_test(shape_errors_name_line_and_column),
		cmocka_unit_test(what_is_required_is_asked_for),
		cmocka_unit_test(addresses_must_be_those_of_a_host),
		cmocka_unit_test(an_unknown_primary_is_answered_with_the_nearest),
		cmocka_unit_test(a_zone_is_configured_once_whatever_its_spelling),
		cmocka_unit_test(a_lower_bound_above_the_upper_one_is_refused),
		cmocka_unit_test(quantities_need_a_unit_we_know_and_a_sane_size),
		cmocka_unit_test(paths_and_names_must_fit_where_they_go),
		cmocka_unit_test(cpus_are_those_of_the_machine),
		cmocka_unit_test(a_worker_on_the_main_cpu_is_a_warning),
		cmocka_unit_test(no_zones_are_a_warning),
		cmocka_unit_test(a_missing_file_says_so),
		cmocka_unit_test(errors_are_cut_at_a_line_and_counted),
		cmocka_unit_test(a_hundred_thousand_zones_load),
		cmocka_unit_test(secondaries_arrive_where_they_belong),
		cmocka_unit_test(what_transfers_in_may_take_is_configured),
		cmocka_unit_test(what_is_wrong_with_secondaries_is_told),
		cmocka_unit_test(every_key_is_in_the_man_page),
		cmocka_unit_test(the_examples_are_valid),
		cmocka_unit_test(a_file_cut_anywhere_is_refused_or_read),
		cmocka_unit_test(an_octet_changed_anywhere_is_refused_or_read),
		cmocka_unit_test(lines_swapped_and_doubled_are_refused_or_read),
		cmocka_unit_test(deep_nesting_ends_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
