"""A port on this machine's loopback that leads through an SSH host to an address behind it."""

from __future__ import annotations

import logging
import selectors
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

from installer.core.errors import InstallerError

_CHUNK = 1 << 16
log = logging.getLogger(__name__)


class Forward:
    """Listens at once; the way is only opened for each connection, and one that cannot be had is closed again."""

    def __init__(self, open_tunnel: Callable[[], Any]) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                _carry(self.request, open_tunnel)

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Take no more connections; those that are open end with the SSH host's."""
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


def _carry(client: socket.socket, open_tunnel: Callable[[], Any]) -> None:
    """Bytes in both directions, until one side has no more."""
    try:
        with closing(open_tunnel()) as tunnel, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, (client, tunnel))
            ready.register(tunnel, selectors.EVENT_READ, (tunnel, client))
            while True:
                for key, _ in ready.select():
                    source, sink = key.data
                    if not (data := source.recv(_CHUNK)):
                        return
                    sink.sendall(data)
    except (InstallerError, OSError, EOFError) as exc:
        log.debug("A forwarded connection ended", extra={"reason": str(exc)})
