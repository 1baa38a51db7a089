"""A laboratory for end-to-end tests: two network namespaces joined by a veth, real primaries in one, lockstepd in
the other, and a runner for test files.

    #!/usr/bin/python3
    import sys
    from pathlib import Path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
    import lab

    def test_the_zone_is_transferred(net):          # `net` is a fresh Lab, removed after the test
        net.knotd({"example.": lab.zone_text("example.", 1)})
        net.lockstepd(["example."])
        net.wait_serial("example.", 1)
        assert net.dig("www.example.", "A").rcode() == 0

    if __name__ == "__main__":
        lab.main()

Nothing outlives a Lab: processes, namespaces and the temporary folder go, also after an exception, SIGTERM or
Ctrl-C; what a killed run left behind is removed by the next one. Nothing outside the namespaces is touched.
Needs root and Debian's /usr/bin/python3 with python3-dnspython.
"""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rrset

from lab_daemon import Lockstepd, huge_pages_free, merge, yaml_text
from lab_process import (BUILD, PRIMARY, PRIMARY6, ROOT, SECOND_PRIMARY, SECOND_PRIMARY6, SECONDARY, SECONDARY6,
                         STRANGER, STRANGER6, LabError, Process, Skip, exit_on_signals, libc, process_start_time, run,
                         wait_until)
from lab_runner import TestTimeout, each, lab_options, main, timeout
from lab_servers import CHANGING, OVER_TLS, PRIMARIES, Knotd, Named, Nsd, Primary, rewrite, zone_text
from lab_wire import (ETH_P_ALL, SO_TIMESTAMPNS, captured, checksum, dnsperf_result, exchange_on, extended_errors,
                      read_framed, sections, soa_serial)

# What a test file uses as lab.NAME.
__all__ = ["BUILD", "CHANGING", "ETH_P_ALL", "Knotd", "Lab", "LabError", "Lockstepd", "Named", "Nsd", "OVER_TLS",
           "PRIMARIES", "PRIMARY", "PRIMARY6", "Primary", "Process", "ROOT", "SECONDARY", "SECONDARY6",
           "SECOND_PRIMARY", "SECOND_PRIMARY6", "STRANGER", "STRANGER6", "Skip", "TestTimeout", "checksum", "each",
           "exchange_on", "exit_on_signals", "extended_errors", "huge_pages_free", "lab_options", "main", "merge",
           "process_start_time", "read_framed", "rewrite", "run", "sections", "soa_serial", "timeout", "wait_until",
           "yaml_text", "zone_text"]

CLONE_NEWNET = 0x40000000


OWNERS = Path("/run/lockstep-lab")


def remove_leftovers():
    """What labs of processes that are gone left behind: their processes, namespaces and folders."""
    for owner in OWNERS.glob("lst*") if OWNERS.exists() else ():
        try:
            pid, started, folder = owner.read_text().split("\n")[:3]
        except (OSError, ValueError):
            continue
        if process_start_time(int(pid)) == int(started):
            continue
        for side in ("pri", "sec"):
            _remove_namespace(f"{owner.name}-{side}")
        if folder.startswith(tempfile.gettempdir() + "/lst"):
            shutil.rmtree(folder, ignore_errors=True)
        owner.unlink(missing_ok=True)


def _remove_namespace(ns):
    if not Path("/run/netns", ns).exists():
        return
    for _ in range(100):
        pids = run(["ip", "netns", "pids", ns], check=False).stdout.split()
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.02)
    run(["ip", "netns", "del", ns], check=False)


class Lab:
    """
    Two namespaces, `pri` and `sec`, joined by a veth: pri0 with the primaries' addresses (.1, .3) and a stranger's
    (.9), sec0 with the secondary's (.2), in 10.53.0.0/24 and fd53::/64. Checksum and VLAN offloads are off, so that
    frames on the veth look as on a wire.
    """

    made = 0

    def __init__(self, queues=1, pri_addresses=None, sec_addresses=None, mtu=None, keep=False):
        self.queues, self.mtu, self.keep = queues, mtu, keep
        self.pri_addresses = pri_addresses or ["10.53.0.1/24", "10.53.0.3/24", "10.53.0.9/24", "fd53::1/64",
                                               "fd53::3/64", "fd53::9/64"]
        self.sec_addresses = sec_addresses or ["10.53.0.2/24", "fd53::2/64"]
        self.processes, self.notes, self.daemon = [], [], None

    def __enter__(self):
        if os.geteuid() != 0:
            raise LabError("network namespaces need root: run the tests with sudo")
        remove_leftovers()
        Lab.made += 1
        self.id = f"lst{os.getpid()}-{Lab.made}"
        self.dir = Path(tempfile.mkdtemp(prefix=self.id + "-"))
        self.ns = {"pri": f"{self.id}-pri", "sec": f"{self.id}-sec"}
        OWNERS.mkdir(exist_ok=True)
        (OWNERS / self.id).write_text(f"{os.getpid()}\n{process_start_time(os.getpid())}\n{self.dir}\n")
        try:
            self._wire()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, exc_type, exc, tb):
        if exc_type is not None and not issubclass(exc_type, (Skip, KeyboardInterrupt, SystemExit)):
            self.report()
        self.close()

    def _wire(self):
        pri, sec = self.ns["pri"], self.ns["sec"]
        for ns in (pri, sec):
            run(["ip", "netns", "add", ns])
            run(["ip", "-n", ns, "link", "set", "lo", "up"])
        self.wire_again()

    def wire_again(self):
        """Makes the veth with its addresses, at the begin or when a test has deleted it."""
        pri, sec = self.ns["pri"], self.ns["sec"]
        queues = ["numtxqueues", self.queues, "numrxqueues", self.queues]
        run(["ip", "-n", pri, "link", "add", "pri0", *queues, "type", "veth", "peer", "name", "sec0", *queues,
             "netns", sec])
        for ns, dev, addresses in ((pri, "pri0", self.pri_addresses), (sec, "sec0", self.sec_addresses)):
            run(["ip", "netns", "exec", ns, "ethtool", "-K", dev, "tx", "off", "rx", "off", "gro", "off", "tso",
                 "off", "gso", "off", "txvlan", "off", "rxvlan", "off"], check=False)
            run(["ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0",
                 "net.ipv6.conf.default.accept_dad=0"], check=False)
            if self.mtu:
                run(["ip", "-n", ns, "link", "set", dev, "mtu", self.mtu])
            for a in addresses:
                run(["ip", "-n", ns, "addr", "add", a, "dev", dev, *(["nodad"] if ":" in a else [])])
        for ns, dev in ((pri, "pri0"), (sec, "sec0")):
            run(["ip", "-n", ns, "link", "set", dev, "up"])
        # One ping each way resolves the neighbours, so that the first query of a test does not wait for it.
        wait_until(lambda: run(["ip", "netns", "exec", pri, "ping", "-c1", "-W1", "-q", self.secondary()],
                               check=False).returncode == 0, 5, "the veth carries packets")

    def primary(self):
        return self.pri_addresses[0].split("/")[0]

    def secondary(self):
        return self.sec_addresses[0].split("/")[0]

    def close(self):
        for p in reversed(self.processes):
            if p.running():
                with contextlib.suppress(Exception):
                    p.stop(10)
        for ns in self.ns.values():
            _remove_namespace(ns)
        if self.keep:
            print(f"kept: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        (OWNERS / self.id).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            OWNERS.rmdir()

    def note(self, text):
        self.notes.append(text)

    def report(self, lines=60):
        """The tails of all logs, for a failed test."""
        for text in self.notes:
            print(f"    note: {text}")
        for p in self.processes:
            tail = p.log().splitlines()[-lines:]
            state = "running" if p.running() else f"ended {p.popen.returncode}" if p.popen else "not started"
            print(f"    --- {p.name} ({state}), last {len(tail)} lines of its log")
            for line in tail:
                print(f"    {line}")

    # Programs

    def program(self, name):
        """
        The full path of a Debian server. With AppArmor its profile would keep it to /etc and /var; a copy in our
        folder has no profile.
        """
        path = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
        if path is None:
            raise LabError(f"{name} is not installed: run tests/support/install")
        try:
            confined = Path("/sys/module/apparmor/parameters/enabled").read_text().startswith("Y")
        except OSError:
            confined = False
        if not confined:
            return path
        copy = self.dir / f"bin-{name}"
        if not copy.exists():
            shutil.copy2(path, copy)
        return copy

    def argv_in(self, ns, argv):
        """The command line that runs argv in namespace `pri`, `sec` or None for the machine's own."""
        prefix = ["ip", "netns", "exec", self.ns[ns]] if ns else []
        return [str(a) for a in [*prefix, *argv]]

    def run_in(self, ns, argv, check=True, timeout=60):
        return run(self.argv_in(ns, argv), check=check, timeout=timeout)

    def mac(self, side):
        """The six octets of the address of pri0 or sec0."""
        text = self.run_in(side, ["cat", f"/sys/class/net/{side}0/address"]).stdout
        return bytes.fromhex(text.strip().replace(":", ""))

    def spawn(self, name, ns, argv, **kw):
        """Starts any long-running program in a namespace; stopped with the lab."""
        return Process(self, name, ns, argv, **kw).start()

    def tcpdump(self, ns="pri", dev=None, expression="port 53"):
        """Starts a capture; returns its file. Debugging aid."""
        file = self.dir / f"{ns}.pcap"
        self.spawn(f"tcpdump-{ns}", ns, [self.program("tcpdump"), "-Z", "root", "-U", "-i", dev or f"{ns}0", "-w",
                                         file, *expression.split()])
        return file

    def _primary(self, kind, zones, addresses=None, notify=True, notify_to=None, start=True):
        addresses = addresses or [PRIMARY, PRIMARY6]
        p = PRIMARIES[kind](self, zones, addresses, notify, notify_to or [SECONDARY])
        return p.start() if start else p

    def knotd(self, zones, **kw):
        """
        zones: name -> text or Path. addresses: those it listens on and, the first of a family, notifies from;
        notify: whether it sends NOTIFY to notify_to.
        """
        return self._primary("knotd", zones, **kw)

    def nsd(self, zones, **kw):
        return self._primary("nsd", zones, **kw)

    def named(self, zones, **kw):
        return self._primary("named", zones, **kw)

    def start_primary(self, kind, zones, **kw):
        """kind: knotd, nsd or named."""
        return self._primary(kind, zones, **kw)

    # lockstepd

    def config(self, zones, change=None):
        """
        The configuration map: one AF_XDP port on sec0, main loop on cpu 0, one worker on cpu 1 (cpu 0 if there is
        only one), our primaries, the zones given as names or maps. `change` is merged in.
        """
        cpus = sorted(os.sched_getaffinity(0))
        base = {
            "server": {"listen": [a.split("/")[0] for a in self.sec_addresses]},
            "dataplane": {
                "main-cpu": cpus[0],
                "workers": [cpus[1] if len(cpus) > 1 else cpus[0]],
                "idle": "adaptive",
                "memory": "64M" if huge_pages_free() >= 48 else 0,
                "prefix": f"{self.id}-{Lockstepd.made + 1}",
                "ports": [{"driver": "af_xdp", "device": "sec0"}],
            },
            "control": {"socket": str(self.dir / f"ctl{Lockstepd.made + 1}.sock")},
            "log": {"level": "debug", "target": "stderr"},
            "primaries": [{"name": "first", "address": PRIMARY}],
            "zones": [z if isinstance(z, dict) else {"name": z, "primaries": ["first"]} for z in zones],
        }
        return merge(base, change or {})

    def lockstepd(self, zones=(), config=None, change=None, start=True, wrapper=()):
        """Starts the daemon for the zones (or with a whole `config`) in namespace sec."""
        daemon = Lockstepd(self, config or self.config(zones, change), wrapper=wrapper)
        self.daemon = daemon
        return daemon.start() if start else daemon

    def ctl(self, *args, **kw):
        return self.daemon.ctl(*args, **kw)

    def wait_serial(self, zone, serial, timeout=10, server=None):
        """Until the secondary answers with this serial over UDP; returns the seconds it took."""
        begin = time.monotonic()
        seen = [None]

        def there():
            try:
                seen[0] = soa_serial(self.dig(zone, "SOA", server=server, timeout=0.5))
            except (dns.exception.Timeout, OSError) as e:
                seen[0] = e
            return seen[0] == serial
        wait_until(there, timeout, lambda: f"{zone} {serial} answered; last seen: {seen[0]!r}", pause=0.002)
        return time.monotonic() - begin

    def wait_state(self, zone, state, timeout=10):
        """Until `zone status` shows the state (a text or several); returns the status."""
        states = [state] if isinstance(state, str) else state
        found = {}

        def there():
            found.clear()
            found.update(self.daemon.zone(zone))
            return found["state"] in states
        wait_until(there, timeout, lambda: f"{zone} is {states}; last: {found}", pause=0.05)
        return found

    # Queries

    @contextlib.contextmanager
    def inside(self, ns):
        """Sockets made within belong to the namespace, for their whole life."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        other = os.open(f"/run/netns/{self.ns[ns]}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(other)
            try:
                yield
            finally:
                _setns(own)
        finally:
            os.close(own)
            os.close(other)

    def socket(self, family, kind, ns="pri", proto=0):
        with self.inside(ns):
            return socket.socket(family, kind, proto)

    def udp(self, server=None, source=None, port=53, ns="pri"):
        """A connected UDP socket in a namespace."""
        server = server or self.secondary()
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        s = self.socket(family, socket.SOCK_DGRAM, ns)
        if source:
            s.bind((source, 0))
        s.connect((server, port))
        return s

    def tcp(self, server=None, source=None, port=53, ns="pri", timeout=5, receive_buffer=None):
        """A connected TCP socket in a namespace; receive_buffer: octets, before the window is told."""
        server = server or self.secondary()
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        s = self.socket(family, socket.SOCK_STREAM, ns)
        s.settimeout(timeout)
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            s.bind((source, 0))
        s.connect((server, port))
        return s

    def exchange(self, wire, server=None, tcp=False, source=None, timeout=2.0, ns="pri"):
        """One message as octets there, one back. dns.exception.Timeout when none comes."""
        with (self.tcp if tcp else self.udp)(server, source, ns=ns) as s:
            return exchange_on(s, wire, tcp, timeout)

    def dig(self, name, rdtype="A", server=None, tcp=False, source=None, edns=None, payload=1232, dnssec=False,
            options=None, rdclass="IN", timeout=2.0, tries=1, flags=0, ns="pri"):
        """
        A query from the primary's namespace to the secondary (or `server`); the response as dns.message.Message.
        edns: None, or a version. dns.exception.Timeout when no response comes.
        """
        query = dns.message.make_query(name, rdtype, rdclass, use_edns=edns if edns is not None else
                                       (0 if options or dnssec else None), want_dnssec=dnssec,
                                       payload=payload if edns is not None or dnssec or options else None,
                                       options=options)
        query.flags = flags
        for left in reversed(range(tries)):
            try:
                wire = self.exchange(query.to_wire(), server, tcp, source, timeout, ns)
                break
            except dns.exception.Timeout:
                if left == 0:
                    raise
        reply = dns.message.from_wire(wire)
        assert query.is_response(reply), f"not a response to the query:\n{query}\n\n{reply}"
        return reply

    @staticmethod
    def notify_wire(zone, serial=None):
        """A NOTIFY (RFC 1996) as octets."""
        m = dns.message.make_query(zone, "SOA")
        m.set_opcode(dns.opcode.NOTIFY)
        m.flags |= dns.flags.AA
        m.flags &= ~dns.flags.RD
        if serial is not None:
            m.answer.append(dns.rrset.from_text(zone, 3600, "IN", "SOA",
                                                f"ns1.invalid. hostmaster.invalid. {serial} 3600 600 86400 300"))
        return m.to_wire()

    def notify(self, zone, serial=None, source=None, tcp=False, server=None, timeout=2.0):
        """Sends a NOTIFY from the primary's namespace; returns the response."""
        return dns.message.from_wire(self.exchange(self.notify_wire(zone, serial), server, tcp, source, timeout))

    def notify_to_served(self, zone, serial, change, timeout=10):
        """
        Calls change(), which makes a primary announce `serial`, and watches the veth from outside: seconds from the
        first NOTIFY that leaves for the secondary to the first response with the serial, asked for every
        millisecond. Both times are the capture's.
        """
        wire = self.socket(socket.AF_PACKET, socket.SOCK_RAW, "pri", socket.htons(ETH_P_ALL))
        query = dns.message.make_query(zone, "SOA").to_wire()
        with wire, self.udp() as asker:
            wire.bind(("pri0", 0))
            wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            wire.setblocking(False)
            asker.setblocking(False)
            announced, end = None, time.monotonic() + timeout
            change()
            while time.monotonic() < end:
                with contextlib.suppress(BlockingIOError):
                    asker.recv(65535)
                asker.send(query)
                time.sleep(0.001)
                for at, outgoing, message in captured(wire):
                    if outgoing and announced is None and message.opcode() == dns.opcode.NOTIFY:
                        announced = at
                    elif not outgoing and announced is not None and soa_serial(message) == serial:
                        return at - announced
        raise AssertionError(f"{zone} {serial} not served within {timeout} s; " +
                             ("NOTIFY was seen" if announced else "no NOTIFY was seen"))

    # Load

    def dnsperf(self, queries, qps=None, seconds=10, server=None, clients=4, outstanding=None, timeout=5,
                options=(), ns="pri"):
        """
        queries: a Path, or lines "name type". Returns a map: sent, completed, lost, rcodes, qps, latency_avg,
        latency_max, text.
        """
        argv = self.dnsperf_argv(queries, qps, seconds, server, clients, outstanding, timeout, options)
        return dnsperf_result(self.run_in(ns, argv, timeout=seconds + 60).stdout)

    def dnsperf_argv(self, queries, qps=None, seconds=10, server=None, clients=4, outstanding=None, timeout=5,
                     options=()):
        if not isinstance(queries, Path):
            file = self.dir / f"queries{len(list(self.dir.glob('queries*')))}"
            file.write_text("\n".join(queries) + "\n")
            queries = file
        argv = ["dnsperf", "-s", server or self.secondary(), "-d", queries, "-l", seconds, "-c", clients, "-t",
                timeout, "-b", "4096", *options]
        argv += ["-Q", qps] if qps else []
        argv += ["-q", outstanding] if outstanding else []
        return argv

    def kxdpgun(self, queries, qps=100000, seconds=5, server=None, ns="pri"):
        """Queries as for dnsperf. Returns a map: sent, answered, text."""
        if not isinstance(queries, Path):
            file = self.dir / f"queries{len(list(self.dir.glob('queries*')))}"
            file.write_text("\n".join(queries) + "\n")
            queries = file
        done = self.run_in(ns, ["kxdpgun", "-t", seconds, "-Q", qps, "-i", queries, "-I", f"{ns}0",
                                server or self.secondary()], timeout=seconds + 60)
        text = done.stdout + done.stderr
        sent = re.search(r"total queries:\s+(\d+)", text)
        answered = re.search(r"total replies:\s+(\d+)", text)
        if not sent or not answered:
            raise LabError(f"kxdpgun: no result in:\n{text}")
        return {"sent": int(sent.group(1)), "answered": int(answered.group(1)), "text": text}


def _setns(fd):
    if libc.setns(fd, CLONE_NEWNET) != 0:
        e = ctypes.get_errno()
        raise OSError(e, f"setns: {os.strerror(e)}")
