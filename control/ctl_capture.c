/*
 * "capture": frames that the workers copy, sent to the client as they come. One at a time; bounded by the client's
 * limits, by ours, and by the rings: who reads slowly loses frames, which are counted, and delays nobody.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/ctl_internal.h"
#include "control/rcode.h"
#include "dataplane/dns/name.h"

#define TICK_MS	    10
#define PART_FRAMES 32 /* in one line of the answer */
#define PACKETS_MAX 100000000
#define SECONDS_MAX 86400

struct capture {
	struct ctl_job job;
	struct ctl_conn *conn; /* NULL: gone */
	struct ctl *ctl;
	uv_timer_t timer;
	uint64_t sent, packets_max;
	uint64_t end_ms; /* uv_now */
	struct net_frame frame;
};

static void on_closed(uv_handle_t *handle)
{
	struct capture *c = handle->data;
	struct ctl *ctl = c->ctl;

	free(c);
	ctl_handle_closed(ctl);
}

static void capture_end(struct capture *c)
{
	net_capture_stop(c->ctl->env.net);
	c->ctl->capture = NULL;
	uv_close((uv_handle_t *)&c->timer, on_closed);
}

static void reply_last(struct capture *c, const char *why)
{
	struct ctl_conn *conn = c->conn;
	uint64_t lost = net_capture_lost(c->ctl->env.net);

	conn->job = NULL;
	capture_end(c);
	ctl_reply(conn, json_pack("{s:I, s:I, s:s}", "captured", (json_int_t)c->sent, "lost",
				  (json_int_t)lost, "ended_by", why));
}

static json_t *frame_json(const struct net_frame *f, uint64_t age_ns)
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * NET_FRAME_MAX];
	struct timespec now;

	for (uint32_t i = 0; i < f->kept; i++) {
		hex[2 * i] = digits[f->octets[i] >> 4];
		hex[2 * i + 1] = digits[f->octets[i] & 15];
	}
	clock_gettime(CLOCK_REALTIME, &now);
	return json_pack("{s:I, s:I, s:i, s:b, s:s%}", "time_ns",
			 (json_int_t)now.tv_sec * 1000000000 + now.tv_nsec - (json_int_t)age_ns, "len",
			 (json_int_t)f->len, "port", (int)f->port, "out", (int)f->out, "octets", hex,
			 (size_t)2 * f->kept);
}

/* Sends what there is for one line. False: nothing was left. */
static bool send_part(struct capture *c)
{
	json_t *frames = json_array();
	uint64_t age_ns;
	unsigned cnt = 0;

	while (cnt < PART_FRAMES && c->sent < c->packets_max &&
	       net_capture_recv(c->ctl->env.net, &c->frame, &age_ns)) {
		json_array_append_new(frames, frame_json(&c->frame, age_ns));
		c->sent++;
		cnt++;
	}
	if (cnt == 0) {
		json_decref(frames);
		return false;
	}
	ctl_reply_part(c->conn, json_pack("{s:o}", "frames", frames));
	return true;
}

static void on_timer(uv_timer_t *timer)
{
	struct capture *c = timer->data;

	while (c->conn != NULL && ctl_conn_has_room(c->conn) && send_part(c))
		;
	if (c->conn == NULL) // it went while we sent
		return;
	if (c->sent >= c->packets_max)
		reply_last(c, "packets");
	else if (uv_now(c->ctl->env.loop) >= c->end_ms)
		reply_last(c, "seconds");
}

static void on_drop(struct ctl_job *job)
{
	struct capture *c = (struct capture *)job;

	c->conn = NULL;
	capture_end(c);
}

/* "192.0.2.0/24"; without a length one address. False: it is no prefix. */
static bool read_client(const char *text, struct net_capture_filter *f)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	unsigned long bits;
	char *end = NULL;

	if (len >= sizeof(addr))
		return false;
	memcpy(addr, text, len);
	addr[len] = '\0';
	f->client.family = strchr(addr, ':') != NULL ? 6 : 4;
	if (inet_pton(f->client.family == 4 ? AF_INET : AF_INET6, addr, f->client.addr) != 1)
		return false;
	bits = slash != NULL ? strtoul(slash + 1, &end, 10) : f->client.family == 4 ? 32 : 128;
	f->client_bits = (uint8_t)bits;
	return (end == NULL || *end == '\0') && (slash == NULL || (slash[1] >= '0' && slash[1] <= '9')) &&
	       bits <= (f->client.family == 4 ? 32u : 128u);
}

/* An integer argument, or what stands for it. False: out of range. */
static bool read_number(const json_t *args, const char *key, json_int_t min, json_int_t max,
			json_int_t absent, uint64_t *out)
{
	const json_t *v = json_object_get(args, key);
	json_int_t n = v != NULL ? json_integer_value(v) : absent;

	*out = (uint64_t)n;
	return n >= min && n <= max;
}

struct limits {
	uint64_t packets, seconds;
};

/* What is wrong with the arguments, or NULL. */
static const char *read_args(const struct ctl_conn *conn, const json_t *args, struct net_capture_filter *f,
			     struct limits *limits)
{
	const char *client = json_string_value(json_object_get(args, "client"));
	const char *suffix = json_string_value(json_object_get(args, "suffix"));
	const char *rcode = json_string_value(json_object_get(args, "rcode"));
	uint64_t port, snaplen;

	f->has_port = json_object_get(args, "port") != NULL;
	if (!read_number(args, "port", 0, (json_int_t)net_port_cnt(conn->ctl->env.net) - 1, 0, &port))
		return "\"port\" is the number of a port, as status lists them from 0";
	if (!read_number(args, "packets", 1, PACKETS_MAX, 1000, &limits->packets))
		return "\"packets\" is 1 to 100000000";
	if (!read_number(args, "seconds", 1, SECONDS_MAX, 10, &limits->seconds))
		return "\"seconds\" is 1 to 86400";
	if (!read_number(args, "snaplen", 64, NET_FRAME_MAX, NET_FRAME_MAX, &snaplen))
		return "\"snaplen\" is 64 to 2048";
	if (client != NULL && !read_client(client, f))
		return "\"client\" is an address or a prefix, such as 192.0.2.0/24";
	if (rcode != NULL && !rcode_from_text(rcode, &f->rcode))
		return "\"rcode\" is a response code, such as NXDOMAIN or 3";
	f->has_rcode = rcode != NULL;
	if (suffix != NULL) {
		int len = name_from_text(suffix, f->suffix);

		if (len < 0)
			return "\"suffix\" is not a domain name";
		f->suffix_len = (uint8_t)len;
		name_lower(f->suffix, f->suffix, f->suffix_len);
	}
	f->port = (uint16_t)port;
	f->snaplen = (uint32_t)snaplen;
	return NULL;
}

void ctl_capture(struct ctl_conn *conn, const struct ctl_args *args)
{
	struct net_capture_filter filter = {0};
	struct ctl *ctl = conn->ctl;
	struct limits limits;
	const char *fault = read_args(conn, args->given, &filter, &limits);
	struct capture *c;
	int rc;

	if (fault != NULL) {
		ctl_reply_error(conn, "bad-argument", NULL, "%s", fault);
		return;
	}
	if (ctl->capture != NULL) {
		ctl_reply_error(conn, "busy", NULL, "a capture is running already");
		return;
	}
	c = calloc(1, sizeof(*c));
	rc = c != NULL ? net_capture_start(ctl->env.net, &filter) : -ENOMEM;
	if (rc < 0) {
		free(c);
		ctl_reply_error(conn, rc == -EBUSY ? "busy" : "no-memory", NULL, "%s",
				rc == -EBUSY ? "a worker has not let go of the last capture yet"
					     : "the capture cannot start: out of memory");
		return;
	}
	c->job = (struct ctl_job){.drop = on_drop};
	c->conn = conn;
	c->ctl = ctl;
	c->packets_max = limits.packets;
	c->end_ms = uv_now(ctl->env.loop) + 1000 * limits.seconds;
	c->timer.data = c;
	uv_timer_init(ctl->env.loop, &c->timer);
	ctl->open_cnt++;
	ctl->capture = c;
	conn->job = &c->job;
	uv_timer_start(&c->timer, on_timer, TICK_MS, TICK_MS);
}
