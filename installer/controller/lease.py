"""One controller at a time: whoever holds the Lease works, and ends when it cannot say any more that it does.

The Deployment never wants two, but Kubernetes makes a second one when a host is given up whose kubelet alone is dead.
https://kubernetes.io/docs/concepts/architecture/leases/#leader-election
"""

from __future__ import annotations

import logging
import threading
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

from installer.controller.manager_api import found_or_none
from installer.core.errors import KubernetesError
from installer.kubernetes import client as kubernetes

DURATION_S: Final = 15.0  # without a word of its holder for so long, a lease is anybody's
GIVES_UP_S: Final = 10.0  # a holder that could not say a word for so long ends: well before another begins
RENEWS_S: Final = 2.0
_LOOKS_S: Final = 0.5
log = logging.getLogger("moorage.controller")


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
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._now = now
        self._sleep = sleep
        self._seen: _Seen | None = None
        self._over = threading.Event()
        self._renewed = now()  # when the last request that succeeded was made

    def acquire(self) -> None:
        """Return once it is held."""
        told = ""
        while True:
            self._renewed = self._now()
            if (holder := self._try()) == self._identity:
                break
            if holder != told:
                log.info("waiting: %s", f"{holder} works" if holder else "the lease cannot be written")
                told = holder
            self._sleep(RENEWS_S)
        log.info("holding the lease %s/%s as %s", self._namespace, self._name, self._identity)

    def renew(self) -> None:
        """Renew it until it is released."""
        while not self._over.is_set():
            asked = self._now()
            if self._try() == self._identity:
                self._renewed = asked
            self._sleep(RENEWS_S)

    def watch(self, lost: Callable[[], None]) -> None:
        """Call `lost`, and return, when it was not renewed for GIVES_UP_S; needs no answer of the API to know that."""
        while not self._over.is_set():
            if self._now() - self._renewed > GIVES_UP_S:
                log.error("the lease is lost")
                lost()
                return
            self._sleep(_LOOKS_S)

    def release(self) -> None:
        """Let another begin at once. Call it when nothing is done any more."""
        self._over.set()
        try:
            found = self._read()
            if found is not None and found.spec.holderIdentity == self._identity:
                found.spec.holderIdentity = ""
                self._write(found)
        except KubernetesError as exc:  # it ends by itself
            log.warning("the lease is not released: %s", exc.explain())

    def _try(self) -> str:
        """Take or renew it where that may be; returns who holds it, nobody when that is not known."""
        try:
            found = self._read()
            if found is None:
                return self._make()
            spec = found.spec
            if spec.holderIdentity not in ("", None, self._identity) and not self._is_silent(spec):
                return str(spec.holderIdentity)
            spec.holderIdentity, spec.renewTime = self._identity, datetime.now(UTC)
            return self._identity if self._write(found) else ""
        except KubernetesError as exc:
            log.warning("the lease: %s", exc.explain())
            return ""

    def _is_silent(self, spec: LeaseSpec) -> bool:
        """Whether its holder has said nothing for so long that it has ended, since this process looks."""
        if self._seen is None or (self._seen.holder, self._seen.word) != (spec.holderIdentity, spec.renewTime):
            self._seen = _Seen(spec.holderIdentity or "", spec.renewTime, self._now())
        return self._now() - self._seen.at > DURATION_S

    def _read(self) -> Any:
        return found_or_none(lambda: self._client.get(LeaseResource, self._name, namespace=self._namespace))

    def _make(self) -> str:
        meta = ObjectMeta(name=self._name, namespace=self._namespace)
        spec = LeaseSpec(
            holderIdentity=self._identity, leaseDurationSeconds=int(DURATION_S), renewTime=datetime.now(UTC)
        )
        return (
            self._identity
            if self._unless_taken(lambda: self._client.create(LeaseResource(metadata=meta, spec=spec)))
            else ""
        )

    def _write(self, found: Any) -> bool:
        """Write it as it was read, with its version; False when somebody else did so meanwhile."""
        return self._unless_taken(lambda: self._client.replace(found))

    def _unless_taken(self, call: Callable[[], Any]) -> bool:
        try:
            with kubernetes.translated("write the lease"):
                call()
        except KubernetesError as exc:
            if isinstance(exc.__cause__, ApiError) and exc.__cause__.status.code == HTTPStatus.CONFLICT:
                return False
            raise
        return True
