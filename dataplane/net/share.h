/*
 * How a bounded room is shared by those whose requests wait in it for one reader: a worker's ring and the stream threads'
 * queue, both to the control loop. Pure; who has a room keeps the counts.
 *
 * Any address can be forged over UDP, a primary's too, so whoever fills a room with one must not keep others out of it. A
 * peer gets a place only while more places are free than it has. One alone has half of the room, then; k that flood have
 * 1/(k + 1) of it each, and so much stays free: who has nothing there finds a place, as long as fewer flood than there are
 * places. Nothing is set apart for those who are silent, so that what one has to say at once may be long. (Choudhury and
 * Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998.)
 *
 * What waits is of two kinds, and a peer's share of one is not its share of the other: who floods with one kind, in
 * whosever name, takes no place from the same peer's other kind either.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Peers of each kind that are told apart; of more, some have a share together. A ring of 8,192 could not promise a place to
 * each of more than that anyhow.
 */
#define SHARE_PEERS 4096
#define SHARE_CNT   (2 * SHARE_PEERS)

/* The share, below SHARE_CNT, of a peer by its number; 0: it is none, and strangers have one share together. */
static inline uint16_t share_of(bool second_kind, uint32_t peer)
{
	uint32_t at = peer == 0 ? 0 : 1 + (peer - 1) % (SHARE_PEERS - 1);

	return (uint16_t)(second_kind ? SHARE_PEERS + at : at);
}

enum share_verdict {
	SHARE_PLACE,	/* there is a place */
	SHARE_USED,	/* a peer that has as many as are free */
	SHARE_STRANGER, /* strangers have as many as they may, or as are free */
	SHARE_FULL,	/* there is none for anybody */
};

/* Whether one more may have a place: free ones are left, this share has has; strangers may have strangers_max. */
static inline enum share_verdict share_ask(uint16_t share, uint32_t free, uint32_t has,
					   uint32_t strangers_max)
{
	bool stranger = share % SHARE_PEERS == 0;

	if (stranger && has >= strangers_max)
		return SHARE_STRANGER;
	if (free == 0)
		return SHARE_FULL;
	if (has < free)
		return SHARE_PLACE;
	return stranger ? SHARE_STRANGER : SHARE_USED;
}
