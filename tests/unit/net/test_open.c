/*
 * What cannot be opened is refused in a sentence that names it and says what to do, before DPDK is started: so many
 * failures fit one process. Needs neither root nor a NIC.
 */
#include "dataplane/net/port_xdp.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

struct answer_engine;

void answer_engine_read_clock(struct answer_engine *e)
{
}

void answer_burst(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt)
{
	fail(); // no worker ever runs here
}

/* A configuration that would do, for tests to spoil. */
struct plan {
	struct net_config config;
	struct net_port_config port;
	struct net_address listen[1];
	uint16_t cpu;
};

static int setup(void **state)
{
	struct plan *p = calloc(1, sizeof(*p));
	cpu_set_t set;

	assert_non_null(p);
	sched_getaffinity(0, sizeof(set), &set);
	while (!CPU_ISSET(p->cpu, &set))
		p->cpu++;
	p->port.driver = NET_VDEV;
	snprintf(p->port.device, sizeof(p->port.device), "net_null0");
	p->listen[0] = (struct net_address){.family = 4, .addr = {192, 0, 2, 1}};
	p->config = (struct net_config){.ports = &p->port,
					.port_cnt = 1,
					.listen = p->listen,
					.listen_cnt = 1,
					.worker_cpus = &p->cpu,
					.worker_cnt = 1,
					.main_cpu = p->cpu};
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* Opening fails with this error, and the sentence holds both texts. */
static void refused(const struct plan *p, int rc, const char *what, const char *advice)
{
	struct net_error err = {0};
	struct net *net = NULL;

	assert_int_equal(net_open(&p->config, &net, &err), rc);
	assert_null(net);
	if (strstr(err.text, what) == NULL || strstr(err.text, advice) == NULL)
		fail_msg("`%s` does not mention `%s` and `%s`", err.text, what, advice);
}

static void without_port_worker_or_address_nothing_starts(void **state)
{
	struct plan *p = *state, copy = *p;

	p->config.port_cnt = 0;
	refused(p, -EINVAL, "no port", "at least one");
	p->config = copy.config;
	p->config.worker_cnt = 0;
	refused(p, -EINVAL, "no worker", "at least one");
	p->config = copy.config;
	p->config.listen_cnt = 0;
	refused(p, -EINVAL, "no listen address", "at least one");
}

static void an_address_that_is_not_unicast_is_refused(void **state)
{
	struct plan *p = *state;

	memset(p->listen[0].addr, 0, sizeof(p->listen[0].addr));
	refused(p, -EINVAL, "listen address 1", "no wildcard");
	p->listen[0].addr[0] = 224;
	refused(p, -EINVAL, "listen address 1", "unicast");
	p->listen[0].family = 6;
	p->listen[0].addr[0] = 0xff;
	refused(p, -EINVAL, "listen address 1", "unicast");
}

static void a_missing_interface_is_named(void **state)
{
	struct plan *p = *state;

	p->port.driver = NET_AF_XDP;
	snprintf(p->port.device, sizeof(p->port.device), "nosuchif0");
	refused(p, -ENODEV, "nosuchif0", "ip link");
	snprintf(p->port.device, sizeof(p->port.device), "a-name-that-is-too-long-for-linux");
	refused(p, -ENODEV, "a-name-that-is-too-long-for-linux", "ip link");
}

static void a_missing_pci_device_is_named(void **state)
{
	struct plan *p = *state;

	p->port.driver = NET_PCI;
	snprintf(p->port.device, sizeof(p->port.device), "ffff:ff:1f.7");
	refused(p, -ENODEV, "ffff:ff:1f.7", "lspci -D");
}

static void a_port_without_device_is_refused(void **state)
{
	struct plan *p = *state;

	p->port.device[0] = '\0';
	refused(p, -EINVAL, "port 0", "no device");
}

static void ring_sizes_are_powers_of_two_within_limits(void **state)
{
	static const uint16_t bad[] = {1, 32, 63, 100, 1023, 32768, 65535};
	struct plan *p = *state;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		p->port.rx_ring = bad[i];
		p->port.tx_ring = 0;
		refused(p, -EINVAL, "ring size", "powers of two");
		p->port.rx_ring = 0;
		p->port.tx_ring = bad[i];
		refused(p, -EINVAL, "ring size", "powers of two");
	}
}

static void an_exception_interface_must_not_exist(void **state)
{
	struct plan *p = *state;

	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		skip();
	snprintf(p->port.exception, sizeof(p->port.exception), "lo");
	refused(p, -EEXIST, "exception interface lo", "choose another");
}

static void an_af_xdp_port_has_no_exception_interface(void **state)
{
	struct plan *p = *state;

	p->port.driver = NET_AF_XDP;
	snprintf(p->port.exception, sizeof(p->port.exception), "lsx0");
	refused(p, -EINVAL, "AF_XDP", "remove it");
}

static void a_memif_socket_needs_its_directory(void **state)
{
	struct plan *p = *state;

	p->port.driver = NET_MEMIF;
	snprintf(p->port.device, sizeof(p->port.device), "/nonexistent/dir/memif.sock");
	refused(p, -ENOENT, "/nonexistent/dir", "mkdir -p");
	snprintf(p->port.device, sizeof(p->port.device), "memif.sock");
	refused(p, -EINVAL, "memif.sock", "absolute path");
	memset(p->port.device, 'a', 200);
	p->port.device[0] = '/';
	refused(p, -EINVAL, "aaaa", "at most");
}

static void a_memif_socket_in_use_is_refused_and_a_dead_one_removed(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/lockstep-test-XXXXXX";
	struct plan *p = *state;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	assert_non_null(mkdtemp(dir));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/memif.sock", dir);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	p->port.driver = NET_MEMIF;
	p->port.memif_server = true;
	snprintf(p->port.device, sizeof(p->port.device), "%s", addr.sun_path);
	refused(p, -EADDRINUSE, addr.sun_path, "another process");
	assert_int_equal(access(addr.sun_path, F_OK), 0);

	close(fd);
	p->config.main_cpu = 9999; // fails after the ports were looked at
	refused(p, -EINVAL, "CPU 9999", "control loop");
	assert_int_equal(access(addr.sun_path, F_OK), -1);

	fclose(fopen(addr.sun_path, "w"));
	refused(p, -EEXIST, addr.sun_path, "no socket");
	unlink(addr.sun_path);
	rmdir(dir);
}

static void a_cpu_that_we_may_not_use_is_named(void **state)
{
	struct plan *p = *state;
	uint16_t beyond = 60000;

	p->config.worker_cpus = &beyond;
	refused(p, -EINVAL, "a worker on CPU 60000", "does not have it");
}

static void too_little_memory_says_how_much_is_needed(void **state)
{
	struct plan *p = *state;

	p->config.memory_mb = 1;
	refused(p, -EINVAL, "1 MiB", "raise dataplane.memory");
	p->config.memory_mb = 3u << 20;
	refused(p, -ENOMEM, "huge pages", "dataplane.memory: 0");
}

/* As the kernel's net/8021q/vlanproc.c writes it. */
static void vlan_devices_are_found_in_the_kernels_table(void **state)
{
	char text[] = "VLAN Dev name	 | VLAN ID\n"
		      "Name-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n"
		      "eth0.100       | 100  | eth0\n"
		      "a-name-of-15-oc| 7  | eth0.100\n"
		      "vlan4094       | 4094  | bond1\n";
	char below[IF_NAMESIZE] = "untouched";
	FILE *table = fmemopen(text, strlen(text), "r");

	assert_non_null(table);
	assert_false(port_xdp_vlan_below(table, "eth0", below));
	assert_false(port_xdp_vlan_below(table, "eth0.10", below));
	assert_false(port_xdp_vlan_below(table, "VLAN", below));
	assert_string_equal(below, "untouched");
	assert_true(port_xdp_vlan_below(table, "vlan4094", below));
	assert_string_equal(below, "bond1");
	snprintf(below, sizeof(below), "a-name-of-15-oc");
	assert_true(port_xdp_vlan_below(table, below, below));
	assert_string_equal(below, "eth0.100");
	assert_true(port_xdp_vlan_below(table, below, below));
	assert_string_equal(below, "eth0");
	fclose(table);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_port_worker_or_address_nothing_starts),
		T(an_address_that_is_not_unicast_is_refused),
		T(a_missing_interface_is_named),
		T(a_missing_pci_device_is_named),
		T(a_port_without_device_is_refused),
		T(ring_sizes_are_powers_of_two_within_limits),
		T(an_exception_interface_must_not_exist),
		T(an_af_xdp_port_has_no_exception_interface),
		T(a_memif_socket_needs_its_directory),
		T(a_memif_socket_in_use_is_refused_and_a_dead_one_removed),
		T(a_cpu_that_we_may_not_use_is_named),
		T(too_little_memory_says_how_much_is_needed),
		T(vlan_devices_are_found_in_the_kernels_table),
	};

	return cmocka_run_group_tests_name("open", tests, NULL, NULL);
}
