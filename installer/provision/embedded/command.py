"""The command lines that Pulumi's Automation API runs, carried out in this process instead of by the pulumi CLI."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml
from pulumi.automation import CommandResult, OnOutput, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from installer.core.errors import InfrastructureError, InstallerError
from installer.core.secret import Secret
from installer.provision import values
from installer.provision.embedded import child, keys, locks, program, store
from installer.provision.embedded.deployment import Deployment
from installer.provision.embedded.engine_log import EngineLog
from installer.provision.embedded.events import EventLog
from installer.provision.embedded.monitor import Monitor, served
from installer.provision.embedded.passphrase import Crypter
from installer.provision.embedded.plugins import Plugins
from installer.provision.embedded.refusal import needs_cli
from installer.provision.embedded.state import Snapshot, StateFile, from_deployment, opened, to_deployment
from installer.provision.embedded.store import Store

_VERSION: Final = VersionInfo(3, 272, 0)  # of the CLI that the SDK beside us belongs to
_HIDDEN: Final = "[secret]"
_VALUED: Final = frozenset(
    {
        "--stack",
        "--event-log",
        "--exec-kind",
        "--client",
        "--page-size",
        "--page",
        "--file",
        "--parallel",
        "--secrets-provider",
    }
)


@dataclass(frozen=True)
class _Call:
    """A command line, read: `words` without options, `options` with their values or an empty one."""

    words: tuple[str, ...]
    options: Mapping[str, str]

    @property
    def stack(self) -> str:
        return self.options.get("--stack") or self.words[-1]


class EmbeddedCommand(PulumiCommand):  # type: ignore[misc]  # the SDK has no types
    """Stands where the CLI would, for the commands in `_COMMANDS`; any other is refused by name."""

    def __init__(self) -> None:
        self.command = "embedded"
        self.version = _VERSION
        self._last: dict[str, Any] = {}

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """Carry out one command line; raises CommandError as the CLI's wrapper does."""
        call = _parsed(args)
        try:
            stdout = self._dispatch(call, _Stack.of(call, Path(cwd), {**os.environ, **additional_env}))
        except InstallerError as exc:
            if on_error:
                on_error(exc.explain())
            raise create_command_error(CommandResult(stdout="", stderr=exc.explain(), code=1)) from exc
        if on_output and stdout:
            on_output(stdout)
        return CommandResult(stdout=stdout, stderr="", code=0)

    def _dispatch(self, call: _Call, stack: _Stack) -> str:
        match call.words:
            case ("stack", "select"):
                stack.require()
            case ("stack", "init", _):
                stack.init(call.options.get("--secrets-provider", ""))
            case ("stack", "rm", _):
                stack.remove()
            case ("stack", "output"):
                return json.dumps(stack.outputs(show_secrets="--show-secrets" in call.options))
            case ("stack", "history"):
                return json.dumps([self._last] if self._last else [])
            case ("stack", "export"):
                return json.dumps(stack.export(show_secrets="--show-secrets" in call.options))
            case ("stack", "import"):
                stack.import_(json.loads(Path(call.options["--file"]).read_text()))
            case ("cancel",):
                locks.take_off(stack.store, stack.project, stack.name)
            case ("preview" | "up" | "refresh" | "destroy" as kind,):
                self._last = stack.operate(kind, call.options)
            case _:
                raise needs_cli(f"the embedded engine does not know `pulumi {' '.join(call.words)}`")
        return ""


@dataclass(frozen=True)
class _Stack:
    """One stack in one workspace folder."""

    name: str
    folder: Path
    project: str
    store: Store
    file: StateFile
    passphrase: Secret
    env: Mapping[str, str]

    @classmethod
    def of(cls, call: _Call, folder: Path, env: Mapping[str, str]) -> _Stack:
        project = yaml.safe_load((folder / "Pulumi.yaml").read_text())["name"]
        kept = store.opened(env.get("PULUMI_BACKEND_URL", ""))
        file = StateFile(kept, project, call.stack)
        return cls(call.stack, folder, project, kept, file, Secret(env.get("PULUMI_CONFIG_PASSPHRASE", "")), env)

    def require(self) -> None:
        """Raise, in the CLI's words, when the stack does not exist."""
        if not self.file.exists:
            raise InfrastructureError(f"no stack named '{self.name}' found")

    def init(self, secrets_provider: str) -> None:
        if self.file.exists:
            raise InfrastructureError(f"stack '{self.name}' already exists")
        self.file.save(Snapshot(), keys.new(secrets_provider, self.passphrase))

    def remove(self) -> None:
        with self._locked():
            if self.file.load().resources:
                raise InfrastructureError(f"stack {self.name} still has resources", hint="`moorage destroy` first")
            self.file.remove()
            locks.forget(self.store, self.project, self.name)

    def outputs(self, *, show_secrets: bool) -> dict[str, Any]:
        self.require()
        snapshot = self.file.load()
        stack = next((r for r in snapshot.resources if r["type"] == "pulumi:pulumi:Stack"), None)
        if stack is None:
            return {}
        found = opened(stack, self._crypter(snapshot))["outputs"]
        return {k: values.plain(v) if show_secrets or not values.has_secret(v) else _HIDDEN for k, v in found.items()}

    def export(self, *, show_secrets: bool) -> dict[str, Any]:
        self.require()
        snapshot = self.file.load()
        crypter = self._crypter(snapshot)
        deployment = to_deployment(snapshot, crypter)
        if show_secrets:
            deployment["resources"] = [opened(r, crypter) for r in snapshot.resources]
        return {"version": 3, "deployment": deployment}

    def import_(self, exported: Mapping[str, Any]) -> None:
        with self._locked():
            snapshot = from_deployment(exported["deployment"])
            self.file.save(snapshot, self._crypter(snapshot), time=snapshot.time)

    def operate(self, kind: str, options: Mapping[str, str]) -> dict[str, Any]:
        """One operation; returns its line in the history. The state is saved whatever becomes of it."""
        self.require()
        started = time.monotonic()
        begun = datetime.now(UTC)
        dry_run = kind == "preview" or "--preview-only" in options
        log = EventLog(options.get("--event-log"))
        with ExitStack() as ending:  # newest first
            ending.callback(lambda: log.close(time.monotonic() - started))
            if not dry_run:  # who only looks, looks beside whoever changes things
                ending.enter_context(self._locked(lambda text: log.message("info", text, "")))
            snapshot = self.file.load()
            crypter = self._crypter(snapshot)
            if not dry_run and self.file.interrupted:
                self.file.save(snapshot, crypter)  # a journal that was cut off is never written on
            plugins = Plugins(self.folder, self.project, log.message)
            deployment = Deployment(
                project=self.project,
                stack=self.name,
                snapshot=snapshot,
                file=self.file,
                crypter=crypter,
                plugins=plugins,
                config=self._config(),
                dry_run=dry_run,
                emit=log.happened,
                warn=lambda text: log.message("warning", text, ""),
            )
            if not dry_run:
                ending.callback(self.file.save, snapshot, crypter)
            ending.callback(plugins.close)
            self._carry_out(kind, options, deployment, log)
        return {
            "kind": kind,
            "startTime": begun.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "endTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "message": "",
            "environment": {},
            "config": {},
            "result": "succeeded",
            "version": 1,
            "resourceChanges": dict(log.changes),
        }

    def _carry_out(self, kind: str, options: Mapping[str, str], deployment: Deployment, log: EventLog) -> None:
        refreshes = kind == "refresh" or "--refresh" in options
        match kind:
            case "preview" | "up":
                problem = self._run_program(deployment, log, refreshes=refreshes)
                if not deployment.failed and not problem:
                    deployment.delete_unseen()
            case _:
                problem = ()
                if refreshes:
                    deployment.refresh()
                if kind == "destroy":
                    deployment.delete_everything()
        if deployment.failed:
            raise InfrastructureError(
                f"{kind} of {self.name}: {len(deployment.failed)} of its resources or calls failed",
                # Each once: what one provider lacks, all of its resources lack.
                last_lines=[line for text in dict.fromkeys(deployment.failed.values()) for line in text.splitlines()],
                hint="mend the cause and repeat the command: what was made is found again",
            )
        if problem:
            raise InfrastructureError(f"{kind} of {self.name}: its program failed", last_lines=problem)

    def _run_program(self, deployment: Deployment, log: EventLog, *, refreshes: bool) -> Sequence[str]:
        """Run the program to its end; returns the last lines it said, if it failed.

        It takes half a second to load; what is to be refreshed is looked at meanwhile.
        """
        monitor = Monitor(deployment)
        with served(monitor, EngineLog(log.message)) as address:
            settings = {
                "project": self.project,
                "stack": self.name,
                "monitor": address,
                "dryRun": deployment.dry_run,
                "config": dict(deployment.config),
            }
            argv = [sys.executable, "-m", program.__name__, str(self.folder / "__main__.py")]
            process = child.start(argv, cwd=self.folder, env={**self.env, program.SETTINGS: json.dumps(settings)})
            try:
                if refreshes:
                    deployment.refresh()
                monitor.admit()
                # communicate() would close its standard input, and that ends it.
                said = child.read_all(process)
                process.wait()
            except BaseException:
                deployment.cancelled = True
                raise
            finally:
                child.stop(process)
                monitor.admit()  # nobody waits for an operation that was given up
        if process.returncode == 0:
            return ()
        return said.splitlines()[-12:] or [f"it ended with {process.returncode}"]

    def _config(self) -> dict[str, str]:
        """The stack's settings as the program reads them: `<project>:<key>` -> text."""
        path = self.folder / f"Pulumi.{self.name}.yaml"
        found = (yaml.safe_load(path.read_text()) or {}).get("config") or {} if path.exists() else {}
        named = {key if ":" in key else f"{self.project}:{key}": value for key, value in found.items()}
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in named.items()}

    def _crypter(self, snapshot: Snapshot) -> Crypter:
        return keys.load(snapshot.secrets, self.passphrase) if snapshot.secrets else keys.new("", self.passphrase)

    @contextmanager
    def _locked(self, tell: locks.Tell = locks.untold) -> Iterator[None]:
        """Hold the stack for this operation."""
        with locks.hold(self.store, self.project, self.name, tell=tell) as held:
            self.file.require_held = held.require
            yield


def _parsed(args: Sequence[str]) -> _Call:
    words, options = [], {}
    rest = iter(args)
    for arg in rest:
        name, equals, value = arg.partition("=")
        if not arg.startswith("--"):
            words.append(arg)
        elif equals:
            options[name] = value
        else:
            options[arg] = next(rest) if arg in _VALUED else ""
    return _Call(tuple(words), options)
