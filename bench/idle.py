"""What the idle policies `busy` and `adaptive` cost and give, side by side: latency and the worker's CPU time at several
rates, the first of them none at all. One worker on one core behind a memif, lockstep-load on the other; each round starts a
daemon of either policy, in turn.

Prints a table and writes every run to bench/out. `cpu` is what the worker took of its core; `sleeps` how often a second it
slept; latencies are microseconds, medians of the rounds.
"""

import concurrent.futures
import statistics
import time

from ground import Wait, big_lab, keep, parser, run, table, write_host_zone
import lab
import line
import servers

POLICIES = ("busy", "adaptive")
RATES = (0, 1000, 10000, 100000, 1000000)
LATENCIES = ("p50", "p99", "p99.9", "max")


def sleeps(daemon):
    return line.counter_sum(daemon.ctl("stats"), "sleeps")


def worker_during(daemon, seconds):
    """The worker's share of its core, and how often a second it slept."""
    slept, used, began = sleeps(daemon), line.worker_seconds(daemon.pid), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    return {"cpu": (line.worker_seconds(daemon.pid) - used) / took, "sleeps": (sleeps(daemon) - slept) / took}


def one(net, daemon, socket, rate, seconds):
    """A run at a rate, 0: nothing is sent. The worker is looked at in the middle of it."""
    if rate == 0:
        return {"rate": 0, **worker_during(daemon, seconds)}
    before = line.counter_sum(daemon.ctl("stats"), "rx_packets")
    options = ["--names", line.SMALL_NAMES, "--zone", line.SMALL, "--rate", rate, "--seconds", seconds]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        load = pool.submit(line.load, net, socket, options)
        lab.wait_until(lambda: load.done() or line.counter_sum(daemon.ctl("stats"), "rx_packets") > before, 30,
                       "the first query arrives", pause=0.05)
        worker = worker_during(daemon, seconds * 0.8)
        report = load.result()
    return {"rate": rate, **worker, "answered": report["answered_per_second"], "lost": report["lost"],
            **{q: report["latency_us"][q] for q in LATENCIES}, "report": report}


def policy_runs(net, policy, options):
    """A daemon of this policy, for all rates."""
    socket = net.dir / f"{policy}.sock"
    daemon = line.start_daemon(net, socket, [line.SMALL], [line.cores()[1]], change={"dataplane": {"idle": policy}})
    try:
        net.wait_state(line.SMALL, "current", 60)
        return [{"policy": policy, **one(net, daemon, socket, rate, options.seconds)} for rate in options.rates]
    finally:
        daemon.stop()
        net.processes.remove(daemon)
        socket.unlink(missing_ok=True)


def measure(options):
    runs = []
    with big_lab(servers.PACKET_MEMORY_MB + line.LOAD_MEMORY_MB) as net:
        net.knotd({line.SMALL: write_host_zone(net.dir / "small.zone", line.SMALL, line.SMALL_NAMES)})
        for i in range(options.rounds):
            for policy in POLICIES:
                with Wait(f"round {i + 1} of {options.rounds}: {policy} at {', '.join(map(str, options.rates))} a second"):
                    runs += [{"round": i + 1, **r} for r in policy_runs(net, policy, options)]
    return runs


def medians(runs):
    """One row for each rate and policy, the rate first."""
    columns = ("answered", "lost", *LATENCIES, "cpu", "sleeps")
    found = []
    for rate, policy in dict.fromkeys((r["rate"], r["policy"]) for r in sorted(runs, key=lambda r: r["rate"])):
        same = [r for r in runs if (r["rate"], r["policy"]) == (rate, policy)]
        found.append({"rate": rate, "policy": policy,
                      **{c: statistics.median(r[c] for r in same) for c in columns if c in same[0]}})
    return found


def show(rows):
    def row(r):
        latencies = [f"{r[q]:,.1f}" if q in r else "-" for q in LATENCIES]
        return [f"{r['rate']:,}", r["policy"], f"{r.get('answered', 0):,.0f}", r.get("lost", 0), *latencies,
                f"{r['cpu'] * 100:.0f} %", f"{r['sleeps']:,.0f}"]
    table(map(row, rows), ["queries/s", "idle", "answered/s", "lost", *LATENCIES, "cpu", "sleeps/s"])


def parse():
    arguments = parser("idle", __doc__, "the table as JSON")
    arguments.add_argument("--seconds", type=float, default=5, help="of each run, default %(default)s")
    arguments.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    arguments.add_argument("--rates", nargs="+", type=int, default=RATES, metavar="QPS",
                           help="0: no queries; default %(default)s")
    return arguments.parse_args()


def work(options, emit):
    runs = measure(options)
    rows = medians(runs)
    raw = keep("idle", options, {"runs": runs}, lambda: show(rows))
    emit({"rows": rows, "raw": str(raw)})


if __name__ == "__main__":
    run("idle", parse(), work)
