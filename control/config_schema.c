#include "control/config_schema.h"

#define TEXT(key, type, member)                                                                \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, 0, \
			       CYAML_UNLIMITED)
#define LIST(key, type, member, count, entry)                                                          \
	CYAML_FIELD_SEQUENCE_COUNT(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, count, \
				   entry, 0, CYAML_UNLIMITED)
#define MAP_OF(key, type, member, fields) \
	CYAML_FIELD_MAPPING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, fields)
#define MAP(key, member, fields) MAP_OF(key, struct raw_config, member, fields)

static const struct cyaml_schema_value text = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

static const struct cyaml_schema_field server_tls_fields[] = {
	TEXT("certificate", struct raw_server_tls, certificate),
	TEXT("key", struct raw_server_tls, key),
	TEXT("port", struct raw_server_tls, port),
	TEXT("tls12", struct raw_server_tls, tls12),
	TEXT("ask-clients", struct raw_server_tls, ask_clients),
	TEXT("client-ca", struct raw_server_tls, client_ca),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_field server_fields[] = {
	LIST("listen", struct raw_server, listen.item, listen.cnt, &text),
	TEXT("identity", struct raw_server, identity),
	TEXT("version", struct raw_server, version),
	TEXT("udp-payload", struct raw_server, udp_payload),
	TEXT("udp-payload-ipv4", struct raw_server, udp_payload_ipv4),
	TEXT("udp-payload-ipv6", struct raw_server, udp_payload_ipv6),
	TEXT("nsid", struct raw_server, nsid),
	TEXT("cookies", struct raw_server, cookies),
	TEXT("cookie-secrets", struct raw_server, cookie_secrets),
	TEXT("report-channel", struct raw_server, report_channel),
	MAP_OF("tls", struct raw_server, tls, server_tls_fields),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_field rate_limit_fields[] = {
	TEXT("rate", struct raw_rate_limit, rate),
	TEXT("window", struct raw_rate_limit, window),
	TEXT("table", struct raw_rate_limit, table),
	TEXT("slip", struct raw_rate_limit, slip),
	TEXT("dry-run", struct raw_rate_limit, dry_run),
	LIST("ipv4", struct raw_rate_limit, ipv4.item, ipv4.cnt, &text),
	LIST("ipv6", struct raw_rate_limit, ipv6.item, ipv6.cnt, &text),
	LIST("allow", struct raw_rate_limit, allow.item, allow.cnt, &text),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_field tcp_fields[] = {
	TEXT("enabled", struct raw_tcp, enabled),
	TEXT("threads", struct raw_tcp, threads),
	TEXT("clients", struct raw_tcp, clients),
	TEXT("clients-per-address", struct raw_tcp, clients_per_address),
	TEXT("idle-timeout", struct raw_tcp, idle_timeout),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_field port_fields[] = {
	TEXT("driver", struct raw_port, driver),
	TEXT("device", struct raw_port, device),
	TEXT("exception", struct raw_port, exception),
	TEXT("args", struct raw_port, args),
	TEXT("id", struct raw_port, id),
	TEXT("role", struct raw_port, role),
	TEXT("rx-ring", struct raw_port, rx_ring),
	TEXT("tx-ring", struct raw_port, tx_ring),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_value port = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_port, port_fields),
};

static const struct cyaml_schema_field dataplane_fields[] = {
	TEXT("main-cpu", struct raw_dataplane, main_cpu),
	LIST("workers", struct raw_dataplane, workers.item, workers.cnt, &text),
	TEXT("idle", struct raw_dataplane, idle),
	TEXT("idle-sleep", struct raw_dataplane, idle_sleep),
	TEXT("stall-after", struct raw_dataplane, stall_after),
	TEXT("stall-memory", struct raw_dataplane, stall_memory),
	TEXT("memory", struct raw_dataplane, memory),
	TEXT("prefix", struct raw_dataplane, prefix),
	LIST("ports", struct raw_dataplane, ports, ports_cnt, &port),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_field control_fields[] = {
	TEXT("socket", struct raw_control, socket),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_field log_fields[] = {
	TEXT("level", struct raw_log, level),
	TEXT("target", struct raw_log, target),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_field key_fields[] = {
	TEXT("name", struct raw_key, name),
	TEXT("algorithm", struct raw_key, algorithm),
	TEXT("secret", struct raw_key, secret),
	TEXT("file", struct raw_key, file),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_value key = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_key, key_fields),
};

static const struct cyaml_schema_field tls_fields[] = {
	TEXT("name", struct raw_tls, name),
	TEXT("ca-file", struct raw_tls, ca_file),
	TEXT("hostname", struct raw_tls, hostname),
	LIST("pins", struct raw_tls, pins.item, pins.cnt, &text),
	TEXT("certificate", struct raw_tls, certificate),
	TEXT("key", struct raw_tls, key),
	TEXT("opportunistic", struct raw_tls, opportunistic),
	TEXT("any-alpn", struct raw_tls, any_alpn),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_value tls = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_tls, tls_fields),
};

static const struct cyaml_schema_field primary_fields[] = {
	TEXT("name", struct raw_primary, name), TEXT("address", struct raw_primary, address),
	TEXT("port", struct raw_primary, port), TEXT("source", struct raw_primary, source),
	TEXT("ixfr", struct raw_primary, ixfr), TEXT("ixfr-udp", struct raw_primary, ixfr_udp),
	TEXT("key", struct raw_primary, key),	TEXT("tls", struct raw_primary, tls),
	TEXT("keep", struct raw_primary, keep), CYAML_FIELD_END,
};

static const struct cyaml_schema_value primary = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_primary, primary_fields),
};

static const struct cyaml_schema_field secondary_fields[] = {
	TEXT("name", struct raw_secondary, name),	  TEXT("address", struct raw_secondary, address),
	TEXT("port", struct raw_secondary, port),	  TEXT("source", struct raw_secondary, source),
	TEXT("key", struct raw_secondary, key),		  TEXT("tls", struct raw_secondary, tls),
	TEXT("hostname", struct raw_secondary, hostname), CYAML_FIELD_END,
};

static const struct cyaml_schema_value secondary = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_secondary, secondary_fields),
};

static const struct cyaml_schema_field transfers_in_fields[] = {
	TEXT("limit", struct raw_transfers_in, limit),
	TEXT("per-primary", struct raw_transfers_in, per_primary),
	TEXT("queries", struct raw_transfers_in, queries),
	TEXT("queries-per-primary", struct raw_transfers_in, queries_per_primary),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_field transfers_out_fields[] = {
	TEXT("limit", struct raw_transfers_out, limit),
	TEXT("time", struct raw_transfers_out, time),
	TEXT("idle", struct raw_transfers_out, idle),
	TEXT("deltas", struct raw_transfers_out, deltas),
	TEXT("delta-bytes", struct raw_transfers_out, delta_bytes),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_field defaults_fields[] = {
	LIST("allow-transfer", struct raw_zone_keys, allow_transfer.item, allow_transfer.cnt, &text),
	LIST("notify", struct raw_zone_keys, notify.item, notify.cnt, &text),
#define X(key, raw, member, kind, least, most, fallback) TEXT(key, struct raw_zone_keys, raw),
	CONFIG_ZONE_KEYS(X)
#undef X
		LIST("verifier", struct raw_zone_keys, verifier.item, verifier.cnt, &text),
	LIST("allow-query", struct raw_zone_keys, allow_query.item, allow_query.cnt, &text),
	LIST("deny-query", struct raw_zone_keys, deny_query.item, deny_query.cnt, &text),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_field zone_fields[] = {
	TEXT("name", struct raw_zone, name),
	LIST("primaries", struct raw_zone, primaries.item, primaries.cnt, &text),
	LIST("allow-transfer", struct raw_zone, keys.allow_transfer.item, keys.allow_transfer.cnt, &text),
	LIST("notify", struct raw_zone, keys.notify.item, keys.notify.cnt, &text),
#define X(key, raw, member, kind, least, most, fallback) TEXT(key, struct raw_zone, keys.raw),
	CONFIG_ZONE_KEYS(X)
#undef X
		LIST("verifier", struct raw_zone, keys.verifier.item, keys.verifier.cnt, &text),
	LIST("allow-query", struct raw_zone, keys.allow_query.item, keys.allow_query.cnt, &text),
	LIST("deny-query", struct raw_zone, keys.deny_query.item, keys.deny_query.cnt, &text),
	CYAML_FIELD_END,
};

static const struct cyaml_schema_value zone = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_zone, zone_fields),
};

static const struct cyaml_schema_field root_fields[] = {
	MAP("server", server, server_fields),
	MAP("rate-limit", rate_limit, rate_limit_fields),
	MAP("tcp", tcp, tcp_fields),
	MAP("dataplane", dataplane, dataplane_fields),
	TEXT("zone-memory", struct raw_config, zone_memory),
	TEXT("builders", struct raw_config, builders),
	MAP("control", control, control_fields),
	MAP("log", log, log_fields),
	LIST("keys", struct raw_config, keys, keys_cnt, &key),
	LIST("tls", struct raw_config, tls, tls_cnt, &tls),
	LIST("primaries", struct raw_config, primaries, primaries_cnt, &primary),
	LIST("secondaries", struct raw_config, secondaries, secondaries_cnt, &secondary),
	MAP("transfers-in", transfers_in, transfers_in_fields),
	MAP("transfers-out", transfers_out, transfers_out_fields),
	MAP("defaults", defaults, defaults_fields),
	LIST("zones", struct raw_config, zones, zones_cnt, &zone),
	CYAML_FIELD_END,
};

const struct cyaml_schema_value config_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, root_fields),
};
