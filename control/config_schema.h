/*
 * The configuration as it stands in the file: every scalar is text, NULL when absent. The schema that libcyaml loads it
 * by is also what the walk over the file (config_yaml.h) checks keys against, so there is one list of keys.
 */
#pragma once

#include <cyaml/cyaml.h>

struct raw_list {
	char **item;
	unsigned cnt;
};

struct raw_server_tls {
	char *certificate;
	char *key;
	char *port;
	char *tls12;
	char *ask_clients;
	char *client_ca;
};

struct raw_server {
	struct raw_list listen;
	char *identity;
	char *version;
	char *udp_payload;
	char *udp_payload_ipv4;
	char *udp_payload_ipv6;
	char *nsid;
	char *cookies;
	char *cookie_secrets;
	char *report_channel;
	struct raw_server_tls *tls;
};

struct raw_rate_limit {
	char *rate;
	char *window;
	char *table;
	char *slip;
	char *dry_run;
	struct raw_list ipv4;
	struct raw_list ipv6;
	struct raw_list allow;
};

struct raw_tcp {
	char *enabled;
	char *threads;
	char *clients;
	char *clients_per_address;
	char *idle_timeout;
};

struct raw_port {
	char *driver;
	char *device;
	char *exception;
	char *args;
	char *id;
	char *role;
	char *rx_ring;
	char *tx_ring;
};

struct raw_dataplane {
	char *main_cpu;
	struct raw_list workers;
	char *idle;
	char *idle_sleep;
	char *stall_after;
	char *stall_memory;
	char *memory;
	char *prefix;
	struct raw_port *ports;
	unsigned ports_cnt;
};

struct raw_control {
	char *socket;
};

struct raw_log {
	char *level;
	char *target;
};

struct raw_tls {
	char *name;
	char *ca_file;
	char *hostname;
	struct raw_list pins;
	char *certificate;
	char *key;
	char *opportunistic;
	char *any_alpn;
};

struct raw_primary {
	char *name;
	char *address;
	char *port;
	char *source;
	char *ixfr;
	char *ixfr_udp;
	char *key;
	char *tls;
	char *keep;
};

struct raw_secondary {
	char *name;
	char *address;
	char *port;
	char *source;
	char *key;
	char *tls;
	char *hostname;
};

struct raw_transfers_in {
	char *limit;
	char *per_primary;
	char *queries;
	char *queries_per_primary;
};

struct raw_transfers_out {
	char *limit;
	char *time;
	char *idle;
	char *deltas;
	char *delta_bytes;
};

struct raw_key {
	char *name;
	char *algorithm;
	char *secret;
	char *file;
};

/*
 * What `defaults` and each zone may say, in one list:
 * X(key in the file, member here and way to the member of config_zone, kind, least, most, default).
 * Kinds: SECONDS, COUNT, SIZE, POLICY (off, warn, require), SAME_SERIAL,
 * PRIMARY_ORDER and YES_NO. Bounds and defaults of SECONDS are seconds.
 *
 * Refresh, retry and expire bounds follow what Knot and BIND do (a cap of four weeks, two weeks and 24 weeks); a refresh
 * below two seconds is a mistake in the zone, not a wish. transfer-time is BIND's two hours. No limit on sizes by
 * default: a limit that is guessed breaks somebody's zone. transfer-rate-min is BIND's 10 KiB in five minutes.
 */
#define CONFIG_ZONE_KEYS(X)                                                                        \
	X("refresh-min", refresh_min, refresh_min, SECONDS, 1, 31536000, 2)                        \
	X("refresh-max", refresh_max, refresh_max, SECONDS, 1, 31536000, 2419200)                  \
	X("retry-min", retry_min, retry_min, SECONDS, 1, 31536000, 1)                              \
	X("retry-max", retry_max, retry_max, SECONDS, 1, 31536000, 1209600)                        \
	X("expire-min", expire_min, expire_min, SECONDS, 1, 315360000, 3)                          \
	X("expire-max", expire_max, expire_max, SECONDS, 1, 315360000, 14515200)                   \
	X("transfer-records", transfer_records, limits.records, COUNT, 0, UINT64_MAX, 0)           \
	X("transfer-bytes", transfer_bytes, limits.bytes, SIZE, 0, UINT64_MAX, 0)                  \
	X("record-set-records", record_set_records, limits.rrset_records, COUNT, 0, UINT32_MAX, 0) \
	X("transfer-time", transfer_time, transfer_time_max, SECONDS, 1, 604800, 7200)             \
	X("transfer-idle", transfer_idle, transfer_idle_max, SECONDS, 1, 86400, 60)                \
	X("transfer-rate-min", transfer_rate_min, transfer_rate_min, COUNT, 0, 1073741824, 32)     \
	X("transfer-messages", transfer_messages, transfer_messages_max, COUNT, 0, UINT64_MAX, 0)  \
	X("transfer-deltas", transfer_deltas, transfer_deltas_max, COUNT, 0, UINT64_MAX, 0)        \
	X("zonemd", zonemd, zonemd, POLICY, GATE_OFF, GATE_REQUIRE, GATE_OFF)                      \
	X("dnssec-check", dnssec_check, dnssec, POLICY, GATE_OFF, GATE_REQUIRE, GATE_WARN)         \
	X("same-serial", same_serial, same_serial, SAME_SERIAL, 0, 0, CONFIG_SAME_ALERT)           \
	X("primary-order", primary_order, primary_order, PRIMARY_ORDER, 0, 0, CONFIG_ORDERED)      \
	X("pin-tolerance", pin_tolerance, pin_tolerance, SECONDS, 0, 31536000, 0)                  \
	X("notify-ixfr", notify_ixfr, notify_ixfr, YES_NO, 0, 0, 0)                                \
	X("max-shrink", max_shrink, max_shrink, COUNT, 1, 100, 100)                                \
	X("signature-warn", signature_warn, signature_warn, SECONDS, 0, 31536000, 172800)          \
	X("verifier-timeout", verifier_timeout, verifier_timeout, SECONDS, 1, 86400, 60)           \
	X("keep-versions", keep_versions, keep_versions, COUNT, 0, 64, 0)

struct raw_zone_keys {
#define X(key, raw, member, kind, least, most, fallback) char *raw;
	CONFIG_ZONE_KEYS(X)
#undef X
	struct raw_list allow_transfer; /* names of secondaries */
	struct raw_list notify;
	struct raw_list verifier;
	struct raw_list allow_query;
	struct raw_list deny_query;
};

struct raw_zone {
	char *name;
	struct raw_list primaries;
	struct raw_zone_keys keys;
};

struct raw_config {
	struct raw_server *server;
	struct raw_rate_limit *rate_limit;
	struct raw_tcp *tcp;
	struct raw_dataplane *dataplane;
	char *zone_memory;
	char *builders;
	struct raw_control *control;
	struct raw_log *log;
	struct raw_key *keys;
	unsigned keys_cnt;
	struct raw_tls *tls;
	unsigned tls_cnt;
	struct raw_primary *primaries;
	unsigned primaries_cnt;
	struct raw_secondary *secondaries;
	unsigned secondaries_cnt;
	struct raw_transfers_in *transfers_in;
	struct raw_transfers_out *transfers_out;
	struct raw_zone_keys *defaults;
	struct raw_zone *zones;
	unsigned zones_cnt;
};

extern const struct cyaml_schema_value config_schema;
