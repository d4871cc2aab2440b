"""The root secrets of a cluster, which cannot be made twice: made once, put back while they are known, else missed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from lightkube.resources.apps_v1 import Deployment

from installer.controller.manager_api import Api
from installer.controller.status import Condition, Happened
from installer.core.secret import Secret
from installer.kubernetes import documents, hosted, pki
from installer.kubernetes.roots import Roots
from installer.kubernetes.settings import PlatformSettings

_CONDITION: Final = "ControlPlaneReady"


class Do(Enum):
    """What to do about the Secret with a cluster's roots."""

    USE = auto()
    MAKE = auto()
    PUT_BACK = auto()
    MISS = auto()  # they are gone
    DOUBT = auto()  # they are not those that the cluster was made with


def decide(*, found: str | None, known: str | None, noted: str, began: bool) -> Do:
    """By fingerprints: `found` in the Secret, None without one; `known` from an earlier pass, None after a start;
    `noted` in the cluster's status, empty at first. `began`: something of the cluster runs that was made with roots."""
    before = known or noted
    if found is not None:
        return Do.DOUBT if before and found != before else Do.USE
    if known is not None:
        return Do.PUT_BACK
    return Do.MISS if before or began else Do.MAKE


class LostError(Exception):
    """The roots are not there, or are others; `condition` says so."""

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition.message)
        self.condition = condition


class Authorities:
    """The roots of one cluster."""

    def __init__(self, name: str, api: Api, settings: PlatformSettings) -> None:
        self._name = name
        self._settings = settings
        self._namespace = hosted.namespace(name)
        self._api = api
        self._known: Roots | None = None

    def keep(self, noted: str) -> tuple[Roots, list[Happened]]:
        """The roots, made where the cluster never had any; `noted` is the fingerprint in its status.

        Raises LostError where they are gone, or others: what runs is then to be left as it is.
        """
        entries = self._api.secret(hosted.ROOTS, self._namespace)
        seen = _read(entries)
        if entries and seen is None:
            raise LostError(self._lost("RootsDamaged", "does not hold what it must"))
        known = fingerprint(self._known) if self._known else None
        found = fingerprint(seen) if seen else None
        match decide(found=found, known=known, noted=noted, began=seen is None and self._began()):
            case Do.DOUBT:
                raise LostError(self._lost("RootsReplaced", f"has authorities that are not this cluster's ({noted})"))
            case Do.MISS:
                raise LostError(self._lost("RootsMissing", f"is gone, with the cluster's authorities ({noted})"))
            case Do.MAKE:
                seen = self._write(Roots.generate(self._name, days=self._settings.authority_days))
            case Do.PUT_BACK if self._known is not None:
                seen = self._write(self._known)
        happened = []
        if found is None and known is not None:
            happened = [Happened("RootsRestored", f"Secret {hosted.ROOTS} was gone, and is put back", warning=True)]
        if seen is None:  # what is made or put back is there afterwards
            raise LostError(self._lost("RootsDamaged", "does not hold what it must"))
        self._known = seen
        return seen.issuing(self._settings.certificate_days), happened

    def _began(self) -> bool:
        return self._api.get(Deployment, hosted.CONTROL_PLANE, self._namespace) is not None

    def _write(self, roots: Roots) -> Roots | None:
        mine = {hosted.CLUSTER_LABEL: self._name}
        wanted = documents.secret(hosted.ROOTS, self._namespace, roots.to_mapping(), labels=mine)
        return _read(self._api.secret_once(wanted))

    def _lost(self, reason: str, what: str) -> Condition:
        message = (
            f"Secret {hosted.ROOTS} in namespace {self._namespace} {what}; new ones would shut out its nodes and "
            "users and lose its encrypted Secrets, so none are made, and what runs is left as it is. Restore that "
            f"Secret from a backup of the manager, then all goes on by itself; or `moorage cluster delete {self._name}`"
        )
        return Condition(_CONDITION, False, reason, message)


def fingerprint(roots: Roots) -> str:
    """What tells one cluster's roots from others': of its Kubernetes authority."""
    return pki.fingerprint(roots.authorities["kubernetes"].cert_pem)


def _read(entries: Mapping[str, Secret]) -> Roots | None:
    """The roots in a Secret; None where there are none, or not all."""
    try:
        roots = Roots.from_mapping(entries)
        fingerprint(roots)
    except (KeyError, ValueError):
        return None
    return roots
