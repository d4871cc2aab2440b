"""A Lease of the Kubernetes API: one holder at a time, and nobody's once its holder has been silent for long enough.

https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from lightkube import ApiError, Client
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease as LeaseResource

from installer.core.errors import KubernetesError
from installer.kubernetes import client as kubernetes

_NOBODY: Final = ("", None)


@dataclass(frozen=True)
class _Seen:
    """A lease as it was when this process first saw it so."""

    holder: str
    word: Any  # what its holder wrote last
    at: float  # this process' own clock: those of two hosts are never compared


class Lease:
    """A Lease of this name, wanted by `identity`. `now` counts seconds from anywhere."""

    def __init__(
        self,
        client: Client,
        name: str,
        namespace: str,
        identity: str,
        *,
        duration_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._duration_s = duration_s
        self._now = now
        self._seen: _Seen | None = None

    def take(self, *, heir_of: str = "") -> str:
        """Take or renew it where that may be; returns who holds it, nobody where that changed in this moment.

        Another's is ours once it was silent for `duration_s` since this process looks, or when it was of `heir_of`,
        who is known to be gone. Raises KubernetesError.
        """
        found = kubernetes.found_or_none(lambda: self._client.get(LeaseResource, self._name, namespace=self._namespace))
        if found is None:
            return self._make()
        spec = found.spec or LeaseSpec()
        found.spec = spec
        mine = spec.holderIdentity in (*_NOBODY, self._identity, heir_of)
        self._look(spec)
        if not mine and self.silent_s <= self._duration_s:
            return str(spec.holderIdentity)
        spec.holderIdentity, spec.renewTime = self._identity, datetime.now(UTC)
        spec.leaseDurationSeconds = int(self._duration_s)
        return self._identity if self._unless_taken(lambda: self._client.replace(found)) else ""

    @property
    def silent_s(self) -> float:
        """For how long its holder has said nothing, since this process looks."""
        return self._now() - self._seen.at if self._seen else 0.0

    def release(self) -> None:
        """Let another begin at once; call it when nothing is done any more. Raises KubernetesError."""
        found = kubernetes.found_or_none(lambda: self._client.get(LeaseResource, self._name, namespace=self._namespace))
        if found is not None and found.spec and found.spec.holderIdentity == self._identity:
            found.spec.holderIdentity = ""
            self._unless_taken(lambda: self._client.replace(found))

    def _look(self, spec: LeaseSpec) -> None:
        if self._seen is None or (self._seen.holder, self._seen.word) != (spec.holderIdentity, spec.renewTime):
            self._seen = _Seen(spec.holderIdentity or "", spec.renewTime, self._now())

    def _make(self) -> str:
        meta = ObjectMeta(name=self._name, namespace=self._namespace)
        spec = LeaseSpec(
            holderIdentity=self._identity,
            leaseDurationSeconds=int(self._duration_s),
            renewTime=datetime.now(UTC),
        )
        made = LeaseResource(metadata=meta, spec=spec)
        return self._identity if self._unless_taken(lambda: self._client.create(made)) else ""

    def _unless_taken(self, call: Callable[[], Any]) -> bool:
        """Write it as it was read, with its version; False when somebody else did so meanwhile."""
        try:
            with kubernetes.translated("write the lease"):
                call()
        except KubernetesError as exc:
            if isinstance(exc.__cause__, ApiError) and exc.__cause__.status.code == HTTPStatus.CONFLICT:
                return False
            raise
        return True
