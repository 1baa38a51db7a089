/*
 * Runs a fuzz target over the files of the directories (or files) named on the command line, so that a corpus is an
 * ordinary test with any compiler. Every input gets its own heap block of exactly its size: a sanitizer sees a read
 * past the end. An empty directory is a failure, not a pass: a corpus that went missing must be noticed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path)
{
	struct stat st;
	uint8_t *data;
	FILE *f = fopen(path, "rb");

	if (f == NULL || fstat(fileno(f), &st) < 0) {
		fprintf(stderr, "replay: cannot open %s: %s\n", path, strerror(errno));
		if (f != NULL)
			fclose(f);
		return -1;
	}
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	if (data == NULL || fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
		fprintf(stderr, "replay: cannot read the %jd octets of %s\n", (intmax_t)st.st_size, path);
		free(data);
		fclose(f);
		return -1;
	}
	fclose(f);
	/* Said first: when the target aborts, the last line names the input. */
	printf("%s (%jd octets)\n", path, (intmax_t)st.st_size);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
	return 0;
}

/* Returns how many inputs ran, or -1. */
static int replay_dir(const char *path)
{
	int cnt = 0;
	struct dirent *entry;
	DIR *dir = opendir(path);

	if (dir == NULL) {
		fprintf(stderr, "replay: cannot open directory %s: %s\n", path, strerror(errno));
		return -1;
	}
	while (cnt >= 0 && (entry = readdir(dir)) != NULL) {
		char file[4096];

		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) >= (int)sizeof(file) ||
		    replay_file(file) < 0)
			cnt = -1;
		else
			cnt++;
	}
	closedir(dir);
	if (cnt == 0) {
		fprintf(stderr, "replay: no inputs in %s\n", path);
		return -1;
	}
	return cnt;
}

int main(int argc, char **argv)
{
	int cnt = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DIRECTORY|FILE...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		struct stat st;
		bool is_dir = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
		int ran = is_dir ? replay_dir(argv[i]) : replay_file(argv[i]) < 0 ? -1 : 1;

		if (ran < 0)
			return 1;
		cnt += ran;
	}
	printf("%d inputs replayed\n", cnt);
	return 0;
}
