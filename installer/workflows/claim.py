"""A platform is changed by one run at a time, from whichever machine: a Lease in its own manager says by whose.

It is as good as the manager: where no API server answers (before the first `up`, while the only manager is upgraded, or
is gone) nobody can be asked, and the locks of the state hold alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from lightkube import Client

from installer.core.clock import Clock, SystemClock
from installer.core.errors import InfrastructureError, KubernetesError, LockError
from installer.kubernetes import addons
from installer.kubernetes.lease import Lease

NAME: Final = "installer"
DURATION_S: Final = 30.0  # of silence, after which a run is taken for dead
RENEWS_S: Final = 5.0
_LOOKS_S: Final = 1.0
_ENDS_S: Final = 3.0  # as long as a request that is under way may take


def held_by(holder: str) -> LockError:
    """The refusal that names who changes the platform."""
    return LockError(f"the platform is being changed by {holder}", hint="wait for it to end, then repeat")


class Claim:
    """The claim of one run. `connect` gives a client of the manager's API, or raises KubernetesError."""

    def __init__(self, identity: str, connect: Callable[[], Client], *, clock: Clock | None = None) -> None:
        self._identity = identity
        self._connect = connect
        self._clock = clock or SystemClock()
        self._lease: Lease | None = None
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="claim", daemon=True)
        self.lost_to = ""  # who has taken it over meanwhile; then nothing more may be begun

    def begin(self, *, heir_of: str = "", tell: Callable[[str], None] = lambda text: None) -> None:
        """Take it, at once where it is nobody's or of `heir_of`, who is gone; else once its holder was silent.

        Raises LockError that names a holder who lives, which shows within RENEWS_S.
        """
        holder, since = self._try(heir_of), self._clock.now()
        if holder in ("", self._identity):
            return
        tell(f"the platform was being changed by {holder}; waiting up to {DURATION_S:g} s for a sign of life")
        while holder not in ("", self._identity):
            if self._lease is not None and self._lease.silent_s < self._clock.now() - since:
                raise held_by(holder)
            self._clock.sleep(_LOOKS_S)
            holder = self._try()
        tell("there is none: that run has ended")

    def keep(self) -> None:
        """Say again and again that this run lives, and take the claim once an API server answers, until `end`."""
        self._keeper.start()

    def end(self, *, release: bool) -> None:
        """With `release`, let another begin at once: the API is still there."""
        self._over.set()
        self._keeper.join(timeout=_ENDS_S)
        if release and self._lease is not None and not self.lost_to:
            try:
                self._lease.release()
            except KubernetesError:  # it ends by itself
                return

    def renew(self) -> None:
        """Say once that this run lives."""
        holder = self._try()
        if holder not in ("", self._identity):
            self.lost_to = holder

    def _keep(self) -> None:
        while not self.lost_to and not self._over.wait(RENEWS_S):
            self.renew()

    def _try(self, heir_of: str = "") -> str:
        """Who holds it; nobody where no API server answers, or has a place for it yet."""
        try:
            if self._lease is None:
                self._lease = Lease(
                    self._connect(),
                    NAME,
                    addons.SYSTEM,
                    self._identity,
                    duration_s=DURATION_S,
                    now=self._clock.now,
                )
            return self._lease.take(heir_of=heir_of)
        except (InfrastructureError, KubernetesError):
            return ""
