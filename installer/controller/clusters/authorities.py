"""The root secrets of a cluster, which cannot be made twice: made once, put back while they are known, else missed.

Where another rotation is asked for, its authorities go from stage to stage; the Secret says in which they are, and
which rotation was followed last, so that whoever is started anew goes on.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Secret as SecretResource

from installer.controller.manager_api import Api
from installer.controller.status import Condition, Happened
from installer.core.secret import Secret
from installer.kubernetes import documents, hosted, pki, rotation
from installer.kubernetes.roots import Roots, Stage
from installer.kubernetes.settings import PlatformSettings

_CONDITION: Final = "ControlPlaneReady"


class Do(Enum):
    """What to do about the Secret with a cluster's roots."""

    USE = auto()
    MAKE = auto()
    PUT_BACK = auto()
    MISS = auto()  # they are gone
    DOUBT = auto()  # they are not those that the cluster was made with


def decide(*, found: Collection[str], known: str | None, noted: str, began: bool) -> Do:
    """By fingerprints: `found` in the Secret, none without one; `known` from an earlier pass, None after a start;
    `noted` in the cluster's status, empty at first. `began`: something of the cluster runs that was made with roots."""
    before = known or noted
    if found:
        return Do.DOUBT if before and before not in found else Do.USE
    if known is not None:
        return Do.PUT_BACK
    return Do.MISS if before or began else Do.MAKE


class LostError(Exception):
    """The roots are not there, or are others; `condition` says so."""

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition.message)
        self.condition = condition


@dataclass(frozen=True)
class _Kept:
    """What the Secret holds. `rotation`: the text with which the last one that was begun was asked for."""

    roots: Roots
    rotation: str

    def entries(self) -> dict[str, Secret]:
        return {**self.roots.to_mapping(), **({hosted.ROTATION: Secret(self.rotation)} if self.rotation else {})}


class Authorities:
    """The roots of one cluster."""

    def __init__(self, name: str, api: Api, settings: PlatformSettings) -> None:
        self._name = name
        self._settings = settings
        self._namespace = hosted.namespace(name)
        self._api = api
        self._known: _Kept | None = None

    def keep(self, noted: str, asked: str = "") -> tuple[Roots, list[Happened]]:
        """The roots, made where the cluster never had any; `noted` is the fingerprint in its status.

        `asked`: the text of a rotation, which new roots need not follow.

        Raises LostError where they are gone, or others: what runs is then to be left as it is.
        """
        entries = self._api.secret(hosted.ROOTS, self._namespace)
        seen = _read(entries)
        if entries and seen is None:
            raise LostError(self._lost("RootsDamaged", "does not hold what it must"))
        known = fingerprint(self._known.roots) if self._known else None
        found = fingerprints(seen.roots) if seen else ()
        match decide(found=found, known=known, noted=noted, began=seen is None and self._began()):
            case Do.DOUBT:
                raise LostError(self._lost("RootsReplaced", f"has authorities that are not this cluster's ({noted})"))
            case Do.MISS:
                raise LostError(self._lost("RootsMissing", f"is gone, with the cluster's authorities ({noted})"))
            case Do.MAKE:
                made = Roots.generate(self._name, days=self._settings.authority_days)
                seen = self._write(_Kept(made, asked))
            case Do.PUT_BACK if self._known is not None:
                seen = self._write(self._known)
        happened = []
        if not found and known is not None:
            happened = [Happened("RootsRestored", f"Secret {hosted.ROOTS} was gone, and is put back", warning=True)]
        if seen is None:  # what is made or put back is there afterwards
            raise LostError(self._lost("RootsDamaged", "does not hold what it must"))
        self._known = seen
        return seen.roots.issuing(self._settings.certificate_days), happened

    def asks(self, asked: str) -> bool:
        """Whether a rotation is asked for, by this text, that was not followed yet."""
        return self._known is not None and asked not in ("", self._known.rotation)

    def advance(self, asked: str) -> Stage:
        """Take the authorities to their next stage, and return it; from none, because of the text `asked`.

        All of the cluster must have the stage before, and the last `keep` have given its roots.
        """
        if self._known is None:
            raise LostError(self._lost("RootsMissing", "was not read yet"))
        before = self._known
        roots = rotation.advanced(before.roots, days=self._settings.authority_days)
        after = _Kept(roots, asked if roots.stage is Stage.TRUST else before.rotation)
        texts = {key: base64.b64encode(value.reveal().encode()).decode() for key, value in after.entries().items()}
        gone = dict.fromkeys(before.entries().keys() - texts.keys())
        self._api.patch(SecretResource, hosted.ROOTS, self._namespace, {"data": {**texts, **gone}})
        self._known = after
        return roots.stage

    def _began(self) -> bool:
        return self._api.get(Deployment, hosted.CONTROL_PLANE, self._namespace) is not None

    def _write(self, kept: _Kept) -> _Kept | None:
        mine = {hosted.CLUSTER_LABEL: self._name}
        wanted = documents.secret(hosted.ROOTS, self._namespace, kept.entries(), labels=mine)
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


def fingerprints(roots: Roots) -> tuple[str, ...]:
    """Those that a status may have noted of these roots: while one authority follows another, that of either.

    Roots in which the old one issues again are not among them: what it signs may be refused already.
    """
    beside = roots.authorities["kubernetes"].beside
    return (fingerprint(roots), *([pki.fingerprint(beside)] if roots.stage is Stage.REISSUE else []))


def _read(entries: Mapping[str, Secret]) -> _Kept | None:
    """What a Secret holds; None where that is not there, or not all."""
    try:
        roots = Roots.from_mapping(entries)
        fingerprints(roots)
    except (KeyError, ValueError):
        return None
    return _Kept(roots, entries[hosted.ROTATION].reveal() if hosted.ROTATION in entries else "")
