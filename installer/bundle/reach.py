"""The releases that lie between two: each says from which others it can be reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from installer.core.errors import BundleError
from installer.core.version import Version

Graph = Mapping[str, Sequence[str]]  # release -> those that it can be reached from


def way(start: str, target: str, graph: Graph) -> tuple[str, ...]:
    """The shortest way from one release to another, without the first; of equal ones that by the newest releases.

    Raises BundleError that says which step is missing.
    """
    if start not in graph:
        raise BundleError(
            f"this Moorage does not know release {start}, which the platform has",
            hint="use the version of Moorage that brought it there, or a newer one",
        )
    ways: dict[str, tuple[str, ...]] = {start: ()}
    frontier = [start]
    while frontier and target not in ways:
        following = [
            (name, before)
            for name, sources in graph.items()
            if name not in ways
            for before in sorted(set(sources) & set(frontier), key=Version.parse)
        ]
        ways |= {name: (*ways[before], name) for name, before in following}  # the newest before comes last
        frontier = sorted({name for name, _ in following}, key=Version.parse)
    if target in ways:
        return ways[target]
    if Version.parse(target) < Version.parse(start):
        raise BundleError(
            f"{target} is older than {start}: what newer components have stored, older ones cannot read",
            hint=f"set spec.release to {start} again, or `moorage rollback` where that can still be done",
        )
    reached = max(ways, key=Version.parse)
    sources = ", ".join(graph.get(target, ())) or "no release"
    raise BundleError(
        f"{target} is reached from {sources}, and from {start} the way ends at {reached}",
        hint="use a version of Moorage that knows a release in between",
    )
