"""Maximum queries per second of one worker: lockstepd beside Debian's knotd (kernel UDP and XDP), nsd and named.

All are secondaries of the same primary for the same zone on the same veth, one after the other, round after round. The
server has core 1 for itself, the load generator core 0. Before its first run a server's answers to a sample of
questions are compared with the primary's. Two generators: kxdpgun offers fixed rates, rising, and the best rate of
answers counts; dnsperf keeps its window full. As the limit of the veth, testpmd sends every frame back unread
(5tswap). Prints a table of medians and writes every run to bench/out.
"""

import random
import statistics

from ground import (SPARE_MB, Wait, big_lab, host_records, keep, paint, parser, run, say, table, write_host_queries,
                    write_host_zone)
import lab
import servers

import dns.exception

ZONE = "host.test."
SERIAL = 7
GENERATOR_CPU, SERVER_CPU = 0, 1
RATES = (50000, 75000, 100000, 140000, 200000, 280000, 400000, 560000, 800000, 1100000, 1600000)
QUICK_RATES = (100000, 200000, 400000, 800000)
SAMPLE = 500
FIELD = (servers.Lockstep, servers.Knot, servers.KnotXdp, servers.Nsd, servers.Bind, servers.Swap)


def questions(names, count=SAMPLE):
    """Names that exist and that do not, types they have and have not; the same every time."""
    rng = random.Random(3)
    for i in range(count):
        name = f"h{rng.randrange(names * 2 if i % 4 == 3 else names):x}.{ZONE}"
        yield name, "AAAA" if i % 5 == 4 else "A"


def verify(net, server, names):
    """Compares rcode, AA and answer section with the primary's; LabError on the first difference."""
    for name, kind in questions(names):
        theirs, ours = (lab.sections(net.dig(name, kind, server=s, edns=0, timeout=5))[:3]
                        for s in (net.primary(), net.secondary()))
        if theirs != ours:
            raise lab.LabError(f"{server.label}: wrong answer to {name} {kind}: {ours}; the primary says {theirs}")


def run_kxdpgun(net, queries, rates, seconds, at_least):
    """Rates from at_least on, until the answers become fewer: a flooded server mostly drops."""
    points = []
    for rate in [r for r in rates if r >= at_least] or rates[-1:]:
        r = net.kxdpgun(queries, rate, seconds)
        points.append({"offered": rate, "sent": r["sent"] / seconds, "answered": r["answered"] / seconds})
        if points[-1]["answered"] < max(p["answered"] for p in points) * 0.85:
            break
    return points


def run_dnsperf(net, queries, seconds):
    argv = net.dnsperf_argv(queries, None, seconds, clients=4, outstanding=200, timeout=2)
    done = net.run_in("pri", ["taskset", "-c", GENERATOR_CPU, *argv], timeout=seconds + 60)
    r = lab.dnsperf_result(done.stdout)
    if set(r["rcodes"]) - {"NOERROR"}:
        raise lab.LabError(f"dnsperf got {r['rcodes']} for names that all exist")
    return {k: r[k] for k in ("sent", "completed", "lost", "qps", "latency_avg", "latency_max")}


def measure_one(net, cls, queries, options, first):
    if cls is servers.Swap:
        with cls(net, [], SERVER_CPU):
            return {"server": cls.label, "kxdpgun": run_kxdpgun(net, queries, options.rates, options.seconds, 0)}
    idle = {"idle": "busy"} if cls is servers.Lockstep else {}
    with cls(net, [ZONE], SERVER_CPU, **idle) as server:
        server.wait_serial(ZONE, SERIAL)
        if first:
            verify(net, server, options.names)
        # dnsperf first: the flood leaves full socket buffers behind.
        perf = run_dnsperf(net, queries, options.seconds)
        points = run_kxdpgun(net, queries, options.rates, options.seconds, perf["qps"])
        return {"server": cls.label, "dnsperf": perf, "kxdpgun": points}


def measure(options):
    """All rounds; returns the raw runs and, per server, why it did not run."""
    runs, absent = [], {}
    with big_lab(servers.PACKET_MEMORY_MB + SPARE_MB) as net:
        with Wait(f"the primary, knotd, loads {ZONE} with {options.names:,} names"):
            zone = write_host_zone(net.dir / "host.zone", ZONE, options.names, SERIAL)
            queries = write_host_queries(net.dir / "host.queries", ZONE, options.names)
            net.knotd({ZONE: zone})
        for i in range(options.rounds):
            # A B A B ...: what else happens on the machine meets all of them alike.
            for cls in FIELD:
                if cls.label in absent or (options.only and cls.label not in options.only):
                    continue
                try:
                    with Wait(f"round {i + 1} of {options.rounds}: {cls.label}"):
                        runs.append({"round": i + 1, **measure_one(net, cls, queries, options, i == 0)})
                except (lab.LabError, AssertionError, dns.exception.Timeout) as e:
                    # The first lines say it; a wrong answer of ours is no reason to go on.
                    if cls is servers.Lockstep:
                        raise
                    absent[cls.label] = str(e).strip()
                    say(f"  {paint(31, 'not measured')}: {cls.label}: {absent[cls.label][:300]}")
    return runs, absent


def summarize(runs):
    """Per server the medians over the rounds, with the extremes."""
    out = {}
    for label in dict.fromkeys(r["server"] for r in runs):
        mine = [r for r in runs if r["server"] == label]
        best = [max(p["answered"] for p in r["kxdpgun"]) for r in mine]
        perf = [r["dnsperf"]["qps"] for r in mine if "dnsperf" in r]
        out[label] = {key: {"median": statistics.median(v), "min": min(v), "max": max(v)}
                      for key, v in (("kxdpgun", best), ("dnsperf", perf)) if v}
    return out


def show(summary, options):
    def cell(v):
        if v is None:
            return "-", "-"
        return f"{v['median']:,.0f}", f"{v['min'] / 1e3:,.0f}-{v['max'] / 1e3:,.0f}k"
    ours = summary.get("lockstep")
    rows = []
    for label, s in sorted(summary.items(), key=lambda kv: -kv[1]["kxdpgun"]["median"]):
        ratio = f"{s['kxdpgun']['median'] / ours['kxdpgun']['median']:.2f}" if ours else "-"
        rows.append([label, *cell(s["kxdpgun"]), ratio, *cell(s.get("dnsperf"))])
    say(f"\n  answers/s of one worker on one core, {options.names:,} names ({host_records(options.names):,} records), "
        f"median of {options.rounds} rounds" + (" (quick: few rates, short runs)" if options.quick else ""))
    table(rows, ["server", "kxdpgun", "range", "to lockstep", "dnsperf", "range"])


def parse(argv=None):
    arguments = parser("rivals", __doc__, "the medians as JSON")
    arguments.add_argument("--rounds", type=int, help="default 3")
    arguments.add_argument("--seconds", type=int, help="of each run at each rate, default 2")
    arguments.add_argument("--names", type=int, default=100000, help="in the zone, default %(default)s")
    arguments.add_argument("--only", nargs="+", metavar="SERVER", choices=[c.label for c in FIELD], help="only these")
    arguments.add_argument("--quick", action="store_true", help="one round, few rates, one second each")
    options = arguments.parse_args(argv)
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (1 if options.quick else 2)
    options.rates = QUICK_RATES if options.quick else RATES
    return options


def measure_and_show(options):
    """Shows the table and keeps the points; returns the summary and the raw file."""
    runs, absent = measure(options)
    summary = summarize(runs)
    points = {"zone": {"names": options.names, "records": host_records(options.names)}, "summary": summary,
              "not_measured": absent, "runs": runs}
    return summary, keep("rivals", options, points, lambda: show(summary, options))


def work(options, emit):
    summary, raw = measure_and_show(options)
    emit({"summary": summary, "raw": str(raw)})


if __name__ == "__main__":
    run("rivals", parse(), work)
