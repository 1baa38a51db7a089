/*
 * Cuts a stream into DNS messages: over TCP and TLS each stands behind its length in two octets (RFC 1035 4.2.2), and the
 * octets come in any pieces (RFC 7766 8). Whoever reads such a stream reads it with this.
 *
 * Every length is one of a message: 0 too, and what is too short for DNS. Each is handed out as it came, in its order, and
 * it is for its reader to refuse. So a stream can never be wrong here, only stop in the middle. Pure; one thread at a time.
 */
#pragma once

#include "dataplane/dns/protocol.h"
#include "dataplane/dns/wire.h"

#define CUTTER_FRAME_MAX (2 + DNS_MSG_MAX)

/* Octets of the stream that have come and are not cut off yet, or a message. Borrowed. */
struct cutter_span {
	uint8_t *at;
	size_t len;
};

/* For a reader whose octets do not stay: the message that has begun, with its length in front. */
struct cutter {
	uint8_t *carry; /* room for CUTTER_FRAME_MAX octets, the owner's */
	size_t len;	/* 0: the stream is between two messages */
};

/*
 * How many octets the first message takes with its length, as far as len octets of it tell: 2 until the length is there,
 * then at most CUTTER_FRAME_MAX.
 */
static inline size_t cutter_need(const uint8_t *octets, size_t len)
{
	return len < 2 ? 2 : 2u + wire_load16(octets);
}

/* Takes the first message off the front; it stays where it lies. False, and nothing taken: it is not there whole. */
static inline bool cutter_take(struct cutter_span *in, struct cutter_span *out_msg)
{
	size_t need = cutter_need(in->at, in->len);

	if (in->len < need)
		return false;
	*out_msg = (struct cutter_span){in->at + 2, need - 2};
	in->at += need;
	in->len -= need;
	return true;
}

/* The part of cutter_feed that copies: octets into carry, until a message is whole there. */
bool cutter_join(struct cutter *c, struct cutter_span *in, struct cutter_span *out_msg);

/*
 * The next message of the stream that goes on with in, until it returns false: then all of in is used. A message that
 * lies in one piece is not copied; the others are valid until the next call.
 */
static inline bool cutter_feed(struct cutter *c, struct cutter_span *in, struct cutter_span *out_msg)
{
	if (c->len == 0 && cutter_take(in, out_msg))
		return true;
	return in->len > 0 && cutter_join(c, in, out_msg);
}
