"""What things on Google Cloud are called that cannot have labels, and what instances are tagged with for rules."""

from __future__ import annotations

from stacks.common.tags import Tags


def named(tags: Tags, what: str) -> str:
    """`harbor-network`."""
    return f"{tags.platform}-{what}"


def network_tag(tags: Tags, group: str) -> str:
    """By which firewall rules know the instances of a group: manager, worker or bastion of a platform."""
    return f"{tags.platform}-{group}"


def about(tags: Tags, what: str) -> str:
    """The description of something that cannot have labels."""
    return f"Moorage: {what} of platform {tags.platform}, region {tags.region}"
