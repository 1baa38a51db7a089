"""Whole transfers, seen from outside: when the request left, when the last octet came, when the new serial was
answered, and what the server weighed before, during and after. For G6 and G7, rivals in the same run.
"""

import contextlib
import statistics
import struct
import time

from ground import SPARE_MB, Wait, big_lab, host_records, write_delegation_zone, write_host_zone
import lab
import servers

ZONE, REGISTRY = "host.test.", "registry.test."
SERIAL = 7
FIELD = (servers.Lockstep, *servers.RIVALS)
FULL_FRAME = 1514  # of Ethernet with an MTU of 1500
TYPE_AXFR, TYPE_IXFR = 252, 251


@contextlib.contextmanager
def ground_with_primary(zone, write, names):
    """A lab with knotd serving a zone of so many names, written by write(file, origin, names, serial=)."""
    with big_lab(servers.PACKET_MEMORY_MB + SPARE_MB, names) as net:
        with Wait(f"the primary, knotd, loads {zone} with {names:,} names"):
            net.knotd({zone: write(net.dir / "measured.zone", zone, names, serial=SERIAL)})
        yield net


class Capture:
    """
    The frames that tell a transfer's ends: requests of the secondary, and those of the primary that are not full, as
    the last one is, or those `wanted` of TCP. The stream itself is not captured, so the capture costs next to nothing.
    """

    ENDS = f"(dst port 53 and greater 80) or (src port 53 and greater 67 and less {FULL_FRAME - 1})"

    def __init__(self, net, wanted=ENDS):
        self.file = net.dir / f"transfer-{time.monotonic_ns()}.pcap"
        argv = [net.program("tcpdump"), "-Z", "root", "-U", "--immediate-mode", "-s", "160", "-i", "pri0", "-w",
                self.file, f"tcp and ({wanted})"]
        self.process = net.spawn(self.file.stem, "pri", argv)
        self.process.wait_log("listening on")

    def frames(self):
        """(wall clock, TCP source port, TCP payload) of each."""
        self.process.stop()
        data = self.file.read_bytes()
        nano = struct.unpack_from("=I", data)[0] == 0xA1B23C4D
        at = 24
        while at + 16 <= len(data):
            sec, frac, kept, _ = struct.unpack_from("=IIII", data, at)
            frame = data[at + 16:at + 16 + kept]
            at += 16 + kept
            ip = frame[14:]
            tcp = ip[(ip[0] & 15) * 4:] if ip[0] >> 4 == 4 else ip[40:]
            yield sec + frac / (1e9 if nano else 1e6), struct.unpack_from("!H", tcp)[0], tcp[(tcp[12] >> 4) * 4:]


def transfer_request(payload):
    """Whether the octets of a TCP stream start with an AXFR or IXFR question."""
    at = 2 + 12
    while at < len(payload) and payload[at] != 0:
        at += 1 + payload[at]
    return at + 3 <= len(payload) and struct.unpack_from("!H", payload, at + 1)[0] in (TYPE_AXFR, TYPE_IXFR)


def first_transfer(net, cls):
    """Starts the server without content. Seconds: request -> new serial answered, and last octet -> the same."""
    capture = Capture(net)
    with cls(net, [ZONE]) as server:
        served = server.wait_serial(ZONE, SERIAL)
        extra = {}
        if cls is servers.Lockstep:
            status = server.status(ZONE)
            extra = {k: status.get(k) for k in ("last_transfer_us", "last_transfer_octets", "last_transfer_messages")}
    frames = list(capture.frames())
    asked = [t for t, port, payload in frames if port != 53 and transfer_request(payload)]
    came = [t for t, port, payload in frames if port == 53 and payload and t <= served]
    if not asked or not came or came[-1] < asked[-1]:
        raise lab.LabError(f"{cls.label}: the capture {capture.file} does not show the transfer: {len(asked)} "
                           f"requests, {len(came)} frames from the primary")
    return {"server": cls.label, "request_to_served_s": served - asked[0],
            "last_octet_to_served_ms": (served - came[-1]) * 1e3, "requests": len(asked), **extra}


def measure_times(quick):
    """G7a and G7b: rounds of first transfers, the servers in turn. Returns the runs."""
    names, rounds = (100000, 1) if quick else (1000000, 3)
    runs = []
    with ground_with_primary(ZONE, write_host_zone, names) as net:
        for i in range(rounds):
            for cls in FIELD:
                with Wait(f"round {i + 1} of {rounds}: {cls.label} transfers {ZONE}"):
                    runs.append({"round": i + 1, "names": names, **first_transfer(net, cls)})
    return runs


def median_by_server(runs, key):
    return {label: statistics.median(r[key] for r in runs if r["server"] == label)
            for label in dict.fromkeys(r["server"] for r in runs)}


def settled(server, quiet=1.5, timeout=30):
    """What it weighs once that has not changed by more than a percent for a while."""
    end, since, value = time.monotonic() + timeout, time.monotonic(), server.memory()
    while time.monotonic() < end and time.monotonic() - since < quiet:
        time.sleep(0.1)
        now = server.memory()
        if abs(now - value) > value * 0.01:
            since, value = time.monotonic(), now
    return server.memory()


def watch_peak(server, zone, least=2.0, timeout=60):
    """The most it weighs during a new whole transfer, sampled as fast as /proc answers, and how often that was."""
    peak, samples, begin, quiet_since = server.memory(), 0, time.monotonic(), None
    asking = server.retransfer(zone)
    before = peak
    while time.monotonic() - begin < timeout:
        now = server.memory()
        samples += 1
        peak = max(peak, now)
        moving = abs(now - before) > before * 0.002
        before = now
        quiet_since = None if moving or asking.poll() is None else quiet_since or time.monotonic()
        if quiet_since and time.monotonic() - begin > least and time.monotonic() - quiet_since > least:
            break
    asking.wait(30)
    server.check_alive()
    return peak, samples


def weigh_empty(net, cls):
    with cls(net, []) as server:
        server.wait_answering()
        return settled(server)


def weigh_hosts(net, cls, names):
    """Octets: with no zone, with the zone, and at most while a second transfer replaces it."""
    empty = weigh_empty(net, cls)
    with cls(net, [ZONE]) as server:
        server.wait_serial(ZONE, SERIAL)
        steady = settled(server)
        peak, samples = watch_peak(server, ZONE)
        after = settled(server)
    return {"server": cls.label, "names": names, "records": host_records(names), "empty": empty, "steady": steady,
            "peak": peak, "after": after, "samples": samples, "per_record": (steady - empty) / host_records(names),
            "peak_to_steady": (peak - empty) / (steady - empty)}


def weigh_registry(net, cls, delegations):
    empty = weigh_empty(net, cls)
    with cls(net, [REGISTRY]) as server:
        server.wait_serial(REGISTRY, SERIAL)
        steady = settled(server)
    return {"server": cls.label, "delegations": delegations, "empty": empty, "steady": steady,
            "per_delegation": (steady - empty) / delegations}


def measure_memory(quick):
    """G6a and G6c. Returns one run per server."""
    names = 100000 if quick else 1000000
    runs = []
    with ground_with_primary(ZONE, write_host_zone, names) as net:
        for cls in FIELD:
            with Wait(f"{cls.label}: with no zone, with {ZONE}, while it is replaced"):
                runs.append(weigh_hosts(net, cls, names))
    return runs


def measure_registry(quick):
    """G6b. Returns one run per server."""
    delegations = 100000 if quick else 1000000
    runs = []
    with ground_with_primary(REGISTRY, write_delegation_zone, delegations) as net:
        for cls in FIELD:
            with Wait(f"{cls.label}: with no zone, with {REGISTRY}"):
                runs.append(weigh_registry(net, cls, delegations))
    return runs
