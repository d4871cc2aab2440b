"""Kubernetes quantities, as far as a specification needs them: CPU and memory."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

_CPU = re.compile(r"(\d+)m|(\d+(?:\.\d{1,3})?)")
_MEMORY = re.compile(r"(\d+)(Ki|Mi|Gi|Ti|k|M|G|T)?")
_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def cpu_millis(text: str) -> int:
    """Thousandths of a core in `500m`, `2` or `0.5`; raises ValueError."""
    match = _CPU.fullmatch(text)
    if match is None:
        raise ValueError("not a CPU quantity (examples: 2, 0.5, 500m)")
    return int(match[1]) if match[1] else round(float(match[2]) * 1000)


def memory_bytes(text: str) -> int:
    """Bytes in `512Mi`, `2Gi` or `1000000`; raises ValueError."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise ValueError("not a memory quantity (examples: 2Gi, 512Mi)")
    return int(match[1]) * _FACTORS[match[2] or ""]


def _checked_cpu(text: str) -> str:
    if cpu_millis(text) <= 0:
        raise ValueError("must be more than nothing")
    return text


def _checked_memory(text: str) -> str:
    if memory_bytes(text) <= 0:
        raise ValueError("must be more than nothing")
    return text


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


QUANTITY_MARK = "x-moorage-quantity"  # in the JSON Schema: may be written as a number, too
_MARKED = Field(json_schema_extra={QUANTITY_MARK: True})

Cpu = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_checked_cpu), _MARKED]
Memory = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_checked_memory), _MARKED]
