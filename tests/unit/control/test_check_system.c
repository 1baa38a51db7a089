/* What --check-system says of machines that are made up: /proc and /sys are files in a folder. */
#include "control/check_system.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define PATH_CAP 512

struct machine {
	char root[64];
	struct config config;
	struct net_port_config port;
	uint16_t cpus[2];
	char *text; /* what was said last */
	unsigned bad;
};

/* Writes a file below the root, and the folders on the way to it. */
static void put(const struct machine *m, const char *name, const char *text)
{
	char path[PATH_CAP];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", m->root, name);
	for (char *slash = path + strlen(m->root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Two workers on cpus 2 and 3, which are isolated, and a NIC with two queues and their interrupts elsewhere. */
static int setup(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	snprintf(m->root, sizeof(m->root), "/tmp/lockstep-check-XXXXXX");
	assert_non_null(mkdtemp(m->root));
	m->cpus[0] = 2;
	m->cpus[1] = 3;
	m->port.driver = NET_AF_XDP;
	snprintf(m->port.device, sizeof(m->port.device), "eth0");
	m->config.net = (struct net_config){.ports = &m->port,
					    .port_cnt = 1,
					    .worker_cpus = m->cpus,
					    .worker_cnt = 2,
					    .main_cpu = 0,
					    .memory_mb = 64};
	put(m, "/proc/meminfo", "HugePages_Free: 512\nHugepagesize: 2048 kB\n");
	put(m, "/proc/self/limits",
	    "Limit Soft Hard Units\nMax locked memory         unlimited unlimited bytes\n");
	put(m, "/sys/devices/system/cpu/isolated", "2-3\n");
	put(m, "/sys/devices/system/cpu/nohz_full", "2-3\n");
	put(m, "/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "performance\n");
	put(m, "/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "performance\n");
	put(m, "/sys/class/net/eth0/flags", "0x1003\n");
	put(m, "/sys/class/net/eth0/queues/rx-0/rps_cpus", "0\n");
	put(m, "/sys/class/net/eth0/queues/rx-1/rps_cpus", "0\n");
	put(m, "/sys/class/net/eth0/queues/tx-0/xps_cpus", "0\n");
	put(m, "/sys/class/net/eth0/device/msi_irqs/45", "msix\n");
	put(m, "/sys/class/net/eth0/device/msi_irqs/46", "msix\n");
	put(m, "/proc/irq/45/smp_affinity_list", "0-1\n");
	put(m, "/proc/irq/46/smp_affinity_list", "0-3\n");
	put(m, "/proc/irq/46/effective_affinity_list", "1\n");
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct machine *m = *state;
	char command[PATH_CAP];

	snprintf(command, sizeof(command), "rm -r %s", m->root);
	assert_int_equal(system(command), 0);
	free(m->text);
	free(m);
	return 0;
}

/* Whether some line begins with the verdict and holds both texts. */
static bool said(struct machine *m, const char *verdict, const char *what, const char *advice)
{
	size_t size;
	FILE *out;

	free(m->text);
	out = open_memstream(&m->text, &size);
	assert_non_null(out);
	m->bad = check_system(&m->config, m->root, out);
	fclose(out);
	for (char *line = m->text, *end; *line != '\0'; line = end + 1) {
		char copy[PATH_CAP];

		end = strchr(line, '\n');
		snprintf(copy, sizeof(copy), "%.*s", (int)(end - line), line);
		if (strncmp(copy, verdict, strlen(verdict)) == 0 && strstr(copy, what) != NULL &&
		    strstr(copy, advice) != NULL)
			return true;
	}
	print_message("%s", m->text);
	return false;
}

static void a_machine_that_was_prepared_is_good_in_all(void **state)
{
	struct machine *m = *state;

	assert_true(said(m, "good", "locked memory: no limit", ""));
	assert_int_equal(m->bad, 0);
	assert_true(said(m, "good", "cpu 2: isolated", ""));
	assert_true(said(m, "good", "cpu 3: the governor is performance", ""));
	assert_true(said(m, "good", "port eth0: a receive queue for each worker, 2", ""));
	assert_true(said(m, "good", "port eth0: none of its 2 interrupts", ""));
	assert_null(strstr(m->text, "BAD"));
	if (geteuid() == 0)
		assert_null(strstr(m->text, "fair"));
}

static void interrupts_on_a_workers_cpu_are_named_with_what_moves_them(void **state)
{
	struct machine *m = *state;

	put(m, "/proc/irq/46/effective_affinity_list", "3\n");
	assert_true(said(m, "fair", "1 of its 2 interrupts", "echo 0 > /proc/irq/46/smp_affinity_list"));
	put(m, "/proc/irq/45/smp_affinity_list", "0-2\n");
	assert_true(said(m, "fair", "2 of its 2 interrupts", "irqbalance"));
	assert_int_equal(m->bad, 0);
}

static void queues_and_workers_must_be_as_many(void **state)
{
	struct machine *m = *state;

	m->config.net.worker_cnt = 1;
	assert_true(said(m, "BAD", "2 receive queues and 1 worker,", "ethtool -L eth0 combined 1"));
	assert_int_equal(m->bad, 1);
	m->config.net.worker_cnt = 2;
	put(m, "/sys/class/net/eth0/queues/rx-2/rps_cpus", "0\n");
	m->cpus[1] = 2;
	assert_true(said(m, "BAD", "3 receive queues and 2 workers", "ethtool -L eth0 combined 2"));
	m->port.device[3] = '1';
	put(m, "/sys/class/net/eth1/flags", "0x1003\n");
	put(m, "/sys/class/net/eth1/queues/rx-0/rps_cpus", "0\n");
	assert_true(said(m, "BAD", "2 workers and 1 receive queue,", "fewer workers"));
}

static void a_limit_of_locked_memory_is_told(void **state)
{
	struct machine *m = *state;

	put(m, "/proc/self/limits",
	    "Max locked memory         65536                65536                bytes\n");
	assert_true(said(m, geteuid() == 0 ? "good" : "fair", "locked memory: 65536 octets", "root"));
}

static void a_slow_or_shared_cpu_says_what_to_do(void **state)
{
	struct machine *m = *state;

	put(m, "/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave\n");
	assert_true(said(m, "fair", "cpu 3: the governor is powersave", "cpupower -c 3"));
	put(m, "/sys/devices/system/cpu/isolated", "2\n");
	assert_true(said(m, "fair", "cpu 3: not isolated", "isolcpus=3"));
	put(m, "/sys/devices/system/cpu/nohz_full", "\n");
	assert_true(said(m, "fair", "cpu 2: isolated, but its timer ticks", "nohz_full=2"));
	m->cpus[1] = 7;
	assert_true(said(m, "BAD", "cpu 7", "does not have it"));
}

static void huge_pages_and_interface_are_looked_at(void **state)
{
	struct machine *m = *state;

	put(m, "/proc/meminfo", "HugePages_Free: 8\nHugepagesize: 2048 kB\n");
	assert_true(said(m, "BAD", "16 MiB are free", "vm.nr_hugepages"));
	put(m, "/sys/class/net/eth0/flags", "0x1002\n");
	assert_true(said(m, "BAD", "the interface is down", "ip link set dev eth0 up"));
	assert_int_equal(m->bad, 2);
	snprintf(m->port.device, sizeof(m->port.device), "eth9");
	assert_true(said(m, "BAD", "no such network interface", "eth9"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_machine_that_was_prepared_is_good_in_all),
		T(interrupts_on_a_workers_cpu_are_named_with_what_moves_them),
		T(queues_and_workers_must_be_as_many),
		T(a_limit_of_locked_memory_is_told),
		T(a_slow_or_shared_cpu_says_what_to_do),
		T(huge_pages_and_interface_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
