"""Which differences between two specifications are allowed: each field says when it may change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from installer.core.version import Version, refused_step
from installer.spec.base import CHANGE_MARK, Changes
from installer.spec.source import Fault, Loc
from installer.spec.specification import Specification
from installer.spec.subject import Finding


def check_change(old: Specification, new: Specification) -> tuple[Fault, ...]:
    """The forbidden differences, at their places in `new`; documents and list items are matched by name."""
    pairs: list[tuple[Any, Any]] = []
    if old.platform and new.platform:
        pairs.append((old.platform, new.platform))
    before = {cluster.name: cluster for cluster in old.clusters}
    pairs += [(before[cluster.name], cluster) for cluster in new.clusters if cluster.name in before]
    return tuple(
        new.place(Finding(after, loc, message))
        for earlier, after in pairs
        for loc, message in _model(earlier, after, ())
    )


def _model(old: BaseModel, new: BaseModel, at: Loc) -> Iterator[tuple[Loc, str]]:
    shared = type(old).model_fields.keys()  # where the kind changed, that alone is worth telling
    for name, field in type(new).model_fields.items():
        if name in shared and (before := getattr(old, name)) != (after := getattr(new, name)):
            yield from _value(before, after, (*at, field.alias or name), _mark(field))


def _value(old: Any, new: Any, at: Loc, mark: Changes) -> Iterator[tuple[Loc, str]]:
    if (
        isinstance(old, BaseModel)
        and isinstance(new, BaseModel)
        and type(old).model_fields.keys() & type(new).model_fields
    ):
        yield from _model(old, new, at)
    elif _named(old) and _named(new):
        yield from _list(old, new, at, mark)
    elif mark is Changes.STEPS and (why := refused_step(Version.parse(old), Version.parse(new))):
        yield at, why
    elif mark is Changes.NEVER:
        yield at, "may not change after creation"
    elif mark is Changes.ONCE and old not in (None, "", (), {}):
        yield at, "may be set once and not change after that"


def _list(old: Sequence[Any], new: Sequence[Any], at: Loc, mark: Changes) -> Iterator[tuple[Loc, str]]:
    before = {item.name: item for item in old}
    for index, item in enumerate(new):
        if item.name in before:
            yield from _model(before[item.name], item, (*at, index))
        elif mark is Changes.NEVER:
            yield (*at, index), "may not be added after creation"
    if mark is Changes.NEVER and (gone := before.keys() - {item.name for item in new}):
        yield at, f"may not lose {', '.join(sorted(gone))} after creation"


def _named(value: Any) -> bool:
    return (
        isinstance(value, tuple) and bool(value) and all(isinstance(getattr(item, "name", None), str) for item in value)
    )


def _mark(field: FieldInfo) -> Changes:
    extra = field.json_schema_extra
    mark = extra.get(CHANGE_MARK) if isinstance(extra, dict) else None
    return Changes(str(mark)) if mark else Changes.ALWAYS
