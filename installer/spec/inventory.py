"""Hosts of an on-prem region from a file or a program's output, in the place of those that would be written there."""

from __future__ import annotations

import csv
import io
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from installer.spec import source
from installer.spec.platform import Inventory, OnPremHost
from installer.spec.source import Document, Fault, Loc

_REGIONS: Final[Loc] = ("spec", "regions")
_COMMAND_S: Final = 60
# Columns of a table: an on-prem host's keys. Labels are written `disk=ssd;rack=12`.
_COLUMNS: Final = tuple(field.alias or name for name, field in OnPremHost.model_fields.items())
_NUMBERS: Final = frozenset({"port"})


@dataclass
class _Rows:
    """Hosts as plain data, each with the file and line that it is from, and what is wrong with where they are."""

    hosts: list[Any] = field(default_factory=list)
    places: list[tuple[str, int]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def expand(document: Document, directory: Path) -> tuple[Document, tuple[Fault, ...]]:
    """The document with the hosts of every `inventory` behind those that are written, and what cannot be read.

    Whatever is wrong with such a host later is told with the file and line that it is from.
    """
    regions = _at(document.data, *_REGIONS)
    if not isinstance(regions, list):
        return document, ()
    changed, elsewhere, found = list(regions), dict(document.elsewhere), list[Fault]()
    for index, region in enumerate(regions):
        if not isinstance(region, dict) or region.get("inventory") is None:
            continue
        rows = _read(document, (*_REGIONS, index, "inventory"), region["inventory"], directory)
        written = list(region.get("hosts") or ())
        for number, place in enumerate(rows.places, start=len(written)):
            elsewhere[*_REGIONS, index, "hosts", number] = place
        changed[index] = {**region, "inventory": None, "hosts": [*written, *rows.hosts]}
        found += rows.faults
    data = {**document.data, "spec": {**document.data["spec"], "regions": changed}}
    return replace(document, data=data, elsewhere=elsewhere), tuple(found)


def _read(document: Document, loc: Loc, given: Any, directory: Path) -> _Rows:
    try:
        inventory = Inventory.model_validate(given)
    except ValidationError as exc:
        (first, *_) = exc.errors(include_url=False, include_input=False)
        why = str(first.get("ctx", {}).get("error", "")) or "give either file or command"
        return _Rows(faults=[document.fault(loc, why)])
    try:
        if inventory.file is not None:
            path = directory / Path(inventory.file).expanduser()
            text = path.read_text(encoding="utf-8")
            return _table(text, str(path)) if path.suffix == ".csv" else _list(text, str(path))
        return _list(_output(inventory.command or (), directory), " ".join(inventory.command or ()))
    except UnicodeDecodeError:
        return _Rows(faults=[document.fault(loc, f"{inventory.file} is not UTF-8 text")])
    except (OSError, subprocess.SubprocessError) as exc:
        return _Rows(faults=[document.fault(loc, f"cannot be read: {_why(exc)}")])


def _table(text: str, file: str) -> _Rows:
    """A table with a line of keys at its top; an empty cell is a key that is not given."""
    rows = _Rows()
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        unknown = [name for name in reader.fieldnames or () if name.strip() not in _COLUMNS]
        rows.faults += [Fault(file, 1, "", f"no host has the key {name}: {', '.join(_COLUMNS)}") for name in unknown]
        for row in reader:
            rows.hosts.append(dict(_cells(row)))
            rows.places.append((file, reader.line_num))
            if None in row:
                rows.faults.append(Fault(file, reader.line_num, "", "has more cells than the line at the top"))
    except csv.Error as exc:
        rows.faults.append(Fault(file, reader.line_num + 1, "", f"not CSV: {exc}"))
    return rows


def _cells(row: Mapping[str, str | None]) -> Iterator[tuple[str, Any]]:
    for name, cell in row.items():
        key, value = (name or "").strip(), cell.strip() if isinstance(cell, str) else ""
        if not value or key not in _COLUMNS:
            continue
        if key == "labels":
            yield key, dict(_label(pair) for pair in value.split(";") if pair.strip())
        else:
            yield key, int(value) if key in _NUMBERS and value.isdigit() else value


def _label(pair: str) -> tuple[str, str]:
    key, _, value = pair.partition("=")
    return key.strip(), value.strip()


def _list(text: str, file: str) -> _Rows:
    """A list in JSON or YAML, which is more than JSON, of hosts as they would be written."""
    documents, found = source.parse(text, file)
    if found:
        return _Rows(faults=list(found))
    if len(documents) != 1 or not isinstance(documents[0].data, list):
        return _Rows(faults=[Fault(file, 1, "", "must be one list of hosts")])
    (document,) = documents
    return _Rows(document.data, [(file, document.line((number,))) for number in range(len(document.data))])


def _output(command: tuple[str, ...], directory: Path) -> str:
    done = subprocess.run(
        command,
        cwd=directory.resolve(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=_COMMAND_S,
    )
    return done.stdout


def _why(exc: OSError | subprocess.SubprocessError) -> str:
    match exc:
        case OSError():
            return f"{exc.filename}: {exc.strerror}"
        case subprocess.CalledProcessError():
            last = (exc.stderr or "").strip().splitlines()[-1:]
            return f"{exc.cmd[0]} ended with {exc.returncode}{f': {last[0]}' if last else ''}"
        case _:
            return f"no end within {_COMMAND_S} s"


def _at(data: Any, *keys: str | int) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data
