"""The JSON Schema of what users write, for editors that complete and check while one types."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from installer.spec.cluster import Cluster
from installer.spec.platform import Platform
from installer.spec.quantity import QUANTITY_MARK

_Document = Annotated[Platform | Cluster, Field(discriminator="kind")]


def json_schema() -> dict[str, Any]:
    """One schema for a document of either kind."""
    schema = TypeAdapter(_Document).json_schema(by_alias=True)
    _allow_numbers(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Moorage specification", **schema}


def _allow_numbers(schema: Any) -> None:
    """Let quantities be written as numbers, as the models do: `cpu: 2`."""
    if isinstance(schema, dict):
        if schema.pop(QUANTITY_MARK, False):
            schema["type"] = ["string", "number"]
        for inner in schema.values():
            _allow_numbers(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _allow_numbers(inner)
