"""Logins of registries, from where a specification says they are to Secrets of the manager; never shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightkube.resources.core_v1 import Secret as SecretResource

from installer.core.errors import SpecError
from installer.core.secret import Secret
from installer.kubernetes import client, documents, hosted
from installer.spec.cluster import Cluster
from installer.spec.registries import logins
from installer.workflows.session import Session


def given(session: Session, cluster: Cluster) -> Mapping[str, dict[str, Secret]]:
    """The Secrets that the specification says all of, by name; raises SpecError for what is not there."""
    found: dict[str, dict[str, Secret]] = {}
    for server, login in logins(cluster.spec.registries):
        if login.username is None or login.password is None:
            continue
        entries = {
            "username": login.username.resolve(session.spec.directory),
            "password": login.password.resolve(session.spec.directory),
        }
        if found.setdefault(login.secret, entries) != entries:
            raise SpecError(
                f"cluster {cluster.name}: the login of {server} is another one in the same Secret {login.secret}",
                hint="give each login a Secret of its own",
            )
    return found


def differing(session: Session, cluster: Cluster) -> list[str]:
    """The names of those that the manager does not have like that."""
    return [name for name, entries in given(session, cluster).items() if _seen(session, cluster, name) != entries]


def apply(session: Session, cluster: Cluster) -> None:
    """Write them into the cluster's namespace, before the cluster needs them."""
    where = hosted.namespace(cluster.name)
    wanted: list[dict[str, Any]] = [
        documents.secret(name, where, entries, labels={hosted.CLUSTER_LABEL: cluster.name})
        for name, entries in given(session, cluster).items()
    ]
    if wanted:
        client.apply(session.api, [hosted.namespace_document(cluster.name), *wanted])


def _seen(session: Session, cluster: Cluster, name: str) -> dict[str, Secret] | None:
    where = hosted.namespace(cluster.name)
    found = client.found_or_none(lambda: session.api.get(SecretResource, name, namespace=where), f"read Secret {name}")
    return documents.entries(found.data) if found is not None else None
