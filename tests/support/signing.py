"""Zones signed by BIND's tools, each with a key made for it; one that is signed again has two."""

import re

import lab

SIGNING = {"nsec": [], "nsec3": ["-3", "-", "-H", "0"], "nsec3-opt-out": ["-3", "AABB", "-H", "5", "-A"]}


def signed(net, apex, zone, options):
    """The zone's text with its signatures. options: of dnssec-signzone."""
    folder = net.dir / f"signing-{apex}"
    folder.mkdir(exist_ok=True)
    (folder / "zone").write_text(zone)
    keygen, signzone = net.program("dnssec-keygen"), net.program("dnssec-signzone")
    lab.run([keygen, "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "-K", folder, apex])
    lab.run([signzone, "-q", "-S", "-z", "-K", folder, "-d", folder, "-O", "full", "-o", apex, "-f", folder / "signed",
             *options, folder / "zone"], timeout=120)
    return (folder / "signed").read_text()


def anchor(net, apex):
    """A file that makes the zone's key delv's trust anchor."""
    folder = net.dir / f"signing-{apex}"
    key = next(folder.glob("K*.key")).read_text()
    numbers, octets = re.search(r"DNSKEY\s+(\d+ \d+ \d+)\s+(.+)$", key, re.M).groups()
    file = folder / "anchor"
    file.write_text(f'trust-anchors {{ "{apex}" static-key {numbers} "{octets}"; }};\n')
    return file
