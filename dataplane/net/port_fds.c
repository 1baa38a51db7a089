#include "dataplane/net/port_fds.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MAX	 1024 /* 8 of each queue */
#define WHAT_CAP 64

struct port_fds {
	unsigned cnt;
	struct {
		int fd;
		char what[WHAT_CAP];
	} of[FDS_MAX];
};

/* The kernel's number of what a BPF descriptor stands for; 0: none. */
static unsigned bpf_id(int fd)
{
	char path[64], line[128];
	unsigned id = 0, found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	while (found == 0 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "map_id: %u", &id) == 1 || sscanf(line, "prog_id: %u", &id) == 1 ||
		    sscanf(line, "btf_id: %u", &id) == 1)
			found = id;
	fclose(f);
	return found;
}

static bool is_xdp_socket(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_XDP;
}

/* What the descriptor is, so that another thing with its number is told from it. False: nothing of ours. */
static bool identify(int fd, char what[WHAT_CAP])
{
	char path[64], link[WHAT_CAP - 16];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, link, sizeof(link) - 1);
	if (len <= 0)
		return false;
	link[len] = '\0';
	if (strncmp(link, "anon_inode:b", 12) != 0 &&
	    !(strncmp(link, "socket:", 7) == 0 && is_xdp_socket(fd)))
		return false;
	snprintf(what, WHAT_CAP, "%s %u", link, link[0] == 'a' ? bpf_id(fd) : 0);
	return true;
}

struct port_fds *port_fds_now(void)
{
	struct port_fds *f = calloc(1, sizeof(*f));
	DIR *dir = f != NULL ? opendir("/proc/self/fd") : NULL;
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL && f->cnt < FDS_MAX) {
		f->of[f->cnt].fd = (int)strtol(entry->d_name, NULL, 10);
		if (entry->d_name[0] != '.' && identify(f->of[f->cnt].fd, f->of[f->cnt].what))
			f->cnt++;
	}
	if (dir != NULL)
		closedir(dir);
	return f;
}

static bool has(const struct port_fds *f, int fd, const char *what)
{
	for (unsigned i = 0; i < f->cnt; i++)
		if (f->of[i].fd == fd && strcmp(f->of[i].what, what) == 0)
			return true;
	return false;
}

struct port_fds *port_fds_since(struct port_fds *before)
{
	struct port_fds *now = before != NULL ? port_fds_now() : NULL;
	unsigned cnt = 0;

	for (unsigned i = 0; now != NULL && i < now->cnt; i++)
		if (!has(before, now->of[i].fd, now->of[i].what))
			now->of[cnt++] = now->of[i];
	if (now != NULL)
		now->cnt = cnt;
	free(before);
	return now;
}

void port_fds_close(struct port_fds *f)
{
	char what[WHAT_CAP];

	for (unsigned i = 0; f != NULL && i < f->cnt; i++)
		if (identify(f->of[i].fd, what) && strcmp(what, f->of[i].what) == 0)
			close(f->of[i].fd);
	free(f);
}
