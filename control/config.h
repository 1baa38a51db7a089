/*
 * Configuration: YAML in, one immutable struct out. A reload makes a new one, of which keys, TLS profiles, primaries,
 * secondaries and zones come into force; the rest of the first one is that of the process (see "reload" below). Every key
 * is documented in the man page lockstepd.conf(5); unknown keys are errors with file, line and column.
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "control/log.h"
#include "control/tls.h"
#include "control/tsig_file.h"
#include "dataplane/net/net.h"
#include "dataplane/zone/acl.h"
#include "dataplane/zone/builder.h"
#include "dataplane/zone/cell.h"

union config_sockaddr {
	struct sockaddr sa;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

/* What is wanted of a server that is asked over TLS; primaries may share one. */
struct config_tls {
	char *name;
	struct tls_client *client; /* immutable */
};

struct config_primary {
	char *name; /* how the config calls it */
	unsigned
		id; /* below config.id_cnt; what is known of it at run time goes by this. Stays over reloads, by name */
	union config_sockaddr address;
	union config_sockaddr source; /* sa_family AF_UNSPEC: the kernel chooses */
	bool ixfr;		      /* ask it for differences */
	bool ixfr_udp;		      /* ... over UDP first */
	struct tsig_key *key; /* signs all that is said to it and by it; NULL: nothing is signed; config's */
	const struct config_tls *tls; /* all that is said goes over TLS; NULL: UDP and TCP */
	uint32_t keep_ms;	      /* how long a connection that nobody uses is kept */
};

/* Whom zones go to: who may transfer them, and who is told of changes. */
struct config_secondary {
	char *name; /* how the config calls it */
	union config_sockaddr
		address;	      /* a host, or the first address of a network; port: where NOTIFY goes */
	union config_sockaddr source; /* of NOTIFY; sa_family AF_UNSPEC: the kernel chooses */
	uint8_t prefix;		      /* bits of address that count: 32 or 128 for a host */
	bool tls;		      /* transfers to it over TLS only */
	char *hostname;	      /* and only if it shows a certificate for this name; NULL: any or none */
	struct tsig_key *key; /* signs all that is said to it and by it; NULL: nothing is; config's */
};

struct config_secondaries {
	const struct config_secondary **list;
	unsigned cnt;
};

/* How much may be under way at primaries at once: in all, and at one of them. */
struct config_transfers_in {
	unsigned running_max, per_primary_max;
	unsigned queries_max, queries_per_primary_max; /* for the SOA */
};

/* What serving transfers may take. */
struct config_transfers_out {
	unsigned running_max;
	uint32_t time_max_s;  /* for a whole transfer */
	uint32_t idle_max_s;  /* for a reader to take 64 KiB */
	uint32_t deltas_max;  /* differences kept of a zone */
	uint64_t delta_bytes; /* octets of those of all zones */
};

/* When a primary has our serial and another content. */
enum config_same_serial { CONFIG_SAME_IGNORE, CONFIG_SAME_ALERT, CONFIG_SAME_TRANSFER };

/* Whom a new version is taken from. */
enum config_primary_order { CONFIG_ORDERED, CONFIG_BEST_SERIAL };

struct config_zone {
	char *name_text;			 /* presentation form with trailing dot, lower case */
	uint8_t name[NAME_LEN_MAX];		 /* lower case */
	const struct config_primary **primaries; /* in order of preference */
	unsigned primary_cnt;
	/* Often those of config.defaults_*: freed by who has made them. */
	struct config_secondaries allow_transfer;
	struct config_secondaries notify;
	/* Caps on the SOA's timers, seconds; FEATURES b1. */
	uint32_t refresh_min, refresh_max, retry_min, retry_max, expire_min, expire_max;
	const struct acl *acl;	      /* who may ask; NULL: everybody; config's */
	struct builder_limits limits; /* transfer-records, transfer-bytes, record-set-records; 0: none */
	uint32_t transfer_time_max;   /* seconds for a whole transfer */
	uint32_t transfer_idle_max;   /* seconds without an octet */
	uint32_t transfer_rate_min;   /* octets a second, over each transfer_idle_max; 0: any */
	/* 0: any */
	uint64_t transfer_messages_max;
	uint64_t transfer_deltas_max;
	uint32_t zonemd, dnssec; /* enum gate_policy */
	uint32_t same_serial;	 /* enum config_same_serial */
	uint32_t primary_order;	 /* enum config_primary_order */
	uint32_t pin_tolerance;	 /* seconds; 0: the zone is not pinned to a primary */
	uint32_t notify_ixfr;	 /* 1: a NOTIFY is acted on by IXFR at once, without a SOA query */
	char **verifier; /* a program and its arguments, NULL at the end; NULL: none; own or of defaults: config's */
	uint32_t verifier_timeout; /* seconds */
	uint32_t max_shrink;	   /* percent of the records a change may take away; 100: any */
	uint32_t signature_warn;   /* seconds before the apex's signatures end; 0: never */
	uint32_t keep_versions;	   /* former ones, for zone rollback */
};

#define CONFIG_SECTIONS_MAX 32

#define CONFIG_ZONE_PRIMARIES_MAX 32

struct config {
	char *file;
	struct answer_config answer;
	char *cookie_file; /* where the secrets in it are from; NULL: random */
	struct net_address *listen;
	unsigned listen_cnt;
	/* net.ports etc. point into this struct */
	struct net_config net;
	bool tcp; /* serve DNS over TCP on the listen addresses */
	unsigned tcp_threads;
	unsigned tcp_clients_max;
	unsigned tcp_clients_per_address_max; /* 0: none */
	uint32_t tcp_idle_ms;
	struct tls_server_spec tls_spec; /* DNS over TLS; certificate NULL: not served; texts are ours */
	uint16_t tls_port;
	unsigned builder_threads;
	uint32_t stall_after_ms; /* a worker that has not come round for so long is stalled */
	uint64_t
		stall_memory; /* octets of replaced zone memory, above which a stalled worker holds transfers */
	uint64_t zone_memory_max; /* octets; arena_config.bytes_max */
	char *control_socket;
	enum log_level log_level;
	enum log_target log_target;
	bool shared; /* others than root, us and a group may read the file: no place for secrets */
	struct tsig_key **keys;
	char **key_files; /* of each: where it is from; NULL: the configuration itself */
	unsigned key_cnt;
	struct tsig_keyring *keyring; /* of the keys */
	struct config_tls *tls;	      /* by name */
	unsigned tls_cnt;
	struct config_primary *primaries; /* by name */
	unsigned primary_cnt;
	unsigned id_cnt; /* ids of primaries are below */
	struct config_secondary *secondaries;
	unsigned secondary_cnt;
	struct config_transfers_in transfers_in;
	struct config_transfers_out transfers_out;
	struct config_secondaries defaults_allow_transfer;
	struct config_secondaries defaults_notify;
	struct acl **acls; /* those of the zones and net.peers, each once */
	unsigned acl_cnt;
	char ***verifiers; /* those of zones and defaults */
	unsigned verifier_cnt;
	struct config_zone *zones;
	unsigned zone_cnt;
	/* What each section of the file says, whatever its layout: to see which a reload has changed. */
	uint64_t section_hash[CONFIG_SECTIONS_MAX];
	/* Generations: config_generation.c's. */
	unsigned holders;     /* atomic: of all that a reload replaces */
	struct cell current;  /* of the first: what is in force; NULL: itself. Control writes, all read */
	struct config *first; /* NULL: this is it */
	struct cell_old old;
};

/*
 * Reads and checks a file. Returns 0, or -errno with the reasons, one a line, written to errors (cut to cap): each
 * "FILE:LINE:COLUMN: KEY PATH: what is wrong". On success errors is empty or holds warnings. All that is wrong is found
 * in one go. -EINVAL: the content; otherwise the file could not be read, or -ENOMEM.
 */
int config_load(const char *file, struct config **out, char *errors, size_t cap);

/* Of one that was loaded, or of the first with all that followed. Nobody holds any part of it; no grace period is awaited. */
void config_free(struct config *c);

/*
 * --- reload ---
 *
 * The first configuration lives as long as the process. Whoever needs keys, TLS profiles, primaries, secondaries, zones or
 * net.peers asks for what is in force, each time; all else is that of the first, for good.
 */

/*
 * Registered threads: what is in force now in place of the first; valid until the next quiescent state, on the control loop
 * until the next config_put_in_force.
 */
const struct config *config_now(const struct config *first);

/* Any thread: keeps what config_now gave, as long as that is valid, until config_release. Returns c. */
const struct config *config_hold(const struct config *c);
void config_release(const struct config *c); /* any thread; NULL is fine */

/*
 * Gives next's primaries the ids that those of the same name have in now, and others ids that none of now has. Returns 0 or
 * -ENOMEM.
 */
int config_number(const struct config *now, struct config *next);

/*
 * Control loop. next takes the place of what is in force; what was goes a grace period after the last who holds it. next
 * belongs to first from now on.
 */
void config_put_in_force(struct config *first, struct config *next);

/*
 * The sections in which next differs from first and which only a restart changes, as "dataplane, server"; empty: none.
 * Returns buf.
 */
#define CONFIG_SECTIONS_TEXT_CAP 512
const char *config_needs_restart(const struct config *first, const struct config *next,
				 char buf[CONFIG_SECTIONS_TEXT_CAP]);

/* Whether they sign for the same peer: name and algorithm; both may be NULL. Other generations have other pointers. */
bool config_same_key(const struct tsig_key *a, const struct tsig_key *b);

/* Whether whoever talks to one may go on to talk to the other: address, source, key and TLS are the same. */
bool config_same_primary(const struct config_primary *a, const struct config_primary *b);

/*
 * Control loop, blocks for the files: gives each key that is from a file the secret that the file has now, for all
 * transactions that begin from now on (see tsig_key_exchange). Names and algorithms stay. Returns 0 with how many keys
 * that were; or -errno with nothing changed and what is wrong in error, which names the file and never has a secret in
 * it. -ENOENT also when no key is from a file.
 */
int config_reload_keys(const struct config *c, unsigned *out_cnt, char error[TSIG_FILE_ERROR_CAP]);

/* "192.0.2.1@53", "2001:db8::1@53"; returns buf. */
#define CONFIG_ADDRESS_TEXT_CAP 64
const char *config_address_text(const union config_sockaddr *a, char buf[CONFIG_ADDRESS_TEXT_CAP]);
