#!/usr/bin/python3
"""The configuration read again while the daemon runs: zones that come and go, other primaries, keys and secondaries, while
transfers run in and out and queries are answered; and files that are not good."""

import base64
import copy
import json
import os
import signal
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from lab_wire import soa_serial
from primary import ScriptedPrimary, silent, stalled_after_messages

import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.zone

A, B, C = "a.test.", "b.test.", "c.test."
QUICK = "LOCKSTEP_QUICK" in os.environ
# A reload is a parse of the file and a turn of the loop.
RELOADS = int(os.environ.get("LOCKSTEP_RELOADS", "30" if QUICK else "100"))
# What the allocator may keep of the first rounds; a generation that leaks is some 30 KiB here.
GROWTH_MAX = 1 << 20
KEY = ("key.test.", "hmac-sha256", base64.b64encode(b"s3cret-that-came-with-a-reload").decode())


def zone(name, *primaries, **keys):
    return {"name": name, "primaries": list(primaries or ["first"]), **keys}


def begin(net, zones, change=None):
    """Two scripted primaries, "first" and "second"; the second has every zone with a serial one higher."""
    first, second = ScriptedPrimary(net), ScriptedPrimary(net, address=lab.SECOND_PRIMARY)
    for name in (A, B, C):
        first.zone(name, 10)
        second.zone(name, 11)
    primaries = [{"name": "first", "address": lab.PRIMARY}, {"name": "second", "address": lab.SECOND_PRIMARY}]
    daemon = net.lockstepd(zones, change={"primaries": primaries, **(change or {})}, start=False)
    daemon.config_file.chmod(0o600)
    return first, second, daemon.start()


def reload(daemon, **change):
    """With these sections in place of what they were; returns the command's result."""
    return daemon.reload({**daemon.config, **change})


def rcode(net, name):
    return net.dig(name, "SOA").rcode()


def test_zones_come_and_go(net):
    first, _, daemon = begin(net, [zone(A), zone(B)])
    for name in (A, B):
        net.wait_serial(name, 10)
    assert rcode(net, C) == dns.rcode.REFUSED
    done = reload(daemon, zones=[zone(B), zone(C)])
    assert done == {"zones": 2, "added": 1, "removed": 1, "changed": 0, "needs_restart": "", "warnings": ""}, done
    net.wait_serial(C, 10)
    assert rcode(net, A) == dns.rcode.REFUSED and soa_serial(net.dig(B, "SOA")) == 10
    assert len(first.transfers) == 3, "what stays is not transferred again"
    assert set(daemon.zones()) == {B, C}
    assert first.notify(A).rcode() == dns.rcode.REFUSED
    # By signal, and back where it was.
    first.zone(A, 12)
    daemon.rewrite({**daemon.config, "zones": [zone(A), zone(B)]})
    daemon.signal(signal.SIGHUP)
    net.wait_serial(A, 12)
    lab.wait_until(lambda: rcode(net, C) == dns.rcode.REFUSED, 5, "c.test. is gone")
    first.zone(A, 13)
    first.notify(A)
    net.wait_serial(A, 13)


def test_a_file_that_is_not_good_changes_nothing(net):
    first, _, daemon = begin(net, [zone(A)])
    net.wait_serial(A, 10)
    good = daemon.config_file.read_text()
    for text, said in ((good + "zones: []\n", "is given twice"),
                       (good.replace("first", "frist", 1), 'no primary is called "first"; did you mean "frist"?'),
                       (good.replace(A, "a..test."), "is not a domain name"), ("{", "")):
        daemon.config_file.write_text(text)
        done = daemon.ctl_raw("reload")
        assert done.returncode == 1 and str(daemon.config_file) in done.stderr and said in done.stderr, done
    daemon.config_file.unlink()
    done = daemon.ctl_raw("reload")
    assert done.returncode == 1 and "No such file" in done.stderr, done
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("reload-failed")
    first.zone(A, 12)
    first.notify(A)
    net.wait_serial(A, 12)
    daemon.rewrite(daemon.config)
    assert daemon.ctl("reload")["zones"] == 1


def test_what_only_a_restart_changes_is_named(net):
    _, _, daemon = begin(net, [zone(A)])
    config = copy.deepcopy(daemon.config)
    config["tcp"] = {"idle-timeout": "7s"}
    config["log"]["level"] = "info"
    assert daemon.reload(config)["needs_restart"] == "tcp, log"
    assert "tcp, log" in daemon.ctl_raw("reload").stdout
    daemon.wait_log('restart-needed sections="tcp, log"')


def test_a_primary_that_has_another_address_is_asked_there_and_believed_from_there(net):
    first, second, daemon = begin(net, [zone(A)])
    net.wait_serial(A, 10)
    moved = [{"name": "first", "address": lab.SECOND_PRIMARY}]
    assert reload(daemon, primaries=moved)["changed"] == 1
    net.wait_serial(A, 11)
    assert first.notify(A, 20).rcode() == dns.rcode.REFUSED
    probes = len(first.probes)
    second.zone(A, 20)
    assert second.notify(A).rcode() == dns.rcode.NOERROR
    net.wait_serial(A, 20)
    assert len(first.probes) == probes
    assert daemon.zone(A)["primary_address"].startswith(lab.SECOND_PRIMARY)


def test_primaries_in_another_order_are_the_same_ones(net):
    """And the zone asks them at once."""
    first, second, daemon = begin(net, [zone(A, "first", "second", **{"pin-tolerance": "1h"})])
    net.wait_serial(A, 10)
    lab.wait_until(lambda: daemon.zone(A)["pinned"] == "first", 5, "pinned to the first")
    assert reload(daemon, zones=[zone(A, "second", "first", **{"pin-tolerance": "1h"})])["changed"] == 1
    second.notify(A)
    lab.wait_until(lambda: daemon.zone(A)["pin_moves_in"] is not None, 5, "the second was asked, and has to wait")
    assert daemon.zone(A)["pinned"] == "first" and daemon.zone(A)["serial"] == 10
    reload(daemon, zones=[zone(A, "second", **{"pin-tolerance": "1h"})])
    net.wait_serial(A, 11)
    assert daemon.zone(A)["pinned"] == "second"


def test_a_transfer_goes_on_over_a_reload_and_ends_with_its_primary(net):
    first, second, daemon = begin(net, [zone(B)])
    net.wait_serial(B, 10)
    first.transfer = stalled_after_messages(2)
    first.zone(B, 12)
    first.notify(B)
    first.wait_transfers(2)
    net.wait_state(B, "transferring")
    for zones in ([zone(B), zone(C)], [zone(B, "first", "second")]):
        reload(daemon, zones=zones)
        assert daemon.zone(B)["state"] == "transferring"
    assert len(first.transfers) <= 3, "the one that runs, and that of c.test."
    second.zone(B, 12, hosts=3)
    assert reload(daemon, zones=[zone(B, "second")])["changed"] == 1
    net.wait_serial(B, 12)
    assert net.dig(f"h5.{B}", "A").rcode() == dns.rcode.NXDOMAIN
    daemon.wait_log("transfer-ended")
    assert daemon.zone(B)["primary"] == "second"


def test_a_question_ends_with_its_primary_and_who_waits_for_it_waits_on(net):
    first, second, daemon = begin(net, [zone(A)])
    net.wait_serial(A, 10)
    first.stop()
    quiet = net.udp(source=lab.PRIMARY)  # the address is there, and nothing answers
    waiting = daemon.begin_ctl("zone", "refresh", A)
    net.wait_state(A, "refreshing")
    reload(daemon, zones=[zone(A, "second")])
    assert waiting.wait(20) == 0, waiting.communicate()
    assert soa_serial(net.dig(A, "SOA")) == 11
    quiet.close()


def test_zones_are_removed_while_transfers_in_and_out_run(net):
    """What is being read is read to its end; who waits for what comes in is told."""
    first, _, daemon = begin(net, [zone(A), zone(B)],
                             {"secondaries": [{"name": "down", "address": lab.STRANGER}],
                              "defaults": {"allow-transfer": ["down"]}})
    first.per_message = 500
    first.zone(A, 20, hosts=200000)
    for name in (A, B):
        daemon.ctl("zone", "refresh", name)
    net.wait_serial(A, 20)
    with net.tcp(source=lab.STRANGER, timeout=20) as out:
        query = dns.message.make_query(A, "AXFR").to_wire()
        out.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        out.sendall(len(query).to_bytes(2, "big") + query)
        stream = out.recv(1000)
        first.once = silent
        first.zone(B, 20)
        waiting = daemon.begin_ctl("zone", "retransfer", B)
        net.wait_state(B, "transferring")
        assert reload(daemon, zones=[zone(C)], defaults={})["removed"] == 2
        assert waiting.wait(20) == 1 and "removed from the configuration" in waiting.stderr.read()
        for name in (A, B):
            assert rcode(net, name) == dns.rcode.REFUSED
        records = 0
        while records < 200000 + 4:
            while len(stream) < 2 or len(stream) < 2 + int.from_bytes(stream[:2], "big"):
                more = out.recv(1 << 16)
                assert more, f"the transfer ended after {records} records"
                stream += more
            length = int.from_bytes(stream[:2], "big")
            records += int.from_bytes(stream[8:10], "big")
            stream = stream[2 + length:]
    assert records == 200000 + 4
    net.wait_serial(C, 10)


def test_keys_and_secondaries_come_and_go(net):
    """For transfers out, NOTIFY in, and questions to workers that knew no key when they began."""
    first, _, daemon = begin(net, [zone(A)])
    net.wait_serial(A, 10)
    ring = dns.tsigkeyring.from_text({KEY[0]: KEY[2]})
    key = {"name": KEY[0], "algorithm": KEY[1], "secret": KEY[2]}
    down = {"name": "down", "address": lab.STRANGER, "key": KEY[0]}

    def transfer():
        query = dns.message.make_query(A, "AXFR")
        query.use_tsig(ring, algorithm=KEY[1])
        with net.inside("pri"):
            try:
                return dns.zone.from_xfr(dns.query.xfr(lab.SECONDARY, A, keyring=ring, keyalgorithm=KEY[1],
                                                       source=lab.STRANGER, lifetime=10))
            except Exception as e:  # refused, or not known: the type says which
                return type(e).__name__

    def signed_soa():
        query = dns.message.make_query(A, "SOA")
        query.use_tsig(ring, algorithm=KEY[1])
        wire = net.exchange(query.to_wire())
        return dns.message.from_wire(wire, keyring=ring, request_mac=query.mac)

    assert not isinstance(transfer(), dns.zone.Zone)
    reload(daemon, keys=[key], secondaries=[down], zones=[zone(A, **{"allow-transfer": ["down"], "notify": ["down"]})])
    assert isinstance(transfer(), dns.zone.Zone)
    lab.wait_until(lambda: signed_soa().had_tsig, 5, "workers hand signed questions on")
    assert [t["name"] for t in daemon.zone(A)["secondaries"]] == ["down"]
    # The primary has to sign from now on.
    signed = [{"name": "first", "address": lab.PRIMARY, "key": KEY[0]}]
    reload(daemon, primaries=signed)
    assert first.notify(A, 12).rcode() == dns.rcode.NOTAUTH
    plain = {**daemon.config}
    for section in ("keys", "secondaries"):
        del plain[section]
    plain.update(zones=[zone(A)], primaries=[{"name": "first", "address": lab.PRIMARY}])
    daemon.reload(plain)
    assert not isinstance(transfer(), dns.zone.Zone)
    first.zone(A, 13)
    first.notify(A)
    net.wait_serial(A, 13)


def test_requests_that_follow_a_reload_on_one_connection_find_all_as_it_is_then(net):
    """Those who wait for a zone that goes are told when it is gone, and what they have sent on is done after that."""
    first, _, daemon = begin(net, [zone(A), zone(B)])
    net.wait_serial(B, 10)
    first.transfer = silent
    lines = [{"command": "zone retransfer", "args": {"zone": B}}, {"command": "zone status", "args": {"zone": B}},
             {"command": "zone refresh", "args": {"zone": A}, "wait": False}, {"command": "reload"}, {"command": "reload"},
             {"command": "status"}]
    clients = []
    for _ in range(2):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(daemon.socket)
        s.sendall(b"".join(json.dumps({"version": 1, "id": i, **line}).encode() + b"\n" for i, line in enumerate(lines)))
        clients.append(s.makefile())
    net.wait_state(B, "transferring")
    assert reload(daemon, zones=[zone(A), zone(C)])["removed"] == 1
    for client in clients:
        answers = [json.loads(client.readline()) for _ in lines]
        assert [a["id"] for a in answers] == list(range(len(lines)))
        assert "removed" in answers[0]["error"]["message"] and answers[1]["error"]["code"] == "unknown-zone", answers
        assert all(a["ok"] for a in answers[2:]), answers
        assert answers[3]["result"]["zones"] == answers[4]["result"]["zones"] == 2


def test_a_verifier_that_a_reload_takes_away_holds_nothing(net):
    """Versions that wait for their turn are published; the ones that run end by themselves."""
    names = [f"v{i}.test." for i in range(12)]
    first = ScriptedPrimary(net)
    for name in names:
        first.zone(name, 1)
    gate = net.dir / "verifier"
    gate.write_text(f"#!/bin/sh\ncat > /dev/null\nwhile [ ! -e {net.dir}/go ]; do sleep 0.1; done\n")
    gate.chmod(0o755)
    daemon = net.lockstepd(names, change={"defaults": {"verifier": [str(gate)], "verifier-timeout": 60}})
    lab.wait_until(lambda: daemon.log().count("transfer-start") >= len(names), 10, "all are being transferred")
    reload(daemon, defaults={}, zones=[zone(name) for name in names[1:]])
    (net.dir / "go").touch()
    for name in names[1:]:
        net.wait_serial(name, 1, timeout=20)


def test_access_lists_and_versions_kept_follow_the_file(net):
    first, _, daemon = begin(net, [zone(A, **{"keep-versions": 3})])
    net.wait_serial(A, 10)
    for serial in (20, 21, 22):
        first.zone(A, serial)
        first.notify(A)
        net.wait_serial(A, serial)
    assert daemon.zone(A)["kept_serials"] == [21, 20, 10]
    reload(daemon, zones=[zone(A, **{"keep-versions": 1, "deny-query": ["0.0.0.0/0"]})])
    assert daemon.zone(A)["kept_serials"] == [21]
    assert rcode(net, A) == dns.rcode.REFUSED
    reload(daemon, zones=[zone(A, **{"keep-versions": 2})])
    net.wait_serial(A, 22)
    first.zone(A, 23)
    first.notify(A)
    net.wait_serial(A, 23)
    assert daemon.zone(A)["kept_serials"] == [22, 21]


@lab.timeout(120)
def test_many_reloads_lose_no_answer_and_leak_nothing(net):
    """LOCKSTEP_RELOADS of them, each with a zone that comes, one that goes and one from another primary."""
    first, _, daemon = begin(net, [zone(A), zone(B)])
    net.wait_serial(A, 10)
    perf = net.spawn("dnsperf", "pri", net.dnsperf_argv([f"h1.{A} A"], qps=500, seconds=100))
    before = 0
    for i in range(RELOADS):
        changing = [zone(B, "first"), zone(C, "second")] if i % 2 else [zone(B, "second")]
        more = [zone(f"z{i}.test.")]
        done = reload(daemon, zones=[zone(A), *changing, *more])
        assert done["added"] >= 1 and done["zones"] == len(changing) + 2, done
        if i == RELOADS // 5:
            before = daemon.rss()
    grown = daemon.rss() - before
    print(f"    {RELOADS} reloads; {grown >> 10} KiB more than after the first fifth")
    perf.signal(signal.SIGINT)
    perf.wait(20)
    lost = [line for line in perf.log().splitlines() if "Queries lost" in line]
    assert lost and lost[0].split()[2] == "0", perf.log()[-2000:]
    assert "asan" in os.environ.get("LOCKSTEP_BUILD", "") or grown < GROWTH_MAX, grown


if __name__ == "__main__":
    lab.main()
