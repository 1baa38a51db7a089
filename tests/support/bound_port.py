"""A bound port in tests: a TAP made by DPDK plays the wire, its kernel end goes to the clients' namespace; beside it the
exception interface. And the workers' counters, which say where frames went.
"""

import lab

WIRE4, WIRE6 = ("10.54.0.1", "10.54.0.2"), ("fd54::1", "fd54::2")  # client, lockstepd


def wire_port(number=0):
    """For the configuration."""
    return {"driver": "vdev", "device": f"net_tap{number},iface=wire{number}", "exception": f"lsx{number}"}


def plug(net, number=0):
    """Moves the wire to namespace pri and gives both ends their addresses."""
    wire, tap = f"wire{number}", f"lsx{number}"
    net.run_in("sec", ["ip", "link", "set", wire, "netns", net.ns["pri"]])
    for ns, dev, side in (("pri", wire, 0), ("sec", tap, 1)):
        net.run_in(ns, ["ip", "addr", "add", f"{WIRE4[side]}/24", "dev", dev])
        net.run_in(ns, ["ip", "addr", "add", f"{WIRE6[side]}/64", "dev", dev, "nodad"])
        net.run_in(ns, ["ip", "link", "set", dev, "up"])


def forget_neighbours(net, dev, ns="pri"):
    net.run_in(ns, ["ip", "neigh", "flush", "dev", dev], check=False)


def counters(net):
    """The workers' counters by name, summed."""
    total = {}

    def walk(value):
        if isinstance(value, dict):
            for k, v in value.items():
                if isinstance(v, int) and not isinstance(v, bool):
                    total[k] = total.get(k, 0) + v
                walk(v)
        elif isinstance(value, list):
            for v in value:
                walk(v)
    walk(net.ctl("stats"))
    return total


def grown(net, name, before, by=1):
    """Until a counter has grown by at least so much."""
    lab.wait_until(lambda: counters(net).get(name, 0) >= before.get(name, 0) + by, 3,
                   lambda: f"{name}: {before.get(name)} before, {counters(net).get(name)} after, {by} more expected")
