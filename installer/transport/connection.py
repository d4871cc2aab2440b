"""One SSH connection to one host: scripts with streamed events, uploads verified by digest."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import shlex
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import paramiko

from installer.core.errors import InstallerError
from installer.core.secret import Secret
from installer.transport import host_keys
from installer.transport.errors import (
    ConnectionLostError,
    LoginRefusedError,
    NoSudoError,
    PayloadError,
    ScriptError,
    ScriptTimeoutError,
    UnreachableError,
    lacks_sudo,
    likely_cause,
)
from installer.transport.target import Target

CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_S = 15
# Of a link that carries nothing any more, keepalives included; by itself the kernel would wait a quarter of an hour.
DEAD_AFTER_S = 60
# A line of a script's output that starts with this is an event (record separator, RFC 7464), the rest is its log.
EVENT_MARK = "\x1e"
_TAIL_LINES = 40
_CHUNK = 1 << 17
_WINDOW = 1 << 24  # bytes in flight; paramiko's default of 2 MiB starves a fast link
_PACKET = 1 << 15
_NO_STATUS = -1  # paramiko's, where none came
_START = "moorage-start"  # the line after which a script's own input begins

Event = Mapping[str, Any]


class Readable(Protocol):
    """What a script can be given to read: bytes until there are none left; raises OSError."""

    def read(self, size: int, /) -> bytes: ...


def ignore_line(line: str) -> None:
    """For scripts whose output is only of interest when they fail."""


@dataclass(frozen=True)
class Result:
    """How a script ended: `tail` are the last lines of its output that were no events."""

    status: int
    tail: tuple[str, ...]


def ignore_event(event: Event) -> None:
    """For scripts that tell nothing, or that nobody listens to."""


class Connection:
    """A live connection, made by `connect`. Scripts may run side by side on it."""

    def __init__(self, target: Target, transport: paramiko.Transport, opened: ExitStack) -> None:
        self.target = target
        self._transport = transport
        self._opened = opened  # closes the transport, and the bastion's behind it

    @property
    def alive(self) -> bool:
        return self._transport.is_active()

    def run(
        self,
        script: str,
        *,
        payload: bytes | Readable = b"",
        on_event: Callable[[Event], None] = ignore_event,
        on_line: Callable[[str], None] = ignore_line,
        timeout_s: float = 600.0,
        step: str = "",
        check: bool = True,
    ) -> Result:
        """Run a POSIX shell script as root; it reads `payload` on its standard input.

        The script itself goes by standard input, too, so nothing of it shows in a process list. With `check`, a status
        other than 0 raises ScriptError that names the last step the script announced (an event with a `step`).
        """
        channel = self._open()
        current = step
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        feeder = _Feeder(channel, self._preamble() + script.encode(), payload)
        deadline = time.monotonic() + timeout_s
        try:
            channel.set_combine_stderr(True)
            channel.exec_command(self._command(script))
            feeder.start()
            for line in _lines(channel, deadline):
                event = _event(line)
                if event is None:
                    tail.append(line)
                    on_line(line)
                else:
                    current = str(event.get("step", current))
                    on_event(event)
            status = _status(channel, deadline)
        except TimeoutError:
            raise ScriptTimeoutError(
                f"did not end within {timeout_s:g} s", host=self.target.name, step=current, last_lines=tuple(tail)
            ) from None
        except (OSError, EOFError, paramiko.SSHException) as exc:
            raise self._lost(current, tail) from exc
        finally:
            channel.close()
        feeder.join()
        if feeder.failure is not None:
            raise PayloadError(
                f"cannot read what is to be sent: {feeder.failure}", host=self.target.name, step=current
            ) from feeder.failure
        if status == _NO_STATUS:
            raise self._killed(current, tail) if channel.eof_received else self._lost(current, tail)
        if status and check:
            raise self._failure(status, current, tuple(tail))
        return Result(status, tuple(tail))

    def put(self, source: bytes | Readable, path: str, *, sha256: str, mode: int = 0o644, step: str = "upload") -> None:
        """Write `source` to `path` on the host, atomically, and only if it arrives with the digest `sha256`."""
        script = f"""set -eu
target={shlex.quote(path)}
mkdir -p "$(dirname "$target")"
part="$target.part.$$"
trap 'rm -f "$part"' EXIT
(umask 077; cat >"$part")
set -- $(sha256sum "$part")
[ "$1" = {shlex.quote(sha256)} ] || {{ echo "arrived damaged: sha256 $1" >&2; exit 65; }}
chmod {mode:o} "$part"
mv -f "$part" "$target"
"""
        self.run(script, payload=source, step=step)

    def put_bytes(self, content: bytes, path: str, *, mode: int = 0o644) -> None:
        """`put` for content at hand."""
        self.put(content, path, sha256=hashlib.sha256(content).hexdigest(), mode=mode)

    def open_tunnel(self, address: str, port: int) -> paramiko.Channel:
        """A stream to `address:port` as the host reaches it."""
        try:
            return self._transport.open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), window_size=_WINDOW, timeout=CONNECT_TIMEOUT_S
            )
        except (OSError, EOFError, paramiko.SSHException) as exc:
            raise UnreachableError(f"cannot reach {address}:{port} through it", host=self.target.name) from exc

    def close(self) -> None:
        self._opened.close()

    def _open(self) -> paramiko.Channel:
        try:
            return self._transport.open_session(window_size=_WINDOW, max_packet_size=_PACKET, timeout=CONNECT_TIMEOUT_S)
        except (OSError, EOFError, paramiko.SSHException) as exc:
            raise self._lost("", ()) from exc

    def _command(self, script: str) -> str:
        # `head -c` takes exactly the script from standard input; what is left there is the payload.
        shell = f'script=$(head -c {len(script.encode())}) && eval "$script"'
        if not self.target.sudo:
            return shlex.join(["sh", "-c", shell])
        ask = ["-n"]
        if self.target.sudo_password:
            # A sudo that asks for no password leaves it on standard input.
            ask = ["-S", "-p", ""]
            shell = f'while IFS= read -r line && [ "$line" != {_START} ]; do :; done; {shell}'
        return shlex.join(["sudo", *ask, "--", "sh", "-c", shell])

    def _preamble(self) -> bytes:
        password = self.target.sudo_password
        return f"{password.reveal()}\n{_START}\n".encode() if self.target.sudo and password else b""

    def _failure(self, status: int, step: str, tail: tuple[str, ...]) -> InstallerError:
        if self.target.sudo and lacks_sudo(tail):
            return NoSudoError(
                f"{self.target.user} cannot become root with sudo",
                host=self.target.name,
                step=step,
                last_lines=tail[-3:],
                hint=f"allow it without a password (`{self.target.user} ALL=(ALL) NOPASSWD: ALL`) or give sudoPassword",
            )
        cause, hint = likely_cause(tail, self.target.name)
        return ScriptError(
            "the script failed",
            host=self.target.name,
            step=step,
            command="sh",
            status=status,
            last_lines=tail[-10:],
            cause=cause,
            hint=hint
            or f"look at the lines above; `ssh -p {self.target.port} {self.target.user}@{self.target.address}`",
        )

    def _killed(self, step: str, tail: deque[str]) -> ScriptError:
        return ScriptError(
            "the script was killed",
            host=self.target.name,
            step=step,
            command="sh",
            last_lines=tuple(tail)[-10:],
            cause="the host is out of memory, or somebody killed it",
            hint=f"`dmesg | grep -i kill` on {self.target.name}, then repeat the command",
        )

    def _lost(self, step: str, tail: deque[str] | tuple[str, ...]) -> ConnectionLostError:
        return ConnectionLostError(
            "the connection was lost",
            host=self.target.name,
            step=step,
            last_lines=tuple(tail)[-5:],
            cause="the host went down, its SSH server restarted, or the network between was cut",
            hint="repeat the command: it goes on from what it finds",
        )


@contextmanager
def connect(target: Target, *, timeout_s: float = CONNECT_TIMEOUT_S) -> Iterator[Connection]:
    """A connection for the length of a `with` block."""
    connection = dial(target, timeout_s=timeout_s)
    try:
        yield connection
    finally:
        connection.close()


def dial(target: Target, *, timeout_s: float = CONNECT_TIMEOUT_S) -> Connection:
    """Reach, verify and log in; raises SshError by cause. The caller closes it."""
    with ExitStack() as opened:
        transport = _handshake(target, timeout_s, opened)
        host_keys.verify(target, transport.get_remote_server_key())
        _login(target, transport)
        transport.set_keepalive(KEEPALIVE_S)
        return Connection(target, transport, opened.pop_all())


def scan_host_key(target: Target, *, timeout_s: float = CONNECT_TIMEOUT_S) -> str:
    """The key that the host shows, `ssh-ed25519 AAAA...`, without logging in."""
    with ExitStack() as opened:
        return host_keys.pinned_text(_handshake(target, timeout_s, opened).get_remote_server_key())


def _handshake(target: Target, timeout_s: float, opened: ExitStack) -> paramiko.Transport:
    stream = _stream(target, timeout_s, opened)
    try:
        transport = paramiko.Transport(stream, default_window_size=_WINDOW, default_max_packet_size=_PACKET)
        opened.callback(transport.close)
        if not logging.getLogger().isEnabledFor(logging.DEBUG):
            transport.logger.setLevel(logging.CRITICAL)  # it logs a traceback for each error that it raises
        wanted = host_keys.key_type(target.host_key) if target.host_key else None
        if wanted:
            transport.get_security_options().key_types = (wanted,)
        _negotiate(transport, timeout_s)
    except (OSError, EOFError, paramiko.SSHException, ValueError) as exc:
        raise UnreachableError(
            f"no SSH session with {target}: {exc}",
            host=target.name,
            cause="something else listens there, or the server offers none of the pinned key's algorithms",
            hint=f"`ssh -v -p {target.port} {target.user}@{target.address}`",
        ) from exc
    return transport


def _negotiate(transport: paramiko.Transport, timeout_s: float) -> None:
    transport.start_client(timeout=timeout_s)
    if not transport.initial_kex_done:  # start_client returns all the same
        raise TimeoutError(f"no answer within {timeout_s:g} s")


def _stream(target: Target, timeout_s: float, opened: ExitStack) -> Any:
    if target.bastion is not None:
        bastion = opened.enter_context(connect(target.bastion, timeout_s=timeout_s))
        tunnel = bastion.open_tunnel(target.address, target.port)
        opened.callback(tunnel.close)
        return tunnel
    try:
        stream = socket.create_connection((target.address, target.port), timeout=timeout_s)
    except OSError as exc:
        raise UnreachableError(
            f"cannot reach {target.address}:{target.port}: {exc.strerror or exc}",
            host=target.name,
            cause="the host is down, its SSH server does not run, or a firewall is in between",
            hint=f"`ssh -v -p {target.port} {target.user}@{target.address}`",
        ) from exc
    opened.callback(stream.close)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":  # others have no such option, or of another kind
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_S * 1000)
    return stream


def _login(target: Target, transport: paramiko.Transport) -> None:
    keys = [_private_key(target, target.key)] if target.key else list(paramiko.Agent().get_keys())
    tried = "the given key" if target.key else f"{len(keys)} key(s) of the SSH agent"
    for key in keys:
        try:
            more = transport.auth_publickey(target.user, key)
        except paramiko.AuthenticationException:
            continue
        except (OSError, EOFError, paramiko.SSHException) as exc:
            raise UnreachableError(f"the login broke off: {exc}", host=target.name) from exc
        if more:
            raise LoginRefusedError(
                f"wants more than {tried} for the login of {target.user}: {', '.join(more)}",
                host=target.name,
                hint="let this user log in with a key alone: AuthenticationMethods in its sshd_config",
            )
        return
    raise LoginRefusedError(
        f"refused the login of {target.user} with {tried}",
        host=target.name,
        hint=f"is the public key in ~{target.user}/.ssh/authorized_keys?",
    )


def _private_key(target: Target, text: Secret) -> paramiko.PKey:
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text.reveal()))
        except (paramiko.SSHException, ValueError):
            continue
    raise LoginRefusedError(
        "the private key cannot be read",
        host=target.name,
        cause="it is no Ed25519, ECDSA or RSA key, or it has a passphrase",
        hint="give a key without a passphrase, or load it into the SSH agent and leave `key` out",
    )


class _Feeder(threading.Thread):
    """Sends everything from a thread: the far side may not read on before its output was read."""

    def __init__(self, channel: paramiko.Channel, head: bytes, payload: bytes | Readable) -> None:
        super().__init__(name=f"feed-{channel.get_id()}", daemon=True)
        self.failure: OSError | None = None  # in reading what is to be sent
        self._channel, self._head = channel, head
        self._source: Readable = io.BytesIO(payload) if isinstance(payload, bytes) else payload

    def run(self) -> None:
        try:
            self._channel.sendall(self._head)
            while chunk := self._read():
                self._channel.sendall(chunk)
            self._channel.shutdown_write()
        except OSError:
            return  # the script ended without reading all of it; its status says whether that was right

    def _read(self) -> bytes:
        try:
            return self._source.read(_CHUNK)
        except OSError as exc:
            self.failure = exc
            self._channel.close()  # nobody is to take the half for the whole
            raise


def _lines(channel: paramiko.Channel, deadline: float) -> Iterator[str]:
    """Lines as they come; raises TimeoutError at `deadline` (monotonic)."""
    rest = b""
    while True:
        channel.settimeout(max(0.01, deadline - time.monotonic()))
        data = channel.recv(_CHUNK)
        if not data:
            break
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")


def _status(channel: paramiko.Channel, deadline: float) -> int:
    """The script's status; it may have closed its output long before. Raises TimeoutError at `deadline`."""
    if not channel.status_event.wait(max(0.01, deadline - time.monotonic())):
        raise TimeoutError
    return channel.recv_exit_status()


def _event(line: str) -> Event | None:
    if not line.startswith(EVENT_MARK):
        return None
    try:
        found = json.loads(line[1:])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
