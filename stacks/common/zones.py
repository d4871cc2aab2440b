"""Zones that an account can use."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi


def one_of(zone: str, available: Sequence[str]) -> str:
    """The zone; raises RunError, which names those that there are."""
    if zone not in available:
        raise pulumi.RunError(f"there is no zone {zone} for this account: {', '.join(available)}")
    return zone
