/*
 * Reading a configuration: the text is checked for shape (config_yaml), loaded into text fields (libcyaml by
 * config_schema), and read into struct config part by part. Errors are collected, then placed, sorted and printed.
 */
#include "control/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/config_read.h"
#include "control/config_value.h"
#include "control/config_yaml.h"

/* 100,000 zones are 10 MB. */
#define FILE_MAX (size_t)(256 << 20)

#define CONTROL_SOCKET_DEFAULT "/run/lockstep/control.sock"
#define ZONE_MEMORY_DEFAULT    (UINT64_C(8) << 30)

static const char *const log_levels[] = {"error", "warning", "notice", "info", "debug"};
static const char *const log_targets[] = {"stderr", "journal"};

/* Doubles a buffer. Returns 0, -ENOMEM or -EFBIG. */
static int grow(char **text, size_t *cap)
{
	size_t next = *cap == 0 ? 65536 : *cap * 2;
	char *p;

	if (next > FILE_MAX)
		return -EFBIG;
	p = realloc(*text, next);
	if (p == NULL)
		return -ENOMEM;
	*text = p;
	*cap = next;
	return 0;
}

static int read_all(int fd, char **out, size_t *out_len)
{
	size_t cap = 0, len = 0;
	char *text = NULL;
	int rc = 0;

	for (;;) {
		ssize_t n;

		if (len == cap && (rc = grow(&text, &cap)) < 0)
			break;
		n = read(fd, text + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (rc < 0) {
		free(text);
		return rc;
	}
	*out = text;
	*out_len = len;
	return 0;
}

static int read_file(const char *file, char **out, size_t *out_len, bool *out_shared, struct config_errors *e)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	int rc;

	if (fd < 0) {
		rc = -errno;
		config_errors_add(e, "", "cannot open the configuration: %s", strerror(-rc));
		return rc;
	}
	rc = read_all(fd, out, out_len);
	*out_shared = fstat(fd, &st) < 0 || (st.st_mode & S_IRWXO) != 0;
	if (rc < 0)
		config_errors_add(e, "", "cannot read the configuration: %s", strerror(-rc));
	close(fd);
	return rc;
}

/* What libcyaml objects to after our own check has passed; its backtrace is not needed, the first line is. */
static void cyaml_logged(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	struct config_errors *e = ctx;
	char text[256];

	if (level < CYAML_LOG_ERROR || e->error_cnt > 0)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	config_errors_add(e, "", "%s", text);
}

/*
 * libcyaml grows a list by one item at a time. With room to double in, 100,000 zones are a few copies and not 100,000.
 */
struct block {
	size_t cap;
	_Alignas(max_align_t) char octets[];
};

static void *cyaml_memory(void *ctx, void *p, size_t size)
{
	struct block *b = p != NULL ? (struct block *)((char *)p - offsetof(struct block, octets)) : NULL;
	size_t cap = 16;

	if (size == 0) {
		free(b);
		return NULL;
	}
	if (b != NULL && size <= b->cap)
		return p;
	while (cap < size) {
		if (__builtin_mul_overflow(cap, (size_t)2, &cap))
			return NULL;
	}
	b = realloc(b, offsetof(struct block, octets) + cap);
	if (b == NULL)
		return NULL;
	b->cap = cap;
	return b->octets;
}

static cyaml_config_t cyaml_setup(struct config_errors *e)
{
	return (cyaml_config_t){
		.log_fn = cyaml_logged,
		.log_ctx = e,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_memory,
		.flags = CYAML_CFG_NO_ALIAS,
	};
}

static int read_control(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)] = CONTROL_SOCKET_DEFAULT;
	struct config_value v = {e, "control.socket", raw->control != NULL ? raw->control->socket : NULL};

	if (v.text != NULL)
		config_read_socket_path(&v, path, sizeof(path));
	c->control_socket = strdup(path);
	return c->control_socket != NULL ? 0 : -ENOMEM;
}

static int read_rest(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	static const struct raw_log no_log;
	static const struct raw_tcp no_tcp;
	const struct raw_log *log = raw->log != NULL ? raw->log : &no_log;
	const struct raw_tcp *tcp = raw->tcp != NULL ? raw->tcp : &no_tcp;

#define V(p, t) (&(struct config_value){e, p, t})
	c->tcp = config_value_bool(V("tcp.enabled", tcp->enabled), true);
	c->tcp_threads = (unsigned)config_value_uint(V("tcp.threads", tcp->threads), 1, 64, 1);
	c->tcp_clients_max = (unsigned)config_value_uint(V("tcp.clients", tcp->clients), 1, 1000000, 1000);
	c->tcp_clients_per_address_max = (unsigned)config_value_uint(
		V("tcp.clients-per-address", tcp->clients_per_address), 0, 1000000, 0);
	c->tcp_idle_ms = (uint32_t)(config_value_duration(V("tcp.idle-timeout", tcp->idle_timeout), 100000,
							  3600 * CONFIG_US_PER_S, 10 * CONFIG_US_PER_S) /
				    1000);
	c->builder_threads = (unsigned)config_value_uint(V("builders", raw->builders), 1, 64, 1);
	c->zone_memory_max = config_value_size(V("zone-memory", raw->zone_memory), UINT64_C(16) << 20,
					       UINT64_C(64) << 40, ZONE_MEMORY_DEFAULT);
	c->log_level = config_value_enum(V("log.level", log->level), log_levels, 5, LOG_INFO);
	c->log_target = config_value_enum(V("log.target", log->target), log_targets, 2, LOG_TO_STDERR);
#undef V
	return read_control(raw, c, e);
}

static int read_config(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	int rc = config_read_server(raw, c, e);

	if (rc == 0)
		rc = config_read_dataplane(raw, c, e);
	if (rc == 0)
		rc = read_rest(raw, c, e);
	if (rc == 0)
		rc = config_read_answer(raw, c, e);
	if (rc == 0)
		rc = config_read_keys(raw, c, e);
	if (rc == 0)
		rc = config_read_tls(raw, c, e);
	if (rc == 0)
		rc = config_read_primaries(raw, c, e);
	if (rc == 0)
		rc = config_read_secondaries(raw, c, e);
	if (rc == 0)
		rc = config_read_transfers_in(raw, c, e);
	if (rc == 0)
		rc = config_read_transfers_out(raw, c, e);
	if (rc == 0)
		rc = config_read_zones(raw, c, e);
	if (rc == 0 && e->error_cnt == 0)
		rc = config_make_peers(c);
	if (rc < 0)
		config_errors_add(e, "", "%s", strerror(-rc));
	return rc;
}

static int parse(const char *text, size_t len, struct config *c, struct config_errors *e)
{
	static const struct raw_config nothing;
	cyaml_config_t setup = cyaml_setup(e);
	struct raw_config *raw = NULL;
	cyaml_err_t err;
	int rc;

	config_yaml_check(text, len, e, c->section_hash);
	if (e->error_cnt > 0)
		return -EINVAL;
	err = cyaml_load_data((const uint8_t *)text, len, &setup, &config_schema, (cyaml_data_t **)&raw,
			      NULL);
	if (err != CYAML_OK) {
		if (e->error_cnt == 0)
			config_errors_add(e, "", "%s", cyaml_strerror(err));
		return err == CYAML_ERR_OOM ? -ENOMEM : -EINVAL;
	}
	rc = read_config(raw != NULL ? raw : &nothing, c, e); /* an empty file loads as NULL */
	cyaml_free(&setup, &config_schema, raw, 0);
	if (rc == 0 && e->error_cnt > 0)
		rc = -EINVAL;
	if (e->cnt > 0)
		config_yaml_locate(text, len, e);
	return rc;
}

static struct config *config_new(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->holders = 1;
	return c;
}

int config_load(const char *file, struct config **out, char *errors, size_t cap)
{
	struct config_errors e = {.cnt = 0};
	struct config *c = config_new();
	char *text = NULL;
	size_t len = 0;
	int rc = -ENOMEM;

	if (c != NULL)
		c->file = strdup(file);
	if (c == NULL || c->file == NULL)
		config_errors_add(&e, "", "out of memory");
	else
		rc = read_file(file, &text, &len, &c->shared, &e);
	if (rc == 0)
		rc = parse(text, len, c, &e);
	/* It may hold secrets. */
	if (text != NULL)
		explicit_bzero(text, len);
	free(text);
	config_errors_print(&e, file, errors, cap);
	if (rc < 0)
		config_free(c);
	else
		*out = c;
	return rc;
}

static void free_keys(struct config *c)
{
	tsig_keyring_free(c->keyring);
	c->keyring = NULL;
	for (unsigned i = 0; i < c->key_cnt; i++) {
		tsig_key_release(c->keys[i]);
		free(c->key_files[i]);
	}
	c->key_cnt = 0;
	config_free_list(&c->keys);
	config_free_list(&c->key_files);
}

static void free_zones(struct config *c)
{
	for (unsigned i = 0; i < c->zone_cnt; i++) {
		free(c->zones[i].name_text);
		free(c->zones[i].primaries);
	}
	config_secondaries_free(c);
	c->zone_cnt = 0;
	config_free_list(&c->zones);
	for (unsigned i = 0; i < c->acl_cnt; i++)
		acl_free(c->acls[i]);
	c->acl_cnt = 0;
	config_free_list(&c->acls);
	for (unsigned i = 0; i < c->verifier_cnt; i++)
		config_free_words(c->verifiers[i]);
	c->verifier_cnt = 0;
	config_free_list(&c->verifiers);
}

void config_free_reloaded(struct config *c)
{
	free_zones(c);
	for (unsigned i = 0; i < c->primary_cnt; i++)
		free(c->primaries[i].name);
	c->primary_cnt = 0;
	config_free_list(&c->primaries);
	for (unsigned i = 0; i < c->tls_cnt; i++) {
		free(c->tls[i].name);
		tls_client_free(c->tls[i].client);
	}
	c->tls_cnt = 0;
	config_free_list(&c->tls);
	free_keys(c);
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	config_free((struct config *)c->current.p);
	config_free_reloaded(c);
	free((char *)c->tls_spec.certificate);
	free((char *)c->tls_spec.key);
	free((char *)c->tls_spec.client_ca);
	free(c->control_socket);
	free(c->cookie_file);
	free(c->listen);
	free((void *)c->net.ports);
	free((void *)c->net.worker_cpus);
	free((void *)c->net.prefix);
	free(c->file);
	free(c);
}

const char *config_address_text(const union config_sockaddr *a, char buf[CONFIG_ADDRESS_TEXT_CAP])
{
	char host[INET6_ADDRSTRLEN];
	bool v6 = a->sa.sa_family == AF_INET6;
	const void *addr = v6 ? (const void *)&a->in6.sin6_addr : &a->in4.sin_addr;

	if ((!v6 && a->sa.sa_family != AF_INET) ||
	    inet_ntop(a->sa.sa_family, addr, host, sizeof(host)) == NULL)
		snprintf(buf, CONFIG_ADDRESS_TEXT_CAP, "unspecified");
	else
		snprintf(buf, CONFIG_ADDRESS_TEXT_CAP, "%s@%u", host,
			 ntohs(v6 ? a->in6.sin6_port : a->in4.sin_port));
	return buf;
}
