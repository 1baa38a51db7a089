"""Debian's knotd, nsd and named as secondaries of lockstepd, in the primary's namespace at its second address."""

import time

import dns.exception
import dns.flags

from lab_process import SECOND_PRIMARY, SECONDARY, LabError, Process, wait_until
from lab_servers import rewrite
from lab_wire import soa_serial


class Downstream:
    """key: (name, algorithm, secret), or None. The subclass writes its configuration."""

    program = None
    made = 0

    def __init__(self, lab, zones, key=None, axfr_only=False):
        Downstream.made += 1
        self.lab, self.zones, self.key, self.axfr_only = lab, zones, key, axfr_only
        self.address = SECOND_PRIMARY
        self.name = f"{self.program}-down{Downstream.made}"
        self.dir = lab.dir / self.name
        self.dir.mkdir()
        (self.dir / "db").mkdir()

    def start(self):
        self.configure()
        self.process = Process(self.lab, self.name, "pri", self.command(), cwd=self.dir)
        self.process.start()
        return self

    def log(self):
        return self.process.log()

    def serial(self, zone):
        if not self.process.running():
            raise LabError(f"{self.name} ended:\n{self.log()[-2000:]}")
        try:
            reply = self.lab.dig(zone, "SOA", server=self.address, timeout=0.5)
        except (dns.exception.Timeout, OSError):
            return None
        return soa_serial(reply) if reply.flags & dns.flags.AA else None

    def wait_serial(self, zone, serial, timeout=60):
        begin = time.monotonic()
        wait_until(lambda: self.serial(zone) == serial, timeout, f"{self.name} has {zone} {serial}")
        return time.monotonic() - begin


class KnotdDownstream(Downstream):
    program = "knotd"

    def command(self):
        return [self.lab.program("knotd"), "-c", self.dir / "knot.conf"]

    def configure(self):
        c = ["server:", f"    rundir: {self.dir}", f"    listen: {self.address}@53", "    background-workers: 1"]
        c += ["log:", "  - target: stderr", "    any: debug", "database:", f"    storage: {self.dir}/db"]
        key = []
        if self.key:
            c += ["key:", f"  - id: {self.key[0]}", f"    algorithm: {self.key[1]}", f"    secret: {self.key[2]}"]
            key = [f"    key: {self.key[0]}"]
        c += ["remote:", "  - id: up", f"    address: {SECONDARY}@53", f"    via: {self.address}", *key]
        c += ["acl:", "  - id: notify", "    action: notify", f"    address: {SECONDARY}", *key,
              "  - id: look", "    action: transfer", "    address: 10.53.0.0/24"]
        c += ["zone:"]
        for zone in self.zones:
            c += [f"  - domain: {zone}", "    master: up", "    acl: [notify, look]", f"    storage: {self.dir}"]
            c += ["    zonefile-sync: -1", "    zonefile-load: none", "    journal-content: all"]
        (self.dir / "knot.conf").write_text("\n".join(c) + "\n")


class NsdDownstream(Downstream):
    program = "nsd"

    def command(self):
        return [self.lab.program("nsd"), "-d", "-c", self.dir / "nsd.conf"]

    def configure(self):
        key = self.key[0] if self.key else "NOKEY"
        c = ["server:", f"    ip-address: {self.address}@53", f'    zonesdir: "{self.dir}"',
             f'    pidfile: "{self.dir}/nsd.pid"', '    database: ""', f'    xfrdfile: "{self.dir}/xfrd.state"',
             f'    zonelistfile: "{self.dir}/zone.list"', f'    xfrdir: "{self.dir}"', '    username: ""',
             '    chroot: ""', "    server-count: 1", "    verbosity: 3", "    xfrd-reload-timeout: 0",
             "    rrl-ratelimit: 0"]
        if self.key:
            c += ["key:", f'    name: "{self.key[0]}"', f"    algorithm: {self.key[1]}", f'    secret: "{self.key[2]}"']
        for zone in self.zones:
            c += ["zone:", f'    name: "{zone}"', f'    zonefile: "{zone}zone"',
                  f"    request-xfr: {'AXFR ' if self.axfr_only else ''}{SECONDARY} {key}",
                  f"    allow-notify: {SECONDARY} {key}", f"    outgoing-interface: {self.address}",
                  "    provide-xfr: 10.53.0.0/24 NOKEY"]
        (self.dir / "nsd.conf").write_text("\n".join(c) + "\n")


class NamedDownstream(Downstream):
    program = "named"

    def command(self):
        return [self.lab.program("named"), "-g", "-n", "1", "-c", self.dir / "named.conf"]

    def configure(self):
        key = f' key "{self.key[0]}"' if self.key else ""
        c = []
        if self.key:
            c += [f'key "{self.key[0]}" {{ algorithm {self.key[1]}; secret "{self.key[2]}"; }};']
        c += ["options {", f'  directory "{self.dir}";', "  pid-file none;", "  lock-file none;",
              f'  session-keyfile "{self.dir}/session.key";', f'  managed-keys-directory "{self.dir}";',
              f"  listen-on {{ {self.address}; }};", "  listen-on-v6 { none; };", "  recursion no;",
              "  dnssec-validation no;", "  allow-transfer { any; };", "  notify no;", "  masterfile-format text;",
              f"  transfer-source {self.address};", f"  request-ixfr {'no' if self.axfr_only else 'yes'};",
              "  ixfr-from-differences no;", "};", "controls {};"]
        for zone in self.zones:
            c += [f'zone "{zone}" {{ type secondary; file "{zone}zone"; primaries {{ {SECONDARY}{key}; }}; }};']
        (self.dir / "named.conf").write_text("\n".join(c) + "\n")


DOWNSTREAMS = {"knotd": KnotdDownstream, "nsd": NsdDownstream, "named": NamedDownstream}


# --- those that fetch zones over TLS, show `identity`, and believe nobody who is not `host` by `ca` ---


class TlsNsdDownstream(NsdDownstream):
    ca, host, identity = None, None, None
    distrusts = "certificate verify failed"

    def configure(self):
        super().configure()
        rewrite(self.dir / "nsd.conf", ("    server-count: 1", f'    server-count: 1\n    tls-cert-bundle: "{self.ca}"'),
                ("zone:\n", f'tls-auth:\n    name: "up"\n    auth-domain-name: "{self.host}"\n'
                 f'    client-cert: "{self.identity.certificate}"\n    client-key: "{self.identity.key}"\nzone:\n'),
                (f"{SECONDARY} NOKEY\n    allow", f"{SECONDARY}@853 NOKEY up\n    allow"))


class TlsNamedDownstream(NamedDownstream):
    ca, host, identity = None, None, None
    distrusts = "TLS peer certificate verification failed"

    def configure(self):
        super().configure()
        rewrite(self.dir / "named.conf",
                ("options {", f'tls up {{ ca-file "{self.ca}"; remote-hostname "{self.host}"; '
                 f'cert-file "{self.identity.certificate}"; key-file "{self.identity.key}"; }};\noptions {{'),
                (f"primaries {{ {SECONDARY};", f"primaries {{ {SECONDARY} port 853 tls up;"))


DOWNSTREAMS_OVER_TLS = {"nsd": TlsNsdDownstream, "named": TlsNamedDownstream}
