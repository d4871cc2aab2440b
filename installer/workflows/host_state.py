"""The wanted state of a host: what was rendered for it, as files, units, links and kernel settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from installer.core import layout
from installer.core.secret import Secret
from installer.hostops.facts import HostFacts
from installer.hostops.state import Directory, File, HostState, Link, Module, Sysctl, Unit
from installer.kubernetes import pki, units
from installer.kubernetes.issue import Issued
from installer.kubernetes.node import Traits
from installer.kubernetes.rendering import Process, Rendered

# What kubeadm's documentation asks for: pod traffic crosses bridges and is forwarded.
_MODULES = ("overlay", "br_netfilter", "vxlan", "nf_tables")
_SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    # Each containerd and kubelet of each node pod watches files; the defaults are for one desktop.
    "fs.inotify.max_user_instances": "8192",
    "fs.inotify.max_user_watches": "1048576",
}
_PUBLIC, _PRIVATE = 0o644, 0o600


def host_state(
    rendered: Rendered, issued: Issued, *, bundle_digest: str, traits: Traits, etcd_digest: str = ""
) -> HostState:
    """Everything that must hold on a host for `rendered` to run from the bundle `bundle_digest`.

    `etcd_digest`: the bundle that etcd comes from where that is another.

    A container has its machine's kernel: there, modules and settings are not the host's to change.
    """
    kernel = HostState() if traits.nested else _kernel((*_MODULES, *rendered.modules))
    return kernel | HostState(
        directories=tuple(Directory(path, 0o700) for path in rendered.directories),
        links=tuple(_links(rendered, bundle_digest, etcd_digest or bundle_digest)),
        files=(*_files(rendered.files), *_certificates(issued), *map(_unit_file, rendered.processes)),
        units=tuple(_unit(process) for process in rendered.processes),
    )


def traits_of(seen: HostFacts, *, address: str) -> Traits:
    """What a node on this host must adapt to; `address` is the one that carries its traffic."""
    return Traits(cgroup_version=seen.cgroup_version, nested=seen.nested, mtu=seen.mtu_of(address))


def seen_certificates(seen: HostFacts, *, since: datetime | None = None) -> Mapping[str, str]:
    """The certificates of a host by path without suffix, but for those that begin before `since`."""
    found = {path.removesuffix(".crt"): text for path, text in seen.certificates.items()}
    return {stem: text for stem, text in found.items() if since is None or pki.begins(text) >= since}


def _kernel(modules: tuple[str, ...]) -> HostState:
    settings = "".join(f"{key} = {value}\n" for key, value in sorted(_SYSCTLS.items()))
    return HostState(
        modules=tuple(Module(name) for name in modules),
        sysctls=tuple(Sysctl(key, value) for key, value in sorted(_SYSCTLS.items())),
        files=(
            File("/etc/modules-load.d/moorage.conf", "".join(f"{name}\n" for name in modules)),
            File("/etc/sysctl.d/90-moorage.conf", settings),
        ),
    )


def _links(rendered: Rendered, bundle_digest: str, etcd_digest: str) -> Iterator[Link]:
    yield Link(layout.CURRENT, f"{layout.RELEASES}/{bundle_digest}")
    if any(_release_of(process) == layout.ETCD for process in rendered.processes):
        yield Link(layout.ETCD, f"{layout.RELEASES}/{etcd_digest}")


def _release_of(process: Process) -> str:
    """The link that a process' program is found by."""
    return layout.ETCD if process.argv[0].startswith(f"{layout.ETCD}/") else layout.CURRENT


def _files(files: Mapping[str, str | Secret]) -> Iterator[File]:
    for path, content in files.items():
        yield File(path, content, _PRIVATE if isinstance(content, Secret) else _PUBLIC)


def _certificates(issued: Issued) -> Iterator[File]:
    for stem, credential in issued.new.items():
        yield File(f"{stem}.crt", credential.cert_pem, _PUBLIC)
        yield File(f"{stem}.key", credential.key_pem, _PRIVATE)
    for stem in issued.kept:
        yield File(f"{stem}.crt", None, _PUBLIC)
        yield File(f"{stem}.key", None, _PRIVATE)


def _unit_file(process: Process) -> File:
    return File(f"{layout.UNITS}/{units.unit_name(process)}", units.unit_text(process))


def _unit(process: Process) -> Unit:
    name = units.unit_name(process)
    return Unit(name, restart_on=(_release_of(process), f"{layout.UNITS}/{name}", *process.reads))
