/*
 * Filling the messages of an outgoing transfer, RFC 5936 2.2: header, question, answers with names compressed (RFC 1035
 * 4.1.4) against all earlier ones of the message. Only identical octets are compressed, so case survives. Pure.
 */
#pragma once

#include "dataplane/zone/snapshot.h"

/* A message ends before the record that would make it longer: pointers reach 16 KiB, and readers begin early. */
#define OUTMSG_AIM 16384

#define OUTMSG_NAMES 1024 /* places where earlier names are remembered; a power of two */

struct outmsg {
	uint8_t *msg;
	size_t cap; /* octets that a message may have, at most DNS_MSG_MAX */
	size_t len;
	uint16_t answer_cnt;
	uint16_t names[OUTMSG_NAMES]; /* offset of a name, by the hash of its octets; 0: none */
};

/* The header's second word of a response, and whose it is. question: octets behind the header, or len 0. */
struct outmsg_head {
	const uint8_t *question;
	size_t question_len;
	uint16_t id;
	uint16_t flags;
};

/* cap >= DNS_HEADER_LEN + question_len. */
void outmsg_begin(struct outmsg *m, uint8_t *msg, size_t cap, const struct outmsg_head *head);

/* False: it belongs into the next message; into an empty one it fits unless no message can carry it. */
bool outmsg_add(struct outmsg *m, const struct snapshot_record *r);

/* Completes the header. Returns the length. */
size_t outmsg_end(struct outmsg *m);
