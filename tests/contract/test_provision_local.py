"""Hosts on this machine, really made: found again, started again, limited, told apart, and gone without a trace."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from installer.core.errors import InfrastructureError
from installer.core.secret import Secret
from installer.provision.local import kernel, machine, network
from installer.provision.provider.local import LocalHost, LocalNetwork
from installer.provision.provider.secrets import new_ssh_key
from installer.transport.connection import connect
from installer.transport.target import Target
from tests.e2e.platform_under_test import podman

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.getuid() != 0 or shutil.which("podman") is None, reason="local hosts need root and podman"),
]
_KEY, _PUBLIC = new_ssh_key()


@dataclass
class Site:
    """A platform's network and hosts, made with the provider's resources and no engine."""

    platform: str
    network: Mapping[str, Any] = field(default_factory=dict)
    hosts: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def open(self) -> Site:
        self.network = LocalNetwork().create({"platform": self.platform}).outputs
        return self

    def inputs(self, name: str, **more: Any) -> dict[str, Any]:
        return {
            "platform": self.platform,
            "name": name,
            "network": self.network["name"],
            "range": self.network["range"],
            "publicKey": _PUBLIC,
            "routes": ["10.127.0.0/16"],
            **more,
        }

    def host(self, name: str, **more: Any) -> Mapping[str, Any]:
        self.hosts[name] = LocalHost().create(self.inputs(name, **more)).outputs
        return self.hosts[name]

    def container(self, name: str) -> str:
        return f"moorage-{self.platform}-{name}"

    def close(self) -> None:
        for name in list(self.hosts):
            LocalHost().delete(self.container(name), self.hosts.pop(name))
        LocalNetwork().delete(self.network["name"], self.network)


@pytest.fixture
def hosts_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where hosts keep their files, in these tests."""
    monkeypatch.setenv("MOORAGE_HOSTS", str(tmp_path / "hosts"))
    return tmp_path / "hosts"


@pytest.fixture
def site(hosts_folder: Path) -> Iterator[Site]:
    """A platform with its network; taken down in the end."""
    found = Site("t-prov-a")
    try:
        yield found.open()
    finally:
        found.close()


def _run(host: Mapping[str, Any], script: str, key: Secret = _KEY) -> str:
    target = Target(name=host["name"], address=host["address"], host_key=host["hostKey"], key=key)
    with connect(target) as connection:
        return "\n".join(connection.run(script).tail)


def test_a_host_is_reached_with_the_platforms_key_and_its_pinned_host_key(site: Site) -> None:
    """It is named as it was asked to be, runs systemd, has its routes, and no way out."""
    host = site.host("one")
    assert _run(host, "hostname; cat /proc/1/comm") == "one\nsystemd"
    assert "10.127.0.0/16" in _run(host, "ip route")
    assert "default" not in _run(host, "ip route")
    with pytest.raises(OSError), socket.create_connection((host["address"], 23), timeout=2):
        pass


def test_making_it_again_finds_it(site: Site) -> None:
    """An interrupted run's host is the one that the next run gets: same container, same key, same address."""
    first = site.host("one")
    before = podman("ps", "--format", "{{.ID}}", "--filter", f"name={site.container('one')}")
    assert site.host("one") == first
    assert podman("ps", "--format", "{{.ID}}", "--filter", f"name={site.container('one')}") == before


def test_a_stopped_host_comes_back_with_its_data(site: Site) -> None:
    """To `read` it is gone; to `create` it is there, and what it wrote is, too."""
    host = site.host("one")
    _run(host, "echo kept >/var/lib/etcd/proof; echo kept >/etc/proof")
    podman("stop", "--time=0", site.container("one"))
    assert LocalHost().read(site.container("one"), host) is None
    assert site.host("one") == host
    assert _run(host, "cat /var/lib/etcd/proof /etc/proof; findmnt -no PROPAGATION /var/lib/kubelet") == (
        "kept\nkept\nshared"
    )


def test_a_half_made_host_is_made_anew(site: Site, hosts_folder: Path) -> None:
    """Killed before it was whole, nothing of it is trusted; it keeps its address."""
    host = site.host("one")
    (hosts_folder / site.platform / "one" / "made").unlink()
    again = site.host("one")
    assert again["hostKey"] != host["hostKey"]
    assert again["address"] == host["address"]
    assert _run(again, "hostname") == "one"


def test_a_host_made_for_another_key_is_made_anew(site: Site) -> None:
    """The state was lost and with it the key: a host that nobody can log in to is no use."""
    site.host("one")
    private, public = new_ssh_key()
    host = site.host("one", publicKey=public)
    assert _run(host, "hostname", private) == "one"


def test_limits_change_in_place(site: Site) -> None:
    """Raised, lowered and taken off while it runs, in Kubernetes' quantities."""
    host = site.host("one", cpu="500m", memory="512Mi")
    started = _run(host, "cat /proc/1/stat")
    seen = [_limits(site)]
    for limits in ({"cpu": "1.5", "memory": "2Gi"}, {"cpu": "250m", "memory": "300M"}, {}):
        updated = LocalHost().update(site.container("one"), host, site.inputs("one", **limits))
        assert {key: updated.outputs.get(key) for key in ("cpu", "memory")} == {"cpu": None, "memory": None, **limits}
        seen.append(_limits(site))
    page = os.sysconf("SC_PAGE_SIZE")
    whole = (float(os.cpu_count() or 1), os.sysconf("SC_PHYS_PAGES") * page)
    assert seen == [(0.5, 512 * 2**20), (1.5, 2 * 2**30), (0.25, 300 * 10**6 // page * page), whole]
    assert _run(host, "cat /proc/1/stat").split()[21] == started.split()[21]


def _limits(site: Site) -> tuple[float, int]:
    """Cores and bytes as the kernel has them for the container, whatever groups its systemd has made below."""
    pid = podman("inspect", "--format", "{{.State.Pid}}", site.container("one")).strip()
    lines = [line.split(":") for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    groups = {
        name: re.sub(r"(.*/libpod-[^/]*).*", r"\1", path).strip("/")
        for _, names, path in lines
        for name in names.split(",")
    }
    root = Path("/sys/fs/cgroup")
    if "memory" not in groups:  # cgroup v2
        quota, period = (root / groups[""] / "cpu.max").read_text().split()
        return int(quota) / int(period), int((root / groups[""] / "memory.max").read_text())
    cpu = root / "cpu" / groups["memory"]
    quota, period = ((cpu / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
    return int(quota) / int(period), int((root / "memory" / groups["memory"] / "memory.limit_in_bytes").read_text())


def test_two_platforms_have_different_ranges_and_hosts(site: Site) -> None:
    """Equal names of hosts do not meet; taking one platform down leaves the other as it is."""
    other = Site("t-prov-b")
    try:
        other.open()
        assert not IPv4Network(site.network["range"]).overlaps(IPv4Network(other.network["range"]))
        mine, theirs = site.host("one"), other.host("one")
        assert mine["address"] != theirs["address"]
    finally:
        other.close()
    assert _run(mine, "hostname") == "one"
    assert network.find("moorage-t-prov-b") is None


def test_the_network_is_found_again(site: Site) -> None:
    """Made twice, it is the same one with the same range; `read` says the same, and None once it is gone."""
    assert LocalNetwork().create({"platform": site.platform}).outputs == site.network
    found = LocalNetwork().read(site.network["name"], site.network)
    assert found is not None
    assert found.outputs == site.network
    assert LocalNetwork().read("moorage-t-prov-none", site.network) is None


def test_regions_share_a_network_and_the_last_one_takes_it_away(site: Site) -> None:
    """Hosts of another region of the platform are not cut off when one region goes."""
    other = Site(site.platform).open()
    assert other.network == site.network
    staying = other.host("two")
    try:
        site.host("one")
        site.close()
        assert _run(staying, "hostname") == "two"
    finally:
        other.close()
    assert network.find(f"moorage-{site.platform}") is None


def test_nothing_is_left_of_it(site: Site, hosts_folder: Path) -> None:
    """No container, network, mount, file or link; deleting it again does nothing."""
    links = _links()
    host = site.host("one")
    podman("exec", site.container("one"), "sh", "-c", "cd /var/lib/kubelet && mkdir pod && mount -t tmpfs none pod")
    network_outputs = site.network
    site.close()
    assert site.container("one") not in podman("ps", "--all", "--format", "{{.Names}}").split()
    assert network.find("moorage-t-prov-a") is None
    assert str(hosts_folder) not in Path("/proc/self/mountinfo").read_text()
    assert list(hosts_folder.rglob("*")) == []
    assert _links() <= links
    LocalHost().delete(site.container("one"), host)
    LocalNetwork().delete("moorage-t-prov-a", network_outputs)


def _links() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def test_a_host_is_deleted_by_the_name_it_was_begun_with(site: Site) -> None:
    """A killed run knows no outputs of it, only what it was to be."""
    host = site.host("one")
    LocalHost().delete("one", {key: host[key] for key in site.inputs("one")})
    assert not machine.running(site.container("one"))
    site.hosts.clear()


def test_the_kernels_limits_hold_while_there_is_a_platform(site: Site) -> None:
    """At least as high as hosts need, by what the kernel itself says."""
    for name, wanted in kernel.WANTED.items():
        assert int((Path("/proc/sys") / name).read_text()) >= wanted


@pytest.mark.parametrize("left", [True, False])
def test_the_kernels_limits_come_back_with_the_last_platform(
    hosts_folder: Path, monkeypatch: pytest.MonkeyPatch, left: bool
) -> None:
    """Not while another platform is left, whoever made it."""
    restored: list[bool] = []
    monkeypatch.setattr(network, "any_left", lambda: left)
    monkeypatch.setattr(kernel, "restore", lambda: restored.append(True))
    LocalNetwork().delete("moorage-t-prov-none", {"platform": "t-prov-none"})
    assert restored == [] if left else [True]


def test_a_host_that_does_not_boot_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the container and what to look at; the next try makes it whole."""
    monkeypatch.setattr(machine, "_SSH_TIMEOUT_S", 1)
    monkeypatch.setattr(machine, "_command", _without_init)
    site.hosts["one"] = site.inputs("one")
    with pytest.raises(Exception, match="SSH server of moorage-t-prov-a-one") as caught:
        site.host("one")
    assert "podman logs moorage-t-prov-a-one" in caught.value.explain()  # type: ignore[attr-defined]
    monkeypatch.undo()
    monkeypatch.setenv("MOORAGE_HOSTS", str(machine_folder(site)))
    assert _run(site.host("one"), "hostname") == "one"


def test_podman_missing_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InfrastructureError, match="podman is not installed") as caught:
        LocalNetwork().create({"platform": "t-prov-none"})
    assert "apt-get install podman" in caught.value.hint


_REAL_COMMAND = machine._command


def _without_init(wanted: machine.Machine) -> list[str]:
    return [*_REAL_COMMAND(wanted)[:-1], "/bin/sleep", "60"]


def machine_folder(site: Site) -> Path:
    """The folder of all hosts, told from where podman mounts one's key."""
    text = podman("inspect", "--format", "{{range .Mounts}}{{.Source}}\n{{end}}", site.container("one"))
    return Path(next(line for line in text.splitlines() if line.endswith("host_key"))).parents[2]
