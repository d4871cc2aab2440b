"""Asks a DNS server for a name and ends well if it has an address: `python dns_query.py SERVER NAME`.

A program of its own because it is run in the network namespace of a node.
"""

from __future__ import annotations

import socket
import struct
import sys


def main(server: str, name: str) -> None:
    """RFC 1035: one question for an A record, and an answer without an error."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(3)
        sock.sendto(question, (server, 53))
        answer = sock.recv(512)
    _, flags, _, answers = struct.unpack(">4H", answer[:8])
    if flags & 0xF or not answers:
        sys.exit(f"{server} has no address for {name}: code {flags & 0xF}")


if __name__ == "__main__":
    main(*sys.argv[1:])
