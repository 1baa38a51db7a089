#!/usr/bin/python3
"""lockstep-load against lockstepd over a memif: it counts what happened, and notices answers that are wrong."""

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab

ZONE = "host.test."
HOSTS = 200
RATE, SECONDS = 2000, 1
FEW = ["--frames", 65536, "--quiet", "--json", "--warmup", 0, "--drain", 0.5, "--late", 5]


def serve(net):
    """lockstepd on a memif, with a zone that has HOSTS hosts; returns the socket."""
    lines = [f"$ORIGIN {ZONE}", "$TTL 3600", "@ SOA ns1 hostmaster 1 3600 600 1209600 300", "@ NS ns1",
             "ns1 A 192.0.2.1", "two A 192.0.2.7", "two A 192.0.2.8", 'text TXT "hi"']
    net.knotd({ZONE: "\n".join([*lines, *(f"h{i:x} A 10.0.0.{i}" for i in range(HOSTS)), ""])})
    path = net.dir / "memif.sock"
    net.lockstepd([ZONE], change={"dataplane": {"ports": [{"driver": "memif", "device": str(path), "role": "server"}]}})
    net.wait_state(ZONE, "current")
    return path


def load(net, path, *options, code=0):
    """Runs it at a rate that any machine holds; returns its report and what it said on stderr."""
    argv = [lab.BUILD / "bench" / "load" / "lockstep-load", "--vdev",
            f"net_memif0,role=client,id=0,socket={path},socket-abstract=no", "--file-prefix", f"{net.id}-load", "--server",
            lab.SECONDARY, "--server", lab.SECONDARY6, "--rate", RATE, "--seconds", SECONDS, *FEW, *options]
    done = subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, f"exit {done.returncode}, {code} expected:\n{done.stdout}\n{done.stderr}"
    return (json.loads(done.stdout) if done.stdout else None), done.stderr


def test_every_request_is_answered_and_right(net):
    r, _ = load(net, serve(net), "--names", HOSTS, "--check-every", 1)
    assert r["mode"] == "rate" and abs(r["counters"]["sent"] + r["counters"]["behind"] - RATE * SECONDS) <= 2, r
    assert r["counters"]["sent"] == r["counters"]["answered"] == r["verdicts"]["right"] > 0, r
    assert r["lost"] == 0 and r["wrong"] == 0 and r["rcodes"] == {"NOERROR": r["counters"]["sent"]}, r
    assert 0 < r["latency_us"]["p50"] <= r["latency_us"]["p99"] <= r["latency_us"]["max"], r
    stats = net.ctl("stats")
    assert counter(stats, "tx_packets") == r["counters"]["sent"], stats


def counter(value, name):
    if isinstance(value, dict):
        return sum(v if k == name and isinstance(v, int) else counter(v, name) for k, v in value.items())
    return sum(counter(v, name) for v in value) if isinstance(value, list) else 0


def test_names_that_are_not_there_are_wrong_answers_or_expected_ones(net):
    path = serve(net)
    r, said = load(net, path, "--names", 16, "--label", "no", code=2)
    assert r["verdicts"]["wrong_rcode"] == r["wrong"] == r["counters"]["answered"], r
    assert "no" in said and ZONE in said, said
    r, _ = load(net, path, "--names", 16, "--label", "no", "--rcode", "NXDOMAIN", "--do")
    assert r["wrong"] == 0 and list(r["rcodes"]) == ["NXDOMAIN"], r


def test_a_query_file_is_compared_with_what_is_expected(net):
    path = serve(net)
    queries, expect = net.dir / "queries", net.dir / "expect"
    queries.write_text(f"; a comment\ntwo.{ZONE} A\nh7.{ZONE} A\ntext.{ZONE} TXT\nno.{ZONE} A\n")
    right = f"two.{ZONE} A NOERROR 192.0.2.8 192.0.2.7\nh7.{ZONE} A NOERROR 10.0.0.7\n" \
            f"text.{ZONE} TXT NOERROR 0x026869\nno.{ZONE} A NXDOMAIN -\n"
    options = ["--queries", queries, "--expect", expect, "--check-every", 1]
    expect.write_text(right)
    r, _ = load(net, path, *options)
    assert r["counters"]["answered"] == r["counters"]["sent"] > 0 and r["wrong"] == 0, r
    for before, after, verdict in (("192.0.2.8 ", "", "wrong_content"), ("10.0.0.7", "10.0.0.8", "wrong_content"),
                                   ("0x026869", "0x026868", "wrong_content"), ("NXDOMAIN -", "NOERROR", "wrong_rcode")):
        expect.write_text(right.replace(before, after))
        r, _ = load(net, path, *options, code=2)
        # One question in four is answered otherwise than this file says.
        assert 0 < r["verdicts"][verdict] == r["wrong"] <= r["counters"]["answered"] // 4 + 1, (before, r)


def test_spoiled_requests_get_formerr_or_nothing(net):
    path = serve(net)
    for kind in "opt", "question":
        r, _ = load(net, path, "--names", HOSTS, "--malform", kind, "--rcode", "FORMERR")
        assert r["counters"]["answered"] == r["counters"]["sent"] > 0 and r["wrong"] == 0, (kind, r)
    for kind in "header", "response", "checksum":
        r, _ = load(net, path, "--names", HOSTS, "--malform", kind)
        assert r["counters"]["answered"] == 0 and r["loss"] == 1, (kind, r)


def test_a_search_ends_with_a_rate_that_held(net):
    argv = ["--search", "--rate-max", 1000, "--step", 0.3, "--seconds", 20, "--names", HOSTS]
    path = serve(net)
    # --rate of the helper would contradict.
    _, said = load(net, path, *argv, code=1)
    assert "--rate and --search" in said, said
    command = [lab.BUILD / "bench" / "load" / "lockstep-load", "--vdev",
               f"net_memif0,role=client,id=0,socket={path},socket-abstract=no", "--file-prefix", f"{net.id}-load",
               "--server", lab.SECONDARY, *FEW, *argv]
    done = lab.run(list(map(str, command)), timeout=60)
    r = json.loads(done.stdout)
    assert r["mode"] == "search" and 0 < r["highest_rate_held"] <= 1000, r
    assert any(s["held"] for s in r["steps"]) and r["lost"] == 0, r


def test_a_missing_peer_or_device_is_said(net):
    _, said = load(net, net.dir / "nobody.sock", "--wait", 1, code=1)
    assert "lockstep-load:" in said and "nobody.sock" in said, said


if __name__ == "__main__":
    lab.main()
