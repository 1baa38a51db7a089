#!/usr/bin/python3
"""Access lists of zones on the wire: from the data path and over TCP, by the client's address."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab

import dns.message
import dns.rcode

OPEN, CLOSED, HALF = "open.test.", "closed.test.", "half.test."
PROHIBITED = 18


def rcode_and_ede(net, zone, **kw):
    reply = dns.message.from_wire(net.exchange(dns.message.make_query(zone, "SOA", use_edns=0).to_wire(), **kw))
    return reply.rcode(), [int(o.code) for o in reply.options]


def test_zones_answer_to_whom_their_lists_allow(net):
    zones = [OPEN, CLOSED, HALF]
    net.knotd({zone: lab.zone_text(zone, 7) for zone in zones})
    config = net.config(zones)
    network = lab.PRIMARY.rsplit(".", 1)[0] + ".0/24"
    config["defaults"] = {"deny-query": [network]}
    for zone in config["zones"]:
        if zone["name"] == OPEN:
            zone["allow-query"] = ["0.0.0.0/0", "::/0"]
        if zone["name"] == HALF:
            zone["allow-query"] = [network]
            zone["deny-query"] = [f"{lab.PRIMARY}/32", "198.51.100.0/24"]
    net.lockstepd(config=config)
    for zone in zones:
        net.wait_state(zone, "current")
    for tcp in (False, True):
        assert rcode_and_ede(net, OPEN, tcp=tcp) == (dns.rcode.NOERROR, [])
        assert rcode_and_ede(net, CLOSED, tcp=tcp) == (dns.rcode.REFUSED, [PROHIBITED])
        assert rcode_and_ede(net, HALF, tcp=tcp) == (dns.rcode.REFUSED, [PROHIBITED])
    counters = net.ctl("stats")
    assert sum(v for k, v in walk(counters) if k == "refused_acl") >= 4, counters


def walk(value):
    """All keys with a number in nested maps and lists."""
    for k, v in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(v, (int, float)):
            yield k, v
        yield from walk(v)


if __name__ == "__main__":
    lab.main()
