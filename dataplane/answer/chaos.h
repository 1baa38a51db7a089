/* Class CH: who and what this server is, RFC 4892 and the older BIND names for the same. */
#pragma once

#include "dataplane/answer/answer.h"
#include "dataplane/answer/reply.h"

/* Answers a question of class CH: TXT or ANY at id.server, hostname.bind, version.server, version.bind, else REFUSED. */
void chaos_answer(struct reply *r, const struct answer_config *config);
