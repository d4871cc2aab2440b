"""Quantities as Kubernetes writes them, as far as a specification needs them: CPU, memory, time."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

_CPU = re.compile(r"(\d+)m|(\d+(?:\.\d{1,3})?)")
_MEMORY = re.compile(r"(\d+)(Ki|Mi|Gi|Ti|k|M|G|T)?")
DURATION_PATTERN = r"^([0-9]{1,4}h)?([0-9]{1,4}m)?([0-9]{1,5}s)?$"
_DURATION = re.compile(r"(?=.)(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,5})s)?")
_BANDWIDTH = re.compile(r"(\d{1,6})(k|M|G)bit")
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


def threshold_bytes(text: str, *, of: str) -> int:
    """Bytes in `200Mi`, or in `5%` of another amount of memory; raises ValueError."""
    if text.endswith("%"):
        return int(memory_bytes(of) * float(text.removesuffix("%")) / 100)
    return memory_bytes(text)


def bits_per_s(text: str) -> int:
    """Bits a second in `10Mbit`, `512kbit` or `1Gbit`; raises ValueError."""
    match = _BANDWIDTH.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError("not a bandwidth (examples: 10Mbit, 512kbit)")
    return int(match[1]) * _FACTORS[match[2]]


def seconds(text: str) -> int:
    """Seconds in `1h30m`, `5m` or `0s`; raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("not a time (examples: 90s, 5m, 1h30m)")
    return sum(int(part or 0) * factor for part, factor in zip(match.groups(), (3600, 60, 1), strict=True))


def _checked_cpu(text: str) -> str:
    if cpu_millis(text) <= 0:
        raise ValueError("must be more than nothing")
    return text


def _checked_memory(text: str) -> str:
    if memory_bytes(text) <= 0:
        raise ValueError("must be more than nothing")
    return text


def _checked_bandwidth(text: str) -> str:
    bits_per_s(text)
    return text


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


QUANTITY_MARK = "x-moorage-quantity"  # in the JSON Schema: may be written as a number, too
_MARKED = Field(json_schema_extra={QUANTITY_MARK: True})

Cpu = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_checked_cpu), _MARKED]
Memory = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_checked_memory), _MARKED]
Bandwidth = Annotated[str, AfterValidator(_checked_bandwidth)]
Duration = Annotated[str, StringConstraints(pattern=DURATION_PATTERN, min_length=2)]
