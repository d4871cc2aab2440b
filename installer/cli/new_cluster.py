"""The cluster that `moorage cluster create` is to make: from the specification, or from options."""

from __future__ import annotations

from installer.cli import loading
from installer.cli.command import Common
from installer.core.version import Version
from installer.spec import checks, faults
from installer.spec.base import API_VERSION
from installer.spec.cluster import Cluster
from installer.spec.source import Document
from installer.spec.specification import Specification
from installer.spec.subject import Offer, Subject


def wanted(common: Common, name: str, *, version: str, replicas: int, nodes: int, cpu: str, memory: str) -> Cluster:
    """The cluster `name` of the specification; else one of these options, checked like any other.

    Without a version, the newest that the platform's release offers. Raises SpecError.
    """
    offer = loading.offer()
    spec = loading.load(common)
    if written := [cluster for cluster in spec.clusters if cluster.name == name]:
        return written[0]
    pool = {"name": "general", "kind": "shared", "count": nodes, "cpu": cpu, "memory": memory}
    data = {
        "apiVersion": API_VERSION,
        "kind": "Cluster",
        "metadata": {"name": name},
        "spec": {
            "version": version or _newest(spec, common, offer),
            "controlPlane": {"replicas": replicas},
            "pools": [pool],
        },
    }
    return _checked(Document("command line", data, {(): 1}), spec, offer)


def _newest(spec: Specification, common: Common, offer: Offer) -> str:
    release = offer.releases[loading.platform(spec, common).spec.release]
    return max(release.cluster_versions, key=Version.parse)


def _checked(document: Document, spec: Specification, offer: Offer) -> Cluster:
    cluster, found = faults.validate(Cluster, document)
    if cluster is None:
        raise faults.spec_error(found)
    subject = Subject(platform=spec.platform, clusters=(*spec.clusters, cluster), offer=offer)
    if findings := checks.run(subject):
        raise faults.spec_error(document.fault(finding.loc, finding.message) for finding in findings)
    return cluster
