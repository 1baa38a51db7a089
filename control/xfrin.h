/*
 * What a primary answers to AXFR and IXFR: DNS messages in, records out. RFC 5936, RFC 1995.
 *
 * A pure state machine: no socket, no thread, no clock. Messages are pushed whole and in order; records come out at
 * a sink, checked and uncompressed, in the order received. Nothing is published here, and nothing may be before
 * XFRIN_DONE: a stream that ends earlier is a failed transfer (RFC 5936 6), whatever it has delivered.
 *
 * The form of an answer to IXFR is known by its second record (RFC 1995 4), which may be in the next message.
 */
#pragma once

#include "control/opt.h"
#include "dataplane/dns/rdata.h"

enum xfrin_verdict {
	XFRIN_MORE,	  /* give the next message */
	XFRIN_DONE,	  /* complete */
	XFRIN_UP_TO_DATE, /* IXFR: the primary has nothing newer than ours */
	/* Failures; final. */
	XFRIN_SHORT,	    /* no room for a header */
	XFRIN_ID,	    /* not the id of the request */
	XFRIN_NOT_RESPONSE, /* QR is not set, or another opcode */
	XFRIN_TRUNCATED,    /* TC over a stream */
	XFRIN_RCODE,	    /* the primary refuses; xfrin.rcode */
	XFRIN_QUESTION,	    /* not the question that was asked */
	XFRIN_EMPTY,	    /* no record in the answer section */
	XFRIN_MALFORMED,    /* cut short, a bad name, octets left over */
	XFRIN_RDATA,	    /* record data that are not valid for the type */
	XFRIN_CLASS,	    /* a record that is not of class IN */
	XFRIN_META,	    /* a type no zone can hold */
	XFRIN_FIRST_SOA,    /* does not begin with the zone's SOA */
	XFRIN_SOA_OWNER,    /* a SOA that is not the zone's */
	XFRIN_END_SOA,	    /* the SOA that ends the transfer is not the one that began it */
	XFRIN_CHAIN,	    /* IXFR: a difference does not begin where the one before ended */
	XFRIN_NOT_NEWER,    /* IXFR: more than one record, and not newer than ours */
	XFRIN_BEHIND_END,   /* something follows the SOA that ends the transfer */
	XFRIN_SINK,	    /* the sink refused a record; xfrin.sink_error */
	XFRIN_SIGNATURE,    /* xfrin_reject: a message is not signed as it has to be */
	XFRIN_MESSAGES,	    /* more than request.messages_max */
	XFRIN_DELTAS,	    /* IXFR: more differences than request.deltas_max */
};

enum xfrin_form {
	XFRIN_WHOLE,   /* all records of the new version */
	XFRIN_CHANGES, /* differences from our version to the new one */
};

struct xfrin_request {
	uint8_t apex[NAME_LEN_MAX];
	uint16_t id;
	uint16_t qtype;	 /* AXFR or IXFR */
	uint32_t serial; /* IXFR: ours */
	bool edns;	 /* asks for EXPIRE too (RFC 7314 3) */
	/* What the answer may have at most; 0: any. */
	uint64_t messages_max;
	uint64_t deltas_max;
};

/*
 * All return 0, or anything else to end the transfer with XFRIN_SINK. begin comes first and once; in the form
 * XFRIN_CHANGES the SOAs come too: the old one to del, the new one to add. Pointers are valid during the call.
 */
struct xfrin_sink {
	int (*begin)(void *arg, enum xfrin_form form);
	int (*add)(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		   uint16_t rdata_len);
	int (*del)(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		   uint16_t rdata_len);
	void *arg;
};

#define XFRIN_SOA_MAX (2 * NAME_LEN_MAX + 20)

/* Read freely; written by the functions here. About 66 kB: on the heap. */
struct xfrin {
	struct xfrin_request request;
	struct xfrin_sink sink;
	enum xfrin_verdict verdict;
	int state;
	uint32_t serial;      /* new version's; valid after its SOA */
	uint32_t from_serial; /* IXFR: where the difference being read begins */
	uint32_t at_serial;   /* IXFR: the version reached so far */
	struct soa soa;	      /* new version's, names NULL */
	bool has_soa;
	uint64_t messages;
	uint64_t records;	/* in answer sections */
	uint64_t octets;	/* of messages, without their length prefixes */
	uint64_t deltas;	/* IXFR: differences begun */
	uint16_t rcode;		/* with the upper bits from OPT (RFC 6891 6.1.3) */
	bool not_authoritative; /* some message lacked AA (RFC 5936 2.2.1): tolerated, to be logged */
	struct opt_answer opt;	/* of the last message that had one */
	int sink_error;
	/* Where it went wrong: the record being read. message and record count from 1; record 0: not in a record. */
	uint64_t message;
	uint32_t record;
	uint16_t type;
	uint8_t owner[NAME_LEN_MAX]; /* valid if record > 0 and owner_known */
	bool owner_known;
	/* The opening SOA, to compare the closing one with. */
	uint8_t soa_owner[NAME_LEN_MAX]; /* with the case as received */
	uint32_t soa_ttl;
	uint16_t soa_len;
	uint8_t soa_rdata[XFRIN_SOA_MAX];
	uint8_t rdata[RDATA_LEN_MAX];
};

void xfrin_init(struct xfrin *x, const struct xfrin_request *request, const struct xfrin_sink *sink);

/* Any octets. Returns the verdict so far; after a failure the same again, after DONE XFRIN_BEHIND_END. */
enum xfrin_verdict xfrin_message(struct xfrin *x, const uint8_t *msg, size_t len);

/* The next message (any octets) is not to be believed: nothing of it is used, and the transfer has failed. */
void xfrin_reject(struct xfrin *x, const uint8_t *msg, size_t len);

/*
 * IXFR: one SOA, newer than ours, is all that has come. Over a stream the second record may be on its way; if it is not,
 * this is "the differences do not fit, or are not kept" (RFC 1995 2, 4), and the whole zone is to be asked for.
 */
bool xfrin_is_lone_soa(const struct xfrin *x);

/* "a record that is not of class IN" */
const char *xfrin_verdict_text(enum xfrin_verdict v);

/* The failure with its place: "message 3, record 17 (a.example. MX): ...". Returns buf. */
#define XFRIN_TEXT_CAP 512
const char *xfrin_describe(const struct xfrin *x, char buf[XFRIN_TEXT_CAP]);

/*
 * The request: header, question, for IXFR our SOA in the authority section (RFC 1995 3: the primary reads its
 * serial only, so its names are the root), OPT. out: room for XFRIN_REQUEST_MAX octets. Returns its length.
 */
#define XFRIN_REQUEST_MAX 512
size_t xfrin_request_put(const struct xfrin_request *request, uint8_t *out);
