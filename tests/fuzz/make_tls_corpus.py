#!/usr/bin/python3
"""Writes the seeds of corpus/tls: hellos of both sides, whole, cut and changed; records of every type. See fuzz_tls.c
for the format."""

import ssl
import struct
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from certificates import Authority  # noqa: E402

SERVER, CLIENT, OPEN, SAID = 0, 1, 2, 3


def hellos(name="primary.test", **changes):
    """The first flights of a client and a server."""
    with tempfile.TemporaryDirectory() as folder:
        identity = Authority(Path(folder)).issue(name)
        mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        mine.load_cert_chain(identity.certificate, identity.key)
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    for key, value in changes.items():
        setattr(c, key, value)
    c.set_alpn_protocols(["dot"])
    mine.set_alpn_protocols(["dot"])
    pipes = [ssl.MemoryBIO() for _ in range(4)]
    client, server = c.wrap_bio(pipes[0], pipes[1], server_hostname=name), mine.wrap_bio(pipes[2], pipes[3], True)
    flights = []
    for end, out, into in ((client, pipes[1], pipes[2]), (server, pipes[3], pipes[0])):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass
        flights.append(out.read())
        into.write(flights[-1])
    return flights


def record(kind, octets, version=0x0303):
    return struct.pack("!BHH", kind, version, len(octets)) + octets


def main():
    out = HERE / "corpus" / "tls"
    out.mkdir(parents=True, exist_ok=True)
    client, server = hellos()
    client12, server12 = hellos(maximum_version=ssl.TLSVersion.TLSv1_2)
    seeds = {
        "server-client-hello": bytes([SERVER]) + client,
        "server-client-hello-12": bytes([SERVER]) + client12,
        "server-client-hello-cut": bytes([SERVER]) + client[:100],
        "server-two-hellos": bytes([SERVER]) + client + client,
        "server-plain-dns": bytes([SERVER]) + b"\0\x1d\0\1\0\0\0\1\0\0\0\0\0\0\7example\0\0\6\0\1",
        "server-http": bytes([SERVER]) + b"GET / HTTP/1.1\r\n\r\n",
        "server-empty-record": bytes([SERVER]) + record(22, b""),
        "server-many-small-records": bytes([SERVER]) + b"".join(record(22, bytes([o])) for o in client[5:]),
        "server-alert": bytes([SERVER]) + record(21, b"\2\0"),
        "server-ccs": bytes([SERVER]) + record(20, b"\1") * 40,
        "server-longest-record": bytes([SERVER]) + record(22, b"\1\0\xff\xff" + bytes(16380)),
        "client-server-flight": bytes([CLIENT]) + server,
        "client-server-flight-12": bytes([CLIENT]) + server12,
        "client-alert-version": bytes([CLIENT]) + record(21, b"\2\x46"),
        "client-close": bytes([CLIENT]) + record(21, b"\1\0"),
        "open-data": bytes([OPEN]) + record(23, bytes(50)),
        "open-alert": bytes([OPEN]) + record(21, b"\1\0"),
        "open-hello": bytes([OPEN]) + server,
        "said-nothing": bytes([SAID]),
        "said-one": bytes([SAID, 0]),
        "said-messages": bytes([SAID]) + b"\0\x0c" + bytes(12) + b"\0\0" + b"\0\1x" + b"\1\0" + bytes(256) + b"\0\7cut",
        "said-much": bytes([SAID, 77]) + bytes(range(256)) * 160,
    }
    for name, octets in seeds.items():
        (out / name).write_bytes(octets)


if __name__ == "__main__":
    main()
