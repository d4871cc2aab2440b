"""The one contract that every region's stack exports: `region`, the JSON of RegionOutputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi

from installer.spec.contract import RegionOutputs


def export_region(*, region: str, provider: str, hosts: Sequence[pulumi.Output[dict[str, Any]]]) -> None:
    """Export the region's hosts; each is a mapping of HostOutput's fields, checked once all of them are known."""

    def text(found: list[dict[str, Any]]) -> str:
        checked = RegionOutputs.model_validate({"region": region, "provider": provider, "hosts": found})
        return checked.model_dump_json()

    pulumi.export("region", pulumi.Output.all(*hosts).apply(text))
