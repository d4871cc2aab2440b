"""What a program asks for: one RegisterResource request, read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from installer.provision import values

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A resource as the program wants it."""

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    inputs: Mapping[str, Any]  # with secrets marked
    dependencies: tuple[str, ...]
    property_dependencies: Mapping[str, tuple[str, ...]]
    provider: str  # reference, `<urn>::<id>`; empty: the package's default one
    version: str
    protect: bool
    delete_before_replace: bool
    retain_on_delete: bool
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    additional_secret_outputs: tuple[str, ...]
    aliases: tuple[str, ...]  # urns that it may have had
    request: Any = field(repr=False, compare=False)

    @property
    def package(self) -> str:
        """The provider's package: `aws` of `aws:ec2/vpc:Vpc`, `random` of `pulumi:providers:random`."""
        return self.type.removeprefix(PROVIDER_PREFIX).split(":")[0]

    @property
    def is_provider(self) -> bool:
        return self.type.startswith(PROVIDER_PREFIX)


def read(request: Any, *, stack: str, project: str) -> Goal:
    """The goal behind a request."""
    dependencies = {key: tuple(found.urns) for key, found in request.propertyDependencies.items()}
    urn = make_urn(stack, project, request.parent, request.type, request.name)
    return Goal(
        urn=urn,
        type=request.type,
        name=request.name,
        custom=request.custom,
        parent=request.parent,
        inputs=values.normal(values.from_struct(request.object)),
        dependencies=tuple(
            dict.fromkeys((*request.dependencies, *(u for urns in dependencies.values() for u in urns)))
        ),
        property_dependencies=dependencies,
        provider=request.provider,
        version=request.version,
        protect=request.protect,
        delete_before_replace=request.deleteBeforeReplace,
        retain_on_delete=request.retainOnDelete,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        aliases=tuple(dict.fromkeys((*request.aliasURNs, *_aliases(request, stack, project)))),
        request=request,
    )


def make_urn(stack: str, project: str, parent: str, kind: str, name: str) -> str:
    """`urn:pulumi:<stack>::<project>::<parent types>$<type>::<name>`; the stack itself is nobody's type."""
    parent_type = parent.split("::")[2] if parent else ""
    qualified = f"{parent_type}${kind}" if parent_type and parent_type != STACK_TYPE else kind
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def _aliases(request: Any, stack: str, project: str) -> Iterator[str]:
    for alias in request.aliases:
        if alias.WhichOneof("alias") == "urn":
            yield alias.urn
            continue
        spec = alias.spec
        parent = "" if spec.noParent else spec.parentUrn or request.parent
        kind, name = spec.type or request.type, spec.name or request.name
        yield make_urn(spec.stack or stack, spec.project or project, parent, kind, name)
