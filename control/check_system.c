/* Contract in the header. What the kernel says is read from /proc and /sys, which need no privilege. */
#include "control/check_system.h"

#include <dirent.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
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

/* Calls fn for each entry of a folder but those that begin with a dot. Returns how many there were. */
static unsigned each_entry(const char *path, void (*fn)(void *arg, const char *name), void *arg)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned cnt = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		cnt++;
		if (fn != NULL)
			fn(arg, entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	return cnt;
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
	if (!first_line(path, text))
		return; // no frequency that this kernel could change, as in most virtual machines
	if (strcmp(text, "performance") != 0)
		say(c, FAIR, "cpu %u: the governor is %s: `cpupower -c %u frequency-set -g performance`", cpu,
		    text, cpu);
	else
		say(c, GOOD, "cpu %u: the governor is performance", cpu);
}

/* libbpf and libxdp lock what they share with the kernel; older kernels count maps too. */
static void check_memlock(struct check *c)
{
	char path[TEXT_CAP], line[TEXT_CAP], soft[32] = "";
	FILE *f;

	path_of(c, path, "/proc/self/limits");
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "Max locked memory %31s", soft);
	if (f != NULL)
		fclose(f);
	if (soft[0] == '\0')
		return;
	if (strcmp(soft, "unlimited") == 0)
		say(c, GOOD, "locked memory: no limit");
	else if (geteuid() == 0)
		say(c, GOOD, "locked memory: %s octets, which root may raise", soft);
	else
		say(c, FAIR,
		    "locked memory: %s octets, too few for AF_XDP unless lockstepd starts as root: "
		    "`LimitMEMLOCK=infinity` in the unit, or `ulimit -l unlimited`",
		    soft);
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

static void count_rx(void *arg, const char *name)
{
	*(unsigned *)arg += strncmp(name, "rx-", 3) == 0;
}

/* As many as workers, or the start is refused: dataplane/net/PORTS.md. */
static void check_queues(struct check *c, const char *device)
{
	unsigned rx = 0, workers = c->config->net.worker_cnt;
	char path[TEXT_CAP];

	path_of(c, path, "/sys/class/net/%s/queues", device);
	each_entry(path, count_rx, &rx);
	if (rx == 0)
		return;
	if (rx == workers)
		say(c, GOOD, "port %s: a receive queue for each worker, %u", device, rx);
	else if (rx > workers)
		say(c, BAD,
		    "port %s: %u receive queues and %u worker%s, so queries on some would not be answered: "
		    "`ethtool -L %s combined %u`, or more workers",
		    device, rx, workers, workers == 1 ? "" : "s", device, workers);
	else
		say(c, BAD,
		    "port %s: %u workers and %u receive queue%s, but each worker needs one: fewer workers, "
		    "or "
		    "`ethtool -L %s combined %u` if the interface can",
		    device, workers, rx, rx == 1 ? "" : "s", device, workers);
}

/* The interrupts of a port, as they are found. */
struct irqs {
	struct check *c;
	unsigned cnt, on_worker_cnt;
	unsigned irq, cpu; /* one that is handled on a worker's CPU */
};

static void look_at_irq(void *arg, const char *name)
{
	struct irqs *irqs = arg;
	char path[TEXT_CAP], list[TEXT_CAP];
	unsigned irq = (unsigned)strtoul(name, NULL, 10);

	irqs->cnt++;
	path_of(irqs->c, path, "/proc/irq/%u/effective_affinity_list", irq);
	if (!first_line(path, list) || list[0] == '\0') {
		path_of(irqs->c, path, "/proc/irq/%u/smp_affinity_list", irq);
		if (!first_line(path, list))
			return;
	}
	for (unsigned i = 0; i < irqs->c->config->net.worker_cnt; i++) {
		if (!in_list(list, irqs->c->config->net.worker_cpus[i]))
			continue;
		irqs->on_worker_cnt++;
		irqs->irq = irq;
		irqs->cpu = irqs->c->config->net.worker_cpus[i];
		return;
	}
}

/* A virtual device has none; of virtio they are with the PCI device below. */
static void check_irqs(struct check *c, const char *device)
{
	struct irqs irqs = {.c = c};
	char path[TEXT_CAP];

	path_of(c, path, "/sys/class/net/%s/device/msi_irqs", device);
	if (each_entry(path, look_at_irq, &irqs) == 0) {
		path_of(c, path, "/sys/class/net/%s/device/../msi_irqs", device);
		each_entry(path, look_at_irq, &irqs);
	}
	if (irqs.cnt == 0)
		return;
	if (irqs.on_worker_cnt == 0)
		say(c, GOOD, "port %s: none of its %u interrupts is handled on a worker's cpu", device,
		    irqs.cnt);
	else
		say(c, FAIR,
		    "port %s: %u of its %u interrupts are handled on workers' cpus, whom they hold up (%u on "
		    "cpu %u): `echo %u > /proc/irq/%u/smp_affinity_list` for each, and keep irqbalance off "
		    "these cpus",
		    device, irqs.on_worker_cnt, irqs.cnt, irqs.irq, irqs.cpu, c->config->net.main_cpu,
		    irqs.irq);
}

/* flags: of ETHTOOL_GFLAGS. */
static void say_features(struct check *c, const char *device, uint32_t flags)
{
	if ((flags & ETH_FLAG_LRO) != 0)
		say(c, BAD,
		    "port %s: LRO is on, with which most drivers take no XDP program: `ethtool -K %s lro "
		    "off`",
		    device, device);
	if ((flags & ETH_FLAG_RXVLAN) != 0)
		say(c, FAIR,
		    "port %s: it takes VLAN tags out of frames, so tagged queries would be answered without: "
		    "`ethtool -K %s rxvlan off` if there are any",
		    device, device);
	if ((flags & (ETH_FLAG_LRO | ETH_FLAG_RXVLAN)) == 0)
		say(c, GOOD, "port %s: no offload is in the way of AF_XDP", device);
}

/* Only of the machine itself: it is asked for, not read. */
static void check_features(struct check *c, const char *device)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq ifr = {.ifr_data = (void *)&flags};
	int fd = c->root[0] == '\0' ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	if (fd < 0)
		return;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%.*s", (int)sizeof(ifr.ifr_name) - 1, device);
	if (ioctl(fd, SIOCETHTOOL, &ifr) == 0)
		say_features(c, device, flags.data);
	close(fd);
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
	check_queues(c, p->device);
	check_irqs(c, p->device);
	check_features(c, p->device);
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

	path_of(c, path, "/sys/bus/pci/devices/%s", p->device);
	if (access(path, F_OK) < 0) {
		say(c, BAD, "port %s: there is no such PCI device; `lspci -D` lists them", p->device);
		return;
	}
	check_pci_driver(c, p);
	path_of(c, path, "/sys/class/iommu");
	if (each_entry(path, NULL, NULL) == 0)
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
	check_memlock(&c);
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
