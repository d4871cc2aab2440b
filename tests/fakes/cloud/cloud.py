"""What one cloud is to the fake: kinds of things, ids, errors, functions; one object that everything else asks."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from tests.fakes.cloud.account import Account

Data = Mapping[str, Any]


class RefusedError(Exception):
    """What the API answers: a code and a text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


def _nothing(account: Account, id_: str, inputs: Data) -> dict[str, Any]:
    return {}


def _fine(account: Account, inputs: Data) -> None:
    """For what is refused for nothing but wrong references and names."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`refers`: property -> type, and what of it the property holds. `named`: the property that a name is made for.

    Properties may be paths, `a.b`; each of a list is meant. `part_of`: the property that says of what it is a part,
    with which it goes. `unique`: properties that no two have together. `made` adds outputs; `check` raises
    RefusedError.
    """

    refers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    part_of: str = ""
    replaced_by: frozenset[str] = frozenset()
    named: str = ""
    unique: tuple[str, ...] = ()
    made: Callable[[Account, str, Data], dict[str, Any]] = _nothing
    check: Callable[[Account, Data], None] = _fine
    id_of: Callable[[Data], str] | None = None  # where the id is made of the inputs
    prefix: str = ""  # of the id, where it is not


@dataclass(frozen=True)
class Rule:
    """Who may come in where: ports from `first` to `last`, from any of `sources` (addresses or ranges)."""

    protocol: str
    first: int
    last: int
    sources: frozenset[str]


class Cloud(ABC):
    """One cloud with one region. What is the same in all of them is Account's and FakeCloud's."""

    package: ClassVar[str]  # of types, and of the provider that engines ask for
    version: ClassVar[str]  # of the SDK
    region: ClassVar[str]
    quota: ClassVar[Mapping[str, int]]
    kinds: ClassVar[Mapping[str, Kind]]
    machine: ClassVar[str]  # the type of what is booted

    # --- the provider ---------------------------------------------------------------------------------------------

    @abstractmethod
    def configure(self, account: Account, config: Data) -> None:
        """Raise RefusedError for settings of the provider that lead nowhere."""

    @abstractmethod
    def invoke(self, account: Account, token: str, args: Data) -> dict[str, Any]:
        """What a function returns; raises RefusedError."""

    @abstractmethod
    def told(self, refused: RefusedError) -> str:
        """An error as this cloud's provider words it."""

    def auto_name(self, kind: str, name: str, inputs: Data) -> str:
        """The name of what was given none."""
        return f"{name}-{secrets.token_hex(4)[:7]}"

    def previewed(self, kind: str, inputs: Data) -> Data:
        """What a preview tells of the outputs."""
        return inputs

    # --- things ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def new_id(self, kind: str, name: str) -> str:
        """An id, where it is not made of the inputs."""

    @abstractmethod
    def no_such(self, kind: str, path: str, value: Any) -> RefusedError:
        """For a reference to something that is not there."""

    @abstractmethod
    def duplicate(self, kind: str, values: list[Any]) -> RefusedError:
        """For a name that is another's."""

    @abstractmethod
    def in_use(self, id_: str, user: str) -> RefusedError:
        """For the deletion of what something else needs."""

    @abstractmethod
    def stays(self, account: Account, kind: str, data: Data) -> None:
        """Raise RefusedError for what may not be deleted, though nothing refers to it."""

    def addresses(self, account: Account, kind: str, data: Data) -> dict[str, Any]:
        """The addresses that a thing is given when it is made, as outputs."""
        return {}

    def updated(self, account: Account, kind: str, id_: str, inputs: Data) -> dict[str, Any]:
        """Outputs of a thing that is there, once it has these `inputs`, though an input may have their names."""
        return {}

    # --- machines -------------------------------------------------------------------------------------------------

    @abstractmethod
    def title(self, data: Data) -> str:
        """A machine's name, as its tags have it."""

    @abstractmethod
    def user_data(self, data: Data) -> str:
        """What a machine is told at its first boot."""

    @abstractmethod
    def address(self, account: Account, data: Data) -> str:
        """A machine's own address."""

    @abstractmethod
    def rules(self, account: Account, data: Data, running: Collection[Data]) -> Iterator[Rule]:
        """What is let in to a machine, of which others are running."""


def at(data: Any, path: str) -> Iterator[Any]:
    """Values at `a.b.c`, through lists; none where something is missing or empty; of a map at the end, its keys."""
    first, _, rest = path.partition(".")
    found = data.get(first) if isinstance(data, Mapping) else None
    if isinstance(found, Mapping) and not rest:
        found = list(found)
    for one in found if isinstance(found, list) else [found]:
        if rest:
            yield from at(one, rest)
        elif one:
            yield one


def references(kind: Kind, data: Data) -> Iterator[tuple[str, str, str, Any]]:
    """(property, type, what of it, value) for each reference that is given."""
    for path, (wanted, attribute) in kind.refers.items():
        for value in at(data, path):
            yield path, wanted, attribute, value
