"""The resource of the fake provider, as programs of tests declare it."""

from __future__ import annotations

from typing import Any

import pulumi

from tests.fakes.provider import TYPE


class Thing(pulumi.CustomResource):  # type: ignore[misc]  # the SDK has no types
    """Output `serial`: which of all Things ever made it is."""

    serial: pulumi.Output[int]
    colour: pulumi.Output[str]
    hidden: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__(TYPE, name, {"serial": None, "colour": None, "hidden": None, **props}, opts)


class Group(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """Holds others."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fake:index:Group", name, None, opts)
        self.register_outputs({})


def after(thing: Thing) -> pulumi.Output[str]:
    """An input that is known once `thing` is made."""
    return thing.serial.apply(lambda serial: f"{thing.pulumi_resource_name} {serial}")
