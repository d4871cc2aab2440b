"""One controller at a time: whoever holds the Lease works, and ends when it cannot say any more that it does.

The Deployment never wants two, but Kubernetes makes a second one when a host is given up whose kubelet alone is dead.
https://kubernetes.io/docs/concepts/architecture/leases/#leader-election
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from lightkube import Client

from installer.core.errors import KubernetesError
from installer.kubernetes import lease

DURATION_S: Final = 15.0  # without a word of its holder for so long, a lease is anybody's
GIVES_UP_S: Final = 10.0  # a holder that could not say a word for so long ends: well before another begins
RENEWS_S: Final = 2.0
_LOOKS_S: Final = 0.5
log = logging.getLogger("moorage.controller")


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
        self._lease = lease.Lease(client, name, namespace, identity, duration_s=DURATION_S, now=now)
        self._what = f"{namespace}/{name}"
        self._identity = identity
        self._now = now
        self._sleep = sleep
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
        log.info("holding the lease %s as %s", self._what, self._identity)

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
            self._lease.release()
        except KubernetesError as exc:  # it ends by itself
            log.warning("the lease is not released: %s", exc.explain())

    def _try(self) -> str:
        """Who holds it, nobody when that is not known."""
        try:
            return self._lease.take()
        except KubernetesError as exc:
            log.warning("the lease: %s", exc.explain())
            return ""
