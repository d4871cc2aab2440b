"""The way from one release to another."""

from __future__ import annotations

import pytest

from installer.bundle.reach import way
from installer.bundle.release import releases
from installer.core.errors import BundleError
from installer.core.version import Version, refused_step

GRAPH = {
    "2026.1": [],
    "2026.2": ["2026.1"],
    "2026.3": ["2026.1", "2026.2"],
    "2026.4": ["2026.3"],
    "2027.1": ["2026.9"],
    "2027.2": ["2027.1"],
}


@pytest.mark.parametrize(
    ("start", "target", "expected"),
    [
        ("2026.1", "2026.1", ()),
        ("2026.1", "2026.2", ("2026.2",)),
        ("2026.1", "2026.3", ("2026.3",)),
        ("2026.1", "2026.4", ("2026.3", "2026.4")),
        ("2026.2", "2026.4", ("2026.3", "2026.4")),
    ],
)
def test_the_shortest_way_is_taken(start: str, target: str, expected: tuple[str, ...]) -> None:
    """Each step is one that the next release allows."""
    assert way(start, target, GRAPH) == expected


@pytest.mark.parametrize(
    ("start", "target", "why"),
    [
        ("2026.4", "2026.3", "2026.3 is older than 2026.4"),
        ("2026.1", "2027.2", "2027.2 is reached from 2027.1, and from 2026.1 the way ends at 2026.4"),
        ("2026.1", "2028.1", "2028.1 is reached from no release, and from 2026.1 the way ends at 2026.4"),
        ("2025.1", "2026.4", "this Moorage does not know release 2025.1"),
    ],
)
def test_where_there_is_no_way_the_missing_step_is_named(start: str, target: str, why: str) -> None:
    """And never one back."""
    with pytest.raises(BundleError, match=why):
        way(start, target, GRAPH)


def test_every_step_of_the_releases_there_are_is_one_that_their_parts_can_take() -> None:
    """Kubernetes and etcd go up one minor version at a time, and no cluster's version is dropped on the way."""
    known = {release.name: release for release in releases()}
    for release in known.values():
        for before in (known[name] for name in release.reached_from):
            pairs = [
                (before.kubernetes.manager, release.kubernetes.manager),
                (before.components.etcd, release.components.etcd),
            ]
            for old, new in pairs:
                assert refused_step(Version.parse(old), Version.parse(new)) == "", f"{before.name} to {release.name}"
            lines = {Version.parse(version).line for version in release.kubernetes.clusters}
            assert {Version.parse(version).line for version in before.kubernetes.clusters} <= lines
