"""Preflight of a platform that serves: importing this package registers every check; a new one is a function here."""

from installer.workflows.checks import bundles, certificates, clusters, etcd, manager, state, versions
from installer.workflows.checks.seen import PLATFORM, PlatformSeen, look

__all__ = [
    "PLATFORM",
    "PlatformSeen",
    "bundles",
    "certificates",
    "clusters",
    "etcd",
    "look",
    "manager",
    "state",
    "versions",
]
