"""What platforms cost a month, by a table whose prices are easy to add up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from installer.core.errors import SpecError
from installer.spec import billed, costs
from installer.spec.costs import Costs, Prices
from installer.spec.platform import Platform
from installer.spec.specification import load_text
from tests.unit.spec.documents import aws, azure, gcp, platform

_PRICES = Prices.model_validate(
    {
        "date": "2026-01-19",
        "currency": "USD",
        "hours": 100,
        "prices": {
            "aws": {
                "eu-central-1": {
                    "instance": {"m7i.large": 1, "t3.micro": 0.5},
                    "disk": {"gp3": 0.1, "io2": 0.2},
                    "iops": {"gp3": 0.01, "io2": 0.02},
                    "balancer": {"network": 2},
                    "gateway": {"nat": 3},
                    "address": {"public": 0.1},
                }
            }
        },
    }
)
_BASTION = {"instance t3.micro": 50.0, "balancer network": 200.0}


def _platform(text: str) -> Platform:
    found = load_text(text, directory=Path()).platform
    assert found
    return found


def _costs(text: str) -> dict[str, float | None]:
    found = costs.compare(None, _platform(text), _PRICES)
    return {cost.what: cost.month for cost in found.after} if found else {}


@pytest.mark.parametrize(
    ("text", "month"),
    [
        (platform(), {}),
        # A manager with 50 GiB, a bastion with 10, one gateway; an address of each of the two.
        (
            aws(hosts="{name: m, role: manager}"),
            {
                **_BASTION,
                "instance m7i.large": 100.0,
                "disk gp3": 6.0,
                "address public": 20.0,
                "gateway nat": 300.0,
            },
        ),
        # A gateway in each of the three zones that hosts may be in.
        (
            aws("network: {nat: zone}", hosts="{name: m, role: manager, count: 3}"),
            {
                **_BASTION,
                "instance m7i.large": 300.0,
                "disk gp3": 16.0,
                "address public": 40.0,
                "gateway nat": 900.0,
            },
        ),
        # No gateway; operations that do not come with the disk.
        (
            aws("network: {nat: none}", hosts="{name: m, role: manager, disk: {size: 20Gi, type: io2, iops: 4000}}"),
            {
                **_BASTION,
                "instance m7i.large": 100.0,
                "disk io2": 4.0,
                "iops io2": 80.0,
                "disk gp3": 1.0,
                "address public": 10.0,
            },
        ),
        # What comes with a gp3 disk costs nothing more.
        (
            aws(
                "network: {nat: none}",
                hosts="{name: m, role: manager, disk: {iops: 3000}}, {name: w, role: worker, disk: {iops: 3500}}",
            ),
            {**_BASTION, "instance m7i.large": 200.0, "disk gp3": 11.0, "iops gp3": 5.0, "address public": 10.0},
        ),
        # What has no price is not guessed at.
        (
            aws(
                "network: {nat: none}",
                hosts="{name: m, role: manager}, {name: w, role: worker, spot: true}, "
                "{name: x, role: worker, count: 0, instanceType: c7i.large}",
            ),
            {
                **_BASTION,
                "instance m7i.large": 100.0,
                "instance m7i.large (spot)": None,
                "disk gp3": 11.0,
                "address public": 10.0,
            },
        ),
    ],
)
def test_what_a_platform_costs(text: str, month: dict[str, float | None]) -> None:
    """Machines of one's own cost nothing; on AWS all that is paid for while it is there."""
    assert _costs(text) == month


def test_hosts_with_public_addresses_need_neither_bastion_nor_gateway() -> None:
    """They pay for their addresses instead, and so does the balancer, for one a zone."""
    text = aws(hosts="{name: m, role: manager, zones: [a]}").replace(
        "sources: [192.0.2.0/24]", "sources: [192.0.2.0/24], public: true"
    )
    assert _costs(text) == {
        "instance m7i.large": 100.0,
        "disk gp3": 5.0,
        "balancer network": 200.0,
        "address public": 20.0,
    }


def test_a_second_balancer_costs_what_it_has() -> None:
    """A public one beside that of the API: itself, and an address a zone. One inside adds nothing."""
    text = aws(hosts="{name: m, role: manager, zones: [a]}")
    inside = text.replace("192.0.2.0/24]", "192.0.2.0/24], clusterBalancer: internal")
    public = text.replace("192.0.2.0/24]", "192.0.2.0/24], clusterBalancer: public")
    assert _costs(inside) == _costs(text)
    assert (_costs(text)["balancer network"], _costs(text)["address public"]) == (200.0, 20.0)
    assert (_costs(public)["balancer network"], _costs(public)["address public"]) == (400.0, 30.0)


def test_volumes_cost_what_disks_do() -> None:
    """By their kind, size and operations."""
    text = aws(hosts="{name: m, role: manager, volumes: [{mount: /var/lib/etcd, size: 20Gi, type: io2, iops: 4000}]}")
    assert (_costs(text)["disk io2"], _costs(text)["iops io2"], _costs(text)["disk gp3"]) == (4.0, 80.0, 6.0)


def test_a_region_without_managers_has_no_balancer() -> None:
    """It stands before managers."""
    text = aws(hosts="{name: w, role: worker}")
    assert "balancer network" not in _costs(text)


def test_before_and_after_and_what_has_no_price() -> None:
    """A sum is of what has a price; the rest is named beside it. All of it survives being saved."""
    before = _platform(aws(hosts="{name: m, role: manager}"))
    after = _platform(aws(hosts="{name: m, role: manager}, {name: w, role: worker, count: 2, instanceType: x9.large}"))
    found = costs.compare(before, after, _PRICES)
    assert found
    assert found.totals == (676.0, 686.0)
    assert found.unpriced == ("cloud: 2 x instance x9.large",)
    assert Costs.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_region_without_prices_is_told() -> None:
    """Every line of it, since none can be added up."""
    text = aws(hosts="{name: m, role: manager}").replace("eu-central-1", "eu-north-1")
    assert set(_costs(text).values()) == {None}


def test_the_shipped_table_has_what_the_defaults_need() -> None:
    """At least in one region; it says of which day it is."""
    text = aws(hosts="{name: m, role: manager, count: 3}").replace("eu-central-1", "us-east-1")
    found = costs.compare(None, _platform(text), costs.shipped())
    assert found
    assert found.unpriced == ()
    # 3 x 0.1008 x 730 + 0.0104 x 730 + 160 x 0.08 + 0.0225 x 730 + 0.045 x 730 + 2 x 0.005 x 730
    assert found.totals == (0, pytest.approx(297.72, abs=0.02))
    assert found.prices_of == "2026-01-19"


def test_prices_of_ones_own_come_first(tmp_path: Path) -> None:
    """What they leave out is as in the shipped table; another currency stands alone; a wrong file is told."""
    path = tmp_path / "prices.yaml"
    own = {"aws": {"us-east-1": {"instance": {"m7i.large": 0.05}}, "eu-north-1": {"balancer": {"network": 1}}}}
    path.write_text(yaml.safe_dump({"date": "2026-11-01", "currency": "USD", "hours": 730, "prices": own}))
    table = costs.prices(path)
    assert table.of("aws", "us-east-1", "instance", "m7i.large") == pytest.approx(36.5)
    assert table.of("aws", "us-east-1", "instance", "m7i.xlarge") == pytest.approx(0.2016 * 730)
    assert table.of("aws", "eu-north-1", "balancer", "network") == 730
    assert str(table.date) == "2026-11-01"
    path.write_text(yaml.safe_dump({"date": "2026-11-01", "currency": "EUR", "hours": 730, "prices": own}))
    assert costs.prices(path).of("aws", "us-east-1", "instance", "m7i.xlarge") is None
    for text in ("{", "prices: 1", "[]"):
        path.write_text(text)
        with pytest.raises(SpecError, match="no table of prices"):
            costs.prices(path)


@pytest.mark.parametrize(
    ("text", "place", "counted"),
    [
        (
            azure(hosts="{name: m, role: manager, count: 3}, {name: w, role: worker, count: 2, spot: true}"),
            "westeurope",
            {
                "instance Standard_D2s_v5": 3,
                "instance Standard_D2s_v5 (spot)": 2,
                "disk Premium_LRS 64 GiB": 5,
                "disk StandardSSD_LRS 32 GiB": 1,
                "instance Standard_B1s": 1,
                "balancer standard": 1,
                "gateway nat": 1,
                "address public": 2,
            },
        ),
        (
            azure(hosts="{name: m, role: manager}").replace("sources: [", "public: true, sources: ["),
            "westeurope",
            {
                "instance Standard_D2s_v5": 1,
                "disk Premium_LRS 64 GiB": 1,
                "balancer standard": 1,
                "address public": 2,
            },
        ),
        (
            gcp(
                hosts="{name: m, role: manager, machineType: n4-standard-2, "
                "disk: {type: hyperdisk-balanced, iops: 4000}}"
            ),
            "europe-west3",
            {
                "instance n4-standard-2": 1,
                "disk hyperdisk-balanced": 50,
                "iops hyperdisk-balanced": 4000,
                "instance e2-micro": 1,
                "disk pd-standard": 10,
                "balancer forwarding rule": 1,
                "gateway nat": 1,
                "address public": 1,
            },
        ),
        (
            gcp("network: {nat: none}", hosts="{name: m, role: manager, count: 3}"),
            "europe-west3",
            {
                "instance n2-standard-2": 3,
                "disk pd-balanced": 150,
                "instance e2-micro": 1,
                "disk pd-standard": 10,
                "balancer forwarding rule": 1,
                "address public": 1,
            },
        ),
    ],
)
def test_what_other_clouds_are_paid_for(text: str, place: str, counted: dict[str, int]) -> None:
    """The shipped table has no prices of theirs; one's own has them under these names."""
    (region,) = _platform(text).spec.regions
    assert billed.BY_KIND[region.provider.kind](region)[0] == place
    found = costs.compare(None, _platform(text), costs.shipped())
    assert found
    assert {cost.what: cost.quantity for cost in found.after} == counted
    assert {cost.month for cost in found.after} == {None}
