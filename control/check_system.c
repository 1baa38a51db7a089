/* Contract in the header. What the kernel says is read from /proc and /sys, which need no privilege. */
#include "control/check_system.h"

#include <dirent.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_CAP 512

struct check {
	const struct config *config;
	const char *root;
	FILE *out;
	unsigned bad;
};

enum verdict { GOOD, FAIR, BAD };

__attribute__((format(printf, 3, 4))) static void say(struct check *c, enum verdict v, const char *fmt, ...)
{
	static const char *const words[] = {"good", "fair", "BAD "};
	va_list args;

	c->bad += v == BAD;
	fprintf(c->out, "%s  ", words[v]);
	va_start(args, fmt);
	vfprintf(c->out, fmt, args);
	va_end(args);
	fputc('\n', c->out);
}

__attribute__((format(printf, 3, 4))) static void path_of(const struct check *c, char path[TEXT_CAP],
							  const char *fmt, ...)
{
	size_t len = (size_t)snprintf(path, TEXT_CAP, "%s", c->root);
	va_list args;

	va_start(args, fmt);
	if (len < TEXT_CAP)
		vsnprintf(path + len, TEXT_CAP - len, fmt, args);
	va_end(args);
}

/* The file's first line without its newline; false when there is none. */
static bool first_line(const char *path, char text[TEXT_CAP])
{
	FILE *f = fopen(path, "r");
	bool there = f != NULL && fgets(text, TEXT_CAP, f) != NULL;

	if (f != NULL)
		fclose(f);
	if (there)
		text[strcspn(text, "\n")] = '\0';
	return there;
}

/* Is n in a list such as "1-3,7"? */
static bool in_list(const char *list, unsigned n)
{
	while (*list != '\0') {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (end == list)
			return false;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (n >= first && n <= last)
			return true;
		list = *end == ',' ? end + 1 : end;
	}
	return false;
}

static void check_huge_pages(struct check *c)
{
	unsigned long long cnt = 0, kb = 0, free_mb;
	char path[TEXT_CAP], line[TEXT_CAP];
	unsigned need = c->config->net.memory_mb;
	FILE *f;

	path_of(c, path, "/proc/meminfo");
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		sscanf(line, "HugePages_Free: %llu", &cnt);
		sscanf(line, "Hugepagesize: %llu", &kb);
	}
	if (f != NULL)
		fclose(f);
	free_mb = cnt * kb / 1024;
	if (need == 0)
		say(c, FAIR,
		    "huge pages: dataplane.memory is 0, ordinary pages are used: more misses per packet");
	else if (free_mb < need)
		say(c, BAD,
		    "huge pages: %llu MiB are free, dataplane.memory wants %u MiB: `sysctl "
		    "vm.nr_hugepages=N`, "
		    "or stop what uses them (a running lockstepd?)",
		    free_mb, need);
	else
		say(c, GOOD, "huge pages: %llu MiB are free, %u MiB are for packets and the rest for zones",
		    free_mb, need);
}

static void check_isolated(struct check *c, unsigned cpu)
{
	char path[TEXT_CAP], isolated[TEXT_CAP] = "", nohz[TEXT_CAP] = "";

	path_of(c, path, "/sys/devices/system/cpu/isolated");
	first_line(path, isolated);
	path_of(c, path, "/sys/devices/system/cpu/nohz_full");
	first_line(path, nohz);
	if (!in_list(isolated, cpu))
		say(c, FAIR,
		    "cpu %u: not isolated, other programs may run there and delay a worker: kernel argument "
		    "isolcpus=%u",
		    cpu, cpu);
	else if (!in_list(nohz, cpu))
		say(c, FAIR, "cpu %u: isolated, but its timer ticks: kernel argument nohz_full=%u", cpu, cpu);
	else
		say(c, GOOD, "cpu %u: isolated, without timer ticks", cpu);
}

static void check_cpu(struct check *c, unsigned cpu)
{
	char path[TEXT_CAP], text[TEXT_CAP];

	path_of(c, path, "/sys/devices/system/cpu/cpu%u", cpu);
	if (access(path, F_OK) < 0) {
		say(c, BAD, "cpu %u: the machine does not have it", cpu);
		return;
	}
	check_isolated(c, cpu);
	if (cpu == c->config->net.main_cpu)
		say(c, FAIR, "cpu %u: worker and control loop slow each other down there", cpu);
	path_of(c, path, "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu);
	if (first_line(path, text) && strcmp(text, "performance") != 0)
		say(c, FAIR, "cpu %u: the governor is %s: `cpupower -c %u frequency-set -g performance`", cpu,
		    text, cpu);
}

static void check_numa(struct check *c, const char *device, const char *path)
{
	char text[TEXT_CAP], node_path[TEXT_CAP];
	long node = first_line(path, text) ? strtol(text, NULL, 10) : -1;

	for (unsigned i = 0; node >= 0 && i < c->config->net.worker_cnt; i++) {
		unsigned cpu = c->config->net.worker_cpus[i];

		path_of(c, node_path, "/sys/devices/system/cpu/cpu%u/node%ld", cpu, node);
		if (access(node_path, F_OK) < 0)
			say(c, FAIR,
			    "port %s: it is on NUMA node %ld and worker cpu %u is not: choose cpus of that "
			    "node",
			    device, node, cpu);
	}
}

static void check_interface(struct check *c, const struct net_port_config *p)
{
	char path[TEXT_CAP], text[TEXT_CAP] = "";

	path_of(c, path, "/sys/class/net/%s", p->device);
	if (access(path, F_OK) < 0) {
		say(c, BAD, "port %s: there is no such network interface", p->device);
		return;
	}
	path_of(c, path, "/sys/class/net/%s/flags", p->device);
	if (first_line(path, text) && (strtoul(text, NULL, 16) & IFF_UP) != 0)
		say(c, GOOD, "port %s: the interface is there and up", p->device);
	else
		say(c, BAD, "port %s: the interface is down: `ip link set dev %s up`", p->device, p->device);
	path_of(c, path, "/sys/class/net/%s/device/numa_node", p->device);
	check_numa(c, p->device, path);
}

/* The kernel's driver of a PCI device: mlx5_core is shared with DPDK, everything else has to be vfio-pci or like it. */
static void check_pci_driver(struct check *c, const struct net_port_config *p)
{
	char path[TEXT_CAP], target[TEXT_CAP];
	ssize_t len;
	const char *driver;

	path_of(c, path, "/sys/bus/pci/devices/%s/driver", p->device);
	len = readlink(path, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = '\0';
	driver = strrchr(target, '/');
	driver = driver != NULL ? driver + 1 : "none";
	if (strcmp(driver, "vfio-pci") == 0 || strncmp(driver, "mlx", 3) == 0 ||
	    strcmp(driver, "igb_uio") == 0 || strcmp(driver, "uio_pci_generic") == 0)
		say(c, GOOD, "port %s: its kernel driver is %s", p->device, driver);
	else
		say(c, BAD, "port %s: its kernel driver is %s: `dpdk-devbind.py -b vfio-pci %s`", p->device,
		    driver, p->device);
}

static void check_pci(struct check *c, const struct net_port_config *p)
{
	char path[TEXT_CAP];
	struct dirent *entry;
	bool iommu = false;
	DIR *dir;

	path_of(c, path, "/sys/bus/pci/devices/%s", p->device);
	if (access(path, F_OK) < 0) {
		say(c, BAD, "port %s: there is no such PCI device; `lspci -D` lists them", p->device);
		return;
	}
	check_pci_driver(c, p);
	path_of(c, path, "/sys/class/iommu");
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		iommu |= entry->d_name[0] != '.';
	if (dir != NULL)
		closedir(dir);
	if (!iommu)
		say(c, FAIR,
		    "port %s: no IOMMU is on, so vfio-pci needs enable_unsafe_noiommu_mode: kernel argument "
		    "intel_iommu=on or amd_iommu=on",
		    p->device);
	path_of(c, path, "/sys/bus/pci/devices/%s/numa_node", p->device);
	check_numa(c, p->device, path);
}

static void check_exception(struct check *c, const struct net_port_config *p)
{
	char path[TEXT_CAP];

	path_of(c, path, "/dev/net/tun");
	if (p->exception[0] != '\0' && access(path, R_OK | W_OK) < 0)
		say(c, BAD, "port %s: its exception interface needs /dev/net/tun: `modprobe tun`, as root",
		    p->device);
}

/* The capabilities of a root process, which opens ports before it gives most of them up. */
static void check_privilege(struct check *c)
{
	if (geteuid() == 0)
		say(c, GOOD, "privileges: root at start");
	else
		say(c, FAIR,
		    "privileges: looked at as uid %u; lockstepd starts as root, or by its systemd unit",
		    (unsigned)geteuid());
}

unsigned check_system(const struct config *config, const char *root, FILE *out)
{
	struct check c = {.config = config, .root = root, .out = out};

	check_privilege(&c);
	check_huge_pages(&c);
	for (unsigned i = 0; i < config->net.worker_cnt; i++)
		check_cpu(&c, config->net.worker_cpus[i]);
	for (unsigned i = 0; i < config->net.port_cnt; i++) {
		const struct net_port_config *p = &config->net.ports[i];

		if (p->driver == NET_AF_XDP)
			check_interface(&c, p);
		else if (p->driver == NET_PCI)
			check_pci(&c, p);
		check_exception(&c, p);
	}
	return c.bad;
}
