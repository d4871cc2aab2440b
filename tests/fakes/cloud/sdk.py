"""What a Pulumi SDK says of a resource type: its inputs, which of them must be given, and its outputs."""

from __future__ import annotations

import importlib
import inspect
import re
import typing
from collections.abc import Awaitable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any

import pulumi
from pulumi import _types as sdk_types

from installer.provision.values import UNKNOWN

Fault = tuple[str, str]  # property, reason
_PLAIN: Mapping[type, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int, float), float: (int, float)}


def faults(token: str, inputs: Mapping[str, Any]) -> list[Fault]:
    """What is unknown, missing or of another type in the inputs of a resource.

    Its type is `package:module/file:Class`, or `package:module:Class` where that is all that its SDK tells.
    """
    return list(_faults(_arguments(token), inputs, ""))


@cache
def outputs(token: str) -> frozenset[str]:
    """The names of all its outputs."""
    try:
        state = _class(token, "_{}State")
    except AttributeError:  # nothing of it is looked up by its state; its getters say the same
        return frozenset(sdk_types.resource_types(_class(token, "{}")))
    return frozenset(sdk_types.input_type_py_to_pulumi_names(state).values())


def takes(token: str, name: str) -> bool:
    """Whether a resource type has such an input."""
    return name in sdk_types.input_type_types(_arguments(token))


def provider_faults(package: str, config: Mapping[str, Any]) -> list[Fault]:
    """Settings of the provider itself that its SDK does not know."""
    known = sdk_types.input_type_py_to_pulumi_names(importlib.import_module(_top(package)).ProviderArgs).values()
    return [(key, "there is no such setting") for key in sorted(set(config) - set(known) - {"version"})]


def _arguments(token: str) -> Any:
    try:
        return _class(token, "{}InitArgs")  # where another class has the shorter name
    except AttributeError:
        return _class(token, "{}Args")


@cache
def _class(token: str, name: str) -> Any:
    package, path, kind = token.split(":")
    module, _, file = path.partition("/")
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", file or kind).lower()
    return getattr(importlib.import_module(f"{_top(package)}.{module}.{snake}"), name.format(kind))


def _top(package: str) -> str:
    return f"pulumi_{package.replace('-', '_')}"


def _faults(model: Any, given: Mapping[str, Any], at: str) -> Iterator[Fault]:
    types = sdk_types.input_type_types(model)
    names = sdk_types.input_type_py_to_pulumi_names(model)
    for key in given.keys() - types.keys():
        yield f"{at}{key}", "there is no such property"
    for name, parameter in list(inspect.signature(model.__init__).parameters.items())[1:]:
        key = names[name]
        if parameter.default is inspect.Parameter.empty and given.get(key) is None:
            yield f"{at}{key}", "this property is required"
    for key, value in given.items():
        if key in types:
            yield from _wrong(types[key], value, f"{at}{key}")


def _wrong(wanted: Any, value: Any, at: str) -> Iterator[Fault]:
    if value is None or value == UNKNOWN:
        return
    results = [list(_wrong_for(one, value, at)) for one in _alternatives(wanted)]
    if all(results):
        yield from results[0]


def _wrong_for(wanted: Any, value: Any, at: str) -> Iterator[Fault]:
    origin = typing.get_origin(wanted)
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        if value not in {one.value for one in wanted}:
            yield at, f"is none of the values of {wanted.__name__}"
    elif wanted in _PLAIN:
        if not isinstance(value, _PLAIN[wanted]) or (wanted is int and isinstance(value, bool)):
            yield at, f"must be {wanted.__name__}, not {type(value).__name__}"
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            yield at, "must be a map"
    elif origin is not None:
        if not isinstance(value, list):
            yield at, "must be a list"
            return
        for number, item in enumerate(value):
            yield from _wrong(typing.get_args(wanted)[0], item, f"{at}[{number}]")
    elif sdk_types.is_input_type(wanted):
        if not isinstance(value, dict):
            yield at, "must be an object"
            return
        yield from _faults(wanted, value, f"{at}.")
    else:
        raise AssertionError(f"{at}: {wanted} is a type that this check does not know")


def _alternatives(wanted: Any) -> list[Any]:
    """The plain types of an input: `Union[T, Awaitable[T], Output[T]]`, or of more than one T."""
    if typing.get_origin(wanted) is not typing.Union:
        return [wanted]
    plain = (one for one in typing.get_args(wanted) if typing.get_origin(one) not in (Awaitable, pulumi.Output))
    return [found for one in plain for found in _alternatives(one) if found is not type(None)]
