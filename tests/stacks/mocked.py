"""Runs a shipped stack program with Pulumi's mocks: no engine, no provider."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installer.spec.contract import SECRETS_VARIABLE, RegionOutputs

_ROOT = Path(__file__).parents[2]
# Runs one program in a process of its own: settings on standard input; resources and exports on standard output.
_RUNNER = """
import asyncio, json, runpy, sys
import pulumi
from pulumi.runtime import mocks, set_all_config

asked = json.load(sys.stdin)
made = []

class Mocks(mocks.Mocks):
    def new_resource(self, args):
        made.append({"type": args.typ, "name": args.name, "inputs": args.inputs})
        return f"{args.name}-id", {**args.inputs, **asked["outputs"].get(args.name, {})}
    def call(self, args):
        raise AssertionError(f"no program here calls {args.token}")

exports = {}
pulumi.export = exports.__setitem__
asyncio.set_event_loop(asyncio.new_event_loop())
mocks.set_mocks(Mocks(), project=asked["project"], stack="dev", preview=False)
set_all_config({f"{asked['project']}:{key}": value for key, value in asked["config"].items()}, [])

@pulumi.runtime.test
def run():
    runpy.run_path(asked["program"], run_name="__main__")
    kept = {name: pulumi.Output.from_input(value) for name, value in exports.items()}
    async def write(values):
        secret = {name: await output.is_secret() for name, output in kept.items()}
        print(json.dumps({"made": made, "exports": values, "secret": secret}))
    return pulumi.Output.all(**kept).apply(write)

run()
"""


@dataclass(frozen=True)
class Ran:
    """What a program asked for and exported."""

    made: list[dict[str, Any]]
    exports: dict[str, Any]
    secret: dict[str, bool]

    def inputs(self, name: str) -> dict[str, Any]:
        """Of one resource, without what was left open."""
        found = next(resource["inputs"] for resource in self.made if resource["name"] == name)
        return {key: value for key, value in found.items() if value is not None}

    @property
    def region(self) -> RegionOutputs:
        return RegionOutputs.model_validate_json(self.exports["region"])


def run(
    project: str,
    config: Mapping[str, Any],
    *,
    outputs: Mapping[str, Any] | None = None,
    hidden: Mapping[str, str] | None = None,
) -> Ran:
    """The program of a project, with these settings; `outputs` of resources by name, as their providers would give."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    asked = {
        "project": f"moorage-{project}",
        "program": str(_ROOT / "stacks" / project / "__main__.py"),
        "config": texts,
        "outputs": outputs or {},
    }
    done = subprocess.run(
        [sys.executable, "-c", _RUNNER],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        cwd=_ROOT,
        env={**os.environ, SECRETS_VARIABLE: json.dumps(hidden or {})},
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return Ran(**json.loads(done.stdout.splitlines()[-1]))
