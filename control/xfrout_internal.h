/* What xfrout.c (whom to serve), xfrout_source.c (the stream of records) share. Nobody else includes this. */
#pragma once

#include "control/outmsg.h"
#include "control/xfrout.h"
#include "dataplane/zone/cursor.h"

struct xfrout_zones {
	struct cell_old old;
	uint32_t slots;
	const struct config_zone *zone[]; /* by slot; NULL: none */
};

struct xfrout {
	struct xfrout_env env;
	uint64_t cnt[XFROUT_COUNTER_CNT]; /* atomic, relaxed: all stream threads add */
	struct cell zones;		  /* struct xfrout_zones: control writes, stream threads read */
	struct xfrout_zones *next;	  /* control */
};

/* The request, read. */
struct xfrout_question {
	uint8_t name[NAME_LEN_MAX]; /* lower case */
	uint16_t type;
	uint16_t class;
	uint16_t flags;
	uint16_t id;
	size_t len;	 /* of the question, behind the header */
	uint32_t serial; /* IXFR: the reader's version */
	bool edns;
	bool wants_expire; /* RFC 7314 */
};

/* Where the records come from, one after the other. */
enum xfrout_step {
	XFROUT_OPENING, /* the SOA that begins */
	XFROUT_BODY,	/* what is between, and the SOA that ends */
	XFROUT_END,
};

enum xfrout_form { XFROUT_SINGLE, XFROUT_WHOLE, XFROUT_CHANGES };

struct xfrout_session {
	struct xfrout *all;
	struct snapshot *snapshot; /* held */
	union config_sockaddr client;
	struct xfrout_question question;
	uint8_t question_octets[NAME_LEN_MAX + 4]; /* as received */
	struct tsig tsig;
	uint32_t expire_in; /* 0: not to be told */
	enum xfrout_form form;
	enum xfrout_step step;
	struct snapshot_cursor *cursor;
	struct delta **chain; /* CHANGES */
	unsigned chain_cnt, chain_at;
	size_t delta_at;
	/* A record that has been taken from its source and did not fit into the message. */
	struct snapshot_record record;
	bool pending;
	uint8_t soa_owner[NAME_LEN_MAX];
	uint32_t soa_ttl;
	uint16_t soa_len;
	uint8_t soa[2 * NAME_LEN_MAX + 20];
	struct outmsg out;
	bool too_large;
	bool done; /* the reader has taken all of it */
	uint64_t messages, records, octets;
	uint64_t started_ms, batch_ms;
};

static inline void xfrout_count(struct xfrout *x, enum xfrout_counter c, int64_t n)
{
	__atomic_fetch_add(&x->cnt[c], (uint64_t)n, __ATOMIC_RELAXED);
}

/*
 * The session's sources: which form the answer has, from the version held and the differences kept. Returns 0 or -ENOMEM;
 * what was made is freed by xfrout_source_close.
 */
int xfrout_source_open(struct xfrout_session *s, uint32_t slot);
void xfrout_source_close(struct xfrout_session *s);

/* The next record into s->record. Returns 1, 0 behind the last, or -ENOMEM. */
int xfrout_source_next(struct xfrout_session *s);
