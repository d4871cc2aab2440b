"""Tags of everything that a cloud's stack makes: whose it is, and what the specification adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PLATFORM: Final = "moorage.dev/platform"
REGION: Final = "moorage.dev/region"


@dataclass(frozen=True, kw_only=True)
class Tags:
    """Those that all have in common; `of` adds a name."""

    platform: str
    region: str
    own: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str) -> dict[str, str]:
        """Tags of one thing; ours win."""
        return {**self.own, "Name": f"{self.platform}-{name}", PLATFORM: self.platform, REGION: self.region}
