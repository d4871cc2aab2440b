"""The way to an address through a proxy: HTTP CONNECT (RFC 9110, 9.3.6) or SOCKS5 (RFC 1928, RFC 1929)."""

from __future__ import annotations

import base64
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from installer.core.errors import SpecError
from installer.core.secret import Secret
from installer.transport.errors import UnreachableError

SCHEMES: Final = ("http", "socks5")
_HEAD: Final = 1 << 14  # bytes of a proxy's answer before it counts as none
_NO_LOGIN, _PASSWORD = 0, 2  # ways to log in to a SOCKS proxy
_CONNECT, _IPV4, _NAME = 1, 1, 3
_ADDRESS_BYTES: Final[Mapping[int, int]] = {_IPV4: 4, 4: 16}  # of the address in its answer
_REPLIES: Final[Mapping[int, str]] = {
    1: "it failed",
    2: "its rules do not allow it",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the connection was refused",
    6: "it took too long",
    7: "it makes no connections for others",
    8: "it does not know this kind of address",
}


@dataclass(frozen=True)
class Proxy:
    """Who takes connections on, and with what login."""

    scheme: str
    host: str
    port: int
    user: str
    password: Secret

    @classmethod
    def parse(cls, url: Secret) -> Proxy:
        """`http://HOST:PORT` or `socks5://USER:PASSWORD@HOST:PORT`; raises SpecError, which does not tell the URL."""
        try:
            parts = urlsplit(url.reveal())
            port = parts.port
        except ValueError:
            parts, port = SplitResult("", "", "", "", ""), None
        if parts.scheme not in SCHEMES or not parts.hostname or port is None or parts.path not in ("", "/"):
            raise SpecError(
                "the proxy is not http://HOST:PORT or socks5://HOST:PORT",
                hint="a login goes before the host, USER:PASSWORD@, with % and two digits for special characters",
            )
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.scheme, parts.hostname, port, user, Secret(password))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def connect(proxy: Proxy, address: str, port: int, *, host: str, timeout_s: float) -> socket.socket:
    """A stream to `address:port` through a proxy, which looks the name up; raises UnreachableError for `host`."""
    way: Callable[[socket.socket, Proxy, str, int], None] = _http if proxy.scheme == "http" else _socks
    try:
        stream = socket.create_connection((proxy.host, proxy.port), timeout=timeout_s)
    except OSError as exc:
        raise UnreachableError(
            f"cannot reach the proxy {proxy}: {exc.strerror or exc}",
            host=host,
            hint="is ssh.proxy right in the specification, and does it run?",
        ) from exc
    try:
        way(stream, proxy, address, port)
    except (OSError, ValueError, _RefusedError) as exc:
        stream.close()
        raise UnreachableError(
            f"cannot reach {address}:{port} through the proxy {proxy}: {exc}",
            host=host,
            cause=getattr(exc, "cause", ""),
            hint="let the proxy take connections to the hosts' SSH port on",
        ) from exc
    return stream


class _RefusedError(Exception):
    """The proxy answered, and not as it should."""

    def __init__(self, what: str, cause: str = "") -> None:
        super().__init__(what)
        self.cause = cause


def _http(stream: socket.socket, proxy: Proxy, address: str, port: int) -> None:
    where = f"{address}:{port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    if proxy.user:
        login = base64.b64encode(f"{proxy.user}:{proxy.password.reveal()}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {login}")
    stream.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):  # one by one: what follows is the host's own
        head += _exactly(stream, 1)
        if len(head) > _HEAD:
            raise _RefusedError("it answers without an end")
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    version, _, rest = status.partition(" ")
    if not version.startswith("HTTP/1."):
        raise _RefusedError("it does not answer as an HTTP proxy does")
    if not rest.startswith("2"):
        wants_login = rest.startswith("407")
        raise _RefusedError(f"it answers {rest}", "it wants a login, or another one" if wants_login else "")


def _socks(stream: socket.socket, proxy: Proxy, address: str, port: int) -> None:
    ways = bytes([_NO_LOGIN, _PASSWORD] if proxy.user else [_NO_LOGIN])
    stream.sendall(bytes([5, len(ways)]) + ways)
    version, way = _exactly(stream, 2)
    if version != 5:  # noqa: PLR2004 - the protocol's own number
        raise _RefusedError("it does not answer as a SOCKS5 proxy does")
    if way not in ways:
        raise _RefusedError("it refuses the login", "it wants a login, or another kind of it")
    if way == _PASSWORD:
        user, password = proxy.user.encode(), proxy.password.reveal().encode()
        stream.sendall(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
        if _exactly(stream, 2)[1]:
            raise _RefusedError("it refuses the login", "user or password are wrong")
    stream.sendall(bytes([5, _CONNECT, 0]) + _socks_address(address) + struct.pack(">H", port))
    _, reply, _, kind = _exactly(stream, 4)
    if reply:
        raise _RefusedError(_REPLIES.get(reply, f"it answers {reply}"))
    length = _ADDRESS_BYTES[kind] if kind in _ADDRESS_BYTES else _exactly(stream, 1)[0]
    _exactly(stream, length + 2)


def _socks_address(address: str) -> bytes:
    try:
        return bytes([_IPV4]) + IPv4Address(address).packed
    except ValueError:  # the proxy is to look it up
        name = address.encode("idna")
        return bytes([_NAME, len(name)]) + name


def _exactly(stream: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = stream.recv(size - len(found))
        if not more:
            raise _RefusedError("it ended the connection")
        found += more
    return found
