/*
 * The SOA query: which serial does this primary have? RFC 1034 4.3.5, over UDP with a fresh socket (so a fresh
 * random port) and id for each try (RFC 5452 9), over TCP when the answer is truncated, over TLS and nothing else when
 * the primary is so configured, without EDNS when it does not understand it (RFC 6891 7). With a key both ways are signed (RFC 8945), and an answer that is not
 * is none.
 *
 * Message reading and writing is pure and stands on its own; the query runs on the loop's thread.
 */
#pragma once

#include "control/datagram.h"
#include "control/link.h"
#include "control/opt.h"
#include "control/tsig.h"
#include "dataplane/dns/rdata.h"

enum refresh_verdict {
	REFRESH_OK,
	/* Not the answer to our query: wait on. */
	REFRESH_SHORT,
	REFRESH_ID,
	REFRESH_NOT_RESPONSE,
	REFRESH_QUESTION,
	REFRESH_MALFORMED,
	/* An answer, but no serial. */
	REFRESH_TRUNCATED,
	REFRESH_RCODE,
	REFRESH_NO_SOA, /* no SOA record of the zone in the answer section */
	REFRESH_TWO_SOAS,
};

/* Whether the verdict says that the octets may come from somebody else. */
static inline bool refresh_is_foreign(enum refresh_verdict v)
{
	return v >= REFRESH_SHORT && v <= REFRESH_MALFORMED;
}

struct refresh_answer {
	struct soa soa; /* names NULL */
	uint16_t rcode; /* with OPT's part */
	bool authoritative;
	struct opt_answer opt;
	/* To tell versions with the same serial apart: of the SOA's canonical data and of its RRSIGs, in any order. */
	uint64_t soa_hash;
	uint64_t signatures_hash;
	unsigned signature_cnt;
	uint64_t digests_hash; /* the same of ZONEMD records */
	unsigned digest_cnt;
};

#define REFRESH_QUERY_MAX 512

struct refresh_question {
	const uint8_t *apex;
	uint16_t type; /* SOA; or ZONEMD, which need not exist */
	uint16_t id;
};

/* With edns it asks for RRSIGs and EXPIRE too. Writes a query to out, room for REFRESH_QUERY_MAX octets, and returns its length. */
size_t refresh_query_put(const struct refresh_question *q, bool edns, uint8_t *out);

/*
 * Any octets. out is valid for REFRESH_OK; its rcode also for REFRESH_RCODE. The SOA is there only if it was asked for.
 * rdata: RDATA_LEN_MAX octets of room.
 */
enum refresh_verdict refresh_answer_get(const uint8_t *msg, size_t len, const struct refresh_question *q,
					uint8_t *rdata, struct refresh_answer *out);

const char *refresh_verdict_text(enum refresh_verdict v);

/* --- the query --- */

struct refresh;

struct refresh_env {
	uv_loop_t *loop;
	struct links *links;
	struct datagrams *datagrams;
	uint8_t *rdata;		 /* RDATA_LEN_MAX octets */
	unsigned live;		 /* queries whose handles are not closed yet; written by refresh.c */
	void (*idle)(void *arg); /* called when live has come down to 0 */
	void *arg;
	/* Counted here, read by the owner. */
	uint64_t sent;
	uint64_t rejected; /* messages that were not the answer */
};

#define REFRESH_TEXT_CAP (LINK_TEXT_CAP + 32)

struct refresh_result {
	bool ok;
	bool reached; /* it answered, be it with an error */
	struct refresh_answer answer;
	char text[REFRESH_TEXT_CAP]; /* why not; empty if ok */
};

typedef void (*refresh_done_fn)(void *arg, const struct refresh_result *result);

/*
 * digests_of: NULL, or a serial; an answer with that and without signatures is followed by a question for the zone's ZONEMD, to tell
 * versions apart. That it is not answered does no harm. Returns 0, and done is called once, later, or -errno with nothing begun.
 */
int refresh_start(struct refresh_env *env, const struct config_primary *primary, const uint8_t *apex,
		  const uint32_t *digests_of, refresh_done_fn done, void *arg, struct refresh **out);

/* Ends it without a call of done. */
void refresh_cancel(struct refresh *r);
