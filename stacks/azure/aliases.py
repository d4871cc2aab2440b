"""Resources are asked for without the SDK's aliases: their names in API versions that no state of ours ever had."""

from __future__ import annotations

import copy

import pulumi


def without(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """A transformation. Each alias costs an id made of outputs, and some types have fifty: most of a preview's time."""
    opts = copy.copy(args.opts)
    opts.aliases = None
    return pulumi.ResourceTransformationResult(props=args.props, opts=opts)
