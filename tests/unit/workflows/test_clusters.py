"""Another size for a cluster: what its resource is to say then."""

from __future__ import annotations

from typing import Any

import pytest

from installer.core.errors import KubernetesError
from installer.workflows.clusters import scaled

ONE = {"name": "general", "count": 2, "labels": {"a": "b"}}
TWO = {"name": "gpu", "count": 1}


def test_only_the_number_is_another() -> None:
    """Of the pool that is meant; and of the control plane."""
    spec = {"version": "1.36.3", "pools": [ONE, TWO]}
    assert scaled(spec, "team-a", pool="gpu", nodes=4) == {**spec, "pools": [ONE, {**TWO, "count": 4}]}
    assert scaled(spec, "team-a", replicas=3) == {**spec, "controlPlane": {"replicas": 3}}
    assert scaled({"pools": [ONE]}, "team-a", nodes=0)["pools"] == [{**ONE, "count": 0}]


@pytest.mark.parametrize(
    ("pools", "pool", "said"),
    [
        ([ONE, TWO], "", "cluster team-a has 2 pools"),
        ([ONE, TWO], "cpu", "there is no pool cpu in cluster team-a"),
        ([], "", "cluster team-a has 0 pools"),
    ],
)
def test_it_must_be_clear_which_pool_is_meant(pools: list[dict[str, Any]], pool: str, said: str) -> None:
    """The hint names those there are."""
    with pytest.raises(KubernetesError, match=said) as caught:
        scaled({"pools": pools}, "team-a", pool=pool, nodes=3)
    assert all(one["name"] in caught.value.hint for one in pools)
