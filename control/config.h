/*
 * Configuration: YAML in, one immutable struct out. A reload makes a new one. Every key is documented in the man
 * page lockstepd.conf(5); unknown keys are errors with file, line and column.
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
	struct config_primary *primaries;
	unsigned primary_cnt;
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
};

/*
 * Reads and checks a file. Returns 0, or -errno with the reasons, one a line, written to errors (cut to cap): each
 * "FILE:LINE:COLUMN: KEY PATH: what is wrong". On success errors is empty or holds warnings. All that is wrong is found
 * in one go. -EINVAL: the content; otherwise the file could not be read, or -ENOMEM.
 */
int config_load(const char *file, struct config **out, char *errors, size_t cap);
void config_free(struct config *c);

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
