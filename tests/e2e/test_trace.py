#!/usr/bin/python3
"""lockstepctl trace: what each stage of the answer path decides for one question, and that nothing else notices."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from signing import SIGNING, signed

import dns.rcode

ZONE = "example."
TEXT = (f"$ORIGIN {ZONE}\n$TTL 300\n@ SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.1\n"
        "alias CNAME www\n*.wild A 192.0.2.4\ncut NS ns.cut\nns.cut A 192.0.2.6\n")


def test_a_trace_tells_what_each_stage_decides_and_disturbs_nothing(net):
    net.knotd({ZONE: signed(net, ZONE, TEXT, SIGNING["nsec3"])})
    config = net.config([ZONE])
    config["rate-limit"] = {"rate": 1, "window": "60s", "slip": 0, "ipv4": [32]}
    config["zones"][0]["deny-query"] = ["198.51.100.0/24"]
    daemon = net.lockstepd(config=config)
    net.wait_state(ZONE, "current")
    before = net.ctl("stats")["answer"]

    def trace(*args):
        return daemon.ctl("trace", *args)

    t = trace(f"www.{ZONE}", "A")
    assert [s["stage"] for s in t["stages"]] == ["read", "zone", "lookup", "proof", "write"], t
    assert all(0 < s["cycles_again"] <= s["cycles"] * 1000 for s in t["stages"]), t["stages"]
    assert t["zone"] == {"name": ZONE, "state": "served", "access": "allowed", "slot": t["zone"]["slot"]}, t
    assert t["steps"][0]["found"] == "exact" and t["response"]["rcode"] == "NOERROR" and t["response"]["aa"], t
    assert t["response"]["answer"]["records"] == [f"www.{ZONE}\t300\tIN\tA\t192.0.2.1"], t
    assert t["rate_limit"] == {"class": "answer", "workers": ["passes"]}, t

    t = trace(f"alias.{ZONE}", "A")
    assert [s["name"] for s in t["steps"]] == [f"alias.{ZONE}", f"www.{ZONE}"], t
    t = trace(f"a.b.wild.{ZONE}", "A", "--dnssec")
    assert t["steps"][0]["found"] == "wildcard" and t["steps"][0]["entry"] == f"*.wild.{ZONE}", t
    assert len(t["proofs"]) == 1 and f"covers the next closer name b.wild.{ZONE}" in t["proofs"][0]["proves"], t
    t = trace(f"x.no.{ZONE}", "A", "--dnssec")
    proven = {what for p in t["proofs"] for what in p["proves"]}
    assert {f"matches the closest encloser {ZONE}", f"covers the next closer name no.{ZONE}",
            f"covers the wildcard *.{ZONE}"} <= proven, t
    t = trace(f"x.no.{ZONE}", "A", "--bufsize", "512", "--dnssec")
    assert t["response"]["tc"] and t["response"]["limit"] == 512, t
    t = trace(f"x.no.{ZONE}", "A", "--dnssec", "--tcp")
    assert not t["response"]["tc"] and t["rate_limit"] is None, t
    t = trace(f"x.cut.{ZONE}", "AAAA")
    assert t["steps"][0]["found"] == "cut" and not t["response"]["aa"] and t["rate_limit"]["class"] == "referral", t
    t = trace(f"www.{ZONE}", "A", "--client", "198.51.100.7", "--bufsize", "1232")
    assert t["zone"]["access"] == "denied" and t["response"]["rcode"] == "REFUSED", t
    assert t["response"]["edns"]["error"] == 18, t
    t = trace("www.elsewhere.", "A", "--client", "2001:db8::1")
    assert t["zone"]["state"] == "none" and t["question"]["client_answered"], t
    for never in "127.0.0.1", "::1", net.secondary():
        assert not trace(ZONE, "A", "--client", never)["question"]["client_answered"], never
    assert net.ctl("stats")["answer"] == before, "a trace was counted"

    # The client's limit is still whole; what it then spends, a trace sees.
    assert net.dig(f"www.{ZONE}", "A").rcode() == dns.rcode.NOERROR
    lab.wait_until(lambda: spend(net) and trace(f"www.{ZONE}", "A", "--client", lab.PRIMARY)["rate_limit"]["workers"] ==
                   ["limited"], 20, "the limit is reached")
    text = daemon.ctl_raw("trace", f"x.no.{ZONE}", "A", "--dnssec").stdout
    for line in ("stage ", "no such name; closest encloser example.", "NXDOMAIN aa", "covers the next closer name",
                 "authority, ", "class nxdomain: worker 0 passes"):
        assert line in text, text
    for bad, why in (((f"www.{ZONE}", "NOTYPE"), "not a record type"), (("a..b", "A"), "not a domain name"),
                     ((ZONE, "A", "--client", "1.2.3"), "not an address"), ((ZONE, "A", "--bufsize", "70000"), "bufsize"),
                     ((ZONE,), "a name and a type"), ((ZONE, "A", "--suffix", "b"), "does not take --suffix")):
        done = daemon.ctl_raw("trace", *bad)
        assert done.returncode == 2 and why in done.stderr, (bad, done)
    assert json.loads(daemon.ctl_raw("--json", "trace", ZONE, "TYPE65280").stdout)["question"]["type"] == "TYPE65280"


def spend(net):
    """A question whose answer may not come; true."""
    try:
        net.dig(f"www.{ZONE}", "A", timeout=0.05)
    except lab.dns.exception.Timeout:
        pass
    return True


if __name__ == "__main__":
    lab.main()
