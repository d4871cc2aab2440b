"""Writes docs/reference/specification.md from the models, so that it says what they say."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from installer.spec.base import CHANGE_MARK
from installer.spec.cluster import Cluster
from installer.spec.platform import Platform, PlatformSpec

_INTRO = """# The specification

<!-- Written from the models by tests/unit/spec/test_reference.py; GOLDEN=update writes it anew. -->

YAML documents of `apiVersion: moorage.dev/v1`, in one file or in the YAML files of one directory: one `Platform`, any
number of `Cluster`. Unknown keys are refused. Every fault of every document is told at once, with file, line and path,
and without the value that stands there, which may be a secret. `moorage init` writes a commented one to start from;
`moorage init --schema` writes the JSON Schema for editors. YAML is version 1.2: `on`, `no` and dates are text.

*Changes* says when a field may change after creation: always, once (from nothing to something), in steps (up one minor
version at a time), or never; `preview` refuses a forbidden change by its path. List items are matched by name; one that
is new or gone is a change of its list.
"""

_CHECKS = """## What is checked across fields

- 1, 3 or 5 hosts have the role `manager`.
- Names of regions, hosts (groups counted out), clusters and pools, and addresses of hosts, each stand for one thing.
  `default`, `manager`, `kube-*` and `moorage-*` are no names for clusters.
- The manager's pods and services, a cluster's pods and services, the hosts' addresses and networks, and 198.18.0.0/15
  (local hosts) do not overlap, except that clusters may have the same ranges as each other. Pod ranges hold a /24 for
  each node; service ranges are a /28 at least. There is an API port for each cluster.
- With `between: wireguard`, no cluster has pools of both kinds: dedicated hosts reach node pods by VXLAN.
- The release exists, and offers the version of each cluster.
- Pools fit on the hosts, where the hosts' `cpu` and `memory` are in the specification; elsewhere `preflight` looks.
- On AWS: a network that exists has a subnet in each zone that hosts are in, and a public one for the bastion; `spot` is
  for workers; `io2` needs `iops`, and `gp3` has 16000 at most.
- On Azure: subnets for hosts and for the bastion are of one network; a network of one's own has an address for each
  host in its first half; `spot` is for workers.
- On Google Cloud: `spot` is for workers; machine types are x86-64; `n4` and `c4` take only hyperdisks, `e2`, `n2` and
  others like them none; `iops` is for hyperdisks.
- The name of a host, local or on Google Cloud, with the platform's name before it has 63 characters at most.
"""


_HEAD = "| path | type | default | changes | meaning |\n| --- | --- | --- | --- | --- |"


def reference() -> str:
    """The whole page."""
    tables = [f"## kind: {kind.__name__}\n\n{_HEAD}\n{_table(kind, '')}\n" for kind in (Platform, Cluster)]
    regions = [
        f"### A region of kind {next(_literals(_provider(region).model_fields['kind'].annotation))}\n\n"
        f"{_HEAD}\n{_table(region, 'spec.regions[].')}\n"
        for region in _models(PlatformSpec.model_fields["regions"].annotation)
    ]
    return "\n".join([_INTRO, tables[0], *regions, tables[1], _CHECKS])


def _provider(region: type[BaseModel]) -> type[BaseModel]:
    return _models(region.model_fields["provider"].annotation)[0]


def _table(model: type[BaseModel], at: str) -> str:
    return "\n".join(_rows(model, at))


def _rows(model: type[BaseModel], at: str) -> Iterator[str]:
    """A row a field, those of its own fields below it; a region of each kind has a table of its own."""
    for name, field in model.model_fields.items():
        path, inner = f"{at}{field.alias or name}", _models(field.annotation)
        if not inner or field.description:
            cells = (f"`{path}`", _type(field), _default(field), _changes(field), field.description or "")
            yield f"| {' | '.join(cells)} |"
        if path != "spec.regions":
            below = f"{path}[]." if get_origin(field.annotation) is tuple else f"{path}."
            yield from (row for one in inner for row in _rows(one, below))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return list(dict.fromkeys(found for inner in get_args(annotation) for found in _models(inner)))


def _type(field: FieldInfo) -> str:
    annotation = field.annotation
    if literals := " or ".join(f"`{value}`" for value in _literals(annotation)):
        return literals
    if get_origin(annotation) is tuple:
        items = "maps" if _models(annotation) else "numbers" if int in _leaves(annotation) else "text"
        return f"list of {items}"
    if _models(annotation) or get_origin(annotation) is dict:
        return "map"
    return next((words for kind, words in _WORDS.items() if kind in _leaves(annotation)), "text")


_WORDS = {bool: "`true` or `false`", IPv4Network: "IPv4 range", IPv4Address: "IPv4 address", int: "number"}


def _leaves(annotation: Any) -> set[Any]:
    inner = get_args(annotation)
    return {leaf for one in inner for leaf in _leaves(one)} if inner else {annotation}


def _literals(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}, "") or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{', '.join(map(str, value)) if isinstance(value, tuple) else value}`"


def _changes(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get(CHANGE_MARK, "")) if isinstance(extra, dict) else ""
