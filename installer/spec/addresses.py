"""Ranges of IPv4 addresses as a specification writes them: one address, the first and the last, or a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

MOST: Final = 256  # addresses of one range: what is larger is a mistake, and every address is looked at
_OCTET: Final = r"[0-9]{1,3}"
_ADDRESS: Final = rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}"
PATTERN: Final = rf"^{_ADDRESS}(-{_ADDRESS}|/[0-9]{{1,2}})?$"


@dataclass(frozen=True, order=True)
class Range:
    """From `first` to `last`, both included."""

    first: IPv4Address
    last: IPv4Address

    def __contains__(self, address: IPv4Address) -> bool:
        return self.first <= address <= self.last

    def __iter__(self) -> Iterator[IPv4Address]:
        return (IPv4Address(number) for number in range(int(self.first), int(self.last) + 1))

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def overlaps(self, other: Range) -> bool:
        """Whether some address is in both."""
        return self.first <= other.last and other.first <= self.last


def parse_range(text: str) -> Range:
    """The range in `192.0.2.10`, `192.0.2.10-192.0.2.19` or `192.0.2.16/28`; raises ValueError.

    A network means all of its addresses, as load balancers take them, not those that hosts may have.
    """
    try:
        if "/" in text:
            network = IPv4Network(text)
            found = Range(network[0], network[-1])
        else:
            first, _, last = text.partition("-")
            found = Range(IPv4Address(first), IPv4Address(last or first))
    except ValueError as exc:
        raise ValueError(f"not a range of IPv4 addresses ({exc})") from exc
    if found.last < found.first:
        raise ValueError("the last address comes before the first")
    if len(found) > MOST:
        raise ValueError(f"{len(found)} addresses; {MOST} are allowed in one range")
    return found


def _checked(text: str) -> str:
    parse_range(text)
    return text


AddressRange = Annotated[str, StringConstraints(pattern=PATTERN, max_length=31), AfterValidator(_checked)]
