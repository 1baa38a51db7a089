/*
 * Asks the answer engine, and does what is not the engine's: signatures of queries (RFC 8945), and the begin of transfers
 * to others. For the kernel's sockets, and for what a worker leaves to the control loop. One thread at a time.
 */
#pragma once

#include "control/xfrout.h"

struct asker {
	struct answer_engine *engine;
	const struct config *config; /* the first */
	struct xfrout *xfrout;
	struct log_limit limit; /* of lines about refused transfers */
};

/*
 * job: a request in the room of job->cap octets, its transport set. tls: the connection it came on; NULL: not over TLS.
 * Fills in the client's address, and what answer_burst does. A transfer goes to *transfer with the verdict ANSWER_TRANSFER; transfer is NULL where none can begin (UDP). A
 * request with the verdict ANSWER_NOTIFY is as it was. now_ms: monotonic.
 */
void asker_ask(struct asker *a, struct answer_job *job, const union config_sockaddr *client,
	       const struct tls *tls, uint64_t now_ms, struct xfrout_session **transfer);
