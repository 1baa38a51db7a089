/*
 * Fuzz target: requests to the answer engine over small zones with corners. An input is one octet (bit 0: TCP; bits 1
 * to 4: the room behind the request, in steps) and the request.
 *
 * Whatever comes: no answer to a response or a runt; a response has the request's id, opcode, RD and question, is not
 * longer than client, configuration and room allow, counts what it carries and is read by ldns; what is not answered is
 * left as it was.
 */
#include "tests/fuzz/answer_world.h"

#include <urcu-qsbr.h>

static void run(const uint8_t *request, size_t len, uint8_t options)
{
	struct answer_world *w = answer_world();
	size_t room = QUERY_PAYLOAD_MIN + (size_t)(options >> 1 & 15) * 256;
	size_t cap = len > room ? len : room;
	struct answer_job job = {
		.len = (uint32_t)len, .cap = (uint32_t)cap, .family = 4, .transport = options & 1};
	struct answer_job *jobs[] = {&job};

	job.msg = malloc(cap);
	HOLDS(job.msg != NULL);
	memset(job.msg, 0xA5, cap);
	memcpy(job.msg, request, len);
	answer_burst(w->engine, jobs, 1);
	urcu_qsbr_quiescent_state();
	if (len < DNS_HEADER_LEN || (request[2] & 0x80) != 0)
		HOLDS(job.verdict == ANSWER_DROP);
	if (job.verdict == ANSWER_SEND)
		answer_world_check(&job, request, len, (uint32_t)cap);
	else
		HOLDS(job.len == len && memcmp(job.msg, request, len) == 0);
	free(job.msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > 0 && len <= DNS_MSG_MAX)
		run(data + 1, len - 1, data[0]);
	return 0;
}
