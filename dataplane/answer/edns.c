#include "dataplane/answer/edns.h"

#define OPTION_HEAD_LEN	   4
#define ZONEVERSION_SERIAL 0 /* the type of a version that is the SOA's serial, RFC 9660 6.2 */
#define OPTION_BIT(option) (UINT32_C(1) << (option))
#define ALWAYS		   UINT32_C(1)

uint32_t edns_wanted(const struct edns_config *config)
{
	uint32_t wanted =
		OPTION_BIT(DNS_EDNS_ZONEVERSION) | OPTION_BIT(DNS_EDNS_EXPIRE) | OPTION_BIT(DNS_EDNS_PADDING);

	if (config->nsid_len > 0)
		wanted |= OPTION_BIT(DNS_EDNS_NSID);
	if (config->keepalive_100ms > 0)
		wanted |= OPTION_BIT(DNS_EDNS_KEEPALIVE);
	if (config->cookie.secret_cnt > 0)
		wanted |= OPTION_BIT(DNS_EDNS_COOKIE);
	if (config->agent_len > 0)
		wanted |= ALWAYS;
	return wanted;
}

/* The first cookie among the options, which are well framed: RFC 7873 5.2 does not say more about several. */
static bool read_cookie(const struct edns_config *config, const struct query *q, const uint8_t *msg,
			const struct edns_client *client, struct edns_request *out)
{
	struct wire_in in = wire_in_init(msg + q->options_at, q->options_len);

	while (wire_in_left(&in) > 0) {
		uint16_t code = wire_get16(&in), len = wire_get16(&in);
		const uint8_t *data = wire_get_bytes(&in, len);

		if (code != DNS_EDNS_COOKIE)
			continue;
		out->cookie = (uint8_t)cookie_check(&config->cookie, data, len, client->addr,
						    client->addr_len, client->now_s, out->cookie_reply);
		break;
	}
	return out->cookie != COOKIE_MALFORMED;
}

bool edns_read(const struct edns_config *config, const struct query *q, const uint8_t *msg,
	       const struct edns_client *client, struct edns_request *out)
{
	*out = (struct edns_request){
		.nsid = config->nsid_len > 0 && (q->options & OPTION_BIT(DNS_EDNS_NSID)) != 0,
		.expire = (q->options & OPTION_BIT(DNS_EDNS_EXPIRE)) != 0,
		/* RFC 7828 3.2.1: over UDP it is ignored. */
		.keepalive = config->keepalive_100ms > 0 && !client->datagram &&
			     (q->options & OPTION_BIT(DNS_EDNS_KEEPALIVE)) != 0,
		.zoneversion = (q->options & OPTION_BIT(DNS_EDNS_ZONEVERSION)) != 0,
		/* RFC 7830 6: nobody gains by it where everybody can read along. */
		.padding = client->encrypted && (q->options & OPTION_BIT(DNS_EDNS_PADDING)) != 0,
	};
	if (config->cookie.secret_cnt == 0 || (q->options & OPTION_BIT(DNS_EDNS_COOKIE)) == 0)
		return true;
	return read_cookie(config, q, msg, client, out);
}

/* Room for an option of len octets with its head written, or NULL. */
static uint8_t *put_head(struct wire_out *out, uint16_t code, size_t len)
{
	if (OPTION_HEAD_LEN + len > (size_t)(out->end - out->cur))
		return NULL;
	wire_put16(out, code);
	wire_put16(out, (uint16_t)len);
	return wire_put_room(out, len);
}

static void put(struct wire_out *out, uint16_t code, const uint8_t *data, size_t len)
{
	uint8_t *p = put_head(out, code, len);

	if (p != NULL)
		memcpy(p, data, len);
}

static void put_zone(struct wire_out *out, const struct edns_request *request, const struct edns_zone *zone)
{
	uint8_t *p;

	p = request->zoneversion ? put_head(out, DNS_EDNS_ZONEVERSION, 6) : NULL;
	if (p != NULL) {
		p[0] = zone->label_cnt;
		p[1] = ZONEVERSION_SERIAL;
		wire_store32(p + 2, zone->serial);
	}
	p = request->expire && zone->has_expire ? put_head(out, DNS_EDNS_EXPIRE, 4) : NULL;
	if (p != NULL)
		wire_store32(p, zone->expire_s);
}

size_t edns_write(const struct edns_config *config, const struct query *q, const struct edns_request *request,
		  const struct edns_zone *zone, uint8_t *out, size_t room)
{
	struct wire_out w = wire_out_init(out, room);
	uint8_t *p;

	if (request->cookie > COOKIE_MALFORMED)
		put(&w, DNS_EDNS_COOKIE, request->cookie_reply, COOKIE_LEN);
	p = request->keepalive ? put_head(&w, DNS_EDNS_KEEPALIVE, 2) : NULL;
	if (p != NULL)
		wire_store16(p, config->keepalive_100ms);
	if (request->nsid)
		put(&w, DNS_EDNS_NSID, config->nsid, config->nsid_len);
	if (zone != NULL)
		put_zone(&w, request, zone);
	/* RFC 9567 6.1: not for names of the agent's own domain, whose errors would be reported to itself. */
	if (config->agent_len > 0 && q->question_len > 0 && !name_is_at_or_below(q->name, config->agent))
		put(&w, DNS_EDNS_REPORT_CHANNEL, config->agent, config->agent_len);
	return wire_out_len(&w);
}
