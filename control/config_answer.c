/*
 * What the answer engine is told: the EDNS options of `server`, and the section `rate-limit`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "control/config_read.h"
#include "control/config_value.h"
#include "control/cookie_file.h"
#include "control/hex.h"

#define V(p, t) (&(struct config_value){e, p, t})

/* Enough for a hundred resolvers behind one address, far below what makes a flood worth while. */
#define RATE_DEFAULT   200
#define WINDOW_DEFAULT CONFIG_US_PER_S
#define TABLE_DEFAULT  (1 << 17)

static void read_nsid(const struct config_value *v, struct edns_config *edns)
{
	char text[EDNS_NSID_MAX + 1];
	int len;

	if (v->text == NULL)
		return;
	if (strncmp(v->text, "0x", 2) == 0) {
		len = hex_read(v->text + 2, strlen(v->text + 2), edns->nsid, EDNS_NSID_MAX);
		if (len > 0)
			edns->nsid_len = (uint8_t)len;
		else
			config_errors_add(
				v->errors, v->path,
				"\"%.300s\" must be 0x and pairs of hexadecimal digits for 1 to %d octets",
				v->text, EDNS_NSID_MAX);
		return;
	}
	if (!config_value_text(v, text, sizeof(text), NULL))
		return;
	edns->nsid_len = (uint8_t)strlen(text);
	memcpy(edns->nsid, text, edns->nsid_len);
}

static void read_agent(const struct config_value *v, struct edns_config *edns)
{
	uint8_t name[NAME_LEN_MAX];
	int len;

	if (v->text == NULL)
		return;
	len = name_from_text(v->text, name);
	if (len < 0 || name[0] == 0) {
		config_errors_add(v->errors, v->path,
				  "\"%.128s\" is not a domain name below the root, which is where reports go",
				  v->text);
		return;
	}
	name_lower(edns->agent, name, (size_t)len);
	edns->agent_len = (uint8_t)len;
}

/* Without a file the secret is random: good for one server, until it is started anew. */
static int read_cookies(const struct raw_server *server, struct config *c, struct config_errors *e)
{
	static const char *const words[] = {"off", "on", "required"};
	struct cookie_config *cookie = &c->answer.edns.cookie;
	unsigned word = config_value_enum(V("server.cookies", server->cookies), words, 3, 1);
	char error[COOKIE_FILE_ERROR_CAP];
	int rc;

	if (word == 0) {
		if (server->cookie_secrets != NULL)
			config_errors_add(e, "server.cookie-secrets", "makes no sense with cookies: off");
		return 0;
	}
	cookie->demand = word == 2;
	if (server->cookie_secrets == NULL) {
		cookie->secret_cnt = 1;
		return getrandom(cookie->secret[0], COOKIE_SECRET_LEN, 0) == COOKIE_SECRET_LEN ? 0 : -EIO;
	}
	c->cookie_file = strdup(server->cookie_secrets);
	if (c->cookie_file == NULL)
		return -ENOMEM;
	rc = cookie_file_load(c->cookie_file, cookie, error);
	if (rc < 0)
		config_errors_add(e, "server.cookie-secrets", "%s", error);
	return rc == -ENOMEM ? rc : 0;
}

static uint8_t bits_max(unsigned family)
{
	return family == RRL_IPV4 ? 32 : 128;
}

/* "24" or "24*32": prefix length and how many times the rate it may have. */
static void read_level(const struct config_value *v, unsigned family, uint32_t rate, struct rrl_level *out)
{
	unsigned long prefix, factor = 1;
	char *end;

	prefix = strtoul(v->text, &end, 10);
	if (end != v->text && *end == '*' && end[1] >= '1' && end[1] <= '9')
		factor = strtoul(end + 1, &end, 10);
	if (*v->text < '1' || *v->text > '9' || *end != '\0' || prefix > bits_max(family)) {
		config_errors_add(v->errors, v->path,
				  "\"%.64s\" must be a prefix length of 1 to %u, or such a length, * and a "
				  "factor of the rate, e.g. %s",
				  v->text, bits_max(family), family == RRL_IPV4 ? "24*32" : "48*4");
		return;
	}
	if (factor > RRL_RATE_MAX / rate) {
		config_errors_add(v->errors, v->path, "\"%.64s\" makes a limit beyond %d per second", v->text,
				  RRL_RATE_MAX);
		return;
	}
	*out = (struct rrl_level){.prefix = (uint8_t)prefix, .factor = (uint32_t)factor};
}

static void read_levels(const struct raw_list *raw, const char *key, unsigned family, struct rrl_config *rrl,
			struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];

	if (raw->cnt > RRL_LEVELS_MAX) {
		snprintf(path, sizeof(path), "rate-limit.%s", key);
		config_errors_add(e, path, "has %u prefix lengths, at most %d are possible", raw->cnt,
				  RRL_LEVELS_MAX);
		return;
	}
	for (unsigned i = 0; i < raw->cnt; i++) {
		snprintf(path, sizeof(path), "rate-limit.%s[%u]", key, i);
		read_level(V(path, raw->item[i]), family, rrl->rate, &rrl->level[family][i]);
	}
	if (raw->cnt > 0)
		rrl->level_cnt[family] = (uint8_t)raw->cnt;
}

static void read_allow(const struct raw_list *raw, struct rrl_config *rrl, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];

	if (raw->cnt > RRL_ALLOW_MAX) {
		config_errors_add(e, "rate-limit.allow", "has %u networks, at most %d are possible", raw->cnt,
				  RRL_ALLOW_MAX);
		return;
	}
	for (unsigned i = 0; i < raw->cnt; i++) {
		snprintf(path, sizeof(path), "rate-limit.allow[%u]", i);
		if (config_value_net(V(path, raw->item[i]), &rrl->allow[rrl->allow_cnt]))
			rrl->allow_cnt++;
	}
}

static void read_rate_limit(const struct raw_rate_limit *raw, struct rrl_config *rrl, struct config_errors *e)
{
	uint64_t table;

	rrl->rate =
		(uint32_t)config_value_uint(V("rate-limit.rate", raw->rate), 1, RRL_RATE_MAX, RATE_DEFAULT);
	rrl->window_ms =
		(uint32_t)(config_value_duration(V("rate-limit.window", raw->window), 1000,
						 RRL_WINDOW_MS_MAX * UINT64_C(1000), WINDOW_DEFAULT) /
			   1000);
	table = config_value_uint(V("rate-limit.table", raw->table), RRL_TABLE_MIN, RRL_TABLE_MAX,
				  TABLE_DEFAULT);
	if ((table & (table - 1)) != 0)
		config_errors_add(e, "rate-limit.table", "\"%s\" is not a power of two", raw->table);
	rrl->table = (uint32_t)table;
	rrl->slip = (uint8_t)config_value_uint(V("rate-limit.slip", raw->slip), 0, 255, 2);
	rrl->dry_run = config_value_bool(V("rate-limit.dry-run", raw->dry_run), false);
	rrl->level_cnt[RRL_IPV4] = rrl->level_cnt[RRL_IPV6] = 1;
	rrl->level[RRL_IPV4][0] = (struct rrl_level){.prefix = 24, .factor = 1};
	rrl->level[RRL_IPV6][0] = (struct rrl_level){.prefix = 56, .factor = 1};
	read_levels(&raw->ipv4, "ipv4", RRL_IPV4, rrl, e);
	read_levels(&raw->ipv6, "ipv6", RRL_IPV6, rrl, e);
	read_allow(&raw->allow, rrl, e);
	if ((uint64_t)rrl->rate * rrl->window_ms < 1000)
		config_errors_add(e, "rate-limit.window", "is so short that not one response fits into it");
}

int config_read_answer(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	static const struct raw_server none;
	const struct raw_server *server = raw->server != NULL ? raw->server : &none;

	c->answer.edns.keepalive_100ms = (uint16_t)(c->tcp_idle_ms / 100);
	read_nsid(V("server.nsid", server->nsid), &c->answer.edns);
	read_agent(V("server.report-channel", server->report_channel), &c->answer.edns);
	/* Unlimited unless the section is there: no limit suits everybody, and a wrong one is an outage. */
	if (raw->rate_limit != NULL)
		read_rate_limit(raw->rate_limit, &c->answer.rrl, e);
	return read_cookies(server, c, e);
}
