/* Which request goes over which connection, and how long one is kept. */
#include "control/link_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A primary that does not answer a SYN, or a hello of TLS, for this long is not there. */
#define OPEN_MAX_MS 10000

const struct counter_text link_counter_text[LINK_COUNTER_CNT] = {
#define X(name, help) {#name, help},
	LINK_COUNTERS(X)
#undef X
};

struct links *links_new(const struct links_env *env)
{
	struct links *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->env = *env;
	LIST_INIT(&all->list);
	all->plain = malloc(LINK_PLAIN_CAP);
	if (all->plain == NULL) {
		free(all);
		return NULL;
	}
	return all;
}

void links_free(struct links *all)
{
	if (all == NULL)
		return;
	for (unsigned i = 0; i < all->peer_cnt; i++) {
		tls_ticket_fini(&all->peers[i]->ticket);
		free(all->peers[i]);
	}
	free(all->peers);
	free(all->plain);
	free(all);
}

int links_reserve(struct links *all, unsigned cnt)
{
	struct link_peer **peers;

	if (cnt <= all->peer_cnt)
		return 0;
	peers = realloc(all->peers, cnt * sizeof(peers[0]));
	if (peers == NULL)
		return -ENOMEM;
	for (all->peers = peers; all->peer_cnt < cnt; all->peer_cnt++) {
		peers[all->peer_cnt] = calloc(1, sizeof(*peers[0]));
		if (peers[all->peer_cnt] == NULL)
			return -ENOMEM;
	}
	return 0;
}

bool links_are_closed(const struct links *all)
{
	return all->live == 0;
}

void links_stop(struct links *all)
{
	struct link *l;

	all->stopping = true;
	LIST_FOREACH(l, &all->list, entry)
	if (l->request_cnt == 0)
		link_close(l, "%s", "");
}

void links_counters(const struct links *all, uint64_t out[LINK_COUNTER_CNT])
{
	memcpy(out, all->cnt, sizeof(all->cnt));
}

/* --- closing --- */

static void forget(struct link *l)
{
	if (l->peer->idle == l)
		l->peer->idle = NULL;
	if (l->peer->talks == l)
		l->peer->talks = NULL;
}

static void remove_request(struct link *l, struct link_request *r)
{
	TAILQ_REMOVE(&l->requests, r, entry);
	l->request_cnt--;
	r->link = NULL;
}

/* A connection that never served is no reason to believe that another one would. */
static bool repeat(struct link *l, struct link_request *r)
{
	if (!l->served || r->heard || l->all->stopping || link_ask(l->all, r) < 0)
		return false;
	l->all->cnt[LINK_CNT_repeats]++;
	return true;
}

static void on_closed(uv_handle_t *handle)
{
	struct link *l = handle->data;
	struct links *all = l->all;
	struct link_request *r;

	if (--l->handles > 0)
		return;
	while ((r = TAILQ_FIRST(&l->requests)) != NULL) {
		remove_request(l, r);
		if (!repeat(l, r))
			r->calls.ended(r->calls.arg, l->why);
	}
	LIST_REMOVE(l, entry);
	tls_free(l->tls);
	free(l->cutter.carry);
	free(l);
	if (--all->live == 0 && all->stopping)
		all->env.idle(all->env.arg);
}

void link_close(struct link *l, const char *fmt, ...)
{
	va_list ap;

	if (l->state == LINK_CLOSING)
		return;
	va_start(ap, fmt);
	vsnprintf(l->why, sizeof(l->why), fmt, ap);
	va_end(ap);
	if (l->state == LINK_OPEN && l->tls != NULL)
		link_say_end(l);
	l->state = LINK_CLOSING;
	forget(l);
	uv_close((uv_handle_t *)&l->tcp, on_closed);
	uv_close((uv_handle_t *)&l->timer, on_closed);
}

/* --- opening --- */

static void on_open_timer(uv_timer_t *timer)
{
	struct link *l = timer->data;

	link_close(l, "%s: no answer for %d s", l->state == LINK_SHAKING ? "TLS handshake" : "connect",
		   OPEN_MAX_MS / 1000);
}

/* Closes by itself what could not be begun: nobody is told. */
static struct link *link_begin(struct links *all, const struct config_primary *p, int *ret)
{
	struct link *l = calloc(1, sizeof(*l));

	*ret = -ENOMEM;
	if (l == NULL)
		return NULL;
	l->all = all;
	l->peer = all->peers[p->id];
	TAILQ_INIT(&l->requests);
	*ret = uv_tcp_init_ex(all->env.loop, &l->tcp, p->address.sa.sa_family);
	if (*ret < 0) {
		free(l);
		return NULL;
	}
	uv_timer_init(all->env.loop, &l->timer);
	l->tcp.data = l;
	l->timer.data = l;
	l->handles = 2;
	all->live++;
	LIST_INSERT_HEAD(&all->list, l, entry);
	/* Of a configuration that is none any more: it is for this request alone, and nothing is kept of it. */
	l->spoilt = p != l->peer->primary;
	*ret = link_connect(l, p);
	if (*ret < 0) {
		link_close(l, "%s", "");
		return NULL;
	}
	uv_timer_start(&l->timer, on_open_timer, OPEN_MAX_MS, 0);
	all->cnt[LINK_CNT_connections]++;
	return l;
}

static void tell_connected(struct link *l, struct link_request *r)
{
	r->calls.connected(r->calls.arg);
	link_send(l, r);
}

void link_opened(struct link *l)
{
	struct link_request *r;

	l->state = LINK_OPEN;
	uv_timer_stop(&l->timer);
	TAILQ_FOREACH(r, &l->requests, entry)
	tell_connected(l, r);
}

/* --- lending --- */

static struct link *find(struct links *all, const struct link_request *r)
{
	struct link_peer *peer = all->peers[r->primary->id];
	struct link *l = peer->talks;

	if (r->primary != peer->primary)
		return NULL;

	/* Ids tell answers apart: two of one make another connection. */
	if (!r->stream && l != NULL && l->request_cnt < LINK_SHARED_MAX &&
	    link_find_id(l, wire_load16(r->wire + 2)) == NULL)
		return l;
	l = peer->idle;
	if (l == NULL)
		return NULL;
	peer->idle = NULL;
	uv_timer_stop(&l->timer);
	return l;
}

int link_ask(struct links *all, struct link_request *r)
{
	struct link *l = find(all, r);
	int ret;

	r->heard = false;
	if (l != NULL)
		all->cnt[LINK_CNT_reuses]++;
	else
		l = link_begin(all, r->primary, &ret);
	if (l == NULL)
		return ret;
	TAILQ_INSERT_TAIL(&l->requests, r, entry);
	l->request_cnt++;
	r->link = l;
	l->stream = r->stream;
	if (!r->stream && !l->spoilt)
		l->peer->talks = l;
	if (l->state == LINK_OPEN)
		tell_connected(l, r);
	return 0;
}

static void on_idle_timer(uv_timer_t *timer)
{
	link_close(timer->data, "%s", "");
}

/* Nobody uses it. One is kept for each primary. */
static void keep(struct link *l)
{
	uint32_t keep_ms = l->peer->primary != NULL ? l->peer->primary->keep_ms : 0;

	forget(l);
	if (l->spoilt || l->all->stopping || keep_ms == 0 || l->peer->idle != NULL || l->state != LINK_OPEN) {
		link_close(l, "%s", "");
		return;
	}
	l->stream = false;
	l->peer->idle = l;
	uv_timer_start(&l->timer, on_idle_timer, keep_ms, 0);
	link_read_on(l);
}

/* Its answer may still come; who else waits on the connection goes on. */
static void give_up(struct link *l, const struct link_request *r)
{
	l->spoilt = true;
	forget(l);
	if (!l->stream && l->given_up_cnt < LINK_SHARED_MAX)
		l->given_up[l->given_up_cnt++] = wire_load16(r->wire + 2);
}

void link_end(struct link_request *r, bool clean)
{
	struct link *l = r->link;

	if (l == NULL)
		return;
	remove_request(l, r);
	if (l->state == LINK_CLOSING)
		return;
	l->served = l->served || clean;
	if (!clean)
		give_up(l, r);
	if (l->request_cnt == 0)
		keep(l);
}

void link_resume(struct link_request *r)
{
	if (r->link != NULL && r->link->state == LINK_OPEN && r->link->paused)
		link_read_on(r->link);
}

/* --- other primaries --- */

/* A connection for somebody else, or for another trust: not for what comes. */
static void spoil(struct link *l)
{
	l->spoilt = true;
	forget(l);
	if (l->tls != NULL)
		tls_forget_ticket(l->tls);
	if (l->request_cnt == 0)
		link_close(l, "%s", "");
}

void links_set_primaries(struct links *all, const struct config_primary *primaries, unsigned cnt)
{
	struct link *l;

	/* A primary that is not there any more is stale; the others are looked at one by one. */
	for (unsigned i = 0; i < all->peer_cnt; i++)
		all->peers[i]->stale = true;
	for (unsigned i = 0; i < cnt; i++) {
		struct link_peer *peer = all->peers[primaries[i].id];

		peer->stale = peer->primary == NULL || primaries[i].tls != NULL ||
			      !config_same_primary(peer->primary, &primaries[i]);
	}
	LIST_FOREACH(l, &all->list, entry)
	if (l->peer->stale && l->state != LINK_CLOSING)
		spoil(l);
	for (unsigned i = 0; i < all->peer_cnt; i++) {
		all->peers[i]->primary = NULL;
		if (all->peers[i]->stale)
			tls_ticket_fini(&all->peers[i]->ticket);
	}
	for (unsigned i = 0; i < cnt; i++)
		all->peers[primaries[i].id]->primary = &primaries[i];
}
