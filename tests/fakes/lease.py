"""An API with one Lease, and time that passes when somebody sleeps."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from lightkube import ApiError
from lightkube.models.meta_v1 import Status


class LeaseApi:
    """As lightkube's client has it; also the clock of those who want the lease."""

    def __init__(self) -> None:
        self.time = 0.0
        self.held: Any = None
        self.read: Any = None  # what a reader is told, where that is not what is held
        self.away = False
        self.writes = 0
        self.on_sleep: Callable[[], None] = lambda: None

    @property
    def holder(self) -> str:
        return str(self.held.spec.holderIdentity)

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.on_sleep()

    def get(self, *_: Any, **__: Any) -> Any:
        self._answer()
        if self.held is None:
            raise ApiError(status=Status(code=404, message="not found", reason="NotFound"))
        return copy.deepcopy(self.read or self.held)

    def create(self, made: Any) -> None:
        self._answer()
        if self.held is not None:
            raise ApiError(status=Status(code=409, message="it is there", reason="AlreadyExists"))
        self._keep(made)

    def replace(self, made: Any) -> None:
        self._answer()
        if made.metadata.resourceVersion != self.held.metadata.resourceVersion:
            raise ApiError(status=Status(code=409, message="changed meanwhile", reason="Conflict"))
        self._keep(made)

    def _keep(self, made: Any) -> None:
        self.writes += 1
        self.held = copy.deepcopy(made)
        self.held.metadata.resourceVersion = str(self.writes)

    def _answer(self) -> None:
        if self.away:
            raise ApiError(status=Status(code=503, message="no server answers", reason="ServiceUnavailable"))
