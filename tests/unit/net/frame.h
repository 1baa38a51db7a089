/*
 * Request frames for tests, built octet by octet with checksums of their own making, so that the code under test is not
 * its own judge.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FRAME_CAP 2048
#define MSG_LEN	  29 /* odd on purpose */

static const uint8_t our_mac[6] = {0x02, 0, 0, 0, 0, 0x01}, their_mac[6] = {0x02, 0, 0, 0, 0, 0x02};
static const uint8_t our4[4] = {192, 0, 2, 1}, their4[4] = {198, 51, 100, 7}, other4[4] = {192, 0, 2, 99};
static const uint8_t our6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1},
		     their6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
static const uint8_t other6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 99};

struct frame {
	uint8_t octets[FRAME_CAP];
	size_t len;
	size_t l3_at, udp_at;
	uint8_t family;
};

struct shape {
	uint8_t family;
	unsigned vlans;
	size_t option_len; /* IPv4 */
	size_t msg_len;	   /* 0: MSG_LEN */
};

static const struct shape ipv4 = {.family = 4}, ipv6 = {.family = 6};

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* RFC 1071 as its text says it: 16-bit words, carries added at the end. */
static inline uint32_t naive_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i += 2)
		sum += get16((const uint8_t[]){p[i], i + 1 < len ? p[i + 1] : 0});
	return sum;
}

static inline unsigned naive_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline uint32_t pseudo(const struct frame *f, size_t udp_len)
{
	const uint8_t *ip = f->octets + f->l3_at;
	uint32_t sum = f->family == 4 ? naive_sum(0, ip + 12, 8) : naive_sum(0, ip + 8, 32);

	return sum + 17 + (uint32_t)udp_len;
}

static inline void seal_ip(struct frame *f)
{
	uint8_t *ip = f->octets + f->l3_at;

	if (f->family != 4)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, ~naive_fold(naive_sum(0, ip, (ip[0] & 15u) * 4)) & 0xffff);
}

static inline void seal_udp(struct frame *f)
{
	uint8_t *udp = f->octets + f->udp_at;
	size_t udp_len = get16(udp + 4);
	unsigned sum;

	put16(udp + 6, 0);
	sum = ~naive_fold(naive_sum(pseudo(f, udp_len), udp, udp_len)) & 0xffff;
	put16(udp + 6, sum == 0 ? 0xffff : sum);
}

static inline void seal(struct frame *f)
{
	seal_ip(f);
	seal_udp(f);
}

/* A valid request of this shape for our address. */
static inline struct frame build(const struct shape *s)
{
	struct frame f = {.family = s->family};
	size_t msg_len = s->msg_len != 0 ? s->msg_len : MSG_LEN;
	uint8_t *p = f.octets;

	memcpy(p, our_mac, 6);
	memcpy(p + 6, their_mac, 6);
	p += 12;
	for (unsigned i = 0; i < s->vlans; i++, p += 4) {
		put16(p, i == 0 && s->vlans > 1 ? 0x88a8 : 0x8100);
		put16(p + 2, 0x6000 + 100 + i);
	}
	put16(p, s->family == 4 ? 0x0800 : 0x86dd);
	p += 2;
	f.l3_at = (size_t)(p - f.octets);
	if (s->family == 4) {
		size_t hdr_len = 20 + s->option_len;

		p[0] = (uint8_t)(0x40 | hdr_len / 4);
		put16(p + 2, (unsigned)(hdr_len + 8 + msg_len));
		put16(p + 4, 0x1234);
		p[8] = 55;
		p[9] = 17;
		memcpy(p + 12, their4, 4);
		memcpy(p + 16, our4, 4);
		memset(p + 20, 1, s->option_len); // no-operation
		p += hdr_len;
	} else {
		put16(p, 0x6012);
		put16(p + 4, (unsigned)(8 + msg_len));
		p[6] = 17;
		p[7] = 55;
		memcpy(p + 8, their6, 16);
		memcpy(p + 24, our6, 16);
		p += 40;
	}
	f.udp_at = (size_t)(p - f.octets);
	put16(p, 50000);
	put16(p + 2, 53);
	put16(p + 4, (unsigned)(8 + msg_len));
	for (unsigned i = 0; i < msg_len; i++)
		p[8 + i] = (uint8_t)(i * 7 + 1);
	f.len = f.udp_at + 8 + msg_len;
	seal(&f);
	return f;
}
