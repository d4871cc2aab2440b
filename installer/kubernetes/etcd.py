"""One etcd member: flags, certificates, directory; the manager's and a datastore's alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from installer.core import layout
from installer.kubernetes.pki import Subject
from installer.kubernetes.rendering import CertificateRequest, Process, Rendered, flags

CLIENT_PORT = 2379
PEER_PORT = 2380
METRICS_PORT = 2381
CONFIG = f"{layout.CONFIG}/etcd"
DATA = "/var/lib/etcd"
# One that is told to end waits eleven for its clients to leave, who watch, and do not. It may be killed: what it has
# confirmed is on its disk.
STOPS_WITHIN_S: Final = 3


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member among its peers."""

    name: str
    address: str  # where clients and peers reach it
    peers: Mapping[str, str]  # name -> address of all members, this one included
    token: str  # tells one etcd cluster from another
    # True: the others run already; None: the variables ETCD_INITIAL_CLUSTER and _STATE tell at each start.
    joining: bool | None = False
    # Where the members and `joining` are told, for which a member that runs need not start anew; empty: in its flags.
    first_start: str = ""
    listen: str = "0.0.0.0"  # noqa: S104 - mutual TLS guards it; a pod's own address is not known beforehand
    quota_bytes: int = 2 * 2**30
    checks_peer_names: bool = True  # False: a peer's certificate need not name the address it comes from
    names: tuple[str, ...] = ()  # more names and addresses in its certificates
    release: str = layout.CURRENT  # the link or directory its program comes from


def render(member: Member) -> Rendered:
    """The process, certificates and directories of `member`."""
    names = tuple(dict.fromkeys((member.address, "127.0.0.1", "localhost", *member.names)))
    subject = Subject("etcd", names=names, server=True, client=True)
    tls: dict[str, str | int | bool | None] = {
        "trusted-ca-file": f"{CONFIG}/ca.crt",
        "cert-file": f"{CONFIG}/member.crt",
        "key-file": f"{CONFIG}/member.key",
        "client-cert-auth": True,
    }
    told = {
        "initial-cluster": initial_cluster(member.peers),
        "initial-cluster-state": "existing" if member.joining else "new",
    }
    argv = flags(
        {
            "name": member.name,
            "data-dir": DATA,
            "listen-client-urls": f"https://{member.listen}:{CLIENT_PORT}",
            "advertise-client-urls": f"https://{member.address}:{CLIENT_PORT}",
            "listen-peer-urls": f"https://{member.listen}:{PEER_PORT}",
            "initial-advertise-peer-urls": f"https://{member.address}:{PEER_PORT}",
            **({} if member.first_start or member.joining is None else told),
            "initial-cluster-token": member.token,
            "listen-metrics-urls": f"http://127.0.0.1:{METRICS_PORT}",
            # Hosts that carry many clusters have slow moments; a leader that is merely late must not be replaced.
            "heartbeat-interval": 250,
            "election-timeout": 2500,
            "auto-compaction-mode": "periodic",
            "auto-compaction-retention": "5m",
            "quota-backend-bytes": member.quota_bytes,
            "peer-skip-client-san-verification": None if member.checks_peer_names else True,
            "logger": "zap",
            "log-level": "warn",
            **tls,
            **{f"peer-{name}": value for name, value in tls.items()},
        }
    )
    return Rendered(
        processes=(
            Process(
                name="etcd",
                description="etcd, the manager's datastore",
                argv=(f"{member.release}/{layout.BIN}/etcd", *argv),
                notifies=True,
                stops_within_s=STOPS_WITHIN_S,
                reads=(f"{CONFIG}/ca.crt",),
                environment=member.first_start,
            ),
        ),
        # What a member with data does not look at: https://etcd.io/docs/v3.6/op-guide/configuration/#clustering
        files={member.first_start: _variables(told)} if member.first_start else {},
        certificates={f"{CONFIG}/member": CertificateRequest("etcd", subject)},
        directories=(DATA,),
    )


def initial_cluster(peers: Mapping[str, str]) -> str:
    """Members and their addresses, as etcd is told them: https://etcd.io/docs/v3.6/op-guide/clustering/#static."""
    return ",".join(f"{name}=https://{address}:{PEER_PORT}" for name, address in sorted(peers.items()))


def _variables(options: Mapping[str, str]) -> str:
    return "".join(f"ETCD_{name.upper().replace('-', '_')}={value}\n" for name, value in options.items())
