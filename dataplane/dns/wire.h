/*
 * Cursors over wire-format bytes.
 *
 * Reads stop at the first overrun: later reads yield 0 and in.bad stays set, so callers test once, at the end.
 * Writes behave the same: what does not fit is not written and out.bad stays set. Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_in {
	const uint8_t *base; /* start of the message: compression pointers count from here */
	const uint8_t *cur;
	const uint8_t *end;
	bool bad;
};

struct wire_out {
	uint8_t *base;
	uint8_t *cur;
	uint8_t *end;
	bool bad;
};

static inline uint16_t wire_load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t wire_load32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t wire_load64(const uint8_t *p)
{
	return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 |
	       (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | p[7];
}

static inline void wire_store16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void wire_store32(uint8_t *p, uint32_t v)
{
	wire_store16(p, (uint16_t)(v >> 16));
	wire_store16(p + 2, (uint16_t)v);
}

static inline struct wire_in wire_in_init(const uint8_t *base, size_t len)
{
	return (struct wire_in){.base = base, .cur = base, .end = base + len};
}

static inline size_t wire_in_left(const struct wire_in *in)
{
	return (size_t)(in->end - in->cur);
}

static inline size_t wire_in_pos(const struct wire_in *in)
{
	return (size_t)(in->cur - in->base);
}

/* The next len bytes, which stay in the message; NULL (and bad) when there are fewer. */
static inline const uint8_t *wire_get_bytes(struct wire_in *in, size_t len)
{
	const uint8_t *p = in->cur;

	if (in->bad || len > wire_in_left(in)) {
		in->bad = true;
		return NULL;
	}
	in->cur += len;
	return p;
}

static inline uint8_t wire_get8(struct wire_in *in)
{
	const uint8_t *p = wire_get_bytes(in, 1);

	return p == NULL ? 0 : *p;
}

static inline uint16_t wire_get16(struct wire_in *in)
{
	const uint8_t *p = wire_get_bytes(in, 2);

	return p == NULL ? 0 : wire_load16(p);
}

static inline uint32_t wire_get32(struct wire_in *in)
{
	const uint8_t *p = wire_get_bytes(in, 4);

	return p == NULL ? 0 : wire_load32(p);
}

static inline struct wire_out wire_out_init(uint8_t *base, size_t cap)
{
	return (struct wire_out){.base = base, .cur = base, .end = base + cap};
}

static inline size_t wire_out_len(const struct wire_out *out)
{
	return (size_t)(out->cur - out->base);
}

/* Room for len bytes that the caller fills; NULL (and bad) when there is none. */
static inline uint8_t *wire_put_room(struct wire_out *out, size_t len)
{
	uint8_t *p = out->cur;

	if (out->bad || len > (size_t)(out->end - out->cur)) {
		out->bad = true;
		return NULL;
	}
	out->cur += len;
	return p;
}

static inline void wire_put8(struct wire_out *out, uint8_t v)
{
	uint8_t *p = wire_put_room(out, 1);

	if (p != NULL)
		*p = v;
}

static inline void wire_put16(struct wire_out *out, uint16_t v)
{
	uint8_t *p = wire_put_room(out, 2);

	if (p != NULL)
		wire_store16(p, v);
}

static inline void wire_put32(struct wire_out *out, uint32_t v)
{
	uint8_t *p = wire_put_room(out, 4);

	if (p != NULL)
		wire_store32(p, v);
}

static inline void wire_put_bytes(struct wire_out *out, const void *src, size_t len)
{
	uint8_t *p = wire_put_room(out, len);

	if (p != NULL && len > 0)
		memcpy(p, src, len);
}
