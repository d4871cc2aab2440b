"""The base of every specification model, and the marks that say when a field may change."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

API_VERSION = "moorage.dev/v1"

# A DNS label (RFC 1123), short enough that names made from it stay labels, too.
NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
LABEL_KEY_PATTERN = r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$"
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=32)]
LabelKey = Annotated[str, StringConstraints(pattern=LABEL_KEY_PATTERN)]
LabelValue = Annotated[str, StringConstraints(pattern=LABEL_VALUE_PATTERN)]
Labels = dict[LabelKey, LabelValue]
Arch = Literal["amd64", "arm64"]  # of hosts, and of what is built for them
Role = Literal["manager", "worker", "dedicated"]  # of a host
ROLES = (
    "`manager` hosts carry the manager, `worker` hosts nodes of many clusters; `dedicated` hosts are nodes of one "
    "cluster, whose pool names them."
)


class Changes(StrEnum):
    """When a field may change after creation; `preview` refuses a forbidden change by name."""

    ALWAYS = "always"
    ONCE = "once"  # from empty to a value, then never again
    NEVER = "never"
    STEPS = "steps"  # a Kubernetes version: one minor version at a time, and never back


CHANGE_MARK = "x-moorage-change"


def marked(change: Changes, default: Any = ..., **kwargs: Any) -> Any:
    """A pydantic field that says in the JSON Schema, and to `preview`, when it may change."""
    return Field(default, json_schema_extra={CHANGE_MARK: change.value}, **kwargs)


def never(default: Any = ..., **kwargs: Any) -> Any:
    """A field that is fixed at creation."""
    return marked(Changes.NEVER, default, **kwargs)


def once(default: Any = ..., **kwargs: Any) -> Any:
    """A field that may be filled in once."""
    return marked(Changes.ONCE, default, **kwargs)


def always(default: Any = ..., **kwargs: Any) -> Any:
    """A field that may change at any time."""
    return marked(Changes.ALWAYS, default, **kwargs)


def steps(default: Any = ..., **kwargs: Any) -> Any:
    """A Kubernetes version, which goes up one minor version at a time."""
    return marked(Changes.STEPS, default, **kwargs)


SPECIFICATION_MARK = "x-moorage-specification-only"


def specification_only(description: str) -> Any:
    """An optional field of specifications, which the custom resource in the manager does not have."""
    extra: dict[str, Any] = {CHANGE_MARK: Changes.ALWAYS.value, SPECIFICATION_MARK: True}
    return Field(None, exclude=True, description=description, json_schema_extra=extra)


RULES_MARK = "x-kubernetes-validations"


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Checks across fields (CEL, message) for the API server to make; the model has a validator that says the same.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
    """
    return {RULES_MARK: [{"rule": cel, "message": message} for cel, message in pairs]}


class Model(BaseModel):
    """Frozen, refuses unknown keys, speaks camelCase in YAML."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


class Metadata(Model):
    """What every document carries."""

    name: Name = never(description="Unique among documents of its kind; part of the names of all that is made for it.")
    labels: Labels = always(default_factory=dict, description="For your own use, and for selecting.")
    annotations: dict[str, str] = always(default_factory=dict, description="For your own use.")
