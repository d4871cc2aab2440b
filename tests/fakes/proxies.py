"""Proxies on loopback, HTTP CONNECT and SOCKS5, that carry bytes as real ones do and tell whom they were asked for."""

from __future__ import annotations

import base64
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class FakeProxy:
    """One proxy. `login`: `user:password`, without which it takes nobody on; `refuses`: it takes nothing on."""

    scheme: str
    login: str = ""
    refuses: bool = False
    names: dict[str, str] = field(default_factory=dict)  # that only it knows -> address
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.login + '@' if self.login else ''}127.0.0.1:{self.port}"

    def resolved(self, name: str) -> str:
        return self.names.get(name, name)


@contextmanager
def proxied(fake: FakeProxy) -> Iterator[FakeProxy]:
    """Serve for the length of a `with` block."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            answer = _http if fake.scheme == "http" else _socks
            if (there := answer(self.request, fake)) is not None:
                _carry(self.request, there)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        fake.port = server.server_address[1]
        threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True).start()
        try:
            yield fake
        finally:
            server.shutdown()


def _http(client: socket.socket, fake: FakeProxy) -> socket.socket | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    first, *fields = head.decode().split("\r\n")
    method, where, version = first.split(" ")
    assert (method, version) == ("CONNECT", "HTTP/1.1")
    assert f"Host: {where}" in fields
    login = base64.b64encode(fake.login.encode()).decode()
    if fake.login and f"Proxy-Authorization: Basic {login}" not in fields:
        client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        return None
    fake.asked.append(where)
    if fake.refuses:
        client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        return None
    host, _, port = where.rpartition(":")
    there = socket.create_connection((fake.resolved(host), int(port)))
    # What the host says first may come in one piece with the answer.
    client.sendall(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n" + there.recv(4))
    return there


def _socks(client: socket.socket, fake: FakeProxy) -> socket.socket | None:
    version, count = client.recv(2)
    ways = client.recv(count)
    assert version == 5
    way = 2 if fake.login else 0
    client.sendall(bytes([5, way if way in ways else 255]))
    if way not in ways:
        return None
    if way:
        user = client.recv(client.recv(2)[1]).decode()
        password = client.recv(client.recv(1)[0]).decode()
        wrong = f"{user}:{password}" != fake.login
        client.sendall(bytes([1, wrong]))
        if wrong:
            return None
    _, command, _, kind = client.recv(4)
    assert command == 1
    name = socket.inet_ntoa(client.recv(4)) if kind == 1 else client.recv(client.recv(1)[0]).decode()
    (port,) = struct.unpack(">H", client.recv(2))
    fake.asked.append(f"{name}:{port}")
    if fake.refuses:
        client.sendall(bytes([5, 2, 0, 1, 0, 0, 0, 0, 0, 0]))
        return None
    there = socket.create_connection((fake.resolved(name), port))
    client.sendall(bytes([5, 0, 0, 3, 4]) + b"here" + bytes([0, 0]))
    return there


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Both ways, until one of them ends."""

    def copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            return
        finally:
            for end in (one, other):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    back = threading.Thread(target=copy, args=(other, one), daemon=True)
    back.start()
    copy(one, other)
    back.join()
    other.close()
