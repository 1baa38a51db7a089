/*
 * Fuzz target: a stream of messages in any pieces. An input is how many sizes of pieces there are (one octet), these sizes
 * (two octets each, used in turn), and the stream.
 *
 * The messages are those that lie one behind the other in the whole stream, and what is left is the beginning of one.
 */
#include "dataplane/dns/cutter.h"
#include "tests/fuzz/holds.h"

struct sizes {
	const uint8_t *list;
	size_t cnt;
};

static size_t piece_len(const struct sizes *sizes, size_t i, size_t left)
{
	size_t len = sizes->cnt == 0 ? left : wire_load16(sizes->list + 2 * (i % sizes->cnt));

	/* A piece of no octets is one too, but does not lead anywhere. */
	if (len == 0 && i % 2 != 0)
		len = 1;
	return len < left ? len : left;
}

/* The next of the whole stream, written down once more. Moves *at. */
static void check_next(const uint8_t *stream, size_t len, size_t *at, const struct cutter_span *msg)
{
	size_t want;

	HOLDS(len - *at >= 2);
	want = (size_t)stream[*at] << 8 | stream[*at + 1];
	HOLDS(len - *at - 2 >= want && msg->len == want);
	HOLDS(memcmp(msg->at, stream + *at + 2, want) == 0);
	*at += 2 + want;
}

static void cut(const struct sizes *sizes, const uint8_t *stream, size_t len)
{
	struct cutter c = {.carry = malloc(CUTTER_FRAME_MAX)};
	size_t fed = 0, at = 0;

	HOLDS(c.carry != NULL);
	for (size_t i = 0; fed < len; i++) {
		size_t part = piece_len(sizes, i, len - fed);
		uint8_t *piece = exact_copy(stream + fed, part);
		struct cutter_span in = {piece, part}, msg;

		fed += part;
		while (cutter_feed(&c, &in, &msg))
			check_next(stream, fed, &at, &msg);
		HOLDS(in.len == 0);
		HOLDS(c.len == fed - at && c.len < cutter_need(stream + at, fed - at));
		HOLDS(memcmp(c.carry, stream + at, c.len) == 0);
		free(piece);
	}
	free(c.carry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sizes sizes = {data + 1, 0};

	if (len == 0)
		return 0;
	sizes.cnt = data[0] < (len - 1) / 2 ? data[0] : (len - 1) / 2;
	cut(&sizes, data + 1 + 2 * sizes.cnt, len - 1 - 2 * sizes.cnt);
	return 0;
}
