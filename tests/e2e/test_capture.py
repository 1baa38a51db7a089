#!/usr/bin/python3
"""Capture on demand: what workers receive and send, as a file that tcpdump reads; filters, limits, and nothing left."""

import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab

ZONE, OTHER = "example.", "example.org."


def serve(net):
    net.knotd({z: lab.zone_text(z, 1) for z in (ZONE, OTHER)})
    net.lockstepd([ZONE, OTHER])
    for z in (ZONE, OTHER):
        net.wait_state(z, "current")


class Capture:
    """lockstepctl capture in the background; `lines` is what tcpdump shows when it has ended."""

    def __init__(self, net, *args):
        self.net, self.file = net, net.dir / "capture.pcap"
        self.thread = threading.Thread(target=self._run, args=args)
        self.thread.start()
        lab.wait_until(lambda: self.file.exists() and self.file.stat().st_size >= 24, 5, "the capture has begun")
        time.sleep(0.2)  # the request is on its way when the file is there

    def _run(self, *args):
        self.done = self.net.daemon.ctl_raw("capture", "--write", str(self.file), *args)

    def lines(self):
        self.thread.join(60)
        assert self.done.returncode == 0, self.done.stderr
        shown = subprocess.run([self.net.program("tcpdump"), "-n", "-r", self.file], capture_output=True, text=True,
                               check=True)
        return shown.stdout.splitlines()


def test_queries_and_answers_are_captured_for_tcpdump(net):
    serve(net)
    capture = Capture(net, "--packets", "4", "--seconds", "30")
    for name in f"www.{ZONE}", f"nothing.{OTHER}":
        net.dig(name, "A")
    lines = capture.lines()
    assert len(lines) == 4, lines
    assert f"10.53.0.1." in lines[0] and f"A? www.{ZONE}" in lines[0], lines
    assert "10.53.0.2.53 > 10.53.0.1" in lines[1], lines
    assert "NXDomain*" in lines[3], lines
    assert "4 frames captured, 0 lost" in capture.done.stderr, capture.done.stderr


def test_filters_choose_by_name_and_client(net):
    serve(net)
    capture = Capture(net, "--seconds", "2", "--suffix", "EXAMPLE.org", "--client", "10.53.0.8/29")
    for source in lab.PRIMARY, lab.STRANGER:  # .1 and .9
        for name in f"www.{ZONE}", f"www.{OTHER}", "www.notexample.org.":
            net.dig(name, "A", source=source)
    lines = capture.lines()
    assert len(lines) == 2, lines
    assert f"{lab.STRANGER}." in lines[0] and f"A? www.{OTHER}" in lines[0], lines


def test_a_filter_by_rcode_has_the_requests_that_got_it(net):
    serve(net)
    capture = Capture(net, "--packets", "2", "--seconds", "30", "--rcode", "nxdomain")
    for name in f"www.{ZONE}", "www.elsewhere.", f"nothing.{ZONE}":
        net.dig(name, "A")
    lines = capture.lines()
    assert len(lines) == 2 and f"A? nothing.{ZONE}" in lines[0] and "NXDomain" in lines[1], lines
    done = net.daemon.ctl_raw("capture", "--write", "/dev/null", "--rcode", "NOSUCH")
    assert done.returncode == 2 and "response code" in done.stderr, done


def test_a_capture_ends_by_its_time_or_with_its_client_and_the_next_one_starts(net):
    serve(net)
    lines = Capture(net, "--seconds", "1", "--port", "0").lines()
    assert lines == [], lines
    first = subprocess.Popen([lab.BUILD / "control/cli/lockstepctl", "-s", net.daemon.socket, "capture", "--write",
                              str(net.dir / "first.pcap"), "--seconds", "600"])
    lab.wait_until(lambda: (net.dir / "first.pcap").exists(), 5, "the capture has begun")

    def refused():
        return "running already" in net.daemon.ctl_raw("capture", "--write", "/dev/null", "--seconds", "1").stderr
    lab.wait_until(refused, 5, "a second capture is refused")
    first.terminate()
    first.wait()
    lab.wait_until(lambda: not refused(), 5, "the next capture starts")
    for bad in (["--client", "10.53.0.1/33"], ["--suffix", "a..b"], ["--port", "7"], ["--packets", "0"],
                ["--snaplen", "9000"]):
        done = net.daemon.ctl_raw("capture", "--write", "/dev/null", *bad)
        assert done.returncode == 2 and bad[0].strip("-") in done.stderr, (bad, done)


if __name__ == "__main__":
    lab.main()
