"""Cross-checks of versions: the release exists, and offers what the clusters ask for."""

from __future__ import annotations

from collections.abc import Iterator

from installer.spec.subject import Finding, Subject


def release_exists(subject: Subject) -> Iterator[Finding]:
    """The platform's release is one that there is."""
    if subject.platform is None or subject.offer is None:
        return
    release, known = subject.platform.spec.release, subject.offer.releases
    if release not in known:
        message = f"there is no such release; there are {', '.join(sorted(known))}"
        yield Finding(subject.platform, ("spec", "release"), message)


def cluster_versions(subject: Subject) -> Iterator[Finding]:
    """The platform's release offers the version of each cluster."""
    if subject.platform is None or subject.offer is None:
        return
    if release := subject.offer.releases.get(subject.platform.spec.release):
        for cluster in subject.clusters:
            if cluster.spec.version not in release.cluster_versions:
                offered = ", ".join(release.cluster_versions)
                message = f"release {subject.platform.spec.release} does not offer this version; it offers {offered}"
                yield Finding(cluster, ("spec", "version"), message)
