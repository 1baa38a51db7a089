#!/usr/bin/python3
"""
Ports that change under a running daemon: a link that goes down, an interface that is deleted and made again (while the
other things of the daemon go on), and an interface with a queue for each of two workers.

LOCKSTEP_REMOVALS=50 deletes the interface so often, instead of 3 times.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab

import dns.exception

ZONE = "example."
REMOVALS = int(os.environ.get("LOCKSTEP_REMOVALS", "3"))


def serve(net, **change):
    primary = net.knotd({ZONE: lab.zone_text(ZONE, 1)})
    daemon = net.lockstepd([ZONE], change=change)
    net.wait_state(ZONE, "current")
    return primary, daemon


def answers(net, **kw):
    try:
        return bool(net.dig(f"www.{ZONE}", "A", timeout=0.3, **kw).answer)
    except (dns.exception.Timeout, OSError):
        return False


def ask(net, **kw):
    """However slow the machine is, an answer comes, or at the third time."""
    assert net.dig(f"www.{ZONE}", "A", timeout=5, tries=3, **kw).answer


def counters(net, section, key):
    return [w["counters"][key] for w in net.ctl("stats")[section]["workers"]]


def fds(daemon):
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


def link_event(daemon):
    """The last one in the log. Attaching the XDP program takes a veth's link down for a moment, too."""
    events = [line.split()[2] for line in daemon.log().splitlines() if " port-link-" in line]
    return events[-1] if events else None


def test_a_link_that_goes_down_and_up_is_told_and_counted(net):
    _, daemon = serve(net)
    for change, up in ("down", False), ("up", True):
        net.run_in("pri", ["ip", "link", "set", "pri0", change])
        lab.wait_until(lambda: link_event(daemon) == f"port-link-{change}" and
                       daemon.ctl("status")["ports"][0]["link_up"] == up, 20, f"the link is {change}")
    port = daemon.ctl("status")["ports"][0]
    assert port["counters"]["port_link_changes"] >= 2 and port["present"], port
    lab.wait_until(lambda: answers(net), 10, "answers again")
    own = daemon.ctl("port", "stats", "sec0")["counters"]
    assert own["rx_good_packets"] > 0, own


def removed_and_back(net, daemon, times):
    ask(net)
    for n in range(1, times + 1):
        net.run_in("sec", ["ip", "link", "delete", "sec0"])
        lab.wait_until(lambda: not daemon.ctl("status")["ports"][0]["present"], 10, "the port is gone")
        assert "link gone" in daemon.ctl_raw("status").stdout
        before = counters(net, "net", "turns")
        lab.wait_until(lambda: all(a > b for a, b in zip(counters(net, "net", "turns"), before)), 10, "workers go on")
        net.wire_again()
        lab.wait_until(lambda: daemon.ctl("status")["ports"][0]["present"], 20, "the port is back")
        lab.wait_until(lambda: answers(net), 10, "answers again")
        port = daemon.ctl("status")["ports"][0]
        assert port["counters"]["port_removals"] == n, port
        assert port["counters"]["port_rx_packets"] > 0, port
    assert daemon.log().count("port-removed") == times == daemon.log().count(" port-back"), daemon.log()[-2000:]


def test_an_interface_that_was_deleted_is_used_again_when_it_is_back(net):
    primary, daemon = serve(net)
    before = fds(daemon)
    removed_and_back(net, daemon, REMOVALS)
    primary.update(ZONE, lab.zone_text(ZONE, 2))
    net.wait_serial(ZONE, 2)
    lab.wait_until(lambda: fds(daemon) <= before + 2, 10, lambda: f"{before} descriptors again: {fds(daemon)}")


def test_each_of_two_queues_has_its_worker(net):
    cpus = sorted(os.sched_getaffinity(0))
    _, daemon = serve(net, dataplane={"workers": [cpus[-1], cpus[0]]})
    lab.wait_until(lambda: daemon.ctl("status")["ports"][0]["link_up"], 10, "the link is up")
    for server in net.secondary(), net.sec_addresses[1].split("/")[0]:
        for _ in range(40):
            ask(net, server=server)
    queries = counters(net, "net", "rx_queries")
    assert len(queries) == 2 and min(queries) > 0 and sum(queries) >= 80, queries
    assert counters(net, "net", "tx_packets") == queries, queries
    assert daemon.ctl("status")["ports"][0]["queues"] == 2
    removed_and_back(net, daemon, 1)
    before = counters(net, "net", "rx_queries")
    for _ in range(40):
        ask(net)
    assert all(a > b for a, b in zip(counters(net, "net", "rx_queries"), before)), before


test_each_of_two_queues_has_its_worker.lab_options = {"queues": 2}

if __name__ == "__main__":
    lab.main()
