"""Property values with their marks."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.runtime import rpc

from installer.provision import values

SECRET = values.as_secret("s3cret")


def test_marks_are_those_of_the_sdk() -> None:
    """The protocol has them in one place, which loads slowly; ours must be the same."""
    assert rpc.UNKNOWN == values.UNKNOWN
    assert rpc._special_secret_sig == values.SECRET
    assert rpc._special_output_value_sig == values.OUTPUT_VALUE
    assert rpc._special_resource_sig == values.RESOURCE
    assert values.as_secret(1)[rpc._special_sig_key] == rpc._special_secret_sig


@pytest.mark.parametrize(
    "data",
    [{}, {"a": 1, "b": 1.5, "c": True, "d": "x"}, {"list": [1, {"deep": ["y"]}]}, {"secret": SECRET}],
)
def test_a_struct_reads_back_as_it_was(data: dict[str, Any]) -> None:
    """Whole numbers stay whole."""
    assert values.from_struct(values.to_struct(data)) == data


def test_nothing_is_left_out_of_a_struct_but_null() -> None:
    """The protocol drops null properties."""
    assert values.from_struct(values.to_struct({"a": None, "b": 0})) == {"b": 0}


@pytest.mark.parametrize(
    ("value", "plain", "secret"),
    [
        ("x", "x", False),
        (SECRET, "s3cret", True),
        ({"deep": [SECRET]}, {"deep": ["s3cret"]}, True),
        ({rpc._special_sig_key: values.OUTPUT_VALUE}, values.UNKNOWN, False),
        ({rpc._special_sig_key: values.OUTPUT_VALUE, "value": "x", "secret": True}, "x", True),
    ],
)
def test_plain_and_secret(value: Any, plain: Any, secret: bool) -> None:
    """Marks go, values stay; a secret anywhere is found."""
    assert values.plain(value) == plain
    assert values.has_secret(values.normal(value)) is secret
