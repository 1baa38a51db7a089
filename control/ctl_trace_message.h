/*
 * The message that a trace ended in, as JSON: records, sizes, and which proof proves what. Control loop, within the turn
 * of the trace.
 */
#pragma once

#include <jansson.h>

#include "dataplane/answer/trace.h"

/* The response of a trace that has one; NULL when out of memory. */
json_t *ctl_trace_response(const struct answer_trace *t);

/* [{"owner":...,"type":"NSEC3","proves":["covers the next closer name ..."]}], of the authority section. */
json_t *ctl_trace_proofs(const struct answer_trace *t);
