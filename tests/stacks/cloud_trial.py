"""Runs the stack of a region in a cloud as the product does, on the embedded engine and the fake cloud."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from installer.core.secret import Secret
from installer.provision.changes import ResourceEvent
from installer.provision.stack import ProjectStack
from installer.spec.contract import RegionOutputs
from installer.spec.platform import Region
from tests.fakes.cloud.provider import FakeCloud

_STACKS = Path(__file__).parents[2] / "stacks"


@dataclass
class CloudTrial:
    """One platform with one region; `region` may change between operations. `events` are those of the last one."""

    folder: Path
    cloud: FakeCloud
    region: dict[str, Any]
    platform: str = "harbor"
    public_key: str = "ssh-ed25519 AAAA"
    events: list[ResourceEvent] = field(default_factory=list)

    def preview(self) -> set[tuple[str, str]]:
        """(operation, name) of everything that would change."""
        return {(change.op, change.name) for change in self._stack().preview()}

    def gone(self) -> set[str]:
        """Names of what was made before and is to be made again."""
        return {change.name for change in self._stack().preview() if change.gone}

    def up(self) -> RegionOutputs:
        """Bring it up; returns what it exports."""
        self.events.clear()
        return RegionOutputs.model_validate_json(self._stack().up()["region"])

    def destroy(self) -> None:
        """Take it down and forget it."""
        self.events.clear()
        stack = self._stack()
        stack.destroy()
        stack.remove()

    def state(self) -> str:
        """The state as it lies on the disk."""
        return self.state_path.read_text()

    @property
    def state_path(self) -> Path:
        return self.folder / ".pulumi" / "stacks" / "moorage-aws" / f"{self._name}.json"

    def planned(self) -> list[dict[str, Any]]:
        """The inputs of all that the program asked for."""
        return list(self.cloud.planned.values())

    @property
    def changes(self) -> set[tuple[str, str]]:
        """Of the last operation."""
        return {(event.op, event.name) for event in self.events if event.phase == "begins"}

    @property
    def _name(self) -> str:
        return f"{self.platform}-{self.region['name']}"

    def _stack(self) -> ProjectStack:
        region = TypeAdapter(Region).validate_python(self.region)
        return ProjectStack(
            project_dir=_STACKS / region.provider.kind,
            stack=self._name,
            backend=f"file://{self.folder}",
            passphrase=Secret("open sesame"),
            config={
                "platform": self.platform,
                "region": region.model_dump_json(by_alias=True),
                "publicKey": self.public_key,
                "routes": json.dumps([]),
            },
            on_event=self.events.append,
        )
