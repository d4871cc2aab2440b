"""A platform in each cloud whose machines are local hosts: all but the cloud's own API is as it would be there."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.platform_under_test import PlatformUnderTest
from tests.fakes.cloud.account import Account
from tests.fakes.cloud.aws import Aws
from tests.fakes.cloud.azure import Azure
from tests.fakes.cloud.cloud import Cloud
from tests.fakes.cloud.gcp import Gcp
from tests.fakes.cloud.machines import LocalMachines
from tests.fakes.cloud.provider import FakeCloud
from tests.fakes.provider import served

_HERE = "198.18.0.0/15"  # where local hosts see this machine; and from where they see each other
_SPECIFICATION = """
apiVersion: moorage.dev/v1
kind: Platform
metadata: {{name: {name}}}
spec:
  release: "2026.11"
  regions:
    - name: home
      provider: {{{provider}, access: {{sources: [{here}], published: [{here}]}}}}
      hosts:
        - {{name: manager, role: manager}}
        - {{name: worker, role: worker, count: 1, zones: {zones}}}
        - {{name: metal, role: dedicated, count: {dedicated}}}
---
apiVersion: moorage.dev/v1
kind: Cluster
metadata: {{name: team-a}}
spec:
  version: 1.37.2
  controlPlane: {{replicas: 1}}
  pools:
    - {{name: general, kind: shared, count: 1, cpu: 1, memory: 1Gi}}
    - {{name: whole, kind: dedicated, hosts: [{whole}]}}
"""
_GROWS, _HAS_DEDICATED = "aws", "gcp"  # each takes its time: one cloud does more, another has a host of another kind
_CLOUDS: dict[str, tuple[type[Cloud], str, str]] = {  # its fake, a provider there, zones of workers
    "aws": (Aws, "kind: aws, region: eu-central-1", "[b]"),
    "azure": (Azure, "kind: azure, location: westeurope", '["2"]'),
    "gcp": (Gcp, "kind: gcp, project: example-123456, region: europe-west3", "[b]"),
}


@dataclass(frozen=True)
class Rented:
    """A platform, the cloud that it is in, and the machines there."""

    platform: PlatformUnderTest
    kind: str
    cloud: FakeCloud
    machines: LocalMachines

    def address(self, name: str) -> str:
        """Of a machine, by its name."""
        account = self.cloud.account
        return account.cloud.address(account, account.machine(f"{self.platform.name}-{name}"))

    def specify(self, old: str, new: str) -> None:
        """Change what is specified."""
        file = self.platform.folder / "platform.yaml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


@pytest.fixture(params=[_GROWS, *(pytest.param(one, marks=pytest.mark.long) for one in _CLOUDS if one != _GROWS)])
def rented(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rented]:
    """A platform that is specified; its machines are gone in the end, whatever happens."""
    kind, provider, zones = _CLOUDS[request.param]
    name = f"cloud-{request.param}"
    dedicated = request.param == _HAS_DEDICATED
    text = _SPECIFICATION.format(
        name=name,
        provider=provider,
        here=_HERE,
        zones=zones,
        dedicated=int(dedicated),
        whole="metal-1" if dedicated else "",
    )
    (tmp_path / "platform.yaml").write_text(text)
    machines = LocalMachines(name, tmp_path / "machines")
    cloud = FakeCloud(Account(kind(), machines=machines))
    with served(cloud) as port:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", f"{kind.package}:{port}")
        try:
            yield Rented(PlatformUnderTest(name, tmp_path), request.param, cloud, machines)
        finally:
            machines.close()


def test_a_platform_in_a_cloud_comes_up_and_leaves_nothing(rented: Rented) -> None:
    """Through the bastion, with host keys that were known before the hosts; a second run has nothing to do.

    One of them grows and shrinks; one has a host that is a node as a whole.
    """
    platform = rented.platform
    assert "manager-1" in platform.must("preview").stdout
    platform.must("up", "--yes", timeout_s=900)
    assert platform.must("status", "-o", "json").json["problems"] == []
    _nobody_comes_in_elsewhere(rented)
    nodes = json.loads(platform.kubectl("team-a", "get", "nodes", "-o", "json").stdout)["items"]
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes} == {"v1.37.2"}
    assert len(nodes) == (2 if rented.kind == _HAS_DEDICATED else 1)
    again = platform.must("up", "--yes")
    assert "Nothing to do" in again.stdout, again.stderr
    if rented.kind == _GROWS:
        _grows_and_shrinks(rented)
    platform.must("destroy", "--yes")
    assert rented.cloud.wrong == []
    assert rented.cloud.account.left() == []
    assert platform.leftovers() == []
    assert rented.machines.booted == set()


def _grows_and_shrinks(rented: Rented) -> None:
    """A worker more, which the cloud makes, and one less, which is emptied before the cloud takes it down."""
    rented.specify("role: worker, count: 1", "role: worker, count: 2")
    rented.platform.must("up", "--yes")
    assert _hosts(rented) == {"manager-1", "worker-1", "worker-2"}
    rented.specify("role: worker, count: 2", "role: worker, count: 1")
    rented.platform.must("up", "--yes")
    assert _hosts(rented) == {"manager-1", "worker-1"}
    assert len(rented.machines.booted) == 3  # with the bastion


def _hosts(rented: Rented) -> set[str]:
    """Names of the hosts that are nodes of the manager, all of them ready."""
    status = rented.platform.must("status", "-o", "json").json
    assert status["problems"] == []
    return {host["name"] for host in rented.platform.must("host", "list", "-o", "json").json}


def _nobody_comes_in_elsewhere(rented: Rented) -> None:
    """What was done so far went through the bastion: this machine reaches no host but that."""
    for name, open_ in (("bastion", True), ("manager-1", False), ("worker-1", False)):
        address = rented.address(name)
        assert _answers(address, 22) is open_
        assert not _answers(address, 6443)


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True
