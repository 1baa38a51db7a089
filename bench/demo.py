"""Shows Lockstep at work.

Makes two network namespaces joined by a veth. In one runs a real primary, Debian's knotd, with a zone of 100,000
names; in the other lockstepd, which follows the zone and answers for it through an AF_XDP port. Then: a query over
UDP and one over TCP, a change on the primary and how long it took to arrive, load by dnsperf, what lockstepctl says.
Nothing outside the namespaces is touched but the number of huge pages; at the end, on Ctrl-C and on failure all of
it goes away.
"""

import datetime
import os
import random
import re
import select
import subprocess
import sys
import time
from pathlib import Path

from ground import (Wait, built, host_records, huge_pages, paint, parser, run, say, write_host_queries, write_host_zone,
                    zone_origin)
import lab
import servers

import dns.flags
import dns.message

NAMES = 100000
STEPS = 8


class Show:
    """The running demonstration: its lab, its zone, and the words around each step."""

    def __init__(self, net, options):
        self.net, self.options, self.at = net, options, 0
        self.daemon = self.primary = None
        self.lockstepctl = built("lockstepctl")
        self.origin, self.zone_file, self.names = "demo.test.", None, []

    def step(self, title, *why):
        self.at += 1
        say(f"\n{paint('1;36', f'[{self.at}/{STEPS}] {title}')}")
        for line in why:
            say(f"  {line}")

    def command(self, argv):
        say("  " + paint(1, "$ " + " ".join(str(a) for a in argv)))

    def shown(self, ns, argv, timeout=30, keep=lambda line: True):
        """Runs a command in front of the person; its output indented."""
        argv = self.net.argv_in(ns, argv)
        self.command(argv)
        done = lab.run(argv, check=False, timeout=timeout)
        for line in (done.stdout + done.stderr).splitlines():
            if keep(line):
                say(f"    {line}")
        if done.returncode != 0:
            raise lab.LabError(f"{' '.join(argv)}: exit {done.returncode}")
        return done.stdout

    # the steps

    def make_zone(self):
        if self.options.zone:
            self.zone_file = Path(self.options.zone).resolve()
            self.origin = self.options.origin or zone_origin(self.zone_file)
            if self.origin is None:
                raise lab.LabError(f"{self.zone_file}: cannot tell the zone's name from its SOA: give --origin NAME")
            self.origin = self.origin.rstrip(".") + "."
            self.step("The zone", f"{self.origin} from {self.zone_file}")
            with Wait("kzonecheck looks at it"):
                check = lab.run(["kzonecheck", "-o", self.origin, self.zone_file], check=False, timeout=600)
            for line in (check.stdout + check.stderr).splitlines() if check.returncode != 0 else ():
                say(f"    {line}")
            return
        self.step("The zone", f"{self.origin} with {NAMES:,} names: h0, h1, ... each with an A, every fourth with an "
                  "AAAA")
        with Wait("writing it"):
            self.zone_file = write_host_zone(self.net.dir / "demo.zone", self.origin, NAMES)
        say(f"  {host_records(NAMES):,} records")

    def start_primary(self):
        net = self.net
        self.step("A real primary: knotd", f"in namespace {net.ns['pri']}, at {net.primary()}; it sends a NOTIFY to "
                  f"{net.secondary()} whenever the zone changes")
        with Wait("knotd loads the zone"):
            self.primary = net.knotd({self.origin: self.zone_file}, start=False)
            self.primary.start(self.options.patience)
        say(f"  serves {self.origin} with serial {self.primary.serial(self.origin)}")
        # Names to ask for, from the server itself: the file may be in any form that knotd reads.
        read = net.run_in("pri", self.knotc("zone-read", self.origin), timeout=300).stdout
        kinds = {"A", "AAAA", "NS", "MX", "TXT", "CNAME", "SOA", "DS", "PTR", "SRV"}
        self.names = sorted({(f[1], f[3]) for f in map(str.split, read.splitlines()) if len(f) > 4 and f[3] in kinds})
        if not self.names:
            raise lab.LabError(f"knotc zone-read {self.origin}: no records of the usual types")

    def knotc(self, *args):
        return ["knotc", "-s", self.primary.dir / "knot.sock", *args]

    def start_secondary(self):
        net = self.net
        self.step("lockstepd", f"in namespace {net.ns['sec']}, at {net.secondary()}: UDP to port 53 goes from the "
                  "interface to the worker through AF_XDP;", "TCP, ARP, ICMP and the rest stay with the kernel")
        memory = servers.packet_memory()
        change = {"log": {"level": "info"}, "dataplane": {"memory": memory}}
        if memory == "0":
            say(f"  note: only {lab.huge_pages_free()} huge pages could be had: packets live in ordinary memory")
        self.daemon = net.lockstepd([self.origin], change=change, start=False)
        say("  its configuration:")
        for line in self.daemon.config_file.read_text().splitlines():
            say(f"    {line}")
        self.command(net.argv_in("sec", self.daemon.argv))
        begin = time.monotonic()
        with Wait("lockstepd starts"):
            self.daemon.start(60)
        with Wait(f"{self.origin} is transferred") as w:
            while True:
                status = self.daemon.zone(self.origin)
                if status.get("state") == "current":
                    break
                w.note(f"({status.get('state')}{': ' + status['last_error'] if status.get('last_error') else ''})")
                if w.seconds() > self.options.patience:
                    raise lab.LabError(f"no zone after {self.options.patience} s; zone status: {status}")
                time.sleep(0.05)
        say(f"  serial {status['serial']}, {status['records']:,} records; from process start to served "
            f"{time.monotonic() - begin:.2f} s")
        if status.get("last_transfer_us"):
            say(f"  the AXFR itself: {status['last_transfer_octets'] / 1e6:.1f} MB in "
                f"{status['last_transfer_us'] / 1e3:.0f} ms, from the request sent to the zone served")

    def queries(self):
        name, kind = self.names[len(self.names) // 2]
        self.step("A query over UDP, one over TCP", "the first is answered by the worker, the second through the "
                  "kernel by the same function")
        for extra in ((), ("+tcp",)):
            self.shown("pri", ["dig", "+nocmd", "+tries=1", *extra, f"@{self.net.secondary()}", name, kind])
        self.compare()

    def compare(self):
        """The same questions to both servers; a difference is told and ends the show."""
        sample = random.Random(1).sample(self.names, min(300, len(self.names)))
        with Wait(f"{len(sample)} random questions to the primary and to lockstepd") as w:
            for i, (name, kind) in enumerate(sample):
                both = (self.net.primary(), self.net.secondary())
                replies = [self.net.dig(name, kind, server=s, edns=0, timeout=5) for s in both]
                if any(r.flags & dns.flags.TC for r in replies):
                    replies = [self.net.dig(name, kind, server=s, tcp=True, timeout=5) for s in both]
                theirs, ours = map(lab.sections, replies)
                # rcode, AA and the answer; what a server adds in the additional section is its own choice.
                if theirs[:3] != ours[:3]:
                    raise lab.LabError(f"{name} {kind}: the primary says {theirs}, lockstepd says {ours}")
                if i % 50 == 0 and w.tty:
                    w.note(f"({i})")
        say("  every answer is the same as the primary's")

    def change(self):
        owner = f"lockstep-demo.{self.origin}".replace("..", ".")
        text = datetime.datetime.now().strftime("%H:%M:%S.%f")
        self.step("A change on the primary", f"knotc adds {owner} TXT \"{text}\" and commits; knotd sends a NOTIFY, "
                  "lockstepd takes it off the wire", "in the worker, asks for the new version and publishes it")
        before = self.primary.serial(self.origin)
        for args in (("zone-begin", self.origin), ("zone-set", self.origin, owner, "60", "TXT", f'"{text}"')):
            self.shown("pri", self.knotc(*args))
        commit = self.net.argv_in("pri", self.knotc("zone-commit", self.origin))
        self.command(commit)
        seen = self.watch_commit(commit, owner)
        primary, secondary = seen["primary"], seen["secondary"]
        say(f"  the primary answers with it after {primary * 1e3:7.1f} ms")
        say(f"  lockstepd answers with it after   {secondary * 1e3:7.1f} ms: "
            + paint(1, f"{(secondary - primary) * 1e3:.1f} ms behind its primary"))
        with Wait("zone status shows the new serial"):
            status = lab.wait_until(lambda: (s := self.daemon.zone(self.origin))["serial"] != before and s, 10,
                                    "the new serial in zone status", pause=0.05)
        took = status.get("last_notify_to_served_us")
        own = f"; NOTIFY to served: {took / 1e3:.1f} ms by lockstepd's own clock" if took else ""
        say(f"  serial {before} -> {status['serial']}{own}")
        self.shown("pri", ["dig", "+short", "+tries=1", f"@{self.net.secondary()}", owner, "TXT"])

    def watch_commit(self, commit, owner):
        """Runs the commit and asks both servers all the time; seconds after its start when each had the record."""
        asked = {"primary": self.net.primary(), "secondary": self.net.secondary()}
        sockets = {k: self.net.udp(server=v) for k, v in asked.items()}
        wire = dns.message.make_query(owner, "TXT").to_wire()
        seen, begin = {}, time.monotonic()
        running = subprocess.Popen(commit, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            with Wait("waiting for the change to arrive"):
                while len(seen) < len(asked):
                    for key, s in sockets.items():
                        if key in seen:
                            continue
                        s.send(wire)
                        # ANCOUNT: the record did not exist before.
                        if select.select([s], [], [], 0.2)[0] and s.recv(4096)[6:8] != b"\0\0":
                            seen[key] = time.monotonic() - begin
                    if time.monotonic() - begin > self.options.patience:
                        raise lab.LabError(f"the change did not arrive within {self.options.patience} s: seen by "
                                           f"{list(seen) or 'nobody'}; zone status: {self.daemon.zone(self.origin)}")
        finally:
            for s in sockets.values():
                s.close()
            code = running.wait(30)
        if code != 0:
            raise lab.LabError(f"{' '.join(map(str, commit))}: {running.stderr.read().decode().strip()}")
        return seen

    def load(self):
        self.step("Load: dnsperf over the veth", "the load generator and the kernel's side of the veth need more of "
                  "the machine than lockstepd does,",
                  "so the second number says more about them; bench/rivals compares")
        file = self.net.dir / "load.queries"
        if self.options.zone:
            rng = random.Random(2)
            file.write_text("".join("{} {}\n".format(*rng.choice(self.names)) for _ in range(100000)))
        else:
            write_host_queries(file, self.origin, NAMES)
        load = self.options.load
        for what, qps, seconds in (("50,000 queries a second", 50000, load),
                                   ("as many as dnsperf can", None, max(1, load // 2))):
            say(f"  {what}, {seconds} seconds:")
            argv = self.net.argv_in("pri", self.net.dnsperf_argv(file, qps, seconds, options=("-S", "1")))
            self.command(argv)
            r = self.dnsperf(argv, seconds)
            codes = ", ".join(f"{k} {v:,}" for k, v in r["rcodes"].items())
            say(f"    sent {r['sent']:,}, answered {r['completed']:,}, lost {r['lost']:,} ({codes}); "
                + paint(1, f"{r['qps']:,.0f} answers/s") + f", mean latency {r['latency_avg'] * 1e6:,.0f} us")

    def dnsperf(self, argv, seconds):
        lines = []
        with Wait("dnsperf") as w, subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                                    stderr=subprocess.STDOUT, text=True) as p:
            try:
                for line in p.stdout:
                    lines.append(line)
                    rate = re.match(r"[\d.]+: ([\d.]+)$", line.strip())
                    if rate:
                        w.note(f"({float(rate.group(1)):,.0f} answers/s)")
                code = p.wait(seconds + 60)
            finally:
                p.kill()
        if code != 0:
            raise lab.LabError(f"{' '.join(argv)}: exit {code}: {''.join(lines[-5:])}")
        return lab.dnsperf_result("".join(lines))

    def control(self):
        self.step("What an operator sees", "lockstepctl asks the daemon over its control socket; --json for programs")
        program = self.lockstepctl
        zero = re.compile(r"^\s*\w+(\s+0)+\s*$")
        for args in (("status",), ("zone", "status", self.origin), ("stats",)):
            self.shown(None, [program, "-s", self.daemon.socket, *args],
                       keep=lambda line: not zero.match(line))
        say("  (counters that are zero are left out here)")

    def end(self):
        self.step("The end")
        if not self.options.keep:
            say("  --keep would leave all this running to play with")
            return
        pri, sec = self.net.ns["pri"], self.net.ns["sec"]
        say(f"""  Left running. In another terminal, as root:
    ip netns exec {pri} dig @{self.net.secondary()} {self.origin} SOA
    ip netns exec {pri} {' '.join(map(str, self.knotc('zone-status')))}
    {self.lockstepctl} -s {self.daemon.socket} zone status
    ip netns exec {sec} tcpdump -ni sec0        # what the kernel still sees
    less {self.daemon.log_file}""")
        say(paint(1, "  Enter or Ctrl-C here ends it and cleans up." if sys.stdin.isatty() else
                  f"  Ctrl-C or kill {os.getpid()} ends it and cleans up."))
        while self.daemon.running():
            if sys.stdin.isatty() and select.select([sys.stdin], [], [], 1)[0]:
                return
            time.sleep(0 if sys.stdin.isatty() else 1)
        raise lab.LabError("lockstepd ended by itself")

    def run(self):
        self.make_zone()
        self.start_primary()
        self.start_secondary()
        self.queries()
        self.change()
        self.load()
        self.control()
        self.end()


def parse():
    arguments = parser("demo", __doc__)
    arguments.add_argument("--keep", action="store_true", help="leave it running to play with, until Enter or Ctrl-C")
    arguments.add_argument("--zone", metavar="FILE", help="a zone of yours instead of the 100,000 names")
    arguments.add_argument("--origin", metavar="NAME", help="its name, when the file does not say it")
    arguments.add_argument("--patience", type=int, default=60, metavar="SECONDS",
                           help="how long to wait for a zone (default %(default)s)")
    arguments.add_argument("--load", type=int, default=10, metavar="SECONDS", help="of dnsperf (default %(default)s)")
    options = arguments.parse_args()
    if options.zone and not os.access(options.zone, os.R_OK):
        arguments.error(f"--zone {options.zone}: cannot be read")
    return options


def work(options, _):
    say(paint("1;36", "Lockstep") + ": a secondary that follows a zone from a real primary and answers through DPDK")
    say("\nWhat this changes on the machine, and undoes at the end:")
    built("lockstepd")
    with huge_pages(servers.PACKET_MEMORY_MB // 2 + 64, tell=lambda t: say(f"  {t}")), lab.Lab() as net:
        say(f"  namespaces {net.ns['pri']} (primary, load) and {net.ns['sec']} (lockstepd), joined by a veth")
        say(f"  folder {net.dir}: zone, configurations, logs, sockets")
        Show(net, options).run()
        say("\ncleaning up: processes, namespaces, folder, huge pages")
    say(paint(32, "done"))


if __name__ == "__main__":
    run("demo", parse(), work)
