"""Where clusters are: in regions that the platform has, on hosts that can carry what is to be there."""

from __future__ import annotations

import pytest

from tests.unit.spec.conftest import FaultsOf
from tests.unit.spec.documents import cluster, platform

# Managers in one region only, workers in two of three.
_REGIONS = ", ".join(
    f"{{name: {name}, provider: {{kind: local}}, hosts: [{hosts}]}}"
    for name, hosts in (
        ("north", "{name: m, role: manager, count: 3}, {name: n, role: worker}"),
        ("south", "{name: s, role: worker}"),
        ("plant", "{name: metal, role: dedicated}"),
    )
)


def _pool(regions: str) -> str:
    return f"{{name: general, kind: shared, regions: [{regions}]}}"


@pytest.mark.parametrize(
    ("home", "regions", "told"),
    [
        ("north", "north, south", []),
        ("north", "", []),
        (
            "south",
            "south",
            [
                "spec.controlPlane.region: has no host with the role manager, which the data would lie on: "
                "give it one, or choose one of north"
            ],
        ),
        (
            "east",
            "",
            ["spec.controlPlane.region: is no region of the platform; it has north, south, plant"],
        ),
        (
            "north",
            "south, west",
            ["spec.pools[0].regions[1]: is no region of the platform; it has north, south, plant"],
        ),
        (
            "north",
            "plant",
            ["spec.pools[0].regions[0]: has no host that carries nodes: give it one with the role worker"],
        ),
        ("north", "south, south", ["spec.pools[0]: a region is named twice"]),
    ],
)
def test_regions_of_clusters(faults_of: FaultsOf, home: str, regions: str, told: list[str]) -> None:
    """A control plane is where managers are, nodes are where workers are."""
    document = cluster(pools=_pool(regions), spec=f"  controlPlane: {{region: {home}}}\n")
    found = faults_of(platform(regions=_REGIONS) + document)
    assert [line.split(": ", 1)[1] for line in found] == told


def test_managers_carry_nodes_where_there_are_no_workers(faults_of: FaultsOf) -> None:
    """As everywhere."""
    regions = ", ".join(
        f"{{name: {name}, provider: {{kind: local}}, hosts: [{{name: {name}, role: manager, count: {count}}}]}}"
        for name, count in (("north", 2), ("south", 1))
    )
    assert faults_of(platform(regions=regions) + cluster(pools=_pool("north, south"))) == []


@pytest.mark.parametrize(("grace", "faults"), [("2h", 0), ("0s", 0), ("soon", 1)])
def test_the_grace_of_a_region_is_a_duration(faults_of: FaultsOf, grace: str, faults: int) -> None:
    """Of each region its own."""
    region = f"{{name: home, grace: {grace}, provider: {{kind: local}}, hosts: [{{name: m, role: manager}}]}}"
    assert len(faults_of(platform(regions=region))) == faults
