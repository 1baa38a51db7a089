#include "dataplane/dns/rdata.h"

#include <errno.h>
#include <stdio.h>

/*
 * Layouts, one letter a field, in the order of the wire:
 *   1 2 4 8 6   that many octets (6: sixteen)          N  name, compressed in messages, lower case in canonical form
 *   n           name, never sent compressed, lower case in canonical form (receivers still decompress, RFC 3597 4)
 *   u           name, never compressed, case kept      s  character-string       o  optional character-string
 *   S           one or more character-strings          h  length octet and so many octets       H  the same, not empty
 *   B           type bitmap, RFC 4034 4.1.2            *  the rest, may be empty +  the rest, not empty
 *   v           SvcParams, RFC 9460 2.2                a  APL items, RFC 3123 4
 *   i           IPSECKEY after its precedence          y  AMTRELAY after its precedence         p  HIP
 */
struct rdata_layout {
	uint16_t type;
	const char *name;
	const char *fields;
};

static const struct rdata_layout layouts[] = {
	{1, "A", "4"},
	{2, "NS", "N"},
	{3, "MD", "N"},
	{4, "MF", "N"},
	{5, "CNAME", "N"},
	{6, "SOA", "NN44444"},
	{7, "MB", "N"},
	{8, "MG", "N"},
	{9, "MR", "N"},
	{10, "NULL", "*"},
	{11, "WKS", "41*"},
	{12, "PTR", "N"},
	{13, "HINFO", "ss"},
	{14, "MINFO", "NN"},
	{15, "MX", "2N"},
	{16, "TXT", "S"},
	{17, "RP", "nn"},
	{18, "AFSDB", "2n"},
	{19, "X25", "s"},
	{20, "ISDN", "so"},
	{21, "RT", "2n"},
	{22, "NSAP", "*"},
	{23, "NSAP-PTR", "n"},
	{24, "SIG", "2114442n*"},
	{25, "KEY", "211*"},
	{26, "PX", "2nn"},
	{27, "GPOS", "sss"},
	{28, "AAAA", "6"},
	{29, "LOC", "1111444"},
	{30, "NXT", "n*"},
	{31, "EID", "*"},
	{32, "NIMLOC", "*"},
	{33, "SRV", "222n"},
	{35, "NAPTR", "22sssn"},
	{36, "KX", "2n"},
	{37, "CERT", "221*"},
	{39, "DNAME", "n"},
	{42, "APL", "a"},
	{43, "DS", "211+"},
	{44, "SSHFP", "11+"},
	{45, "IPSECKEY", "1i"},
	{46, "RRSIG", "2114442n+"},
	{47, "NSEC", "uB"},
	{48, "DNSKEY", "211+"},
	{49, "DHCID", "+"},
	{50, "NSEC3", "112hHB"},
	{51, "NSEC3PARAM", "112h"},
	{52, "TLSA", "111+"},
	{53, "SMIMEA", "111+"},
	{55, "HIP", "p"},
	{59, "CDS", "211+"},
	{60, "CDNSKEY", "211+"},
	{61, "OPENPGPKEY", "+"},
	{62, "CSYNC", "42B"},
	{63, "ZONEMD", "411+"},
	{64, "SVCB", "2uv"},
	{65, "HTTPS", "2uv"},
	{99, "SPF", "S"},
	{104, "NID", "28"},
	{105, "L32", "24"},
	{106, "L64", "28"},
	{107, "LP", "2u"},
	{108, "EUI48", "24"},
	{109, "EUI64", "8"},
	{256, "URI", "22+"},
	{257, "CAA", "1H*"},
	{258, "AVC", "S"},
	{260, "AMTRELAY", "1y"},
	{261, "RESINFO", "S"},
	{262, "WALLET", "S"},
	{32768, "TA", "211+"},
	{32769, "DLV", "211+"},
};

static const struct rdata_layout *layout_find(uint16_t type)
{
	size_t lo = 0, hi = sizeof(layouts) / sizeof(layouts[0]);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (layouts[mid].type == type)
			return &layouts[mid];
		if (layouts[mid].type < type)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static unsigned field_octets(char field)
{
	switch (field) {
	case '1':
		return 1;
	case '2':
		return 2;
	case '4':
		return 4;
	case '8':
		return 8;
	case '6':
		return 16;
	}
	return 0;
}

static void copy_octets(struct wire_in *in, struct wire_out *out, size_t len)
{
	const uint8_t *p = wire_get_bytes(in, len);

	if (p != NULL)
		wire_put_bytes(out, p, len);
}

static void copy_prefixed(struct wire_in *in, struct wire_out *out, bool may_be_empty)
{
	uint8_t len = wire_get8(in);

	if (len == 0 && !may_be_empty)
		in->bad = true;
	wire_put8(out, len);
	copy_octets(in, out, len);
}

static void copy_name(struct wire_in *in, struct wire_out *out, bool plain)
{
	uint8_t name[NAME_LEN_MAX];
	size_t len = plain ? name_get_plain(in, name) : name_get(in, name);

	wire_put_bytes(out, name, len);
}

/* RFC 4034 4.1.2: windows ascending, 1..32 octets each, no trailing zero octet. An empty bitmap is legal in NSEC3. */
static void copy_bitmap(struct wire_in *in, struct wire_out *out)
{
	int last = -1;

	while (!in->bad && wire_in_left(in) > 0) {
		uint8_t window = wire_get8(in);
		uint8_t len = wire_get8(in);
		const uint8_t *bits = wire_get_bytes(in, len);

		if (in->bad || window <= last || len == 0 || len > 32 || bits[len - 1] == 0) {
			in->bad = true;
			return;
		}
		last = window;
		wire_put8(out, window);
		wire_put8(out, len);
		wire_put_bytes(out, bits, len);
	}
}

static void copy_svc_params(struct wire_in *in, struct wire_out *out)
{
	int last = -1;

	while (!in->bad && wire_in_left(in) > 0) {
		uint16_t key = wire_get16(in);
		uint16_t len = wire_get16(in);

		if (key <= last) {
			in->bad = true;
			return;
		}
		last = key;
		wire_put16(out, key);
		wire_put16(out, len);
		copy_octets(in, out, len);
	}
}

static void copy_apl(struct wire_in *in, struct wire_out *out)
{
	while (!in->bad && wire_in_left(in) > 0) {
		uint16_t family = wire_get16(in);
		uint8_t prefix = wire_get8(in);
		uint8_t len = wire_get8(in);
		uint8_t afd_len = len & 0x7F;

		if ((family == 1 && (prefix > 32 || afd_len > 4)) ||
		    (family == 2 && (prefix > 128 || afd_len > 16)))
			in->bad = true;
		wire_put16(out, family);
		wire_put8(out, prefix);
		wire_put8(out, len);
		copy_octets(in, out, afd_len);
	}
}

/* A gateway: 0 none, 1 IPv4, 2 IPv6, 3 a name (RFC 4025 2.5, RFC 8777 4.2.3). */
static void copy_gateway(struct wire_in *in, struct wire_out *out, uint8_t kind)
{
	switch (kind) {
	case 0:
		break;
	case 1:
		copy_octets(in, out, 4);
		break;
	case 2:
		copy_octets(in, out, 16);
		break;
	case 3:
		copy_name(in, out, true);
		break;
	default:
		in->bad = true;
	}
}

static void copy_hip(struct wire_in *in, struct wire_out *out)
{
	uint8_t hit_len = wire_get8(in);
	uint8_t algorithm = wire_get8(in);
	uint16_t key_len = wire_get16(in);

	if (hit_len == 0 || key_len == 0)
		in->bad = true;
	wire_put8(out, hit_len);
	wire_put8(out, algorithm);
	wire_put16(out, key_len);
	copy_octets(in, out, hit_len);
	copy_octets(in, out, key_len);
	while (!in->bad && wire_in_left(in) > 0)
		copy_name(in, out, true);
}

static void copy_field(struct wire_in *in, struct wire_out *out, char field)
{
	uint8_t kind;

	switch (field) {
	case 'N':
	case 'n':
		copy_name(in, out, false);
		return;
	case 'u':
		copy_name(in, out, true);
		return;
	case 'o':
		if (wire_in_left(in) == 0)
			return;
		/* fallthrough */
	case 's':
	case 'h':
		copy_prefixed(in, out, true);
		return;
	case 'H':
		copy_prefixed(in, out, false);
		return;
	case 'S':
		do
			copy_prefixed(in, out, true);
		while (!in->bad && wire_in_left(in) > 0);
		return;
	case 'B':
		copy_bitmap(in, out);
		return;
	case '+':
		if (wire_in_left(in) == 0)
			in->bad = true;
		/* fallthrough */
	case '*':
		copy_octets(in, out, wire_in_left(in));
		return;
	case 'v':
		copy_svc_params(in, out);
		return;
	case 'a':
		copy_apl(in, out);
		return;
	case 'i':
		kind = wire_get8(in);
		wire_put8(out, kind);
		wire_put8(out, wire_get8(in));
		copy_gateway(in, out, kind);
		copy_octets(in, out, wire_in_left(in));
		return;
	case 'y':
		kind = wire_get8(in);
		wire_put8(out, kind);
		copy_gateway(in, out, kind & 0x7F);
		return;
	case 'p':
		copy_hip(in, out);
		return;
	default:
		copy_octets(in, out, field_octets(field));
	}
}

int rdata_get(struct wire_in *in, uint16_t type, uint16_t rdlen, uint8_t *rdata)
{
	const struct rdata_layout *layout = layout_find(type);
	struct wire_out out = wire_out_init(rdata, RDATA_LEN_MAX);
	struct wire_in field_in = *in;

	if (wire_get_bytes(in, rdlen) == NULL)
		return -EBADMSG;
	field_in.end = in->cur;
	for (const char *f = layout == NULL ? "*" : layout->fields; *f != '\0'; f++)
		copy_field(&field_in, &out, *f);
	if (field_in.bad || out.bad || wire_in_left(&field_in) > 0) {
		in->bad = true;
		return -EBADMSG;
	}
	return (int)wire_out_len(&out);
}

/*
 * Steps over one field of valid record data. Fields that only ever stand behind the last name (bitmaps, SvcParams,
 * the rest) end the walk: they hold no name that is compressed or folded.
 */
static size_t field_len(char field, const uint8_t *p, size_t left)
{
	switch (field) {
	case 'N':
	case 'n':
	case 'u':
		return name_len(p);
	case 's':
	case 'h':
	case 'H':
		return 1u + *p;
	default:
		return field_octets(field) > 0 ? field_octets(field) : left;
	}
}

void rdata_canonical(uint16_t type, uint8_t *dst, const uint8_t *src, size_t len)
{
	const struct rdata_layout *layout = layout_find(type);
	size_t pos = 0;

	memmove(dst, src, len);
	for (const char *f = layout == NULL ? "*" : layout->fields; *f != '\0' && pos < len; f++) {
		size_t field = field_len(*f, dst + pos, len - pos);

		if (*f == 'N' || *f == 'n')
			name_lower(dst + pos, dst + pos, field);
		pos += field;
	}
}

unsigned rdata_names(uint16_t type, const uint8_t *rdata, size_t len, struct rdata_name out[RDATA_NAMES_MAX])
{
	const struct rdata_layout *layout = layout_find(type);
	unsigned cnt = 0;
	size_t pos = 0;

	for (const char *f = layout == NULL ? "*" : layout->fields; *f != '\0' && pos < len; f++) {
		size_t field = field_len(*f, rdata + pos, len - pos);

		if ((*f == 'N' || *f == 'n' || *f == 'u') && cnt < RDATA_NAMES_MAX)
			out[cnt++] = (struct rdata_name){
				.off = (uint16_t)pos, .len = (uint8_t)field, .compress = *f == 'N'};
		pos += field;
	}
	return cnt;
}

/* Whether canonical form differs from the stored form at all for this type. */
static bool layout_folds(const struct rdata_layout *layout)
{
	return layout != NULL && strpbrk(layout->fields, "Nn") != NULL;
}

int rdata_compare(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	const struct rdata_layout *layout = layout_find(type);
	size_t min = a_len < b_len ? a_len : b_len;
	size_t pos = 0;
	int d;

	/*
	 * While all octets so far are equal both sides have the same fields at the same places, so one walk over the
	 * layout serves both.
	 */
	if (layout_folds(layout)) {
		for (const char *f = layout->fields; *f != '\0' && pos < min; f++) {
			size_t field = field_len(*f, a + pos, a_len - pos);

			if (field > min - pos)
				field = min - pos;
			if (*f == 'N' || *f == 'n') {
				uint8_t an[NAME_LEN_MAX], bn[NAME_LEN_MAX];

				name_lower(an, a + pos, field);
				name_lower(bn, b + pos, field);
				d = memcmp(an, bn, field);
			} else {
				d = memcmp(a + pos, b + pos, field);
			}
			if (d != 0)
				return d;
			pos += field;
		}
	}
	d = memcmp(a + pos, b + pos, min - pos);
	if (d != 0)
		return d;
	return (a_len > b_len) - (a_len < b_len);
}

int soa_parse(const uint8_t *rdata, size_t len, struct soa *out)
{
	struct wire_in in = wire_in_init(rdata, len);
	uint8_t name[NAME_LEN_MAX];
	struct soa soa;

	soa.mname = rdata;
	name_get_plain(&in, name);
	soa.rname = in.cur;
	name_get_plain(&in, name);
	soa.serial = wire_get32(&in);
	soa.refresh = wire_get32(&in);
	soa.retry = wire_get32(&in);
	soa.expire = wire_get32(&in);
	soa.minimum = wire_get32(&in);
	if (in.bad || wire_in_left(&in) > 0)
		return -EBADMSG;
	*out = soa;
	return 0;
}

const char *rdata_type_text(uint16_t type, char buf[RDATA_TYPE_TEXT_CAP])
{
	const struct rdata_layout *layout = layout_find(type);

	if (layout != NULL)
		snprintf(buf, RDATA_TYPE_TEXT_CAP, "%s", layout->name);
	else
		snprintf(buf, RDATA_TYPE_TEXT_CAP, "TYPE%u", type);
	return buf;
}
