"""Providers of Pulumi's that are installed here: programs `pulumi-resource-<package>`."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Final

_VERSION: Final = re.compile(r"-v(\d+)\.(\d+)\.(\d+)$")


def find(package: str) -> Path | None:
    """The program of a provider: the one on PATH, or else the newest where the pulumi CLI keeps them."""
    name = f"pulumi-resource-{package}"
    if found := shutil.which(name):
        return Path(found)
    folders = [folder for folder in _plugins().glob(f"resource-{package}-v*") if _version(folder)]
    programs = (folder / name for folder in sorted(folders, key=_version, reverse=True))
    return next((program for program in programs if os.access(program, os.X_OK)), None)


def _plugins() -> Path:
    """https://www.pulumi.com/docs/iac/cli/environment-variables/"""
    return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"


def _version(folder: Path) -> tuple[int, ...]:
    found = _VERSION.search(folder.name)
    return tuple(map(int, found.groups())) if found else ()
