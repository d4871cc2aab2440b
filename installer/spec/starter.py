"""Commented specifications to start from, one a provider."""

from __future__ import annotations

from importlib import resources
from typing import Final

PROVIDERS: Final = ("local", "onprem", "aws", "azure", "gcp")


def starter(provider: str) -> str:
    """The text of a platform.yaml for one of PROVIDERS, which loads without a fault as it is."""
    return (resources.files(__package__) / "starters" / f"{provider}.yaml").read_text(encoding="utf-8")
