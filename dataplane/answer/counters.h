/*
 * Every verdict and every kind of answer has a counter with a name and a help text, in this one list. A counter is
 * written by the one thread that owns the engine and read by anyone (relaxed).
 */
#pragma once

#define ANSWER_COUNTERS(X)                                                               \
	X(queries_udp, "DNS requests received over UDP")                                 \
	X(queries_tcp, "DNS requests received over TCP")                                 \
	X(queries_tls, "DNS requests received over TLS")                                 \
	X(noerror, "responses with RCODE NOERROR")                                       \
	X(nodata, "NOERROR responses without an answer record, referrals excluded")      \
	X(referral, "responses that refer to a delegated name server")                   \
	X(nxdomain, "responses with RCODE NXDOMAIN")                                     \
	X(formerr, "responses with RCODE FORMERR")                                       \
	X(servfail, "responses with RCODE SERVFAIL")                                     \
	X(servfail_not_loaded, "SERVFAIL because the zone has not been transferred yet") \
	X(servfail_expired, "SERVFAIL because the zone has expired")                     \
	X(notimp, "responses with RCODE NOTIMP")                                         \
	X(refused, "responses with RCODE REFUSED")                                       \
	X(refused_acl, "REFUSED because the zone's access list denies the client")       \
	X(yxdomain, "responses with RCODE YXDOMAIN (DNAME made a name too long)")        \
	X(notauth, "responses with RCODE NOTAUTH (TSIG with a key we do not have)")      \
	X(badvers, "responses with RCODE BADVERS")                                       \
	X(truncated, "responses with the TC bit")                                        \
	X(wildcard, "answers synthesized from a wildcard")                               \
	X(cname_limit, "CNAME chains cut at the limit")                                  \
	X(notify, "NOTIFY messages and signed questions handed to the control loop")     \
	X(badcookie, "responses with RCODE BADCOOKIE")                                   \
	X(cookie_client, "requests with a client cookie and no server cookie")           \
	X(cookie_good, "requests with a valid server cookie")                            \
	X(cookie_bad, "requests with a server cookie that is not valid")                 \
	X(rate_dropped, "responses not sent because of the rate limit")                  \
	X(rate_slipped, "responses sent truncated because of the rate limit")            \
	X(rate_dry_run, "responses over the rate limit, sent because it is a dry run")   \
	X(rate_allowed, "responses over the rate limit, sent to who is never limited")   \
	X(drop_short, "dropped: shorter than a DNS header")                              \
	X(drop_response, "dropped: QR is set, a response is never answered")

enum answer_counter {
#define X(name, help) ANSWER_CNT_##name,
	ANSWER_COUNTERS(X)
#undef X
		ANSWER_COUNTER_CNT
};
