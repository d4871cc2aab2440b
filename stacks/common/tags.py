"""Tags of everything that a cloud's stack makes: whose it is, and what the specification adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final


@dataclass(frozen=True)
class Keys:
    """What tags are called: clouds allow different letters."""

    platform: str
    region: str
    name: str
    kept_in: str = "tags"  # the property of things that has them


SLASHED: Final = Keys("moorage.dev/platform", "moorage.dev/region", "Name")  # AWS
DASHED: Final = Keys("moorage-platform", "moorage-region", "name")  # Azure has no slashes, Google no dots or capitals
LABELS: Final = replace(DASHED, kept_in="labels")  # Google; its `tags` are something else


@dataclass(frozen=True, kw_only=True)
class Tags:
    """Those that all have in common; `of` adds a name."""

    platform: str
    region: str
    own: Mapping[str, str] = field(default_factory=dict)
    keys: Keys = SLASHED

    def of(self, name: str) -> dict[str, str]:
        """Tags of one thing; ours win."""
        keys = self.keys
        return {
            **self.own,
            keys.name: f"{self.platform}-{name}",
            keys.platform: self.platform,
            keys.region: self.region,
        }
