"""From pydantic's errors to faults with line and path that help and never show a value."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from installer.core.errors import SpecError
from installer.spec import aws, azure, base, cloud, cluster, cluster_settings, quantity
from installer.spec.source import Document, Fault, Loc, read

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], document: Document) -> tuple[M | None, tuple[Fault, ...]]:
    """The document as `model`, or all that is wrong with it."""
    if not isinstance(document.data, dict):
        return None, (document.fault((), "must be a mapping of keys to values"),)
    try:
        return model.model_validate(document.data), ()
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False)
        return None, tuple(_fault(document, error, model) for error in errors if not _follows(document, error))


def read_one(model: type[M], path: Path) -> tuple[tuple[M, Document] | None, tuple[Fault, ...]]:
    """The only document of a file as `model`, or all that is wrong with it."""
    documents, found = read(path)
    if found or len(documents) != 1:
        return None, found or (Fault(str(path), 1, "", "must hold exactly one YAML document"),)
    value, found = validate(model, documents[0])
    return (None if value is None else (value, documents[0])), found


def spec_error(found: Iterable[Fault]) -> SpecError:
    """One error that lists every fault, sorted by file and line."""
    lines = sorted(set(found))
    count = "1 fault" if len(lines) == 1 else f"{len(lines)} faults"
    return SpecError(
        "\n".join([f"{count} in the specification", *(f"  {fault}" for fault in lines)]),
        hint="mend these lines and repeat",
    )


def _fault(document: Document, error: Mapping[str, Any], model: type[BaseModel]) -> Fault:
    loc = written_path(document.data, error["loc"])
    if error["type"] == "value_error" and loc and isinstance(around := _at(document.data, loc[:-1]), dict):
        loc = loc if loc[-1] in around else loc[:-1]  # of a whole model in a union: its tag is not in the data
    if error["type"] == "provider_kind":  # raised where the kind of the whole region is decided
        loc = (*loc, "provider", "kind")
    return document.fault(loc, _message(error, loc, model, document))


def _follows(document: Document, error: Mapping[str, Any]) -> bool:
    """True for a list that is too short only because pydantic left out its faulty items."""
    if error["type"] != "too_short":
        return False
    written = _at(document.data, written_path(document.data, error["loc"]))
    return isinstance(written, list) and len(written) >= int(error["ctx"]["min_length"])


def _at(data: Any, loc: Loc) -> Any:
    for part in loc:
        data = data[part]
    return data


def written_path(data: Any, loc: Sequence[str | int]) -> Loc:
    """`loc` without the union tags that pydantic puts between the parts that are in the data."""
    kept: list[str | int] = []
    here = data
    last = len(loc) - 1
    for index, part in enumerate(loc):
        if isinstance(here, dict) and isinstance(part, str):
            if part not in here and index != last:
                continue  # a union tag: the data has no such key
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            here = here[part] if part < len(here) else None
        elif isinstance(part, str):
            continue
        kept.append(part)
    return tuple(kept)


_PLAIN = {
    "missing": "is required",
    "too_short": "must not be empty",
    "string_type": "must be text; put it in quotes",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "ip_v4_address": "must be an IPv4 address, such as 192.0.2.10",
    "ip_v4_network": "must be an IPv4 range without host bits, such as 10.128.0.0/14",
}

_PATTERNS = {
    aws.ZONE_PATTERN: "must be the letter of a zone, such as a",
    aws.REGION_PATTERN: "must be a region of AWS, such as eu-central-1",
    aws.INSTANCE_TYPE_PATTERN: "must be an instance type, such as m7i.large",
    aws.VPC_PATTERN: "must be the id of a VPC, such as vpc-0123456789abcdef0",
    aws.SUBNET_PATTERN: "must be the id of a subnet, such as subnet-0123456789abcdef0",
    aws.IMAGE_PATTERN: "must be the id of an image, such as ami-0123456789abcdef0",
    azure.ZONE_PATTERN: 'must be the number of a zone, in quotes, such as "1"',
    azure.LOCATION_PATTERN: "must be a region of Azure, such as westeurope",
    azure.SIZE_PATTERN: "must be a size of virtual machines, such as Standard_D2s_v5",
    azure.SUBSCRIPTION_PATTERN: "must be the id of a subscription, such as 00000000-0000-0000-0000-000000000000",
    azure.SUBNET_PATTERN: "must be the id of a subnet: /subscriptions/.../virtualNetworks/.../subnets/...",
    azure.IMAGE_PATTERN: "must be the id of an image: /subscriptions/.../Microsoft.Compute/images/...",
    azure.TAG_KEY_PATTERN: "may not have any of < > % & \\ ? /",
    cloud.PUBLIC_KEY_PATTERN: "must be a public SSH key on one line, such as ssh-ed25519 AAAA... me",
    aws.TAG_PATTERN: "may have letters, digits, spaces and . : / = + @ - _",
    base.NAME_PATTERN: "must be lower-case letters, digits and dashes, from a letter to a letter or digit",
    base.LABEL_KEY_PATTERN: "must be a Kubernetes label key, such as disk or example.org/disk",
    base.LABEL_VALUE_PATTERN: "must be a Kubernetes label value: letters, digits, dots, dashes, underscores",
    quantity.DURATION_PATTERN: "must be a time, such as 90s, 5m or 1h30m",
    cluster_settings.SERVER_NAME_PATTERN: "must be a DNS name or an IPv4 address",
    cluster_settings.THRESHOLD_PATTERN: "must be a share such as 5%, or an amount such as 200Mi",
    cluster.KUBERNETES_PATTERN: "must be a full Kubernetes version, such as 1.36.3",
}


_QUOTE = "'"  # around names in what pydantic says


def _message(error: Mapping[str, Any], loc: Loc, model: type[BaseModel], document: Document) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown key" + did_you_mean(str(loc[-1]), _keys_at(model, loc[:-1], document.data))
    if kind == "value_error":  # our own validators: their text holds no value
        return str(context["error"])
    return _PLAIN.get(kind) or _by_context(kind, context) or _as_ours(error["msg"])


def _by_context(kind: str, context: Mapping[str, Any]) -> str:
    """What pydantic says with details of its own; empty for all else. None of it is the value."""
    match kind:
        case "string_pattern_mismatch":
            return _PATTERNS.get(context["pattern"], f"must match {context['pattern']}")
        case "string_too_long":
            return f"must have at most {context['max_length']} characters"
        case "literal_error":
            return f"must be {context['expected']}"
        case "union_tag_invalid":
            key, tags = context["discriminator"].strip(_QUOTE), context["expected_tags"].split(", ")
            return f"{key} must be {' or '.join(tags)}"
        case "union_tag_not_found":
            return f"{context['discriminator'].strip(_QUOTE)} is required"
        case _:
            return ""


def _as_ours(message: str) -> str:
    return (message[:1].lower() + message[1:]).replace("input should be", "must be")


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`; did you mean x?` for the nearest of `words`, or nothing."""
    close = difflib.get_close_matches(word, sorted(words), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _keys_at(model: type[BaseModel], loc: Loc, data: Any) -> set[str]:
    """The keys that may be written at `loc`; where there are several kinds, those of the kind that fits `data` best."""
    models = {model}
    for part in loc:
        if isinstance(part, str):
            fields = [f for m in models for name, f in m.model_fields.items() if (f.alias or name) == part]
            models = {found for f in fields for found in _models(f.annotation)}
    written = set(_at(data, loc))
    return max((_keys(m) for m in models), key=lambda keys: len(keys & written), default=set())


def _keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _models(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {found for inner in get_args(annotation) for found in _models(inner)}
