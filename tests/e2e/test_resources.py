#!/usr/bin/python3
"""
What lockstepd does when the machine runs short: nobody reads its log, the log's disk is full, descriptors run out, signals
come in a storm. Answers go on in each case, and so do changes, at once or when there is room again. RESOURCE_FAULTS.md has
the whole list.
"""

import contextlib
import fcntl
import os
import re
import resource
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from lab_wire import soa_serial

import dns.exception
import dns.message

ZONE = "example."
DESCRIPTORS, CLIENTS = 200, 150
PIPE_OCTETS = 4096
STORM = 500


def serve(net, change=None, wrapper=()):
    """Returns the primary."""
    primary = net.knotd({ZONE: lab.zone_text(ZONE, 1)})
    net.lockstepd([ZONE], change=change, wrapper=wrapper)
    net.wait_serial(ZONE, 1)
    return primary


def changes_arrive(net, primary, serials):
    for serial in serials:
        primary.update(ZONE, lab.zone_text(ZONE, serial))
        net.ctl("zone", "refresh", ZONE)  # knotd's NOTIFY may come a second later
        net.wait_serial(ZONE, serial, 20)


def test_a_log_that_nobody_reads_holds_up_nothing(net):
    fifo = net.dir / "log.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, PIPE_OCTETS)
    primary = serve(net, wrapper=["sh", "-c", f'exec "$@" 2>{fifo}', "sh"])
    changes_arrive(net, primary, range(2, 22))
    os.set_blocking(reader, False)
    kept = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            kept += os.read(reader, 1 << 16)
    assert 0 < len(kept) <= PIPE_OCTETS, len(kept)  # it was full: 20 changes log more
    changes_arrive(net, primary, [22])
    after = os.read(reader, 1 << 16).decode()
    assert "warning log-lost lines=" in after, after
    os.close(reader)
    changes_arrive(net, primary, [23])  # now nobody has the pipe open


def test_a_full_disk_under_the_log_holds_up_nothing(net):
    primary = serve(net, wrapper=["sh", "-c", 'exec "$@" 2>/dev/full', "sh"])
    changes_arrive(net, primary, range(2, 5))


def test_clients_cannot_take_the_descriptors_that_zones_need(net):
    primary = serve(net, change={"tcp": {"idle-timeout": "1h"}}, wrapper=["prlimit", f"--nofile={DESCRIPTORS}", "--"])
    net.daemon.wait_log(f"warning tcp-clients-limited clients={DESCRIPTORS // 2} ")
    idle = [net.tcp() for _ in range(CLIENTS)]
    lab.wait_until(lambda: net.daemon.counter("stream", "accepted") >= CLIENTS, 10, "all clients came")
    assert net.daemon.counter("stream", "open") == DESCRIPTORS // 2
    changes_arrive(net, primary, [2, 3])
    assert net.dig(f"www.{ZONE}", "A", tcp=True).answer, "a new client makes the one idle longest go"
    assert "too many open files" not in net.daemon.log().lower()
    for s in idle:
        s.close()


def test_clients_leave_descriptors_for_the_sockets_of_every_thread_and_for_all_transfers(net):
    limit, transfers, queries = 4000, 48, 384  # transfers-in, by default
    serve(net, change={"tcp": {"threads": 32, "clients": 100000}}, wrapper=["prlimit", f"--nofile={limit}", "--"])
    clients = int(re.search(r"tcp-clients-limited clients=(\d+)", net.daemon.log()).group(1))
    taken = len(os.listdir(f"/proc/{net.daemon.pid}/fd"))
    assert clients + taken + 2 * transfers + 2 * queries <= limit, (clients, taken)


def test_a_thread_without_a_descriptor_for_a_client_does_not_spin(net):
    serve(net)
    pid = net.daemon.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, before[1]))  # all below it are taken for good
    begin = time.monotonic()
    with net.tcp(timeout=1) as s:  # the kernel has connected it, nobody accepts it
        with contextlib.suppress(dns.exception.Timeout):
            lab.exchange_on(s, dns.message.make_query(ZONE, "SOA").to_wire(), tcp=True, timeout=1)
            raise AssertionError("there is a descriptor")
        took = time.monotonic() - begin
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        s.settimeout(20)
        assert soa_serial(dns.message.from_wire(lab.read_framed(s))) == 1
    waits = net.daemon.counter("stream", "no_descriptor")
    assert waits <= 10 * took + 20, f"{waits} attempts in {took:.1f} s"


def test_storms_of_signals_change_nothing_and_end_in_one_clean_stop(net):
    primary = serve(net)
    for _ in range(STORM):
        for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            net.daemon.signal(number)
    changes_arrive(net, primary, [2])
    while net.daemon.running():  # to its last moment
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            net.daemon.signal(number)
    assert net.daemon.wait() == 0, net.daemon.log()[-2000:]
    assert net.daemon.log().count("notice stopping") == 1


if __name__ == "__main__":
    lab.main()
