"""What a resource of our provider can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

Properties = Mapping[str, Any]
# A variable of the environment: hosts, with commas between them, that cannot be reached and need not be clean.
GONE: Final = "MOORAGE_GONE_HOSTS"


@dataclass(frozen=True)
class Made:
    """A resource as it is: its id and outputs."""

    id: str
    outputs: Properties


class Resource(Protocol):
    """One resource type. `create` finds what an interrupted one left, by name, and goes on from there."""

    @property
    def required(self) -> frozenset[str]:
        """Inputs that must be given."""
        ...

    @property
    def optional(self) -> frozenset[str]:
        """Inputs that may be given; there are no others."""
        ...

    @property
    def replaced_by(self) -> frozenset[str]:
        """Inputs that cannot change without a new resource."""
        ...

    @property
    def secret_outputs(self) -> frozenset[str]: ...

    @property
    def only_looks(self) -> bool:
        """Whether `create` and `update` change nothing outside of the state: then a preview does them for real."""
        ...

    def create(self, inputs: Properties) -> Made: ...

    def read(self, id_: str, outputs: Properties) -> Made | None:
        """As it is now; None when it is gone."""
        ...

    def update(self, id_: str, outputs: Properties, inputs: Properties) -> Made: ...

    def delete(self, id_: str, outputs: Properties) -> None: ...
