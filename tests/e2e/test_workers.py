#!/usr/bin/python3
"""
Workers as an operator sees them: what their time goes into, and one that stands still (held by a tracer, as a debugger
or a stolen core would) while the others answer, updates go on, and memory stays bounded.
"""

import contextlib
import ctypes
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from bound_port import WIRE4, plug, wire_port

import dns.exception
import dns.message

ZONE = "example."
STALL_SECONDS = 10
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WAIT_ALL = 0x40000000  # __WALL: threads too


def zone(serial):
    return lab.zone_text(ZONE, serial)


def serve(net, **dataplane):
    """Two workers, one port with a queue for each: a TAP as the wire."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise lab.Skip("two workers need two CPUs")
    primary = net.knotd({ZONE: zone(1)})
    net.lockstepd([ZONE], change={
        "server": {"listen": [WIRE4[1]]},
        "dataplane": {"workers": cpus[:2], "ports": [wire_port()], **dataplane}})
    plug(net)
    neighbour = net.run_in("sec", ["cat", "/sys/class/net/lsx0/address"]).stdout.strip()
    net.run_in("pri", ["ip", "neigh", "replace", WIRE4[1], "lladdr", neighbour, "dev", "wire0"])
    net.wait_state(ZONE, "current")
    return primary


def change(net, primary, serial):
    """The primary's NOTIFY goes to the veth, where nobody listens here."""
    primary.update(ZONE, zone(serial))
    net.ctl("zone", "refresh", ZONE, "--no-wait")


def worker_thread(daemon, number):
    """The kernel's id of the worker's thread: DPDK names it after its lcore, which is one more."""
    for task in Path(f"/proc/{daemon.pid}/task").iterdir():
        if (task / "comm").read_text().strip().endswith(f"worker-{number + 1}"):
            return int(task.name)
    raise AssertionError([(t / "comm").read_text() for t in Path(f"/proc/{daemon.pid}/task").iterdir()])


@contextlib.contextmanager
def standing_still(tid):
    """Stops one thread of another process. A tracer is a thread, so a child of ours does it."""
    libc = ctypes.CDLL(None, use_errno=True)
    done, ready = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        if libc.ptrace(PTRACE_SEIZE, tid, None, None) == 0 and libc.ptrace(PTRACE_INTERRUPT, tid, None, None) == 0:
            os.waitpid(tid, WAIT_ALL)
            os.write(ready[1], b"x")
            os.close(done[1])
            os.read(done[0], 1)  # until the test is done, or dead
            libc.ptrace(PTRACE_DETACH, tid, None, None)
            code = 0
        os._exit(code)
    os.close(ready[1])
    os.close(done[0])
    try:
        assert os.read(ready[0], 1) == b"x", "the thread could not be stopped"
        yield
    finally:
        os.close(done[1])
        os.close(ready[0])
        assert os.waitpid(child, 0)[1] == 0


def pace(net, worker):
    return net.ctl("status")["pace"][worker]


def worker_counters(net, worker):
    return net.ctl("stats")["net"]["workers"][worker]["counters"]


def asked(net, times, serials=None):
    """So many queries from a port each, so that they spread over the queues; how many were answered."""
    answers = 0
    for _ in range(times):
        with net.udp(WIRE4[1]) as s, contextlib.suppress(dns.exception.Timeout):
            reply = lab.exchange_on(s, dns.message.make_query(ZONE, "SOA").to_wire(), False, 0.2)
            answers += 1
            if serials is not None:
                serials.add(lab.soa_serial(dns.message.from_wire(reply)))
    return answers


def test_where_a_workers_time_goes_is_shown(net):
    serve(net)
    assert asked(net, 40) == 40
    counters = [worker_counters(net, w) for w in (0, 1)]
    for c in counters:
        assert c["cycles_busy"] > 0 and c["cycles_idle"] > c["cycles_busy"], c
        stages = sum(c[f"cycles_{s}"] for s in ("rx", "parse", "answer", "tx"))
        assert 0 < stages <= c["cycles_busy"], c
    for w in (0, 1):
        p = pace(net, w)
        assert 0.5 < p["idle_share"] < 1 and p["gap_worst_us"] > 0 and p["stalls"] == 0 and not p["stalled"], p
        assert p["cycles_per_s"] > 100e6, p
    text = net.daemon.ctl_raw("stats").stdout
    assert "cycles per query, worker 0:" in text, text
    assert "worst poll gap" in net.daemon.ctl_raw("status").stdout


def test_a_single_flow_is_one_workers_and_answered_whole(net):
    """What a card does whose RSS sends everything to one queue."""
    serve(net)
    before = [worker_counters(net, w)["rx_queries"] for w in (0, 1)]
    query = dns.message.make_query(ZONE, "SOA").to_wire()
    with net.udp(WIRE4[1]) as s:
        for _ in range(200):
            lab.exchange_on(s, query, False, 10)
    after = [worker_counters(net, w)["rx_queries"] for w in (0, 1)]
    assert sorted(a - b for a, b in zip(after, before)) == [0, 200], (before, after)


def test_one_worker_stalled_for_ten_seconds_leaves_the_others_and_updates_alone(net):
    primary = serve(net, idle="busy")  # an adaptive worker is stopped in its sleep, where it holds nothing
    asked(net, 20)
    before = worker_counters(net, 1)
    with standing_still(worker_thread(net.daemon, 0)):
        begin = time.monotonic()
        lab.wait_until(lambda: pace(net, 0)["stalled"], 10, "the stall is noticed")
        net.daemon.wait_log(r"worker-stalled worker=0 ")
        assert not pace(net, 1)["stalled"]
        serial, seen = 1, set()
        while time.monotonic() < begin + STALL_SECONDS:
            serial += 1
            change(net, primary, serial)
            lab.wait_until(lambda: net.daemon.zone(ZONE)["serial"] == serial, 10, f"serial {serial} is published")
            asked(net, 8, seen)
        after = worker_counters(net, 1)
        assert after["rx_queries"] > before["rx_queries"], "no query came to the worker that goes on"
        assert after["tx_packets"] - before["tx_packets"] == after["rx_queries"] - before["rx_queries"]
        assert len(seen) > 1, f"updates were not seen: {seen}"
        retired = net.ctl("status")["arena"]["bytes_retired"]
        assert retired > 0, "replaced memory was given back under a worker that stands still"
        assert pace(net, 0)["stalled_ms"] >= 5000
    lab.wait_until(lambda: not pace(net, 0)["stalled"], 10, "the worker has recovered")
    net.daemon.wait_log(r"worker-recovered worker=0 ")
    lab.wait_until(lambda: net.ctl("status")["arena"]["bytes_retired"] == 0, 10, "replaced memory is given back")
    assert pace(net, 0)["stalls"] == 1 and pace(net, 0)["gap_worst_us"] >= 5_000_000, pace(net, 0)
    lab.wait_until(lambda: asked(net, 20) == 20, 20, "both workers answer")


def test_a_stalled_worker_holds_no_more_memory_than_configured(net):
    primary = serve(net, **{"idle": "busy", "stall-memory": "8K"})
    with standing_still(worker_thread(net.daemon, 0)):
        lab.wait_until(lambda: pace(net, 0)["stalled"], 10, "the stall is noticed")
        serial = 1
        while not net.ctl("status")["transfers_held"]:
            assert serial < 300, net.ctl("status")
            serial += 1
            change(net, primary, serial)
            lab.wait_until(lambda: net.ctl("status")["transfers_held"] or net.daemon.zone(ZONE)["serial"] == serial,
                           10, f"serial {serial} is published, or transfers are held")
            time.sleep(0.12)  # the watch looks ten times a second
        net.daemon.wait_log(r"transfers-held .*stall-memory")
        held = net.daemon.zone(ZONE)["serial"]
        retired = net.ctl("status")["arena"]["bytes_retired"]
        for more in range(5):
            change(net, primary, serial + 1 + more)
            time.sleep(0.2)
        assert net.ctl("status")["arena"]["bytes_retired"] == retired, "more was replaced while transfers were held"
        assert net.daemon.zone(ZONE)["serial"] == held
    net.daemon.wait_log(r"transfers-resumed")
    lab.wait_until(lambda: net.daemon.zone(ZONE)["serial"] == serial + 5, 20, "the last version is there")
    lab.wait_until(lambda: net.ctl("status")["arena"]["bytes_retired"] == 0, 10, "replaced memory is given back")


if __name__ == "__main__":
    lab.main()
