/*
 * The zones with their real parts (loop, sockets, builder threads, zone table) against a primary that runs in the
 * same loop on 127.0.0.1 and does what the test wants.
 */
#include "control/zones.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <errno.h>
#include <urcu-qsbr.h>

#include "control/gate.h"
#include "tests/unit/control/message.h"

#define KEY	    UINT64_C(0x5EED)
#define PATIENCE_MS 20000
#define DRIP_MS	    100

/* --- the primary --- */

struct primary {
	uv_loop_t *loop;
	uv_tcp_t listener;
	uv_udp_t udp;
	uint16_t port;
	uint32_t serial;     /* of transfers */
	uint32_t soa_serial; /* of SOA answers; follows serial unless set apart */
	bool soa_apart;
	uint32_t expire;
	unsigned hosts;
	uint8_t digest;	   /* the zone has a ZONEMD with this octet; 0: it has none */
	bool hides_digest; /* a question for it is not answered */
	unsigned digest_queries;
	size_t cut;	     /* octets of a transfer that are sent; SIZE_MAX: all */
	size_t segment;	     /* octets per write; 0: one write */
	bool deaf;	     /* to SOA queries */
	bool silent;	     /* accepts transfers and says nothing */
	bool drips;	     /* sends a transfer octet by octet, DRIP_MS apart */
	bool truncate;	     /* SOA answers over UDP have TC */
	bool no_edns;	     /* FORMERR to a query with OPT */
	bool forged_first;   /* a wrong id before the right answer */
	bool unequal_ttl;    /* a set in the whole zone has two */
	int64_t change_from; /* IXFR is answered with a difference from this version; -1: with the whole zone */
	uint16_t ixfr_rcode;	  /* to IXFR */
	bool lone_soa;		  /* IXFR is answered with the newest SOA, and nothing more comes */
	bool bad_change;	  /* it deletes what is not there */
	uint32_t old_expire;	  /* of the version that a difference is from; 0: expire */
	size_t cut_ixfr;	  /* as cut, of an IXFR; 0 with change_from -1 */
	int64_t tells_expire;	  /* EXPIRE in OPT of all answers; 0: no OPT */
	bool no_opt_in_transfers; /* FORMERR to transfer requests with OPT */
	unsigned udp_queries, tcp_queries, transfers, ixfrs;
	unsigned datagrams; /* IXFR requests over UDP: a difference if change_from says so, or silence */
	size_t stream_len;  /* of the last transfer, before the cut */
};

struct connection {
	uv_tcp_t tcp;
	uv_timer_t timer;
	unsigned handles; /* not closed yet */
	struct primary *p;
	uv_write_t write;
	size_t fill;
	uint8_t in[2048];
	uint8_t *out;
	size_t out_len, out_cap, out_at;
};

static void put_zone_soa(struct message *m, uint32_t serial, uint32_t expire)
{
	message_soa(m, "example.", serial);
	/* message_soa writes 1 day; MINIMUM follows. */
	wire_store32(m->w.cur - 8, expire);
}

static void put_expire(struct message *m, const struct primary *p)
{
	uint8_t *at;

	if (p->tells_expire == 0)
		return;
	at = message_record(m, 10, ".", DNS_TYPE_OPT, 1232, 0);
	wire_put16(&m->w, DNS_EDNS_EXPIRE);
	wire_put16(&m->w, 4);
	wire_put32(&m->w, (uint32_t)p->tells_expire);
	message_record_end(m, at);
}

static void put_digest(struct message *m, const struct primary *p)
{
	uint8_t rdata[4 + 2 + 48] = {0, 0, 0, 0, 1, 1, p->digest};

	wire_store32(rdata, p->serial);
	if (p->digest != 0)
		message_rdata(m, "example.", DNS_TYPE_ZONEMD, rdata, sizeof(rdata));
}

static size_t answer_soa(struct primary *p, const uint8_t *query, size_t len, bool tcp, struct message *m)
{
	uint16_t flags = DNS_FLAG_QR | DNS_FLAG_AA;

	assert_true(len >= DNS_HEADER_LEN);
	if (wire_load16(query + DNS_HEADER_LEN + 9) == DNS_TYPE_ZONEMD) {
		p->digest_queries++;
		message_begin(m, wire_load16(query),
			      (uint16_t)(flags | (p->hides_digest ? DNS_RCODE_REFUSED : 0)), "example.",
			      DNS_TYPE_ZONEMD, DNS_CLASS_IN);
		if (!p->hides_digest)
			put_digest(m, p);
		return message_len(m);
	}
	if (p->no_edns && query[11] != 0) {
		message_begin(m, wire_load16(query), DNS_FLAG_QR | DNS_RCODE_FORMERR, NULL, 0, 0);
		return message_len(m);
	}
	if (p->truncate && !tcp)
		flags |= DNS_FLAG_TC;
	message_begin(m, wire_load16(query), flags, "example.", DNS_TYPE_SOA, DNS_CLASS_IN);
	if ((flags & DNS_FLAG_TC) == 0)
		put_zone_soa(m, p->soa_apart ? p->soa_serial : p->serial, p->expire);
	put_expire(m, p);
	return message_len(m);
}

static void put_change(const struct primary *p, uint16_t id, struct message *m);

static void answer_datagram(struct primary *p, const uint8_t *query, const struct sockaddr *from)
{
	struct message *m = malloc(sizeof(*m));
	uv_buf_t out;

	p->datagrams++;
	if (p->change_from >= 0 && !p->deaf) {
		put_change(p, wire_load16(query), m);
		out = uv_buf_init((char *)m->octets, (unsigned)message_len(m));
		uv_udp_try_send(&p->udp, &out, 1, from);
	}
	free(m);
}

static void on_udp_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	*buf = uv_buf_init(malloc(2048), 2048);
}

static void on_udp(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from,
		   unsigned flags)
{
	struct primary *p = udp->data;
	struct message *m = malloc(sizeof(*m));
	uv_buf_t out;

	if (len > 0 && from != NULL &&
	    wire_load16((uint8_t *)buf->base + DNS_HEADER_LEN + 9) == DNS_TYPE_IXFR) {
		answer_datagram(p, (uint8_t *)buf->base, from);
	} else if (len > 0 && from != NULL) {
		p->udp_queries++;
		if (!p->deaf) {
			out = uv_buf_init((char *)m->octets, (unsigned)answer_soa(p, (uint8_t *)buf->base,
										  (size_t)len, false, m));
			if (p->forged_first) {
				m->octets[0] ^= 1;
				uv_udp_try_send(udp, &out, 1, from);
				m->octets[0] ^= 1;
			}
			uv_udp_try_send(udp, &out, 1, from);
		}
	}
	free(m);
	free(buf->base);
}

static void on_connection_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;

	if (--c->handles > 0)
		return;
	free(c->out);
	free(c);
}

static void close_connection(struct connection *c)
{
	if (uv_is_closing((uv_handle_t *)&c->tcp))
		return;
	uv_close((uv_handle_t *)&c->tcp, on_connection_closed);
	uv_close((uv_handle_t *)&c->timer, on_connection_closed);
}

static void write_on(struct connection *c);

static void on_drip(uv_timer_t *timer)
{
	write_on(timer->data);
}

static void on_sent(uv_write_t *write, int status)
{
	struct connection *c = write->handle->data;

	if (status < 0)
		close_connection(c);
	else if (c->p->drips)
		uv_timer_start(&c->timer, on_drip, DRIP_MS, 0);
	else
		write_on(c);
}

/* Everything up to the cut, then FIN. */
static void write_on(struct connection *c)
{
	size_t left = c->out_len - c->out_at;
	uv_buf_t buf;

	if (left == 0) {
		close_connection(c);
		return;
	}
	if (c->p->segment != 0 && left > c->p->segment)
		left = c->p->segment;
	if (c->p->drips)
		left = 1;
	buf = uv_buf_init((char *)c->out + c->out_at, (unsigned)left);
	c->out_at += left;
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_sent) < 0)
		close_connection(c);
}

static void append_message(struct connection *c, const struct message *m)
{
	size_t len = message_len(m);

	if (c->out_len + 2 + len > c->out_cap) {
		c->out_cap = 2 * (c->out_len + 2 + len);
		c->out = realloc(c->out, c->out_cap);
		assert_non_null(c->out);
	}
	wire_store16(c->out + c->out_len, (uint16_t)len);
	memcpy(c->out + c->out_len + 2, m->octets, len);
	c->out_len += 2 + len;
}

static void put_address(struct message *m, const char *host, uint32_t ttl)
{
	uint8_t *at = message_record(m, 6, host, DNS_TYPE_A, DNS_CLASS_IN, ttl);

	wire_put32(&m->w, ttl);
	message_record_end(m, at);
}

/* One message per record. */
static void make_transfer(struct connection *c, uint16_t id, uint16_t qtype)
{
	struct primary *p = c->p;
	struct message *m = malloc(sizeof(*m));
	unsigned i;

	for (i = 0; i < p->hosts + 3; i++) {
		char host[32];

		message_begin(m, id, DNS_FLAG_QR | DNS_FLAG_AA, "example.", qtype, DNS_CLASS_IN);
		snprintf(host, sizeof(host), "h%u.example.", i);
		if (i == 0 || i == p->hosts + 2)
			put_zone_soa(m, p->serial, p->expire);
		else if (i == 1) {
			message_ns(m, "example.", "ns.elsewhere.");
			put_digest(m, p);
		} else
			message_a(m, host, i);
		if (p->unequal_ttl && i == 2)
			put_address(m, host, 600);
		put_expire(m, p);
		append_message(c, m);
	}
	free(m);
	p->stream_len = c->out_len;
	if (c->out_len > p->cut)
		c->out_len = p->cut;
}

/* One difference: h3 goes, a host that is named after the new version comes. */
static void put_change(const struct primary *p, uint16_t id, struct message *m)
{
	char host[32];

	message_begin(m, id, (uint16_t)(DNS_FLAG_QR | DNS_FLAG_AA | p->ixfr_rcode), "example.", DNS_TYPE_IXFR,
		      DNS_CLASS_IN);
	if (p->ixfr_rcode == 0) {
		put_zone_soa(m, p->serial, p->expire);
		put_zone_soa(m, (uint32_t)p->change_from, p->old_expire != 0 ? p->old_expire : p->expire);
		snprintf(host, sizeof(host), p->bad_change ? "absent.example." : "h%u.example.",
			 p->serial + 1);
		message_a(m, host, p->serial + 1);
		put_zone_soa(m, p->serial, p->expire);
		snprintf(host, sizeof(host), "v%u.example.", p->serial);
		message_a(m, host, p->serial);
		put_zone_soa(m, p->serial, p->expire);
	}
}

static void make_change(struct connection *c, uint16_t id)
{
	struct primary *p = c->p;
	struct message *m = malloc(sizeof(*m));

	put_change(p, id, m);
	append_message(c, m);
	free(m);
	if (c->out_len > p->cut_ixfr)
		c->out_len = p->cut_ixfr;
}

/* And the connection stays open. */
static void send_lone_soa(struct connection *c, uint16_t id)
{
	struct message *m = malloc(sizeof(*m));
	uv_buf_t buf;

	message_begin(m, id, DNS_FLAG_QR | DNS_FLAG_AA, "example.", DNS_TYPE_IXFR, DNS_CLASS_IN);
	put_zone_soa(m, c->p->serial, c->p->expire);
	append_message(c, m);
	free(m);
	buf = uv_buf_init((char *)c->out, (unsigned)c->out_len);
	uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
}

static void answer_request(struct connection *c)
{
	struct primary *p = c->p;
	const uint8_t *query = c->in + 2;
	/* "example." is nine octets; the type stands behind it. */
	uint16_t type = wire_load16(query + DNS_HEADER_LEN + 9);

	if (type == DNS_TYPE_SOA || type == DNS_TYPE_ZONEMD) {
		struct message *m = malloc(sizeof(*m));

		p->tcp_queries++;
		answer_soa(p, query, c->fill - 2, true, m);
		append_message(c, m);
		free(m);
		write_on(c);
		return;
	}
	p->transfers++;
	if (p->no_opt_in_transfers && query[11] != 0) {
		struct message *m = malloc(sizeof(*m));

		message_begin(m, wire_load16(query), DNS_FLAG_QR | DNS_RCODE_FORMERR, NULL, 0, 0);
		append_message(c, m);
		free(m);
		write_on(c);
		return;
	}
	if (p->silent)
		return;
	p->ixfrs += type == DNS_TYPE_IXFR;
	if (p->lone_soa && type == DNS_TYPE_IXFR) {
		send_lone_soa(c, wire_load16(query));
		return;
	}
	if (type == DNS_TYPE_IXFR && (p->change_from >= 0 || p->ixfr_rcode != 0))
		make_change(c, wire_load16(query));
	else
		make_transfer(c, wire_load16(query), type);
	write_on(c);
}

static void on_request_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct connection *c = handle->data;

	*buf = uv_buf_init((char *)c->in + c->fill, (unsigned)(sizeof(c->in) - c->fill));
}

static void on_request(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct connection *c = stream->data;

	if (len < 0) {
		close_connection(c);
		return;
	}
	c->fill += (size_t)len;
	if (c->fill >= 2 && c->fill >= 2u + wire_load16(c->in) && c->out == NULL)
		answer_request(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct connection *c = calloc(1, sizeof(*c));

	assert_int_equal(status, 0);
	c->p = listener->data;
	uv_tcp_init(c->p->loop, &c->tcp);
	uv_timer_init(c->p->loop, &c->timer);
	c->tcp.data = c->timer.data = c;
	c->handles = 2;
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&c->tcp), 0);
	uv_read_start((uv_stream_t *)&c->tcp, on_request_alloc, on_request);
}

static void primary_open(struct primary *p, uv_loop_t *loop)
{
	struct sockaddr_in a;
	int len = sizeof(a);

	*p = (struct primary){.loop = loop,
			      .serial = 1,
			      .expire = 86400,
			      .hosts = 5,
			      .cut = SIZE_MAX,
			      .change_from = -1,
			      .cut_ixfr = SIZE_MAX};
	uv_ip4_addr("127.0.0.1", 0, &a);
	uv_tcp_init(loop, &p->listener);
	assert_int_equal(uv_tcp_bind(&p->listener, (struct sockaddr *)&a, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&p->listener, 64, on_connection), 0);
	uv_tcp_getsockname(&p->listener, (struct sockaddr *)&a, &len);
	p->port = ntohs(a.sin_port);
	uv_udp_init(loop, &p->udp);
	assert_int_equal(uv_udp_bind(&p->udp, (struct sockaddr *)&a, 0), 0);
	uv_udp_recv_start(&p->udp, on_udp_alloc, on_udp);
	p->listener.data = p;
	p->udp.data = p;
}

static void primary_close(struct primary *p)
{
	uv_close((uv_handle_t *)&p->listener, NULL);
	uv_close((uv_handle_t *)&p->udp, NULL);
}

/* --- the bench --- */

#define ZONE_CNT 1

struct bench {
	uv_loop_t loop;
	struct primary primary;
	struct config config;
	struct config_primary config_primary;
	const struct config_primary *zone_primaries[1];
	struct config_zone zone;
	struct arena *arena;
	struct zonetab *table;
	struct log *log;
	struct zones *zones;
	bool stopped;
	bool done;
	bool waits; /* for a command, until the zones stop */
	char error[1024];
};

static void on_tick(uv_timer_t *timer)
{
}

/* Turns the loop until the condition holds. */
#define UNTIL(b, condition)                                                                \
	do {                                                                               \
		uint64_t end_ = uv_hrtime() / 1000000 + PATIENCE_MS;                       \
		uv_timer_t tick_;                                                          \
		uv_timer_init(&(b)->loop, &tick_);                                         \
		uv_timer_start(&tick_, on_tick, 10, 10);                                   \
		while (!(condition)) {                                                     \
			if (uv_hrtime() / 1000000 > end_)                                  \
				fail_msg("not within %d ms: %s", PATIENCE_MS, #condition); \
			uv_run(&(b)->loop, UV_RUN_ONCE);                                   \
			rcu_quiescent_state();                                             \
		}                                                                          \
		uv_close((uv_handle_t *)&tick_, NULL);                                     \
		uv_run(&(b)->loop, UV_RUN_NOWAIT);                                         \
	} while (0)

static void on_done(void *arg, const char *error)
{
	struct bench *b = arg;

	assert_false(b->done);
	b->done = true;
	snprintf(b->error, sizeof(b->error), "%s", error);
}

static void on_stopped(void *arg)
{
	((struct bench *)arg)->stopped = true;
}

static struct zones_info info(struct bench *b)
{
	struct zones_info i;

	zones_info(b->zones, 0, &i);
	return i;
}

static uint64_t counter(struct bench *b, enum zones_counter c)
{
	uint64_t all[ZONES_COUNTER_CNT];

	zones_counters(b->zones, all);
	return all[c];
}

/* What is served, from the zone table; -1 for a marker. */
static int64_t served(struct bench *b, enum zone_marker *marker)
{
	const struct snapshot *s = zonetab_snapshot(b->table, info(b).slot, marker);

	return s == NULL ? -1 : (int64_t)snapshot_serial(s);
}

static void refresh(struct bench *b)
{
	b->done = false;
	zones_refresh(b->zones, 0, on_done, b);
	UNTIL(b, b->done);
}

static void retransfer(struct bench *b)
{
	b->done = false;
	zones_retransfer(b->zones, 0, on_done, b);
	UNTIL(b, b->done);
}

static void configure(struct bench *b)
{
	struct config_zone *z = &b->zone;

	b->config_primary = (struct config_primary){.name = (char *)"first"};
	uv_ip4_addr("127.0.0.1", b->primary.port, &b->config_primary.address.in4);
	b->zone_primaries[0] = &b->config_primary;
	*z = (struct config_zone){.name_text = (char *)"example.",
				  .primaries = b->zone_primaries,
				  .primary_cnt = 1,
				  .transfer_time_max = 60,
				  .transfer_idle_max = 30,
				  .max_shrink = 100,
				  .keep_versions = 2};
	name_from_text("example.", z->name);
	b->config = (struct config){.builder_threads = 2,
				    .primaries = &b->config_primary,
				    .id_cnt = 1,
				    .holders = 1,
				    .primary_cnt = 1,
				    .transfers_in = {8, 8, 8, 8},
				    .zones = z,
				    .zone_cnt = ZONE_CNT};
}

static void start(struct bench *b)
{
	const struct zones_env env = {
		.loop = &b->loop, .config = &b->config, .table = b->table, .arena = b->arena, .log = b->log};

	assert_int_equal(zones_start(&env, &b->zones), 0);
}

static int setup(void **state)
{
	const struct arena_config arena = {.bytes_max = 64 << 20, .protect = true};
	struct bench *b = calloc(1, sizeof(*b));

	rcu_register_thread();
	assert_int_equal(uv_loop_init(&b->loop), 0);
	primary_open(&b->primary, &b->loop);
	configure(b);
	b->log = log_new(LOG_ERROR, LOG_TO_STDERR);
	b->table = zonetab_new(KEY);
	assert_int_equal(arena_new(&arena, &b->arena), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	struct arena_info left;

	zones_stop(b->zones, on_stopped, b);
	UNTIL(b, b->stopped);
	if (b->waits) {
		assert_true(b->done);
		assert_string_equal(b->error, "lockstepd is stopping");
	}
	zones_free(b->zones);
	primary_close(&b->primary);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&b->loop), 0);
	zonetab_free(b->table);
	rcu_quiescent_state();
	rcu_barrier();
	arena_info(b->arena, &left);
	assert_int_equal(left.bytes_used, 0);
	arena_free(b->arena);
	log_free(b->log);
	rcu_unregister_thread();
	free(b);
	return 0;
}

static int setup_loaded(void **state)
{
	struct bench *b;

	setup(state);
	b = *state;
	start(b);
	UNTIL(b, info(b).state == ZONES_CURRENT);
	return 0;
}

static uint16_t notify(struct bench *b, const char *zone, const char *client, bool hint, uint32_t serial)
{
	struct message *m = malloc(sizeof(*m));
	union config_sockaddr from;
	uint16_t rcode;
	size_t len;

	uv_ip4_addr(client, 4711, &from.in4);
	message_begin(m, 99, DNS_OPCODE_NOTIFY << DNS_OPCODE_SHIFT, zone, DNS_TYPE_SOA, DNS_CLASS_IN);
	if (hint)
		message_soa(m, zone, serial);
	len = message_len(m);
	len = zones_notify(b->zones, m->octets, len, len, &from, uv_hrtime());
	assert_true(len >= DNS_HEADER_LEN);
	assert_int_equal(wire_load16(m->octets), 99);
	assert_int_not_equal(m->octets[2] & 0x80, 0);
	rcode = m->octets[3] & DNS_RCODE_MASK;
	free(m);
	return rcode;
}

/* --- tests --- */

static void a_zone_is_not_loaded_before_its_first_transfer(void **state)
{
	struct bench *b = *state;
	enum zone_marker marker = ZONE_EXPIRED;

	b->primary.silent = true;
	start(b);
	UNTIL(b, b->primary.transfers == 1);
	assert_int_equal(served(b, &marker), -1);
	assert_int_equal(marker, ZONE_NOT_LOADED);
	assert_int_equal(info(b).state, ZONES_TRANSFERRING);
	assert_false(info(b).loaded);
}

static void bootstrap_transfers_and_publishes(void **state)
{
	struct bench *b = *state;
	struct zones_info i = info(b);

	assert_int_equal(served(b, NULL), 1);
	assert_true(i.loaded);
	assert_int_equal(i.serial, 1);
	assert_int_equal(i.records, 7);
	assert_int_equal(i.transfers_ok, 1);
	assert_int_equal(i.last_transfer_messages, 8);
	assert_int_equal(i.last_transfer_octets, b->primary.stream_len - 2 * 8);
	assert_true(i.last_transfer_us > 0);
	assert_true(i.last_change > 0);
	assert_true(i.expires_in > 86390 && i.expires_in <= 86400);
	assert_true(i.refresh_in >= 3240 && i.refresh_in <= 3600);
	assert_string_equal(i.primary, "first");
	assert_string_equal(i.last_error, "");
	assert_int_equal(b->primary.udp_queries, 0);
}

static void a_notify_brings_the_new_version_and_is_timed(void **state)
{
	struct bench *b = *state;

	b->primary.serial = 2;
	assert_int_equal(notify(b, "eXample.", "127.0.0.1", true, 2), DNS_RCODE_NOERROR);
	UNTIL(b, served(b, NULL) == 2);
	assert_true(info(b).last_notify_to_served_us > 0);
	assert_int_equal(info(b).notifies, 1);
	assert_int_equal(b->primary.udp_queries, 1);
	/* What comes by the operator has no such time. */
	b->primary.serial = 3;
	refresh(b);
	assert_int_equal(served(b, NULL), 3);
	assert_int_equal(info(b).last_notify_to_served_us, 0);
}

static void every_stage_of_a_change_is_timed(void **state)
{
	struct bench *b = *state;
	struct timing t, all;

	zones_timing(b->zones, 0, &t);
	assert_int_equal(t.stage[TIMING_total].cnt, 0);
	b->primary.serial = 2;
	notify(b, "example.", "127.0.0.1", true, 2);
	UNTIL(b, (zones_timing(b->zones, 0, &t), t.stage[TIMING_total].cnt == 1));
	for (unsigned i = 0; i < TIMING_STAGE_CNT; i++)
		assert_int_equal(t.stage[i].cnt, 1);
	assert_true(t.stage[TIMING_total].last_us >= t.stage[TIMING_published_to_seen].last_us);
	zones_timing(b->zones, -1, &all);
	assert_memory_equal(&t, &all, sizeof(t));
	/* An order has no NOTIFY, and no question either. */
	b->primary.serial = 3;
	retransfer(b);
	UNTIL(b, (zones_timing(b->zones, 0, &t), t.stage[TIMING_total].cnt == 2));
	assert_int_equal(t.stage[TIMING_notify_to_answer].cnt, 1);
	assert_int_equal(t.stage[TIMING_first_to_last].cnt, 2);
}

static void a_notify_of_a_serial_we_have_asks_nothing(void **state)
{
	struct bench *b = *state;

	assert_int_equal(notify(b, "example.", "127.0.0.1", true, 1), DNS_RCODE_NOERROR);
	assert_int_equal(counter(b, ZONES_CNT_notify_current), 1);
	assert_int_equal(counter(b, ZONES_CNT_soa_queries), 0);
}

static void a_strangers_notify_is_refused_and_changes_nothing(void **state)
{
	struct bench *b = *state;

	b->primary.serial = 2;
	assert_int_equal(notify(b, "example.", "127.0.0.2", true, 2), DNS_RCODE_REFUSED);
	assert_int_equal(info(b).notifies_refused, 1);
	assert_int_equal(notify(b, "other.", "127.0.0.1", true, 2), DNS_RCODE_REFUSED);
	assert_int_equal(notify(b, "www.example.", "127.0.0.1", true, 2), DNS_RCODE_REFUSED);
	assert_int_equal(counter(b, ZONES_CNT_notify_refused), 3);
	assert_int_equal(counter(b, ZONES_CNT_notify_received), 3);
	assert_int_equal(counter(b, ZONES_CNT_soa_queries), 0);
	assert_int_equal(served(b, NULL), 1);
}

static void a_transfer_cut_after_any_octet_changes_nothing(void **state)
{
	struct bench *b = *state;
	size_t full = b->primary.stream_len, cut;

	b->primary.serial = 2;
	for (cut = 0; cut < full; cut++) {
		b->primary.cut = cut;
		retransfer(b);
		assert_string_not_equal(b->error, "");
		assert_int_equal(served(b, NULL), 1);
	}
	assert_int_equal(info(b).transfers_failed, full);
	assert_non_null(strstr(info(b).last_error, "the stream ended inside message 8"));
	b->primary.cut = SIZE_MAX;
	retransfer(b);
	assert_string_equal(b->error, "");
	assert_int_equal(served(b, NULL), 2);
	assert_string_equal(info(b).last_error, "");
}

static void any_segmentation_gives_the_same_zone(void **state)
{
	struct bench *b = *state;
	size_t segment;

	for (segment = 1; segment < 40; segment++) {
		b->primary.segment = segment;
		b->primary.serial++;
		refresh(b);
		assert_string_equal(b->error, "");
		assert_int_equal(served(b, NULL), b->primary.serial);
		assert_int_equal(info(b).records, 7);
	}
}

static void a_large_zone_passes_the_bounded_queue(void **state)
{
	struct bench *b = *state;

	/* About 3 MiB, several times the queue. */
	b->primary.hosts = 60000;
	b->primary.serial = 2;
	refresh(b);
	assert_string_equal(b->error, "");
	assert_int_equal(info(b).records, 60002);
}

static void a_lower_serial_is_kept_and_shown(void **state)
{
	struct bench *b = *state;

	b->primary.serial = 0;
	refresh(b);
	assert_string_equal(b->error, "");
	assert_int_equal(served(b, NULL), 1);
	assert_true(info(b).primary_behind);
	assert_int_equal(info(b).primary_serial, 0);
	assert_int_equal(counter(b, ZONES_CNT_serial_lower), 1);
	assert_int_equal(b->primary.transfers, 1);
}

static void a_change_comes_as_a_difference_from_what_is_served(void **state)
{
	struct bench *b = *state;

	b->config_primary.ixfr = true;
	b->primary.serial = 2;
	b->primary.change_from = 1;
	refresh(b);
	assert_string_equal(b->error, "");
	assert_int_equal(served(b, NULL), 2);
	assert_string_equal(info(b).last_transfer_type, "IXFR");
	assert_int_equal(info(b).last_transfer_deltas, 1);
	assert_int_equal(info(b).last_transfer_added, 1);
	assert_int_equal(info(b).last_transfer_removed, 1);
	assert_int_equal(info(b).records, 7);
	assert_int_equal(counter(b, ZONES_CNT_ixfr_ok), 1);
	/* The operator's retransfer is not. */
	retransfer(b);
	assert_string_equal(info(b).last_transfer_type, "AXFR");
	assert_int_equal(b->primary.ixfrs, 1);
}

static void a_primary_without_ixfr_is_not_asked_for_it(void **state)
{
	struct bench *b = *state;

	b->primary.serial = 2;
	refresh(b);
	assert_int_equal(served(b, NULL), 2);
	assert_int_equal(b->primary.ixfrs, 0);
}

/* The TTL that a record had beside others is gone, so what a difference leaves of its set would not be what the primary has. */
static void a_zone_with_repaired_ttls_is_asked_for_whole_until_it_comes_without(void **state)
{
	struct bench *b = *state;

	b->config_primary.ixfr = true;
	b->primary.unequal_ttl = true;
	b->primary.serial = 2;
	refresh(b);
	assert_int_equal(served(b, NULL), 2);
	assert_int_equal(b->primary.ixfrs, 1);
	b->primary.change_from = 2;
	b->primary.serial = 3;
	refresh(b);
	assert_int_equal(served(b, NULL), 3);
	assert_string_equal(info(b).last_transfer_type, "AXFR");
	assert_int_equal(b->primary.ixfrs, 1);
	/* That it is clean shows only when it has come. */
	b->primary.unequal_ttl = false;
	b->primary.change_from = 3;
	b->primary.serial = 4;
	refresh(b);
	assert_int_equal(b->primary.ixfrs, 1);
	b->primary.change_from = 4;
	b->primary.serial = 5;
	refresh(b);
	assert_int_equal(served(b, NULL), 5);
	assert_string_equal(info(b).last_transfer_type, "IXFR");
	assert_int_equal(b->primary.ixfrs, 2);
}

/* Cut after any octet: the whole zone follows within the round, and what was held for the difference is let go. */
static void an_ixfr_cut_after_any_octet_is_followed_by_axfr(void **state)
{
	struct bench *b = *state;
	unsigned fallbacks = 0;
	size_t cut;

	b->config_primary.ixfr = true;
	for (cut = 0; cut < 400; cut += 13) {
		b->primary.change_from = b->primary.serial++;
		b->primary.bad_change = cut >= 300;
		b->primary.cut_ixfr = cut;
		refresh(b);
		assert_string_equal(b->error, "");
		assert_int_equal(served(b, NULL), b->primary.serial);
		assert_string_equal(info(b).last_transfer_type, "AXFR");
		assert_int_equal(info(b).ixfr_fallbacks, ++fallbacks);
	}
	assert_int_equal(info(b).transfers_failed, 0);
	assert_int_equal(counter(b, ZONES_CNT_ixfr_fallbacks), fallbacks);
}

static void a_single_newer_soa_is_followed_by_axfr_before_the_idle_limit(void **state)
{
	struct bench *b = *state;
	uint64_t begin = uv_hrtime();

	b->config_primary.ixfr = true;
	b->primary.lone_soa = true;
	b->primary.serial = 2;
	refresh(b);
	assert_int_equal(served(b, NULL), 2);
	assert_int_equal(info(b).ixfr_fallbacks, 1);
	assert_string_equal(info(b).last_transfer_type, "AXFR");
	/* The idle limit is 30 s; the rest is for a machine that is busy. */
	assert_true(uv_hrtime() - begin < UINT64_C(20000000000));
}

static void a_refusal_of_ixfr_is_remembered(void **state)
{
	struct bench *b = *state;

	b->config_primary.ixfr = true;
	b->primary.ixfr_rcode = DNS_RCODE_SERVFAIL;
	b->primary.serial++;
	refresh(b);
	b->primary.ixfr_rcode = DNS_RCODE_NOTIMP;
	b->primary.serial++;
	refresh(b);
	assert_int_equal(b->primary.ixfrs, 2);
	b->primary.serial++;
	refresh(b);
	assert_int_equal(served(b, NULL), 4);
	assert_int_equal(b->primary.ixfrs, 2);
	assert_int_equal(info(b).ixfr_fallbacks, 2);
}

static void an_expired_zone_comes_back_by_a_difference(void **state)
{
	struct bench *b = *state;
	enum zone_marker marker = ZONE_NOT_LOADED;

	b->config_primary.ixfr = true;
	b->primary.expire = 1;
	b->primary.serial = 2;
	refresh(b);
	b->primary.deaf = true;
	UNTIL(b, served(b, &marker) == -1);
	assert_int_equal(marker, ZONE_EXPIRED);
	b->primary.deaf = false;
	b->primary.expire = 1000;
	b->primary.serial = 3;
	b->primary.change_from = 2;
	b->primary.old_expire = 1;
	UNTIL(b, served(b, NULL) == 3);
	assert_string_equal(info(b).last_transfer_type, "IXFR");
}

static void an_operator_can_take_a_lower_serial(void **state)
{
	struct bench *b = *state;

	b->primary.serial = 0;
	retransfer(b);
	assert_string_equal(b->error, "");
	assert_int_equal(served(b, NULL), 0);
}

static void serials_wrap(void **state)
{
	static const uint32_t serials[] = {0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF, 0, 1};
	struct bench *b = *state;
	size_t i;

	for (i = 0; i < sizeof(serials) / sizeof(serials[0]); i++) {
		b->primary.serial = serials[i];
		refresh(b);
		assert_int_equal(served(b, NULL), serials[i]);
	}
}

static void a_transfer_older_than_the_soa_answer_is_discarded(void **state)
{
	struct bench *b = *state;

	b->primary.soa_apart = true;
	b->primary.soa_serial = 2;
	refresh(b);
	assert_int_equal(b->primary.transfers, 2);
	assert_int_equal(served(b, NULL), 1);
	assert_int_equal(info(b).transfers_ok, 1);
}

static void a_zone_expires_and_comes_back_without_transfer(void **state)
{
	struct bench *b = *state;
	enum zone_marker marker = ZONE_NOT_LOADED;

	b->primary.expire = 1;
	b->primary.serial = 2;
	refresh(b);
	b->primary.deaf = true;
	UNTIL(b, info(b).state == ZONES_EXPIRED);
	assert_int_equal(served(b, &marker), -1);
	assert_int_equal(marker, ZONE_EXPIRED);
	assert_int_equal(counter(b, ZONES_CNT_zones_expired), 1);
	assert_true(info(b).loaded);
	b->primary.deaf = false;
	b->primary.expire = 86400;
	UNTIL(b, served(b, NULL) == 2);
	assert_int_equal(b->primary.transfers, 2);
	assert_string_equal(info(b).last_error, "");
}

static void an_expired_zone_takes_any_serial(void **state)
{
	struct bench *b = *state;

	b->primary.expire = 1;
	b->primary.serial = 20;
	refresh(b);
	b->primary.deaf = true;
	UNTIL(b, info(b).state == ZONES_EXPIRED);
	b->primary.deaf = false;
	b->primary.expire = 86400;
	b->primary.serial = 3;
	refresh(b);
	UNTIL(b, served(b, NULL) == 3);
}

static void a_truncated_soa_answer_is_asked_for_over_tcp(void **state)
{
	struct bench *b = *state;

	b->primary.truncate = true;
	b->primary.serial = 2;
	refresh(b);
	assert_string_equal(b->error, "");
	assert_int_equal(served(b, NULL), 2);
	assert_int_equal(b->primary.tcp_queries, 1);
}

static void a_primary_without_edns_is_asked_again_without(void **state)
{
	struct bench *b = *state;

	b->primary.no_edns = true;
	b->primary.serial = 2;
	refresh(b);
	assert_string_equal(b->error, "");
	assert_int_equal(served(b, NULL), 2);
	assert_int_equal(b->primary.udp_queries, 2);
}

static void a_forged_answer_is_ignored_and_counted(void **state)
{
	struct bench *b = *state;

	b->primary.forged_first = true;
	b->primary.serial = 2;
	refresh(b);
	assert_string_equal(b->error, "");
	assert_int_equal(served(b, NULL), 2);
	assert_int_equal(counter(b, ZONES_CNT_soa_rejected), 1);
}

static void a_primary_that_is_gone_is_told(void **state)
{
	struct bench *b = *state;

	uv_udp_recv_stop(&b->primary.udp);
	b->primary.deaf = true;
	refresh(b);
	assert_non_null(strstr(b->error, "SOA query from first (127.0.0.1@"));
	assert_non_null(strstr(b->error, "no answer over UDP within 2 s (tries: 3)"));
	assert_int_equal(counter(b, ZONES_CNT_soa_failures), 1);
	assert_int_equal(served(b, NULL), 1);
}

static void a_silent_transfer_ends_by_the_idle_limit(void **state)
{
	struct bench *b = *state;

	b->zone.transfer_idle_max = 1;
	b->primary.silent = true;
	retransfer(b);
	assert_non_null(strstr(b->error, "no octet for 1 s (transfer-idle)"));
	assert_int_equal(served(b, NULL), 1);
}

/* A loaded zone with a guard, whose primary has too little all of a sudden: five hosts, then one. */
static void shrink(struct bench *b)
{
	b->zone.max_shrink = 20;
	b->primary.hosts = 1;
	b->primary.change_from = -1;
	b->primary.serial = 2;
	refresh(b);
}

static void a_version_that_shrinks_too_much_is_held_until_it_is_accepted(void **state)
{
	struct bench *b = *state;

	shrink(b);
	assert_non_null(strstr(b->error, "max-shrink"));
	assert_int_equal(served(b, NULL), 1);
	assert_true(info(b).held);
	assert_int_equal(info(b).held_serial, 2);
	assert_non_null(strstr(info(b).held_why, "4 of 7 records would go (max-shrink: 20%)"));
	/* It is not transferred again. */
	refresh(b);
	assert_string_equal(b->error, "");
	assert_int_equal(b->primary.transfers, 2);
	assert_int_equal(zones_accept(b->zones, 0), 0);
	assert_int_equal(served(b, NULL), 2);
	assert_false(info(b).held);
	assert_int_equal(zones_accept(b->zones, 0), -ENOENT);
}

static void a_rejected_version_stays_away_and_a_newer_one_comes(void **state)
{
	struct bench *b = *state;

	shrink(b);
	assert_int_equal(zones_reject(b->zones, 0), 0);
	assert_int_equal(zones_reject(b->zones, 0), -ENOENT);
	refresh(b);
	assert_int_equal(served(b, NULL), 1);
	assert_int_equal(b->primary.transfers, 2);
	b->primary.hosts = 5;
	b->primary.serial = 3;
	refresh(b);
	assert_int_equal(served(b, NULL), 3);
	assert_false(info(b).has_barred);
}

static void a_zone_without_names_is_held_whatever_the_share(void **state)
{
	struct bench *b = *state;

	b->zone.max_shrink = 99;
	b->primary.hosts = 0;
	b->primary.change_from = -1;
	b->primary.serial = 2;
	refresh(b);
	assert_true(info(b).held);
	assert_int_equal(served(b, NULL), 1);
}

static void a_rollback_lasts_until_a_newer_version_or_resume(void **state)
{
	struct bench *b = *state;
	const uint32_t first = 1, second = 2, none = 77;

	assert_int_equal(zones_rollback(b->zones, 0, NULL), -ENOENT);
	for (b->primary.serial = 2; b->primary.serial <= 3; b->primary.serial++)
		refresh(b);
	b->primary.serial = 3;
	assert_int_equal(info(b).kept_cnt, 2);
	assert_int_equal(zones_rollback(b->zones, 0, &none), -ENOENT);
	assert_int_equal(zones_rollback(b->zones, 0, &first), 0);
	assert_int_equal(served(b, NULL), 1);
	assert_int_equal(info(b).barred_serial, 3);
	refresh(b);
	assert_int_equal(served(b, NULL), 1);
	/* The newest kept is the one that was served before. */
	assert_int_equal(info(b).kept[0], 3);
	assert_int_equal(info(b).kept[1], 2);
	assert_int_equal(zones_rollback(b->zones, 0, &second), 0);
	assert_int_equal(served(b, NULL), 2);
	b->done = false;
	zones_resume(b->zones, 0, on_done, b);
	UNTIL(b, b->done);
	assert_int_equal(served(b, NULL), 3);
	/* A newer one ends it as well: by a difference, which is from the version served. */
	assert_int_equal(zones_rollback(b->zones, 0, NULL), 0);
	b->primary.serial = 4;
	refresh(b);
	assert_int_equal(served(b, NULL), 4);
	assert_false(info(b).has_barred);
}

static void a_zone_that_fails_the_zonemd_it_has_to_have_changes_nothing(void **state)
{
	struct bench *b = *state;

	b->zone.zonemd = GATE_REQUIRE;
	b->primary.serial = 2;
	refresh(b);
	assert_non_null(strstr(b->error, "ZONEMD"));
	assert_int_equal(served(b, NULL), 1);
	assert_true(counter(b, ZONES_CNT_gate_refused) > 0);
	b->zone.zonemd = GATE_WARN;
	refresh(b);
	assert_int_equal(served(b, NULL), 2);
}

static void the_primarys_own_expiry_is_ours(void **state)
{
	struct bench *b = *state;

	b->primary.tells_expire = 500;
	b->primary.serial = 2;
	refresh(b);
	assert_int_equal(served(b, NULL), 2);
	assert_in_range(info(b).expires_in, 400, 500);
	/* It only lengthens the time that is left. */
	b->primary.tells_expire = 100;
	refresh(b);
	assert_in_range(info(b).expires_in, 400, 500);
	b->primary.tells_expire = 5000;
	refresh(b);
	assert_in_range(info(b).expires_in, 4000, 5000);
}

static void a_primary_that_does_not_like_opt_in_transfers_is_asked_again_without(void **state)
{
	struct bench *b = *state;

	b->primary.no_opt_in_transfers = true;
	start(b);
	UNTIL(b, info(b).state == ZONES_CURRENT);
	assert_int_equal(b->primary.transfers, 2);
	assert_int_equal(info(b).transfers_failed, 0);
	b->primary.serial = 2;
	retransfer(b);
	assert_int_equal(b->primary.transfers, 3);
}

static void another_content_under_our_serial_is_told_or_transferred(void **state)
{
	struct bench *b = *state;

	b->zone.same_serial = CONFIG_SAME_IGNORE;
	b->primary.expire++;
	refresh(b);
	assert_int_equal(counter(b, ZONES_CNT_serial_same), 0);
	b->zone.same_serial = CONFIG_SAME_ALERT;
	refresh(b);
	assert_int_equal(counter(b, ZONES_CNT_serial_same), 1);
	assert_true(info(b).primary_differs);
	assert_int_equal(b->primary.transfers, 1);
	b->zone.same_serial = CONFIG_SAME_TRANSFER;
	b->primary.hosts++;
	refresh(b);
	assert_int_equal(b->primary.transfers, 2);
	assert_int_equal(info(b).records, 8);
	refresh(b);
	assert_false(info(b).primary_differs);
	assert_int_equal(b->primary.transfers, 2);
}

static void another_digest_under_our_serial_is_told_or_transferred(void **state)
{
	struct bench *b = *state;

	b->primary.digest = 1;
	b->zone.same_serial = CONFIG_SAME_ALERT;
	start(b);
	UNTIL(b, info(b).state == ZONES_CURRENT);
	refresh(b);
	assert_int_equal(b->primary.digest_queries, 1);
	assert_int_equal(counter(b, ZONES_CNT_serial_same), 0);
	b->primary.digest = 2;
	b->primary.hosts++;
	refresh(b);
	assert_int_equal(counter(b, ZONES_CNT_serial_same), 1);
	assert_true(info(b).primary_differs);
	/* Not to be had is no difference, and no failure. */
	b->primary.hides_digest = true;
	refresh(b);
	assert_string_equal(b->error, "");
	assert_false(info(b).primary_differs);
	b->primary.hides_digest = false;
	b->zone.same_serial = CONFIG_SAME_TRANSFER;
	refresh(b);
	assert_int_equal(b->primary.transfers, 2);
	assert_int_equal(info(b).records, 9);
	refresh(b);
	assert_int_equal(b->primary.transfers, 2);
	/* What another serial tells, or nobody wants to know, is not asked. */
	assert_int_equal(b->primary.digest_queries, 5);
	b->zone.same_serial = CONFIG_SAME_IGNORE;
	refresh(b);
	b->zone.same_serial = CONFIG_SAME_ALERT;
	b->primary.serial = 2;
	refresh(b);
	assert_int_equal(b->primary.digest_queries, 5);
	assert_int_equal(served(b, NULL), 2);
	/* Over TCP as well. */
	b->primary.truncate = true;
	b->primary.digest = 3;
	refresh(b);
	assert_true(info(b).primary_differs);
	assert_int_equal(b->primary.tcp_queries, 2);
}

static void a_notify_can_bring_the_difference_without_a_question(void **state)
{
	struct bench *b = *state;

	b->zone.notify_ixfr = 1;
	b->config_primary.ixfr = true;
	b->primary.change_from = 1;
	b->primary.serial = 2;
	assert_int_equal(notify(b, "example.", "127.0.0.1", true, 2), DNS_RCODE_NOERROR);
	UNTIL(b, served(b, NULL) == 2);
	assert_int_equal(b->primary.udp_queries, 0);
	assert_int_equal(b->primary.ixfrs, 1);
	assert_string_equal(info(b).last_transfer_type, "IXFR");
	/* Without a serial there is nothing to go by. */
	b->primary.change_from = 2;
	b->primary.serial = 3;
	notify(b, "example.", "127.0.0.1", false, 0);
	UNTIL(b, served(b, NULL) == 3);
	assert_int_equal(b->primary.udp_queries, 1);
}

/* And without a question before it, a connection is not needed for anything. */
static void a_difference_comes_in_a_datagram(void **state)
{
	struct bench *b = *state;
	uint64_t connections = counter(b, ZONES_CNT_connections);

	b->zone.notify_ixfr = 1;
	b->config_primary.ixfr = b->config_primary.ixfr_udp = true;
	b->primary.change_from = 1;
	b->primary.serial = 2;
	notify(b, "example.", "127.0.0.1", true, 2);
	UNTIL(b, served(b, NULL) == 2);
	assert_int_equal(b->primary.datagrams, 1);
	assert_int_equal(b->primary.ixfrs, 0);
	assert_int_equal(counter(b, ZONES_CNT_connections), connections);
	assert_int_equal(counter(b, ZONES_CNT_ixfr_udp), 1);
	assert_string_equal(info(b).last_transfer_type, "IXFR");
	/* What cannot be used is asked for again, and then as always. */
	b->primary.bad_change = true;
	b->primary.change_from = 2;
	b->primary.serial = 3;
	refresh(b);
	assert_int_equal(served(b, NULL), 3);
	assert_int_equal(b->primary.datagrams, 2);
	assert_int_equal(b->primary.ixfrs, 1);
	assert_string_equal(info(b).last_transfer_type, "AXFR");
	assert_int_equal(counter(b, ZONES_CNT_ixfr_udp_failed), 1);
	assert_int_equal(info(b).ixfr_fallbacks, 1);
}

static void silence_over_udp_is_followed_by_tcp(void **state)
{
	struct bench *b = *state;

	b->config_primary.ixfr = b->config_primary.ixfr_udp = true;
	b->primary.serial = 2;
	refresh(b);
	assert_int_equal(served(b, NULL), 2);
	assert_int_equal(b->primary.datagrams, 1);
	assert_int_equal(b->primary.ixfrs, 1);
}

static void a_retransfer_ends_a_wait_for_a_datagram(void **state)
{
	struct bench *b = *state;

	b->config_primary.ixfr = b->config_primary.ixfr_udp = true;
	b->primary.serial = 2;
	zones_refresh(b->zones, 0, NULL, NULL);
	UNTIL(b, b->primary.datagrams == 1);
	retransfer(b);
	assert_string_equal(b->error, "");
	assert_int_equal(served(b, NULL), 2);
	assert_int_equal(info(b).transfers_failed, 1);
}

static void stopping_while_a_datagram_is_waited_for_leaves_nothing(void **state)
{
	struct bench *b = *state;

	b->config_primary.ixfr = b->config_primary.ixfr_udp = true;
	b->primary.serial = 2;
	zones_refresh(b->zones, 0, NULL, NULL);
	UNTIL(b, b->primary.datagrams == 1);
}

static void a_limit_is_named(void **state)
{
	struct bench *b = *state;

	b->zone.limits.records = 4;
	retransfer(b);
	assert_non_null(strstr(b->error, "(transfer-records: 4)"));
	assert_int_equal(served(b, NULL), 1);
}

/* The limits of silence are far away: only the order can end it. */
static void a_retransfer_ends_a_transfer_that_hangs(void **state)
{
	struct bench *b = *state;

	b->primary.silent = true;
	b->primary.serial = 2;
	zones_refresh(b->zones, 0, NULL, NULL);
	UNTIL(b, b->primary.transfers == 2);
	b->primary.silent = false;
	retransfer(b);
	assert_string_equal(b->error, "");
	assert_int_equal(served(b, NULL), 2);
	assert_int_equal(b->primary.transfers, 3);
	assert_int_equal(info(b).transfers_failed, 1);
}

/* Nor is the rest of its tries waited for. */
static void a_retransfer_ends_a_query_that_hangs(void **state)
{
	struct bench *b = *state;

	b->primary.deaf = true;
	b->done = false;
	zones_refresh(b->zones, 0, on_done, b);
	UNTIL(b, b->primary.udp_queries == 1);
	zones_retransfer(b->zones, 0, NULL, NULL);
	UNTIL(b, b->done);
	assert_string_equal(b->error, "");
	assert_int_equal(b->primary.transfers, 2);
	assert_int_equal(counter(b, ZONES_CNT_soa_failures), 0);
}

/* An octet now and then: never idle. */
static void a_transfer_below_the_least_rate_is_given_up(void **state)
{
	struct bench *b = *state;

	b->zone.transfer_idle_max = 1;
	b->zone.transfer_rate_min = 1000000;
	b->primary.drips = true;
	retransfer(b);
	assert_non_null(strstr(b->error, "(transfer-rate-min: 1000000 a second)"));
	assert_int_equal(served(b, NULL), 1);
}

static void a_command_is_answered_when_the_zones_stop(void **state)
{
	struct bench *b = *state;

	b->primary.silent = true;
	b->done = false;
	zones_retransfer(b->zones, 0, on_done, b);
	UNTIL(b, b->primary.transfers == 2);
	/* The teardown stops, and checks that it was answered and nothing is left. */
	b->waits = true;
}

static void stopping_while_a_query_runs_leaves_nothing(void **state)
{
	struct bench *b = *state;

	b->primary.deaf = true;
	zones_refresh(b->zones, 0, NULL, NULL);
	UNTIL(b, b->primary.udp_queries == 1);
}

static void a_thousand_notifies_while_transfers_run_end_at_the_last_serial(void **state)
{
	struct bench *b = *state;
	unsigned i;

	for (i = 0; i < 1000; i++) {
		b->primary.serial++;
		notify(b, "example.", "127.0.0.1", i % 3 != 0, b->primary.serial);
		uv_run(&b->loop, UV_RUN_NOWAIT);
		rcu_quiescent_state();
	}
	UNTIL(b, served(b, NULL) == b->primary.serial);
	assert_int_equal(info(b).transfers_failed, 0);
}

#define LOADED(f) cmocka_unit_test_setup_teardown(f, setup_loaded, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_zone_is_not_loaded_before_its_first_transfer, setup,
						teardown),
		LOADED(bootstrap_transfers_and_publishes),
		LOADED(a_notify_brings_the_new_version_and_is_timed),
		LOADED(every_stage_of_a_change_is_timed),
		LOADED(a_notify_of_a_serial_we_have_asks_nothing),
		LOADED(a_strangers_notify_is_refused_and_changes_nothing),
		LOADED(a_transfer_cut_after_any_octet_changes_nothing),
		LOADED(any_segmentation_gives_the_same_zone),
		LOADED(a_large_zone_passes_the_bounded_queue),
		LOADED(a_lower_serial_is_kept_and_shown),
		LOADED(an_operator_can_take_a_lower_serial),
		LOADED(a_change_comes_as_a_difference_from_what_is_served),
		LOADED(a_zone_with_repaired_ttls_is_asked_for_whole_until_it_comes_without),
		LOADED(a_primary_without_ixfr_is_not_asked_for_it),
		LOADED(an_ixfr_cut_after_any_octet_is_followed_by_axfr),
		LOADED(a_single_newer_soa_is_followed_by_axfr_before_the_idle_limit),
		LOADED(a_refusal_of_ixfr_is_remembered),
		LOADED(an_expired_zone_comes_back_by_a_difference),
		LOADED(serials_wrap),
		LOADED(a_transfer_older_than_the_soa_answer_is_discarded),
		LOADED(a_zone_expires_and_comes_back_without_transfer),
		LOADED(an_expired_zone_takes_any_serial),
		LOADED(a_truncated_soa_answer_is_asked_for_over_tcp),
		LOADED(a_primary_without_edns_is_asked_again_without),
		LOADED(a_forged_answer_is_ignored_and_counted),
		LOADED(a_primary_that_is_gone_is_told),
		LOADED(a_silent_transfer_ends_by_the_idle_limit),
		LOADED(a_version_that_shrinks_too_much_is_held_until_it_is_accepted),
		LOADED(a_rejected_version_stays_away_and_a_newer_one_comes),
		LOADED(a_zone_without_names_is_held_whatever_the_share),
		LOADED(a_rollback_lasts_until_a_newer_version_or_resume),
		LOADED(a_zone_that_fails_the_zonemd_it_has_to_have_changes_nothing),
		LOADED(the_primarys_own_expiry_is_ours),
		cmocka_unit_test_setup_teardown(
			a_primary_that_does_not_like_opt_in_transfers_is_asked_again_without, setup,
			teardown),
		LOADED(another_content_under_our_serial_is_told_or_transferred),
		cmocka_unit_test_setup_teardown(another_digest_under_our_serial_is_told_or_transferred, setup,
						teardown),
		LOADED(a_notify_can_bring_the_difference_without_a_question),
		LOADED(a_difference_comes_in_a_datagram),
		LOADED(silence_over_udp_is_followed_by_tcp),
		LOADED(a_retransfer_ends_a_wait_for_a_datagram),
		LOADED(stopping_while_a_datagram_is_waited_for_leaves_nothing),
		LOADED(a_limit_is_named),
		LOADED(a_retransfer_ends_a_transfer_that_hangs),
		LOADED(a_retransfer_ends_a_query_that_hangs),
		LOADED(a_transfer_below_the_least_rate_is_given_up),
		LOADED(a_command_is_answered_when_the_zones_stop),
		LOADED(stopping_while_a_query_runs_leaves_nothing),
		LOADED(a_thousand_notifies_while_transfers_run_end_at_the_last_serial),
	};

	return cmocka_run_group_tests_name("zones", tests, NULL, NULL);
}
