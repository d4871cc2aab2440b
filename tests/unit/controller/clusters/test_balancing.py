"""Which Service gets which address."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from installer.controller.clusters import balancing
from installer.controller.clusters.balancing import Waits
from installer.spec.addresses import parse_range

RANGES = (parse_range("192.0.2.10-192.0.2.11"),)
FIRST, SECOND = IPv4Address("192.0.2.10"), IPv4Address("192.0.2.11")


def service(name: str, *, age: int = 0, wish: str = "", **spec: Any) -> dict[str, Any]:
    """A Service of type LoadBalancer; its uid is its name."""
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": name,
            "creationTimestamp": f"2026-05-04T03:02:{59 - age:02d}Z",
            "annotations": {"moorage.dev/address": wish} if wish else None,
        },
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}], **spec},
    }


@pytest.mark.parametrize(
    ("services", "held", "expected"),
    [
        pytest.param([service("a")], {}, {"a": FIRST}, id="the first that is free"),
        pytest.param([service("a"), service("b", age=9)], {}, {"b": FIRST, "a": SECOND}, id="the oldest first"),
        pytest.param([service("a", age=9), service("b")], {"b": FIRST}, {"a": SECOND, "b": FIRST}, id="held is kept"),
        pytest.param(
            [service("a", age=9), service("b", wish="192.0.2.10")],
            {},
            {"a": SECOND, "b": FIRST},
            id="a wish before age",
        ),
        pytest.param(
            [service("a", loadBalancerIP="192.0.2.11")], {"a": FIRST}, {"a": SECOND}, id="a wish that comes later"
        ),
        pytest.param([service("a")], {"a": IPv4Address("192.0.2.99")}, {"a": FIRST}, id="held, but not ours any more"),
        pytest.param(
            [service("a", age=9), service("b", wish="192.0.2.10")],
            {"a": FIRST},
            {"a": FIRST, "b": "192.0.2.10 is the address of Service shop/a"},
            id="a wish does not take from who holds",
        ),
        pytest.param(
            [service("a", wish="198.51.100.1")],
            {},
            {"a": "198.51.100.1 is not one of this cluster's addresses: 192.0.2.10-192.0.2.11"},
            id="a wish elsewhere",
        ),
        pytest.param(
            [service("a", wish="lb.example")], {}, {"a": "'lb.example' is not an IPv4 address"}, id="no address"
        ),
        pytest.param(
            [service("a", age=3), service("b", age=2), service("c", age=1)],
            {},
            {"a": FIRST, "b": SECOND, "c": "all 2 addresses of this cluster are taken"},
            id="more than there are",
        ),
        pytest.param(
            [service("a", ports=[{"port": 80}, {"port": 443}])],
            {},
            {"a": "port 80, 443 has no node port to come in by"},
            id="no way in",
        ),
    ],
)
def test_addresses_are_given(services: list[Any], held: dict[str, IPv4Address], expected: dict[str, Any]) -> None:
    """Nobody loses an address to another, and who has none is told why."""
    found = balancing.give(services, held, RANGES)
    assert found.keys() == expected.keys()
    for uid, answer in expected.items():
        if isinstance(answer, str):
            assert isinstance(found[uid], Waits)
            assert found[uid].why.startswith(answer)  # type: ignore[union-attr]
        else:
            assert found[uid] == answer


def test_without_addresses_all_wait() -> None:
    """The reason names the setting."""
    found = balancing.give([service("a")], {"a": FIRST}, ())["a"]
    assert isinstance(found, Waits)
    assert "spec.network.loadBalancer.addresses" in found.why


@pytest.mark.parametrize(
    ("changed", "ours"),
    [
        ({}, True),
        ({"loadBalancerClass": "moorage.dev/hosts"}, True),
        ({"loadBalancerClass": "example.com/other"}, False),
        ({"type": "NodePort"}, False),
    ],
)
def test_services_of_another_class_are_left_alone(changed: dict[str, Any], ours: bool) -> None:
    """Without a class, or with ours."""
    assert balancing.is_ours(service("a", **changed)) == ours


def test_a_service_that_goes_wants_nothing() -> None:
    """Its address is free as soon as it is being deleted."""
    going = service("a")
    going["metadata"]["deletionTimestamp"] = "2026-05-04T03:02:01Z"
    assert not balancing.is_ours(going)
