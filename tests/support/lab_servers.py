"""Zones in presentation format, and Debian's knotd, nsd and named to serve them from."""

import os
import re
import shutil
import signal
import time
from pathlib import Path

import dns.exception
import dns.flags

from lab_process import LabError, Process, wait_until
from lab_wire import soa_serial


def zone_text(origin, serial, hosts=3, refresh=3600, retry=600, expire=86400, minimum=300, ttl=3600, extra=()):
    """A zone in presentation format: SOA, two NS with addresses, www, h0..h<hosts-1> with an A each, `extra` lines."""
    lines = [f"$ORIGIN {origin}", f"$TTL {ttl}",
             f"@ IN SOA ns1 hostmaster {serial} {refresh} {retry} {expire} {minimum}",
             "@ IN NS ns1", "@ IN NS ns2", "ns1 IN A 192.0.2.1", "ns2 IN AAAA 2001:db8::2", "www IN A 192.0.2.80"]
    lines += [f"h{i} IN A 198.{18 + (i >> 16)}.{i >> 8 & 255}.{i & 255}" for i in range(hosts)]
    return "\n".join([*lines, *extra]) + "\n"


class Primary:
    """One of Debian's servers in the primary's namespace. The subclass writes its configuration and reloads it."""

    program = None
    made = 0

    def __init__(self, lab, zones, addresses, notify, notify_to):
        Primary.made += 1
        self.lab, self.addresses = lab, addresses
        self.notify, self.notify_to = notify, notify_to
        self.name = f"{self.program}{Primary.made}"
        self.dir = lab.dir / self.name
        self.dir.mkdir()
        self.files = {}
        for zone, text in zones.items():
            self._write(zone, text)
        self.process = None

    def _write(self, zone, text):
        """text: the zone's content, or the Path of a file with it. Replaced in one step, as an editor would."""
        file = self.dir / (zone.rstrip(".").replace("/", "_") + ".zone" if zone != "." else "root.zone")
        if isinstance(text, Path):
            file.unlink(missing_ok=True)
            shutil.copyfile(text, file)
        else:
            new = file.with_suffix(".new")
            new.write_text(text)
            new.rename(file)
        self.files[zone] = file

    def start(self, timeout=60):
        self.configure()
        self.process = self.process or Process(self.lab, self.name, "pri", self.command(), cwd=self.dir)
        self.process.start()
        self.wait_serving(timeout)
        return self

    def wait_serving(self, timeout=60):
        def serving():
            if not self.process.running():
                raise LabError(f"{self.name} ended at once:\n{self.process.log()[-2000:]}")
            return all(self.serial(z) is not None for z in self.files)
        wait_until(serving, timeout, f"{self.name} serves its zones")

    def serial(self, zone):
        try:
            reply = self.lab.dig(zone, "SOA", server=self.addresses[0], timeout=0.5)
        except (dns.exception.Timeout, OSError):
            return None
        return soa_serial(reply) if reply.flags & dns.flags.AA else None

    def update(self, zone, text, wait=True):
        """A new version of a zone: written, reloaded, NOTIFY sent by the server itself."""
        self._write(zone, text)
        self.reload(zone)
        if wait:
            serial = int(re.search(r"\sSOA\s+\S+\s+\S+\s+\(?\s*(\d+)", self.files[zone].read_text()).group(1))
            wait_until(lambda: self.serial(zone) == serial, 30, f"{self.name} serves {zone} {serial}")

    def stop(self):
        return self.process.stop()

    def kill(self):
        self.process.kill()

    def log(self):
        return self.process.log()

    def dig(self, name, rdtype="A", **kw):
        return self.lab.dig(name, rdtype, server=self.addresses[0], **kw)


class Knotd(Primary):
    program = "knotd"

    def command(self):
        return [self.lab.program("knotd"), "-c", self.dir / "knot.conf"]

    def configure(self):
        c = ["server:", f"    rundir: {self.dir}", "    udp-workers: 1", "    tcp-workers: 1",
             "    background-workers: 1"]
        c += [f"    listen: {a}@53" for a in self.addresses]
        c += ["log:", "  - target: stderr", "    any: info", "database:", f"    storage: {self.dir}/db"]
        c += ["remote:"]
        for i, to in enumerate(self.notify_to):
            c += [f"  - id: sec{i}", f"    address: {to}@53", f"    via: {self.source_for(to)}"]
        c += ["acl:", "  - id: xfr", "    action: transfer", "    address: [0.0.0.0/0, ::/0]"]
        c += ["template:", "  - id: default", f"    storage: {self.dir}", "    acl: xfr",
              "    zonefile-load: whole", "    journal-content: none", "    zonefile-sync: -1",
              "    semantic-checks: off"]
        if self.notify and self.notify_to:
            c += [f"    notify: [{', '.join(f'sec{i}' for i in range(len(self.notify_to)))}]"]
        c += ["zone:"]
        for zone, file in self.files.items():
            c += [f"  - domain: {zone}", f"    file: {file}"]
        (self.dir / "knot.conf").write_text("\n".join(c) + "\n")

    def source_for(self, to):
        return next(a for a in self.addresses if (":" in a) == (":" in to))

    def reload(self, zone):
        self.lab.run_in("pri", ["knotc", "-s", self.dir / "knot.sock", "zone-reload", zone])


class Nsd(Primary):
    program = "nsd"

    def command(self):
        return [self.lab.program("nsd"), "-d", "-c", self.dir / "nsd.conf"]

    def configure(self):
        c = ["server:"] + [f"    ip-address: {a}@53" for a in self.addresses]
        c += [f'    zonesdir: "{self.dir}"', f'    pidfile: "{self.dir}/nsd.pid"', '    database: ""',
              f'    xfrdfile: "{self.dir}/xfrd.state"', f'    zonelistfile: "{self.dir}/zone.list"',
              f'    xfrdir: "{self.dir}"', '    username: ""', '    chroot: ""', "    server-count: 1",
              "    verbosity: 2", "    xfrd-reload-timeout: 0", "    rrl-ratelimit: 0",
              "remote-control:", "    control-enable: yes", f"    control-interface: {self.dir}/nsd.sock"]
        for zone, file in self.files.items():
            c += ["zone:", f'    name: "{zone}"', f'    zonefile: "{file}"']
            c += ["    provide-xfr: 0.0.0.0/0 NOKEY", "    provide-xfr: ::0/0 NOKEY"]
            c += [f"    notify: {to} NOKEY" for to in self.notify_to if self.notify]
            c += [f"    outgoing-interface: {a}" for a in self.addresses]
        (self.dir / "nsd.conf").write_text("\n".join(c) + "\n")

    def reload(self, zone):
        self.lab.run_in("pri", ["nsd-control", "-c", self.dir / "nsd.conf", "reload", zone])


class Named(Primary):
    program = "named"

    def command(self):
        return [self.lab.program("named"), "-g", "-n", "1", "-c", self.dir / "named.conf"]

    def configure(self):
        v4 = [a for a in self.addresses if ":" not in a]
        v6 = [a for a in self.addresses if ":" in a]
        c = ["options {", f'  directory "{self.dir}";', '  pid-file none;', '  lock-file none;',
             f'  session-keyfile "{self.dir}/session.key";', f'  managed-keys-directory "{self.dir}";',
             f"  listen-on {{ {' '.join(a + ';' for a in v4)} }};",
             f"  listen-on-v6 {{ {' '.join(a + ';' for a in v6)} }};",
             "  recursion no;", "  dnssec-validation no;", "  allow-transfer { any; };", "  minimal-responses no;",
             "  notify-delay 0;", "  notify-rate 1000;", "  startup-notify-rate 1000;", "  check-integrity no;",
             "  transfers-out 1000;", "  tcp-clients 1000;", "  masterfile-format text;"]
        if self.notify and self.notify_to:
            c += ["  notify explicit;", f"  also-notify {{ {' '.join(t + ';' for t in self.notify_to)} }};"]
            c += [f"  notify-source {v4[0]};"] if v4 else []
            c += [f"  notify-source-v6 {v6[0]};"] if v6 else []
        else:
            c += ["  notify no;"]
        c += ["};", "controls {};"]
        for zone, file in self.files.items():
            c += [f'zone "{zone}" {{ type primary; file "{file}"; }};']
        (self.dir / "named.conf").write_text("\n".join(c) + "\n")

    def reload(self, zone):
        # named compares file times with a resolution of one second against the time it loaded.
        file = self.files[zone]
        ahead = getattr(self, "ahead", time.time()) + 2
        self.ahead = ahead
        os.utime(file, (ahead, ahead))
        self.process.signal(signal.SIGHUP)


# --- those that take changes and give differences ---

def rewrite(file, *pairs):
    text = file.read_text()
    for old, new in pairs:
        assert old in text, f"{old!r} is not in {file}"
        text = text.replace(old, new)
    file.write_text(text)


class KnotdWithJournal(Knotd):
    """Takes DNS UPDATE and reloads alike."""

    def configure(self):
        super().configure()
        (self.dir / "db").mkdir(exist_ok=True)
        rewrite(self.dir / "knot.conf", ("journal-content: none", "journal-content: changes"),
                ("zonefile-load: whole", "zonefile-load: difference"),
                ("action: transfer", "action: [transfer, update]"))


class SigningKnotd(KnotdWithJournal):
    """Signs what comes by UPDATE."""

    nsec3 = "off"

    def configure(self):
        super().configure()
        rewrite(self.dir / "knot.conf",
                ("template:\n", f"policy:\n  - id: sign\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n"
                                f"    nsec3: {self.nsec3}\n    nsec3-iterations: 0\ntemplate:\n"),
                ("zonefile-load: difference", "zonefile-load: whole\n    dnssec-signing: on\n    dnssec-policy: sign"))


class Nsec3Knotd(SigningKnotd):
    nsec3 = "on"


class NamedWithJournal(Named):
    more = "ixfr-from-differences yes;"

    def configure(self):
        super().configure()
        rewrite(self.dir / "named.conf", ("type primary;", f"type primary; max-ixfr-ratio unlimited; {self.more}"),
                ("minimal-responses no;", "minimal-responses yes;"))


class NamedWithUpdate(NamedWithJournal):
    """named reloads no file of a zone that takes updates."""

    more = "allow-update { any; };"


class NsdWithIxfr(Nsd):
    def configure(self):
        super().configure()
        rewrite(self.dir / "nsd.conf", ("    provide-xfr: 0.0.0.0/0 NOKEY",
                                        "    store-ixfr: yes\n    create-ixfr: yes\n    provide-xfr: 0.0.0.0/0 NOKEY"))


# --- those that give zones over TLS ---

class TlsNsd(Nsd):
    """`identity` is set before it starts: an Identity of certificates.py."""

    def configure(self):
        super().configure()
        rewrite(self.dir / "nsd.conf", ("    server-count: 1", f"    server-count: 1\n    tls-port: 853\n"
                                        f'    tls-service-key: "{self.identity.key}"\n'
                                        f'    tls-service-pem: "{self.identity.certificate}"\n'
                                        + "\n".join(f"    ip-address: {a}@853" for a in self.addresses)))


class TlsNamed(Named):
    def configure(self):
        super().configure()
        v4 = next(a for a in self.addresses if ":" not in a)
        rewrite(self.dir / "named.conf",
                ("options {", f'tls local {{ cert-file "{self.identity.certificate}"; key-file "{self.identity.key}"; }};\n'
                 f"options {{\n  listen-on port 853 tls local {{ {v4}; }};"),
                ("allow-transfer { any; };", "allow-transfer port 853 transport tls { any; };"))


PRIMARIES = {"knotd": Knotd, "nsd": Nsd, "named": Named}
CHANGING = {"knotd": KnotdWithJournal, "named": NamedWithJournal, "nsd": NsdWithIxfr, "named-update": NamedWithUpdate,
            "knotd-nsec": SigningKnotd, "knotd-nsec3": Nsec3Knotd}
OVER_TLS = {"nsd": TlsNsd, "named": TlsNamed}
