"""One account of a fake cloud: what there is, what may be asked for, and what is refused."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, Final, Protocol

from tests.fakes.cloud.cloud import Cloud, Data, RefusedError, Rule, at, references

RESERVED: Final = "reserved"  # of a thing: addresses of this machine's, which no SDK knows of
_PUBLIC: Final = IPv4Network("203.0.113.0/24")  # RFC 5737, for documentation


class Machines(Protocol):
    """What boots machines, where they are to be real."""

    def reserve(self) -> str:
        """An address that no other has until it is released."""
        ...

    def release(self, address: str) -> None: ...

    def start(self, id_: str, address: str, user_data: str) -> None:
        """Boot one at an address that was reserved, as its user data says."""
        ...

    def stop(self, id_: str) -> None: ...

    def allow(self, id_: str, rules: frozenset[Rule]) -> None:
        """Let in what these rules say, and nothing else."""
        ...


@dataclass(kw_only=True)
class Fault:
    """Something that goes wrong: the next `times` calls of `method` for a resource of this name are refused.

    `kind`: only of this type. `stall`: they wait for it instead, and then succeed.
    """

    method: str
    name: str
    kind: str = ""
    code: str = "InternalError"
    text: str = "An internal error has occurred"
    times: int = 1
    stall: threading.Event | None = None


@dataclass
class Account:
    """`things`: (type, id) -> inputs and outputs. Without `machines`, these are addresses with nothing behind."""

    cloud: Cloud
    machines: Machines | None = None
    quota: dict[str, int] = field(default_factory=dict)
    things: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    calls: list[tuple[str, str, str]] = field(default_factory=list)  # method, type, name
    lock: threading.RLock = field(default_factory=threading.RLock)
    booted: set[str] = field(default_factory=set)  # ids of what is a real machine by now
    allowed: dict[str, frozenset[Rule]] = field(default_factory=dict)
    given: set[tuple[str, str]] = field(default_factory=set)  # what was there before anything was made

    def __post_init__(self) -> None:
        self.quota = {**self.cloud.quota, **self.quota}

    # --- what tests ask and do ------------------------------------------------------------------------------------

    def get(self, kind: str, id_: str) -> Data:
        """One thing."""
        return self.things[kind, id_]

    def all(self, kind: str) -> list[Data]:
        """All things of a type."""
        return [data for (found, _), data in self.things.items() if found == kind]

    def one(self, kind: str, path: str, value: Any) -> Data | None:
        """A thing of a type by one of its properties."""
        return next((data for data in self.all(kind) if value in at(data, path)), None)

    def left(self) -> list[tuple[str, str]]:
        """What was made and is still there."""
        return sorted(self.things.keys() - self.given)

    def machine(self, title: str) -> Data:
        """A machine by its name."""
        (found,) = (data for data in self.all(self.cloud.machine) if self.cloud.title(data) == title)
        return found

    def terminate(self, title: str) -> None:
        """Delete a machine by hand."""
        self._gone(self.cloud.machine, self.machine(title)["id"])

    def give(self, kind: str, id_: str, inputs: Data) -> str:
        """Something that somebody else made."""
        self.things[kind, id_] = {**inputs, **self.cloud.kinds[kind].made(self, id_, inputs), "id": id_}
        self.given.add((kind, id_))
        return id_

    # --- what providers ask ---------------------------------------------------------------------------------------

    def create(self, kind: str, name: str, inputs: Data) -> tuple[str, dict[str, Any]]:
        """Make it; raises RefusedError."""
        self._called("create", kind, name)
        about = self.cloud.kinds[kind]
        with self.lock:
            self._check_references(kind, inputs)
            self._check_unique(kind, inputs)
            about.check(self, inputs)
            id_ = about.id_of(inputs) if about.id_of else self.cloud.new_id(kind, name)
            data = {**inputs, **about.made(self, id_, inputs), "id": id_}
            data |= self.cloud.addresses(self, kind, data)
            self.things[kind, id_] = data
        if kind == self.cloud.machine and self.machines is not None:
            self.machines.start(id_, self.cloud.address(self, data), self.cloud.user_data(data))
            with self.lock:
                self.booted.add(id_)
        self._guard()
        return id_, dict(data)

    def read(self, kind: str, id_: str) -> dict[str, Any] | None:
        """As it is now; None when it is gone."""
        with self.lock:
            found = self.things.get((kind, id_))
            return None if found is None else dict(found)

    def update(self, kind: str, id_: str, name: str, inputs: Data) -> dict[str, Any]:
        """Change it in place; raises RefusedError."""
        self._called("update", kind, name)
        with self.lock:
            if (kind, id_) not in self.things:
                raise self.cloud.no_such(kind, "id", id_)
            self._check_references(kind, inputs)
            data = self.things[kind, id_]
            self.things[kind, id_] = {**data, **inputs, **self.cloud.updated(self, kind, id_, inputs)}
            return dict(self.things[kind, id_])

    def delete(self, kind: str, id_: str, name: str) -> None:
        """Delete it; one that is not there is gone already. Raises RefusedError while others need it."""
        self._called("delete", kind, name)
        with self.lock:
            if (data := self.things.get((kind, id_))) is None:
                return
            if users := self._users(kind, data):
                raise self.cloud.in_use(id_, users[0])
            self.cloud.stays(self, kind, data)
        self._gone(kind, id_)

    def free(self, network: IPv4Network, path: str, first: int) -> str:
        """An address of a network, from its `first` on, that nothing has at `path`."""
        taken = {value for data in self.things.values() for value in at(data, path)}
        numbers = range(first, network.num_addresses - 1)
        return next(str(network[number]) for number in numbers if str(network[number]) not in taken)

    def public_address(self, path: str) -> str:
        """A public address that nothing has at `path`."""
        return self.free(_PUBLIC, path, 1)

    def reserve(self, kept: dict[str, Any]) -> str:
        """An address of this machine's; `kept`, a thing's outputs, gets it, and frees it when the thing goes."""
        assert self.machines is not None
        address = self.machines.reserve()
        kept.setdefault(RESERVED, []).append(address)
        return address

    # --- inside ---------------------------------------------------------------------------------------------------

    def _called(self, method: str, kind: str, name: str) -> None:
        with self.lock:
            self.calls.append((method, kind, name))
            meant = (f for f in self.faults if (f.method, f.name, f.kind or kind) == (method, name, kind))
            fault = next((one for one in meant if one.times > 0), None)
            if fault is None:
                return
            fault.times -= 1
        if fault.stall is None:
            raise RefusedError(fault.code, fault.text)
        fault.stall.wait(timeout=60)

    def _check_references(self, kind: str, inputs: Data) -> None:
        for path, wanted, attribute, value in references(self.cloud.kinds[kind], inputs):
            if self.one(wanted, attribute, value) is None:
                raise self.cloud.no_such(wanted, path, value)

    def _check_unique(self, kind: str, inputs: Data) -> None:
        keys = self.cloud.kinds[kind].unique
        mine = [inputs.get(key) for key in keys]
        if keys and any([other.get(key) for key in keys] == mine for other in self.all(kind)):
            raise self.cloud.duplicate(kind, mine)

    def _users(self, kind: str, data: Data) -> list[str]:
        """What cannot be without it; its own parts can, and go with it."""
        found = []
        for (other, id_), theirs in self.things.items():
            about = self.cloud.kinds[other]
            for path, wanted, attribute, value in references(about, theirs):
                if wanted == kind and path != about.part_of and value in at(data, attribute):
                    found.append(id_)
        return found

    def _guard(self) -> None:
        """Tell machines what their firewalls let in now, where that has changed.

        Only when something is made: what was let in may stay so, since tests are of what is let in and what never was.
        """
        if self.machines is None:
            return
        with self.lock:
            running = {data["id"]: data for data in self.all(self.cloud.machine) if data["id"] in self.booted}
            for id_, data in running.items():
                rules = frozenset(self.cloud.rules(self, data, running.values()))
                if self.allowed.get(id_) != rules:
                    self.machines.allow(id_, rules)
                    self.allowed[id_] = rules

    def _gone(self, kind: str, id_: str) -> None:
        """It and its parts, and theirs."""
        with self.lock:
            data = self.things[kind, id_]
            parts = [
                key
                for key, theirs in self.things.items()
                for path, wanted, attribute, value in references(self.cloud.kinds[key[0]], theirs)
                if wanted == kind and path == self.cloud.kinds[key[0]].part_of and value in at(data, attribute)
            ]
        for part in parts:
            if part in self.things:
                self._gone(*part)
        with self.lock:
            self.booted.discard(id_)
        if self.machines is not None:
            if kind == self.cloud.machine:
                self.machines.stop(id_)
            for address in data.get(RESERVED, ()):
                self.machines.release(address)
        with self.lock:
            self.things.pop((kind, id_), None)
