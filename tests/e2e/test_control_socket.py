#!/usr/bin/python3
"""The control socket and lockstepctl against the whole daemon: every command, its output, its exit code, and what
clients that behave badly can do (nothing). tests/unit/control/test_ctl.c has the corners of the protocol."""

import json
import os
import re
import socket
import stat
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import dns.zone
import lab

ZONE = "example."
EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_UNKNOWN_ZONE, EXIT_TIMEOUT = 1, 2, 3, 4, 5


def served(net, zone=ZONE, serial=1, **kw):
    primary = net.knotd({zone: lab.zone_text(zone, serial, **kw)})
    net.lockstepd([zone])
    net.wait_serial(zone, serial)
    return primary


def ctl(net, *args, code=0, timeout=60):
    """lockstepctl with the exit code we expect; its output and errors as text."""
    done = net.daemon.ctl_raw(*args, timeout=timeout)
    assert done.returncode == code, f"lockstepctl {' '.join(map(str, args))}: exit {done.returncode}, not {code}: {done.stdout}{done.stderr}"
    return done.stdout if code == 0 else done.stdout + done.stderr


class Raw:
    """A client that speaks the protocol by hand."""

    def __init__(self, daemon):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(daemon.socket)
        self.sock.settimeout(20)
        self.file = self.sock.makefile("rb")

    def send(self, request):
        if isinstance(request, dict):
            request = json.dumps(request).encode()
        self.sock.sendall(request + b"\n")

    def receive(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def ask(self, request):
        self.send(request)
        return self.receive()

    def close(self):
        self.file.close()
        self.sock.close()


def command(text, **more):
    return {"version": 1, "id": 1, "command": text, **more}


def test_the_socket_belongs_to_its_owner_and_goes_with_the_daemon(net):
    served(net)
    mode = os.stat(net.daemon.socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, oct(mode)
    assert net.daemon.stop() == 0
    assert not os.path.exists(net.daemon.socket)


def test_status_tells_what_runs(net):
    served(net)
    text = ctl(net, "status")
    for pattern in (r"^version +\d", rf"^pid +{net.daemon.pid}$", r"^zones +1 configured, 1 loaded",
                    r"1 current", r"^ports +sec0 ", rf"^listen +{re.escape(lab.SECONDARY)}$", "^zone memory"):
        assert re.search(pattern, text, re.M), f"{pattern} is not in:\n{text}"
    status = net.ctl("status")
    assert status["pid"] == net.daemon.pid and status["zones"]["current"] == 1 and status["workers"] >= 1, status
    assert status["uptime_s"] >= 0 and abs(status["started"] - time.time()) < 120, status


def test_zone_status_shows_what_an_operator_needs(net):
    primary = served(net)
    text = ctl(net, "zone", "status", ZONE)
    for pattern in (r"^zone +example\.$", r"^state +current", r"^serial +1$", rf"^primary +first \({re.escape(lab.PRIMARY)}@53\)",
                    r"^last check +20\d\d-", r"^last change +20\d\d-", r"^next refresh in +\d", r"^expires in +\d",
                    r"^size +\d+ records", r"^last error +none"):
        assert re.search(pattern, text, re.M), f"{pattern} is not in:\n{text}"
    primary.update(ZONE, lab.zone_text(ZONE, 2))
    net.notify(ZONE, 2, source=lab.PRIMARY)
    net.wait_serial(ZONE, 2)
    zone = net.daemon.zone(ZONE)
    assert zone["serial"] == 2 and 0 < zone["last_notify_to_served_us"] < 1e6, zone
    assert re.search(r"^NOTIFY to served +[\d.]+ [um]s$", ctl(net, "zone", "status", ZONE), re.M)
    # All zones: a table with a heading.
    lines = ctl(net, "zone", "status").splitlines()
    assert lines[0].split()[:3] == ["ZONE", "STATE", "SERIAL"] and lines[1].split()[:3] == ["example.", "current", "2"], lines
    # Names are compared as DNS does, with or without the last dot.
    assert "serial" in ctl(net, "zone", "status", "EXAMPLE")


def test_many_zones_are_all_listed_once(net):
    names = [f"z{i:04d}.example." for i in range(600)]
    net.lockstepd(names)      # no primary answers: they stay without content, which is a status too
    reply = net.ctl("zone", "status")
    assert sorted(z["name"] for z in reply["zones"]) == names
    assert all(z["serial"] is None and z["loaded"] is False for z in reply["zones"])
    assert len(ctl(net, "zone", "status").splitlines()) == len(names) + 1


def test_unknown_zone_is_exit_4_with_a_suggestion(net):
    served(net)
    assert "Did you mean example.?" in ctl(net, "zone", "status", "exmaple", code=EXIT_UNKNOWN_ZONE)
    assert "Did you mean example.?" in ctl(net, "zone", "refresh", "www.example", code=EXIT_UNKNOWN_ZONE)
    assert "Did you mean" not in ctl(net, "zone", "dump", "quite.different.test", code=EXIT_UNKNOWN_ZONE)
    reply = json.loads(net.daemon.ctl_raw("--json", "zone", "status", "exmaple").stdout)
    assert reply["error"]["code"] == "unknown-zone" and reply["error"]["suggestions"] == ["example."], reply


def test_refresh_waits_for_the_new_serial(net):
    primary = net.knotd({ZONE: lab.zone_text(ZONE, 1)}, notify=False)
    net.lockstepd([ZONE])
    net.wait_serial(ZONE, 1)
    primary.update(ZONE, lab.zone_text(ZONE, 2))
    text = ctl(net, "zone", "refresh", ZONE)
    assert re.fullmatch(r"example\. current, serial 2, [\d.]+ (us|ms|s)\n", text), text
    assert lab.soa_serial(net.dig(ZONE, "SOA")) == 2      # it is there when the command returns


def test_refresh_without_wait_returns_before_it_is_done(net):
    primary = net.knotd({ZONE: lab.zone_text(ZONE, 1)}, notify=False)
    net.lockstepd([ZONE])
    net.wait_serial(ZONE, 1)
    primary.update(ZONE, lab.zone_text(ZONE, 2))
    assert ctl(net, "--no-wait", "zone", "refresh", ZONE) == "example. ordered\n"
    net.wait_serial(ZONE, 2)


def test_retransfer_takes_the_same_serial_again(net):
    served(net)
    before = net.daemon.zone(ZONE)["transfers_ok"]
    ctl(net, "zone", "retransfer", ZONE)
    assert net.daemon.zone(ZONE)["transfers_ok"] == before + 1


def test_refresh_of_a_dead_primary_fails_and_says_why(net):
    primary = served(net)
    primary.kill()
    text = ctl(net, "zone", "refresh", ZONE, code=EXIT_FAILED)
    assert lab.PRIMARY in text or "first" in text, text
    assert net.daemon.zone(ZONE)["last_error"]
    assert lab.soa_serial(net.dig(ZONE, "SOA")) == 1      # and nothing else changed


def test_timeout_is_exit_5_and_the_daemon_goes_on(net):
    # A primary that takes connections and says nothing.
    net.spawn("silent", "pri", ["/usr/bin/python3", "-c", "import socket, time\n"
              f"s = socket.create_server(('{lab.PRIMARY}', 53))\n"
              f"u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('{lab.PRIMARY}', 53))\ntime.sleep(600)"])
    net.lockstepd([ZONE])
    begin = time.monotonic()
    assert "no answer within" in ctl(net, "--timeout", "0.5", "zone", "retransfer", ZONE, code=EXIT_TIMEOUT)
    assert time.monotonic() - begin < 5
    ctl(net, "status")


def test_dump_is_the_zone(net):
    extra = [f"h{i} A 192.0.2.{i % 250 + 1}" for i in range(20000)] + ["txt TXT \"a;b\\\"c\" \"\\200\"",
             "odd TYPE65280 \\# 4 0A000001", "*.wild MX 10 mail", "https HTTPS 1 . alpn=h2"]
    served(net, extra=extra)
    text = ctl(net, "zone", "dump", ZONE)
    lines = text.splitlines()
    assert lines[0].split()[3] == "SOA", lines[0]
    ours = net.dir / "dump.zone"
    ours.write_text(text)
    # Another parser reads it, and it is what the primary hands out.
    done = lab.run(["kzonecheck", "-o", ZONE, str(ours)], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    axfr = net.run_in("sec", ["dig", f"@{lab.PRIMARY}", ZONE, "AXFR", "+noall", "+answer", "+onesoa"]).stdout
    theirs = dns.zone.from_text(axfr, ZONE, relativize=False)
    mine = dns.zone.from_text(text, ZONE, relativize=False)
    assert set(mine.iterate_rdatas()) == set(theirs.iterate_rdatas())
    assert len(lines) == len(list(theirs.iterate_rdatas()))


def test_dump_of_a_zone_without_content_fails(net):
    net.lockstepd([ZONE])
    assert "has not been transferred yet" in ctl(net, "zone", "dump", ZONE, code=EXIT_FAILED)


def test_a_dump_that_nobody_reads_does_not_hold_the_daemon(net):
    primary = served(net, extra=[f"h{i} A 192.0.2.{i % 250 + 1}" for i in range(100000)])
    stuck = [Raw(net.daemon) for _ in range(3)]
    for s in stuck:
        s.send(command("zone dump", args={"zone": ZONE}))
    # Meanwhile everything goes on: the other client, the zone, the answers.
    begin = time.monotonic()
    for _ in range(20):
        ctl(net, "status")
    assert time.monotonic() - begin < 10
    primary.update(ZONE, lab.zone_text(ZONE, 2))
    ctl(net, "zone", "refresh", ZONE)
    net.wait_serial(ZONE, 2)
    # A slow reader still gets the version it asked for, whole.
    lines = 0
    while True:
        reply = stuck[0].receive()
        lines += reply["result"].get("text", "").count("\n")
        if not reply.get("more"):
            break
    assert reply["result"]["serial"] == 1 and reply["result"]["records"] == lines > 100000, reply
    for s in stuck:
        s.close()
    assert net.daemon.stop() == 0


def test_stats_lists_every_counter_with_its_meaning(net):
    served(net)
    for _ in range(7):
        net.dig("www.example.", "A")
    net.dig("www.example.", "A", tcp=True)
    stats = net.ctl("stats", "--describe")
    worker = stats["answer"]["workers"][0]["counters"]
    assert worker["queries_udp"] >= 7 and stats["answer"]["stream"]["queries_tcp"] >= 1, stats["answer"]
    assert stats["net"]["workers"][0]["counters"]["rx_queries"] >= 7
    assert stats["ports"][0]["name"] == "sec0" and stats["stream"]["accepted"] >= 1 and stats["zones"]["transfers_ok"] == 1
    assert stats["arena"]["bytes_used"] > 0
    for section, counters in (("answer", worker), ("net", stats["net"]["workers"][0]["counters"]),
                              ("stream", stats["stream"]), ("zones", stats["zones"]), ("ports", stats["ports"][0]["counters"])):
        assert set(stats["describe"][section]) == set(counters), section
        assert all(stats["describe"][section].values())
    text = ctl(net, "stats", "--describe")
    assert re.search(r"^  queries_udp +\d+.* DNS requests received over UDP$", text, re.M), text


def test_help_lists_what_the_daemon_knows(net):
    served(net)
    text = ctl(net, "help")
    for name in ("status", "zone status", "zone refresh", "zone retransfer", "zone dump", "stats", "stop"):
        assert re.search(rf"^{name}\b", text, re.M), text


def test_stop_ends_the_daemon_with_exit_0(net):
    served(net)
    ctl(net, "stop")
    lab.wait_until(lambda: not net.daemon.running(), 15, "lockstepd has ended")
    assert net.daemon.popen.returncode == 0
    text = ctl(net, "status", code=EXIT_UNREACHABLE)
    assert "is lockstepd running" in text, text


def test_who_waits_is_told_when_the_daemon_stops(net):
    net.spawn("silent", "pri", ["/usr/bin/python3", "-c", "import socket, time\n"
              f"s = socket.create_server(('{lab.PRIMARY}', 53))\n"
              f"u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('{lab.PRIMARY}', 53))\ntime.sleep(600)"])
    net.lockstepd([ZONE])
    waiting = Raw(net.daemon)
    waiting.send(command("zone retransfer", args={"zone": ZONE}))
    time.sleep(0.3)
    ctl(net, "stop")
    reply = waiting.receive()
    assert reply["ok"] is False and reply["error"]["code"] == "stopping", reply
    lab.wait_until(lambda: not net.daemon.running(), 15, "lockstepd has ended")
    assert net.daemon.popen.returncode == 0


def test_a_killed_daemon_leaves_a_socket_that_the_next_one_takes(net):
    served(net)
    first = net.daemon
    first.kill()
    assert os.path.exists(first.socket)
    text = ctl(net, "status", code=EXIT_UNREACHABLE)
    assert "no lockstepd answers" in text, text
    net.lockstepd(config=net.config([ZONE], {"control": {"socket": first.socket}}))
    assert net.ctl("status")["pid"] == net.daemon.pid


def test_a_missing_socket_and_a_foreign_file_are_told_apart(net):
    served(net)
    program = Path(lab.BUILD) / "control" / "cli" / "lockstepctl"
    for path, words in (("/nonexistent/x.sock", "No such file"), ("/etc/passwd", "Connection refused"),
                        ("/" + "x" * 200, "too long")):
        done = lab.run([program, "-s", path, "status"], check=False)
        assert done.returncode == EXIT_UNREACHABLE and words in done.stderr, done.stderr
    done = lab.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "-s", net.daemon.socket, "status"], check=False)
    assert done.returncode == EXIT_UNREACHABLE and "Permission denied" in done.stderr, done.stderr


def test_usage_errors_are_exit_2_and_name_the_command(net):
    served(net)
    for args in ((), ("frobnicate",), ("zone",), ("zone", "status", "a", "b"), ("zone", "dump"), ("status", "x"),
                 ("--timeout", "soon", "status"), ("--nonsense",), ("--describe", "status"), ("zone", "status", "a..b")):
        ctl(net, *args, code=EXIT_USAGE)
    assert "frobnicate" in ctl(net, "frobnicate", code=EXIT_USAGE)
    assert ctl(net, "--version").startswith("lockstepctl ")
    assert "zone retransfer" in ctl(net, "--help")


def test_clients_that_behave_badly_change_nothing(net):
    served(net)
    for line in (b"", b"x" * 1000, b"{" * 30000, b"[1,2", b"\xff\xfe\x00", b'{"version":1,"command":"zone status","args":{"zone":"\\u0000"}}',
                 b'{"version":9,"command":"status"}', b'{"version":1,"command":"zone"}'):
        bad = Raw(net.daemon)
        reply = bad.ask(line)
        assert reply["ok"] is False and reply["error"]["message"], reply
        bad.close()
    endless = Raw(net.daemon)
    try:
        endless.sock.sendall(b"x" * 1000000)
    except OSError:
        pass
    assert endless.receive()["error"]["code"] == "too-large"
    endless.close()
    # Hundreds that come and go, half of them in the middle of a request; one that asks and never reads.
    for i in range(400):
        s = Raw(net.daemon)
        if i % 2:
            s.send(command("zone status"))
        else:
            s.sock.sendall(b'{"version":1,"comm')
        s.close()
    greedy = Raw(net.daemon)
    greedy.sock.setblocking(False)
    try:
        while True:
            greedy.sock.send(json.dumps(command("stats")).encode() + b"\n")
    except BlockingIOError:
        pass
    good = Raw(net.daemon)
    assert good.ask(command("status"))["ok"] is True
    ctl(net, "zone", "refresh", ZONE)
    greedy.close()
    good.close()
    assert net.daemon.stop() == 0


def test_commands_in_parallel_are_all_answered(net):
    served(net)
    errors = []

    def work(args):
        for _ in range(15):
            done = net.daemon.ctl_raw(*args)
            if done.returncode != 0:
                errors.append(f"{args}: {done.returncode} {done.stderr}")

    threads = [threading.Thread(target=work, args=(a,)) for a in
               (("status",), ("zone", "status"), ("zone", "refresh", ZONE), ("zone", "retransfer", ZONE), ("zone", "dump", ZONE), ("stats",))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors
    assert lab.soa_serial(net.dig(ZONE, "SOA")) == 1


if __name__ == "__main__":
    lab.main()
