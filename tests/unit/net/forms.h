/*
 * Every form of frame that can arrive, each with what becomes of it: the counter that it raises at a port with an
 * exception interface. The list of the forms that must be here is FRAMES.md.
 */
#pragma once

#include "dataplane/dns/protocol.h"
#include "dataplane/net/net.h"
#include "tests/unit/net/frame.h"

/* What the answer engine of these tests does, by the octet of a message at ORDER_AT. */
enum order { ORDER_SEND = 0x55, ORDER_FULL, ORDER_DROP, ORDER_NOTIFY, ORDER_TRANSFER };
#define ORDER_AT 12

/* Makes a NOTIFY of the request or, as far as a worker looks, a signed question; the engine is to hand it over. */
static inline void frame_hand_over(struct frame *f, bool notify)
{
	uint8_t *msg = f->octets + f->udp_at + 8;

	msg[2] = notify ? DNS_OPCODE_NOTIFY << 3 : 0;
	msg[ORDER_AT] = ORDER_NOTIFY;
	seal(f);
}

/* How a frame lies in buffers. */
enum form_place {
	PLACE_ONE,	 /* in one, with room behind it */
	PLACE_AT_END,	 /* in one, at its end: no room for a response */
	PLACE_IN_PIECES, /* in several */
};

struct form {
	const char *name;
	struct shape shape;
	void (*change)(struct frame *f); /* NULL: left as built */
	enum net_counter becomes;	 /* tx_packets: answered */
	enum form_place place;
};

extern const struct form forms[];
extern const size_t form_cnt;

struct frame form_frame(const struct form *form);
