"""An SSH server of the test's own: OpenSSH's, on a free port of loopback, with keys made for it."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from installer.core.secret import Secret
from installer.transport.target import Target

# Below /usr/sbin, which is not on everybody's PATH.
SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))


def new_key() -> tuple[str, str]:
    """A private key in OpenSSH's form, and its public half as one line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return private, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@dataclass
class SshServer:
    """Start it with `start`; whoever has `key` may log in as the user who runs the tests."""

    folder: Path
    port: int = 0
    key: str = field(default="", repr=False)
    host_key: str = ""
    more: str = ""  # lines of sshd_config
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make keys at the first start, and serve."""
        if not self.key:
            self._prepare()
        assert SSHD is not None
        self.process = subprocess.Popen(
            # It ends with the thread that starts it, also when the tests are killed.
            ["setpriv", "--pdeathsig", "KILL", SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")],
            stderr=(self.folder / "log").open("ab"),
            start_new_session=True,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as stream:
                    if stream.recv(4) == b"SSH-":
                        return
            except OSError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """End it with every session that it serves."""
        if self.process is None:
            return
        for pid in self._sessions():
            with suppress(ProcessLookupError):  # a session ends with the one above it
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.process = None

    @property
    def serving(self) -> int:
        """How many processes serve somebody now."""
        return len(self._sessions())

    def await_idle(self) -> None:
        """Return once nobody is served any more; fails when somebody stays."""
        deadline = time.monotonic() + 10
        while self.serving:
            assert time.monotonic() < deadline, "a session is still open"
            time.sleep(0.02)

    def target(self, **changed: Any) -> Target:
        """How it is reached."""
        good = Target(
            name="one",
            address="127.0.0.1",
            port=self.port,
            user=getpass.getuser(),
            host_key=self.host_key,
            key=Secret(self.key),
        )
        return replace(good, **changed)

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        host_private, self.host_key = new_key()
        self.key, public = new_key()
        (self.folder / "host_key").write_text(host_private)
        (self.folder / "host_key").chmod(0o600)
        (self.folder / "authorized_keys").write_text(public + "\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        Path("/run/sshd").mkdir(exist_ok=True)
        (self.folder / "sshd_config").write_text(
            f"""ListenAddress 127.0.0.1
Port {self.port}
HostKey {self.folder}/host_key
AuthorizedKeysFile {self.folder}/authorized_keys
PidFile {self.folder}/pid
StrictModes no
UsePAM no
{self.more}PasswordAuthentication no
PermitRootLogin prohibit-password
AllowTcpForwarding yes
MaxStartups 100
MaxSessions 100
"""
        )

    def _sessions(self) -> list[int]:
        """The server's own children, and theirs: they outlive it otherwise."""
        assert self.process is not None
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue  # it has ended
        found, last = [], [self.process.pid]
        while last:
            last = [pid for pid, parent in parents.items() if parent in last]
            found += last
        return found
