"""The stack of a platform's root secrets and its specification: made before any host, gone after the last."""

import pulumi

from stacks.common.resources import PlatformSecrets

config = pulumi.Config()
made = PlatformSecrets(
    "secrets",
    platform=config.require("platform"),
    days=config.get("authorityDays"),
    stage=config.get("stage"),
)
pulumi.export("secrets", pulumi.Output.json_dumps(made.values))
pulumi.export("specification", config.require("specification"))
