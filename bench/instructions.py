"""User-space instructions per answered A query, counted by callgrind. For G1, with the rivals in the same run.

Each program runs twice with different numbers of queries; the difference is the queries alone, without starting,
loading and stopping. Ours is the engine, octets to octets (answer_burst, without the loop of answer_bench that hands
it copies of the queries: 24 instructions a query); a rival's is all it does in user space for
a query over UDP, which cannot be had without its sockets: its share of libc is in it, the kernel's work is not.
"""

import re

from ground import Wait, built, write_host_queries, write_host_zone
import lab
import servers

ZONE, SERIAL, NAMES = "host.test.", 7, 1000
CALLGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]


def collected(text):
    """The sum over processes."""
    counts = re.findall(r"Collected\s*:\s*(\d+)", text)
    if not counts:
        raise lab.LabError(f"callgrind says nothing of what it collected:\n{text[-2000:]}")
    return sum(map(int, counts))


def per_query(points):
    (few, low), (many, high) = sorted(points.items())
    return (high - low) / (many - few)


def count_ours(queries):
    argv = [*CALLGRIND, "--toggle-collect=answer_burst", built("answer_bench"), "--class", "a", "--names", NAMES,
            "--queries", queries]
    return collected(lab.run(argv, timeout=600).stderr)


def under_callgrind(cls):
    class Counted(cls):
        def argv(self):
            return [*CALLGRIND, "--trace-children=yes", f"--log-file={self.dir}/callgrind.%p.log", *super().argv()]

        def counted(self):
            return collected("".join(f.read_text() for f in sorted(self.dir.glob("callgrind.*.log"))))
    return Counted


def count_rival(net, cls, queries):
    file = write_host_queries(net.dir / f"{queries}.queries", ZONE, NAMES, queries)
    server = under_callgrind(cls)(net, [ZONE])
    with server:
        server.wait_serial(ZONE, SERIAL, timeout=120, pause=0.1)
        # A window that its socket's buffer holds: a lost query would be missing in the count.
        done = net.run_in("pri", ["dnsperf", "-s", net.secondary(), "-d", file, "-n", 1, "-c", 1, "-q", 20, "-t", 20],
                          timeout=300)
        r = lab.dnsperf_result(done.stdout)
        if r["completed"] != queries or set(r["rcodes"]) != {"NOERROR"}:
            raise lab.LabError(f"{cls.label} under callgrind answered {r['completed']} of {queries}: {r['rcodes']}")
    return server.counted()


def measure(quick):
    """Returns label -> {queries: instructions}."""
    few, many = (5000, 10000) if quick else (20000, 60000)
    out = {}
    with Wait(f"callgrind counts our engine for {few:,} and {many:,} A queries"):
        out["lockstep"] = {n: count_ours(n) for n in (few, many)}
    with lab.Lab() as net:
        net.knotd({ZONE: write_host_zone(net.dir / "host.zone", ZONE, NAMES, SERIAL)})
        for cls in servers.RIVALS:
            with Wait(f"callgrind counts {cls.label} for {few:,} and {many:,} A queries"):
                out[cls.label] = {n: count_rival(net, cls, n) for n in (few, many)}
    return out
