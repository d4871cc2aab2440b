"""A stack's settings, typed: plain ones from its configuration, secret ones from the environment of its program."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pydantic import TypeAdapter

from installer.spec.contract import SECRETS_VARIABLE
from installer.spec.platform import ManagerNetwork, Region


@dataclass(frozen=True)
class Settings:
    """What a region's stack is given."""

    platform: str
    region: Any  # one of the region models
    public_key: str  # may log in as root to hosts that we make
    routes: list[str]  # ranges that hosts without a way out must still have a route to
    network: ManagerNetwork  # the manager's ranges and ports
    secrets: dict[str, str] = field(repr=False)

    @classmethod
    def read(cls) -> Settings:
        """The settings of the stack that runs."""
        config = pulumi.Config()
        return cls(
            platform=config.require("platform"),
            region=TypeAdapter(Region).validate_json(config.require("region")),
            public_key=config.get("publicKey") or "",
            routes=json.loads(config.get("routes") or "[]"),
            network=ManagerNetwork.model_validate_json(config.get("managerNetwork") or "{}"),
            secrets=json.loads(os.environ.get(SECRETS_VARIABLE, "{}")),
        )

    def secret(self, name: str) -> pulumi.Output[str] | None:
        """A secret setting, marked as one; None when it was not given."""
        value = self.secrets.get(name)
        return pulumi.Output.secret(value) if value else None
