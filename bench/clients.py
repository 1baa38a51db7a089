"""Clients as people run them against lockstepd with one worker and one stream thread on a veth: dnsperf as fast as its
window allows and at a constant rate, over UDP, TCP and TLS; and flame (DNS-OARC's flamethrower) over UDP and TCP when it
is on the PATH.

Prints a table and writes every run to bench/out. Nothing is compared here (bench/rivals does that): what matters is
that nothing is lost, no answer has another RCODE than NOERROR, and what the client's own limits are.
"""

import re
import shutil

from ground import SPARE_MB, Wait, big_lab, keep, parser, run, say, table, write_host_queries, write_host_zone
from certificates import Authority
import lab
import servers

ZONE, SERIAL = "host.test.", 7
GENERATOR_CPU, SERVER_CPU = 0, 1
TRANSPORTS = ("udp", "tcp", "tls")
PACED = 5000  # queries a second, that every transport holds
COLUMNS = ("sent", "lost", "per_second", "latency_ms", "worst_ms")


def dnsperf(net, transport, queries, seconds, rate):
    mode = {"tls": "dot"}.get(transport, transport)
    argv = net.dnsperf_argv(queries, rate, seconds, clients=8, outstanding=200, options=["-m", mode])
    r = lab.dnsperf_result(net.run_in("pri", ["taskset", "-c", GENERATOR_CPU, *argv], timeout=seconds + 60).stdout)
    if set(r["rcodes"]) - {"NOERROR"}:
        raise lab.LabError(f"dnsperf over {transport} got {r['rcodes']} for names that all exist")
    return {"sent": r["sent"], "lost": r["lost"], "per_second": r["qps"], "latency_ms": r["latency_avg"] * 1e3,
            "worst_ms": r["latency_max"] * 1e3, "output": r["text"]}


def flame_result(text, seconds):
    """From the totals that flame prints at its end."""
    def number(what):
        found = re.search(rf"^{what}\s*: (\S+)", text, re.M)
        if not found:
            raise lab.LabError(f"flame: no '{what}' in:\n{text[-2000:]}")
        return float(found.group(1))
    codes = re.findall(r"^\s+([A-Z]+): \d+$", text.split("responses")[-1], re.M)
    if set(codes) != {"NOERROR"}:
        raise lab.LabError(f"flame got {codes} for names that all exist:\n{text[-2000:]}")
    return {"sent": int(number("total sent")), "lost": int(number("timeouts")),
            "per_second": number("total rcvd") / seconds, "latency_ms": number("avg resp"),
            "worst_ms": number("max resp"), "output": text}


def flame(net, transport, queries, seconds, rate):
    argv = ["taskset", "-c", GENERATOR_CPU, "flame", net.secondary(), "-P", transport, "-f", queries, "-g", "file", "-l",
            seconds, *(["-Q", rate] if rate else [])]
    done = net.run_in("pri", argv, check=False, timeout=seconds + 60)
    return flame_result(done.stdout + done.stderr, seconds)


# flame 0.11 reads one TLS record each time that octets come and counts the answers in the others as timeouts, whatever
# the server: over TLS it measures itself.
WITHOUT = {("flame", "tls")}


def clients():
    """Those that there are; says which are not."""
    found = {"dnsperf": dnsperf}
    if shutil.which("flame"):
        found["flame"] = flame
    else:
        say("flame is not on the PATH: not measured. It is github.com/DNS-OARC/flamethrower, which has to be built; "
            "Debian's package flamethrower is another program")
    return found


def start(net, options):
    ca = Authority(net.dir / "tls")
    identity = ca.issue("ns.host.test", addresses=[net.secondary()])
    tls = {"certificate": str(identity.certificate), "key": str(identity.key)}
    return servers.Lockstep(net, [ZONE], SERVER_CPU, idle=options.idle, change={"server": {"tls": tls}})


def measure(options):
    runs = []
    with big_lab(servers.PACKET_MEMORY_MB + SPARE_MB) as net:
        with Wait(f"the primary, knotd, loads {ZONE} with {options.names:,} names"):
            net.knotd({ZONE: write_host_zone(net.dir / "host.zone", ZONE, options.names, SERIAL)})
        # Few: flame's time limit runs while it reads them.
        queries = write_host_queries(net.dir / "host.queries", ZONE, options.names, count=2000)
        with start(net, options) as server:
            server.wait_serial(ZONE, SERIAL)
            for name, client in clients().items():
                for transport in [t for t in options.only or TRANSPORTS if (name, t) not in WITHOUT]:
                    for rate in (PACED, None):
                        what = f"{name} over {transport.upper()}, {f'{rate:,} queries/s' if rate else 'full speed'}"
                        with Wait(what):
                            result = client(net, transport, queries, options.seconds, rate)
                        runs.append({"client": name, "transport": transport, "rate": rate, **result})
    return runs


def show(runs):
    def cell(value):
        return f"{value:,.2f}" if isinstance(value, float) and value < 1000 else f"{value:,.0f}"

    def row(r):
        return [f"{r['client']} {r['transport']}", f"{r['rate']:,}" if r["rate"] else "full",
                *(cell(r[c]) for c in COLUMNS)]
    table(map(row, runs), ["client", "offered/s", *(c.replace("_", " ") for c in COLUMNS)])


def parse():
    arguments = parser("clients", __doc__, "the runs as JSON")
    arguments.add_argument("--seconds", type=int, default=5, help="of each run, default %(default)s")
    arguments.add_argument("--names", type=int, default=100000, help="in the zone, default %(default)s")
    arguments.add_argument("--only", nargs="+", metavar="TRANSPORT", choices=TRANSPORTS, help="udp, tcp, tls")
    arguments.add_argument("--idle", choices=("adaptive", "busy"), default="adaptive", help="of the worker, %(default)s")
    return arguments.parse_args()


def work(options, emit):
    runs = measure(options)
    raw = keep("clients", options, {"runs": runs}, lambda: show(runs))
    emit({"runs": [{k: v for k, v in r.items() if k != "output"} for r in runs], "raw": str(raw)})


if __name__ == "__main__":
    run("clients", parse(), work)
