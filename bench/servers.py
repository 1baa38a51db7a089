"""Lockstep and its rivals as secondaries of the same primary, each to be started, asked, weighed and stopped alike.

All of them live in namespace `sec` of a lab and listen on its one address, so only one runs at a time. Rivals are
Debian's knotd, nsd and named with one worker each, and with what would hold them back in such a comparison (rate
limits, pauses before a reload, query logs, zone files written) turned off.
"""

import json
import re
import select
import struct
import subprocess
import time
from pathlib import Path

import dns.message

from ground import built, memory_of
import lab

PACKET_MEMORY_MB = 256


def packet_memory():
    """What lockstepd is told to reserve for packets: as its configuration has it."""
    return f"{m}M" if (m := memory_of(PACKET_MEMORY_MB)) else "0"


def pids_of(process):
    """A process and all below it: `ip netns exec` replaces itself, but nsd forks."""
    pids, todo = [], [process.pid]
    while todo:
        pid = todo.pop()
        pids.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            todo += [int(p) for p in task.read_text().split()]
    return pids


def quietly(argv):
    return subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def xdp_off(net):
    """What a server left on the interface would be in the next one's way."""
    net.run_in("sec", ["ip", "link", "set", "dev", "sec0", "xdp", "off"], check=False)


class Server:
    """One secondary. `version` is what it says of itself; memory() is octets of all its processes."""

    label = None

    def __init__(self, net, zones, cpu=None):
        self.net, self.zones, self.cpu = net, zones, cpu
        self.dir = net.dir / f"{self.label.replace(' ', '-')}-{time.monotonic_ns()}"
        self.dir.mkdir()
        self.process = None

    def argv(self):
        raise NotImplementedError

    def start(self):
        argv = self.argv()
        if self.cpu is not None:
            argv = ["taskset", "-c", self.cpu, *argv]
        self.process = lab.Process(self.net, self.dir.name, "sec", argv, cwd=self.dir).start()
        return self

    def stop(self):
        self.process.stop()
        self.net.processes.remove(self.process)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def check_alive(self):
        if not self.process.running():
            raise lab.LabError(f"{self.label} ended by itself:\n{self.process.log()[-3000:]}")

    def memory(self):
        """Pss: what the processes share is counted once."""
        total = 0
        for pid in pids_of(self.process):
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(map(int, re.findall(r"^(?:Pss|Private_Hugetlb|Shared_Hugetlb):\s+(\d+) kB", text, re.M)))
        return total * 1024

    def wait_answering(self, timeout=30):
        """Until it answers anything at all over UDP: with no zone there is no serial to wait for."""
        with self.net.udp() as s:
            wire = dns.message.make_query("nothing.invalid.", "A").to_wire()

            def answered():
                self.check_alive()
                try:
                    s.send(wire)
                    return select.select([s], [], [], 0.1)[0] and s.recv(512)
                except OSError:
                    return time.sleep(0.05)
            lab.wait_until(answered, timeout, f"{self.label} answers queries")

    def wait_serial(self, zone, serial, timeout=120, pause=0.001):
        """Until the answer to a SOA query over UDP has this serial; returns the wall clock of that answer."""
        query = dns.message.make_query(zone, "SOA").to_wire()
        want = struct.pack("!I", serial)
        end = time.monotonic() + timeout
        with self.net.udp() as s:
            while time.monotonic() < end:
                try:
                    s.send(query)
                    reply = s.recv(4096) if select.select([s], [], [], 0.05)[0] else b""
                except OSError:
                    reply = b""
                # ANCOUNT, then the serial; the rest of the SOA's numbers and names are no such four octets.
                if reply[6:8] == b"\0\1" and want in reply[12:]:
                    return time.time()
                self.check_alive()
                time.sleep(pause)
        raise lab.LabError(f"{self.label}: {zone} has no serial {serial} after {timeout} s:\n"
                           f"{self.process.log()[-3000:]}")

    def retransfer(self, zone):
        """Asks for a whole new transfer, without waiting for it."""
        raise NotImplementedError


class Lockstep(Server):
    label = "lockstep"

    def __init__(self, net, zones, cpu=None, idle="adaptive", change=None):
        super().__init__(net, zones, None)
        # With a core given, everything runs on it, the control loop and the builder too.
        cpus = {"main-cpu": cpu, "workers": [cpu]} if cpu is not None else {}
        config = net.config(zones, {"log": {"level": "info"},
                                    "dataplane": {"memory": packet_memory(), "idle": idle, **cpus}})
        self.daemon = lab.Lockstepd(net, lab.merge(config, change or {}))
        net.processes.remove(self.daemon)
        self.pin = cpu

    def argv(self):
        argv = self.daemon.argv
        return argv if self.pin is None else ["taskset", "-c", self.pin, *argv]

    def memory(self):
        """VmRSS and huge pages, as MEASURE asks; it is one process."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return sum(int(m) for m in re.findall(r"^(?:VmRSS|HugetlbPages):\s+(\d+) kB", text, re.M)) * 1024

    def status(self, zone):
        return self.daemon.zone(zone)

    def retransfer(self, zone):
        return quietly([built("lockstepctl"), "-s", self.daemon.socket, "zone", "retransfer", zone])


class LockstepDirect(Lockstep):
    """Asks for the differences as soon as NOTIFY names a serial, without a SOA query."""

    label = "lockstep notify-ixfr"

    def __init__(self, net, zones, cpu=None):
        super().__init__(net, zones, cpu, change={"defaults": {"notify-ixfr": True}})


class Knot(Server):
    label = "knot"
    xdp = False

    def argv(self):
        address = self.net.secondary()
        c = ["server:", f"    rundir: {self.dir}", "    udp-workers: 1", "    tcp-workers: 1",
             "    background-workers: 1", f"    listen: {address}@53"]
        if self.xdp:
            c += ["xdp:", "    listen: sec0@53"]
        c += ["log:", "  - target: stderr", "    any: warning", "database:", f"    storage: {self.dir}/db",
              "remote:", "  - id: primary", f"    address: {self.net.primary()}@53",
              "acl:", "  - id: notify", "    action: notify", f"    address: {self.net.primary()}", "zone:"]
        for zone in self.zones:
            c += [f"  - domain: {zone}", "    master: primary", "    acl: notify", "    zonefile-sync: -1",
                  "    zonefile-load: none", "    journal-content: none"]
        (self.dir / "knot.conf").write_text("\n".join(c) + "\n")
        return [self.net.program("knotd"), "-c", self.dir / "knot.conf"]

    def retransfer(self, zone):
        return quietly(["knotc", "-s", self.dir / "knot.sock", "zone-retransfer", zone])


class KnotXdp(Knot):
    label = "knot xdp"
    xdp = True

    def stop(self):
        super().stop()
        xdp_off(self.net)


class Nsd(Server):
    label = "nsd"

    def argv(self):
        c = ["server:", f"    ip-address: {self.net.secondary()}@53", f'    zonesdir: "{self.dir}"',
             f'    pidfile: "{self.dir}/nsd.pid"', '    database: ""', f'    xfrdfile: "{self.dir}/xfrd.state"',
             f'    zonelistfile: "{self.dir}/zone.list"', f'    xfrdir: "{self.dir}"', '    username: ""',
             '    chroot: ""', "    server-count: 1", "    verbosity: 0", "    xfrd-reload-timeout: 0",
             "    rrl-ratelimit: 0", "    zonefiles-write: 0", "remote-control:", "    control-enable: yes",
             f"    control-interface: {self.dir}/nsd.sock"]
        for i, zone in enumerate(self.zones):
            c += ["zone:", f'    name: "{zone}"', f'    zonefile: "{self.dir}/{i}.zone"',
                  f"    request-xfr: {self.net.primary()} NOKEY", f"    allow-notify: {self.net.primary()} NOKEY"]
        (self.dir / "nsd.conf").write_text("\n".join(c) + "\n")
        return [self.net.program("nsd"), "-d", "-c", self.dir / "nsd.conf"]

    def retransfer(self, zone):
        return quietly(["nsd-control", "-c", self.dir / "nsd.conf", "force_transfer", zone])


class Bind(Server):
    label = "bind"

    def argv(self):
        rndc = subprocess.run(["rndc-confgen", "-A", "hmac-sha256"], capture_output=True, text=True, check=True).stdout
        secret = re.search(r'secret "([^"]+)"', rndc).group(1)
        key = f'key "bench" {{ algorithm hmac-sha256; secret "{secret}"; }};'
        (self.dir / "rndc.conf").write_text(f'{key}\noptions {{ default-key "bench"; default-server 127.0.0.1; }};\n')
        c = [key, 'controls { inet 127.0.0.1 port 953 allow { 127.0.0.1; } keys { "bench"; }; };', "options {",
             f'  directory "{self.dir}";', "  pid-file none;", "  lock-file none;",
             f'  session-keyfile "{self.dir}/session.key";', f'  managed-keys-directory "{self.dir}";',
             f"  listen-on {{ {self.net.secondary()}; }};", "  listen-on-v6 { none; };", "  recursion no;",
             "  dnssec-validation no;", "  notify no;", "  minimal-responses yes;",
             "  serial-query-rate 1000;", "};", "logging { category default { null; }; };"]
        for zone in self.zones:
            c += [f'zone "{zone}" {{ type secondary; primaries {{ {self.net.primary()}; }}; '
                  f"masterfile-format raw; }};"]
        (self.dir / "named.conf").write_text("\n".join(c) + "\n")
        return [self.net.program("named"), "-f", "-n", "1", "-c", self.dir / "named.conf"]

    def retransfer(self, zone):
        return quietly(self.net.argv_in("sec", ["rndc", "-c", self.dir / "rndc.conf", "retransfer", zone]))


class Swap(Server):
    """
    Not a name server: DPDK's testpmd sends every frame back with addresses and ports swapped, through the same AF_XDP
    driver. What it reaches is what this veth and this generator allow.
    """

    label = "5tswap"

    def __init__(self, net, zones, cpu=None):
        super().__init__(net, zones, None)
        self.pin = cpu if cpu is not None else 0

    def argv(self):
        # It takes ARP off the wire as well, so the neighbour must be known beforehand.
        link = json.loads(self.net.run_in("sec", ["ip", "-j", "link", "show", "dev", "sec0"]).stdout)
        self.net.run_in("pri", ["ip", "neigh", "replace", self.net.secondary(), "lladdr", link[0]["address"], "dev",
                                "pri0", "nud", "permanent"])
        memory = ["-m", PACKET_MEMORY_MB] if memory_of(PACKET_MEMORY_MB) else ["--no-huge", "-m", "256"]
        return ["stdbuf", "-oL", self.net.program("dpdk-testpmd"), "--lcores", f"0@{self.pin},1@{self.pin}",
                "--no-pci", "--in-memory", *memory, "--file-prefix", self.dir.name, "--vdev", "net_af_xdp0,iface=sec0",
                "--", "--forward-mode=5tswap", "--total-num-mbufs=32768", "--no-mlockall", "--stats-period=3600"]

    def start(self):
        super().start()
        try:
            self.process.wait_log("packets/burst", 40)
        except AssertionError as e:
            log = self.process.log()[-3000:]
            self.stop()
            raise lab.LabError(f"{e}\n{log}") from None
        return self

    def stop(self):
        super().stop()
        xdp_off(self.net)
        self.net.run_in("pri", ["ip", "neigh", "del", self.net.secondary(), "dev", "pri0"], check=False)
        # The next server needs the neighbour.
        self.net.run_in("pri", ["ping", "-c1", "-W2", "-q", self.net.secondary()], check=False)


RIVALS = (Knot, Nsd, Bind)
