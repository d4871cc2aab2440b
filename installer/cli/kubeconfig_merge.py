"""Adds a cluster to the user's own kubeconfig, and never takes anything of theirs away."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from installer.core.errors import InstallerError, LockError

_LISTS = ("clusters", "users", "contexts")


def default_path() -> Path:
    """The file that kubectl would write to: the first of $KUBECONFIG, or ~/.kube/config."""
    named = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return Path(named[0]) if named else Path.home() / ".kube" / "config"


def merge(kubeconfig: str, *, name: str, path: Path) -> None:
    """Add the one context of `kubeconfig` to the file under `name`, comments and order of the file kept.

    A context that leads to the same cluster (its authority tells) is refreshed. Raises InstallerError when the name
    leads elsewhere already, when the file is not a kubeconfig, and LockError while somebody else writes it.
    """
    path = path.resolve()  # the file behind a link, not the link
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(path):
        yaml = _yaml()
        config = _read(yaml, path)
        _add(config, _renamed(json.loads(kubeconfig), name), name, path)
        text = io.StringIO()
        yaml.dump(config, text)
        _replace(path, text.getvalue())


def _yaml() -> YAML:
    """A reader and writer that keeps what the user wrote as they wrote it."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = sys.maxsize  # certificates are one long line
    return yaml


def _renamed(config: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """The entries for the three lists, all under one name."""
    return {
        "clusters": {"name": name, "cluster": config["clusters"][0]["cluster"]},
        "users": {"name": name, "user": config["users"][0]["user"]},
        "contexts": {"name": name, "context": {"cluster": name, "user": name}},
    }


def _add(config: Any, new: dict[str, dict[str, Any]], name: str, path: Path) -> None:
    present = {key: _find(config, key, name) for key in _LISTS}
    if any(present.values()) and not _same_cluster(present, new):
        hint = "give it another name with --name"
        raise InstallerError(f"{path} has a context, cluster or user {name} that is something else", hint=hint)
    for key in _LISTS:
        entries = config.get(key) or config.setdefault(key, [])
        if entries is None:
            config[key] = entries = []
        if present[key] is None:
            entries.append(new[key])
        else:
            present[key].update(new[key])
    if not config.get("current-context"):
        config["current-context"] = name


def _find(config: Any, key: str, name: str) -> Any:
    return next((entry for entry in config.get(key) or () if entry.get("name") == name), None)


def _same_cluster(present: dict[str, Any], new: dict[str, dict[str, Any]]) -> bool:
    """True when what is there under the name is what an earlier merge of this cluster wrote."""
    if not all(present.values()):
        return False
    authority = "certificate-authority-data"
    same: bool = present["clusters"]["cluster"].get(authority) == new["clusters"]["cluster"][authority]
    leads_there: bool = present["contexts"]["context"].get("cluster") == new["clusters"]["name"]
    return same and leads_there


def _read(yaml: YAML, path: Path) -> Any:
    try:
        config = yaml.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        config = None
    except (OSError, YAMLError, UnicodeDecodeError) as exc:
        raise InstallerError(f"{path} cannot be read as a kubeconfig", cause=str(exc).splitlines()[0]) from exc
    if config is None:
        return {"apiVersion": "v1", "kind": "Config"}
    if not isinstance(config, dict) or config.get("kind") != "Config":
        raise InstallerError(f"{path} is not a kubeconfig", hint="name the right file in KUBECONFIG")
    return config


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file that kubectl uses for the same purpose."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        lock.touch(exist_ok=False)
    except FileExistsError:
        hint = f"repeat in a moment; if no kubectl runs, remove {lock}"
        raise LockError(f"{path} is being written by somebody else", hint=hint) from None
    try:
        yield
    finally:
        lock.unlink()


def _replace(path: Path, text: str) -> None:
    """All of the new file or all of the old one, whatever happens; readable by its owner only, as it holds keys."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
