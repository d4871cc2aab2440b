"""What the controller is told of the platform, and the note of what was last applied in the manager."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from lightkube.resources.apiextensions_v1 import CustomResourceDefinition

from installer.core import layout
from installer.kubernetes import addons, crd, documents
from installer.kubernetes.settings import PlatformSettings
from installer.workflows import rendered
from installer.workflows.session import Session

NOTE: Final = "moorage-installer"  # ConfigMap


def of(session: Session) -> PlatformSettings:
    """The controller's settings, from the specification, the bundle and the hosts' facts."""
    platform, bundle = session.platform, session.bundle
    network = platform.spec.manager.network
    seen = session.all_facts()
    mtus = [seen[name].mtu_of(str(host.cluster_address)) for name, host in session.nodes.items()]
    return PlatformSettings(
        platform=platform.name,
        release=bundle.release,
        bundle=bundle.digest,
        images=bundle.images,
        speaker=bundle.sha256(f"{layout.BIN}/metallb-speaker"),
        manager_version=bundle.info.kubernetes.manager,
        versions=bundle.info.kubernetes.all,
        pods=network.pods,
        services=network.services,
        domain=network.domain,
        managers=len(session.managers),
        workers=len(session.nodes) - len(session.managers),
        endpoints=session.endpoints,
        cgroup_version=min(seen[name].cgroup_version for name in session.nodes),
        pod_mtu=min(mtus) - rendered.backend(platform).overhead,
        certificate_days=platform.spec.certificates.days,
        authority_days=platform.spec.certificates.authority_days,
        authorities=documents.digest(session.roots.authorities["kubernetes"].trusted),
    )


def note(digest: str, definitions: Mapping[str, int]) -> dict[str, Any]:
    """The ConfigMap that says what was last applied; `definitions`: see `generations`."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NOTE, "namespace": addons.SYSTEM},
        "data": {"digest": digest, "definitions": _text(definitions)},
    }


def is_noted(data: Mapping[str, str], digest: str, definitions: Mapping[str, int]) -> bool:
    """Whether a note says that just this was applied, and that nobody changed our resource definitions since."""
    return data.get("digest") == digest and data.get("definitions") == _text(definitions)


def generations(definitions: Iterable[CustomResourceDefinition]) -> dict[str, int]:
    """Our custom resource definitions by name, each with the number that counts its changes."""
    metas = [found.metadata for found in definitions if found.metadata and found.spec.group == crd.GROUP]
    return {meta.name or "": meta.generation or 0 for meta in metas}


def _text(definitions: Mapping[str, int]) -> str:
    return json.dumps(definitions, sort_keys=True)
