"""Twenty SSH servers of the bench's own, on loopback, that start no more for a command than a shell."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.contract.ssh_server import SshServer


class PlainServer(SshServer):
    """Its shells read no ~/.bashrc: what is in there would be measured with every command."""

    def _prepare(self) -> None:
        super()._prepare()
        with (self.folder / "sshd_config").open("a") as config:
            config.write("SetEnv SHLVL=2\n")  # bash reads it for commands of sshd at the first level only


@contextmanager
def serving(count: int) -> Iterator[Sequence[SshServer]]:
    """Running servers for the length of a `with` block."""
    with tempfile.TemporaryDirectory() as folder:
        servers = [PlainServer(Path(folder) / f"host-{number}") for number in range(count)]
        try:
            for server in servers:
                server.start()
            yield servers
        finally:
            for server in servers:
                server.stop()
