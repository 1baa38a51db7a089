#include "control/cli/pcap.h"

#include "control/hex.h"

#include <stdint.h>
#include <string.h>

#define MAGIC_NS      0xa1b23c4d /* native byte order, times in nanoseconds */
#define LINK_ETHERNET 1
#define SNAPLEN	      65535

FILE *pcap_open(const char *path)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, snaplen, link;
	} head = {MAGIC_NS, 2, 4, 0, 0, SNAPLEN, LINK_ETHERNET};
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");

	if (f != NULL) {
		fwrite(&head, sizeof(head), 1, f);
		fflush(f); // a file that is there can be read
	}
	return f;
}

static int append_frame(FILE *f, const json_t *frame)
{
	const json_t *hex = json_object_get(frame, "octets");
	int64_t time_ns = json_integer_value(json_object_get(frame, "time_ns"));
	uint8_t octets[SNAPLEN];
	int len = json_is_string(hex)
			  ? hex_read(json_string_value(hex), json_string_length(hex), octets, sizeof(octets))
			  : -1;
	uint32_t head[4];

	if (len < 0)
		return -1;
	head[0] = (uint32_t)(time_ns / 1000000000);
	head[1] = (uint32_t)(time_ns % 1000000000);
	head[2] = (uint32_t)len;
	head[3] = (uint32_t)json_integer_value(json_object_get(frame, "len"));
	fwrite(head, sizeof(head), 1, f);
	fwrite(octets, (size_t)len, 1, f);
	return 0;
}

int pcap_append(FILE *f, const json_t *part)
{
	const json_t *frames = json_object_get(part, "frames");
	size_t cnt = json_array_size(frames);

	for (size_t i = 0; i < cnt; i++)
		if (append_frame(f, json_array_get(frames, i)) < 0)
			return -1;
	fflush(f); // whoever follows the file, or the pipe, sees it now
	return (int)cnt;
}

int pcap_close(FILE *f)
{
	int failed = fflush(f) != 0 || ferror(f);

	if (f != stdout && fclose(f) != 0)
		failed = 1;
	return failed ? -1 : 0;
}
