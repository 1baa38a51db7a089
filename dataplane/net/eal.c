/*
 * EAL arguments, signal masks, CPU affinity and the log stream. See eal.h.
 *
 * DPDK logs to a stream: ours remembers the last error and prints nothing. Threads that EAL makes inherit a full signal
 * mask, so that no signal handler ever runs on a worker.
 */
#include "dataplane/net/eal.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <xdp/libxdp.h>

#define ARGS_MAX  (24 + 2 * PORTS_ALLOWED_MAX)
#define WORDS_MAX 200
/* PCI devices given with -a, one argument pair each. */
#define PORTS_ALLOWED_MAX 32
/* What DPDK itself takes next to the packet buffers. */
#define OVERHEAD_MB 64

struct eal {
	FILE *stream;
	pthread_mutex_t lock; /* DPDK logs from its own threads too */
	char line[WORDS_MAX]; /* the one being received */
	size_t line_len;
	char words[WORDS_MAX + 4];
	bool running;
	char *args[ARGS_MAX];
	int arg_cnt;
};

static void keep_line(struct eal *e)
{
	const char *text = e->line, *colon;

	e->line[e->line_len] = '\0';
	e->line_len = 0;
	// Drivers put "function(): " in front, EAL "EAL: ": of no use to whoever reads the sentence.
	colon = strstr(text, "(): ");
	if (colon != NULL)
		text = colon + 4;
	else if (strncmp(text, "EAL: ", 5) == 0)
		text += 5;
	if (*text != '\0' && e->words[0] == '\0') // the first is the cause, the others follow from it
		snprintf(e->words, sizeof(e->words), " (%.*s)", WORDS_MAX, text);
}

static ssize_t log_write(void *cookie, const char *buf, size_t size)
{
	struct eal *e = cookie;

	if (rte_log_cur_msg_loglevel() > (int)RTE_LOG_ERR)
		return (ssize_t)size;
	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < size; i++) {
		if (buf[i] == '\n')
			keep_line(e);
		else if (e->line_len + 1 < sizeof(e->line))
			e->line[e->line_len++] = buf[i] >= ' ' ? buf[i] : ' ';
	}
	pthread_mutex_unlock(&e->lock);
	return (ssize_t)size;
}

void eal_forget(struct eal *e)
{
	pthread_mutex_lock(&e->lock);
	e->words[0] = '\0';
	pthread_mutex_unlock(&e->lock);
}

const char *eal_words(struct eal *e)
{
	return e->words;
}

static int bpf_print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return level == LIBBPF_WARN ? rte_vlog(RTE_LOG_ERR, RTE_LOGTYPE_USER1, fmt, args) : 0;
}

static int xdp_print(enum libxdp_print_level level, const char *fmt, va_list args)
{
	return level == LIBXDP_WARN ? rte_vlog(RTE_LOG_ERR, RTE_LOGTYPE_USER1, fmt, args) : 0;
}

static int open_log(struct eal *e)
{
	cookie_io_functions_t io = {.write = log_write};

	e->stream = fopencookie(e, "w", io);
	if (e->stream == NULL)
		return -ENOMEM;
	setvbuf(e->stream, NULL, _IOLBF, 0);
	rte_openlog_stream(e->stream);
	libbpf_set_print(bpf_print);
	libxdp_set_print(xdp_print);
	return 0;
}

static void close_log(struct eal *e)
{
	libbpf_set_print(NULL);
	libxdp_set_print(NULL);
	rte_openlog_stream(NULL);
	if (e->stream != NULL)
		fclose(e->stream);
}

/* Takes text (from strdup or asprintf); NULL counts as out of memory. */
static int add_arg(struct eal *e, char *text)
{
	if (text == NULL || e->arg_cnt + 1 >= ARGS_MAX) {
		free(text);
		return -ENOMEM;
	}
	e->args[e->arg_cnt++] = text;
	return 0;
}

__attribute__((format(printf, 2, 3))) static int add_argf(struct eal *e, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	return add_arg(e, n < 0 ? NULL : text);
}

/* "0@main,1@cpu,2@cpu": lcores are ours to number, and two may share a CPU. */
static char *lcores_text(const struct net_config *config)
{
	size_t cap = 16 * ((size_t)config->worker_cnt + 1), len;
	char *text = malloc(cap);

	if (text == NULL)
		return NULL;
	len = (size_t)snprintf(text, cap, "0@%u", config->main_cpu);
	for (unsigned i = 0; i < config->worker_cnt; i++)
		len += (size_t)snprintf(text + len, cap - len, ",%u@%u", eal_worker_lcore(i),
					config->worker_cpus[i]);
	return text;
}

static int add_pci_args(struct eal *e, const struct net_config *config)
{
	unsigned cnt = 0;
	int rc = 0;

	for (unsigned i = 0; i < config->port_cnt && rc == 0; i++) {
		const struct net_port_config *p = &config->ports[i];

		if (p->driver != NET_PCI)
			continue;
		cnt++;
		rc = add_argf(e, "--allow=%s%s%s", p->device, p->args[0] != '\0' ? "," : "", p->args);
	}
	if (rc < 0 || cnt > 0)
		return rc;
	// Without hardware nothing needs physical addresses, and AF_XDP wants its buffers in one piece.
	return add_argf(e, "--no-pci") | add_argf(e, "--iova-mode=va");
}

static int make_args(struct eal *e, const struct net_config *config, unsigned need_mb)
{
	int rc = add_argf(e, "lockstep");

	rc |= add_arg(e, strdup("--lcores"));
	rc |= add_arg(e, lcores_text(config));
	rc |= add_argf(e, "--main-lcore=0");
	rc |= add_argf(e, "--no-telemetry");
	if (config->prefix != NULL && config->prefix[0] != '\0')
		rc |= add_argf(e, "--file-prefix=%s", config->prefix);
	rc |= add_arg(e, strdup("-m"));
	if (config->memory_mb == 0) {
		rc |= add_argf(e, "%u", need_mb + OVERHEAD_MB);
		rc |= add_argf(e, "--no-huge");
		rc |= add_argf(e, "--no-shconf");
	} else {
		rc |= add_argf(e, "%u", config->memory_mb);
		rc |= add_argf(
			e, "--in-memory"); // anonymous huge pages: no file is left behind, no mount needed
	}
	rc |= add_pci_args(e, config);
	return rc == 0 ? 0 : -ENOMEM;
}

/* Free huge pages of all sizes, MiB. */
static uint64_t huge_free_mb(void)
{
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	uint64_t kb = 0;
	struct dirent *entry;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		char path[512];
		unsigned long long size, cnt;
		FILE *f;

		if (sscanf(entry->d_name, "hugepages-%llukB", &size) != 1)
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages", entry->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fscanf(f, "%llu", &cnt) == 1)
			kb += size * cnt;
		fclose(f);
	}
	closedir(dir);
	return kb / 1024;
}

static int check_memory(const struct net_config *config, unsigned need_mb, struct net_error *err)
{
	uint64_t free_mb;

	if (config->memory_mb == 0)
		return 0;
	if (config->memory_mb < need_mb) {
		net_error_set(err,
			      "dataplane memory is %u MiB, but the packet buffers of these ports and workers "
			      "need %u "
			      "MiB: raise dataplane.memory, or make the rings smaller",
			      config->memory_mb, need_mb);
		return -EINVAL;
	}
	free_mb = huge_free_mb();
	if (free_mb >= config->memory_mb)
		return 0;
	net_error_set(err,
		      "cannot get %u MiB of huge pages: %llu MiB are free. Make room with `sysctl "
		      "vm.nr_hugepages=N` (N "
		      "pages of 2 MiB, %u more at least), or use ordinary memory with dataplane.memory: 0",
		      config->memory_mb, (unsigned long long)free_mb,
		      (unsigned)((config->memory_mb - free_mb + 1) / 2));
	return -ENOMEM;
}

static int check_cpu(uint16_t cpu, const char *what, const cpu_set_t *allowed, struct net_error *err)
{
	if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, allowed))
		return 0;
	net_error_set(err,
		      "cannot run %s on CPU %u: the machine does not have it, or this process may not use it "
		      "(it may "
		      "use %d CPUs)",
		      what, cpu, CPU_COUNT(allowed));
	return -EINVAL;
}

static int check_cpus(const struct net_config *config, const cpu_set_t *allowed, struct net_error *err)
{
	int rc = check_cpu(config->main_cpu, "the control loop", allowed, err);

	for (unsigned i = 0; i < config->worker_cnt && rc == 0; i++)
		rc = check_cpu(config->worker_cpus[i], "a worker", allowed, err);
	if (rc == 0 && config->worker_cnt + 1 > RTE_MAX_LCORE) {
		net_error_set(err, "%u workers are more than the %u that DPDK was built for",
			      config->worker_cnt, RTE_MAX_LCORE - 1);
		rc = -EINVAL;
	}
	return rc;
}

/*
 * EAL pins the calling thread to the main CPU, and every thread made from here on would inherit that. Builders and
 * streams may use whatever the workers leave.
 */
static void widen_affinity(const struct net_config *config, const cpu_set_t *allowed)
{
	cpu_set_t set = *allowed;

	for (unsigned i = 0; i < config->worker_cnt; i++)
		CPU_CLR(config->worker_cpus[i], &set);
	CPU_SET(config->main_cpu, &set);
	sched_setaffinity(0, sizeof(set), &set); // cannot fail harmfully: the thread stays where EAL put it
}

static int init_eal(struct eal *e, struct net_error *err)
{
	char *argv[ARGS_MAX]; // EAL moves and overwrites them
	sigset_t all, before;
	int rc;

	memcpy(argv, e->args, sizeof(argv));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = rte_eal_init(e->arg_cnt, argv);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc >= 0) {
		e->running = true;
		// EAL's folder is empty, since we share nothing with other processes: gone now, it cannot outlive us.
		rmdir(rte_eal_get_runtime_dir());
		return 0;
	}
	rc = -rte_errno;
	if (rc == -EALREADY)
		net_error_set(err, "DPDK cannot be started twice in one process: restart the daemon");
	else
		net_error_set(err, "cannot start DPDK: %s%s", strerror(rte_errno), eal_words(e));
	return rc < 0 ? rc : -EIO;
}

int eal_start(const struct net_config *config, unsigned need_mb, struct eal **out, struct net_error *err)
{
	struct eal *e = NULL;
	cpu_set_t allowed;
	int rc;

	CPU_ZERO(&allowed);
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0) {
		rc = -errno;
		net_error_set(err, "cannot ask which CPUs this process may use: %s", strerror(errno));
		return rc;
	}
	rc = check_cpus(config, &allowed, err);
	if (rc < 0)
		return rc;
	rc = check_memory(config, need_mb, err);
	if (rc < 0)
		return rc;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		goto no_memory;
	pthread_mutex_init(&e->lock, NULL);
	if (open_log(e) < 0 || make_args(e, config, need_mb) < 0)
		goto no_memory;
	rc = init_eal(e, err);
	if (rc < 0) {
		eal_stop(e);
		return rc;
	}
	widen_affinity(config, &allowed);
	*out = e;
	return 0;

no_memory:
	net_error_set(err, "out of memory while starting DPDK");
	eal_stop(e);
	return -ENOMEM;
}

void eal_stop(struct eal *e)
{
	if (e == NULL)
		return;
	if (e->running)
		rte_eal_cleanup();
	close_log(e);
	for (int i = 0; i < e->arg_cnt; i++)
		free(e->args[i]);
	pthread_mutex_destroy(&e->lock);
	free(e);
}
