/*
 * The answer engine as a filter, for differential tests without packets: requests on stdin, responses on stdout.
 *
 *     answer_server APEX=FILE...       zones in presentation format
 *
 * In: octet of the transport (enum answer_transport), u16 length, request. Out: octet of the verdict (enum
 * answer_verdict), u16 length, response (length 0 for other verdicts than ANSWER_SEND). Ends with the input.
 */
#include "dataplane/answer/answer.h"
#include "tests/support/zone_load.h"

#include <stdlib.h>
#include <urcu-qsbr.h>

#define KEY UINT64_C(0x0123456789abcdef)

static int load(struct zonetab *zones, struct arena *arena, char *arg)
{
	char *path = strchr(arg, '=');
	uint32_t slot;
	FILE *f;
	int rc;

	if (path == NULL) {
		fprintf(stderr, "answer_server: %s: not APEX=FILE\n", arg);
		return -1;
	}
	*path++ = '\0';
	f = fopen(path, "r");
	if (f == NULL) {
		perror(path);
		return -1;
	}
	rc = zone_load_into(zones, arena, arg, f, &slot);
	fclose(f);
	if (rc < 0)
		fprintf(stderr, "answer_server: zone %s from %s: %s\n", arg, path, strerror(-rc));
	return rc;
}

static bool serve_one(struct answer_engine *engine, uint8_t *msg)
{
	struct answer_job job = {.msg = msg, .cap = DNS_MSG_MAX, .family = 4}, *jobs[] = {&job};
	uint8_t head[3];

	if (fread(head, 1, sizeof(head), stdin) != sizeof(head))
		return false;
	job.transport = head[0];
	job.len = wire_load16(head + 1);
	if (job.transport > ANSWER_TLS || fread(msg, 1, job.len, stdin) != job.len)
		return false;
	answer_burst(engine, jobs, 1);
	urcu_qsbr_quiescent_state();
	if (job.verdict != ANSWER_SEND)
		job.len = 0;
	head[0] = job.verdict;
	wire_store16(head + 1, (uint16_t)job.len);
	return fwrite(head, 1, sizeof(head), stdout) == sizeof(head) &&
	       fwrite(msg, 1, job.len, stdout) == job.len && fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
	struct arena_config arena_config = {.bytes_max = UINT64_C(4) << 30};
	struct answer_config config = {
		.udp_payload_max = {ANSWER_UDP_PAYLOAD_DEFAULT, ANSWER_UDP_PAYLOAD_DEFAULT}};
	struct answer_engine *engine;
	struct zonetab *zones;
	struct arena *arena;
	uint8_t *msg = malloc(DNS_MSG_MAX);

	urcu_qsbr_register_thread();
	if (msg == NULL || arena_new(&arena_config, &arena) < 0)
		return 1;
	zones = zonetab_new(KEY);
	engine = zones == NULL ? NULL : answer_engine_new(zones, &config);
	if (engine == NULL)
		return 1;
	for (int i = 1; i < argc; i++)
		if (load(zones, arena, argv[i]) < 0)
			return 1;
	while (serve_one(engine, msg))
		;
	answer_engine_free(engine);
	zonetab_free(zones);
	urcu_qsbr_barrier();
	arena_free(arena);
	urcu_qsbr_unregister_thread();
	free(msg);
	return 0;
}
