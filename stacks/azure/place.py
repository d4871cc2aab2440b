"""Where things are on Azure: a resource group of the region's own, whose name no other has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi_azure_native.resources.resource_group import ResourceGroup

from stacks.common.tags import Tags

# Of public addresses: they stay, and no one zone takes them with it.
ADDRESS: Final[Mapping[str, Any]] = {
    "sku": {"name": "Standard"},
    "public_ip_allocation_method": "Static",
    "public_ip_address_version": "IPv4",
    "zones": ["1", "2", "3"],
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Names within `group` are ours alone. `group_id`: what ids of things in it begin with."""

    group: pulumi.Input[str]
    group_id: pulumi.Output[str]
    location: str
    tags: Tags

    def of(self, name: str) -> dict[str, Any]:
        """What everything that is made here is given."""
        return {"resource_group_name": self.group, "location": self.location, "tags": self.tags.of(name)}


def new_place(name: str, location: str, tags: Tags, opts: pulumi.ResourceOptions | None = None) -> Place:
    """A resource group, with a random end to its name: two platforms in one subscription never collide."""
    group = ResourceGroup(f"{tags.platform}-{tags.region}-{name}", location=location, tags=tags.of(name), opts=opts)
    return Place(group=group.name, group_id=group.id, location=location, tags=tags)
