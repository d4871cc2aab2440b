"""What the controller is told of the platform, and the note of what was last applied in the manager."""

from __future__ import annotations

from typing import Any, Final

from installer.kubernetes import addons
from installer.kubernetes.settings import PlatformSettings
from installer.workflows.session import Session

NOTE: Final = "moorage-installer"  # ConfigMap


def of(session: Session) -> PlatformSettings:
    """The controller's settings, from the specification, the bundle and the hosts' facts."""
    platform, bundle = session.platform, session.bundle
    network = platform.spec.manager.network
    seen = session.all_facts()
    mtus = [seen[name].mtu_of(str(host.cluster_address)) for name, host in session.hosts.items()]
    return PlatformSettings(
        platform=platform.name,
        release=bundle.release,
        bundle=bundle.digest,
        images=bundle.images,
        manager_version=bundle.info.kubernetes.manager,
        versions=bundle.info.kubernetes.all,
        pods=network.pods,
        services=network.services,
        domain=network.domain,
        managers=len(session.managers),
        workers=len(session.hosts) - len(session.managers),
        endpoints=session.endpoints,
        cgroup_version=min(facts.cgroup_version for facts in seen.values()),
        mtu=min(mtus),
    )


def note(digest: str) -> dict[str, Any]:
    """The ConfigMap that says what was last applied."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NOTE, "namespace": addons.SYSTEM},
        "data": {"digest": digest},
    }
