"""A platform's state as one file: each stack as `pulumi stack import` takes it, secrets encrypted as they lie there.

https://github.com/pulumi/pulumi/blob/master/sdk/go/common/apitype/core.go has the form of a stack's part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from installer.core.errors import InfrastructureError, InstallerError
from installer.core.secret import Secret
from installer.provision import values
from installer.provision.embedded import keys

FORMAT: Final = 1
_KIND: Final = "moorage-state"


@dataclass(frozen=True)
class StackState:
    """One stack. `state`: `{"version": 3, "deployment": {...}}`."""

    kind: str  # of its project, without `moorage-`
    name: str
    state: Mapping[str, Any]

    @property
    def time(self) -> datetime:
        """When it was written last; raises ValueError where it does not say."""
        text = str((self._deployment.get("manifest") or {}).get("time"))
        return datetime.fromisoformat(_to_microseconds(text))

    @property
    def lineage(self) -> str:
        """The same for all states of one stack, from when it was made until it is removed."""
        return json.dumps(self._deployment.get("secrets_providers") or {}, sort_keys=True)

    def require_opened_by(self, passphrase: Secret) -> None:
        """Raise InfrastructureError unless its secrets can be read; of a provider that only the CLI knows, it tells."""
        provider = self._deployment.get("secrets_providers") or {}
        if keys.knows(keys.url_of(provider)):
            keys.load(provider, passphrase)

    def require_sealed(self) -> None:
        """Raise InfrastructureError when a secret in it is in the clear."""
        if any(values.is_secret(part) and "ciphertext" not in part for part in _parts(self.state)):
            raise InfrastructureError(
                f"stack {self.name} has a secret in the clear", hint="`moorage up` writes it anew, encrypted"
            )

    @property
    def _deployment(self) -> Mapping[str, Any]:
        return dict(self.state["deployment"])


@dataclass(frozen=True)
class Exported:
    """All stacks of one platform."""

    platform: str
    stacks: tuple[StackState, ...]

    def to_json(self) -> dict[str, Any]:
        """With a digest over all of it, which tells a file that is not whole."""
        data = {
            "kind": _KIND,
            "format": FORMAT,
            "platform": self.platform,
            "stacks": [{"project": s.kind, "stack": s.name, "state": s.state} for s in self.stacks],
        }
        return {**data, "digest": _digest(data)}

    def write(self, path: Path) -> None:
        """To a file that only its owner reads; raises InstallerError for one that exists."""
        try:
            path.touch(mode=0o600, exist_ok=False)
            path.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")
        except FileExistsError as exc:
            raise InstallerError(f"{path} exists already", hint="name another file, or remove it") from exc
        except OSError as exc:
            raise InstallerError(f"cannot write {path}: {exc.strerror}", hint="name another file") from exc


def load(path: Path) -> Exported:
    """What `write` wrote; raises InstallerError for anything else, half of it included."""
    hint = "`moorage state export FILE` writes one"
    try:
        return _parsed(json.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise InstallerError(f"cannot read {path}: {exc.strerror}", hint=hint) from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise InstallerError(f"{path} is not a whole exported state", cause=str(exc), hint=hint) from exc


def _parsed(data: dict[str, Any]) -> Exported:
    digest = data.pop("digest")
    if data["kind"] != _KIND:
        raise ValueError(f"it is a {data['kind']}")
    if data["format"] != FORMAT:
        raise ValueError(f"its format {data['format']} is not the one this version reads ({FORMAT})")
    if digest != _digest(data):
        raise ValueError("it was edited, or is not whole: its digest does not fit")
    stacks = tuple(StackState(one["project"], one["stack"], one["state"]) for one in data["stacks"])
    return Exported(data["platform"], stacks)


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner)


def _to_microseconds(text: str) -> str:
    """Go writes nanoseconds, which Python 3.11 does not read."""
    head, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{head}{dot}{digits[:6]}{rest[len(digits) :]}"
