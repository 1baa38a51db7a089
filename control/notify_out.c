#include "control/notify_out.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#include "control/deadlines.h"
#include "control/outmsg.h"
#include "control/random.h"
#include "control/tsig.h"
#include "dataplane/zone/cursor.h"

/* On their way to one secondary: a burst of changes goes out at once, a host that is gone holds no more than these. */
#define RUNNING_MAX 32

/* A reply takes a round trip. Without one it is told again after 2, 4, 8 ... 60 s, for four minutes in all. */
#define REPLY_MS   2000
#define GAP_MAX_MS 60000
#define TRIES_MAX  8

#define LOG_BURST 20

/* Why the last try did not end well. */
enum fault { FAULT_NONE, FAULT_NO_REPLY, FAULT_RCODE, FAULT_SIGNATURE, FAULT_SEND };

static const char *const fault_text[] = {
	[FAULT_NONE] = "",
	[FAULT_NO_REPLY] = "no reply",
	[FAULT_RCODE] = "answered with an error",
	[FAULT_SIGNATURE] = "only replies that are not signed as they have to be",
	[FAULT_SEND] = "cannot be sent",
};
#define REPLY_MAX 4096

enum target_state {
	IDLE,
	QUEUED,	 /* in its peer's queue */
	ASKING,	 /* on its way: in its peer's list of those */
	PAUSING, /* the next try has a deadline */
};

/* One secondary of one zone. */
struct target {
	struct peer *peer;
	const struct config_zone *zone;
	TAILQ_ENTRY(target) link;
	struct deadline deadline;
	uint32_t slot;
	uint16_t id;
	uint8_t state;
	uint8_t tries;
	bool again; /* the zone has changed while it was told */
	bool told, acknowledged;
	uint32_t told_serial, acknowledged_serial;
	uint8_t fault;	   /* enum fault */
	struct tsig *tsig; /* ASKING, with a key */
};
TAILQ_HEAD(target_list, target);

/* Lives until the loop has closed it, which may be after its peer has opened the next. */
struct peer_socket {
	uv_udp_t udp;
	struct peer *peer; /* NULL: closing */
	struct notify_out *all;
};

/* One secondary, whatever the zone. */
struct peer {
	struct notify_out *all;
	const struct config_secondary *to;
	struct peer_socket *socket; /* while something is on its way */
	struct target_list queue;
	struct target_list asking;
	unsigned asking_cnt;
};

struct zone_targets {
	struct target *list;
	unsigned cnt;
};

/* Who is told of what, by one configuration. */
struct audience {
	const struct config *config;
	struct peer *peers; /* by position in config->secondaries */
	struct target *targets;
	unsigned target_cnt, target_cap;
	uint32_t slots;
	struct zone_targets *zones; /* by slot */
};

struct notify_out {
	struct notify_out_env env;
	uv_timer_t timer;
	int64_t timer_ms; /* what it is set to; INT64_MAX: not */
	struct deadlines *deadlines;
	struct audience now, next; /* next: between prepare and commit */
	unsigned open;		   /* handles not closed yet */
	bool stopping;
	void (*done)(void *arg);
	void *done_arg;
	struct log_limit limit;
	uint64_t cnt[NOTIFY_OUT_COUNTER_CNT];
	struct outmsg out;
	uint8_t msg[DNS_MSG_MAX];
	uint8_t in[REPLY_MAX];
};

static void on_timer(uv_timer_t *timer);
static void pump(struct peer *p);

/* --- life --- */

int notify_out_new(const struct notify_out_env *env, struct notify_out **out)
{
	struct notify_out *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return -ENOMEM;
	n->env = *env;
	n->timer_ms = INT64_MAX;
	n->deadlines = deadlines_new(0);
	if (n->deadlines == NULL) {
		notify_out_free(n);
		return -ENOMEM;
	}
	uv_timer_init(env->loop, &n->timer);
	n->timer.data = n;
	n->open = 1;
	*out = n;
	return 0;
}

static void audience_free(struct audience *a)
{
	free(a->targets);
	free(a->peers);
	free(a->zones);
	*a = (struct audience){.config = NULL};
}

void notify_out_free(struct notify_out *n)
{
	if (n == NULL)
		return;
	deadlines_free(n->deadlines);
	audience_free(&n->now);
	audience_free(&n->next);
	free(n);
}

static void handle_closed(struct notify_out *n)
{
	if (--n->open == 0 && n->done != NULL)
		n->done(n->done_arg);
}

/* --- sockets --- */

static void on_socket_closed(uv_handle_t *handle)
{
	struct peer_socket *s = handle->data;
	struct notify_out *n = s->all;

	free(s);
	handle_closed(n);
}

static void socket_close(struct peer *p)
{
	struct peer_socket *s = p->socket;

	if (s == NULL)
		return;
	p->socket = NULL;
	s->peer = NULL;
	uv_close((uv_handle_t *)&s->udp, on_socket_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct peer_socket *s = handle->data;

	buf->base = (char *)s->all->in;
	buf->len = sizeof(s->all->in);
}

static void take_reply(struct peer *p, uint8_t *msg, size_t len);

/* Connected: the kernel has compared the address. An error is an ICMP message: the time-out says so too. */
static void on_recv(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from,
		    unsigned flags)
{
	struct peer_socket *s = udp->data;

	if (s->peer != NULL && len > 0 && from != NULL)
		take_reply(s->peer, (uint8_t *)buf->base, (size_t)len);
}

static int socket_open(struct peer *p)
{
	struct peer_socket *s = calloc(1, sizeof(*s));
	int ret;

	if (s == NULL)
		return -ENOMEM;
	s->all = p->all;
	ret = uv_udp_init_ex(p->all->env.loop, &s->udp, p->to->address.sa.sa_family);
	if (ret < 0) {
		free(s);
		return ret;
	}
	s->udp.data = s;
	s->peer = p;
	p->socket = s;
	p->all->open++;
	if (p->to->source.sa.sa_family != AF_UNSPEC)
		ret = uv_udp_bind(&s->udp, &p->to->source.sa, 0);
	if (ret == 0)
		ret = uv_udp_connect(&s->udp, &p->to->address.sa);
	if (ret == 0)
		ret = uv_udp_recv_start(&s->udp, on_alloc, on_recv);
	if (ret < 0)
		socket_close(p);
	return ret;
}

/* --- targets --- */

static void set_deadline(struct target *t, int64_t in_ms)
{
	struct notify_out *n = t->peer->all;
	int64_t now = (int64_t)uv_now(n->env.loop), next;

	deadlines_set(n->deadlines, &t->deadline, now + in_ms);
	next = deadlines_next(n->deadlines);
	if (next == n->timer_ms)
		return;
	n->timer_ms = next;
	uv_timer_start(&n->timer, on_timer, next > now ? (uint64_t)(next - now) : 0, 0);
}

static void end_asking(struct target *t)
{
	struct peer *p = t->peer;

	TAILQ_REMOVE(&p->asking, t, link);
	p->asking_cnt--;
	deadlines_clear(p->all->deadlines, &t->deadline);
	if (t->tsig != NULL)
		tsig_fini(t->tsig);
	free(t->tsig);
	t->tsig = NULL;
	t->state = IDLE;
}

static void enqueue(struct target *t)
{
	deadlines_clear(t->peer->all->deadlines, &t->deadline);
	t->state = QUEUED;
	TAILQ_INSERT_TAIL(&t->peer->queue, t, link);
}

static void fail(struct target *t)
{
	struct notify_out *n = t->peer->all;
	char peer[CONFIG_ADDRESS_TEXT_CAP];

	n->cnt[NOTIFY_OUT_CNT_notify_failed]++;
	if (log_allow(n->env.log, &n->limit, LOG_BURST, "notify-out-failed"))
		log_event(n->env.log, LOG_WARNING, "notify-out-failed", t->zone->name_text,
			  config_address_text(&t->peer->to->address, peer),
			  "serial=%u tries=%u reason=\"%s\"", t->told_serial, t->tries, fault_text[t->fault]);
}

/* No good reply has come in time. */
static void try_failed(struct target *t)
{
	int64_t gap = (int64_t)REPLY_MS << (t->tries - 1);

	end_asking(t);
	if (t->again) {
		t->tries = 0;
		enqueue(t);
	} else if (t->tries >= TRIES_MAX) {
		fail(t);
	} else {
		t->state = PAUSING;
		set_deadline(t, (gap < GAP_MAX_MS ? gap : GAP_MAX_MS) -
					REPLY_MS); /* of which it has waited so long */
	}
}

/* The message into n->msg. Returns its length, or -errno; -ENOENT: nothing is served. */
static ssize_t make_message(struct notify_out *n, struct target *t)
{
	const struct snapshot *s = zonetab_snapshot(n->env.table, t->slot, NULL);
	uint8_t question[NAME_LEN_MAX + 4];
	size_t name = name_len(t->zone->name), len;
	struct outmsg_head head = {.question = question,
				   .question_len = name + 4,
				   .id = random_u16(),
				   .flags = DNS_OPCODE_NOTIFY << DNS_OPCODE_SHIFT | DNS_FLAG_AA};
	struct snapshot_cursor *cursor;
	struct snapshot_record soa;
	int ret;

	if (s == NULL)
		return -ENOENT;
	cursor = snapshot_cursor_new(s);
	if (cursor == NULL)
		return -ENOMEM;
	memcpy(question, t->zone->name, name);
	wire_store16(question + name, DNS_TYPE_SOA);
	wire_store16(question + name + 2, DNS_CLASS_IN);
	outmsg_begin(&n->out, n->msg, sizeof(n->msg), &head);
	ret = snapshot_cursor_next(cursor, &soa) == 1 && outmsg_add(&n->out, &soa) ? 0 : -ENOMEM;
	snapshot_cursor_free(cursor);
	len = outmsg_end(&n->out);
	t->id = head.id;
	t->told_serial = snapshot_serial(s);
	if (ret == 0 && t->tsig != NULL)
		ret = tsig_sign_request(t->tsig, n->msg, sizeof(n->msg), (uint64_t)time(NULL), &len);
	return ret < 0 ? ret : (ssize_t)len;
}

static int send_message(struct target *t)
{
	struct notify_out *n = t->peer->all;
	ssize_t len;
	uv_buf_t buf;
	int ret;

	if (t->peer->to->key != NULL) {
		t->tsig = malloc(sizeof(*t->tsig));
		if (t->tsig == NULL || tsig_client_init(t->tsig, t->peer->to->key) < 0)
			return -ENOMEM;
	}
	len = make_message(n, t);
	if (len < 0)
		return (int)len;
	if (t->peer->socket == NULL) {
		ret = socket_open(t->peer);
		if (ret < 0)
			return ret;
	}
	buf = uv_buf_init((char *)n->msg, (unsigned)len);
	ret = uv_udp_try_send(&t->peer->socket->udp, &buf, 1, NULL);
	if (ret < 0)
		return ret;
	n->cnt[NOTIFY_OUT_CNT_notify_sent]++;
	t->told = true;
	return 0;
}

static void ask(struct target *t)
{
	struct peer *p = t->peer;
	int ret;

	t->state = ASKING;
	t->again = false;
	t->tries++;
	TAILQ_INSERT_TAIL(&p->asking, t, link);
	p->asking_cnt++;
	ret = send_message(t);
	t->fault = ret < 0 ? FAULT_SEND : FAULT_NO_REPLY;
	if (ret == -ENOENT)
		end_asking(t); /* expired meanwhile: its next version will be told */
	else
		set_deadline(t, REPLY_MS);
}

/* Starts what may be started; keeps no socket for nothing. */
static void pump(struct peer *p)
{
	struct target *t;

	while (!p->all->stopping && p->asking_cnt < RUNNING_MAX && (t = TAILQ_FIRST(&p->queue)) != NULL) {
		TAILQ_REMOVE(&p->queue, t, link);
		ask(t);
	}
	if (p->asking_cnt == 0)
		socket_close(p);
}

static void on_timer(uv_timer_t *timer)
{
	struct notify_out *n = timer->data;
	int64_t now = (int64_t)uv_now(n->env.loop), next;
	struct deadline *d;

	while ((d = deadlines_take(n->deadlines, now)) != NULL) {
		struct target *t = (struct target *)((char *)d - offsetof(struct target, deadline));

		if (t->state == ASKING)
			try_failed(t);
		else
			enqueue(t);
		pump(t->peer);
	}
	next = deadlines_next(n->deadlines);
	n->timer_ms = next;
	if (next != INT64_MAX)
		uv_timer_start(&n->timer, on_timer, next > now ? (uint64_t)(next - now) : 0, 0);
}

void notify_out_changed(struct notify_out *n, uint32_t slot)
{
	if (n->stopping)
		return;
	for (unsigned i = 0; i < notify_out_cnt(n, slot); i++) {
		struct target *t = &n->now.zones[slot].list[i];

		if (t->state == ASKING) {
			t->again = true;
			continue;
		}
		t->tries = 0;
		if (t->state != QUEUED)
			enqueue(t);
		pump(t->peer);
	}
}

/* --- replies --- */

static struct target *find_asking(struct peer *p, const uint8_t *msg, size_t len)
{
	struct wire_in in = wire_in_init(msg, len);
	uint8_t name[NAME_LEN_MAX];
	uint16_t id = wire_get16(&in), flags = wire_get16(&in), cnt = wire_get16(&in);
	struct target *t;

	wire_get_bytes(&in, 6);
	name_get_plain(&in, name);
	if (in.bad || cnt != 1 || wire_get16(&in) != DNS_TYPE_SOA || wire_get16(&in) != DNS_CLASS_IN ||
	    in.bad ||
	    (flags & (DNS_FLAG_QR | DNS_OPCODE_MASK)) !=
		    (DNS_FLAG_QR | DNS_OPCODE_NOTIFY << DNS_OPCODE_SHIFT))
		return NULL;
	TAILQ_FOREACH(t, &p->asking, link)
	{
		if (t->id == id && t->told && name_equal(t->zone->name, name))
			return t;
	}
	return NULL;
}

static void acknowledge(struct target *t)
{
	struct notify_out *n = t->peer->all;
	char peer[CONFIG_ADDRESS_TEXT_CAP];
	bool again = t->again;

	n->cnt[NOTIFY_OUT_CNT_notify_acknowledged]++;
	t->acknowledged = true;
	t->acknowledged_serial = t->told_serial;
	t->fault = FAULT_NONE;
	end_asking(t);
	log_event(n->env.log, LOG_DEBUG, "notify-out", t->zone->name_text,
		  config_address_text(&t->peer->to->address, peer), "serial=%u tries=%u", t->told_serial,
		  t->tries);
	t->tries = 0;
	if (again)
		enqueue(t);
}

static void take_reply(struct peer *p, uint8_t *msg, size_t len)
{
	struct target *t = find_asking(p, msg, len);
	unsigned rcode = len >= DNS_HEADER_LEN ? wire_load16(msg + 2) & DNS_RCODE_MASK : 0;

	if (t == NULL) {
		p->all->cnt[NOTIFY_OUT_CNT_notify_rejected]++;
		return;
	}
	if (t->tsig != NULL && tsig_verify_response(t->tsig, msg, (uint64_t)time(NULL), &len) != TSIG_OK) {
		/* Anybody may have sent it: wait on. */
		p->all->cnt[NOTIFY_OUT_CNT_notify_rejected]++;
		t->fault = FAULT_SIGNATURE;
		return;
	}
	if (rcode == DNS_RCODE_NOERROR) {
		acknowledge(t);
	} else {
		/* It may not know the zone yet: told again like one that is not there, by the deadline that stands. */
		t->fault = FAULT_RCODE;
	}
	pump(p);
}

/* --- another audience --- */

int notify_out_prepare(struct notify_out *n, const struct config *config, uint32_t slots)
{
	struct audience *a = &n->next;

	audience_free(a);
	a->config = config;
	a->slots = slots;
	for (unsigned i = 0; i < config->zone_cnt; i++)
		a->target_cap += config->zones[i].notify.cnt;
	a->zones = calloc(slots + 1u, sizeof(a->zones[0]));
	a->targets = calloc(a->target_cap + 1u, sizeof(a->targets[0]));
	a->peers = calloc(config->secondary_cnt + 1u, sizeof(a->peers[0]));
	if (a->zones == NULL || a->targets == NULL || a->peers == NULL ||
	    deadlines_reserve(n->deadlines, a->target_cap) < 0) {
		audience_free(a);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < config->secondary_cnt; i++) {
		a->peers[i] = (struct peer){.all = n, .to = &config->secondaries[i]};
		TAILQ_INIT(&a->peers[i].queue);
		TAILQ_INIT(&a->peers[i].asking);
	}
	return 0;
}

void notify_out_add_zone(struct notify_out *n, uint32_t slot, const struct config_zone *zone)
{
	struct audience *a = &n->next;
	struct zone_targets *z;

	if (slot >= a->slots || zone->notify.cnt > a->target_cap - a->target_cnt)
		return;
	z = &a->zones[slot];
	z->list = a->targets + a->target_cnt;
	z->cnt = zone->notify.cnt;
	a->target_cnt += z->cnt;
	for (unsigned i = 0; i < z->cnt; i++)
		z->list[i] = (struct target){.peer = &a->peers[zone->notify.list[i] - a->config->secondaries],
					     .zone = zone,
					     .slot = slot};
}

/* Nothing is on its way any more; again says what was. */
static void recall(struct audience *a)
{
	for (unsigned i = 0; i < a->target_cnt; i++) {
		struct target *t = &a->targets[i];
		bool waiting = t->state != IDLE;

		if (t->state == ASKING)
			end_asking(t);
		deadlines_clear(t->peer->all->deadlines, &t->deadline);
		t->again = waiting;
	}
	for (unsigned i = 0; a->config != NULL && i < a->config->secondary_cnt; i++)
		socket_close(&a->peers[i]);
}

/* NULL: it was not there. */
static const struct target *find_before(const struct audience *a, const struct target *t)
{
	const struct config_secondary *to = t->peer->to;

	for (unsigned i = 0; t->slot < a->slots && i < a->zones[t->slot].cnt; i++) {
		const struct target *old = &a->zones[t->slot].list[i];

		if (name_equal(old->zone->name, t->zone->name) &&
		    strcmp(old->peer->to->name, to->name) == 0 &&
		    memcmp(&old->peer->to->address, &to->address, sizeof(to->address)) == 0)
			return old;
	}
	return NULL;
}

static void inherit(struct notify_out *n, struct target *t)
{
	const struct target *old = find_before(&n->now, t);

	if (old == NULL) {
		if (zonetab_snapshot(n->env.table, t->slot, NULL) != NULL)
			enqueue(t);
		return;
	}
	t->tries = old->again ? 0 : old->tries;
	t->told = old->told;
	t->told_serial = old->told_serial;
	t->acknowledged = old->acknowledged;
	t->acknowledged_serial = old->acknowledged_serial;
	t->fault = old->fault;
	if (old->again)
		enqueue(t);
}

void notify_out_commit(struct notify_out *n)
{
	struct audience *next = &n->next;

	recall(&n->now);
	for (unsigned i = 0; i < next->target_cnt; i++)
		inherit(n, &next->targets[i]);
	audience_free(&n->now);
	n->now = *next;
	*next = (struct audience){.config = NULL};
	for (unsigned i = 0; i < n->now.config->secondary_cnt; i++)
		pump(&n->now.peers[i]);
}

/* --- what others see --- */

unsigned notify_out_cnt(const struct notify_out *n, uint32_t slot)
{
	return slot < n->now.slots ? n->now.zones[slot].cnt : 0;
}

void notify_out_info(const struct notify_out *n, uint32_t slot, unsigned i, struct notify_out_info *out)
{
	const struct target *t = &n->now.zones[slot].list[i];

	*out = (struct notify_out_info){.to = t->peer->to,
					.told = t->told,
					.acknowledged = t->acknowledged,
					.told_serial = t->told_serial,
					.acknowledged_serial = t->acknowledged_serial,
					.waiting = t->state != IDLE,
					.tries = t->tries,
					.fault = fault_text[t->fault]};
}

void notify_out_counters(const struct notify_out *n, uint64_t out[NOTIFY_OUT_COUNTER_CNT])
{
	memcpy(out, n->cnt, sizeof(n->cnt));
}

static void on_timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

void notify_out_stop(struct notify_out *n, void (*done)(void *arg), void *arg)
{
	n->stopping = true;
	n->done = done;
	n->done_arg = arg;
	for (unsigned i = 0; n->now.config != NULL && i < n->now.config->secondary_cnt; i++) {
		struct peer *p = &n->now.peers[i];

		while (!TAILQ_EMPTY(&p->asking))
			end_asking(TAILQ_FIRST(&p->asking));
		socket_close(p);
	}
	uv_close((uv_handle_t *)&n->timer, on_timer_closed);
}
