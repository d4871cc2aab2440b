"""What happens to the resources of a stack, in words of ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """What an operation would do to one resource: create, update, replace or delete.

    `detail`: the inputs that differ. `gone`: it was made before, and somebody else has deleted it.
    """

    op: str
    type: str
    name: str
    urn: str
    detail: tuple[str, ...] = ()
    gone: bool = False


@dataclass(frozen=True, kw_only=True)
class ResourceEvent:
    """Something that happens to one resource. `phase`: begins, done, failed or said."""

    op: str
    type: str
    name: str
    phase: str
    text: str = ""

    def __str__(self) -> str:
        kind = self.type.rpartition(":")[2].lower()
        words = {"begins": f"{self.op} {kind} {self.name}", "done": f"{kind} {self.name}: {self.op} done"}
        return words.get(self.phase) or f"{kind} {self.name}: {self.text or self.phase}"
