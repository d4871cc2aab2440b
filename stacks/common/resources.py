"""The resources of our own provider, as a program declares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi


class PlatformSecrets(pulumi.CustomResource):  # type: ignore[misc]  # the SDK has no types
    """A platform's root secrets: certificate authorities, keys, an SSH key pair; made once.

    The authorities change where another `stage` is given: see PlatformSecrets of the provider.
    """

    values: pulumi.Output[dict[str, str]]

    def __init__(self, name: str, *, platform: str, days: str | None, stage: str | None) -> None:
        props = {"platform": platform, "authorityDays": days, "stage": stage, "values": None}
        super().__init__("moorage:platform:Secrets", name, props)


class HostKey(pulumi.CustomResource):  # type: ignore[misc]  # the SDK has no types
    """An SSH host key, made before its host, so that the host is known when it first answers."""

    privateKey: pulumi.Output[str]  # noqa: N815 - properties are named as the provider names them
    publicKey: pulumi.Output[str]  # noqa: N815

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:ssh:HostKey", name, {"name": name, "privateKey": None, "publicKey": None}, opts)


class LocalNetwork(pulumi.CustomResource):  # type: ignore[misc]  # the SDK has no types
    """A network on this machine that nothing leaves."""

    name: pulumi.Output[str]
    range: pulumi.Output[str]

    def __init__(self, name: str, *, platform: str) -> None:
        super().__init__("moorage:local:Network", name, {"platform": platform, "name": None, "range": None})


class LocalHost(pulumi.CustomResource):  # type: ignore[misc]  # the SDK has no types
    """A host on this machine."""

    address: pulumi.Output[str]
    hostKey: pulumi.Output[str]  # noqa: N815 - properties are named as the provider names them

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:local:Host", name, {**props, "address": None, "hostKey": None}, opts)


class OnPremHost(pulumi.CustomResource):  # type: ignore[misc]  # the SDK has no types
    """A host that exists already: verified over SSH, its host key pinned; what we installed goes with it."""

    hostKey: pulumi.Output[str]  # noqa: N815
    machineId: pulumi.Output[str]  # noqa: N815
    arch: pulumi.Output[str]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        outputs = {"machineId": None, "arch": None, "os": None}
        super().__init__("moorage:onprem:Host", name, {**outputs, **props}, opts)
