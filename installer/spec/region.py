"""What regions of all providers have in common."""

from __future__ import annotations

from typing import Final

from installer.spec.base import Model, Name, always, never
from installer.spec.quantity import Duration

GRACE: Final = "30m"


class AnyRegion(Model):
    """A place whose hosts may all be cut off at once."""

    name: Name = never(description="The region's name; a label of its nodes.")
    grace: Duration = always(
        GRACE,
        description="How long nodes and members of datastores wait for it when it is cut off as a whole; then they are"
        " made elsewhere, as those of a single lost host are at once.",
    )
