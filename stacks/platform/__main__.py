"""The stack of a platform's root secrets: made before any host, gone after the last."""

import pulumi

from stacks.common.resources import PlatformSecrets

platform = pulumi.Config().require("platform")
made = PlatformSecrets("secrets", platform=platform)
pulumi.export("secrets", pulumi.Output.json_dumps(made.values))
