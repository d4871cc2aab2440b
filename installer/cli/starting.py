"""What `moorage init` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from installer.core.errors import InstallerError, SpecError
from installer.spec import faults, starter
from installer.spec import schema as schema_module


def schema() -> dict[str, Any]:
    """The JSON Schema of specifications."""
    return schema_module.json_schema()


def write(provider: str, path: Path) -> None:
    """Write the starter of a provider; never over something that exists."""
    if provider not in starter.PROVIDERS:
        guess = faults.did_you_mean(provider, starter.PROVIDERS)
        raise SpecError(f"there is no provider of this name{guess}", hint=f"one of: {', '.join(starter.PROVIDERS)}")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter.starter(provider))
    except FileExistsError as exc:
        raise InstallerError(f"{path} exists already", hint="name another file with -f, or remove it") from exc
    except OSError as exc:
        raise InstallerError(f"cannot write {path}: {exc.strerror}", hint="name another file with -f") from exc
