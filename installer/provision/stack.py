"""One stack of one of our Pulumi projects, through the Automation API: by the pulumi CLI where there is one."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml
from pulumi import automation

from installer.core.errors import InfrastructureError, InstallerError
from installer.core.secret import Secret
from installer.provision.changes import ResourceChange, ResourceEvent
from installer.provision.embedded import keys, store
from installer.provision.embedded.command import EmbeddedCommand
from installer.provision.embedded.state import StateFile
from installer.spec.contract import SECRETS_VARIABLE

_STACK_TYPE: Final = "pulumi:pulumi:Stack"
_REPLACED: Final = {"create-replacement", "delete-replaced"}  # parts of what is announced as `replace`


@dataclass(frozen=True, kw_only=True)
class ProjectStack:
    """A stack and its settings. Secret ones go to the program by its environment: never in a file, never in argv."""

    project_dir: Path
    stack: str
    backend: str  # URL of Pulumi's backend
    passphrase: Secret
    secrets_provider: str = "passphrase"  # or a URL that Pulumi knows; taken when the stack is made
    config: Mapping[str, str]
    secret_config: Mapping[str, Secret] = field(default_factory=dict)
    on_event: Callable[[ResourceEvent], None]

    def outputs(self) -> Mapping[str, Any] | None:
        """What the stack exported when it last ran, secrets as `Secret`; None when it never ran."""
        with self._existing() as stack:
            if stack is None:
                return None
            return {key: _output(found) for key, found in stack.outputs().items()} or None

    def preview(self) -> tuple[ResourceChange, ...]:
        """What `up` would do; hosts are looked at first, so that one that is gone counts. Changes nothing."""
        found: dict[str, ResourceChange] = {}

        def note(event: automation.EngineEvent) -> None:
            if event.resource_pre_event and (change := _change(event.resource_pre_event.metadata)):
                found[change.urn] = change

        with self._opened() as stack:
            stack.preview(on_event=note, refresh=True)
            if any(change.op == "create" for change in found.values()):
                exported = json.loads(self._ask(stack, "stack", "export", "--stack", self.stack))
                known = {resource["urn"] for resource in exported["deployment"].get("resources") or ()}
                found = {urn: replace(c, gone=c.op == "create" and urn in known) for urn, c in found.items()}
        return tuple(found.values())

    def up(self) -> Mapping[str, Any]:
        """Bring the stack to what the program says; returns its outputs. Raises InfrastructureError."""
        with self._opened() as stack:
            done = stack.up(on_event=self._tell, refresh=True)
            return {key: _output(found) for key, found in done.outputs.items()}

    def destroy(self) -> None:
        """Delete all its resources; nothing happens when there is no such stack."""
        with self._existing() as stack:
            if stack is not None:
                stack.destroy(on_event=self._tell)

    def remove(self) -> None:
        """Forget the stack, once nothing is left of it."""
        with self._existing() as stack:
            if stack is not None:
                stack.workspace.remove_stack(self.stack)

    def export(self) -> Mapping[str, Any] | None:
        """The state as `pulumi stack import` takes it, its secrets encrypted; None when there is no such stack."""
        with self._existing() as stack:
            if stack is None:
                return None
            # The Automation API's own export asks for secrets in the clear.
            found: Mapping[str, Any] = json.loads(self._ask(stack, "stack", "export", "--stack", self.stack))
            return found

    def import_(self, exported: Mapping[str, Any]) -> None:
        """Replace the state by an exported one; the stack is made if it does not exist."""
        with self._opened() as stack:
            stack.import_stack(automation.Deployment(**exported))

    def cancel(self) -> None:
        """Take off the backend's lock; the caller knows that nobody holds it."""
        with self._existing() as stack:
            if stack is not None:
                self._ask(stack, "cancel", "--yes", "--stack", self.stack)

    @staticmethod
    def _ask(stack: automation.Stack, *words: str) -> str:
        workspace = stack.workspace
        return str(workspace.pulumi_command.run([*words], workspace.work_dir, dict(workspace.env_vars)).stdout)

    @contextmanager
    def _opened(self) -> Iterator[automation.Stack]:
        """The stack, made if it does not exist, in a workspace that is gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="moorage-stack-") as folder, _translated(self.stack):
            if self.backend.startswith("file://"):
                Path(self.backend.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
            yield automation.Stack.create_or_select(self.stack, self._workspace(Path(folder)))

    @contextmanager
    def _existing(self) -> Iterator[automation.Stack | None]:
        """The same, but None when it does not exist."""
        with tempfile.TemporaryDirectory(prefix="moorage-stack-") as folder, _translated(self.stack):
            try:
                stack = automation.Stack.select(self.stack, self._workspace(Path(folder)))
            except automation.StackNotFoundError:
                stack = None
            yield stack

    def _workspace(self, folder: Path) -> automation.LocalWorkspace:
        shutil.copytree(self.project_dir, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        project = yaml.safe_load((folder / "Pulumi.yaml").read_text())
        _write_provider(folder, project)
        values = {f"{project['name']}:{key}": value for key, value in self.config.items()}
        settings = {**self._key_settings(project["name"]), "config": values}
        (folder / f"Pulumi.{self.stack}.yaml").write_text(yaml.safe_dump(settings))
        return automation.LocalWorkspace(
            work_dir=str(folder),
            pulumi_command=_command(),
            env_vars=self._environment(),
            secrets_provider=self.secrets_provider,
        )

    def _key_settings(self, project: str) -> dict[str, str]:
        """Where the CLI looks for a stack's wrapped key: the folder in which it was made is gone."""
        if self.secrets_provider == keys.PASSPHRASE or not store.knows(self.backend):
            return {}
        provider = StateFile(store.opened(self.backend), project, self.stack).load().secrets
        state = provider.get("state") or {}
        return {"secretsprovider": state["url"], "encryptedkey": state["encryptedkey"]} if "url" in state else {}

    def _environment(self) -> dict[str, str]:
        return {
            "PULUMI_BACKEND_URL": self.backend,
            "PULUMI_CONFIG_PASSPHRASE": self.passphrase.reveal(),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            # The CLI's Python is the one that runs us: it has the SDK, and our packages.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path),
            SECRETS_VARIABLE: json.dumps({key: value.reveal() for key, value in self.secret_config.items()}),
        }

    def _tell(self, event: automation.EngineEvent) -> None:
        if event.resource_pre_event:
            self._tell_step(event.resource_pre_event.metadata, "begins")
        elif event.res_outputs_event:
            self._tell_step(event.res_outputs_event.metadata, "done")
        elif event.res_op_failed_event:
            self._tell_step(event.res_op_failed_event.metadata, "failed")
        elif event.diagnostic_event and event.diagnostic_event.severity in {"warning", "info"}:
            text = event.diagnostic_event.message.strip()
            self.on_event(ResourceEvent(op="", type=_STACK_TYPE, name=self.stack, phase="said", text=text))

    def _tell_step(self, metadata: automation.StepEventMetadata, phase: str) -> None:
        if (change := _change(metadata)) is not None:
            self.on_event(ResourceEvent(op=change.op, type=change.type, name=change.name, phase=phase))


def _command() -> automation.PulumiCommand:
    return automation.PulumiCommand() if shutil.which("pulumi") else EmbeddedCommand()


def _write_provider(folder: Path, project: dict[str, Any]) -> None:
    """Our provider as the CLI looks for one: a program `pulumi-resource-moorage` that the project names."""
    directory = folder / "bin"
    directory.mkdir()
    script = directory / "pulumi-resource-moorage"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -u -m installer.provision.provider "$@"\n')
    script.chmod(0o755)
    project["plugins"] = {"providers": [{"name": "moorage", "path": str(directory)}]}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))


def _change(metadata: automation.StepEventMetadata) -> ResourceChange | None:
    """A step as a change; None for steps that change nothing, parts of others, and the stack's own bookkeeping."""
    op = getattr(metadata.op, "value", metadata.op)
    if op in {"same", "read", "refresh", *_REPLACED} or metadata.type.startswith(("pulumi:providers:", _STACK_TYPE)):
        return None
    name = metadata.urn.rpartition("::")[2]
    return ResourceChange(
        op=op, type=metadata.type, name=name, urn=metadata.urn, detail=tuple(sorted(metadata.diffs or ()))
    )


def _output(found: automation.OutputValue) -> Any:
    if not found.secret:
        return found.value
    return Secret(found.value if isinstance(found.value, str) else json.dumps(found.value))


@contextmanager
def _translated(stack: str) -> Iterator[None]:
    """Errors of the Automation API in our words; the embedded engine's own keep what they say."""
    try:
        yield
    except automation.CommandError as exc:
        if isinstance(exc.__cause__, InstallerError):
            raise exc.__cause__ from exc
        if isinstance(exc, automation.ConcurrentUpdateError):
            raise InfrastructureError(
                f"stack {stack} is in use by another run",
                hint="wait until it has ended; if it was killed: `moorage state unlock`, and repeat",
            ) from exc
        lines = [line for line in str(exc).splitlines() if line.strip()]
        raise InfrastructureError(f"pulumi failed on stack {stack}", last_lines=lines[-20:]) from exc
