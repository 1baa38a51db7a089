#!/usr/bin/python3
"""
What lockstepd does when the machine runs short: nobody reads its log, the log's disk is full, descriptors run out, signals
come in a storm. Answers go on in each case, and so do changes, at once or when there is room again. RESOURCE_FAULTS.md has
the whole list.
"""

import contextlib
import fcntl
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab

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
