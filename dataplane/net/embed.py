#!/usr/bin/python3
"""Writes the octets of a file as a C array: embed.py INPUT OUTPUT SYMBOL."""
import sys

source, target, symbol = sys.argv[1:4]
with open(source, "rb") as f:
    octets = f.read()
with open(target, "w") as f:
    f.write("#include \"dataplane/net/port_xdp.h\"\n\n")
    f.write(f"const unsigned long {symbol}_len = {len(octets)};\n")
    f.write(f"const unsigned char {symbol}[] __attribute__((aligned(8))) = {{\n")
    for at in range(0, len(octets), 16):
        f.write("\t" + "".join(f"{o}," for o in octets[at:at + 16]) + "\n")
    f.write("};\n")
