"""Runs a program on the embedded engine, the way the product does: through Pulumi's Automation API."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulumi import automation

from installer.provision.embedded.command import EmbeddedCommand
from tests.fakes.provider import FakeProvider

STACK, PROJECT = "dev", "trial"
_HEAD = "import pulumi\nfrom tests.stacks.thing import Group, Thing, after\n"


@dataclass
class Trial:
    """One stack, whose program may change between operations. `events` are those of the last operation."""

    folder: Path
    provider: FakeProvider
    passphrase: str = "open sesame"
    url: str = ""  # of the backend, where that is no directory
    secrets_provider: str = "passphrase"
    events: list[tuple[str, str]] = field(default_factory=list)  # operation, name
    said: list[str] = field(default_factory=list)

    @property
    def backend(self) -> Path:
        return self.folder / "state"

    @property
    def state_path(self) -> Path:
        return self.backend / ".pulumi" / "stacks" / PROJECT / f"{STACK}.json"

    @property
    def journal_path(self) -> Path:
        return self.state_path.with_suffix(".journal")

    def program(self, text: str) -> Trial:
        """Take this program from here on."""
        project = self.folder / "project"
        project.mkdir(parents=True, exist_ok=True)
        self.backend.mkdir(exist_ok=True)
        (project / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
        (project / "__main__.py").write_text(_HEAD + textwrap.dedent(text))
        return self

    def settings(self, **config: Any) -> Trial:
        """The stack's configuration; names with `__` for a colon."""
        named = {key.replace("__", ":"): value for key, value in config.items()}
        (self.folder / "project" / f"Pulumi.{STACK}.yaml").write_text(json.dumps({"config": named}))
        return self

    def stack(self) -> automation.Stack:
        """The stack, made if there is none."""
        workspace = automation.LocalWorkspace(
            work_dir=str(self.folder / "project"),
            pulumi_command=EmbeddedCommand(),
            env_vars={
                "PULUMI_BACKEND_URL": self.url or f"file://{self.backend}",
                "PULUMI_CONFIG_PASSPHRASE": self.passphrase,
            },
            secrets_provider=self.secrets_provider,
        )
        return automation.Stack.create_or_select(STACK, workspace)

    def preview(self) -> set[tuple[str, str]]:
        """What would happen, as (operation, name), without what stays as it is."""
        self._forget()
        self.stack().preview(on_event=self._note)
        return self.changes

    def up(self) -> dict[str, Any]:
        """Bring it up; returns the outputs."""
        self._forget()
        return {key: found.value for key, found in self.stack().up(on_event=self._note).outputs.items()}

    def refresh(self) -> None:
        self._forget()
        self.stack().refresh(on_event=self._note)

    def destroy(self) -> None:
        self._forget()
        self.stack().destroy(on_event=self._note)

    def resources(self) -> dict[str, dict[str, Any]]:
        """The state's live resources by name, as exported, without the stack and its providers."""
        return {
            r["urn"].rpartition("::")[2]: r
            for r in self.export()["resources"]
            if not r["type"].startswith("pulumi:") and not r.get("delete")
        }

    def export(self) -> dict[str, Any]:
        """The whole deployment, secrets in the clear."""
        found: dict[str, Any] = self.stack().export_stack().deployment
        return found

    @property
    def changes(self) -> set[tuple[str, str]]:
        """Of the last operation: what changed something, begun or done."""
        return {(op, name) for op, name in self.events if op not in {"same", "refresh", "read"}}

    def _forget(self) -> None:
        self.events, self.said = [], []

    def _note(self, event: automation.EngineEvent) -> None:
        if event.resource_pre_event:
            metadata = event.resource_pre_event.metadata
            if not metadata.type.startswith("pulumi:"):
                self.events.append((str(getattr(metadata.op, "value", metadata.op)), metadata.urn.rpartition("::")[2]))
        elif event.diagnostic_event:
            self.said.append(event.diagnostic_event.message)
