"""What may change after creation, field by field."""

from __future__ import annotations

import pytest

from installer.spec.changes import check_change
from tests.unit.spec.conftest import Write, load_text
from tests.unit.spec.documents import cluster, onprem, platform, pool

WORKER = "{name: w, role: worker, address: 192.0.2.2}"
MANAGER = "{name: m, role: manager, address: 192.0.2.1}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (platform(), platform().replace("2026.11", "2026.12")),
        (platform(), platform().replace("count: 2", "count: 9")),
        (platform(), platform() + cluster()),
        (platform() + cluster(), platform()),
        (platform() + cluster(), platform() + cluster(version="1.37.2")),
        (platform() + cluster(), platform() + cluster(pools=pool())),
        (platform() + cluster(pools=pool()), platform() + cluster(pools=pool(count=9, memory="4Gi"))),
        (onprem(MANAGER), onprem(f"{WORKER}, {MANAGER}")),
        (onprem(MANAGER), onprem(MANAGER, ssh="{user: admin}")),
        (onprem(MANAGER), platform()),  # other hosts altogether, in another region
    ],
)
def test_what_may_change_changes(write: Write, old: str, new: str) -> None:
    """Scaling, upgrades, new clusters and pools, how hosts are reached."""
    assert check_change(load_text(write, old), load_text(write, new)) == ()


@pytest.mark.parametrize(
    ("old", "new", "faults"),
    [
        (platform(), platform(name="haven"), ["3: metadata.name: may not change after creation"]),
        (
            platform() + cluster(version="1.37.2"),
            platform() + cluster(version="1.36.3"),
            ["12: spec.version: 1.36.3 is older than 1.37.2: a control plane does not go back"],
        ),
        (
            platform() + cluster(version="1.35.1"),
            platform() + cluster(version="1.37.2"),
            ["12: spec.version: from 1.35.1 by way of 1.36: one minor version at a time"],
        ),
        (
            platform(),
            platform(spec="  manager: {network: {pods: 10.64.0.0/14}}\n"),
            ["7: spec.manager.network.pods: may not change after creation"],
        ),
        (
            platform(),
            platform(hosts="{name: manager, role: manager}, {name: worker, role: worker, zones: [b]}"),
            ["6: spec.regions[0].hosts[1].zones: may not change after creation"],
        ),
        (
            onprem(f"{MANAGER}, {WORKER}"),
            onprem(f"{MANAGER}, {WORKER.replace('192.0.2.2', '192.0.2.3')}"),
            ["6: spec.regions[0].hosts[1].address: may not change after creation"],
        ),
        (
            platform(),
            onprem(MANAGER).replace("name: hall", "name: home"),
            ["6: spec.regions[0].provider.kind: may not change after creation"],
        ),
        (
            platform() + cluster(),
            platform() + cluster(spec="  network: {pods: 10.200.0.0/16, services: 10.97.0.0/16}\n"),
            [
                "14: spec.network.pods: may not change after creation",
                "14: spec.network.services: may not change after creation",
            ],
        ),
    ],
)
def test_what_may_not_change_is_named(write: Write, old: str, new: str, faults: list[str]) -> None:
    """By its line and path in the new specification."""
    found = check_change(load_text(write, old), load_text(write, new))
    assert [str(fault).partition("platform.yaml:")[2] for fault in found] == faults


def test_what_was_left_out_is_told_at_its_nearest_line(write: Write) -> None:
    """A default in the place of what was written is a change, too."""
    old = load_text(write, platform() + cluster(spec="  network: {domain: example}\n"))
    new = load_text(write, platform() + cluster())
    assert [str(fault).partition("platform.yaml:")[2] for fault in check_change(old, new)] == [
        "11: spec.network.domain: may not change after creation"
    ]
