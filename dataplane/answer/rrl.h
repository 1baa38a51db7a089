/*
 * Response rate limiting: how many UDP responses of a kind an address prefix may have. It takes the gain out of spoofed
 * questions (the victim's prefix gets little) and leaves TCP and valid cookies alone, which prove their address.
 *
 * One table per engine and so per core: nothing is shared, and n cores let n times the rate through when a flood's
 * packets are spread over all of them. RSS spreads by address and port, so limits are per core by design.
 *
 * A bucket is one word: a tag and the time at which it will be empty again (the generic cell rate algorithm, which needs
 * no timer and no decay). Eight make a cache line, the set that a prefix hashes to with a secret key; where the set is
 * full, the bucket that is nearest to empty makes room: a flood keeps its bucket, what it pushes out had hardly any use.
 *
 * Hot path: no malloc, lock, system call, shared write, or division by a variable; on a response that passes, one line of
 * memory per level, prefetched. Owner thread of the engine unless it says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/dns/net_prefix.h"

#define RRL_LEVELS_MAX	  4
#define RRL_ALLOW_MAX	  64
#define RRL_OFFENDERS_MAX 32
#define RRL_RATE_MAX	  1000000 /* responses per second; a limit beyond that is none */
#define RRL_WINDOW_MS_MAX 60000
#define RRL_TABLE_MIN	  1024 /* buckets */
#define RRL_TABLE_MAX	  (1 << 24)

/* Each kind is counted for itself: a flood of names that do not exist leaves answers to others of the prefix alone. */
enum rrl_class { RRL_ANSWER, RRL_NODATA, RRL_REFERRAL, RRL_NXDOMAIN, RRL_ERROR, RRL_CLASS_CNT };

extern const char *const rrl_class_text[RRL_CLASS_CNT];

struct rrl_level {
	uint8_t prefix;	 /* bits */
	uint32_t factor; /* of the rate: a wide prefix holds many clients; rate * factor <= RRL_RATE_MAX */
};

enum rrl_family { RRL_IPV4, RRL_IPV6, RRL_FAMILY_CNT };

struct rrl_config {
	uint32_t rate;	    /* responses per second, prefix and class; 0: no limits */
	uint32_t window_ms; /* as many as in this time may come at once */
	uint32_t table;	    /* buckets, a power of two; 8 octets each */
	uint8_t slip;	    /* one of so many limited responses is sent with TC and no records; 0: none */
	bool dry_run;	    /* count only */
	uint8_t level_cnt[RRL_FAMILY_CNT];
	uint8_t allow_cnt;
	struct rrl_level level[RRL_FAMILY_CNT][RRL_LEVELS_MAX];
	struct net_prefix allow[RRL_ALLOW_MAX]; /* never limited */
};

struct rrl;

/* What a response's limits are found by; made when the request is read, so that memory is there when it is needed. */
struct rrl_key {
	uint64_t hash[RRL_LEVELS_MAX];
};

enum rrl_verdict {
	RRL_PASS,
	RRL_PASS_ALLOWED, /* over the limit, but on the list of those that are never limited */
	RRL_PASS_DRY_RUN, /* over the limit, and only counted */
	RRL_SLIP,	  /* send it truncated: a client that is real comes back over TCP */
	RRL_DROP,
};

/* key: secret, random. config lives as long as the table or until rrl_set_config. NULL: out of memory. */
struct rrl *rrl_new(const struct rrl_config *config, const uint64_t key[2]);
void rrl_free(struct rrl *r);

/* New limits at once; the table keeps the size it was made with. */
void rrl_set_config(struct rrl *r, const struct rrl_config *config);

/* family: 4 or 6; addr: 4 or 16 octets. */
void rrl_prepare(const struct rrl *r, uint8_t family, const uint8_t *addr, struct rrl_key *out);

/* One response is about to be sent to the client that key was made for. now_us: monotonic. */
enum rrl_verdict rrl_decide(struct rrl *r, const struct rrl_key *key, uint8_t family, const uint8_t *addr,
			    enum rrl_class class, uint64_t now_us);

/*
 * Any thread: what rrl_decide would say now, but that nothing is counted, and that RRL_DROP stands for RRL_SLIP too. Of
 * limits that change meanwhile it may mix old and new.
 */
enum rrl_verdict rrl_peek(const struct rrl *r, uint8_t family, const uint8_t *addr, enum rrl_class class,
			  uint64_t now_us);

/* A prefix that was limited. count is of late: it is halved each minute. */
struct rrl_offender {
	struct net_prefix net;
	enum rrl_class class;
	uint64_t count;
};

/* Any thread: the prefixes that were limited most, in no order; their number, at most RRL_OFFENDERS_MAX. */
unsigned rrl_offenders(const struct rrl *r, struct rrl_offender out[RRL_OFFENDERS_MAX]);
