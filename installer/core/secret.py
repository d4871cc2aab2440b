"""A secret that is harmless when printed, logged or compared in a test report."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Secret:
    """Text that leaves only by `reveal()`."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """The text itself; the caller keeps it out of argv, logs, plans and plain files."""
        return self._value

    def __str__(self) -> str:
        return "[secret]"
