"""The on-prem example on machines that exist already: trusted, installed, and left as they were found."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from installer.core import cache, layout
from installer.core.errors import ExitCode
from installer.kubernetes import members
from installer.provision.local import kernel, machine, network, rootfs
from installer.provision.provider.secrets import new_ssh_key
from tests.e2e import broken_release
from tests.e2e.platform_under_test import PlatformUnderTest, podman
from tests.e2e.traffic import Traffic, api

_EXAMPLE = Path(__file__).parents[2] / "examples" / "02-onprem-three-managers" / "platform.yaml"
_NAME = "t-prov-quay"
# What the event says after which `up` is killed: bundle half sent, hosts half configured, manager half set up, cluster
# begun.
_KILLED_AT = ("sending kubernetes", "receive files", "applying what runs", "apply-cluster")
_ELSEWHERE_S = 20  # nine until the claim has run out, and a turn
_ASKED = 500  # times at least, each
_HOSTS = ("manager-1", "manager-2", "manager-3")
_SPARE = "manager-4"  # a machine that the specification does not name at first
_FINGERPRINT = re.compile(r"create (manager-\d): its host key is not known yet; it shows \S+ (SHA256:[\w+/]+)")
# Directories that change by themselves on any running machine.
_RESTLESS = (
    "/proc",
    "/sys",
    "/tmp",
    "/var/log",
    "/run/systemd*",
    "/run/user*",
    "/run/log*",
    "/run/lock*",
    "/run/motd*",
)


@dataclass(frozen=True)
class Hall:
    """Four machines with systemd and sshd, and the folder of a specification that names three of them."""

    folder: Path
    platform: PlatformUnderTest
    addresses: dict[str, str]
    vip: str  # nobody's at first

    def listing(self, *hosts: str) -> set[str]:
        """Every file of some machines, with its mode, owner and target, and every link and table of their network."""
        prune = " -o ".join(f"-path '{path}'" for path in (*_RESTLESS, "/var/lib/systemd*"))
        data = " ".join(f"/var/lib/{name}" for name in ("etcd", "kubelet", "containerd", "moorage"))
        script = (
            f"find / {data} /opt/moorage /run -xdev \\( {prune} \\) -prune -o -printf '%p %y %m %u %l\\n';"
            " ls /sys/class/net; ip -o -4 addr; nft list tables;"
            " systemctl list-unit-files --no-legend | cut -d' ' -f1,2"
        )
        # These are mounts here, so they stay, and their modes with them.
        mounts = {f"/var/lib/{name} d" for name in ("etcd", "kubelet", "containerd")}
        lines = ((name, line) for name in hosts for line in self.sh(name, script).splitlines())
        return {f"{name}: {line}" for name, line in lines if " ".join(line.split()[:2]) not in mounts}

    def sh(self, host: str, script: str) -> str:
        return podman("exec", f"{_NAME}-{host}", "sh", "-c", script)

    def replace(self, old: str, new: str) -> None:
        """Put another machine in the place of one in the specification, its key pinned."""
        path = self.folder / "platform.yaml"
        key = self.sh(new, "ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key").strip()
        line = f"- {{name: {new}, role: manager, address: {self.addresses[new]}, zone: c, hostKey: '{key}'}}"
        path.write_text(re.sub(rf"- {{name: {old},.*}}", line, path.read_text()))

    def share(self) -> None:
        """Give the managers an address that they share."""
        path = self.folder / "platform.yaml"
        path.write_text(path.read_text().replace("kind: onprem\n", f"kind: onprem\n        vip: {self.vip}\n"))

    def pin(self, fingerprints: dict[str, str]) -> None:
        """Add the host keys to the specification, as its reader was told to."""
        path = self.folder / "platform.yaml"
        text = path.read_text()
        for name, fingerprint in fingerprints.items():
            text = re.sub(rf"(name: {name},.*)}}", rf'\1, hostKey: "{fingerprint}"}}', text)
        path.write_text(text)


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    """The machines; gone in the end, whatever is on them."""
    private, public = new_ssh_key()
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text(private.reveal())
    text = _EXAMPLE.read_text().replace("name: quay", f"name: {_NAME}").replace("~/.ssh/id_ed25519", str(key))
    text = text.replace("2026.11", "2026.10").replace("1.37.2", "1.36.3")  # to be upgraded
    given = {}
    try:
        with kernel.held():
            kernel.raise_limits()
            addresses = network.create(_NAME, _NAME)
        for number, name in enumerate((*_HOSTS, _SPARE), start=11):
            host_key, _ = new_ssh_key()
            machine.create(
                machine.Machine(
                    container=f"{_NAME}-{name}",
                    hostname=name,
                    network=_NAME,
                    address=str(addresses[number]),
                    folder=tmp_path / "machines" / name,
                    rootfs=rootfs.ensure(cache.root()),
                    routes=("10.127.0.0/16",),
                    public_key=public,
                    host_key=host_key.reveal(),
                )
            )
            given[name] = str(addresses[number])
            text = text.replace(f"192.0.2.{number}", given[name])
        assert "192.0.2." not in text
        (tmp_path / "platform.yaml").write_text(text)
        yield Hall(tmp_path, PlatformUnderTest(_NAME, tmp_path), given, str(addresses[10]))
    finally:
        for name in (*_HOSTS, _SPARE):
            machine.delete(f"{_NAME}-{name}", tmp_path / "machines" / name)
        with kernel.held():
            network.delete(_NAME)
            if not network.any_left():
                kernel.restore()


def test_machines_become_a_platform_are_upgraded_and_left_as_they_were(hall: Hall, tmp_path: Path) -> None:
    """Nothing is done to a machine before its key is pinned; in the end all that was installed is gone again.

    `up` goes on from wherever it was killed; each run gets further than the one before.

    Between that, from the release before to the newest: refused while a member is away, put back where the newer one
    does not start, killed and gone on with, all while clients ask; then the cluster itself. Then one manager takes
    another's place, and they get an address that they share.
    """
    before = hall.listing(*_HOSTS, _SPARE)
    _pin(hall)
    checked = hall.platform.must("preflight", "-o", "json").json
    assert {result["name"] for result in checked["checks"]} >= {"reach", "disk", "clock"}
    assert "host manager-1" in hall.platform.must("preview").stdout
    assert hall.listing(*_HOSTS, _SPARE) == before

    for point in _KILLED_AT:
        hall.platform.kill_when(lambda line, point=point: point in line, "up", "--yes", "-o", "json")
    hall.platform.must("up", "--yes", timeout_s=900)
    assert hall.platform.must("status", "-o", "json").json["problems"] == []
    assert _versions(hall) == {"v1.36.3"}
    assert "Nothing to do" in hall.platform.must("up", "--yes").stdout

    _refused_while_a_member_is_away(hall)
    _put_back_where_it_does_not_start(hall, tmp_path / "cache")
    with Traffic([api(hall.platform, "team-a"), api(hall.platform, "manager")]) as traffic:
        _killed_and_gone_on_with(hall)
        hall.platform.must("cluster", "upgrade", "team-a", "--yes")
        _another_in_its_place(hall, before)
    assert {name: lost for name, lost in traffic.lost.items() if name != "API of manager"} == {}
    assert all(one.count > _ASKED for one in traffic.asked)
    assert _versions(hall) == {"v1.37.2"}
    assert hall.platform.must("status", "-o", "json").json["problems"] == []
    assert "Nothing to do" in hall.platform.must("up", "--yes").stdout

    _the_address_goes_elsewhere(hall)
    hall.platform.must("destroy", "--yes")
    _is_as_before(hall, before, *_HOSTS, _SPARE)


def _pin(hall: Hall) -> None:
    refused = hall.platform.run("preview")
    assert refused.status != 0
    shown = dict(_FINGERPRINT.findall(refused.stderr))
    assert set(shown) == set(_HOSTS), refused.stderr
    for name in _HOSTS:
        assert shown[name] in hall.sh(name, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key")
    hall.pin(shown)


def _the_address_goes_elsewhere(hall: Hall) -> None:
    """Users are told it first. Where its holder freezes, the kernel takes it off before another has it."""
    for cluster in ("manager", "team-a"):
        assert f"https://{hall.vip}:" in hall.platform.must("cluster", "kubeconfig", cluster).stdout
    (first,) = _holders(hall)
    hall.sh(first, "systemctl kill --signal STOP moorage-vip")
    held = {(first,)}
    began = time.monotonic()
    while (now := _holders(hall)) in ((), (first,)):
        held.add(now)
        assert time.monotonic() - began < _ELSEWHERE_S
    assert held == {(first,), ()}
    assert len(now) == 1
    hall.sh(first, "systemctl kill --signal CONT moorage-vip")


def _holders(hall: Hall) -> tuple[str, ...]:
    return tuple(name for name in hall.addresses if f" {hall.vip}/32 " in hall.sh(name, "ip -o -4 addr"))


def _refused_while_a_member_is_away(hall: Hall) -> None:
    """It is named, and no host is touched."""
    hall.sh("manager-3", "systemctl stop etcd")
    refused = hall.platform.run("upgrade", "--to", "2026.11", "--yes")
    hall.sh("manager-3", "systemctl start etcd")
    assert refused.status == ExitCode.PREFLIGHT, refused.stderr
    assert "etcd-members: manager-3" in refused.stderr
    assert _releases(hall) == {"2026.10"}


def _put_back_where_it_does_not_start(hall: Hall, cache_folder: Path) -> None:
    """The host is whole on the release that it had, the others are not touched, and the reason is named."""
    env = broken_release.make(cache_folder, "2026.11", "bin/etcd")
    failed = hall.platform.run("upgrade", "--yes", env=env)
    assert failed.status == ExitCode.HOST, failed.stderr
    assert "manager-1: change: etcd does not come up" in failed.stderr
    assert "this release was made to fail" in failed.stderr
    assert "manager-1 is back on 2026.10" in failed.stderr
    assert _releases(hall) == {"2026.10"}
    assert "failed: managers/manager-1/change-host" in hall.platform.must("plan", "show").stdout


def _killed_and_gone_on_with(hall: Hall) -> None:
    """In the middle of the second manager; what is done stays done."""
    step = '"id": "managers/manager-2/change-host", "text": "receive files"'
    hall.platform.kill_when(lambda line: step in line, "upgrade", "--yes", "-o", "json")
    assert "cut off: managers/manager-2/change-host" in hall.platform.must("plan", "show").stdout
    gone_on = hall.platform.must("plan", "retry", "--yes", timeout_s=900)
    assert "managers/manager-1" not in gone_on.stderr
    assert _releases(hall) == {"2026.11"}


def _another_in_its_place(hall: Hall, before: set[str]) -> None:
    """A new manager joins, killed in the middle and gone on with; of the old one nothing of ours stays."""
    hall.replace("manager-3", _SPARE)
    hall.share()
    step = f'"id": "join/{_SPARE}/join-manager", "text": "receive files"'
    hall.platform.kill_when(lambda line: step in line, "up", "--yes", "-o", "json")
    hall.platform.must("up", "--yes", timeout_s=900)
    assert _members(hall) == {"manager-1", "manager-2", _SPARE}
    _is_as_before(hall, before, "manager-3")


def _members(hall: Hall) -> set[str]:
    """Of etcd, with a vote."""
    (*printed,) = hall.sh("manager-1", members.LOOK).splitlines()
    return {one.name for one in members.parse("manager-1", printed).members if not one.learner}


def _is_as_before(hall: Hall, before: set[str], *names: str) -> None:
    were = {line for line in before if line.split(":")[0] in names}
    left = sorted(hall.listing(*names) ^ were)
    assert left == [], "\n".join(left)


def _versions(hall: Hall) -> set[str]:
    nodes = json.loads(hall.platform.kubectl("team-a", "get", "nodes", "-o", "json").stdout)["items"]
    assert len(nodes) == 2
    return {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes}


def _releases(hall: Hall) -> set[str]:
    """What the hosts were last whole on, as they say themselves."""
    digests = {name: json.loads(hall.sh(name, f"cat {layout.MANIFEST}"))["release"] for name in _HOSTS}
    manifests = [hall.sh(name, f"cat {layout.RELEASES}/{digest}/manifest.json") for name, digest in digests.items()]
    return {json.loads(text)["release"] for text in manifests}
