"""Runs the stack of a region in a cloud as the product does, on the embedded engine and a fake cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from installer.core.secret import Secret
from installer.provision.changes import ResourceEvent
from installer.provision.stack import ProjectStack
from installer.spec.contract import RegionOutputs
from installer.spec.platform import Region
from tests.fakes.cloud.account import Account
from tests.fakes.cloud.cloud import Cloud
from tests.fakes.cloud.provider import FakeCloud
from tests.fakes.provider import served

_STACKS = Path(__file__).parents[2] / "stacks"


@dataclass
class CloudTrial:
    """One platform with one region; `region` may change between operations. `events` are those of the last one."""

    folder: Path
    cloud: FakeCloud
    region: dict[str, Any]
    platform: str = "harbor"
    public_key: str = "ssh-ed25519 AAAA"
    ports: tuple[int, int] = (30000, 32767)  # of clusters
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
        return self.folder / ".pulumi" / "stacks" / f"moorage-{self.region['provider']['kind']}" / f"{self._name}.json"

    def forget_the_end_of(self, name: str) -> str:
        """Put the state back to where a run was killed while it made a machine; returns that one's id."""
        state = json.loads(self.state())
        kind, deployment = self.cloud.account.cloud.machine, state["checkpoint"]["latest"]
        (found,) = (r for r in deployment["resources"] if r["type"] == kind and r["urn"].endswith(f"::{name}"))
        deployment["resources"].remove(found)
        begun = {key: value for key, value in found.items() if key not in {"id", "outputs"}} | {"outputs": {}}
        deployment["pending_operations"] = [{"resource": begun, "type": "creating"}]
        self.state_path.write_text(json.dumps(state))
        return str(found["id"])

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
                "managerNetwork": json.dumps({"ports": self.ports}),
            },
            on_event=self.events.append,
        )


@contextmanager
def trial_in(
    cloud: Cloud, region: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CloudTrial]:
    """A platform that does not exist yet. In the end the cloud must be empty, and have nothing to complain about."""
    fake = FakeCloud(Account(cloud))
    with served(fake) as port:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", f"{cloud.package}:{port}")
        yield CloudTrial(folder, fake, region)
    assert fake.wrong == []
    assert fake.account.left() == []
