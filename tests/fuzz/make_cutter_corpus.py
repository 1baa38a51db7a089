#!/usr/bin/python3
"""Writes the seeds of corpus/cutter: streams of messages of every kind of length, and the pieces they come in. See
fuzz_cutter.c for the format."""

import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent


def stream(sizes, *lengths, rest=b""):
    return bytes([len(sizes)]) + struct.pack(f"!{len(sizes)}H", *sizes) + rest.join(
        struct.pack("!H", length) + bytes(i & 255 for i in range(length)) for length in lengths) + rest


def main():
    folder = HERE / "corpus" / "cutter"
    folder.mkdir(parents=True, exist_ok=True)
    seeds = {
        "whole": stream([], 12, 30, 1),
        "octet-by-octet": stream([1], 12, 0, 1, 2, 40),
        "empty-messages": stream([3], 0, 0, 0, 0),
        "length-apart": stream([1, 14], 13, 13, 13),
        "uneven": stream([5, 0, 1, 7, 2], 20, 3, 0, 17, 300),
        "two-in-a-piece": stream([30, 1], 12, 12, 12, 12),
        "cut-in-the-length": stream([4], 12, rest=b"\1"),
        "cut-in-the-message": stream([9], 12, rest=b"\xff\xffabc"),
    }
    for name, octets in seeds.items():
        (folder / name).write_bytes(octets)


if __name__ == "__main__":
    main()
