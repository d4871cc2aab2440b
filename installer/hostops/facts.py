"""What is true of a host now, gathered by one script in one round trip."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from installer.core import layout
from installer.core.errors import HostError
from installer.hostops.state import HostState

if TYPE_CHECKING:  # paramiko is slow to load; whoever has a connection has loaded it
    from installer.transport.connection import Connection

_DISKS = ("/", "/var/lib", "/opt")


@dataclass(frozen=True)
class SeenFile:
    """A file as it is."""

    mode: int
    owner: str  # uid:gid
    sha256: str


@dataclass(frozen=True)
class SeenUnit:
    """A systemd unit as it is."""

    active: str  # active, activating, inactive, failed, ...
    sub: str
    enabled: str  # enabled, disabled, none, ...
    restarts: int


@dataclass(frozen=True)
class Disk:
    """The file system under a path, bytes."""

    size: int
    free: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What Moorage has installed here: files and links by path, units by name with what they were last started on."""

    files: Mapping[str, str] = field(default_factory=dict)  # path -> sha256
    links: Mapping[str, str] = field(default_factory=dict)  # path -> target
    units: Mapping[str, str] = field(
        default_factory=dict
    )  # name -> digest of what it was started on; "": being changed
    release: str = ""  # digest of the bundle that it last ran as a whole, as was seen; "": none yet
    previous: str = ""  # of the one before that; "": there was none
    cluster: str = ""  # that it was made a node of, as a whole; "": none but the manager

    @property
    def serves(self) -> bool:
        """Whether the host has taken part in a platform: from then on it is changed with care."""
        return bool(self.release) or any(self.units.values())

    def to_json(self) -> str:
        return json.dumps({"version": 1, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read it back; what was cut off counts as no manifest: everything is then looked at again."""
        try:
            data = json.loads(text)
            return cls(
                files=data["files"],
                links=data["links"],
                units=data["units"],
                release=data.get("release", ""),
                previous=data.get("previous", ""),
                cluster=data.get("cluster", ""),
            )
        except (ValueError, KeyError, TypeError):
            return cls()


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """One host at one moment."""

    clock_offset_s: float  # how far its clock is ahead of ours; uncertain by half the round trip
    round_trip_s: float
    os_id: str
    os_version: str
    os_name: str
    kernel: str
    arch: str  # amd64, arm64
    hostname: str
    machine_id: str
    product_uuid: str
    uid: int
    cpus: int
    memory: int
    memory_available: int
    swap: int
    cgroup_version: int
    cgroup_controllers: frozenset[str]
    container: str  # none, podman, docker, lxc, ...
    init: str
    systemd: int
    filesystems: frozenset[str]
    modules: frozenset[str]  # loaded or built in
    wireguard: bool  # the kernel has it, or loads it when asked to
    sysctls: Mapping[str, str]
    tools: frozenset[str]
    addresses: tuple[tuple[str, str], ...]  # interface, address/prefix
    mtus: Mapping[str, int]
    default_route: str
    ports: frozenset[int]  # TCP, listened on
    listeners: Mapping[int, str]
    leftovers: tuple[str, ...]
    leftover_units: tuple[str, ...]
    etcd_data: bool
    disks: Mapping[str, Disk]
    releases: Mapping[str, str]  # digest of a bundle that is there in full -> the release it is of
    manifest: Manifest
    files: Mapping[str, SeenFile]
    links: Mapping[str, str]
    directories: Mapping[str, tuple[int, str]]  # mode, owner
    certificates: Mapping[str, str]  # path -> PEM
    units: Mapping[str, SeenUnit]

    @property
    def nested(self) -> bool:
        """Whether the host is a container: then some kernel settings are not its own."""
        return self.container != "none"

    @property
    def current_release(self) -> str:
        """The digest of the bundle that the host runs; empty when it runs none."""
        return self.links.get(layout.CURRENT, "").rsplit("/", 1)[-1]

    def mtu_of(self, address: str) -> int:
        """The MTU of the interface that has `address`; 1500 when none has it."""
        for interface, found in self.addresses:
            if found.split("/")[0] == address:
                return self.mtus.get(interface, 1500)
        return 1500


def gather(connection: Connection, *, certificates: Iterable[str] = (), wanted: HostState | None = None) -> HostFacts:
    """Look at a host: all general facts, the certificates at these paths, and whatever `wanted` is about."""
    requests = [*(f"cert {path}" for path in certificates), *(f"disk {path}" for path in _DISKS), *_requests(wanted)]
    started = time.time()
    lines: list[str] = []
    connection.run(script(), payload="".join(f"{r}\n" for r in requests).encode(), step="facts", on_line=lines.append)
    return parse(lines, started=started, ended=time.time(), host=connection.target.name)


def script() -> str:
    """The script, which reads its requests from standard input."""
    return resources.files(__package__).joinpath("facts.sh").read_text()


def _requests(wanted: HostState | None) -> Iterable[str]:
    if wanted is None:
        return
    for path in wanted.paths:
        yield f"file {path}"
    for unit in wanted.units:
        yield f"unit {unit.name}"


def parse(lines: Iterable[str], *, started: float, ended: float, host: str = "") -> HostFacts:
    """Facts from the script's lines; raises HostError when they are not complete."""
    seen = _Lines(lines)
    if seen.one("done") != "yes":
        raise HostError("the facts of the host came incomplete", host=host, step="facts", hint="repeat the command")
    round_trip = ended - started
    text = seen.one
    return HostFacts(
        clock_offset_s=float(text("clock")) - (started + round_trip / 2),
        round_trip_s=round_trip,
        os_id=text("os_id"),
        os_version=text("os_version"),
        os_name=text("os_name"),
        kernel=text("kernel"),
        arch={"x86_64": "amd64", "aarch64": "arm64"}.get(text("arch"), text("arch")),
        hostname=text("hostname"),
        machine_id=text("machine_id"),
        product_uuid=text("product_uuid"),
        uid=int(text("uid")),
        cpus=int(text("cpus")),
        memory=int(text("memtotal")),
        memory_available=int(text("memavailable")),
        swap=int(text("swaptotal")),
        cgroup_version=int(text("cgroup_version")),
        cgroup_controllers=frozenset(text("cgroup_controllers").split()),
        container=text("container") or "none",
        init=text("init"),
        systemd=int(text("systemd") or 0),
        filesystems=frozenset(text("filesystems").split()),
        modules=frozenset(text("modules").split()) | frozenset(text("builtin").split()),
        wireguard=text("wireguard") == "yes",
        sysctls=_sysctls(seen.values),
        tools=frozenset(seen.all("tool")),
        addresses=tuple((name, address) for name, address in seen.pairs("address")),
        mtus={name: int(mtu) for name, mtu in seen.pairs("mtu")},
        default_route=text("default_route"),
        ports=frozenset(int(port) for port in seen.all("port")),
        listeners={int(port): name for port, name in seen.pairs("listener")},
        leftovers=tuple(seen.all("leftover")),
        leftover_units=tuple(seen.all("leftover_unit")),
        etcd_data=text("etcd_data") == "yes",
        disks={path: Disk(int(size), int(free)) for path, size, free in seen.fields("disk", 3)},
        releases=dict(seen.pairs("release")),
        manifest=Manifest.from_json(base64.b64decode(text("manifest")).decode()) if text("manifest") else Manifest(),
        files={p: SeenFile(int(mode, 8), owner, sha) for p, mode, owner, sha in seen.fields("file", 4)},
        links=dict(seen.pairs("link")),
        directories={p: (int(mode, 8), owner) for p, mode, owner in seen.fields("directory", 3)},
        certificates={path: pem.replace("|", "\n") for path, pem in seen.pairs("cert")},
        units={
            name: SeenUnit(active, sub, enabled, int(restarts))
            for name, active, sub, enabled, restarts in seen.fields("unit", 5)
        },
    )


def _sysctls(values: Mapping[str, list[str]]) -> dict[str, str]:
    """Kernel settings by their names with dots; the script has them by path."""
    found = {key.removeprefix("sysctl."): said[0] for key, said in values.items() if key.startswith("sysctl.")}
    return {path.replace("/", "."): value for path, value in found.items()}


class _Lines:
    """Lines of key, tab, value, by key."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.values: dict[str, list[str]] = {}
        for line in lines:
            key, tab, value = line.partition("\t")
            if tab:
                self.values.setdefault(key, []).append(value)

    def one(self, key: str) -> str:
        return self.values.get(key, [""])[0]

    def all(self, key: str) -> list[str]:
        return self.values.get(key, [])

    def pairs(self, key: str) -> Iterable[tuple[str, str]]:
        yield from self.fields(key, 2)

    def fields(self, key: str, count: int) -> Iterable[Any]:
        for value in self.all(key):
            parts = value.split(None, count - 1)
            if len(parts) == count:
                yield tuple(parts)
