"""The link on which software is the limit: a memif between a server with one worker on one core and lockstep-load on
another. DPDK's testpmd in 5tswap mode takes the server's place in turn, for the same frames. For G2, G4, G5 and G12.

One daemon has all zones: a small one, a large one, and a small one signed with NSEC3. While testpmd has the core the
daemon is stopped, not ended: loading ten million names takes longer than all measurements together.
"""

import contextlib
import dataclasses
import itertools
import json
import os
import re
import signal
import statistics
import struct
import subprocess
import time
from pathlib import Path

from ground import Wait, big_lab, built, huge_pages, memory_of, write_host_zone
import lab
import servers

SMALL, LARGE, SIGNED = "host.test.", "large.test.", "signed.test."
SMALL_NAMES = 1000
BURST = 64
LOAD_MEMORY_MB = 128
FRAMES_IN_MEMORY = 2048
# Octets of memory per name beside the packets: knotd, lockstepd, and the zone file in the page cache.
LARGE_FLOOR_MB, LARGE_OCTETS = 1024, 700
# How many times as far apart the cores are elsewhere: a cache of their own in common or not is fourfold, noise a tenth.
MOVED = 1.5
# The slowest of them counts.
MALFORMED = ("formerr", "bad_checksum", "cut_header")


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is asked. `answers`: what is counted as one, sent back by the server or only received by it."""
    key: str
    options: tuple
    dropped: bool = False


def kinds(large_names):
    def frames(names):
        return ("--frames", (4 if names > 1000000 else 1) << 20)
    small, large = ("--names", SMALL_NAMES, "--zone", SMALL), ("--names", large_names, "--zone", LARGE)
    denial = ("--names", 100000, "--zone", SIGNED, "--label", "no", "--rcode", "NXDOMAIN", "--do")
    return (
        Kind("a_small", small),
        Kind("a_large", (*large, *frames(large_names))),
        Kind("nsec3_nxdomain", denial),
        Kind("formerr", (*small, "--malform", "opt", "--rcode", "FORMERR")),
        Kind("bad_checksum", (*small, "--malform", "checksum"), dropped=True),
        Kind("cut_header", (*small, "--malform", "header"), dropped=True),
    )


def cores():
    """The load's core and the server's."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise lab.LabError("two processes with a core each need two CPUs")
    return cpus[0], cpus[1]


def control_core():
    """That of lockstepd's control loop: one of its own if there are more than two."""
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[2] if len(cpus) > 2 else cpus[0]


def load(net, socket, options, timeout=120, ring_bits=10):
    """
    Runs lockstep-load against a memif server; returns its JSON. A wrong answer is an error: speed comes second. The client
    says how long the rings are: 2^ring_bits frames each, up to 14.
    """
    argv = [built("lockstep-load"),
            "--vdev", f"net_memif0,role=client,id=0,socket={socket},socket-abstract=no,rsize={ring_bits}",
            "--cpus", cores()[0], "--memory", memory_of(LOAD_MEMORY_MB), "--file-prefix", f"{net.id}-load",
            "--server", net.secondary(), "--burst", BURST, "--json", "--quiet", *options]
    argv = list(map(str, argv))
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise lab.LabError(f"{' '.join(argv)}: exit {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def thread_seconds(pid, wanted):
    """CPU time so far of the threads of a process whose names are wanted."""
    ticks = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        name, fields = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        ticks += sum(map(int, fields.split()[11:13])) if wanted(name) else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def worker_seconds(pid):
    """CPU time of the DPDK workers of a process so far."""
    return thread_seconds(pid, lambda name: name.startswith("rte-worker"))


def load_on(net, process, socket, options, **how):
    """load(), with the share that the server's busy worker had of its core: below 1, something else ran there."""
    began, before = time.monotonic(), worker_seconds(process.pid)
    r = load(net, socket, options, **how)
    r["server_cpu_share"] = (worker_seconds(process.pid) - before) / (time.monotonic() - began)
    return r


def counter_sum(value, name):
    """The sum of all counters of this name in a reply of the control socket."""
    if isinstance(value, dict):
        return sum(v if k == name and isinstance(v, int) else counter_sum(v, name) for k, v in value.items())
    return sum(counter_sum(v, name) for v in value) if isinstance(value, list) else 0


class Swap:
    """testpmd with so many workers and a queue of the port for each, sending every frame back."""

    def __init__(self, net, device, workers, stats_seconds=3600):
        self.net = net
        memory = memory_of(LOAD_MEMORY_MB)
        lcores = [f"0@{control_core()}", *(f"{i + 1}@{cpu}" for i, cpu in enumerate(workers))]
        self.argv = ["stdbuf", "-oL", net.program("dpdk-testpmd"), "--lcores", ",".join(lcores),
                     "--no-pci", "--no-telemetry",
                     *(["--in-memory", "-m", memory] if memory else ["--no-huge", "--no-shconf", "-m", "128"]),
                     "--file-prefix", f"{net.id}-swap", "--vdev", device, "--",
                     "--forward-mode=5tswap", f"--burst={BURST}", "--rxd=1024", "--txd=1024",
                     f"--rxq={len(workers)}", f"--txq={len(workers)}", f"--nb-cores={len(workers)}", "--no-mlockall",
                     "--total-num-mbufs=16384", f"--stats-period={stats_seconds}"]

    def __enter__(self):
        self.process = lab.Process(self.net, f"swap-{time.monotonic_ns()}", None, self.argv, cwd=self.net.dir).start()
        self.process.wait_log("packets/burst", 40)
        return self

    def __exit__(self, *_):
        self.process.stop()
        self.net.processes.remove(self.process)


@contextlib.contextmanager
def swap_on_memif(net):
    """A Swap in the server's place; gives its process and socket."""
    socket = net.dir / "swap.sock"
    with Swap(net, f"net_memif0,role=server,id=0,socket={socket},socket-abstract=no", [cores()[1]]) as swap:
        yield swap.process, socket
    socket.unlink(missing_ok=True)


@contextlib.contextmanager
def paused(process):
    """A process that gives up its core, whatever it polls."""
    process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.signal(signal.SIGCONT)


def check_memory(names):
    needed = LARGE_FLOOR_MB + names * LARGE_OCTETS // (1 << 20)
    with open("/proc/meminfo") as f:
        free = next(int(line.split()[1]) for line in f if line.startswith("MemAvailable")) // 1024
    if free < needed:
        raise lab.LabError(f"a zone of {names:,} names needs about {needed:,} MB for primary and secondary, "
                           f"{free:,} are available")


def sign(net, file, origin, iterations=0):
    """Signs a zone file with NSEC3 without salt; no extra iterations are what RFC 9276 asks for. Returns the signed file."""
    keygen, signzone = net.program("dnssec-keygen"), net.program("dnssec-signzone")
    out = net.dir / f"{file.name}.signed"
    lab.run([keygen, "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "-K", net.dir, origin])
    lab.run([signzone, "-q", "-S", "-z", "-3", "-", "-H", iterations, "-K", net.dir, "-d", net.dir, "-O", "full", "-o", origin,
             "-f", out, file], timeout=300)
    return out


def start_daemon(net, socket, zones, workers, ports=None, change=None):
    """lockstepd with busy workers, and a memif server port unless others are given."""
    ports = ports or [{"driver": "memif", "device": str(socket), "role": "server"}]
    return net.lockstepd(zones, change=lab.merge({
        "log": {"level": "info"},
        "dataplane": {"main-cpu": control_core(), "workers": workers, "idle": "busy",
                      "memory": servers.packet_memory(), "ports": ports}},
        change or {}))


def write_zones(net, large_names):
    zones = {}
    for zone, names in ((SMALL, SMALL_NAMES), (LARGE, large_names), (SIGNED, SMALL_NAMES)):
        with Wait(f"{zone} with {names:,} names is written"):
            zones[zone] = write_host_zone(net.dir / f"{zone}zone", zone, names)
    with Wait(f"{SIGNED} is signed"):
        zones[SIGNED] = sign(net, zones[SIGNED], SIGNED)
    return zones


def fetch_zones(net, primary, zones):
    for zone in zones:
        with Wait(f"lockstepd has {zone} from knotd"):
            net.wait_state(zone, "current", 300)
    primary.process.stop()  # its memory and its core are wanted


def one_run(net, daemon, socket, kind, seconds):
    """Answers a second of this kind; of those that get none, how many a second the worker took off the link."""
    before = counter_sum(daemon.ctl("stats"), "rx_packets") if kind.dropped else 0
    options = [*kind.options, "--seconds", seconds]
    if kind.dropped:
        options += ["--warmup", 0]
    r = load_on(net, daemon, socket, options)
    rate = r["answered_per_second"]
    if kind.dropped:
        if r["counters"]["answered"]:
            raise lab.LabError(f"{kind.key}: {r['counters']['answered']} answers to requests that must get none")
        rate = (counter_sum(daemon.ctl("stats"), "rx_packets") - before) / r["seconds"]
    return {"kind": kind.key, "per_second": rate, "report": r}


def trip_ns():
    """How far apart the load's core and the server's are: what a cache line takes there and back."""
    return float(lab.run([built("core_trip"), *cores()]).stdout)


class Trips:
    """Notes at each run how far apart the cores were before and after it; the process that polls one gives it up for that."""

    def __init__(self, process):
        self.process = process
        self.last = self.measure()

    def measure(self):
        with paused(self.process):
            return trip_ns()

    def note(self, run):
        before, self.last = self.last, self.measure()
        return {**run, "trips_ns": [before, self.last]}


def rounds_of(net, daemon, socket, wanted, rounds, seconds):
    """Lockstep and testpmd in turn; returns the runs."""
    runs, trips = [], Trips(daemon)
    swapped = [k for k in wanted if k.key in ("a_small", "a_large")]
    for i in range(rounds):
        with Wait(f"round {i + 1} of {rounds}: lockstepd, {', '.join(k.key for k in wanted)}"):
            for kind in wanted:
                runs.append(trips.note({"round": i + 1, "server": "lockstep",
                                        **one_run(net, daemon, socket, kind, seconds)}))
        with Wait(f"round {i + 1} of {rounds}: testpmd 5tswap, the same frames"), paused(daemon), \
                swap_on_memif(net) as swap:
            swap_trips = Trips(swap[0])
            for kind in swapped:
                r = load_on(net, *swap, [*kind.options, "--seconds", seconds, "--echo"])
                runs.append(swap_trips.note({"round": i + 1, "server": "5tswap", "kind": kind.key,
                                             "per_second": r["answered_per_second"], "report": r}))
    return runs


def measure(quick):
    """G2, G4 and G5: rounds of blasts over a memif, lockstepd and 5tswap in turn. Returns names and runs."""
    large_names, rounds, seconds = (1000000, 2, 1) if quick else (10000000, 9, 2)
    check_memory(large_names)
    with big_lab(servers.PACKET_MEMORY_MB + 2 * LOAD_MEMORY_MB) as net:
        zones = write_zones(net, large_names)
        with Wait("the primary, knotd, loads them"):
            primary = net.knotd(zones)
        socket = net.dir / "line.sock"
        daemon = start_daemon(net, socket, list(zones), [cores()[1]])
        fetch_zones(net, primary, zones)
        runs = rounds_of(net, daemon, socket, kinds(large_names), rounds, seconds)
    return {"large_names": large_names, "runs": runs}


def places(runs):
    """
    The runs by how far apart the cores were: {nanoseconds: runs}, each at least half as far again as the one before. Runs
    during which that changed are left out, but where no others are.
    """
    found = {}
    for r in sorted(runs, key=lambda r: max(r["trips_ns"])):
        if max(r["trips_ns"]) > min(r["trips_ns"]) * MOVED:
            continue
        place = next((p for p in found if max(r["trips_ns"]) <= p * MOVED), max(r["trips_ns"]))
        found.setdefault(place, []).append(r)
    return found or {0: runs}


def medians(runs):
    """(server, kind) -> median of its runs."""
    found = {}
    for r in runs:
        found.setdefault((r["server"], r["kind"]), []).append(r["per_second"])
    return {key: statistics.median(values) for key, values in found.items()}


def disturbed(points, least=0.95):
    """How many of the runs had less than this share of either core: on a machine of one's own it is none."""
    return sum(min(r["report"]["cpu_share"], r["report"]["server_cpu_share"]) < least for r in points["runs"])


def swap_rates(points):
    """What 5tswap reached, for people: millions a second with the frames of each zone."""
    return {f"5tswap {kind} Mpps": round(rate / 1e6, 3) for (server, kind), rate in medians(points["runs"]).items()
            if server == "5tswap"}


# Goal -> what is counted (the slowest of them), and over what.
RATIOS = {"G2a": ([("lockstep", "a_small")], ("5tswap", "a_small")),
          "G2b": ([("lockstep", "a_large")], ("5tswap", "a_large")),
          "G4": ([("lockstep", "a_large")], ("lockstep", "a_small")),
          "G5a": ([("lockstep", "nsec3_nxdomain")], ("lockstep", "a_small")),
          "G5b": ([("lockstep", kind) for kind in MALFORMED], ("lockstep", "a_small")),
          "G5c": ([("limits", "a_small")], ("lockstep", "a_small"))}


def ratios(runs, goal):
    """
    {nanoseconds: ratio of the medians}. Rates differ twofold and more with how far apart the cores are, and not by the same
    factor, so only runs of one place are put against each other.
    """
    above, below = RATIOS[goal]
    out = {}
    for place, there in places(runs).items():
        m = medians(there)
        if below in m and all(k in m for k in above):
            out[place] = min(m[k] for k in above) / m[below]
    if not out:
        raise lab.LabError(f"{goal}: the CPUs moved so often that no two runs can be compared: repeat this")
    return out


def figure(runs, goal):
    """The worst place's, and all of them for people."""
    by_place = ratios(runs, goal)
    told = {f"CPUs {place:.0f} ns apart": round(ratio, 2) for place, ratio in by_place.items()} if len(by_place) > 1 else {}
    return min(by_place.values()), told


# --- G5c ----------------------------------------------------------------------------------------------------------

# More networks than a resolver's address hides in, none of which comes near the limit; the table has its default size.
LIMITED_SOURCES, LIMIT_RATE = "10.0.0.0/12", 200000


@contextlib.contextmanager
def small_daemon(change):
    """lockstepd with the small zone in a lab of its own: gives the lab, the daemon and the socket of its memif."""
    with lab.Lab() as net:
        net.knotd({SMALL: write_host_zone(net.dir / "small.zone", SMALL, SMALL_NAMES)})
        socket = net.dir / "limits.sock"
        daemon = start_daemon(net, socket, [SMALL], [cores()[1]], change=change)
        net.wait_state(SMALL, "current", 60)
        daemon.signal(signal.SIGSTOP)
        yield net, daemon, socket


def measure_limits(quick):
    """G5c: A hits from networks within their limits, of a daemon that has limits and one that has not, in turn."""
    rounds, seconds = (2, 1) if quick else (9, 2)
    kind = dataclasses.replace(kinds(SMALL_NAMES)[0], options=("--names", SMALL_NAMES, "--zone", SMALL,
                                                               "--source", LIMITED_SOURCES))
    runs = []
    with huge_pages((2 * servers.PACKET_MEMORY_MB + LOAD_MEMORY_MB) // 2), small_daemon({}) as free, \
            small_daemon({"rate-limit": {"rate": LIMIT_RATE}}) as limited:
        for i in range(rounds):
            with Wait(f"round {i + 1} of {rounds}: without rate limits, with them"):
                for server, (net, daemon, socket) in (("lockstep", free), ("limits", limited)):
                    daemon.signal(signal.SIGCONT)
                    trips = Trips(daemon)
                    runs.append(trips.note({"round": i + 1, "server": server,
                                            **one_run(net, daemon, socket, kind, seconds)}))
                    daemon.signal(signal.SIGSTOP)
        for net, daemon, _ in (free, limited):
            daemon.signal(signal.SIGCONT)
    return {"runs": runs}


# --- G12 ----------------------------------------------------------------------------------------------------------

def write_frames(net, file, server, names, zone, seed):
    argv = [built("lockstep-load"), "--pcap", file, "--server", server, "--names", names, "--zone", zone, "--frames",
            65536, "--seed", seed]
    lab.run(argv)
    return file


def cut_pcap(file, packets):
    """The first so many packets: net_pcap copies them all into buffers of the daemon."""
    data, at = file.read_bytes(), 24
    for _ in range(packets):
        at += 16 + struct.unpack_from("=I", data, at + 8)[0]
    file.write_bytes(data[:at])


def memory_device(files):
    """A device with a queue for each file, that plays its frames for ever; what is sent on it is dropped."""
    return ",".join(["net_pcap0", *(f"rx_pcap={f}" for f in files), "infinite_rx=1"])


def answers_per_second(net, daemon, seconds):
    def counted():
        stats = daemon.ctl("stats")
        return counter_sum(stats, "rx_packets"), counter_sum(stats, "tx_packets"), time.monotonic()
    time.sleep(0.3)
    before = counted()
    time.sleep(seconds)
    received, sent, took = (b - a for a, b in zip(before, counted()))
    if sent < received * 0.99:
        raise lab.LabError(f"{received:,} requests, but only {sent:,} answers: this measures something else")
    return sent / took


def memory_port(files):
    return {"driver": "vdev", "device": memory_device(files)}


def memory_files(net, workers):
    files = []
    for i in range(len(workers)):
        file = write_frames(net, net.dir / f"queue{len(workers)}-{i}.pcap", net.secondary(), SMALL_NAMES, SMALL, i + 1)
        cut_pcap(file, FRAMES_IN_MEMORY)
        files.append(file)
    return files


def run_workers(net, files, workers, seconds):
    """Answers a second of workers whose queues each play frames from memory."""
    daemon = start_daemon(net, None, [SMALL], workers, [memory_port(files)])
    try:
        net.wait_state(SMALL, "current", 60)
        return answers_per_second(net, daemon, seconds)
    finally:
        daemon.stop()
        net.processes.remove(daemon)


def run_swap_workers(net, files, workers, seconds):
    """Frames a second that 5tswap sends back on the same device: what two of this machine's cores are to one."""
    with Swap(net, memory_device(files), workers, stats_seconds=1) as swap:
        time.sleep(seconds + 2)  # the first rate it tells is none
        rates = [int(x) for x in re.findall(r"Tx-pps:\s+(\d+)", swap.process.log())]
    if len(rates) < 2:
        raise lab.LabError(f"testpmd told no rate:\n{swap.process.log()[-2000:]}")
    return statistics.median(rates[1:])


def measure_workers(quick):
    """G12: one worker, two workers, in turn, and the same for 5tswap. Returns the runs."""
    rounds, seconds = (2, 1) if quick else (5, 4)
    first, second = cores()
    runs = []
    with big_lab(2 * servers.PACKET_MEMORY_MB) as net:
        net.knotd({SMALL: write_host_zone(net.dir / "small.zone", SMALL, SMALL_NAMES)})
        for i, (server, run), workers in itertools.product(
                range(rounds), (("lockstep", run_workers), ("5tswap", run_swap_workers)),
                ([second], [first, second])):
            with Wait(f"round {i + 1} of {rounds}: {server}, {len(workers)} worker{'s' * (len(workers) > 1)}, "
                      "frames from memory"):
                runs.append({"round": i + 1, "server": server, "workers": len(workers),
                             "per_second": run(net, memory_files(net, workers), workers, seconds)})
    return runs


def workers_ratio(runs, server):
    one, two = (statistics.median(r["per_second"] for r in runs if (r["server"], r["workers"]) == (server, n))
                for n in (1, 2))
    return two / one
