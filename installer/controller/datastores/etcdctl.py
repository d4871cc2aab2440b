"""One etcd through the release's own etcdctl, which answers in JSON; 20 ms and 20 MB while a command runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from installer.core import layout
from installer.core.errors import KubernetesError, RetryableError
from installer.kubernetes import datastore, etcd, pki

_PROGRAM: Final = f"{layout.CURRENT}/{layout.BIN}/etcdctl"
# etcd tells in words alone that something was there, or gone, already.
_DONE_BEFORE: Final = ("already exists", "not found", "already granted", "is not granted", "has been compacted")
_TIMEOUT_S: Final = 30
_DEFRAGMENT_TIMEOUT_S: Final = 120  # about a second for 100 MB; the member serves nothing meanwhile
_NOSPACE: Final = 1  # etcdserverpb.AlarmType


class EtcdError(KubernetesError, RetryableError):
    """etcd did not do what it was asked, or not yet."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member as its peers know it. `name` is empty until it has started for the first time."""

    id: str  # hex, as etcdctl takes it
    name: str
    address: str  # of its Service
    learner: bool


@dataclass(frozen=True, kw_only=True)
class Status:
    """What a member says of itself. Sizes in bytes: of its file, and of what is not free in it."""

    id: str
    leader: str  # "": it knows of none
    revision: int
    index: int  # of the last entry of the log that it has carried out
    size: int
    in_use: int
    troubled: bool  # an alarm is raised somewhere


class Etcdctl:
    """An etcd by the addresses of its members. Holds no connection: each call is a process."""

    def __init__(self, addresses: Sequence[str], authority: pki.CertificateAuthority, folder: Path) -> None:
        """`folder` is this etcd's own: it keeps the certificate of the root user, which etcdctl reads from files."""
        credential = authority.issue(pki.Subject(datastore.ROOT_USER))
        texts = {
            "ca.crt": authority.trusted,
            "client.crt": credential.cert_pem,
            "client.key": credential.key_pem.reveal(),
        }
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(text)
        self.folder = folder
        self._renewal = pki.renewal_time(credential.cert_pem)
        self.servers = servers(addresses)

    @property
    def due(self) -> bool:
        """Whether its certificate is to be renewed: time for another one of this class."""
        return datetime.now(UTC) >= self._renewal

    def members(self) -> tuple[Member, ...]:
        """All members, as a quorum of them agrees; raises EtcdError without one."""
        found = json.loads(self._run(["member", "list", "-w", "json"]))
        return tuple(_member(entry) for entry in found["members"])

    def statuses(self, addresses: Sequence[str]) -> dict[str, Status]:
        """What each member that answers, of those at `addresses`, says of itself, by its address."""
        if not addresses:
            return {}
        asked = servers(addresses)
        done = self._process(["endpoint", "status", "-w", "json", "--command-timeout=2s"], asked=asked)
        found = json.loads(done.stdout) if done.stdout.strip() else []
        return {_host(entry["Endpoint"]): _status(entry["Status"]) for entry in found or ()}

    def guarded(self) -> bool:
        """Whether users must say who they are."""
        return bool(json.loads(self._run(["auth", "status", "-w", "json"])).get("enabled"))

    def alarms(self) -> tuple[str, ...]:
        """The names of alarms that are raised, NOSPACE or CORRUPT."""
        found = json.loads(self._run(["alarm", "list", "-w", "json"])).get("alarms") or ()
        return tuple(sorted({"NOSPACE" if alarm.get("alarm") == _NOSPACE else "CORRUPT" for alarm in found}))

    def add_learner(self, name: str, address: str) -> str:
        """Announce a member that will start at `address`; returns its id."""
        url = f"https://{address}:{etcd.PEER_PORT}"
        words = ["member", "add", name, "--learner", f"--peer-urls={url}", "-w", "json"]
        return f"{json.loads(self._run(words))['member']['ID']:x}"

    def hand_over(self, leader: str, successor: str) -> None:
        """Have the leader at an address leave that to the member with an id: nobody waits for an election."""
        self._run(["move-leader", successor], asked=servers([leader]))

    def run_all(self, commands: Iterable[Sequence[str]]) -> None:
        """Run commands one after the other; what was done before is fine."""
        for command in commands:
            self._run(command, done_before=True)

    def defragment(self, address: str) -> None:
        """Give the space that a member does not use back to its host; it stands still meanwhile."""
        self._run(["defrag", f"--command-timeout={_DEFRAGMENT_TIMEOUT_S}s"], asked=servers([address]))

    def _run(self, words: Sequence[str], *, done_before: bool = False, asked: Sequence[str] = ()) -> str:
        done = self._process(words, asked=asked)
        if done.returncode and not (done_before and any(known in done.stderr for known in _DONE_BEFORE)):
            raise EtcdError(
                f"etcdctl {' '.join(words[:2])} failed", last_lines=[plain(x) for x in done.stderr.splitlines()[-3:]]
            )
        return done.stdout

    def _process(self, words: Sequence[str], *, asked: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        options = [
            f"--endpoints={','.join(asked or self.servers)}",
            f"--cacert={self.folder / 'ca.crt'}",
            f"--cert={self.folder / 'client.crt'}",
            f"--key={self.folder / 'client.key'}",
            "--dial-timeout=2s",
        ]
        if not any(word.startswith("--command-timeout") for word in words):
            options.append("--command-timeout=5s")
        try:
            return subprocess.run(
                [_PROGRAM, *options, *words],
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S + _DEFRAGMENT_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise EtcdError(f"etcdctl {' '.join(words[:2])} did not end") from exc


def servers(addresses: Sequence[str]) -> tuple[str, ...]:
    """URLs for clients of the members at some addresses."""
    return tuple(f"https://{address}:{etcd.CLIENT_PORT}" for address in addresses)


def _member(entry: dict[str, Any]) -> Member:
    return Member(
        id=f"{entry['ID']:x}",
        name=entry.get("name", ""),
        address=_host(entry["peerURLs"][0]),
        learner=bool(entry.get("isLearner")),
    )


def _status(entry: dict[str, Any]) -> Status:
    leader = entry.get("leader", 0)
    return Status(
        id=f"{entry['header']['member_id']:x}",
        leader=f"{leader:x}" if leader else "",
        revision=entry["header"].get("revision", 0),
        index=entry.get("raftAppliedIndex", 0),
        size=entry.get("dbSize", 0),
        in_use=entry.get("dbSizeInUse", 0),
        troubled=any("alarm" in str(error).lower() for error in entry.get("errors") or ()),
    )


def _host(url: str) -> str:
    return url.removeprefix("https://").rpartition(":")[0]


def plain(line: str) -> str:
    """The reason inside a line of etcd's log, which is JSON; other lines as they are."""
    try:
        found = json.loads(line)
    except ValueError:
        return line
    return str(found.get("error") or found.get("msg") or line) if isinstance(found, dict) else line
