"""Property values on the wire: protobuf structs with Pulumi's marks for secrets and unknowns.

https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/properties.go
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import struct_pb2

# Marks of the wire protocol. The SDK has them, too, but reading a state must not take half a second to load it.
UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark, no secret
OUTPUT_VALUE: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """A struct as plain data; whole numbers come back as ints, marks stay as they are."""
    return {key: _from_value(value) for key, value in struct.fields.items()}


def to_struct(data: Mapping[str, Any], *, secret: frozenset[str] = frozenset()) -> struct_pb2.Struct:
    """Plain data as a struct; top-level keys in `secret` are marked."""
    struct = struct_pb2.Struct()
    for key, value in data.items():
        if value is not None:
            struct.fields[key].CopyFrom(_to_value(as_secret(value) if key in secret else value))
    return struct


def as_secret(value: Any) -> dict[str, Any]:
    """`value` with the mark of a secret, once."""
    return value if is_secret(value) else {_SIGNATURE: SECRET, "value": value}


def is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(_SIGNATURE) == SECRET


def has_secret(value: Any) -> bool:
    """Whether a secret is anywhere in it."""
    if is_secret(value):
        return True
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(has_secret, children))


def has_unknown(value: Any) -> bool:
    """Whether something in it will only be known once a resource is made."""
    if value == UNKNOWN:
        return True
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(has_unknown, children))


def plain(value: Any) -> Any:
    """Without the marks of secrets and output values; an unknown stays the unknown it is."""
    if isinstance(value, dict):
        match value.get(_SIGNATURE):
            case mark if mark == SECRET:
                return plain(value.get("value"))
            case mark if mark == OUTPUT_VALUE:
                return plain(value["value"]) if "value" in value else UNKNOWN
            case _:
                return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def normal(value: Any) -> Any:
    """Output values as the older marks that states and providers know: a secret, an unknown, or the value itself."""
    if isinstance(value, list):
        return [normal(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get(_SIGNATURE) == OUTPUT_VALUE:
        inner = normal(value["value"]) if "value" in value else UNKNOWN
        return as_secret(inner) if value.get("secret") else inner
    return {key: normal(item) for key, item in value.items()}


def _from_value(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _to_value(data: Any) -> struct_pb2.Value:
    match data:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=data)
        case int() | float():
            return struct_pb2.Value(number_value=data)
        case str():
            return struct_pb2.Value(string_value=data)
        case Mapping():
            return struct_pb2.Value(struct_value=to_struct(data))
        case _:
            return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_to_value(item) for item in data]))
