"""The first transfer of a zone over TLS (RFC 9103) and over TCP from the same primary, side by side. For G7-tls.

The primary is nsd: Debian's knotd gives no zones over TLS. Both times are from the first segment of the connection, so
the handshake is in them, to the first answer with the serial.
"""

import statistics

from ground import SPARE_MB, Wait, big_lab, write_host_zone
from certificates import Authority
import lab
import servers
import transfer

HOST = "primary.test"
SYN_TO = "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn and dst port {}"


def primary_over(transport, ca):
    """What lockstepd's configuration says of the primary."""
    if transport == "tcp":
        return {"primaries": [{"name": "first", "address": lab.PRIMARY}]}
    profile = {"name": "p", "ca-file": str(ca.certificate), "hostname": HOST, "any-alpn": True}
    return {"tls": [profile], "primaries": [{"name": "first", "address": lab.PRIMARY, "tls": "p"}]}


def one(net, transport, ca):
    capture = transfer.Capture(net, SYN_TO.format(853 if transport == "tls" else 53))
    with servers.Lockstep(net, [transfer.ZONE], change=primary_over(transport, ca)) as server:
        served = server.wait_serial(transfer.ZONE, transfer.SERIAL)
        own = server.status(transfer.ZONE).get("last_transfer_us")
    began = min((at for at, _, _ in capture.frames()), default=None)
    if began is None:
        raise lab.LabError(f"{capture.file} shows no connection over {transport}")
    return {"transport": transport, "connected_to_served_s": served - began, "last_transfer_us": own}


def measure(quick):
    """Rounds of both in turn; returns the runs."""
    names, rounds = (100000, 2) if quick else (1000000, 5)
    runs = []
    with big_lab(servers.PACKET_MEMORY_MB + SPARE_MB, names) as net:
        ca = Authority(net.dir / "tls")
        zone = write_host_zone(net.dir / "measured.zone", transfer.ZONE, names, transfer.SERIAL)
        primary = lab.OVER_TLS["nsd"](net, {transfer.ZONE: zone}, [lab.PRIMARY], False, [])
        primary.identity = ca.issue(HOST)
        with Wait(f"the primary, nsd, loads {transfer.ZONE} with {names:,} names"):
            primary.start()
        for i in range(rounds):
            for transport in ("tcp", "tls"):
                with Wait(f"round {i + 1} of {rounds}: lockstepd transfers it over {transport.upper()}"):
                    runs.append({"round": i + 1, "names": names, **one(net, transport, ca)})
    return runs


def seconds(runs):
    """For people: the medians."""
    return {f"{transport} s": round(statistics.median(r["connected_to_served_s"] for r in runs
                                                      if r["transport"] == transport), 3)
            for transport in ("tcp", "tls")}


def ratio(runs):
    """The median of the rounds' ratios."""
    by_round = {}
    for r in runs:
        by_round.setdefault(r["round"], {})[r["transport"]] = r["connected_to_served_s"]
    return statistics.median(r["tls"] / r["tcp"] for r in by_round.values())
