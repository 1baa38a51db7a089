/*
 * "offenders", "cookies reload", "tls reload", "key reload": what those who answer know and what they can be told while they run.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "control/cookie_file.h"
#include "control/ctl_internal.h"
#include "control/reload.h"

/* A configuration that engines were given. Kept to the end: nobody has to know when the last of them has let go. */
struct ctl_offer {
	struct ctl_offer *next;
	struct answer_config config;
};

static json_t *offender(const struct rrl_offender *o, const char *place)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(o->net.family == 4 ? AF_INET : AF_INET6, o->net.addr, text, sizeof(text));
	return json_pack("{s:s, s:i, s:s, s:I, s:s, s:n}", "network", text, "prefix", (int)o->net.prefix,
			 "class", rrl_class_text[o->class], "limited", (json_int_t)o->count, "place", place,
			 "worker");
}

static int by_count(const void *a, const void *b)
{
	const struct rrl_offender *x = a, *y = b;

	return (x->count < y->count) - (x->count > y->count);
}

/* Whom one engine limited. place: as the section of its counters; worker below 0: it is none's. Returns 0 or -1, out of memory. */
static int add_offenders(json_t *list, const struct answer_engine *engine, const char *place, int worker)
{
	struct rrl_offender found[RRL_OFFENDERS_MAX];
	unsigned cnt = answer_offenders(engine, found);

	qsort(found, cnt, sizeof(found[0]), by_count);
	for (unsigned i = 0; i < cnt; i++) {
		json_t *one = offender(&found[i], place);

		if (json_array_append_new(list, one) < 0)
			return -1;
		if (worker >= 0 && json_object_set_new(one, "worker", json_integer(worker)) < 0)
			return -1;
	}
	return 0;
}

void ctl_offenders(struct ctl_conn *conn, const struct ctl_args *args)
{
	const struct ctl *ctl = conn->ctl;
	int workers = (int)net_worker_cnt(ctl->env.net), streams = 0, rc = 0;
	json_t *list = json_array();

	if (ctl->env.stream != NULL)
		streams = (int)stream_engine_cnt(ctl->env.stream);
	for (int i = 0; rc == 0 && i < workers; i++)
		rc = add_offenders(list, ctl->env.engines[i], "worker", i);
	if (rc == 0)
		rc = add_offenders(list, ctl->env.own_engine, "control", -1);
	for (int i = 0; rc == 0 && i < streams; i++)
		rc = add_offenders(list, stream_engine(ctl->env.stream, (unsigned)i), "stream", -1);
	if (rc < 0) {
		json_decref(list);
		ctl_reply(conn, NULL);
		return;
	}
	ctl_reply(conn, json_pack("{s:b, s:o}", "limits", (int)(ctl->env.config->answer.rrl.rate > 0),
				  "offenders", list));
}

static void give(struct ctl *ctl, struct ctl_offer *offer)
{
	unsigned workers = net_worker_cnt(ctl->env.net);

	offer->next = ctl->offers;
	ctl->offers = offer;
	for (unsigned i = 0; i < workers; i++)
		answer_engine_offer_config(ctl->env.engines[i], &offer->config);
	answer_engine_offer_config(ctl->env.own_engine, &offer->config);
	if (ctl->env.stream != NULL)
		stream_offer_config(ctl->env.stream, &offer->config);
}

/* What engines have now. */
static const struct answer_config *given(const struct ctl *ctl)
{
	return ctl->offers != NULL ? &ctl->offers->config : &ctl->env.config->answer;
}

/* Once there have been keys, signed questions come to us, who know whether there are any. */
void ctl_config_in_force(struct ctl *ctl, const struct config *now)
{
	struct ctl_offer *offer;

	if (!now->answer.has_keys || given(ctl)->has_keys)
		return;
	offer = malloc(sizeof(*offer));
	if (offer == NULL) {
		log_event(ctl->env.log, LOG_ERROR, "reload-incomplete", NULL, NULL,
			  "reason=\"out of memory: signed questions over UDP are answered unsigned\"");
		return;
	}
	offer->config = *given(ctl);
	offer->config.has_keys = true;
	give(ctl, offer);
}

void ctl_cookies_reload(struct ctl_conn *conn, const struct ctl_args *args)
{
	struct ctl *ctl = conn->ctl;
	const struct config *config = ctl->env.config;
	char error[COOKIE_FILE_ERROR_CAP];
	struct ctl_offer *offer;

	if (config->cookie_file == NULL) {
		ctl_reply_error(conn, "failed", NULL, "server.cookie-secrets is not configured");
		return;
	}
	offer = malloc(sizeof(*offer));
	if (offer == NULL) {
		ctl_reply(conn, NULL);
		return;
	}
	offer->config = *given(ctl);
	if (cookie_file_load(config->cookie_file, &offer->config.edns.cookie, error) < 0) {
		OPENSSL_cleanse(offer, sizeof(*offer));
		free(offer);
		ctl_reply_error(conn, "failed", NULL, "%s; the former secrets are still used", error);
		return;
	}
	give(ctl, offer);
	log_event(ctl->env.log, LOG_NOTICE, "cookies-reloaded", NULL, NULL, "secrets=%u",
		  offer->config.edns.cookie.secret_cnt);
	ctl_reply(conn, json_pack("{s:i}", "secrets", (int)offer->config.edns.cookie.secret_cnt));
}

/* The error names the file and what is wrong with it. */
void ctl_tls_reload(struct ctl_conn *conn, const struct ctl_args *args)
{
	struct ctl *ctl = conn->ctl;
	char error[TLS_TEXT_CAP];

	if (stream_reload_tls(ctl->env.stream, error) < 0) {
		ctl_reply_error(conn, "failed", NULL, "%s", error);
		return;
	}
	log_event(ctl->env.log, LOG_NOTICE, "tls-reloaded", NULL, NULL, NULL);
	ctl_reply(conn, json_object());
}

/* All keys or none: a peer that changed them all together sees no mixture. */
void ctl_key_reload(struct ctl_conn *conn, const struct ctl_args *args)
{
	struct ctl *ctl = conn->ctl;
	char error[TSIG_FILE_ERROR_CAP];
	unsigned cnt;

	if (config_reload_keys(config_now(ctl->env.config), &cnt, error) < 0) {
		ctl_reply_error(conn, "failed", NULL, "%s; the former secrets are still used", error);
		return;
	}
	reload_keys_changed(ctl->env.reload);
	log_event(ctl->env.log, LOG_NOTICE, "keys-reloaded", NULL, NULL, "keys=%u", cnt);
	ctl_reply(conn, json_pack("{s:i}", "keys", (int)cnt));
}

void ctl_offers_free(struct ctl *ctl)
{
	while (ctl->offers != NULL) {
		struct ctl_offer *next = ctl->offers->next;

		OPENSSL_cleanse(ctl->offers, sizeof(*ctl->offers));
		free(ctl->offers);
		ctl->offers = next;
	}
}
