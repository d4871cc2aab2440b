"""The custom resource definition of `kind: Cluster`, generated from the model that reads specifications."""

from __future__ import annotations

from typing import Any, Final

from installer.spec.base import CHANGE_MARK, NAME_PATTERN, RULES_MARK, SPECIFICATION_MARK, Changes
from installer.spec.check_names import RESERVED, RESERVED_PREFIXES
from installer.spec.cluster import ClusterSpec
from installer.spec.quantity import QUANTITY_MARK

GROUP: Final = "moorage.dev"
VERSION: Final = "v1"
PLURAL: Final = "clusters"
_MAX_NAME: Final = 32
_KIND: Final = "kind"  # tells apart what may stand in one place
# The API server bounds what its validation rules may cost; lists without a bound count as endless.
_MAX_ITEMS: Final = 100
# JSON Schema's own names that have another one, or no meaning, in a custom resource definition.
_FORMATS: Final = {"ipv4network": "cidr"}
# As core.version.refused_step has it, from the version that the control plane runs: one that did not come up may be
# left for that one again, and none is skipped.
_MINOR: Final = "int({}.split('.')[1])"
_RUNS: Final = "has(self.status) && has(self.status.controlPlane) && has(self.status.controlPlane.version)"
_BEFORE: Final = f"({_RUNS} ? self.status.controlPlane.version : oldSelf.spec.version)"
_STEPS: Final = {
    "rule": "self.spec.version == oldSelf.spec.version || "
    f"{_MINOR.format('self.spec.version')} - {_MINOR.format(_BEFORE)} in [0, 1]",
    "message": "goes up one minor version at a time, and never back",
    "fieldPath": ".spec.version",
}
_STATUS: Final = {
    "type": "object",
    "properties": {
        "controlPlane": {
            "type": "object",
            "properties": {"version": {"type": "string", "maxLength": 32}},
            "x-kubernetes-preserve-unknown-fields": True,
        }
    },
    "x-kubernetes-preserve-unknown-fields": True,
}
_DROPPED: Final = ("title", "$defs", CHANGE_MARK, QUANTITY_MARK, "propertyNames", "patternProperties", "const")


def manifests() -> list[dict[str, Any]]:
    """Everything that must be in the manager's API before the first Cluster."""
    return [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{PLURAL}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "scope": "Cluster",
                "names": {"kind": "Cluster", "listKind": "ClusterList", "plural": PLURAL, "singular": "cluster"},
                "versions": [_version()],
            },
        }
    ]


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            _column("Version", ".spec.version"),
            _column("Phase", ".status.phase"),
            _column("Control plane", ".status.controlPlane.summary"),
            _column("Nodes", ".status.nodes.summary"),
            _column("Runs", ".status.controlPlane.version", priority=1),
            _column("Endpoint", ".status.endpoint", priority=1),
            _column("Age", ".metadata.creationTimestamp", kind="date"),
        ],
        "schema": {"openAPIV3Schema": _schema()},
    }


def _column(name: str, path: str, *, kind: str = "string", priority: int = 0) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, "priority": priority}


def _schema() -> dict[str, Any]:
    spec = ClusterSpec.model_json_schema(by_alias=True)
    return {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": _name()}},
            "spec": structural(spec, spec.get("$defs", {})),
            "status": _STATUS,
        },
        "x-kubernetes-validations": [_not_reserved(), _STEPS],
    }


def _name() -> dict[str, Any]:
    return {"type": "string", "maxLength": _MAX_NAME, "pattern": NAME_PATTERN}


def _not_reserved() -> dict[str, str]:
    reserved = " || ".join(
        [
            *(f"self.metadata.name == '{name}'" for name in RESERVED),
            *(f"self.metadata.name.startsWith('{prefix}')" for prefix in RESERVED_PREFIXES),
        ]
    )
    return {"rule": f"!({reserved})", "message": "this name is reserved"}


def structural(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema of pydantic's as Kubernetes wants it: no references, and our marks as validation rules.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
    """
    schema = _without_kinds(_without_null(_resolved(schema, definitions), definitions), definitions)
    found = {key: value for key, value in schema.items() if key not in _DROPPED}
    if "const" in schema:
        found["enum"] = [schema["const"]]
    if "format" in found:
        found["format"] = _FORMATS.get(found["format"], found["format"])
    if schema.get(QUANTITY_MARK):
        del found["type"]
        found |= {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    match schema.get("type"):
        case "object":
            _object(found, schema, definitions)
        case "array":
            _array(found, schema, definitions)
    if schema.get(CHANGE_MARK) == Changes.NEVER:
        fixed = {"rule": "self == oldSelf", "message": "may not change after creation"}
        found[RULES_MARK] = [*found.get(RULES_MARK, ()), fixed]
    return found


def _without_null(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A field that may be left out is one that is not required; its null is not part of the interface."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    if len(kinds) == len(schema.get("anyOf", ())):
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**_resolved(kinds[0], definitions), **rest}


def _without_kinds(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """One object in place of several told apart by `kind`: with all their fields, and rules for who has which.

    Defaults of fields that not all of them have are left to whoever reads the object: the API server would set them on
    all.
    """
    if "oneOf" not in schema:
        return schema
    kinds = [_resolved(one, definitions) for one in schema["oneOf"]]
    by_name = {one["properties"][_KIND]["const"]: one for one in kinds}
    common = set.intersection(*(set(one["properties"]) for one in kinds))
    properties: dict[str, Any] = {}
    found: list[dict[str, str]] = []
    for name, one in by_name.items():
        found += [rule for rule in one.get(RULES_MARK, ()) if rule not in found]
        for field, inner in one["properties"].items():
            if field in common:
                properties.setdefault(field, inner)
                continue
            properties[field] = {key: value for key, value in inner.items() if key != "default"}
            found.append(_only(field, name, required=field in one["required"]))
    told = {key: value for key, value in properties[_KIND].items() if key not in ("const", "description")}
    required = [field for field in kinds[0]["required"] if field in common]
    return {
        "type": "object",
        "properties": {**properties, _KIND: {**told, "enum": list(by_name)}},
        "required": required,
        RULES_MARK: found,
    }


def _only(field: str, kind: str, *, required: bool) -> dict[str, str]:
    """A field that is one kind's alone."""
    if required:
        rule, message = f"has(self.{field}) == (self.{_KIND} == '{kind}')", "is needed with, and only with,"
    else:
        rule, message = f"!has(self.{field}) || self.{_KIND} == '{kind}'", "is allowed only with"
    return {"rule": rule, "message": f"{field} {message} kind {kind}"}


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    target = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def _object(found: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    if "properties" not in schema:
        values = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties", True)][0]
        found["additionalProperties"] = (
            structural(values, definitions) if isinstance(values, dict) else {"type": "string"}
        )
        found.setdefault("maxProperties", _MAX_ITEMS)
        return
    found.pop("additionalProperties", None)  # fields that are not known are pruned, or refused with strict validation
    found["properties"] = {
        name: structural(inner, definitions)
        for name, inner in schema["properties"].items()
        if SPECIFICATION_MARK not in inner
    }
    for name, inner in found["properties"].items():
        if name not in schema.get("required", ()) and "properties" in inner and "required" not in inner:
            inner["default"] = {}  # so that the defaults inside it apply


def _array(found: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    found["items"] = structural(schema["items"], definitions)
    found.setdefault("maxItems", _MAX_ITEMS)
    if "name" in found["items"].get("properties", {}):
        found |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
